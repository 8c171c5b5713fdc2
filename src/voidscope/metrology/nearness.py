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
from typing import Any

import numpy as np
import numpy.typing as npt

from voidscope.config import MeasureConfig
from voidscope.metrology.components import SLAB_VOXELS, Components
from voidscope.metrology.pieces import Pieces
from voidscope.metrology.shapes import (
    FLATTEST,
    Points,
    enclosing_diameter,
    farthest_pair,
    outline,
    places,
    sphericity,
    spread,
    surface_area_um2,
    tips,
)
from voidscope.metrology.voids import COUNTABLE_VOXELS, QUANTIFIABLE_VOXELS, Shape, Void, sphere_volume
from voidscope.vocabulary import ClassMap, Mask, Role
from voidscope.volume import Spacing

STRUCTURE, OUTSIDE, SOLDER, WALL = 1, 2, 4, 8
"""What meets at a corner of voxels; a corner may have all."""
NOBODY = np.zeros((0, 3), np.int32)
HOPS = 2
"""So many times the nearest point is looked up from the nearest so far, before all that may be nearer are compared."""
FEW = 150_000
"""So many pairs are compared without a thought."""
MANY = 4096
"""More candidates than this are not compared one by one."""

Lattice = npt.NDArray[np.int32]


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
    around = _Around.of(pieces, voids, mask, classes, spacing_um, recipe)
    shapes = {k: _shape(k, voids[k], pieces, around, spacing_um) for k in sized}
    return tuple(replace(v, shape=shapes[k]) if k in shapes else v for k, v in enumerate(voids))


def _pieces(voids: Sequence[Void], mask: Mask, classes: ClassMap, recipe: MeasureConfig) -> Pieces:
    """The voids as pieces that can be cut out of the mask."""
    boxes = np.array([v.box for v in voids])
    found = Components(
        np.array([v.n_voxels for v in voids]), np.array([v.centroid_voxel for v in voids]), boxes[..., 0], boxes[..., 1] - 1
    )  # fmt: skip
    return Pieces(mask, classes.ids_with_role(Role.VOID), found, connectivity=recipe.connectivity)


def _shape(k: int, void: Void, pieces: Pieces, around: _Around, spacing_um: Spacing) -> Shape:
    own = pieces.own(k)
    area = surface_area_um2(own, spacing_um)
    ends = _um(tips(own), spacing_um)
    i, j, feret = farthest_pair(ends)
    enclosing = enclosing_diameter(ends, (i, j))
    points = _um(around.outlines[k], spacing_um)
    surface, interface = (
        None if t is None else t.distance(points) for t in (around.surface, around.interface)
    )
    return Shape(
        surface_area_um2=area, sphericity=sphericity(void.volume_um3, area), feret_um=feret, enclosing_diameter_um=enclosing,
        compactness=void.volume_um3 / sphere_volume(enclosing), surface_um=surface, interface_um=interface,
        gap_um=around.gap(k, points), touches_surface=surface == 0,
    )  # fmt: skip


@dataclass(frozen=True)
class Target:
    """Points (N, 3) in um, N > 0, to which distances are wanted; `tree` finds the nearest."""

    points: Points
    tree: Any

    @classmethod
    def of(cls, points: Points) -> Target | None:
        """A target of these points; None without any."""
        from scipy.spatial import cKDTree

        return cls(points, cKDTree(points, balanced_tree=False, compact_nodes=False)) if len(points) else None

    def distance(self, points: Points) -> float:
        """From the nearest of some points (M, 3) in um, exactly.

        The target's point nearest to their middle tells how far at most; what is farther from the middle than that and their
        reach together cannot be nearer.
        """
        from scipy.spatial.distance import cdist

        middle = (points.min(axis=0) + points.max(axis=0)) / 2
        some = self.points[self.tree.query(middle)[1]]
        for _ in range(HOPS):  # to and fro: the nearer, the fewer are left to compare
            near = points[cdist(points, some[None]).argmin()]
            some = self.points[self.tree.query(near)[1]]
        most = math.dist(near, some)
        ball = (float(cdist(points, middle[None]).max()) + most) * (1 + 1e-9)
        if self.tree.query_ball_point(middle, ball, return_length=True) <= MANY:
            return closest(points, self.points[self.tree.query_ball_point(middle, ball)])
        nearest = self.tree.query(points, distance_upper_bound=most * (1 + 1e-9))[0].min()
        return float(min(most, nearest))


@dataclass(frozen=True)
class _Around:
    """What voids are near to: the surface, the interfaces, each other.

    Attributes
    ----------
    outlines : corners (N, 3) of each void on its surface, in voxels; none of those that are nobody's neighbour
    low, high : (V, 3) ends of the voids' boxes, in um
    neighbours : (V,) whether a void is large enough to be another's neighbour
    """

    surface: Target | None
    interface: Target | None
    outlines: tuple[Lattice, ...]
    low: Points
    high: Points
    neighbours: npt.NDArray[np.bool_]
    spacing_um: Spacing

    @classmethod
    def of(
        cls, pieces: Pieces, voids: Sequence[Void], mask: Mask, classes: ClassMap, spacing_um: Spacing, recipe: MeasureConfig
    ) -> _Around:  # fmt: skip
        found = pieces.found
        outlines = tuple(
            (outline(pieces.own(k)) + found.first[k]).astype(np.int32)
            if v.n_voxels >= COUNTABLE_VOXELS
            else NOBODY
            for k, v in enumerate(voids)
        )
        surface, interface = (Target.of(_um(t, spacing_um)) for t in meetings(mask, classes, recipe))
        ends = _um(found.first, spacing_um), _um(found.last + 1, spacing_um)
        return cls(surface, interface, outlines, *ends, found.n_voxels >= COUNTABLE_VOXELS, spacing_um)

    def gap(self, k: int, points: Points) -> float | None:
        """Distance from void k, of these points in um, to its nearest neighbour; None without one. What a box says is asked first."""
        between = np.maximum(self.low - self.high[k], self.low[k] - self.high)
        np.maximum(between, 0, out=between)
        least = np.where(self.neighbours, np.sqrt(np.einsum("ij,ij->i", between, between)), np.inf)
        least[k] = best = np.inf
        while least[j := int(least.argmin())] < best:
            best = min(best, closest(points, _um(self.outlines[j], self.spacing_um)))
            least[j] = np.inf
        return float(best) if np.isfinite(best) else None


def meetings(
    mask: Mask, classes: ClassMap, recipe: MeasureConfig, slab_voxels: int = SLAB_VOXELS // 4
) -> tuple[Lattice, Lattice]:
    """Corners of voxels (N, 3) on the surface of the structure, and on its interfaces, found slab by slab."""
    kinds = _kinds(classes, recipe)
    step = max(1, slab_voxels // max(1, mask.shape[1] * mask.shape[2]))
    found: tuple[list[Lattice], list[Lattice]] = ([], [])
    for start in range(0, len(mask) + 1, step):
        low = max(0, start - 1)
        corner = _of_kinds(mask[low : start + step], kinds)
        for axis in (2, 1, 0):
            corner = spread(corner, axis)
        own = corner[start - low : start - low + step]
        for wanted, points in zip((STRUCTURE | OUTSIDE, SOLDER | WALL), found, strict=True):
            points.append((places(own & wanted == wanted) + np.array([start, 0, 0])).astype(np.int32))
    return np.concatenate(found[0]), np.concatenate(found[1])


def _kinds(classes: ClassMap, recipe: MeasureConfig) -> dict[int, int]:
    """What each class is to a corner; unlabelled voxels are nothing."""
    kinds = dict.fromkeys(classes.ids_with_role(Role.BACKGROUND), OUTSIDE)
    kinds |= dict.fromkeys(
        (*classes.ids_with_role(Role.FOREGROUND), *classes.ids_with_role(Role.VOID)), STRUCTURE
    )
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


def _um(lattice: npt.NDArray[Any], spacing_um: Spacing) -> Points:
    return np.asarray(np.multiply(lattice, spacing_um, dtype=np.float64))


def closest(a: Points, b: Points) -> float:
    """Least distance between two sets of points (N, 3) and (M, 3), exactly; points too far from the other's box are left out."""
    from scipy.spatial import cKDTree
    from scipy.spatial.distance import cdist

    if len(a) * len(b) > FEW:
        some = cdist(a, b.mean(axis=0)[None], "sqeuclidean").argmin()
        most = float(cdist(a[some][None], b, "sqeuclidean").min()) * (1 + 1e-9)
        a, b = a[_beside(a, b) <= most], b[_beside(b, a) <= most]
    if len(a) * len(b) > MANY**2:
        return float(cKDTree(b).query(a)[0].min())
    return math.sqrt(cdist(a, b, "sqeuclidean").min())


def _beside(points: Points, others: Points) -> npt.NDArray[np.float64]:
    """Squared distance of each point from the box of some others."""
    outside = np.maximum(others.min(axis=0) - points, points - others.max(axis=0))
    np.maximum(outside, 0, out=outside)
    return np.asarray(np.einsum("ij,ij->i", outside, outside))
