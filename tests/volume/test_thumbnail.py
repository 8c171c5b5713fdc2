"""Thumbnails: means of blocks, around the pixel that matters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voidscope.volume import thumbnail


def test_blocks_are_averaged() -> None:
    image = np.kron(np.array([[0.0, 0.2], [0.4, 1.0]]), np.ones((50, 50)))
    image[0, 0] = 1.0
    grey, at = thumbnail(image, 2, (75, 25))
    assert grey.tolist() == [[0, 51], [102, 255]]
    assert at == pytest.approx((0.755, 0.255))


def test_of_a_large_slice_the_part_around_the_pixel_is_shown() -> None:
    image = np.zeros((2000, 1000))
    image[1990, 5] = 1.0
    grey, (y, x) = thumbnail(image, 64, (1990, 5))
    assert grey.shape == (64, 64)
    assert np.argwhere(grey)[0].tolist() == [int(y * 64), int(x * 64)]


@given(st.integers(1, 700), st.integers(1, 700))
def test_any_slice_fits_and_holds_its_middle(height: int, width: int) -> None:
    grey, (y, x) = thumbnail(np.full((height, width), 0.5), 32)
    assert 1 <= max(grey.shape) <= 32
    assert set(np.unique(grey)) == {128}
    assert 0 <= y <= 1 and 0 <= x <= 1


def test_what_is_no_number_is_black() -> None:
    assert thumbnail(np.full((4, 4), np.nan), 8)[0].max() == 0
