"""Voxels that stay in their file: read plane by plane, or converted on the way from a memory map."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from voidscope.errors import CannotReadFile
from voidscope.volume.guarding import free_memory, guarded, require_memory
from voidscope.volume.volumes import VoxelSource

ReadPlane = Callable[[int], npt.NDArray[Any]]
"""Reads the plane (y, x) at an index along z; called from any thread."""


class Planes:
    """A (z, y, x) array whose planes are read from a file when asked for.

    A cut across all planes (a coronal slice) has to unpack every plane, so the first such cut keeps the unpacked
    scan in memory when that takes at most a quarter of what is free; the next cuts are then immediate. What is
    read is not to be written to.

    Parameters
    ----------
    path : the file or folder, named in errors
    shape : (z, y, x)
    dtype : number type of the voxels handed out; what `read_plane` returns is converted to it
    read_plane : reads one plane (y, x); whatever goes wrong in it becomes `CannotReadFile`
    keep : False where planes are views of a memory map and need no keeping
    """

    def __init__(
        self, path: Path, shape: tuple[int, int, int], dtype: npt.DTypeLike, read_plane: ReadPlane, *, keep: bool = True
    ) -> None:  # fmt: skip
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self._path = path
        self._read_plane = read_plane
        self._keep = keep
        self._kept: npt.NDArray[Any] | None = None
        self._lock = threading.Lock()

    @property
    def ndim(self) -> int:
        """Always 3."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of all voxels once unpacked."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def unpacked_bytes(self) -> int:
        """What it holds in memory since all of it was unpacked."""
        return 0 if self._kept is None else self.nbytes

    @property
    def at_hand(self) -> bool:
        """Whether a cut across all planes unpacks none."""
        return self._kept is not None or not self._keep

    def __getitem__(self, index: Any, /) -> npt.NDArray[Any]:
        z, rest = _basic(index)
        if z is None:
            return np.asarray(np.asarray(self)[index])
        if not isinstance(z, slice):
            return np.asarray(self._plane(range(self.shape[0])[z])[rest])
        wanted = range(self.shape[0])[z]
        if len(wanted) == self.shape[0] > 1 and self._may_keep():
            return np.asarray(self._whole()[(z, *rest)])
        if not wanted:
            return np.empty((0, *self.shape[1:]), self.dtype)[(slice(None), *rest)]
        return np.stack([self._plane(k)[rest] for k in wanted])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        require_memory(self._path, self.nbytes if self._kept is None else 0)
        whole = self._whole() if self._keep else self._unpack()
        array = np.asarray(whole, dtype=dtype)
        return array.copy() if copy else array

    def __deepcopy__(self, memo: dict[int, Any]) -> Planes:
        return self  # what a layer's duplicate shows; it is not to be written to

    def _may_keep(self) -> bool:
        return self._kept is not None or (self._keep and self.nbytes <= free_memory() // 4)

    def _whole(self) -> npt.NDArray[Any]:
        with self._lock:
            whole = self._unpack() if self._kept is None else self._kept
            self._kept = whole
        return whole

    def _unpack(self) -> npt.NDArray[Any]:
        whole = np.empty(self.shape, self.dtype)
        for k in range(self.shape[0]):
            whole[k] = self._plane(k)
        whole.setflags(write=False)
        return whole

    def _plane(self, k: int) -> npt.NDArray[Any]:
        if (kept := self._kept) is not None:
            return np.asarray(kept[k])
        with guarded(self._path):
            plane = self._read_plane(k)
        if plane.shape != self.shape[1:]:
            raise CannotReadFile(
                self._path,
                f"slice {k} is {plane.shape}, expected {self.shape[1:]}; the file changed. Add it again.",
            )
        return plane.astype(self.dtype, copy=False)


class Converted:
    """A memory-mapped (z, y, x) array handed out as another number type, e.g. in this machine's byte order."""

    def __init__(self, voxels: VoxelSource, dtype: npt.DTypeLike) -> None:
        self.shape = voxels.shape
        self.dtype = np.dtype(dtype)
        self._voxels = voxels

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __getitem__(self, index: Any, /) -> npt.NDArray[Any]:
        return np.asarray(self._voxels[index]).astype(self.dtype, copy=False)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.asarray(self[...], dtype=dtype)


def native(voxels: npt.NDArray[Any]) -> VoxelSource:
    """The array itself when its number type is this machine's own, else a view that converts what is read.

    Booleans become uint8 0 and 1.
    """
    dtype = np.dtype(np.uint8) if voxels.dtype == np.bool_ else voxels.dtype.newbyteorder("=")
    return voxels if dtype == voxels.dtype else Converted(voxels, dtype)


def _basic(index: Any) -> tuple[Any, tuple[Any, ...]]:
    """Split a basic (z, y, x) index into its z part and the rest; (None, ()) for any other kind of index."""
    parts = index if isinstance(index, tuple) else (index,)
    dots = [k for k, p in enumerate(parts) if p is Ellipsis]
    if dots:
        parts = parts[: dots[0]] + (slice(None),) * (4 - len(parts)) + parts[dots[0] + 1 :]
    simple = all(isinstance(p, slice | int | np.integer) and not isinstance(p, bool) for p in parts)
    if not simple or not 1 <= len(parts) <= 3:
        return None, ()
    return parts[0], parts[1:]
