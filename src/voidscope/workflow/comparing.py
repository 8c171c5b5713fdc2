"""Whether a new model is worse than the one before it, by what there is to tell from.

By the labelled slices of the test scans, where there are any: neither model has seen them. Otherwise by the slices that both
have learnt from: that shows a training that went wrong, but not one that learnt its labels by heart, and is said so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from voidscope.config import Config
from voidscope.errors import ProjectError
from voidscope.evaluation import Matrix, confusion_matrix, iou, miou
from voidscope.jobs import Job, Progress, Steps
from voidscope.project import Cycle, Project, SliceReader
from voidscope.vocabulary import Mask, Role, SliceKey
from voidscope.workflow.evaluating import unseen, with_truth
from voidscope.workflow.restoring import MARGIN
from voidscope.workflow.snapshot import LOADING

UNSEEN, LEARNT = "unseen", "learnt"
MOST_LEARNT = 48
"""Slices looked at of those that both have learnt from, spread evenly over them."""


@dataclass(frozen=True)
class Comparison:
    """Two cycles on the same labelled slices; void IoU is None where no void is among them."""

    now: int
    before: int
    basis: str
    """``unseen``: labelled slices of test scans; ``learnt``: slices that both learnt from."""
    n_slices: int
    void: tuple[float | None, float | None]
    """Void IoU of the new model and of the one before."""
    miou: tuple[float, float]

    @property
    def worse(self) -> bool:
        """Whether the new model is clearly worse: by void IoU, or by mIoU where there is no void to tell from."""
        new, old = self.void
        if new is None or old is None:
            new, old = self.miou
        return new < old - MARGIN

    def sentence(self) -> str:
        """What was compared and how it came out."""
        new, old = self.void
        figure = "void IoU"
        if new is None or old is None:
            figure, (new, old) = "mIoU", self.miou
        on = (
            f"on {self.n_slices} labelled slices of test scans"
            if self.basis == UNSEEN
            else f"on {self.n_slices} slices both learnt from (no test scan is labelled, so this shows less)"
        )
        return f"Cycle {self.now}: {figure} {new:.3f}, cycle {self.before}: {old:.3f}, {on}."


def compare(project: Project) -> Job[Comparison | None, Comparison | None]:
    """Compare the current model with the one before it; None where there is none, its weights are lost, or nothing to tell from."""
    pair = project.cycles[-2:]
    basis, keys = _told_by(project, pair) if len(pair) == 2 else (UNSEEN, ())
    truth = [(k, m) for k in keys if (m := project.labels.get(k)) is not None]
    reader, classes = project.reader({k.scan for k in keys}), project.classes
    device = project.config.device

    def steps() -> Steps[Comparison | None]:
        if not truth or not _has_weights(pair[0]):
            return None
        yield Progress(0, 2 * len(truth), LOADING)
        found: list[Matrix] = []
        for cycle in pair:
            done = len(found) * len(truth)
            found.append(
                (yield from matrix_of(cycle, reader, truth, len(classes), device, done, 2 * len(truth)))
            )
        voids = [_void(m, [c - 1 for c in classes.ids_with_role(Role.VOID)]) for m in found]
        old, new = pair
        return Comparison(
            new.number, old.number, basis, len(truth), (voids[1], voids[0]), (miou(found[1]), miou(found[0]))
        )

    return Job("Comparing", steps, lambda comparison: comparison)


def _has_weights(cycle: Cycle) -> bool:
    """Whether a cycle's weights are there, and undamaged."""
    try:
        return bool(cycle.weights())
    except ProjectError:
        return False


def _told_by(project: Project, pair: Sequence[Cycle]) -> tuple[str, tuple[SliceKey, ...]]:
    """By which labelled slices two cycles are compared, and which kind they are."""
    fair = unseen(project, with_truth(project, None), pair)
    judging = [k for n in fair for k in project.labels.of(n) if not project.labels.record(k).proposed]
    if judging:
        return UNSEEN, tuple(judging)
    said = [c.provenance.get("labels_sha256") or {} for c in pair]
    learnt = [
        k for k in project.labels
        if all(labels.get(str(k)) == project.labels.record(k).sha256 for labels in said)
    ]  # fmt: skip
    return LEARNT, tuple(learnt[:: -(-len(learnt) // MOST_LEARNT) or 1])


def matrix_of(
    cycle: Cycle, reader: SliceReader, truth: Sequence[tuple[SliceKey, Mask]], n_classes: int, device: str, done: int, total: int
) -> Steps[Matrix]:  # fmt: skip
    """One cycle's confusion matrix, pooled over the labelled pixels of the slices; `done` of `total` slices were judged before."""
    from voidscope.model import load_segmenter, predict_slices

    model = Config.parse(dict(cycle.config)).model
    network = load_segmenter(model, n_classes, cycle.weights())
    images = (reader.image(k) for k, _ in truth)
    predictions = predict_slices(network, images, cycle.normalisation, device, flips=model.flips)
    matrix: Matrix = np.zeros((n_classes, n_classes), np.int64)
    for k, (said, found) in enumerate(zip(truth, predictions, strict=True), start=1):
        matrix += confusion_matrix(said[1], found.mask, n_classes)
        yield Progress(done + k, total, f"cycle {cycle.number} on {said[0]}")
    return matrix


def _void(matrix: Matrix, voids: Sequence[int]) -> float | None:
    """Mean IoU of the void classes that occur."""
    found = [v for k in voids if not np.isnan(v := float(iou(matrix)[k]))]
    return sum(found) / len(found) if found else None
