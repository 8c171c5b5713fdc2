"""Strategies: which unlabelled slices to label next, each a rule applied to one survey."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np

from voidscope.acquisition.clusters import badge
from voidscope.acquisition.coldstart import foreground_start, k_means_start, typiclust_start, void_like_start
from voidscope.acquisition.distances import Embedding, Floats
from voidscope.acquisition.driving import driving_pixel, reasons_of
from voidscope.acquisition.pool import Order, Pool, by_score, in_order, stratified, strided, uniform
from voidscope.acquisition.room import Limits
from voidscope.acquisition.rules import Near, Rule, Scale, Sum, core_gcn, drawn, scored, undecided
from voidscope.acquisition.scores import Aggregation, rareness, uncertainty
from voidscope.acquisition.select import check_budget
from voidscope.acquisition.strata import clasp, foreground_aware
from voidscope.acquisition.suggestions import Suggestion, told
from voidscope.acquisition.survey import Survey
from voidscope.config import SuggestConfig
from voidscope.errors import ConfigError
from voidscope.vocabulary import SliceKey

ORDERS: dict[str, Order] = {"random": uniform, "strided": strided, "stratified": stratified}
"""Orders in which slices can be drawn; strategies and first batches of their names follow them."""
STARTS = {
    "foreground": foreground_start, "void-like": void_like_start, "k-means": k_means_start, "typiclust": typiclust_start,
}  # fmt: skip
"""First batches that look at the slices: of each kind of slice one."""
UNASKED = frozenset({*ORDERS, "vaal"})
"""Strategies that do not ask the model."""
RARENESS: dict[str, Scale] = {
    "rareness": "raw", "rareness-normalised": "normalised", "rareness-product": "product",
}  # fmt: skip
"""Strategies that sum or multiply the weighted terms, and how those are scaled."""
_NEEDS = {
    "badge": ("gradient",), "clasp": ("class_entropy",), "verdict": ("class_entropy",), "top": ("entropy_local", "top_percent"),
    "patch": ("entropy_local", "patch_share"),
}  # fmt: skip
"""Arrays of a survey that a strategy or an aggregation needs and not every survey has."""


@dataclass(frozen=True)
class Decision:
    """What a measurement left open.

    Attributes
    ----------
    near : what decides each scan and is near its limit; scans without anything near are left out
    voids : the survey's columns of void classes
    note : what was and was not considered, in words for a person
    """

    near: Mapping[str, tuple[Near, ...]]
    voids: tuple[int, ...]
    note: str = ""


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


def strategy_for(
    config: SuggestConfig,
    foreground: Sequence[int] | None = None,
    scores: Floats | None = None,
    decision: Decision | None = None,
    cycle: int = 1,
) -> SurveyStrategy:
    """The strategy a configuration names, with its aggregation and limits.

    ``rareness`` is the paper's plain sum r + u + d (Eq. 4), each term with its weight, 0 to leave it out;
    ``verdict`` is described with `rules.undecided`;
    ``rareness-normalised`` and ``rareness-product`` scale the three first (`rules.Sum`); ``entropy`` is u alone;
    ``coreset`` is d alone, k-center greedy; ``coregcn``, ``badge``, ``clasp`` and ``foreground`` are described with
    `rules.core_gcn`, `clusters.badge`, `strata.clasp` and `strata.foreground_aware`; ``random``, ``strided`` and
    ``stratified`` with `pool`.

    Parameters
    ----------
    foreground : columns of the classes that are not background; None for all but the first
    scores : (N,), a number for each surveyed slice; ``vaal`` takes the lowest first
    decision : what the last measurement left open; ``verdict`` ranks by it
    cycle : number of the cycle whose model is asked, from 1; the noise of ``clasp`` fades with it

    Raises
    ------
    ConfigError : all three weights are 0, ``vaal`` has no scores, or ``verdict`` no decision.
    """
    rule = _rule(config, foreground, scores, decision, cycle)
    return SurveyStrategy(config.strategy, config.aggregation, limits_of(config), rule)


def limits_of(config: SuggestConfig) -> Limits:
    """The limits a configuration sets."""
    return Limits(config.max_per_scan, config.min_slice_gap)


def serves(survey: Survey, config: SuggestConfig) -> bool:
    """Whether a survey has what the configuration needs; one of an older version or for another strategy may lack it."""
    wanted = _NEEDS.get(config.strategy, ()) + _NEEDS.get(config.aggregation, ())
    if any(getattr(survey, name) is None for name in wanted):
        return False
    return config.aggregation != "top" or survey.top_percent == config.top_percent


def draw_unasked(
    config: SuggestConfig, pool: Pool, budget: int, rng: np.random.Generator, scores: Floats | None = None
) -> tuple[Suggestion, ...]:
    """What a strategy of `UNASKED` chooses, without a survey; with one it chooses the same and tells r, u and d.

    Raises
    ------
    ConfigError : the budget exceeds the candidates.
    """
    check_budget(budget, len(pool.candidates))
    order = by_score(_given(scores)) if config.strategy == "vaal" else ORDERS[config.strategy]
    return told(pool.keys, in_order(pool, budget, order(pool, budget, rng)), config.strategy)


def draw_first(
    config: SuggestConfig,
    pool: Pool,
    budget: int,
    rng: np.random.Generator,
    features: Embedding | None = None,
) -> tuple[Suggestion, ...]:
    """The first slices to label, as ``suggest.first`` says; `features`, (N, D), are what clusters are made of.

    Raises
    ------
    ConfigError : the budget exceeds the candidates, or clusters are asked for without features.
    """
    check_budget(budget, len(pool.candidates))
    if config.first in ORDERS:
        chosen = in_order(pool, budget, ORDERS[config.first](pool, budget, rng))
    elif features is None:
        raise ConfigError(f"suggest.first={config.first} clusters slices by features; pass a row for each.")
    else:
        chosen = STARTS[config.first](features, pool, budget, rng)
    return told(pool.keys, chosen, config.first)


@dataclass(frozen=True, slots=True)
class SurveyStrategy:
    """A rule with a name, an aggregation and limits."""

    name: str
    aggregation: Aggregation
    limits: Limits
    rule: Rule

    def __call__(
        self, survey: Survey, labelled: Set[SliceKey], budget: int, rng: np.random.Generator,
        excluded: Set[SliceKey] = frozenset(),
    ) -> tuple[Suggestion, ...]:  # fmt: skip
        """The chosen slices in order, with their raw terms."""
        pool = Pool.of(survey.keys, labelled, excluded, self.limits)
        check_budget(budget, len(pool.candidates))
        picks = self.rule(survey, pool, budget, rng)
        r, u = rareness(survey, self.aggregation), uncertainty(survey, self.aggregation)
        scores = [None] * budget if picks.scores is None else picks.scores.tolist()
        reasons = reasons_of(survey, pool, picks, self.rule) if isinstance(self.rule, Sum) else [()] * budget
        pixels = [driving_pixel(survey, row, why) for row, why in zip(picks.rows, reasons, strict=True)]
        terms = zip(
            picks.rows.tolist(), r[picks.rows].tolist(), u[picks.rows].tolist(), picks.distances.tolist(), scores, pixels,
            picks.relaxed, reasons, strict=True,
        )  # fmt: skip
        return tuple(
            Suggestion(survey.keys[row], rank, r_, u_, d, score, pixel, self.name, relaxed, why)
            for rank, (row, r_, u_, d, score, pixel, relaxed, why) in enumerate(terms, start=1)
        )


def _rule(
    config: SuggestConfig,
    foreground: Sequence[int] | None,
    scores: Floats | None,
    decision: Decision | None,
    cycle: int,
) -> Rule:
    """The rule of a configuration's strategy."""
    rules: dict[str, Rule] = {
        "coregcn": core_gcn,
        "badge": badge,
        "foreground": partial(foreground_aware, foreground=foreground),
        "clasp": partial(clasp, foreground=foreground, cycle=cycle, cycles=config.clasp_cycles),
        **{name: drawn(order) for name, order in ORDERS.items()},
    }
    if config.strategy == "vaal":
        return scored(_given(scores))
    if config.strategy == "verdict":
        if decision is None:
            raise ConfigError("suggest.strategy=verdict ranks slices by the last measurement; measure first.")
        return undecided(decision.near, decision.voids)
    return rules.get(config.strategy) or _sum(config)


def _sum(config: SuggestConfig) -> Rule:
    weights = {"entropy": (0.0, 1.0, 0.0), "coreset": (0.0, 0.0, 1.0)}.get(
        config.strategy, (config.rareness, config.uncertainty, config.distance)
    )
    if not any(weights):
        raise ConfigError(
            f"Rareness, uncertainty and distance weigh {', '.join(f'{w:g}' for w in weights)}; "
            "give one a weight above 0, or use the random strategy."
        )
    return Sum(config.aggregation, *weights, RARENESS.get(config.strategy, "raw"))


def _given(scores: Floats | None) -> Floats:
    if scores is None:
        raise ConfigError("suggest.strategy=vaal ranks slices by given scores; pass one for each slice.")
    return scores
