"""How near voids lie to the surface of the structure, to its interfaces and to each other, and the shape of each.

Distances are between the solid bodies that voxels make, so what shares a face, an edge or a corner is 0 apart and a wall of n
voxels is n voxels thick. The nearest points of two such bodies are corners of voxels (along each axis two voxels are either level
or a whole number of voxels apart), so the distances between corners, which are what is looked up, are those of the bodies, exactly.

The *surface* is where foreground or void meets background; the edge of the scan is none. An *interface* is where solder meets pillar
or pad. A *neighbour* is any other void of `COUNTABLE_VOXELS` or more.
"""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from voidscope.apart import apart
from voidscope.config import MeasureConfig
from voidscope.jobs import Job, Progress, Steps, attempt, execute
from voidscope.metrology.clouds import BLOCK, Clouds, Extent, Lattice, blocks
from voidscope.metrology.components import Components
from voidscope.metrology.pieces import Part, Pieces
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
from voidscope.metrology.voids import (
    COUNTABLE_VOXELS,
    QUANTIFIABLE_VOXELS,
    Shape,
    Void,
    find_voids,
    sphere_volume,
)
from voidscope.vocabulary import ClassMap, Mask, Role
from voidscope.volume import Spacing

STRUCTURE, OUTSIDE, SOLDER, WALL = 1, 2, 4, 8
"""What meets at a corner of voxels; a corner may have all."""
MANY = 1000
"""So many shapes are told in a process of their own, beside what else is measured, if the boxes of all voids fill no more than `SPARSE`
of the mask: they take many small steps, during which Python lets no other thread go on.
"""
SPARSE = 0.125
TITLE = "telling the shapes of voids"

log = logging.getLogger(__name__)


def voids_of(mask: Mask, classes: ClassMap, spacing_um: Spacing, recipe: MeasureConfig) -> tuple[Void, ...]:
    """All voids of a mask (z, y, x), counted or not, with their shapes."""
    found = find_voids(mask, classes.ids_with_role(Role.VOID), spacing_um, recipe.connectivity)
    return shaped(found, mask, classes, spacing_um, recipe)()


def shaped(
    voids: Sequence[Void], mask: Mask, classes: ClassMap, spacing_um: Spacing, recipe: MeasureConfig,
    wanted: Sequence[bool] | None = None,
) -> Callable[[], tuple[Void, ...]]:  # fmt: skip
    """What gives the voids of a mask (z, y, x), all of them given, each of `QUANTIFIABLE_VOXELS` or more, if `wanted` (N,), with its
    shape; what takes long is left to it, while what reads all of the mask is done at once.

    Smaller ones are left without: their shape is that of their voxels. So are all where a voxel is more than `FLATTEST` times as
    long as wide.
    """
    if max(spacing_um) > FLATTEST * min(spacing_um):
        return lambda: tuple(voids)
    asked = itertools.repeat(True, len(voids)) if wanted is None else wanted
    sized = [k for k, w in enumerate(asked) if w and voids[k].n_voxels >= QUANTIFIABLE_VOXELS]
    if not sized:
        return lambda: tuple(voids)
    pieces = _pieces(voids, mask, classes, recipe)
    countable = np.flatnonzero(pieces.found.n_voxels >= COUNTABLE_VOXELS).tolist()
    told_of = set(sized)
    cuts = (
        _Cut(pieces.own(k), pieces.found.first[k], voids[k].volume_um3 if k in told_of else None)
        for k in countable
    )
    near = meetings(mask, classes, recipe, spacing_um)
    small = sum(math.prod(b - a for a, b in voids[k].box) for k in countable) <= mask.size * SPARSE
    if len(sized) >= MANY and small:
        tell = partial(_elsewhere, list(cuts), *near, spacing_um)
    else:
        tell = partial(_here, cuts, *near, spacing_um)

    def told() -> tuple[Void, ...]:
        shapes = dict(zip(sized, tell(), strict=True))
        return tuple(replace(v, shape=shapes[k]) if k in shapes else v for k, v in enumerate(voids))

    return told


def _pieces(voids: Sequence[Void], mask: Mask, classes: ClassMap, recipe: MeasureConfig) -> Pieces:
    """The voids as pieces that can be cut out of the mask."""
    boxes = np.array([v.box for v in voids])
    found = Components(
        np.array([v.n_voxels for v in voids]), np.array([v.centroid_voxel for v in voids]), boxes[..., 0], boxes[..., 1] - 1
    )  # fmt: skip
    return Pieces(mask, classes.ids_with_role(Role.VOID), found, connectivity=recipe.connectivity)


@dataclass(frozen=True)
class _Cut:
    """A void cut out of the mask: its voxels in its box (z, y, x), the box's first voxel, and its volume where its shape is wanted."""

    own: Part
    first: npt.NDArray[np.int64]
    volume_um3: float | None


def _shapes(
    cuts: Iterable[_Cut], surface: Clouds | None, interface: Clouds | None, spacing_um: Spacing
) -> Steps[list[Shape]]:
    """The shapes of those voids, of all there are, whose shape is wanted, in their order."""
    looks = [_Look.at(cut, spacing_um) for cut in cuts]
    voids = Clouds.of([look.outline for look in looks], spacing_um)
    found: list[Shape] = []
    for number, look in enumerate(looks):
        if look.volume_um3 is not None:
            found.append(look.shape(look.volume_um3, number, voids, surface, interface, spacing_um))
        if number % MANY == 0:
            yield Progress(number, len(looks), TITLE)
    return found


def _here(
    cuts: Iterable[_Cut], surface: Clouds | None, interface: Clouds | None, spacing_um: Spacing
) -> list[Shape]:
    """`_shapes` in this process."""
    return _run(partial(_shapes, cuts, surface, interface, spacing_um))


def _elsewhere(
    cuts: list[_Cut], surface: Clouds | None, interface: Clouds | None, spacing_um: Spacing
) -> list[Shape]:
    """`_shapes` in a process of its own; here where that process fails, which may be for want of memory or of a Python to start."""
    steps = partial(_shapes, cuts, surface, interface, spacing_um)
    found, problem = attempt(lambda: _run(partial(apart, TITLE, steps)))
    if found is None:
        log.warning("%s; it goes on in this process", problem)
        return _run(steps)
    return found


def _run(steps: Callable[[], Steps[list[Shape]]]) -> list[Shape]:
    job: Job[list[Shape], list[Shape]] = Job(TITLE, steps, lambda shapes: shapes)
    return execute(job)


@dataclass(frozen=True)
class _Look:
    """What a void looks like by itself.

    Attributes
    ----------
    volume_um3 : None of a void that is only a neighbour
    outline : corners (N, 3) of voxels on its surface, in voxels of the scan
    area_um2, feret_um, enclosing_um : as in `Shape`; NaN of a void that is only a neighbour
    """

    volume_um3: float | None
    outline: Lattice
    area_um2: float = math.nan
    feret_um: float = math.nan
    enclosing_um: float = math.nan

    @classmethod
    def at(cls, cut: _Cut, spacing_um: Spacing) -> _Look:
        """A void that is cut out of the mask."""
        codes = around_corners(cut.own)
        corners = (outline(codes) + cut.first).astype(np.int32)
        if cut.volume_um3 is None:
            return cls(None, corners)
        ends = np.multiply(tips(codes), spacing_um, dtype=np.float64)
        i, j, feret = farthest_pair(ends)
        return cls(
            cut.volume_um3, corners, surface_area_um2(codes, spacing_um), feret, enclosing_diameter(ends, (i, j))
        )  # fmt: skip

    def shape(
        self, volume_um3: float, number: int, voids: Clouds | None, surface: Clouds | None, interface: Clouds | None, spacing_um: Spacing
    ) -> Shape:  # fmt: skip
        """Its shape among all voids' outlines, of which its own is cloud `number`, and what it may be near to."""
        own = Extent.of(np.multiply(self.outline, spacing_um, dtype=np.float64))
        gap = math.inf if voids is None else voids.distance(own, without=number)
        to_surface, to_interface = (None if c is None else c.distance(own) for c in (surface, interface))
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
