"""What encoder and decoder learn by without labels: telling slices apart (the paper's), or filling in what is hidden."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from voidscope.config import PretrainConfig
from voidscope.model.randomness import rng_at, torch_seeded
from voidscope.training.contrastive import ProjectionHead, chance_loss, nt_xent
from voidscope.training.places import POINTS, draw_places, features_at, local_contrast
from voidscope.training.pool import SlicePool
from voidscope.training.team import Alone
from voidscope.training.views import Views

Features = Callable[[torch.Tensor], torch.Tensor]
"""The network up to the decoder's output: images (B, 1, h, w) to features (B, D, h, w)."""

PROJECTION, PLACES, LOCAL_PROJECTION, MASKS, REGRESSION = 13, 15, 16, 17, 18
"""What random numbers are for, so that no two uses share any."""


class Pretext(Protocol):
    """A task that needs no label."""

    heads: nn.ModuleList
    """What stands on the decoder's output while pretraining, and is thrown away."""
    by_view: int
    """How many of what is `given` hold a row for each view; they come first."""

    def given(
        self, batch: torch.Tensor, views: Views, pool: SlicePool, *place: int
    ) -> tuple[torch.Tensor, ...]:
        """All a step depends on, with what is drawn at a `place` in the run; first `batch`, this process's of the `views`."""

    def rows(self, features_of: Features, *by_view: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """What the loss needs of each view, a row each, from as much of the batch as is passed."""

    def loss(self, rows: tuple[torch.Tensor, ...], *given: torch.Tensor) -> torch.Tensor:
        """The loss of the rows of a batch and of what `given` returned for it."""

    def compared(self, *given: torch.Tensor) -> str:
        """Words about the loss of a network that has learnt nothing."""


class Contrastive:
    """Views of one slice are alike and unlike those of other slices (Eq. 1); optionally so are places inside a slice.

    L = NT-Xent(projected means of the decoder's output) + local_weight * `local_contrast`(projected pixels of it)
    """

    def __init__(self, width: int, config: PretrainConfig, seed: int, team: Alone | None = None) -> None:
        self._config, self._seed, self._team = config, seed, team or Alone()
        uses = (PROJECTION, LOCAL_PROJECTION) if config.local_weight else (PROJECTION,)
        self.by_view = len(uses)
        self.heads = nn.ModuleList()
        for use in uses:
            with torch_seeded(torch.device("cpu"), seed, use):
                self.heads.append(ProjectionHead(width, config.projection_dim, config.hidden_dim))

    def given(
        self, batch: torch.Tensor, views: Views, pool: SlicePool, *place: int
    ) -> tuple[torch.Tensor, ...]:
        """The batch; with a local term also its pixels, and nearness and overlap of all `Places`."""
        mine = self._team.mine(len(views.which))
        if not self._config.local_weight:
            return (batch,)
        places = draw_places(rng_at(self._seed, PLACES, *place), views, self._config.crop)
        return batch, pool.put(places.pixels[mine]), pool.put(places.near), pool.put(places.overlap)

    def rows(self, features_of: Features, *by_view: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Means of the features (B, D); with a local term also the features (B, P, D) of its pixels."""
        batch, *pixels = by_view
        features = features_of(batch)
        means = features.mean((2, 3), dtype=torch.float32)
        return (means, *(features_at(features, p).float() for p in pixels))

    def loss(self, rows: tuple[torch.Tensor, ...], *given: torch.Tensor) -> torch.Tensor:
        """NT-Xent of the projected means, plus the weighted local term."""
        means, *local = rows
        loss = nt_xent(self._team.whole(self.heads[0](means)), self._config.temperature)
        return loss + self._config.local_weight * self._local(*local, *given[2:]) if local else loss

    def _local(self, at: torch.Tensor, near: torch.Tensor, overlap: torch.Tensor) -> torch.Tensor:
        vectors = self.heads[1](at.flatten(0, 1)).unflatten(0, (-1, POINTS))
        return local_contrast(self._team.whole(vectors), near, overlap, self._config.temperature)

    def compared(self, *given: torch.Tensor) -> str:
        """The loss of vectors that say nothing about slices."""
        return f"chance {chance_loss(self._team.n // 2):.2f}"


class Masked:
    """Patches of a view are hidden and filled in from the rest: mean over hidden pixels of (x - x')^2.

    Hidden pixels are 0, the mean of normalised intensities; x' is a linear function of the decoder's output per pixel.
    """

    by_view = 2

    def __init__(self, width: int, config: PretrainConfig, seed: int, team: Alone | None = None) -> None:
        self._config, self._seed, self._team = config, seed, team or Alone()
        with torch_seeded(torch.device("cpu"), seed, REGRESSION):
            self.heads = nn.ModuleList([nn.Conv2d(width, 1, kernel_size=1)])

    def given(
        self, batch: torch.Tensor, views: Views, pool: SlicePool, *place: int
    ) -> tuple[torch.Tensor, ...]:
        """The batch and which of its pixels are hidden, (B, 1, h, w)."""
        hidden = draw_masks(rng_at(self._seed, MASKS, *place), len(views.which), self._config)
        return batch, pool.put(hidden[self._team.mine(len(hidden))])

    def rows(self, features_of: Features, *by_view: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Mean squared error over the hidden pixels of each view."""
        batch, hidden = by_view
        found = self.heads[0](features_of(batch.masked_fill(hidden, 0.0)).float())
        return (mean_squares(found - batch, hidden),)

    def loss(self, rows: tuple[torch.Tensor, ...], *given: torch.Tensor) -> torch.Tensor:
        """Mean squared error over the hidden pixels."""
        return self._team.whole(rows[0]).mean()

    def compared(self, *given: torch.Tensor) -> str:
        """The loss of answering with the mean everywhere."""
        return f"by the mean {float(self._team.whole(mean_squares(*given)).mean()):.2f}"


def draw_masks(rng: np.random.Generator, n: int, config: PretrainConfig) -> npt.NDArray[np.bool_]:
    """Which pixels (n, 1, crop, crop) of n views are hidden: the same number of whole patches in each."""
    side = config.crop // config.patch
    count = min(max(1, round(config.masked * side**2)), side**2 - 1)
    hidden = rng.random((n, side**2)).argsort(axis=1) < count
    patches = hidden.reshape(n, 1, side, side)
    return patches.repeat(config.patch, axis=2).repeat(config.patch, axis=3)


def mean_squares(values: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    """Mean of the squares of each of the `values` (B, ...) at `where`; as many count in each, so their mean is that of all."""
    return (values.square() * where).flatten(1).sum(1) / where.flatten(1).sum(1)
