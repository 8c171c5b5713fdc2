"""Telling places inside a slice apart: the local term beside the contrast of whole slices.

Both views of a slice are crops of known geometry, so a point of their overlap has a pixel in each. Features there should
agree with each other and differ from those of other points of the slice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from voidscope.training.pool import Indices
from voidscope.training.views import Views

POINTS = 16
"""Points drawn in the overlap of a slice's two views."""
NEAR_PX = 4
"""Two points that are closer than this in either view are not told apart."""


@dataclass(frozen=True)
class Places:
    """Corresponding pixels of N pairs of views, P in each.

    Attributes
    ----------
    pixels : (2N, P) index row * side + column; rows 2k and 2k + 1 are the two views of slice k
    near : (N, P, P) whether two points are too close to be told apart; none is near itself
    overlap : (N,) whether the views overlap at all; where not, the pixels say nothing
    """

    pixels: Indices
    near: npt.NDArray[np.bool_]
    overlap: npt.NDArray[np.bool_]


def draw_places(rng: np.random.Generator, views: Views, side: int) -> Places:
    """Draw points evenly in the overlap of each slice's two views (rows 2k and 2k + 1 of `views`)."""
    first, size = (a.reshape(-1, 2, 2) for a in (views.first, views.size))
    low, high = first.max(axis=1), (first + size).min(axis=1)
    share = rng.random((len(low), POINTS, 2))
    points = low[:, None] + share * (high - low)[:, None]
    position = (points[:, None] - first[:, :, None]) / size[:, :, None]  # (N, 2, P, 2) in shares of a view
    position = np.where(views.mirrored.reshape(-1, 2, 1, 2), 1 - position, position) * side
    pixel = np.clip(position.astype(np.int64), 0, side - 1)
    apart = np.abs(position[:, :, :, None] - position[:, :, None]).max(axis=4).min(axis=1)
    near = (apart < NEAR_PX) & ~np.eye(POINTS, dtype=bool)
    pixels = (pixel[..., 0] * side + pixel[..., 1]).reshape(-1, POINTS)
    return Places(pixels, near, np.all(high > low, axis=1))


def features_at(features: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
    """Features (2N, P, D) of maps (2N, D, h, w) at `pixels` (2N, P)."""
    rows = torch.arange(len(pixels), device=pixels.device)[:, None]
    at: torch.Tensor = features.flatten(2)[rows, :, pixels]
    return at


def local_contrast(
    vectors: torch.Tensor, near: torch.Tensor, overlap: torch.Tensor, temperature: float
) -> torch.Tensor:
    """Mean over slices, their points p and both directions of -ln( exp(a_p . b_p / tau) / sum_q exp(a_p . b_q / tau) ).

    a and b are the unit vectors of a slice's points in its two views; q runs over p and the points not near it. Vectors
    that say nothing give at most ln P. Slices whose views do not overlap do not count; without any that do it is 0.

    Parameters
    ----------
    vectors : (2N, P, D); rows 2k and 2k + 1 are the two views of slice k
    near, overlap : see `Places`
    """
    unit = functional.normalize(vectors.float(), dim=2)
    similarity = unit[::2] @ unit[1::2].transpose(1, 2) / temperature  # (N, P, P)
    similarity = similarity.masked_fill(near, -math.inf)
    positives = similarity.diagonal(dim1=1, dim2=2)
    terms = (similarity.logsumexp(2) + similarity.logsumexp(1)) / 2 - positives  # (N, P)
    counted = overlap.to(terms.dtype)
    return (terms.mean(1) * counted).sum() / counted.sum().clamp_min(1)
