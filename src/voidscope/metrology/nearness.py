"""How near voids lie to the surface of the structure, to its interfaces and to each other, and the shape of each.

Distances are between the solid bodies that voxels make, so what shares a face, an edge or a corner is 0 apart and a wall of n
voxels is n voxels thick. The nearest points of two such bodies are corners of voxels (along each axis two voxels are either level
or a whole number of voxels apart), so the distances between corners, which are what is looked up, are those of the bodies, exactly.

The *surface* is where foreground or void meets background; the edge of the scan is none. An *interface* is where solder meets pillar
or pad. A *neighbour* is any other void of `COUNTABLE_VOXELS` or more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from voidscope.config import MeasureConfig
from voidscope.metrology.clouds import BLOCK, Clouds, Lattice, blocks
from voidscope.metrology.components import Components
from voidscope.metrology.pieces import Pieces
from voidscope.metrology.shapes import (
    FLATTEST,
    around_corners,
    enclosing_diameter,
    farthest_pair,
    outline,
    places,
    sphericity,
    surface_area_um2,
    tips,
)
from voidscope.metrology.voids import COUNTABLE_VOXELS, QUANTIFIABLE_VOXELS, Shape, Void, sphere_volume
from voidscope.vocabulary import ClassMap, Mask, Role
from voidscope.volume import Spacing

STRUCTURE, OUTSIDE, SOLDER, WALL = 1, 2, 4, 8
"""What meets at a corner of voxels; a corner may have all."""


def shaped(
    voids: Sequence[Void], mask: Mask, classes: ClassMap, spacing_um: Spacing, recipe: MeasureConfig,
    known: Callable[[Void], Shape | None] = lambda _: None,
) -> tuple[Void, ...]:  # fmt: skip
    """The voids of a mask (z, y, x), all of them given, each of `QUANTIFIABLE_VOXELS` or more with its shape.

    Smaller ones are left without: their shape is that of their voxels. So are all where a voxel is more than `FLATTEST` times as
    long as wide. `known` gives the shapes that were measured already.
    """
    if max(spacing_um) > FLATTEST * min(spacing_um):
        return tuple(voids)
    there = [known(v) if v.n_voxels >= QUANTIFIABLE_VOXELS else None for v in voids]
    voids = [replace(v, shape=shape) for v, shape in zip(voids, there, strict=True)]
    sized = [k for k, v in enumerate(voids) if v.n_voxels >= QUANTIFIABLE_VOXELS and v.shape is None]
    if not sized:
        return tuple(voids)
    pieces = _pieces(voids, mask, classes, recipe)
    wanted = set(sized)
    looks = {
        k: _Look.at(pieces, k, k in wanted, spacing_um)
        for k in np.flatnonzero(pieces.found.n_voxels >= COUNTABLE_VOXELS).tolist()
    }
    number = {k: n for n, k in enumerate(looks)}
    near = (
        Clouds.of([look.outline for look in looks.values()], spacing_um),
        *meetings(mask, classes, recipe, spacing_um),
    )
    shapes = {k: looks[k].shape(voids[k].volume_um3, number[k], *near, spacing_um) for k in sized}
    return tuple(replace(v, shape=shapes[k]) if k in shapes else v for k, v in enumerate(voids))


def _pieces(voids: Sequence[Void], mask: Mask, classes: ClassMap, recipe: MeasureConfig) -> Pieces:
    """The voids as pieces that can be cut out of the mask."""
    boxes = np.array([v.box for v in voids])
    found = Components(
        np.array([v.n_voxels for v in voids]), np.array([v.centroid_voxel for v in voids]), boxes[..., 0], boxes[..., 1] - 1
    )  # fmt: skip
    return Pieces(mask, classes.ids_with_role(Role.VOID), found, connectivity=recipe.connectivity)


@dataclass(frozen=True)
class _Look:
    """What a void looks like by itself.

    Attributes
    ----------
    outline : corners (N, 3) of voxels on its surface, in voxels of the scan
    area_um2, feret_um, enclosing_um : as in `Shape`; NaN of a void that is only a neighbour
    """

    outline: Lattice
    area_um2: float = math.nan
    feret_um: float = math.nan
    enclosing_um: float = math.nan

    @classmethod
    def at(cls, pieces: Pieces, k: int, whole: bool, spacing_um: Spacing) -> _Look:
        """Void k, cut out of the mask once."""
        codes = around_corners(pieces.own(k))
        corners = (outline(codes) + pieces.found.first[k]).astype(np.int32)
        if not whole:
            return cls(corners)
        ends = np.multiply(tips(codes), spacing_um, dtype=np.float64)
        i, j, feret = farthest_pair(ends)
        return cls(corners, surface_area_um2(codes, spacing_um), feret, enclosing_diameter(ends, (i, j)))

    def shape(
        self, volume_um3: float, number: int, voids: Clouds | None, surface: Clouds | None, interface: Clouds | None, spacing_um: Spacing
    ) -> Shape:  # fmt: skip
        """Its shape among all voids' outlines, of which its own is cloud `number`, and what it may be near to."""
        points = np.multiply(self.outline, spacing_um, dtype=np.float64)
        gap = math.inf if voids is None else voids.distance(points, without=number)
        to_surface, to_interface = (None if c is None else c.distance(points) for c in (surface, interface))
        return Shape(
            surface_area_um2=self.area_um2, sphericity=sphericity(volume_um3, self.area_um2), feret_um=self.feret_um,
            enclosing_diameter_um=self.enclosing_um, compactness=volume_um3 / sphere_volume(self.enclosing_um),
            surface_um=to_surface, interface_um=to_interface, gap_um=gap if math.isfinite(gap) else None,
            touches_surface=to_surface == 0,
        )  # fmt: skip


def meetings(
    mask: Mask, classes: ClassMap, recipe: MeasureConfig, spacing_um: Spacing
) -> tuple[Clouds | None, Clouds | None]:
    """Corners of voxels on the surface of the structure, and on its interfaces, in clouds of blocks; None where there are none.

    Beyond the edge of the mask is nothing, so it meets nobody.
    """
    kinds, short = _kinds(classes, recipe), np.min_scalar_type(max(mask.shape))
    found: tuple[list[Lattice], list[Lattice]] = ([], [])
    for z in range(0, mask.shape[0] + 1, BLOCK):
        for y in range(0, mask.shape[1] + 1, BLOCK):
            near = mask[max(0, z - 1) : z + BLOCK, max(0, y - 1) : y + BLOCK]
            if near.min() == near.max():
                continue
            rim = [(int(at == 0), int(n - at < BLOCK)) for at, n in zip((z, y), mask.shape, strict=False)]
            corner = _corners(np.pad(_of_kinds(near, kinds), [*rim, (1, 1)]))
            for wanted, points in zip((STRUCTURE | OUTSIDE, SOLDER | WALL), found, strict=True):
                row = places(corner & wanted == wanted) + np.array([z, y, 0])
                points.extend(blocks(row.astype(short)))
    return Clouds.of(found[0], spacing_um), Clouds.of(found[1], spacing_um)


def _corners(kinds: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """What meets at each corner inside an array (z, y, x), one less each way."""
    walls = kinds[1:] | kinds[:-1]
    edges = walls[:, 1:] | walls[:, :-1]
    return np.asarray(edges[:, :, 1:] | edges[:, :, :-1])


def _kinds(classes: ClassMap, recipe: MeasureConfig) -> dict[int, int]:
    """What each class is to a corner; unlabelled voxels are nothing."""
    kinds = dict.fromkeys(classes.ids_with_role(Role.BACKGROUND), OUTSIDE)
    kinds |= dict.fromkeys(classes.body_ids, STRUCTURE)
    for name, kind in ((recipe.solder_class, SOLDER), (recipe.pillar_class, WALL), (recipe.pad_class, WALL)):
        if name in classes.names:
            kinds[classes.id_of(name)] |= kind
    return kinds


def _of_kinds(mask: Mask, kinds: Mapping[int, int]) -> npt.NDArray[np.uint8]:
    """What each voxel is; a comparison for each class is far quicker than a table of all."""
    found = np.zeros(mask.shape, np.uint8)
    for class_id, kind in kinds.items():
        found |= (mask == class_id).view(np.uint8) * np.uint8(kind)
    return found
