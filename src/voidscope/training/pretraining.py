"""Contrastive pretraining of encoder and decoder on unlabelled slices, resumable to the bit (paper 3.1, 4.1)."""

from __future__ import annotations

import hashlib
import io
import math
import pickle
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from voidscope.config import Config
from voidscope.errors import JobFailed, NotReady, ProjectError
from voidscope.jobs import Steps
from voidscope.model.devices import Compute
from voidscope.model.failures import one_line, told_in_one_line
from voidscope.model.randomness import rng_at, torch_seeded
from voidscope.model.segmenter import Segmenter, build_segmenter
from voidscope.model.weights import backbone_bytes
from voidscope.training.batches import batches_of
from voidscope.training.contrastive import ProjectionHead, chance_loss, learning_rate_at, nt_xent
from voidscope.training.course import Course, Diverged, follow
from voidscope.training.pool import Indices, SlicePool
from voidscope.training.views import ASPECTS, cut_views, draw_views

Image = npt.NDArray[np.float32]

SECONDS_BETWEEN_STATES = 30.0
"""How much work a kill may cost; a state is a hundred megabytes."""
ORDER, VIEWS, PROJECTION, DROPOUT = 11, 12, 13, 14
"""What random numbers are for, so that no two uses share any."""


@dataclass(frozen=True)
class Pretrained:
    """Pretrained encoder and decoder.

    Attributes
    ----------
    weights : for `model.build_segmenter` as `contrastive`; batch-norm buffers included, no head
    losses : mean loss of each epoch
    state : all a later call needs to go on from here
    device, threads, dtype : what bitwise repetition depends on besides the seed
    warnings : what went wrong and was mended on the way
    seconds : duration of this call
    """

    weights: bytes
    losses: tuple[float, ...]
    state: bytes
    device: str
    threads: int
    dtype: str
    warnings: tuple[str, ...]
    seconds: float


def pretrain_steps(
    images: Sequence[Image],
    config: Config,
    *,
    normalisation: tuple[float, float],
    resume: bytes | None = None,
) -> Steps[Pretrained]:
    """Teach a network to tell slices apart by two views of each (Eq. 1); yields progress, returns `Pretrained`.

    `Progress.partial` holds state bytes after the first epoch, every half minute, and after the last one. A run killed
    and resumed from such a state ends with the same weights as one that was not, bit for bit on a CPU.

    Parameters
    ----------
    images : all training slices (h, w), of any sizes, scaled to [0, 1]
    normalisation : mean and standard deviation of the training scans' scaled intensities
    resume : a state of an earlier call with the same slices and settings

    Raises
    ------
    NotReady : there are fewer than two slices, so nothing to tell apart.
    ProjectError : `resume` is damaged or of another run.
    JobFailed : the loss diverged twice, memory ran out, or torch failed.
    """
    started = time.monotonic()
    if len(images) < 2:
        raise NotReady(
            f"Pretraining compares slices with each other and needs at least 2, got {len(images)}; add a scan."
        )
    with told_in_one_line("Pretraining"):
        recipe = _Contrastive(images, config, normalisation)
        course = Course(recipe.networks, recipe.optimiser)
        keeper = _Keeper(course, _recipe_digest(recipe, config), config.pretrain.epochs)
        if resume is not None:
            keeper.resume(resume)
        yield from follow(recipe, course, config.pretrain.epochs, keeper.offer)
        return Pretrained(
            weights=backbone_bytes(recipe.segmenter),
            losses=tuple(course.losses),
            state=keeper.state(),
            device=recipe.compute.name,
            threads=torch.get_num_threads(),
            dtype=recipe.compute.precision,
            warnings=tuple(course.warnings),
            seconds=time.monotonic() - started,
        )


class _Contrastive:
    """The recipe of SDCLR, the paper's reference [21]: SGD on everything, warm-up and cosine, two views in one forward."""

    rate_setting = "pretrain.learning_rate"

    def __init__(self, images: Sequence[Image], config: Config, normalisation: tuple[float, float]) -> None:
        self.seed, self.config, self.normalisation = config.seed, config.pretrain, normalisation
        self.compute = Compute.choose(config.device)
        self.pool = SlicePool([_reduced(i, config) for i in images], torch.float16, self.compute.device)
        self.n_steps = len(batches_of(np.arange(len(images)), config.pretrain.batch_size, least=2))
        scratch = config.model.model_copy(update={"initialisation": "none"})
        self.segmenter: Segmenter = self.compute.place(build_segmenter(scratch, 1, config.seed))
        with torch_seeded(torch.device("cpu"), config.seed, PROJECTION):
            head = ProjectionHead(self.segmenter.embedding_width, config.pretrain.projection_dim)
        self.projection = head.to(self.compute.device)
        self.networks = nn.ModuleList([self.segmenter.encoder, self.segmenter.decoder, self.projection])
        self.optimiser = torch.optim.SGD(
            self.networks.parameters(), lr=config.pretrain.learning_rate, momentum=config.pretrain.momentum,
            weight_decay=config.pretrain.weight_decay,
        )  # fmt: skip

    def steps(self, epoch: int, rate: float) -> Iterator[tuple[float | None, str]]:
        """One pass over all slices in a new order."""
        order = rng_at(self.seed, ORDER, epoch).permutation(len(self.pool))
        self.networks.train()
        for k, which in enumerate(batches_of(order, self.config.batch_size, least=2)):
            self._set_rate(epoch * self.n_steps + k + 1, rate)
            yield self._step(which, epoch, k), f" (chance {chance_loss(len(which)):.2f})"

    def _set_rate(self, step: int, rate: float) -> None:
        total, warmup = self.config.epochs * self.n_steps, self.config.warmup_epochs * self.n_steps
        for group in self.optimiser.param_groups:
            group["lr"] = rate * learning_rate_at(step, total, warmup, self.config.learning_rate)

    def _step(self, which: Indices, epoch: int, k: int) -> float:
        """One optimiser step on two views of each slice in `which`, side by side in one batch."""
        views = draw_views(
            rng_at(self.seed, VIEWS, epoch, k), np.repeat(which, 2), self.pool.sizes, self.config
        )
        batch = cut_views(self.pool, views, self.config, self.normalisation)
        self.optimiser.zero_grad(set_to_none=True)
        with torch_seeded(batch.device, self.seed, DROPOUT, epoch, k), self.compute.running():
            features = self.segmenter.features(batch.contiguous(memory_format=self.compute.layout))
        pooled = features.mean((2, 3), dtype=torch.float32)
        loss = nt_xent(self.projection(pooled), self.config.temperature)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise Diverged("The loss")
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        return value

    def save_memory(self) -> str | None:
        """Nothing saves memory without changing how many negatives there are, which is a person's choice."""
        raise JobFailed(
            f"Memory ran out with pretrain.batch_size={self.config.batch_size}; set half of it (fewer negatives), or device=cpu."
        )


class _Keeper:
    """Makes states of a course and reads them back."""

    def __init__(self, course: Course, recipe: str, epochs: int) -> None:
        self._course, self._recipe, self._epochs = course, recipe, epochs
        self._kept = -math.inf

    def offer(self) -> bytes | None:
        """A state, when one is due."""
        now, done = time.monotonic(), len(self._course.losses)
        if done < self._epochs and now - self._kept < SECONDS_BETWEEN_STATES:
            return None
        self._kept = now
        return self.state()

    def state(self) -> bytes:
        """The course as bytes: a checksum, then a torch file."""
        file = io.BytesIO()
        torch.save({"recipe": self._recipe, **self._course.state()}, file)
        return hashlib.sha256(file.getbuffer()).digest() + file.getvalue()

    def resume(self, state: bytes) -> None:
        """Put the course where it was; raises `ProjectError` for a state that is damaged or of another run."""
        tree = _read_state(state)
        if tree["recipe"] != self._recipe:
            raise ProjectError(
                f"The pretraining state is of run {tree['recipe'][:8]}, other slices or settings than this run's "
                f"{self._recipe[:8]}; delete it to start over."
            )
        self._course.put_back(tree)


def _read_state(state: bytes) -> dict[str, Any]:
    """The tree inside state bytes, read without running any code that may be in it."""
    digest, payload = state[:32], memoryview(state)[32:]
    if hashlib.sha256(payload).digest() != digest:
        raise ProjectError(
            f"The pretraining state of {len(state)} bytes is damaged; delete it to start over."
        )
    try:
        tree: dict[str, Any] = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, ValueError) as error:
        raise ProjectError(
            f"The pretraining state is damaged: {one_line(error)[:120]}; delete it to start over."
        ) from error
    return tree


def _recipe_digest(recipe: _Contrastive, config: Config) -> str:
    """Names everything that a state must share with the run that goes on from it."""
    parts = (
        config.pretrain,
        config.model.encoder,
        config.seed,
        recipe.normalisation,
        recipe.pool.sizes.tolist(),
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _reduced(image: Image, config: Config) -> Image:
    """A slice so large that every view of it would be a reduction, averaged over blocks that no view can resolve."""
    smallest_view = math.sqrt(config.pretrain.min_crop_area * ASPECTS[0]) * min(image.shape)
    block = int(smallest_view // config.pretrain.crop)
    if block < 2:
        return image
    height, width = (n // block for n in image.shape)
    blocks = image[: height * block, : width * block].reshape(height, block, width, block)
    mean: Image = blocks.mean(axis=(1, 3), dtype=np.float32)
    return mean
