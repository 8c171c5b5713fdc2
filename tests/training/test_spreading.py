"""Slices of one scan in as many different batches as there are."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from voidscope.training.spreading import spread_batches, spread_count


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=8), st.integers(1, 9), st.integers(0, 2**31))
def test_no_batch_holds_more_of_a_scan_than_it_must(scans: list[int], n: int, seed: int) -> None:
    groups = [f"scan{k}" for k, m in enumerate(scans) for _ in range(m)]
    batches = spread_batches(np.random.default_rng(seed), groups, n)
    assert sorted(np.concatenate(batches)) == list(range(len(groups)))
    assert len(batches) == n
    sizes = [len(b) for b in batches]
    assert max(sizes) - min(sizes) <= 1
    for batch in batches:
        for name, count in Counter(groups[k] for k in batch).items():
            assert count <= -(-groups.count(name) // n)


def test_with_scans_enough_every_slice_of_a_batch_is_of_another_scan() -> None:
    groups = [k for k in range(40) for _ in range(5)]
    for batch in spread_batches(np.random.default_rng(0), groups, 5):
        assert len({groups[k] for k in batch}) == len(batch) == 40


def test_the_papers_62_scans_are_never_twice_in_a_batch() -> None:
    """4,086 slices, 48 to 82 of a scan, batches of 256."""
    sizes = np.random.default_rng(0).integers(48, 83, 62)
    sizes[0] = 82
    groups = [k for k, m in enumerate(sizes) for _ in range(m)]
    assert spread_count(groups, 256) == 82
    batches = spread_batches(np.random.default_rng(1), groups, spread_count(groups, 256))
    assert sorted(np.concatenate(batches)) == list(range(len(groups)))
    for batch in batches:
        assert 2 <= len({groups[k] for k in batch}) == len(batch) <= 62


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=8), st.integers(2, 9))
def test_batches_are_of_one_slice_per_scan_wherever_that_can_be(scans: list[int], size: int) -> None:
    groups = [k for k, m in enumerate(scans) for _ in range(m)]
    if len(groups) < 2:
        return
    batches = spread_batches(np.random.default_rng(0), groups, spread_count(groups, size))
    assert all(2 <= len(b) <= size + 1 or len(batches) == 1 for b in batches)
    if 2 * max(scans) <= sum(scans):
        assert all(len({groups[k] for k in b}) == len(b) for b in batches)


def test_slices_meet_others_in_each_epoch() -> None:
    groups = [k for k in range(20) for _ in range(5)]
    met = [
        {frozenset(b.tolist()) for b in spread_batches(np.random.default_rng(seed), groups, 5)}
        for seed in range(2)
    ]
    assert not met[0] & met[1]


def test_every_slice_is_in_every_batch_equally_often() -> None:
    groups = ["a"] * 3 + ["b"] * 6
    where = np.zeros((9, 3))
    for seed in range(900):
        for number, batch in enumerate(spread_batches(np.random.default_rng(seed), groups, 3)):
            where[batch, number] += 1
    np.testing.assert_allclose(where / 900, 1 / 3, atol=0.06)
