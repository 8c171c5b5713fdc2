"""Parts of a slice labelled at once."""

from __future__ import annotations

import numpy as np
import pytest

from voidscope.labelling import component_at, intensities_around, outside_range


def test_a_component_is_what_touches_the_pixel_even_by_a_corner() -> None:
    mask = np.array([[2, 1, 1, 2], [1, 2, 1, 2], [1, 1, 1, 2]], np.uint8)
    assert (
        component_at(mask, (0, 0)).tolist() == (np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0] * 4]) == 1).tolist()
    )
    assert component_at(mask, (2, 3)).sum() == 3
    assert component_at(mask, (1, 2)).sum() == 7


def test_a_range_around_a_pixel_is_three_standard_deviations_of_its_noise() -> None:
    rng = np.random.default_rng(0)
    widths = []
    for _ in range(200):
        image = rng.normal(1000.0, 50.0, (21, 21))
        image[10, 10] = 1000.0
        low, high = intensities_around(image, (10, 10), (0.0, 2000.0))
        assert low + high == pytest.approx(2000.0)
        widths.append(high - low)
    assert np.mean(widths) / 2 == pytest.approx(3 * 50.0, rel=0.1)


def test_a_border_near_by_does_not_widen_the_range() -> None:
    image = np.full((9, 9), 100.0)
    image[:, 6:] = 900.0
    low, high = intensities_around(image, (4, 4), (0.0, 1000.0))
    assert (low, high) == (80.0, 120.0)  # 2 % of the contrast to either side


def test_a_corner_and_pixels_that_are_no_number_are_no_obstacle() -> None:
    image = np.full((5, 5), 10.0)
    image[0, 1] = np.nan
    assert intensities_around(image, (0, 0), (0.0, 100.0)) == (8.0, 12.0)
    assert intensities_around(image, (0, 1), (0.0, 100.0)) == (0.0, 100.0)


def test_both_ends_of_a_range_are_inside_and_nan_is_outside() -> None:
    values = np.array([1.0, 2.0, 3.0, 4.0, np.nan])
    assert outside_range(values, (2.0, 3.0)).tolist() == [True, False, False, True, True]
