"""Greedy selection (Eq. 4, Algorithm 1): the float64 answer exactly, without computing most of the distances.

Every candidate keeps a *ceiling*, a number its score cannot exceed. Where the highest ceiling (of equals, the lowest
row's) is a score, its candidate is the pick: no other score exceeds its own ceiling, and a lower row of the same score
would have a ceiling as high and stand first. So only candidates near the top need exact distances. A distance to a
growing set can only fall, so yesterday's score is today's ceiling; and as square root, product with a weight >= 0 and
sum round monotonically, a ceiling of the squared distance (`square_ceilings`) gives one of the score.

K picks from N slices, L of them labelled, with D features: time O((K + L) N D) at most, memory O(N).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from voidscope.acquisition.distances import (
    BLOCK,
    Embedding,
    Floats,
    Rows,
    nearest_distance,
    nearest_square,
    square_ceilings,
)
from voidscope.acquisition.room import Room
from voidscope.acquisition.survey import SurveyError
from voidscope.errors import ConfigError


@dataclass(frozen=True, eq=False)
class Picks:
    """Chosen rows in order, (K,), with each one's distance to the labelled and earlier picks, and its score, then.

    There is no score where slices are drawn at random. `relaxed` names for each pick the limits that had been given up before it.
    """

    rows: Rows
    distances: Floats
    scores: Floats | None
    relaxed: tuple[tuple[str, ...], ...]


def greedy(
    base: Floats, embedding: Embedding, candidates: Rows, anchors: Rows, budget: int, weight: float = 1.0,
    room: Room | None = None,
) -> Picks:  # fmt: skip
    """Pick `budget` candidates, each maximising base + weight * distance to the anchors and earlier picks.

    Ties go to the lowest row. With no anchor the first pick is `opening`, at distance 0.

    Parameters
    ----------
    base : (N,), what a slice scores without its distance: r + u of Eq. 4
    embedding : (N, D) float32
    candidates : rows that may be picked
    anchors : rows already labelled; the order of neither list matters
    budget : how many to pick, at most the number of candidates
    weight : of the distance, >= 0
    room : what limits leave open as picks are made; None leaves every candidate open

    Raises
    ------
    SurveyError : `base` or `embedding` is not finite, or their lengths differ.
    ConfigError : the budget exceeds the candidates, or the weight is negative or not finite.
    """
    _check(base, embedding, weight)
    check_budget(budget, len(candidates))
    race, room = _Race(base, embedding, weight), room or Room(len(base), candidates)
    picks = []
    if len(anchors) == 0:
        first = opening(base, embedding, room.rows())
        picks.append((first, 0.0, float(base[first]), room.take(first)))
        anchors = np.array([first])
    race.start(anchors)
    while len(picks) < budget:
        found = race.pick(room.open())
        picks.append((*found, room.take(found[0])))
    rows, distances, scores, relaxed = zip(*picks, strict=True)
    return Picks(np.array(rows, dtype=np.int64), np.array(distances), np.array(scores), relaxed)


def opening(base: Floats, embedding: Embedding, candidates: Rows) -> int:
    """The first pick while nothing is labelled: the highest base, among equals the slice nearest to their mean.

    So a selection by distance alone, whose base is constant, opens with the most central slice.
    """
    ordered = np.sort(candidates)
    top = ordered[base[ordered] == base[ordered].max()]
    if len(top) == 1:
        return int(top[0])
    centre = embedding[top].mean(axis=0, dtype=np.float64)
    return int(top[nearest_distance(embedding, top, centre[np.newaxis]).argmin()])


def check_budget(budget: int, available: int) -> None:
    """Raise `ConfigError` unless 1 <= budget <= available."""
    if not 1 <= budget <= available:
        way_out = f"set suggest.budget to 1..{available}" if available else "add scans or remove labels"
        raise ConfigError(
            f"suggest.budget is {budget}, but {available} slices are left to suggest; {way_out}."
        )


class _Race:
    """Ceilings of all slices; one lags while picks are missing from its ceiling, and is exact once made so."""

    def __init__(self, base: Floats, embedding: Embedding, weight: float) -> None:
        self._base, self._embedding, self._weight = base, embedding, weight
        self._anchors = np.empty((0, embedding.shape[1]))
        self._square = np.full(len(base), np.inf)  # at least the squared distance to the first `seen` anchors
        self._seen = np.zeros(len(base), dtype=np.int32)
        self._exact = np.zeros(len(base), dtype=bool)  # whether `square` is that squared distance
        self._open = np.zeros(len(base), dtype=bool)
        self._ceiling = np.full(len(base), -np.inf)  # stays so for all that are not open

    def start(self, anchors: Rows) -> None:
        """Measure from these slices."""
        self._anchors = self._embedding[anchors].astype(np.float64)
        self._seen[:] = len(anchors)
        if self._weight:
            self._square = square_ceilings(self._embedding, self._anchors)

    def pick(self, now_open: npt.NDArray[np.bool_]) -> tuple[int, float, float]:
        """The best of the open slices, (N,), its distance and its score; it becomes an anchor."""
        self._ceiling[self._open & ~now_open] = -np.inf
        opened = np.flatnonzero(now_open & ~self._open)
        self._ceiling[opened] = self._base[opened]
        if self._weight:
            self._ceiling[opened] += self._weight * np.sqrt(self._square[opened])
        self._open = now_open
        top = self._settle()
        found = top, math.sqrt(self._square[top]), float(self._ceiling[top])
        self._anchors = np.concatenate([self._anchors, self._embedding[[top]].astype(np.float64)])
        return found

    def _settle(self) -> int:
        """Bring ceilings down to scores, the highest first and ever more at once, until the highest is a score."""
        top, size = int(self._ceiling.argmax()), BLOCK
        floor = self._make_exact(np.array([top]))
        while not self._is_score(top := int(self._ceiling.argmax())):
            near = np.flatnonzero(self._ceiling >= floor)
            lagging = near[self._seen[near] < len(self._anchors)]
            if len(lagging):
                rows = self._highest(lagging, size)
                self._catch_up(rows)
                rows = self._highest(rows, 1)
            else:
                rows = self._highest(near[~self._exact[near]], size)
            floor = max(floor, self._make_exact(rows))
            size *= 2
        return top

    def _is_score(self, row: int) -> bool:
        return bool(self._exact[row]) and self._seen[row] == len(self._anchors)

    def _highest(self, rows: Rows, size: int) -> Rows:
        return rows if len(rows) <= size else rows[np.argpartition(self._ceiling[rows], -size)[-size:]]

    def _catch_up(self, rows: Rows) -> None:
        """Let the ceilings of `rows` account for all picks."""
        for seen in np.unique(self._seen[rows]):
            some = rows[self._seen[rows] == seen]
            squares = nearest_square(self._embedding, some, self._anchors[seen:])
            self._square[some] = np.minimum(self._square[some], squares)
        self._seen[rows] = len(self._anchors)
        self._ceiling[rows] = self._base[rows] + self._weight * np.sqrt(self._square[rows])

    def _make_exact(self, rows: Rows) -> float:
        """Turn the ceilings of `rows` into their scores and return the highest."""
        rest = rows[~self._exact[rows]]
        self._square[rest] = nearest_square(self._embedding, rest, self._anchors)
        self._seen[rest] = len(self._anchors)
        self._exact[rest] = True
        self._catch_up(rows)
        return float(self._ceiling[rows].max())


def _check(base: Floats, embedding: Embedding, weight: float) -> None:
    if embedding.ndim != 2 or embedding.dtype != np.float32 or base.shape != embedding.shape[:1]:
        raise SurveyError(
            f"Embeddings {embedding.dtype} {embedding.shape} do not fit base scores {base.shape}; pass float32, one row each."
        )
    named: tuple[tuple[str, npt.NDArray[np.floating]], ...] = (
        ("base scores", base),
        ("embeddings", embedding),
    )
    for name, values in named:
        finite = np.isfinite(values)
        if not finite.all():
            at = np.argwhere(~finite)[0].tolist()
            raise SurveyError(
                f"The {name} hold {values[tuple(at)]} at {at}; they must be finite. Train and survey again."
            )
    if not (math.isfinite(weight) and weight >= 0):
        raise ConfigError(f"suggest.distance is {weight}; a weight is a finite number, 0 or more.")
