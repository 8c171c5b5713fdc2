"""Going on from a cycle's weights: what is shorter and gentler, and which class gets a chance again."""

from __future__ import annotations

import numpy as np
import pytest
import safetensors.torch
import torch

from training.scenes import NORMALISATION, discs, finish, quick, tiny_segmenter
from voidscope.config import Config
from voidscope.model import Segmenter, build_segmenter
from voidscope.training import supervised, train_steps
from voidscope.training.warm import GENTLE, NEVER, warm_recipe, welcome


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tiny network, whose weights are handed over as such."""
    from voidscope.model.weights import load_weights

    def load(config: object, n_classes: int, weights: bytes) -> Segmenter:
        network = tiny_segmenter(config, n_classes)  # type: ignore[arg-type]
        load_weights(network, weights)
        return network

    monkeypatch.setattr(supervised, "build_segmenter", tiny_segmenter)
    monkeypatch.setattr(supervised, "load_segmenter", load)


def train(config: Config, n: int, warm: bytes | None = None) -> supervised.Trained:
    images, labels = discs(n)
    found = finish(train_steps(images, labels, 3, config, normalisation=NORMALISATION, warm=warm)).result
    assert isinstance(found, supervised.Trained)
    return found


@pytest.mark.parametrize(
    ("words", "epochs", "steps"),
    [(["preset=product"], 8, 75), (["preset=paper"], 8, 0), (["train.epochs=3", "train.steps=4"], 1, 1)],
)
def test_a_warm_training_is_a_sixth_as_long_at_a_lower_rate(
    words: list[str], epochs: int, steps: int
) -> None:
    full = Config().with_changes(words)
    warm = warm_recipe(full)
    assert (warm.train.epochs, warm.train.steps) == (epochs, steps)
    assert warm.train.learning_rate == pytest.approx(GENTLE * full.train.learning_rate)
    assert warm.train.drop_epoch == round(full.train.drop_epoch / 6)
    kept = type(full.train).model_fields.keys() - {"epochs", "steps", "learning_rate", "drop_epoch"}
    assert all(getattr(warm.train, n) == getattr(full.train, n) for n in kept)
    assert (warm.model, warm.seed) == (full.model, full.seed)


def test_it_goes_on_where_the_first_training_stopped_and_repeats_bit_for_bit(tiny: None) -> None:
    config = quick("train.epochs=12", "train.crop=64")
    first = train(config, 4)
    again = train(config, 6, first.weights)
    assert len(again.losses) == 2
    assert again.losses[0] < train(config, 6).losses[0]
    assert again.weights != first.weights
    assert train(config, 6, first.weights).weights == again.weights


def test_a_class_that_nobody_had_labelled_can_be_learnt_on_the_way(tiny: None) -> None:
    images, labels = discs(4)
    config = quick("train.crop=64")
    without = [np.where(m == 2, 0, m).astype(np.uint8) for m in labels]
    first = finish(train_steps(images, without, 3, config, normalisation=NORMALISATION)).result
    again = train(config, 4, first.weights)
    bias = safetensors.torch.load(again.weights)["head.0.bias"]
    assert bias[1] > NEVER / 2  # a disc has been shown now
    assert bias[2] == NEVER  # nobody has shown this class yet


def test_a_class_is_welcomed_at_the_least_of_the_others(tiny: None) -> None:
    network = tiny_segmenter(quick().model, 4)
    with torch.no_grad():
        network.head[0].bias.copy_(torch.tensor([0.5, NEVER, -2.0, NEVER]))
    welcome(network, np.array([True, True, True, False]))
    assert network.head[0].bias.tolist() == [0.5, -2.0, -2.0, NEVER]


def test_the_detail_network_welcomes_a_class_too() -> None:
    network = build_segmenter(quick("model.detail=true").model, 3)
    assert network.detail is not None
    with torch.no_grad():
        network.detail.head.bias.copy_(torch.tensor([0.5, NEVER, NEVER]))
    welcome(network, np.array([True, True, False]))
    assert network.detail.head.bias.tolist() == [0.5, 0.5, NEVER]
