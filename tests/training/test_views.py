"""Contrastive views: what is drawn, what is cut, and a slow twin that crops, resizes and jitters one view at a time."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch.nn import functional

from training.scenes import discs
from voidscope.config import PretrainConfig
from voidscope.training import views as module
from voidscope.training.pool import SlicePool
from voidscope.training.views import Views, cut_views, draw_views

CPU = torch.device("cpu")
SIZES = np.array([[57, 96], [96, 51], [80, 80]])
CONFIG = PretrainConfig()


@pytest.fixture
def drawn() -> Views:
    return draw_views(np.random.default_rng(0), np.arange(6000) % 3, SIZES, CONFIG)


def _twin(image: np.ndarray, views: Views, b: int, crop: int) -> np.ndarray:
    (top, left), (h, w) = views.first[b], views.size[b]
    view = functional.interpolate(
        torch.from_numpy(image[top : top + h, left : left + w])[None, None], (crop, crop),
        mode="bilinear", antialias=True, align_corners=False,
    )[0, 0].numpy()  # fmt: skip
    view = view[::-1] if views.mirrored[b, 0] else view
    view = view[:, ::-1] if views.mirrored[b, 1] else view

    def brighter(v: np.ndarray) -> np.ndarray:
        return np.clip(v * views.brightness[b], 0, 1)

    def sharper(v: np.ndarray) -> np.ndarray:
        return np.clip(v.mean() + views.contrast[b] * (v - v.mean()), 0, 1)

    return sharper(brighter(view)) if views.brightness_first[b] else brighter(sharper(view))


def test_a_batch_of_views_is_what_one_by_one_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    images, _ = discs(4, seed=3)
    pool = SlicePool(images, torch.float32, CPU)
    views = draw_views(np.random.default_rng(1), np.repeat(np.arange(4), 6), pool.sizes, CONFIG)
    batch = cut_views(pool, views, CONFIG, (0.3, 0.5))
    assert batch.shape == (24, 1, 64, 64)
    for b, which in enumerate(views.which):
        expected = (_twin(images[which], views, b, 64) - 0.3) / 0.5
        np.testing.assert_allclose(batch[b, 0], expected, atol=2e-5)
    monkeypatch.setattr(module, "MOST_PIXELS", {True: 1, False: 1})
    torch.testing.assert_close(cut_views(pool, views, CONFIG, (0.3, 0.5)), batch)


def test_parts_hold_every_view_once_and_small_ones_first() -> None:
    sizes = np.random.default_rng(0).integers(1, 90, (50, 2))
    parts = module._of_like_size(sizes, 3 * 89 * 89)
    assert sorted(np.concatenate(parts)) == list(range(50))
    areas = sizes.prod(axis=1)
    assert all(areas[a].max() <= areas[b].min() for a, b in pairwise(parts))
    assert all(len(p) * areas[p].max() <= 3 * 89 * 89 for p in parts)
    assert len(module._of_like_size(sizes, 1)) == 50


def test_crops_lie_inside_their_slice(drawn: Views) -> None:
    assert (drawn.size >= 1).all()
    assert (drawn.first >= 0).all()
    assert (drawn.first + drawn.size <= SIZES[drawn.which]).all()


def test_crops_have_the_promised_area_and_aspect(drawn: Views) -> None:
    share = drawn.size.prod(axis=1) / SIZES[drawn.which].prod(axis=1)
    aspect = drawn.size[:, 1] / drawn.size[:, 0]
    assert share.min() >= CONFIG.min_crop_area - 0.02
    assert share.max() <= 1
    assert aspect.min() >= 3 / 4 - 0.06
    assert aspect.max() <= 4 / 3 + 0.09


def test_crop_areas_of_a_square_slice_are_spread_evenly_as_far_as_they_fit(drawn: Views) -> None:
    share = drawn.size[drawn.which == 2].prod(axis=1) / 6400
    shares = np.histogram(share, bins=[0.1, 0.3, 0.5, 0.7])[0] / len(share)
    np.testing.assert_allclose(shares, 0.2 / 0.9, atol=0.06)


def test_aspects_are_symmetric_about_one(drawn: Views) -> None:
    square = drawn.size[drawn.which == 2]
    assert abs(np.log(square[:, 1] / square[:, 0]).mean()) < 0.01


def test_a_slice_too_long_for_any_crop_gives_its_largest_central_one() -> None:
    sizes = np.array([[10, 1000]])
    views = draw_views(np.random.default_rng(0), np.zeros(100, int), sizes, PretrainConfig(min_crop_area=0.9))
    assert (views.size == [10, 13]).all()


def test_two_views_of_a_slice_are_independent(drawn: Views) -> None:
    pairs = draw_views(np.random.default_rng(0), np.repeat(np.zeros(3000, int), 2), SIZES, CONFIG)
    for values in (pairs.brightness, pairs.first[:, 0].astype(float), pairs.size[:, 1].astype(float)):
        assert abs(np.corrcoef(values[::2], values[1::2])[0, 1]) < 0.06


def test_eight_in_ten_views_are_jittered_within_the_setting_in_either_order(drawn: Views) -> None:
    changed = drawn.brightness != 1
    assert changed.mean() == pytest.approx(0.8, abs=0.02)
    assert (changed == (drawn.contrast != 1)).all()
    for factors in (drawn.brightness, drawn.contrast):
        assert 0.6 <= factors.min() < 0.62
        assert 1.38 < factors.max() <= 1.4
    assert drawn.brightness_first.mean() == pytest.approx(0.5, abs=0.03)
    assert drawn.mirrored.mean() == pytest.approx(0.5, abs=0.02)


def test_no_jitter_leaves_the_intensities() -> None:
    pool = SlicePool([np.full((70, 70), 0.25, np.float32)], torch.float16, CPU)
    calm = PretrainConfig(jitter=0.0)
    views = draw_views(np.random.default_rng(0), np.zeros(20, int), pool.sizes, calm)
    torch.testing.assert_close(cut_views(pool, views, calm, (0.0, 1.0)), torch.full((20, 1, 64, 64), 0.25))


def test_jittered_intensities_stay_within_zero_and_one() -> None:
    images, _ = discs(4, seed=3)
    pool = SlicePool([i * 0.5 + 0.5 for i in images], torch.float16, CPU)
    wild = PretrainConfig(jitter=0.9)
    views = draw_views(np.random.default_rng(0), np.arange(40) % 4, pool.sizes, wild)
    batch = cut_views(pool, views, wild, (0.0, 1.0))
    assert batch.min() >= 0
    assert batch.max() <= 1
    assert math.isclose(float(batch.max()), 1.0)


def test_blurred_views_are_what_a_gaussian_over_each_pixels_neighbours_gives() -> None:
    pool = SlicePool([np.zeros((1, 1), np.float32)], torch.float32, CPU)
    rng = np.random.default_rng(0)
    images, sigma = rng.random((3, 12, 12), dtype=np.float32), np.array([0.5, 0.0, 1.7])
    found = module._blurred(pool, torch.from_numpy(images.copy()), sigma).numpy()
    np.testing.assert_array_equal(found[1], images[1])
    for b in (0, 2):
        for y, x in ((0, 0), (5, 6), (11, 3)):
            rows, columns = np.indices((12, 12))
            weights = np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * sigma[b] ** 2))
            assert found[b, y, x] == pytest.approx((weights * images[b]).sum() / weights.sum(), rel=1e-4)


def test_blurring_agrees_with_scipys_gaussian_away_from_the_border() -> None:
    pool = SlicePool([np.zeros((1, 1), np.float32)], torch.float32, CPU)
    image = np.random.default_rng(0).random((1, 64, 64), dtype=np.float32)
    found = module._blurred(pool, torch.from_numpy(image.copy()), np.array([2.0]))[0].numpy()
    expected = gaussian_filter(image[0], 2.0, truncate=8)
    np.testing.assert_allclose(found[14:-14, 14:-14], expected[14:-14, 14:-14], atol=1e-4)


def test_views_are_blurred_as_often_and_as_far_as_asked() -> None:
    which = np.arange(6000) % 3
    blurry = draw_views(np.random.default_rng(0), which, SIZES, PretrainConfig(blur=0.5))
    assert (blurry.blur > 0).mean() == pytest.approx(0.5, abs=0.03)
    assert 0.1 <= blurry.blur[blurry.blur > 0].min() < 0.12
    assert 1.98 < blurry.blur.max() <= 2.0
    plain = draw_views(np.random.default_rng(0), which, SIZES, CONFIG)
    assert (plain.blur == 0).all()
    np.testing.assert_array_equal(plain.first, blurry.first)
    np.testing.assert_array_equal(plain.brightness_first, blurry.brightness_first)


def test_a_constant_view_stays_constant_when_blurred() -> None:
    pool = SlicePool([np.full((70, 70), 0.25, np.float32)], torch.float16, CPU)
    blurry = PretrainConfig(jitter=0.0, blur=1.0)
    views = draw_views(np.random.default_rng(0), np.zeros(9, int), pool.sizes, blurry)
    torch.testing.assert_close(cut_views(pool, views, blurry, (0.0, 1.0)), torch.full((9, 1, 64, 64), 0.25))
