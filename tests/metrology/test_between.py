"""What lies between the sides that lengths are read along keeps no limit: protrusion, under-fill, and pillars that are narrower at an angle."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt, label

from metrology.masks import BACKGROUND, HBM, PAD, PILLAR, RECIPE, SOLDER, VOID
from voidscope.config import Criterion, MeasureConfig
from voidscope.metrology import (
    Dimensions,
    Margins,
    Outcome,
    ScanMeasurement,
    Verdict,
    dimensions,
    measure_scan,
)
from voidscope.vocabulary import Mask
from voidscope.volume import Spacing
from voidscope.volume.phantom.bump import assembled, bodies_of, plain_voids, random_form
from voidscope.volume.phantom.difficulty import Forms
from voidscope.volume.phantom.geometry import random_frame, random_shape

UM1 = (1.0, 1.0, 1.0)
Z, Y, X = np.indices((60, 64, 64)) - np.array([0, 32, 32]).reshape(3, 1, 1, 1)
FROM_THE_AXIS = np.hypot(Y, X)
IN_SOLDER = (Z >= 24) & (Z < 38)


def stood(section: np.ndarray, *, pad: bool = True) -> Mask:
    """A bump of one section: pillar from z = 8 to 24, solder to 38, pad to 48."""
    mask = np.full(Z.shape, BACKGROUND, np.uint8)
    for low, high, name in ((8, 24, PILLAR), (24, 38, SOLDER), (38, 48 if pad else 38, PAD)):
        mask[section & (low <= Z) & (high > Z)] = name
    return mask


def bump(*, pad: bool = True) -> Mask:
    """Round, of radius 20."""
    return stood(FROM_THE_AXIS <= 20, pad=pad)


def square(degrees: float) -> Mask:
    """Square, 29 wide, turned about the build axis."""
    turn = np.deg2rad(degrees)
    one, other = Y * np.cos(turn) + X * np.sin(turn), X * np.cos(turn) - Y * np.sin(turn)
    return stood((abs(one) <= 14) & (abs(other) <= 14))


def disc(degrees: float, away: float, radius: float) -> np.ndarray:
    """In the solder, its centre so far from the axis."""
    turn = np.deg2rad(degrees)
    return (np.hypot(Y - away * np.sin(turn), X - away * np.cos(turn)) <= radius) & IN_SOLDER


def with_blob(degrees: float) -> Mask:
    """Solder that protrudes by 7 towards an angle."""
    mask = bump()
    mask[disc(degrees, 21, 6.5)] = SOLDER
    return mask


def with_finger(degrees: float, levels: int) -> Mask:
    """Solder that reaches out by 9 at so many levels of 14."""
    mask, turn = bump(), np.deg2rad(degrees)
    out, beside = Y * np.sin(turn) + X * np.cos(turn), Y * np.cos(turn) - X * np.sin(turn)
    mask[(out > 0) & (out < 29.5) & (abs(beside) <= 2) & (Z >= 24) & (24 + levels > Z)] = SOLDER
    return mask


def bitten(degrees: float, *, pad: bool = True) -> Mask:
    """Solder that lacks 9 from its edge at an angle."""
    mask = bump(pad=pad)
    mask[disc(degrees, 20, 9)] = BACKGROUND
    return mask


def limit(measure: str, **limits: float) -> Criterion:
    return Criterion(measure=measure, **limits)


def measured(mask: Mask, *criteria: Criterion, spacing: Spacing = UM1, **changes: object) -> ScanMeasurement:
    return measure_scan(mask, HBM, spacing, MeasureConfig(criteria=criteria, **changes), "a")


def outcomes(found: ScanMeasurement) -> list[Outcome]:
    return list(found.bumps[0].measured.outcomes[1:])


def said(found: ScanMeasurement) -> list[str]:
    return [o.verdict.value for o in outcomes(found)]


def between(mask: Mask, spacing: Spacing = UM1) -> tuple[object, object, object]:
    found = dimensions(mask, HBM, spacing, RECIPE)
    return found.beyond_um, found.lacking_um, found.least_width_um


NOTHING = (None, None, None)


@pytest.mark.parametrize("degrees", [30, 45, 60, 135, 225, 315])
def test_solder_that_protrudes_at_an_angle_keeps_no_limit_that_it_breaks(degrees: float) -> None:
    limits = [
        limit("solder_protrusion_share", at_most=0.1),
        limit("solder_protrusion_um", at_most=5),
        limit("solder_protrusion_um", at_most=8),
    ]
    found = measured(with_blob(degrees), *limits)
    assert said(found) == ["REVIEW", "REVIEW", "PASS"] and found.verdict is Verdict.REVIEW
    assert outcomes(found)[0].value < 0.1
    (where,) = found.dimensions.beyond_um or {}
    turn = np.deg2rad(degrees)
    assert where == ("+y" if np.sin(turn) > 0 else "-y") + ("+x" if np.cos(turn) > 0 else "-x")
    assert (found.dimensions.beyond_um or {})[where] == pytest.approx(7, abs=0.7)
    assert "but 8 connected voxels of solder or more reach " in found.reason
    assert (
        f" um beyond its pillar towards {where}, more than its four sides show: look at them" in found.reason
    )


def test_solder_that_protrudes_along_an_axis_fails_as_before() -> None:
    found = measured(with_blob(0), limit("solder_protrusion_share", at_most=0.1))
    assert (found.verdict, found.dimensions.beyond_um) == (Verdict.FAIL, None)


@pytest.mark.parametrize("levels", [1, 2, 14])
def test_a_finger_at_an_angle_is_seen_however_few_levels_it_takes(levels: int) -> None:
    found = measured(with_finger(45, levels), limit("solder_protrusion_um", at_most=5))
    assert said(found) == ["REVIEW"] and outcomes(found)[0].value <= 2
    assert (found.dimensions.beyond_um or {}) == {"+y+x": pytest.approx(9, abs=2)}


@pytest.mark.parametrize(("voxels", "there"), [(7, False), (8, True)])
def test_voxels_too_few_to_be_told_from_noise_do_not_protrude(voxels: int, there: bool) -> None:
    mask = bump()
    mask[26 : 26 + voxels, 32 + 18, 32 + 18] = SOLDER  # 25.5 from the axis
    mask[26 : 26 + voxels : 2, 32 - 18, 32 - 18] = SOLDER  # and some that do not hang together
    assert between(mask) == ({"+y+x": pytest.approx(5.7, abs=0.3)} if there else None, None, None)


@pytest.mark.parametrize("pad", [True, False])
@pytest.mark.parametrize("degrees", [0, 45, 100, 225])
def test_a_bite_out_of_the_solder_keeps_no_limit_that_it_breaks(degrees: float, pad: bool) -> None:
    limits = [
        limit("solder_underfill_share", at_most=0.1),
        limit("solder_underfill_um", at_most=8),
        limit("solder_underfill_um", at_most=10),
    ]
    found = measured(bitten(degrees, pad=pad), *limits)
    assert said(found) == ["REVIEW", "REVIEW", "PASS"] and found.verdict is Verdict.REVIEW
    (where,) = found.dimensions.lacking_um or {}
    assert where == {0: "+x", 45: "+y+x", 100: "+y", 225: "-y-x"}[degrees]
    assert (found.dimensions.lacking_um or {})[where] == pytest.approx(9, abs=0.7)
    assert "but 8 connected voxels or more that solder should fill reach " in found.reason
    assert f" um inward of its pillar's edge towards {where}, more than its four sides show" in found.reason


@pytest.mark.parametrize(("off", "where"), [(0.0, "no one side"), (0.3, "no one side"), (11.0, "+x")])
def test_solder_that_lacks_about_the_middle_lacks_towards_no_one_side(off: float, where: str) -> None:
    mask = bump()
    hollow, channel = np.hypot(Y, X - off) <= 10, (abs(Y) <= 3) & (off < X)
    mask[(hollow | channel) & (Z >= 27) & (Z < 34) & (mask == SOLDER)] = BACKGROUND
    found = measured(mask, limit("solder_underfill_um", at_most=2))
    assert set(found.dimensions.lacking_um or {}) == {where}
    assert f" um inward of its pillar's edge towards {where}, more than its four sides show" in found.reason


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("turned", [False, True])
def test_it_is_seen_whichever_way_the_bump_stands(order: tuple[int, int, int], turned: bool) -> None:
    spacing = np.array([0.5, 0.6, 0.7])
    for mask in (with_blob(45), bitten(45), square(30)):
        plain = between(mask, tuple(spacing))  # type: ignore[arg-type]
        other = np.ascontiguousarray((mask[::-1] if turned else mask).transpose(order))
        found = between(other, tuple(spacing[list(order)]))  # type: ignore[arg-type]
        for one, two in zip(plain, found, strict=True):
            values = [list(v.values()) if isinstance(v, dict) else v for v in (one, two)]
            assert values[0] == (None if values[1] is None else pytest.approx(values[1]))


def test_what_closing_fills_is_held_against_the_bump_all_the_same() -> None:
    mask, turn = bump(), np.pi / 4
    along, beside = Y * np.sin(turn) + X * np.cos(turn), Y * np.cos(turn) - X * np.sin(turn)
    mask[(along > 8) & (abs(beside) <= 1) & IN_SOLDER] = BACKGROUND  # a slit of 12
    most = limit("solder_underfill_um", at_most=6)
    assert said(measured(mask, most)) == said(measured(mask, most, closing_voxels=3)) == ["REVIEW"]


def test_a_square_pillar_that_is_turned_is_as_wide_as_it_is_narrowest() -> None:
    mask = square(45)
    mask[38:48] = np.roll(mask[38:48], 3, axis=2)
    limits = [
        limit("pad_misalignment_share", at_most=0.09),
        limit("pillar_width_um", at_least=35),
        limit("pillar_width_um", at_least=25),
        limit("pillar_width_um", at_most=30),
        limit("pad_misalignment_share", at_most=0.07),
        limit("pad_misalignment_um", at_most=4),
    ]
    found = measured(mask, *limits)
    assert said(found) == ["REVIEW", "REVIEW", "PASS", "FAIL", "FAIL", "PASS"]
    assert (found.dimensions.pillar_width_um, found.dimensions.least_width_um) == (
        39,
        pytest.approx(28, abs=0.5),
    )
    why = "but its pillar is neither round nor an upright square: it is 39 um wide along an axis and 27.87 um where it is narrowest"
    assert all(why in outcomes(found)[k].reason for k in (0, 1, 3))
    assert why not in outcomes(found)[4].reason  # it fails by either width


def test_an_oblong_pillar_has_two_widths() -> None:
    mask = stood((Y / 20) ** 2 + (X / 14) ** 2 <= 1)
    found = measured(mask, limit("pillar_width_um", at_least=38), limit("pillar_width_um", at_most=42))
    assert said(found) == ["REVIEW", "PASS"]
    assert found.dimensions.least_width_um == pytest.approx(29, abs=0.5)
    assert ScanMeasurement.from_entry(found.entry()) == found


@pytest.mark.parametrize(
    ("degrees", "told"), [(0, False), (2, False), (10, True), (20, True), (45, True), (88, False)]
)
def test_a_square_is_upright_to_a_few_degrees(degrees: float, told: bool) -> None:
    assert (between(square(degrees))[2] is not None) is told


@pytest.mark.parametrize("step", [1.0, 0.6, 1.7])
def test_no_disc_of_ten_voxels_or_more_is_oblong(step: float) -> None:
    rng = np.random.default_rng(1)
    for _ in range(60):
        radius = rng.uniform(5, 22) * max(1.0, step)
        y, x = np.indices((50, 50)) - 25 + rng.uniform(-0.5, 0.5, (2, 1, 1))
        there = np.hypot(y, x * step) <= min(radius, 22 * min(1.0, step))
        mask = np.full((14, 50, 50), BACKGROUND, np.uint8)
        mask[2:7, there], mask[7:12, there] = PILLAR, SOLDER
        assert between(mask, (1.0, 1.0, step)) == NOTHING


@pytest.mark.parametrize("bulge", [-4.0, 0.0, 4.0])
@pytest.mark.parametrize("pad", [0.0, 12.0, 22.0])
def test_straight_bumps_have_nothing_between_their_sides(bulge: float, pad: float) -> None:
    """Round and square ones, with more and less solder, domes, and pads beside their pillars."""
    for across, half in ((FROM_THE_AXIS, 16), (np.maximum(abs(Y), abs(X)), 16)):
        mask = stood(across <= half, pad=False)
        mask[(mask == SOLDER) & (across > half + bulge)] = BACKGROUND
        mask[IN_SOLDER & (across <= half + bulge)] = SOLDER
        assert between(mask) == NOTHING
        dome = mask.copy()
        dome[IN_SOLDER & (across > half + bulge - (Z - 24) / 2)] = BACKGROUND
        assert between(dome) == NOTHING
        off = np.maximum(abs(Y - 4), abs(X - 3)) if across is not FROM_THE_AXIS else np.hypot(Y - 4, X - 3)
        mask[(off <= pad) & (Z >= 38) & (Z < 48)] = PAD
        assert between(mask) == NOTHING


@pytest.mark.parametrize("degrees", range(0, 180, 15))
def test_round_solder_pressed_to_one_side_is_told_to_a_voxel_whichever_way(degrees: float) -> None:
    mask = bump()
    mask[IN_SOLDER & ~disc(degrees, 4, 20)], mask[disc(degrees, 4, 20)] = BACKGROUND, SOLDER
    found = dimensions(mask, HBM, UM1, RECIPE)
    assert max(most(found.beyond_um), found.largest_extrusion_um or 0) == pytest.approx(4, abs=1)
    assert max(most(found.lacking_um), found.underfill_um or 0) == pytest.approx(4, abs=1)


def test_void_and_holes_and_stray_voxels_are_no_under_fill() -> None:
    flank, hole, stray = bump(), bump(), bump()
    flank[disc(45, 18, 6) & (flank == SOLDER)] = VOID
    hole[disc(45, 8, 5) & (Z > 27) & (Z < 34)] = BACKGROUND
    rng = np.random.default_rng(2)
    stray[(rng.random(stray.shape) < 0.005) & (FROM_THE_AXIS < 30)] = BACKGROUND
    stray[(rng.random(stray.shape) < 0.002) & (Z > 20)] = SOLDER
    assert between(flank) == between(hole) == between(stray) == NOTHING


@pytest.mark.parametrize("degrees", [0, 2, 5, 10, 14])
@pytest.mark.parametrize("towards", [0, 30, 45])
def test_a_lean_is_another_reading(degrees: float, towards: float) -> None:
    tilt, turn = np.deg2rad(degrees), np.deg2rad(towards)
    z, out, beside = Z - 30.0, Y * np.sin(turn) + X * np.cos(turn), Y * np.cos(turn) - X * np.sin(turn)
    up = z * np.cos(tilt) + out * np.sin(tilt)
    across = np.hypot(beside, out * np.cos(tilt) - z * np.sin(tilt))
    mask = np.full(Z.shape, BACKGROUND, np.uint8)
    for low, high, radius, name in ((-20, -5, 14, PILLAR), (-5, 8, 15, SOLDER), (8, 17, 16, PAD)):
        mask[(across < radius) & (up > low) & (up <= high)] = name
    beyond, lacking, least = between(mask)
    assert lacking is least is None
    if towards < 45 or degrees < 10:
        assert beyond is None  # else what the sides read at 0 degrees
    else:
        assert most(beyond) == pytest.approx(1 + 22 * np.tan(tilt), abs=1)


def test_simulated_bumps_are_whole_and_have_something_between_their_sides_only_where_solder_is_pressed_out() -> (
    None
):
    ids = np.array([BACKGROUND, PILLAR, SOLDER, VOID, PAD], np.uint8)
    pressed = []
    for seed in (*range(24), 34, 148):
        rng = np.random.default_rng(seed)
        shape, kind = random_shape(rng), ("logic", "memory")[seed % 2]
        frame, form = random_frame(shape, 2.0, 1.5, rng), random_form(kind, shape, Forms(), rng)
        bodies = bodies_of(form, frame)
        voids = plain_voids(bodies["solder"], frame, form, 1.0, rng)
        made = ids[assembled(bodies, voids).labels]
        beyond, lacking, least = between(made)
        assert not any("solid runs" in d for b in measured(made).bumps for d in b.measured.doubts)
        assert lacking is least is None
        pressed += [seed] * (beyond is not None)
    assert pressed == [34, 148]  # a fifth of the radius and more, at 64 and 114 degrees


def test_edges_between_voxels_leave_nothing_between_the_sides() -> None:
    rng = np.random.default_rng(5)
    for mask in (bump(), bump(pad=False), square(0), with_blob(0)):
        for _ in range(4):
            margins = Margins.of(mask, rng.uniform(0.01, 0.69, mask.shape).astype(np.float16), HBM)
            found = dimensions(mask, HBM, UM1, RECIPE, margins.within((0, 0, 0), mask))
            assert found.interpolated
            assert (found.beyond_um, found.lacking_um, found.least_width_um) == NOTHING


def test_what_lies_between_is_that_of_a_slow_twin() -> None:
    rng = np.random.default_rng(4)
    for _ in range(30):
        mask = bump(pad=bool(rng.integers(2)))
        for value in (BACKGROUND, SOLDER):
            angle, away, radius = rng.uniform(0, 360), rng.uniform(12, 24), rng.uniform(2, 9)
            low, high = np.sort(rng.integers(24, 39, 2))
            change = disc(angle, away, radius) & (low <= Z) & (high > Z)
            mask[change & np.isin(mask, (BACKGROUND, SOLDER))] = value
        found = dimensions(mask, HBM, UM1, RECIPE)
        assert most(found.beyond_um) == slow_beyond(mask, found)
        assert most(found.lacking_um) == slow_lacking(mask, found)


def most(found: object) -> float:
    return max(found.values()) if isinstance(found, dict) else 0.0


def eighth(there: np.ndarray, away: np.ndarray) -> float:
    labels, n = label(there, np.ones((3, 3, 3)))
    pieces = (np.sort(away[labels == k + 1]) for k in range(n))
    return max((float(piece[-8]) for piece in pieces if len(piece) >= 8), default=0.0)


def slow_beyond(mask: Mask, size: Dimensions) -> float:
    outside = ~(mask == PILLAR).any(axis=0)
    sides = max(0.0, size.largest_extrusion_um or 0.0, size.lip_um or 0.0)
    hidden = distance_transform_edt(outside) > sides + np.sqrt(2)  # the pillar is round
    return eighth((mask == SOLDER) & hidden, np.broadcast_to(distance_transform_edt(outside), mask.shape))


def slow_lacking(mask: Mask, size: Dimensions) -> float:
    inside = (mask == PILLAR).any(axis=0)
    there, deepest = np.zeros(mask.shape, bool), np.zeros(inside.shape)
    never = ~np.isin(mask, (SOLDER, PAD)).any(axis=0)
    for z in range(24, 38):
        if not (mask[z] == SOLDER).any():
            continue
        asked = inside & (never | np.isin(mask[z:], (SOLDER, PAD)).any(axis=0))
        free = mask[z] == BACKGROUND
        labels, _ = label(free)
        lacks = asked & free & np.isin(labels, np.unique(labels[free & ~asked]))
        there[z] = lacks & (distance_transform_edt(asked) > (size.underfill_um or 0.0) + np.sqrt(2))
        deepest = np.maximum(deepest, np.where(there[z], distance_transform_edt(asked), 0))
    return eighth(there, np.broadcast_to(deepest, mask.shape))
