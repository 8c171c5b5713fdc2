"""Limits per scan and between slices: kept by every strategy while they can be, and given up in the open."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from makers import NAMES, make
from pools import spread_over

from voidscope.acquisition import Limits, Pool, Suggestion, Survey, greedy
from voidscope.vocabulary import SliceKey


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def allowed(
    left: list[SliceKey], marked: list[SliceKey], picked: list[SliceKey], cap: int, gap: int
) -> set[Any]:
    """Slices that break no limit: one that is 0 is none."""

    def crowded(key: SliceKey) -> bool:
        return any(k.scan == key.scan and abs(k.index - key.index) <= gap for k in [*marked, *picked])

    def full(key: SliceKey) -> bool:
        return sum(k.scan == key.scan for k in picked) >= cap

    return {k for k in left if not (gap and crowded(k)) and not (cap and full(k))}


def check(
    chosen: tuple[Suggestion, ...], left: list[SliceKey], marked: list[SliceKey], cap: int, gap: int
) -> None:
    """Each pick breaks no limit but those given up, and none was given up while a slice broke none."""
    picked: list[SliceKey] = []
    stages = [(), *[("min_slice_gap",)] * bool(gap), *[("min_slice_gap", "max_per_scan")] * bool(gap and cap),
              *[("max_per_scan",)] * bool(cap and not gap)]  # fmt: skip
    stage = 0
    for s in chosen:

        def open_now(stage: int) -> set[Any]:
            gone = stages[stage]
            return allowed(
                left,
                marked,
                picked,
                0 if "max_per_scan" in gone else cap,
                0 if "min_slice_gap" in gone else gap,
            )

        while not open_now(stage):
            stage += 1
        assert s.relaxed == stages[stage]
        assert s.key in open_now(stage)
        picked.append(s.key)
        left.remove(s.key)


@pytest.mark.parametrize(("cap", "gap"), [(2, 0), (0, 2), (2, 1), (1, 40), (40, 1)])
@pytest.mark.parametrize("budget", [6, 40])
@pytest.mark.parametrize("name", NAMES)
def test_every_strategy_keeps_the_limits_while_any_slice_does(
    name: str, budget: int, cap: int, gap: int
) -> None:
    survey = spread_over(4, 12)
    marked, excluded = list(survey.keys[3:7]), list(survey.keys[14:18])
    left = [k for k in survey.keys if k not in marked and k not in excluded]
    strategy = make(name, max_per_scan=cap, min_slice_gap=gap)
    chosen = strategy(survey, frozenset(marked), budget, rng(), frozenset(excluded))
    assert len({s.key for s in chosen}) == budget
    check(chosen, left, marked, cap, gap)


def slow_greedy(base: Any, x: Any, pool: Pool, budget: int, weight: float, limits: Limits) -> list[int]:
    """Algorithm 1 with limits, all distances anew for every pick."""
    picks: list[int] = []
    keys = pool.keys
    for _ in range(budget):
        left = [keys[i] for i in pool.candidates if i not in picks]
        marked, picked = [keys[i] for i in pool.anchors], [keys[i] for i in picks]
        for cap, gap in ((limits.max_per_scan, limits.min_slice_gap), (limits.max_per_scan, 0), (0, 0)):
            rows = sorted(keys.index(k) for k in allowed(left, marked, picked, cap, gap))
            if rows:
                break
        so_far = [*pool.anchors, *picks]
        d = np.sqrt(((x[rows][:, None] - x[so_far]) ** 2).sum(axis=2)).min(axis=1)
        picks.append(rows[int((base[rows] + weight * d).argmax())])
    return picks


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 4), st.integers(0, 4), st.sampled_from([0.0, 1.0, 3.0]))
def test_limited_greedy_selection_equals_a_slow_twin(seed: int, cap: int, gap: int, weight: float) -> None:
    r = np.random.default_rng(seed)
    survey = spread_over(int(r.integers(1, 4)), int(r.integers(2, 9)), seed=seed)
    n = len(survey)
    labelled = frozenset(survey.keys[i] for i in r.choice(n, size=max(1, n // 4), replace=False))
    pool = Pool.of(survey.keys, labelled, (), Limits(cap, gap))
    base, budget = r.integers(0, 3, size=n) / 4, int(r.integers(1, len(pool.candidates) + 1))
    picks = greedy(base, survey.embedding, pool.candidates, pool.anchors, budget, weight, pool.room())
    x = survey.embedding.astype(np.float64)
    assert picks.rows.tolist() == slow_greedy(base, x, pool, budget, weight, pool.limits)


@pytest.fixture
def line() -> Survey:
    return spread_over(1, 10)


def test_a_gap_counts_the_slices_left_out_between(line: Survey) -> None:
    room = Pool.of(line.keys, frozenset([line.keys[4]]), (), Limits(min_slice_gap=2)).room()
    assert room.rows().tolist() == [0, 1, 7, 8, 9]
    assert room.take(8) == ()
    assert room.rows().tolist() == [0, 1]


def test_a_cap_does_not_count_labelled_slices(line: Survey) -> None:
    room = Pool.of(line.keys, frozenset(line.keys[:3]), (), Limits(max_per_scan=2)).room()
    assert [room.take(int(room.rows()[0])) for _ in range(3)] == [(), (), ("max_per_scan",)]


def test_gap_and_cap_are_of_one_scan_only() -> None:
    survey = spread_over(2, 4)
    room = Pool.of(survey.keys, frozenset(), (), Limits(1, 3)).room()
    room.take(0)
    assert room.rows().tolist() == [4, 5, 6, 7]


def test_scans_with_missing_slice_numbers_keep_the_gap_in_numbers() -> None:
    keys = tuple(SliceKey("scan", i) for i in (0, 5, 6, 11))
    room = Pool.of(keys, frozenset(), (), Limits(min_slice_gap=4)).room()
    room.take(1)
    assert room.rows().tolist() == [0, 3]
