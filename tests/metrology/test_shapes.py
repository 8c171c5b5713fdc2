"""The shape of voids: slow twins, closed forms on phantoms, and what scaling, turning and moving must not change."""

from __future__ import annotations

import math
from functools import cache
from itertools import combinations, permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from metrology.masks import grid_um
from voidscope.metrology import shapes
from voidscope.metrology.shapes import (
    around_corners,
    enclosing_diameter,
    farthest_pair,
    outline,
    sphericity,
    surface_area_um2,
    tips,
)

Triple = tuple[float, float, float]
SPACINGS = [(1.0, 1.0, 1.0), (0.7, 0.7, 0.7), (2.0, 1.0, 0.5)]

parts = hnp.arrays(bool, hnp.array_shapes(min_dims=3, max_dims=3, max_side=6)).filter(np.any)
"""Any small set of voxels, holes and loose ones included."""


def ball(radius: float, spacing: Triple) -> np.ndarray:
    """A ball about a point off the grid."""
    z, y, x = grid_um(radius, spacing)
    return z**2 + y**2 + x**2 < radius**2


@cache
def cells(spacing: Triple) -> dict[tuple[int, ...], float]:
    """Share of many directions, spread evenly over the sphere (Fibonacci), that is nearest to each of the 26 neighbours."""
    from scipy.spatial import cKDTree

    ways = [v for v in product((-1, 0, 1), repeat=3) if any(v)]
    units = np.array([np.multiply(v, spacing) / np.linalg.norm(np.multiply(v, spacing)) for v in ways])
    k = np.arange(100_000) + 0.5
    up, around = 1 - 2 * k / len(k), math.pi * (1 + math.sqrt(5)) * k
    evenly = np.column_stack([up, np.sqrt(1 - up**2) * np.sin(around), np.sqrt(1 - up**2) * np.cos(around)])
    share = np.bincount(cKDTree(units).query(evenly)[1], minlength=26) / len(k)
    return dict(zip(ways, share.tolist(), strict=True))


def area_by_hand(own: np.ndarray, spacing: Triple) -> float:
    """Crofton's formula read aloud: every voxel is asked for its 26 neighbours, every direction for its cell on the sphere."""
    voids = {tuple(p) for p in np.argwhere(own).tolist()}
    area = 0.0
    for v, c in cells(spacing).items():
        leaving = sum((p[0] + v[0], p[1] + v[1], p[2] + v[2]) not in voids for p in voids)
        area += 4 * c * leaving * math.prod(spacing) / math.dist((0, 0, 0), np.multiply(v, spacing))
    return area


def corners_by_hand(own: np.ndarray) -> dict[tuple[int, ...], int]:
    """How many of the voxels around each corner are of the void."""
    found: dict[tuple[int, ...], int] = {}
    for p in np.argwhere(own).tolist():
        for d in product((0, 1), repeat=3):
            at = tuple(a + b for a, b in zip(p, d, strict=True))
            found[at] = found.get(at, 0) + 1
    return found


def smallest_sphere_by_hand(points: np.ndarray) -> float:
    """Diameter of the smallest sphere around points p: its centre c and s = r^2 - |c|^2 solve the quadratic programme of least
    s + |c|^2 with s + 2 p.c - |p|^2 >= 0.
    """
    from scipy.optimize import minimize

    points = points - points.mean(axis=0)
    far = np.square(points).sum(axis=1)
    inside = {"type": "ineq", "fun": lambda c: c[3] + 2 * points @ c[:3] - far}
    found = minimize(
        lambda c: c[3] + c[:3] @ c[:3], [0, 0, 0, far.max()], constraints=[inside], method="SLSQP",
        options={"ftol": 1e-12, "maxiter": 200},
    )  # fmt: skip
    return 2 * float(np.linalg.norm(points - found.x[:3], axis=1).max())


@settings(max_examples=25, deadline=None)
@given(parts, st.sampled_from(SPACINGS))
def test_a_surface_is_what_crofton_s_formula_says_voxel_by_voxel(own: np.ndarray, spacing: Triple) -> None:
    assert surface_area_um2(around_corners(own), spacing) == pytest.approx(
        area_by_hand(own, spacing), rel=1e-3
    )


@pytest.mark.parametrize("few", [1, 50, 10**6])
def test_a_surface_does_not_depend_on_how_many_corners_are_counted_at_once(
    few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = ball(5.0, (1, 1, 1)) ^ np.roll(ball(5.0, (1, 1, 1)), 3, axis=0)
    whole = surface_area_um2(around_corners(own), (2, 1, 0.5))
    monkeypatch.setattr(shapes, "COUNTED", few)
    assert surface_area_um2(around_corners(own), (2, 1, 0.5)) == pytest.approx(whole, rel=1e-12)


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize(("n_voxels", "within"), [(270, 0.05), (2200, 0.015), (33_000, 0.006)])
def test_a_ball_has_the_surface_of_a_ball(n_voxels: int, within: float, spacing: Triple) -> None:
    radius = math.cbrt(3 * n_voxels * math.prod(spacing) / (4 * math.pi))
    own = ball(radius, spacing)
    area = surface_area_um2(around_corners(own), spacing)
    assert area == pytest.approx(4 * math.pi * radius**2, rel=within)
    assert sphericity(own.sum() * math.prod(spacing), area) == pytest.approx(1, abs=within)


def test_nothing_is_rounder_than_a_sphere() -> None:
    surface = 4 * math.pi * 3.0**2
    volume = surface * 3.0 / 3
    assert sphericity(volume, 0.99 * surface) == 1
    assert sphericity(volume, 1.01 * surface) == pytest.approx(1 / 1.01)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize(
    ("spacing", "within"), [((1, 1, 1), 0.003), ((0.7, 0.7, 0.7), 0.003), ((2, 1, 0.5), 0.05)]
)
def test_an_ellipsoid_has_the_surface_of_an_ellipsoid(spacing: Triple, within: float, axis: int) -> None:
    along, *across = np.roll(grid_um(20 * max(spacing), spacing), -axis, axis=0)
    long, short = 18 * max(spacing), 9 * max(spacing)
    own = (along / long) ** 2 + sum(a**2 for a in across) / short**2 < 1
    e = math.sqrt(1 - (short / long) ** 2)
    prolate = 2 * math.pi * short**2 * (1 + long / (short * e) * math.asin(e))
    assert surface_area_um2(around_corners(own), spacing) == pytest.approx(prolate, rel=within)


def test_a_cylinder_has_the_surface_of_a_cylinder_but_for_its_flat_ends() -> None:
    z, y, x = grid_um(30, (1, 1, 1))
    own = (abs(z) < 30) & (y**2 + x**2 < 10**2)
    whole = 2 * math.pi * 10 * 60 + 2 * math.pi * 10**2
    assert 0.93 * whole < surface_area_um2(around_corners(own), (1, 1, 1)) < whole


@pytest.mark.parametrize(
    ("sides", "spacing", "share"),
    [
        ((10, 10, 10), (1, 1, 1), 0.874),
        ((30, 30, 30), (1, 1, 1), 0.909),
        ((2, 12, 12), (1, 1, 1), 0.856),
        ((65, 2, 2), (1, 1, 1), 0.788),
        ((65, 2, 2), (4, 1, 1), 0.728),
        ((65, 2, 2), (4, 4, 1), 0.693),
        ((1, 1, 260), (1, 1, 1), 0.659),
    ],
)
def test_a_box_s_surface_is_as_much_too_small_as_the_report_admits(
    sides: tuple[int, int, int], spacing: Triple, share: float
) -> None:
    a, b, c = (n * s for n, s in zip(sides, spacing, strict=True))
    area = surface_area_um2(around_corners(np.ones(sides, bool)), spacing)
    assert area / (2 * (a * b + b * c + c * a)) == pytest.approx(share, abs=0.001)


def test_marching_cubes_makes_more_of_a_ball_s_surface_than_there_is_and_we_do_not() -> None:
    from skimage.measure import marching_cubes, mesh_surface_area

    own = np.pad(ball(9.0, (1, 1, 1)), 1)
    vertices, faces, *_ = marching_cubes(own.astype(float), 0.5)
    true = 4 * math.pi * 9.0**2
    assert mesh_surface_area(vertices, faces) / true > 1.05
    assert abs(surface_area_um2(around_corners(own), (1, 1, 1)) / true - 1) < 0.01


def test_a_hollow_s_wall_is_surface_too() -> None:
    shell = ball(12, (1, 1, 1)) & ~(ball(12, (1, 1, 1)) & (sum(a**2 for a in grid_um(12, (1, 1, 1))) < 6**2))
    assert surface_area_um2(around_corners(shell), (1, 1, 1)) == pytest.approx(
        4 * math.pi * (12**2 + 6**2), rel=0.02
    )


@settings(max_examples=60, deadline=None)
@given(parts)
def test_corners_outline_and_tips_are_those_found_one_by_one(own: np.ndarray) -> None:
    around = corners_by_hand(own)
    assert {tuple(p) for p in np.argwhere(around_corners(own)).tolist()} == set(around)
    assert {tuple(p) for p in outline(around_corners(own)).tolist()} == {
        p for p, n in around.items() if n < 8
    }
    assert {tuple(p) for p in tips(around_corners(own)).tolist()} <= set(around)


@settings(max_examples=60, deadline=None)
@given(parts, st.sampled_from(SPACINGS))
def test_the_feret_diameter_is_the_largest_distance_between_any_two_corners(
    own: np.ndarray, spacing: Triple
) -> None:
    every = np.array(list(corners_by_hand(own))) * spacing
    slow = max(math.dist(a, b) for a, b in combinations(every.tolist(), 2))
    points = tips(around_corners(own)) * spacing
    i, j, feret = farthest_pair(points)
    assert feret == pytest.approx(slow, rel=1e-12)
    assert math.dist(points[i], points[j]) == pytest.approx(feret, rel=1e-12)


def test_many_points_are_thinned_and_compared_in_blocks_to_the_same_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = ball(9.0, (1, 1, 1))
    whole = farthest_pair(tips(around_corners(own)) * (2.0, 1.0, 0.5))
    monkeypatch.setattr(shapes, "FEW_POINTS", 20)
    few = tips(around_corners(own))
    assert len(few) < 400
    assert farthest_pair(few * (2.0, 1.0, 0.5))[2] == pytest.approx(whole[2], rel=1e-12)


@settings(max_examples=40, deadline=None)
@given(parts, st.sampled_from(SPACINGS))
def test_the_enclosing_sphere_is_the_smallest_around_all_corners(own: np.ndarray, spacing: Triple) -> None:
    every = np.array(list(corners_by_hand(own))) * spacing
    points = tips(around_corners(own)) * spacing
    i, j, feret = farthest_pair(points)
    found = enclosing_diameter(points, (i, j))
    assert found == pytest.approx(smallest_sphere_by_hand(every), rel=1e-5)
    assert feret <= found * (1 + 1e-9) <= feret * math.sqrt(1.5) * (1 + 1e-8)  # Jung's theorem


@given(hnp.arrays(float, (9, 3), elements=st.floats(-1, 1).map(lambda v: round(v, 3))))
@settings(max_examples=60, deadline=None)
def test_no_sphere_through_two_three_or_four_points_is_smaller_and_holds_all(points: np.ndarray) -> None:
    i, j, far = farthest_pair(points)
    if far < 0.01:
        return
    found = enclosing_diameter(points, (i, j)) / 2
    least = math.inf
    for n in (2, 3, 4):
        for some in combinations(points, n):
            edges = np.array(some[1:]) - some[0]
            weights = np.linalg.lstsq(edges @ edges.T, np.square(edges).sum(axis=1) / 2, rcond=None)[0]
            centre = some[0] + weights @ edges
            least = min(least, float(np.linalg.norm(points - centre, axis=1).max()))
    assert found == pytest.approx(least, rel=1e-6)


def test_the_shape_of_a_box_is_known() -> None:
    own = np.ones((6, 8, 10), bool)
    points = tips(around_corners(own)) * (2.0, 0.5, 1.0)
    i, j, feret = farthest_pair(points)
    assert feret == pytest.approx(math.sqrt(12**2 + 4**2 + 10**2))
    assert enclosing_diameter(points, (i, j)) == pytest.approx(feret)


@pytest.mark.parametrize("spacing", SPACINGS)
def test_a_ball_is_as_long_as_it_is_wide_to_the_voxel(spacing: Triple) -> None:
    radius = 10 * max(spacing)
    points = tips(around_corners(ball(radius, spacing))) * spacing
    i, j, feret = farthest_pair(points)
    slack = math.hypot(*spacing)
    assert 2 * radius < feret < 2 * radius + slack
    assert feret <= enclosing_diameter(points, (i, j)) < 2 * radius + slack


@settings(max_examples=20, deadline=None)
@given(parts, st.sampled_from(list(permutations(range(3)))), st.floats(0.1, 10))
def test_turned_and_scaled_a_void_keeps_its_shape(own: np.ndarray, order: tuple[int, ...], k: float) -> None:
    spacing = (2.0, 1.0, 0.5)
    turned, at = own.transpose(order), tuple(k * spacing[a] for a in order)
    one, other = tips(around_corners(own)) * spacing, tips(around_corners(turned)) * at
    (i, j, feret), (m, n, wide) = farthest_pair(one), farthest_pair(other)
    assert wide == pytest.approx(k * feret)
    assert enclosing_diameter(other, (m, n)) == pytest.approx(k * enclosing_diameter(one, (i, j)))
    assert surface_area_um2(around_corners(turned), at) == pytest.approx(
        k**2 * surface_area_um2(around_corners(own), spacing)
    )


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("long", [1.0, 100.0, 999.0])
def test_the_sphere_around_a_void_is_of_jung_s_size_however_long_voxels_are(axis: int, long: float) -> None:
    """Half the farthest pair at least, and sqrt(3/8) of it at most (Jung 1901)."""
    rng = np.random.default_rng(1)
    spacing = np.ones(3)
    spacing[axis] = long
    for _ in range(40):
        own = rng.random(rng.integers(3, 16, 3)) < 0.5
        own[0, 0, 0] = True
        points = np.multiply(tips(around_corners(own)), spacing, dtype=np.float64)
        i, j, feret = farthest_pair(points)
        diameter = enclosing_diameter(points, (i, j))
        assert feret * (1 - 1e-9) <= diameter <= 2 * feret * np.sqrt(3 / 8) * (1 + 1e-9)
