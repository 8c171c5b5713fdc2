"""Batched augmentation on the device: resize, crop, pad and mirror for training; two jittered views for pretraining."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from voidscope.config import PretrainConfig, TrainConfig

RATIOS = (3 / 4, 4 / 3)
"""Aspect ratios of the random crops of a view (SDCLR, as torchvision's RandomResizedCrop)."""
JITTER_SHARE = 0.8
"""Share of the views whose brightness and contrast vary."""


@dataclass(frozen=True)
class Pool:
    """Slices of different sizes in one padded tensor on the device.

    Attributes
    ----------
    pixels : (N, H, W), zero beyond each slice
    extents : (N, 2) height and width of each slice
    """

    pixels: torch.Tensor
    extents: npt.NDArray[np.int64]

    @classmethod
    def of(cls, slices: Sequence[npt.NDArray[np.generic]], place: torch.device) -> Pool:
        """Pad slices (h, w) to the largest height and width."""
        extents = np.array([s.shape for s in slices], dtype=np.int64)
        h, w = extents.max(axis=0)
        pixels = np.zeros((len(slices), h, w), dtype=slices[0].dtype)
        for row, image in enumerate(slices):
            pixels[row, : image.shape[0], : image.shape[1]] = image
        return cls(torch.from_numpy(pixels).to(place), extents)


def crops(
    images: Pool, labels: Pool, rows: npt.NDArray[np.int64], config: TrainConfig, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Random crops (B, 1, crop, crop) of normalised slices and their labels (B, crop, crop).

    Each slice is magnified by a random factor (bilinear; nearest for labels), cropped where it is larger than the
    crop and padded at the bottom and right where it is smaller, and mirrored. Padding is 0: the mean in the image,
    unlabelled in the labels.
    """
    factors = rng.choice(np.asarray(config.resize_factors), len(rows))
    sizes = np.maximum(1, np.round(images.extents[rows] * factors[:, None])).astype(np.int64)
    offsets = rng.integers(0, np.maximum(sizes - config.crop, 0) + 1)
    mirrored = rng.random((len(rows), 2)) < (0.5 if config.flips else 0.0)
    place = images.pixels.device
    axes = [
        _axis(config.crop, sizes[:, a], offsets[:, a], mirrored[:, a], images.extents[rows, a], place)
        for a in (0, 1)
    ]
    index = torch.from_numpy(rows).to(place)[:, None, None]
    (y, inside_y), (x, inside_x) = axes
    inside = inside_y[:, :, None] & inside_x[:, None, :]
    limits = torch.from_numpy(images.extents[rows] - 1).to(place)
    nearest_y = torch.minimum((y + 0.5).floor().long().clamp_min(0), limits[:, :1])[:, :, None]
    nearest_x = torch.minimum((x + 0.5).floor().long().clamp_min(0), limits[:, 1:])[:, None, :]
    image = _bilinear(images.pixels, index, y, x, limits)
    return (image * inside)[:, None], labels.pixels[index, nearest_y, nearest_x] * inside


def _axis(
    crop: int, sizes: npt.NDArray[np.int64], offsets: npt.NDArray[np.int64], mirrored: npt.NDArray[np.bool_],
    extents: npt.NDArray[np.int64], place: torch.device,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """For each crop pixel along one axis: its position in the slice, in pixels, and whether it lies inside."""
    steps = np.arange(crop)
    steps = np.where(mirrored[:, None], steps[::-1], steps) + offsets[:, None]
    position = (steps + 0.5) * (extents / sizes)[:, None] - 0.5
    inside = steps < sizes[:, None]
    return torch.from_numpy(position.astype(np.float32)).to(place), torch.from_numpy(inside).to(place)


def _bilinear(
    pixels: torch.Tensor, index: torch.Tensor, y: torch.Tensor, x: torch.Tensor, limits: torch.Tensor
) -> torch.Tensor:
    low_y, low_x = y.floor(), x.floor()
    share_y, share_x = (y - low_y)[:, :, None], (x - low_x)[:, None, :]
    rows = [torch.minimum((low_y + k).long().clamp_min(0), limits[:, :1])[:, :, None] for k in (0, 1)]
    columns = [torch.minimum((low_x + k).long().clamp_min(0), limits[:, 1:])[:, None, :] for k in (0, 1)]
    top, bottom = (
        pixels[index, r, columns[0]] * (1 - share_x) + pixels[index, r, columns[1]] * share_x for r in rows
    )
    return top * (1 - share_y) + bottom * share_y


def views(
    pool: Pool, rows: npt.NDArray[np.int64], config: PretrainConfig, rng: np.random.Generator
) -> torch.Tensor:
    """One random view (B, crop, crop) in [0, 1] of each slice of a uint8 pool: crop-resize, mirror, jitter.

    The resize is antialiased bilinear, written as two small matrix products per view (SDCLR's is bicubic).
    """
    boxes = random_boxes(pool.extents[rows], config.min_crop_area, rng)
    mirrored = rng.random((len(rows), 2)) < 0.5
    place, (_, h, w) = pool.pixels.device, pool.pixels.shape
    images = pool.pixels[torch.from_numpy(rows).to(place)].float() / 255
    down = resize_matrix(boxes[:, 0], boxes[:, 2], mirrored[:, 0], h, config.crop).to(place)
    across = resize_matrix(boxes[:, 1], boxes[:, 3], mirrored[:, 1], w, config.crop).to(place)
    return jittered(torch.bmm(torch.bmm(down, images), across.transpose(1, 2)), config.jitter, rng)


def random_boxes(
    extents: npt.NDArray[np.int64], min_area: float, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Crop boxes (B, 4) as y, x, height, width: area uniform in [min_area, 1], ratio log-uniform, ten tries, else whole."""
    h, w = extents.T
    boxes = np.stack([np.zeros_like(h), np.zeros_like(w), h, w], axis=1)
    open_ = np.ones(len(h), dtype=bool)
    for _ in range(10):
        area = rng.uniform(min_area, 1, len(h)) * h * w
        ratio = np.exp(rng.uniform(*np.log(RATIOS), len(h)))
        bh, bw = (np.round(np.sqrt(a)).astype(np.int64) for a in (area / ratio, area * ratio))
        fits = open_ & (bh > 0) & (bw > 0) & (bh <= h) & (bw <= w)
        y, x = (rng.integers(0, np.maximum(n - b, 0) + 1) for n, b in ((h, bh), (w, bw)))
        boxes[fits] = np.stack([y, x, bh, bw], axis=1)[fits]
        open_ &= ~fits
    return boxes


def resize_matrix(
    starts: npt.NDArray[np.int64],
    lengths: npt.NDArray[np.int64],
    mirrored: npt.NDArray[np.bool_],
    n_in: int,
    n_out: int,
) -> torch.Tensor:
    """Interpolation matrices (B, n_out, n_in): antialiased bilinear resize of each interval to n_out pixels."""
    step = lengths / n_out
    order = np.where(mirrored[:, None], np.arange(n_out)[::-1], np.arange(n_out))
    centre = starts[:, None] + (order + 0.5) * step[:, None]
    pixel = np.arange(n_in) + 0.5
    reach = np.maximum(step, 1)[:, None, None]
    weight = np.maximum(0, 1 - np.abs(pixel - centre[:, :, None]) / reach)
    box = (pixel > starts[:, None]) & (pixel < (starts + lengths)[:, None])
    weight *= box[:, None, :]
    return torch.from_numpy((weight / weight.sum(axis=2, keepdims=True)).astype(np.float32))


def jittered(images: torch.Tensor, strength: float, rng: np.random.Generator) -> torch.Tensor:
    """Brightness and contrast of images (B, h, w) varied in random order, clamped to [0, 1], for most of them."""
    n = len(images)
    used = rng.random(n) < JITTER_SHARE
    factors = np.where(used[:, None], rng.uniform(1 - strength, 1 + strength, (n, 2)), 1.0)
    brighter, contrast = (
        torch.from_numpy(factors.astype(np.float32)).to(images.device)[:, :, None, None].unbind(1)
    )
    first = torch.from_numpy(rng.random(n) < 0.5).to(images.device)[:, None, None]
    one = _contrast((images * brighter).clamp(0, 1), contrast)
    other = (_contrast(images, contrast) * brighter).clamp(0, 1)
    return torch.where(first, one, other)


def _contrast(images: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    mean = images.mean(dim=(1, 2), keepdim=True)
    return (mean + (images - mean) * factor).clamp(0, 1)


def crops_per_slice(config: TrainConfig, shape: tuple[int, ...]) -> int:
    """Crops drawn from a slice per epoch: as set, or as many as cover its area."""
    return config.crops_per_slice or math.ceil(shape[0] * shape[1] / config.crop**2)
