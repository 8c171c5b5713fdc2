"""Zeiss (Xradia) ``.xrm`` images, ``.txrm`` projections and ``.txm`` volumes: OLE files read in place.

Streams and types as found in the shared sample files and described by Bio-Formats, dxchange and txrm2tiff: plane i
is ``ImageData{ceil(i / 100)}/Image{i}``, counted from 1, row-major and upside down; ``ImageInfo`` says the rest.
"""

from __future__ import annotations

import mmap
import threading
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from voidscope.errors import CannotReadFile
from voidscope.volume.guarding import guarded
from voidscope.volume.planes import Planes
from voidscope.volume.volumes import Spacing, Volume
from voidscope.volume.zeiss_facts import facts, number

MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
DTYPES = {2: "<i1", 3: "<u1", 4: "<i2", 5: "<u2", 6: "<i4", 7: "<u4", 10: "<f4", 11: "<f8"}
"""``ImageInfo/DataType`` -> number type of the voxels."""
PLANES_PER_STORAGE = 100
END_OF_CHAIN = 0xFFFFFFFE
STREAM_TYPE = 2


def open_zeiss(path: Path, name: str) -> Volume:
    """Open a Zeiss file as a scan, right side up as Zeiss shows it; voxels stay in the file.

    Axis 0 counts depth in a ``.txm``, projections in ``.txrm`` and ``.xrm``. An aborted scan has the images that
    were taken. Metadata is an allow-list; the configuration stored beside it holds secrets and is never read.

    Raises
    ------
    CannotReadFile : not an OLE file, damaged, truncated, or of an unknown number type.
    """
    import olefile

    with guarded(path):
        memory = _map(path)
        ole = olefile.OleFileIO(memory)
        shape, dtype = _shape(ole, path), _dtype(ole, path)
        planes = _ZeissPlanes(ole, memory, path, shape, dtype)
        voxels = Planes(path, shape, dtype.newbyteorder("="), planes, keep=planes.scattered)
        kind = path.suffix.lower().lstrip(".")
        return Volume(voxels, _spacing(ole), name, f"zeiss-{kind}", path, kind != "txm", facts(ole))


def _map(path: Path) -> mmap.mmap:
    with path.open("rb") as file:
        if file.read(8) != MAGIC:
            raise CannotReadFile(
                path, "it is not a Zeiss file, whatever its ending says. Export it from Scout-and-Scan."
            )
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _shape(ole: Any, path: Path) -> tuple[int, int, int]:
    planned, height, width = (
        int(number(ole, f"ImageInfo/{fact}") or 0) for fact in ("NoOfImages", "ImageHeight", "ImageWidth")
    )
    taken = number(ole, "ImageInfo/ImagesTaken")
    depth = planned if taken is None else min(planned, int(taken))
    if depth < 1 or height < 1 or width < 1:
        raise CannotReadFile(
            path,
            f"it holds {depth} images of {height} x {width}; no scan was finished in it. Export it again.",
        )
    return depth, height, width


def _dtype(ole: Any, path: Path) -> np.dtype[Any]:
    code = number(ole, "ImageInfo/DataType")
    if code not in DTYPES:
        raise CannotReadFile(
            path, f"its voxels are of Zeiss type {code}, known are {sorted(DTYPES)}. Export it as TIFF."
        )
    return np.dtype(DTYPES[int(code)])


def _spacing(ole: Any) -> Spacing | None:
    pixel = number(ole, "ImageInfo/PixelSize", "<f")
    return None if pixel is None or pixel <= 0 else (float(pixel),) * 3


class _ZeissPlanes:
    """Planes as views of the mapped file where their sectors lie side by side, else copied sector by sector.

    All sector chains are followed when the file is opened, so a truncated file never opens. olefile has one file
    position, so copying threads take turns; views need no turn.
    """

    def __init__(
        self, ole: Any, memory: mmap.mmap, path: Path, shape: tuple[int, int, int], dtype: np.dtype[Any]
    ) -> None:
        self._ole = ole
        self._memory = memory
        self._path = path
        self._shape = shape[1:]
        self._dtype = dtype
        self._lock = threading.Lock()
        fat = np.frombuffer(ole.fat, dtype=np.uint32)
        self._offsets = [self._offset(k, shape[0], fat) for k in range(shape[0])]

    @property
    def scattered(self) -> bool:
        """Whether some plane has to be copied together."""
        return None in self._offsets

    def __call__(self, k: int) -> npt.NDArray[Any]:
        offset = self._offsets[k]
        count = self._shape[0] * self._shape[1]
        if offset is not None:
            return np.frombuffer(self._memory, self._dtype, count, offset).reshape(self._shape)[::-1]
        with self._lock:
            data = self._ole.openstream(_stream(k)).read()
        return np.frombuffer(data, self._dtype, count).reshape(self._shape)[::-1]

    def _offset(self, k: int, depth: int, fat: npt.NDArray[np.uint32]) -> int | None:
        """Where plane `k` starts in the file, or None when its sectors do not lie side by side."""
        entry = _entry(self._ole, _stream(k))
        needed = self._shape[0] * self._shape[1] * self._dtype.itemsize
        if entry is None or entry.size < needed:
            size = 0 if entry is None else entry.size
            raise self._incomplete(f"image {k + 1} of {depth} has {size} of {needed} bytes")
        if entry.is_minifat:
            return None
        sector, first = self._ole.sectorsize, entry.isectStart
        n_sectors = -(-entry.size // sector)
        chain = fat[first : first + n_sectors]
        steps = np.arange(first + 1, first + n_sectors)
        if not (len(chain) == n_sectors and chain[-1] == END_OF_CHAIN and np.array_equal(chain[:-1], steps)):
            self._follow(k, first, n_sectors)
            return None
        offset = int((first + 1) * sector)
        if offset + needed > len(self._memory):
            raise self._incomplete(f"image {k + 1} ends at byte {offset + needed} of {len(self._memory)}")
        return offset

    def _follow(self, k: int, sector: int, n_sectors: int) -> None:
        """Walk the sector chain of plane `k`; all of it must lie inside the file."""
        present = len(self._memory) // self._ole.sectorsize - 1
        for step in range(n_sectors):
            if sector >= present:
                raise self._incomplete(f"image {k + 1} breaks off after {step} of {n_sectors} sectors")
            sector = self._ole.fat[sector]

    def _incomplete(self, what: str) -> CannotReadFile:
        return CannotReadFile(self._path, f"{what}; the file is incomplete. Copy or export it again.")


def _entry(ole: Any, stream: str) -> Any:
    """The directory entry of a stream, or None; names are case-insensitive."""
    if not ole.exists(stream) or ole.get_type(stream) != STREAM_TYPE:
        return None
    entry = ole.root
    for name in stream.lower().split("/"):
        entry = entry.kids_dict[name]
    return entry


def _stream(k: int) -> str:
    return f"ImageData{k // PLANES_PER_STORAGE + 1}/Image{k + 1}"
