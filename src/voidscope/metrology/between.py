"""What lies between the four sides that lengths across the build axis are read along: solder beyond the pillar, or lacking, at an angle to both
axes, and a pillar that is narrower at an angle than along them.

All is seen along the build axis, column by column. What is no farther from the pillar's edge than the sides say, to a voxel, lies within what
they read, so that straight, round and square bumps have nothing between their sides: no farther along either axis where the pillar has
straight sides, by the shortest way where it is round. The rest is told by its distance from the edge, whichever way that is shortest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from voidscope.metrology.bodies import ClassBox
from voidscope.metrology.components import columns_of
from voidscope.metrology.hollows import VOID
from voidscope.metrology.pieces import Part, Pieces
from voidscope.metrology.voids import COUNTABLE_VOXELS
from voidscope.vocabulary import Mask

ROUND = 0.95
"""A pillar narrower at some angle than this share of its width less a voxel is neither round nor an upright square."""
STRAIGHT = 0.89
"""A pillar that fills so much of its box has straight sides: a square fills all of it, an ellipse pi / 4."""
ELLIPSE = 0.12
"""Columns for each column of its circumference by which an outline may differ from an ellipse and be one: discs on a grid differ by up to 0.1."""
KEY = 0.2
"""Columns by which the centres of columns may lie on the wrong side of an ellipse's edge: of discs and upright ellipses on a grid by up to 0.2, at a key or a flat by more."""
UNLIKE = 1.5
"""Columns by which the width of an ellipse may be off what is counted, a disc being counted up to one off."""
NARROWEST = 8
"""Columns across; a narrower outline may as well be a square's."""
OBLIQUE = float(np.tan(np.pi / 8))
"""What lies so much nearer along one axis than along the other is told by that other alone."""

Lengths = npt.NDArray[np.float64]
Heights = npt.NDArray[np.int32] | Lengths


@dataclass(frozen=True)
class Outline:
    """The pillar seen along the build axis, void in it being its own.

    Attributes
    ----------
    inside : columns (h, w) where it is at least half as high as it has levels, closed in ones too, with a rim of one column without any
    steps_um : distance of columns along either axis
    names : of both axes
    """

    inside: Part
    steps_um: tuple[float, float]
    names: tuple[str, str]

    @classmethod
    def of(cls, height: Heights, n_levels: int, steps_um: tuple[float, float], names: Sequence[str]) -> Outline:  # fmt: skip
        """Of a pillar with so many levels and its height in each column (h, w), both in voxels."""
        outside = np.pad(height < n_levels / 2, 1, constant_values=True)
        rim = np.pad(np.zeros(height.shape, bool), 1, constant_values=True)
        return cls(~_reached(outside, rim), steps_um, (names[0], names[1]))

    def placed(self, shape: Sequence[int], corner: Sequence[int]) -> Outline:
        """The same in a larger field of columns, where its first is `corner`."""
        wide = np.zeros([n + 2 for n in shape], bool)
        wide[tuple(slice(a, a + n) for a, n in zip(corner, self.inside.shape, strict=True))] = self.inside
        return replace(self, inside=wide)

    @cached_property
    def curved(self) -> bool:
        """Whether it is round, or oval, without straight sides along the axes."""
        at = np.argwhere(self.inside)
        return len(at) > 0 and len(at) < STRAIGHT * np.prod(np.ptp(at, axis=0) + 1)

    def width_um(self, edges: Sequence[Lengths], *, between_voxels: bool) -> float:
        """The pillar's width, the larger of the two along the axes: the median over its levels of the distance of its edges (L, 2) in voxels.

        Of edges that do not lie between voxels a disc reads up to a voxel too wide or too narrow, by where it lies on the grid. Where the
        outline is an ellipse, four standard deviations of the places of its columns are its widths, and tell them to half a voxel.
        """
        widths = np.array([np.median(np.ptp(e, axis=1)) for e in edges])
        if not between_voxels and self.inside.any():
            at = np.argwhere(self.inside)
            oval = 4 * at.std(axis=0)
            off = (np.indices(self.inside.shape).T - at.mean(axis=0)) / np.maximum(oval / 2, 0.5)
            away = np.sqrt((off**2).sum(axis=-1).T)  # in semi-axes
            differs = (away <= 1) != self.inside
            beyond = np.hypot(*np.moveaxis(off * oval / 2, -1, 0)).T * np.abs(1 - 1 / np.maximum(away, 0.5))
            fits = oval.min() >= NARROWEST and np.count_nonzero(differs) <= ELLIPSE * np.pi * oval.mean()
            fits &= beyond[differs].max(initial=0.0) <= KEY
            fits &= np.abs(oval - widths).max() <= UNLIKE  # else its levels are not alike
            widths = oval if fits else widths
        return float(np.max(widths * self.steps_um))

    def least_width_um(self, width_um: float) -> float | None:
        """The width at the angle where it is least, where that is clearly less than `width_um`, the larger along the axes; None of round and
        upright square pillars.
        """
        points = np.argwhere(self.inside & self._near(~self.inside, 0.0)) * self.steps_um
        if not len(points):
            return None
        angles = np.deg2rad(np.arange(180))
        towards = np.stack([np.sin(angles), np.cos(angles)])
        widths = np.ptp(points @ towards, axis=0) + np.hypot(*(towards * np.array(self.steps_um)[:, None]))
        least, along = float(widths.min()), min(width_um, float(max(widths[0], widths[90])))
        return least if least < ROUND * (along - max(self.steps_um)) else None

    def beyond_um(
        self, solder: ClassBox, up: int, across: Sequence[int], sides_um: float
    ) -> dict[str, float]:
        """How far connected solder reaches beyond the pillar, where that is farther than the `sides_um` (`_near`), in um by direction, e.g. ``+y-x``."""
        from scipy.ndimage import distance_transform_edt

        box = tuple(slice(solder.first[a] + 1, solder.first[a] + 1 + solder.mask.shape[a]) for a in across)
        own = columns_of(solder.mask, [solder.class_id], up) & ~self._near(self.inside, sides_um)[box]
        if not own.any():
            return {}
        away = distance_transform_edt(~self.inside, sampling=self.steps_um)
        there = np.moveaxis(solder.mask, up, 0) == solder.class_id
        there &= own
        return self._farthest(there, away, (box[0].start, box[1].start))

    def lacking_um(self, levels: Mask, at: Sequence[int], last: Heights, sides_um: float) -> dict[str, float]:
        """How deep inside the pillar's edge solder is lacking, where that is deeper than the `sides_um` (`_near`), in um by direction, e.g. ``+y-x``.

        Parameters
        ----------
        levels : (L, h, w) whose each voxel is, as `give_void` has them, the pillar's end first
        at : the levels of the solder
        last : (h, w) the level before which the topmost solder or pad of each column ends, infinite where it has none; what is above is
            not asked for, for solder may end in a dome
        """
        tops: Lengths = np.pad(last, 1).astype(np.float64)
        deep = ~self._near(~self.inside, sides_um)
        if not deep.any():
            return {}
        free, asked, away = np.ones(deep.shape, bool), np.zeros(deep.shape, bool), np.zeros(deep.shape)
        lacking, deepest = np.zeros((len(at), *deep.shape), bool), np.zeros(deep.shape)
        for k, level in enumerate(at):
            np.less_equal(levels[level], VOID, out=free[1:-1, 1:-1])
            if not (free & deep).any():
                continue
            now = self.inside & (tops > level + 0.5)
            if not np.array_equal(now, asked):
                asked, away = now, self._depth(now, sides_um)
            lacks = (away > 0) & free
            if lacks.any():
                lacking[k] = lacks & _reached(free, ~asked)
                np.maximum(deepest, away, out=deepest, where=lacking[k])
        return self._farthest(lacking, deepest, (0, 0)) if deepest.any() else {}

    def _near(self, columns: Part, sides_um: float) -> Part:
        """What lies no farther from some columns (h, w) than the sides read, to a voxel: by the shortest way where the pillar is curved, along
        either axis where its sides are straight, for its corners lie farther.
        """
        from scipy.ndimage import distance_transform_edt, maximum_filter

        if self.curved:
            away: Lengths = distance_transform_edt(~columns, sampling=self.steps_um)
            near: Part = away <= sides_um + np.hypot(*self.steps_um)
            return near
        size = tuple(2 * int((sides_um + max(self.steps_um)) / step + 1e-6) + 1 for step in self.steps_um)
        found: Part = maximum_filter(columns, size, mode="constant")
        return found

    def _depth(self, inside: Part, sides_um: float) -> Lengths:
        """Distance to the outside in um of columns that lie farther from it than the sides read; 0 of the others."""
        from scipy.ndimage import distance_transform_edt

        depth: Lengths = distance_transform_edt(inside, sampling=self.steps_um)
        return np.where(self._near(~inside, sides_um), 0, depth)

    def _farthest(self, there: Part, away: Lengths, corner: tuple[int, int]) -> dict[str, float]:
        """The distance `away` (h, w) that `COUNTABLE_VOXELS` voxels of a connected piece have or exceed, the largest towards each pair of sides.

        `there` (L, h, w) begins at the `corner`.
        """
        found: dict[str, float] = {}
        middle, pieces = np.argwhere(self.inside).mean(axis=0), Pieces.of(there.view(np.uint8), [1])
        for k in np.flatnonzero(pieces.found.n_voxels >= COUNTABLE_VOXELS).tolist():
            own = np.argwhere(pieces.own(k))[:, 1:] + pieces.found.first[k][1:] + corner
            reach = away[tuple(own.T)]
            far = float(np.partition(reach, -COUNTABLE_VOXELS)[-COUNTABLE_VOXELS])
            where = self._direction((own[reach >= far].mean(axis=0) - middle) * self.steps_um)
            found[where] = max(far, found.get(where, 0.0))
        return found

    def _direction(self, off_um: Lengths) -> str:
        """The side, or the two sides, that a place so far from the middle lies towards, e.g. ``+x`` or ``+y-x``; none within half a column of it."""
        if (2 * np.abs(off_um) < self.steps_um).all():
            return "no one side"
        off = [0.0 if abs(o) < OBLIQUE * np.abs(off_um).max() else float(o) for o in off_um]
        return "".join(f"{'-' if o < 0 else '+'}{name}" for o, name in zip(off, self.names, strict=True) if o)


def farthest(found: Mapping[str, float] | None) -> float | None:
    """The largest of what lies between the sides, in um; None where nothing does."""
    return max(found.values()) if found else None


def _reached(free: Part, outside: Part) -> Part:
    """Those of the `free` columns (h, w) that hang together with one `outside`."""
    from scipy.ndimage import label

    labels, n = label(free)
    met = np.zeros(n + 1, bool)
    met[labels[free & outside]] = True
    found: Part = met[labels]
    return found
