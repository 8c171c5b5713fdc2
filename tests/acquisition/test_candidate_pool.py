"""Drawing without a model: uniformly, scan by scan, and at an even stride."""

from __future__ import annotations

from collections import Counter
from collections.abc import Set

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voidscope.acquisition import ORDERS, Pool, SurveyError
from voidscope.acquisition.pool import in_turns, stratified, strided
from voidscope.vocabulary import SliceKey


def rng(seed: int = 7) -> np.random.Generator:
    return np.random.default_rng(seed)


def scans(*lengths: int) -> tuple[SliceKey, ...]:
    """Keys of scans of these lengths."""
    return tuple(SliceKey(f"scan{k}", i) for k, n in enumerate(lengths) for i in range(n))


def first(order: str, pool: Pool, budget: int, seed: int = 7) -> list[SliceKey]:
    """The keys of the first `budget` slices of an order."""
    return [pool.keys[row] for row in ORDERS[order](pool, budget, rng(seed))[:budget]]


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(ORDERS)), st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(0, 999)
)
def test_an_order_holds_every_candidate_once(order: str, lengths: list[int], seed: int) -> None:
    keys = scans(*lengths)
    known = frozenset(k for k in keys if rng(seed + k.index).random() < 0.3 and len(keys) > 1)
    pool = Pool.of(keys, known, keys[:1] if keys[0] not in known else ())
    budget = max(1, len(pool.candidates) // 2)
    assert sorted(ORDERS[order](pool, budget, rng(seed))) == pool.candidates.tolist()


@pytest.mark.parametrize("order", ["strided", "stratified"])
def test_scans_have_their_turn_before_any_has_a_second(order: str) -> None:
    pool = Pool.of(scans(9, 30, 5, 12), frozenset())
    keys = first(order, pool, 11)
    for start in (0, 4):
        assert {k.scan for k in keys[start : start + 4]} == {"scan0", "scan1", "scan2", "scan3"}
    assert len({k.scan for k in keys[8:]}) == 3


@pytest.mark.parametrize("order", ["strided", "stratified"])
def test_scans_with_fewer_labels_come_first(order: str) -> None:
    keys = scans(6, 6, 6)
    pool = Pool.of(keys, frozenset([*keys[:2], keys[6]]))
    turns = [k.scan for k in first(order, pool, 3)]
    assert turns[0] == "scan2" and set(turns[1:]) == {"scan1", "scan2"}
    assert Counter(k.scan for k in first(order, pool, 6)) == {"scan0": 1, "scan1": 2, "scan2": 3}


def test_a_scan_that_runs_out_leaves_its_turn_to_the_others() -> None:
    pool = Pool.of(scans(1, 8), frozenset())
    assert Counter(k.scan for k in first("stratified", pool, 5)) == {"scan0": 1, "scan1": 4}


def test_stratified_slices_are_drawn_equally_often_within_a_scan() -> None:
    pool = Pool.of(scans(5, 10), frozenset())
    drawn = Counter(k for seed in range(1500) for k in first("stratified", pool, 4, seed))
    for scan, share in (("scan0", 2 / 5), ("scan1", 2 / 10)):
        often = [drawn[k] for k in pool.keys if k.scan == scan]
        assert np.abs(np.array(often) - 1500 * share).max() < 5 * np.sqrt(1500 * share * (1 - share))


@pytest.mark.parametrize(("length", "share"), [(60, 3), (60, 1), (59, 4), (10, 10), (48, 5), (7, 6)])
def test_strided_slices_of_a_scan_are_an_even_stride_apart(length: int, share: int) -> None:
    index = sorted(k.index for k in first("strided", Pool.of(scans(length), frozenset()), share))
    steps = np.diff(index)
    assert set(steps.tolist()) <= {length // share, -(-length // share)}
    ends = index[0], length - 1 - index[-1]
    assert abs(ends[0] - ends[1]) <= length / share / 2 + 1


def farthest_start(length: int, share: int, labelled: Set[int]) -> int:
    """How far the best start of a stride stays from the labelled slices, by trying every start."""
    stride = length / share
    starts = range(max(1, int(stride)))
    stops = [[s + int(np.floor(k * stride)) for k in range(share)] for s in starts]
    return max(min(abs(a - b) for a in stop for b in labelled) for stop in stops)


@pytest.mark.parametrize(("length", "share"), [(60, 3), (60, 1), (59, 4), (48, 5)])
@pytest.mark.parametrize("seed", range(3))
def test_a_stride_keeps_as_far_as_it_can_from_labelled_slices(length: int, share: int, seed: int) -> None:
    keys = scans(length)
    known = frozenset(keys[i] for i in rng(seed).choice(length, 3, replace=False))
    index = [k.index for k in first("strided", Pool.of(keys, known), share)]
    apart = min(abs(a - k.index) for a in index for k in known)
    assert apart == farthest_start(length, share, {k.index for k in known})


def test_batch_after_batch_a_stride_halves_the_gaps() -> None:
    keys, known = scans(33), set[SliceKey]()
    for _ in range(4):
        known |= set(first("strided", Pool.of(keys, frozenset(known)), 1))
    index = sorted(k.index for k in known)
    assert min(np.diff(index)) >= 7


def test_only_the_generator_decides_which_scan_has_the_odd_slice() -> None:
    pool = Pool.of(scans(9, 9, 9), frozenset())
    assert first("strided", pool, 4, 1) == first("strided", pool, 4, 1)
    assert len({k.scan for seed in range(30) for k in first("strided", pool, 4, seed)[3:]}) == 3


def test_groups_in_turn_by_hand() -> None:
    pool = Pool.of(scans(7), frozenset([SliceKey("scan0", 6)]))
    groups = np.array([0, 0, 0, 1, 1, 2, 2])
    preference = np.array([3.0, 1, 2, 5, 4, 0, 0])
    order = in_turns(pool, groups, np.array([1, 0, 2]), preference)
    assert order.tolist() == [4, 1, 3, 2, 5, 0]  # group 2 has a label, so its turn is in the second round


def test_an_unknown_labelled_slice_is_named_and_an_unknown_excluded_one_is_not() -> None:
    keys = scans(3)
    with pytest.raises(SurveyError, match="new/0001 is not among the 3 surveyed slices"):
        Pool.of(keys, frozenset([SliceKey("new", 1)]))
    assert Pool.of(keys, frozenset(), [SliceKey("new", 1), keys[0]]).candidates.tolist() == [1, 2]


def test_labels_in_any_order_make_the_same_pool() -> None:
    keys = scans(30)
    forth, back = (dict.fromkeys(k).keys() for k in (keys[:9], keys[8::-1]))
    assert Pool.of(keys, forth).anchors.tolist() == Pool.of(keys, back).anchors.tolist()


def test_the_order_of_scans_is_drawn_and_nothing_else_by_stride() -> None:
    pool = Pool.of(scans(12, 12), frozenset())
    one, other = strided(pool, 4, rng(0)), strided(pool, 4, rng(3))
    assert sorted(one[:4]) == sorted(other[:4])
    assert not np.array_equal(stratified(pool, 4, rng(0)), stratified(pool, 4, rng(3)))
