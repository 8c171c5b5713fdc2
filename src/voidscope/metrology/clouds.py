"""Distances from a void to the nearest of very many points: points lie in clouds, each with its box, and few clouds are looked into.

A cloud cannot be nearer than its box is. So the distance to the points of the cloud whose middle is nearest is an upper bound, clouds
whose boxes lie farther are left alone, and the rest are looked into, the nearest box first, until no box is nearer than what was
found. Nothing is approximated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from voidscope.volume import Spacing

BLOCK = 16
"""Edge in voxels of the blocks whose points are a cloud."""
FEW = 8
"""Clouds among which the first is chosen."""
ALL_PAIRS = 2**22
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

    def cloud(self, k: int) -> Floats:
        """The points of cloud k in um, (n, 3)."""
        return np.multiply(self.points[self.ends[k] : self.ends[k + 1]], self.spacing_um, dtype=np.float64)

    def distance(self, points: Floats, without: int = -1) -> float:
        """From the nearest of some points (M, 3) in um to the nearest of all clouds but cloud `without`; inf where there is no other."""
        low, high = points.min(axis=0), points.max(axis=0)
        middle = (low + high) / 2
        best, seen = math.inf, {without}
        for _ in range(2):  # a few clouds for a bound, then all within it
            if math.isinf(best):
                near = np.atleast_1d(self.tree.query(middle, min(FEW, self.tree.n))[1])
            else:
                ball = best + self.reach + math.dist(low, high) / 2
                near = np.array(self.tree.query_ball_point(middle, ball * (1 + 1e-9)), np.int64)
            bound = np.sqrt(_apart(self.low[near], self.high[near], low, high))
            for at in np.argsort(bound, kind="stable"):
                k = int(near[at])
                if bound[at] >= best:
                    break
                if k not in seen:
                    seen.add(k)
                    best = min(best, closest(points, self.cloud(k), best))
        return best


def blocks(points: Lattice) -> list[Lattice]:
    """Points (N, 3) of a row of blocks along x, block by block."""
    if not len(points):
        return []
    block = points[:, 2] // BLOCK
    order = np.argsort(block, kind="stable")
    return np.split(points.T.take(order, axis=1).T, np.flatnonzero(np.diff(block[order])) + 1)


def closest(a: Floats, b: Floats, within: float = math.inf) -> float:
    """Least distance between two sets of points (N, 3) and (M, 3), exactly; inf where it is not below `within`.

    Points too far from the other's box to be of the nearest pair are left out first.
    """
    from scipy.spatial import cKDTree
    from scipy.spatial.distance import cdist

    most = within * within
    if math.isinf(within):
        some = cdist(a, b.mean(axis=0)[None], "sqeuclidean").argmin()
        most = float(cdist(a[some][None], b, "sqeuclidean").min()) * (1 + 1e-9)
    a = a[_apart(a, a, b.min(axis=0), b.max(axis=0)) <= most]
    if not len(a):
        return math.inf
    b = b[_apart(b, b, a.min(axis=0), a.max(axis=0)) <= most]
    if not len(b):
        return math.inf
    if len(a) * len(b) > ALL_PAIRS:
        return float(cKDTree(b).query(a)[0].min())
    return math.sqrt(cdist(a, b, "sqeuclidean").min())


def _apart(low: Floats, high: Floats, lowest: Floats, highest: Floats) -> Floats:
    """Squared distance of boxes (N, 3) from one box."""
    between = np.maximum(low - highest, lowest - high)
    np.maximum(between, 0, out=between)
    return np.asarray(np.einsum("ij,ij->i", between, between))
