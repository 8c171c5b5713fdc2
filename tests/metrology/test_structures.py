"""A mask's bumps: none lost, none joined, each where it stands."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from metrology.masks import BACKGROUND, HBM, PAD, PILLAR, RECIPE, SOLDER, VOID, block, masks
from metrology.packages import package, rows
from voidscope.config import MeasureConfig
from voidscope.metrology.pieces import Pieces
from voidscope.metrology.structures import Structure, split
from voidscope.vocabulary import ClassMap

ALL = MeasureConfig(least_structure=0)


def agreement(mask: np.ndarray, truth: np.ndarray, spacing: tuple[float, float, float] = (1, 1, 1)) -> float:
    """Share of the foreground that lies in the structure of the same number, bumps taken in the order of their centres."""
    found = split(mask, HBM, spacing, RECIPE)
    numbers = np.zeros(mask.shape, int)
    for k, (z, y, x), cut in found.blanked():
        window = numbers[z : z + cut.shape[0], y : y + cut.shape[1], x : x + cut.shape[2]]
        assert not (window[cut > BACKGROUND] > 0).any()
        window[cut > BACKGROUND] = k + 1
    assert ((numbers > 0) == (truth > 0)).all()
    return float((numbers == truth)[truth > 0].mean())


@settings(max_examples=60, deadline=None)
@given(masks)
def test_structures_are_the_connected_foreground_that_scipy_finds(mask: np.ndarray) -> None:
    """Slow twin; masks without pillars, so that nothing is parted."""
    mask = np.where(mask == PILLAR, SOLDER, mask)
    found = split(mask, HBM, (1, 1, 1), ALL)
    labels, n = ndimage.label(mask > BACKGROUND, np.ones((3, 3, 3)))
    solid = [k for k in range(1, n + 1) if np.isin(mask[labels == k], (SOLDER, PAD)).any()]
    assert sorted(s.size_voxels for s in found.structures) == sorted(int((labels == k).sum()) for k in solid)
    assert found.stray.pieces == n - len(solid)
    assert (
        found.stray.voxels
        == found.stray.void_voxels
        == int(sum((labels == k).sum() for k in range(1, n + 1) if k not in solid))
    )
    boxes = {tuple((s.start, s.stop) for s in b) for b in ndimage.find_objects(labels)}
    assert {s.box for s in found.structures} <= boxes
    centres = ndimage.center_of_mass(labels > 0, labels, solid)
    assert sorted(np.round(s.centroid_voxel, 6).tolist() for s in found.structures) == sorted(
        np.round(c, 6).tolist() for c in centres
    )


@settings(max_examples=60, deadline=None)
@given(masks)
def test_each_piece_is_cut_out_of_its_box_whole_and_alone(mask: np.ndarray) -> None:
    """The same by small boxes labelled anew and by large ones from which others are taken away."""
    for slab in (1, 8, 2**24):
        pieces = Pieces.of(mask, (SOLDER, VOID), slab)
        seen = np.zeros(mask.shape, int)
        for k in range(len(pieces)):
            own = pieces.own(k)
            assert np.count_nonzero(own) == pieces.found.n_voxels[k]
            assert ndimage.label(own, np.ones((3, 3, 3)))[1] == 1
            seen[pieces.box(k)] += own
        assert (seen == np.isin(mask, (SOLDER, VOID))).all()


def test_bumps_apart_are_named_by_row_and_column() -> None:
    made = package((20, 60, 80), rows(3, 4, 18, 12), [6.0] * 12)
    found = split(made.mask, HBM, (1, 1, 1), RECIPE)
    assert [s.name for s in found.structures] == [f"r{r}c{c}" for r in (1, 2, 3) for c in (1, 2, 3, 4)]
    assert (found.axis, found.stray.pieces) == (0, 0)
    assert agreement(made.mask, made.truth) == 1


@pytest.mark.parametrize("lean", [(0.0, 0.0), (0.12, 0.0), (0.0, 0.2), (0.1, -0.15)])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.0, 1.0, 0.5)])
def test_cylinders_that_just_touch_are_told_apart_leaning_or_not(
    lean: tuple[float, float], spacing: tuple[float, float, float]
) -> None:
    shape = tuple(round(n / s) for n, s in zip((48, 64, 64), spacing, strict=True))
    made = package(shape, rows(2, 2, 20, 22), [10.0] * 4, lean=lean, spacing=spacing)  # type: ignore[arg-type]
    assert ndimage.label(made.truth > 0, np.ones((3, 3, 3)))[1] == 1  # they do touch
    assert agreement(made.mask, made.truth, spacing) > 0.999


def test_a_thick_and_a_thin_cylinder_part_where_they_touch_and_not_half_way() -> None:
    made = package((40, 40, 60), [(20, 18), (20, 38)], [13.0, 7.0])
    assert ndimage.label(made.truth > 0, np.ones((3, 3, 3)))[1] == 1
    assert agreement(made.mask, made.truth) > 0.999


def test_solder_bridges_do_not_join_two_bumps() -> None:
    made = package((40, 30, 60), [(15, 15), (15, 43)], [9.0, 9.0], voids={0: 4.0})
    mask = made.mask.copy()
    mask[24:27, 14:17, 20:40] = SOLDER
    found = split(mask, HBM, (1, 1, 1), RECIPE)
    assert [s.name for s in found.structures] == ["r1c1", "r1c2"]
    for k, _, cut in found.blanked():
        own = made.mask[made.truth == k + 1]
        for class_id in (PILLAR, VOID):
            assert (cut == class_id).sum() == (own == class_id).sum()


def test_a_pillar_cracked_in_two_is_one_bump() -> None:
    made = package((40, 30, 30), [(15, 15)], [9.0])
    mask = made.mask.copy()
    mask[11, mask[11] == PILLAR] = VOID
    assert len(split(mask, HBM, (1, 1, 1), RECIPE).structures) == 1


def test_dust_and_void_alone_are_no_bumps_but_are_counted_and_said() -> None:
    mask = block((16, 16, 16))
    mask[0, 0, 0:2] = SOLDER
    mask[15, 15, 15] = VOID
    found = split(mask, HBM, (1, 1, 1), RECIPE)
    assert [s.name for s in found.structures] == ["b001"]
    assert (found.stray.pieces, found.stray.voxels, found.stray.void_voxels) == (2, 3, 1)
    assert found.stray.told.startswith("2 pieces of 3 voxels in all, 1 of them void")
    with_dust = split(mask, HBM, (1, 1, 1), ALL)
    assert sorted(s.size_voxels for s in with_dust.structures) == [2, 12**3]


def test_a_lone_void_as_large_as_a_bump_is_stray_too() -> None:
    mask = np.full((8, 8, 20), BACKGROUND, np.uint8)
    mask[2:6, 2:6, 2:6], mask[2:6, 2:6, 12:18] = SOLDER, VOID
    found = split(mask, HBM, (1, 1, 1), RECIPE)
    assert [s.size_voxels for s in found.structures] == [64]
    assert found.stray.void_voxels == 96


def test_nothing_in_the_mask_is_no_structure() -> None:
    found = split(np.full((3, 3, 3), BACKGROUND, np.uint8), HBM, (1, 1, 1), RECIPE)
    assert found.structures == () and found.stray.told == ""


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0), (0, 2, 1)])
def test_turning_the_scan_turns_the_places_and_changes_no_size(order: tuple[int, int, int]) -> None:
    made = package((24, 60, 80), rows(2, 3, 20, 16), [10.0] * 6, lean=(0.1, 0.0))
    one = split(made.mask, HBM, (1, 1, 1), RECIPE)
    other = split(np.ascontiguousarray(made.mask.transpose(order)), HBM, (1, 1, 1), RECIPE)
    assert other.axis == order.index(0)
    turned = sorted(tuple(np.round([s.centroid_voxel[a] for a in order], 6)) for s in one.structures)
    assert sorted(tuple(np.round(s.centroid_voxel, 6)) for s in other.structures) == turned
    if order.index(1) < order.index(2):
        assert [s.name for s in other.structures] == [s.name for s in one.structures]


@settings(max_examples=10, deadline=None)
@given(st.tuples(*(st.integers(0, 5) for _ in range(3))), st.floats(0.01, 100))
def test_shifting_the_scan_or_its_unit_moves_structures_and_renames_none(
    shift: tuple[int, int, int], unit: float
) -> None:
    made = package((20, 44, 44), rows(2, 2, 16, 14), [8.0] * 4)
    one = split(made.mask, HBM, (1, 1, 1), RECIPE)
    padded = np.pad(made.mask, [(s, 1) for s in shift], constant_values=BACKGROUND)
    other = split(padded, HBM, (unit,) * 3, RECIPE)
    assert [(s.name, s.size_voxels) for s in other.structures] == [
        (s.name, s.size_voxels) for s in one.structures
    ]
    for a, b in zip(one.structures, other.structures, strict=True):
        assert np.allclose(np.add(a.centroid_voxel, shift) * unit, b.centroid_um)


def test_a_structure_says_when_the_scan_cuts_it() -> None:
    mask = block((10, 10, 10))
    mask[2:8, 2:8, 0:8] = SOLDER
    (cut,) = split(mask, HBM, (1, 1, 1), RECIPE).structures
    assert cut.touches_border
    (whole,) = split(block((10, 10, 10)), HBM, (1, 1, 1), RECIPE).structures
    assert not whole.touches_border


def test_the_cut_out_mask_has_a_margin_where_the_scan_goes_on() -> None:
    mask = block((10, 10, 10))
    mask[2:8, 2:8, 0:8] = SOLDER
    ((k, first, cut),) = split(mask, HBM, (1, 1, 1), RECIPE).blanked()
    assert (k, first, cut.shape) == (0, (1, 1, 0), (8, 8, 9))
    assert (cut == mask[1:9, 1:9, 0:9]).all()


def test_classes_without_background_are_blanked_as_unlabelled() -> None:
    classes = ClassMap.from_names(["layer:foreground", "pore:void"])
    mask = np.zeros((4, 4, 9), np.uint8)
    mask[1:3, 1:3, 1:3], mask[1:3, 1:3, 5:8] = 1, 1
    for _, _, cut in split(mask, classes, (1, 1, 1), RECIPE).blanked():
        assert set(np.unique(cut)) == {0, 1}


def test_a_structure_comes_back_from_json_equal() -> None:
    made = package((12, 30, 30), [(9, 9), (9, 21)], [4.0, 4.0])
    for s in split(made.mask, HBM, (0.5, 1, 1), RECIPE).structures:
        assert Structure.from_entry(s.entry()) == s


def test_bumps_are_parted_along_the_axis_that_the_recipe_names() -> None:
    """Two pillars below a common pad; only one of them has its solder, so that solder and pillars lie farthest apart along x."""
    mask = np.full((24, 28, 64), BACKGROUND, np.uint8)
    mask[2:12, 4:24, 4:24] = mask[2:12, 4:24, 40:60] = PILLAR
    mask[12:15, 4:24, 24:60], mask[15:19, 4:24, 4:60] = SOLDER, PAD
    mask[12:15, 4:24, 4:24] = VOID
    found = split(mask, HBM, (1, 1, 1), MeasureConfig(build_axis="z"))
    assert (found.axis, [s.name for s in found.structures]) == (0, ["r1c1", "r1c2"])
    assert [s.box[2] for s in found.structures] == [(4, 32), (32, 60)]


@pytest.mark.parametrize("axis", ["z", "y", "x"])
def test_without_pillars_too_rows_are_seen_along_the_recipe_s_axis(axis: str) -> None:
    assert split(block(), HBM, (1, 1, 1), MeasureConfig(build_axis=axis)).axis == "zyx".index(axis)


@pytest.mark.filterwarnings("error")
def test_equal_bumps_that_touch_are_parted_though_the_square_of_their_radius_rounds() -> None:
    mask = np.full((44, 44, 80), BACKGROUND, np.uint8)
    z, y, x = np.indices(mask.shape)
    for centre in (22, 47):
        disc = np.hypot(y - 22, x - centre) <= 11
        for k, low, high in ((PILLAR, 6, 18), (SOLDER, 18, 28), (PAD, 28, 38)):
            mask[disc & (z >= low) & (z < high)] = k
    bridge = mask[18:28, 20:25, 22:47]
    bridge[bridge == BACKGROUND] = SOLDER
    recipe = MeasureConfig(build_axis="z")
    assert len(split(mask, HBM, (0.607, 0.607, 1.34), recipe).structures) == 2
