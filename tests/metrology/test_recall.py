"""No PASS of a ratio that the void a model misses would take beyond its limit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from metrology.masks import BACKGROUND, HBM, NO_PILLAR, SOLDER, VOID, block
from metrology.packages import package, rows
from metrology.test_doubts import place, row
from voidscope.config import MeasureConfig
from voidscope.metrology import ScanMeasurement, Verdict, doubted, measure_scan
from voidscope.metrology.recall import at_recall


def measured(n_void: int, **recipe: Any) -> ScanMeasurement:
    """A block of 512 voxels, so many of them void."""
    mask = block()
    inside = mask[2:-2, 2:-2, 2:-2].reshape(-1)
    inside[100 : 100 + n_void] = VOID
    mask[2:-2, 2:-2, 2:-2] = inside.reshape(8, 8, 8)
    return measure_scan(mask, NO_PILLAR, (1, 1, 1), MeasureConfig(**recipe), "a")


def several(**recipe: Any) -> ScanMeasurement:
    """Six bumps, the first and the fifth with a void."""
    made = package((24, 44, 60), rows(2, 3, 18, 12), [7.0] * 6, voids={0: 2.0, 4: 3.0})
    return measure_scan(made.mask, HBM, (1, 1, 1), MeasureConfig(**recipe), "a")


@pytest.mark.parametrize("unit", ["bump", "scan"])
@pytest.mark.parametrize(
    ("recall", "verdict"), [(1.0, Verdict.PASS), (0.5, Verdict.PASS), (0.19, Verdict.REVIEW)]
)
def test_a_ratio_passes_only_where_it_would_at_the_recall(unit: str, recall: float, verdict: Verdict) -> None:
    found = measured(5, unit=unit)  # 0.977 %, so 5.14 % at a recall of 19 %
    left = at_recall(found, recall)
    assert found.verdict is Verdict.PASS
    assert left.verdict is verdict is left.outcomes[0].verdict
    if verdict is Verdict.REVIEW:
        told = "the model finds 19 % of the held-out void; at that recall void/foreground = 5.14 % is above the limit 5 %"
        assert told in left.reason and left.reason.startswith(
            "void/foreground = 0.9766 % is within the limit 5 %"
        )
    else:
        assert left == found


def test_the_interval_counts_where_it_decides() -> None:
    plain, guarded = measured(5, limit=0.04), measured(5, limit=0.04, rule="guard band")
    assert plain.verdict is guarded.verdict is Verdict.PASS and (plain.uncertainty or 0) > 0.02
    assert at_recall(plain, 0.4) == plain  # 2.4 %
    left = at_recall(guarded, 0.4)
    assert left.verdict is Verdict.REVIEW and "too near the limit 4 % to decide" in left.reason


def test_a_model_that_finds_none_passes_no_ratio() -> None:
    left = at_recall(measured(0), 0.0)
    assert left.verdict is Verdict.REVIEW and "the model finds none of the held-out void" in left.reason


def test_a_fail_stays() -> None:
    found = measured(100)
    assert found.verdict is Verdict.FAIL and at_recall(found, 0.1) == found


def test_the_bumps_that_turn_make_the_scan_one_for_review() -> None:
    found = several()
    assert found.verdict is Verdict.PASS
    worst = max(b.measured.ratio or 0 for b in found.bumps)
    left = at_recall(found, worst / 0.051)  # the second largest void still passes
    assert [b.name for b in left.bumps if b.measured.verdict is Verdict.REVIEW] == ["r2c2"]
    assert left.verdict is Verdict.REVIEW and left.reason.startswith("1 of 6 bumps are for review (r2c2)")
    assert "at that recall void/foreground = 5.1 % is above the limit" in left.outcomes[0].reason
    assert at_recall(left, worst / 0.051) == left


def test_further_criteria_on_ratios_count_too() -> None:
    criteria = [
        {"measure": "void/solder", "at_most": 0.06},
        {"measure": "largest_void_share", "at_most": 0.01},
    ]
    found = measured(5, criteria=criteria)
    left = at_recall(found, 0.16)  # 6.1 % of all, 6.2 % of the solder, of which the limit is 6 %
    assert [o.verdict for o in left.outcomes] == [Verdict.REVIEW, Verdict.REVIEW, Verdict.PASS]
    any_passes = measured(5, criteria=criteria, pass_when="any criterion passes")
    assert at_recall(any_passes, 0.16).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("measure", "power"),
    [("void_count", 1), ("largest_void_share", 1), ("largest_void_diameter_um", 1 / 3), ("largest_void_diameter_share", 1 / 3)],
)  # fmt: skip
def test_limits_on_voids_pass_only_where_they_would_at_the_recall(measure: str, power: float) -> None:
    plain = several(
        limit=0.5, criteria=[{"measure": measure, "at_most": 1.0 if measure.endswith("share") else 1e6}]
    )
    (value,) = {b.measured.quantities[measure] for b in plain.bumps if b.name == "r2c2"}
    for recall, verdict in ((0.5, Verdict.PASS), (0.4, Verdict.REVIEW)):
        held = several(limit=0.5, criteria=[{"measure": measure, "at_most": value / 0.45**power}])
        left = at_recall(held, recall)
        assert held.verdict is Verdict.PASS and left.verdict is verdict
    assert "the model finds 40 % of the held-out void; at that recall" in left.reason


def test_what_was_doubted_already_keeps_its_reason() -> None:
    for found in (measured(5), several()):
        before = doubted(found, "another file")
        left = at_recall(before, 0.01)
        assert (left.verdict, left.reason) == (Verdict.REVIEW, "another file")
        assert all(b.measured.reason == "another file" for b in left.bumps)


def test_what_a_report_tells_of_a_doubt_is_never_passed_by_recall() -> None:
    """A report has the reason alone, and one criterion of two is enough."""
    two = [{"measure": "void/solder", "at_most": 0.012}]
    found = doubted(measured(5, criteria=two, pass_when="any criterion passes"), "another file")
    left = at_recall(ScanMeasurement.from_entry(found.entry()), 0.5)
    assert [o.verdict for o in left.outcomes] == [Verdict.PASS, Verdict.REVIEW]
    assert left.verdict is Verdict.REVIEW and left.reason == "another file"


def test_a_length_that_holes_leave_to_review_in_a_scan_judged_whole_stays_so() -> None:
    """Of two bumps, each with half as many voxels of air closed in as matter."""
    mask = row(2)
    for k in range(2):
        place(mask, k)[17, 8, 4:8] = BACKGROUND
    place(mask, 0)[15, 4:6, 4:8] = VOID
    recipe = MeasureConfig(
        limit=0.002, unit="scan", pass_when="any criterion passes", criteria=({"measure": "blt_um", "at_most": 1000},)
    )  # fmt: skip
    found = measure_scan(mask, HBM, (1, 1, 1), recipe, "a")
    assert [o.verdict for o in found.outcomes] == [Verdict.PASS, Verdict.REVIEW] and found.closed_in == 8
    left = at_recall(found, 0.1)
    assert [o.verdict for o in left.outcomes] == [Verdict.REVIEW] * 2 and left.verdict is Verdict.REVIEW


def test_a_bump_at_the_edge_says_so_at_the_recall_too() -> None:
    mask = block()[2:]
    mask[2:5, 4, 4:6] = VOID  # of 512 voxels
    found = measure_scan(mask, NO_PILLAR, (1, 1, 1), MeasureConfig(unit="bump"), "a")
    end = "; it reaches the edge of the scan, so part of it may be missing"
    assert found.verdict is Verdict.PASS and end in found.reason
    left = at_recall(found, 0.1)
    assert left.verdict is Verdict.REVIEW and f"train again{end}" in left.reason
    assert left.reason.count(end) == 1


def test_a_fail_of_another_criterion_tells_how_many_pass() -> None:
    found = measured(5, criteria=[{"measure": "void_count", "at_most": 0.0}], min_voxels=1)
    assert found.reason.endswith("(1 of 2 criteria pass, all must)")
    left = at_recall(found, 0.1)
    assert left.verdict is Verdict.FAIL and left.reason.endswith("(0 of 2 criteria pass, all must)")


def test_without_void_or_solder_nothing_is_said_of_recall() -> None:
    mask = np.full((4, 4, 4), SOLDER, np.uint8)
    assert at_recall(measure_scan(mask, HBM, (1, 1, 1), MeasureConfig(), "a"), 0.3).outcomes[0].value == 0


def test_the_reason_tells_the_uncertainty_once() -> None:
    left = at_recall(measured(5, limit=0.0105), 0.9)
    assert left.verdict is Verdict.REVIEW and left.reason.count("reaches over it") == 1
