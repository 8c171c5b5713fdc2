"""Voids: connected components of the void classes, with their sizes in um."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from voidscope.metrology.components import CONNECTIVITY, find_components
from voidscope.vocabulary import Mask
from voidscope.volume import Spacing

COUNTABLE_VOXELS = 8
"""Below this the random error of a CT volume exceeds the volume itself (Lin et al. 2015)."""
QUANTIFIABLE_VOXELS = 260
"""Below this the random error exceeds 10 % (same source)."""
QUALITIES = ("detected, size not quantifiable", "size not quantified singly", "size quantified")
"""What a void's size is worth: below `COUNTABLE_VOXELS`, below `QUANTIFIABLE_VOXELS`, and from there on."""

TOUCHING = {6: "faces", 18: "faces or edges", 26: "faces, edges or corners"}
"""What voxels of one void share, by connectivity."""

Box = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Shape:
    """What a void looks like and where it lies, of one large enough to say so; `shapes` and `nearness` say how each is measured.

    Attributes
    ----------
    surface_area_um2 : estimated by Crofton's formula
    sphericity : surface of the sphere of equal volume over the surface
    feret_um : largest distance between two corners of its voxels
    enclosing_diameter_um : of the smallest sphere around it
    compactness : its volume over that sphere's
    surface_um, interface_um : distance to the structure's surface, and to where solder meets pillar or pad; None where there is none
    gap_um : distance to the nearest other void; None where there is none
    touches_surface : whether it reaches background, be it over a corner
    """

    surface_area_um2: float
    sphericity: float
    feret_um: float
    enclosing_diameter_um: float
    compactness: float
    surface_um: float | None
    interface_um: float | None
    gap_um: float | None
    touches_surface: bool


SHAPE_COLUMNS = tuple(Shape.__annotations__)
"""Names of what a shape holds, in JSON and in tables."""


@dataclass(frozen=True, slots=True)
class Void:
    """One void.

    Attributes
    ----------
    n_voxels : its size in voxels
    volume_um3 : voxels times the voxel volume
    diameter_um : of the sphere of equal volume, (6 V / pi)^(1/3)
    centroid_um : (z, y, x), index times spacing: the centre of voxel (0, 0, 0) is the origin
    centroid_voxel : the same in voxels
    box : first and one past the last voxel along z, y, x
    touches_border : whether it reaches the edge of the scan, so that part of it may be missing
    shape : None of a void of fewer than `QUANTIFIABLE_VOXELS` voxels, whose shape is that of its voxels
    """

    n_voxels: int
    volume_um3: float
    diameter_um: float
    centroid_um: tuple[float, float, float]
    centroid_voxel: tuple[float, float, float]
    box: Box
    touches_border: bool
    shape: Shape | None = None

    @property
    def quality(self) -> str:
        """How far its size can be trusted, by its number of voxels: one of `QUALITIES`."""
        return QUALITIES[(self.n_voxels >= COUNTABLE_VOXELS) + (self.n_voxels >= QUANTIFIABLE_VOXELS)]

    def entry(self) -> dict[str, Any]:
        """The void as JSON has it; its shape is null where it has none."""
        return {
            "volume_um3": self.volume_um3,
            "diameter_um": self.diameter_um,
            "centroid_um": list(self.centroid_um),
            "centroid_voxel": list(self.centroid_voxel),
            "n_voxels": self.n_voxels,
            "box": [list(edges) for edges in self.box],
            "touches_border": self.touches_border,
            "quality": self.quality,
            "shape": None if self.shape is None else asdict(self.shape),
        }

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> Void:
        """The inverse of `entry`; voids of older reports have no shape."""
        plain = {k: entry[k] for k in ("n_voxels", "volume_um3", "diameter_um", "touches_border")}
        (z0, z1), (y0, y1), (x0, x1) = entry["box"]
        z, y, x = entry["centroid_um"]
        vz, vy, vx = entry["centroid_voxel"]
        shape = entry.get("shape")
        return cls(
            **plain, centroid_um=(z, y, x), centroid_voxel=(vz, vy, vx), box=((z0, z1), (y0, y1), (x0, x1)),
            shape=None if shape is None else Shape(**shape),
        )  # fmt: skip


def find_voids(
    mask: Mask, void_ids: Sequence[int], spacing_um: Spacing, connectivity: int = CONNECTIVITY
) -> tuple[Void, ...]:
    """All voids of a mask (z, y, x), largest first, equal ones in the order of their box's first corner.

    Voids of different void classes that touch are one void; what touching means says `connectivity`: 6, 18 or 26.
    """
    found = find_components(mask, void_ids, connectivity=connectivity)
    order = np.lexsort((*found.centroid.T[::-1], *found.first.T[::-1], -found.n_voxels))
    n, centroid, first, last = (a[order] for a in (found.n_voxels, found.centroid, found.first, found.last))
    edge = ((first == 0) | (last == np.array(mask.shape) - 1)).any(axis=1)
    columns = (
        n,
        n * math.prod(spacing_um),
        centroid * spacing_um,
        centroid,
        np.stack([first, last + 1], axis=2),
        edge,
    )
    return tuple(_void(*row) for row in zip(*(c.tolist() for c in columns), strict=True))


def _void(n: int, volume: float, centre_um: list[Any], centre: list[Any], box: list[Any], edge: bool) -> Void:
    z, y, x = ((a, b) for a, b in box)
    return Void(
        n_voxels=n, volume_um3=volume, diameter_um=sphere_diameter(volume), centroid_um=(*centre_um,),
        centroid_voxel=(*centre,), box=(z, y, x), touches_border=edge,
    )  # fmt: skip


def sphere_diameter(volume: float) -> float:
    """Diameter of the sphere with this volume, (6 V / pi)^(1/3), in the cube root of its unit."""
    return math.cbrt(6 * volume / math.pi)


def sphere_volume(diameter: float) -> float:
    """Volume of the sphere of this diameter, pi d^3 / 6, in the cube of its unit."""
    return math.pi * diameter**3 / 6
