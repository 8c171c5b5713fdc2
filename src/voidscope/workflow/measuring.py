"""Void ratios with a verdict."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterable, Sequence

import numpy as np

from voidscope.config import Config, MeasureConfig
from voidscope.errors import NotReady, named
from voidscope.jobs import Job, Progress, Steps
from voidscope.metrology import (
    Bump,
    Report,
    ScanMeasurement,
    Verdict,
    doubted,
    measure_scan,
    overlay_png,
    spot,
    worst,
)
from voidscope.project import Cycle, Project, ScanRecord, SliceReader, fingerprint
from voidscope.project.results import read_mask, read_views, write_decisions
from voidscope.vocabulary import ClassMap, Mask, Role, SliceKey
from voidscope.volume import slice_index
from voidscope.workflow.deciding import decisions, recipes_of
from voidscope.workflow.evaluating import judgement
from voidscope.workflow.promoting import not_in_force
from voidscope.workflow.recording import Occasion, record_of, report_id
from voidscope.workflow.restoring import void_iou
from voidscope.workflow.snapshot import current_cycle, provenance_of

GALLERY = 8
"""Pictures of the worst bumps in a report."""
MARGIN = 3
"""Pixels shown around a bump."""


def measure(
    project: Project,
    scans: Iterable[str] | None = None,
    config: Config | None = None,
    occasion: Occasion | None = None,
) -> Job[tuple[Report, dict[str, bytes]], Report]:
    """Measure void ratios on the current model's masks and return the report, also written to the project.

    `scans` None means every scan of the project; `occasion` says who measures which sample. No verdict but REVIEW comes of a model that cannot find voids (none among
    its labels, or a held-out void IoU below the recipe's) or of a file that is not the one that was added.

    Raises
    ------
    NotReady : there is no model, or a scan is not segmented yet, or lacks its spacing.
    """
    settings = config or project.config
    cycle = current_cycle(project)
    told = occasion or Occasion()
    names = [project.scan(n).name for n in (project.scans if scans is None else scans)]
    _check_ready(project, cycle, names)
    reader, classes, folder = project.reader(names), project.classes, project.path
    found_voids = held_out_void_iou(project, cycle)
    blind = _doubt(project, cycle, settings)
    provenance = provenance_of(reader) | {
        "project": project.name, "model": cycle.id, "weights_sha256": cycle.weights_sha256,
        "trained": cycle.provenance.get("created"), "labelled_slices": len(cycle.labelled),
        "held_out_void_iou": found_voids, "promotion": cycle.promotion, "warnings": [*cycle.metrics.get("warnings", []), *_unjudged(cycle, found_voids)],
        "not_measured": [n for n in project.scans if n not in names], "recipe": settings.measure.model_dump(mode="json"),
        "command": shlex.join(["voidscope", "measure", str(folder), *(w for n in names for w in ("--scan", n)), *_words(settings), *told.words()]),
    }  # fmt: skip
    provenance |= record_of(project, cycle, reader, settings, told)
    provenance["report_id"] = report_id(provenance)

    def steps() -> Steps[tuple[Report, dict[str, bytes]]]:
        measured: list[ScanMeasurement] = []
        pictures, hashes, facts = {}, {}, {}
        for done, (name, record) in enumerate(reader.records.items()):
            yield Progress(done, len(names), f"measuring {name}")
            mask = read_mask(cycle.folder, name, classes, record.shape)
            if mask is None:
                raise NotReady(f"The mask of {name} is gone; run segment again.")
            now = fingerprint(record.place(folder))
            facts[name] = provenance["scans"][name] | {"fingerprint": now}
            hashes[name] = hashlib.sha256(mask.tobytes()).hexdigest()
            views = read_views(cycle.folder, name, record.shape, len(classes))
            found = measure_scan(mask, classes, record.spacing_um, settings.measure, name, views)
            doubt = blind or _unfit(record, now)
            measured.append(doubted(found, doubt))
            pictures[name] = _worst_picture(reader, name, mask, classes.ids_with_role(Role.VOID), classes)
        yield Progress(len(names), len(names), "taking pictures")
        for row, bump in worst(measured, GALLERY):
            mask = read_mask(cycle.folder, row.scan, classes, reader.records[row.scan].shape)
            if mask is not None:
                pictures[f"{row.scan}/{bump.name}"] = bump_picture(reader, row.scan, mask, bump, classes)
        return Report(tuple(measured), provenance | {"masks_sha256": hashes, "scans": facts}), pictures

    def commit(result: tuple[Report, dict[str, bytes]]) -> Report:
        project.current(cycle.id)
        project.set_report(*result)
        write_decisions(cycle.folder, recipes_of(result[0]), decisions(result[0]))
        project.events.evaluation_changed.emit()
        return result[0]

    return Job("Measuring", steps, commit)


def _unfit(record: ScanRecord, fingerprint_now: str) -> str:
    """Why no verdict comes of a scan, whatever the model; empty where one does."""
    if fingerprint_now != record.fingerprint:
        return f"the file of {record.name} is not the one that was added"
    if record.is_projected:
        return f"the slices of {record.name} are X-ray projections, in which nothing has a volume; measure the reconstruction (.txm)"
    return ""


def _check_ready(project: Project, cycle: Cycle, names: Sequence[str]) -> None:
    """Raise `NotReady` where a scan has no mask of this model or no spacing."""
    missing = [n for n in names if not project.is_segmented(n)]
    if missing or not names:
        which = f"{len(missing)} of {len(names)} scans: {named(missing)}" if missing else "there is no scan"
        raise NotReady(
            f"Not segmented by {cycle.id} yet: {which}. Run segment first, or name scans to measure."
        )
    for name in names:
        if project.scan(name).spacing_um is None:
            raise NotReady(
                f"{name} has no spacing, so nothing in it can be measured. Set it: voidscope add {project.path} {project.scan(name).path} --spacing Z,Y,X (um)."
            )


def _words(settings: Config) -> list[str]:
    """The words that set everything a recipe says, whatever the project's settings will be by then."""
    said = settings.measure.model_dump()
    return [part for name, value in said.items() for part in ("--set", f"measure.{name}={json.dumps(value)}")]


def held_out_void_iou(project: Project, cycle: Cycle) -> float | None:
    """Void IoU of a cycle by the labels that test scans have now, or by a dataset's truth; None where it is not known."""
    return None if judgement(project, cycle) is None else void_iou(cycle, project.classes)


def since(project: Project, report: Report, found: ScanMeasurement) -> str:
    """What has changed since a scan was measured, so that the report is not of what is there now; empty where nothing has."""
    cycle, told = project.cycle, report.provenance
    if cycle is None or told.get("model") != cycle.id:
        return "Of an earlier model"
    if found.scan not in project.scans:
        return "Of a scan that was removed since"
    if found.spacing_um != project.scan(found.scan).spacing_um:
        return "Measured with another spacing"
    if not project.is_segmented(found.scan):
        return "Of a mask that is gone"
    if found.recipe != project.config.measure:
        return "Measured with other settings"
    judged_as = told.get("held_out_void_iou"), told.get("promotion")
    doubt = _doubt(project, cycle, project.config)
    if judged_as != (held_out_void_iou(project, cycle), cycle.promotion) or (
        doubt and found.verdict is not Verdict.REVIEW
    ):
        return "The model was judged or put in force since, or the labels that judge it have changed"
    later = [
        n
        for n in project.scans
        if n not in {s.scan for s in report.scans} | set(told.get("not_measured") or ())
    ]
    return f"Measured before {named(later)} came in" if later else ""


def _doubt(project: Project, cycle: Cycle, settings: Config) -> str:
    """Why no verdict comes of a model now; empty where one does."""
    found = held_out_void_iou(project, cycle)
    return not_in_force(project, cycle) or _blind(cycle, project.classes, settings, found)


def _blind(cycle: Cycle, classes: ClassMap, settings: Config, found: float | None) -> str:
    """Why no verdict of this model means anything: it cannot find voids. Empty where it can, or nobody knows."""
    weights = cycle.metrics.get("class_weights", {})
    voids = [classes.names[k - 1] for k in classes.ids_with_role(Role.VOID)]
    if voids and not any(weights.get(v, 1) for v in voids):
        return (
            f"cycle {cycle.number} learnt from {len(cycle.labelled)} slices without any labelled {' or '.join(voids)}, so it cannot find "
            "any; label slices that show it and train again"
        )
    needed = settings.measure.min_void_iou
    if found is not None and found < needed:
        return (
            f"cycle {cycle.number} has a void IoU of {found:.3f} on held-out scans, less than the {needed:g} a verdict needs; label more "
            "slices that show voids and train again"
        )
    judged = {} if cycle.evaluation is None or found is None else cycle.evaluation["iou"]
    for criterion in settings.measure.criteria:
        for name in _classes_of(criterion.measure, settings.measure):
            if (seen := judged.get(name)) is not None and seen < needed:
                return (
                    f"cycle {cycle.number} has an IoU of {seen:.3f} for {name} on held-out scans, less than the {needed:g} a verdict needs, "
                    f"and {criterion.measure} depends on it; label more slices that show it and train again"
                )
    return ""


def _classes_of(measure: str, recipe: MeasureConfig) -> tuple[str, ...]:
    """The classes beside void that a length of a bump is read off."""
    pillar, solder, pad = recipe.pillar_class, recipe.solder_class, recipe.pad_class
    if measure == "blt_um":
        return pillar, solder, pad
    starts = {"pillar_": (pillar,), "pad_": (pillar, pad), "solder_": (pillar, solder)}
    return next((names for start, names in starts.items() if measure.startswith(start)), ())


def _unjudged(cycle: Cycle, found: float | None) -> list[str]:
    if found is not None:
        return []
    return [
        f"cycle {cycle.number} was not evaluated on the held-out voids of now: what it misses is not in the intervals."
    ]


def _worst_picture(
    reader: SliceReader, scan: str, mask: Mask, void_ids: Sequence[int], classes: ClassMap
) -> bytes:
    """The slice with the most void, beside its mask, as a PNG."""
    record = reader.records[scan]
    others = tuple(a for a in range(3) if a != record.plane.axis)
    index = int(np.isin(mask, void_ids).sum(axis=others).argmax())
    return overlay_png(
        reader.image(SliceKey(scan, index)), mask[slice_index(record.plane, index)], classes, across(record)
    )


def across(record: ScanRecord) -> tuple[float, float] | None:
    """Spacing of the rows and columns of a scan's slices, um; None where it is not known."""
    if record.spacing_um is None:
        return None
    y, x = (s for axis, s in enumerate(record.spacing_um) if axis != record.plane.axis)
    return y, x


def bump_picture(reader: SliceReader, scan: str, mask: Mask, bump: Bump, classes: ClassMap) -> bytes:
    """A bump's box in the slice through its largest void, or its middle, beside its mask, as a PNG."""
    plane = reader.records[scan].plane
    index = round(spot(bump)[plane.axis])
    window = tuple(
        slice(max(0, a - MARGIN), b + MARGIN)
        for k, (a, b) in enumerate(bump.structure.box)
        if k != plane.axis
    )
    image = reader.image(SliceKey(scan, index))
    return overlay_png(
        image[window], mask[slice_index(plane, index)][window], classes, across(reader.records[scan])
    )
