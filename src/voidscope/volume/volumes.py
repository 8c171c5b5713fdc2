"""A scan in memory or on disk: intensities (z, y, x), spacing in um, name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from voidscope.errors import VolumeError
from voidscope.vocabulary import Plane

Spacing = tuple[float, float, float]
"""Voxel edge lengths (z, y, x) in um."""
USUAL_SPACING_UM = (0.01, 100.0)
"""Shortest and longest voxel edge that X-ray microscopes usually give."""


class VoxelSource(Protocol):
    """Anything indexed like a (z, y, x) array that reads only what is asked for."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of voxels along z, y, x."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Number type of the intensities."""

    def __getitem__(self, index: Any, /) -> npt.NDArray[Any]:
        """Read a part as an array, with NumPy's basic indexing."""


@dataclass(frozen=True)
class Volume:
    """One scan, frozen; `voxels` is an array, a memory map or a lazy reader and is read slice by slice.

    Attributes
    ----------
    voxels : (z, y, x) intensities
    spacing_um : voxel edge lengths (z, y, x) in um, None where the file does not say
    name : scan name, unique in a project
    format : short name of the file format, e.g. ``ome-tiff``, ``zeiss-txm``
    path : file or folder the voxels come from; None when made in memory
    projections : True when axis 0 counts projections (angles), not depth
    metadata : allow-listed facts of the file for the report
    """

    voxels: VoxelSource
    spacing_um: Spacing | None
    name: str
    format: str = "array"
    path: Path | None = None
    projections: bool = False
    metadata: Mapping[str, str | float | int | bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = tuple(self.voxels.shape)
        if len(shape) != 3 or 0 in shape:
            raise VolumeError(
                f"{self.name} has shape {shape}; a scan is (z, y, x) with at least one voxel each way."
            )
        if self.voxels.dtype.kind not in "uif":
            raise VolumeError(
                f"{self.name} has {self.voxels.dtype} voxels; intensities must be whole or real numbers."
            )
        check_spacing(self.spacing_um, self.name)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels along z, y, x."""
        z, y, x = self.voxels.shape
        return int(z), int(y), int(x)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Number type of the intensities."""
        return self.voxels.dtype

    @property
    def default_plane(self) -> Plane:
        """Coronal (axis1), except a single image and projections, which are cut as stored (axis0)."""
        return Plane.AXIS0 if self.shape[0] == 1 or self.projections else Plane.AXIS1

    def n_slices(self, plane: Plane) -> int:
        """Number of slices along `plane`."""
        return self.shape[plane.axis]

    def slice(self, plane: Plane, index: int) -> npt.NDArray[Any]:
        """The image (h, w) at `index` along `plane`, read now."""
        return np.asarray(self.voxels[slice_index(plane, index)])


def slice_index(plane: Plane, index: int) -> tuple[slice | int, ...]:
    """The (z, y, x) index that picks slice `index` along `plane` out of a volume."""
    whole: list[slice | int] = [slice(None)] * 3
    whole[plane.axis] = index
    return tuple(whole)


def doubtful_spacing(spacing_um: Spacing | None) -> str:
    """What is odd about a spacing for X-ray microscopy, as a sentence; empty where nothing is."""
    low, high = USUAL_SPACING_UM
    if spacing_um is None or all(low <= s <= high for s in spacing_um):
        return ""
    told = ", ".join(f"{s:g}" for s in spacing_um)
    return (
        f"Spacing {told} µm is unusual for X-ray microscopy ({low:g} to {high:g} µm); is it in another unit?"
    )


def check_spacing(spacing_um: Spacing | None, name: str) -> None:
    """Raise `VolumeError` unless the spacing is unknown or three finite positive lengths in um."""
    if spacing_um is None:
        return
    if len(spacing_um) != 3 or not all(math.isfinite(s) and s > 0 for s in spacing_um):
        raise VolumeError(
            f"{name} has spacing {spacing_um}; give three lengths above 0 in µm, e.g. --spacing 0.7,0.7,0.7."
        )
