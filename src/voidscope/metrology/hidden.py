"""Voids whose sizes say little: those that a recipe does not count, though they can be told from noise, and those too small to be
quantified singly. No limit on single voids is kept by leaving one out, or by what such a size may be wrong by.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from voidscope.config import Criterion
from voidscope.metrology.verdict import Outcome, Verdict, in_words, judge
from voidscope.metrology.voids import COUNTABLE_VOXELS, QUANTIFIABLE_VOXELS, Void

SIZES = {"largest_void_share": 1.0, "largest_void_diameter_share": 1 / 3, "largest_void_diameter_um": 1 / 3}
"""What a relative error of the largest void's volume is of each measure of its size."""


def hidden(small: Sequence[Void]) -> list[Void]:
    """Those of the voids not counted that can be told from noise, in the same order."""
    return [v for v in small if v.n_voxels >= COUNTABLE_VOXELS]


def not_quantified(outcome: Outcome, criterion: Criterion, rule: str, voids: Sequence[Void]) -> Outcome:
    """For REVIEW instead of PASS, where one of some voids, largest first, has so few voxels that its size is not quantified singly, and as
    much larger as it may be it would break the limit: the largest of these, for the larger one is the larger it may be.

    The relative random error of a volume of n voxels is taken as (8 / n)^(2/3), which is all of it at `COUNTABLE_VOXELS` and 10 % at
    `QUANTIFIABLE_VOXELS`, as found by Lin et al. 2015; a diameter has a third of it.
    """
    void = next((v for v in voids if v.n_voxels < QUANTIFIABLE_VOXELS), None)
    power = SIZES.get(criterion.measure)
    if outcome.verdict is not Verdict.PASS or not outcome.value or power is None or void is None:
        return outcome
    wrong = min(1.0, (COUNTABLE_VOXELS / void.n_voxels) ** (2 / 3)) * power
    most = outcome.value * (void.n_voxels / voids[0].n_voxels) ** power * (1 + wrong)
    larger = judge(criterion, max(most, outcome.value), rule, uncertainty=outcome.uncertainty)
    if larger.verdict is Verdict.PASS:
        return outcome
    reason = (
        f"{outcome.reason}, but a void of {void.n_voxels} voxels is not quantified singly (below {QUANTIFIABLE_VOXELS}): its size may be wrong by "
        f"{wrong:.0%}, and {in_words(criterion.measure, most)} would not pass; look at it, or scan it finer"
    )
    return replace(outcome, verdict=Verdict.REVIEW, reason=reason)


def not_hidden(
    outcome: Outcome, criterion: Criterion, rule: str, most: Mapping[str, float | str], n_hidden: int
) -> Outcome:
    """For REVIEW instead of PASS, where voids that are not counted might break the limit.

    `most` are the quantities of `n_hidden` such voids alone, by name, none smaller than what it truly is.
    """
    largest = most.get(criterion.measure)
    if outcome.verdict is not Verdict.PASS or not n_hidden or not isinstance(largest, float):
        return outcome
    value = max(largest, outcome.value or 0.0)
    with_them = judge(criterion, value, rule, uncertainty=outcome.uncertainty)
    if with_them.verdict is Verdict.PASS:
        return outcome
    reason = (
        f"{outcome.reason}, but may be {in_words(criterion.measure, value)} with voids of {COUNTABLE_VOXELS} voxels or "
        f"more, {n_hidden:,} in all, that measure.min_voxels or min_um3 leaves out: look at them, or set measure.min_voxels={COUNTABLE_VOXELS} and min_um3=0"
    )
    return replace(outcome, verdict=Verdict.REVIEW, reason=reason)
