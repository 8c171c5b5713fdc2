"""What commands share on the way out: one JSON object or a text on stdout, the window."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from voidscope.acquisition import Suggestion
from voidscope.errors import LabelError
from voidscope.project import ScanRecord


@contextmanager
def of_file(path: Path) -> Iterator[None]:
    """Name the label file in what is wrong with its content."""
    try:
        yield
    except LabelError as error:
        raise LabelError(f"{path}: {error}") from error


def say(entry: dict[str, Any], as_json: bool, text: str) -> None:
    """Print the JSON object, or the text for a person."""
    typer.echo(json.dumps(entry, allow_nan=False, default=list) if as_json else text)


def scan_entry(record: ScanRecord) -> dict[str, Any]:
    """A scan as the command line tells it."""
    return {
        "scan": record.name, "shape": list(record.shape), "dtype": record.dtype, "spacing_um": record.spacing_um,
        "format": record.format, "n_slices": record.n_slices, "plane": record.plane.value, "split": record.split.value,
    }  # fmt: skip


def suggestion_entry(s: Suggestion) -> dict[str, Any]:
    """A suggestion as the command line tells it."""
    pixel = None if s.pixel is None else list(s.pixel)
    return {
        "scan": s.key.scan,
        "slice": s.key.index,
        "rank": s.rank,
        "r": s.r,
        "u": s.u,
        "d": s.d,
        "score": s.score,
        "pixel": pixel,
    }


def number(value: float | None) -> str:
    """Four decimals, or a dash."""
    return "-" if value is None else f"{value:.4f}"


def has_display() -> bool:
    """Whether a window can be opened here."""
    return sys.platform in ("win32", "darwin") or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )


def open_window(path: Path) -> None:
    """Start napari with the dock in a process of its own; the command line itself never loads Qt."""
    raise SystemExit(subprocess.call([sys.executable, "-m", "voidscope.widgets", str(path)]))
