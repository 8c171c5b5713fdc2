"""A report in a folder of its own, with the hashes of its files; and whether the files still are those."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from voidscope.errors import ProjectError
from voidscope.project.atomic import explained, replace_folder

SUMS = "SHA256SUMS"
"""Lists the other files as ``sha256sum`` does, so that ``sha256sum -c SHA256SUMS`` checks them too."""


def export_report(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the files of a report and their hashes; an earlier report in the folder is replaced.

    Raises
    ------
    ProjectError : the folder holds something else, or the disk refuses.
    """
    if folder.exists() and not _is_free(folder):
        raise ProjectError(f"{folder} holds other files than a report's; name a new folder for the report.")
    with explained(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
    replace_folder(folder, with_sums(files))


def with_sums(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files of a report and `SUMS`, which lists their hashes; one that is among them gives way."""
    files = {name: data for name, data in files.items() if name != SUMS}
    sums = "".join(f"{sha256_of(data)}  {name}\n" for name, data in sorted(files.items()))
    return {**files, SUMS: sums.encode()}


def _is_free(folder: Path) -> bool:
    """Whether a folder is empty or holds a report and nothing else."""
    if not folder.is_dir():
        return False
    inside = {p.name for p in folder.iterdir()}
    return not inside or (SUMS in inside and inside <= {SUMS, *listed_files(folder)})


def changed_files(folder: Path) -> Iterator[str]:
    """What of a report's folder differs from the hashes written with it, in words; that they are gone, or name not every file, too."""
    if not (folder / SUMS).is_file():
        yield f"{SUMS} is gone, so nobody can tell whether a file was changed"
        return
    listed = listed_files(folder)
    for name in sorted({p.name for p in folder.iterdir()} - {SUMS, *listed}):
        yield f"{name} lies in the report's folder, but {SUMS} does not name it"
    for name, told in listed.items():
        path = folder / name
        if not path.is_file():
            yield f"{name} is gone"
        elif (found := sha256_of(path.read_bytes())) != told:
            yield f"{name} was changed: its SHA-256 is {found[:12]}..., {SUMS} says {told[:12]}..."


def listed_files(folder: Path) -> dict[str, str]:
    """File name -> hash, as `SUMS` of a report's folder has it; a line that is none counts as a file that is gone."""
    path = folder / SUMS
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    split = (line.partition("  ") for line in lines)
    return {Path(name).name or line: told for told, _, name in split for line in [told]}


def sha256_of(data: bytes) -> str:
    """The SHA-256 of a file's content, as ``sha256sum`` gives it."""
    return hashlib.sha256(data).hexdigest()
