"""Void ratios with a verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from voidscope.config import Config
from voidscope.errors import NotReady, named
from voidscope.jobs import Job, Progress, Steps
from voidscope.metrology import (
    Bump,
    Report,
    ScanMeasurement,
    check_names,
    overlay_png,
    sight_in_words,
    spot,
    units_doubted,
    worst,
)
from voidscope.project import (
    Cycle,
    Project,
    SliceReader,
    fingerprint,
    fingerprint_method,
    record_report,
)
from voidscope.project.masks import mask_path, read_mask
from voidscope.project.results import write_decisions
from voidscope.vocabulary import ClassMap, Mask, Role, SliceKey
from voidscope.volume import slice_index
from voidscope.workflow.deciding import decisions, recipes_of
from voidscope.workflow.doubting import Standing, doubt_of, measured_mask
from voidscope.workflow.recording import Occasion, command_of, identified, record_of, scan_settings
from voidscope.workflow.restoring import void_iou_of
from voidscope.workflow.snapshot import current_cycle, provenance_of

GALLERY = 8
"""Pictures of the worst bumps in a report."""
MARGIN = 3
"""Pixels shown around a bump."""

Measured = tuple[Report, dict[str, bytes]]
"""A report with its pictures."""


def measure(
    project: Project,
    scans: Iterable[str] | None = None,
    config: Config | None = None,
    occasion: Occasion | None = None,
) -> Job[Measured, Report]:
    """Measure void ratios on the current model's masks and return the report, also written to the project.

    `scans` None means every scan of the project; `occasion` says who measures which sample. No verdict but REVIEW comes of a model that cannot find voids (none among
    its labels, or a held-out void IoU below the recipe's) or of a file that is not the one that was added, and no PASS of one that
    nobody has judged on held-out voids, unless the recipe says who accepts that.

    Raises
    ------
    NotReady : there is no model, or a scan is not segmented yet, or lacks its spacing.
    """
    settings = config or project.config
    cycle = current_cycle(project)
    names = project.scans if scans is None else scans
    known = Standing.now(project, cycle)
    steps = measuring(project, cycle, names, settings, occasion or Occasion(), known)

    def commit(result: Measured) -> Report:
        record_report(project.current(cycle.id).folder, result[0])
        project.set_report(*result)
        write_decisions(cycle.folder, recipes_of(result[0]), decisions(result[0]))
        project.events.evaluation_changed.emit()
        return result[0]

    return Job("Measuring", steps, commit)


def measuring(
    project: Project, cycle: Cycle, scans: Iterable[str], settings: Config, told: Occasion, known: Standing
) -> Callable[[], Steps[Measured]]:
    """The steps of measuring the masks of any cycle, which write nothing; raises as `measure` does.

    What is `known` of the model stands among the facts, and no verdict is given that the doubt which it leaves falls on.
    """
    names = [project.scan(n).name for n in scans]
    _check_ready(project, cycle, names)
    check_names(project.classes, settings.measure, project.name)
    reader, classes, folder = project.reader(names), project.classes, project.path
    found_voids = void_iou_of(known.evaluation, classes)
    doubt = doubt_of(cycle, classes, settings.measure, known)
    provenance = provenance_of(reader) | {
        "project": project.name, "model": cycle.id, "weights_sha256": cycle.weights_sha256,
        "trained": cycle.provenance.get("created"), "labelled_slices": len(cycle.labelled),
        "held_out_void_iou": found_voids, "promotion": known.promotion,
        "not_measured": [n for n in project.scans if n not in names], "command": command_of([str(folder.resolve()), *(w for n in names for w in ("--scan", n))], settings.measure, told),
    }  # fmt: skip
    provenance |= record_of(project, cycle, reader, settings, told, known.evaluation)
    sight = sight_in_words(provenance["model_record"], [settings.measure.unjudged_accepted])

    def steps() -> Steps[Measured]:
        measured: list[ScanMeasurement] = []
        pictures, hashes, facts = {}, {}, {}
        sure: dict[str, str] = {}
        warnings = [*cycle.metrics.get("warnings", []), sight]
        for done, (name, record) in enumerate(reader.records.items()):
            yield Progress(done, len(names), f"measuring {name}")
            mask = read_mask(cycle.folder, name, classes, record.shape)
            if mask is None:
                raise NotReady(f"The mask of {name} is gone; run segment again.")
            now = fingerprint(record.place(folder))
            hashed = {"fingerprint": now, "hashed": fingerprint_method(now)}
            facts[name] = provenance["scans"][name] | hashed
            one = measured_mask(cycle, record, mask, classes, settings.measure, doubt, now)
            measured.append(one.found)
            hashes[name] = one.mask_sha256
            sure |= {name: one.margins_sha256} if one.margins_sha256 else {}
            warnings += [one.warning] if one.warning else []
            pictures[name] = _worst_picture(reader, name, mask, classes)
        yield Progress(len(names), len(names), "taking pictures")
        for row, bump in worst(measured, GALLERY):
            mask = read_mask(cycle.folder, row.scan, classes, reader.records[row.scan].shape)
            if mask is not None:
                pictures[f"{row.scan}/{bump.name}"] = bump_picture(reader, row.scan, mask, bump, classes)
        seen = {
            "scan_settings": scan_settings(reader),
            "masks_sha256": hashes,
            "margins_sha256": sure,
            "scans": facts,
            "warnings": [*warnings, *units_doubted(measured)],
        }
        return Report(tuple(measured), identified(provenance | seen)), pictures

    return steps


def _check_ready(project: Project, cycle: Cycle, names: Sequence[str]) -> None:
    """Raise `NotReady` where a scan has no mask of this model or no spacing."""
    missing = [n for n in names if not mask_path(cycle.folder, n).is_file()]
    if missing or not names:
        which = f"{len(missing)} of {len(names)} scans: {named(missing)}" if missing else "there is no scan"
        way = (
            "Run segment first, or name scans to measure."
            if cycle == project.cycle
            else f"Go back to it (voidscope restore {project.path} --cycle {cycle.number}) and run segment."
        )
        raise NotReady(f"Not segmented by {cycle.id} yet: {which}. {way}")
    for name in names:
        if project.scan(name).spacing_um is None:
            raise NotReady(
                f"{name} has no spacing, so nothing in it can be measured. Set it: voidscope add {project.path} {project.scan(name).path} --spacing Z,Y,X (µm)."
            )


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
    known = Standing.now(project, cycle)
    doubt = doubt_of(cycle, project.classes, project.config.measure, known)
    if judged_as != (void_iou_of(known.evaluation, project.classes), known.promotion) or doubt.overturns(
        found
    ):
        return "The model was judged or put in force since, or the labels that judge it have changed"
    later = [
        n
        for n in project.scans
        if n not in {s.scan for s in report.scans} | set(told.get("not_measured") or ())
    ]
    return f"Measured before {named(later)} came in" if later else ""


def _worst_picture(reader: SliceReader, scan: str, mask: Mask, classes: ClassMap) -> bytes:
    """The slice with the most void, or without any that with the most foreground, beside its mask, as a PNG."""
    record = reader.records[scan]
    others = tuple(a for a in range(3) if a != record.plane.axis)
    void = np.isin(mask, classes.ids_with_role(Role.VOID)).sum(axis=others)
    shown = void if void.any() else np.isin(mask, classes.ids_with_role(Role.FOREGROUND)).sum(axis=others)
    index = int(shown.argmax())
    return overlay_png(
        reader.image(SliceKey(scan, index)),
        mask[slice_index(record.plane, index)],
        classes,
        record.slice_spacing_um,
    )


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
        image[window], mask[slice_index(plane, index)][window], classes, reader.records[scan].slice_spacing_um
    )
