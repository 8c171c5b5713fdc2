"""A folder with one TIFF or PNG image per slice."""

from __future__ import annotations

import re
from collections.abc import Callable
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


def slice_files(folder: Path) -> tuple[Path, ...]:
    """The slice images of a folder in natural order (``im2`` before ``im10``); other and hidden files are left out."""
    files = (p for p in folder.iterdir() if p.suffix.lower() in SLICE_READERS and not p.name.startswith("."))
    return tuple(sorted((p for p in files if p.is_file()), key=_natural))


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sort key that compares runs of digits as numbers."""
    words = re.findall(r"\d+|\D+", path.name.lower())
    return [(int(w), "") if w.isdigit() else (-1, w) for w in words]


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
