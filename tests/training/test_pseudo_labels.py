"""Pseudo-labels: what counts as sure, how often each slice is drawn, and what the second network learns from."""

from __future__ import annotations

import math
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


def test_both_networks_are_told_which_classes_are_void(asked: list[dict[str, Any]]) -> None:
    _run(SURE_OF_DISCS.with_changes(["model.detail=true"]), void_ids=(2,))
    assert [call["void_ids"] for call in asked] == [(2,), (2,)]


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


@pytest.mark.parametrize(
    ("ours", "theirs", "crops_per_slice", "expected"),
    [
        ([(60, 60)] * 3, [(60, 60)] * 8, 0, [3] * 3 + [1] * 8),
        ([(640, 640)], [(64, 64)] * 10, 0, [1] + [10] * 10),  # a large labelled slice, few small ones
        ([(640, 640)], [(64, 64)] * 10, 1, [10] + [1] * 10),
        ([(64, 64)] * 4, [(64, 64)], 0, [1] * 4 + [4]),
    ],
)
def test_crops_come_from_both_about_as_often(
    ours: list[tuple[int, int]], theirs: list[tuple[int, int]], crops_per_slice: int, expected: list[int]
) -> None:
    config = quick("train.crop=64", f"train.crops_per_slice={crops_per_slice}")
    masks = [[np.ones(shape, np.uint8) for shape in shapes] for shapes in (ours, theirs)]
    assert module._times(config, *masks) == expected


@pytest.mark.parametrize(
    ("words", "steps"),
    [
        (["train.steps=2", "train.growth=0.5"], 4),
        (
            ["train.steps=0", "train.epochs=3", "train.batch_size=16", "train.crop=64"],
            9,
        ),  # as the paper has it
    ],
)
def test_both_trainings_take_the_steps_of_the_labels_alone(
    asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, words: list[str], steps: int
) -> None:
    monkeypatch.setattr(module, "SURE", math.inf)
    images, labels = discs(48)
    run = finish(pseudo_label_steps(
        images, labels, discs(60, seed=1)[0], 3, SURE_OF_DISCS.with_changes(words), normalisation=NORMALISATION,
    ))  # fmt: skip
    counted = [
        sum(p.note.startswith(f"{which} of two trainings: epoch") for p in run.progress)
        for which in ("first", "second")
    ]
    assert counted == [steps, steps]
    assert run.result.pseudo_labelled == 60


def test_a_network_that_is_sure_of_nothing_stays_the_one_there_is(asked: list[dict[str, Any]]) -> None:
    found = _run(quick("train.steps=1", "train.epochs=1", "train.learning_rate=1e-6"))
    assert len(asked) == 1
    assert found.warnings[-1].startswith("The network was sure of nothing")
    assert found.pseudo_labelled == 0
    images, labels = discs(3)
    plain = finish(train_steps(images, labels, 3, asked[0]["config"], normalisation=NORMALISATION)).result
    assert found.weights == plain.weights


def test_no_slices_to_look_at_are_nothing_to_be_sure_of() -> None:
    said = _run(quick("train.steps=1", "train.epochs=1"), further=0).warnings
    assert said[-1].startswith("The network was sure of nothing")


def test_a_class_that_no_label_shows_is_never_a_pseudo_label(taught: list[dict[str, Any]]) -> None:
    assert {int(c) for m in taught[1]["labels"] for c in np.unique(m)} <= {0, 1, 2}


def test_of_large_slices_a_window_is_looked_at_and_small_ones_are_whole() -> None:
    def ramp(shape: tuple[int, int]) -> np.ndarray:
        rows, columns = np.mgrid[: shape[0], : shape[1]]
        return (rows * 1000 + columns).astype(np.float32)

    images = [ramp(shape) for shape in ((300, 40), (1000, 700), (256, 257), (20, 30))]
    for seed in range(5):
        found = [module.window_of(image, seed, k) for k, image in enumerate(images)]
        assert [w.shape for w in found] == [(256, 40), (256, 256), (256, 256), (20, 30)]
        for window in found:
            assert (np.diff(window, axis=0) == 1000).all()
            assert (np.diff(window, axis=1) == 1).all()
    corners = {int(module.window_of(images[0], seed, 0)[0, 0]) // 1000 for seed in range(40)}
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
