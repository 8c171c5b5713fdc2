"""Means, intervals, areas and paired comparisons, against loops, tables and SciPy."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from voidscope.benchmark.statistics import aubc, compare, summarise


def test_the_interval_of_five_runs_is_students() -> None:
    found = summarise([1.0, 2.0, 3.0, 4.0, 5.0])
    assert (found.n, found.mean) == (5, 3.0)
    assert found.std == pytest.approx(math.sqrt(2.5))
    assert found.high - found.mean == pytest.approx(2.776445 * math.sqrt(2.5 / 5), rel=1e-6)
    assert found.mean - found.low == pytest.approx(found.high - found.mean)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=2, max_size=12))
def test_a_summary_is_scipys_interval(values: list[float]) -> None:
    found = summarise(values)
    if found.std > 1e-9:
        scale = np.std(values, ddof=1) / math.sqrt(len(values))
        expected = stats.t.interval(0.95, len(values) - 1, np.mean(values), scale)
        assert (found.low, found.high) == pytest.approx(expected)
    assert found.low <= found.mean + 1e-12 <= found.high + 2e-12


def test_what_is_undefined_is_left_out_and_too_few_values_have_no_spread() -> None:
    assert summarise([math.nan, 2.0]).n == 1
    assert math.isnan(summarise([2.0]).std)
    assert summarise([]).n == 0
    assert math.isnan(summarise([]).mean)


def test_the_area_under_a_line_is_its_middle_and_of_a_constant_the_constant() -> None:
    assert aubc([50, 100, 200], [0.5, 0.5 + 0.1 / 3, 0.6]) == pytest.approx(0.55)
    assert aubc([12, 25, 50], [0.7, 0.7, 0.7]) == pytest.approx(0.7)
    assert aubc([12], [0.3]) == 0.3


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 500), st.floats(0, 1)), min_size=2, max_size=8, unique_by=lambda p: p[0]
    )
)
def test_the_area_is_the_trapezoids_sum_by_loops_whatever_the_order(points: list[tuple[int, float]]) -> None:
    ordered = sorted(points)
    total = 0.0
    for (x0, y0), (x1, y1) in pairwise(ordered):
        total += (x1 - x0) * (y0 + y1) / 2
    expected = total / (ordered[-1][0] - ordered[0][0])
    assert aubc([x for x, _ in points], [y for _, y in points]) == pytest.approx(expected)
    assert min(y for _, y in points) - 1e-12 <= expected <= max(y for _, y in points) + 1e-12


def test_methods_are_compared_over_the_seeds_both_have() -> None:
    a, b = {0: 0.8, 1: 0.7, 2: 0.9, 5: 0.1}, {0: 0.7, 1: 0.75, 2: 0.6, 4: 0.9}
    found = compare(a, b)
    assert (found.difference.n, found.wins) == (3, 2)
    assert found.difference.mean == pytest.approx((0.1 - 0.05 + 0.3) / 3)
    assert found.p == pytest.approx(stats.ttest_rel([0.8, 0.7, 0.9], [0.7, 0.75, 0.6]).pvalue)
    assert compare(b, a).difference.mean == pytest.approx(-found.difference.mean)


def test_without_two_different_pairs_there_is_no_p() -> None:
    assert math.isnan(compare({0: 1.0}, {0: 0.5}).p)
    assert math.isnan(compare({0: 1.0, 1: 2.0}, {0: 0.5, 1: 1.5}).p)
    assert compare({0: 1.0}, {1: 1.0}).difference.n == 0
