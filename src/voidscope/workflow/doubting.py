"""Measuring a mask of a model, and why no verdict comes of one: the model is not in force, blind or unjudged, the file is another one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from voidscope.config import MeasureConfig
from voidscope.metrology import ScanMeasurement, doubted, measure_scan
from voidscope.metrology.quantities import classes_read
from voidscope.metrology.recall import at_recall
from voidscope.project import Cycle, Project, ScanRecord
from voidscope.project.margins import read_margins
from voidscope.project.masks import mask_path, mask_sha256, read_hash
from voidscope.project.results import read_views
from voidscope.vocabulary import ClassMap, Mask, Role
from voidscope.workflow.evaluating import by_labels_of_now, judgement
from voidscope.workflow.facts import judges_moved
from voidscope.workflow.promoting import not_in_force
from voidscope.workflow.recording import UNKNOWN
from voidscope.workflow.restoring import void_iou_of
from voidscope.workflow.snapshot import seconds


@dataclass(frozen=True)
class Doubt:
    """Why a model's verdict is REVIEW.

    Attributes
    ----------
    reason : in words; empty where there is none that concerns whatever is measured
    of_pass : whether that concerns a PASS alone
    recall : share of the held-out void that the model found, at which a ratio must pass too; None where nobody knows
    """

    reason: str = ""
    of_pass: bool = False
    recall: float | None = None

    @property
    def words(self) -> str:
        """Why, in words; where nothing else is in doubt, by its recall."""
        if self.reason or self.recall is None:
            return self.reason
        return f"the model finds {100 * self.recall:.0f} % of the held-out void, and no limit on void is kept that would not be at that recall"

    def falls_on(self, found: ScanMeasurement) -> ScanMeasurement:
        """What was measured, with the verdicts that this doubt leaves."""
        seen = found if self.recall is None else at_recall(found, self.recall)
        return doubted(seen, self.reason, of_pass=self.of_pass)

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


@dataclass(frozen=True)
class MeasuredMask:
    """What a report says of a model's mask, and of what.

    Attributes
    ----------
    found : no verdict that the doubt of the model falls on, and none where the scan or the mask is unfit
    mask_sha256, margins_sha256 : of the mask, and of how sure the model was of it, empty where that is not known
    warning : why that cannot be read, empty where it can or was not kept
    """

    found: ScanMeasurement
    mask_sha256: str
    margins_sha256: str
    warning: str


def measured_mask(
    cycle: Cycle, record: ScanRecord, mask: Mask, classes: ClassMap, recipe: MeasureConfig, doubt: Doubt, fingerprint_now: str
) -> MeasuredMask:  # fmt: skip
    """Measure a model's mask (z, y, x) as a report does, by what was kept beside it."""
    name, sha256 = record.name, mask_sha256(mask)
    margins, warning = read_margins(cycle.folder, name, mask, classes)
    views = read_views(cycle.folder, name, record.shape, len(classes))
    found = measure_scan(mask, classes, record.spacing_um, recipe, name, views, margins)
    unfit = _unfit(record, fingerprint_now) or _not_as_made(cycle, name, sha256)
    known = "" if margins is None else margins.sha256
    return MeasuredMask(doubt.falls_on(doubted(found, unfit)), sha256, known, warning)


@dataclass(frozen=True)
class Standing:
    """What was known of a model at a time, by which it is doubted or not.

    Attributes
    ----------
    evaluation : its agreement with held-out truth; None where nobody judged it by the labels that test scans had, or a dataset's truth
    promotion : how it was put in force; None where it was not
    not_in_force : why no verdict comes of it, for another model is in force; empty where it is itself, or none is
    """

    evaluation: Mapping[str, Any] | None
    promotion: Mapping[str, Any] | None
    not_in_force: str

    @classmethod
    def now(cls, project: Project, cycle: Cycle) -> Standing:
        """What is known of a cycle's model."""
        return cls(judgement(project, cycle), cycle.promotion, not_in_force(project, cycle))

    @classmethod
    def then(cls, project: Project, cycle: Cycle, told: Mapping[str, Any]) -> Standing:
        """What was known when a report was made, whose provenance is `told`; nothing that was found later counts.

        Whether the evaluation was by the labels that test scans had then, those of now tell. Where these were changed since, the
        report tells, which can but leave out the evaluation that there was.
        """
        created = str(told.get("created"))
        found = _last_until(created, cycle.evaluations, "created")
        if found is not None:
            moved = judges_moved(project, found["scans"], created)
            counts = _tells_figures(told) if moved else by_labels_of_now(project, found)
            found = found if counts else None
        promotion = _last_until(created, cycle.promotions, "time")
        return cls(found, promotion, not_in_force(project, cycle, until=created))


def _last_until(time: str, records: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any] | None:
    """The last of some records, oldest first, whose time of this `name` is not after `time`."""
    return next((r for r in reversed(records) if seconds(r.get(name)) <= seconds(time)), None)


def _tells_figures(told: Mapping[str, Any]) -> bool:
    """Whether a report says as what its model was judged."""
    record = told.get("model_record")
    judged = isinstance(record, Mapping) and record.get("validation scans", UNKNOWN) != UNKNOWN
    return judged or told.get("held_out_void_iou") is not None


def held_out_void_iou(project: Project, cycle: Cycle) -> float | None:
    """Void IoU of a cycle by the labels that test scans have now, or by a dataset's truth; None where it is not known."""
    return void_iou_of(judgement(project, cycle), project.classes)


def doubt_of(cycle: Cycle, classes: ClassMap, recipe: MeasureConfig, known: Standing) -> Doubt:
    """Why no verdict by this recipe comes of a model of which that is `known`; empty where one does.

    That nobody judged the model, or what it makes of a class that lengths depend on, comes last, for it lets a FAIL stand. A model
    that was judged misses some void; what is not doubted else passes at its recall, or not at all.
    """
    found = void_iou_of(known.evaluation, classes)
    recall = None if known.evaluation is None else known.evaluation.get("void_recall")
    judged = {} if known.evaluation is None or found is None else known.evaluation["iou"]
    reason = known.not_in_force or _blind(cycle, classes, recipe, found, judged)
    if not reason and found is None and not recipe.unjudged_accepted:
        return Doubt(
            f"cycle {cycle.number} was judged on no labelled void that it had not learnt from, so nobody knows what it misses; label slices "
            "of a test scan that show void and measure again, or let the recipe say who accepts that (measure.unjudged_accepted)",
            of_pass=True,
        )
    unjudged = "" if reason or recipe.unjudged_accepted else _unjudged_length(cycle, classes, recipe, judged)
    return Doubt(unjudged or reason, of_pass=bool(unjudged), recall=recall)


def _unjudged_length(
    cycle: Cycle, classes: ClassMap, recipe: MeasureConfig, judged: Mapping[str, Any]
) -> str:
    """Of which class that a length depends on nobody knows what the model makes; empty where there is none, or it never saw one labelled."""
    weights = cycle.metrics.get("class_weights", {})
    for criterion in recipe.criteria:
        for name in classes_read(criterion.measure, recipe):
            if name in classes.names and weights.get(name, 1) and judged.get(name) is None:
                return (
                    f"cycle {cycle.number} was judged on no labelled {name} that it had not learnt from, and {criterion.measure} depends on "
                    "it; label slices of a test scan that show it and measure again, or let the recipe say who accepts that "
                    "(measure.unjudged_accepted)"
                )
    return ""


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


def _not_as_made(cycle: Cycle, scan: str, sha256: str) -> str:
    """Why no verdict comes of a mask with this hash: another program has changed it. Empty where none has, or no hash was kept."""
    if read_hash(cycle.folder, scan) in ("", sha256):
        return ""
    path = mask_path(cycle.folder, scan).relative_to(cycle.folder.parent.parent)
    return (
        f"the mask of {scan} is not the one that cycle {cycle.number} made, for it was changed outside voidscope: segment the scan again, or "
        f"measure the file by itself (voidscope measure --mask {path.as_posix()})"
    )
