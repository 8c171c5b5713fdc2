"""What a killed program was writing lies under a temporary name for ever; opening the project deletes it once it is old."""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from voidscope.project.atomic import is_temporary

FOLDERS = (
    "changes", "cycles", "gauge", "labels", "pretrained", "removed", "report", "suggestions", "undo",
)  # fmt: skip
"""All that a project writes in beside its own folder; scans that a person keeps there may be many files, and are not looked through."""
STALE_S = 24 * 3600
"""Older ones are nobody's. A job keeps what it has drafted of each scan until its end, which may take days, but drafts the next meanwhile."""


def sweep(project: Path) -> None:
    """Delete our temporary files and folders of a project folder where none beside them was written within `STALE_S`.

    What cannot be deleted, as in a read-only folder, stays.
    """
    for left in _left_in(project):
        with suppress(OSError):
            found = {path: path.lstat() for path in left}
            if found and max(f.st_mtime for f in found.values()) < time.time() - STALE_S:
                for path, how in found.items():
                    _delete(path, how.st_mode)


def _left_in(project: Path) -> Iterator[list[Path]]:
    """The temporary files and folders that lie beside each other."""
    with suppress(OSError), os.scandir(project) as entries:
        yield [Path(entry) for entry in entries if is_temporary(entry.name)]
    for top in FOLDERS:
        for where, folders, files in os.walk(project / top):
            yield [Path(where, name) for name in (*folders, *files) if is_temporary(name)]
            folders[:] = [name for name in folders if not is_temporary(name)]


def _delete(path: Path, mode: int) -> None:
    if stat.S_ISDIR(mode):
        shutil.rmtree(path, ignore_errors=True)
    elif stat.S_ISREG(mode):
        path.unlink(missing_ok=True)
