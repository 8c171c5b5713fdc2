"""Distances from a void to the nearest of very many points: points lie in clouds, each with its box, and few clouds are looked into.

A cloud cannot be nearer than its box is, to the void's box or to the ball around it. So the distance to one point of a cloud close by is an
upper bound, clouds that lie farther are left alone, and the rest are looked into, some of the nearest at a time, until none is nearer
than what was found. Nothing is approximated.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from voidscope.volume import Spacing

BLOCK = 16
"""Edge in voxels of the blocks whose points are a cloud."""
FEW = 8
"""Clouds among which the first is chosen."""
TOGETHER = 2
"""So many clouds are looked into at once."""
ROUNDING = 1e-9
"""A bound is widened by this share of it before anything is left out."""
PAIRS_AT_ONCE = 2**18
"""So many pairs of points are compared at once, which stays in a processor's cache."""
ALL_PAIRS = 2**25
"""More pairs than this are not compared one by one."""

Lattice = npt.NDArray[np.signedinteger]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Clouds:
    """N points of a lattice in C clouds, one cloud's points after another's.

    Attributes
    ----------
    points : (N, 3) in voxels, column by column in memory, which is what arithmetic on them is quick with
    ends : (C + 1,) where clouds begin in `points`, and N
    low, high : (C, 3) corners of their boxes, um
    tree : of the boxes' middles
    reach : from a box's middle to its corner at most, um
    spacing_um : (z, y, x)
    """

    points: Lattice
    ends: npt.NDArray[np.int64]
    low: Floats
    high: Floats
    tree: Any
    reach: float
    spacing_um: Spacing

    @classmethod
    def of(cls, clouds: Sequence[Lattice], spacing_um: Spacing) -> Clouds | None:
        """Clouds (n, 3) of one or more points each; None without any."""
        if not clouds:
            return None
        from scipy.spatial import cKDTree

        points, ends = np.concatenate(clouds), np.cumsum([0, *(len(c) for c in clouds)])
        low, high = (
            np.multiply(f.reduceat(points, ends[:-1]), spacing_um, dtype=np.float64)
            for f in (np.minimum, np.maximum)
        )
        reach = float(np.linalg.norm(high - low, axis=1).max()) / 2
        return cls(points, ends, low, high, cKDTree((low + high) / 2), reach, spacing_um)

    def clouds(self, which: Iterable[int]) -> Floats:
        """The points of some clouds in um, (n, 3)."""
        own = np.concatenate([self.points.T[:, self.ends[k] : self.ends[k + 1]] for k in which], axis=1)
        return np.asarray(np.multiply(own.T, self.spacing_um, dtype=np.float64))

    def distance(self, own: Extent, without: int = -1) -> float:
        """From the nearest of some points in um to the nearest of all clouds but cloud `without`; inf where there is no other."""
        near = np.atleast_1d(self.tree.query(own.middle, min(FEW, self.tree.n))[1])
        near = near[near != without]
        if not len(near):
            return math.inf
        first = self.clouds([near[_apart(self.low[near], self.high[near], own.low, own.high).argmin()]])
        one = first[_away(first, own.middle).argmin()]
        best = math.sqrt(_away(own.points, one).min())
        ball = best + self.reach + own.radius
        near = np.array(self.tree.query_ball_point(own.middle, ball * (1 + ROUNDING)), np.int64)
        near = near[near != without]
        bound = own.at_least(self.low[near], self.high[near])
        order = np.argsort(bound, kind="stable")
        for some in (order[k : k + TOGETHER] for k in range(0, len(order), TOGETHER)):
            some = some[bound[some] < best]
            if not len(some):
                break
            best = min(best, closest(own, self.clouds(near[some]), best))
        return best


@dataclass(frozen=True)
class Extent:
    """Points (N, 3) with the box `low` to `high` and the ball about its `middle` that they lie in."""

    points: Floats
    low: Floats
    high: Floats
    middle: Floats
    radius: float

    @classmethod
    def of(cls, points: Floats) -> Extent:
        """Around one point or more."""
        low, high = points.min(axis=0), points.max(axis=0)
        middle = (low + high) / 2
        return cls(points, low, high, middle, math.sqrt(_away(points, middle).max()))

    def at_least(self, low: Floats, high: Floats) -> Floats:
        """A bound (B,) below which no distance from the points to what lies in boxes (B, 3) is: neither their box nor their ball is nearer."""
        from_box = _apart(low, high, self.low, self.high)
        from_middle = np.sqrt(_apart(low, high, self.middle, self.middle))
        return np.asarray(np.maximum(np.sqrt(from_box), from_middle - self.radius) * (1 - ROUNDING))


def blocks(points: Lattice) -> list[Lattice]:
    """Points (N, 3) of a row of blocks along x, block by block."""
    if not len(points):
        return []
    block = points[:, 2] // BLOCK
    order = np.argsort(block, kind="stable")
    return np.split(points.T.take(order, axis=1).T, np.flatnonzero(np.diff(block[order])) + 1)


def closest(a: Extent, b: Floats, within: float = math.inf) -> float:
    """Least distance of some points from others (M, 3), exactly; inf where it is not below `within`.

    Points that cannot be of the nearest pair are left out first: others outside the ball around the middle that they would have to lie
    in, and points of either that are farther than `within` from the last of the other along the line from the middle to the nearest other.
    """
    from scipy.spatial import cKDTree
    from scipy.spatial.distance import cdist

    far = (within + a.radius) * (1 + ROUNDING)
    away = _away(b, a.middle)
    near = away <= far * far
    b, away = b[near], away[near]
    if not len(b):
        return math.inf
    line = (b[away.argmin()] - a.middle) / (math.sqrt(away.min()) or 1.0)
    ahead, beyond, reach = a.points @ line, b @ line, within + far * ROUNDING
    points, b = a.points[ahead >= beyond.min() - reach], b[beyond <= ahead.max() + reach]
    if not len(points) or not len(b):
        return math.inf
    if len(points) * len(b) > ALL_PAIRS:
        return float(cKDTree(b).query(points)[0].min())
    step = max(1, PAIRS_AT_ONCE // len(b))
    parts = (points[k : k + step] for k in range(0, len(points), step))
    return math.sqrt(min(cdist(part, b, "sqeuclidean").min() for part in parts))


def _away(points: Floats, one: Floats) -> Floats:
    """Squared distance of points (N, 3) from one point."""
    between = points - one
    return np.asarray(np.einsum("ij,ij->i", between, between))


def _apart(low: Floats, high: Floats, lowest: Floats, highest: Floats) -> Floats:
    """Squared distance of boxes (N, 3) from one box."""
    between = np.maximum(low - highest, lowest - high)
    np.maximum(between, 0, out=between)
    return np.asarray(np.einsum("ij,ij->i", between, between))
