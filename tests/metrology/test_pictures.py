"""The picture of a slice beside its mask."""

from __future__ import annotations

import numpy as np

from metrology.masks import BACKGROUND, HBM, SOLDER, VOID
from voidscope.metrology import overlay_png
from voidscope.metrology.scale_bar import GLYPHS, bar_um, written


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


def test_a_scale_bar_is_as_long_as_it_says_and_voxels_as_they_are() -> None:
    import imagecodecs

    image, mask = np.zeros((30, 40), np.float32), np.full((30, 40), BACKGROUND, np.uint8)
    found = imagecodecs.png_decode(overlay_png(image, mask, HBM, (1.4, 0.7)))
    high, wide = found.shape[:2]
    left = wide * 40 // 82
    assert abs(high / left - 30 * 1.4 / (40 * 0.7)) < 0.01  # as in the sample
    bar = (found[:, :left] == 255).all(axis=2).sum(axis=1).max()
    assert (
        abs(bar * 40 * 0.7 / left - 10) < 0.1
    )  # 10 um is the longest round length within two fifths of 28 um
    assert (found[:, left + 12 :] < 255).all()  # one bar, on the slice


def test_bars_are_round_and_letters_can_be_told_apart() -> None:
    assert [bar_um(w) for w in (28, 12.5, 2.4, 13_000)] == [10, 5, 0.5, 5000]
    drawn = {letter: written(letter).tobytes() + bytes(written(letter).shape) for letter in GLYPHS}
    assert len(set(drawn.values())) == len(drawn)
    assert written("10 µm").shape == (5, 3 + 1 + 3 + 1 + 2 + 1 + 3 + 1 + 5)
