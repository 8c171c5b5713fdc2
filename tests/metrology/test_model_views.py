"""What a model's views say otherwise: of a scan, of a bump, and how it widens a bump's interval."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrology.masks import HBM, RECIPE, VOID
from metrology.packages import package, rows
from voidscope.metrology import TILE, Views, measure_scan

CLASSES = 5


@given(st.lists(st.tuples(st.integers(0, 55), st.integers(56, 112)), min_size=3, max_size=3))
def test_a_box_has_the_blocks_it_meets(box: list[list[int]]) -> None:
    blocks = np.random.default_rng(0).integers(-9, 9, (2, 7, 7, 7, CLASSES))
    slow = np.zeros((2, CLASSES), np.int64)
    for at in np.ndindex(7, 7, 7):
        if all(
            any(a <= v < b for v in range(TILE * k, TILE * k + TILE))
            for k, (a, b) in zip(at, box, strict=True)
        ):
            slow += blocks[:, *at]
    met = [(a, b) for a, b in box]
    found, void = Views(blocks).within(met, [VOID]), slow[:, VOID - 1].std()
    assert found.tolist() == slow.tolist() or found[:, VOID - 1].std() > void
    blocks[1:] = 0  # one view differs, and everywhere alike: all together vary most
    blocks[0] = np.arange(CLASSES)
    everywhere = Views(blocks).within([(0, 7 * TILE)] * 3, [VOID])
    assert np.array_equal(everywhere, Views(blocks).everywhere())


def test_a_neighbours_disputes_do_not_cancel_a_bumps_own() -> None:
    blocks = np.zeros((4, 1, 1, 2, CLASSES), np.int64)
    for view, sign in enumerate((1, -1, 1, -1)):
        blocks[view, 0, 0, 0, VOID - 1], blocks[view, 0, 0, 1, VOID - 1] = 60 * sign, -60 * sign
    shared = Views(blocks).within([(0, 10), (0, 10), (12, 22)], [VOID])
    assert shared[:, VOID - 1].std() == 60
    assert Views.none(CLASSES).within([(0, 10), (0, 10), (12, 22)], [VOID]).shape == (0, CLASSES)


def test_what_a_view_disputes_in_one_bump_widens_the_interval_of_that_one_alone() -> None:
    made = package((20, 30, 60), rows(1, 2, 26, 15), [9.0, 9.0], voids={0: 5.0, 1: 4.5})
    edges = measure_scan(made.mask, HBM, (1, 1, 1), RECIPE, "a")
    blocks = np.zeros((2, 2, 2, 4, CLASSES), np.int32)
    blocks[0, 1, 1, 0, VOID - 1], blocks[0, 1, 1, 0, VOID - 2] = 50, -50
    found = measure_scan(made.mask, HBM, (1, 1, 1), RECIPE, "a", Views(blocks))
    (left, right), (bare, same) = ([b.measured for b in f.bumps] for f in (found, edges))
    assert bare.budget[1].value is None
    parts = sum(n for name, n in left.n_voxels.items() if name != HBM.names[0])
    void = left.n_voxels[HBM.names[VOID - 1]]
    assert left.budget[1].value == pytest.approx(np.std([(void + 50) / parts, void / parts], ddof=1))
    assert left.uncertainty > bare.uncertainty
    assert right.budget[1].value == 0 and right.uncertainty == same.uncertainty
    assert found.budget[1].value > 0
