"""What one forward pass says about a slice: mask, entropy, and the numbers a survey keeps (Eq. 2, 3, 5)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from voidscope.acquisition import SurveyRow, Suspects, top_pixels
from voidscope.vocabulary import Mask, SliceKey

PATCH = 8
"""Side of the patches over which scores are averaged, in pixels."""


@dataclass(frozen=True, slots=True)
class SlicePrediction:
    """A model's view of one slice of (h, w) pixels; padding is in none of it.

    Attributes
    ----------
    mask : (h, w) the likeliest class of each pixel, ids 1..C
    entropy : (h, w) float32, nats, within [0, ln C] (Eq. 5)
    counts : (C,) int64, pixels per class of `mask`
    entropy_max, entropy_mean : nats, over all pixels
    entropy_local : (2,) float32, nats, mean of the most uncertain pixels (`top_percent` of `summarise`), and the greatest
        mean over any 8 x 8 patch
    embedding : (D,) float32, mean of the decoder's output over the slice (f in Eq. 4)
    class_pixel : (C, 2) int32, (y, x) of the surest pixel of each class of `mask`, -1 where the class is absent
    entropy_pixel : (2,) int32, (y, x) of the pixel with the largest entropy
    class_entropy : (C,) float32, nats, mean over the slice of the entropy times the probability of each class
    patch_share : (C,) float32, the greatest share of each class of `mask` in any 8 x 8 patch
    gradient : (G,) float32, of the head's kernel for the slice's own mask (BADGE); None unless it was asked for
    views : (V, h', w', C) int64, pixels of each class by each mirror image alone less those of `mask`, in tiles of `TILE` pixels; None
        where only the slice as it is was looked at
    suspects : pixels called otherwise that may be void; None unless void classes were named
    """

    mask: Mask
    entropy: npt.NDArray[np.float32]
    counts: npt.NDArray[np.int64]
    entropy_max: float
    entropy_mean: float
    embedding: npt.NDArray[np.float32]
    class_pixel: npt.NDArray[np.int32]
    entropy_pixel: npt.NDArray[np.int32]
    entropy_local: npt.NDArray[np.float32]
    class_entropy: npt.NDArray[np.float32]
    patch_share: npt.NDArray[np.float32]
    gradient: npt.NDArray[np.float32] | None = None
    views: npt.NDArray[np.int64] | None = None
    suspects: Suspects | None = None

    def survey_row(self, key: SliceKey) -> SurveyRow:
        """What a survey keeps of the slice `key`."""
        return SurveyRow(
            key, self.counts, self.entropy_max, self.entropy_mean, self.embedding, self.class_pixel, self.entropy_pixel,
            self.entropy_local, self.class_entropy, self.patch_share, self.gradient,
        )  # fmt: skip


def summarise(
    logits: torch.Tensor, features: torch.Tensor, shape: tuple[int, int], top_percent: float = 1.0
) -> tuple[SlicePrediction, ...]:
    """Summarise logits (B, C, H, W) and features (B, D, H, W) over the top left (h, w) = `shape` pixels.

    Ties go to the lowest class and to the lowest pixel in reading order. The entropy comes from log-softmax, so a
    pixel whose probabilities are exactly 0 and 1 has entropy 0, not NaN. A slice smaller than a patch is one patch.

    Parameters
    ----------
    top_percent : what share of the pixels `entropy_local` averages first, in percent
    """
    height, width = shape
    log_p = logits[:, :, :height, :width].float().log_softmax(1)
    plane = _entropy(log_p)
    entropy = plane.flatten(1)
    surest, best = log_p.max(1)
    counts, class_pixel = _per_class(surest.flatten(1), best.flatten(1), log_p.shape[1], width)
    columns = (
        (best + 1).to(torch.uint8),
        plane,
        counts,
        entropy.amax(1),
        entropy.mean(1),
        features[:, :, :height, :width].mean((2, 3), dtype=torch.float32),
        class_pixel,
        _position(entropy.argmax(1), width),
        torch.stack((_top(entropy, top_percent), _best_patch(plane)), 1),
        (log_p.exp() * plane[:, None]).mean((2, 3)),
        torch.stack([_best_patch((best == c).to(torch.uint8)) for c in range(log_p.shape[1])], 1),
    )  # fmt: skip
    rows = zip(*(c.cpu().numpy() for c in columns), strict=True)
    return tuple(SlicePrediction(m, e, n, float(x), float(y), *rest) for m, e, n, x, y, *rest in rows)


def _entropy(log_p: torch.Tensor) -> torch.Tensor:
    """-sum p log p (Eq. 5) in nats, (B, h, w); rounding is kept within what an entropy can be."""
    return (log_p.exp() * log_p).sum(1).neg().clamp_(0.0, math.log(log_p.shape[1]))


def _top(entropy: torch.Tensor, percent: float) -> torch.Tensor:
    """Mean of the highest `percent` % of each slice's entropies (B, h*w), (B,)."""
    return entropy.topk(int(top_pixels(entropy.shape[1], percent)), dim=1, sorted=False).values.mean(1)


def _best_patch(planes: torch.Tensor) -> torch.Tensor:
    """The greatest mean of (B, h, w) over any patch, (B,); sums are of the planes' own type, which holds 64 of them."""
    n_pixels = 1
    for axis in (1, 2):
        size = min(PATCH, planes.shape[axis])
        places = planes.shape[axis] - size + 1
        # Whole planes are added, shifted: many times faster on a CPU than pooling.
        planes = sum((planes.narrow(axis, k, places) for k in range(1, size)), planes.narrow(axis, 0, places))
        n_pixels *= size
    return planes.flatten(1).amax(1).float() / n_pixels


def _per_class(
    surest: torch.Tensor, best: torch.Tensor, n_classes: int, width: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Pixels per predicted class (B, C), and the position (B, C, 2) of the surest pixel of each, from (B, h*w)."""
    counts = torch.zeros((len(best), n_classes), dtype=torch.int64, device=best.device)
    where = torch.full((len(best), n_classes, 2), -1, dtype=torch.int32, device=best.device)
    for c in range(n_classes):
        mine = best == c
        counts[:, c] = mine.sum(1)
        found = _position(surest.masked_fill(~mine, -math.inf).argmax(1), width)
        where[:, c] = torch.where(counts[:, c, None] > 0, found, where[:, c])
    return counts, where


def _position(flat: torch.Tensor, width: int) -> torch.Tensor:
    """(B, 2) int32 rows and columns of flat pixel indices (B,)."""
    return torch.stack((flat // width, flat % width), 1).to(torch.int32)
