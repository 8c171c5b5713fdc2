"""Whether a new model is worse than the one before it, by what there is to tell from.

By the labelled slices of the test scans, where there are any: neither model has seen them. Otherwise by the slices that both
have learnt from: that shows a training that went wrong, but not one that learnt its labels by heart, and is said so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from voidscope.config import Config, ModelConfig
from voidscope.errors import ProjectError
from voidscope.evaluation import Matrix, confusion_matrix, defined, miou
from voidscope.jobs import Job, Progress, Steps
from voidscope.project import Cycle, PackedLabel, Project, SliceReader, results
from voidscope.vocabulary import ClassMap, Role, SliceKey
from voidscope.workflow.evaluating import (
    evaluation_of,
    judgement,
    judging_keys,
    kept_of,
    truth_hash,
    unseen,
    with_truth,
)
from voidscope.workflow.snapshot import LOADING
from voidscope.workflow.succeeding import LEARNT, SUCCEEDS, UNSEEN, Comparison, remember

MOST_LEARNT = 48
"""Slices looked at of those that both have learnt from, spread evenly over them."""

Truth = Sequence[PackedLabel]
Score = tuple[float | None, float | None]
"""Void IoU and mIoU; None where nothing tells."""
Compared = tuple[Comparison, Sequence[Matrix]]
"""How a pair of cycles compares, and the confusion matrix of each, the earlier one's first."""


def compare_models(project: Project, config: Config | None = None) -> Job[Compared | None, Comparison | None]:
    """Compare the current model with the one whose place it took, and keep the outcome in its cycle.

    Told by test scans, these are the figures of an evaluation, and each cycle that was not judged by the labels of now keeps them as one.
    None where there is none, its weights are lost, or nothing to tell from.
    """
    pair = _pair(project)
    basis, keys = _told_by(project, pair) if pair else (UNSEEN, ())
    scans = tuple(sorted({k.scan for k in keys}))
    source = {"truth": "labels", "truth_sha256": truth_hash(project, scans)}
    unjudged = [c for c in pair if basis == UNSEEN and judgement(project, c) is None]
    truth = project.labels.packed(keys)
    reader, classes = project.reader({k.scan for k in keys}), project.classes
    device = (config or project.config).device

    def steps() -> Steps[Compared | None]:
        if not truth or not _has_weights(pair[0]):
            return None
        yield Progress(0, 2 * len(truth), LOADING)
        found: list[Matrix] = []
        for cycle in pair:
            done = len(found) * len(truth)
            found.append(
                (yield from matrix_of(cycle, reader, truth, len(classes), device, done, 2 * len(truth)))
            )
        voids = [score(m, classes)[0] for m in found]
        old, new = pair
        mious = (miou(found[1]), miou(found[0]))
        return Comparison(new.number, old.number, basis, len(truth), (voids[1], voids[0]), mious), found

    def commit(found: Compared | None) -> Comparison | None:
        comparison, judged = found or (None, ())
        for cycle, matrix in zip(pair, judged, strict=False):
            if cycle in unjudged:
                result = evaluation_of(matrix, classes, len(cycle.labelled), cycle.number, scans)
                results.write_evaluation(cycle.folder, kept_of(result, source))
        if pair:
            remember(project, pair[1], comparison)
        return comparison

    return Job("Comparing", steps, commit)


def _pair(project: Project) -> tuple[Cycle, ...]:
    """The cycle whose place the current one took, and the current one; nothing where there is none."""
    *earlier, cycle = project.cycles or (None,)
    if cycle is None or not earlier:
        return ()
    succeeds = None if cycle.restored else cycle.provenance.get(SUCCEEDS)
    return next((c for c in earlier if c.number == succeeds), earlier[-1]), cycle


def _has_weights(cycle: Cycle) -> bool:
    """Whether a cycle's weights are there, and undamaged."""
    try:
        return bool(cycle.weights())
    except ProjectError:
        return False


def _told_by(project: Project, pair: Sequence[Cycle]) -> tuple[str, tuple[SliceKey, ...]]:
    """By which labelled slices two cycles are compared, and which kind they are."""
    fair = unseen(project, with_truth(project, None), pair)
    judging = judging_keys(project, fair)
    if judging:
        return UNSEEN, tuple(judging)
    said = [c.provenance.get("labels_sha256") or {} for c in pair]
    learnt = [
        k for k in project.labels
        if all(labels.get(str(k)) == project.labels.record(k).sha256 for labels in said)
    ]  # fmt: skip
    return LEARNT, tuple(learnt[:: -(-len(learnt) // MOST_LEARNT) or 1])


def matrix_of(
    cycle: Cycle, reader: SliceReader, truth: Truth, n_classes: int, device: str, done: int, total: int
) -> Steps[Matrix]:
    """One cycle's confusion matrix, pooled over the labelled pixels of the slices; `done` of `total` slices were judged before."""
    model, weights = cycle.settings.model, cycle.weights()
    matrix: Matrix = np.zeros((n_classes, n_classes), np.int64)
    judged = matrices(model, weights, cycle.normalisation, reader, truth, n_classes, device)
    for k, part in enumerate(judged, start=1):
        matrix += part
        yield Progress(done + k, total, f"cycle {cycle.number} on {truth[k - 1].key}")
    return matrix


def matrices(
    model: ModelConfig, weights: bytes, normalisation: tuple[float, float], reader: SliceReader, truth: Truth,
    n_classes: int, device: str,
) -> Iterator[Matrix]:  # fmt: skip
    """The confusion matrix of a network's mask with each labelled slice, in order; nothing is kept of the masks."""
    from voidscope.model import load_segmenter, predict_slices

    network = load_segmenter(model, n_classes, weights)
    images = (reader.image(label.key) for label in truth)
    found = predict_slices(network, images, normalisation, device, flips=model.flips)
    return (
        confusion_matrix(label.mask(), said.mask, n_classes) for label, said in zip(truth, found, strict=True)
    )


def score(matrix: Matrix, classes: ClassMap) -> Score:
    """Mean IoU of the void classes that occur, and of all classes that do."""
    voids = classes.ids_with_role(Role.VOID)
    found = (miou(matrix, exclude=[k for k in range(len(matrix)) if k + 1 not in voids]), miou(matrix))
    void, mean = map(defined, found)
    return void, mean
