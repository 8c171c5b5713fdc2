"""NumPy's own array files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from voidscope.errors import CannotReadFile
from voidscope.volume.guarding import guarded
from voidscope.volume.planes import native
from voidscope.volume.volumes import Volume


def open_npy(path: Path, name: str) -> Volume:
    """Memory-map a ``.npy`` array (z, y, x) as a scan; a 2-D array is one slice. Objects are never unpickled.

    Raises `CannotReadFile` for a damaged or truncated file, Python objects, or other than two or three axes.
    """
    with guarded(path):
        voxels = np.lib.format.open_memmap(path, mode="r")
        if voxels.ndim not in (2, 3):
            raise CannotReadFile(
                path,
                f"it has shape {voxels.shape}; a scan is (z, y, x). Save one channel and one time, e.g. array[0].",
            )
        return Volume(native(voxels if voxels.ndim == 3 else voxels[None]), None, name, "npy", path)
