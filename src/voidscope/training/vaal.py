"""VAAL: a variational autoencoder and a discriminator that learn which slices look unlabelled (METHODS 3.5).

The autoencoder codes slices so that the discriminator cannot tell labelled from unlabelled ones; where it still can, a
slice shows what the labelled ones do not. As in the authors' code, with the spatial sizes of a 64 x 64 image.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch

from voidscope.errors import JobFailed, NotReady
from voidscope.jobs import Progress, Steps
from voidscope.model.devices import Compute
from voidscope.model.failures import told_in_one_line
from voidscope.model.randomness import rng_at, torch_seeded
from voidscope.training.pool import Indices, SlicePool
from voidscope.training.resampling import Axis, resize
from voidscope.training.vaal_networks import SIDE, Autoencoder, Discriminator, Latent, told_apart, vae_loss

Image = npt.NDArray[np.float32]
LARGEST_BATCH = 64
"""Slices of each kind per step, where so many are labelled."""
LEARNING_RATE = 5e-4
"""Of both Adam optimisers."""
VAE_STEPS = 2
"""Steps of the autoencoder to each one of the discriminator."""
AT_ONCE = 256
"""Slices resized or judged at a time."""
WEIGHTS, NOISE, LABELLED, REST = 31, 32, 33, 34
"""What random numbers are for, so that no two uses share any."""


def vaal_steps(
    images: Sequence[Image],
    labelled: Sequence[bool],
    *,
    seed: int,
    device: str = "auto",
    epochs: int = 100,
    width: int = 128,
    latent: int = 32,
    beta: float = 1.0,
    adversary: float = 1.0,
) -> Steps[npt.NDArray[np.float64]]:
    """Train both networks on all slices; yields progress, returns D(mu) of every slice, (N,) in [0, 1].

    D is near 1 for slices like the labelled ones; VAAL picks the unlabelled slices with the lowest. On one CPU and as
    many threads the same seed gives the same values bit for bit.

    Parameters
    ----------
    images : all training slices (h, w), of any sizes, scaled to [0, 1]
    labelled : whether each is labelled, (N,)
    epochs : the autoencoder and the discriminator see about this many times N slices of each kind
    width : channels of the first convolution; the others are 2, 4 and 8 times as wide
    latent : length Z of a code
    beta : weight of the codes' divergence from N(0, 1), which at the authors' 1 dominates; see `vae_loss`
    adversary : weight of deceiving the discriminator in the autoencoder's loss

    Raises
    ------
    NotReady : no slice is labelled, or every one is.
    JobFailed : a loss became not a number, or torch failed.
    """
    flags = np.asarray(labelled, bool)
    if len(flags) != len(images) or not flags.any() or flags.all():
        raise NotReady(
            f"VAAL compares labelled with unlabelled slices; got {len(images)} slices and {int(flags.sum())} labelled of "
            f"{len(flags)}. Label some, but not all."
        )
    with told_in_one_line("VAAL"):
        game = _Game(images, seed, device, width, latent, beta, adversary)
        size = min(LARGEST_BATCH, int(flags.sum()))
        total = max(1, len(images) * epochs // size)
        known, rest = (
            endless_batches(rng_at(seed, use), np.flatnonzero(mask), size)
            for use, mask in ((LABELLED, flags), (REST, ~flags))
        )
        for k in range(total):
            coded, told = game.play(known, rest, k)
            yield Progress(k + 1, total, f"VAAL, autoencoder {coded:.3f}, discriminator {told:.3f}")
        return game.judge()


def endless_batches(rng: np.random.Generator, members: Indices, size: int) -> Iterator[Indices]:
    """Batches of `size` of `members`, pass after pass in new orders; a batch may span two passes."""
    waiting = members[:0]
    while True:
        while len(waiting) < size:
            waiting = np.concatenate((waiting, rng.permutation(members)))
        yield waiting[:size]
        waiting = waiting[size:]


class _Game:
    """Autoencoder against discriminator."""

    def __init__(
        self, images: Sequence[Image], seed: int, device: str, width: int, latent: int, beta: float,
        adversary: float,
    ) -> None:  # fmt: skip
        self.seed, self.beta, self.adversary = seed, beta, adversary
        self.compute = Compute.choose(device)
        self.images = _squares(images, self.compute.device)
        with torch_seeded(torch.device("cpu"), seed, WEIGHTS):
            self.vae = self.compute.place(Autoencoder(width, latent))
            self.discriminator = Discriminator(latent, 4 * width).to(self.compute.device)
        self.optimisers = [
            torch.optim.Adam(n.parameters(), lr=LEARNING_RATE) for n in (self.vae, self.discriminator)
        ]

    def play(self, known: Iterator[Indices], rest: Iterator[Indices], k: int) -> tuple[float, float]:
        """Iteration `k`: two steps of the autoencoder, one of the discriminator on the last batches; returns their losses."""
        self.vae.train()
        for step in range(VAE_STEPS):
            batches = self._batch(next(known)), self._batch(next(rest))
            coded = self._code_better(batches, rng_at(self.seed, NOISE, k, step))
        told = self._tell_better(batches)
        values = float(coded), float(told)
        if not all(math.isfinite(v) for v in values):
            raise JobFailed(
                f"VAAL stopped in iteration {k + 1}: its loss is not a number; use another seed or strategy."
            )
        return values

    def _batch(self, which: Indices) -> torch.Tensor:
        chosen = self.images[torch.from_numpy(which).to(self.images.device)]
        return chosen.contiguous(memory_format=self.compute.layout)

    def _code_better(
        self, batches: tuple[torch.Tensor, torch.Tensor], rng: np.random.Generator
    ) -> torch.Tensor:
        losses, judged = [], []
        for images in batches:
            with self.compute.running():
                code = self.vae.encode(images)
                again = self.vae.decode(self._drawn(code, rng))
            losses.append(vae_loss(images, again, code, self.beta))
            judged.append(self.discriminator(code[0]))
        return self._step(0, losses[0] + losses[1] + self.adversary * told_apart(*judged, rest_is=1.0))

    def _drawn(self, code: Latent, rng: np.random.Generator) -> torch.Tensor:
        """Codes drawn from their normal distributions."""
        mean, log_variance = code
        noise = torch.from_numpy(rng.standard_normal(mean.shape, np.float32)).to(mean.device)
        return mean + (0.5 * log_variance).exp() * noise

    def _tell_better(self, batches: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        with torch.no_grad(), self.compute.running():
            codes = [self.vae.encode(images)[0] for images in batches]
        return self._step(1, told_apart(*(self.discriminator(c) for c in codes), rest_is=0.0))

    def _step(self, which: int, loss: torch.Tensor) -> torch.Tensor:
        self.optimisers[which].zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimisers[which].step()
        return loss.detach()

    def judge(self) -> npt.NDArray[np.float64]:
        """D(mu) of every slice, with the running statistics, so that no slice's value depends on its neighbours."""
        self.vae.eval()
        with torch.no_grad(), self.compute.running():
            parts = np.split(np.arange(len(self.images)), range(AT_ONCE, len(self.images), AT_ONCE))
            codes = [self.vae.encode(self._batch(which))[0] for which in parts]
        with torch.no_grad():
            judged: npt.NDArray[np.float64] = (
                self.discriminator(torch.cat(codes)).double().sigmoid().cpu().numpy()
            )
        return judged


def _squares(images: Sequence[Image], device: torch.device) -> torch.Tensor:
    """All slices as (N, 1, 64, 64) float32, antialiased, from -1 to 1 as in the authors' code."""
    pool = SlicePool(images, torch.float16, device)
    parts = []
    for start in range(0, len(pool), AT_ONCE):
        which = np.arange(start, min(len(pool), start + AT_ONCE))
        parts.append(resize(pool, which, *(_whole(pool.sizes[which, k]) for k in (0, 1))))
    return (2 * torch.cat(parts) - 1)[:, None]


def _whole(size: Indices) -> Axis:
    """All of each slice's pixels along one axis."""
    scale = size / SIDE
    centres = (np.arange(SIDE) + 0.5) * scale[:, None]
    return Axis(centres, scale, np.zeros_like(size), size, np.ones(centres.shape, np.bool_))
