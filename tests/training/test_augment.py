"""Training crops, against a slow twin that resizes, crops, pads and mirrors one slice at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from training.scenes import discs
from voidscope.config import TrainConfig
from voidscope.training.augment import Crops, cut_crops, draw_crops
from voidscope.training.pool import SlicePool

CPU = torch.device("cpu")
MEAN, STD = 0.4, 0.2


def _pools(images: list[np.ndarray], labels: list[np.ndarray]) -> tuple[SlicePool, SlicePool]:
    return SlicePool(images, torch.float32, CPU), SlicePool(labels, torch.uint8, CPU)


def _twin(
    image: np.ndarray, label: np.ndarray, crops: Crops, b: int, crop: int
) -> tuple[np.ndarray, np.ndarray]:
    (rh, rw), (top, left), (down, across) = crops.resized[b], crops.first[b], crops.mirrored[b]
    h, w = image.shape
    resized = functional.interpolate(
        torch.from_numpy(image)[None, None],
        (int(rh), int(rw)),
        mode="bilinear",
        antialias=True,
        align_corners=False,
    )[0, 0].numpy()
    nearest = np.array(
        [[label[int((i + 0.5) * h / rh), int((j + 0.5) * w / rw)] for j in range(rw)] for i in range(rh)]
    )
    picture, said = np.full((crop, crop), MEAN, np.float32), np.zeros((crop, crop), int)
    part = resized[top : top + crop, left : left + crop]
    picture[: part.shape[0], : part.shape[1]] = part
    said[: part.shape[0], : part.shape[1]] = nearest[top : top + crop, left : left + crop]
    flipped = (
        slice(None, None, -1) if down else slice(None),
        slice(None, None, -1) if across else slice(None),
    )
    return ((picture - MEAN) / STD)[flipped], said[flipped]


def test_a_batch_of_crops_is_what_one_by_one_gives() -> None:
    images, labels = discs(6, seed=1)
    config = TrainConfig(crop=64)
    pools = _pools(images, labels)
    for seed in range(3):
        crops = draw_crops(np.random.default_rng(seed), np.tile(np.arange(6), 3), pools[0].sizes, config)
        batch, said = cut_crops(*pools, crops, 64, (MEAN, STD))
        assert batch.shape == (18, 1, 64, 64)
        for b, which in enumerate(crops.which):
            picture, truth = _twin(images[which], labels[which], crops, b, 64)
            np.testing.assert_allclose(batch[b, 0], picture, atol=2e-5)
            np.testing.assert_array_equal(said[b], truth)


@pytest.fixture
def drawn() -> Crops:
    sizes = np.array([[57, 96], [96, 51]])
    return draw_crops(np.random.default_rng(0), np.arange(4000) % 2, sizes, TrainConfig())


def test_magnifications_are_the_papers_five_in_equal_shares(drawn: Crops) -> None:
    factors, counts = np.unique(drawn.resized[::2, 1] / 96, return_counts=True)
    assert factors.tolist() == [0.5, 0.75, 1.0, 1.25, 1.5]
    assert counts.min() > 300


def test_each_axis_is_mirrored_half_of_the_time_and_independently(drawn: Crops) -> None:
    shares = [(drawn.mirrored == pattern).all(axis=1).mean() for pattern in ([0, 0], [0, 1], [1, 0], [1, 1])]
    np.testing.assert_allclose(shares, 0.25, atol=0.03)


def test_crops_start_anywhere_they_fit_and_in_the_corner_where_the_slice_is_smaller(drawn: Crops) -> None:
    room = np.maximum(0, drawn.resized - 96)
    assert (drawn.first >= 0).all()
    assert (drawn.first <= room).all()
    assert (drawn.first[room == 0] == 0).all()
    largest = room[:, 1] == 48
    assert set(drawn.first[largest, 1]) == set(range(49))


def test_flips_can_be_switched_off() -> None:
    crops = draw_crops(
        np.random.default_rng(0), np.zeros(50, int), np.array([[40, 40]]), TrainConfig(flips=False)
    )
    assert not crops.mirrored.any()


def test_padding_is_the_mean_and_unlabelled() -> None:
    images, labels = [np.ones((10, 20), np.float32)], [np.full((10, 20), 3, np.uint8)]
    still = Crops(np.array([0]), np.array([[10, 20]]), np.array([[0, 0]]), np.array([[False, True]]))
    batch, said = cut_crops(*_pools(images, labels), still, 32, (MEAN, STD))
    there = np.zeros((32, 32), bool)
    there[:10, 12:] = True
    np.testing.assert_array_equal(said[0].numpy(), there * 3)
    np.testing.assert_allclose(batch[0, 0], there * (1 - MEAN) / STD, rtol=1e-6)


def test_a_crop_of_a_large_slice_reads_only_its_neighbourhood() -> None:
    image = np.full((3000, 2000), np.nan, np.float32)
    image[1000:1100, 500:600] = 0.7
    pools = _pools([image], [np.ones(image.shape, np.uint8)])
    still = Crops(
        np.array([0]), np.array([[3000, 2000]]), np.array([[1002, 502]]), np.array([[False, False]])
    )
    batch, _ = cut_crops(*pools, still, 96, (0.0, 1.0))
    np.testing.assert_allclose(batch, 0.7, rtol=1e-6)


def test_a_slice_of_one_pixel_can_be_cropped_at_any_magnification() -> None:
    pools = _pools([np.full((1, 1), 0.9, np.float32)], [np.full((1, 1), 2, np.uint8)])
    crops = draw_crops(np.random.default_rng(0), np.zeros(20, int), pools[0].sizes, TrainConfig(crop=32))
    batch, said = cut_crops(*pools, crops, 32, (MEAN, STD))
    assert torch.isfinite(batch).all()
    assert (said == 2).flatten(1).any(1).all()


def test_labels_are_never_blended() -> None:
    images, labels = discs(4)
    labels = [np.where(mask == 2, 5, 1).astype(np.uint8) for mask in labels]
    crops = draw_crops(
        np.random.default_rng(0), np.arange(40) % 4, np.array([i.shape for i in images]), TrainConfig()
    )
    _, said = cut_crops(*_pools(images, labels), crops, 96, (MEAN, STD))
    assert set(said.unique().tolist()) == {0, 1, 5}


def test_crops_of_several_batches_are_cut_at_once_as_one_after_the_other() -> None:
    images, labels = discs(6, seed=2)
    pools = _pools(images, labels)
    config = TrainConfig(crop=64)
    rng = np.random.default_rng(5)
    drawn = [draw_crops(rng, np.arange(n), pools[0].sizes, config) for n in (4, 6, 1)]
    batch, said = cut_crops(*pools, Crops.joined(drawn), 64, (MEAN, STD))
    for crops, picture, truth in zip(drawn, batch.split([4, 6, 1]), said.split([4, 6, 1]), strict=True):
        alone, its = cut_crops(*pools, crops, 64, (MEAN, STD))
        torch.testing.assert_close(picture, alone, atol=1e-5, rtol=0)
        assert torch.equal(truth, its)
