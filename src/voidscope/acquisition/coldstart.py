"""The first slices to label, before there is a model: one from each part of what the slices look like."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from voidscope.acquisition.clusters import Clusters, k_means
from voidscope.acquisition.distances import BLOCK, Floats, Rows
from voidscope.acquisition.pool import Draw, Pool, in_order, in_turns

MOST_CLUSTERS = 500
"""TypiClust makes no more clusters than this."""
SMALL = 5
"""TypiClust asks clusters of no more slices than this last, where the others are larger on average."""
NEIGHBOURS = 20
"""Nearest neighbours that make a slice typical, or half its cluster where that is less."""
BINS, THUMBNAIL = 16, 8
"""Grey levels and side of the picture in `appearance`."""
DEEP, REACH = 0.15, 9
"""Depth from which a dark spot counts in `hollows`, as a share of a scan's range of grey levels, and the side of its closing in pixels."""
SHARPEST, COARSEST = 512, 64
"""Shorter sides, in pixels, between which `hollows` looks at a slice; a smaller one is looked at as it is."""
LEAST_SHARE = 0.02
"""So much of a slice lies on either side of its scan's threshold where there is something to outline in it."""


def k_means_start(
    features: npt.NDArray[np.float32], pool: Pool, budget: int, rng: np.random.Generator
) -> Draw:
    """ALPS: as many clusters as slices are wanted, of each the slice nearest its centre, the largest cluster first.

    Where slices are labelled already, as many clusters more are made, and those without a labelled slice come first.

    Parameters
    ----------
    features : (N, D), a row per slice of the pool
    """
    clusters = k_means(features, _clusters_wanted(pool, budget), rng)
    return _one_of_each(clusters, clusters.square, pool, budget, np.zeros(len(features), np.bool_))


def foreground_start(
    features: npt.NDArray[np.float32], pool: Pool, budget: int, rng: np.random.Generator
) -> Draw:
    """As `k_means_start`, but slices without foreground, as far as grey levels tell (`shows_foreground`), come last of all.

    Parameters
    ----------
    features : (N, 80), the `appearance` of each slice
    """
    clusters = k_means(features, _clusters_wanted(pool, budget), rng)
    return _one_of_each(clusters, clusters.square, pool, budget, ~shows_foreground(features, pool.scans()))


def void_like_start(
    features: npt.NDArray[np.float32], pool: Pool, budget: int, rng: np.random.Generator
) -> Draw:
    """As `foreground_start`, but of each cluster those with the most `hollows` first, for a rare class is learnt from what shows it.

    Where hollows are equal, as where there are none, the slice nearest the cluster's centre comes first.

    Parameters
    ----------
    features : (N, 81), the `appearance` of each slice and then its `hollows`
    """
    looks, found = features[:, :-1], features[:, -1]
    clusters = k_means(looks, _clusters_wanted(pool, budget), rng)
    preference = np.empty(len(found))
    preference[np.lexsort((clusters.square, -found))] = np.arange(len(found))
    return _one_of_each(clusters, preference, pool, budget, ~shows_foreground(looks, pool.scans()))


def shows_foreground(looks: npt.NDArray[np.float32], scans: Rows) -> npt.NDArray[np.bool_]:
    """Whether each slice, (N,), holds 2 % or more of both what is darker and what is brighter than its scan's threshold.

    The threshold is Otsu's [1979] over the 16 grey levels of the whole scan. Which side is foreground need not be known: a
    slice beyond the end of a bump holds one alone.

    Parameters
    ----------
    looks : (N, 80), the `appearance` of each slice
    scans : (N,) number of each slice's scan
    """
    shares = looks[:, :BINS].astype(np.float64)
    shown = np.zeros(len(looks), dtype=np.bool_)
    for scan in np.unique(scans):
        rows = scans == scan
        bright = shares[rows, _otsu(shares[rows].mean(axis=0)) :].sum(axis=1)
        shown[rows] = (bright >= LEAST_SHARE) & (bright <= 1 - LEAST_SHARE)
    return shown


def _otsu(shares: Floats) -> int:
    """The first grey level of the brighter of two groups, such that the variance between the groups is greatest."""
    dark = shares.cumsum()[:-1]
    moments = (shares * np.arange(len(shares))).cumsum()
    parted = np.maximum(dark * (1 - dark), np.finfo(np.float64).tiny)
    return int(((moments[-1] * dark - moments[:-1]) ** 2 / parted).argmax()) + 1


def typiclust_start(
    features: npt.NDArray[np.float32], pool: Pool, budget: int, rng: np.random.Generator
) -> Draw:
    """TypiClust: of each cluster the most typical slice, the one with the nearest neighbours [Hacohen et al. 2022].

    Typicality is 1 / mean distance to the min(20, size / 2) nearest of the cluster. Clusters with fewest labelled slices
    come first, of those the largest. Clusters of 5 slices or fewer, which the authors leave out, come last where slices
    are many enough that the average cluster is larger.
    """
    clusters = k_means(features, min(_clusters_wanted(pool, budget), MOST_CLUSTERS), rng)
    sizes = np.bincount(clusters.members, minlength=len(clusters.centres))
    small = sizes[clusters.members] <= SMALL
    late = small if len(small) > SMALL * len(sizes) else np.zeros_like(small)
    return _one_of_each(clusters, _strangeness(features, clusters), pool, budget, late)


def appearance(image: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """What a slice (h, w), scaled to [0, 1], looks like at a glance: (80,), when there is no network to say it.

    16 shares of grey levels, and an 8 x 8 picture of block means divided by 8, so that a picture that differs by 0.1
    everywhere is 0.1 away.
    """
    levels = np.clip((image * BINS).astype(np.int64), 0, BINS - 1)
    shares = np.bincount(levels.ravel(), minlength=BINS) / levels.size
    picture = _block_means(_block_means(image.astype(np.float64), THUMBNAIL).T, THUMBNAIL).T
    return np.concatenate([shares, picture.ravel() / THUMBNAIL]).astype(np.float32)


def hollows(image: npt.NDArray[np.floating]) -> float:
    """How much of a slice (h, w), scaled to [0, 1], is darker than what lies around it within a few pixels, as voids are.

    The black top-hat [Meyer 1979] of a square of 9 pixels, of the slice smoothed by 1 pixel against noise: what a closing
    fills in, summed up beyond a depth of 0.15. Large slices are looked at as means of blocks, several times, each half as
    fine as the one before, from a shorter side of about 512 pixels to one of 64; sums are in pixels of the slice. Voids
    wider than about a seventh of the slice are not seen, nor bright ones.
    """
    from scipy.ndimage import gaussian_filter, grey_closing

    side, found = int(min(image.shape)), 0.0
    block = max(1, side // SHARPEST)
    while True:
        smooth = gaussian_filter(_in_blocks(image, block), 1)
        depth = grey_closing(smooth, (REACH, REACH)) - smooth
        found += block**2 * float(np.maximum(depth - DEEP, 0).sum())
        block *= 2
        if side // block < COARSEST:
            return found


def glance(image: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """The `appearance` of a slice and then its `hollows`: (81,)."""
    return np.append(appearance(image), np.float32(hollows(image)))


BY_GREY_LEVELS = {"foreground": appearance, "void-like": glance}
"""First batches that never ask a pretrained network -> what they look at in a slice."""


def _in_blocks(image: npt.NDArray[np.floating], block: int) -> Floats:
    """Means of blocks of so many pixels a side, or a few more."""
    height, width = (max(1, n // block) for n in image.shape)
    return _block_means(_block_means(image.astype(np.float64), height).T, width).T


def _block_means(rows: Floats, n: int) -> Floats:
    """Means of n runs of rows as equal as can be; with fewer rows some are taken more than once."""
    edges = np.linspace(0, len(rows), n + 1).astype(np.int64)
    means: Floats = np.add.reduceat(rows, edges[:-1]) / np.maximum(np.diff(edges), 1)[:, np.newaxis]
    return means


def _clusters_wanted(pool: Pool, budget: int) -> int:
    return min(len(pool.anchors) + budget, len(pool.keys))


def _one_of_each(
    clusters: Clusters, preference: Floats, pool: Pool, budget: int, late: npt.NDArray[np.bool_]
) -> Draw:
    """Slices of lowest preference from clusters in turn, those that are `late` (N,) after all others.

    Where no cap is set, scans have no more than the least share each with which the budget and the other limits are kept.
    """
    sizes = np.bincount(clusters.members, minlength=len(clusters.centres))
    turn = np.empty(len(sizes), dtype=np.int64)
    turn[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    order = in_turns(pool, clusters.members, turn, preference)
    order = order[np.argsort(late[order], kind="stable")]
    return in_order(pool, budget, order) if pool.limits.max_per_scan else _fairly(pool, budget, order)


def _fairly(pool: Pool, budget: int, order: Rows) -> Draw:
    """The first of an order with the least cap per scan with which nothing is given up; with an even one where a gap must be."""

    def within(share: int) -> Draw:
        return in_order(replace(pool, limits=replace(pool.limits, max_per_scan=share)), budget, order)

    shares = range(-(-budget // len({pool.keys[row].scan for row in pool.candidates})), budget + 1)
    even = within(shares[0])
    if not any(even.relaxed):
        return even
    least = bisect_left(shares, True, key=lambda share: not any(within(share).relaxed))
    if least < len(shares):
        return within(shares[least])
    # Nobody asked for this cap, so that nobody need be told that it was given up.
    return replace(even, relaxed=tuple(tuple(r for r in x if r != "max_per_scan") for x in even.relaxed))


def _strangeness(features: npt.NDArray[np.float32], clusters: Clusters) -> Floats:
    """Mean distance of each slice, (N,), to its nearest neighbours in its cluster: low where it is typical."""
    strange = np.zeros(len(features))
    for cluster in np.unique(clusters.members):
        rows = np.flatnonzero(clusters.members == cluster)
        near = min(NEIGHBOURS, len(rows) // 2)
        if near:
            x = features[rows].astype(np.float64)
            for start in range(0, len(rows), BLOCK // 8):
                part = slice(start, start + BLOCK // 8)
                strange[rows[part]] = _mean_of_nearest(x[part], x, near)
    return strange


def _mean_of_nearest(some: Floats, x: Floats, near: int) -> Floats:
    """Mean distance of `some` of `x` to their `near` nearest others."""
    norms = np.einsum("ij,ij->i", x, x)
    square = np.einsum("ij,ij->i", some, some)[:, np.newaxis] + norms - 2 * some @ x.T
    nearest = np.partition(np.maximum(square, 0), near, axis=1)[:, : near + 1]
    means: Floats = np.sqrt(np.sort(nearest, axis=1)[:, 1:]).mean(axis=1)
    return means
