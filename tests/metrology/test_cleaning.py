"""Cleaning a mask: slow twins, closed forms, and what it must leave alone."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from metrology.masks import BACKGROUND, HBM, PAD, PILLAR, RECIPE, SOLDER, VOID, block, masks
from voidscope.config import MeasureConfig
from voidscope.metrology import Report, ScanMeasurement, Verdict, cleaning, measure_scan, measured_ratio
from voidscope.metrology.cleaning import Changed, centres_of, drop_far, mend

ONE = (1.0, 1.0, 1.0)


def cleaned(
    mask: np.ndarray, recipe: MeasureConfig, spacing_um: tuple[float, float, float] = ONE
) -> tuple[np.ndarray, Changed]:
    """A mask of one bump after all that a recipe asks for, and what each step changed."""
    mended, changed = mend(mask, HBM, recipe)
    centres = centres_of([((0, 0, 0), mended)], HBM, spacing_um, recipe)
    near, far = drop_far(mended, HBM, spacing_um, recipe, centres)
    return near, {**changed, **far}


def slowly_closed(mask: np.ndarray, steps: int) -> np.ndarray:
    """Each class closed by scipy in a wide field, then laid over one another."""
    open_ = np.isin(mask, [0, BACKGROUND])
    holes = ndimage.binary_fill_holes(~open_) & open_
    closed, free = mask.copy(), ~np.isin(mask, [0, VOID]) & ~holes
    for k in (SOLDER, PILLAR, PAD):
        wide = ndimage.binary_closing(np.pad(mask == k, 3 * steps), iterations=steps)
        closed[wide[(slice(3 * steps, -3 * steps),) * 3] & free] = k
    return closed


@settings(max_examples=80, deadline=None)
@given(masks, st.integers(1, 3), st.integers(1, 120))
def test_closing_is_scipy_s_class_by_class_whatever_the_slabs(
    mask: np.ndarray, steps: int, slab_voxels: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cleaning, "SLAB_VOXELS", slab_voxels)
        found, _ = mend(mask, HBM, MeasureConfig(closing_voxels=steps))
    assert (found == slowly_closed(mask, steps)).all()


@settings(max_examples=80, deadline=None)
@given(masks)
def test_holes_are_what_scipy_would_fill(mask: np.ndarray) -> None:
    open_ = np.isin(mask, [0, BACKGROUND])
    filled = ndimage.binary_fill_holes(~open_)  # air goes on over faces, as its walls do over corners
    expected = np.where(filled & (mask == BACKGROUND), VOID, mask)
    assert (mend(mask, HBM, MeasureConfig(fill_holes=True))[0] == expected).all()


@settings(max_examples=80, deadline=None)
@given(masks, st.floats(0.5, 6))
def test_far_voxels_are_those_beyond_the_distance_from_their_class_s_centre(
    mask: np.ndarray, far: float
) -> None:
    spacing, expected = np.array([2.0, 1.0, 0.5]), mask.copy()
    for k in (SOLDER, PILLAR, PAD):
        at = np.argwhere(mask == k)
        away = np.linalg.norm((at - at.mean(axis=0)) * spacing, axis=1) if len(at) else np.zeros(0)
        if (abs(away - far) < 1e-9).any():
            return
        expected[tuple(at[away > far].T)] = BACKGROUND
    found, changed = cleaned(mask, MeasureConfig(far_um=far), (2.0, 1.0, 0.5))
    assert (found == expected).all()
    assert sum(changed["far"].values()) == 0


@settings(max_examples=60, deadline=None)
@given(masks)
def test_void_and_unlabelled_are_never_overwritten_and_every_change_is_told(mask: np.ndarray) -> None:
    recipe = MeasureConfig(closing_voxels=1, fill_holes=True, far_um=3)
    found, changed = cleaned(mask, recipe)
    kept = np.isin(mask, [0, VOID])
    assert (found[kept] == mask[kept]).all()
    for k, name in enumerate(HBM.names, start=1):
        gained = np.count_nonzero(found == k) - np.count_nonzero(mask == k)
        assert sum(gains.get(name, 0) for gains in changed.values()) == gained


def test_a_recipe_that_asks_for_nothing_measures_the_mask_itself() -> None:
    mask = block()
    found, changed = cleaned(mask, RECIPE)
    assert found is mask
    assert changed == {}


def test_a_crack_is_closed_and_a_void_in_it_is_kept() -> None:
    mask = block()
    mask[5, 2:-2, 2:-2] = BACKGROUND
    mask[5, 5, 5] = VOID
    found = measure_scan(mask, HBM, ONE, MeasureConfig(closing_voxels=1, min_voxels=1), "a")
    assert found.cleaned == {"closing": {"background": -35, "solder": 35}}  # all but its rim
    assert (found.ratio, [v.n_voxels for v in found.voids]) == (1 / (512 - 28), [1])


@pytest.mark.parametrize("high", [2, 4])
def test_closing_hides_no_closed_in_crack_and_filling_finds_all_of_it(high: int) -> None:
    mask = block((16, 16, 16))
    mask[6 : 6 + high, 3:13, 3:13] = BACKGROUND
    closed = measure_scan(mask, HBM, ONE, MeasureConfig(closing_voxels=2), "a")
    assert (closed.closed_in, closed.verdict) == (100 * high, Verdict.REVIEW)
    both = measure_scan(mask, HBM, ONE, MeasureConfig(closing_voxels=2, fill_holes=True), "a")
    assert (both.verdict, both.ratio) == (Verdict.FAIL, 100 * high / 12**3)
    assert both.cleaned == {"closing": {}, "holes": {"background": -100 * high, "void": 100 * high}}


def test_a_joint_that_closing_joins_never_passes() -> None:
    mask = two_bumps()
    mask[36, 5, 6] = BACKGROUND
    sound = measure_scan(mask, HBM, ONE, MeasureConfig(closing_voxels=2), "a")
    assert sound.verdict is Verdict.PASS
    mask[10:12, :, :20] = BACKGROUND
    found = measure_scan(mask, HBM, ONE, MeasureConfig(closing_voxels=2), "a")
    assert [b.measured.verdict for b in found.bumps] == [Verdict.REVIEW, Verdict.PASS]
    assert "closing by 2 voxels joined 2 pieces of it to 1" in found.reason
    alone = measure_scan(mask[..., :20], HBM, ONE, MeasureConfig(closing_voxels=2), "a")
    assert alone.verdict is alone.bumps[0].measured.verdict is Verdict.REVIEW
    assert "measure.closing_voxels=0" in alone.reason


def test_where_two_classes_close_over_one_voxel_the_pillar_goes_before_solder() -> None:
    mask = np.full((7, 7, 7), BACKGROUND, np.uint8)
    for side, k in ((-1, SOLDER), (1, PILLAR)):  # around (3, 3, 3), as few voxels as close it
        mask[3, 3 + side, 2:5] = k
        mask[(2, 4), 3 - side, 3] = k
    alone = np.where(mask == PILLAR, BACKGROUND, mask).astype(np.uint8)
    assert mend(alone, HBM, MeasureConfig(closing_voxels=1))[0][3, 3, 3] == SOLDER
    assert mend(mask, HBM, MeasureConfig(closing_voxels=1))[0][3, 3, 3] == PILLAR


def test_a_hole_counts_as_void_and_an_open_one_does_not() -> None:
    mask = block()
    mask[5:7, 5:7, 5:7] = BACKGROUND
    recipe = MeasureConfig(fill_holes=True)
    found = measure_scan(mask, HBM, ONE, recipe, "a")
    assert (found.ratio, found.cleaned["holes"]) == (8 / 512, {"background": -8, "void": 8})
    assert measured_ratio(mask, HBM, recipe) == found.ratio
    mask[:5, 5, 5] = BACKGROUND
    assert measure_scan(mask, HBM, ONE, recipe, "a").cleaned == {"holes": {}}


def tilted_wall() -> np.ndarray:
    """Air in an octahedron of solder, whose wall is a voxel thick and holds over edges alone."""
    mask = np.full((25, 25, 25), BACKGROUND, np.uint8)
    away = sum(abs(g - 12) for g in np.indices(mask.shape))
    mask[away == 9] = SOLDER
    return mask


def test_a_wall_that_holds_over_corners_closes_air_in() -> None:
    mask = tilted_wall()
    holes = 1 + sum(4 * n * n + 2 for n in range(1, 9))  # shells of an octahedron
    found = measure_scan(mask, HBM, ONE, RECIPE, "a")
    assert (found.closed_in, found.verdict) == (holes, Verdict.REVIEW)
    filled = measure_scan(mask, HBM, ONE, MeasureConfig(fill_holes=True), "a")
    assert (filled.n_voxels["void"], filled.verdict) == (holes, Verdict.FAIL)


def two_bumps() -> np.ndarray:
    """Two bumps of pillar and solder, 30 voxels apart, with a speck of solder far above one."""
    mask = np.full((40, 12, 46), BACKGROUND, np.uint8)
    for x in (4, 34):
        mask[2:8, 3:9, x : x + 6], mask[8:13, 3:9, x : x + 6] = PILLAR, SOLDER
    mask[36, 5, 6] = SOLDER
    return mask


def test_far_is_far_from_the_bumps_and_not_from_the_middle_between_them() -> None:
    found = measure_scan(two_bumps(), HBM, ONE, MeasureConfig(far_um=10), "a")
    assert found.cleaned == {"far": {"background": 1, "solder": -1}}
    assert len(found.bumps) == 2
    assert found.stray.pieces == 0
    assert [b.measured.n_voxels["solder"] for b in found.bumps] == [180, 180]


def test_what_cleaning_changed_is_in_the_report_and_comes_back() -> None:
    found = measure_scan(two_bumps(), HBM, ONE, MeasureConfig(far_um=10, closing_voxels=1), "a")
    assert ScanMeasurement.from_entry(json.loads(json.dumps(found.entry()))) == found
    page = Report((found,), {}).html()
    assert "closing by 1 voxels – nothing" in page
    assert "beyond 10 µm from their class&#39;s centre dropped – background +1, solder -1" in page
