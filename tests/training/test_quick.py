"""A quick look: its fit against a slow twin and closed forms, what it keeps, and that it changes no network."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from training.scenes import NORMALISATION, discs, quick, tiny_segmenter
from voidscope.model import Compute, Segmenter, predict_slices
from voidscope.training import quick as module
from voidscope.training.quick import MOST_PIXELS, QuickLook, fit_head, fit_softmax, sample_of
from voidscope.training.warm import NEVER

CPU = Compute(torch.device("cpu"), torch.float32)


@pytest.fixture
def network() -> Segmenter:
    return tiny_segmenter(quick().model, 3).eval()


def loss_by_loops(x: np.ndarray, y: np.ndarray, w: np.ndarray, b: np.ndarray, w0: np.ndarray, b0: np.ndarray, tether: float) -> float:  # fmt: skip
    """Mean cross-entropy and half the tethered distance, pixel by pixel and weight by weight."""
    total = 0.0
    for row, c in zip(x, y, strict=True):
        logits = [sum(w[k][f] * row[f] for f in range(len(row))) + b[k] for k in range(len(b))]
        total += np.log(sum(np.exp(v) for v in logits)) - logits[c]
    away = sum((p - q) ** 2 for p, q in zip(w.ravel(), w0.ravel(), strict=True))
    away += sum((p - q) ** 2 for p, q in zip(b, b0, strict=True))
    return float(total / len(y) + tether * away / 2)


@given(st.integers(0, 50))
@settings(deadline=None, max_examples=25)
def test_the_fit_is_a_minimum_of_the_loss_by_loops(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(24, 3)), rng.integers(0, 3, 24)
    w0, b0 = rng.normal(size=(3, 3)), rng.normal(size=3)
    given_ = [torch.from_numpy(a) for a in (x, y, w0, b0)]
    w, b = (t.numpy() for t in fit_softmax(*given_, tether=0.1))
    best = loss_by_loops(x, y, w, b, w0, b0, 0.1)
    assert best < loss_by_loops(x, y, w0, b0, w0, b0, 0.1)
    for _ in range(20):
        dw, db = rng.normal(0, 0.02, w.shape), rng.normal(0, 0.02, b.shape)
        assert loss_by_loops(x, y, w + dw, b + db, w0, b0, 0.1) > best - 1e-9


def test_without_a_tether_the_biases_of_featureless_pixels_are_the_logarithms_of_their_shares() -> None:
    y = torch.tensor([0] * 6 + [1] * 3 + [2])
    x, w0 = torch.zeros(10, 4, dtype=torch.float64), torch.zeros(3, 4, dtype=torch.float64)
    _, b = fit_softmax(x, y, w0, torch.zeros(3, dtype=torch.float64), tether=0.0)
    assert functional.softmax(b, 0).tolist() == pytest.approx([0.6, 0.3, 0.1], abs=1e-4)


def test_a_strong_tether_leaves_the_head_where_it_was() -> None:
    rng = torch.Generator().manual_seed(0)
    x, y = torch.randn(50, 4, generator=rng), torch.randint(0, 3, (50,), generator=rng)
    w0, b0 = torch.randn(3, 4, generator=rng), torch.randn(3, generator=rng)
    w, b = fit_softmax(x, y, w0, b0, tether=1e6)
    assert torch.allclose(w, w0, atol=1e-4) and torch.allclose(b, b0, atol=1e-4)


def test_a_sample_is_what_the_head_sees_around_labelled_pixels(network: Segmenter) -> None:
    images, labels = discs(1)
    mask = np.zeros_like(labels[0])
    mask[3:6, 5:9] = labels[0][3:6, 5:9]
    found = sample_of(network, CPU, images[0], mask, NORMALISATION)
    weight = network.head[0].weight.detach().flatten(1)
    logits = found.features.float() @ weight.T + network.head[0].bias.detach()
    prediction = next(iter(predict_slices(network, images, NORMALISATION, "cpu")))
    where = mask > 0
    assert len(found.classes) == 2 * where.sum()  # once from anywhere, once from its class
    expected, seen = (
        np.bincount(prediction.mask[where], minlength=4),
        torch.bincount(logits.argmax(1) + 1, minlength=4),
    )
    assert (2 * expected == seen.numpy()).all()


def test_a_sample_holds_no_more_than_so_many_pixels_and_every_class(network: Segmenter) -> None:
    image = np.zeros((200, 300), np.float32)
    mask = np.ones(image.shape, np.uint8)
    mask[100, 100], mask[:, :150] = 3, 2
    mask[100, 100] = 3
    found = sample_of(network, CPU, image, mask, NORMALISATION)
    assert len(found.classes) <= MOST_PIXELS
    assert set(found.classes.tolist()) == {0, 1, 2}


def test_a_head_fitted_to_labels_agrees_with_them_better_and_the_network_stays_as_it_is(
    network: Segmenter,
) -> None:
    images, labels = discs(6)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    samples = [sample_of(network, CPU, i, m, NORMALISATION) for i, m in zip(images, labels, strict=True)]
    fitted = fit_head(network, samples)

    def agreement(of: Segmenter) -> float:
        found = predict_slices(of, images, NORMALISATION, "cpu")
        return float(np.mean([(p.mask == m).mean() for p, m in zip(found, labels, strict=True)]))

    assert agreement(fitted) > 0.99 > 0.95 > agreement(network)
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())


def test_a_class_that_was_barred_is_seen_once_it_is_labelled(network: Segmenter) -> None:
    images, labels = discs(3)
    with torch.no_grad():
        network.head[0].bias[1:] = NEVER
    samples = [sample_of(network, CPU, i, m, NORMALISATION) for i, m in zip(images, labels, strict=True)]
    found = next(iter(predict_slices(fit_head(network, samples), images, NORMALISATION, "cpu")))
    assert 2 in found.mask and 3 not in found.mask


def test_only_what_changed_is_looked_at_again(network: Segmenter, monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = discs(3)
    fits: list[int] = []
    real = module.fit_head
    monkeypatch.setattr(module, "fit_head", lambda n, s: (fits.append(len(s)), real(n, s))[1])
    look = QuickLook(network, NORMALISATION, "cpu")
    own = look.at(images[0]).mask
    expected = next(iter(predict_slices(network, images[:1], NORMALISATION, "cpu"))).mask
    assert (own == expected).all() and not fits  # nothing is labelled: the network's own head
    assert look.keep_only({"a": "1", "b": "1"}) == ["a", "b"]
    for name, k in (("a", 0), ("b", 1)):
        look.learn(name, "1", images[k], labels[k])
    look.at(images[2])
    look.at(images[1])
    assert fits == [2]
    assert look.keep_only({"a": "1", "b": "2"}) == ["b"]
    look.learn("b", "2", images[2], labels[2])
    assert look.keep_only({"b": "2"}) == []
    look.at(images[2])
    assert fits == [2, 1]
