"""What a scan's measurement promises: units, invariances, refusals, JSON."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrology.masks import BACKGROUND, HBM, NO_PILLAR, PILLAR, RECIPE, SOLDER, VOID, block, masks
from voidscope.config import MeasureConfig
from voidscope.errors import ConfigError, LabelError, NotReady, VoidscopeError, VolumeError
from voidscope.metrology import ScanMeasurement, measure_scan
from voidscope.vocabulary import ClassMap


@settings(max_examples=40, deadline=None)
@given(masks, st.permutations([0, 1, 2]))
def test_turning_mask_and_spacing_together_changes_nothing_measured(
    mask: np.ndarray, order: list[int]
) -> None:
    spacing = (0.5, 1.0, 2.0)
    one = measure_scan(mask, HBM, spacing, RECIPE, "a")
    other = measure_scan(mask.transpose(order), HBM, tuple(spacing[k] for k in order), RECIPE, "a")
    assert other.ratios == one.ratios
    assert other.class_volume_um3 == pytest.approx(one.class_volume_um3)
    assert [v.volume_um3 for v in other.voids] == pytest.approx([v.volume_um3 for v in one.voids])
    assert sorted(tuple(np.round([v.centroid_um[k] for k in order], 9)) for v in one.voids) == sorted(
        tuple(np.round(v.centroid_um, 9)) for v in other.voids
    )


@settings(max_examples=40, deadline=None)
@given(masks, st.floats(0.1, 10))
def test_another_unit_scales_volumes_by_its_cube_lengths_by_itself_and_no_ratio(
    mask: np.ndarray, k: float
) -> None:
    one, other = (measure_scan(mask, HBM, (s, s, 2 * s), RECIPE, "a") for s in (1.0, k))
    assert (other.ratios, other.verdict) == (one.ratios, one.verdict)
    assert other.void_volume_um3 == pytest.approx(one.void_volume_um3 * k**3)
    for a, b in zip(one.voids, other.voids, strict=True):
        assert b.volume_um3 == pytest.approx(a.volume_um3 * k**3)
        assert b.diameter_um == pytest.approx(a.diameter_um * k)
        assert b.centroid_um == pytest.approx([c * k for c in a.centroid_um])


@settings(max_examples=40, deadline=None)
@given(masks, st.integers(1, 12))
def test_voids_and_small_voids_together_are_all_void(mask: np.ndarray, least: int) -> None:
    found = measure_scan(mask, HBM, (0.7, 0.7, 1.4), MeasureConfig(min_voxels=least), "a")
    assert sum(v.n_voxels for v in (*found.voids, *found.small_voids)) == found.n_voxels["void"]
    assert all(v.n_voxels >= least for v in found.voids)
    assert all(v.n_voxels < least for v in found.small_voids)
    assert found.ratios == measure_scan(mask, HBM, (0.7, 0.7, 1.4), RECIPE, "a").ratios


def test_small_voids_are_listed_apart_but_stay_in_the_ratio() -> None:
    mask = block()
    mask[4, 4, 4] = VOID
    mask[7:9, 7:9, 7:9] = VOID
    found = measure_scan(mask, HBM, (1, 1, 1), MeasureConfig(min_voxels=2), "a")
    assert [v.n_voxels for v in found.voids] == [8]
    assert [v.n_voxels for v in found.small_voids] == [1]
    assert found.ratio == 9 / 512
    assert found.void_volume_um3 == 9
    assert (found.entry()["n_voids"], found.entry()["n_small_voids"]) == (1, 1)


def test_class_volumes_are_voxels_times_the_voxel() -> None:
    mask = np.array([[[0, BACKGROUND, SOLDER, SOLDER, VOID, PILLAR]]], np.uint8)
    found = measure_scan(mask, HBM, (2, 1, 0.25), RECIPE, "a")
    assert found.voxel_um3 == 0.5
    assert found.class_volume_um3 == {
        "background": 0.5, "copper_pillar": 0.5, "solder": 1.0, "void": 0.5, "copper_pad": 0.0
    }  # fmt: skip
    assert found.n_unlabelled == 1


@pytest.mark.parametrize(
    ("spacing", "error"),
    [
        (None, NotReady),
        (0, VolumeError),
        ((0, 1, 1), VolumeError),
        ((1, math.nan, 1), VolumeError),
        ((1, 1, -1), VolumeError),
        ((math.inf, 1, 1), VolumeError),
        ((1, 1), VolumeError),
        ((1e-200, 1, 1), VolumeError),
        ((7e-7, 7e-7, 7e-7), VolumeError),
        ((1, 1, 1e200), VolumeError),
    ],
)
def test_nothing_is_measured_without_a_possible_spacing(spacing: object, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"^part7 .*--spacing.*$") as caught:
        measure_scan(block(), HBM, spacing, RECIPE, "part7")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (block()[0], r"shape \(12, 12\)"),
        (block()[None], r"shape \(1, 12, 12, 12\)"),
        (np.zeros((0, 4, 4), np.uint8), r"shape \(0, 4, 4\)"),
        (np.full((2, 2, 2), 9, np.uint8), r"uint8 up to 9; expected uint8 ids 0\.\.5"),
        (np.full((2, 2, 2), -1), "int64 up to -1"),
        (np.full((2, 2, 2), math.nan), "float64 up to nan"),
        (np.full((2, 2, 2), True), "bool up to True"),
    ],
)
def test_masks_that_do_not_fit_are_refused(mask: np.ndarray, said: str) -> None:
    with pytest.raises(LabelError, match=rf"The mask of part7 .*{said}.*\. (Make|Translate)"):
        measure_scan(mask, HBM, (1, 1, 1), RECIPE, "part7")


def test_classes_without_a_void_are_refused() -> None:
    with pytest.raises(NotReady, match=r"part7 has the role void \(background, a, b\); name one"):
        measure_scan(block(), ClassMap.from_names(["background", "a", "b"]), (1, 1, 1), RECIPE, "part7")


def test_a_refusal_is_always_one_a_person_is_told() -> None:
    assert all(issubclass(e, VoidscopeError) for e in (NotReady, VolumeError, LabelError))


def test_measuring_leaves_the_mask_alone_and_takes_it_in_any_layout() -> None:
    mask = block()
    mask[5, 5, 5:8] = VOID
    before = mask.copy()
    one = measure_scan(mask, HBM, (1, 1, 1), RECIPE, "a")
    assert (mask == before).all()
    assert measure_scan(np.asfortranarray(mask), HBM, (1, 1, 1), RECIPE, "a") == one
    assert measure_scan(mask.astype(np.uint16), HBM, (1, 1, 1), RECIPE, "a") == one


@settings(max_examples=60, deadline=None)
@given(masks, st.integers(1, 4))
def test_an_entry_is_valid_json_and_comes_back_equal(mask: np.ndarray, least: int) -> None:
    spacing = tuple(np.float32([0.7, 0.7, 1.4]))
    found = measure_scan(mask, HBM, spacing, MeasureConfig(min_voxels=least), "a")
    text = json.dumps(found.entry(), allow_nan=False)
    assert ScanMeasurement.from_entry(json.loads(text)) == found


def test_an_entry_says_what_the_command_line_promises() -> None:
    mask = block()
    mask[5, 5, 5:8] = VOID
    entry = measure_scan(mask, NO_PILLAR, (0.5, 1, 2), MeasureConfig(limit=0.01, min_voxels=1), "a").entry()
    (void,) = entry["voids"]
    assert {k: entry[k] for k in ("scan", "limit", "verdict", "n_voids", "spacing_um")} == {
        "scan": "a", "limit": 0.01, "verdict": "PASS", "n_voids": 1, "spacing_um": [0.5, 1.0, 2.0]
    }  # fmt: skip
    assert entry["void_over_foreground"] == entry["void_over_solder"] == entry["ratio_value"] == 3 / 512
    assert entry["void_over_rest_of_foreground"] == entry["void_to_solder"] == 3 / 509
    assert entry["ratio"] == "void/foreground"
    assert "void included" in entry["ratio_definition"]
    assert void["volume_um3"] == 3
    assert void["centroid_um"] == [2.5, 5, 12]
    assert void["diameter_um"] == pytest.approx((18 / math.pi) ** (1 / 3))


@pytest.mark.parametrize("name", ["solder_class", "pillar_class", "pad_class"])
def test_a_recipe_that_names_a_class_that_is_none_is_refused_and_a_missing_default_is_not(name: str) -> None:
    recipe = MeasureConfig(**{name: "copper_pilar"})
    with pytest.raises(
        ConfigError,
        match=f"measure.{name} is 'copper_pilar', but the classes of a are background, copper_pillar,",
    ):
        measure_scan(block(), HBM, (1, 1, 1), recipe, "a")
    plain = ClassMap.from_names(["background", "layer", "void"])
    assert measure_scan(np.full((3, 3, 3), 2, np.uint8), plain, (1, 1, 1), RECIPE, "a").ratio == 0
