"""Agreement of a model's masks with the truth of held-out scans."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from voidscope.config import Config
from voidscope.errors import NotReady
from voidscope.evaluation import Matrix, confusion_matrix, defined, iou, miou, recall
from voidscope.jobs import Job, Progress, Steps
from voidscope.project import Cycle, PackedLabel, Project, ScanRecord, truth_of
from voidscope.project.masks import read_mask
from voidscope.vocabulary import ClassMap, Mask, Role, SliceKey, Split
from voidscope.volume import Dataset, slice_index
from voidscope.workflow.asking import ScanPrediction, segment
from voidscope.workflow.snapshot import current_cycle, made_with

KEPT = ("miou", "miou_foreground", "iou", "void_recall", "scans", "truth", "truth_sha256", "created")
"""What a cycle keeps of its evaluation."""


@dataclass(frozen=True)
class Evaluation:
    """How well one model's masks agree with the truth of held-out scans, from one pooled confusion matrix."""

    miou: float
    miou_foreground: float
    iou: Mapping[str, float | None]
    n_labelled: int
    cycle: int
    scans: tuple[str, ...]
    void_recall: float | None = None
    """Share of the true void that was found; None where there is none."""


@dataclass(frozen=True)
class Judged:
    """What an evaluation found: masks made on the way, the figures, and what the truth was."""

    predictions: Mapping[str, ScanPrediction]
    result: Evaluation
    source: Mapping[str, str]


def evaluate(
    project: Project, dataset: Dataset | None = None, config: Config | None = None
) -> Job[Judged, Evaluation]:
    """Compare the current model with the truth of test scans: the dataset's, or the labels people gave them.

    One confusion matrix is pooled over all labelled pixels at native size; test scans not segmented yet are on the way.
    A label that is or ever was an accepted prediction judges no model: it would find itself right. Nor does a scan that the
    model has learnt from, even if it is a test scan by now.

    Raises
    ------
    NotReady : there is no model, or no test scan has truth that it has not learnt from.
    """
    cycle = current_cycle(project)
    known = with_truth(project, dataset)
    names = unseen(project, known, [cycle])
    if not names:
        raise NotReady(learnt(known, [cycle]) if known else nothing_to_judge_by(project, dataset))
    truth_by_name = truths(project, dataset, names)
    known_by = truth_hash(project, names) if dataset is None else ""
    job, classes, shapes = (
        segment(project, names, config=config),
        project.classes,
        {n: project.scan(n).shape for n in names},
    )

    def steps() -> Steps[Judged]:
        predictions = yield from job.steps()
        matrix: Matrix = np.zeros((len(classes), len(classes)), np.int64)
        said = hashlib.sha256()
        for name in names:
            yield Progress(0, 1, f"comparing {name}")
            truth = truth_by_name(name)
            found = predictions.get(name)
            mask = read_mask(cycle.folder, name, classes, shapes[name]) if found is None else found.mask
            if mask is None:
                raise NotReady(f"The mask of {name} is gone; run segment again.")
            said.update(truth.tobytes())
            matrix += confusion_matrix(truth, mask, len(classes))
        result = evaluation_of(matrix, classes, len(cycle.labelled), cycle.number, names)
        source = {
            "truth": "labels" if dataset is None else str(dataset.folder),
            "truth_sha256": known_by or said.hexdigest(),
        }
        return Judged(predictions, result, source)

    def commit(found: Judged) -> Evaluation:
        job.commit(dict(found.predictions))
        project.set_evaluation(cycle.id, kept_of(found.result, found.source))
        return found.result

    return Job("Evaluating", steps, commit)


def judged(project: Project) -> tuple[str, ...]:
    """Test scans by whose labels the current model can be judged: it has not learnt from them, and no model had a say."""
    return unseen(project, with_truth(project, None), [] if project.cycle is None else [project.cycle])


def judgement(project: Project, cycle: Cycle) -> dict[str, Any] | None:
    """What a cycle was judged as, None where that was by other labels than the test scans have now: it says nothing of them."""
    found = cycle.evaluation
    return found if found is not None and by_labels_of_now(project, found) else None


def by_labels_of_now(project: Project, found: Mapping[str, Any]) -> bool:
    """Whether an evaluation is by the labels that the test scans have now, or by a dataset's truth."""
    if found.get("truth", "labels") != "labels":
        return True
    among = set(found["scans"]) <= set(project.scans)
    later = set(unseen(project, with_truth(project, None), project.cycles)) - set(found["scans"])
    return among and not later and found.get("truth_sha256") == truth_hash(project, found["scans"])


def to_judge(project: Project) -> bool:
    """Whether the current model can be judged by labels and masks that are there, and was not yet, or by other labels."""
    cycle, names = project.cycle, judged(project)
    if cycle is None or not names or not all(map(project.is_segmented, names)):
        return False
    return judgement(project, cycle) is None


def truth_hash(project: Project, scans: Iterable[str]) -> str:
    """Names what people said of these scans: SHA-256 over the hashes of the labels in which no model had a say."""
    said = [(str(k), project.labels.record(k).sha256) for k in judging_keys(project, sorted(scans))]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def with_truth(project: Project, dataset: Dataset | None) -> tuple[str, ...]:
    """Test scans whose truth the dataset holds; without one, those with labels in which no model had a say."""
    if dataset is None:
        known = {key.scan for key in project.labels if not project.labels.record(key).proposed}
    else:
        known = {s.name for s in dataset.scans if s.labels_path is not None}
    return tuple(s.name for s in project.scans.values() if s.split is Split.TEST and s.name in known)


def unseen(project: Project, scans: Iterable[str], models: Iterable[Cycle]) -> tuple[str, ...]:
    """Those scans that none of the models has learnt from, under this name or as another file of the same data."""
    models = tuple(models)
    seen = frozenset[str]().union(*(m.learnt_from for m in models))
    data = {project.scan(n).fingerprint for n in seen if n in project.scans}
    data |= {
        f["fingerprint"] for m in models for f in m.provenance.get("scans", {}).values()
    }  # also of removed ones
    return tuple(n for n in scans if n not in seen and project.scan(n).fingerprint not in data)


def learnt(scans: Iterable[str], models: Iterable[Cycle]) -> str:
    """Why these test scans judge none of the models, and the way out."""
    return (
        f"{' and '.join(m.id for m in models)} learnt from slices of {', '.join(scans)}, or of the same data under another name, which can therefore not judge it. "
        "Train again now that they are test scans, or add a scan that was never trained on with --split test."
    )


def nothing_to_judge_by(project: Project, dataset: Dataset | None) -> str:
    """Why no test scan can judge a model, and the way out."""
    if dataset is None:
        return (
            f"The labels of the test scans of {project.name} are accepted predictions, which judge no model. Clear a slice and "
            "paint it by hand, or name a folder that holds the truth: --dataset DIR."
            if any(project.scan(k.scan).split is Split.TEST for k in project.labels)
            else f"No test scan of {project.name} has labels to judge by; add one with --split test and label some of its "
            "slices, or name a folder that holds the truth: --dataset DIR."
        )
    return (
        f"{dataset.folder} holds no truth for a test scan of {project.name}; name test scans in dataset.json."
    )


def judging_keys(project: Project, scans: Iterable[str]) -> list[SliceKey]:
    """The labelled slices of scans in whose labels no model had a say, scan by scan."""
    return [k for n in scans for k in project.labels.of(n) if not project.labels.record(k).proposed]


@dataclass(frozen=True)
class HeldOut:
    """A scan's labels in which no model had a say, as they were when they were asked for."""

    record: ScanRecord
    labels: tuple[PackedLabel, ...]

    def volume(self) -> Mask:
        """The labels in their places (z, y, x), 0 elsewhere."""
        truth = np.zeros(self.record.shape, np.uint8)
        for label in self.labels:
            truth[slice_index(self.record.plane, label.key.index)] = label.mask()
        return truth


def held_out(project: Project, scan: str) -> HeldOut:
    """What people said of a scan without a model, for a job to judge by."""
    return HeldOut(project.scan(scan), project.labels.packed(judging_keys(project, [scan])))


def truths(project: Project, dataset: Dataset | None, names: Iterable[str]) -> Callable[[str], Mask]:
    """What tells a job's steps the truth (z, y, x) of a scan: the dataset, else what people said of it without a model."""
    if dataset is None:
        labels = {n: held_out(project, n) for n in names}
        return lambda name: labels[name].volume()
    records, classes = {n: project.scan(n) for n in names}, project.classes
    return lambda name: truth_of(dataset, records[name], classes)


def kept_of(result: Evaluation, source: Mapping[str, str]) -> dict[str, object]:
    """What a cycle keeps of its evaluation, and by which truth that was."""
    kept = asdict(result) | dict(source) | {"created": made_with()["created"]}
    kept |= {name: defined(kept[name]) for name in ("miou", "miou_foreground")}
    return {name: kept[name] for name in KEPT}


def evaluation_of(
    matrix: Matrix, classes: ClassMap, n_labelled: int, cycle: int, scans: tuple[str, ...]
) -> Evaluation:
    """What a pooled confusion matrix says of a cycle's model."""
    per_class = {n: defined(v) for n, v in zip(classes.names, iou(matrix).tolist(), strict=True)}
    background = [i - 1 for i in classes.ids_with_role(Role.BACKGROUND)]
    void = defined(recall(matrix, [i - 1 for i in classes.ids_with_role(Role.VOID)]))
    return Evaluation(
        miou(matrix), miou(matrix, exclude=background), per_class, n_labelled, cycle, scans, void
    )
