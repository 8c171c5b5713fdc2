"""Supervised training on labelled slices: the paper's recipe (4.1), or the product's, by the settings alone.

The paper: RMSprop, weighted cross-entropy, random crops, one pass over the labelled slices per epoch. The product
(`config.PRESETS`): AdamW on one cycle of the learning rate, plain cross-entropy plus Dice, crops that look for rare classes,
and as many steps as it takes however few slices are labelled. Every cycle starts anew: initial weights, a fresh head and
a fresh optimiser; the last weights are kept. `training.warm` says how a training goes on from a cycle's weights instead.
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from voidscope.config import Config, TrainConfig
from voidscope.errors import LabelError
from voidscope.jobs import Steps
from voidscope.model.devices import Compute
from voidscope.model.failures import told_in_one_line
from voidscope.model.randomness import rng_at, torch_seeded
from voidscope.model.segmenter import STRIDE, Segmenter, build_segmenter, load_segmenter
from voidscope.model.weights import weights_bytes
from voidscope.training.augment import Crops, cut_crops, draw_crops
from voidscope.training.batches import batches_of, cycled, entries_of, parts_of
from voidscope.training.course import Course, finite, follow
from voidscope.training.focus import Focus
from voidscope.training.gradients import Gradients
from voidscope.training.objective import class_weights, dice_loss, pixels_per_class, weighted_loss
from voidscope.training.pool import Indices, SlicePool
from voidscope.training.prefetch import Prefetcher
from voidscope.training.schedules import shared_out, supervised_rate
from voidscope.training.warm import NEVER, warm_recipe, welcome
from voidscope.vocabulary import Mask

Image = npt.NDArray[np.float32]

MOST_PIXELS = 2**22
"""Pixels of the crops that a GPU cuts at once."""
Given = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]
"""Crops, their labels, the classes' weights (C,), and the sum of the weights of all labelled pixels."""
ALPHA = 0.99
"""Smoothing of RMSprop's squared gradients; PyTorch's default, which the paper did not change."""
ORDER, CROPS, DROPOUT, FOCUS = 1, 2, 3, 4
"""What random numbers are for, so that no two uses share any."""


@dataclass(frozen=True)
class Trained:
    """A trained network and how it was trained.

    Attributes
    ----------
    weights : the whole network, for `model.load_segmenter`
    losses : the U-Net's mean loss of each epoch
    class_weights : weight of each class in the loss; 0 for a class that is not among the labels
    device, threads, dtype : what bitwise repetition depends on besides the seed
    warnings : what went wrong and was mended on the way
    seconds : duration
    pseudo_labelled : slices without labels that it learnt from by pseudo-labels; see `pseudo_labels`
    """

    weights: bytes
    losses: tuple[float, ...]
    class_weights: tuple[float, ...]
    device: str
    threads: int
    dtype: str
    warnings: tuple[str, ...]
    seconds: float
    pseudo_labelled: int = 0


def train_steps(
    images: Sequence[Image],
    labels: Sequence[Mask],
    n_classes: int,
    config: Config,
    *,
    normalisation: tuple[float, float],
    contrastive: bytes | None = None,
    warm: bytes | None = None,
    times: Sequence[int] | None = None,
    void_ids: Collection[int] = (),
) -> Steps[Trained]:
    """Train a network on labelled slices; yields progress after each step, returns `Trained`.

    Two runs with one seed on one CPU and as many threads give the same weights bit for bit.

    Parameters
    ----------
    images : slices (h, w) of any sizes, scaled to [0, 1]
    labels : their masks (h, w) with ids 1..C, 0 where unlabelled; unlabelled pixels never enter the loss
    normalisation : mean and standard deviation of the training scans' scaled intensities
    contrastive : encoder and decoder from `pretrain_steps`; see `model.build_segmenter`
    warm : a whole network of an earlier training to go on from, gently and briefly; see `warm.warm_recipe`
    times : how often each slice counts when crops are drawn; once where it is left out
    void_ids : the void classes, about which a detail network is asked

    Raises
    ------
    LabelError, NotReady : the labels do not fit the images or the classes, or there are none.
    JobFailed : the loss diverged twice, or torch failed.
    """
    started = time.monotonic()
    _check_shapes(images, labels)
    with told_in_one_line("Training"):
        if warm is None:
            segmenter = build_segmenter(config.model, n_classes, config.seed, contrastive)
        else:
            segmenter, config = load_segmenter(config.model, n_classes, warm), warm_recipe(config)
        if segmenter.detail is not None:
            segmenter.detail.name_void(void_ids)
        config = config.model_copy(update={"train": shared_out(config.train, len(labels))})
        recipe = _Supervised(
            segmenter, images, labels, config, normalisation, warm=warm is not None, times=times
        )
        course = Course(segmenter, recipe.optimiser, recipe.warnings)
        yield from follow(recipe, course, config.train.epochs)
        never_predict(segmenter, recipe.weights == 0)
        return Trained(
            weights=weights_bytes(segmenter),
            losses=tuple(course.losses),
            class_weights=tuple(recipe.weights.tolist()),
            device=recipe.compute.name,
            threads=torch.get_num_threads(),
            dtype=recipe.compute.precision,
            warnings=(*course.warnings, *recipe.gradients.warnings),
            seconds=time.monotonic() - started,
        )


def never_predict(segmenter: Segmenter, absent: npt.NDArray[np.bool_]) -> None:
    """Give the classes that are `absent` (C,) from the labels no chance: nobody taught the network what they look like."""
    with torch.no_grad():
        for classifier in segmenter.classifiers:
            bias: torch.Tensor = classifier.bias  # type: ignore[assignment]
            bias[torch.from_numpy(absent).to(bias.device)] = NEVER


def _check_shapes(images: Sequence[Image], labels: Sequence[Mask]) -> None:
    if len(images) != len(labels):
        raise LabelError(
            f"{len(images)} slices came with {len(labels)} label masks; give one mask per slice."
        )
    for k, (image, mask) in enumerate(zip(images, labels, strict=True)):
        if image.shape != mask.shape:
            raise LabelError(
                f"Label mask {k} is {mask.shape}, its slice {image.shape}; label the slice again."
            )


class _Supervised:
    """The recipe of one training: what to draw, how to step."""

    way_out = "lower train.learning_rate or look for damaged slices among the labelled ones"

    def __init__(
        self, segmenter: Segmenter, images: Sequence[Image], labels: Sequence[Mask], config: Config,
        normalisation: tuple[float, float], warm: bool = False, times: Sequence[int] | None = None,
    ) -> None:  # fmt: skip
        self.seed, self.config, self.normalisation = config.seed, config.train, normalisation
        self.weights = class_weights(
            pixels_per_class(labels, segmenter.n_classes, times), balance=config.train.balance_classes
        )
        self.segmenter = segmenter
        self.compute, (self.images, self.labels), self.warnings = Compute.placing(
            config.device, lambda compute: self._put(compute, images, labels)
        )
        if warm:
            welcome(segmenter, self.weights > 0)
        counts = np.ones(len(labels), np.int64) if times is None else np.asarray(times)
        self.focus = Focus(labels, rng_at(config.seed, FOCUS), counts) if config.train.focus else None
        once = entries_of(self.images.sizes, config.train.crops_per_slice, config.train.crop)
        self.entries = np.repeat(once, counts[once])
        self.n_steps = self._steps_per_epoch()
        self.most = self._largest
        self.gradients = Gradients(segmenter, self._loss, self.compute.device)
        self.optimiser = _optimiser(segmenter, config.train)

    def _put(
        self, compute: Compute, images: Sequence[Image], labels: Sequence[Mask]
    ) -> tuple[SlicePool, SlicePool]:
        """The network and the slices on a device."""
        compute.place(self.segmenter)
        return SlicePool(images, torch.float16, compute.device), SlicePool(
            labels, torch.uint8, compute.device
        )

    def _steps_per_epoch(self) -> int:
        """One pass over all slices, or an even share of the steps for so many slices."""
        if self.config.steps:
            return math.ceil(self.config.steps_for(len(self.labels)) / self.config.epochs)
        return len(batches_of(self.entries, self.config.batch_size, self._least))

    @property
    def _least(self) -> int:
        """Smallest batch that batch norm can learn from: at 32 pixels the deepest layer has one pixel per image."""
        return 2 if self.config.crop <= STRIDE else 1

    @property
    def _largest(self) -> int:
        """Crops in the largest batch there can be, which is one that a too small one has joined."""
        return max(self.config.batch_size, self._least) + self._least - 1

    def steps(self, epoch: int, rate: float) -> Iterator[tuple[float | None, str]]:
        """One pass over all slices in a new order, or this epoch's share of the steps."""
        order = rng_at(self.seed, ORDER, epoch).permutation(self.entries)
        if self.config.steps:
            left = self.config.steps_for(len(self.labels)) - epoch * self.n_steps
            order = cycled(order, min(self.n_steps, left) * max(self.config.batch_size, self._least))
        self.segmenter.train()
        made = self._given(batches_of(order, self.config.batch_size, self._least), epoch)
        batches = Prefetcher(made, self.compute.device)
        for k, given in enumerate(batches):
            self._set_rate(epoch, k, rate)
            yield self._step(given, batches, epoch, k), ""

    def _set_rate(self, epoch: int, k: int, rate: float) -> None:
        now = rate * supervised_rate(self.config, epoch, k, self.n_steps)
        for group in self.optimiser.param_groups:
            group["lr"] = now

    @property
    def _at_once(self) -> int:
        """How many batches are cut at once: several on a GPU, where launching that takes longer than doing it."""
        pixels = self._largest * self.config.crop**2
        return 1 if self.compute.device.type == "cpu" else max(1, MOST_PIXELS // pixels)

    def _given(self, batches: Sequence[Indices], epoch: int) -> Iterator[Given | None]:
        """What each step depends on, one crop of each slice of its batch; None where nothing is labelled."""
        for first in range(0, len(batches), self._at_once):
            some = enumerate(batches[first : first + self._at_once], start=first)
            yield from self._cut([self._drawn(which, epoch, k) for k, which in some])

    def _drawn(self, which: Indices, epoch: int, k: int) -> Crops:
        rng = rng_at(self.seed, CROPS, epoch, k)
        return draw_crops(rng, which, self.images.sizes, self.config, self.focus)

    def _cut(self, drawn: Sequence[Crops]) -> Iterator[Given | None]:
        crops = Crops.joined(drawn)
        images, labels = cut_crops(self.images, self.labels, crops, self.config.crop, self.normalisation)
        weights = torch.tensor([0.0, *self.weights], dtype=torch.float32, device=images.device)
        sizes = [len(c.which) for c in drawn]
        parts = list(zip(torch.split(images, sizes), torch.split(labels, sizes), strict=True))
        totals = [weights[said].sum() for _, said in parts]
        there = torch.stack(totals).gt(0).tolist()
        for (image, said), total, any_label in zip(parts, totals, there, strict=True):
            yield (image, said, weights[1:], total) if any_label else None

    def _step(
        self, given: Given | None, batches: Prefetcher[Given | None], epoch: int, k: int
    ) -> float | None:
        """One optimiser step; returns the loss, None where nothing is labelled."""
        if given is None:
            return None
        with torch_seeded(given[0].device, self.seed, DROPOUT, epoch, k):
            loss = self._learn_from(*given)
        self.optimiser.step()
        batches.prefetch()
        return finite(loss)

    def _learn_from(
        self, images: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor, total: torch.Tensor
    ) -> torch.Tensor:
        """Leave the gradient of a batch's loss in the network, added up from parts where memory is short; returns the loss."""
        parts = parts_of(len(images), self.most, self._least)
        if len(parts) == 1:
            return self.gradients(images, labels, weights, total)
        self.optimiser.zero_grad(set_to_none=True)
        found = torch.zeros((), device=images.device)
        for part in parts:
            share = (part.stop - part.start) / len(images)
            loss = self._loss(images[part], labels[part], weights, total, share)
            loss.backward()  # type: ignore[no-untyped-call]
            found += loss.detach()
        return found

    def _loss(
        self,
        images: torch.Tensor,
        labels: torch.Tensor,
        weights: torch.Tensor,
        total: torch.Tensor,
        share: float = 1.0,
    ) -> torch.Tensor:
        """These crops' part of the loss of a batch, whose labels weigh `total` and of whose crops they are a `share`.

        Its value is the U-Net's loss; its gradient is that of a detail network's loss, too, so that each learns what it would
        alone. Dice is of these crops alone: it cannot be added up from parts of a batch.
        """

        def loss_of(logits: torch.Tensor) -> torch.Tensor:
            found = weighted_loss(logits, labels, weights) / total
            return found + self.config.dice * share * dice_loss(logits, labels) if self.config.dice else found

        given = images.contiguous(memory_format=self.compute.layout)
        with self.compute.running():
            logits, _ = self.segmenter(given)
            details = None if self.segmenter.detail is None else self.segmenter.detail(given)
        loss = loss_of(logits)
        if details is None:
            return loss
        also = loss_of(details)
        return loss + (also - also.detach())

    def save_memory(self) -> str | None:
        """Halve how many crops are in memory at once, adding up their gradients; then leave the GPU."""
        self.gradients.let_go()
        if self.most > self._least:
            self.most = max(self._least, self.most // 2)
            return f"steps are now added up from {self.most} crops at a time"
        if self.compute.device.type == "cpu":
            return None
        self.compute = Compute.choose("cpu")
        self.compute.place(self.segmenter)
        self.images.to(self.compute.device)
        self.labels.to(self.compute.device)
        self.most = self._largest
        return "training goes on without the GPU, which takes longer"


def _optimiser(segmenter: Segmenter, config: TrainConfig) -> torch.optim.Optimizer:
    parameters = segmenter.parameters()
    if config.optimiser == "adamw":
        fused = next(segmenter.parameters()).device.type == "cuda" or None
        return torch.optim.AdamW(
            parameters, lr=config.learning_rate, weight_decay=config.weight_decay, fused=fused
        )
    return torch.optim.RMSprop(
        parameters, lr=config.learning_rate, alpha=ALPHA, momentum=config.momentum, weight_decay=config.weight_decay
    )  # fmt: skip
