"""Distances between embeddings: exact ones by direct differences, and fast ceilings proved to lie above them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Embedding = npt.NDArray[np.float32]

BLOCK = 4096
"""Slices treated at once, so that the float64 copies of their embeddings stay small."""
_PRODUCT = 16_384, 256
"""Slices and points in one matrix product: larger products wait less for each other's threads on a busy machine."""


def nearest_distance(embedding: Embedding, rows: Rows, points: npt.NDArray[np.floating]) -> Floats:
    """Euclidean distance of each row's embedding to the nearest of `points`, (P, D); direct differences in float64.

    This is d(I, L) of Eq. 4; infinite where `points` is empty.
    """
    return np.sqrt(nearest_square(embedding, rows, np.asarray(points, dtype=np.float64)))


def nearest_square(embedding: Embedding, rows: Rows, points: Floats) -> Floats:
    """The square of `nearest_distance`: the least ``((x - y) ** 2).sum()`` over `points`."""
    out = np.empty(len(rows))
    for part in _parts(len(rows), BLOCK):
        out[part] = _least(embedding[rows[part]].astype(np.float64), points)
    return out


def square_ceilings(embedding: Embedding, points: Floats) -> Floats:
    """For each slice a number, (N,), that its `nearest_square` to `points`, (P, D), cannot exceed, close above it.

    One matrix product gives |z|^2 - 2 z.a + |a|^2 about the centre c of the points, z = x - c and a = y - c; a margin
    above all rounding is added. With u = 2^-53, S = (|z| + |a|)^2 >= |x - y|^2, and to first order in D u << 1
    [Higham, Accuracy and Stability of Numerical Algorithms, 3.1: an inner product of length m, summed in any order, errs
    by at most m u |p|.|q|]:

    ===================================================  ===============
    rounding z and a                                       2 u S
    the product, of vectors of D + 1 numbers               (D + 1) u S
    the squared norms of z and a                           D u S
    adding them                                            3 u S
    the direct form may itself exceed |x - y|^2 by         (D + 4) u S
    ===================================================  ===============

    Together (3 D + 10) u S. The margin is 4 (D + 4) u 2 (|z|^2 + max |a|^2), and the second factor is at least S; what is
    left over covers the second order and the margin's own rounding. float32 numbers, differenced and squared, neither
    overflow nor vanish in float64, and no order of summation or number of threads enters.
    """
    centre = points.mean(axis=0)
    moved = points - centre
    norms = np.einsum("ij,ij->i", moved, moved)
    # A column of ones beside z makes the product give |a|^2 - 2 z.a; the factor 2 is exact.
    factors = np.column_stack([-2.0 * moved, norms])
    margin = 4 * (embedding.shape[1] + 4) * 2.0**-53
    out = np.empty(len(embedding))
    rows_at_once, points_at_once = _PRODUCT
    augmented = np.ones((min(rows_at_once, len(embedding)), embedding.shape[1] + 1))
    for part in _parts(len(embedding), rows_at_once):
        block = augmented[: part.stop - part.start]
        z = np.subtract(embedding[part], centre, out=block[:, :-1])
        own = np.einsum("ij,ij->i", z, z)
        mixed = np.full(len(block), np.inf)
        for some in _parts(len(factors), points_at_once):
            np.minimum(mixed, (factors[some] @ block.T).min(axis=0), out=mixed)
        out[part] = mixed + own + margin * 2 * (own + norms.max())
    return out


def _least(left: Floats, right: Floats) -> Floats:
    """Least squared distance of each of `left`, (M, D), to `right`, (P, D); loops over the shorter of the two."""
    if len(left) <= len(right):
        return np.array([((right - x) ** 2).sum(axis=1).min() for x in left])
    least = np.full(len(left), np.inf)
    for y in right:
        np.minimum(least, ((left - y) ** 2).sum(axis=1), out=least)
    return least


def _parts(n: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, n)) for start in range(0, n, size))
