"""The contrastive loss (Eq. 1), its schedule and its projection head, against loops and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from voidscope.training import ProjectionHead, learning_rate_at, nt_xent
from voidscope.training.contrastive import LAST_RATE, chance_loss


def _vectors(n: int, dim: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(2 * n, dim))


def _twin(views: np.ndarray, temperature: float) -> float:
    """Eq. 1 by loops: every view is an anchor, its partner the positive, all others the negatives."""
    unit = [v / math.sqrt(sum(x * x for x in v)) for v in views]
    total = 0.0
    for i, anchor in enumerate(unit):
        partner = i + 1 if i % 2 == 0 else i - 1
        positive = math.exp(float(anchor @ unit[partner]) / temperature)
        negatives = sum(
            math.exp(float(anchor @ v) / temperature) for k, v in enumerate(unit) if k not in (i, partner)
        )
        total -= math.log(positive / (positive + negatives))
    return total / len(unit)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 8), st.integers(2, 6), st.floats(0.1, 2), st.integers(0, 2**31))
def test_the_loss_is_equation_1_by_loops(n: int, dim: int, temperature: float, seed: int) -> None:
    views = _vectors(n, dim, seed)
    found = nt_xent(torch.from_numpy(views), temperature).item()
    assert found == pytest.approx(_twin(views, temperature), rel=1e-4, abs=1e-6)


def test_vectors_that_say_nothing_give_ln_2n_minus_1() -> None:
    views = torch.from_numpy(_vectors(256, 4096, 0))
    assert nt_xent(views, 1.0).item() == pytest.approx(math.log(511), abs=0.02)
    assert nt_xent(torch.ones(64, 8), 0.2).item() == pytest.approx(chance_loss(32), rel=1e-6)
    assert chance_loss(256) == pytest.approx(6.24, abs=0.005)


@pytest.mark.parametrize("temperature", [0.1, 0.2, 1.0])
def test_identical_pairs_with_orthogonal_negatives_have_the_closed_form(temperature: float) -> None:
    n = 8
    views = torch.eye(n).repeat_interleave(2, dim=0)
    e = math.exp(1 / temperature)
    assert nt_xent(views, temperature).item() == pytest.approx(
        -math.log(e / (e + 2 * n - 2)), rel=1e-4, abs=1e-7
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 8), st.integers(0, 2**31))
def test_the_loss_knows_neither_order_nor_length_nor_which_view_is_first(n: int, seed: int) -> None:
    views = torch.from_numpy(_vectors(n, 5, seed))
    rng = np.random.default_rng(seed)
    pairs = views.reshape(n, 2, 5)
    shuffled = pairs[rng.permutation(n)].reshape(2 * n, 5)
    swapped = pairs.flip(1).reshape(2 * n, 5)
    scaled = views * torch.from_numpy(rng.uniform(0.1, 10, (2 * n, 1)))
    for other in (shuffled, swapped, scaled):
        torch.testing.assert_close(nt_xent(other, 0.2), nt_xent(views, 0.2), rtol=1e-4, atol=1e-5)


def test_pulling_partners_together_lowers_the_loss() -> None:
    views = torch.from_numpy(_vectors(8, 16, 1))
    partners = views.reshape(8, 2, 16).flip(1).reshape(16, 16)
    assert nt_xent(views + 0.5 * partners, 0.2) < nt_xent(views, 0.2)


def test_the_gradient_is_finite_even_for_a_vector_of_zeros() -> None:
    views = torch.zeros(8, 4, requires_grad=True)
    nt_xent(views, 0.2).backward()
    assert views.grad is not None
    assert torch.isfinite(views.grad).all()


def test_the_rate_rises_in_a_line_to_its_peak_and_falls_in_a_cosine_to_its_end() -> None:
    total, warmup = 32_000, 160
    assert learning_rate_at(1, total, warmup, 0.5) == pytest.approx(0.5 / 160)
    assert learning_rate_at(80, total, warmup, 0.5) == pytest.approx(0.25)
    assert learning_rate_at(160, total, warmup, 0.5) == 0.5
    assert learning_rate_at((total + warmup) // 2, total, warmup, 0.5) == pytest.approx(0.25, rel=1e-4)
    assert learning_rate_at(total, total, warmup, 0.5) == LAST_RATE == 1e-6


@given(st.integers(1, 400), st.integers(0, 400), st.floats(1e-3, 10))
def test_runs_of_any_length_stay_within_their_bounds_and_end_low(
    total: int, warmup: int, peak: float
) -> None:
    rates = [learning_rate_at(k, total, warmup, peak) for k in range(1, total + 1)]
    assert all(0 < r <= peak for r in rates)
    top = rates.index(max(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[-1] == pytest.approx(LAST_RATE)


def test_the_projection_head_is_the_references_for_sixteen_channels() -> None:
    head = ProjectionHead(16, 128)
    shapes = [tuple(p.shape) for p in head.parameters()]
    assert shapes == [(16, 16), (16,), (16,), (16,), (128, 16), (128,), (128,)]
    assert head(torch.randn(6, 16, generator=torch.Generator().manual_seed(0))).shape == (6, 128)
