"""Learning rates: the paper's single drop, and the one cycle of the product."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voidscope.config import Config, TrainConfig
from voidscope.training.schedules import shared_out, supervised_rate


def _all(config: TrainConfig, n_steps: int) -> list[float]:
    return [supervised_rate(config, e, k, n_steps) for e in range(config.epochs) for k in range(n_steps)]


def test_the_paper_drops_to_a_tenth_after_epoch_25() -> None:
    rates = _all(Config().train, 4)
    assert rates == [1e-4] * 100 + [pytest.approx(1e-5)] * 100


def test_one_cycle_peaks_after_a_fifth_and_ends_at_nothing() -> None:
    config = TrainConfig(schedule="one-cycle", learning_rate=0.01, epochs=10)
    rates = _all(config, 10)
    assert max(range(100), key=rates.__getitem__) == 19
    assert rates[19] == pytest.approx(0.01)
    assert rates[59] == pytest.approx(0.005)
    assert rates[-1] == pytest.approx(0.0, abs=1e-12)
    assert rates[0] == pytest.approx(0.01 * (1 + (0.04 - 1) * (1 + math.cos(math.pi / 20)) / 2))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 30), st.integers(1, 20))
def test_one_cycle_rises_then_falls_and_never_leaves_its_bounds(epochs: int, n_steps: int) -> None:
    rates = _all(TrainConfig(schedule="one-cycle", learning_rate=1e-3, epochs=epochs), n_steps)
    top = rates.index(max(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert all(0 <= r <= 1e-3 for r in rates)


@given(
    steps=st.integers(1, 2_000), epochs=st.integers(1, 200), n=st.integers(1, 300),
    growth=st.sampled_from([0.0, 0.25, 1.0]),
)  # fmt: skip
def test_a_training_is_as_long_as_was_asked_for(steps: int, epochs: int, n: int, growth: float) -> None:
    asked = TrainConfig(steps=steps, epochs=epochs, growth=growth)
    recipe = shared_out(asked, n)
    each = math.ceil(asked.steps_for(n) / recipe.epochs)
    last = asked.steps_for(n) - (recipe.epochs - 1) * each
    assert recipe.epochs <= epochs
    assert 1 <= last <= each


def test_epochs_decide_where_no_steps_are_said() -> None:
    assert shared_out(TrainConfig(epochs=7), 40) == TrainConfig(epochs=7)
