"""Training crops of labelled slices: resize, crop, pad and mirror, a batch at a time on the device (paper 4.1).

A slice is magnified by a random factor; where it is larger than the crop a random part is taken, where it is smaller it
lies in a corner and the rest is padding, which is the mean in the image and unlabelled in the labels. Mirroring comes
last, so padding may end up on any side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from voidscope.config import TrainConfig
from voidscope.training.focus import Focus
from voidscope.training.pool import Indices, SlicePool
from voidscope.training.resampling import Axis, inside, resize


@dataclass(frozen=True)
class Crops:
    """What was drawn for a batch of B crops: slice (B,), size after magnification, first pixel and mirroring (B, 2)."""

    which: Indices
    resized: Indices
    first: Indices
    mirrored: npt.NDArray[np.bool_]

    @classmethod
    def joined(cls, parts: Sequence[Crops]) -> Crops:
        """The crops of several batches, one batch after the other."""
        return cls(*(np.concatenate([getattr(p, name) for p in parts]) for name in cls.__dataclass_fields__))

    def axis(self, sizes: Indices, crop: int, k: int) -> Axis:
        """How the crops lie along axis `k` (0 down, 1 across) of slices of `sizes` (N, 2)."""
        size, resized = sizes[self.which, k], self.resized[:, k]
        position = self.first[:, k, None] + np.arange(crop)
        position = np.where(self.mirrored[:, k, None], position[:, ::-1], position)
        scale = size / resized
        centres = (position + 0.5) * scale[:, None]
        return Axis(centres, scale, np.zeros_like(size), size, position < resized[:, None])


def draw_crops(
    rng: np.random.Generator, which: Indices, sizes: Indices, config: TrainConfig, focus: Focus | None = None
) -> Crops:
    """Draw magnification, place and mirroring of one crop from each slice in `which`.

    With a `focus`, a share `config.focus` of the crops comes from the slices it draws instead, each with the pixel it
    draws in its middle half.
    """
    factor = rng.choice(np.array(config.resize_factors), len(which))[:, None]
    if focus is None:
        resized = _resized(sizes[which], factor)
        first = rng.integers(0, _room(resized, config.crop) + 1)
    else:
        focused = rng.random(len(which)) < config.focus
        drawn, centre = focus.draw(rng, len(which))
        which = np.where(focused, drawn, which)
        resized = _resized(sizes[which], factor)
        room = _room(resized, config.crop)
        near = np.round((centre + 0.5) * factor - config.crop * rng.uniform(0.25, 0.75, (len(which), 2)))
        around = np.clip(near.astype(np.int64), 0, room)
        first = np.where(focused[:, None], around, rng.integers(0, room + 1))
    mirrored = rng.random((len(which), 2)) < (0.5 if config.flips else 0.0)
    return Crops(which, resized, first, mirrored)


def _resized(sizes: Indices, factor: npt.NDArray[np.float64]) -> Indices:
    return np.maximum(1, np.round(sizes * factor)).astype(np.int64)


def _room(resized: Indices, crop: int) -> Indices:
    """How far a crop can be moved inside a resized slice."""
    return np.maximum(0, resized - crop)


def cut_crops(
    images: SlicePool, labels: SlicePool, crops: Crops, crop: int, normalisation: tuple[float, float]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Normalised crops (B, 1, crop, crop) float32, padding 0, and their labels (B, crop, crop) int64, padding 0."""
    rows, columns = (crops.axis(images.sizes, crop, k) for k in (0, 1))
    there = inside(images, rows, columns)
    mean, std = normalisation
    batch = (resize(images, crops.which, rows, columns) - mean) / std * there
    said = labels.cut(crops.which, rows.nearest, columns.nearest).long() * there
    return batch[:, None], said
