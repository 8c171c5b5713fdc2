"""The budget of uncertainty: closed forms, a slow twin of the model's spread, and what must not move it."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrology.masks import HBM, SOLDER, VOID
from voidscope.config import MeasureConfig
from voidscope.metrology import Contribution, ScanMeasurement, Verdict
from voidscope.metrology.budget import combined
from voidscope.metrology.measurement import measure_clean
from voidscope.metrology.ratios import VOLUMES

SEEN = (100, 80, 40, 64)
"""Voxels of void by each view of a mask of 8000 voxels, 64 of them void and the others solder."""
VIEWS = tuple((0, 0, 64 - n, n - 64, 0) for n in SEEN)
"""The same as differences from the mask."""
UNSEEN = 8 / math.sqrt(3)
"""Voxels of a void too small to be seen, as a standard uncertainty; in every interval."""


def cube() -> np.ndarray:
    mask = np.full((20, 20, 20), SOLDER, np.uint8)
    mask[5:9, 6:10, 7:11] = VOID
    return mask


def test_contributions_add_in_quadrature_and_k_widens_them() -> None:
    lines = (Contribution("a", 3.0, ""), Contribution("b", None, ""), Contribution("c", 4.0, ""))
    assert combined(lines, 2) == pytest.approx(10)
    assert combined(lines[1:2], 2) == 0
    assert combined((), 2) is None


@pytest.mark.parametrize("formula", VOLUMES)
def test_the_models_spread_is_that_of_the_ratio_by_each_view(formula: str) -> None:
    recipe = MeasureConfig(ratio=formula, edge_sigma=0, coverage=2)  # type: ignore[arg-type]
    found = measure_clean(cube(), HBM, (1, 1, 1), recipe, "a", VIEWS)
    below = {"void/foreground": 8000, "void/(solder+void)": 8000}
    by_hand = [v / below.get(formula, 8000 - v) for v in SEEN]
    assert found.uncertainty == pytest.approx(
        2 * math.hypot(statistics.stdev(by_hand), found.budget[3].value)
    )
    assert found.budget[1].value == pytest.approx(statistics.stdev(by_hand))
    assert "4 mirror images" in found.budget[1].how


def test_edges_and_spread_are_joined_and_the_order_of_views_is_of_no_consequence() -> None:
    recipe = MeasureConfig(edge_sigma=0.3)
    edges, spread = (
        measure_clean(cube(), HBM, (1, 1, 1), r, "a", v).budget[k].value
        for k, (r, v) in enumerate(((recipe, ()), (MeasureConfig(edge_sigma=0), VIEWS)))
    )
    both = measure_clean(cube(), HBM, (1, 1, 1), recipe, "a", VIEWS)
    assert edges and spread
    assert both.uncertainty == pytest.approx(2 * math.hypot(edges, spread, UNSEEN / 8000))
    assert measure_clean(cube(), HBM, (1, 1, 1), recipe, "a", VIEWS[::-1]).uncertainty == pytest.approx(
        both.uncertainty
    )


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 500), max_size=5))
def test_another_look_never_narrows_what_the_edges_alone_leave_open(voids: list[int]) -> None:
    views = [(0, 0, 64 - v, v - 64, 0) for v in voids]
    alone = measure_clean(cube(), HBM, (1, 1, 1), MeasureConfig(), "a").uncertainty
    found = measure_clean(cube(), HBM, (1, 1, 1), MeasureConfig(), "a", views)
    assert found.uncertainty is not None and alone is not None
    assert found.uncertainty >= alone
    assert (found.budget[1].value is None) == (len(voids) < 2)


def test_the_voxel_size_enters_volumes_three_times_and_ratios_never() -> None:
    recipe = MeasureConfig(edge_sigma=0, spacing_uncertainty=0.01, coverage=2)
    found = measure_clean(cube(), HBM, (1, 2, 3), recipe, "a")
    assert found.uncertainty == pytest.approx(2 * UNSEEN / 8000)
    size = found.volume_budget[2].value
    assert size == pytest.approx(3 * 0.01 * found.void_volume_um3)
    assert found.volume_uncertainty_um3 == pytest.approx(2 * math.hypot(size, 6 * UNSEEN))
    grown = measure_clean(cube(), HBM, (1.01, 2.02, 3.03), recipe, "a")
    shift = grown.void_volume_um3 - found.void_volume_um3
    assert shift == pytest.approx(size, rel=0.02)  # one u(s) makes one u(V)
    assert grown.ratio == found.ratio


def test_what_is_not_known_is_said_and_counts_nothing() -> None:
    found = measure_clean(cube(), HBM, (1, 1, 1), MeasureConfig(edge_sigma=0), "a")
    assert [c.value for c in found.budget] == pytest.approx([0, None, 0, UNSEEN / 8000])
    assert "not recorded" in found.budget[1].how
    assert [c.value for c in found.volume_budget] == pytest.approx([0, None, None, UNSEEN])
    assert found.uncertainty == pytest.approx(2 * UNSEEN / 8000)


def test_the_volumes_edges_are_two_thirds_of_the_faces() -> None:
    found = measure_clean(cube(), HBM, (1, 2, 3), MeasureConfig(edge_sigma=0.25, coverage=1), "a")
    assert found.volume_uncertainty_um3 == pytest.approx(6 * math.hypot(2 / 3 * 96 * 0.25, UNSEEN))


def test_a_spread_alone_can_leave_a_verdict_to_a_person() -> None:
    recipe = MeasureConfig(limit=0.0095, rule="guard band", edge_sigma=0.005)
    assert measure_clean(cube(), HBM, (1, 1, 1), recipe, "a").verdict is Verdict.PASS
    assert measure_clean(cube(), HBM, (1, 1, 1), recipe, "a", VIEWS).verdict is Verdict.REVIEW


def test_an_undefined_ratio_has_no_budget_and_a_report_keeps_one() -> None:
    empty = measure_clean(
        np.ones((3, 3, 3), np.uint8), HBM, (1, 1, 1), MeasureConfig(), "a", ((27, 0, 0, 0, 0),) * 2
    )
    assert (empty.budget, empty.uncertainty) == ((), None)
    found = measure_clean(cube(), HBM, (1, 1, 1), MeasureConfig(), "a", VIEWS)
    assert ScanMeasurement.from_entry(found.entry()) == found
    old = {k: v for k, v in found.entry().items() if "budget" not in k}
    assert ScanMeasurement.from_entry(old).volume_uncertainty_um3 is None


@pytest.mark.parametrize("least", [1, 8, 50])
def test_one_void_too_small_to_be_seen_is_left_open_whatever_is_counted(least: int) -> None:
    recipe = MeasureConfig(min_voxels=least, coverage=2)
    solid = np.full((20, 20, 20), SOLDER, np.uint8)
    found = measure_clean(solid, HBM, (1, 2, 3), recipe, "a")
    assert found.ratio == 0
    assert found.uncertainty == pytest.approx(2 * UNSEEN / 8000)
    assert found.volume_uncertainty_um3 == pytest.approx(2 * UNSEEN * 6)
    assert len(found.budget) == len(found.volume_budget) == 4
    rng = np.random.default_rng(0)
    drawn = rng.uniform(0, 8, 200_000) / 8000  # the slow twin: any size up to eight voxels is as likely
    assert found.budget[3].value == pytest.approx(math.sqrt((drawn**2).mean()), rel=0.01)


def test_what_may_be_there_grows_with_every_voxel_of_void() -> None:
    upper = []
    for n in range(9):
        mask = np.full((20, 20, 20), SOLDER, np.uint8)
        mask[10, 10, 5 : 5 + n] = VOID
        upper.append(measure_clean(mask, HBM, (1, 1, 1), MeasureConfig(), "a").interval[1])
    assert upper == sorted(upper)


def test_views_that_see_nothing_below_the_line_leave_no_interval_and_say_why() -> None:
    blind = tuple((8000 - 64, 0, -(8000 - 64), 0, 0) for _ in range(3))
    recipe = MeasureConfig(ratio="void/solder", rule="guard band", limit=0.5)
    found = measure_clean(cube(), HBM, (1, 1, 1), recipe, "a", (*blind, (0, 0, 0, 0, 0)))
    assert (found.uncertainty, found.verdict) == (None, Verdict.REVIEW)
    assert found.budget[1].how == "unknown: by 3 of 4 mirror images alone the ratio is undefined"
    assert ScanMeasurement.from_entry(found.entry()) == found
