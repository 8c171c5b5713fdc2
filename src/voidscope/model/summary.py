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
    # One plane per class after the other: on a CPU, channels that lie side by side take up to twice as long.
    planes = logits[:, :, :height, :width].to(torch.float32, memory_format=torch.contiguous_format)
    log_p = planes.log_softmax(1)
    p = log_p.exp()
    # Eq. 5; rounding is kept within what an entropy can be.
    plane = (p * log_p).sum(1).neg_().clamp_(0.0, math.log(p.shape[1]))
    entropy = plane.flatten(1)
    best = _best(log_p)
    wins = torch.stack([best == c for c in range(log_p.shape[1])], 1).view(torch.uint8)
    columns = (
        best + 1,
        plane,
        wins.sum((2, 3)),
        entropy.amax(1),
        entropy.mean(1),
        features[:, :, :height, :width].mean((2, 3), dtype=torch.float32),
        _surest(log_p, wins),
        _position(entropy.argmax(1), width),
        torch.stack((_top(entropy, top_percent), _best_patch(plane)), 1),
        (p.flatten(2) @ entropy[:, :, None])[:, :, 0] / entropy.shape[1],
        _best_patch(wins),
    )
    rows = zip(*(c.cpu().numpy() for c in columns), strict=True)
    return tuple(SlicePrediction(m, e, n, float(x), float(y), *rest) for m, e, n, x, y, *rest in rows)


def _best(log_p: torch.Tensor) -> torch.Tensor:
    """The likeliest class of each pixel of (B, C, h, w), the lowest of equal ones, (B, h, w) uint8; by planes, a fraction of argmax's time."""
    surest, best = log_p[:, 0], torch.zeros_like(log_p[:, 0], dtype=torch.uint8)
    for c in range(1, log_p.shape[1]):
        best = torch.maximum(best, (log_p[:, c] > surest).view(torch.uint8) * c)
        surest = torch.maximum(surest, log_p[:, c])
    return best


def _surest(log_p: torch.Tensor, wins: torch.Tensor) -> torch.Tensor:
    """(B, C, 2) int32 position of the surest of the pixels that each class wins (B, C, h, w), -1 where it wins none.

    That is where the class is likeliest of all its pixels, unless it does not win there.
    """
    won, likely = wins.flatten(2), log_p.flatten(2)
    at, none = likely.argmax(2), won.amax(2) == 0
    elsewhere = won.gather(2, at[:, :, None])[:, :, 0] == 0
    for b, c in (elsewhere & ~none).nonzero().tolist():
        at[b, c] = likely[b, c].masked_fill(won[b, c] == 0, -math.inf).argmax()
    found = _position(at.flatten(), log_p.shape[-1]).view(*at.shape, 2)
    return found.masked_fill_(none[:, :, None], -1)


def _top(entropy: torch.Tensor, percent: float) -> torch.Tensor:
    """Mean of the highest `percent` % of each slice's entropies (B, h*w), (B,)."""
    return entropy.topk(int(top_pixels(entropy.shape[1], percent)), dim=1, sorted=False).values.mean(1)


def _best_patch(planes: torch.Tensor) -> torch.Tensor:
    """The greatest mean of (..., h, w) over any patch, (...); sums are of the planes' own type, which holds 64 of them."""
    n_pixels = 1
    for axis in (-2, -1):
        size = min(PATCH, planes.shape[axis])
        planes = _sums(planes, axis, size)
        n_pixels *= size
    return planes.flatten(-2).amax(-1).float() / n_pixels


def _sums(planes: torch.Tensor, axis: int, size: int) -> torch.Tensor:
    """Sums of `size` neighbours along an axis: of two, four, ... by adding whole planes, shifted, to themselves."""
    places, done, span = planes.shape[axis] - size + 1, 0, 1
    parts: list[torch.Tensor] = []
    while True:
        if size & span:
            parts.append(planes.narrow(axis, done, places))
            done += span
        if done == size:
            return sum(parts[1:], parts[0])
        left = planes.shape[axis] - span
        planes = planes.narrow(axis, 0, left) + planes.narrow(axis, span, left)
        span *= 2


def _position(flat: torch.Tensor, width: int) -> torch.Tensor:
    """(B, 2) int32 rows and columns of flat pixel indices (B,)."""
    return torch.stack((flat // width, flat % width), 1).to(torch.int32)
