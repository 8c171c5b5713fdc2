"""Each bump has a row and a verdict, and one bad bump fails the scan."""

from __future__ import annotations

import csv
import io
import json
import threading
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from metrology.masks import BACKGROUND, HBM, NO_PILLAR, PAD, PILLAR, RECIPE, SOLDER, VOID, block, masks
from metrology.packages import package, rows
from voidscope.config import Criterion, MeasureConfig
from voidscope.metrology import (
    Dimensions,
    Report,
    ScanMeasurement,
    Verdict,
    bumps,
    doubted,
    measure_scan,
    spot,
    worst,
)
from voidscope.metrology.measurement import measure_clean
from voidscope.metrology.structures import split

SPACING = (0.7, 0.5, 1.0)


def bad_and_good(**changes: object) -> ScanMeasurement:
    """Six bumps; two of them with a void, one above 5 %."""
    made = package((24, 44, 60), rows(2, 3, 18, 12), [7.0] * 6, voids={1: 4.5, 5: 2.0})
    return measure_scan(made.mask, HBM, (1, 1, 1), MeasureConfig(**changes), "a")


def test_one_bad_bump_fails_a_scan_whose_ratio_is_fine() -> None:
    found = bad_and_good()
    whole = bad_and_good(unit="scan")
    assert (whole.verdict, found.verdict) == (Verdict.PASS, Verdict.FAIL)
    assert whole.ratio == found.ratio
    assert {b.name: b.measured.verdict.value for b in found.bumps} == {
        "r1c1": "PASS", "r1c2": "FAIL", "r1c3": "PASS", "r2c1": "PASS", "r2c2": "PASS", "r2c3": "PASS"
    }  # fmt: skip
    assert found.reason.startswith("1 of 6 bumps fail (r1c2); worst r1c2: void/foreground = ")
    assert [b.name for _, b in worst([found], 2)] == ["r1c2", "r2c3"]


@pytest.mark.parametrize("unit", ["scan", "bump"])
@pytest.mark.parametrize(
    ("limits", "verdict", "name", "value"),
    [
        ({"at_least": 18}, Verdict.FAIL, "r1c2", 16.0), ({"at_least": 16}, Verdict.PASS, "r1c2", 16.0),
        ({"at_most": 18}, Verdict.FAIL, "r1c1", 20.0), ({"at_least": 17, "at_most": 17.5}, Verdict.FAIL, "r1c1", 20.0),
    ],
)  # fmt: skip
def test_a_length_is_judged_bump_by_bump_whatever_the_unit(
    unit: str, limits: dict[str, float], verdict: Verdict, name: str, value: float
) -> None:
    made = package((24, 22, 60), rows(1, 3, 18, 12), [7.0] * 3)
    made.mask[18:][:, made.truth[12] == 2] = BACKGROUND  # the second ends four voxels lower
    recipe = MeasureConfig(unit=unit, criteria=(Criterion(measure="blt_um", **limits),))
    found = measure_scan(made.mask, HBM, (1, 1, 1), recipe, "a")
    assert found.verdict is found.outcomes[1].verdict is verdict
    assert found.outcomes[1].value == value
    assert found.outcomes[1].reason.endswith(f"({name}, the worst of 3 bumps)")
    assert verdict is Verdict.PASS or name in found.reason
    assert (found.dimensions, found.quantities["blt_um"]) == (Dimensions(build_axis="z"), None)
    again = ScanMeasurement.from_entry(json.loads(json.dumps(found.entry())))
    assert again == found


@pytest.mark.parametrize("unit", ["bump", "scan"])
@pytest.mark.parametrize("measure", ["largest_void_share", "largest_void_diameter_share"])
def test_a_void_is_compared_with_its_bump_whatever_the_unit(unit: str, measure: str) -> None:
    made = package((24, 22, 80), rows(1, 4, 18, 12), [7.0] * 4, voids={1: 3.0})
    (alone,) = (
        b.measured.quantities[measure]
        for b in measure_scan(made.mask, HBM, (1, 1, 1), MeasureConfig(limit=0.5), "a").bumps
        if b.measured.voids
    )
    for most, verdict in (
        (alone * 1.2, Verdict.PASS),
        (alone * 1.01, Verdict.REVIEW),
        (alone * 0.99, Verdict.FAIL),
    ):
        recipe = MeasureConfig(limit=0.5, unit=unit, criteria=(Criterion(measure=measure, at_most=most),))
        found = measure_scan(made.mask, HBM, (1, 1, 1), recipe, "a")
        assert (found.verdict, found.outcomes[1].value, found.quantities[measure]) == (verdict, alone, alone)


def test_a_void_s_share_of_a_scan_stays_a_failure_where_it_lies_in_no_bump() -> None:
    made = package((24, 22, 60), rows(1, 3, 18, 12), [7.0] * 3)
    made.mask[20:23, 1:21, 27:33] = VOID  # between two bumps, a piece of its own
    recipe = MeasureConfig(
        limit=0.5, unit="scan", criteria=(Criterion(measure="largest_void_share", at_most=0.01),)
    )
    found = measure_scan(made.mask, HBM, (1, 1, 1), recipe, "a")
    assert found.outcomes[1].verdict is Verdict.FAIL


def test_a_scan_decided_by_bumps_has_each_criterion_as_of_its_worst_bump() -> None:
    made = package((24, 22, 60), rows(1, 3, 18, 12), [7.0] * 3, voids={0: 2.0, 1: 2.5, 2: 2.0})
    count = Criterion(measure="void_count", at_most=2)
    found = measure_scan(made.mask, HBM, (1, 1, 1), MeasureConfig(limit=0.5, criteria=(count,)), "a")
    assert (found.verdict, found.quantities["void_count"]) == (Verdict.PASS, 3)
    row = next(csv.DictReader(io.StringIO(Report((found,)).csv_scans())))
    assert (row["criterion_2_void_count_value"], row["criterion_2_void_count_verdict"]) == ("1.0", "PASS")
    middle = found.bumps[1].measured
    assert (found.outcomes[0].value, found.outcomes[0].uncertainty) == (middle.ratio, middle.uncertainty)
    assert found.outcomes[0].reason.endswith("(r1c2, the worst of 3 bumps)")
    together = measure_scan(
        made.mask, HBM, (1, 1, 1), MeasureConfig(limit=0.5, unit="scan", criteria=(count,)), "a"
    )
    assert (together.verdict, together.outcomes[1].value) == (Verdict.FAIL, 3)
    assert together.outcomes[0].value == found.ratio == together.ratio


def test_a_bump_without_a_length_leaves_a_scan_judged_whole_to_review() -> None:
    made = package((24, 22, 60), rows(1, 3, 18, 12), [7.0] * 3)
    made.mask[(made.truth == 3) & (made.mask == PILLAR)] = SOLDER
    recipe = MeasureConfig(unit="scan", criteria=(Criterion(measure="blt_um", at_least=1),))
    found = measure_scan(made.mask, HBM, (1, 1, 1), recipe, "a")
    assert (found.verdict, found.outcomes[1].value) == (Verdict.REVIEW, None)
    (lacking,) = (b.name for b in found.bumps if not b.measured.n_voxels["copper_pillar"])
    assert f"no voxel is copper_pillar ({lacking}, the worst of 3 bumps)" in found.reason


def test_all_bumps_pass_or_one_is_for_review() -> None:
    assert bad_and_good(limit=0.5).reason.startswith("all 6 bumps pass; worst r1c2: ")
    near = bad_and_good(limit=bad_and_good().bumps[1].measured.ratio, rule="guard band")
    assert near.verdict is Verdict.REVIEW
    assert near.reason.startswith("1 of 6 bumps are for review (r1c2)")


@pytest.mark.parametrize("smallest", [1, 8, 28])
def test_void_beside_a_bump_may_be_its_and_is_never_passed_over(smallest: int) -> None:
    made = package((24, 22, 44), rows(1, 2, 18, 12), [7.0] * 2)
    made.mask[12:15, 1:4, 20:23] = VOID
    found = measure_scan(made.mask, HBM, (1, 1, 1), MeasureConfig(min_voxels=smallest), "a")
    assert found.stray.void_voxels == 27
    assert {b.measured.verdict for b in found.bumps} == {Verdict.PASS}
    assert found.verdict is Verdict.REVIEW
    assert found.reason.startswith(
        "all bumps pass without it, but the void among it may be one's: 1 piece of 27 "
    )


@pytest.mark.parametrize(
    ("smallest", "verdict"), [(1, Verdict.REVIEW), (4, Verdict.REVIEW), (5, Verdict.PASS), (28, Verdict.PASS)]
)
def test_void_beside_a_bump_counts_from_the_smallest_void_on(smallest: int, verdict: Verdict) -> None:
    made = package((24, 22, 44), rows(1, 2, 18, 12), [7.0] * 2)
    made.mask[12, 1, 20:24] = VOID
    found = measure_scan(made.mask, HBM, (1, 1, 1), MeasureConfig(min_voxels=smallest), "a")
    assert (found.stray.void_voxels, found.verdict) == (4, verdict)


@pytest.mark.parametrize("least", [1, 8, 260])
def test_the_smallest_void_counted_hides_no_hole(least: int) -> None:
    found = measure_scan(hollow(4, 20), HBM, (1, 1, 1), MeasureConfig(limit=0.04, min_voxels=least), "a")
    assert found.verdict is Verdict.REVIEW and "closed in" in found.reason


@pytest.mark.parametrize(
    ("measure", "value"),
    [
        ("largest_void_diameter_um", (6 * 32 / np.pi) ** (1 / 3)), ("largest_void_feret_um", 6.0), ("largest_void_share", 32 / 512),
        ("largest_void_diameter_share", (6 * 32 / np.pi) ** (1 / 3) / (256 / np.pi) ** 0.5),
    ],
)  # fmt: skip
@pytest.mark.parametrize("hiding", [{"min_voxels": 260}, {"min_um3": 100.0}])
def test_no_limit_on_single_voids_is_kept_by_hiding_one(
    hiding: dict[str, float], measure: str, value: float
) -> None:
    mask = block()
    mask[4:8, 4:8, 4:6], mask[9, 9, 8:10] = VOID, VOID

    def by(at_most: float) -> ScanMeasurement:
        recipe = MeasureConfig(
            limit=1, build_axis="z", criteria=(Criterion(measure=measure, at_most=at_most),), **hiding
        )
        return measure_scan(mask, NO_PILLAR, (1, 1, 1), recipe, "a")

    wrong = {"largest_void_share": 1, "largest_void_feret_um": 0}.get(measure, 1 / 3) * (8 / 32) ** (2 / 3)
    found = by(value * (1 + wrong) - 1e-6)
    assert found.verdict is found.outcomes[1].verdict is Verdict.REVIEW
    assert "set measure.min_voxels=8 and min_um3=0" in found.reason
    assert by(value * (1 + wrong) + 1e-6).verdict is Verdict.PASS


def test_bumps_together_hold_all_void_and_all_foreground() -> None:
    found = bad_and_good()
    for name in ("void", "solder", "copper_pillar"):
        assert sum(b.measured.n_voxels[name] for b in found.bumps) == found.n_voxels[name]
    apart = sorted((v for b in found.bumps for v in b.measured.voids), key=lambda v: v.box)
    together = sorted(found.voids, key=lambda v: v.box)
    assert [(v.box, v.volume_um3) for v in apart] == [(v.box, v.volume_um3) for v in together]
    assert np.allclose([v.centroid_um for v in apart], [v.centroid_um for v in together], rtol=1e-12)
    assert all(
        b.structure.size_voxels == sum(b.measured.n_voxels[n] for n in HBM.names[1:]) for b in found.bumps
    )


def test_a_single_bump_is_measured_as_the_scan_is_whole_or_in_its_box() -> None:
    made = package((20, 30, 30), [(15, 15)], [7.0], voids={0: 3.0})
    whole = measure_clean(made.mask, HBM, (0.7, 0.5, 0.5), RECIPE, "a")
    (alone,) = measure_scan(made.mask, HBM, (0.7, 0.5, 0.5), RECIPE, "a").bumps
    assert alone.measured == whole
    dusty = made.mask.copy()
    dusty[19, 29, 29] = SOLDER
    found = measure_scan(dusty, HBM, (0.7, 0.5, 0.5), RECIPE, "a")
    (boxed,) = found.bumps
    assert (boxed.measured.ratios, boxed.measured.dimensions) == (whole.ratios, whole.dimensions)
    assert boxed.measured.uncertainty == whole.uncertainty
    for a, b in zip(boxed.measured.voids, whole.voids, strict=True):
        assert (a.box, a.n_voxels, a.touches_border) == (b.box, b.n_voxels, b.touches_border)
        assert a.centroid_um == pytest.approx(b.centroid_um)
    assert (found.verdict, found.reason) == (whole.verdict, whole.reason)
    assert found.stray.pieces == 1


def test_a_jump_goes_to_the_largest_void_or_to_the_middle() -> None:
    found = bad_and_good()
    assert spot(found.bumps[1]) == found.bumps[1].measured.voids[0].centroid_voxel
    assert spot(found.bumps[0]) == found.bumps[0].structure.centroid_voxel


def test_a_doubt_holds_for_every_bump() -> None:
    found = doubted(bad_and_good(), "nobody knows")
    assert {b.measured.verdict for b in found.bumps} | {found.verdict} == {Verdict.REVIEW}
    assert found.bumps[1].measured.reason == "nobody knows"
    assert doubted(bad_and_good(), "") == bad_and_good() == doubted(bad_and_good(), "", of_pass=True)
    found = doubted(bad_and_good(), "nobody judged", of_pass=True)
    assert found.verdict is bad_and_good().verdict is Verdict.FAIL
    for one, was in zip(found.bumps, bad_and_good().bumps, strict=True):
        passed = was.measured.verdict is Verdict.PASS
        assert one.measured.verdict is (Verdict.REVIEW if passed else was.measured.verdict)
        assert one.measured.reason == was.measured.reason + ("; nobody judged" if passed else "")


def test_without_a_bump_the_scan_decides() -> None:
    empty = np.full((4, 4, 4), BACKGROUND, np.uint8)
    found = measure_scan(empty, HBM, SPACING, RECIPE, "a")
    assert found.bumps == () and found.verdict is Verdict.REVIEW
    empty[1, 1, 1] = VOID
    assert measure_scan(empty, HBM, SPACING, RECIPE, "a").verdict is Verdict.FAIL


def test_a_void_cut_by_the_bump_s_box_is_not_cut_by_the_scan_s_edge() -> None:
    mask = block((12, 12, 12))
    mask[2:4, 4:7, 4:7] = VOID
    mask[0, 0, 0] = SOLDER
    (bump,) = measure_scan(mask, HBM, (1, 1, 1), RECIPE, "a").bumps
    assert not bump.measured.voids[0].touches_border


@settings(max_examples=40, deadline=None)
@given(masks)
def test_an_entry_with_bumps_is_valid_json_and_comes_back_equal(mask: np.ndarray) -> None:
    found = measure_scan(mask, HBM, SPACING, MeasureConfig(least_structure=0.2), "a")
    assert ScanMeasurement.from_entry(json.loads(json.dumps(found.entry(), allow_nan=False))) == found


def test_the_rows_of_a_bump_say_what_the_command_line_promises() -> None:
    entry = bad_and_good().entry()
    bump = entry["bumps"][1]
    assert {
        "bump",
        "row",
        "column",
        "verdict",
        "reason",
        "void_over_foreground",
        "n_voids",
        "voids",
        "dimensions",
    } <= bump.keys()
    assert not {"classes", "recipe", "bumps"} & bump.keys()
    assert (bump["bump"], bump["row"], bump["column"], bump["verdict"]) == ("r1c2", 1, 2, "FAIL")
    assert {
        "scan",
        "void_over_foreground",
        "void_over_solder",
        "n_voids",
        "voids",
        "limit",
        "verdict",
    } <= entry.keys()


def hollow(voids: int, holes: int) -> np.ndarray:
    """A block of 512 voxels of solder, some of them void, and some background closed in beside it."""
    mask = block()
    inner = mask[2:-2, 2:-2, 2:-2]
    inner[1, 1, 1 : 1 + voids] = VOID
    flat = inner[3:5, 2:7, 2:7].reshape(-1)
    flat[:holes] = BACKGROUND
    inner[3:5, 2:7, 2:7] = flat.reshape(2, 5, 5)
    return mask


@pytest.mark.parametrize(
    ("holes", "limit", "verdict"),
    [
        (0, 0.05, Verdict.PASS),
        (7, 0.01, Verdict.PASS),  # too few to be a void
        (20, 0.05, Verdict.PASS),  # (4 + 20) / 512 is within the limit
        (20, 0.04, Verdict.REVIEW),
        (40, 0.05, Verdict.REVIEW),
        (40, 0.001, Verdict.FAIL),
    ],
)
def test_background_closed_in_may_be_void_and_never_makes_a_pass(
    holes: int, limit: float, verdict: Verdict
) -> None:
    recipe = MeasureConfig(limit=limit)
    found = measure_scan(hollow(4, holes), NO_PILLAR, (1, 1, 1), recipe, "a")
    assert (found.closed_in, found.verdict) == (holes, verdict)
    assert found.bumps[0].measured.verdict is verdict
    assert ("closed in" in found.reason) is (verdict is Verdict.REVIEW)
    filled = measure_scan(
        hollow(4, holes), NO_PILLAR, (1, 1, 1), MeasureConfig(limit=limit, fill_holes=True), "a"
    )
    assert filled.closed_in == 0
    if verdict is Verdict.REVIEW:
        assert filled.verdict is Verdict.FAIL
        assert f"{100 * filled.ratio:.4g} %" in found.reason
    assert ScanMeasurement.from_entry(json.loads(json.dumps(found.entry()))) == found


def test_each_hole_is_held_against_the_bump_it_is_in() -> None:
    made = package((24, 22, 44), rows(1, 2, 18, 12), [7.0] * 2)
    first, second = (b.structure.box for b in measure_scan(made.mask, HBM, (1, 1, 1), RECIPE, "a").bumps)
    z, y, x = ((a + b) // 2 for a, b in second)
    made.mask[z - 2 : z + 3, y - 3 : y + 4, x - 3 : x + 4] = BACKGROUND
    found = measure_scan(made.mask, HBM, (1, 1, 1), RECIPE, "a")
    assert [b.measured.verdict for b in found.bumps] == [Verdict.PASS, Verdict.REVIEW]
    assert (found.verdict, found.closed_in) == (Verdict.REVIEW, 245)
    assert first != second and "closed in" in found.reason


def test_a_hole_across_the_wall_between_touching_bumps_is_each_one_s() -> None:
    mask = np.full((36, 24, 44), BACKGROUND, np.uint8)
    for x in (2, 22):
        mask[2:12, 4:20, x : x + 16] = PILLAR
        mask[12:24, 4:20, x : x + 16] = SOLDER
    mask[14:22, 4:20, 18:22] = SOLDER
    mask[15:21, 7:17, 14:26] = BACKGROUND
    found = measure_scan(mask, HBM, (1, 1, 1), RECIPE, "a")
    assert len(found.bumps) == 2 and [b.measured.closed_in for b in found.bumps] == [720, 720]
    assert found.verdict is Verdict.REVIEW and "closed in" in found.reason


@pytest.mark.parametrize("closed_in", [BACKGROUND, 0])
def test_what_is_closed_in_is_judged_by_the_rule_as_void_would_be(closed_in: int) -> None:
    mask = np.full((36, 24, 24), BACKGROUND, np.uint8)
    mask[2:12, 4:20, 4:20], mask[12:24, 4:20, 4:20] = PILLAR, SOLDER
    mask[14:18, 8:12, 8:12] = closed_in
    recipe = MeasureConfig(rule="guard band", limit=64 / (22 * 256) + 1e-4)
    found = measure_scan(mask, HBM, (1, 1, 1), recipe, "a")
    assert (found.closed_in, found.verdict) == (64, Verdict.REVIEW)
    void = mask.copy()
    void[14:18, 8:12, 8:12] = VOID
    assert measure_scan(void, HBM, (1, 1, 1), recipe, "a").verdict is Verdict.REVIEW


@pytest.mark.parametrize("ball", [False, True])
@pytest.mark.parametrize("margin", [-0.1, -0.001, 0.001, 0.1])
def test_a_hole_has_the_uncertainty_of_as_much_void_with_its_faces(margin: float, ball: bool) -> None:
    mask = block((24, 24, 24))
    mask[5:8, 5:8, 5:8] = VOID if ball else SOLDER
    void, hole = mask.copy(), mask.copy()
    void[8:13, 5:9, 5:9], hole[8:13, 5:9, 5:9] = VOID, BACKGROUND  # beside the ball, where there is one
    filled = measure_scan(void, NO_PILLAR, (1, 1, 1), MeasureConfig(rule="guard band"), "a")
    top = filled.ratio + filled.uncertainty
    recipe = MeasureConfig(rule="guard band", limit=top + margin * filled.uncertainty)
    found = measure_scan(hole, NO_PILLAR, (1, 1, 1), recipe, "a")
    as_void = measure_scan(void, NO_PILLAR, (1, 1, 1), recipe, "a")
    assert found.verdict is as_void.verdict is (Verdict.PASS if margin > 0 else Verdict.REVIEW)
    assert margin > 0 or f"{100 * filled.ratio:.4g} % ± {100 * filled.uncertainty:.2g}" in found.reason


@pytest.mark.parametrize(
    ("seen_from", "verdicts"),
    [(0, ["PASS", "FAIL"]), (9, ["REVIEW", "FAIL"]), (32, ["REVIEW"]), (None, ["PASS", "PASS"])],
)
def test_a_bump_beside_unlabelled_voxels_never_passes(seen_from: int | None, verdicts: list[str]) -> None:
    made = package((24, 22, 44), rows(1, 2, 18, 12), [7.0] * 2, voids={} if seen_from is None else {1: 5.0})
    mask = made.mask.copy()
    mask[..., : seen_from or 0] = 0
    if seen_from is None:
        mask[0], mask[8, 12, 12] = 0, 0  # away from the bumps, and a voxel closed in
    if seen_from == 32:
        mask[mask == VOID] = SOLDER
    found = measure_scan(mask, HBM, (1, 1, 1), RECIPE, "a")
    assert [b.measured.verdict.value for b in found.bumps] == verdicts
    assert all(
        ("unlabelled voxels lie beside it" in b.measured.reason) is (v == "REVIEW")
        for b, v in zip(found.bumps, verdicts, strict=True)
    )


def pair(solder: int) -> np.ndarray:
    """Two bumps of pillar, solder and pad; of the second one's solder voxels so many levels of twelve are left, the rest is air."""
    mask = np.full((34, 24, 44), BACKGROUND, np.uint8)
    for x, levels in ((4, 12), (24, solder)):
        mask[2:12, 4:20, x : x + 16], mask[24:30, 4:20, x : x + 16] = PILLAR, PAD
        mask[12 : 12 + levels, 4:20, x : x + 16] = SOLDER
    return mask


def test_an_open_bump_whose_halves_have_no_void_is_never_passed() -> None:
    found = measure_scan(pair(0), HBM, (1, 1, 1), RECIPE, "a")
    assert [b.measured.verdict for b in found.bumps].count(Verdict.REVIEW) == len(found.bumps) - 1 == 2
    assert found.verdict is Verdict.REVIEW
    said = sorted(b.measured.reason for b in found.bumps if b.measured.verdict is Verdict.REVIEW)
    assert said[0].startswith("it lacks copper_pillar (0 voxels, others up to 2,560) and solder (0 voxels,")
    assert said[1].startswith(
        "it lacks solder (0 voxels, others up to 3,072) and copper_pad (0 voxels, others"
    )


def test_an_open_bump_leaves_a_scan_judged_whole_to_review() -> None:
    whole = RECIPE.model_copy(update={"unit": "scan"})
    found = measure_scan(pair(0), HBM, (1, 1, 1), whole, "a")
    assert found.verdict is Verdict.REVIEW and "it lacks" in found.reason
    assert measure_scan(pair(12), HBM, (1, 1, 1), whole, "a").verdict is Verdict.PASS


def test_no_uncertainty_of_its_own_hides_from_a_scan_that_a_bump_is_open() -> None:
    how = RECIPE.model_copy(update={"unit": "scan", "rule": "guard band", "limit": 0.02})
    mask = pair(0)
    mask[mask == PAD] = BACKGROUND  # so that nothing else is odd
    mask[4:10, 8:12, 30:33] = VOID
    found = measure_scan(mask, HBM, (1, 1, 1), how, "a")
    (odd,) = (b.measured for b in found.bumps if b.measured.doubts)
    assert "too near the limit" in odd.reason and odd.doubts[0].startswith("it lacks solder")
    assert found.verdict is Verdict.REVIEW and "it lacks solder" in found.reason


@pytest.mark.parametrize("n", [1, 2])
def test_pillars_of_which_none_has_any_solder_are_never_passed(n: int) -> None:
    mask = pair(12)[:, :, : 22 * n]
    assert measure_scan(mask, HBM, (1, 1, 1), RECIPE, "a").verdict is Verdict.PASS
    mask[mask == SOLDER], mask[mask == PAD] = BACKGROUND, BACKGROUND
    found = measure_scan(mask, HBM, (1, 1, 1), RECIPE, "a")
    assert [b.measured.verdict for b in found.bumps] == [
        Verdict.REVIEW
    ] * n and found.verdict is Verdict.REVIEW
    assert "it has copper_pillar and no solder" in found.reason


def test_solder_of_which_none_has_a_pillar_is_never_passed_where_there_should_be_one() -> None:
    mask = pair(12)
    mask[mask == PILLAR], mask[mask == PAD] = BACKGROUND, BACKGROUND
    found = measure_scan(mask, HBM, (1, 1, 1), RECIPE, "a")
    assert {b.measured.verdict for b in found.bumps} == {Verdict.REVIEW} == {found.verdict}
    assert "it has solder and no copper_pillar, nor has any bump of this scan" in found.reason
    assert measure_scan(mask, NO_PILLAR, (1, 1, 1), RECIPE, "a").verdict is Verdict.PASS


def bridge(rows: int, levels: int, of: int = SOLDER) -> np.ndarray:
    """Two bumps whose solder a bar of so many rows and levels joins; the wall between them runs through its middle."""
    mask = pair(12)
    mask[14 : 14 + levels, 6 : 6 + rows, 20:24] = of
    return mask


@pytest.mark.parametrize("unit", ["bump", "scan"])
@pytest.mark.parametrize("of", [SOLDER, VOID, PILLAR])
def test_what_runs_into_the_bump_beside_is_never_passed(unit: str, of: int) -> None:
    recipe = RECIPE.model_copy(update={"unit": unit, "limit": 1.0})
    six = measure_scan(bridge(2, 3, of), HBM, (1, 1, 1), recipe, "a")
    assert six.verdict is (Verdict.REVIEW if of == SOLDER else Verdict.PASS)  # else it may be blur
    found = measure_scan(bridge(4, 2, of), HBM, (1, 1, 1), recipe, "a")
    assert (
        found.verdict is Verdict.REVIEW and [b.measured.verdict for b in found.bumps] == [Verdict.REVIEW] * 2
    )
    for bump, other in zip(found.bumps, [b.name for b in found.bumps][::-1], strict=True):
        what = {SOLDER: "solder", VOID: "void", PILLAR: "copper_pillar"}[of]
        assert bump.measured.doubts[0].startswith(f"its {what} runs into {other} (8 voxel faces)")


def test_pads_may_be_shared() -> None:
    mask = pair(12)
    mask[24:30, 4:20, 20:24] = PAD
    found = measure_scan(mask, HBM, (1, 1, 1), RECIPE, "a")
    assert (len(found.bumps), found.verdict) == (2, Verdict.PASS)


def test_a_bridge_of_two_classes_is_one() -> None:
    mask = bridge(4, 1)
    mask[23, 6:10, 20:24] = VOID
    mask[14, 6:10, 22:24] = PILLAR  # on one side of the wall alone
    found = measure_scan(mask, HBM, (1, 1, 1), RECIPE, "a")
    said = [b.measured.doubts[0].split(" (8 voxel faces)")[0] for b in found.bumps]
    assert said == ["its solder and void run into r1c2", "its copper_pillar and void run into r1c1"]


def test_each_doubt_of_a_bump_is_kept_and_said() -> None:
    mask = bridge(4, 2)
    mask[12:24, 3, 4:20] = 0
    found = measure_scan(mask, HBM, (1, 1, 1), RECIPE, "a")
    left, right = (b.measured for b in found.bumps)
    assert len(left.doubts) == 2 and len(right.doubts) == 1
    assert left.doubts[0] in left.reason and left.doubts[1] in left.reason
    assert ScanMeasurement.from_entry(json.loads(json.dumps(found.entry()))) == found


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 0, 1)])
@pytest.mark.parametrize(
    ("radius", "ids"),
    [(6.0, (SOLDER,)), (7.4, (SOLDER, VOID)), (8.1, (SOLDER,)), (8.1, (PILLAR, SOLDER, VOID))],
)
def test_bumps_meet_over_as_many_faces_as_one_counts(
    radius: float, ids: tuple[int, ...], order: tuple[int, int, int]
) -> None:
    """Slow twin, over faces along each axis."""
    made = package(
        (24, 44, 46),
        rows(2, 3, 14, 15),
        [radius, radius, 6.5, radius, 6.5, radius],
        voids={0: 3.0},
        lean=(0.1, 0.0),
    )
    made.mask[17:19, 12:16, 20:24] = VOID
    mask = np.ascontiguousarray(made.mask.transpose(order))
    found = split(mask, HBM, (1, 1, 1), RECIPE)
    numbers = np.zeros(mask.shape, int)
    for k, first, cut in found.blanked():
        box = tuple(slice(a, a + n) for a, n in zip(first, cut.shape, strict=True))
        numbers[box][np.isin(cut, [PILLAR, SOLDER, PAD, VOID])] = k + 1
    counts: list[dict[int, Counter[int]]] = [{} for _ in found.structures]
    ways = set()
    for at in np.argwhere(np.isin(mask, ids)):
        for way, to in enumerate(at + np.eye(3, dtype=int)):
            if (
                (to < mask.shape).all()
                and mask[tuple(to)] in ids
                and numbers[tuple(at)] != numbers[tuple(to)]
            ):
                a, b = int(numbers[tuple(at)]) - 1, int(numbers[tuple(to)]) - 1
                ways.add(way)
                counts[a].setdefault(b, Counter())[int(mask[tuple(at)])] += 1
                counts[b].setdefault(a, Counter())[int(mask[tuple(to)])] += 1
    assert len(ways) == (3 if radius > 7 else 0)
    assert found.touching([ids]) == counts


def test_a_failing_half_still_fails() -> None:
    mask = pair(0)
    mask[4:10, 8:16, 26:36] = VOID
    verdicts = [b.measured.verdict for b in measure_scan(mask, HBM, (1, 1, 1), RECIPE, "a").bumps]
    assert sorted(verdicts) == [Verdict.FAIL, Verdict.PASS, Verdict.REVIEW]


def hooked() -> np.ndarray:
    """Two voids of 678 voxels in one box, a thin and a lumpy one, hooked into each other in a block of solder."""
    marks = np.zeros((24, 24, 24), np.uint8)
    marks[:, :3, :3] = marks[21:, :, :3] = marks[21:, 21:, :] = 1
    marks[:3, 21:, :] = marks[:3, :, 21:] = marks[:, :3, 21:] = 2
    marks[3:12, 9:12, 21:] = marks[3, 12, 21:] = 2
    free = [(z, 1, x) for z in range(4, 20, 2) for x in range(3, 15)]
    for at in free[: int((marks == 2).sum() - (marks == 1).sum())]:
        marks[at] = 1
    mask = np.full((60, 50, 50), BACKGROUND, np.uint8)
    mask[4:56, 5:45, 5:45] = SOLDER
    mask[20:44, 10:34, 10:34][marks > 0] = VOID
    mask[:2, :2, :2] = SOLDER
    return mask


def test_voids_of_one_box_and_size_keep_each_its_own_shape() -> None:
    found = measure_scan(hooked(), HBM, (1, 1, 1), RECIPE, "a")
    (bump,) = found.bumps
    assert found.voids[0].box == found.voids[1].box and found.voids[0].n_voxels == found.voids[1].n_voxels
    areas = [v.shape.surface_area_um2 for v in found.voids]
    assert areas[0] != areas[1] and areas == [v.shape.surface_area_um2 for v in bump.measured.voids]


def test_bumps_are_read_while_the_shapes_of_the_scans_voids_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    read, told = [threading.Event() for _ in range(6)], bumps.shaped

    def waiting(voids: Any, mask: Any, *others: Any) -> Any:
        tell = told(voids, mask, *others)
        if mask.shape != (24, 44, 60):
            next(r for r in read if not r.is_set()).set()
            return tell
        return lambda: tell() if all(r.wait(10) for r in read) else pytest.fail("no bump was read meanwhile")

    monkeypatch.setattr(bumps, "WORKERS", 2)
    expected = bad_and_good()
    monkeypatch.setattr(bumps, "shaped", waiting)
    assert bad_and_good() == expected and expected.voids[0].shape
    assert expected.bumps[1].measured.voids[0].shape == expected.voids[0].shape


def test_a_piece_that_stands_head_down_never_passes() -> None:
    made = package((40, 22, 66), rows(1, 3, 18, 12), [7.0] * 3)
    mask = made.mask.copy()
    first = slice(0, 22)
    mask[..., first] = mask[::-1, :, first]
    found = measure_scan(mask, HBM, (1, 1, 1), RECIPE, "a")
    assert [b.measured.verdict for b in found.bumps] == [Verdict.REVIEW, Verdict.PASS, Verdict.PASS]
    assert "stands along -z" in found.bumps[0].measured.reason and found.verdict is Verdict.REVIEW
    pair = measure_scan(mask[..., :40], HBM, (1, 1, 1), RECIPE, "a")
    both = [b.measured.verdict for b in pair.bumps]
    assert both == [Verdict.REVIEW] * 2  # which of two is right nobody knows


def under_filled(speck: int) -> np.ndarray:
    """A bump whose solder lacks twelve voxels along x, and a speck of some class on that side, too small to be a bump."""
    mask = np.full((60, 120, 120), BACKGROUND, np.uint8)
    mask[10:30, 40:80, 40:80], mask[30:45, 40:80, 40:68] = PILLAR, SOLDER
    mask[30:45, 55:62, 95:104] = speck
    return mask


@pytest.mark.parametrize("speck", [SOLDER, PILLAR])
@pytest.mark.parametrize("unit", ["scan", "bump"])
def test_a_scan_of_one_bump_has_its_lengths_whatever_lies_beside_it(unit: str, speck: int) -> None:
    criteria = [
        Criterion(measure=m, at_most=n) for m, n in (("solder_underfill_um", 5), ("pillar_width_um", 45))
    ]
    recipe = MeasureConfig(unit=unit, criteria=tuple(criteria))
    found = measure_scan(under_filled(speck), HBM, (1, 1, 1), recipe, "a")
    (bump,) = (b.measured for b in found.bumps)
    assert found.stray.pieces == 1 and found.verdict is Verdict.FAIL
    assert found.outcomes[1:] == bump.outcomes[1:]
    assert [o.value for o in found.outcomes[1:]] == [12, 40]
    assert (found.dimensions, found.boxed) == (bump.dimensions, bump.boxed)
    lengths = [q for q in found.quantities if q.startswith(("blt", "pillar", "pad", "solder"))]
    assert len(lengths) == 9
    for name in lengths:
        assert found.quantities[name] == bump.quantities[name]
        assert found.undefined.get(name) == bump.undefined.get(name)


def test_a_bump_without_a_pillar_gets_none_from_a_speck_beside_it() -> None:
    mask = under_filled(PILLAR)
    mask[10:30, 40:80, 40:80] = SOLDER
    recipe = MeasureConfig(unit="scan", criteria=(Criterion(measure="pillar_width_um", at_most=45),))
    found = measure_scan(mask, HBM, (1, 1, 1), recipe, "a")
    assert found.verdict is Verdict.REVIEW and found.dimensions == Dimensions()
    assert found.undefined["pillar_width_um"] == "no voxel is copper_pillar"


def head_down(void: bool = False) -> np.ndarray:
    """Four bumps, the last of them head down; with a void in it if asked."""
    mask = np.full((60, 100, 100), BACKGROUND, np.uint8)
    for y, x in ((10, 10), (10, 60), (60, 10), (60, 60)):
        mask[10:30, y : y + 20, x : x + 20], mask[30:45, y : y + 20, x : x + 20] = PILLAR, SOLDER
    mask[10:25, 60:80, 60:80], mask[25:45, 60:80, 60:80] = SOLDER, PILLAR
    if void:
        mask[12:22, 62:78, 62:78] = VOID
    return mask


@pytest.mark.parametrize("void", [False, True])
def test_a_length_of_a_doubtful_bump_never_passes_a_scan_judged_whole(void: bool) -> None:
    recipe = MeasureConfig(limit=0.1, unit="scan", criteria=(Criterion(measure="blt_um", at_most=40),))
    found = measure_scan(head_down(void), HBM, (1, 1, 1), recipe, "a")
    (odd,) = (b for b in found.bumps if b.measured.dimensions.build_axis == "-z")
    assert odd.measured.verdict is (Verdict.FAIL if void else Verdict.REVIEW)  # by its own ratio
    assert found.outcomes[0].verdict is Verdict.PASS
    assert found.verdict is Verdict.REVIEW and f"{odd.name}: it stands along -z" in found.reason
    one = recipe.model_copy(update={"criteria": (Criterion(measure="blt_um", at_most=30),)})
    assert measure_scan(head_down(void), HBM, (1, 1, 1), one, "a").verdict is Verdict.FAIL
    ratio = recipe.model_copy(update={"criteria": ()})
    assert measure_scan(head_down(void), HBM, (1, 1, 1), ratio, "a").verdict is Verdict.REVIEW
    either = recipe.model_copy(update={"limit": 0.0, "pass_when": "any criterion passes"})
    assert measure_scan(head_down(True), HBM, (1, 1, 1), either, "a").verdict is Verdict.REVIEW
