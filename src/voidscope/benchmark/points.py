"""Finished points on disk: one JSON line each, one file per cell, so that a killed run loses none and repeats none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from voidscope.benchmark.protocol import Cell
from voidscope.errors import CannotReadFile
from voidscope.project.atomic import write_bytes

FOLDER = "points"


def points_path(out: Path, cell: Cell) -> Path:
    """The file of a cell's points."""
    return out / FOLDER / f"{cell.id}.jsonl"


def read_points(path: Path) -> list[dict[str, Any]]:
    """The points in one file, none where there is none; raises `CannotReadFile` for a line that is no point."""
    if not path.exists():
        return []
    try:
        return [_point(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (ValueError, KeyError, TypeError) as error:
        said = f"without {error}" if isinstance(error, KeyError) else error
        raise CannotReadFile(
            path, f"holds a line that is no point ({said}); delete the file to run it again"
        ) from error


def _point(line: str) -> dict[str, Any]:
    point: dict[str, Any] = json.loads(line)
    for key in ("budget", "n_labelled"):
        if not isinstance(point[key], int):
            raise ValueError(f"{key} {point[key]!r}")
    return point


def all_points(out: Path) -> Iterator[dict[str, Any]]:
    """Every finished point below `out`, by cell and budget."""
    for path in sorted((out / FOLDER).glob("*.jsonl")):
        yield from read_points(path)


def add_point(path: Path, point: dict[str, Any]) -> None:
    """Append a point; the file is replaced in one step, so it never ends in half a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [*read_points(path), point]
    write_bytes(path, "".join(json.dumps(p) + "\n" for p in lines).encode())
