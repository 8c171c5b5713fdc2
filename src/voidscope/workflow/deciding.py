"""Which verdicts the last measurement left open: what the strategy ``verdict`` ranks by."""

from __future__ import annotations

from collections.abc import Collection

from voidscope.acquisition import Decision
from voidscope.errors import NotReady
from voidscope.metrology import ScanMeasurement
from voidscope.project import Cycle, Project
from voidscope.vocabulary import Role


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
    decide = [b.measured for b in measured.bumps] if measured.recipe.unit == "bump" else []
    intervals = [m.interval for m in decide or [measured]]
    return any(i is not None and i[0] <= measured.limit < i[1] for i in intervals)
