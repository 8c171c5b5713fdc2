"""Ratios against counting by hand, and every way in which one is undefined."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings

from metrology.masks import BACKGROUND, HBM, NO_PILLAR, PAD, PILLAR, SOLDER, VOID, block, masks
from voidscope.config import MeasureConfig
from voidscope.errors import ConfigError
from voidscope.metrology import (
    DEFINITIONS,
    RATIOS,
    ScanMeasurement,
    Verdict,
    count_classes,
    measure_scan,
)
from voidscope.metrology.ratios import reasons_of, values_of, volume_parts
from voidscope.vocabulary import ClassMap


def measured(mask: np.ndarray, classes: ClassMap = HBM, **recipe: object) -> ScanMeasurement:
    return measure_scan(mask, classes, (1, 1, 1), MeasureConfig(**recipe), "a")


def test_ratios_of_a_box_are_the_counted_ones() -> None:
    mask = np.full((10, 10, 10), BACKGROUND, np.uint8)
    mask[:4], mask[4:8], mask[5:7, 2:4, 2:7] = PILLAR, SOLDER, VOID
    void, solder, pillar = 2 * 2 * 5, 400 - 20, 400
    found = measured(mask).ratios
    assert found["void/foreground"] == void / (void + solder + pillar)
    assert found["void/(foreground-void)"] == void / (solder + pillar)
    assert found["void/(solder+void)"] == void / (solder + void)
    assert found["void/solder"] == void / solder


def test_the_ratios_of_a_hollow_ball_are_those_of_its_radii() -> None:
    z, y, x = np.meshgrid(*[np.arange(-30, 31) + 0.3] * 3, indexing="ij")
    square = z**2 + y**2 + x**2
    mask = np.where(square < 14.3**2, VOID, np.where(square < 28.6**2, SOLDER, BACKGROUND)).astype(np.uint8)
    found = measured(mask).ratios
    assert found["void/foreground"] == pytest.approx(1 / 8, rel=0.01)
    assert found["void/solder"] == pytest.approx(1 / 7, rel=0.01)


@settings(max_examples=80, deadline=None)
@given(masks)
def test_ratios_agree_with_counting_voxel_by_voxel(mask: np.ndarray) -> None:
    n = Counter(mask.ravel().tolist())
    foreground = n[PILLAR] + n[SOLDER] + n[VOID] + n[PAD]
    below = (foreground, foreground - n[VOID], n[SOLDER] + n[VOID], n[SOLDER])
    expected = [float(Fraction(n[VOID], d)) if d else None for d in below]
    found = measured(mask)
    assert list(found.ratios.values())[:4] == expected
    assert found.n_unlabelled == n[0]
    assert set(found.undefined) & set(found.ratios) == {f for f, v in found.ratios.items() if v is None}


@settings(max_examples=60, deadline=None)
@given(masks)
def test_the_four_ratios_are_four_ways_to_say_two_numbers(mask: np.ndarray) -> None:
    found = measured(mask).ratios
    for part, rest in (("void/foreground", "void/(foreground-void)"), ("void/(solder+void)", "void/solder")):
        p, r = found[part], found[rest]
        if p is not None and r is not None:
            assert r == pytest.approx(p / (1 - p))
        else:
            assert r is None
            assert p in (None, 1.0)


@settings(max_examples=60, deadline=None)
@given(masks)
def test_neither_background_nor_unlabelled_voxels_enter_a_ratio(mask: np.ndarray) -> None:
    plain = measured(mask)
    padded = np.pad(mask, 3, constant_values=BACKGROUND)
    padded[0] = 0
    wide = measured(padded)
    assert wide.ratios == plain.ratios
    assert wide.n_unlabelled == plain.n_unlabelled + padded[0].size


def test_classes_are_counted_unlabelled_first() -> None:
    mask = np.array([[[0, 0, 1, 4, 4, 4, 5]]], np.uint8)
    assert count_classes(mask, 5) == (2, 1, 0, 0, 3, 1)


def test_all_void_classes_count_as_void() -> None:
    classes = ClassMap.from_names(["background", "solder", "bubble:void", "crack:void"])
    found = measured(np.array([[[1, 2, 2, 3, 4]]], np.uint8), classes)
    assert found.ratio == 2 / 4
    assert found.ratios["void/solder"] == 2 / 2
    assert found.void_volume_um3 == 2


@pytest.mark.parametrize("filling", [0, BACKGROUND])
def test_without_foreground_every_ratio_is_undefined_and_never_zero(filling: int) -> None:
    found = measured(np.full((3, 3, 3), filling, np.uint8))
    assert set(found.ratios.values()) == {None}
    assert found.verdict is Verdict.REVIEW
    assert found.reason == "void/foreground is undefined: no voxel is foreground"


def test_nothing_but_void_is_all_void_and_undefined_against_the_rest() -> None:
    found = measured(np.full((3, 3, 3), VOID, np.uint8))
    assert list(found.ratios.values())[:4] == [1.0, None, 1.0, None]
    assert found.undefined["void/(foreground-void)"] == "no voxel is foreground other than void"
    assert found.undefined["void/solder"] == "no voxel is solder"
    assert "name it in measure.build_axis" in found.undefined["projected area"]


def test_without_void_the_ratios_are_zero_and_that_passes() -> None:
    found = measured(block(), NO_PILLAR, limit=0, build_axis="z")
    assert list(found.ratios.values()) == [0.0] * 6 + [None] * 2
    assert (found.verdict, found.voids, found.quantities["void_count"]) == (Verdict.PASS, (), 0)


@pytest.mark.parametrize("ratio", ["void/foreground", "projected area", "worst slice"])
def test_classes_that_know_void_alone_give_no_share_and_no_verdict(ratio: str) -> None:
    """It would be 100 % by definition, whatever is found."""
    mask = np.ones((6, 6, 6), np.uint8)
    mask[2:4, 2:4, 2:4] = 2
    found = measured(mask, ClassMap.from_names(["background", "void"]), ratio=ratio, build_axis="z")
    assert found.ratios[ratio] is None
    assert found.verdict is Verdict.REVIEW
    assert "no class but void is foreground" in found.reason


def test_without_a_solder_class_its_ratios_are_undefined_and_say_why() -> None:
    mask, classes = np.array([[[1, 2, 3]]], np.uint8), ClassMap.from_names(["background", "die", "void"])
    found = measure_scan(mask, classes, (1, 1, 1), MeasureConfig(ratio="void/(solder+void)"), "a")
    assert found.ratios["void/solder"] is found.ratios["void/(solder+void)"] is None
    assert found.ratios["void/foreground"] == 0.5
    assert found.verdict is Verdict.REVIEW
    assert "there is no class 'solder'" in found.reason
    assert "measure.solder_class" in found.reason
    assert {"void/(solder+void)", "void/solder"} <= set(found.undefined)


@pytest.mark.parametrize(
    ("recipe", "why"),
    [
        ({"solder_class": "void"}, "measure.solder_class is 'void', which is no foreground"),
        ({"pillar_class": "background"}, "measure.pillar_class is 'background', which is no foreground"),
        ({"pad_class": "solder"}, "measure.pad_class and measure.solder_class are both 'solder'"),
        ({"pillar_class": "copper_pad"}, "measure.pad_class and measure.pillar_class are both 'copper_pad'"),
    ],
)
def test_a_part_of_a_bump_is_a_foreground_class_of_its_own(recipe: dict[str, str], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        measured(np.array([[[BACKGROUND, PILLAR, VOID]]], np.uint8), **recipe)


def test_another_class_can_be_the_solder() -> None:
    counts = (0, 10, 4, 8, 2, 0)
    assert values_of(volume_parts(counts, HBM, "copper_pillar"))["void/solder"] == 2 / 4
    assert reasons_of(volume_parts(counts, HBM, "copper_pad")) == {"void/solder": "no voxel is copper_pad"}


def test_every_ratio_a_recipe_can_name_is_computed_and_explained() -> None:
    from typing import get_args

    allowed = set(get_args(MeasureConfig.model_fields["ratio"].annotation))
    assert set(RATIOS.values()) == set(DEFINITIONS) == allowed


def test_a_map_without_solder_has_no_ratio_to_it() -> None:
    plain = ClassMap.from_names(["background", "layer", "void"])
    found = measured(np.array([[[1, 2, 3]]], np.uint8), plain)
    assert "there is no class 'solder' among background, layer, void" in found.undefined["void/solder"]
