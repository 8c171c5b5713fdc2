"""Pseudo-labels: what counts as sure, how often each slice is drawn, and what the second network learns from."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from training.scenes import NORMALISATION, discs, finish, quick
from voidscope.config import Config
from voidscope.jobs import Progress, Steps
from voidscope.model import load_segmenter, predict_slices
from voidscope.training import Trained, pseudo_label_steps, train_steps
from voidscope.training import pseudo_labels as module
from voidscope.vocabulary import UNLABELLED

SURE_OF_DISCS = quick("train.optimiser=adamw", "train.learning_rate=3e-3", "train.steps=40", "train.epochs=4")


def _run(config: Config, n: int = 3, further: int = 6, **given: object) -> Trained:
    images, labels = discs(n)
    found = finish(pseudo_label_steps(
        images, labels, discs(further, seed=1)[0], 3, config, normalisation=NORMALISATION, **given,  # type: ignore[arg-type]
    )).result  # fmt: skip
    assert isinstance(found, Trained)
    return found


def _noted(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What each training is asked to learn from now on; the trainings are real."""
    calls: list[dict[str, Any]] = []

    def noting(images: Any, labels: Any, n_classes: int, config: Config, **given: Any) -> Steps[Trained]:
        calls.append({"images": list(images), "labels": list(labels), "config": config, **given})
        return train_steps(images, labels, n_classes, config, **given)

    monkeypatch.setattr(module, "train_steps", noting)
    return calls


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What each training of the test is asked to learn."""
    return _noted(monkeypatch)


@pytest.fixture(scope="module")
def taught() -> list[dict[str, Any]]:
    """What the two trainings of a run on three labelled slices and six others were asked to learn."""
    with pytest.MonkeyPatch.context() as patch:
        calls = _noted(patch)
        _run(SURE_OF_DISCS)
    return calls


def test_sure_is_nine_to_one_between_two_classes() -> None:
    assert pytest.approx(-(0.9 * math.log(0.9) + 0.1 * math.log(0.1)), abs=1e-4) == module.SURE


def test_the_second_network_learns_the_labels_and_what_the_first_one_is_sure_of(
    taught: list[dict[str, Any]],
) -> None:
    images, labels = discs(3)
    further = discs(6, seed=1)[0]
    first, second = taught
    assert all((a is b) or (a == b).all() for a, b in zip(first["images"], images, strict=True))
    plain = finish(train_steps(images, labels, 3, SURE_OF_DISCS, normalisation=NORMALISATION)).result
    network = load_segmenter(SURE_OF_DISCS.model, 3, plain.weights)
    looks = [next(iter(predict_slices(network, [image], NORMALISATION, "cpu"))) for image in further]
    expected = [np.where(p.entropy <= module.SURE, p.mask, UNLABELLED) for p in looks]
    taken = second["labels"][3:]
    assert [m.shape for m in taken] == [m.shape for m in expected if m.any()]
    assert (
        np.mean([(a == b).mean() for a, b in zip(taken, expected, strict=True)]) > 0.99
    )  # batches round otherwise
    assert any((m == UNLABELLED).any() for m in taken), "it doubts something, an edge for one"
    assert all((a == b).all() for a, b in zip(second["labels"][:3], labels, strict=True)), (
        "a person's are as they were"
    )


def test_what_a_person_labelled_is_drawn_as_often_as_the_rest(taught: list[dict[str, Any]]) -> None:
    times, masks = taught[1]["times"], taught[1]["labels"]
    assert times[3:] == [1] * (len(masks) - 3)
    ours, theirs = sum(m.size for m in masks[:3]), sum(m.size for m in masks[3:])
    assert times[:3] == [max(1, round(theirs / ours))] * 3 == [2] * 3


def test_both_trainings_are_as_long_as_so_many_labels_ask_for(asked: list[dict[str, Any]]) -> None:
    growing = SURE_OF_DISCS.with_changes(["train.steps=2", "train.growth=0.5"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SURE", math.inf)
        _run(growing, n=48, further=60)
    assert [c["config"].train.steps_for(len(c["labels"])) for c in asked] == [4, 4]


def test_a_network_that_is_sure_of_nothing_stays_the_one_there_is(asked: list[dict[str, Any]]) -> None:
    found = _run(quick("train.steps=1", "train.epochs=1", "train.learning_rate=1e-6"))
    assert len(asked) == 1
    assert found.warnings[-1].startswith("The network was sure of nothing")
    images, labels = discs(3)
    plain = finish(train_steps(images, labels, 3, asked[0]["config"], normalisation=NORMALISATION)).result
    assert found.weights == plain.weights


def test_no_slices_to_look_at_are_nothing_to_be_sure_of() -> None:
    assert _run(quick("train.steps=1", "train.epochs=1"), further=0).warnings


def test_a_class_that_no_label_shows_is_never_a_pseudo_label(taught: list[dict[str, Any]]) -> None:
    assert {int(c) for m in taught[1]["labels"] for c in np.unique(m)} <= {0, 1, 2}


def test_of_large_slices_a_window_is_looked_at_and_small_ones_are_whole() -> None:
    def images() -> Iterator[np.ndarray]:
        for shape in ((300, 40), (1000, 700), (256, 257), (20, 30)):
            rows, columns = np.mgrid[: shape[0], : shape[1]]
            yield (rows * 1000 + columns).astype(np.float32)

    for seed in range(5):
        found = list(module._windows(images(), seed))
        assert [w.shape for w in found] == [(256, 40), (256, 256), (256, 256), (20, 30)]
        for window in found:
            assert (np.diff(window, axis=0) == 1000).all()
            assert (np.diff(window, axis=1) == 1).all()
    corners = {float(next(module._windows(images(), seed))[0, 0]) // 1000 for seed in range(40)}
    assert len(corners) > 10
    assert corners <= set(range(45))


def test_a_run_repeats_bit_for_bit_and_tells_of_itself_all_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = discs(3)
    config = SURE_OF_DISCS.with_changes(["train.steps=4"])
    monkeypatch.setattr(module, "SURE", math.inf)
    runs = [
        finish(pseudo_label_steps(images, labels, discs(6, seed=1)[0], 3, config, normalisation=NORMALISATION))
        for _ in range(2)
    ]  # fmt: skip
    assert runs[0].result.weights == runs[1].result.weights
    told: list[Progress] = runs[0].progress
    shares = [p.done / p.total for p in told if p.total]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    notes = [p.note for p in told]
    assert any(n.startswith("first of two trainings: epoch 1/4") for n in notes)
    assert "pseudo-labels of 6 of 6 slices" in notes
    assert notes[-1].startswith("second of two trainings: epoch 4/4")
    assert runs[0].result.seconds > 0


def test_a_cancelled_run_closes_the_training_it_was_in(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []

    def endless(*_: object, **__: object) -> Steps[Trained]:
        try:
            while True:
                yield Progress(1, 2, "training")
        finally:
            closed.append("yes")

    monkeypatch.setattr(module, "train_steps", endless)
    images, labels = discs(2)
    steps = pseudo_label_steps(images, labels, [], 3, SURE_OF_DISCS, normalisation=NORMALISATION)
    next(steps)
    steps.close()
    assert closed == ["yes"]
