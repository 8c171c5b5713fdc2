"""Interpolation between labelled slices: a slow twin, discs in closed form, and what holds for any two masks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from voidscope.errors import LabelError
from voidscope.labelling import ShapeInterpolation
from voidscope.labelling import interpolation as module

SHAPE = (7, 9)
masks = arrays(np.uint8, SHAPE, elements=st.integers(0, 3))
fractions = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])


def slowly(first: np.ndarray, second: np.ndarray, t: float, spacing: tuple[float, float]) -> np.ndarray:
    """The rule pixel by pixel: nearest pixels by looking at all, regions by walking."""
    h, w = first.shape
    everywhere = [(y, x) for y in range(h) for x in range(w)]
    differing = [p for p in everywhere if first[p] != second[p]]

    def nearest(p: tuple[int, int], mask: np.ndarray, label: int) -> float:
        steps = (
            ((p[0] - q[0]) * spacing[0], (p[1] - q[1]) * spacing[1]) for q in everywhere if mask[q] == label
        )
        return min((math.hypot(*s) for s in steps), default=math.inf)

    def region(p: tuple[int, int]) -> set[tuple[int, int]]:
        seen, front = {p}, [p]
        while front:
            y, x = front.pop()
            for q in ((y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)):
                alike = q in differing and (first[q], second[q]) == (first[p], second[p])
                if alike and q not in seen:
                    seen.add(q)
                    front.append(q)
        return seen

    reach_x = {p: nearest(p, first, second[p]) for p in differing}
    reach_y = {p: nearest(p, second, first[p]) for p in differing}
    result = first.copy()
    for p in differing:
        around = region(p)
        x = min(reach_x[p], max(reach_y[q] for q in around))
        y = min(reach_y[p], max(reach_x[q] for q in around))
        x, y = (1.0 if math.isinf(v) else v for v in (x, y))
        keep, change = (1 - t) * x, t * y
        result[p] = max(first[p], second[p]) if keep == change else first[p] if keep > change else second[p]
    return result


@settings(max_examples=40, deadline=None)
@given(masks, masks, fractions)
def test_it_is_the_rule_pixel_by_pixel(first: np.ndarray, second: np.ndarray, t: float) -> None:
    assert (ShapeInterpolation(first, second).at(t) == slowly(first, second, t, (1.0, 1.0))).all()


def test_unequal_pixels_are_measured_in_um() -> None:
    rng = np.random.default_rng(0)
    first, second = (rng.integers(0, 3, SHAPE).astype(np.uint8) for _ in range(2))
    shapes = ShapeInterpolation(first, second, (0.5, 2.0))
    assert all((shapes.at(t) == slowly(first, second, t, (0.5, 2.0))).all() for t in (0.3, 0.5, 0.8))


def disc(radius: float, n: int = 81, at: tuple[int, int] = (40, 40)) -> np.ndarray:
    y, x = np.mgrid[:n, :n]
    return np.where(np.hypot(y - at[0], x - at[1]) <= radius, 2, 1).astype(np.uint8)


@pytest.mark.parametrize("t", [0.25, 0.5, 0.75])
def test_the_radius_of_concentric_discs_changes_linearly(t: float) -> None:
    found = ShapeInterpolation(disc(30), disc(10)).at(t)
    radius = (1 - t) * 30 + t * 10
    assert (found == 2).sum() == pytest.approx(math.pi * radius**2, rel=0.04)
    assert (found[disc(radius - 1.0) == 2] == 2).all()
    assert (found[disc(radius + 1.0) == 1] == 1).all()


def test_a_void_that_only_one_slice_has_shrinks_to_nothing_half_way() -> None:
    void, none = disc(12), np.ones((81, 81), np.uint8)
    areas = [int((m == 2).sum()) for m in ShapeInterpolation(void, none).steps(10)]
    assert areas[:4] == sorted(areas[:4], reverse=True)
    assert areas[0] > 0.7 * (void == 2).sum()
    assert areas[3] > 0
    assert areas[5:] == [0, 0, 0, 0]


def test_a_void_alone_does_not_vanish_because_another_one_is_far_away() -> None:
    both = np.maximum(disc(6, at=(20, 20)), disc(6, at=(60, 60)))
    found = ShapeInterpolation(both, disc(6, at=(60, 60))).at(0.25)
    assert (found[14:27, 14:27] == 2).sum() > 20
    assert (found[50:, 50:] == disc(6, at=(60, 60))[50:, 50:]).all()


@settings(max_examples=40, deadline=None)
@given(masks, fractions)
def test_equal_slices_have_the_same_between_them(mask: np.ndarray, t: float) -> None:
    assert (ShapeInterpolation(mask, mask).at(t) == mask).all()


@settings(max_examples=40, deadline=None)
@given(masks, masks, fractions)
def test_a_pixel_is_what_one_of_the_two_slices_says(first: np.ndarray, second: np.ndarray, t: float) -> None:
    found = ShapeInterpolation(first, second).at(t)
    assert ((found == first) | (found == second)).all()


@settings(max_examples=40, deadline=None)
@given(masks, masks, fractions)
def test_the_way_back_is_the_way_there(first: np.ndarray, second: np.ndarray, t: float) -> None:
    back = ShapeInterpolation(second, first).at(1 - t)
    assert (ShapeInterpolation(first, second).at(t) == back).all()


@settings(max_examples=40, deadline=None)
@given(masks, masks)
def test_it_starts_with_the_first_and_ends_with_the_second(first: np.ndarray, second: np.ndarray) -> None:
    shapes = ShapeInterpolation(first, second)
    assert (shapes.at(0.0) == first).all()
    assert (shapes.at(1.0) == second).all()


def test_looking_no_farther_than_needed_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = np.maximum(disc(20), disc(4, at=(5, 75))), np.roll(disc(17), 9, axis=1)
    whole = ShapeInterpolation(first, second).at(0.4)
    monkeypatch.setattr(module, "MARGIN_PX", 1)
    assert (ShapeInterpolation(first, second).at(0.4) == whole).all()


def test_slices_of_two_shapes_have_nothing_between_them() -> None:
    with pytest.raises(LabelError, match="one shape"):
        ShapeInterpolation(np.ones((3, 4), np.uint8), np.ones((4, 3), np.uint8))
