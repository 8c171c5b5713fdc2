"""The void that a model is known to miss: no limit on void is kept that would not be if the void found were but the model's share of all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from voidscope.metrology.measurement import ScanMeasurement, concluded
from voidscope.metrology.quantities import GROWS, OF_BUMP
from voidscope.metrology.scan_verdict import decided, over_bumps
from voidscope.metrology.verdict import Outcome, Verdict, judge, left


def at_recall(found: ScanMeasurement, recall: float) -> ScanMeasurement:
    """For REVIEW instead of PASS, each criterion on void, of a bump or the scan, whose value / `recall` does not keep its limit.

    `recall` is the share of the true void, 0 to 1, that the model found on held-out scans; a ratio's uncertainty stays. That is the
    ratio where all that is missed was called something else of what stands below the line; without void below it, or where it was
    called background, it is less than the ratio would be. A number of voids is taken to lack as many, and of the largest void its share
    of volume to be found, so that its diameters are taken over the cube root. Criteria on lengths of the bump are left as they are, and
    so is a verdict that something else has doubted.
    """

    def held(one: ScanMeasurement) -> ScanMeasurement:
        return replace(one, outcomes=tuple(_outcome(o, recall, one.recipe.rule) for o in one.outcomes))

    bumps = tuple(
        replace(b, measured=_decided_again(b.measured, held(b.measured), concluded)) for b in found.bumps
    )
    if len(bumps) == 1 and not found.stray.pieces:
        return replace(bumps[0].measured, bumps=bumps)
    return _decided_again(found, replace(held(found), bumps=bumps), _by_bumps)


def _decided_again(
    was: ScanMeasurement, again: ScanMeasurement, decide: Callable[[ScanMeasurement], ScanMeasurement]
) -> ScanMeasurement:
    """A measurement `again`, with the verdict that comes of it; that which it `was` given where something else overruled it."""
    if again == was or was.overruled:
        return again
    found = decide(again)
    better = found.verdict is Verdict.PASS and was.verdict is not Verdict.PASS
    return again if better else found  # it was overruled, which no report tells


def _by_bumps(found: ScanMeasurement) -> ScanMeasurement:
    """A scan decided as by its bumps, but for its lengths, which stay."""
    over = over_bumps(found, found.bumps) if found.bumps else found
    outcomes = (
        was if was.measure in OF_BUMP else now for was, now in zip(found.outcomes, over.outcomes, strict=True)
    )
    return decided(replace(over, outcomes=tuple(outcomes)))


def _outcome(outcome: Outcome, recall: float, rule: str) -> Outcome:
    power = GROWS.get(outcome.measure)
    if outcome.verdict is not Verdict.PASS or outcome.value is None or power is None:
        return outcome
    said = "the model finds none of the held-out void, so nobody knows what it comes to"
    if recall:
        guarded = rule == "guard band"  # else U decides nothing, and the outcome's reason tells it
        of = outcome if guarded else replace(outcome, uncertainty=None)
        then = judge(of, outcome.value / recall**power, rule)
        if then.verdict is Verdict.PASS:
            return outcome
        said = f"the model finds {100 * recall:.0f} % of the held-out void; at that recall {then.reason}"
    way = "look at the slices, or label more that show void and train again"
    return left(outcome, f"{outcome.reason}; {said}: {way}")
