"""What one call of a strategy chooses from, and the orders in which slices are drawn without asking a model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass
from typing import Self

import numpy as np

from voidscope.acquisition.distances import Embedding, Floats, Rows, nearest_distance
from voidscope.acquisition.room import NO_LIMITS, Limits, Room
from voidscope.acquisition.select import Picks
from voidscope.acquisition.survey import SurveyError
from voidscope.vocabulary import SliceKey


@dataclass(frozen=True, eq=False)
class Pool:
    """N slices, those of them that are labelled, and those that may be chosen.

    Parameters
    ----------
    keys : N slice keys, ascending
    anchors : ascending rows already labelled
    candidates : ascending rows that may be chosen
    limits : what keeps choices apart
    """

    keys: tuple[SliceKey, ...]
    anchors: Rows
    candidates: Rows
    limits: Limits = NO_LIMITS

    @classmethod
    def of(
        cls, keys: Sequence[SliceKey], labelled: Set[SliceKey], excluded: Iterable[SliceKey] = (),
        limits: Limits = NO_LIMITS,
    ) -> Self:  # fmt: skip
        """The slices `keys`, ascending; excluded ones not among them are of no consequence.

        Raises
        ------
        SurveyError : a labelled slice is not among the keys.
        """
        row_of = {key: row for row, key in enumerate(keys)}
        unknown = [key for key in labelled if key not in row_of]
        if unknown:
            raise SurveyError(
                f"{min(unknown)} is not among the {len(keys)} surveyed slices; survey it with the others first."
            )
        anchors = np.array(sorted(row_of[key] for key in labelled), dtype=np.int64)
        out = np.array([row_of[key] for key in excluded if key in row_of], dtype=np.int64)
        return cls(
            tuple(keys), anchors, np.setdiff1d(np.arange(len(keys)), np.concatenate([anchors, out])), limits
        )

    def room(self) -> Room:
        """All candidates open, but those too close to a labelled slice."""
        return Room(len(self.keys), self.candidates, self.keys, self.anchors, self.limits)

    def scans(self) -> Rows:
        """Number of each slice's scan, (N,), counted from 0 in order of name."""
        return np.unique([key.scan for key in self.keys], return_inverse=True)[1]


@dataclass(frozen=True, eq=False)
class Draw:
    """Chosen rows in order, (K,), and for each the limits that had been given up before it."""

    rows: Rows
    relaxed: tuple[tuple[str, ...], ...]


Order = Callable[[Pool, int, np.random.Generator], Rows]
"""An order (pool, budget, generator) -> all candidates, the first to label first, that needs no survey."""


def draw(pool: Pool, budget: int, choose: Callable[[Rows], int]) -> Draw:
    """Pick `budget` candidates one by one; `choose` names one of the rows that are open each time."""
    room, rows, relaxed = pool.room(), [], []
    for _ in range(budget):
        rows.append(choose(room.rows()))
        relaxed.append(room.take(rows[-1]))
    return Draw(np.array(rows, dtype=np.int64), tuple(relaxed))


def in_order(pool: Pool, budget: int, order: Rows) -> Draw:
    """Pick the first `budget` candidates of an order that the limits leave open."""
    place = np.full(len(pool.keys), len(order))
    place[order] = np.arange(len(order))
    return draw(pool, budget, lambda rows: int(rows[place[rows].argmin()]))


def with_distances(embedding: Embedding, anchors: Rows, chosen: Draw, scores: Floats | None = None) -> Picks:
    """The picks with each one's distance to the labelled and earlier ones; 0 for the first where none is labelled."""
    so_far = np.concatenate([anchors, chosen.rows])
    distances = np.zeros(len(chosen.rows))
    for k in range(len(chosen.rows)):
        if before := len(anchors) + k:
            distances[k] = nearest_distance(embedding, chosen.rows[[k]], embedding[so_far[:before]])[0]
    return Picks(chosen.rows, distances, scores, chosen.relaxed)


def uniform(pool: Pool, budget: int, rng: np.random.Generator) -> Rows:
    """Candidates in random order, each equally likely anywhere."""
    return pool.candidates[rng.permutation(len(pool.candidates))]


def stratified(pool: Pool, budget: int, rng: np.random.Generator) -> Rows:
    """Scans in turn, a random slice of each; scans with fewer labelled slices have their turn first."""
    scans = pool.scans()
    return in_turns(pool, scans, rng.permutation(scans.max() + 1), rng.permutation(len(pool.keys)))


def strided(pool: Pool, budget: int, rng: np.random.Generator) -> Rows:
    """Scans in turn, the slices of each at an even stride over the whole scan, as wide as the budget allows.

    Of all starts of the stride that one counts which keeps farthest from the scan's labelled slices; among equals the
    one that leaves the ends of the scan most alike. Where a slice at the stride is not to be had, its neighbours follow.
    """
    scans = pool.scans()
    turn_of_scan = rng.permutation(scans.max() + 1)
    turns = in_turns(pool, scans, turn_of_scan, np.arange(len(pool.keys)))
    shares = np.bincount(scans[turns[:budget]], minlength=scans.max() + 1)
    preference = np.zeros(len(pool.keys))
    for scan, share in enumerate(shares):
        rows = np.flatnonzero(scans == scan)
        index = np.array([pool.keys[row].index for row in rows])
        labelled = index[np.isin(rows, pool.anchors)]
        stops = _stops(index, labelled, max(1, int(share)))
        preference[rows] = np.abs(index[:, np.newaxis] - stops).min(axis=1)
    return in_turns(pool, scans, turn_of_scan, preference)


def by_score(scores: Floats) -> Order:
    """The order of given scores, (N,), the lowest first and equal ones by row (VAAL: D of each slice)."""

    def order(pool: Pool, budget: int, rng: np.random.Generator) -> Rows:
        if scores.shape != (len(pool.keys),) or not np.isfinite(scores).all():
            raise SurveyError(
                f"Scores of shape {scores.shape} do not rank {len(pool.keys)} slices; pass one finite number for each."
            )
        return pool.candidates[np.argsort(scores[pool.candidates], kind="stable")]

    return order


def in_turns(pool: Pool, groups: Rows, turn_of_group: Rows, preference: Floats | Rows) -> Rows:
    """Candidates in an order that takes groups in turn, and within a group the lowest preference first.

    The k-th candidate of a group with m labelled slices has its turn in round m + k, so that groups even out over the
    batches. Within a round groups come in the order of `turn_of_group`.

    Parameters
    ----------
    groups : (N,) number of each slice's group
    turn_of_group : (G,) place of each group within a round
    preference : (N,), equal ones are taken by row
    """
    rows = pool.candidates
    by_group = rows[np.lexsort((rows, preference[rows], groups[rows]))]
    starts = np.searchsorted(groups[by_group], np.arange(len(turn_of_group)))
    labelled = np.bincount(groups[pool.anchors], minlength=len(turn_of_group))
    rounds = np.arange(len(rows)) - starts[groups[by_group]] + labelled[groups[by_group]]
    return by_group[np.lexsort((turn_of_group[groups[by_group]], rounds))]


def _stops(index: Rows, labelled: Rows, share: int) -> Floats:
    """`share` positions at an even stride over a scan's slice numbers, ascending; see `strided`."""
    first, last = int(index[0]), int(index[-1])
    stride = (last - first + 1) / share
    starts = np.arange(max(1, int(stride)))
    even = np.abs(starts + 0.5 - stride / 2)
    stops = first + starts[:, np.newaxis] + np.floor(np.arange(share) * stride)
    apart = np.zeros(len(starts))
    if len(labelled):
        apart = np.abs(stops[..., np.newaxis] - labelled).min(axis=(1, 2))
    best: Floats = stops[np.lexsort((even, -apart))[0]].astype(np.float64)
    return best
