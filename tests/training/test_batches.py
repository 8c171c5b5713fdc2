"""Which slices make up a step: nothing is lost, nothing is doubled, and no batch is too small to learn from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voidscope.training.batches import batches_of, entries_of, parts_of


@given(st.integers(2, 200), st.integers(1, 50), st.sampled_from([1, 2]))
def test_every_entry_is_in_exactly_one_batch_and_no_batch_is_too_small(n: int, size: int, least: int) -> None:
    batches = batches_of(np.arange(n), size, least)
    assert np.concatenate(batches).tolist() == list(range(n))
    assert all(len(b) >= least for b in batches)
    assert all(len(b) <= max(size, least) + least - 1 for b in batches)


@pytest.mark.parametrize(("n", "steps", "last"), [(50, 4, 2), (100, 7, 4), (150, 10, 6), (200, 13, 8)])
def test_the_papers_budgets_give_the_papers_steps_and_keep_the_partial_batch(
    n: int, steps: int, last: int
) -> None:
    batches = batches_of(np.arange(n), 16, 2)
    assert (len(batches), len(batches[-1])) == (steps, last)


def test_the_papers_pretraining_epoch_has_sixteen_steps_the_last_of_246() -> None:
    batches = batches_of(np.arange(4086), 256, 2)
    assert (len(batches), len(batches[-1])) == (16, 246)


def test_a_last_batch_of_one_joins_its_neighbour_where_one_is_too_few() -> None:
    assert [len(b) for b in batches_of(np.arange(17), 16, least=2)] == [17]
    assert [len(b) for b in batches_of(np.arange(17), 16, least=1)] == [16, 1]
    assert [len(b) for b in batches_of(np.arange(5), 1, least=2)] == [2, 3]


def test_a_single_slice_is_taken_twice_where_one_is_too_few() -> None:
    assert [b.tolist() for b in batches_of(np.array([0]), 16, least=2)] == [[0, 0]]


def test_a_slice_is_cropped_as_often_as_crops_cover_it() -> None:
    sizes = np.array([[51, 57], [96, 96], [97, 96], [576, 576]])
    assert np.bincount(entries_of(sizes, 0, 96)).tolist() == [1, 1, 2, 36]
    assert np.bincount(entries_of(sizes, 3, 96)).tolist() == [3, 3, 3, 3]


@given(st.integers(2, 60), st.integers(1, 60), st.sampled_from([1, 2]))
def test_parts_cover_a_batch_in_order_and_none_is_too_small(n: int, most: int, least: int) -> None:
    parts = parts_of(n, most, least)
    assert [k for p in parts for k in range(n)[p]] == list(range(n))
    assert all(p.stop - p.start >= least for p in parts)
    if least == 1:
        assert all(p.stop - p.start <= most for p in parts)
