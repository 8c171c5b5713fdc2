"""Rows and columns: found where there are any, whatever the order, the angle and the gaps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voidscope.metrology.arrangement import arranged, recurring


def grid(n_rows: int, n_columns: int, pitch: tuple[float, float] = (10, 10), angle: float = 0) -> np.ndarray:
    at = np.array([(r * pitch[0], c * pitch[1]) for r in range(n_rows) for c in range(n_columns)], float)
    c, s = np.cos(angle), np.sin(angle)
    return at @ np.array([[c, -s], [s, c]])


def names(positions: np.ndarray) -> list[str]:
    found = dict(arranged(positions))
    return [found[k].name for k in range(len(positions))]


WANTED = [f"r{r}c{c}" for r in (1, 2, 3) for c in (1, 2, 3, 4)]


@settings(max_examples=60, deadline=None)
@given(
    st.permutations(range(12)), st.floats(-0.35, 0.35), st.floats(0.6, 1.6),
    st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), st.integers(0, 2**31),
)  # fmt: skip
def test_a_grid_is_named_whatever_its_order_angle_origin_pitch_and_jitter(
    order: list[int], angle: float, ratio: float, origin: tuple[float, float], seed: int
) -> None:
    at = (
        grid(3, 4, (10 * ratio, 10), angle) + origin + np.random.default_rng(seed).uniform(-0.4, 0.4, (12, 2))
    )
    assert names(at[list(order)]) == [WANTED[k] for k in order]


def test_an_empty_place_keeps_its_number() -> None:
    at = grid(3, 4)
    missing = [5, 6]
    kept = [k for k in range(12) if k not in missing]
    assert names(at[kept]) == [WANTED[k] for k in kept]
    assert names(grid(4, 3)[[0, 1, 2, 3, 4, 5, 9, 10, 11]])[-3:] == ["r4c1", "r4c2", "r4c3"]


@pytest.mark.parametrize(
    ("at", "said"), [([(0, 0), (0, 10)], ["r1c1", "r1c2"]), ([(10, 3), (0, 3)], ["r2c1", "r1c1"])]
)
def test_two_beside_each_other_are_a_row_or_a_column(at: list[tuple[float, float]], said: list[str]) -> None:
    assert names(np.array(at, float)) == said


def test_what_is_no_grid_is_numbered_by_rows() -> None:
    staggered = np.array(
        [(0, 0), (0, 10), (0, 20), (8.66, 5), (8.66, 15), (8.66, 25), (17.3, 0), (17.3, 10)], float
    )
    found = arranged(staggered)
    assert [p.name for _, p in found] == [f"b{k:03d}" for k in range(1, 9)]
    assert [k for k, _ in found] == list(range(8))
    assert all(p.row is None for _, p in found)
    assert names(np.zeros((1, 2))) == ["b001"]
    assert arranged(np.zeros((0, 2))) == ()


def test_two_at_one_place_are_no_grid() -> None:
    assert names(np.array([(0, 0), (0, 0), (0, 10)], float)) == ["b001", "b002", "b003"]


def test_a_place_that_fails_in_several_scans_is_told_worst_first() -> None:
    failed = [
        frozenset({"r1c1", "r2c2"}),
        frozenset({"r1c1"}),
        frozenset({"r1c1", "r2c2"}),
        frozenset({"r3c3"}),
    ]
    present = [frozenset({"r1c1", "r2c2", "r3c3"})] * 3 + [frozenset({"r1c1", "r3c3"})]
    assert recurring(failed, present) == (("r1c1", 3, 4), ("r2c2", 2, 3))
    assert recurring([], []) == ()
