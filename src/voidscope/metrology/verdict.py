"""The verdict: a ratio against its limit by simple acceptance."""

from __future__ import annotations

from enum import StrEnum

from voidscope.config import MeasureConfig


class Verdict(StrEnum):
    """What the recipe says about a scan."""

    PASS = "PASS"
    FAIL = "FAIL"
    REVIEW = "REVIEW"


def decide(ratio: float | None, recipe: MeasureConfig, undefined: str = "") -> tuple[Verdict, str]:
    """FAIL above the limit, PASS at or below it, REVIEW when the ratio is undefined; and why, in one sentence.

    `undefined` says why there is no ratio.
    """
    if ratio is None:
        return Verdict.REVIEW, f"{recipe.ratio} is undefined: {undefined or 'nothing to relate the voids to'}"
    measured, limit = _told_apart(ratio, recipe.limit)
    if ratio > recipe.limit:
        return Verdict.FAIL, f"{recipe.ratio} = {measured} is above the limit {limit}"
    return Verdict.PASS, f"{recipe.ratio} = {measured} is within the limit {limit}"


def _told_apart(ratio: float, limit: float) -> tuple[str, str]:
    """Both in percent with as few digits, from four on, as show which is larger."""
    pairs = [(f"{100 * ratio:.{d}g} %", f"{100 * limit:.{d}g} %") for d in range(4, 18)]
    return next((p for p in pairs if p[0] != p[1]), pairs[0])
