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
Flat walls along the axes are its worst case: a box is 9 to 21 % too small, up to 31 % where voxels are up to four times as long as
wide, a thread one voxel thick by a third. (Marching cubes would have boxes right and make 8 % too much of every smooth void, however large.)
Hollows inside count as surface, and where the scan cuts a void, so does the cut.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import combinations, product

import numpy as np
import numpy.typing as npt

from voidscope.metrology.pieces import Part
from voidscope.volume import Spacing

COUNTED = 2**16
"""Corners counted at once in a very large void."""
DIRECTIONS = tuple(v for v in product((-1, 0, 1), repeat=3) if v > (0, 0, 0))
"""To half of the 26 neighbours of a voxel (z, y, x), one of each pair of opposite ones."""
FLATTEST = 1000.0
"""Voxels longer than this many times their width say nothing about shape."""
ROUNDING = 1e-9
"""Points this share of the radius outside a sphere are on it."""
FEW_POINTS = 1024
"""So many points are compared with each other as they are; of more, only those on the convex hull."""

Codes = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float64]
Vector = tuple[float, ...]
Solver = Callable[[Sequence[Vector]], tuple[float, ...]]


def around_corners(own: Part) -> Codes:
    """Which of the eight voxels around each corner of voxels of a void (z, y, x) are the void's, one more corner each way.

    Voxel (p, q, r) of the eight, each 0 or 1 along z, y, x, is bit 4 p + 2 q + r: 0 is a corner of none of the void's, 255 is inside it.
    """
    codes = own.view(np.uint8)
    for axis, shift in ((2, 1), (1, 2), (0, 4)):
        wide = np.zeros([n + (a == axis) for a, n in enumerate(codes.shape)], np.uint8)
        walls, planes = wide.swapaxes(0, axis), codes.swapaxes(0, axis)
        np.left_shift(planes, shift, out=walls[:-1])
        walls[1:] |= planes
        codes = wide
    return codes


def surface_area_um2(codes: Codes, spacing_um: Spacing) -> float:
    """Surface of a void, given `around_corners`, in um2, by Crofton's formula in 13 directions."""
    voxel, (lengths, shares) = math.prod(spacing_um), _directions(tuple(spacing_um))
    flat, (table, shared) = codes.reshape(-1), _changes()
    found = sum(np.bincount(flat[k : k + COUNTED], minlength=256) for k in range(0, flat.size, COUNTED))
    changes = (table @ found // shared).tolist()
    return float(sum(2 * c * n * voxel / d for c, n, d in zip(shares, changes, lengths, strict=True)))


@lru_cache(maxsize=1)
def _changes() -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """For each of `DIRECTIONS`, how many pairs of neighbours along it, of the eight voxels around a corner, are void and not, by the
    corner's code, (13, 256); and around how many corners each such pair is seen, (13,).
    """
    bits = np.arange(256)[:, None] >> np.arange(8) & 1
    cells = list(product((0, 1), repeat=3))
    table, shared = np.zeros((len(DIRECTIONS), 256), np.int64), np.zeros(len(DIRECTIONS), np.int64)
    for k, v in enumerate(DIRECTIONS):
        pairs = [(i, cells.index(there)) for i, p in enumerate(cells) if (there := _plus(p, v)) in cells]
        table[k], shared[k] = sum(bits[:, i] ^ bits[:, j] for i, j in pairs), len(pairs)
    return table, shared


def _plus(p: tuple[int, ...], v: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(a + b for a, b in zip(p, v, strict=True))


@lru_cache(maxsize=16)
def _directions(spacing_um: tuple[float, ...]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Lengths of `DIRECTIONS` in um, and the share of the sphere of directions that is nearest to each or its opposite; shares add up to 1."""
    from scipy.spatial import SphericalVoronoi

    ways = np.multiply(DIRECTIONS, spacing_um, dtype=np.float64)
    units = ways / np.linalg.norm(ways, axis=1, keepdims=True)
    areas = SphericalVoronoi(np.concatenate([units, -units]), threshold=1e-9).calculate_areas()
    shares = (areas / areas.sum()).reshape(2, -1).sum(axis=0)
    return tuple(math.hypot(*way) for way in ways.tolist()), tuple(shares.tolist())


def sphericity(volume_um3: float, area_um2: float) -> float:
    """Surface of the sphere of equal volume over the surface, pi^(1/3) (6 V)^(2/3) / S: 1 for a sphere, less for all else.

    At most 1, also where an estimate of the surface is smaller than any can be.
    """
    return min(1.0, math.cbrt(math.pi) * math.cbrt(6 * volume_um3) ** 2 / area_um2)


def places(there: Part) -> npt.NDArray[np.int64]:
    """Indices (N, 3) of what is true, in order, column by column in memory; quicker than NumPy's own where little is."""
    return np.stack(np.unravel_index(np.flatnonzero(there), there.shape)).T


def outline(codes: Codes) -> npt.NDArray[np.int64]:
    """Corners of voxels (N, 3) on the surface of a void, given `around_corners`: those that not all voxels around are of."""
    return places(codes + np.uint8(1) > 1)


def tips(codes: Codes) -> npt.NDArray[np.int64]:
    """Corners of a void's voxels (N, 3) that are first or last in their row along every axis; all corners of the convex hull are among them."""
    there = codes > 0
    kept = there.copy()
    for axis, n in enumerate(there.shape):
        at = np.arange(n).reshape([n if a == axis else 1 for a in range(3)])
        first, after = there.argmax(axis=axis), np.flip(there, axis).argmax(axis=axis)
        kept &= (at == np.expand_dims(first, axis)) | (at == np.expand_dims(n - 1 - after, axis))
    found = places(kept)
    if len(found) <= FEW_POINTS:
        return found
    from scipy.spatial import ConvexHull

    return np.asarray(found[ConvexHull(found).vertices])


def farthest_pair(points: Points) -> tuple[int, int, float]:
    """The two points of (N, 3) that lie farthest apart, and how far."""
    from scipy.spatial.distance import cdist

    best = (0, 0, 0.0)
    for start in range(0, len(points), FEW_POINTS):
        apart = cdist(points[start : start + FEW_POINTS], points, "sqeuclidean")
        i, j = divmod(int(apart.argmax()), len(points))
        if apart[i, j] > best[2]:
            best = (start + i, j, float(apart[i, j]))
    return best[0], best[1], math.sqrt(best[2])


def enclosing_diameter(points: Points, pair: tuple[int, int]) -> float:
    """Diameter of the smallest sphere around some points (N, 3).

    The sphere on few of them, at first on `pair`, the two farthest apart, is made anew with the point farthest outside of it
    until none is (Gärtner 1999). Each sphere is larger than the one before, so it ends, and then the sphere is exact.
    """
    some = [tuple(points[k].tolist()) for k in pair]
    centre, radius, _ = _sphere_on(some, _weights)
    while True:
        off = np.square(points - centre).sum(axis=1)
        far = int(off.argmax())
        outer = tuple(points[far].tolist())
        if off[far] <= (radius * (1 + ROUNDING)) ** 2 or outer in some:
            return 2 * radius
        some, centre, radius = _around([*some, outer])


def _around(few: list[Vector], solve: Solver | None = None) -> tuple[list[Vector], Vector, float]:
    """The smallest sphere around three to five points, on the last of which it passes: those it passes through, centre, radius.

    A sphere on some points is the smallest when it holds all and its centre lies between those it passes through. Where rounding leaves
    none, as it may where voxels are a hundred times as long as wide, spheres are sought by slower and steadier means.
    """
    best, middle, least = few, few[0], math.inf
    for n in range(min(len(few) - 1, 3), 0, -1):  # most often it is all of them
        for rest in combinations(few[:-1], n):
            centre, radius, between = _sphere_on(some := [*rest, few[-1]], solve or _weights)
            if radius < least and all(math.dist(p, centre) <= radius * (1 + ROUNDING) for p in few):
                if between:
                    return some, centre, radius
                best, middle, least = some, centre, radius
    return (best, middle, least) if solve or math.isfinite(least) else _around(few, _steady_weights)


def _sphere_on(points: list[Vector], solve: Solver) -> tuple[Vector, float, bool]:
    """Centre and radius of the smallest sphere that passes through two to four points, and whether the centre lies between them; the radius
    is infinite where they lie on a line or, being four, in a plane.

    The centre is the first point plus edges e_i from it times weights that `solve` e_i . sum_j w_j e_j = |e_i|^2 / 2.
    """
    (z, y, x), *others = points
    edges = [(p[0] - z, p[1] - y, p[2] - x) for p in others]
    weights = solve(edges)
    if not weights:
        return points[0], math.inf, False
    dz = dy = dx = 0.0
    for w, e in zip(weights, edges, strict=True):
        dz, dy, dx = dz + w * e[0], dy + w * e[1], dx + w * e[2]
    between = min(weights) >= -ROUNDING and sum(weights) <= 1 + ROUNDING
    return (z + dz, y + dy, x + dx), math.sqrt(dz * dz + dy * dy + dx * dx), between


def _weights(edges: Sequence[Vector]) -> tuple[float, ...]:
    """Of one to three edges by Cramer's rule; none where they have no one solution."""
    if len(edges) == 1:
        return (0.5,)
    a, b, *more = edges
    aa, ab, bb = _dot(a, a), _dot(a, b), _dot(b, b)
    if not more:
        whole = aa * bb - ab * ab
        if whole <= ROUNDING * aa * bb:
            return ()
        return (aa * bb - bb * ab) / (2 * whole), (aa * bb - aa * ab) / (2 * whole)
    (c,) = more
    ac, bc, cc = _dot(a, c), _dot(b, c), _dot(c, c)
    over_a, over_b, over_c = bb * cc - bc * bc, ac * bc - ab * cc, ab * bc - ac * bb
    whole = aa * over_a + ab * over_b + ac * over_c
    if whole <= ROUNDING * aa * bb * cc:
        return ()
    half = 0.5 / whole
    return (
        (aa * over_a + bb * over_b + cc * over_c) * half,
        (aa * over_b + bb * (aa * cc - ac * ac) + cc * (ab * ac - aa * bc)) * half,
        (aa * over_c + bb * (ab * ac - aa * bc) + cc * (aa * bb - ab * ab)) * half,
    )


def _steady_weights(edges: Sequence[Vector]) -> tuple[float, ...]:
    """`_weights` by singular values of the edges themselves, not of their products, which double how much longer than wide they may be together."""
    e = np.array(edges)
    centre, _, rank, _ = np.linalg.lstsq(e, np.square(e).sum(axis=1) / 2, rcond=ROUNDING**1.5)
    return tuple(np.linalg.lstsq(e.T, centre, rcond=ROUNDING**1.5)[0].tolist()) if rank == len(e) else ()


def _dot(a: Vector, b: Vector) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
