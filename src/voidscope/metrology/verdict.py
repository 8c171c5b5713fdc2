"""The verdict: each criterion of a recipe against its limit, by simple acceptance or with a guard band, against what its value may be
instead, and all of them joined."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from voidscope.config import Criterion, MeasureConfig
from voidscope.measure_config import is_fraction
from voidscope.metrology.rounding import POINTS, above


class Verdict(StrEnum):
    """What the recipe says about a scan."""

    PASS = "PASS"
    FAIL = "FAIL"
    REVIEW = "REVIEW"


GRAVITY = (Verdict.FAIL, Verdict.REVIEW, Verdict.PASS)
"""Worst first."""


@dataclass(frozen=True)
class Outcome:
    """What became of one criterion.

    Attributes
    ----------
    measure : the ratio or quantity that was looked at
    value, uncertainty : and its expanded uncertainty, in its own unit; None where undefined or unknown
    at_most, at_least : its limits
    verdict, reason : and why, in one sentence
    source : where the limit comes from
    """

    measure: str
    value: float | None
    uncertainty: float | None
    at_most: float | None
    at_least: float | None
    verdict: Verdict
    reason: str
    source: str = ""

    def entry(self) -> dict[str, Any]:
        """The outcome as JSON has it."""
        return asdict(self) | {"verdict": self.verdict.value}

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> Outcome:
        """The inverse of `entry`."""
        return cls(**{**entry, "verdict": Verdict(entry["verdict"])})


@dataclass(frozen=True)
class Misreading:
    """Least and most that some measures may be, by name, and why, as what follows *but*; `of_fail` says it of FAIL too."""

    ranges: Mapping[str, tuple[float, float]]
    why: str
    of_fail: bool = False


def judge(
    criterion: Criterion | Outcome,
    value: float | None,
    rule: str,
    undefined: str = "",
    uncertainty: float | None = None,
) -> Outcome:
    """One criterion: FAIL beyond a limit, PASS at or within it, REVIEW when the value is undefined.

    With the rule guard band, PASS needs the whole interval value +- U within the limits and FAIL the whole of it beyond one;
    between is REVIEW, and so is a value whose U nobody knows (ISO 14253-1, JCGM 106).

    Parameters
    ----------
    criterion : or what became of it, to hold its limits against another value with the same U
    undefined : why there is no value
    uncertainty : U where it was computed; the larger of it and the criterion's own counts
    """
    known = max((u for u in (uncertainty, criterion.uncertainty) if u is not None), default=None)
    verdict, reason = _decided(criterion, value, rule, undefined, known)
    return Outcome(
        criterion.measure,
        value,
        known,
        criterion.at_most,
        criterion.at_least,
        verdict,
        reason,
        criterion.source,
    )


def held(outcomes: Sequence[Outcome], others: Iterable[Misreading], rule: str) -> tuple[Outcome, ...]:
    """For REVIEW instead of PASS, outcomes that may break their limits for all that is known of their values; FAIL stands."""
    found = tuple(outcomes)
    for other in others:
        found = tuple(_held(o, other, rule) for o in found)
    return found


def _held(outcome: Outcome, other: Misreading, rule: str) -> Outcome:
    ends, but = other.ranges.get(outcome.measure, ()), f"{outcome.reason}, but {other.why}"
    passes = [judge(outcome, end, rule).verdict is Verdict.PASS for end in ends]
    if outcome.verdict is Verdict.FAIL and other.of_fail and any(passes):
        return replace(outcome, reason=but)
    return outcome if all(passes) else left(outcome, but)


def left(outcome: Outcome, reason: str) -> Outcome:
    """For REVIEW instead of PASS, an outcome with this reason."""
    passes = outcome.verdict is Verdict.PASS
    return replace(outcome, verdict=Verdict.REVIEW, reason=reason) if passes else outcome


def decide(
    ratio: float | None, recipe: MeasureConfig, undefined: str = "", uncertainty: float | None = None
) -> tuple[Verdict, str]:
    """What the ratio alone says against the recipe's limit, and why, in one sentence; see `judge`."""
    found = judge(limit_of(recipe), ratio, recipe.rule, undefined, uncertainty)
    return found.verdict, found.reason


def length_uncertainty(criterion: Criterion, value: float | None, recipe: MeasureConfig) -> float | None:
    """U of a criterion on a length: its own, and the voxel size's k u(s)/s times the length, in quadrature; None where either lacks.

    The voxel size alone is no U of a length, for where its ends lie is not in it.
    """
    own = criterion.uncertainty
    if own is None or value is None or not criterion.measure.endswith("_um"):
        return None
    return math.hypot(own, recipe.coverage * recipe.spacing_uncertainty * value)


def criteria_of(recipe: MeasureConfig) -> tuple[Criterion, ...]:
    """All criteria of a recipe, in the order of their outcomes: its ratio and limit, and the further ones."""
    return (limit_of(recipe), *recipe.criteria)


def limit_of(recipe: MeasureConfig) -> Criterion:
    """The recipe's first criterion: its ratio and limit."""
    return Criterion(
        measure=recipe.ratio, at_most=recipe.limit, uncertainty=recipe.uncertainty, source=recipe.source
    )


def limits_in_words(criterion: Criterion) -> str:
    """A criterion as people read it, e.g. ``blt_um at least 20 um, at most 40 um``."""
    return f"{criterion.measure} {bounds_in_words(criterion)}"


def bounds_in_words(of: Criterion | Outcome) -> str:
    """Its limits alone, e.g. ``at least 20 um, at most 40 um``."""
    bounds = (("at least", of.at_least), ("at most", of.at_most))
    return ", ".join(f"{word} {in_words(of.measure, v)}" for word, v in bounds if v is not None)


def joined(outcomes: Sequence[Outcome], pass_when: str) -> tuple[Verdict, str]:
    """The verdict of all criteria together, and the sentences that decided it.

    When all must pass, one FAIL is enough for FAIL, whatever is undefined; else one REVIEW leaves it to REVIEW. When any may
    pass, one PASS is enough for PASS; else one REVIEW leaves it to REVIEW.
    """
    order = GRAVITY[::-1] if pass_when == "any criterion passes" else GRAVITY
    verdict = next((v for v in order if any(o.verdict is v for o in outcomes)), Verdict.REVIEW)
    said = "; ".join(dict.fromkeys(o.reason for o in outcomes if o.verdict is verdict))
    if len(outcomes) < 2:
        return verdict, said
    passed = sum(o.verdict is Verdict.PASS for o in outcomes)
    needed = "one must" if pass_when == "any criterion passes" else "all must"
    return verdict, f"{said} ({passed} of {len(outcomes)} criteria pass, {needed})"


def _decided(
    criterion: Criterion | Outcome, value: float | None, rule: str, undefined: str, uncertainty: float | None
) -> tuple[Verdict, str]:
    name = criterion.measure
    if value is None:
        return Verdict.REVIEW, f"{name} is undefined: {undefined or 'nothing to relate the voids to'}"
    if rule == "guard band":
        return _guarded(criterion, value, uncertainty)
    if criterion.at_most is not None and above(value, criterion.at_most):
        measured, limit = _told_apart(name, value, criterion.at_most)
        doubt = _reach(criterion, value, uncertainty)
        return Verdict.FAIL, f"{name} = {measured} is above the limit {limit}{doubt}"
    if criterion.at_least is not None and above(criterion.at_least, value):
        measured, limit = _told_apart(name, value, criterion.at_least)
        doubt = _reach(criterion, value, uncertainty)
        return Verdict.FAIL, f"{name} = {measured} is below the least {limit}{doubt}"
    measured, _ = _told_apart(name, value, _nearest(criterion, value))
    doubt = _reach(criterion, value, uncertainty)
    return Verdict.PASS, f"{name} = {measured} is within {_limits(criterion, value)}{doubt}"


def _reach(criterion: Criterion | Outcome, value: float, uncertainty: float | None) -> str:
    """That a value decided by simple acceptance might as well lie beyond a limit, for all that is known of it."""
    limits = [v for v in (criterion.at_most, criterion.at_least) if v is not None]
    if uncertainty is None or not any(
        above(value + uncertainty, v) and above(v, value - uncertainty) for v in limits
    ):
        return ""
    return f", but its uncertainty of ± {_margin(criterion.measure, uncertainty)} reaches over it"


def _guarded(criterion: Criterion | Outcome, value: float, uncertainty: float | None) -> tuple[Verdict, str]:
    name, (least, most) = criterion.measure, (criterion.at_least, criterion.at_most)
    if uncertainty is None:
        return Verdict.REVIEW, (
            f"{name} = {in_words(name, value)} has no known uncertainty, which a guard band needs: "
            "give it in a criterion, or decide by simple acceptance"
        )
    said = f"{name} = {in_words(name, value)} ± {_margin(name, uncertainty)}"
    low, high = value - uncertainty, value + uncertainty
    if most is not None and above(low, most):
        return Verdict.FAIL, f"{said} is above the limit {in_words(name, most)}"
    if least is not None and above(least, high):
        return Verdict.FAIL, f"{said} is below the least {in_words(name, least)}"
    if not ((most is not None and above(high, most)) or (least is not None and above(least, low))):
        return Verdict.PASS, f"{said} is within {_limits(criterion, value)}"
    return (
        Verdict.REVIEW,
        f"{said} is too near the limit {in_words(name, _nearest(criterion, value))} to decide",
    )


def _nearest(criterion: Criterion | Outcome, value: float) -> float:
    limits = [v for v in (criterion.at_most, criterion.at_least) if v is not None]
    return min(limits, key=lambda v: abs(v - value))


def _limits(criterion: Criterion | Outcome, value: float) -> str:
    """The limits in words."""
    name, least, most = criterion.measure, criterion.at_least, criterion.at_most
    if least is None or most is None:
        bound = _nearest(criterion, value)
        return (
            f"the limit {_told_apart(name, value, bound)[1]}"
            if least is None
            else f"the least {in_words(name, bound)}"
        )
    return f"the limits {in_words(name, least)} and {in_words(name, most)}"


def in_words(name: str, value: float, digits: int = 4) -> str:
    """A value of a measure with its unit."""
    if is_fraction(name):
        return f"{100 * value:.{digits}g} %"
    return f"{value:.{digits}g} um" if name.endswith("_um") else f"{value:.{digits}g}"


def _margin(name: str, uncertainty: float) -> str:
    """An uncertainty of a measure with its unit, percentage points where the measure is a fraction."""
    return f"{100 * uncertainty:.2g} {POINTS}" if is_fraction(name) else in_words(name, uncertainty, 2)


def _told_apart(name: str, value: float, limit: float) -> tuple[str, str]:
    """Both with as few digits, from four on, as show which is larger; alike where nothing but the rounding of floats is."""
    pairs = [(in_words(name, value, d), in_words(name, limit, d)) for d in range(4, 15)]
    return next((p for p in pairs if p[0] != p[1]), pairs[0])
