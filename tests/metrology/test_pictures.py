"""The picture of a slice beside its mask."""

from __future__ import annotations

import numpy as np

from metrology.masks import BACKGROUND, HBM, SOLDER, VOID
from voidscope.metrology import overlay_png


def pixels(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    import imagecodecs

    return imagecodecs.png_decode(overlay_png(image, mask, HBM))


def test_a_picture_shows_the_slice_beside_its_mask() -> None:
    image = np.linspace(0, 1, 20 * 30, dtype=np.float32).reshape(20, 30)
    mask = np.full((20, 30), BACKGROUND, np.uint8)
    mask[5:10, 5:10] = VOID
    found = pixels(image, mask)
    assert found.shape == (240, 12 * 62, 3)
    left, right = found[:, : 12 * 30], found[:, 12 * 32 :]
    assert (np.ptp(left, axis=2) == 0).all()
    assert (left[:48] == right[:48]).all()
    assert np.ptp(right[12 * 7, 12 * 7].astype(int)) > 40


def test_unlabelled_pixels_show_the_slice_as_it_is() -> None:
    image = np.full((250, 250), 0.5, np.float32)
    found = pixels(image, np.zeros((250, 250), np.uint8))
    assert found.shape == (250, 502, 3)
    assert (found[:, :250] == found[:, 252:]).all()


def test_a_huge_slice_makes_a_picture_of_bounded_size() -> None:
    mask = np.full((1500, 4100), SOLDER, np.uint8)
    found = pixels(np.zeros((1500, 4100), np.float32), mask)
    assert found.shape == (300, 820 * 2 + 2, 3)
    assert len(np.unique(found[:, 822:].reshape(-1, 3), axis=0)) == 1
