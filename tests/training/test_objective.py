"""Class weights, weighted cross-entropy and Dice, by loops, in closed form and by what they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from voidscope.errors import LabelError, NotReady
from voidscope.training.objective import class_weights, dice_loss, pixels_per_class, weighted_loss

# --- class weights


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 6), st.integers(1, 4), st.integers(0, 2**31))
def test_class_weights_are_n_over_c_n_c_by_loops(n_classes: int, n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    masks = [rng.integers(0, n_classes + 1, (3, 4), dtype=np.uint8) for _ in range(n)]
    masks[0][0, 0] = 1
    said = [int(v) for mask in masks for v in mask.flat if v]
    expected = [
        len(said) / (n_classes * said.count(c)) if c in said else 0.0 for c in range(1, n_classes + 1)
    ]
    np.testing.assert_allclose(class_weights(pixels_per_class(masks, n_classes)), expected, rtol=1e-12)


def test_equally_frequent_classes_weigh_one_each() -> None:
    assert class_weights(np.array([1, 1, 1, 1])).tolist() == [1, 1, 1, 1]


def test_an_absent_class_weighs_zero_never_infinity() -> None:
    weights = class_weights(np.array([3, 0, 0, 1, 0]))
    assert weights[[1, 2, 4]].tolist() == [0, 0, 0]
    assert np.isfinite(weights).all()


def test_unlabelled_pixels_do_not_count() -> None:
    mask = np.array([[1, 2, 2]], np.uint8)
    padded = np.pad(mask, ((0, 5), (0, 5)))
    assert pixels_per_class([padded], 2).tolist() == pixels_per_class([mask], 2).tolist() == [1, 2]


def test_without_balance_every_class_that_occurs_weighs_one() -> None:
    assert class_weights(np.array([3, 0, 1]), balance=False).tolist() == [1, 0, 1]


@pytest.mark.parametrize("masks", [[], [np.zeros((4, 4), np.uint8)]])
def test_no_label_at_all_is_refused(masks: list[np.ndarray]) -> None:
    with pytest.raises(NotReady, match=f"None of the {len(masks)} label masks has a labelled pixel"):
        pixels_per_class(masks, 3)


def test_unknown_ids_are_named() -> None:
    with pytest.raises(LabelError, match=r"Label ids \[4, 200\] are unknown; classes are 1\.\.3"):
        pixels_per_class([np.array([[1, 4, 200]], np.uint8)], 3)


# --- loss


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31))
def test_the_loss_is_weighted_cross_entropy_over_labelled_pixels_by_loops(seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits, labels, weights = (
        rng.normal(0, 3, (2, 4, 3, 5)),
        rng.integers(0, 5, (2, 3, 5)),
        rng.uniform(0, 3, 4),
    )
    expected = 0.0
    for b, y, x in np.ndindex(labels.shape):
        if labels[b, y, x]:
            z, c = logits[b, :, y, x], labels[b, y, x] - 1
            expected += weights[c] * (math.log(sum(math.exp(v) for v in z)) - z[c])
    found = weighted_loss(torch.from_numpy(logits), torch.from_numpy(labels), torch.from_numpy(weights))
    assert found.item() == pytest.approx(expected)


def test_unlabelled_pixels_have_no_gradient_whatever_the_network_says_there() -> None:
    logits = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    labels = torch.ones(1, 4, 4, dtype=torch.int64)
    labels[:, 2:] = 0
    weighted_loss(logits, labels, torch.ones(3)).backward()
    assert logits.grad is not None
    assert not logits.grad[:, :, 2:].any()
    assert logits.grad[:, :, :2].any()


# --- Dice


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31))
def test_dice_is_one_minus_twice_the_shared_over_the_sum_by_loops(seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits, labels = rng.normal(0, 2, (2, 4, 3, 5)), rng.integers(0, 5, (2, 3, 5))
    terms = []
    for c in range(1, 5):
        shared = size = total = 0.0
        for b, y, x in np.ndindex(labels.shape):
            if labels[b, y, x]:
                z = np.exp(logits[b, :, y, x])
                p = z[c - 1] / z.sum()
                total += p
                size += labels[b, y, x] == c
                shared += p * (labels[b, y, x] == c)
        if size:
            terms.append(1 - (2 * shared + 1) / (size + total + 1))
    expected = sum(terms) / len(terms) if terms else 0.0
    found = dice_loss(torch.from_numpy(logits), torch.from_numpy(labels))
    assert found.item() == pytest.approx(expected, abs=1e-12)


def test_a_sure_and_right_network_has_no_dice_loss_and_a_sure_and_wrong_one_nearly_all_of_it() -> None:
    labels = torch.tensor([[[1, 1, 2, 2, 0]]])
    right = torch.full((1, 2, 1, 5), -50.0)
    right[0, 0, 0, :2] = right[0, 1, 0, 2:] = 50.0
    assert dice_loss(right, labels).item() == pytest.approx(0.0)
    assert dice_loss(right.flip(1), labels).item() == pytest.approx(1 - 1 / 5)


def test_a_rare_class_counts_in_dice_as_much_as_a_common_one() -> None:
    labels = torch.ones(1, 10, 100, dtype=torch.int64)
    labels[0, 0, :20] = 2
    blind = torch.zeros(1, 2, 10, 100)
    blind[:, 0] = 50.0
    assert dice_loss(blind, labels).item() == pytest.approx((1 - 1 / 21 + 1 - 1961 / 1981) / 2)


def test_what_nobody_labelled_has_no_dice_gradient() -> None:
    logits = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    labels = torch.tensor([1, 1, 0, 0])[None, :, None].expand(1, 4, 4)
    dice_loss(logits, labels).backward()
    assert logits.grad is not None
    assert not logits.grad[:, :, 2:].any()
    assert logits.grad[:, :, :2].any()
    assert dice_loss(logits, torch.zeros_like(labels)).item() == 0
