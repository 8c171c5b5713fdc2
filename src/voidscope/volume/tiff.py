"""TIFF in all the ways it comes: multi-page, OME, ImageJ, BigTIFF, compressed, tiled; read lazily."""

from __future__ import annotations

import logging
import math
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from voidscope.errors import CannotReadFile
from voidscope.volume.guarding import guarded, refuse_bomb, require_memory
from voidscope.volume.planes import Planes, native
from voidscope.volume.tiff_layout import WAY_OUT, check_directories, check_pages
from voidscope.volume.tiff_spacing import spacing_of
from voidscope.volume.volumes import Volume, VoxelSource

MOST_CHANNELS = 4
"""A lone channel axis longer than this is depth: tifffile calls a stack so when its axes were not named."""

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # else its doubts reach a person's terminal


@dataclass(frozen=True)
class _Stack:
    """The pages of a TIFF as one scan: where its voxels lie, before any is read."""

    pages: tuple[Any, ...]
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    offset: int | None
    """Where uncompressed voxels start, one after the other; None when they must be unpacked page by page."""

    @property
    def nbytes(self) -> int:
        """Bytes of all voxels once unpacked."""
        return math.prod(self.shape) * self.dtype.itemsize


def open_tiff(path: Path, name: str) -> Volume:
    """Open a TIFF as a scan (z, y, x); a 2-D image is one slice.

    Uncompressed contiguous files are memory-mapped, others are unpacked page by page when a slice is asked for.

    Raises
    ------
    CannotReadFile : not a TIFF, truncated, colour or more than three axes, images of several sizes, or declaring
        more than its bytes can hold.
    """
    import tifffile

    with guarded(path):
        check_directories(path)
        with tifffile.TiffFile(path) as tif:
            stack = _stack(tif, path)
            spacing_um, notes = spacing_of(tif, stack.shape[0])
            voxels = _voxels(tif, stack, path)
            kind = "ome-tiff" if tif.is_ome else "imagej-tiff" if tif.is_imagej else "tiff"
        return Volume(voxels, spacing_um, name, kind, path, metadata=notes)


def _voxels(tif: Any, stack: _Stack, path: Path) -> VoxelSource:
    size = path.stat().st_size
    refuse_bomb(path, stack.shape, stack.nbytes, size)
    if stack.offset is not None:
        if stack.offset + stack.nbytes > size:
            raise CannotReadFile(
                path,
                f"{stack.shape} {stack.dtype} need {stack.nbytes} bytes, the file has only {size}. {WAY_OUT}",
            )
        dtype = tif.byteorder + stack.dtype.char
        return native(np.memmap(path, dtype, mode="r", offset=stack.offset, shape=stack.shape))
    check_pages(path, stack.pages)
    require_memory(path, math.prod(stack.pages[0].shape) * stack.dtype.itemsize)
    dtype = np.dtype(np.uint8) if stack.dtype == np.bool_ else stack.dtype
    return Planes(path, stack.shape, dtype, _PageReader(tif, stack))


class _PageReader:
    """Unpacks one page at a time; tifffile's file handle is shared, so threads take turns."""

    def __init__(self, tif: Any, stack: _Stack) -> None:
        self._file = tif.filehandle
        self._stack = stack
        self._lock = threading.Lock()

    def __call__(self, k: int) -> npt.NDArray[Any]:
        depth, height, width = self._stack.shape
        page, plane = divmod(k, depth // len(self._stack.pages))
        with self._lock:
            self._file.open()
            try:
                image = np.asarray(self._stack.pages[page].asarray())
            finally:
                self._file.close()
        return np.asarray(image.reshape(-1, height, width)[plane])


def _stack(tif: Any, path: Path) -> _Stack:
    """The one stack of slices in a TIFF; raises `CannotReadFile` where there is none or more than one."""
    if not tif.series:
        raise CannotReadFile(path, f"it holds no image. {WAY_OUT}")
    first, *others = tif.series
    if not others:
        shape = _as_zyx(path, first.shape, first.axes)
        pages = () if first.dataoffset is not None else tuple(first[k] for k in range(len(first)))
        _check_count(tif, path, shape[0], pages)
        return _Stack(pages, shape, first.dtype, first.dataoffset)
    kinds = sorted({f"{s.shape} {s.dtype}" for s in tif.series})
    if len(kinds) > 1 or len(first) > 1:
        raise CannotReadFile(
            path, f"it holds {len(tif.series)} images: {', '.join(kinds[:4])}. Save one scan per file."
        )
    _, height, width = _as_zyx(path, first.shape, first.axes)
    pages = tuple(s[0] for s in tif.series)
    return _Stack(pages, (len(pages), height, width), first.dtype, None)


def _check_count(tif: Any, path: Path, depth: int, pages: tuple[Any, ...]) -> None:
    said = tif.imagej_metadata or {}
    promised = math.prod(int(said.get(k, 1)) for k in ("frames", "slices", "channels"))
    if promised > depth or (pages and depth % len(pages)):
        raise CannotReadFile(
            path, f"it promises {promised} slices and holds {len(pages) or depth}. {WAY_OUT}"
        )


def _as_zyx(path: Path, shape: tuple[int, ...], axes: str) -> tuple[int, int, int]:
    """The (z, y, x) shape of an image with these axes; raises `CannotReadFile` when it has another one."""
    sizes = [(a, int(n)) for a, n in zip(axes, shape, strict=True)]
    plain = [n for a, n in sizes if a in "YX"]
    stacked = [(a, n) for a, n in sizes if a not in "YX" and n != 1]
    seen = tuple(int(n) for a, n in sizes if n != 1 or a in "YX")
    if len(stacked) > 1 or len(plain) != 2 or "YX" not in axes:
        raise _not_grey(
            path, seen, f"axes {''.join(a for a, _ in sizes)}", "Save one channel and one time per file"
        )
    axis, depth = stacked[0] if stacked else ("Z", 1)
    if axis == "S":
        raise _not_grey(
            path, seen, f"{depth} colour samples", "Convert it to grey, e.g. in ImageJ: Image > Type > 16-bit"
        )
    if axis == "C" and depth <= MOST_CHANNELS:
        raise _not_grey(
            path, seen, f"{depth} channels", "Save one channel per file, or name the axis Z if it is depth"
        )
    if axis == "T":
        raise _not_grey(
            path,
            seen,
            f"{depth} time points",
            "If they are slices, swap the axes in ImageJ: Image > Properties",
        )
    return depth, plain[0], plain[1]


def _not_grey(path: Path, shape: tuple[int, ...], what: str, way_out: str) -> CannotReadFile:
    return CannotReadFile(path, f"it has shape {shape} with {what}; a scan is grey (z, y, x). {way_out}.")
