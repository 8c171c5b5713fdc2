"""Any file a scan or a label mask comes in, opened by its ending."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from voidscope.errors import CannotReadFile, LabelError
from voidscope.volume.folder import open_folder, slice_files
from voidscope.volume.guarding import guarded
from voidscope.volume.npy import open_npy
from voidscope.volume.png import open_png
from voidscope.volume.tiff import open_tiff
from voidscope.volume.volumes import Spacing, Volume
from voidscope.volume.zeiss import open_zeiss

READERS: Mapping[str, Callable[[Path, str], Volume]] = {
    ".tif": open_tiff, ".tiff": open_tiff, ".btf": open_tiff, ".npy": open_npy, ".png": open_png,
    ".txm": open_zeiss, ".txrm": open_zeiss, ".xrm": open_zeiss,
}  # fmt: skip
"""File ending in lower case -> its reader."""


def read_scan(path: str | Path, *, spacing_um: Spacing | None = None, name: str | None = None) -> Volume:
    """Open a scan (z, y, x); its voxels stay in the file until a slice is asked for.

    Reads TIFF (multi-page, OME, ImageJ, BigTIFF, compressed), ``.npy``, grey ``.png``, Zeiss ``.xrm``, ``.txrm``
    and ``.txm``, and folders of TIFF or PNG slices. A 2-D image is a scan of one slice.

    Parameters
    ----------
    path : file, or folder of slices
    spacing_um : voxel edge lengths (z, y, x) in um; given here they replace what the file says
    name : scan name; the file's name without ending when None

    Raises
    ------
    CannotReadFile : missing, unknown ending, damaged, truncated, colour, more than three axes, or declaring more
        voxels than its bytes can hold. A slice that turns out damaged when it is read raises it too.
    VolumeError : voxels that are no numbers, no voxels at all, or an impossible `spacing_um`.
    """
    path = Path(path)
    volume = _reader(path)(path, scan_name(path) if name is None else name)
    if spacing_um is None:
        return volume
    z, y, x = spacing_um
    return replace(volume, spacing_um=(float(z), float(y), float(x)))


def read_label_file(path: str | Path) -> npt.NDArray[Any]:
    """Read a label mask (z, y, x) whole, with the ids the file has; a 2-D image becomes (1, h, w).

    Raises
    ------
    CannotReadFile : as `read_scan`, or the mask takes more than half of the free memory.
    LabelError : the ids are no whole numbers.
    """
    volume = read_scan(path)
    if volume.dtype.kind not in "ui":
        raise LabelError(
            f"{path} holds {volume.dtype} values; label ids are whole numbers. Save them as uint8."
        )
    with guarded(Path(path)):
        return np.array(volume.voxels[...])


def is_readable(path: Path) -> bool:
    """Whether `read_scan` knows this file's ending; says nothing of its content."""
    return path.suffix.lower() in READERS


def is_scan(path: Path) -> bool:
    """Whether a file has an ending of ours, or a folder holds slices; other folders (zarr ...) are none."""
    return bool(slice_files(path)) if path.is_dir() else is_readable(path)


def scan_name(path: Path) -> str:
    """Name of the scan in a file or folder: without ending, only letters, digits, ``_``, ``-`` and ``.``."""
    whole = path.resolve().name
    stem = path.stem if is_readable(path) and not path.is_dir() else whole
    return re.sub(r"[^\w.-]", "_", re.sub(r"\.ome$", "", stem, flags=re.IGNORECASE)).lstrip(".") or "scan"


def _reader(path: Path) -> Callable[[Path, str], Volume]:
    with guarded(path):
        if not path.exists():
            raise CannotReadFile(path, "there is no such file or folder. Check the path.")
        if path.is_dir():
            return open_folder
        if not is_readable(path):
            known = ", ".join(READERS)
            raise CannotReadFile(path, f"its ending {path.suffix!r} is none of {known}. Export it as TIFF.")
        if path.stat().st_size == 0:
            raise CannotReadFile(path, "it has 0 bytes. Copy or export it again.")
    return READERS[path.suffix.lower()]
