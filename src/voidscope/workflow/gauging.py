"""`plan_study` and `take_reading`: a blind gauge study of the project's own slices, by people and by models.

A model says the same of a slice every time, so that its repeats would have no spread. In a study each repeat of a model is another
look: the slice as it is, mirrored up and down, left and right, or both. That is how much its answer depends on what should make no
difference; it is no repeatability of the scanner, and of a person's hand says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from voidscope.config import Config
from voidscope.errors import ConfigError, LabelError, NotReady, ProjectError, StaleResult, named
from voidscope.jobs import Job, Progress, Steps
from voidscope.metrology import Plan, Slot, choose_parts, judged_ratio, measured_ratio
from voidscope.project import Cycle, Drawing, PartRecord, Project, SliceReader, StoredLabel, Study, StudyPlan
from voidscope.project.masks import read_mask
from voidscope.vocabulary import UNLABELLED, ClassMap, Mask, Role, SliceKey
from voidscope.volume import slice_index
from voidscope.workflow.snapshot import LOADING, cycle_of

MIRRORS: tuple[tuple[int, ...], ...] = ((), (0,), (1,), (0, 1))
"""Axes of a slice (h, w) along which a model's first, second, third and fourth look is mirrored."""
A_MODELS_NAME = re.compile(r"cycle (\d+)", re.IGNORECASE)
"""What the operators are called that are models, by the number of their cycle."""
MOST_CANDIDATES = 400
"""Predicted slices among which parts are chosen; of more, evenly spaced ones, for neighbours are alike."""


@dataclass(frozen=True)
class BlindSlice:
    """What an operator is shown: intensities (h, w), their usual contrast, and the size of a pixel; nothing says what it is of."""

    image: npt.NDArray[Any]
    contrast: tuple[float, float]
    pixel: tuple[float, float]
    unit: str


@dataclass(frozen=True)
class _Ground:
    """What a plan is made on: scans, labels and masks as they are now."""

    reader: SliceReader
    labels: Mapping[SliceKey, StoredLabel]
    classes: ClassMap
    cycle: Cycle | None
    config: Config


def plan_study(
    project: Project, people: Sequence[str], *, models: Sequence[int] = (), parts: int = 10, repeats: int = 2,
    keys: Sequence[SliceKey] = (), seed: int | None = None,
) -> Job[tuple[StudyPlan, Mapping[Slot, Drawing]], Study]:  # fmt: skip
    """Plan a study and let its models read; its outcome is the study, a folder of its own in the project.

    Parameters
    ----------
    people : names of the operators who draw; spaces around them do not count
    models : numbers of the cycles that take part
    parts : how many slices to choose, spread over the range of the void ratio of what is labelled or predicted
    repeats : how often each operator reads each part
    keys : the slices themselves, in place of `parts`
    seed : of the choice and the orders; the project's and the number of its studies when None

    Raises
    ------
    ConfigError : fewer than two parts, operators or repeats, names given twice or like a model's, more repeats than a model has looks.
    NotReady : no class is a void, or there are not enough slices to choose from.
    ProjectError : there is no such slice or cycle.
    """
    if not project.classes.ids_with_role(Role.VOID):
        raise NotReady(
            f"No class of {project.name} has the role void ({', '.join(project.classes.names)}), so no ratio can be read."
        )
    people = _names(people)
    for key in keys:
        project.slice_shape(key)
    if len(set(keys)) < len(keys):
        raise ConfigError(f"The slices of the study are {named(keys)}; name each once.")
    cycles = {f"cycle {n}": cycle_of(project, n) for n in models}
    if cycles and repeats > len(MIRRORS):
        raise ConfigError(
            f"{repeats} repeats are asked for; a model has {len(MIRRORS)} looks at a slice. Ask for fewer."
        )
    n = len(keys) if keys else parts
    seed = project.config.seed + Study.count(project.path) if seed is None else seed
    plan = Plan(tuple(f"P{k:02d}" for k in range(1, n + 1)), (*people, *cycles), repeats, seed)
    scans = {key.scan for key in keys} or set(project.scans)
    labels = {key: project.labels.stored(key) for key in project.labels if key.scan in scans}
    ground = _Ground(project.reader(scans), labels, project.classes, project.cycle, project.config)

    def steps() -> Steps[tuple[StudyPlan, Mapping[Slot, Drawing]]]:
        chosen = tuple(keys)
        if not chosen:
            ratios = yield from _ratios(ground)
            chosen = choose_parts(ratios, n, seed)
        records = {
            p: PartRecord.of(key, ground.reader.records[key.scan])
            for p, key in zip(plan.parts, chosen, strict=True)
        }
        planned = StudyPlan(plan, records, {name: c.id for name, c in cycles.items()}, ground.config.measure)
        readings: dict[Slot, Drawing] = {}
        for name, cycle in cycles.items():
            readings |= yield from _read(planned, name, cycle, ground)
        return planned, readings

    return Job("Planning the study", steps, lambda found: _begin(project, *found))


def shown_slice(project: Project, study: Study, slot: Slot) -> BlindSlice:
    """What the operator of a slot is shown; raises `ProjectError` or `StaleResult` where the scan is gone or was changed since."""
    part = study.planned.parts[slot.part]
    record = project.scan(part.key.scan)
    if (record.plane, record.fingerprint) != (part.plane, part.fingerprint):
        raise StaleResult(
            f"The scan {record.name} has other data or is cut along another plane than when study {study.number} was planned; "
            "bring it back, or plan the study anew."
        )
    image = project.volume(record.name).slice(record.plane, part.key.index)
    contrast = (record.intensity.low, record.intensity.high)
    spacing = record.slice_spacing_um
    return BlindSlice(np.array(image), contrast, spacing or (1.0, 1.0), "um" if spacing else "pixel")


def take_reading(project: Project, study: Study, slot: Slot, mask: Mask) -> str:
    """Measure what an operator has drawn (h, w) and keep it; the last reading of a study writes its table and result.

    Pixels left at 0 are of no class and count for nothing. Returns what there is to say though the reading is kept, usually nothing.

    Raises
    ------
    LabelError : nothing is drawn, it is of another shape than the slice, an id is no class, or the recipe's ratio is undefined; nothing is kept.
    ProjectError : the disk refuses, or the reading was made already.
    """
    shape = project.slice_shape(study.planned.parts[slot.part].key)
    if mask.shape != shape or not np.issubdtype(mask.dtype, np.integer):
        raise LabelError(
            f"The drawing is {mask.dtype} of {mask.shape}; expected class ids, whole numbers, of {shape}."
        )
    if not mask.any():
        raise LabelError("Nothing is painted yet: paint every class you see, then press Done.")
    if int(mask.max()) > len(project.classes):
        raise LabelError(
            f"The drawing holds id {int(mask.max())}; classes are 1..{len(project.classes)}. Paint over it."
        )
    said = study.keep(slot, _measured(mask, study.planned, slot, project.classes))
    if study.complete:
        with suppress(
            ProjectError
        ):  # the reading is kept; a damaged one is told by whoever asks for the result
            study.result()
    return said


def _names(people: Sequence[str]) -> tuple[str, ...]:
    """Names without spaces that nobody sees; a name that is a model's is refused."""
    names = tuple(" ".join(name.split()) for name in people)
    for name in names:
        if found := A_MODELS_NAME.fullmatch(name):
            raise ConfigError(
                f"An operator is named {name!r}, but {name!r} is what a model is called. Give the person another name, or let the model "
                f"itself take part: --model {found[1]}."
            )
    return names


def _begin(project: Project, planned: StudyPlan, readings: Mapping[Slot, Drawing]) -> Study:
    study = Study.begin(project.path, planned, readings)
    if study.complete:
        study.result()
    return study


def _measured(mask: Mask, planned: StudyPlan, slot: Slot, classes: ClassMap) -> Drawing:
    """The drawing with the ratio of the slice alone, and what the recipe's limit says of it."""
    axis = planned.parts[slot.part].plane.axis
    found = judged_ratio(np.expand_dims(mask, axis), classes, planned.recipe)
    if found.value is None:
        raise LabelError(
            f"No reading: {found.reason}. Paint that too; where the slice shows none, the study has to be planned without it."
        )
    return Drawing(mask, found.value, found.verdict.value)


def _ratios(ground: _Ground) -> Steps[dict[SliceKey, float]]:
    """The ratio of each slice that may be a part."""
    found: dict[SliceKey, float] = {}
    recipe, names = ground.config.measure, sorted(ground.reader.records)
    step = -(-sum(r.n_slices for r in ground.reader.records.values()) // MOST_CANDIDATES)
    for done, name in enumerate(names):
        yield Progress(done, len(names), f"void ratios of {name}")
        for key, mask in _said(ground, name, step):
            axis = ground.reader.records[name].plane.axis
            value = measured_ratio(np.expand_dims(mask, axis), ground.classes, recipe)
            if value is not None:
                found[key] = value
    return found


def _said(ground: _Ground, scan: str, step: int) -> Iterator[tuple[SliceKey, Mask]]:
    """Labelled slices of a scan and every `step`-th predicted one; a label that leaves pixels out gives way to a prediction."""
    record, cycle = ground.reader.records[scan], ground.cycle
    predicted = None if cycle is None else read_mask(cycle.folder, scan, ground.classes, record.shape)
    for key in record.slice_keys():
        label = None
        if key in ground.labels:
            with suppress(ProjectError):  # painted on since
                label = ground.labels[key].mask()
        if label is not None and (predicted is None or (label != UNLABELLED).all()):
            yield key, label
        elif predicted is not None and (label is not None or key.index % step == 0):
            yield key, np.asarray(predicted[slice_index(record.plane, key.index)])


def _read(planned: StudyPlan, name: str, cycle: Cycle, ground: _Ground) -> Steps[dict[Slot, Drawing]]:
    """The readings of a model, each repeat another look."""
    yield Progress(0, planned.plan.repeats, LOADING)
    from voidscope.model import load_segmenter, predict_slices

    network = load_segmenter(cycle.settings.model, len(ground.classes), cycle.weights())
    images = [ground.reader.image(planned.parts[part].key) for part in planned.plan.parts]
    found: dict[Slot, Drawing] = {}
    for repeat, axes in enumerate(MIRRORS[: planned.plan.repeats], start=1):
        yield Progress(repeat, planned.plan.repeats, f"{name}, look {repeat}")
        looks: Iterable[npt.NDArray[np.float32]] = (
            np.ascontiguousarray(np.flip(image, axes)) for image in images
        )
        masks = [
            np.flip(p.mask, axes)
            for p in predict_slices(network, looks, cycle.normalisation, ground.config.device)
        ]
        for part, mask in zip(planned.plan.parts, masks, strict=True):
            slot = Slot(part, name, repeat)
            found[slot] = _model_reading(np.ascontiguousarray(mask), planned, slot, ground.classes)
    return found


def _model_reading(mask: Mask, planned: StudyPlan, slot: Slot, classes: ClassMap) -> Drawing:
    try:
        return _measured(mask, planned, slot, classes)
    except LabelError as error:
        key = planned.parts[slot.part].key
        raise NotReady(
            f"{slot.operator} gives no reading of {key} in look {slot.repeat}: {error} Choose other slices, or leave the model out."
        ) from error
