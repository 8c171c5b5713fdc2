"""Agreement of a model's masks with the truth of held-out scans."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

import numpy as np

from voidscope.config import Config
from voidscope.errors import NotReady
from voidscope.evaluation import Matrix, confusion_matrix, iou, miou
from voidscope.jobs import Job
from voidscope.project import Project, project_truth
from voidscope.vocabulary import ClassMap, Mask, Role, Split
from voidscope.volume import Dataset, slice_index
from voidscope.workflow.asking import ScanPrediction, segment
from voidscope.workflow.snapshot import current_cycle


@dataclass(frozen=True)
class Evaluation:
    """How well one model's masks agree with the truth of held-out scans, from one pooled confusion matrix."""

    miou: float
    miou_foreground: float
    iou: Mapping[str, float | None]
    n_labelled: int
    cycle: int
    scans: tuple[str, ...]


def evaluate(
    project: Project, dataset: Dataset | None = None, config: Config | None = None
) -> Job[dict[str, ScanPrediction], Evaluation]:
    """Compare the current model with the truth of test scans: the dataset's, or the labels people gave them.

    One confusion matrix is pooled over all labelled pixels at native size; test scans not segmented yet are on the way.

    Raises
    ------
    NotReady : there is no model, or no test scan has truth.
    """
    cycle = current_cycle(project)
    names = judged(project) if dataset is None else _known(project, dataset)
    truth: Callable[[str], Mask] = (
        (lambda n: _labels(project, n)) if dataset is None else (lambda n: project_truth(project, dataset, n))
    )
    if not names:
        raise NotReady(_nothing_to_judge_by(project, dataset))
    job = segment(project, names, config=config)

    def commit(predictions: dict[str, ScanPrediction]) -> Evaluation:
        job.commit(predictions)
        classes = project.classes
        matrix: Matrix = np.zeros((len(classes), len(classes)), np.int64)
        for name in names:
            matrix += confusion_matrix(truth(name), _mask(project, name), len(classes))
        result = _evaluation(matrix, classes, len(cycle.labelled), cycle.number, names)
        kept = asdict(result) | {
            "miou": _number(result.miou),
            "miou_foreground": _number(result.miou_foreground),
        }
        project.set_evaluation(
            cycle.id, {k: v for k, v in kept.items() if k in ("miou", "miou_foreground", "iou", "scans")}
        )
        return result

    return Job("Evaluating", job.steps, commit)


def judged(project: Project) -> tuple[str, ...]:
    """Test scans with labels, by which a model can be judged without a dataset."""
    labelled = {key.scan for key in project.labels}
    return tuple(s.name for s in project.scans.values() if s.split is Split.TEST and s.name in labelled)


def _known(project: Project, dataset: Dataset) -> tuple[str, ...]:
    known = {s.name for s in dataset.scans if s.labels_path is not None}
    return tuple(s.name for s in project.scans.values() if s.split is Split.TEST and s.name in known)


def _nothing_to_judge_by(project: Project, dataset: Dataset | None) -> str:
    if dataset is None:
        return (
            f"No test scan of {project.name} has labels to judge by; add one with --split test and label some of its "
            "slices, or name a folder that holds the truth: --dataset DIR."
        )
    return (
        f"{dataset.folder} holds no truth for a test scan of {project.name}; name test scans in dataset.json."
    )


def _labels(project: Project, scan: str) -> Mask:
    """A scan's labels (z, y, x), 0 where nobody labelled."""
    record = project.scan(scan)
    truth = np.zeros(record.shape, np.uint8)
    for key in project.labels:
        label = project.labels.get(key) if key.scan == scan else None
        if label is not None:
            truth[slice_index(record.plane, key.index)] = label
    return truth


def _evaluation(
    matrix: Matrix, classes: ClassMap, n_labelled: int, cycle: int, scans: tuple[str, ...]
) -> Evaluation:
    per_class = {n: _number(v) for n, v in zip(classes.names, iou(matrix).tolist(), strict=True)}
    background = [i - 1 for i in classes.ids_with_role(Role.BACKGROUND)]
    return Evaluation(miou(matrix), miou(matrix, exclude=background), per_class, n_labelled, cycle, scans)


def _number(value: float) -> float | None:
    """The value, None where it is undefined."""
    return None if np.isnan(value) else float(value)


def _mask(project: Project, scan: str) -> Mask:
    mask = project.mask(scan)
    if mask is None:
        raise NotReady(f"{scan} is not segmented; run segment first.")
    return mask
