"""Voids against closed forms, slow twins and phantoms of known size."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrology.masks import SOLDER, VOID, block, grid_um, masks, middle_um
from voidscope.metrology import QUALITIES, find_voids, sphere_diameter

Triple = tuple[float, float, float]
SPACINGS = [(1.0, 1.0, 1.0), (0.7, 0.7, 0.7), (2.0, 1.0, 0.5)]


def drawn(inside: np.ndarray) -> np.ndarray:
    """Void in solder."""
    return np.where(inside, VOID, SOLDER).astype(np.uint8)


def test_a_single_voxel_is_measured_exactly() -> None:
    mask = block()
    mask[5, 6, 7] = VOID
    (void,) = find_voids(mask, [VOID], (2.0, 1.0, 0.5))
    assert (void.n_voxels, void.volume_um3) == (1, 1.0)
    assert void.centroid_voxel == (5.0, 6.0, 7.0)
    assert void.centroid_um == (10.0, 6.0, 3.5)
    assert void.diameter_um == pytest.approx((6 / math.pi) ** (1 / 3))
    assert void.box == ((5, 6), (6, 7), (7, 8))
    assert not void.touches_border


def test_a_cuboid_is_measured_exactly() -> None:
    mask = block((20, 20, 20))
    mask[4:8, 5:10, 6:12] = VOID
    (void,) = find_voids(mask, [VOID], (0.5, 2.0, 1.0))
    assert (void.n_voxels, void.volume_um3) == (4 * 5 * 6, 120.0)
    assert void.centroid_um == pytest.approx((5.5 * 0.5, 7.0 * 2, 8.5))
    assert void.box == ((4, 8), (5, 10), (6, 12))
    assert math.pi / 6 * void.diameter_um**3 == pytest.approx(120.0)


@pytest.mark.parametrize("spacing", SPACINGS)
def test_a_ball_has_the_volume_diameter_and_place_of_a_ball(spacing: Triple) -> None:
    radius = 12.37 * max(spacing)
    z, y, x = grid_um(radius, spacing)
    mask = drawn(z**2 + y**2 + x**2 < radius**2)
    (void,) = find_voids(mask, [VOID], spacing)
    assert void.volume_um3 == pytest.approx(4 / 3 * math.pi * radius**3, rel=0.01)
    assert void.diameter_um == pytest.approx(2 * radius, rel=0.004)
    assert void.centroid_um == pytest.approx(middle_um(mask.shape, spacing), abs=0.03 * max(spacing))


@pytest.mark.parametrize("spacing", SPACINGS)
def test_a_cylinder_has_the_volume_and_place_of_a_cylinder(spacing: Triple) -> None:
    radius, height = 13.21 * max(spacing), 20 * spacing[0]
    z, y, x = grid_um(radius, spacing)
    mask = drawn((abs(z) < height / 2) & (y**2 + x**2 < radius**2))
    (void,) = find_voids(mask, [VOID], spacing)
    assert void.volume_um3 == pytest.approx(math.pi * radius**2 * height, rel=0.01)
    assert void.centroid_um == pytest.approx(middle_um(mask.shape, spacing), abs=0.4 * max(spacing))


@pytest.mark.parametrize("spacing", SPACINGS)
def test_a_shell_is_one_void_of_its_own_volume_and_not_of_what_it_encloses(spacing: Triple) -> None:
    outer, inner = 12.37 * max(spacing), 8.11 * max(spacing)
    z, y, x = grid_um(outer, spacing)
    square = z**2 + y**2 + x**2
    (void,) = find_voids(drawn((square < outer**2) & (square >= inner**2)), [VOID], spacing)
    assert void.volume_um3 == pytest.approx(4 / 3 * math.pi * (outer**3 - inner**3), rel=0.015)


@pytest.mark.parametrize(("step", "n"), [((1, 1, 1), 1), ((0, 1, 1), 1), ((0, 0, 1), 1), ((0, 0, 2), 2)])
def test_corners_edges_and_faces_connect_and_a_gap_does_not(step: tuple[int, int, int], n: int) -> None:
    mask = block()
    mask[5, 5, 5] = mask[tuple(5 + s for s in step)] = VOID
    assert len(find_voids(mask, [VOID], (1, 1, 1))) == n


def test_touching_voids_of_two_void_classes_are_one() -> None:
    mask = block()
    mask[5, 5, 5], mask[5, 5, 6], mask[8, 8, 8] = VOID, 5, 5
    assert [v.n_voxels for v in find_voids(mask, [VOID, 5], (1, 1, 1))] == [2, 1]


@settings(max_examples=60, deadline=None)
@given(masks, st.sampled_from(SPACINGS))
def test_the_table_of_voids_agrees_with_scipy_and_regionprops(mask: np.ndarray, spacing: Triple) -> None:
    from scipy import ndimage
    from skimage.measure import regionprops

    labels, _ = ndimage.label(mask == VOID, structure=np.ones((3, 3, 3)))
    expected = [
        (
            p.num_pixels,
            *(round(float(v), 6) for v in (p.area, p.equivalent_diameter_area, *p.centroid)),
            p.bbox,
        )
        for p in regionprops(labels, spacing=spacing)
    ]
    found = [
        (v.n_voxels, *(round(a, 6) for a in (v.volume_um3, v.diameter_um, *v.centroid_um)),
         tuple(a for a, _ in v.box) + tuple(b for _, b in v.box))
        for v in find_voids(mask, [VOID], spacing)
    ]  # fmt: skip
    assert sorted(found) == sorted(expected)


@settings(max_examples=60, deadline=None)
@given(masks)
def test_voids_come_largest_first_and_equal_ones_by_position(mask: np.ndarray) -> None:
    found = find_voids(mask, [VOID], (1, 1, 1))
    order = [(-v.n_voxels, [a for a, _ in v.box], v.centroid_voxel) for v in found]
    assert order == sorted(order)


@settings(max_examples=60, deadline=None)
@given(masks)
def test_a_void_touches_the_border_only_if_a_frame_of_solder_would_free_it(mask: np.ndarray) -> None:
    found, framed = (
        find_voids(m, [VOID], (1, 1, 1)) for m in (mask, np.pad(mask, 1, constant_values=SOLDER))
    )
    assert not any(v.touches_border for v in framed)
    for void, inner in zip(found, framed, strict=True):
        limits = zip(void.box, mask.shape, strict=True)
        assert void.touches_border == any(a == 0 or b == n for (a, b), n in limits)
        assert inner.centroid_voxel == pytest.approx([c + 1 for c in void.centroid_voxel])


@pytest.mark.parametrize(
    ("n", "quality"),
    [(1, 0), (7, 0), (8, 1), (259, 1), (260, 2), (400, 2)],
)
def test_a_size_is_worth_what_its_voxels_say(n: int, quality: int) -> None:
    mask = np.full((3, 3, 402), SOLDER, np.uint8)
    mask[1, 1, 1 : n + 1] = VOID
    (void,) = find_voids(mask, [VOID], (1, 1, 1))
    assert (void.n_voxels, void.quality) == (n, QUALITIES[quality])


def test_the_equivalent_sphere_is_a_sphere() -> None:
    assert sphere_diameter(math.pi / 6) == pytest.approx(1)
    assert sphere_diameter(4 / 3 * math.pi * 2.5**3) == pytest.approx(5)
    assert sphere_diameter(0) == 0


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 3, 1), (3, 1, 1)])
def test_two_voids_in_a_row_of_three_voxels_are_two(shape: tuple[int, int, int]) -> None:
    mask = np.array([VOID, SOLDER, VOID], np.uint8).reshape(shape)
    assert [v.n_voxels for v in find_voids(mask, [VOID], (1, 1, 1))] == [1, 1]
