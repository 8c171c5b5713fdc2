"""The study of metrology errors counts what it says it counts."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from voidscope.vocabulary import SliceKey

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "metrology_error.py"


@pytest.fixture(scope="module")
def study() -> ModuleType:
    sys.path.insert(0, str(SCRIPT.parent))  # as when it is run
    spec = importlib.util.spec_from_file_location("metrology_error", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.path.remove(str(SCRIPT.parent))
    return module


def scan(true: float, found: float | None, u: float = 0.01, **more: Any) -> dict[str, Any]:
    """A test scan whose ratio was `true` and is said to be `found` ± `u`."""
    told = {
        "ratio": [true, found],
        "uncertainty": u,
        "void_true": round(1000 * true),
        "void_found": round(1000 * (found or 0)),
    }
    lengths = {
        n: [10.0, 10.0] for n in ("blt_um", "pillar_width_um", "pillar_height_um", "pad_misalignment_um")
    }
    verdicts = {"verdict": ["PASS", "PASS"], "verdict_halved": ["PASS", "PASS"]}
    counts = {
        "void_both": 0,
        "missed": 0,
        "invented": 0,
        "budget": {"edges of the voids": u / 2, "spread of the model": None},
    }
    return told | lengths | verdicts | counts | more


def cell(scans: list[dict[str, Any]], labels: int = 20, seed: int = 0) -> dict[str, Any]:
    """A finished cell of these scans."""
    return {
        "labels": labels, "seed": seed, "settings": [], "miou": 0.9, "iou": {"void": 0.7}, "void_recall": 0.8, "pool": 500, "void_slices": 3, "limit": 0.05,
        "limit_halved": 0.02, "coverage_factor": 2.0, "edge_sigma": 0.25, "seconds": {"train": [9.0, 8.0]}, "scans": scans, "created": "2026-01-02T03:04:05+00:00",
        "python": "3.11", "versions": {"voidscope": "1", "torch": "2"},
    }  # fmt: skip


def test_fewer_labels_are_a_part_of_more_and_seeds_differ(study: ModuleType) -> None:
    keys = [SliceKey("a", i) for i in range(50)]
    few, many = study.chosen(keys, 5, 0), study.chosen(keys, 20, 0)
    assert few == many[:5] and len(set(many)) == 20
    assert study.chosen(keys, 5, 1) != few


def test_void_is_told_as_missed_whole_invented_whole_or_off_at_the_edges(study: ModuleType) -> None:
    truth, mask = np.ones((2, 3, 12, 12), np.uint8)
    truth[1, 1:4, 1:4], mask[1, 2:5, 1:4] = 2, 2  # nine voxels each, six in common
    truth[1, 8:10, 1:3] = 2  # four that nobody found
    mask[1, 8, 8] = 2  # one that is not there
    assert study.faults(truth, mask, [2]) == {
        "void_true": 13, "void_found": 10, "void_both": 6, "missed": 4, "invented": 1,
    }  # fmt: skip


def test_voids_that_touch_at_a_corner_are_one(study: ModuleType) -> None:
    truth = np.ones((1, 4, 4), np.uint8)
    truth[0, 0, 0] = truth[0, 1, 1] = 2
    mask = np.ones_like(truth)
    mask[0, 0, 0] = 2
    assert study.faults(truth, mask, [2])["missed"] == 0


def test_an_interval_covers_up_to_its_end_and_trivial_scans_are_counted_apart(study: ModuleType) -> None:
    told = [scan(0.05, 0.0625, 0.0125), scan(0.05, 0.07), scan(0.0, 0.0), scan(0.03, None)]
    assert [study.is_covered(s) for s in told] == [True, False, True, False]
    assert [study.is_trivial(s) for s in told] == [False, False, True, False]
    assert study.is_covered(told[1], 2.1)
    assert study.coverage([cell(told)]) == "1 of 3 (33 %)"


def test_errors_are_in_points_and_leave_undefined_ratios_out(study: ModuleType) -> None:
    found = study.errors(cell([scan(0.05, 0.06), scan(0.05, None), scan(0.02, 0.015, 0.001)]))
    np.testing.assert_allclose(found, [[1, 1], [-0.5, 0.1]])


def test_a_false_pass_is_told_from_a_false_fail(study: ModuleType) -> None:
    pairs = [("PASS", "PASS"), ("FAIL", "PASS"), ("PASS", "FAIL"), ("FAIL", "REVIEW"), ("FAIL", "FAIL")]
    assert study.agreement(pairs) == "2 of 5; 1 false PASS, 1 false FAIL, 1 REVIEW"


def test_a_guard_band_leaves_to_review_what_the_interval_does_not_decide(study: ModuleType) -> None:
    told = [scan(0, 0.035, 0.01), scan(0, 0.045, 0.01), scan(0, 0.065, 0.01), scan(0, None)]
    assert [study.guarded(s, 0.05) for s in told] == ["PASS", "REVIEW", "FAIL", "REVIEW"]
    blind = scan(0, 0.01, 0.001, verdict_halved=["PASS", "REVIEW"])
    assert study.guarded(blind, 0.05) == "REVIEW"


def test_a_length_nobody_measured_is_said_and_one_that_is_not_there_is_not(study: ModuleType) -> None:
    told = [scan(0, 0, blt_um=[20.0, 21.4]), scan(0, 0, blt_um=[20.0, None]), scan(0, 0, blt_um=[None, None])]
    assert study.length_error([cell(told)], "blt_um") == "1.40 (1.40), 1 not measured"


def test_the_page_has_a_row_for_each_number_of_labels_and_the_spread_over_seeds(
    study: ModuleType, tmp_path: Path
) -> None:
    told = [cell([scan(0.05, 0.05 + 0.01 * (seed + 1))], n, seed) for n in (20, 50) for seed in (0, 1)]
    page = study.page(told, "the command", "a machine")
    assert page.count("| 20 (2) |") == page.count("| 50 (2) |") == 5
    assert "| 1.500 ± 0.707 |" in page
    assert "the command" in page and "a machine" in page
    study.drawn(told, tmp_path / "error.png")
    assert (tmp_path / "error.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("ratio", "verdict", "left"),
    [(0.015, "PASS", "PASS"), (0.017, "PASS", "REVIEW"), (0.03, "FAIL", "FAIL"), (0.017, "REVIEW", "REVIEW")],
)
def test_a_pass_holds_at_the_model_s_recall(study: ModuleType, ratio: float, verdict: str, left: str) -> None:
    seen = {**scan(0.03, ratio), "verdict_halved": ["FAIL", verdict]}  # 0.017 / 0.8 is above 0.02
    assert study.at_recall(seen, cell([seen])) == left


def test_no_scan_calibrates_its_own_interval(study: ModuleType) -> None:
    def again(last: float) -> list[dict[str, Any]]:
        budget = {"edges of the voids": 0.0025, "spread of the model": None, "voxel size": 0.0}
        found = [scan(0.05, 0.05 + e, budget=budget) for e in (0.001, -0.002, 0.0015, last)]
        scans: list[dict[str, Any]] = study.recalibrated(cell([*found, scan(0.0, 0.0, budget=budget)]))[
            "scans"
        ]
        return scans

    few, many = again(0.001), again(0.02)
    assert few[3]["uncertainty"] == many[3]["uncertainty"]
    assert few[0]["uncertainty"] < many[0]["uncertainty"]
    assert few[4]["uncertainty"] == 0.01  # a trivial one keeps its own


def test_the_sigma_of_the_others_is_that_of_their_errors(study: ModuleType) -> None:
    edges = {"edges of the voids": 0.0025}  # one voxel of edge is 0.01
    told = [scan(0.05, 0.05 + e, budget=edges) for e in (0.002, -0.002, 0.002)]
    for s in study.recalibrated(cell(told))["scans"]:
        assert s["uncertainty"] == pytest.approx(2 * 0.2 * 0.01, rel=0.03)


def test_a_finished_cell_is_not_run_again(study: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "cells.jsonl"
    path.write_text(json.dumps(cell([scan(0.05, 0.05)], labels=50, seed=1)) + "\n")
    before = path.read_bytes()
    study.run_cell(None, path, 50, 1, [])  # without a dataset it could not
    assert path.read_bytes() == before
    with pytest.raises(AttributeError):
        study.run_cell(None, path, 20, 1, [])
