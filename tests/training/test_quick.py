"""A quick look: its fit against a slow twin and closed forms, what it keeps, and that it changes no network."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from training.scenes import NORMALISATION, discs, quick, tiny_segmenter
from voidscope.model import Compute, Segmenter, predict_slices
from voidscope.model.detail import DetailNetwork
from voidscope.training import quick as module
from voidscope.training.quick import (
    MOST_PIXELS,
    REST,
    QuickLook,
    Sample,
    Trial,
    fit_head,
    fit_softmax,
    sample_of,
    trial_of,
)
from voidscope.training.warm import NEVER

CPU = Compute(torch.device("cpu"), torch.float32)


@pytest.fixture(params=["the U-Net alone", "with a detail network"])
def network(request: pytest.FixtureRequest) -> Segmenter:
    alone = tiny_segmenter(quick().model, 3).eval()
    if request.param == "the U-Net alone":
        return alone
    torch.manual_seed(1)
    detail = DetailNetwork(3)
    detail.train()(torch.randn(4, 1, 32, 32))
    detail.name_void([2])
    with torch.no_grad():
        detail.head.bias[1] += 5  # an opinion strong enough to change what is said
    return Segmenter(alone.encoder, alone.decoder, alone.head, detail).eval()


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
    said = torch.from_numpy(module._said(network, found.features.float()))
    if network.detail is not None:
        alone = Segmenter(network.encoder, network.decoder, network.head)
        assert (module._said(alone, found.features[:, :144].float()) != said.numpy()).any()
    prediction = next(iter(predict_slices(network, images, NORMALISATION, "cpu")))
    where = mask > 0
    assert len(found.classes) == 2 * where.sum()  # once from anywhere, once from its class
    expected, seen = (
        np.bincount(prediction.mask[where], minlength=4),
        torch.bincount(said, minlength=4),
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
        for classifier in network.classifiers:
            classifier.bias[1:] = NEVER
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


# -- whether it is any better


def samples_of(network: Segmenter, images: list[np.ndarray], masks: list[np.ndarray]) -> list[Sample]:
    return [sample_of(network, CPU, i, m, NORMALISATION) for i, m in zip(images, masks, strict=True)]


def tried(network: Segmenter, samples: list[Sample]) -> Trial:
    return trial_of(network, fit_head(network, samples), samples)


def test_a_head_fitted_to_good_labels_does_better_on_those_left_out(network: Segmenter) -> None:
    found = tried(network, samples_of(network, *discs(6)))
    assert found.fitted > 0.95 > 0.9 > found.own and not found.worse
    assert found.changed == 0  # nothing is unlabelled


def said_of(network: Segmenter, x: torch.Tensor) -> int:
    """The class, 0..2, of a pixel by its features (144,) or (160,), weight by weight."""

    def odds(classifier: nn.Conv2d, seen: torch.Tensor) -> np.ndarray:
        z = [
            float(((classifier.weight[k].flatten() * seen).sum() + classifier.bias[k]).detach())
            for k in range(3)
        ]
        return np.exp(np.array(z) - max(z)) / np.exp(np.array(z) - max(z)).sum()

    p = odds(network.head[0], x[:144])
    if network.detail is not None:
        void = (p[1] + odds(network.detail.head, x[144:])[1]) / 2
        p = np.array([p[0], 0, p[2]]) * (1 - void) / (p[0] + p[2])
        p[1] = void
    return int(np.argmax(p))


def test_a_trial_is_the_count_of_pixels_left_out_one_by_one(network: Segmenter) -> None:
    samples = samples_of(network, *discs(3))
    found, pairs = tried(network, samples), []
    for learnt, left_out in ((samples[::2], samples[1::2]), (samples[1::2], samples[::2])):
        fitted = fit_head(network, learnt)
        for s in left_out:
            for x, c in zip(s.features.float(), s.classes.tolist(), strict=True):
                if any(c in t.classes for t in learnt):
                    pairs.append((c, said_of(fitted, x)))
    both = [sum(t == s == c for t, s in pairs) for c in range(3)]
    either = [sum(c in pair for pair in pairs) for c in range(3)]
    assert found.fitted == pytest.approx(np.mean([b / e for b, e in zip(both, either, strict=True) if e]))


def test_labels_that_contradict_each_other_from_slice_to_slice_make_a_worse_head(network: Segmenter) -> None:
    images, labels = discs(6)
    samples = samples_of(network, images, labels)
    able = fit_head(network, samples)
    swapped = [np.where(m == 1, 2, 1).astype(np.uint8) if k % 2 else m for k, m in enumerate(labels)]
    found = tried(able, samples_of(able, images, swapped))
    assert found.worse and found.fitted < found.own


def test_what_strokes_would_change_of_the_rest_is_counted_pixel_by_pixel(network: Segmenter) -> None:
    images, labels = discs(6)
    able = fit_head(network, samples_of(network, images, labels))
    strokes = [
        np.where((m == 2) & (np.indices(m.shape).sum(0) % 3 == 0), 3, 0).astype(np.uint8) for m in labels
    ]
    samples = samples_of(able, images, strokes)
    fitted = fit_head(able, samples)
    found, differ = trial_of(able, fitted, samples), []
    for s in samples:
        assert len(s.rest) == REST
        for x in s.rest.float():
            differ.append(said_of(able, x) != said_of(fitted, x))
    assert found.changed == pytest.approx(np.mean(differ)) and found.changed > 0.2
    assert (
        found.wrong == 1.0
    )  # the able head says no pixel as these strokes do, one fitted to half of them says all


@pytest.mark.parametrize(
    ("trial", "worse"),
    [
        (Trial(0.70, 0.72, 0.2, 0.1), False),
        (Trial(0.68, 0.72, 0.2, 0.1), True),
        (Trial(0.90, 0.40, 0.45, 0.71), True),
        (Trial(0.90, 0.40, 0.45, 0.40), False),
        (Trial(float("nan"), float("nan"), 2.0, 0.0), True),
    ],
)
def test_worse_is_clearly_less_or_more_changed_than_labels_answer_for(trial: Trial, worse: bool) -> None:
    assert trial.worse is worse


def test_one_slice_tells_nothing(network: Segmenter) -> None:
    images, labels = discs(1)
    look = QuickLook(network, NORMALISATION, "cpu")
    look.learn("a", "1", images[0], labels[0])
    assert look.trial().worse and np.isnan(look.trial().own)


@pytest.mark.usefixtures("full_gpu")
def test_a_quick_look_needs_no_room_on_the_gpu(network: Segmenter) -> None:
    images, labels = discs(2)
    look = QuickLook(network, NORMALISATION)
    look.learn("a 0", "digest", images[0], labels[0])
    assert look.at(images[1]).mask.shape == images[1].shape
