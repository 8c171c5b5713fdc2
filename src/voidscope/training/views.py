"""Two random views of each slice for contrastive pretraining, made in batches on the device (METHODS 2.2).

A view is a random crop of random area and aspect resized to a square, mirrored, changed in brightness and contrast, and
on request blurred.
Resizing is antialiased bilinear where the reference uses Pillow's bicubic: on these views they differ by less than
the jitter, and two matrix products replace a loader.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from voidscope.config import PretrainConfig
from voidscope.training.pool import Indices, SlicePool
from voidscope.training.resampling import Axis, resize

ASPECTS = (3 / 4, 4 / 3)
"""Width to height of a crop."""
ATTEMPTS = 10
"""Crops drawn until one fits into the slice; then the largest there is, anywhere: in the middle, where torchvision takes it,
nothing but the middle of long slices would be learnt. Slices of the paper's sizes need it in at most 2 views of 1,000.
"""
BLUR_PX = (0.1, 2.0)
"""Standard deviation of a blurred view's Gaussian, in pixels."""
JITTERED = 0.8
"""Share of views whose brightness and contrast change."""
MOST_PIXELS = {True: 2**20, False: 2**23}
"""Source pixels gathered at a time: on the CPU few, for its cache; elsewhere as many as memory takes easily."""


@dataclass(frozen=True)
class Views:
    """What was drawn for B views: slice (B,); first pixel, size and mirroring of the crop (B, 2); jitter and blur.

    `brightness` and `contrast` (B,) are factors, 1 for no change; `brightness_first` (B,) is their order. `blur` (B,) is
    the standard deviation of a Gaussian in pixels of the view, 0 for none.
    """

    which: Indices
    first: Indices
    size: Indices
    mirrored: npt.NDArray[np.bool_]
    brightness: npt.NDArray[np.float64]
    contrast: npt.NDArray[np.float64]
    brightness_first: npt.NDArray[np.bool_]
    blur: npt.NDArray[np.float64]

    def part(self, chosen: Indices) -> Views:
        """Views `chosen`, in that order."""
        return Views(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))

    def axis(self, out: int, k: int) -> Axis:
        """How the views lie along axis `k` (0 down, 1 across); only pixels of the crop itself count."""
        position = np.broadcast_to(np.arange(out), (len(self.which), out))
        position = np.where(self.mirrored[:, k, None], position[:, ::-1], position)
        first, size = self.first[:, k], self.size[:, k]
        scale = size / out
        centres = first[:, None] + (position + 0.5) * scale[:, None]
        return Axis(centres, scale, first, first + size, np.ones(position.shape, np.bool_))


def draw_views(rng: np.random.Generator, which: Indices, sizes: Indices, config: PretrainConfig) -> Views:
    """Draw one view of each slice in `which`; a slice named twice gets two independent views."""
    size = _crop_sizes(rng, sizes[which], config.min_crop_area)
    first = rng.integers(0, sizes[which] - size + 1)
    mirrored = rng.random((len(which), 2)) < 0.5
    changed = rng.random(len(which)) < JITTERED
    factors = rng.uniform(1 - config.jitter, 1 + config.jitter, (2, len(which)))
    brightness, contrast = np.where(changed, factors, 1.0)
    brightness_first = rng.random(len(which)) < 0.5
    blurred = rng.random(len(which)) < config.blur
    blur = np.where(blurred, rng.uniform(*BLUR_PX, len(which)), 0.0)
    return Views(which, first, size, mirrored, brightness, contrast, brightness_first, blur)


def cut_views(
    pool: SlicePool, views: Views, config: PretrainConfig, normalisation: tuple[float, float]
) -> torch.Tensor:
    """Normalised views (B, 1, crop, crop) float32; normalisation comes after the jitter, which needs [0, 1]."""
    mean, std = normalisation
    batch = torch.empty((len(views.which), config.crop, config.crop), device=pool.device)
    for part in _of_like_size(views.size, MOST_PIXELS[pool.device.type == "cpu"]):
        chosen = views.part(part)
        made = resize(pool, chosen.which, chosen.axis(config.crop, 0), chosen.axis(config.crop, 1))
        changed = _blurred(pool, _jittered(pool, made, chosen), chosen.blur)
        batch.index_copy_(0, pool.put(part), changed.sub_(mean).div_(std))
    return batch[:, None]


def _of_like_size(sizes: Indices, most_pixels: int) -> list[Indices]:
    """Crops of `sizes` (B, 2) in parts, the small ones first, so that hardly any has a window larger than itself."""
    area = sizes.prod(axis=1)
    order = np.argsort(area, kind="stable")
    step = max(1, most_pixels // int(area.max()))
    return np.split(order, range(step, len(order), step))


def _jittered(pool: SlicePool, batch: torch.Tensor, views: Views) -> torch.Tensor:
    """Brightness times a factor and contrast about the view's own mean, in the drawn order, clamped to [0, 1] each time.

    The batch is changed in place.
    """

    def column(values: npt.NDArray[np.float64]) -> torch.Tensor:
        return pool.put(values.astype(np.float32))[:, None, None]

    contrast = column(views.contrast)
    batch.mul_(column(np.where(views.brightness_first, views.brightness, 1.0))).clamp_(0, 1)
    grey = batch.mean((1, 2), keepdim=True).mul_(1 - contrast)
    batch.mul_(contrast).add_(grey).clamp_(0, 1)
    return batch.mul_(column(np.where(views.brightness_first, 1.0, views.brightness))).clamp_(0, 1)


def _blurred(pool: SlicePool, batch: torch.Tensor, sigma: npt.NDArray[np.float64]) -> torch.Tensor:
    """Smooth the views whose `sigma` is not 0, in place; at the border only pixels of the view count."""
    chosen = np.flatnonzero(sigma)
    if len(chosen) == 0:
        return batch
    pixel = np.arange(batch.shape[1])
    distance = (pixel[:, None] - pixel) / sigma[chosen, None, None]
    weights = np.exp(-(distance**2) / 2)
    smooth = pool.put((weights / weights.sum(2, keepdims=True)).astype(np.float32))
    at = pool.put(chosen)
    return batch.index_copy_(0, at, torch.bmm(torch.bmm(smooth, batch[at]), smooth.transpose(1, 2)))


def _crop_sizes(rng: np.random.Generator, sizes: Indices, min_area: float) -> Indices:
    """Heights and widths (B, 2) of random crops of at least `min_area` of the slice's area."""
    area = sizes.prod(axis=1)[:, None] * rng.uniform(min_area, 1.0, (len(sizes), ATTEMPTS))
    aspect = np.exp(rng.uniform(math.log(ASPECTS[0]), math.log(ASPECTS[1]), (len(sizes), ATTEMPTS)))
    tried = np.stack((np.sqrt(area / aspect), np.sqrt(area * aspect)), axis=2).round().astype(np.int64)
    fits: npt.NDArray[np.bool_] = np.all((tried >= 1) & (tried <= sizes[:, None]), axis=2)
    chosen = tried[np.arange(len(sizes)), np.argmax(fits, axis=1)]
    return np.where(np.any(fits, axis=1)[:, None], chosen, _largest_within_aspect(sizes))


def _largest_within_aspect(sizes: Indices) -> Indices:
    height, width = sizes[:, 0], sizes[:, 1]
    return np.stack(
        (np.minimum(height, np.round(width / ASPECTS[0])), np.minimum(width, np.round(height * ASPECTS[1]))),
        axis=1,
    ).astype(np.int64)
