"""Rules: how a strategy picks rows of a survey. Each takes a survey, a pool, a budget and a generator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from voidscope.acquisition.distances import Floats, Rows, nearest_distance
from voidscope.acquisition.graph import graph_features
from voidscope.acquisition.pool import Draw, Order, Pool, by_score, in_order, with_distances
from voidscope.acquisition.scores import Aggregation, needed, rareness, uncertainty
from voidscope.acquisition.select import Picks, greedy, opening
from voidscope.acquisition.survey import Survey

Rule = Callable[[Survey, Pool, int, np.random.Generator], Picks]
"""A rule (survey, pool, budget, generator) -> picks, with distances in the survey's embedding."""
Scale = Literal["raw", "normalised", "product"]
"""How the three terms of a score are put together, see `Sum`."""

_SAMPLE = 10_000
"""Candidates among which the spread of the distance is measured; all of them in a pool of the paper's size."""
_NOISE = 1e-6
"""Terms that vary by a smaller share of their size do so by single precision rounding: they are constant."""


@dataclass(frozen=True, slots=True)
class Sum:
    """Greedy selection by rareness, uncertainty and distance (Eq. 4, Algorithm 1), each with its weight.

    While nothing is labelled there is no distance: the first pick has the highest score without it, among equals the
    most central embedding, and the others keep their distance from it. The generator is not used.

    ``raw``: r + u + d as they are, the paper's. ``normalised``: r and u are z-scored over the candidates and d is
    divided by its standard deviation over them. ``product``: r * u + d, where u is scaled to 0..1 over the candidates
    and d divided by its greatest value over them; weights of r and u are exponents [the paper's reference 17 multiplies
    the two]. The scale of d is seen from the labelled slices (or from the first pick where there are none) and
    kept for the whole batch. A constant term counts nothing.
    """

    aggregation: Aggregation
    rareness: float
    uncertainty: float
    distance: float
    scale: Scale = "raw"

    def __call__(self, survey: Survey, pool: Pool, budget: int, rng: np.random.Generator) -> Picks:
        """The picks, highest score first."""
        base = self._base(survey, pool.candidates)
        weight = self.distance * self._unit(survey, base, pool)
        return greedy(base, survey.embedding, pool.candidates, pool.anchors, budget, weight, pool.room())

    def scores(self, survey: Survey, pool: Pool, distance: Floats | None) -> Floats:
        """What each candidate scores as the batch begins, (n,), at these distances to the labelled slices; None: there are none."""
        base = self._base(survey, pool.candidates)
        scores = base[pool.candidates]
        return (
            scores if distance is None else scores + self.distance * self._unit(survey, base, pool) * distance
        )

    def lifts(self, survey: Survey, pool: Pool, picks: Picks, usual: Floats) -> dict[str, Floats]:
        """By how much more each pick scored, (K,), than it would with a candidate's mean value of a term, by the term's name.

        `usual` is that mean of the distance, (K,), as each pick was made.
        """
        r, u = self._parts(survey, pool.candidates)
        unit = self._unit(survey, self._joined(r, u), pool)
        mine, theirs = (r[picks.rows], u[picks.rows]), (r[pool.candidates].mean(), u[pool.candidates].mean())
        score = self._joined(*mine)
        return {
            "rareness": score - self._joined(theirs[0], mine[1]),
            "uncertainty": score - self._joined(mine[0], theirs[1]),
            "distance": self.distance * unit * (picks.distances - usual),
        }

    def _base(self, survey: Survey, candidates: Rows) -> Floats:
        """What each slice scores without its distance, (N,)."""
        return self._joined(*self._parts(survey, candidates))

    def _joined(self, r: Floats, u: Floats) -> Floats:
        return r * u if self.scale == "product" else r + u

    def _parts(self, survey: Survey, candidates: Rows) -> tuple[Floats, Floats]:
        """Rareness and uncertainty of each slice, (N,), scaled and weighted."""
        r, u = rareness(survey, self.aggregation), uncertainty(survey, self.aggregation)
        if self.scale == "product":
            return r**self.rareness, _stretched(u, candidates) ** self.uncertainty
        if self.scale == "normalised":
            r, u = _standardised(r, candidates), _standardised(u, candidates)
        return self.rareness * r, self.uncertainty * u

    def _unit(self, survey: Survey, base: Floats, pool: Pool) -> float:
        """What one unit of distance counts; 0 where a scaled distance is constant."""
        if self.scale == "raw":
            return 1.0
        start = pool.anchors if len(pool.anchors) else [opening(base, survey.embedding, pool.candidates)]
        sample = pool.candidates[:: -(-len(pool.candidates) // _SAMPLE)]
        apart = nearest_distance(survey.embedding, sample, survey.embedding[start])
        size = _spread(apart) if self.scale == "normalised" else float(apart.max())
        return 1 / size if size else 0.0


def core_gcn(survey: Survey, pool: Pool, budget: int, rng: np.random.Generator) -> Picks:
    """CoreGCN: k-center greedy on the hidden features of a graph network that tells labelled slices from the others.

    The graph joins the labelled slices and the candidates; scores are distances between their hidden features.
    """
    rows = np.union1d(pool.anchors, pool.candidates)
    labelled = np.isin(rows, pool.anchors)
    found = graph_features(survey.embedding[rows], labelled, rng)
    hidden = np.zeros((len(survey), found.shape[1]), dtype=np.float32)
    hidden[rows] = found
    flat = np.zeros(len(survey))
    picks = greedy(flat, hidden, pool.candidates, pool.anchors, budget, room=pool.room())
    return with_distances(survey.embedding, pool.anchors, Draw(picks.rows, picks.relaxed), picks.scores)


def drawn(order: Order) -> Rule:
    """The rule that follows an order; its picks have no score."""

    def rule(survey: Survey, pool: Pool, budget: int, rng: np.random.Generator) -> Picks:
        chosen = in_order(pool, budget, order(pool, budget, rng))
        return with_distances(survey.embedding, pool.anchors, chosen)

    return rule


def scored(scores: Floats) -> Rule:
    """The rule that picks the lowest of given scores, (N,), first."""

    def rule(survey: Survey, pool: Pool, budget: int, rng: np.random.Generator) -> Picks:
        picks = drawn(by_score(scores))(survey, pool, budget, rng)
        return replace(picks, scores=scores[picks.rows])

    return rule


@dataclass(frozen=True, slots=True)
class Near:
    """Something that decides a scan and is near its limit: the chance of a flip, 0 to 1, and the survey's columns of its classes."""

    chance: float
    columns: tuple[int, ...]


def undecided(near: Mapping[str, Sequence[Near]], voids: Sequence[int]) -> Rule:
    """The rule that looks where a label could flip a verdict: in scans in which something that decides is near its limit.

    A slice's undecided pixels of a class are the sum over its pixels of H(x) p_class(x) / ln C: pixels of which the model says the class,
    each by how unsure it is. A slice scores the undecided pixels of the classes that the quantity depends on, times the chance that it
    lies beyond its limit, at the quantity where that is most. Slices of other scans score 0 and follow, by their undecided void.

    Parameters
    ----------
    near : what decides each scan and is near its limit, by the scan's name
    voids : columns of the void classes
    """

    def rule(survey: Survey, pool: Pool, budget: int, rng: np.random.Generator) -> Picks:
        doubt, scores = undecided_pixels(survey, voids), np.zeros(len(survey))
        scans = np.array([key.scan for key in survey.keys])
        for scan, quantities in near.items():
            for one in quantities:
                mine = np.where(scans == scan, one.chance * undecided_pixels(survey, one.columns), 0.0)
                np.maximum(scores, mine, out=scores)
        rows, first = pool.candidates, np.isin(scans, list(near))
        order = rows[np.lexsort((rows, -doubt[rows], -scores[rows], ~first[rows]))]
        picks = with_distances(survey.embedding, pool.anchors, in_order(pool, budget, order))
        return replace(picks, scores=scores[picks.rows])

    return rule


def undecided_pixels(survey: Survey, columns: Sequence[int]) -> Floats:
    """Pixels of each slice (N,) that may be of some classes, each counted by how unsure the model is of it, 0 to 1."""
    share = needed(survey, "class_entropy")[:, list(columns)].sum(axis=1, dtype=np.float64)
    return np.asarray(share * survey.counts.sum(axis=1) / np.log(survey.counts.shape[1]))


def _standardised(values: Floats, candidates: Rows) -> Floats:
    """z-scores over the candidates; 0 for all where they do not vary."""
    spread = _spread(values[candidates])
    return (values - values[candidates].mean()) / spread if spread else np.zeros_like(values)


def _stretched(values: Floats, candidates: Rows) -> Floats:
    """Values scaled so that the candidates span 0..1; 1 for all where they do not vary."""
    if not _spread(values[candidates]):
        return np.ones_like(values)
    low, high = values[candidates].min(), values[candidates].max()
    return np.asarray(np.clip((values - low) / (high - low), 0.0, 1.0))


def is_constant(values: Floats) -> bool:
    """Whether values vary by no more than single precision rounding."""
    return bool(np.ptp(values) <= _NOISE * np.abs(values).max())


def _spread(values: Floats) -> float:
    return 0.0 if is_constant(values) else float(values.std())
