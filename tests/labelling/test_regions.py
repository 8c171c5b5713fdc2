"""Parts of a slice labelled at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voidscope.labelling import component_at, intensities_around, outside_range
from voidscope.labelling.regions import noise


def test_a_component_is_what_touches_the_pixel_even_by_a_corner() -> None:
    mask = np.array([[2, 1, 1, 2], [1, 2, 1, 2], [1, 1, 1, 2]], np.uint8)
    assert (
        component_at(mask, (0, 0)).tolist() == (np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0] * 4]) == 1).tolist()
    )
    assert component_at(mask, (2, 3)).sum() == 3
    assert component_at(mask, (1, 2)).sum() == 7


def test_a_range_around_a_pixel_is_four_standard_deviations_of_the_noise() -> None:
    rng = np.random.default_rng(0)
    widths, middles = [], []
    for _ in range(200):
        image = rng.normal(1000.0, 50.0, (41, 41))
        image[0, 0], image[0, 1], image[20, 20] = 0.0, 2000.0, 1000.0
        low, high = intensities_around(image, (20, 20), (0.0, 2000.0))
        widths.append(high - low)
        middles.append((low + high) / 2)
    assert np.mean(widths) / 2 == pytest.approx(4 * 50.0, rel=0.03)
    assert np.mean(middles) == pytest.approx(1000.0, abs=3)


def noise_by_loops(image: np.ndarray) -> float:
    """The median of |differences| of pixels two apart, as a standard deviation of one of them."""
    found = []
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            for u, v in ((y + 2, x), (y, x + 2)):
                if u < image.shape[0] and v < image.shape[1] and np.isfinite(image[u, v] - image[y, x]):
                    found.append(abs(image[u, v] - image[y, x]))
    found.sort()
    middle = (found[(len(found) - 1) // 2] + found[len(found) // 2]) / 2
    return float(1.4826 * middle / 2**0.5)


@given(st.integers(0, 50))
def test_noise_is_the_same_by_loops(seed: int) -> None:
    rng = np.random.default_rng(seed)
    image = rng.normal(0.0, 5.0, tuple(rng.integers(3, 9, 2)))
    image[rng.random(image.shape) < 0.1] = np.nan
    image[0, :3] = 1.0
    assert noise(image) == pytest.approx(noise_by_loops(image))


def test_of_one_pixel_no_noise_is_known() -> None:
    assert noise(np.ones((1, 1))) == 0.0


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_press_close_to_a_border_or_in_a_small_void_is_limited(depth: int) -> None:
    """Void 100, solder 900, noise 20; the press is `depth` pixels inside a void 5 pixels across, or left of a border."""
    rng = np.random.default_rng(depth)
    y, x = np.mgrid[:60, :60]
    void = (np.hypot(y - 30, x - 30) < 3) | (x < 10)
    image = np.where(void, 100.0, 900.0) + rng.normal(0, 20, void.shape)
    for pixel in ((30, 27 + depth), (50, 10 - depth)):
        low, high = intensities_around(image, pixel, (0.0, 1000.0))
        inside = (image >= low) & (image <= high)
        assert not inside[~void].any() and inside[void].mean() > 0.95


def test_a_range_ends_where_the_images_own_intensities_do() -> None:
    image = np.random.default_rng(1).normal(100.0, 10.0, (30, 30))
    low, high = intensities_around(image, (5, 5), (0.0, 10_000.0))
    assert (low, high) == (image.min(), image.max())


def test_a_border_near_by_does_not_widen_the_range() -> None:
    image = np.full((9, 9), 100.0)
    image[:, 6:] = 900.0
    image[0, 0] = 0.0
    low, high = intensities_around(image, (4, 4), (0.0, 1000.0))
    assert (low, high) == (80.0, 120.0)  # 2 % of the contrast to either side


def test_a_corner_and_pixels_that_are_no_number_are_no_obstacle() -> None:
    image = np.full((5, 5), 10.0)
    image[0, 1] = np.nan
    image[4, :2] = 0.0, 99.0
    assert intensities_around(image, (0, 0), (0.0, 100.0)) == (8.0, 12.0)
    assert intensities_around(image, (0, 1), (0.0, 100.0)) == (0.0, 100.0)


def test_both_ends_of_a_range_are_inside_and_nan_is_outside() -> None:
    values = np.array([1.0, 2.0, 3.0, 4.0, np.nan])
    assert outside_range(values, (2.0, 3.0)).tolist() == [True, False, False, True, True]
