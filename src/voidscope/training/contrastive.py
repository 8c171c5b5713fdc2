"""The parts of contrastive pretraining: loss, projection head and schedule (paper 3.1, Eq. 1; METHODS 2.2)."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

LAST_RATE = 1e-6
"""Learning rate at the last step."""


def nt_xent(views: torch.Tensor, temperature: float) -> torch.Tensor:
    """Contrastive loss of a batch (Eq. 1 over both views of every slice), a scalar.

    Parameters
    ----------
    views : (2N, D) vectors; rows 2k and 2k + 1 are two views of slice k, each other's positive. The 2N - 2 others are
        the negatives. Their lengths do not matter.
    temperature : tau

    Notes
    -----
    Vectors that say nothing give ln(2N - 1).
    """
    unit = functional.normalize(views.float(), dim=1)
    similarity = unit @ unit.T / temperature  # (2N, 2N)
    similarity.fill_diagonal_(-math.inf)  # a view is not compared with itself
    positives = torch.arange(len(views), device=views.device) ^ 1  # 1, 0, 3, 2, ...
    return functional.cross_entropy(similarity, positives)


class ProjectionHead(nn.Sequential):
    """Two layers between the pooled decoder output and the contrasted vector; thrown away afterwards.

    Linear, batch norm, ReLU, linear without bias, batch norm, as in the reference implementation; there the hidden layer
    is as wide as the input, here so with `hidden` 0.
    """

    def __init__(self, width: int, projection_dim: int, hidden: int = 0) -> None:
        hidden = hidden or width
        super().__init__(
            nn.Linear(width, hidden),
            nn.BatchNorm1d(hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, projection_dim, bias=False),
            nn.BatchNorm1d(projection_dim),
        )


def learning_rate_at(step: int, total: int, warmup: int, peak: float) -> float:
    """Learning rate of step 1..`total`: a straight line to `peak` at step `warmup`, then half a cosine to 1e-6.

    A warm-up longer than half of a short run is cut to half of it, so that every run reaches its peak and comes down.
    """
    warmup = min(warmup, total // 2)
    if step <= warmup:
        return peak * (step / warmup)
    share = (step - warmup) / (total - warmup)
    return LAST_RATE + (peak - LAST_RATE) * (1 + math.cos(math.pi * share)) / 2


def chance_loss(n_slices: int) -> float:
    """The loss of vectors that say nothing about `n_slices` slices: ln(2N - 1)."""
    return math.log(2 * n_slices - 1)
