"""Distances of voids to the surface, to interfaces and to each other; whose shape is told at all; where it is told."""

from __future__ import annotations

import csv
import io
import json
import math
from itertools import permutations, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrology.masks import BACKGROUND, HBM, PAD, PILLAR, RECIPE, SOLDER, VOID, masks
from metrology.packages import package, rows
from voidscope.config import Criterion, MeasureConfig
from voidscope.metrology import (
    Report,
    ScanMeasurement,
    Verdict,
    Void,
    clouds,
    find_voids,
    measure_scan,
    nearness,
)
from voidscope.metrology.clouds import Clouds, Extent, closest
from voidscope.metrology.nearness import meetings, shaped

Triple = tuple[float, float, float]
SPACINGS = [(1.0, 1.0, 1.0), (2.0, 1.0, 0.5)]


def joint(*voids: tuple[slice, slice, slice]) -> np.ndarray:
    """Pillar below solder below pad, in background, with box-shaped voids."""
    mask = np.full((44, 34, 34), BACKGROUND, np.uint8)
    for layer, k in (((4, 14), PILLAR), ((14, 34), SOLDER), ((34, 40), PAD)):
        mask[slice(*layer), 4:30, 4:30] = k
    for box in voids:
        mask[box] = VOID
    return mask


def cube(z: int, y: int, x: int, side: int = 7) -> tuple[slice, slice, slice]:
    return slice(z, z + side), slice(y, y + side), slice(x, x + side)


def voids_of(
    mask: np.ndarray, spacing: Triple = (1, 1, 1), recipe: MeasureConfig = RECIPE
) -> tuple[Void, ...]:
    return shaped(find_voids(mask, [VOID], spacing, recipe.connectivity), mask, HBM, spacing, recipe)()


def test_many_shapes_are_told_in_another_process_and_are_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    mask = joint(cube(17, 6, 6), cube(17, 18, 18), cube(26, 6, 18, side=2))
    here = voids_of(mask)
    monkeypatch.setattr(nearness, "MANY", 2)
    told = apart_of(monkeypatch)
    assert voids_of(mask) == here
    assert told == [nearness.TITLE]
    assert not caplog.records

    monkeypatch.setattr(nearness, "SPARSE", 0.0)
    assert voids_of(mask) == here
    assert len(told) == 1  # voids that fill much of the mask are not handed over

    monkeypatch.setattr(nearness, "SPARSE", 1.0)
    monkeypatch.setattr("sys.executable", "no such Python")
    assert voids_of(mask) == here
    assert "no such Python" in caplog.text


def apart_of(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The titles of what is done in another process from now on."""
    told: list[str] = []
    really = nearness.apart

    def noted(title: str, make: Any) -> Any:
        told.append(title)
        return really(title, make)

    monkeypatch.setattr(nearness, "apart", noted)
    return told


def solid(points: np.ndarray) -> np.ndarray:
    """The corners of voxels."""
    return np.unique((points[:, None] + np.array(list(product((0, 1), repeat=3)))).reshape(-1, 3), axis=0)


def body_distance(a: np.ndarray, b: np.ndarray, spacing: Triple) -> float:
    """Between two sets of voxels as boxes: along each axis they overlap or leave whole voxels between them."""
    between = (np.abs(a[:, None] - b[None]) - 1).clip(min=0) * spacing
    return float(np.sqrt((between**2).sum(axis=2)).min())


@pytest.mark.parametrize("spacing", SPACINGS)
def test_walls_are_as_thick_as_their_voxels(spacing: Triple) -> None:
    first, second = voids_of(joint(cube(17, 6, 6), cube(17, 18, 18)), spacing)
    dz, dy, dx = spacing
    for void in (first, second):
        shape = void.shape
        assert shape is not None
        assert shape.interface_um == pytest.approx(3 * dz)
        assert shape.gap_um == pytest.approx(math.hypot(5 * dy, 5 * dx))
        assert not shape.touches_surface
        assert shape.feret_um == pytest.approx(7 * math.hypot(dz, dy, dx))
        assert shape.enclosing_diameter_um == pytest.approx(shape.feret_um)
        assert shape.compactness == pytest.approx(void.volume_um3 / (math.pi / 6 * shape.feret_um**3))
    assert first.shape.surface_um == pytest.approx(min(2 * dy, 2 * dx))
    assert second.shape.surface_um == pytest.approx(min(5 * dy, 5 * dx))


def test_a_void_that_reaches_background_touches_the_surface_even_over_a_corner() -> None:
    (flush,) = voids_of(joint(cube(17, 4, 12)))
    assert (flush.shape.surface_um, flush.shape.touches_surface) == (0, True)
    corner = joint(cube(17, 10, 10))
    corner[16, 9, 9] = BACKGROUND
    assert voids_of(corner)[0].shape.touches_surface
    corner[16, 9, 9], corner[15, 9, 9] = SOLDER, BACKGROUND
    assert voids_of(corner)[0].shape.surface_um == 1


def test_the_edge_of_the_scan_is_no_surface_and_unlabelled_is_none() -> None:
    mask = np.full((12, 12, 12), SOLDER, np.uint8)
    mask[cube(0, 0, 0)] = VOID
    (cut,) = voids_of(mask)
    assert cut.touches_border
    assert (cut.shape.surface_um, cut.shape.interface_um, cut.shape.gap_um) == (None, None, None)
    assert not cut.shape.touches_surface
    mask[11] = 0
    assert voids_of(mask)[0].shape.surface_um is None
    mask[11] = BACKGROUND
    assert voids_of(mask)[0].shape.surface_um == 4


def test_an_interface_is_where_solder_meets_pillar_or_pad_and_not_a_pore_s_own_wall() -> None:
    inside = joint(cube(5, 10, 10))
    (in_pillar,) = voids_of(inside)
    assert in_pillar.shape.interface_um == 2
    (at_pad,) = voids_of(joint(cube(27, 10, 10)))
    assert at_pad.shape.interface_um == 0


def test_a_neighbour_has_eight_voxels_or_more() -> None:
    mask = joint(cube(17, 6, 6), cube(17, 20, 20))
    mask[20, 15, 9] = VOID
    alone = [v.shape.gap_um for v in voids_of(mask)[:2]]
    mask[19:21, 15:17, 9:11] = VOID
    assert alone == pytest.approx([math.hypot(7, 7)] * 2)
    assert voids_of(mask)[0].shape.gap_um == 2


@pytest.mark.parametrize(("n", "there"), [(259, False), (260, True)])
def test_only_voids_that_can_be_quantified_have_a_shape(n: int, there: bool) -> None:
    mask = np.full((3, 3, 300), SOLDER, np.uint8)
    mask[1, 1, 2 : n + 2] = VOID
    (void,) = voids_of(mask)
    assert (void.shape is not None) is there
    assert void.shape is None or void.shape.feret_um == pytest.approx(math.sqrt(n**2 + 2))


def test_needles_of_voxels_say_nothing_about_shape() -> None:
    assert voids_of(joint(cube(17, 6, 6)), (2000, 1, 1))[0].shape is None
    assert voids_of(joint(cube(17, 6, 6)), (900, 1, 1))[0].shape is not None


@settings(max_examples=40, deadline=None)
@given(masks, st.sampled_from(SPACINGS), st.sampled_from([6, 18, 26]))
def test_distances_are_those_between_bodies_voxel_by_voxel(
    mask: np.ndarray, spacing: Triple, connectivity: int
) -> None:
    from scipy import ndimage

    grown = mask.repeat(2, axis=0).repeat(2, axis=1).repeat(2, axis=2)
    recipe = MeasureConfig(connectivity=connectivity)
    rank = {6: 1, 18: 2, 26: 3}[connectivity]
    labels, n = ndimage.label(grown == VOID, ndimage.generate_binary_structure(3, rank))
    each = [np.argwhere(labels == k) for k in range(1, n + 1)]
    body = np.argwhere(np.isin(grown, (PILLAR, SOLDER, VOID, PAD)))
    surface, interface = (
        np.array(
            sorted({tuple(p) for p in solid(a).tolist()} & {tuple(p) for p in solid(b).tolist()})
        ).reshape(-1, 3)
        for a, b in (
            (body, np.argwhere(grown == BACKGROUND)),
            (np.argwhere(grown == SOLDER), np.argwhere((grown == PILLAR) | (grown == PAD))),
        )
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearness, "QUANTIFIABLE_VOXELS", 8)
        found = voids_of(grown, spacing, recipe)
    for void in found:
        own = next(
            e
            for e in each
            if len(e) == void.n_voxels and e.mean(axis=0) == pytest.approx(void.centroid_voxel)
        )
        others = [e for e in each if e is not own]
        gaps = [body_distance(own, e, spacing) for e in others]
        assert void.shape.gap_um == (pytest.approx(min(gaps)) if gaps else None)
        mine = solid(own) * spacing
        for points, told in ((surface, void.shape.surface_um), (interface, void.shape.interface_um)):
            if not len(points):
                assert told is None
            else:
                apart = np.linalg.norm(mine[:, None] - points[None] * spacing, axis=2).min()
                assert told == pytest.approx(apart, abs=1e-9)
        assert void.shape.touches_surface == (void.shape.surface_um == 0)


@settings(max_examples=60, deadline=None)
@given(masks, st.integers(1, 5))
def test_where_classes_meet_does_not_depend_on_the_blocks(mask: np.ndarray, edge: int) -> None:
    whole = meetings(mask, HBM, RECIPE, (1, 1, 1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearness, "BLOCK", edge)
        patch.setattr(clouds, "BLOCK", edge)
        cut = meetings(mask, HBM, RECIPE, (1, 1, 1))
    for one, other in zip(whole, cut, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            assert sorted(one.points.tolist()) == sorted(other.points.tolist())
            assert ((other.high - other.low) < edge).all()


def test_distance_agrees_with_scipy_s_transform_of_corners() -> None:
    from scipy.ndimage import distance_transform_edt

    mask = joint(cube(15, 8, 9), cube(24, 17, 16))
    spacing = (2.0, 1.0, 0.5)
    surface, _ = meetings(mask, HBM, RECIPE, spacing)
    there = np.ones(np.add(mask.shape, 1), bool)
    there[tuple(surface.points.T)] = False
    depth = distance_transform_edt(there, sampling=spacing)
    for void in voids_of(mask, spacing):
        box = tuple(slice(a, b + 1) for a, b in void.box)
        assert void.shape.surface_um == pytest.approx(depth[box].min())


@pytest.mark.parametrize("pairs", [0, 10**6])
def test_the_nearest_of_clouds_is_that_of_all_their_points(
    pairs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clouds, "ALL_PAIRS", pairs)
    rng, spacing = np.random.default_rng(0), (2.0, 1.0, 0.5)
    for _ in range(60):
        parts = [
            rng.integers(-30, 30, 3) + rng.integers(0, 9, (int(rng.integers(1, 40)), 3)) for _ in range(12)
        ]
        own = int(rng.integers(12))
        made, mine = Clouds.of(parts, spacing), parts[own] * np.array(spacing)
        others = np.concatenate([p for k, p in enumerate(parts) if k != own]) * spacing
        slow = np.linalg.norm(mine[:, None] - others[None], axis=2).min()
        assert made.distance(Extent.of(mine), without=own) == pytest.approx(slow, abs=1e-12)
        assert made.distance(Extent.of(mine)) == 0
        assert closest(Extent.of(mine), others) == pytest.approx(slow, abs=1e-12)
        assert closest(Extent.of(mine), others, within=slow + 1) == pytest.approx(slow, abs=1e-12)
        assert slow == 0 or closest(Extent.of(mine), others, within=slow / 2) >= slow
    assert Clouds.of(parts[:1], spacing).distance(Extent.of(mine), without=0) == math.inf


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_turned_scaled_and_moved_a_void_keeps_its_shape(order: tuple[int, ...]) -> None:
    mask = joint(cube(17, 6, 6), cube(17, 20, 20, 8))
    mask[20:24, 25:28, 20:30] = VOID
    spacing = np.array([2.0, 1.0, 0.5])
    moved = np.pad(mask, ((3, 1), (0, 2), (5, 0)), constant_values=BACKGROUND).transpose(order)
    one, other = voids_of(mask, tuple(spacing)), voids_of(moved, tuple(3 * spacing[list(order)]))
    for a, b in zip(one, other, strict=True):
        for name, power in (
            ("surface_area_um2", 2), ("sphericity", 0), ("feret_um", 1), ("enclosing_diameter_um", 1), ("compactness", 0),
            ("surface_um", 1), ("interface_um", 1), ("gap_um", 1),
        ):  # fmt: skip
            assert getattr(b.shape, name) == pytest.approx(3**power * getattr(a.shape, name)), name
        assert a.shape.touches_surface == b.shape.touches_surface


def test_a_bump_s_void_looks_as_it_does_in_the_scan() -> None:
    made = package((20, 30, 60), rows(1, 2, 26, 15), [9.0, 9.0], voids={0: 5.0, 1: 4.5})
    found = measure_scan(made.mask, HBM, (1, 1, 1), RECIPE, "a")
    assert len(found.bumps) == 2
    own = [b.measured.voids[0].shape for b in found.bumps]
    assert own == [v.shape for v in sorted(found.voids, key=lambda v: v.box[2])]
    assert own[0].gap_um == own[1].gap_um > 10  # to the other bump's


def test_a_void_cut_by_the_wall_between_touching_bumps_is_measured_as_cut() -> None:
    made = package((30, 30, 44), rows(1, 2, 14, 15), [7.2, 7.2])
    mask = made.mask.copy()
    mask[18:24, 10:20, 16:28][mask[18:24, 10:20, 16:28] == SOLDER] = VOID
    found = measure_scan(mask, HBM, (1, 1, 1), RECIPE, "a")
    (whole,) = found.voids
    halves = [b.measured.voids[0] for b in found.bumps]
    assert len(halves) == 2 and sum(v.n_voxels for v in halves) == whole.n_voxels
    assert all(v.shape is not None and v.shape.feret_um < whole.shape.feret_um for v in halves)


@pytest.mark.parametrize(
    "measure",
    [
        "largest_void_diameter_um",
        "largest_void_feret_um",
        "largest_void_share",
        "largest_void_diameter_share",
    ],
)
def test_no_limit_on_single_voids_is_kept_by_the_wall_that_cuts_one(measure: str) -> None:
    made = package((30, 30, 44), rows(1, 2, 14, 15), [7.2, 7.2])
    mask = made.mask.copy()
    mask[18:24, 10:20, 16:28][mask[18:24, 10:20, 16:28] == SOLDER] = VOID
    cut = measure_scan(mask, HBM, (1, 1, 1), RECIPE, "a")
    most = max(b.measured.quantities[measure] for b in cut.bumps)

    def by(at_most: float) -> ScanMeasurement:
        recipe = MeasureConfig(limit=1, criteria=(Criterion(measure=measure, at_most=at_most),))
        return measure_scan(mask, HBM, (1, 1, 1), recipe, "a")

    found = by(1.01 * most)
    outcomes = [b.measured.outcomes[1] for b in found.bumps]
    assert [o.value for o in outcomes] == [b.measured.quantities[measure] for b in cut.bumps]
    assert {o.verdict for o in outcomes} == {b.measured.verdict for b in found.bumps} == {Verdict.REVIEW}
    assert found.verdict is Verdict.REVIEW
    assert "with the whole of a void that the wall to the next bump cuts" in found.reason
    wide = by(min(2.1 * most, 1.0) if measure.endswith("share") else 2.1 * most)
    assert {o.verdict for b in wide.bumps for o in b.measured.outcomes} == {Verdict.PASS}


def feret(*boxes: tuple[slice, slice, slice], limit: float = 13.0, **settings: object) -> ScanMeasurement:
    recipe = MeasureConfig(
        limit=1, criteria=(Criterion(measure="largest_void_feret_um", at_most=limit, source="drawing 4711"),), **settings
    )  # fmt: skip
    return measure_scan(joint(*boxes), HBM, (1, 1, 1), recipe, "a")


def test_a_criterion_looks_at_the_longest_void_which_need_not_be_the_largest() -> None:
    long = (slice(17, 20), slice(6, 10), slice(6, 28))
    found = feret(cube(22, 10, 10, 9), long)
    assert found.quantities["largest_void_feret_um"] == pytest.approx(math.hypot(3, 4, 22))
    assert found.voids[0].n_voxels == 9**3
    assert found.verdict is Verdict.FAIL
    assert feret(cube(17, 10, 10)).verdict is Verdict.PASS
    assert feret().quantities["largest_void_feret_um"] == 0


def test_a_long_void_too_small_to_have_a_shape_leaves_the_criterion_to_review() -> None:
    thread = (slice(17, 18), slice(6, 8), slice(6, 26))
    found = feret(cube(22, 10, 10), thread)
    assert found.verdict is Verdict.REVIEW
    assert "a void of 40 voxels may be 20.12 um long" in found.reason and "look at it" in found.reason
    assert "min_voxels" not in found.reason  # it would only hide it
    hidden = feret(cube(22, 10, 10), thread, min_voxels=260)
    assert hidden.verdict is hidden.outcomes[1].verdict is Verdict.REVIEW
    assert f"may be {math.hypot(1, 2, 20):.4g} um with voids of 8 voxels or more, 1 in all" in hidden.reason
    assert feret(cube(22, 10, 10), thread, min_voxels=260, limit=20.2).verdict is Verdict.PASS
    assert feret(cube(22, 10, 10), cube(17, 6, 6, 4)).verdict is Verdict.PASS


def test_every_rendering_tells_the_shape_and_leaves_out_what_is_not_known() -> None:
    mask = joint(cube(17, 6, 6), cube(17, 18, 18, 3))
    report = Report((measure_scan(mask, HBM, (2, 1, 0.5), RECIPE, "a"),))
    first, second = report.scans[0].voids
    assert Report.from_entry(json.loads(report.json())) == report
    entry = json.loads(report.json())["scans"][0]["voids"]
    assert entry[0]["shape"]["feret_um"] == first.shape.feret_um and entry[1]["shape"] is None
    one, two = csv.DictReader(io.StringIO(report.csv()))
    assert float(one["sphericity"]) == first.shape.sphericity
    assert float(one["interface_um"]) == 6.0 and one["touches_surface"] == "False"
    assert {two[name] for name in first.shape.__slots__} == {""}
    for page in (report.html(), report.print_html()):
        assert (
            f"<td>{first.shape.feret_um:.2f}</td>" in page
            and f"<td>{first.shape.sphericity:.2f}</td>" in page
        )
        assert page.count("<td>–</td>") >= 4
    assert second.shape is None


def test_a_report_from_before_voids_had_shapes_is_read() -> None:
    entry = measure_scan(joint(cube(17, 6, 6)), HBM, (1, 1, 1), RECIPE, "a").entry()
    for void in entry["voids"]:
        del void["shape"]
    assert ScanMeasurement.from_entry(entry).voids[0].shape is None
