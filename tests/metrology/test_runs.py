"""Runs of equal numbers and which of them meet, against voxels one by one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrology.masks import masks
from voidscope.metrology.runs import Runs


def one_by_one(mask: np.ndarray) -> list[tuple[int, int, int, int, int]]:
    """Plane, row, first and last column, and number of each run."""
    found = []
    for (z, y), row in ((at, mask[at]) for at in np.ndindex(mask.shape[:2])):
        x = 0
        for value, run in itertools.groupby(row.tolist()):
            n = len(list(run))
            found += [(z, y, x, x + n - 1, value)] if value else []
            x += n
    return found


def listed(runs: Runs) -> list[tuple[int, int, int, int, int]]:
    (z, _), (y, _), (first, last) = runs.ends()
    return list(zip(*(c.tolist() for c in (z, y, first, last, runs.value)), strict=True))


@settings(max_examples=100, deadline=None)
@given(masks, st.integers(0, 5))
def test_runs_are_those_of_the_rows_one_by_one(mask: np.ndarray, start: int) -> None:
    moved = [(z + start, *rest) for z, *rest in one_by_one(mask)]
    assert listed(Runs.of(mask, (start, 0))) == moved


@settings(max_examples=100, deadline=None)
@given(masks, st.integers(1, 3))
def test_runs_of_parts_of_planes_together_are_those_of_the_mask(mask: np.ndarray, step: int) -> None:
    d, h, _ = mask.shape
    parts = [Runs.of(mask[z : z + 1, y : y + step], (z, y), h) for z in range(d) for y in range(0, h, step)]
    assert listed(Runs.joined(parts, mask.shape)) == one_by_one(mask)


@settings(max_examples=100, deadline=None)
@given(masks)
def test_a_plane_has_the_runs_that_lie_in_it(mask: np.ndarray) -> None:
    runs = Runs.of(mask)
    for z in range(len(mask)):
        assert listed(runs.plane(z)) == [r for r in one_by_one(mask) if r[0] == z]


@pytest.mark.parametrize(("connectivity", "steps"), [(6, 1), (18, 2), (26, 3)])
@settings(max_examples=60, deadline=None)
@given(mask=masks)
def test_runs_of_two_rows_meet_where_voxels_of_theirs_are_neighbours(
    mask: np.ndarray, connectivity: int, steps: int
) -> None:
    runs = Runs.of((mask > 2).view(np.uint8))
    own = [{(z, y, x) for x in range(a, b + 1)} for z, y, a, b, _ in listed(runs)]

    def near(p: tuple[int, ...], q: tuple[int, ...]) -> bool:
        away = [abs(i - j) for i, j in zip(p, q, strict=True)]
        return max(away) == 1 and sum(away) <= steps

    slow = {
        (i, j)
        for i, j in itertools.combinations(range(len(own)), 2)
        if any(near(p, q) for p in own[i] for q in own[j])
    }
    assert {(i, j) for i, j in runs.met(runs, connectivity).T.tolist()} == slow


def test_no_runs_meet_nothing() -> None:
    none, some = Runs.none((2, 3, 4)), Runs.of(np.ones((2, 3, 4), np.uint8))
    assert len(none) == 0 and none.met(some, 26).shape == some.met(none, 26).shape == (2, 0)
