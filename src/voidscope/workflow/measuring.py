"""Void ratios with a verdict."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from voidscope.config import Config
from voidscope.errors import NotReady
from voidscope.jobs import Job, Progress, Steps
from voidscope.metrology import Report, Verdict, measure_mask, overlay_png
from voidscope.project import Cycle, Project, SliceReader
from voidscope.vocabulary import ClassMap, Mask, Role, SliceKey
from voidscope.volume import slice_index
from voidscope.workflow.snapshot import current_cycle, provenance_of


def measure(
    project: Project, scans: Iterable[str] | None = None, config: Config | None = None
) -> Job[tuple[Report, dict[str, bytes]], Report]:
    """Measure void ratios on the current model's masks and return the report, also written to the project.

    `scans` None means every scan the current model has segmented.

    Raises
    ------
    NotReady : there is no model, or a scan is not segmented yet, or lacks its spacing.
    """
    settings = config or project.config
    cycle = current_cycle(project)
    names = (
        [n for n in project.scans if project.mask(n) is not None]
        if scans is None
        else [project.scan(n).name for n in scans]
    )
    missing = [n for n in names if project.mask(n) is None] if names else list(project.scans)
    if missing or not names:
        raise NotReady(f"Not segmented by {cycle.id} yet: {', '.join(missing[:5])}. Run segment first.")
    for name in names:
        if project.scan(name).spacing_um is None:
            raise NotReady(
                f"{name} has no spacing, so nothing in it can be measured. Set it: voidscope add {project.path} {project.scan(name).path} --spacing Z,Y,X (um)."
            )
    masks = {n: project.mask(n) for n in names}
    reader, classes = project.reader(names), project.classes
    blind = _blind(cycle, classes)
    provenance = provenance_of(reader) | {
        "project": project.name, "model": cycle.id, "weights_sha256": cycle.weights_sha256,
        "trained": cycle.provenance.get("created"), "labelled_slices": len(cycle.labelled),
        "warnings": cycle.metrics.get("warnings", []), "not_segmented": [n for n in project.scans if n not in names], "recipe": settings.measure.model_dump(mode="json"),
        "masks_sha256": {n: hashlib.sha256(m.tobytes()).hexdigest() for n, m in masks.items() if m is not None},
        "command": shlex.join(["voidscope", "measure", str(project.path), *_changed(settings, project.config)]),
    }  # fmt: skip

    def steps() -> Steps[tuple[Report, dict[str, bytes]]]:
        measured, pictures = [], {}
        for done, (name, mask) in enumerate(masks.items()):
            yield Progress(done, len(masks), f"measuring {name}")
            record = reader.records[name]
            if mask is not None:
                found = measure_mask(mask, classes, record.spacing_um, settings.measure, name)
                measured.append(replace(found, verdict=Verdict.REVIEW, reason=blind) if blind else found)
                pictures[name] = _worst_picture(reader, name, mask, classes.ids_with_role(Role.VOID), classes)
        return Report(tuple(measured), provenance), pictures

    def commit(result: tuple[Report, dict[str, bytes]]) -> Report:
        project.current(cycle.id)
        project.set_report(*result)
        return result[0]

    return Job("Measuring", steps, commit)


def _changed(settings: Config, own: Config) -> list[str]:
    """The words that set what is measured otherwise than the project does."""
    given, kept = settings.measure.model_dump(), own.measure.model_dump()
    words = [f"measure.{name}={json.dumps(value)}" for name, value in given.items() if value != kept[name]]
    return [part for word in words for part in ("--set", word)]


def _blind(cycle: Cycle, classes: ClassMap) -> str:
    """Why no verdict of this model means anything: it learnt from no labelled void. Empty when it did."""
    weights = cycle.metrics.get("class_weights", {})
    voids = [classes.names[k - 1] for k in classes.ids_with_role(Role.VOID)]
    if any(weights.get(v, 1) for v in voids):
        return ""
    return (
        f"{cycle.id} learnt from {len(cycle.labelled)} slices without any labelled {' or '.join(voids)}, so it cannot find "
        "any; label slices that show it and train again"
    )


def _worst_picture(
    reader: SliceReader, scan: str, mask: Mask, void_ids: Sequence[int], classes: ClassMap
) -> bytes:
    """The slice with the most void, beside its mask, as a PNG."""
    record = reader.records[scan]
    others = tuple(a for a in range(3) if a != record.plane.axis)
    index = int(np.isin(mask, void_ids).sum(axis=others).argmax())
    return overlay_png(reader.image(SliceKey(scan, index)), mask[slice_index(record.plane, index)], classes)
