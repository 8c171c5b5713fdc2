"""Dimensions of bumps: analytic bodies to half a voxel, whichever way they stand, and a stray voxel moves none."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrology.masks import masks
from voidscope.config import MeasureConfig
from voidscope.metrology import Dimensions, by_boxes, dimensions
from voidscope.metrology.bodies import DUST
from voidscope.metrology.dimensions import PAD_SHARE
from voidscope.vocabulary import ClassMap, Mask
from voidscope.volume import Spacing

HBM = ClassMap.hbm()
RECIPE = MeasureConfig()
BACKGROUND, PILLAR, SOLDER, PAD, VOID = (
    HBM.id_of(n) for n in ("background", "copper_pillar", "solder", "copper_pad", "void")
)
LENGTHS = ("blt_um", "pillar_width_um", "pillar_height_um", "pad_misalignment_um")


def bump(pad: tuple[float, float] | None = (3.0, -4.0), bulge: float = 2.0) -> Mask:
    """Cylinders along z in a field of 60 x 64 x 70: pillar r 15 from z = 6 to 25, solder r 15 + bulge to 34, pad r 12 to 42.

    `pad` says how far the pad's centre lies beside the pillar's (y, x); None for a logic bump.
    """
    z, y, x = np.indices((60, 64, 70))
    mask = np.full(z.shape, BACKGROUND, np.uint8)

    def cylinder(low: int, high: int, radius: float, off: tuple[float, float], value: int) -> None:
        inside = (y - 30 - off[0]) ** 2 + (x - 34 - off[1]) ** 2 <= radius**2
        mask[inside & (z >= low) & (z < high)] = value

    cylinder(6, 25, 15, (0, 0), PILLAR)
    cylinder(25, 34, 15 + bulge, (0, 0), SOLDER)
    if pad is not None:
        cylinder(34, 42, 12, pad, PAD)
    return mask


def measured(mask: Mask, spacing: Spacing = (1.0, 1.0, 1.0)) -> Dimensions:
    return dimensions(mask, HBM, spacing, RECIPE)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.5, 0.7, 0.7), (2.0, 0.3, 0.3)])
def test_cylinders_are_measured_to_half_a_voxel(spacing: Spacing) -> None:
    found, (z, y, x) = measured(bump(), spacing), spacing
    assert found.build_axis == "z"
    assert found.blt_um == pytest.approx(36 * z)
    assert found.pillar_height_um == pytest.approx(19 * z)
    assert found.pillar_width_um == pytest.approx(30 * max(y, x), abs=0.1 * max(y, x))
    assert found.pad_misalignment_um == pytest.approx(float(np.hypot(3 * y, 4 * x)), abs=0.05 * max(y, x))
    assert found.extrusion_um == pytest.approx({"-y": 2 * y, "+y": 2 * y, "-x": 2 * x, "+x": 2 * x})


def pillar(inside: Mask) -> Mask:
    """A pillar of 8 equal levels (h, w) with as much solder on it."""
    levels = np.where(inside, np.uint8(PILLAR), np.uint8(BACKGROUND))
    return np.stack([levels] * 8 + [np.where(inside, np.uint8(SOLDER), levels)] * 8)


@settings(max_examples=60, deadline=None)
@given(
    radii=st.tuples(st.floats(8, 30), st.floats(0.8, 1.25)),
    off=st.tuples(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5)),
    spacing=st.sampled_from([(1.0, 1.0, 1.0), (0.5, 0.7, 0.7), (2.0, 0.3, 0.6)]),
)
def test_round_and_oval_pillars_are_as_wide_as_they_are_wherever_they_stand(
    radii: tuple[float, float], off: tuple[float, float], spacing: Spacing
) -> None:
    ry, rx = radii[0], radii[0] * radii[1]
    y, x = (np.indices((84, 84)) - 42.0) - np.reshape(off, (2, 1, 1))
    found = measured(pillar((y / ry) ** 2 + (x / rx) ** 2 <= 1), spacing).pillar_width_um
    assert found == pytest.approx(max(2 * ry * spacing[1], 2 * rx * spacing[2]), abs=0.5 * max(spacing[1:]))


@pytest.mark.parametrize("wide", [(13, 13), (20, 14), (31, 31)])
@pytest.mark.parametrize("corner", [0, 1, 2])
def test_upright_square_pillars_are_counted(wide: tuple[int, int], corner: int) -> None:
    inside = np.zeros((60, 60), bool)
    inside[9 : 9 + wide[0], 8 : 8 + wide[1]] = True
    for place in ((9, 8), (9, 8 + wide[1] - corner), (9 + wide[0] - corner, 8)):
        inside[place[0] : place[0] + corner, place[1] : place[1] + corner] = False  # etched corners
    assert measured(pillar(inside)).pillar_width_um == max(wide)


@pytest.mark.parametrize("shape", ["octagon", "rounded", "half", "flat", "star", "key", "keys"])
@pytest.mark.parametrize("radius", [20, 24, 32])
def test_pillars_that_are_no_ellipses_are_counted(shape: str, radius: int) -> None:
    y, x = np.indices((90, 90)) - 44.5
    r, a, b = float(radius), abs(y), abs(x)
    corner = np.hypot(np.maximum(a - r / 8, 0), np.maximum(b - r / 8, 0)) <= r * 7 / 8
    inside = {
        "octagon": (a <= r) & (b <= r) & (a + b <= r * np.sqrt(2)),
        "rounded": corner,
        "half": (np.hypot(y, x) <= r) & (x > 0),
        "flat": (np.hypot(y, x) <= r) & (y > -0.8 * r),
        "key": (np.hypot(y, x) <= r) | ((b <= 2) & (y > 0) & (y <= r + 1.4)),
        "keys": (np.hypot(y, x) <= r) | ((b <= 1.5) & (a <= r + 1)),
        "star": np.hypot(y, x) <= r * (1 + 0.15 * np.cos(4 * np.arctan2(y, x))),
    }[shape]
    at = np.argwhere(inside)
    assert measured(pillar(inside)).pillar_width_um == max(np.ptp(at, axis=0)) + 1


def test_a_pillar_whose_levels_are_not_alike_has_their_median_width() -> None:
    away = np.hypot(*(np.indices((60, 60)) - 29.5))
    mask = pillar(away <= 16)
    mask[4:8][:, away > 10] = BACKGROUND  # half of its levels
    assert measured(mask).pillar_width_um == 26


def test_a_logic_bump_has_no_pad_and_its_bond_line_ends_with_the_solder() -> None:
    found = measured(bump(pad=None))
    assert (found.blt_um, found.pad_misalignment_um) == (28, None)


@pytest.mark.parametrize("bulge", [-3.0, 0.0, 4.0])
def test_too_little_solder_is_told_from_too_much_by_the_sign(bulge: float) -> None:
    found = measured(bump(bulge=bulge))
    assert found.extrusion_um is not None
    assert set(found.extrusion_um.values()) == {bulge}
    assert found.largest_extrusion_um == bulge


def necked(low: int, high: int, radius: float, *, pad: tuple[float, float] | None = (3.0, -4.0)) -> Mask:
    """A bump of r 15 whose solder, from z = 25 to 34, is thinned to a radius from level to level, or is cracked open to it."""
    mask = bump(pad, 0.0)
    _, y, x = np.indices(mask.shape)
    thin = mask[low:high]
    thin[((y - 30) ** 2 + (x - 34) ** 2 > radius**2)[low:high] & (thin == SOLDER)] = BACKGROUND
    return mask


@pytest.mark.parametrize("pad", [None, (0.0, 0.0)])
@pytest.mark.parametrize(("low", "high"), [(27, 32), (26, 33), (29, 30), (25, 34)])
def test_a_neck_is_under_fill_however_few_or_many_levels_it_takes(
    low: int, high: int, pad: tuple[float, float] | None
) -> None:
    mask = necked(low, high, 5.0, pad=pad)
    assert measured(mask).underfill_um == 10
    assert by_boxes(mask, HBM, (1, 1, 1), RECIPE).underfill_um == (10 if high - low == 9 else 0)


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("turned", [False, True])
def test_a_crack_from_one_side_is_under_fill_there_whichever_way_the_bump_stands(
    order: tuple[int, int, int], turned: bool
) -> None:
    mask, spacing = bump(bulge=0.0), np.array([0.5, 0.6, 0.7])
    mask[28:30, :, :44] = BACKGROUND  # the pillar begins at x = 19
    stood = (mask[::-1] if turned else mask).transpose(order)
    found = measured(stood, tuple(spacing[list(order)]))  # type: ignore[arg-type]
    assert found.underfill_um == pytest.approx(25 * 0.7)
    assert found.extrusion_um is not None and max(map(abs, found.extrusion_um.values())) == 0


def test_under_fill_is_that_of_a_slow_twin() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        mask = bump(None if rng.random() < 0.3 else (2.0, 1.0), float(rng.integers(-2, 3)))
        _, y, x = np.indices(mask.shape)
        for level in rng.integers(25, 34, 3):
            away = (y[level] - 30) ** 2 + (x[level] - 34) ** 2 > rng.integers(4, 16) ** 2
            mask[level][away & (mask[level] == SOLDER)] = BACKGROUND
        assert measured(mask).underfill_um == slow_under_fill(mask)


def slow_under_fill(mask: Mask) -> float:
    """Side by side and level by level, of a bump that stands along z with the pillar at the low end; 1 um voxels."""
    lacks = [0.0]
    for axis, sign in ((1, -1), (1, 1), (2, -1), (2, 1)):
        reach = {
            name: {z: max(sign * v for v in np.nonzero(mask[z] == k)[axis - 1]) for z in range(60) if (mask[z] == k).any()}
            for name, k in (("pillar", PILLAR), ("solder", SOLDER), ("pad", PAD))
        }  # fmt: skip
        edge = float(np.median(list(reach["pillar"].values())))
        widest = sorted(reach["solder"].values())[-2]  # of 9 levels the 95th percentile, taken inwards
        lacks.append(edge - widest)
        for z, out in reach["solder"].items():
            above = max(v for name in ("solder", "pad") for at, v in reach[name].items() if at >= z)
            lacks.append(min(edge, above) - out)
    return max(lacks)


def test_domes_narrow_pads_and_voids_at_the_flank_are_no_under_fill() -> None:
    dome = bump(pad=None, bulge=0.0)
    z, y, x = np.indices(dome.shape)
    dome[(dome == SOLDER) & ((y - 30) ** 2 + (x - 34) ** 2 + (z - 25) ** 2 > 15**2)] = BACKGROUND
    cone = bump(pad=(0.0, 0.0), bulge=0.0)
    cone[(cone == SOLDER) & ((y - 30) ** 2 + (x - 34) ** 2 > (15 - (z - 25) / 3) ** 2)] = BACKGROUND
    flank = bump(bulge=0.0)
    flank[28:31, :, :30][flank[28:31, :, :30] == SOLDER] = VOID
    layer = bump(bulge=0.0)
    layer[25:27][layer[25:27] == SOLDER] = VOID
    meniscus = bump(bulge=0.0)  # pillar and solder share their levels
    meniscus[25:28, :, 34:][meniscus[25:28, :, 34:] == SOLDER] = PILLAR
    assert [measured(m).underfill_um for m in (dome, cone, flank, layer, meniscus)] == [1, 1, 0, 0, 0]
    assert [min((measured(m).extrusion_um or {}).values()) for m in (dome, cone)] == [
        -1,
        -1,
    ]  # no level but one is as wide


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("turned", [False, True])
def test_it_is_the_same_whichever_way_the_bump_stands(order: tuple[int, int, int], turned: bool) -> None:
    mask, spacing = bump(), np.array([0.5, 0.6, 0.7])
    plain = measured(mask, tuple(spacing))  # type: ignore[arg-type]
    stood = mask[::-1] if turned else mask
    found = measured(stood.transpose(order), tuple(spacing[list(order)]))  # type: ignore[arg-type]
    axis = "zyx"[order.index(0)]
    assert found.build_axis == ("-" if turned else "") + axis
    for name in LENGTHS:
        assert getattr(found, name) == pytest.approx(getattr(plain, name))
    assert found.extrusion_um is not None and plain.extrusion_um is not None
    assert sorted(found.extrusion_um.values()) == pytest.approx(sorted(plain.extrusion_um.values()))


def test_lengths_scale_with_the_unit() -> None:
    small, large = measured(bump(), (0.5, 0.5, 0.5)), measured(bump(), (500.0, 500.0, 500.0))
    for name in LENGTHS:
        assert getattr(large, name) == pytest.approx(1000 * getattr(small, name))


def test_stray_voxels_move_boxes_but_not_medians() -> None:
    clean, dirty = bump(), bump()
    dirty[1, 30, 34] = dirty[15, 2, 34] = PILLAR
    dirty[30, 30, 68] = SOLDER
    before, after = measured(clean), measured(dirty)
    for name in LENGTHS:
        assert getattr(after, name) == pytest.approx(getattr(before, name), abs=0.02)
    assert after.extrusion_um == pytest.approx(before.extrusion_um)
    boxes = by_boxes(dirty, HBM, (1, 1, 1), RECIPE)
    assert boxes.pillar_height_um == 18 + 5
    assert boxes.pillar_width_um == 45 - 2
    assert boxes.extrusion_um is not None and boxes.extrusion_um["+x"] > 15


def test_the_public_formulas_are_followed_to_the_voxel() -> None:
    mask, spacing = bump(), (0.7, 0.7, 0.7)
    found = by_boxes(mask, HBM, spacing, RECIPE)
    z, y, x = ({k: np.nonzero(mask == k)[a] for k in (PILLAR, SOLDER, PAD)} for a in range(3))
    assert found.blt_um == pytest.approx((z[PAD].max() - z[PILLAR].min() + 1) * 0.7)
    assert found.pillar_width_um == pytest.approx(max(np.ptp(y[PILLAR]), np.ptp(x[PILLAR])) * 0.7)
    assert found.pillar_height_um == pytest.approx(np.ptp(z[PILLAR]) * 0.7)
    lateral = [np.median(a[PAD]) - np.median(a[PILLAR]) for a in (y, x)]
    assert found.pad_misalignment_um == pytest.approx(np.hypot(*lateral) * 0.7)
    expected = {
        "-y": y[PILLAR].min() - y[SOLDER].min(), "+y": y[SOLDER].max() - y[PILLAR].max(),
        "-x": x[PILLAR].min() - x[SOLDER].min(), "+x": x[SOLDER].max() - x[PILLAR].max(),
    }  # fmt: skip
    assert found.extrusion_um == pytest.approx({k: v * 0.7 for k, v in expected.items()})


def test_what_cannot_be_measured_is_left_open() -> None:
    mask = bump()
    mask[mask == SOLDER] = BACKGROUND
    assert measured(mask) == by_boxes(mask, HBM, (1, 1, 1), RECIPE) == Dimensions()
    assert Dimensions().largest_extrusion_um is None
    plain = ClassMap.from_names(["background", "layer", "void"])
    assert dimensions(np.ones((3, 3, 3), np.uint8), plain, (1, 1, 1), RECIPE) == Dimensions()


def test_a_pad_beside_the_pillar_still_has_a_bond_line() -> None:
    found = measured(bump(pad=(0.0, 29.0)))
    assert found.blt_um == pytest.approx(36, abs=1)


@pytest.mark.parametrize(("radius", "there"), [(2.0, False), (7.0, False), (9.0, True)])
def test_a_few_voxels_called_pad_on_a_logic_bump_are_none(radius: float, there: bool) -> None:
    mask, (z, y, x) = bump(pad=None), np.indices((60, 64, 70))
    mask[((y - 30) ** 2 + (x - 34) ** 2 <= radius**2) & (z >= 34) & (z < 37)] = PAD
    found = measured(mask)
    assert (found.pad_misalignment_um is not None) is there
    assert found.blt_um == (31 if there else 28)
    assert found.extrusion_um == measured(bump(pad=None)).extrusion_um


def kept(mask: Mask, name: int) -> np.ndarray:
    """Which voxels are of a class, pieces below `DUST` of the largest left out."""
    from scipy import ndimage

    labels, n = ndimage.label(mask == name, np.ones((3, 3, 3)))
    sizes = np.bincount(labels.ravel(), minlength=n + 1)[1:]
    return np.isin(labels, 1 + np.flatnonzero(sizes >= DUST * sizes.max(initial=0)))


def with_void(mask: Mask, axis: int) -> Mask:
    """Solder, pillar and pad with the void that is theirs, voxel by voxel; 0 elsewhere, and for a pad that is none."""
    found = np.zeros_like(mask)
    for name in (PILLAR, SOLDER, PAD):
        found[kept(mask, name)] = name
    if (found == PAD).any(axis).sum() < PAD_SHARE * (found == PILLAR).any(axis).sum():
        found[found == PAD] = 0
    footprint = np.broadcast_to(np.expand_dims((found > 0).any(axis), axis), mask.shape)
    found[(mask == VOID) & footprint] = VOID

    def end(at: tuple[int, ...], a: int, step: int) -> int:
        place = list(at)
        while 0 <= place[a] < mask.shape[a]:
            if found[tuple(place)] != VOID:
                return int(found[tuple(place)])
            place[a] += step
        return 0

    for lines in ([a for a in range(3) if a != axis], [axis]):
        given_to = {}
        for at in map(tuple, np.argwhere(found == VOID).tolist()):
            met = {end(at, a, step) for a in lines for step in (-1, 1)}
            given_to[at] = next((name for name in (SOLDER, PILLAR, PAD) if name in met), VOID)
        for at, name in given_to.items():
            found[at] = name
    return np.where(found == VOID, 0, found)


def coordinates(bodies: Mask, name: int, axis: int, turned: bool) -> np.ndarray:
    """Voxels (N, 3) of a class, the build axis first and counted from the pillar's end."""
    points = np.argwhere(bodies == name)
    points = points[:, [axis, *(a for a in range(3) if a != axis)]]
    if turned:
        points[:, 0] = bodies.shape[axis] - 1 - points[:, 0]
    return points


def spans(points: np.ndarray, along: int, by: list[int]) -> dict[tuple[int, ...], tuple[int, int]]:
    """First and one past the last index along one axis, for every place by the others."""
    found: dict[tuple[int, ...], list[int]] = {}
    for p in points.tolist():
        found.setdefault(tuple(p[a] for a in by), []).append(p[along])
    return {at: (min(v), max(v) + 1) for at, v in found.items()}


@settings(max_examples=150, deadline=None)
@given(masks, st.sampled_from(["z", "y", "x"]))
def test_lengths_are_medians_over_columns_and_levels_counted_one_by_one(mask: Mask, build: str) -> None:
    spacing = (2.0, 1.0, 0.5)
    found = dimensions(mask, HBM, spacing, MeasureConfig(build_axis=build))
    axis = "zyx".index(build)
    if not ((mask == PILLAR).any() and (mask == SOLDER).any()):
        assert found == Dimensions()
        return
    turned = found.build_axis.startswith("-")
    bodies = with_void(mask, axis)
    pillar, solder = (coordinates(bodies, k, axis, turned) for k in (PILLAR, SOLDER))
    pad = coordinates(bodies, PAD, axis, turned) if (bodies == PAD).any() else None
    step, *across = (spacing[a] for a in (axis, *(a for a in range(3) if a != axis)))
    feet, heads = spans(pillar, 0, [1, 2]), spans(solder if pad is None else pad, 0, [1, 2])
    rises = [heads[at][1] - feet[at][0] for at in feet.keys() & heads.keys()]
    rise = (
        np.median(rises)
        if rises
        else np.median([b for _, b in heads.values()]) - np.median([a for a, _ in feet.values()])
    )
    assert found.blt_um == pytest.approx(rise * step)
    assert found.pillar_height_um == pytest.approx(np.median([b - a for a, b in feet.values()]) * step)
    widths = [
        np.median([b - a for a, b in spans(pillar, k, [0]).values()]) * s
        for k, s in zip((1, 2), across, strict=True)
    ]
    assert found.pillar_width_um == pytest.approx(max(widths))
    assert (found.pad_misalignment_um is None) is (pad is None)
    if pad is not None:
        off = (pillar.mean(axis=0) - pad.mean(axis=0))[1:] * across
        assert found.pad_misalignment_um == pytest.approx(np.hypot(*off))


def square(pad: bool = True) -> Mask:
    """A column of 20 x 20 voxels: pillar from z = 2 to 12, solder to 24, pad to 28."""
    mask = np.full((34, 30, 30), BACKGROUND, np.uint8)
    mask[2:12, 5:25, 5:25], mask[12:24, 5:25, 5:25] = PILLAR, SOLDER
    if pad:
        mask[24:28, 5:25, 5:25] = PAD
    return mask


@pytest.mark.parametrize("width", [8, 12, 20])
@pytest.mark.parametrize(
    ("pad", "levels"),
    [(False, (21, 24)), (True, (26, 28)), (True, (2, 5)), (True, (12, 15)), (True, (21, 24))],
    ids=["top of a logic bump", "top of the pad", "foot of the pillar", "on the pillar", "under the pad"],
)
def test_a_void_along_an_interface_shortens_and_moves_nothing(
    pad: bool, levels: tuple[int, int], width: int
) -> None:
    mask, sound = square(pad), measured(square(pad))
    mask[slice(*levels), 5 : 5 + width, 5:25] = VOID
    assert measured(mask) == measured(mask.transpose(0, 2, 1)) == sound
    assert measured(mask[::-1]).blt_um == sound.blt_um


def test_a_void_through_half_the_pad_moves_it_nowhere() -> None:
    mask = square()
    mask[24:28, 5:25, 5:15] = VOID
    assert measured(mask).pad_misalignment_um == 0
    assert measured(mask).blt_um == 26


def test_a_void_beside_a_bump_is_no_part_of_it() -> None:
    mask = square()
    mask[14:20, 10:20, 25:29] = mask[4:8, 10:20, 1:5] = VOID
    assert measured(mask) == measured(square())


def test_void_beside_a_few_voxels_called_pad_makes_no_pad_of_them() -> None:
    mask = square(pad=False)
    mask[24:26, 5:9, 5:9], mask[24:26, 5:25, 9:25] = PAD, VOID
    found = measured(mask)
    assert (found.pad_misalignment_um, found.pillar_height_um) == (None, 10)


def test_of_more_than_a_hundred_equal_bumps_none_is_dust() -> None:
    mask = np.full((14, 72, 72), BACKGROUND, np.uint8)
    for y in range(1, 72, 6):
        for x in range(1, 72, 6):
            mask[2:6, y : y + 4, x : x + 4], mask[6:10, y : y + 4, x : x + 4] = PILLAR, SOLDER
    found = measured(mask)
    assert (found.build_axis, found.blt_um, found.pillar_height_um) == ("z", 8, 4)


@settings(max_examples=60, deadline=None)
@given(masks)
def test_the_public_formulas_are_those_of_the_voxels_coordinates(mask: Mask) -> None:
    found = by_boxes(mask, HBM, (2.0, 1.0, 0.5), MeasureConfig(build_axis="y"))
    if found.build_axis is None:
        return
    at = {k: np.argwhere(mask == k)[:, [1, 0, 2]] * (1, 1, 1) for k in (PILLAR, SOLDER, PAD)}
    if found.build_axis == "-y":
        for points in at.values():
            points[:, 0] = mask.shape[1] - 1 - points[:, 0]
    top = at[PAD] if len(at[PAD]) else at[SOLDER]
    assert found.blt_um == pytest.approx(float(top[:, 0].max() - at[PILLAR][:, 0].min() + 1))
    assert found.pillar_height_um == pytest.approx(float(np.ptp(at[PILLAR][:, 0])))
    assert found.pillar_width_um == pytest.approx(
        max(2.0 * np.ptp(at[PILLAR][:, 1]), 0.5 * np.ptp(at[PILLAR][:, 2]))
    )
    if len(at[PAD]):
        off = (np.median(at[PILLAR], axis=0) - np.median(at[PAD], axis=0))[1:] * (2.0, 0.5)
        assert found.pad_misalignment_um == pytest.approx(np.hypot(*off))
