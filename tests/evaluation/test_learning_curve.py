"""The forecast of the next batch: exact on an exact law, a slow twin of its intervals, and how often these hold what comes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voidscope.evaluation import FEWEST, Forecast, forecast

COUNTS = [12, 24, 36, 48, 60]
NOISE = np.random.default_rng(3).normal(0, 0.05, 5)


def law(n: float, a: float = 1.5, b: float = 0.6) -> float:
    """Error after n slices."""
    return a * n**-b


def noisy(counts: list[int], scale: float = 1.0) -> list[float]:
    return [1 - law(n) * math.exp(scale * e) for n, e in zip(counts, NOISE, strict=True)]


def made(counts: list[int], figures: list[float], batch: int = 12) -> Forecast:
    found = forecast(counts, figures, batch)
    assert found is not None
    return found


def test_an_exact_law_is_gone_on_with_exactly() -> None:
    found = made(COUNTS, [1 - law(n) for n in COUNTS])
    assert (found.n, found.n_next) == (60, 72)
    assert [found.low, found.expected, found.high] == pytest.approx([1 - law(72)] * 3)
    assert [found.gain_low, found.gain, found.gain_high] == pytest.approx([law(60) - law(72)] * 3)


def test_the_intervals_are_those_of_a_regression_worked_out_by_matrices() -> None:
    figures = noisy(COUNTS)
    x, y = np.log(COUNTS), np.log(1 - np.array(figures))
    design = np.stack([np.ones(5), x], axis=1)
    inverse = np.linalg.inv(design.T @ design)
    beta = inverse @ design.T @ y
    variance = ((y - design @ beta) ** 2).sum() / 3
    t = 1.637744  # of Student's t with 3 degrees of freedom, 90 %, from a table
    at = np.array([1, math.log(72)])
    half = t * math.sqrt(variance * (1 + at @ inverse @ at))
    found = made(COUNTS, figures)
    middle = float(at @ beta)
    assert found.expected == pytest.approx(1 - math.exp(middle))
    assert (found.low, found.high) == pytest.approx(
        (1 - math.exp(middle + half), 1 - math.exp(middle - half))
    )
    now = math.exp(beta @ [1, math.log(60)])
    reach = t * math.sqrt(variance * inverse[1, 1])
    gains = [now * (1 - (72 / 60) ** (beta[1] + d)) for d in (0, reach, -reach)]
    assert [found.gain, found.gain_low, found.gain_high] == pytest.approx(gains)


@given(
    st.lists(st.floats(0.02, 1.0), min_size=3, max_size=8),
    st.integers(1, 40),
    st.integers(1, 40),
)
def test_intervals_hold_what_is_expected_and_no_figure_leaves_its_bounds(
    figures: list[float], step: int, batch: int
) -> None:
    found = made([step * (k + 1) for k in range(len(figures))], figures, batch)
    assert 0 <= found.low <= found.expected <= found.high <= 1
    assert -1 <= found.gain_low <= found.gain <= found.gain_high <= 1


def test_noise_makes_both_intervals_wider() -> None:
    widths = []
    for scale in (0.5, 1.0, 3.0):
        found = made(COUNTS, noisy(COUNTS, scale))
        widths.append((found.high - found.low, found.gain_high - found.gain_low))
    assert sorted(widths) == widths and widths[-1][1] > 4 * widths[0][1]


def test_a_curve_that_gets_worse_promises_nothing() -> None:
    found = made([12, 24, 36], [0.70, 0.66, 0.69])
    assert found.gain < 0 and found.high - found.low > 0.2  # one degree of freedom: nearly anything may come
    assert found.gain_high > 0.01  # so it is no reason to stop either


@pytest.mark.parametrize(
    ("counts", "figures"),
    [
        ([12, 24], [0.5, 0.6]),
        ([12, 24, 24], [0.5, 0.6, 0.7]),
        ([12, 24, 36], [0.0, 0.5, 0.6]),
        ([12, 24, 36], [0.5, 0.6, 0.0]),
        ([12, 24, 36], [0.0, 0.0, 0.0]),
    ],
)
def test_without_enough_to_go_by_there_is_no_forecast(counts: list[int], figures: list[float]) -> None:
    assert forecast(counts, figures, 12) is None
    assert FEWEST == 3


@pytest.mark.parametrize(("k", "b", "s"), [(3, 0.5, 0.1), (5, 0.1, 0.3), (8, 1.0, 0.02), (5, 0.0, 0.1)])
def test_intervals_of_eighty_percent_hold_what_comes_in_about_that_many_simulated_projects(
    k: int, b: float, s: float
) -> None:
    rng = np.random.default_rng(0)
    counts = [12 * (j + 1) for j in range(k)]
    held, gains = 0, 0
    n = 1000
    for _ in range(n):
        noise = np.exp(rng.normal(0, s, k + 1))
        errors = 0.4 * (np.array([*counts, counts[-1] + 12]) / 12) ** -b
        found = made(counts, (1 - np.minimum(0.99, errors[:-1] * noise[:-1])).tolist())
        held += found.low <= 1 - min(1.0, errors[-1] * noise[-1]) <= found.high
        gains += found.gain_low <= errors[-2] - errors[-1] <= found.gain_high
    assert 0.77 <= held / n <= 0.83
    assert 0.77 <= gains / n <= 0.93


def test_a_curve_that_levels_off_is_promised_too_much_rather_than_too_little() -> None:
    rng = np.random.default_rng(1)
    counts = [12 * (j + 1) for j in range(5)]
    passed = 0
    for _ in range(300):
        errors = 0.1 + 0.3 * (np.array([*counts, counts[-1] + 12]) / 12) ** -0.7
        figures = 1 - errors[:-1] * np.exp(rng.normal(0, 0.1, 5))
        passed += errors[-2] - errors[-1] > made(counts, figures.tolist()).gain_high
    assert passed / 300 <= 0.05
