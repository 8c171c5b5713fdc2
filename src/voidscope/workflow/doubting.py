"""Measuring a mask of a model, and why no verdict comes of one: the model is not in force, blind or unjudged, the file is another one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from voidscope.config import MeasureConfig
from voidscope.metrology import Margins, ScanMeasurement, doubted, measure_scan
from voidscope.metrology.quantities import classes_read
from voidscope.project import Cycle, Project, ScanRecord
from voidscope.project.results import read_views
from voidscope.vocabulary import ClassMap, Mask, Role
from voidscope.workflow.evaluating import judgement
from voidscope.workflow.promoting import not_in_force
from voidscope.workflow.restoring import void_iou


@dataclass(frozen=True)
class Doubt:
    """Why a model's verdict is REVIEW; `of_pass` where that concerns a PASS alone. Empty where there is no doubt."""

    reason: str = ""
    of_pass: bool = False

    def falls_on(self, found: ScanMeasurement) -> ScanMeasurement:
        """What was measured, with the verdicts that this doubt leaves."""
        return doubted(found, self.reason, of_pass=self.of_pass)

    def overturns(self, found: ScanMeasurement) -> bool:
        """Whether a verdict that was given, of the scan or a bump, is none any more."""
        left = self.falls_on(found)
        return any(
            a.verdict is not b.verdict
            for a, b in zip(
                (found, *(x.measured for x in found.bumps)),
                (left, *(x.measured for x in left.bumps)),
                strict=True,
            )
        )


def measured_scan(
    cycle: Cycle,
    record: ScanRecord,
    mask: Mask,
    classes: ClassMap,
    recipe: MeasureConfig,
    doubt: Doubt,
    fingerprint_now: str,
    margins: Margins | None,
) -> ScanMeasurement:
    """What a report says of a model's mask (z, y, x): no verdict that `doubt` of the model falls on, and none where the scan is unfit.

    `margins` are how sure the model was, where that was kept.
    """
    views = read_views(cycle.folder, record.name, record.shape, len(classes))
    found = measure_scan(mask, classes, record.spacing_um, recipe, record.name, views, margins)
    return doubt.falls_on(doubted(found, _unfit(record, fingerprint_now)))


def held_out_void_iou(project: Project, cycle: Cycle) -> float | None:
    """Void IoU of a cycle by the labels that test scans have now, or by a dataset's truth; None where it is not known."""
    return None if judgement(project, cycle) is None else void_iou(cycle, project.classes)


def doubt_of(project: Project, cycle: Cycle, recipe: MeasureConfig) -> Doubt:
    """Why no verdict by this recipe comes of a model now; empty where one does."""
    found = held_out_void_iou(project, cycle)
    judged = {} if cycle.evaluation is None or found is None else cycle.evaluation["iou"]
    return _doubt(not_in_force(project, cycle), cycle, project.classes, recipe, found, judged)


def doubt_then(project: Project, cycle: Cycle, recipe: MeasureConfig, told: Mapping[str, Any]) -> Doubt:
    """`doubt_of` when a report was made, as its provenance has `told` it; which model was in force then, the project says."""
    found, record = told.get("held_out_void_iou"), told.get("model_record")
    judged = record.get("validation IoU") if isinstance(record, Mapping) else None
    judged = judged if isinstance(judged, Mapping) and found is not None else {}
    by_force = not_in_force(project, cycle, until=str(told.get("created")))
    return _doubt(by_force, cycle, project.classes, recipe, found, judged)


def _doubt(
    by_force: str, cycle: Cycle, classes: ClassMap, recipe: MeasureConfig, found: float | None, judged: Mapping[str, Any]
) -> Doubt:  # fmt: skip
    """The first reason there is; that nobody judged the model comes last, for it lets a FAIL stand."""
    reason = by_force or _blind(cycle, classes, recipe, found, judged)
    if not reason and found is None and not recipe.unjudged_accepted:
        return Doubt(
            f"cycle {cycle.number} was judged on no labelled void that it had not learnt from, so nobody knows what it misses; label slices "
            "of a test scan that show void and measure again, or let the recipe say who accepts that (measure.unjudged_accepted)",
            of_pass=True,
        )
    return Doubt(reason)


def _blind(
    cycle: Cycle, classes: ClassMap, recipe: MeasureConfig, found: float | None, judged: Mapping[str, Any]
) -> str:
    """Why no verdict of this model means anything: it cannot find voids. Empty where it can, or nobody knows.

    `found` is its void IoU on held-out scans, `judged` that of each class.
    """
    weights = cycle.metrics.get("class_weights", {})
    voids = [classes.names[k - 1] for k in classes.ids_with_role(Role.VOID)]
    if voids and not any(weights.get(v, 1) for v in voids):
        return (
            f"cycle {cycle.number} learnt from {len(cycle.labelled)} slices without any labelled {' or '.join(voids)}, so it cannot find "
            "any; label slices that show it and train again"
        )
    needed = recipe.min_void_iou
    if found is not None and found < needed:
        return (
            f"cycle {cycle.number} has a void IoU of {found:.3f} on held-out scans, less than the {needed:g} a verdict needs; label more "
            "slices that show voids and train again"
        )
    for criterion in recipe.criteria:
        for name in classes_read(criterion.measure, recipe):
            if (seen := judged.get(name)) is not None and seen < needed:
                return (
                    f"cycle {cycle.number} has an IoU of {seen:.3f} for {name} on held-out scans, less than the {needed:g} a verdict needs, "
                    f"and {criterion.measure} depends on it; label more slices that show it and train again"
                )
    return ""


def _unfit(record: ScanRecord, fingerprint_now: str) -> str:
    """Why no verdict comes of a scan, whatever the model; empty where one does."""
    if fingerprint_now != record.fingerprint:
        return f"the file of {record.name} is not the one that was added"
    if record.is_projected:
        return f"the slices of {record.name} are X-ray projections, in which nothing has a volume; measure the reconstruction (.txm)"
    return ""
