"""k-means with k-means++ seeding, and drawing by squared distance: BADGE and the cold start are made of these."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from voidscope.acquisition.distances import BLOCK, Floats, Rows, nearest_square
from voidscope.acquisition.pool import Pool, draw, with_distances
from voidscope.acquisition.scores import needed
from voidscope.acquisition.select import Picks
from voidscope.acquisition.survey import Survey

ROUNDS = 100
"""Most rounds of Lloyd's algorithm; it usually comes to rest in fewer."""


@dataclass(frozen=True, eq=False)
class Clusters:
    """Centres (K, D), each slice's cluster (N,) and its squared distance to that cluster's centre (N,)."""

    centres: Floats
    members: Rows
    square: Floats


def k_means(features: npt.NDArray[np.float32], k: int, rng: np.random.Generator) -> Clusters:
    """Lloyd's algorithm from k-means++ seeds [Arthur & Vassilvitskii 2007], in float64; features (N, D).

    A cluster that loses all its slices keeps its centre. Fewer than `k` distinct slices leave clusters empty.
    """
    x = features.astype(np.float64)
    x -= x.mean(axis=0)
    clusters = _assigned(x, x[_seeds(x, k, rng)])
    for _ in range(ROUNDS):
        moved = _assigned(x, _means(x, clusters))
        if np.array_equal(moved.members, clusters.members):
            return moved
        clusters = moved
    return clusters


def by_square(square: Floats, rng: np.random.Generator) -> int:
    """An index drawn in proportion to `square`, (M,); uniformly where all are 0."""
    heaped = np.cumsum(square)
    if not heaped[-1] > 0:
        return int(rng.integers(len(square)))
    found = int(np.searchsorted(heaped, rng.random() * heaped[-1], side="right"))
    return min(found, int(np.flatnonzero(square)[-1]))


def badge(survey: Survey, pool: Pool, budget: int, rng: np.random.Generator) -> Picks:
    """BADGE: the slice with the longest gradient first, then each in proportion to its squared distance to those picked.

    A gradient is that of the head's kernel for the slice's own pseudo-label: long where the model is unsure, and
    pointing where a label would move it [Ash et al. 2020]. The labelled slices play no part, as in their code.
    """
    gradient = needed(survey, "gradient")
    length = np.einsum("ij,ij->i", gradient, gradient, dtype=np.float64)
    square = np.full(len(gradient), np.inf)

    def choose(rows: Rows) -> int:
        far = not np.isinf(square[rows]).any()
        row = int(rows[by_square(square[rows], rng) if far else length[rows].argmax()])
        point = gradient[[row]].astype(np.float64)
        square[pool.candidates] = np.minimum(
            square[pool.candidates], nearest_square(gradient, pool.candidates, point)
        )
        return row

    return with_distances(survey.embedding, pool.anchors, draw(pool, budget, choose))


def _seeds(x: Floats, k: int, rng: np.random.Generator) -> Rows:
    """Rows of `k` seeds: one uniformly, each further one by its squared distance to those before."""
    rows = [int(rng.integers(len(x)))]
    square = np.full(len(x), np.inf)
    for _ in range(k - 1):
        square = np.minimum(square, ((x - x[rows[-1]]) ** 2).sum(axis=1))
        rows.append(by_square(square, rng))
    return np.array(rows)


def _means(x: Floats, clusters: Clusters) -> Floats:
    """The mean of each cluster's slices; a cluster without any keeps its centre."""
    sizes = np.bincount(clusters.members, minlength=len(clusters.centres))
    sums = np.zeros_like(clusters.centres)
    np.add.at(sums, clusters.members, x)
    filled = sizes > 0
    centres = clusters.centres.copy()
    centres[filled] = sums[filled] / sizes[filled, np.newaxis]
    return centres


def _assigned(x: Floats, centres: Floats) -> Clusters:
    """Each slice in the cluster of its nearest centre, of equally near ones the first."""
    members, square = np.empty(len(x), dtype=np.int64), np.empty(len(x))
    lengths = np.einsum("ij,ij->i", centres, centres)
    for start in range(0, len(x), BLOCK):
        block = x[start : start + BLOCK]
        near = (lengths - 2 * block @ centres.T).argmin(axis=1)
        members[start : start + BLOCK] = near
        square[start : start + BLOCK] = ((block - centres[near]) ** 2).sum(axis=1)
    return Clusters(centres, members, square)
