"""Intervals of ratios of areas: a slow twin, closed forms of discs and balls, and what must not move them."""

from __future__ import annotations

import math
import statistics
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from metrology.masks import BACKGROUND, HBM, PAD, PILLAR, SOLDER, VOID, masks
from voidscope.config import MeasureConfig
from voidscope.metrology import Verdict, measure_scan
from voidscope.metrology.area_edges import area_edges
from voidscope.metrology.areas import AREAS
from voidscope.metrology.measurement import measure_clean

PROJECTED, WORST, PILLAR_SIDE, PAD_SIDE = AREAS
UNSEEN = 8 / math.sqrt(3)


def joint(radius: float = 4.0, low: int = 12, high: int = 18) -> np.ndarray:
    """A bump along z, 40 x 40 wide: pillar from 2 to 10, solder to 24, pad to 30; an upright cylinder of void."""
    mask = np.full((32, 48, 48), BACKGROUND, np.uint8)
    mask[2:10, 4:44, 4:44], mask[10:24, 4:44, 4:44], mask[24:30, 4:44, 4:44] = PILLAR, SOLDER, PAD
    y, x = np.mgrid[:48, :48] - 23.5
    mask[low:high, y**2 + x**2 < radius**2] = VOID
    return mask


def by_voxels(mask: np.ndarray, band: int) -> dict[str, float]:
    """Edge by edge and voxel by voxel, along z."""
    void, solid = mask == VOID, np.isin(mask, (PILLAR, SOLDER, PAD, VOID))

    def outline(area: np.ndarray) -> int:
        edges = 0
        for i, j in np.ndindex(*area.shape):
            for k, m in ((i + 1, j), (i, j + 1)):
                if k < area.shape[0] and m < area.shape[1]:
                    edges += area[i, j] != area[k, m]
        return edges

    shadow = np.array([[VOID in mask[:, i, j] for j in range(mask.shape[2])] for i in range(mask.shape[1])])
    sizes = [int(s.sum()) for s in solid]
    shares = [v.sum() / n if n and n >= 0.1 * max(sizes) else -1 for v, n in zip(void, sizes, strict=True)]
    found = {
        PROJECTED: math.pi / 4 * outline(shadow),
        WORST: math.pi / 4 * outline(void[int(np.argmax(shares))]),
    }
    for name, wall, way in ((PILLAR_SIDE, PILLAR, 1), (PAD_SIDE, PAD, -1)):
        seen, faces = mask[::way], 0
        for j, k in np.ndindex(*mask.shape[1:]):
            column = seen[:, j, k].tolist()
            if wall not in column:
                continue
            tops = [i for i, v in enumerate(column) if v == wall]
            run = [i for i in tops if SOLDER not in column[tops[0] : i]]
            held = {top: column[top + 1 : top + 1 + band].count(VOID) for top in (run[-1], tops[-1])}
            top = run[-1] if held[run[-1]] > held[tops[-1]] else tops[-1]
            for i in range(top + 1, min(top + 1 + band, len(column))):
                if column[i] != VOID:
                    continue
                for step in np.vstack([np.eye(3, dtype=int), -np.eye(3, dtype=int)]):
                    at = np.add((i, j, k), step)
                    if (at >= 0).all() and (at < mask.shape).all():
                        faces += seen[tuple(at)] != VOID
        found[name] = 2 / 3 * faces
    return found


walls = hnp.arrays(np.uint8, (9, 2, 2), elements=st.sampled_from((PILLAR, SOLDER, VOID)))
"""Columns whose pillar has solder and void between its voxels."""


@settings(max_examples=80, deadline=None)
@given(masks | walls, st.integers(1, 5))
def test_edges_agree_with_looking_at_every_voxel(mask: np.ndarray, band: int) -> None:
    found = area_edges(mask, HBM, MeasureConfig(band_voxels=band), "z", AREAS)
    assert found == pytest.approx(by_voxels(mask, band))


@pytest.mark.parametrize("rows", [6, 20, 40])
def test_a_sheet_taken_for_pillar_above_the_solder_leaves_the_bands_edges_where_its_void_is(
    rows: int,
) -> None:
    mask = joint(low=10, high=13)
    band = MeasureConfig(ratio=PILLAR_SIDE)
    clean = area_edges(mask, HBM, band, "z", AREAS)[PILLAR_SIDE]
    mask[20, 24 - rows // 2 : 24 + rows // 2, 4:44] = PILLAR
    assert area_edges(mask, HBM, band, "z", AREAS)[PILLAR_SIDE] == clean > 0
    seen = area_edges(mask[::-1], HBM, band, "-z", AREAS)
    assert seen[PILLAR_SIDE] == clean


@settings(max_examples=25, deadline=None)
@given(masks, st.permutations(range(3)), st.booleans())
def test_edges_are_the_same_whichever_way_the_bump_stands(
    mask: np.ndarray, order: list[int], turned: bool
) -> None:
    stood = (mask[::-1] if turned else mask).transpose(order)
    axis = ("-" if turned else "") + "zyx"[order.index(0)]
    upright = area_edges(mask, HBM, MeasureConfig(), "z", AREAS)
    assert area_edges(stood, HBM, MeasureConfig(), axis, AREAS) == pytest.approx(upright)


def test_only_what_is_asked_for_is_looked_at_and_nothing_without_a_build_axis() -> None:
    assert set(area_edges(joint(), HBM, MeasureConfig(), "z", ["void/solder", WORST])) == {WORST}
    assert area_edges(joint(), HBM, MeasureConfig(), None, AREAS) == {}


@pytest.mark.parametrize("radius", [3.0, 6.0, 12.0])
def test_a_disc_grows_by_its_circumference(radius: float) -> None:
    found = area_edges(joint(radius), HBM, MeasureConfig(), "z", (PROJECTED, WORST))
    assert found[PROJECTED] == found[WORST] == pytest.approx(2 * math.pi * radius, rel=0.05)
    more, less = (
        measure_scan(joint(r), HBM, (1, 1, 1), MeasureConfig(ratio=PROJECTED), "a").ratio
        for r in (radius + 1, radius - 1)
    )
    assert more is not None and less is not None
    assert (more - less) * 1600 / 2 == pytest.approx(found[PROJECTED], rel=0.15)


@pytest.mark.parametrize("ratio", AREAS)
def test_the_interval_is_the_edges_and_what_cannot_be_seen(ratio: str) -> None:
    recipe = MeasureConfig(ratio=ratio, edge_sigma=0.5, coverage=2)  # type: ignore[arg-type]
    mask = joint(low=10, high=24)
    found = measure_scan(mask, HBM, (0.7, 0.7, 0.7), recipe, "a")
    below = 1600 if ratio in (PROJECTED, WORST) else 3 * 1600
    edges = 0.5 * by_voxels(mask, 3)[ratio] / below
    assert found.uncertainty == pytest.approx(2 * math.hypot(edges, UNSEEN / below))
    assert [c.value for c in found.budget[1:3]] == [None, 0]
    wider = measure_scan(mask, HBM, (0.7, 0.7, 1.4), recipe, "a")  # a ratio of areas knows no scale
    assert wider.uncertainty == found.uncertainty


def test_the_models_spread_is_that_of_the_void_it_sees_as_area() -> None:
    recipe = MeasureConfig(ratio=PROJECTED, edge_sigma=0)
    mask = joint()
    void = int((mask == VOID).sum())
    seen = (void, void + 60, void - 30, void + 12)
    views = [(0, 0, void - n, n - void, 0) for n in seen]
    found = measure_clean(mask, HBM, (1, 1, 1), recipe, "a", views)
    shadow = void / 6
    faces = 6 * by_voxels(mask, 3)[WORST] / (math.pi / 4) + 2 * shadow
    per_voxel = max(shadow / void, by_voxels(mask, 3)[PROJECTED] / (2 / 3 * faces))
    assert found.budget[1].value == pytest.approx(per_voxel * statistics.stdev(seen) / 1600)
    assert found.uncertainty == pytest.approx(2 * math.hypot(found.budget[1].value or 0, UNSEEN / 1600))
    more = measure_clean(mask, HBM, (1, 1, 1), recipe, "a", [tuple(2 * n for n in v) for v in views])
    assert more.budget[1].value == pytest.approx(2 * (found.budget[1].value or 0))


def test_views_that_see_void_where_the_mask_has_none_take_a_pixel_a_voxel() -> None:
    mask = joint(0.1)
    found = measure_clean(
        mask, HBM, (1, 1, 1), MeasureConfig(ratio=PROJECTED), "a", [(0, 0, -n, n, 0) for n in (0, 40)]
    )
    assert found.ratio == 0
    assert found.budget[1].value == pytest.approx(statistics.stdev((0, 40)) / 1600)


def test_a_guard_band_decides_areas_by_it_and_the_larger_of_it_and_the_recipes_counts() -> None:
    settled = {"ratio": PROJECTED, "rule": "guard band"}
    ratio = 52 / 1600
    for limit, verdict in ((0.2, Verdict.PASS), (0.001, Verdict.FAIL), (ratio, Verdict.REVIEW)):
        found = measure_scan(joint(), HBM, (1, 1, 1), MeasureConfig(**settled, limit=limit), "a")  # type: ignore[arg-type]
        assert found.ratio == ratio and found.verdict is verdict
    told = measure_scan(joint(), HBM, (1, 1, 1), MeasureConfig(**settled, uncertainty=0.3), "a")  # type: ignore[arg-type]
    assert told.uncertainty == 0.3


def test_permutations_of_the_axes_change_no_interval() -> None:
    recipe = MeasureConfig(ratio=PILLAR_SIDE)
    widths = {
        measure_scan(joint(low=10, high=13).transpose(o), HBM, (1, 1, 1), recipe, "a").uncertainty
        for o in permutations(range(3))
    }
    assert len(widths) == 1
