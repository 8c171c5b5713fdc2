"""Files of which the newest record counts and the earlier ones stay: evaluations and promotions of a cycle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from voidscope.errors import ProjectError
from voidscope.project.atomic import read_json, write_json

BEFORE = "before"
"""In the newest record, the list of those before it, oldest first; a file of an older version has none."""


def append_record(path: Path, record: Mapping[str, object]) -> None:
    """Make a record the newest of its file; raises `ProjectError` where what is there is damaged."""
    write_json(path, {**record, BEFORE: list(read_history(path))})


def read_history(path: Path) -> tuple[dict[str, Any], ...]:
    """All records of a file, oldest first; empty where there is none. Raises `ProjectError` where it is damaged."""
    if not path.is_file():
        return ()
    newest = read_json(path)
    before = newest.pop(BEFORE, [])
    if not isinstance(before, list) or not all(isinstance(record, dict) for record in before):
        raise ProjectError(
            f"{path} is damaged: {BEFORE} is no list of records. Restore the file from a backup."
        )
    return (*before, newest)
