"""Voids as 26-connected components, with their sizes in um."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from voidscope.vocabulary import Mask
from voidscope.volume import Spacing

CONNECTIVITY = 26
"""Voxels that share a face, an edge or a corner belong to one void."""
COUNTABLE_VOXELS = 8
"""Below this the random error of a CT volume exceeds the volume (Lin et al. 2015): detected, not counted singly."""
QUANTIFIABLE_VOXELS = 260
"""Below this the random error exceeds 10 % (same source): counted, its size not quantified singly."""


@dataclass(frozen=True, slots=True)
class Void:
    """One void.

    Attributes
    ----------
    n_voxels : its size in voxels
    volume_um3 : voxels times the voxel volume
    diameter_um : of the sphere of equal volume, (6 V / pi)^(1/3)
    centroid_um : (z, y, x); the centre of voxel (0, 0, 0) is the origin
    centroid_voxel : the same in voxels
    box : first and one past the last voxel along z, y, x
    touches_border : whether it reaches the edge of the scan, so that part of it may be missing
    """

    n_voxels: int
    volume_um3: float
    diameter_um: float
    centroid_um: tuple[float, float, float]
    centroid_voxel: tuple[float, float, float]
    box: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
    touches_border: bool

    @property
    def quality(self) -> str:
        """How far its size can be trusted, by its number of voxels."""
        if self.n_voxels < COUNTABLE_VOXELS:
            return "detected, too small to size"
        return "size uncertain" if self.n_voxels < QUANTIFIABLE_VOXELS else "sized"


def find_voids(mask: Mask, void_ids: Sequence[int], spacing_um: Spacing) -> tuple[Void, ...]:
    """All voids of a mask (z, y, x), largest first, equal ones in the order of their first voxel.

    Voids of different void classes that touch are one void.
    """
    import cc3d

    components = cc3d.connected_components(np.isin(mask, void_ids), connectivity=CONNECTIVITY)
    found = cc3d.statistics(components, no_slice_conversion=True)
    rows = range(1, len(found["voxel_counts"]))
    voids = [
        _void(
            found["voxel_counts"][k],
            found["centroids"][k],
            found["bounding_boxes"][k],
            mask.shape,
            spacing_um,
        )
        for k in rows
    ]
    return tuple(sorted(voids, key=lambda v: (-v.n_voxels, v.centroid_voxel)))


def _void(
    n: int,
    centroid: npt.NDArray[np.float64],
    box: npt.NDArray[np.integer],
    shape: tuple[int, ...],
    spacing_um: Spacing,
) -> Void:
    volume = float(n) * math.prod(spacing_um)
    z, y, x = (float(c) for c in centroid)
    edges = [(int(first), int(last) + 1) for first, last in box.reshape(3, 2)]
    return Void(
        n_voxels=int(n), volume_um3=volume, diameter_um=sphere_diameter(volume),
        centroid_um=(z * spacing_um[0], y * spacing_um[1], x * spacing_um[2]), centroid_voxel=(z, y, x),
        box=(edges[0], edges[1], edges[2]),
        touches_border=any(a == 0 or b == size for (a, b), size in zip(edges, shape, strict=True)),
    )  # fmt: skip


def sphere_diameter(volume: float) -> float:
    """Diameter of the sphere with this volume, (6 V / pi)^(1/3), in the cube root of its unit."""
    return float((6 * volume / math.pi) ** (1 / 3))
