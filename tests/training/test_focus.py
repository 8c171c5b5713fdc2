"""Crops that look for rare classes: how often each class is drawn, and that its pixel is in the crop."""

from __future__ import annotations

import numpy as np
import pytest

from voidscope.config import TrainConfig
from voidscope.training.augment import draw_crops
from voidscope.training.focus import MOST_PIXELS, Focus


def _masks() -> list[np.ndarray]:
    """900 pixels of class 1 in two slices, 100 of class 3 in the second, some not labelled."""
    first, second = np.zeros((30, 40), np.uint8), np.zeros((40, 30), np.uint8)
    first[:10, :40] = 1
    second[:25, :20] = 1
    second[30:40, 5:15] = 3
    return [first, second]


def _focus(masks: list[np.ndarray], *times: int) -> Focus:
    return Focus(masks, np.random.default_rng(0), np.array(times or [1] * len(masks)))


def test_a_class_is_drawn_with_the_inverse_root_of_its_pixels() -> None:
    focus = _focus(_masks())
    assert focus.probabilities.tolist() == pytest.approx(
        [(1 / 30) / (1 / 30 + 1 / 10), (1 / 10) / (1 / 30 + 1 / 10)]
    )


def test_drawn_pixels_are_of_the_drawn_class_and_never_unlabelled() -> None:
    masks = _masks()
    which, centre = _focus(masks).draw(np.random.default_rng(1), 4000)
    found = np.array([masks[k][y, x] for k, (y, x) in zip(which, centre, strict=True)])
    assert set(found.tolist()) == {1, 3}
    assert (found == 3).mean() == pytest.approx(0.75, abs=0.03)
    assert which[found == 1].mean() == pytest.approx(0.5, abs=0.05)


def test_a_slice_that_counts_three_times_is_drawn_as_three_of_it_would_be() -> None:
    first, second = _masks()
    third = np.full((5, 5), 2, np.uint8)
    counted, thrice = _focus([first, second, third], 1, 3, 1), _focus([first, second, second, second, third])
    assert counted.probabilities.tolist() == thrice.probabilities.tolist()
    which, centre = counted.draw(np.random.default_rng(1), 500)
    other, place = thrice.draw(np.random.default_rng(1), 500)
    assert which.tolist() == np.array([0, 1, 1, 1, 2])[other].tolist()
    assert centre.tolist() == place.tolist()


def test_large_areas_are_remembered_by_a_sample() -> None:
    mask = np.ones((200, 200), np.uint8)
    which, centre = _focus([mask]).draw(np.random.default_rng(1), 20_000)
    assert len({tuple(c) for c in centre.tolist()}) <= MOST_PIXELS
    assert centre.mean(axis=0) == pytest.approx([99.5, 99.5], abs=4)
    assert not which.any()


@pytest.mark.parametrize("factors", [(1.0,), (0.5, 1.5)])
def test_a_focused_crop_shows_the_drawn_pixel_and_the_others_lie_anywhere(factors: tuple[float, ...]) -> None:
    masks = [np.ones((90, 80), np.uint8) for _ in range(3)]
    masks[1][70, 11] = 2
    config = TrainConfig(crop=32, focus=1.0, resize_factors=factors)
    focus = _focus(masks)
    sizes = np.array([m.shape for m in masks])
    crops = draw_crops(np.random.default_rng(2), np.zeros(300, np.int64), sizes, config, focus)
    rare = crops.which == 1
    scale = crops.resized / sizes[crops.which]
    there = (np.array([70.5, 11.5]) * scale - crops.first)[rare]
    shown = ((there >= 0) & (there < 32)).all(axis=1)
    assert shown.mean() > 0.9
    room = np.maximum(0, crops.resized - 32)
    assert ((crops.first >= 0) & (crops.first <= room)).all()
    none = draw_crops(
        np.random.default_rng(2),
        np.zeros(300, np.int64),
        sizes,
        config.model_copy(update={"focus": 0.0}),
        focus,
    )
    assert not none.which.any()


def test_without_a_focus_the_papers_crops_are_drawn_as_ever() -> None:
    """Frozen numbers: the paper's recipe repeats bit for bit from version to version."""
    sizes = np.array([[60, 70], [90, 50]])
    crops = draw_crops(np.random.default_rng(5), np.array([0, 1, 1]), sizes, TrainConfig(crop=64))
    assert crops.which.tolist() == [0, 1, 1]
    assert crops.resized.tolist() == [[75, 88], [135, 75], [45, 25]]
    assert crops.first.tolist() == [[9, 11], [37, 7], [0, 0]]
    assert crops.mirrored.tolist() == [[True, True], [True, True], [True, False]]
