"""The shape of one void: surface, sphericity, largest Feret diameter, smallest sphere around it, compactness.

A void is taken as the solid body its voxels make, each a box of the scan's spacing. The largest Feret diameter and the
enclosing sphere are those of that body's corners, exactly; the body of a smooth void sticks out of it by a fraction of a voxel,
so both are rather too large than too small, and compactness rather too small. The surface is an estimate, for the faces of
voxels are half as large again as the smooth surface they follow. It is Crofton's formula: with N_i changes between void and not void
along the lattice lines of direction i, a line of which stands for an area A_i across it,

    S = 2 sum_i c_i N_i A_i,     A_i = voxel volume / |v_i|

over the 13 directions v_i to the neighbours of a voxel; c_i is the share of the sphere of directions that is nearest to +-v_i
(Ohser, Mücklich 2000; Lehmann, Legland 2012). A ball of 260 cubic
voxels is right to 4 %, one of 2000 to 1 %; where voxels are up to four times as long as wide, long smooth voids are right to 7 %.
Flat walls along the axes are its worst case: a box is 9 to 21 % too small, a thread one voxel thick by a third. (Marching cubes
would have boxes right and make 8 % too much of every smooth void, however large.) Hollows inside count as surface, and where the
scan cuts a void, so does the cut.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import combinations, product
from typing import Any

import numpy as np
import numpy.typing as npt

from voidscope.volume import Spacing

SLAB_VOXELS = 2**24
"""Voxels compared at once in a very large void."""
DIRECTIONS = tuple(v for v in product((-1, 0, 1), repeat=3) if v > (0, 0, 0))
"""To half of the 26 neighbours of a voxel (z, y, x), one of each pair of opposite ones."""
FLATTEST = 1000.0
"""Voxels longer than this many times their width say nothing about shape."""
ROUNDING = 1e-9
"""Points this share of the radius outside a sphere are on it."""
FEW_POINTS = 1024
"""So many points are compared with each other as they are; of more, only those on the convex hull."""

Part = npt.NDArray[np.bool_]
Points = npt.NDArray[np.float64]


def surface_area_um2(own: Part, spacing_um: Spacing) -> float:
    """Surface of a void (z, y, x), in um2, by Crofton's formula in 13 directions."""
    voxel = math.prod(spacing_um)
    shares = _shares(tuple(spacing_um))
    changes = np.zeros(len(DIRECTIONS), np.int64)
    for slab, fresh in _slabs(own):
        changes += [_changes(slab, fresh, v) for v in DIRECTIONS]
    lengths = [math.hypot(*np.multiply(v, spacing_um)) for v in DIRECTIONS]
    return float(
        sum(2 * c * n * voxel / d for c, n, d in zip(shares, changes.tolist(), lengths, strict=True))
    )


def _slabs(own: Part) -> Iterator[tuple[Part, int]]:
    """The void in a frame of nothing, slab by slab, with the planes of the next at hand: slab and how many planes are its own."""
    step = max(1, SLAB_VOXELS // max(1, own.shape[1] * own.shape[2]))
    frame = tuple(n + 2 for n in own.shape)
    for start in range(0, frame[0], step):
        stop = min(start + step + 1, frame[0])
        slab = np.zeros((stop - start, *frame[1:]), bool)
        low, high = max(start, 1), min(stop, frame[0] - 1)
        slab[low - start : high - start, 1:-1, 1:-1] = own[low - 1 : high - 1]
        yield slab, min(step, frame[0] - start)


def _changes(slab: Part, fresh: int, v: tuple[int, ...]) -> int:
    """Pairs of voxels p, p + v of which one is void, p in the first `fresh` planes."""
    here = (slice(0, min(fresh, len(slab) - v[0])), *(slice(max(0, -s), min(0, -s) or None) for s in v[1:]))
    there = (slice(v[0], here[0].stop + v[0]), *(slice(max(0, s), min(0, s) or None) for s in v[1:]))
    return int(np.count_nonzero(slab[here] ^ slab[there]))


@lru_cache(maxsize=16)
def _shares(spacing_um: tuple[float, ...]) -> tuple[float, ...]:
    """Share of the sphere of directions that is nearest to each of `DIRECTIONS` or its opposite; they add up to 1."""
    from scipy.spatial import SphericalVoronoi

    ways = np.multiply(DIRECTIONS, spacing_um, dtype=np.float64)
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    areas = SphericalVoronoi(np.concatenate([ways, -ways]), threshold=1e-9).calculate_areas()
    return tuple((areas / areas.sum()).reshape(2, -1).sum(axis=0).tolist())


def sphericity(volume_um3: float, area_um2: float) -> float:
    """Surface of the sphere of equal volume over the surface, pi^(1/3) (6 V)^(2/3) / S: 1 for a sphere, less for all else."""
    return math.cbrt(math.pi) * math.cbrt(6 * volume_um3) ** 2 / area_um2


def corners(own: Part) -> Part:
    """Which corners of voxels, one more each way, are corners of the void's."""
    for axis in range(own.ndim):
        own = spread(own, axis)
    return own


def spread(values: npt.NDArray[Any], axis: int) -> npt.NDArray[Any]:
    """What lies before or behind each wall across an axis, combined by or: one more along it."""
    wide = np.zeros([n + (a == axis) for a, n in enumerate(values.shape)], values.dtype)
    walls, planes = np.moveaxis(wide, axis, 0), np.moveaxis(values, axis, 0)
    walls[:-1] = planes
    walls[1:] |= planes
    return wide


def outline(own: Part) -> npt.NDArray[np.int64]:
    """Corners of voxels (N, 3) on the surface of a void: those that not all voxels around are of."""
    found, inner = corners(own), own
    for axis in range(3):
        planes = np.moveaxis(inner, axis, 0)
        inner = np.moveaxis(planes[1:] & planes[:-1], 0, axis)
    found[1:-1, 1:-1, 1:-1] &= ~inner
    return np.argwhere(found)


def tips(own: Part) -> npt.NDArray[np.int64]:
    """Corners of voxels (N, 3) that are first or last in their row along every axis; all corners of the convex hull are among them."""
    there = corners(own)
    kept = there.copy()
    for axis in range(3):
        seen = np.moveaxis(there, axis, -1)
        ends, last = np.zeros(seen.shape, bool), seen.shape[-1] - 1
        for at in (seen.argmax(axis=-1), last - seen[..., ::-1].argmax(axis=-1)):
            np.put_along_axis(ends, at[..., None], True, axis=-1)
        kept &= np.moveaxis(ends, -1, axis)
    found = np.argwhere(kept)
    if len(found) <= FEW_POINTS:
        return found
    from scipy.spatial import ConvexHull

    return np.asarray(found[ConvexHull(found).vertices])


def farthest_pair(points: Points) -> tuple[int, int, float]:
    """The two points of (N, 3) that lie farthest apart, and how far."""
    from scipy.spatial.distance import cdist

    best = (0, 0, 0.0)
    for start in range(0, len(points), FEW_POINTS):
        apart = cdist(points[start : start + FEW_POINTS], points)
        i, j = divmod(int(apart.argmax()), len(points))
        if apart[i, j] > best[2]:
            best = (start + i, j, float(apart[i, j]))
    return best


def enclosing_diameter(points: Points, pair: tuple[int, int]) -> float:
    """Diameter of the smallest sphere around some points (N, 3).

    The sphere on few of them, at first on `pair`, the two farthest apart, is made anew with the point farthest outside of it
    until none is (Gärtner 1999). Each sphere is larger than the one before, so it ends, and then the sphere is exact.
    """
    some = np.array(pair)
    centre, radius = points[some].mean(axis=0), float(np.linalg.norm(points[pair[0]] - points[pair[1]])) / 2
    while True:
        off = np.square(points - centre).sum(axis=1)
        far = int(off.argmax())
        if off[far] <= (radius * (1 + ROUNDING)) ** 2 or far in some:
            return 2 * radius
        some, centre, radius = _around(points, np.append(some, far))


def _around(points: Points, few: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], Points, float]:
    """The smallest sphere around three to five points, on the last of which it passes: those it passes through, centre, radius.

    A sphere on some points is the smallest when it holds all and its centre lies between those it passes through.
    """
    best = few, points[few[0]], math.inf
    for n in range(1, min(len(few), 4)):
        chosen = _with_last(len(few), n)
        centre, radius, between = _spheres_on(points[few][chosen])
        off = np.square(points[few] - centre[:, None]).sum(axis=2).max(axis=1)
        held = off <= (radius * (1 + ROUNDING)) ** 2
        k = int(np.where(held, radius, np.inf).argmin())
        if held[k] and radius[k] < best[2]:
            best = few[chosen[k]], centre[k], float(radius[k])
            if between[k]:
                break
    return best


@cache
def _with_last(total: int, n: int) -> npt.NDArray[np.int64]:
    """All choices of n of the first `total` - 1 numbers, each with the last one, (C, n + 1)."""
    return np.array([(*rest, total - 1) for rest in combinations(range(total - 1), n)])


def _spheres_on(
    points: npt.NDArray[np.float64],
) -> tuple[Points, npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Centre, radius of the smallest sphere that passes through each set of two to four points (C, n, 3), and whether the centre lies
    between them; the radius is infinite where they lie on a line or, being four, in a plane.
    """
    edges = points[:, 1:] - points[:, :1]
    gram = edges @ edges.transpose(0, 2, 1)
    squares = np.diagonal(gram, axis1=1, axis2=2)
    flat = np.linalg.det(gram) <= ROUNDING * squares.prod(axis=1)
    gram[flat] = np.eye(gram.shape[1])
    weights = np.linalg.solve(gram, squares[..., None] / 2)
    middle = (weights * edges).sum(axis=1)
    radius = np.where(flat, np.inf, np.linalg.norm(middle, axis=1))
    between = (weights >= -ROUNDING).all(axis=(1, 2)) & (weights.sum(axis=(1, 2)) <= 1 + ROUNDING)
    return points[:, 0] + middle, radius, between
