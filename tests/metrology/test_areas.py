"""Ratios of areas and bands: exact to the voxel on bodies, a slow twin on everything, whichever way the bump stands."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrology.masks import BACKGROUND, HBM, PAD, PILLAR, SOLDER, VOID, masks
from voidscope.config import MeasureConfig
from voidscope.metrology import components, measure_scan
from voidscope.metrology.areas import AREAS, area_parts
from voidscope.vocabulary import ClassMap

PROJECTED, WORST, PILLAR_SIDE, PAD_SIDE = AREAS


def joint(void_at: slice = slice(10, 12)) -> np.ndarray:
    """A square bump along z: pillar from 2 to 10, solder to 20, pad to 26, 16 x 16 wide; a void of 4 x 6 pixels."""
    mask = np.full((30, 24, 24), BACKGROUND, np.uint8)
    mask[2:10, 4:20, 4:20], mask[10:20, 4:20, 4:20], mask[20:26, 4:20, 4:20] = PILLAR, SOLDER, PAD
    mask[void_at, 6:10, 6:12] = VOID
    return mask


def ratios(mask: np.ndarray, axis: str | None = "z", **recipe: object) -> dict[str, float | None]:
    parts = area_parts(mask, HBM, MeasureConfig(**recipe), axis)
    return {name: None if isinstance(p, str) else p[0] / p[1] for name, p in parts.items()}


def test_areas_of_a_square_bump_are_the_counted_ones() -> None:
    found = ratios(joint(), band_voxels=4)
    assert found == {PROJECTED: 24 / 256, WORST: 24 / 256, PILLAR_SIDE: 2 * 24 / (4 * 256), PAD_SIDE: 0}
    found = ratios(joint(slice(17, 20)), band_voxels=2)
    assert (found[PILLAR_SIDE], found[PAD_SIDE]) == (0, 24 / 256)


def test_voids_above_each_other_hide_in_the_projection_and_not_in_volume() -> None:
    mask = joint()
    mask[14:16] = mask[10:12]
    assert ratios(mask)[PROJECTED] == ratios(joint())[PROJECTED]
    mask[14:16, 6:10, 6:12], mask[14:16, 12:16, 12:18] = SOLDER, VOID
    assert ratios(mask)[PROJECTED] == 2 * 24 / 256


def test_a_ball_of_half_the_diameter_shows_a_quarter_of_the_area_and_an_eighth_of_the_volume() -> None:
    z, y, x = np.meshgrid(*[np.arange(-40, 41) + 0.3] * 3, indexing="ij")
    square = z**2 + y**2 + x**2
    mask = np.where(square < 18.7**2, VOID, np.where(square < 37.4**2, SOLDER, BACKGROUND)).astype(np.uint8)
    found = measure_scan(mask, HBM, (1, 1, 1), MeasureConfig(build_axis="y"), "a")
    assert found.ratios[PROJECTED] == pytest.approx(1 / 4, rel=0.01)
    assert found.ratios[WORST] == pytest.approx(1 / 4, rel=0.02)
    assert found.ratio == pytest.approx(1 / 8, rel=0.01)
    assert found.quantities["largest_void_share"] == pytest.approx(1 / 8, rel=0.01)
    assert found.quantities["largest_void_diameter_share"] == pytest.approx(1 / 2, rel=0.01)


def test_a_thin_end_of_the_bump_is_no_worst_slice() -> None:
    mask = joint()
    mask[26, 6:8, 6:8] = VOID
    assert ratios(mask)[WORST] == 24 / 256
    mask[26, 4:20, 6:14] = VOID
    assert ratios(mask)[WORST] == 1


def test_a_slice_counts_from_a_tenth_of_the_largest_on() -> None:
    mask = np.full((4, 10, 10), SOLDER, np.uint8)
    for wide, worst in ((9, 0.0), (10, 1.0), (12, 1.0)):
        mask[3] = BACKGROUND
        mask[3].flat[:wide] = VOID
        assert ratios(mask)[WORST] == worst


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("turned", [False, True])
def test_it_is_the_same_whichever_way_the_bump_stands(order: tuple[int, int, int], turned: bool) -> None:
    mask = joint()
    mask[18:20, 12:15, 12:15] = VOID
    stood = (mask[::-1] if turned else mask).transpose(order)
    found = measure_scan(stood, HBM, (0.7, 0.7, 0.7), MeasureConfig(), "a")
    assert found.dimensions.build_axis == ("-" if turned else "") + "zyx"[order.index(0)]
    assert {name: found.ratios[name] for name in AREAS} == ratios(mask)


def slow_twin(mask: np.ndarray, band: int) -> dict[str, tuple[int, int]]:
    """Column by column and slice by slice, along z."""
    structure, void = np.isin(mask, [PILLAR, SOLDER, VOID, PAD]), mask == VOID
    levels, *across = mask.shape
    shadow = [0, 0]
    bands = {PILLAR_SIDE: [0, 0], PAD_SIDE: [0, 0]}
    for at in np.ndindex(*across):
        column = mask[(slice(None), *at)].tolist()
        shadow[0] += VOID in column
        shadow[1] += any(k in (PILLAR, SOLDER, VOID, PAD) for k in column)
        for name, wall, way in ((PILLAR_SIDE, PILLAR, 1), (PAD_SIDE, PAD, -1)):
            seen = column[::way]
            if wall in seen:
                tops = [k for k, v in enumerate(seen) if v == wall]
                first_run = [k for k in tops if SOLDER not in seen[tops[0] : k]]
                inside, below = (seen[top + 1 : top + 1 + band] for top in (tops[-1], first_run[-1]))
                inside = below if below.count(VOID) > inside.count(VOID) else inside
                bands[name][0] += inside.count(VOID)
                bands[name][1] += inside.count(VOID) + inside.count(SOLDER)
    slices = [(int(void[k].sum()), int(structure[k].sum())) for k in range(levels)]
    thick = [s for s in slices if s[1] and s[1] >= 0.1 * max(n for _, n in slices)]
    worst = max(thick, key=lambda s: s[0] / s[1], default=(0, 0))
    return {PROJECTED: tuple(shadow), WORST: worst, **{k: tuple(v) for k, v in bands.items()}}  # type: ignore[dict-item]


@settings(max_examples=80, deadline=None)
@given(masks, st.integers(1, 5), st.integers(1, 60))
def test_areas_agree_with_looking_at_every_column(mask: np.ndarray, band: int, chunk: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(components, "CHUNK_VOXELS", chunk)
        found = area_parts(mask, HBM, MeasureConfig(band_voxels=band), "z")
    for name, (above, below) in slow_twin(mask, band).items():
        part = found[name]
        if below:
            assert not isinstance(part, str)
            assert part[0] / part[1] == above / below
        else:
            assert isinstance(part, str)


def test_without_a_build_axis_or_a_class_they_are_undefined_and_say_why() -> None:
    found = measure_scan(np.full((4, 4, 4), SOLDER, np.uint8), HBM, (1, 1, 1), MeasureConfig(), "a")
    assert all(found.ratios[name] is None for name in AREAS)
    assert "name it in measure.build_axis" in found.undefined[PROJECTED]
    plain = ClassMap.from_names(["background", "layer", "void"])
    parts = area_parts(np.full((4, 4, 4), 2, np.uint8), plain, MeasureConfig(), "z")
    assert parts[PROJECTED] == (0, 16)
    assert parts[PILLAR_SIDE] == (
        "there is no class 'copper_pillar' among background, layer, void; name it in measure.pillar_class"
    )
    empty = area_parts(np.full((4, 4, 4), BACKGROUND, np.uint8), HBM, MeasureConfig(), "z")
    assert (empty[PROJECTED], empty[WORST]) == ("no voxel is foreground",) * 2
    assert empty[PAD_SIDE] == "no voxel of solder or void lies within 3 voxels of copper_pad"


def test_a_sheet_taken_for_pillar_above_the_solder_hides_no_void() -> None:
    mask = joint()
    seen = ratios(mask, band_voxels=4)[PILLAR_SIDE]
    mask[20, 4:20, 4:12] = PILLAR  # the lowest sheet of the pad, over half the columns and the void
    assert ratios(mask, band_voxels=4)[PILLAR_SIDE] >= (seen or 1)
