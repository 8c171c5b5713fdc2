"""Is a TIFF whole: does its chain of page directories end, and do all pages lie inside the file?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from voidscope.errors import CannotReadFile

WAY_OUT = "It was cut off while being written or copied; copy or export it again."


BYTES_PER_TYPE = np.array(
    [1, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 1, 1, 8, 8, 8] + [1] * 237, dtype=np.uint64
)
"""Size of one value of each TIFF field type (TIFF 6.0 section 2, BigTIFF types 16 to 18)."""


@dataclass(frozen=True)
class _Layout:
    """How page directories are written: byte order, and whether offsets have 8 bytes (BigTIFF) or 4."""

    order: str
    big: bool

    @property
    def count(self) -> np.dtype[Any]:
        """Number of entries in a directory."""
        return np.dtype(self.order + ("u8" if self.big else "u2"))

    @property
    def offset(self) -> np.dtype[Any]:
        """A place in the file."""
        return np.dtype(self.order + ("u8" if self.big else "u4"))

    @property
    def entry(self) -> np.dtype[Any]:
        """One entry: tag, field type, number of values, the values or where they are."""
        short, word = self.order + "u2", self.offset
        return np.dtype([("tag", short), ("type", short), ("count", word), ("value", word)])


def check_directories(path: Path) -> None:
    """Raise `CannotReadFile` unless the chain of page directories ends properly, with all it refers to in the file.

    tifffile stops silently where the chain leads out of the file, so a truncated stack would open with too few
    slices. Layout: TIFF 6.0 section 2 and the BigTIFF design.
    """
    data = np.memmap(path, np.uint8, mode="r")
    order = {b"II": "<", b"MM": ">"}.get(bytes(data[:2]), "")
    magic = int(np.frombuffer(data[2:4], order + "u2")[0]) if order and len(data) > 8 else 0
    if magic not in (42, 43):
        raise CannotReadFile(path, "it is not a TIFF file, whatever its ending says. Export it as TIFF.")
    layout = _Layout(order, magic == 43)
    offset = _read(data, 8 if layout.big else 4, layout.offset)
    seen: set[int] = set()
    while offset != 0:
        if offset in seen:
            raise CannotReadFile(path, f"its page list runs in a circle at byte {offset}; export it again.")
        if offset is not None:
            seen.add(offset)
            offset = _next_directory(data, offset, layout)
        if offset is None:
            raise CannotReadFile(path, f"it ends within its list of pages, after {len(seen)}. {WAY_OUT}")


def _next_directory(data: npt.NDArray[np.uint8], offset: int, layout: _Layout) -> int | None:
    """Where the directory after the one at `offset` is, 0 after the last; None when this one is not all there."""
    count = _read(data, offset, layout.count)
    start = offset + layout.count.itemsize
    if count is None or start + count * layout.entry.itemsize > len(data):
        return None
    entries = np.frombuffer(data[start : start + count * layout.entry.itemsize], layout.entry)
    sizes = entries["count"].astype(np.float64) * BYTES_PER_TYPE[np.minimum(entries["type"], 255)]
    elsewhere = sizes > layout.offset.itemsize
    if (entries["value"][elsewhere] + sizes[elsewhere] > len(data)).any():
        return None
    return _read(data, start + count * layout.entry.itemsize, layout.offset)


def _read(data: npt.NDArray[np.uint8], at: int, dtype: np.dtype[Any]) -> int | None:
    part = data[at : at + dtype.itemsize]
    return int(part.view(dtype)[0]) if len(part) == dtype.itemsize else None


def check_pages(path: Path, pages: Iterable[Any]) -> None:
    """Raise `CannotReadFile` unless the packed bytes of every page lie inside the file."""
    size = path.stat().st_size
    for k, page in enumerate(pages):
        if page is None or not page.dataoffsets:
            raise CannotReadFile(
                path, f"slice {k} has no data in this file. Export all slices into one file."
            )
        end = _end_of(page)
        if end > size:
            raise CannotReadFile(path, f"slice {k} ends at byte {end}, the file has only {size}. {WAY_OUT}")


def _end_of(page: Any) -> int:
    """Byte after the last of a page's strips or tiles; strips of no bytes are legal holes."""
    if page.is_contiguous:
        return int(page.dataoffsets[0] + page.nbytes)
    return max((o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=True) if n), default=0)
