"""Which verdicts a measurement left open: what the strategy ``verdict`` ranks by, and what tells when to stop labelling."""

from __future__ import annotations

from collections.abc import Collection

from voidscope.acquisition import Decision
from voidscope.errors import NotReady
from voidscope.metrology import Report, ScanMeasurement, Verdict
from voidscope.project import Cycle, Project
from voidscope.vocabulary import Role
from voidscope.workflow.snapshot import fingerprint_of

OPEN = "open"
"""What is decided about a scan or bump whose verdict is REVIEW, or whose interval holds the limit."""


def open_verdicts(project: Project, cycle: Cycle, scans: Collection[str]) -> Decision:
    """The scans among `scans` whose interval, in the report of this model, holds the limit.

    Raises
    ------
    NotReady : nothing was measured with this model, or no interval holds its limit, so that no label is likely to flip a verdict.
    """
    report = project.report
    if report is None or report.provenance.get("model") != cycle.id:
        what = (
            "nothing was measured yet"
            if report is None
            else f"the report is of {report.provenance.get('model')}"
        )
        raise NotReady(
            f"suggest.strategy=verdict looks at the intervals of {cycle.id}, but {what}; segment and measure first."
        )
    measured = [s for s in report.scans if s.scan in scans]
    if not measured:
        raise NotReady(
            f"The report of {cycle.id} holds no scan to suggest slices of; measure the training scans first."
        )
    straddling = frozenset(s.scan for s in measured if straddles(s))
    if not straddling:
        raise NotReady(
            f"No interval of {len(measured)} measured training scans holds its limit, so no label is likely to flip a verdict. "
            "Take another strategy, e.g. suggest.strategy=rareness."
        )
    classes = project.classes
    return Decision(straddling, tuple(k - 1 for k in classes.ids_with_role(Role.VOID)))


def straddles(measured: ScanMeasurement) -> bool:
    """Whether the interval of the scan, or of a bump where bumps are decided, reaches from the limit, or below it, to above it."""
    return any(_holds_limit(m) for _, m in _decided(measured))


def decisions(report: Report) -> dict[str, str]:
    """What a report decides about each scan, or about each bump (``scan/bump``) where bumps are decided: PASS, FAIL or `OPEN`."""
    decided = [row for s in report.scans for row in _decided(s)]
    return {
        n: OPEN if m.verdict is Verdict.REVIEW or _holds_limit(m) else m.verdict.value for n, m in decided
    }


def recipes_of(report: Report) -> str:
    """A hash of how a report decides; decisions by different ones are not compared."""
    return fingerprint_of(*sorted({s.recipe.model_dump_json() for s in report.scans}))


def _decided(measured: ScanMeasurement) -> list[tuple[str, ScanMeasurement]]:
    """What a verdict is about, by name."""
    if measured.recipe.unit == "bump" and measured.bumps:
        return [(f"{measured.scan}/{b.name}", b.measured) for b in measured.bumps]
    return [(measured.scan, measured)]


def _holds_limit(measured: ScanMeasurement) -> bool:
    interval = measured.interval
    return interval is not None and interval[0] <= measured.limit < interval[1]
