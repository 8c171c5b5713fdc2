"""Whatever its numbers say, a bump that may be no whole one is never passed; and a sound one always is."""

from __future__ import annotations

import numpy as np
import pytest

from metrology.masks import BACKGROUND, HBM, NO_PILLAR, PAD, PILLAR, RECIPE, SOLDER, VOID
from metrology.packages import package, rows
from voidscope.config import Criterion, MeasureConfig
from voidscope.errors import ConfigError
from voidscope.metrology import ScanMeasurement, Verdict, measure_scan
from voidscope.metrology.joints import _through, parted
from voidscope.metrology.ratios import VOLUMES
from voidscope.vocabulary import ClassMap, Role

ORDERS = [(0, 1, 2), (1, 2, 0), (2, 0, 1)]
"""Axes of a scan, of which a bump may stand along any."""
UM1 = (1.0, 1.0, 1.0)
PITCH, SIDE = 24, 16


def row(n: int, *, pads: bool = True) -> np.ndarray:
    """So many bumps beside one another: pillar, solder and, if there are, pads; 16 x 16 voxels across, 8 apart."""
    mask = np.full((34, PITCH, PITCH * n), BACKGROUND, np.uint8)
    for k in range(n):
        own = place(mask, k)
        own[2:12], own[12:24] = PILLAR, SOLDER
        own[24:30] = PAD if pads else BACKGROUND
    return mask


def place(mask: np.ndarray, k: int) -> np.ndarray:
    """The columns of a row's bump, (34, 16, 16)."""
    return mask[:, 4 : 4 + SIDE, 4 + PITCH * k : 4 + PITCH * k + SIDE]


def measured(mask: np.ndarray, **changes: object) -> ScanMeasurement:
    return measure_scan(mask, HBM, UM1, MeasureConfig(**changes), "a")


def told(found: ScanMeasurement) -> list[str]:
    """The doubts of each bump, in one string."""
    return ["; ".join(b.measured.doubts) for b in found.bumps]


def verdicts(found: ScanMeasurement) -> list[str]:
    return [b.measured.verdict.value for b in found.bumps]


@pytest.mark.parametrize("unit", ["bump", "scan"])
@pytest.mark.parametrize("left", [0, 3])
def test_a_bump_without_the_pad_that_others_have_is_never_passed(left: int, unit: str) -> None:
    mask = row(3)
    place(mask, 1)[24:30, :, left:] = BACKGROUND
    found = measured(mask, unit=unit)
    assert verdicts(found) == ["PASS", "REVIEW", "PASS"] and found.verdict is Verdict.REVIEW
    assert f"it lacks copper_pad ({96 * left:,} voxels, others up to 1,536)" in told(found)[1]
    place(mask, 1)[24:30, :, :4] = PAD  # a quarter of the pillar is a pad
    assert measured(mask, unit=unit).verdict is Verdict.PASS


@pytest.mark.parametrize("unit", ["bump", "scan"])
@pytest.mark.parametrize(
    ("rows", "n", "verdict"), [(1, 7, "PASS"), (1, 8, "REVIEW"), (2, 4, "REVIEW"), (6, 9, "REVIEW")]
)
def test_a_pad_too_small_to_be_one_is_no_noise_where_it_is_as_large_as_a_void(
    rows: int, n: int, verdict: str, unit: str
) -> None:
    """Of one bump, or of all at once: no other is the fuller then."""
    for of in ([1], [0, 1, 2]):
        mask = row(3, pads=False)
        for k in of:
            place(mask, k)[24, :rows, :n] = PAD
        found = measured(mask, unit=unit)
        assert verdicts(found) == [verdict if k in of else "PASS" for k in range(3)]
        assert found.verdict.value == verdict
        assert verdict == "PASS" or f"{rows * n} connected voxels of it are copper_pad" in found.reason


@pytest.mark.parametrize("n", [7, 8])
def test_pads_that_lie_apart_from_bumps_without_any_are_doubts_of_all(n: int) -> None:
    mask = row(2, pads=False)
    mask[28, 22, 2 : 2 + n] = PAD  # over no bump
    found = measured(mask)
    assert verdicts(found) == ["PASS" if n < 8 else "REVIEW"] * 2
    assert n < 8 or "no bump has a copper_pad, but 8 voxels of it lie apart" in told(found)[0]


def test_pads_where_there_is_no_class_of_pillars_are_no_loose_ones() -> None:
    assert measure_scan(row(2), NO_PILLAR, UM1, RECIPE, "a").verdict is Verdict.PASS


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("level", "gap"), [(23, 22), (2, 3)])
def test_a_layer_torn_off_is_a_doubt_of_the_bump_it_lies_over(
    level: int, gap: int, order: tuple[int, int, int]
) -> None:
    mask = row(2, pads=False)
    place(mask, 1)[gap] = BACKGROUND
    found = measured(np.ascontiguousarray(mask.transpose(order)))
    assert sorted(verdicts(found)) == ["PASS", "REVIEW"] and found.stray.voxels == 256
    assert f"256 voxels of no bump lie over it along {'zyx'[order.index(0)]}" in found.reason


@pytest.mark.parametrize(
    ("n", "beside", "doubtful"), [(7, 0, False), (8, 0, True), (8, 4, False), (8, 3, False)]
)
def test_a_piece_over_a_bump_counts_by_what_of_it_lies_over_its_columns(
    n: int, beside: int, doubtful: bool
) -> None:
    mask = row(2, pads=False)
    mask[28, 4, 4 - beside : 8 - beside], mask[28, 5, 4 - beside : n - beside] = SOLDER, SOLDER
    assert verdicts(measured(mask)) == ["REVIEW" if doubtful else "PASS", "PASS"]


def test_void_over_a_bump_is_no_layer_of_it() -> None:
    mask = row(2, pads=False)
    mask[28, 4:8, 4:8] = VOID
    found = measured(mask)
    assert verdicts(found) == ["PASS"] * 2 and found.verdict is Verdict.REVIEW  # but may be one's


def test_a_bridge_that_far_um_takes_away_is_one_all_the_same() -> None:
    mask = row(4)
    place(mask, 1)[:] = place(mask, 2)[:] = BACKGROUND
    assert measured(mask, far_um=14).verdict is Verdict.PASS
    mask[14:18, 8:12, 20:76] = SOLDER
    found = measured(mask, far_um=14)
    assert found.cleaned["far"]["solder"] < 0
    assert (
        verdicts(found) == ["REVIEW"] * 2 and "its solder runs into r1c2 (16 voxel faces)" in told(found)[0]
    )


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("level", [5, 13, 20, 24])
@pytest.mark.parametrize(("n", "verdict"), [(1, "REVIEW"), (25, "REVIEW"), (26, "PASS")])
def test_a_joint_held_by_a_thread_is_never_passed(
    n: int, verdict: str, level: int, order: tuple[int, int, int]
) -> None:
    mask = row(1)
    section = place(mask, 0)[level]
    of, section[:] = section[0, 0], BACKGROUND
    section.flat[120 : 120 + n] = of
    found = measured(np.ascontiguousarray(mask.transpose(order)))
    assert verdicts(found) == [verdict]  # of 256 voxels a tenth
    said = f"at {'zyx'[order.index(0)]} = {level} no more than {100 * n / 256:.2g} % of its pillar's section is solid"
    assert (said in found.reason) is (verdict == "REVIEW")


def test_void_in_a_thin_section_carries_nothing() -> None:
    mask = row(2)
    section = place(mask, 1)[14]
    section[:] = VOID
    section[4:8, 4:8] = SOLDER
    found = measured(mask)
    assert verdicts(found) == ["PASS", "REVIEW"] and "at z = 14 no more than 6.2 %" in found.reason


@pytest.mark.parametrize("unit", ["bump", "scan"])
@pytest.mark.parametrize("slope", [0, 1])
@pytest.mark.parametrize("middle", [7, 18])
def test_a_joint_that_void_parts_is_never_passed_however_the_crack_runs(
    unit: str, slope: int, middle: int
) -> None:
    mask = row(2)
    own = place(mask, 1)
    z, _, x = np.indices(own.shape)
    off = z - middle - slope * (x - 8) // 4
    own[((off == 0) | (off == 1)) & (own > BACKGROUND)] = VOID
    found = measured(mask, limit=0.2, unit=unit)
    assert verdicts(found) == ["PASS", "REVIEW"] and found.verdict is Verdict.REVIEW
    assert "it is parted into 2 solid pieces that share no face" in found.reason


def test_two_voids_that_part_a_joint_together_are_told() -> None:
    """Each covers half of the section beside a slit, which is air."""
    mask = row(1)
    own = place(mask, 0)
    own[17], own[17, :, 7:9] = VOID, BACKGROUND
    assert "it is parted into 2 solid pieces that share no face" in told(measured(mask, limit=0.2))[0]
    own[17, 15, 2] = SOLDER  # a column that holds
    assert "void parts it" not in told(measured(mask, limit=0.2))[0]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("of", [BACKGROUND, VOID])
@pytest.mark.parametrize("held", [0, 18, 30])
@pytest.mark.parametrize("crack", ["step", "tilt", "stairs"])
def test_a_crack_that_steps_or_tilts_is_never_passed_but_where_a_tenth_holds(
    crack: str, held: int, of: int, order: tuple[int, int, int]
) -> None:
    mask = row(1)
    own = place(mask, 0)
    z, y, x = np.indices(own.shape)
    off = {"step": z - 17 - (x > 7), "tilt": z - 17 - (x - 8) // 4, "stairs": z - 17 - 2 * ((x + y) // 8)}[
        crack
    ]
    own[((off == 0) | ((off == 1) & (crack == "stairs"))) & (own > BACKGROUND)] = of
    whole = np.isin(own, (PILLAR, SOLDER, PAD))
    own[(z >= 14) & (z < 24) & (16 * y + x >= 100) & (16 * y + x < 100 + held)] = SOLDER  # columns of 256
    found = measured(np.ascontiguousarray(mask.transpose(order)), limit=0.2)
    assert verdicts(found) == ["PASS" if held == 30 else "REVIEW"] and not whole.all(axis=0).any()
    assert ("solid runs straight through in no more than" in found.reason) is (held == 18) or not held


@pytest.mark.parametrize("unit", ["bump", "scan"])
@pytest.mark.parametrize("n", [1, 2])
def test_a_mask_whose_pillar_nobody_named_says_that_open_joints_are_not_told(n: int, unit: str) -> None:
    mask = row(n)
    place(mask, 0)[14, 1:] = BACKGROUND  # held by a thread
    named = MeasureConfig(pillar_class="die", unit=unit)
    found = measure_scan(mask, NO_PILLAR, UM1, MeasureConfig(unit=unit), "a")
    assert found.verdict is Verdict.PASS
    assert (
        "open is not told, for no class is called copper_pillar: name yours in measure.pillar" in found.reason
    )
    assert measure_scan(mask, NO_PILLAR, UM1, named, "a").verdict is Verdict.REVIEW
    assert "not told" not in measured(row(n), unit=unit).reason


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("of", [BACKGROUND, VOID])
@pytest.mark.parametrize("held", [0, 1])
@pytest.mark.parametrize("shape", ["dome", "foot", "displaced", "plain"])
def test_a_crack_where_the_bump_is_narrower_on_one_side_is_told(
    shape: str, held: int, of: int, turned: bool
) -> None:
    z, y, x = np.indices((60, 48, 48))
    away = np.hypot(y - 23.5, x - 23.5)
    wide = {
        "dome": np.where(z < 30, 16, np.sqrt(np.maximum(18**2 - (z - 30) ** 2, 0))),
        "foot": np.where(z < 14, 11, 16), "displaced": np.full(z.shape, 16), "plain": np.full(z.shape, 16),
    }[shape]  # fmt: skip
    inside = (np.hypot(y - 23.5 - 5 * (z >= 30), x - 23.5) if shape == "displaced" else away) <= wide
    mask = np.full(z.shape, BACKGROUND, np.uint8)
    mask[inside & (z > 3)], mask[inside & (z >= 28)] = PILLAR, SOLDER
    mask[z > 46] = BACKGROUND
    sound = mask[::-1] if turned else mask
    assert verdicts(measured(np.ascontiguousarray(sound))) == ["PASS"]
    middle = {"dome": 40, "foot": 10, "displaced": 32, "plain": 20}[shape]
    crack = (z == middle + np.round((x - 23.5) / 6).astype(int)) & (mask > BACKGROUND)
    mask[crack & ~((away < 2) & (held == 1))] = of
    assert verdicts(measured(np.ascontiguousarray(sound), limit=0.2)) == ["REVIEW"]


@pytest.mark.parametrize("radius", [3, 5, 7])
def test_voids_below_a_dome_and_pores_are_no_open_joint(radius: int) -> None:
    z, y, x = np.indices((60, 48, 48))
    away = np.hypot(y - 23.5, x - 23.5)
    mask = np.full(z.shape, BACKGROUND, np.uint8)
    mask[(away <= 16) & (z > 3) & (z < 28)] = PILLAR
    mask[(away**2 + (z - 28) ** 2 <= 16**2) & (z >= 28)] = SOLDER
    mask[away**2 + (z - 35) ** 2 <= radius**2] = VOID
    assert verdicts(measured(mask, limit=0.2)) == ["PASS"]
    rng = np.random.default_rng(radius)
    for at in rng.integers((8, 12, 12), (30, 36, 36), (40, 3)):  # 3 to 5 % of the solid
        mask[((z - at[0]) ** 2 + (y - at[1]) ** 2 + (x - at[2]) ** 2 <= 4) & (mask > BACKGROUND)] = VOID
    assert verdicts(measured(mask, limit=0.2)) == ["PASS"]


def barrel(wide: float = 14, pad: float = 14, pad_levels: int = 6) -> tuple[np.ndarray, ...]:
    """A round bump, its solder or its pad so wide, and the indices of its voxels, from its axis across."""
    z, y, x = np.indices((56, 48, 48)).astype(float)
    y, x = y - 23.5, x - 23.5
    mask, away = np.full(z.shape, BACKGROUND, np.uint8), np.hypot(y, x)
    mask[(away <= 14) & (z >= 6) & (z < 26)], mask[(away <= wide) & (z >= 26) & (z < 42)] = PILLAR, SOLDER
    mask[(away <= pad) & (z >= 42) & (z < 42 + pad_levels)] = PAD
    return mask, z, y, x


@pytest.mark.parametrize("of", [BACKGROUND, VOID])
@pytest.mark.parametrize("slope", [0.1, 0.2])
@pytest.mark.parametrize("shape", [(14, 10.5, 4), (14, 8, 6), (14 * 1.35, 14, 4), (14, 14, 0)])
def test_a_crack_near_the_end_of_a_bump_that_a_thread_closes_is_told(
    shape: tuple[float, float, int], slope: float, of: int
) -> None:
    mask, z, y, x = barrel(*shape)
    assert verdicts(measured(mask)) == ["PASS"]
    below = 0 if shape[2] else 4
    crack = (np.abs(z - 42 + below - slope * x) <= 1) & (mask > BACKGROUND)
    mask[crack & ~((np.abs(x) < 1.5) & (np.abs(y) < 1.5))] = of
    assert verdicts(measured(mask, limit=0.2)) == ["REVIEW"]
    assert "closes; look at it" in told(measured(mask, limit=0.2))[0]


@pytest.mark.parametrize(("levels", "slope"), [(2, 0.3), (3, 0.2), (4, 0.3), (6, 0.4)])
def test_a_crack_inside_a_thin_pad_is_held_against_the_pillar_not_the_rest_of_the_pad(
    levels: int, slope: float
) -> None:
    mask, z, y, x = barrel(pad_levels=levels)
    crack = (np.abs(z - 41 - levels / 2 - slope * x) <= 1.5) & (mask > BACKGROUND)
    mask[crack & ~((np.abs(x) < 2) & (np.abs(y) < 2))] = BACKGROUND
    assert verdicts(measured(mask)) == ["REVIEW"]


def test_solid_that_meets_over_edges_alone_is_parted() -> None:
    mask, z, _, x = barrel()
    mask[(z == np.where(x < 0, 33, 34)) & (mask == SOLDER)] = VOID
    assert "it is parted into 2 solid pieces that share no face" in told(measured(mask, limit=0.2))[0]


@pytest.mark.parametrize(
    ("side", "n", "parts"), [(5, 7, False), (5, 8, True), (16, 64, False), (16, 65, True)]
)
def test_a_speck_over_edges_is_a_piece_from_eight_voxels_and_a_hundredth_on(
    side: int, n: int, parts: bool
) -> None:
    mask = np.full((40, 24, 24), BACKGROUND, np.uint8)
    mask[2:27, 4 : 4 + side, 4 : 4 + side] = SOLDER  # 625, and 6,400 voxels
    speck = mask[2:27, 3, 3]
    speck[: min(n, 25)] = SOLDER  # meets the body over an edge alone
    for k in range(25, n):
        mask[2 + k % 25, 3, 2 - (k // 25 - 1)] = SOLDER
    assert np.count_nonzero(mask == SOLDER) == 25 * side**2 + n
    assert bool(parted(mask, [SOLDER])) is parts


@pytest.mark.parametrize(("radius", "verdict"), [(3, "REVIEW"), (4, "REVIEW"), (6, "PASS")])
def test_solder_that_is_a_needle_all_along_is_no_joint(radius: float, verdict: str) -> None:
    mask, _, y, x = barrel(pad_levels=0)
    mask[(mask == SOLDER) & (np.hypot(y, x) > radius)] = BACKGROUND
    found = measured(mask)
    assert verdicts(found) == [verdict]
    assert (verdict == "PASS") != ("at most levels of its solder less than 10 %" in told(found)[0])


def test_what_nobody_says_carries_a_joint_holds_nothing() -> None:
    mask, z, *_ = barrel()
    further = ClassMap.from_words("background,copper_pillar,solder,void,copper_pad,imc")
    mask[(mask == SOLDER) & (z < 28)] = 6
    found = measure_scan(mask, further, UM1, RECIPE, "a")
    assert found.verdict is Verdict.REVIEW
    assert "(nothing of imc is taken to hold: name what does in the recipe's joint_classes)" in found.reason
    sound = MeasureConfig(joint_classes="imc")
    assert measure_scan(mask, further, UM1, sound, "a").verdict is Verdict.PASS
    mask[(z >= 34) & (z < 37) & (mask == SOLDER)] = 6  # flux in a gap, were it not named
    assert measure_scan(mask, further, UM1, sound, "a").verdict is Verdict.PASS
    with pytest.raises(ConfigError, match=r"measure.joint_classes is 'inc'.* Did you mean 'imc'"):
        measure_scan(mask, further, UM1, MeasureConfig(joint_classes="inc"), "a")


def test_a_further_class_of_the_joint_that_the_scan_cuts_leaves_it_cut() -> None:
    mask = barrel(pad_levels=0)[0]
    mask[38:42][mask[38:42] == SOLDER] = 6
    further = ClassMap.from_words("background,copper_pillar,solder,void,copper_pad,imc")
    recipe = MeasureConfig(joint_classes="imc")
    assert measure_scan(mask, further, UM1, recipe, "a").verdict is Verdict.PASS
    cut = measure_scan(mask[:42], further, UM1, recipe, "a")
    assert cut.verdict is Verdict.REVIEW and "its solder reaches the edge of the scan along z" in cut.reason


@pytest.mark.parametrize("place", ["foot", "neck", "bulge", "top", "holed"])
def test_a_further_class_of_the_joint_is_solder_in_lengths_and_bands(place: str) -> None:
    mask, z, y, x = barrel(pad_levels=0 if place == "top" else 6)
    away, low = np.hypot(y, x), 38 if place == "top" else 26
    layer = (z >= low) & (z < low + 4)
    if place == "neck":
        mask[layer & (away > 8)] = BACKGROUND
    if place == "bulge":
        mask[layer & (away <= 18)] = SOLDER
    if place == "holed":
        mask[layer & (np.hypot(y - 6, x) < 3)] = VOID
    further = ClassMap.from_words("background,copper_pillar,solder,void,copper_pad,imc")
    recipe = MeasureConfig(joint_classes="imc", limit=0.5)
    plain = measure_scan(mask, further, UM1, recipe, "a")
    mask[layer & (mask == SOLDER)] = 6
    found = measure_scan(mask, further, UM1, recipe, "a")
    assert found.n_voxels["imc"] > 400
    assert (found.dimensions, found.boxed, found.quantities) == (
        plain.dimensions,
        plain.boxed,
        plain.quantities,
    )
    areas = [n for n in found.ratios if n not in VOLUMES]
    assert {n: found.ratios[n] for n in areas} == {n: plain.ratios[n] for n in areas}
    assert len(areas) == 4 and found.dimensions.blt_um and found.quantities["solder_underfill_um"] is not None
    assert (place == "neck") == (found.quantities["solder_underfill_um"] > 5)


def test_columns_through_are_those_of_a_slow_twin() -> None:
    rng, ids = np.random.default_rng(2), HBM.ids_with_role(Role.FOREGROUND)
    for _ in range(20):
        levels = rng.choice([PILLAR, SOLDER, PAD, VOID], (4, 5, 6), p=[0.4, 0.3, 0.2, 0.1]).astype(np.uint8)
        slow = [[all(levels[k, i, j] in ids for k in range(4)) for j in range(6)] for i in range(5)]
        assert (_through(levels, ids) == np.array(slow)).all()


@pytest.mark.parametrize("lean", [(0.0, 0.0), (0.15, -0.1)])
def test_round_heads_and_leaning_ends_are_no_threads(lean: tuple[float, float]) -> None:
    made = package((40, 40, 40), [(20, 20)], [9.0], lean=lean, voids={0: 4.0})
    z, y, x = np.indices(made.mask.shape)
    made.mask[(made.mask == SOLDER) & ((z - 19) ** 2 + (y - 20) ** 2 + (x - 20) ** 2 > 16**2)] = BACKGROUND
    sections = (made.mask > BACKGROUND).sum(axis=(1, 2))
    assert 0 < min(sections[sections > 0]) < 0.1 * max(sections)
    assert verdicts(measured(made.mask, limit=0.2)) == ["PASS"]


@pytest.mark.parametrize("spacing", [UM1, (1.0, 1.0, 0.5)])
@pytest.mark.parametrize(
    ("way", "length", "verdict"),
    [((0, 1), 22, "PASS"), ((0, 1), 26, "REVIEW"), ((1, 1), 22, "PASS"), ((1, 1), 26, "REVIEW")],
)
def test_a_pillar_longer_than_wide_may_be_two(
    way: tuple[int, int], length: int, verdict: str, spacing: tuple[float, float, float]
) -> None:
    """A bar 16 um wide, straight or turned by 45 degrees."""
    z, y, x = np.meshgrid(
        *((np.arange(n) + 0.5) * s for n, s in zip((34, 48, round(48 / spacing[2])), spacing, strict=True)),
        indexing="ij",
    )
    along, across = np.array(way) / np.hypot(*way), np.array([way[1], -way[0]]) / np.hypot(*way)
    off = np.stack([y - 24, x - 24], axis=-1)
    inside = (abs(off @ along) < length / 2) & (abs(off @ across) < 8)
    mask = np.full(z.shape, BACKGROUND, np.uint8)
    mask[inside & (z > 2)], mask[inside & (z > 12)], mask[z > 30] = PILLAR, SOLDER, BACKGROUND
    found = measure_scan(mask, HBM, spacing, RECIPE, "a")
    assert verdicts(found) == [verdict]
    assert verdict == "PASS" or f"its pillar is {length / 16:.2g} times as long as it is wide" in found.reason


@pytest.mark.parametrize("diagonal", [False, True])
def test_two_pillars_that_a_wide_bridge_makes_one_are_never_passed(diagonal: bool) -> None:
    made = package((40, 64, 64), [(22, 22), (38, 38) if diagonal else (22, 42)], [9.0] * 2, voids={0: 4.0})
    z, y, x = np.indices(made.mask.shape)
    off = y - x if diagonal else np.sqrt(2) * (y - 22)
    made.mask[(abs(off) < 10) & (abs(y + x - 60) < 16) & (z >= 4) & (z < 20)] = PILLAR
    found = measured(made.mask)
    assert verdicts(found) == ["REVIEW"] and found.bumps[0].measured.ratio < 0.05
    assert (
        "times as long as it is wide" in told(found)[0]
        and "it has 2 bodies of solder beside each other" in told(found)[0]
    )


def test_a_sheet_of_mistaken_pillar_round_the_head_makes_no_long_pillar_and_hides_no_thread() -> None:
    mask = row(1)
    place(mask, 0)[12:30, 0, :] = PILLAR  # more levels than the pillar has
    assert verdicts(measured(mask)) == ["PASS"]
    place(mask, 0)[13, 1:] = BACKGROUND
    assert "no more than 6.2 %" in told(measured(mask))[0]


@pytest.mark.parametrize(("n", "two"), [(15, False), (16, True)])
def test_two_bodies_of_pad_beside_each_other_may_be_two_bumps(n: int, two: bool) -> None:
    """A bar of solder from one bump's head leads to a pad beside it, of a fifth of its own or a little less."""
    mask = row(2)
    mask[14:18, 8:12, 20:44], place(mask, 1)[:24], place(mask, 1)[14:24, :8, :8] = SOLDER, BACKGROUND, SOLDER
    own = place(mask, 1)[24:30]
    own[:] = BACKGROUND
    own[:4, : 8 if n == 16 else 7, :10] = PAD  # 320 or 280 voxels of 1,536
    found = measured(mask)
    assert len(found.bumps) == 1
    assert ("2 bodies of copper_pad beside each other" in told(found)[0]) is two


def test_long_bodies_side_by_side_are_two() -> None:
    mask = row(1)
    place(mask, 0)[24:30, :, 4:12] = BACKGROUND
    assert told(measured(mask)) == [
        "it has 2 bodies of copper_pad beside each other: it may be 2 bumps; look at it"
    ]


def test_bodies_above_each_other_are_one_bump_s() -> None:
    mask = row(1)
    place(mask, 0)[16:18, :, :15] = VOID  # cracked, but for a wall of a sixteenth
    place(mask, 0)[16:18, :, 15] = PAD
    assert "bodies of" not in told(measured(mask, limit=0.99))[0]


@pytest.mark.parametrize(
    ("levels", "more", "name"),
    [((2, 12), 9, ""), ((2, 12), 10, "copper_pillar"), ((12, 30), 14, ""), ((12, 30), 15, "body")],
)
def test_a_bump_much_larger_than_the_median_may_be_two(levels: tuple[int, int], more: int, name: str) -> None:
    """The second bump, or its pillar alone, has 25/16 of the usual volume or a little more than 1.6 times as much."""
    mask = np.full((34, 40, 96), BACKGROUND, np.uint8)
    mask[:, :24] = row(4)
    mask[slice(*levels), 20 : 20 + more, 28:44] = mask[slice(*levels), 19:20, 28:44]
    said = told(measured(mask))
    assert not any(said[k] for k in (0, 2, 3))
    assert (f"its {name} has 1.6 times the volume of the median bump's: it may be two" in said[1]) is bool(
        name
    )
    assert ("the median bump's" in said[1]) is bool(name)


def test_of_two_bumps_nobody_knows_which_is_the_usual_one() -> None:
    assert measured(package((24, 34, 60), [(17, 14), (17, 42)], [5.0, 11.0]).mask).verdict is Verdict.PASS


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("unit", ["bump", "scan"])
def test_a_bump_that_the_edge_of_the_scan_cuts_is_never_passed(
    unit: str, order: tuple[int, int, int]
) -> None:
    def by(mask: np.ndarray) -> ScanMeasurement:
        return measured(np.ascontiguousarray(mask.transpose(order)), unit=unit)

    mask = row(3)
    assert by(mask).verdict is Verdict.PASS
    for cut in (mask[..., 5:], mask[..., ::-1][..., 5:], mask[:, 4:], mask[:, :20]):
        found = by(cut)
        assert found.verdict is Verdict.REVIEW
        assert sum("the edge of the scan cuts it along" in t for t in told(found)) == (
            3 if cut.shape[1] < 24 else 1
        )
    along = by(mask[2:30])
    assert along.verdict is Verdict.PASS
    assert all("it reaches the edge of the scan" in b.measured.reason for b in along.bumps)


def test_a_layer_that_stands_along_nothing_may_reach_the_edges() -> None:
    mask = np.full((12, 20, 20), BACKGROUND, np.uint8)
    mask[4:8] = SOLDER
    found = measure_scan(mask, NO_PILLAR, UM1, RECIPE, "a")
    assert found.verdict is Verdict.PASS and "it reaches the edge of the scan" in found.reason


@pytest.mark.parametrize(
    ("level", "height", "wide", "verdict"),
    [(18, 1, 1, "REVIEW"), (18, 2, 3, "REVIEW"), (6, 1, 7, "PASS"), (6, 1, 8, "REVIEW"), (27, 3, 8, "PASS")],
)
def test_solder_that_meets_a_neighbour_over_any_face_is_a_bridge(
    level: int, height: int, wide: int, verdict: str
) -> None:
    """At level 18 there is solder, at 6 the pillar, which has to meet over eight, and at 27 the pad, which bumps may share."""
    mask = row(2)
    of = mask[level, 8, 8]
    mask[level : level + height, 8 : 8 + wide, 20:28] = of
    found = measured(mask)
    assert verdicts(found) == [verdict] * 2
    assert verdict == "PASS" or f"({height * wide:,} voxel faces): a bridge" in found.reason


@pytest.mark.parametrize("unit", ["bump", "scan"])
def test_places_of_a_grid_without_a_bump_are_said(unit: str) -> None:
    made = package((24, 62, 62), rows(3, 3, 18, 12), [7.0] * 9)
    assert "no bump" not in measured(made.mask, unit=unit).reason
    made.mask[np.isin(made.truth, [5, 6])] = BACKGROUND
    found = measured(made.mask, unit=unit)
    assert (found.verdict, len(found.bumps)) == (Verdict.PASS, 7)
    assert found.reason.endswith("; no bump at r2c2, r2c3") and not any(told(found))


@pytest.mark.parametrize("unit", ["bump", "scan"])
@pytest.mark.parametrize("order", ORDERS)
def test_remnants_where_the_grid_has_no_bump_are_an_open_bump_s(
    order: tuple[int, int, int], unit: str
) -> None:
    made = package((24, 62, 62), rows(3, 3, 18, 12), [7.0] * 9)
    made.mask[np.isin(made.truth, [5, 6])] = BACKGROUND
    for n, verdict in ((7, Verdict.PASS), (8, Verdict.REVIEW)):
        made.mask[4, 30, 26 : 26 + n] = PILLAR
        found = measured(np.ascontiguousarray(made.mask.transpose(order)), unit=unit)
        assert found.verdict is verdict
        assert ("where no bump stands, at r2c2, pieces" in found.reason) is (n == 8)
        assert ScanMeasurement.from_entry(found.entry()).stray == found.stray
    made.mask[4, 30, 26:34], made.mask[0, 20, 20:30] = BACKGROUND, PILLAR  # now nearest to r1c2
    found = measured(made.mask, unit=unit)
    assert (found.stray.pieces, found.stray.left_at, found.verdict) == (1, "", Verdict.PASS)


@pytest.mark.parametrize("unit", ["bump", "scan"])
def test_a_stump_that_is_no_bump_never_passes_unsaid(unit: str) -> None:
    made = package((24, 62, 62), rows(3, 3, 18, 12), [7.0] * 9)
    third = np.isin(made.truth, [7, 8, 9])
    made.mask[4:][third[4:]] = BACKGROUND  # all of a row is torn off but for the feet of its pillars
    found = measured(made.mask, unit=unit, least_structure=0.2)
    assert (len(found.bumps), found.stray.left_at, found.verdict) == (6, "", Verdict.REVIEW)
    assert "is part of none: it may be what is left of one" in found.reason
    made.mask[third] = BACKGROUND
    assert measured(made.mask, unit=unit).verdict is Verdict.PASS


@pytest.mark.parametrize("scale", [0.0007, 700.0])
@pytest.mark.parametrize(
    "limits", [{"criteria": (Criterion(measure="blt_um", at_least=1e-3),)}, {"min_um3": 1e-12}, {"far_um": 1e5}]
)  # fmt: skip
def test_no_limit_in_um_is_kept_by_a_spacing_in_another_unit(scale: float, limits: dict[str, object]) -> None:
    spacing = (scale, scale, scale)
    found = measure_scan(row(2), HBM, spacing, MeasureConfig(**limits), "a")
    assert verdicts(found) == ["REVIEW"] * 2
    assert f"spacing {scale:g}, {scale:g}, {scale:g} um, outside 0.01 to 500 um" in found.reason
    assert measure_scan(row(2), HBM, spacing, RECIPE, "a").verdict is Verdict.PASS  # a ratio has no unit
    assert not any(told(measure_scan(row(2), HBM, (0.7, 0.7, 0.7), MeasureConfig(**limits), "a")))


@pytest.mark.parametrize(("n", "lacks"), [(30, True), (307, True), (308, False)])
def test_a_bump_lacks_what_it_has_less_than_a_tenth_of(n: int, lacks: bool) -> None:
    mask = row(3, pads=False)
    solder = place(mask, 1)[12:24]
    solder[:] = BACKGROUND
    solder.flat[:n] = SOLDER
    assert ("it lacks solder" in told(measured(mask))[1]) is lacks  # of 3,072


def test_a_piece_without_a_bond_line_never_passes() -> None:
    """Most of its solder ends at the level where its pillar begins, yet more of it lies above."""
    mask = np.full((70, 24, 40), BACKGROUND, np.uint8)
    mask[10:14, 4:20, 4:20], mask[6:10, 4:20, 20:36], mask[6:66, 4:20, 32:36] = PILLAR, SOLDER, SOLDER
    found = measured(mask, build_axis="z")
    assert found.bumps[0].measured.dimensions.blt_um == 0
    assert "it stands along z, and has no bond line: look at it" in told(found)[0]


@pytest.mark.parametrize(("n", "verdict"), [(7, "PASS"), (8, "REVIEW")])
def test_as_many_unlabelled_voxels_as_a_void_takes_are_a_doubt(n: int, verdict: str) -> None:
    mask = row(1)
    mask[20, 3, 6 : 6 + n] = 0
    assert verdicts(measured(mask)) == [verdict]


@pytest.mark.parametrize(("gap", "closing_voxels"), [(2, 1), (2, 2), (4, 2)])
def test_closing_makes_no_thread_a_joint(gap: int, closing_voxels: int) -> None:
    mask = row(1)
    own = place(mask, 0)
    own[17 : 17 + gap] = BACKGROUND
    own[17 : 17 + gap, 8, 8] = SOLDER
    found = measured(mask, closing_voxels=closing_voxels)
    assert found.verdict is Verdict.REVIEW
    assert "no more than 0.39 % of its pillar's section is solid" in found.reason


def test_closing_joins_a_bump_s_own_pieces_alone() -> None:
    """An arm of the first bump reaches into the box of the second, whose own arm passes it by."""
    mask = row(3)
    place(mask, 1)[:] = BACKGROUND
    mask[12:24, 4:6, 40:52], mask[12:24, 18:20, 20:44] = SOLDER, SOLDER
    assert not any("closing by" in t for t in told(measured(mask, closing_voxels=1)))
    place(mask, 0)[6] = BACKGROUND
    found = measured(mask, closing_voxels=1)
    assert ["closing by 1 voxels joined 2 pieces" in t for t in told(found)] == [True, False]


@pytest.mark.parametrize("unit", ["bump", "scan"])
def test_no_further_criterion_passes_where_background_is_closed_in(unit: str) -> None:
    mask = row(2)
    place(mask, 1)[15:20, 5:11, 5:11] = BACKGROUND
    none = Criterion(measure="void_count", at_most=0)
    found = measured(mask, limit=1.0, criteria=(none,), unit=unit)
    assert [o.verdict.value for o in found.outcomes] == ["PASS", "REVIEW"] and found.verdict is Verdict.REVIEW
    assert [b.measured.outcomes[1].verdict.value for b in found.bumps] == ["PASS", "REVIEW"]
    assert "void_count = 0 is within the limit 0, but 180 voxels of background" in found.reason
    assert "void/foreground" not in found.bumps[1].measured.reason  # which is kept


def test_what_is_closed_in_counts_in_a_scan_judged_whole() -> None:
    mask = row(2)
    place(mask, 1)[15:20, 5:11, 5:11] = BACKGROUND
    share = 180 / (2 * 28 * 256)
    for limit, verdict in ((share + 0.001, Verdict.PASS), (share - 0.001, Verdict.REVIEW)):
        assert measured(mask, limit=limit, unit="scan").verdict is verdict


def touching(*, void: tuple[slice, slice, slice]) -> np.ndarray:
    """Two bumps with all their solder in one; the wall between them lies at x = 24. A void, or air, in it."""
    mask = row(2)
    mask[12:24, 4:20, 20:28] = SOLDER
    mask[void] = VOID
    return mask


def test_a_void_cut_to_a_part_too_small_to_count_is_held_against_the_bump() -> None:
    mask = touching(void=(slice(14, 15), slice(8, 12), slice(23, 36)))  # four voxels of it lie in the first
    recipe = {"limit": 1.0, "criteria": (Criterion(measure="largest_void_diameter_share", at_most=0.9),)}
    outcomes = [b.measured.outcomes[1] for b in measured(mask, **recipe).bumps]
    assert [(o.value == 0, o.verdict.value) for o in outcomes] == [(True, "REVIEW"), (False, "PASS")]


def test_a_cut_void_that_is_too_small_to_tell_from_noise_is_held_against_none() -> None:
    mask = touching(void=(slice(14, 15), slice(8, 9), slice(21, 28)))  # seven voxels in a row
    recipe = {"limit": 1.0, "criteria": (Criterion(measure="largest_void_feret_um", at_most=5.0),)}
    assert {b.measured.outcomes[1].verdict for b in measured(mask, **recipe).bumps} == {Verdict.PASS}


@pytest.mark.parametrize("unit", ["bump", "scan"])
@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize(
    ("measure", "limit"),
    [("largest_void_diameter_um", 9.0), ("largest_void_feret_um", 14.0), ("largest_void_share", 0.5)],
)
def test_no_limit_on_single_voids_is_kept_by_the_edge_of_the_scan(
    measure: str, limit: float, n: int, unit: str
) -> None:
    mask = row(n)[:30]  # the pads lie at the edge
    place(mask, n - 1)[25:, 4:14, 4:10] = VOID
    recipe = {"limit": 1.0, "unit": unit, "criteria": (Criterion(measure=measure, at_most=limit),)}
    found = measured(mask, **recipe)
    assert (found.outcomes[1].verdict, found.verdict) == (Verdict.REVIEW, Verdict.REVIEW)
    assert "but a void reaches the edge of the scan" in found.reason
    assert measured(np.pad(mask, 1, constant_values=BACKGROUND), **recipe).verdict is Verdict.PASS


def test_a_void_at_the_edge_is_large_enough_and_noise_there_is_none() -> None:
    mask = row(1)[:30]
    place(mask, 0)[15:20, 4:8, 4:8], place(mask, 0)[29, 4, 4:11] = VOID, VOID
    most = Criterion(measure="largest_void_diameter_um", at_most=7.0)
    assert measured(mask, limit=1.0, criteria=(most,)).verdict is Verdict.PASS
    place(mask, 0)[28, 4, 4] = VOID
    least = Criterion(measure="largest_void_diameter_um", at_least=1.0)
    assert measured(mask, limit=1.0, criteria=(least,)).verdict is Verdict.PASS
    assert measured(mask, limit=1.0, criteria=(most,)).verdict is Verdict.REVIEW


def test_a_hole_beside_the_wall_is_the_one_bump_s_alone() -> None:
    mask = touching(void=(slice(0, 0),) * 3)
    mask[15:20, 8:14, 20:24] = BACKGROUND
    assert [b.measured.closed_in for b in measured(mask).bumps] == [120, 0]


def test_a_void_left_out_breaks_no_least_size_that_a_larger_one_keeps() -> None:
    mask = row(1)
    place(mask, 0)[15:19, 4:8, 4:8], place(mask, 0)[15:18, 11:14, 11:13] = VOID, VOID  # 64 and 18 voxels
    least = Criterion(measure="largest_void_diameter_um", at_least=4.0)
    found = measured(mask, limit=1.0, min_voxels=20, criteria=(least,))
    assert (found.outcomes[1].value > 4.0, found.verdict) == (True, Verdict.PASS)


SINGLY = ["largest_void_share", "largest_void_diameter_share", "largest_void_diameter_um"]
"""Limits on the size of the largest void, of which few voxels say little."""


def single(measure: str, times: float, *sizes: int, least: bool = False) -> ScanMeasurement:
    """A bump with voids of so many voxels, largest first, whose limit, or least size, is so many times the size of the first."""
    mask = row(1)
    for k, n in enumerate(sizes):
        box = np.zeros((10, 4, 12), bool)
        box.reshape(-1)[:n] = True
        place(mask, 0)[13:23, 2 + 6 * k : 6 + 6 * k, 2:14][box] = VOID
    plain = measured(mask, limit=0.9)
    assert [v.n_voxels for v in plain.voids] == list(sizes)
    bound = {"at_least" if least else "at_most": times * (plain.quantities[measure] or 0.0)}
    return measured(mask, limit=0.9, criteria=(Criterion(measure=measure, **bound),))


@pytest.mark.parametrize("measure", SINGLY)
@pytest.mark.parametrize("n", [8, 27, 64, 259])
def test_a_void_of_few_voxels_may_be_larger_by_its_error(n: int, measure: str) -> None:
    """(8 / n)^(2/3) of its volume, a third of that of its diameter."""
    wrong = (8 / n) ** (2 / 3) * (1 if measure == "largest_void_share" else 1 / 3)
    left, kept = (single(measure, 1 + k * wrong, n) for k in (0.99, 1.01))
    assert (left.outcomes[1].verdict, left.verdict, kept.verdict) == (
        Verdict.REVIEW,
        Verdict.REVIEW,
        Verdict.PASS,
    )
    assert f"a void of {n} voxels is not quantified singly (below 260)" in left.reason


@pytest.mark.parametrize("measure", SINGLY)
def test_a_larger_void_makes_no_smaller_one_surer(measure: str) -> None:
    """One of 259 voxels may be larger than one of 262, whose size is believed."""
    alone, beside = single(measure, 1.01, 259), single(measure, 1.01, 262, 259)
    assert alone.verdict is beside.verdict is Verdict.REVIEW
    assert "a void of 259 voxels is not quantified singly" in beside.reason
    assert single(measure, 1.01, 262).verdict is single(measure, 1.01, 262, 200).verdict is Verdict.PASS


@pytest.mark.parametrize("measure", SINGLY)
def test_a_small_void_breaks_no_least_size_that_a_larger_one_keeps(measure: str) -> None:
    assert single(measure, 0.99, 262, 27, least=True).verdict is Verdict.PASS


@pytest.mark.parametrize("unit", ["bump", "scan"])
@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(("end", "name"), [(18, "solder"), (22, "void"), (28, ""), (34, "")])
def test_a_joint_that_the_edge_of_the_scan_cuts_along_the_build_axis_is_never_passed(
    end: int, name: str, turned: bool, n: int, unit: str
) -> None:
    mask = row(n)
    for k in range(n):
        place(mask, k)[19:23, 1:15, 1:15] = VOID
    found = measured(mask[:end][:: -1 if turned else 1], limit=0.5, unit=unit)
    assert verdicts(found) == ["REVIEW" if name else "PASS"] * n
    assert found.verdict is (Verdict.REVIEW if name else Verdict.PASS)
    assert not name or f"{name} reaches the edge of the scan along z" in told(found)[0]


@pytest.mark.parametrize(("n", "verdict"), [(7, "PASS"), (8, "REVIEW")])
def test_a_few_voxels_of_solder_at_the_edge_of_the_scan_are_no_cut_joint(n: int, verdict: str) -> None:
    mask = row(1)[2:]
    place(mask, 0)[0, 3, 2 : 2 + n] = SOLDER
    assert verdicts(measured(mask)) == [verdict]


@pytest.mark.parametrize(("aside", "doubtful"), [(5, False), (6, True), (14, True)])
@pytest.mark.parametrize("order", ORDERS)
def test_solder_that_lies_far_beside_its_pillar_is_a_leaning_bump_s_or_a_displaced_one_s(
    order: tuple[int, int, int], aside: int, doubtful: bool
) -> None:
    """Centres 20 apart along the axis: 5 aside are 14 degrees."""
    mask = np.full((50, 24, 40), BACKGROUND, np.uint8)
    mask[2:22, 4:20, 4:20], mask[22:42, 4:20, 4 + aside : 20 + aside] = PILLAR, SOLDER
    found = measured(np.ascontiguousarray(mask.transpose(order)))
    lean = f"{np.degrees(np.arctan2(aside, 20)):.2g} degrees off {'zyx'[order.index(0)]}"
    assert (lean in told(found)[0]) is doubtful and verdicts(found) == ["REVIEW" if doubtful else "PASS"]
