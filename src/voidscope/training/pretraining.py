"""Pretraining of encoder and decoder on unlabelled slices, resumable to the bit (paper 3.1, 4.1)."""

from __future__ import annotations

import hashlib
import math
import time
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from voidscope.config import Config, PretrainConfig
from voidscope.errors import ConfigError, JobFailed, NotReady
from voidscope.jobs import Steps
from voidscope.model.devices import Compute
from voidscope.model.failures import told_in_one_line
from voidscope.model.randomness import rng_at, torch_seeded
from voidscope.model.segmenter import Segmenter, build_segmenter
from voidscope.model.weights import backbone_bytes
from voidscope.training.batches import batches_of, parts_of
from voidscope.training.contrastive import learning_rate_at
from voidscope.training.course import Course, finite, follow
from voidscope.training.gradients import Gradients
from voidscope.training.pool import Indices, SlicePool
from voidscope.training.prefetch import Prefetcher
from voidscope.training.pretext import Contrastive, Masked, Pretext
from voidscope.training.spreading import spread_batches, spread_count
from voidscope.training.states import Keeper
from voidscope.training.team import Alone
from voidscope.training.views import ASPECTS, cut_views, draw_views

Image = npt.NDArray[np.float32]
Given = tuple[torch.Tensor, ...]
"""All that a step depends on; see `pretext.Pretext.given`."""

ORDER, VIEWS, DROPOUT = 11, 12, 14
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
    images: Iterable[Image],
    config: Config,
    *,
    normalisation: tuple[float, float],
    resume: bytes | None = None,
    groups: Sequence[Hashable] | None = None,
    team: Alone | None = None,
) -> Steps[Pretrained]:
    """Teach a network to tell slices apart by two views of each (Eq. 1); yields progress, returns `Pretrained`.

    With ``method=mae`` it fills in hidden patches of the views instead.

    `Progress.partial` holds state bytes after the first epoch, every half minute, and after the last one. A run killed
    and resumed from such a state ends with the same weights as one that was not, bit for bit on a CPU.

    Parameters
    ----------
    images : all training slices (h, w), of any sizes, scaled to [0, 1]; taken one by one, large ones are kept reduced
    normalisation : mean and standard deviation of the training scans' scaled intensities
    resume : a state of an earlier call with the same slices and settings
    groups : the scan of each slice, for ``one_slice_per_scan``
    team : the processes that do this together, all called with the same; None for this one alone. Only the first offers
        states.

    Raises
    ------
    ConfigError : ``one_slice_per_scan`` is set and `groups` does not name a scan for each slice.
    NotReady : there are fewer than two slices, so nothing to tell apart.
    ProjectError : `resume` is damaged or of another run.
    JobFailed : the loss diverged twice, memory ran out, or torch failed.
    """
    started = time.monotonic()
    views = config.pretrain.spelled_out()
    reduced = [_reduced(image, views) for image in images]
    if len(reduced) < 2:
        raise NotReady(
            f"Pretraining compares slices with each other and needs at least 2, got {len(reduced)}; add a scan."
        )
    if config.pretrain.one_slice_per_scan and len(groups or ()) != len(reduced):
        raise ConfigError(
            f"pretrain.one_slice_per_scan needs the scan of each of the {len(reduced)} slices, got {len(groups or ())}; "
            "pass groups, or set it to false."
        )
    with told_in_one_line("Pretraining"):
        recipe = _Pretraining(reduced, config, normalisation, groups, team or Alone())
        course = Course(recipe.networks, recipe.optimiser, recipe.warnings)
        keeper = Keeper(course, _recipe_digest(recipe, config), config.pretrain.epochs)
        if resume is not None:
            keeper.resume(resume)
        offer = keeper.offer if recipe.team.rank == 0 else (lambda: None)
        yield from follow(recipe, course, config.pretrain.epochs, offer)
        return Pretrained(
            weights=backbone_bytes(recipe.segmenter),
            losses=tuple(course.losses),
            state=keeper.state(),
            device=recipe.where,
            threads=torch.get_num_threads(),
            dtype=recipe.compute.precision,
            warnings=(*course.warnings, *recipe.gradients.warnings),
            seconds=time.monotonic() - started,
        )


class _Pretraining:
    """The recipe of SDCLR, the paper's reference [21]: SGD on everything, warm-up and cosine, two views in one forward."""

    way_out = "lower pretrain.learning_rate or look for damaged slices among those of the training scans"

    def __init__(
        self, images: Sequence[Image], config: Config, normalisation: tuple[float, float],
        groups: Sequence[Hashable] | None, team: Alone,
    ) -> None:  # fmt: skip
        self.seed, self.config, self.normalisation = config.seed, config.pretrain.spelled_out(), normalisation
        self.team = team
        self.groups = groups if self.config.one_slice_per_scan else None
        scratch = config.model.model_copy(update={"initialisation": "none", "detail": False})
        self.segmenter: Segmenter = build_segmenter(scratch, 1, config.seed)
        pretext = Masked if self.config.method == "mae" else Contrastive
        self.pretext: Pretext = pretext(self.segmenter.embedding_width, self.config, config.seed, team)
        self.networks = nn.ModuleList([self.segmenter.encoder, self.segmenter.decoder, self.pretext.heads])
        self.compute, self.pool, self.warnings = Compute.placing(
            team.device or config.device, lambda compute: self._put(compute, images)
        )
        if team.size > 1 and self.compute.device.type == "cpu":
            torch.set_num_threads(max(1, torch.get_num_threads() // team.size))
        if self.groups is not None:
            self.warnings += _told_of_spreading(self.groups, self.config.batch_size)
        batches = self._batches(rng_at(self.seed, ORDER, 0))
        self.n_steps = len(batches)
        self.most = self._largest = max(map(len, batches))
        self.gradients = Gradients(self.networks, self._loss, self.compute.device, record=team.size == 1)
        self.optimiser = torch.optim.SGD(
            self.networks.parameters(), lr=self.config.learning_rate, momentum=self.config.momentum,
            weight_decay=self.config.weight_decay, fused=self.compute.device.type == "cuda" or None,
        )  # fmt: skip

    def _put(self, compute: Compute, images: Sequence[Image]) -> SlicePool:
        """The networks and the slices on a device, which in a team is the one it has."""
        if self.team.device is not None and compute.device.type != self.team.device.type:
            raise self._too_little_for_a_team()
        compute.place(self.segmenter)
        self.pretext.heads.to(compute.device)
        return SlicePool(images, torch.float16, compute.device)

    def _too_little_for_a_team(self) -> JobFailed:
        return JobFailed(
            f"Memory ran out on one of {self.team.size} devices with pretrain.batch_size={self.config.batch_size}; set "
            "half of it (fewer negatives), or pretrain.devices=1."
        )

    @property
    def where(self) -> str:
        """What a record says it ran on."""
        return self.compute.name if self.team.size == 1 else f"{self.team.size} x {self.compute.name}"

    def steps(self, epoch: int, rate: float) -> Iterator[tuple[float | None, str]]:
        """One pass over all slices in a new order."""
        self.networks.train()
        order = self._batches(rng_at(self.seed, ORDER, epoch))
        made = (self._given(which, epoch, k) for k, which in enumerate(order))
        # A team cuts each batch for the step of now: `Alone.mine`.
        batches = Prefetcher(made, self.compute.device, early=self.team.size == 1)
        for k, given in enumerate(batches):
            self._set_rate(epoch * self.n_steps + k + 1, rate)
            yield self._step(given, len(order[k]), batches, epoch, k)

    def _batches(self, rng: np.random.Generator) -> list[Indices]:
        if self.groups is not None:
            return spread_batches(rng, self.groups, spread_count(self.groups, self.config.batch_size))
        return batches_of(rng.permutation(len(self.pool)), self.config.batch_size, least=2)

    def _set_rate(self, step: int, rate: float) -> None:
        total, warmup = self.config.epochs * self.n_steps, self.config.warmup_epochs * self.n_steps
        for group in self.optimiser.param_groups:
            group["lr"] = rate * learning_rate_at(step, total, warmup, self.config.learning_rate)

    def _given(self, which: Indices, epoch: int, k: int) -> Given:
        """All that a step depends on: two views of each slice in `which`, side by side in one batch."""
        rng = rng_at(self.seed, VIEWS, epoch, k)
        views = draw_views(rng, np.repeat(which, 2), self.pool.sizes, self.config)
        mine = self.team.mine(len(views.which))
        batch = cut_views(self.pool, views.part(mine), self.config, self.normalisation)
        return self.pretext.given(batch, views, self.pool, epoch, k)

    def _step(
        self, given: Given, n: int, batches: Prefetcher[Given], epoch: int, k: int
    ) -> tuple[float, str]:
        """One optimiser step on the views of `n` slices."""
        place = (epoch, k, self.team.rank) if self.team.rank else (epoch, k)
        parts = parts_of(n, self.most)
        compared = self.pretext.compared(*given)
        if len(parts) == 1:
            with torch_seeded(given[0].device, self.seed, DROPOUT, *place):
                loss = self.gradients(*given)
        else:
            loss = self._in_parts(given, [slice(2 * p.start, 2 * p.stop) for p in parts], *place)
        self.team.share_gradients(self.networks)
        self.optimiser.step()
        batches.prefetch()
        return finite(loss), f" ({compared})"

    def _loss(self, *given: torch.Tensor) -> torch.Tensor:
        with self.team.sharing_norms():
            rows = self.pretext.rows(self._features, *given[: self.pretext.by_view])
            return self.pretext.loss(rows, *given)

    def _in_parts(self, given: Given, parts: list[slice], *place: int) -> torch.Tensor:
        """Leave the gradient in the network as a step does, from `parts` of the views at a time; returns the loss.

        The loss is of the whole batch: its gradient by each view's rows is found first, and taken on through the network part
        by part (Gao et al. 2021, arXiv:2101.06983). Batch norm inside the network is of a part; its running statistics
        follow the second pass alone.
        """
        self.networks.zero_grad(set_to_none=True)
        with torch.no_grad(), not_tracking(self.networks):
            found = [self._rows(given, part, *place) for part in parts]
        rows = tuple(torch.cat(r).requires_grad_() for r in zip(*found, strict=True))
        loss = self.pretext.loss(rows, *given)
        loss.backward()  # type: ignore[no-untyped-call]
        for part in parts:
            slopes = [r.grad[part] for r in rows if r.grad is not None]
            torch.autograd.backward(self._rows(given, part, *place), slopes)
        return loss.detach()

    def _rows(self, given: Given, part: slice, *place: int) -> tuple[torch.Tensor, ...]:
        with torch_seeded(given[0].device, self.seed, DROPOUT, *place, part.start):
            return self.pretext.rows(self._features, *(t[part] for t in given[: self.pretext.by_view]))

    def _features(self, images: torch.Tensor) -> torch.Tensor:
        with self.compute.running():
            return self.segmenter.features(images.contiguous(memory_format=self.compute.layout))

    def save_memory(self) -> str | None:
        """Halve how many slices are in the network at once, adding up their gradients; then leave the GPU.

        Raises
        ------
        JobFailed : in a team, whose other processes wait meanwhile.
        """
        if self.team.size > 1:
            raise self._too_little_for_a_team()
        self.gradients.let_go()
        if self.most > 1:
            self.most //= 2
            return f"steps are now added up from {self.most} slices at a time, of which batch norm is then, the loss still of all"
        if self.compute.device.type == "cpu":
            return None
        self.compute = Compute.choose("cpu")
        self.compute.place(self.networks)
        self.pool.to(self.compute.device)
        self.most = self._largest
        return "pretraining goes on without the GPU, which takes many times as long"


@contextmanager
def not_tracking(network: nn.Module) -> Iterator[None]:
    """Inside, batch norm in training leaves its running statistics as they are."""
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True


def _told_of_spreading(groups: Sequence[Hashable], size: int) -> tuple[str, ...]:
    """What a person should know of one slice per scan in a step: that it makes steps smaller, or cannot be had."""
    n, usual = len(groups), min(size, len(groups))
    largest = -(-n // spread_count(groups, size))
    scan, slices = Counter(groups).most_common(1)[0]
    if 2 * slices > n:
        told = (
            f"One slice per scan in a step cannot be had: {scan} has {slices} of the {n} slices; add scans, or set "
            "pretrain.one_slice_per_scan=false."
        )
    elif largest < usual:
        told = f"Steps hold up to {largest} slices instead of {usual}, as at most one of a scan is in a step."
    else:
        return ()
    return (told,)


def _recipe_digest(recipe: _Pretraining, config: Config) -> str:
    """Names everything that a state must share with the run that goes on from it."""
    parts = (
        config.pretrain,
        config.model.encoder,
        config.seed,
        recipe.normalisation,
        recipe.pool.sizes.tolist(),
        recipe.groups and [*map(str, recipe.groups), recipe.n_steps],
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _reduced(image: Image, config: PretrainConfig) -> Image:
    """A slice so large that every view of it would be a reduction, averaged over blocks that no view can resolve."""
    smallest_view = math.sqrt(config.min_crop_area * ASPECTS[0]) * min(image.shape)
    block = int(smallest_view // config.crop)
    if block < 2:
        return image
    height, width = (n // block for n in image.shape)
    blocks = image[: height * block, : width * block].reshape(height, block, width, block)
    mean: Image = blocks.mean(axis=(1, 3), dtype=np.float32)
    return mean
