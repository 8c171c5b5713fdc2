"""Dimensions of a micro-bump in um: bond line, pillar, misalignment of the pad, solder beyond the pillar.

The bump stands along its build axis: pillar, then solder, then (memory) pad. Every length is read off many columns or
levels and is their median, so that a stray voxel moves none of them; `by_boxes` reads the same things off bounding boxes,
as the public formulas do, for comparison. What is needed of a class is counted plane by plane, or looked at inside its box, one at a time;
the void that belongs to their bodies takes one byte for each voxel of the box of all three (`hollows`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from voidscope.config import MeasureConfig
from voidscope.metrology.between import Outline
from voidscope.metrology.bodies import BumpParts, ClassBox
from voidscope.metrology.components import of_classes
from voidscope.metrology.hollows import PAD, PILLAR, SOLDER, give_void
from voidscope.metrology.lips import lip_um
from voidscope.metrology.margins import Known, ends_of, outermost
from voidscope.metrology.pieces import Part
from voidscope.vocabulary import ClassMap, Mask, Role
from voidscope.volume import Spacing

BULGE = 95.0
"""Percentile over the levels of the solder at which its edge is taken: a bulge counts, a stray voxel does not."""
PAD_SHARE = 0.25
"""What is called pad and covers less than this share of the columns of the pillar is none, but a few voxels that a model mistook."""
TIE = 1e-6
"""Solder and pillar as far apart along two axes, to this share, tell no build axis."""
AXES = ("z", "y", "x")
LENGTHS = ("blt_um", "pillar_width_um", "pillar_height_um", "pad_misalignment_um")
"""Names of the lengths that are one number each."""
SIZES = (*LENGTHS, "largest_extrusion_um")
"""What tables hold of a bump's lengths."""

Lengths = npt.NDArray[np.float64]
Ends = npt.NDArray[np.int32] | Lengths


@dataclass(frozen=True)
class Dimensions:
    """What one bump measures; None where a class it needs is not in the mask.

    Attributes
    ----------
    build_axis : z, y or x, with - in front where the pillar lies at the far end
    blt_um : bond line, from the foot of the pillar to the top of the pad (memory) or, without one, of the solder (logic)
    pillar_width_um, pillar_height_um : across and along the build axis; the width is the larger of the two across
    pad_misalignment_um : distance across the build axis between the centres of pad and pillar
    extrusion_um : solder beyond the pillar on each side across the build axis, e.g. ``-y``, ``+x``; negative where it
        does not reach the pillar's edge
    lip_um : how far connected solder of 8 voxels or more reaches beyond the pillar at so few levels that the extrusion leaves it out; None
        where none reaches farther than that
    underfill_um : what solder lacks to the pillar's edge where it lacks most, be it in a neck or a crack alone; 0 where it lacks nowhere
    beyond_um, lacking_um : solder beyond the pillar, and lacking, between the four sides, e.g. ``+y-x`` (`between`); None where there is no more
        than they read
    least_width_um : the pillar's at the angle where it is least; None of a round or upright square one, which has one width
    interpolated : whether any edge lies between voxels by the model's probabilities; else all are whole voxels
    """

    build_axis: str | None = None
    blt_um: float | None = None
    pillar_width_um: float | None = None
    pillar_height_um: float | None = None
    pad_misalignment_um: float | None = None
    extrusion_um: Mapping[str, float] | None = None
    lip_um: float | None = None
    underfill_um: float | None = None
    beyond_um: Mapping[str, float] | None = None
    lacking_um: Mapping[str, float] | None = None
    least_width_um: float | None = None
    interpolated: bool = False

    def entry(self) -> dict[str, Any]:
        """The dimensions as JSON has them."""
        return asdict(self)

    @property
    def edges(self) -> str:
        """How fine the edges are that lengths were read off: ``interpolated`` or ``voxel``; empty where there is no length."""
        if all(getattr(self, name) is None for name in LENGTHS):
            return ""
        return "interpolated" if self.interpolated else "voxel"

    @property
    def largest_extrusion_um(self) -> float | None:
        """How far the solder protrudes where it protrudes most; negative where it nowhere does."""
        return max(self.extrusion_um.values()) if self.extrusion_um else None


def dimensions(
    mask: Mask, classes: ClassMap, spacing_um: Spacing, recipe: MeasureConfig, odds: Known | None = None
) -> Dimensions:
    """Measure the bump in a mask (z, y, x) of class ids by columns and levels, without parts below `DUST` of their class's largest.

    Void is part of the body it adjoins (`hollows`): a void at the foot of the pillar or at the top makes no bump shorter, and one in
    the pad moves no pad.

    Heights are medians over the columns (along the build axis) of the pillar, widths and the pillar's edges medians over the
    levels (across it), the solder's edges the `BULGE` percentile of its levels; a neck in it is taken at its narrowest level. All
    are whole voxels wide at each column or level, so a body of straight walls is measured to the voxel, but where `odds` say how
    sure a model was of each voxel: then edges are interpolated (`margins`). Centres are means, finer than a voxel.
    """
    return _by_columns(BumpParts.of(mask, classes, recipe), mask, classes, spacing_um, recipe, odds)


def _by_columns(
    parts: BumpParts, mask: Mask, classes: ClassMap, spacing_um: Spacing, recipe: MeasureConfig, odds: Known | None
) -> Dimensions:  # fmt: skip
    posed = _Posed.of(parts.without_dust(), spacing_um, recipe)
    if posed is None:
        return Dimensions()
    posed = replace(posed.with_void(mask, classes.ids_with_role(Role.VOID)), odds=odds)
    foot, pad = posed.pillar, posed.pad
    pillar, solder = posed.sides_of(posed.pillar), posed.sides_of(posed.solder)
    top = solder if pad is None else posed.sides_of(pad)
    step, across = posed.spacing[0], posed.spacing[1:]
    upright, bulging = [_upright(e) for e in pillar.edges], [_bulging(e) for e in solder.edges]
    sides = _by_side(posed, upright, bulging)
    lip = lip_um(
        parts.solder or posed.solder, posed.across, posed.in_mask(upright), posed.in_mask(bulging), across, 0.5 if odds else 0.0
    )  # fmt: skip
    bodies = [(foot, pillar), (posed.solder, solder), *([] if pad is None else [(pad, top)])]
    size = Dimensions(
        build_axis=posed.axis,
        blt_um=_median(_rise(pillar, top)) * step,
        pillar_height_um=_median(_rise(pillar, pillar)) * step,
        pad_misalignment_um=None if pad is None else _apart(foot.middle(posed.across), pad.middle(posed.across), across),
        extrusion_um=sides,
        underfill_um=max(_neck(posed, bodies), *(-out for out in sides.values())),
        lip_um=lip if lip is not None and lip > max(sides.values()) else None,
        interpolated=any(side.between for side in (pillar, solder, top)),
    )  # fmt: skip
    return _between(size, posed, parts, pillar, np.maximum(solder.last, top.last))


def _between(size: Dimensions, posed: _Posed, parts: BumpParts, pillar: _Sides, last: Ends) -> Dimensions:
    """With what lies between the sides; `parts` have all dust, and `last` is where each column of the posed box ends."""
    names, turn = [AXES[a] for a in posed.across], slice(None, None, -1 if posed.turned else 1)
    outline = Outline.of(pillar.last - pillar.first, len(pillar.edges[0]), posed.spacing[1:], names)
    size = replace(
        size, pillar_width_um=outline.width_um(pillar.edges, between_voxels=posed.odds is not None)
    )
    if posed.levels is None or not outline.inside.any():
        return size
    whole, corner = ([of[a] for a in posed.across] for of in (parts.shape, posed.corner))
    beside = max(posed.spacing[1:]) / 2 if size.interpolated else 0.0  # what edges between voxels may lie off
    out, lacks = max(0.0, size.largest_extrusion_um or 0.0, size.lip_um or 0.0), size.underfill_um or 0.0
    at, ends = np.flatnonzero(posed.solder.counts[posed.up][turn]).tolist(), np.where(last > 0, last, np.inf)
    solder, least = parts.solder or posed.solder, outline.least_width_um(size.pillar_width_um or 0.0)
    beyond = outline.placed(whole, corner).beyond_um(solder, posed.up, posed.across, out + beside)
    lacking = outline.lacking_um(posed.levels[turn], at, ends, lacks + beside)
    return replace(size, beyond_um=beyond or None, lacking_um=lacking or None, least_width_um=least)


def by_boxes(mask: Mask, classes: ClassMap, spacing_um: Spacing, recipe: MeasureConfig) -> Dimensions:
    """The same by the public formulas (METROLOGY of the paper's group): bounding boxes and median coordinates.

    One voxel moves a box, extents of the pillar lack the last voxel (max - min), those of the bond line have it. Signs of the
    extrusion are turned: there under-fill is positive.
    """
    return _of_boxes(_Posed.of(BumpParts.of(mask, classes, recipe), spacing_um, recipe))


def both_ways(
    mask: Mask, classes: ClassMap, spacing_um: Spacing, recipe: MeasureConfig, odds: Known | None = None
) -> tuple[Dimensions, Dimensions]:
    """`dimensions` and `by_boxes` of a mask whose classes are counted once."""
    parts = BumpParts.of(mask, classes, recipe)
    boxed = _of_boxes(_Posed.of(parts, spacing_um, recipe))
    return _by_columns(parts, mask, classes, spacing_um, recipe, odds), boxed


def standing(mask: Mask, classes: ClassMap, spacing_um: Spacing, recipe: MeasureConfig) -> Dimensions:
    """Nothing but the build axis, of a mask (z, y, x) of several bumps: no length is that of all of them."""
    posed = _Posed.of(BumpParts.of(mask, classes, recipe, with_pad=False), spacing_um, recipe)
    return Dimensions(build_axis=None if posed is None else posed.axis)


def _of_boxes(posed: _Posed | None) -> Dimensions:
    if posed is None:
        return Dimensions()
    pillar, solder, pad = posed.pillar, posed.solder, posed.pad
    step, across = posed.spacing[0], posed.spacing[1:]
    foot, head = pillar.ends(posed.up), (solder if pad is None else pad).ends(posed.up)
    rise = foot[1] - head[0] if posed.turned else head[1] - foot[0]
    extents = [
        float(np.ptp(pillar.ends(a)) - 1) * s
        for a, s in zip((posed.up, *posed.across), posed.spacing, strict=True)
    ]
    beyond = _by_side(posed, *([p.ends(a) for a in posed.across] for p in (pillar, solder)))
    return Dimensions(
        build_axis=posed.axis,
        blt_um=float(rise) * step,
        pillar_width_um=max(extents[1:]),
        pillar_height_um=extents[0],
        pad_misalignment_um=None if pad is None else _apart(pillar.median(posed.across), pad.median(posed.across), across),
        extrusion_um=beyond,
        underfill_um=max(0.0, *(-out for out in beyond.values())),
    )  # fmt: skip


def stands_along(size: Dimensions, recipe: MeasureConfig) -> str | None:
    """The build axis of what was measured: that of its dimensions, else the recipe's, else none; - in front as in `Dimensions`."""
    return size.build_axis or (None if recipe.build_axis == "auto" else recipe.build_axis)


@dataclass(frozen=True)
class _Posed:
    """Pillar, solder and pad, and how the bump stands: along `up`, from the far end where it is `turned`.

    Where the box they lie in is part of a mask, `corner` is its first voxel and `levels` (build axis first) tell whose each of its voxels is;
    `odds` are known of the whole mask.
    """

    pillar: ClassBox
    solder: ClassBox
    pad: ClassBox | None
    up: int
    turned: bool
    across: tuple[int, int]
    spacing: tuple[float, float, float]
    shape: tuple[int, ...]
    corner: tuple[int, ...] = (0, 0, 0)
    levels: Mask | None = None
    odds: Known | None = None

    @classmethod
    def of(cls, parts: BumpParts, spacing_um: Spacing, recipe: MeasureConfig) -> _Posed | None:
        """Stand the bump up along the axis on which solder and pillar lie farthest apart; None without either, or where two tie."""
        pillar, solder, pad = parts.pillar, parts.solder, parts.pad
        if pillar is None or solder is None:
            return None
        apart = np.multiply(np.subtract(solder.middle(range(3)), pillar.middle(range(3))), spacing_um)
        *_, second, farthest = np.sort(np.abs(apart))
        if recipe.build_axis == "auto" and farthest - second <= TIE * farthest:
            return None
        up = int(np.argmax(np.abs(apart))) if recipe.build_axis == "auto" else AXES.index(recipe.build_axis)
        a, b = (axis for axis in range(3) if axis != up)
        z, y, x = (float(spacing_um[axis]) for axis in (up, a, b))
        return cls(pillar, solder, pad, up, bool(apart[up] < 0), (a, b), (z, y, x), parts.shape)

    @property
    def axis(self) -> str:
        """The build axis, with - in front where the pillar lies at the far end."""
        return ("-" if self.turned else "") + AXES[self.up]

    def with_void(self, mask: Mask, void_ids: Sequence[int]) -> _Posed:
        """The same in the box of all three, the void that they adjoin being theirs; a pad of less than `PAD_SHARE` is left out."""
        few = self.pad is not None and self.pad.columns(self.up) < PAD_SHARE * self.pillar.columns(self.up)
        parts = {SOLDER: self.solder, PILLAR: self.pillar}
        if self.pad is not None and not few:
            parts[PAD] = self.pad
        low = np.min([p.first for p in parts.values()], axis=0)
        high = np.max([np.add(p.first, p.mask.shape) for p in parts.values()], axis=0)
        low[self.up], high[self.up] = 0, mask.shape[self.up]
        seen = mask[tuple(slice(a, b) for a, b in zip(low.tolist(), high.tolist(), strict=True))]
        levels = of_classes(np.moveaxis(seen, self.up, 0), void_ids).view(np.uint8)
        bodies = np.moveaxis(levels, 0, self.up)
        for code, part in parts.items():
            at = (slice(a, a + n) for a, n in zip(part.first - low, part.mask.shape, strict=True))
            np.copyto(bodies[tuple(at)], code, where=part.body())
        give_void(levels)
        pillar, solder, pad = (ClassBox.of(bodies, code) for code in (PILLAR, SOLDER, PAD))
        if pillar is None or solder is None:  # the recipe names one class twice
            return self
        return replace(
            self, pillar=pillar, solder=solder, pad=pad, shape=bodies.shape, corner=tuple(low.tolist()), levels=levels
        )  # fmt: skip

    def in_mask(self, edges: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
        """Edges along both axes across, counted from the first voxel of the mask instead of the box."""
        firsts = (self.corner[a] for a in self.across)
        return [(low + first, high + first) for (low, high), first in zip(edges, firsts, strict=True)]

    def sides_of(self, part: ClassBox) -> _Sides:
        """Where a class begins and ends in each column and at each level."""
        if self.odds is None:
            near, far, across = _whole(np.ascontiguousarray(np.moveaxis(part.body(), self.up, 0)))
        else:
            near, far, across = self._finer(part, self.odds)
        low, n = part.first[self.up], self.shape[self.up]
        ends = (n - low - far, n - low - near) if self.turned else (near + low, far + low)
        edges = [e + part.first[a] for e, a in zip(across, self.across, strict=True)]
        wide = [np.zeros([self.shape[a] for a in self.across], near.dtype) for _ in range(2)]
        there = tuple(
            slice(part.first[a], part.first[a] + m) for a, m in zip(self.across, far.shape, strict=True)
        )
        for full, found in zip(wide, ends, strict=True):
            full[there] = np.where(far > 0, found, 0)
        return _Sides(wide[0], wide[1], (edges[0], edges[1]))

    def _finer(self, part: ClassBox, odds: Known) -> tuple[Ends, Ends, list[Lengths]]:
        """What `_whole` tells, between voxels; infinity and its negative in a column without any."""
        (up, *corner), (_, *shape) = np.add(part.first, self.corner).tolist(), part.mask.shape
        ends = ends_of(part.body(), lambda z: odds.around(z + up, corner, shape))
        across = [
            outermost(*(e if self.up < other else e.T for e in ends[a]))
            for a, other in zip(self.across, self.across[::-1], strict=True)
        ]
        return *ends[self.up], across


@dataclass(frozen=True)
class _Sides:
    """First voxel and one past the last in every column (h, w) from the pillar's end on, 0 and 0 where there is none, and (L, 2) the same at
    every level that has any, across either way; whole voxels, or between them.
    """

    first: Ends
    last: Ends
    edges: tuple[Lengths, Lengths]

    @property
    def between(self) -> bool:
        """Whether any of them lies between two voxels."""
        return any(bool(np.any(ends % 1)) for ends in (self.first, self.last, *self.edges))


def _whole(body: Part) -> tuple[Ends, Ends, list[Lengths]]:
    """First voxel and one past the last of a body (levels, h, w) in every column, 0 and 0 where there is none, and at its levels."""
    levels = range(len(body))
    near, far = np.zeros((2, *body.shape[1:]), np.int32)
    for level in levels:
        np.copyto(far, level + 1, where=body[level])
    for level in reversed(levels):
        np.copyto(near, level, where=body[level])
    return near, far, [_edges(np.asarray(body.any(axis=2 - k))) for k in range(2)]


def _apart(a: list[float], b: list[float], across: tuple[float, ...]) -> float:
    return float(np.hypot(*np.multiply(np.subtract(a, b), across)))


def _rise(foot: _Sides, top: _Sides) -> Lengths:
    """Voxels from the first of `foot` to the last of `top` in every column that has both, else between their medians."""
    there, above = foot.last > 0, top.last > 0
    both = there & above
    rise: Lengths = (top.last - foot.first)[both].astype(np.float64)
    return rise if both.any() else np.array([np.median(top.last[above]) - np.median(foot.first[there])])


def _edges(seen: Part) -> Lengths:
    """First and one past the last voxel across at each level that has any, (L, 2)."""
    flat = seen[seen.any(axis=1)]
    ends = flat.argmax(axis=1), flat.shape[1] - flat[:, ::-1].argmax(axis=1)
    return np.stack(ends, axis=1).astype(np.float64)


def _upright(edges: Lengths) -> tuple[float, float]:
    return _median(edges[:, 0]), _median(edges[:, 1])


def _bulging(edges: Lengths) -> tuple[float, float]:
    near = np.percentile(edges[:, 0], 100 - BULGE, method="higher")
    return float(near), float(np.percentile(edges[:, 1], BULGE, method="lower"))


def _neck(posed: _Posed, bodies: Sequence[tuple[ClassBox, _Sides]]) -> float:
    """How far the bump, at the level of the solder where it is narrowest, lacks the pillar's edge or, if that is nearer, the edge that it
    reaches farther up; in um, of the side where it lacks most.

    Solder that ends in a dome or on a narrow pad has no neck: nothing farther up reaches farther. `bodies` begin with pillar and solder.
    """
    most, there = 0.0, bodies[1][0].counts[posed.up] > 0
    towards_foot = slice(None, None, None if posed.turned else -1)
    for k, step in enumerate(posed.spacing[1:]):
        out = np.full((len(there), 2), -np.inf)
        for part, sides in bodies:
            levels = part.counts[posed.up] > 0
            out[levels] = np.maximum(out[levels], sides.edges[k] * (-1, 1))
        farther_up = np.maximum.accumulate(out[towards_foot])[towards_foot]
        edge = np.multiply(_upright(bodies[0][1].edges[k]), (-1, 1))
        most = max(most, float((np.minimum(edge, farther_up)[there] - out[there]).max()) * step)
    return most


def _by_side(
    posed: _Posed, pillar: Sequence[tuple[float, float]], solder: Sequence[tuple[float, float]]
) -> dict[str, float]:
    """Solder beyond the pillar at both ends of both axes across, in um."""
    found: dict[str, float] = {}
    for axis, step, (low, high), (near, far) in zip(
        posed.across, posed.spacing[1:], pillar, solder, strict=True
    ):
        found |= {f"-{AXES[axis]}": (low - near) * step, f"+{AXES[axis]}": (far - high) * step}
    return found


def _median(values: Lengths) -> float:
    return float(np.median(values))
