"""On what grounds a queue was ranked: how far each term varied, which of them decided, and what the limits cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from voidscope.acquisition.distances import Floats, nearest_distance
from voidscope.acquisition.pool import Pool
from voidscope.acquisition.room import NO_LIMITS
from voidscope.acquisition.rules import Sum, is_constant
from voidscope.acquisition.scores import Aggregation, rareness, uncertainty
from voidscope.acquisition.strategies import SurveyStrategy
from voidscope.acquisition.suggestions import Suggestion
from voidscope.acquisition.survey import Survey, SurveyError
from voidscope.vocabulary import SliceKey

DECIDED = 0.5
"""A term whose rank correlation with the score is at least this decided with the others."""


@dataclass(frozen=True, slots=True)
class Term:
    """One term of the score over the slices that could be chosen, as the batch began.

    Parameters
    ----------
    name : ``rareness``, ``uncertainty`` or ``distance``
    low, high : its least and greatest value
    sd : its standard deviation; 0 where it is constant but for rounding
    agreement : Spearman's rank correlation with the score; None where either is constant or nothing was scored
    counted : whether it had a weight in the score
    """

    name: str
    low: float
    high: float
    sd: float
    agreement: float | None
    counted: bool

    @property
    def is_constant(self) -> bool:
        """Whether it is the same for every slice and so says nothing about any."""
        return self.sd == 0

    def place(self, value: float | None) -> float | None:
        """Where a value lies between `low` and `high`, 0..1; None for no value, or where the term is constant."""
        if value is None or self.is_constant:
            return None
        return min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))


@dataclass(frozen=True, slots=True)
class LimitCost:
    """What gap and cap cost: how many of a queue's slices another took the place of, and mean scores with and without them."""

    moved: int
    of: int
    score: float | None
    free_score: float | None


@dataclass(frozen=True, slots=True)
class Grounds:
    """How a queue came to be: its terms, none where no model was asked, the cost of limits where there were any, and a strategy's own note."""

    terms: tuple[Term, ...] = ()
    limits: LimitCost | None = None
    note: str = ""

    def entry(self) -> dict[str, Any]:
        """The grounds as plain values for JSON."""
        return {
            "terms": [asdict(t) for t in self.terms],
            "limits": None if self.limits is None else asdict(self.limits),
            "note": self.note,
        }

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> Self:
        """The inverse of `entry`; raises `SurveyError` for anything else."""
        try:
            limits = entry["limits"]
            terms = tuple(Term(**t) for t in entry["terms"])
            return cls(terms, None if limits is None else LimitCost(**limits), str(entry.get("note", "")))
        except (KeyError, TypeError) as error:
            raise SurveyError(f"{entry!r} are no stored grounds ({error!r}); suggest again.") from error

    def term(self, name: str) -> Term | None:
        """The term of this name, or None."""
        return next((t for t in self.terms if t.name == name), None)

    def text(self) -> str:
        """What a person should know before trusting the order, in sentences; empty where there is nothing to say."""
        return " ".join(said for said in (self.note, self._terms_text(), self._limits_text()) if said)

    def _terms_text(self) -> str:
        counted = [t for t in self.terms if t.counted]
        constant = [t for t in counted if t.is_constant]
        rest = sorted((t for t in counted if t.agreement is not None), key=lambda t: -abs(t.agreement or 0.0))
        if not constant:
            return ""
        same = " and ".join(f"{t.name} ({t.low:.2f})" for t in constant)
        verb = "is" if len(constant) == 1 else "are"
        if not rest:
            return f"{same.capitalize()} {verb} the same for every slice: nothing told slices apart."
        decided = [t for t in rest if abs(t.agreement or 0.0) >= DECIDED] or rest[:1]
        said = " and ".join(f"{t.name} (rank correlation {t.agreement:.2f})" for t in decided)
        return f"{same.capitalize()} {verb} the same for every slice and decided nothing; {said} did."

    def _limits_text(self) -> str:
        cost = self.limits
        if cost is None:
            return ""
        if not cost.moved:
            return "The limits changed nothing."
        said = f"The limits replaced {cost.moved} of {cost.of} slices"
        if cost.score is None or cost.free_score is None:
            return f"{said}."
        return f"{said}; mean score {cost.score:.2f} instead of {cost.free_score:.2f}."


def ranked(
    strategy: SurveyStrategy, survey: Survey, labelled: Set[SliceKey], budget: int, seed: Sequence[int],
    excluded: Set[SliceKey] = frozenset(),
) -> tuple[tuple[Suggestion, ...], Grounds]:  # fmt: skip
    """What a strategy chooses, and on what grounds; with limits it is asked once more without them, by the same seed."""
    picks = strategy(survey, labelled, budget, np.random.default_rng(seed), excluded)
    pool = Pool.of(survey.keys, labelled, excluded)
    rule = strategy.rule if isinstance(strategy.rule, Sum) else None
    terms, cost = terms_of(survey, pool, strategy.aggregation, rule), None
    if strategy.limits.names():
        unlimited = replace(strategy, limits=NO_LIMITS)
        cost = cost_of_limits(
            picks, unlimited(survey, labelled, budget, np.random.default_rng(seed), excluded)
        )
    return picks, Grounds(terms, cost)


def terms_of(
    survey: Survey, pool: Pool, aggregation: Aggregation, rule: Sum | None = None
) -> tuple[Term, ...]:
    """The terms over a pool's candidates as the batch begins; `rule` is what scored them, None where something else chose.

    Distances are to the labelled slices; while there are none there is no such term.
    """
    rows = pool.candidates
    values = {
        "rareness": rareness(survey, aggregation)[rows],
        "uncertainty": uncertainty(survey, aggregation)[rows],
    }
    if len(pool.anchors):
        values["distance"] = nearest_distance(survey.embedding, rows, survey.embedding[pool.anchors])
    score = None if rule is None else rule.scores(survey, pool, values.get("distance"))
    return tuple(_term(name, v, score, rule) for name, v in values.items() if len(v))


def cost_of_limits(chosen: Sequence[Suggestion], free: Sequence[Suggestion]) -> LimitCost:
    """Compare a queue with the one that the same strategy makes without limits."""
    moved = len({s.key for s in free} - {s.key for s in chosen})
    return LimitCost(moved, len(chosen), _mean_score(chosen), _mean_score(free))


def _term(name: str, values: Floats, score: Floats | None, rule: Sum | None) -> Term:
    constant = is_constant(values)
    agreement = None if score is None or constant or is_constant(score) else rank_correlation(values, score)
    counted = rule is not None and getattr(rule, name) > 0
    return Term(
        name,
        float(values.min()),
        float(values.max()),
        0.0 if constant else float(values.std()),
        agreement,
        counted,
    )


def rank_correlation(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Spearman's rho of two lists, neither constant: Pearson's correlation of their ranks, equal values sharing the mean rank."""
    return float(np.corrcoef(_ranks(first), _ranks(second))[0, 1])


def _ranks(values: npt.ArrayLike) -> Floats:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((counts.cumsum() - (counts - 1) / 2)[inverse], dtype=np.float64)


def _mean_score(picks: Sequence[Suggestion]) -> float | None:
    scores = [s.score for s in picks if s.score is not None]
    return sum(scores) / len(scores) if scores and len(scores) == len(picks) else None
