"""The interval of a ratio: closed forms, a slow twin, and the guard band that uses it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from metrology.masks import HBM, NO_PILLAR, SOLDER, VOID, block
from voidscope.config import MeasureConfig
from voidscope.metrology import ScanMeasurement, Verdict, components, measure_scan
from voidscope.metrology.ratios import VOLUMES
from voidscope.metrology.uncertainty import expanded_uncertainty, void_faces

GUARDED = MeasureConfig(rule="guard band")


def slow_faces(mask: np.ndarray) -> int:
    """Every voxel asks its six neighbours."""
    found = 0
    for at in zip(*np.nonzero(mask == VOID), strict=True):
        for axis in range(3):
            for way in (-1, 1):
                beside = list(at)
                beside[axis] += way
                inside = 0 <= beside[axis] < mask.shape[axis]
                found += inside and mask[tuple(beside)] != VOID
    return found


@settings(max_examples=40, deadline=None)
@given(
    arrays(np.uint8, st.tuples(*[st.integers(1, 5)] * 3), elements=st.sampled_from([0, 1, SOLDER, VOID])),
    st.integers(1, 60),
)
def test_faces_are_those_each_voxel_counts_however_the_mask_is_cut(mask: np.ndarray, slab: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(components, "CHUNK_VOXELS", slab)
        assert void_faces(mask, [VOID]) == slow_faces(mask)
    assert void_faces(mask.transpose(2, 0, 1), [VOID]) == slow_faces(mask)


def test_a_cube_has_six_sides_and_its_interval_follows() -> None:
    mask = np.full((20, 20, 20), SOLDER, np.uint8)
    mask[5:9, 6:10, 7:11] = VOID
    assert void_faces(mask, [VOID]) == 6 * 16
    found = measure_scan(mask, HBM, (1, 2, 3), MeasureConfig(edge_sigma=0.3, coverage=2), "a")
    assert found.uncertainty == pytest.approx(2 * np.hypot(0.3 * 2 / 3 * 96, 8 / np.sqrt(3)) / 8000)
    assert found.entry()["interval"] == pytest.approx(
        [64 / 8000 - found.uncertainty, 64 / 8000 + found.uncertainty]
    )


def test_a_sphere_has_two_thirds_of_its_faces() -> None:
    z, y, x = np.indices((61, 61, 61)) - 30
    mask = np.where(z**2 + y**2 + x**2 <= 25**2, VOID, SOLDER).astype(np.uint8)
    assert 2 / 3 * void_faces(mask, [VOID]) == pytest.approx(4 * np.pi * 25**2, rel=0.02)


@pytest.mark.parametrize("formula", VOLUMES)
def test_it_is_how_the_ratio_moves_when_void_grows(formula: str) -> None:
    mask = np.full((10, 10, 10), SOLDER, np.uint8)
    mask[2:5, 2:5, 2:5] = VOID
    grown = mask.copy()
    grown[5, 2, 2] = VOID
    recipe = MeasureConfig(ratio=formula, edge_sigma=1, coverage=1)  # type: ignore[arg-type]
    before, after = (measure_scan(m, HBM, (1, 1, 1), recipe, "a") for m in (mask, grown))
    assert before.ratio is not None and after.ratio is not None and before.uncertainty is not None
    per_voxel = before.uncertainty / (2 / 3 * void_faces(mask, [VOID]))
    assert per_voxel == pytest.approx(after.ratio - before.ratio, rel=0.01)


@pytest.mark.parametrize(
    ("limit", "verdict"),
    [(0.03, Verdict.PASS), (0.0105, Verdict.REVIEW), (0.0075, Verdict.REVIEW), (0.001, Verdict.FAIL)],
)
def test_the_guard_band_leaves_what_is_too_near_to_a_person(limit: float, verdict: Verdict) -> None:
    mask = np.full((20, 20, 20), SOLDER, np.uint8)
    mask[5:9, 6:10, 7:11] = VOID  # 0.8 % with U = 0.48 %
    found = measure_scan(
        mask, NO_PILLAR, (1, 1, 1), GUARDED.model_copy(update={"limit": limit, "edge_sigma": 0.3}), "a"
    )
    assert found.verdict is verdict
    assert ("too near" in found.reason) == (verdict is Verdict.REVIEW)
    assert "±" in found.reason
    simple = measure_scan(mask, NO_PILLAR, (1, 1, 1), MeasureConfig(limit=limit), "a")
    assert simple.verdict is (Verdict.PASS if limit > 0.008 else Verdict.FAIL)


def test_without_foreground_there_is_no_interval() -> None:
    found = measure_scan(np.ones((3, 3, 3), np.uint8), HBM, (1, 1, 1), GUARDED, "a")
    assert (found.ratio, found.uncertainty, found.verdict) == (None, None, Verdict.REVIEW)
    assert found.entry()["interval"] is None


def test_a_mask_without_void_leaves_open_what_is_too_small_to_be_seen() -> None:
    mask = block()
    mask[mask == VOID] = SOLDER
    found = measure_scan(mask, NO_PILLAR, (1, 1, 1), GUARDED, "a")
    assert found.uncertainty == pytest.approx(2 * 8 / 512 / 3**0.5)
    assert (found.ratio, found.verdict) == (0, Verdict.PASS)
    assert expanded_uncertainty(0, 0, 5, included=False, sigma=1, coverage=2) == 0


def test_a_report_keeps_it_and_an_older_one_has_none() -> None:
    found = measure_scan(block(), HBM, (1, 1, 1), GUARDED, "a")
    entry = found.entry()
    assert ScanMeasurement.from_entry(entry) == found
    for name in ("uncertainty", "interval", "dimensions", "dimensions_by_boxes"):
        del entry[name]
    old = ScanMeasurement.from_entry(entry | {"recipe": {"limit": 0.05}})
    assert (old.uncertainty, old.dimensions.build_axis) == (None, None)
