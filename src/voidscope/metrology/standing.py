"""Where the pillars of a scan stand, and how a body that several of them share is parted into bumps.

All pillars stand on one die, so they lean as one: their common direction u is the median of the lines through the centres of
their sections. A voxel at p belongs to the pillar whose axis is nearest, thick pillars reaching farther than thin ones:

    argmin_k  d_k(p)^2 - r_k^2,     d_k(p) = |(p - c_k) - ((p - c_k) . u) u|

with c_k the pillar's centre and r_k its radius, all in um. The walls between bumps are planes along u, and the plane between
two cylinders that touch goes through the line where they touch (it is their radical plane), so that cylinders are told apart
exactly whatever they lean and however thick they are. The distance to the nearest pillar *voxel* would draw walls straight up
from leaning pillars; one along paths inside the body would go around voids and through the narrowest bridge, wherever that is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from voidscope.config import MeasureConfig
from voidscope.metrology.components import Components, mean_index, plane_counts
from voidscope.metrology.dimensions import AXES
from voidscope.metrology.pieces import Part, Pieces
from voidscope.vocabulary import ClassMap, Mask
from voidscope.volume import Spacing

LEVELS = 64
"""Voxels along the build axis that are assigned together where they can be."""
NECK = 0.6
"""Pillars that touch are told apart where the bridge between them is narrower than this share of the thinner one."""
WHOLE_SECTION = 0.9
"""Sections of less than this share of the median one are a leaning pillar's ends, whose centres lie to one side, and say nothing about its axis."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Bases:
    """N pillars, thickest first.

    Attributes
    ----------
    axis : build axis 0, 1 or 2; None where nothing tells it
    direction : (3,) unit vector all of them lean along, um
    centre_um : (N, 3)
    radius_um : (N,) of the largest circle inside the section through the middle
    voxel : (N, 3) some voxel of each
    """

    axis: int | None
    direction: Floats
    centre_um: Floats
    radius_um: Floats
    voxel: Ints

    @property
    def lean_deg(self) -> float:
        """Degrees by which they lean from the build axis; 0 where nothing tells that."""
        return 0.0 if self.axis is None else float(np.degrees(np.arccos(min(1.0, self.direction[self.axis]))))

    def at(self, points_um: Floats) -> Floats:
        """Points (N, 3) in um as seen along the direction, (N, 2)."""
        across = np.linalg.svd(self.direction[None])[2][1:]
        return np.asarray(points_um @ across.T, np.float64)

    def in_piece(self, pieces: Pieces, k: int) -> list[int]:
        """The pillars of piece k; parts of one pillar, one above the other, are one."""
        low, high = pieces.found.first[k], pieces.found.last[k]
        there = np.flatnonzero(((self.voxel >= low) & (self.voxel <= high)).all(axis=1)).tolist()
        if len(there) > 1:
            own = pieces.own(k)
            there = [j for j in there if own[tuple(self.voxel[j] - low)]]
        return self._apart(there)

    def _apart(self, some: Sequence[int]) -> list[int]:
        """Those of some pillars that stand beside, not above, a thicker one."""
        seen, kept = self.at(self.centre_um), list[int]()
        for j in some:
            if all(np.hypot(*(seen[j] - seen[i])) >= self.radius_um[i] for i in kept):
                kept.append(j)
        return kept

    def part(self, own: Part, first: Ints, stands: Sequence[int], spacing_um: Spacing) -> npt.NDArray[Any]:
        """Number of the pillar, from 1 in the order of `stands`, that each voxel of a body belongs to; 0 outside the body.

        `own` (z, y, x) says which voxels of a box are the body's, `first` is the box's corner. A column of `LEVELS` voxels along
        the build axis whose ends belong to one pillar belongs to it whole, since what is nearest to one is convex.
        The numbers of up to 255 pillars take the place of `own`, which may be as large as the scan.
        """
        nearest = _Nearest.among(self, list(stands), first, spacing_um)
        numbers = own.view(np.uint8) if len(stands) < 256 else np.zeros(own.shape, np.uint16)
        up = self.axis or 0
        body, found = np.moveaxis(own, up, 0), np.moveaxis(numbers, up, 0)
        for low in range(0, len(body), LEVELS):
            high = min(low + LEVELS, len(body))
            columns = np.argwhere(body[low:high].any(axis=0))
            ends = [nearest.number(np.insert(columns, 0, level, axis=1), up) for level in (low, high - 1)]
            plane = np.zeros(body.shape[1:], numbers.dtype)
            plane[tuple(columns.T)] = ends[0]
            torn = columns[ends[0] != ends[1]]
            level, k = np.nonzero(body[low:high, torn[:, 0], torn[:, 1]])
            np.multiply(body[low:high].view(np.uint8), plane, out=found[low:high])
            voxels = np.column_stack([level + low, torn[k]])
            found[tuple(voxels.T)] = nearest.number(voxels, up)
        return numbers


@dataclass(frozen=True)
class _Nearest:
    """Some pillars as points of a tree in which the power distance is a plain one: sqrt(max r^2 - r_k^2) is the third coordinate."""

    tree: Any
    bases: Bases
    first: Ints
    spacing_um: Spacing

    @classmethod
    def among(cls, bases: Bases, chosen: list[int], first: Ints, spacing_um: Spacing) -> _Nearest:
        from scipy.spatial import cKDTree

        squares = np.square(bases.radius_um[chosen])
        lift = np.sqrt(squares.max() - squares)
        return cls(
            cKDTree(np.column_stack([bases.at(bases.centre_um[chosen]), lift])), bases, first, spacing_um
        )

    def number(self, voxels: Ints, up: int) -> Ints:
        """Number from 1 of the pillar of voxels (N, 3) of the box, their build axis `up` first."""
        order = np.argsort([up, *(a for a in range(3) if a != up)])
        points = self.bases.at(np.multiply(voxels[:, order] + self.first, self.spacing_um, dtype=np.float64))
        return np.asarray(self.tree.query(np.column_stack([points, np.zeros(len(points))]))[1] + 1)


def bases_of(mask: Mask, classes: ClassMap, spacing_um: Spacing, recipe: MeasureConfig) -> Bases:
    """The pillars of a mask (z, y, x): components of the recipe's pillar class of at least its share of the largest one."""
    pillars = Pieces.of(
        mask, [classes.id_of(recipe.pillar_class)] if recipe.pillar_class in classes.names else []
    )
    large = pillars.found.n_voxels >= recipe.least_structure * pillars.found.n_voxels.max(initial=1)
    chosen = np.flatnonzero(large).tolist()
    axis = _build_axis(pillars.found, chosen, mask, classes, spacing_um, recipe)
    up = 0 if axis is None else axis
    body = classes.body_ids
    seen = [_Section.of(pillars.own(k), mask[pillars.box(k)], body, up, spacing_um) for k in chosen]
    direction = np.insert(np.median([s.slope for s in seen], axis=0) if seen else np.zeros(2), up, 1.0)
    cores = [(*core, pillars.found.first[k]) for k, s in zip(chosen, seen, strict=True) for core in s.cores()]
    cores.sort(key=lambda core: -core[0])
    first = np.array([c[3] for c in cores], np.int64).reshape(-1, 3)
    centre = (first + np.array([c[1] for c in cores]).reshape(-1, 3)) * spacing_um
    voxel = first + np.array([c[2] for c in cores], np.int64).reshape(-1, 3)
    return Bases(axis, direction / np.linalg.norm(direction), centre, np.array([c[0] for c in cores]), voxel)


def _build_axis(
    pillars: Components, chosen: list[int], mask: Mask, classes: ClassMap, spacing_um: Spacing, recipe: MeasureConfig
) -> int | None:  # fmt: skip
    """The recipe's; else the axis along which solder and pillars lie farthest apart; without solder, where pillars differ least."""
    if recipe.build_axis != "auto":
        return AXES.index(recipe.build_axis)
    if not chosen:
        return None
    if recipe.solder_class in classes.names:
        counts = plane_counts(mask, classes.id_of(recipe.solder_class))
        if counts[0].any():
            solder = mean_index(counts)
            pillar = np.average(pillars.centroid, axis=0, weights=pillars.n_voxels)
            return int(np.abs((solder - pillar) * spacing_um).argmax())
    return int(np.ptp(pillars.centroid[chosen] * spacing_um, axis=0).argmin()) if len(chosen) > 1 else None


@dataclass(frozen=True)
class _Section:
    """The section through the middle of what may be one pillar, or several that touch.

    Attributes
    ----------
    up : build axis
    level : where along it, in voxels of the pillar's box
    filled, solid : (h, w) the section without and with the holes that are void; a gap between bumps stays a gap
    slope : (2,) of the line through the centres of all whole sections, um per um; pillars that touch lean as one
    step_um : (2,) lengths of a pixel
    """

    up: int
    level: int
    filled: Part
    solid: Part
    slope: Floats
    step_um: tuple[float, float]

    @classmethod
    def of(cls, pillar: Part, box: Mask, body: Sequence[int], up: int, spacing_um: Spacing) -> _Section:
        """Cut through a pillar (z, y, x) in its box of the mask, in which the classes `body` are foreground, void included."""
        from scipy.ndimage import binary_fill_holes

        stood = np.moveaxis(pillar, up, 0)
        lines = stood.sum(axis=2), stood.sum(axis=1)
        area = lines[0].sum(axis=1)
        whole = np.flatnonzero(area >= WHOLE_SECTION * np.median(area[area > 0]))
        y, x = (s for a, s in enumerate(spacing_um) if a != up)
        centres = [(n[whole] @ np.arange(n.shape[1])) / area[whole] for n in lines]
        slope = [_slope(whole * spacing_um[up], c * s) for c, s in zip(centres, (y, x), strict=True)]
        level = int(whole[len(whole) // 2])
        filled = binary_fill_holes(stood[level]) & np.isin(np.moveaxis(box, up, 0)[level], body)
        return cls(up, level, filled, stood[level], np.array(slope), (y, x))

    def cores(self) -> list[tuple[float, Floats, Ints]]:
        """Radius in um, centre and some voxel, both (3,) in voxels of the box, of each pillar that the section shows.

        The radius is that of the largest circle inside, which leaning does not change.
        """
        from scipy.ndimage import distance_transform_edt

        depth = distance_transform_edt(np.pad(self.filled, 1), sampling=self.step_um)[1:-1, 1:-1]
        found = []
        for core in parts_of_section(depth, self.filled, min(self.step_um)):
            middle = np.argwhere(core).mean(axis=0)
            pixels = np.argwhere(core & self.solid)
            pixels = pixels if len(pixels) else np.argwhere(self.solid)
            near = pixels[np.abs(pixels - middle).sum(axis=1).argmin()]
            found.append(
                (
                    float(depth[core].max()),
                    np.insert(middle, self.up, self.level),
                    np.insert(near, self.up, self.level),
                )
            )
        return found


def _slope(at: npt.NDArray[Any], centres: npt.NDArray[Any]) -> float:
    """Of the line through centres (N,), in order: the median of the slopes between two that are half of all apart, which ends move little."""
    half = len(at) // 2
    return (
        float(np.median((centres[half:] - centres[: len(at) - half]) / (at[half:] - at[: len(at) - half])))
        if half
        else 0.0
    )


def parts_of_section(depth: Floats, inside: Part, step: float, level: float = 0.0) -> list[Part]:
    """The cores of a section (h, w): what is left of each disc when narrow necks between discs are worn away.

    `depth` is the distance to the section's edge. Two discs are two where the neck between them is narrower than `NECK` times
    the smaller; it is looked for from the edge inwards, a `step` at a time.
    """
    from scipy.ndimage import label

    while level < NECK * depth[inside].max():
        labels, n = label(inside & (depth > level))
        deep = [part for k in range(1, n + 1) if NECK * depth[part := labels == k].max() > level]
        if len(deep) > 1:
            return [core for part in deep for core in parts_of_section(depth, part, step, level + step)]
        level += step
    return [inside]
