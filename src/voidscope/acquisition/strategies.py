"""Strategies: which unlabelled slices to label next, all by one greedy selection over one survey."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from voidscope.acquisition.distances import Floats, Rows, nearest_distance
from voidscope.acquisition.scores import Aggregation, rareness, rarest_class, uncertainty
from voidscope.acquisition.select import Picks, check_budget, greedy, opening
from voidscope.acquisition.suggestions import Suggestion, shuffled
from voidscope.acquisition.survey import Survey
from voidscope.config import SuggestConfig
from voidscope.errors import ConfigError
from voidscope.vocabulary import SliceKey

_SAMPLE = 10_000
"""Candidates among which the spread of the distance is measured; all of them in a pool of the paper's size."""
_NOISE = 1e-6
"""Terms that vary by a smaller share of their size do so by single precision rounding: they are constant."""


class Strategy(Protocol):
    """Chooses `budget` slices among those surveyed and neither labelled nor excluded.

    The answer depends on nothing but the arguments: the same generator state gives the same slices. Excluded slices
    that were never surveyed are of no consequence; labelled ones raise `SurveyError`. `ConfigError` is raised when the
    budget exceeds what is left.
    """

    def __call__(
        self, survey: Survey, labelled: Set[SliceKey], budget: int, rng: np.random.Generator,
        excluded: Set[SliceKey] = frozenset(),
    ) -> tuple[Suggestion, ...]:  # fmt: skip
        """The chosen slices, first to label first."""


def strategy_for(config: SuggestConfig) -> Strategy:
    """The strategy a configuration names.

    ``rareness`` is the paper's plain sum r + u + d (Eq. 4), each term with its weight, 0 to leave it out;
    ``rareness-normalised`` puts the three on one scale first; ``entropy`` is u alone; ``coreset`` is d alone, k-center
    greedy; ``random`` draws uniformly.

    Raises
    ------
    ConfigError : all three weights are 0.
    """
    if config.strategy == "random":
        return RandomStrategy(config.aggregation)
    weights = {"entropy": (0.0, 1.0, 0.0), "coreset": (0.0, 0.0, 1.0)}.get(
        config.strategy, (config.rareness, config.uncertainty, config.distance)
    )
    if not any(weights):
        raise ConfigError(
            f"suggest.rareness, uncertainty and distance weigh {weights}; give one a weight above 0 or use the random strategy."
        )
    return ScoreStrategy(config.strategy, config.aggregation, *weights)


@dataclass(frozen=True, slots=True)
class ScoreStrategy:
    """Greedy selection by a weighted sum of rareness, uncertainty and distance (Eq. 4, Algorithm 1).

    While nothing is labelled there is no distance: the first pick has the highest r + u, among equals the most
    central embedding, and the others keep their distance from it. Named ``rareness-normalised``, r and u
    are z-scored over the candidates and d is divided by its standard deviation over them, seen from the labelled
    slices (or from the first pick where there are none) and kept for the whole batch; a constant term counts nothing.
    """

    name: str
    aggregation: Aggregation
    rareness: float
    uncertainty: float
    distance: float

    def __call__(
        self, survey: Survey, labelled: Set[SliceKey], budget: int, rng: np.random.Generator,
        excluded: Set[SliceKey] = frozenset(),
    ) -> tuple[Suggestion, ...]:  # fmt: skip
        """The chosen slices, highest score first; `rng` is not used."""
        anchors, candidates = _split(survey, labelled, excluded)
        check_budget(budget, len(candidates))
        r, u = rareness(survey, self.aggregation), uncertainty(survey, self.aggregation)
        weight = self.distance
        if self.name == "rareness-normalised":
            r, u = _standardised(r, candidates), _standardised(u, candidates)
        base = self.rareness * r + self.uncertainty * u
        if self.name == "rareness-normalised":
            spread = _distance_spread(survey, base, candidates, anchors)
            weight = self.distance / spread if spread else 0.0
        picks = greedy(base, survey.embedding, candidates, anchors, budget, weight)
        return _suggestions(
            self, survey, picks, _driving_pixels(survey, candidates, picks, bool(self.rareness))
        )


@dataclass(frozen=True, slots=True)
class RandomStrategy:
    """Slices drawn uniformly, as `random_start` draws them; r, u and d are told but rank nothing."""

    aggregation: Aggregation
    name: str = "random"

    def __call__(
        self, survey: Survey, labelled: Set[SliceKey], budget: int, rng: np.random.Generator,
        excluded: Set[SliceKey] = frozenset(),
    ) -> tuple[Suggestion, ...]:  # fmt: skip
        """The drawn slices, without a score."""
        anchors, candidates = _split(survey, labelled, excluded)
        order = np.zeros(len(survey))
        order[candidates[shuffled(len(candidates), rng)]] = -np.arange(len(candidates))
        picks = greedy(order, survey.embedding, candidates, anchors, budget, weight=0.0)
        return _suggestions(self, survey, picks, _driving_pixels(survey, candidates, picks, False))


def _split(survey: Survey, labelled: Set[SliceKey], excluded: Set[SliceKey]) -> tuple[Rows, Rows]:
    """Rows of the labelled slices, and ascending rows of those that may be suggested."""
    anchors = survey.rows(labelled)
    taken = np.concatenate([anchors, survey.rows(key for key in excluded if survey.holds(key))])
    return anchors, np.setdiff1d(np.arange(len(survey)), taken)


def _standardised(values: Floats, candidates: Rows) -> Floats:
    """z-scores over the candidates; 0 for all where they do not vary."""
    spread = _spread(values[candidates])
    return (values - values[candidates].mean()) / spread if spread else np.zeros_like(values)


def _distance_spread(survey: Survey, base: Floats, candidates: Rows, anchors: Rows) -> float:
    """Standard deviation of the candidates' distances before the batch, over at most 10,000 evenly spread ones."""
    start = anchors if len(anchors) else np.array([opening(base, survey.embedding, candidates)])
    sample = candidates[:: -(-len(candidates) // _SAMPLE)]
    return _spread(nearest_distance(survey.embedding, sample, survey.embedding[start]))


def _spread(values: Floats) -> float:
    constant = np.ptp(values) <= _NOISE * np.abs(values).max()
    return 0.0 if constant else float(values.std())


def _driving_pixels(
    survey: Survey, candidates: Rows, picks: Picks, rareness_counts: bool
) -> list[tuple[int, int]]:
    """Where to look first in each pick: at its rarest class if that sets it apart, else at its most uncertain pixel.

    A rare class sets a slice apart when rareness has a weight and its rarest class is rarer than that of the
    least rare candidate; while a weak model sees every class everywhere, none is.
    """
    by_class = rareness(survey, "max")
    apart = by_class[picks.rows] > by_class[candidates].min()
    at_class = survey.class_pixel[picks.rows, rarest_class(survey)[picks.rows]]
    pixels = np.where((apart & rareness_counts)[:, np.newaxis], at_class, survey.entropy_pixel[picks.rows])
    return [(int(y), int(x)) for y, x in pixels]


def _suggestions(
    strategy: ScoreStrategy | RandomStrategy, survey: Survey, picks: Picks, pixels: list[tuple[int, int]]
) -> tuple[Suggestion, ...]:
    """The picks with their raw terms, in order."""
    r, u = (
        rareness(survey, strategy.aggregation)[picks.rows],
        uncertainty(survey, strategy.aggregation)[picks.rows],
    )
    scores = [None] * len(r) if isinstance(strategy, RandomStrategy) else picks.scores.tolist()
    terms = zip(
        picks.rows.tolist(), r.tolist(), u.tolist(), picks.distances.tolist(), scores, pixels, strict=True
    )
    return tuple(
        Suggestion(survey.keys[row], rank, r_, u_, d, score, pixel, strategy.name)
        for rank, (row, r_, u_, d, score, pixel) in enumerate(terms, start=1)
    )
