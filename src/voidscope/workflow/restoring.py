"""Going back to an earlier model, and noticing that one was better."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from voidscope.project import Cycle, Project
from voidscope.vocabulary import ClassMap, Role
from voidscope.workflow.snapshot import cycle_of

MARGIN = 0.01
"""Void IoU by which an earlier model must be better to be spoken of."""


def restore(project: Project, number: int) -> Cycle:
    """Make the model of cycle `number` the current one again: its weights become a new cycle, nothing is taken away.

    What the model was evaluated as, its survey and its masks go along; what it suggested stands again.

    Raises `ProjectError` where there is no such cycle or its weights are damaged.
    """
    earlier = cycle_of(project, number)
    provenance = dict(earlier.provenance) | {"restored_from": number}
    again = replace(earlier, number=project.next_cycle, provenance=provenance)
    return project.add_cycle(again, earlier.weights(), same=earlier)


def first_with(project: Project, cycle: Cycle) -> int:
    """Number of the cycle that was trained for the model of `cycle`: its own, but where that was gone back to."""
    known = {c.number: c for c in project.cycles}
    number, found = cycle.number, known.get(cycle.number)
    while found is not None and found.restored:
        number = int(found.provenance["restored_from"])
        found = known.get(number)
    return number


def better_before(project: Project) -> Cycle | None:
    """The earlier cycle that found voids best by the truth that the current one was judged by, if clearly better than it."""
    cycle = project.cycle
    if cycle is None or cycle.evaluation is None:
        return None
    truth, now = _truth(cycle), void_iou(cycle, project.classes)
    judged = [
        (found, c.number, c)
        for c in project.cycles[:-1]
        if c.evaluation is not None and _truth(c) == truth
        and (found := void_iou(c, project.classes)) is not None
    ]  # fmt: skip
    then, _, best = max(judged, key=lambda row: row[:2], default=(0.0, 0, None))
    return best if then > (now or 0.0) + MARGIN else None


def _truth(cycle: Cycle) -> tuple[object, ...]:
    """By what a cycle was judged; two cycles compare only where it is the same."""
    return tuple((cycle.evaluation or {}).get(name) for name in ("scans", "truth_sha256"))


def void_iou(cycle: Cycle, classes: ClassMap) -> float | None:
    """Void IoU of an evaluated cycle, the mean where there are several void classes; None where it is not known."""
    return void_iou_of(cycle.evaluation, classes)


def void_iou_of(evaluation: Mapping[str, Any] | None, classes: ClassMap) -> float | None:
    """`void_iou` of one evaluation of a cycle, None of none."""
    if evaluation is None:
        return None
    names = [c.name for c in classes.classes if c.role is Role.VOID]
    found = [v for n in names if (v := evaluation["iou"].get(n)) is not None]
    return sum(found) / len(found) if found else None
