"""A folder with one TIFF or PNG image per slice."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy.typing as npt

from voidscope.errors import CannotReadFile
from voidscope.volume.guarding import guarded
from voidscope.volume.planes import Planes
from voidscope.volume.png import open_png
from voidscope.volume.tiff import open_tiff
from voidscope.volume.volumes import Volume

SLICE_READERS: dict[str, Callable[[Path, str], Volume]] = {
    ".tif": open_tiff,
    ".tiff": open_tiff,
    ".png": open_png,
}


NUMBERED = re.compile(r"(?P<before>.*?)(?P<number>\d+)(?P<after>\D*)")
"""A slice's name, and the last number in it."""


def slice_files(folder: Path) -> tuple[Path, ...]:
    """The slice images of a folder in natural order (``im2`` before ``im10``); other and hidden files are left out."""
    files = (p for p in folder.iterdir() if p.suffix.lower() in SLICE_READERS and not p.name.startswith("."))
    return tuple(sorted((p for p in files if p.is_file()), key=_natural))


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sort key that compares runs of digits as numbers."""
    words = re.findall(r"\d+|\D+", path.name.lower())
    return [(int(w), "") if w.isdigit() else (-1, w) for w in words]


def missing_slices(folder: Path) -> str:
    """Where the numbers of a folder's slices leave some out, as a sentence; empty where they count on evenly, or are none."""
    found = [(file, NUMBERED.fullmatch(file.stem)) for file in slice_files(folder)]
    parts = [(file, m["before"], int(m["number"]), m["after"]) for file, m in found if m]
    if len(parts) < len(found) or len({(before, after) for _, before, _, after in parts}) != 1:
        return ""
    steps = [(b[2] - a[2], a[0].name, b[0].name) for a, b in pairwise(parts)]
    usual = min((step for step, *_ in steps), default=0)
    if not (gaps := [(first, second) for step, first, second in steps if step > usual]):
        return ""
    more = f", and at {len(gaps) - 1} more places" if len(gaps) > 1 else ""
    return (
        f"Slices are missing between {gaps[0][0]} and {gaps[0][1]}{more}: without them lengths and volumes come out too small. "
        "Put them back, remove the scan from the project and add it again."
    )


def open_folder(path: Path, name: str) -> Volume:
    """Open a folder of slices as a scan (z, y, x); the headers of all slices are read now, the voxels when asked for.

    The spacing is not taken from single slices, which do not say their distance.

    Raises `CannotReadFile` for a folder without slices, a slice that cannot be read, or slices that differ in
    size or number type.
    """
    with guarded(path):
        files = slice_files(path)
    if not files:
        raise CannotReadFile(
            path, "the folder holds no .tif or .png slices. Name the folder the slices lie in."
        )
    first = _open_slice(files[0])
    for file in files[1:]:
        _check_like(_open_slice(file), first)

    def read(k: int) -> npt.NDArray[Any]:
        return _open_slice(files[k]).voxels[0]

    shape = (len(files), *first.shape[1:])
    return Volume(Planes(path, shape, first.dtype, read), None, name, "folder", path)


def _open_slice(file: Path) -> Volume:
    image = SLICE_READERS[file.suffix.lower()](file, file.stem)
    if image.shape[0] != 1:
        raise CannotReadFile(
            file, f"it holds {image.shape[0]} slices among single ones. Add it as a scan by itself."
        )
    return image


def _check_like(image: Volume, first: Volume) -> None:
    if (image.shape, image.dtype) != (first.shape, first.dtype):
        raise CannotReadFile(
            str(image.path),
            f"it is {image.shape[1:]} {image.dtype}, but {first.name} in the same folder is {first.shape[1:]} "
            f"{first.dtype}. Keep the slices of one scan, alone, in one folder.",
        )
