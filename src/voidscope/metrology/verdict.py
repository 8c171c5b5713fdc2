"""The verdict: a ratio against its limit, by simple acceptance or with a guard band."""

from __future__ import annotations

from enum import StrEnum

from voidscope.config import MeasureConfig


class Verdict(StrEnum):
    """What the recipe says about a scan."""

    PASS = "PASS"
    FAIL = "FAIL"
    REVIEW = "REVIEW"


def decide(
    ratio: float | None, recipe: MeasureConfig, undefined: str = "", uncertainty: float | None = None
) -> tuple[Verdict, str]:
    """FAIL above the limit, PASS at or below it, REVIEW when the ratio is undefined; and why, in one sentence.

    With the rule guard band, PASS needs ratio + U at or below the limit and FAIL ratio - U above it; between is REVIEW
    (ISO 14253-1, JCGM 106). `undefined` says why there is no ratio, `uncertainty` is U.
    """
    if ratio is None:
        return Verdict.REVIEW, f"{recipe.ratio} is undefined: {undefined or 'nothing to relate the voids to'}"
    if recipe.rule == "guard band" and uncertainty is not None:
        return _guarded(ratio, uncertainty, recipe)
    measured, limit = _told_apart(ratio, recipe.limit)
    if ratio > recipe.limit:
        return Verdict.FAIL, f"{recipe.ratio} = {measured} is above the limit {limit}"
    return Verdict.PASS, f"{recipe.ratio} = {measured} is within the limit {limit}"


def _guarded(ratio: float, uncertainty: float, recipe: MeasureConfig) -> tuple[Verdict, str]:
    said = f"{recipe.ratio} = {100 * ratio:.4g} % ± {100 * uncertainty:.2g} %"
    if ratio + uncertainty <= recipe.limit:
        return Verdict.PASS, f"{said} is within the limit {100 * recipe.limit:.4g} %"
    if ratio - uncertainty > recipe.limit:
        return Verdict.FAIL, f"{said} is above the limit {100 * recipe.limit:.4g} %"
    return Verdict.REVIEW, f"{said} is too near the limit {100 * recipe.limit:.4g} % to decide"


def _told_apart(ratio: float, limit: float) -> tuple[str, str]:
    """Both in percent with as few digits, from four on, as show which is larger."""
    pairs = [(f"{100 * ratio:.{d}g} %", f"{100 * limit:.{d}g} %") for d in range(4, 18)]
    return next((p for p in pairs if p[0] != p[1]), pairs[0])
