"""Void metrology against closed forms, slow twins and the promises of its definitions."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from voidscope.config import MeasureConfig
from voidscope.errors import ConfigError, LabelError, NotReady, VolumeError
from voidscope.metrology import RATIOS, Report, Verdict, find_voids, measure_mask, overlay_png, sphere_diameter
from voidscope.vocabulary import ClassMap

HBM = ClassMap.hbm()
BACKGROUND, PILLAR, SOLDER, VOID, PAD = range(1, 6)
RECIPE = MeasureConfig()
masks = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=3, max_dims=3, max_side=7), elements=st.integers(0, 5))


def block(shape: tuple[int, int, int] = (12, 12, 12)) -> np.ndarray:
    """Solder surrounded by background."""
    mask = np.full(shape, BACKGROUND, np.uint8)
    mask[2:-2, 2:-2, 2:-2] = SOLDER
    return mask


def ball(radius_um: float, spacing: tuple[float, float, float]) -> np.ndarray:
    """A spherical void in a big block of solder."""
    half = [math.ceil(radius_um / s) + 3 for s in spacing]
    off = (0.31, 0.17, 0.43)  # off the grid, as real voids are: a centred ball's voxels are not a fair sample of it
    axes = ((np.arange(-h, h + 1) + o) * s for h, s, o in zip(half, spacing, off, strict=True))
    z, y, x = np.meshgrid(*axes, indexing="ij")
    return np.where(z**2 + y**2 + x**2 < radius_um**2, VOID, SOLDER).astype(np.uint8)


def test_a_single_void_voxel_is_measured_exactly() -> None:
    mask = block()
    mask[5, 6, 7] = VOID
    (void,) = measure_mask(mask, HBM, (2.0, 1.0, 0.5), RECIPE, "a").voids
    assert (void.n_voxels, void.volume_um3) == (1, 1.0)
    assert void.centroid_um == (10.0, 6.0, 3.5)
    assert void.diameter_um == pytest.approx((6 / math.pi) ** (1 / 3))
    assert void.box == ((5, 6), (6, 7), (7, 8))
    assert not void.touches_border


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.7, 0.7, 0.7), (2.0, 1.0, 0.5)])
def test_a_sphere_has_the_diameter_and_volume_of_a_sphere(spacing: tuple[float, float, float]) -> None:
    radius = 12.37 * max(spacing)
    (void,) = measure_mask(ball(radius, spacing), HBM, spacing, RECIPE, "ball").voids
    assert void.n_voxels > 1000
    assert void.volume_um3 == pytest.approx(4 / 3 * math.pi * radius**3, rel=0.01)
    assert void.diameter_um == pytest.approx(2 * radius, rel=0.004)
    middle = [((n - 1) / 2 - o) * s for n, s, o in zip(ball(radius, spacing).shape, spacing, (0.31, 0.17, 0.43), strict=True)]
    assert void.centroid_um == pytest.approx(middle, abs=0.03 * max(spacing))


def test_ratios_of_a_box_are_the_counted_ones() -> None:
    mask = np.full((10, 10, 10), BACKGROUND, np.uint8)
    mask[:4], mask[4:8], mask[5:7, 2:4, 2:7] = PILLAR, SOLDER, VOID
    void, solder, pillar = 2 * 2 * 5, 400 - 20, 400
    found = measure_mask(mask, HBM, (1, 1, 1), RECIPE, "box").ratios
    assert found["void/foreground"] == void / (void + solder + pillar)
    assert found["void/(foreground-void)"] == void / (solder + pillar)
    assert found["void/(solder+void)"] == void / (solder + void)
    assert found["void/solder"] == void / solder


def test_a_shell_around_a_void_is_one_void_of_its_own_size() -> None:
    z, y, x = np.meshgrid(*[np.arange(-12, 13)] * 3, indexing="ij")
    radius = np.sqrt(z**2 + y**2 + x**2)
    mask = np.where(radius < 5, VOID, np.where(radius < 10, SOLDER, BACKGROUND)).astype(np.uint8)
    found = measure_mask(mask, HBM, (1, 1, 1), RECIPE, "shell")
    assert len(found.voids) == 1
    assert found.ratio == (radius < 5).sum() / (radius < 10).sum()


@settings(max_examples=60, deadline=None)
@given(masks)
def test_components_agree_with_a_flood_fill(mask: np.ndarray) -> None:
    expected = sorted((len(c) for c in _flood(mask == VOID)), reverse=True)
    assert [v.n_voxels for v in find_voids(mask, [VOID], (1, 1, 1))] == expected


@settings(max_examples=60, deadline=None)
@given(masks)
def test_component_tables_agree_with_scipy(mask: np.ndarray) -> None:
    from scipy import ndimage

    labels, n = ndimage.label(mask == VOID, structure=np.ones((3, 3, 3)))
    centres = sorted(tuple(np.round(c, 6)) for c in ndimage.center_of_mass(labels > 0, labels, range(1, n + 1)))
    boxes = sorted(tuple((s.start, s.stop) for s in o) for o in ndimage.find_objects(labels))
    found = find_voids(mask, [VOID], (1, 1, 1))
    assert sorted(tuple(np.round(v.centroid_voxel, 6)) for v in found) == centres
    assert sorted(v.box for v in found) == boxes


@settings(max_examples=40, deadline=None)
@given(masks, st.permutations([0, 1, 2]))
def test_turning_scan_and_spacing_together_changes_nothing_measured(mask: np.ndarray, order: list[int]) -> None:
    spacing = (0.5, 1.0, 2.0)
    one = measure_mask(mask, HBM, spacing, RECIPE, "a")
    other = measure_mask(mask.transpose(order), HBM, tuple(spacing[k] for k in order), RECIPE, "a")  # type: ignore[arg-type]
    assert other.ratios == one.ratios
    assert sorted(v.volume_um3 for v in other.voids) == pytest.approx(sorted(v.volume_um3 for v in one.voids))
    assert sorted(tuple(np.round([v.centroid_um[k] for k in order], 9)) for v in one.voids) == sorted(
        tuple(np.round(v.centroid_um, 9)) for v in other.voids
    )


@settings(max_examples=40, deadline=None)
@given(masks, st.floats(0.1, 10))
def test_another_unit_scales_volumes_by_its_cube_and_no_ratio(mask: np.ndarray, k: float) -> None:
    one, other = measure_mask(mask, HBM, (1, 1, 1), RECIPE, "a"), measure_mask(mask, HBM, (k, k, k), RECIPE, "a")
    assert other.ratios == one.ratios
    for a, b in zip(one.voids, other.voids, strict=True):
        assert b.volume_um3 == pytest.approx(a.volume_um3 * k**3)
        assert b.diameter_um == pytest.approx(a.diameter_um * k)


@settings(max_examples=40, deadline=None)
@given(masks)
def test_neither_background_nor_unlabelled_voxels_enter_a_ratio(mask: np.ndarray) -> None:
    plain = measure_mask(mask, HBM, (1, 1, 1), RECIPE, "a")
    padded = np.pad(mask, 3, constant_values=BACKGROUND)
    padded[0] = 0
    wide = measure_mask(padded, HBM, (1, 1, 1), RECIPE, "a")
    assert wide.ratios == plain.ratios
    assert wide.n_unlabelled == plain.n_unlabelled + padded[0].size


@pytest.mark.parametrize(("limit", "verdict"), [(0.125, Verdict.PASS), (0.1249, Verdict.FAIL), (0.5, Verdict.PASS)])
def test_fail_is_above_the_limit_and_at_the_limit_is_pass(limit: float, verdict: Verdict) -> None:
    mask = np.full((2, 2, 2), SOLDER, np.uint8)
    mask[0, 0, 0] = VOID
    found = measure_mask(mask, HBM, (1, 1, 1), MeasureConfig(limit=limit), "a")
    assert (found.ratio, found.verdict) == (0.125, verdict)


@pytest.mark.parametrize("formula", list(RATIOS.values()))
def test_the_recipe_chooses_which_ratio_decides(formula: str) -> None:
    mask = block()
    mask[5, 5, 5], mask[6] = VOID, PILLAR
    found = measure_mask(mask, HBM, (1, 1, 1), MeasureConfig(ratio=formula, limit=0.0), "a")  # type: ignore[arg-type]
    assert found.ratio == found.ratios[formula]
    assert formula in found.reason
    assert found.verdict is Verdict.FAIL


def test_no_foreground_is_for_review_and_never_zero() -> None:
    found = measure_mask(np.full((3, 3, 3), BACKGROUND, np.uint8), HBM, (1, 1, 1), RECIPE, "empty")
    assert set(found.ratios.values()) == {None}
    assert found.verdict is Verdict.REVIEW
    assert "undefined" in found.reason


def test_nothing_but_void_is_all_void_and_undefined_against_the_rest() -> None:
    found = measure_mask(np.full((3, 3, 3), VOID, np.uint8), HBM, (1, 1, 1), RECIPE, "hollow")
    assert found.ratios == {"void/foreground": 1.0, "void/(foreground-void)": None, "void/(solder+void)": 1.0, "void/solder": None}


def test_without_a_solder_class_its_ratios_are_undefined() -> None:
    classes = ClassMap.from_names(["background", "layer", "pore:void"])
    mask = np.array([[[1, 2, 2, 3]]], np.uint8)
    found = measure_mask(mask, classes, (1, 1, 1), RECIPE, "a")
    assert found.ratio == pytest.approx(1 / 3)
    assert found.ratios["void/solder"] is None


def test_small_voids_are_listed_apart_but_stay_in_the_ratio() -> None:
    mask = block()
    mask[4, 4, 4] = VOID
    mask[7:9, 7:9, 7:9] = VOID
    found = measure_mask(mask, HBM, (1, 1, 1), MeasureConfig(min_voxels=2), "a")
    assert [v.n_voxels for v in found.voids] == [8]
    assert [v.n_voxels for v in found.small_voids] == [1]
    assert found.ratio == 9 / 512
    assert [v.quality for v in (*found.voids, *found.small_voids)] == ["size uncertain", "detected, too small to size"]


def test_a_void_at_the_edge_says_so() -> None:
    mask = block()
    mask[0, 5, 5] = VOID
    assert measure_mask(mask, HBM, (1, 1, 1), RECIPE, "a").voids[0].touches_border


@pytest.mark.parametrize(
    ("spacing", "error"), [(None, NotReady), ((0, 1, 1), VolumeError), ((1, math.nan, 1), VolumeError), ((1, 1, -1), VolumeError)]
)
def test_nothing_is_measured_without_a_spacing(spacing: tuple[float, float, float] | None, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"part7.*--spacing"):
        measure_mask(block(), HBM, spacing, RECIPE, "part7")


def test_masks_that_do_not_fit_are_refused() -> None:
    with pytest.raises(LabelError, match=r"shape \(12, 12\)"):
        measure_mask(block()[0], HBM, (1, 1, 1), RECIPE, "a")
    with pytest.raises(LabelError, match="ids up to 9"):
        measure_mask(np.full((2, 2, 2), 9, np.uint8), HBM, (1, 1, 1), RECIPE, "a")
    with pytest.raises(NotReady, match="role void"):
        measure_mask(block(), ClassMap.from_names(["background", "a", "b"]), (1, 1, 1), RECIPE, "a")


def test_impossible_limits_are_refused() -> None:
    from voidscope.config import Config

    with pytest.raises(ConfigError, match=r"measure\.limit"):
        Config().with_changes(["measure.limit=1.5"])


def some_report() -> Report:
    mask = block()
    mask[4, 4, 4] = VOID
    mask[7:9, 7:9, 7:9] = VOID
    empty = np.full((3, 3, 3), BACKGROUND, np.uint8)
    scans = (measure_mask(mask, HBM, (0.7, 0.7, 0.7), MeasureConfig(min_voxels=2), "<b>x</b>"), measure_mask(empty, HBM, (1, 1, 1), RECIPE, "empty"))
    return Report(scans, {"project": "p & q", "model": "cycle-0001", "versions": {"numpy": "2"}})


def test_a_report_survives_its_json() -> None:
    report = some_report()
    again = Report.from_entry(json.loads(report.json()))
    assert again == report
    assert again.entry() == report.entry()
    assert "NaN" not in report.json()


def test_the_csv_has_a_row_per_void_and_per_scan_with_units() -> None:
    report = some_report()
    voids = list(csv.DictReader(io.StringIO(report.csv())))
    assert [(r["scan"], r["counted"], r["n_voxels"]) for r in voids] == [("<b>x</b>", "True", "8"), ("<b>x</b>", "False", "1")]
    assert float(voids[0]["volume_um3"]) == pytest.approx(8 * 0.7**3)
    scans = list(csv.DictReader(io.StringIO(report.csv_scans())))
    assert [r["verdict"] for r in scans] == ["PASS", "REVIEW"]
    assert scans[1]["void_over_foreground"] == ""


def test_the_html_stands_alone_and_escapes_names() -> None:
    report = some_report()
    page = report.html({"empty": overlay_png(np.zeros((4, 5), np.float32), np.ones((4, 5), np.uint8), HBM)})
    assert "<b>x</b>" not in page
    assert "&lt;b&gt;x&lt;/b&gt;" in page
    assert "p &amp; q" in page
    assert page.count("data:image/png;base64,") == 1
    assert "http://" not in page
    assert "https://" not in page
    assert "undefined" in page


def test_the_text_says_verdict_and_reason() -> None:
    first, second = some_report().text().splitlines()
    assert "PASS" in first
    assert "REVIEW" in second
    assert Report(()).text() == "nothing measured"


def test_a_picture_shows_the_slice_beside_its_mask() -> None:
    import imagecodecs

    image = np.linspace(0, 1, 20 * 30, dtype=np.float32).reshape(20, 30)
    mask = np.full((20, 30), BACKGROUND, np.uint8)
    mask[5:10, 5:10] = VOID
    pixels = imagecodecs.png_decode(overlay_png(image, mask, HBM))
    assert pixels.shape == (240, 12 * 62, 3)
    left, right = pixels[:, : 12 * 30], pixels[:, 12 * 32 :]
    assert (np.ptp(left, axis=2) == 0).all()
    assert (left[:48] == right[:48]).all()
    assert np.ptp(right[12 * 7, 12 * 7].astype(int)) > 40


def test_the_equivalent_sphere_is_a_sphere() -> None:
    assert sphere_diameter(math.pi / 6) == pytest.approx(1)
    assert sphere_diameter(0) == 0


def _flood(inside: np.ndarray) -> list[set[tuple[int, ...]]]:
    """26-connected components by hand."""
    left = {tuple(int(v) for v in p) for p in np.argwhere(inside)}
    found = []
    while left:
        todo, component = [left.pop()], set()
        while todo:
            voxel = todo.pop()
            component.add(voxel)
            for step in itertools.product((-1, 0, 1), repeat=3):
                near = tuple(a + b for a, b in zip(voxel, step, strict=True))
                if near in left:
                    left.remove(near)
                    todo.append(near)
        found.append(component)
    return found
