"""The doubt of edges from errors: its closed form, a slow twin, and errors of masks whose edges are off by a known distance."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrology.masks import HBM, RECIPE, SOLDER, VOID
from voidscope.errors import NotReady
from voidscope.metrology import RatioError, calibrated, ratio_error
from voidscope.metrology.calibration import SIGMAS, likeliest

ROWS = st.lists(
    st.tuples(st.floats(-0.02, 0.02), st.floats(0.005, 0.05), st.floats(0.0001, 0.002)),
    min_size=5,
    max_size=20,
)


def errors(rows: list[tuple[float, float, float]]) -> list[RatioError]:
    return [RatioError(f"s{k}", *row) for k, row in enumerate(rows)]


@settings(max_examples=50, deadline=None)
@given(ROWS)
def test_the_likeliest_sigma_is_that_of_a_loop_over_all(rows: list[tuple[float, float, float]]) -> None:
    def cost(sigma: float) -> float:
        return sum(
            math.log(u) + e**2 / (2 * u**2) for e, edge, s in rows for u in [math.hypot(sigma * edge, s)]
        )

    best = likeliest(np.array(rows))
    assert cost(best) == pytest.approx(min(map(cost, SIGMAS.tolist())))


def test_without_other_doubts_it_is_the_root_mean_square_of_errors_in_voxels_of_edge() -> None:
    rng = np.random.default_rng(0)
    edge = rng.uniform(0.005, 0.05, 40)
    off = rng.normal(0, 0.2, 40)
    found = calibrated(errors(list(zip(off * edge, edge, np.zeros(40), strict=True))), 0.25, 2)
    assert found.sigma == pytest.approx(math.sqrt((off**2).mean()), abs=0.005)
    assert found.of == 40 and 36 <= found.held <= 40
    assert found.held_now == int((abs(off) <= 0.5).sum())
    scaled = calibrated(errors([(3 * o * e, 3 * e, 0.0) for o, e in zip(off, edge, strict=True)]), 0.25, 2)
    assert (scaled.sigma, scaled.held) == (
        found.sigma,
        found.held,
    )  # in voxels, whatever the unit of the ratio


def test_no_scan_makes_its_own_interval() -> None:
    rows = [(0.001, 0.01, 0.0)] * 8 + [(0.05, 0.01, 0.0)]
    found = calibrated(errors(rows), 0.25, 2)
    assert found.sigma > 1.5 * 0.1 and found.held == 8  # the outlier widens all but its own
    with pytest.raises(NotReady, match="found in 4 held-out"):
        calibrated(errors([*rows[:4], (0.01, 0.0, 0.001)]), 0.25, 2)


def ball(radius: float) -> np.ndarray:
    z, y, x = np.indices((40, 40, 40)) - 19.5
    return np.where(z**2 + y**2 + x**2 <= radius**2, VOID, SOLDER).astype(np.uint8)


@pytest.mark.parametrize("off", [-0.5, 0.5, 1.0])
def test_an_edge_that_is_off_by_so_many_voxels_is_found_to_be(off: float) -> None:
    found = ratio_error("s", ball(12), ball(12 + off), HBM, RECIPE)
    assert found is not None
    assert found.error / found.edge == pytest.approx(off, rel=0.2)
    assert found.others == pytest.approx(8 / math.sqrt(3) / 40**3)
    looks = np.zeros((2, len(HBM)), np.int64)
    looks[0, VOID - 1], looks[0, SOLDER - 1] = 90, -90
    spread = ratio_error("s", ball(12), ball(12 + off), HBM, RECIPE, looks)
    assert spread is not None
    assert spread.others == pytest.approx(math.hypot(found.others, 90 / 40**3 / math.sqrt(2)))


def test_a_slice_has_its_rounding_and_an_undefined_ratio_no_error() -> None:
    one, other = ball(12)[20:21], ball(13)[20:21]
    found = ratio_error("s", one, other, HBM, RECIPE)
    assert found is not None and found.others == pytest.approx(1 / (math.sqrt(3) * 1600))
    assert ratio_error("s", np.ones((3, 3, 3), np.uint8), ball(9)[:3, :3, :3], HBM, RECIPE) is None
