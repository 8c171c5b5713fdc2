"""Voids that a recipe does not count, though they can be told from noise: no limit on single voids is kept by leaving one out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from voidscope.config import Criterion
from voidscope.metrology.verdict import Outcome, Verdict, in_words, judge
from voidscope.metrology.voids import COUNTABLE_VOXELS, Void


def hidden(small: Sequence[Void]) -> list[Void]:
    """Those of the voids not counted that can be told from noise, in the same order."""
    return [v for v in small if v.n_voxels >= COUNTABLE_VOXELS]


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
