"""VAAL: a variational autoencoder and a discriminator that learn which slices look unlabelled (METHODS 3.5).

The autoencoder codes slices so that the discriminator cannot tell labelled from unlabelled ones; where it still can, a
slice shows what the labelled ones do not. As in the authors' code, with the spatial sizes of a 64 x 64 image.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from voidscope.errors import NotReady, is_out_of_memory
from voidscope.jobs import Progress, Steps
from voidscope.model.devices import Compute
from voidscope.model.failures import told_in_one_line
from voidscope.model.randomness import rng_at, torch_seeded
from voidscope.training.batches import parts_of
from voidscope.training.course import Course, finite, follow
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
"""Slices resized or judged at a time; fewer are judged where memory was short."""
WEIGHTS, NOISE, LABELLED, REST = 31, 32, 33, 34
"""What random numbers are for, so that no two uses share any."""


@dataclass(frozen=True)
class Judged:
    """What VAAL found.

    Attributes
    ----------
    scores : D(mu) of every slice, (N,) in [0, 1]
    warnings : what went wrong and was mended on the way
    """

    scores: npt.NDArray[np.float64]
    warnings: tuple[str, ...] = ()


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
) -> Steps[Judged]:
    """Train both networks on all slices; yields progress, returns `Judged`.

    D is near 1 for slices like the labelled ones; VAAL picks the unlabelled slices with the lowest. On one CPU and as
    many threads the same seed gives the same values bit for bit.

    Parameters
    ----------
    images : all training slices (h, w), of any sizes, scaled to [0, 1]
    labelled : whether each is labelled, (N,)
    epochs : the discriminator sees about this many times N slices of each kind, the autoencoder twice as many
    width : channels of the first convolution; the others are 2, 4 and 8 times as wide
    latent : length Z of a code
    beta : weight of the codes' divergence from N(0, 1), which at the authors' 1 dominates; see `vae_loss`
    adversary : weight of deceiving the discriminator in the autoencoder's loss

    Raises
    ------
    NotReady : no slice is labelled, or every one is.
    JobFailed : a loss diverged twice, memory ran out, or torch failed.
    """
    flags = np.asarray(labelled, bool)
    if len(flags) != len(images) or not flags.any() or flags.all():
        raise NotReady(
            f"VAAL compares labelled with unlabelled slices; got {len(images)} slices and {int(flags.sum())} labelled of "
            f"{len(flags)}. Label some, but not all."
        )
    with told_in_one_line("VAAL", needs_less_memory="close other programs, or use another suggest.strategy"):
        game = _Game(images, flags, epochs, seed, device, width, latent, beta, adversary)
        course = Course(game.networks, game.optimiser, game.warnings)
        yield from follow(game, course, math.ceil(game.total / game.n_steps))
        scores = yield from _judging(game, course)
        return Judged(scores, tuple(course.warnings))


def _judging(game: _Game, course: Course) -> Steps[npt.NDArray[np.float64]]:
    """D(mu) of every slice, with less memory where it runs out."""
    while True:
        try:
            return game.judge()
        except (RuntimeError, MemoryError) as error:
            saved = game.save_memory() if is_out_of_memory(error) else None
            if saved is None:
                raise
            course.warnings.append(f"Memory ran out in judging the slices: {saved}.")
        yield Progress(game.total, game.total, f"memory ran out: {saved}", where=game.compute.name)


def endless_batches(rng: np.random.Generator, members: Indices, size: int) -> Iterator[Indices]:
    """Batches of `size` of `members`, pass after pass in new orders; a batch may span two passes."""
    waiting = members[:0]
    while True:
        while len(waiting) < size:
            waiting = np.concatenate((waiting, rng.permutation(members)))
        yield waiting[:size]
        waiting = waiting[size:]


class _Game:
    """Autoencoder against discriminator, as a recipe to follow."""

    way_out = "use another seed, or another suggest.strategy than vaal"

    def __init__(
        self, images: Sequence[Image], labelled: npt.NDArray[np.bool_], epochs: int, seed: int, device: str,
        width: int, latent: int, beta: float, adversary: float,
    ) -> None:  # fmt: skip
        self.seed, self.latent, self.beta, self.adversary = seed, latent, beta, adversary
        self.members = {LABELLED: np.flatnonzero(labelled), REST: np.flatnonzero(~labelled)}
        self.size = self.most = min(LARGEST_BATCH, len(self.members[LABELLED]))
        self.total = max(1, len(images) * epochs // self.size)
        self.n_steps = min(self.total, -(-len(images) // self.size))
        with torch_seeded(torch.device("cpu"), seed, WEIGHTS):
            self.vae = Autoencoder(width, latent)
            self.discriminator = Discriminator(latent, 4 * width)
        self.networks = nn.ModuleList([self.vae, self.discriminator])
        self.compute, self.images, self.warnings = Compute.placing(
            device, lambda compute: self._put(compute, images)
        )
        self.optimiser = torch.optim.Adam(self.networks.parameters(), lr=LEARNING_RATE)

    def _put(self, compute: Compute, images: Sequence[Image]) -> torch.Tensor:
        """Both networks and the slices on a device."""
        compute.place(self.networks)
        return _squares(images, compute.device)

    def steps(self, epoch: int, rate: float) -> Iterator[tuple[float, str]]:
        """This epoch's share of the iterations; each serves the batches that follow on those of the last."""
        first = epoch * self.n_steps
        for group in self.optimiser.param_groups:
            group["lr"] = rate * LEARNING_RATE
        known, rest = (
            islice(endless_batches(rng_at(self.seed, use), members, self.size), VAE_STEPS * first, None)
            for use, members in self.members.items()
        )
        for k in range(first, min(first + self.n_steps, self.total)):
            coded, told = self.play(known, rest, k)
            yield coded, f" (VAAL's discriminator {told:.4f})"

    def play(self, known: Iterator[Indices], rest: Iterator[Indices], k: int) -> tuple[float, float]:
        """Iteration `k`: two steps of the autoencoder, one of the discriminator on the last batches; returns their losses."""
        self.vae.train()
        for step in range(VAE_STEPS):
            batches = next(known), next(rest)
            coded = self._code_better(batches, rng_at(self.seed, NOISE, k, step))
        told = self._tell_better(batches)
        return finite(coded, "The loss of VAAL"), finite(told, "The loss of VAAL")

    def _batch(self, which: Indices) -> torch.Tensor:
        chosen = self.images[torch.from_numpy(which).to(self.images.device)]
        return chosen.contiguous(memory_format=self.compute.layout)

    def _code_better(self, batches: tuple[Indices, Indices], rng: np.random.Generator) -> torch.Tensor:
        """A step of the autoencoder, its gradient added up from parts where memory is short; returns the loss."""
        noise = [rng.standard_normal((len(which), self.latent), np.float32) for which in batches]
        self.optimiser.zero_grad(set_to_none=True)
        found = torch.zeros((), device=self.compute.device)
        for part in parts_of(self.size, self.most):
            losses, judged, share = [], [], (part.stop - part.start) / self.size
            for which, drawn in zip(batches, noise, strict=True):
                images = self._batch(which[part])
                with self.compute.running():
                    code = self.vae.encode(images)
                    again = self.vae.decode(_drawn(code, drawn[part]))
                losses.append(vae_loss(images, again, code, self.beta / share))
                judged.append(self.discriminator(code[0]))
            deceived = told_apart(*judged, rest_is=1.0)
            found += self._slope(self.vae, share * (losses[0] + losses[1] + self.adversary * deceived))
        self.optimiser.step()
        return found

    def _tell_better(self, batches: tuple[Indices, Indices]) -> torch.Tensor:
        """A step of the discriminator on the codes of both kinds; returns the loss."""
        parts = parts_of(self.size, self.most)
        with torch.no_grad(), self.compute.running():
            codes = [
                torch.cat([self.vae.encode(self._batch(which[p]))[0] for p in parts]) for which in batches
            ]
        self.optimiser.zero_grad(set_to_none=True)
        loss = self._slope(
            self.discriminator, told_apart(*(self.discriminator(c) for c in codes), rest_is=0.0)
        )
        self.optimiser.step()
        return loss

    def _slope(self, network: nn.Module, loss: torch.Tensor) -> torch.Tensor:
        """Add the gradient of a loss to those of one network; the optimiser passes over the other, which has none."""
        loss.backward(inputs=list(network.parameters()))  # type: ignore[no-untyped-call]
        return loss.detach()

    def save_memory(self) -> str | None:
        """Halve how many slices of each kind are in the networks at once, adding up their gradients; then leave the GPU."""
        if self.most > 1:
            self.most //= 2
            return f"VAAL's steps are now added up from {self.most} slices at a time, of which batch norm is then"
        if self.compute.device.type == "cpu":
            return None
        self.compute = Compute.choose("cpu")
        self.compute.place(self.networks)
        self.images = self.images.to(self.compute.device)
        self.most = self.size
        return "VAAL goes on without the GPU, which takes many times as long"

    def judge(self) -> npt.NDArray[np.float64]:
        """D(mu) of every slice, with the running statistics, so that no slice's value depends on its neighbours."""
        self.vae.eval()
        at_once = AT_ONCE if self.most == self.size else self.most
        with torch.no_grad(), self.compute.running():
            parts = np.split(np.arange(len(self.images)), range(at_once, len(self.images), at_once))
            codes = [self.vae.encode(self._batch(which))[0] for which in parts]
        with torch.no_grad():
            judged: npt.NDArray[np.float64] = (
                self.discriminator(torch.cat(codes)).double().sigmoid().cpu().numpy()
            )
        return judged


def _drawn(code: Latent, noise: npt.NDArray[np.float32]) -> torch.Tensor:
    """Codes drawn from their normal distributions by standard normal `noise` (B, Z)."""
    mean, log_variance = code
    return mean + (0.5 * log_variance).exp() * torch.from_numpy(noise).to(mean.device)


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
