"""Scores of test scans: pooled, at native size, and what a metrologist would have signed."""

from __future__ import annotations

import numpy as np
import pytest

from voidscope.benchmark.scoring import score
from voidscope.config import MeasureConfig
from voidscope.vocabulary import ClassMap

CLASSES = ClassMap.from_names(["background", "copper_pillar", "solder", "void:void"])


def _scan(void: int) -> np.ndarray:
    """100 solder voxels of which `void` are void, in 200 of background."""
    mask = np.ones((3, 10, 10), np.uint8)
    mask[0] = 3
    mask[0].flat[:void] = 4
    return mask


def test_perfect_masks_score_one_and_sign_what_the_truth_signs() -> None:
    truths = {"a": _scan(10), "b": _scan(0)}
    found = score(truths, truths, CLASSES, MeasureConfig())
    assert (found["miou"], found["void_iou"], found["void_ratio_error"], found["verdict_agreement"]) == (
        1,
        1,
        0,
        1,
    )
    assert [s["true_verdict"] for s in found["scans"]] == ["FAIL", "PASS"]
    assert found["iou"]["copper_pillar"] is None


def test_a_missed_void_costs_void_iou_ratio_error_and_the_verdict() -> None:
    found = score({"a": _scan(0), "b": _scan(0)}, {"a": _scan(10), "b": _scan(0)}, CLASSES, MeasureConfig())
    assert found["void_iou"] == 0
    assert found["void_ratio_error"] == pytest.approx(0.05)
    assert found["verdict_agreement"] == 0.5
    assert found["iou"]["solder"] == pytest.approx(190 / 200)


def test_a_model_that_finds_nothing_to_measure_errs_by_the_whole_ratio() -> None:
    blind = np.ones((3, 10, 10), np.uint8)
    found = score({"a": blind, "b": _scan(10)}, {"a": _scan(30), "b": _scan(10)}, CLASSES, MeasureConfig())
    assert [s["ratio"] for s in found["scans"]] == [None, pytest.approx(0.1)]
    assert found["void_ratio_error"] == pytest.approx(0.3 / 2)
    nothing = score({"a": blind}, {"a": blind}, CLASSES, MeasureConfig())
    assert nothing["void_ratio_error"] is None


def test_where_classes_know_void_alone_nothing_is_right_by_definition() -> None:
    truth, nothing = np.ones((4, 4, 4), np.uint8), np.ones((4, 4, 4), np.uint8)
    truth[1, 1, 1:3] = 2
    found = score({"a": nothing}, {"a": truth}, ClassMap.from_names(["background", "void"]), MeasureConfig())
    assert (found["void_iou"], found["void_ratio_error"], found["verdict_agreement"]) == (0, None, None)


def test_void_iou_is_that_of_the_void_classes_there_are() -> None:
    two = ClassMap.from_names(["background", "solder", "void", "crack:void"])
    truth = np.ones((1, 4, 4), np.uint8)
    truth[0, :2], truth[0, 0, 0] = 2, 3
    assert score({"a": truth}, {"a": truth}, two, MeasureConfig())["void_iou"] == 1


def test_iou_is_pooled_over_scans_not_averaged() -> None:
    masks, truths = {"a": _scan(10), "b": _scan(30)}, {"a": _scan(20), "b": _scan(30)}
    found = score(masks, truths, CLASSES, MeasureConfig())
    assert found["void_iou"] == pytest.approx(40 / 50)
    assert found["miou"] == pytest.approx((1 + 150 / 160 + 40 / 50) / 3)
    assert found["miou_foreground"] == pytest.approx((150 / 160 + 40 / 50) / 2)


def test_voxels_nobody_knows_count_nowhere() -> None:
    truth = _scan(10)
    truth[0].flat[50:] = 0
    mask = _scan(10)
    mask[0].flat[50:] = 4
    found = score({"a": mask}, {"a": truth}, CLASSES, MeasureConfig())
    assert (found["miou"], found["void_ratio_error"]) == (1, 0)


def test_a_scan_without_foreground_has_no_ratio_to_err_in_or_to_agree_on() -> None:
    nothing = np.ones((2, 4, 4), np.uint8)
    found = score({"a": nothing}, {"a": nothing}, CLASSES, MeasureConfig())
    assert found["void_ratio_error"] is None
    assert found["void_iou"] is None
    assert found["verdict_agreement"] is None
