"""No limit on a length is kept by what was not seen of the bump."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrology.masks import BACKGROUND, HBM, PAD, PILLAR, SOLDER, VOID, masks
from voidscope.config import Criterion, MeasureConfig
from voidscope.metrology import Margins, Outcome, ScanMeasurement, Verdict, dimensions, measure_scan
from voidscope.metrology.structures import split

ORDERS = [(0, 1, 2), (1, 2, 0), (2, 0, 1)]
"""Axes of a scan, of which a bump may stand along any."""
UM1 = (1.0, 1.0, 1.0)


def bump(n: int = 1) -> np.ndarray:
    """So many bumps beside one another: pillar from z = 4 to 16, solder to 30, pad to 38; 16 x 16 voxels across, 8 apart."""
    mask = np.full((42, 24, 24 * n), BACKGROUND, np.uint8)
    for k in range(n):
        own = mask[:, 4:20, 4 + 24 * k : 20 + 24 * k]
        own[4:16], own[16:30], own[30:38] = PILLAR, SOLDER, PAD
    return mask


def limit(measure: str, **limits: float) -> Criterion:
    return Criterion(measure=measure, **limits)


def measured(mask: np.ndarray, *criteria: Criterion, **changes: object) -> ScanMeasurement:
    return measure_scan(mask, HBM, UM1, MeasureConfig(criteria=criteria, **changes), "a")


def outcomes(found: ScanMeasurement) -> list[Outcome]:
    """Of the criteria of the first bump, but for the ratio's."""
    return list(found.bumps[0].measured.outcomes[1:])


def said(found: ScanMeasurement) -> list[str]:
    return [o.verdict.value for o in outcomes(found)]


@pytest.mark.parametrize("unit", ["bump", "scan"])
@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("planes", "verdicts", "what"),
    [
        (slice(8, None), ["REVIEW", "PASS", "REVIEW"], "foot"),
        (slice(0, 36), ["REVIEW", "PASS", "PASS"], "top"),
        (slice(0, 42), ["PASS", "PASS", "PASS"], ""),
    ],
)
def test_what_is_read_off_an_end_at_the_edge_of_the_scan_keeps_no_limit_from_above(
    planes: slice,
    verdicts: list[str],
    what: str,
    turned: bool,
    order: tuple[int, int, int],
    n: int,
    unit: str,
) -> None:
    mask = bump(n)[planes][:: -1 if turned else 1]
    limits = (
        limit("blt_um", at_most=40),
        limit("blt_um", at_least=20),
        limit("pillar_height_um", at_most=20),
    )
    found = measured(np.ascontiguousarray(mask.transpose(order)), *limits, unit=unit)
    assert said(found) == verdicts
    assert found.verdict is (Verdict.REVIEW if what else Verdict.PASS)
    axis = "zyx"[order.index(0)]
    assert (
        not what
        or f"but its {what} lies at the edge of the scan along {axis}, so it may be more" in found.reason
    )
    assert {b.measured.doubts for b in found.bumps} == {()}
    guarded = (Criterion(measure="blt_um", at_most=60, uncertainty=1.0),)
    cut = measure_scan(
        np.ascontiguousarray(mask.transpose(order)),
        HBM,
        UM1,
        MeasureConfig(criteria=guarded, rule="guard band"),
        "a",
    )
    assert said(cut) == ["REVIEW" if what else "PASS"]


def test_what_fails_though_part_of_it_is_missing_fails() -> None:
    found = measured(bump()[8:], limit("blt_um", at_most=25))
    assert (found.verdict, outcomes(found)[0].value) == (Verdict.FAIL, 30)


@pytest.mark.parametrize(("n", "verdict"), [(7, "PASS"), (8, "REVIEW")])
def test_a_few_voxels_at_the_edge_cut_no_foot(n: int, verdict: str) -> None:
    mask = bump()[3:]
    mask[0, 8, 6 : 6 + n] = PILLAR
    assert said(measured(mask, limit("blt_um", at_most=40))) == [verdict]


def with_lip(levels: int, reach: int = 4, width: int = 16) -> np.ndarray:
    """A bump with a lip of solder at its one side, some levels of 14 high."""
    mask = bump()
    mask = np.pad(mask, ((0, 0), (0, 0), (0, 10)), constant_values=BACKGROUND)
    mask[20 : 20 + levels, 4 : 4 + width, 20 : 20 + reach] = SOLDER
    return mask


@pytest.mark.parametrize("sure", [False, True])
@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("turned", [False, True])
def test_a_lip_of_solder_one_level_high_keeps_no_limit(
    order: tuple[int, int, int], turned: bool, sure: bool
) -> None:
    mask = with_lip(1)[..., :: -1 if turned else 1]
    mask = np.ascontiguousarray(mask.transpose(order))
    margins = Margins.of(mask, np.full(mask.shape, 0.05, np.float16), HBM) if sure else None
    limits = (
        limit("solder_protrusion_um", at_most=3), limit("solder_protrusion_share", at_most=0.2), limit("solder_protrusion_um", at_most=4)
    )  # fmt: skip
    found = measure_scan(mask, HBM, UM1, MeasureConfig(criteria=limits), "a", margins=margins)
    assert said(found) == ["REVIEW", "REVIEW", "PASS"]
    assert [o.value for o in outcomes(found)] == pytest.approx([0, 0, 0])
    reach = 3.5 if sure else 4
    assert f"connected voxels of solder or more reach {reach:g} um beyond its pillar" in found.reason
    assert found.verdict is Verdict.REVIEW


def test_a_lip_that_is_high_enough_is_measured() -> None:
    found = measured(with_lip(2), limit("solder_protrusion_um", at_most=3))
    assert (found.verdict, found.dimensions.lip_um) == (Verdict.FAIL, None)


@pytest.mark.parametrize(
    ("width", "reach", "verdict"), [(7, 4, "PASS"), (8, 4, "REVIEW"), (1, 10, "PASS"), (1, 11, "REVIEW")]
)
def test_voxels_too_few_to_be_told_from_noise_are_no_lip(width: int, reach: int, verdict: str) -> None:
    """Those count that lie beyond the limit, and hang together."""
    mask = with_lip(1, reach, width)
    assert said(measured(mask, limit("solder_protrusion_um", at_most=3))) == [verdict]


def test_a_splash_of_solder_on_the_pillar_is_no_dust_where_it_would_break_a_limit() -> None:
    mask = with_lip(0)
    mask[8, 6:10, 20:26] = SOLDER  # 24 voxels of 3,608
    found = measured(mask, limit("solder_protrusion_um", at_most=3))
    assert (found.verdict, outcomes(found)[0].value) == (Verdict.REVIEW, 0)


@settings(max_examples=150, deadline=None)
@given(masks, st.sampled_from(["z", "y", "x"]))
def test_a_lip_reaches_as_far_as_eight_connected_voxels_do(mask: np.ndarray, build: str) -> None:
    """By trying every reach and labelling what lies as far out or farther; without void, which bodies take in."""
    from scipy.ndimage import label

    mask = np.where(mask == VOID, BACKGROUND, mask).astype(np.uint8)
    found = dimensions(mask, HBM, UM1, MeasureConfig(build_axis=build))
    if found.extrusion_um is None:
        return
    most = -np.inf
    for axis in (a for a in range(3) if a != "zyx".index(build)):
        other = 3 - axis - "zyx".index(build)
        seen = (mask == PILLAR).any(axis=other)
        seen = seen if "zyx".index(build) < axis else seen.T  # a row for each level
        low = np.median([row.argmax() for row in seen if row.any()])
        high = np.median([len(row) - row[::-1].argmax() for row in seen if row.any()])
        at = np.indices(mask.shape)[axis]
        for beyond in (low - at, at + 1 - high):
            for reach in np.unique(beyond[mask == SOLDER]):
                labels, _ = label((mask == SOLDER) & (beyond >= reach), np.ones((3, 3, 3)))
                if np.bincount(labels.ravel())[1:].max() >= 8:
                    most = max(most, float(reach))
    assert found.lip_um == (most if most > found.largest_extrusion_um else None)


@pytest.mark.parametrize("unit", ["bump", "scan"])
@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("levels", [1, 6])
@pytest.mark.parametrize("closing", [0, 1])
def test_solder_that_far_um_takes_away_protrudes_all_the_same(
    closing: int, levels: int, n: int, unit: str
) -> None:
    mask = np.pad(bump(n), ((0, 0), (0, 14), (0, 0)), constant_values=BACKGROUND)
    mask[16 : 16 + levels, 20:32, 10:14] = SOLDER
    most = limit("solder_protrusion_um", at_most=10)
    found = measured(mask, most, far_um=14, closing_voxels=closing, unit=unit)
    assert found.cleaned["far"]["solder"] < 0
    assert said(found) == ["REVIEW"] and found.verdict is Verdict.REVIEW
    assert outcomes(found)[0].value < 10 and "um before it is cleaned (measure." in found.reason
    assert "far_um=14" in found.reason and ("closing_voxels=1" in found.reason) is bool(closing)
    assert said(measured(mask, limit("solder_protrusion_um", at_most=12), far_um=14, unit=unit)) == ["PASS"]


def test_a_limit_that_closing_breaks_fails_and_says_so() -> None:
    mask = bump(2)
    own = mask[16:30, 4:20]
    own[:, :, 18:26] = own[:, :, 22:26] = (
        SOLDER  # the first bump's solder reaches two voxels beyond its pillar
    )
    own[..., 20:28] = BACKGROUND
    own[..., 20:22], own[..., 25:28] = SOLDER, SOLDER  # a gap of three voxels; the wall lies at x = 24
    most = limit("solder_protrusion_um", at_most=3.5)
    assert [b.measured.verdict.value for b in measured(mask, most).bumps] == ["PASS", "PASS"]
    found = measured(mask, most, closing_voxels=2)
    values = [b.measured.outcomes[1].value for b in found.bumps]
    assert values == [4, 4] and [b.measured.verdict.value for b in found.bumps] == ["FAIL", "FAIL"]
    assert "4 um is above the limit 3.5 um, but is 2 um before it is cleaned (measure.closing_voxels=2)" in (
        found.bumps[0].measured.reason
    )


def test_a_limit_that_closing_alone_keeps_is_not_kept() -> None:
    mask = bump()
    mask[30:38, 4:20, 16:19] = BACKGROUND  # a slot in the pad
    off = limit("pad_misalignment_um", at_most=9)
    slit, filled = (outcomes(measured(mask, off, closing_voxels=n))[0].value for n in (0, 2))
    assert filled < slit
    found = measured(mask, limit("pad_misalignment_um", at_most=(filled + slit) / 2), closing_voxels=2)
    assert said(found) == ["REVIEW"] and f"but is {slit:.4g} um before it is cleaned" in found.reason


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("unit", ["bump", "scan"])
@pytest.mark.parametrize(("faces", "shared"), [((1, 7), False), ((1, 8), True), ((8, 16), True)])
def test_pads_that_are_one_body_have_no_centre_of_their_own(
    faces: tuple[int, int], shared: bool, unit: str, order: tuple[int, int, int]
) -> None:
    """Three perfect bumps, of which two share a pad by a trace or a plane."""
    mask, (levels, width) = bump(3), faces
    mask[30 : 30 + levels, 4 : 4 + width, 20:28] = PAD
    mask = np.ascontiguousarray(mask.transpose(order))
    limits = [limit("pad_misalignment_um", at_most=0.5), limit("pad_misalignment_share", at_most=0.05)]
    found = measured(mask, *limits, limit("blt_um", at_most=34), unit=unit)
    verdicts = [[o.verdict.value for o in b.measured.outcomes[1:]] for b in found.bumps]
    assert verdicts == [
        ["REVIEW" if shared and b.name in ("r1c1", "r1c2", "r2c1") else "PASS"] * 2 + ["PASS"]
        for b in found.bumps
    ]
    assert found.verdict is (Verdict.REVIEW if shared else Verdict.PASS)
    assert {b.measured.doubts for b in found.bumps} == {()}
    if shared:
        one, two = [b for b in found.bumps if b.measured.verdict is Verdict.REVIEW]
        why = f"its copper_pad goes on into {two.name}'s, so that its own has no centre"
        assert (
            one.measured.undefined["pad_misalignment_um"]
            == one.measured.undefined["pad_misalignment_share"]
            == why
        )
        assert (
            one.measured.dimensions.pad_misalignment_um
            is one.measured.quantities["pad_misalignment_share"]
            is None
        )
        assert f"pad_misalignment_um is undefined: {why}" in one.measured.reason
        assert ScanMeasurement.from_entry(found.entry()) == found


def turned(degrees: float, order: tuple[int, int, int] = (0, 1, 2)) -> np.ndarray:
    """Cylinders turned about y: a pillar 20 high and 24 wide, solder 15 and 26, a pad 10 and 28."""
    z, y, x = (g + 0.5 - half for g, half in zip(np.indices((80, 70, 70)), (40, 35, 35), strict=True))
    turn = np.deg2rad(degrees)
    up, out = z * np.cos(turn) + x * np.sin(turn), np.hypot(y, x * np.cos(turn) - z * np.sin(turn))
    mask = np.full(z.shape, BACKGROUND, np.uint8)
    for low, high, radius, name in ((-25, -5, 12, PILLAR), (-5, 10, 13, SOLDER), (10, 20, 14, PAD)):
        mask[(out < radius) & (up > low) & (up <= high)] = name
    return np.ascontiguousarray(mask.transpose(order))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("degrees", [0, 1, 2.5, 5, 10, 14])
def test_a_lean_is_said_in_degrees_though_the_pillar_s_ends_lie_to_one_side(
    degrees: float, order: tuple[int, int, int]
) -> None:
    mask = turned(degrees, order)
    assert split(mask, HBM, UM1, MeasureConfig()).lean_deg == pytest.approx(degrees, abs=0.3)
    found = measured(mask)
    assert (f" degrees from {'zyx'[order.index(0)]}" in found.reason) is (degrees > 2)
    assert degrees != 10 or "; it leans by 10 degrees from" in found.reason
    assert found.verdict is Verdict.PASS


@pytest.mark.parametrize("degrees", [0, 1, 2.5, 5, 10, 15])
def test_no_length_of_a_leaning_bump_passes_a_limit_that_it_breaks_upright(degrees: float) -> None:
    """All limits are those that the upright bump breaks by half a voxel."""
    limits = [
        limit("blt_um", at_most=44.5), limit("blt_um", at_least=45.5), limit("pillar_height_um", at_most=19.5),
        limit("pillar_height_um", at_least=20.5), limit("pillar_width_um", at_most=23.5), limit("pillar_width_um", at_least=24.5),
        limit("pad_misalignment_um", at_least=0.5), limit("solder_protrusion_um", at_most=0.5), limit("solder_protrusion_um", at_least=1.5),
        limit("solder_underfill_um", at_least=0.5),
    ]  # fmt: skip
    passed = [o.measure for o in outcomes(measured(turned(degrees), *limits)) if o.verdict is Verdict.PASS]
    assert passed == []


def test_a_lean_is_no_reason_within_the_uncertainty_or_far_from_a_limit() -> None:
    mask = turned(5)
    off = outcomes(measured(mask, limit("pad_misalignment_um", at_most=9)))[0]
    assert (off.verdict, round(off.value, 1)) == (Verdict.PASS, 2.6)  # at most 2.9 um of it come of the lean
    near = outcomes(measured(mask, limit("pad_misalignment_um", at_most=5)))[0]
    assert (
        near.verdict is Verdict.REVIEW
        and "but it leans by 4.7 degrees, which may change that by 2.9 um" in near.reason
    )
    sure = Criterion(measure="pad_misalignment_um", at_most=5, uncertainty=3)
    assert outcomes(measured(mask, sure))[0].verdict is Verdict.PASS
    broken = outcomes(measured(mask, limit("pad_misalignment_um", at_most=2)))[0]
    assert broken.verdict is Verdict.FAIL and "but it leans by 4.7 degrees" in broken.reason


@pytest.mark.parametrize(("degrees", "verdict"), [(9, "PASS"), (12, "REVIEW")])
def test_a_length_that_few_columns_run_along_may_be_any(degrees: float, verdict: str) -> None:
    """45 um long and 24 wide: of columns that lean by 12 degrees less than half run from end to end."""
    assert said(measured(turned(degrees), limit("blt_um", at_most=1000))) == [verdict]


@pytest.mark.parametrize("degrees", [20, 30, 44, 46])
def test_a_bump_that_leans_far_is_never_passed(degrees: float) -> None:
    found = measured(turned(degrees))
    lean = min(degrees, 90 - degrees)
    assert found.verdict is Verdict.REVIEW and f"lies {lean} degrees off" in found.reason
