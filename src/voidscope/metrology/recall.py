"""The void that a model is known to miss: no limit on void is kept that would not be if the void found were but the model's share of all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from voidscope.metrology.measurement import Bump, ScanMeasurement, concluded
from voidscope.metrology.quantities import GROWS
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
    bumps = tuple(_bump_at(b, recall) for b in found.bumps)
    if len(bumps) == 1 and not found.stray.pieces:
        return replace(bumps[0].measured, bumps=bumps)
    again = replace(found, bumps=bumps, outcomes=_outcomes(found, recall))
    return _decided_again(found, again, lambda m: decided(over_bumps(m, m.bumps) if m.bumps else m))


def _bump_at(bump: Bump, recall: float) -> Bump:
    found = bump.measured
    again, plain = replace(found, outcomes=_outcomes(found, recall)), concluded(found).reason
    remarks = found.reason.removeprefix(plain) if found.reason.startswith(plain) else ""
    return replace(bump, measured=_decided_again(found, again, lambda m: concluded(m, remarks)))


def _decided_again(
    was: ScanMeasurement, again: ScanMeasurement, decide: Callable[[ScanMeasurement], ScanMeasurement]
) -> ScanMeasurement:
    """A measurement `again`, with the verdict that comes of it, but where it `was` left to REVIEW for another reason."""
    doubted = was.verdict is Verdict.REVIEW and decide(was).reason != was.reason
    return again if again == was or doubted else decide(again)


def _outcomes(found: ScanMeasurement, recall: float) -> tuple[Outcome, ...]:
    return tuple(_outcome(o, recall, found.recipe.rule) for o in found.outcomes)


def _outcome(outcome: Outcome, recall: float, rule: str) -> Outcome:
    power = GROWS.get(outcome.measure)
    if outcome.verdict is not Verdict.PASS or outcome.value is None or power is None:
        return outcome
    said = "the model finds none of the held-out void, so nobody knows what it comes to"
    if recall:
        told = rule != "guard band"  # then U decides nothing, and the outcome's reason tells it
        then = judge(
            replace(outcome, uncertainty=None) if told else outcome, outcome.value / recall**power, rule
        )
        if then.verdict is Verdict.PASS:
            return outcome
        said = f"the model finds {100 * recall:.0f} % of the held-out void; at that recall {then.reason}"
    way = "look at the slices, or label more that show void and train again"
    return left(outcome, f"{outcome.reason}; {said}: {way}")
