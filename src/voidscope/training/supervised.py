"""The paper's supervised recipe (4.1): RMSprop, weighted cross-entropy, random crops, last weights kept.

Every cycle starts anew: initial weights, a fresh head and a fresh optimiser.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from voidscope.config import Config
from voidscope.errors import LabelError, NotReady
from voidscope.jobs import Steps
from voidscope.model.devices import Compute
from voidscope.model.failures import told_in_one_line
from voidscope.model.randomness import rng_at, torch_seeded
from voidscope.model.segmenter import STRIDE, Segmenter, build_segmenter
from voidscope.model.weights import weights_bytes
from voidscope.training.augment import cut_crops, draw_crops
from voidscope.training.batches import batches_of, entries_of, parts_of
from voidscope.training.course import Course, Diverged, follow
from voidscope.training.pool import Indices, SlicePool
from voidscope.vocabulary import UNLABELLED, Mask

Image = npt.NDArray[np.float32]

ALPHA = 0.99
"""Smoothing of RMSprop's squared gradients; PyTorch's default, which the paper did not change."""
DROP = 0.1
"""Factor on the learning rate after `drop_epoch`."""
ORDER, CROPS, DROPOUT = 1, 2, 3
"""What random numbers are for, so that no two uses share any."""


@dataclass(frozen=True)
class Trained:
    """A trained network and how it was trained.

    Attributes
    ----------
    weights : the whole network, for `model.load_segmenter`
    losses : mean loss of each epoch
    class_weights : weight of each class in the loss; 0 for a class that is not among the labels
    device, threads, dtype : what bitwise repetition depends on besides the seed
    warnings : what went wrong and was mended on the way
    seconds : duration
    """

    weights: bytes
    losses: tuple[float, ...]
    class_weights: tuple[float, ...]
    device: str
    threads: int
    dtype: str
    warnings: tuple[str, ...]
    seconds: float


def class_weights(labels: Sequence[Mask], n_classes: int, *, balance: bool = True) -> npt.NDArray[np.float64]:
    """Weight of each class in the loss, (C,): w_c = N / (C N_c) over the labelled pixels, 0 where N_c is 0.

    N counts all labelled pixels and N_c those of class c (paper 4.1; METHODS D12). Without `balance` every class that
    occurs weighs 1.

    Raises
    ------
    LabelError : a label is no class id 1..C.
    NotReady : no pixel is labelled.
    """
    counts = np.zeros(256, np.int64)
    for mask in labels:
        counts += np.bincount(mask.ravel(), minlength=256)
    unknown = [k for k in range(n_classes + 1, 256) if counts[k]]
    if unknown:
        raise LabelError(f"Label ids {unknown[:8]} are unknown; classes are 1..{n_classes}, 0 is unlabelled.")
    pixels = counts[1 : n_classes + 1].astype(np.float64)
    if not pixels.any():
        raise NotReady(
            f"None of the {len(labels)} label masks has a labelled pixel; label some before training."
        )
    share = pixels / pixels.sum() * n_classes if balance else (pixels > 0).astype(np.float64)
    weights: npt.NDArray[np.float64] = np.divide(1.0, share, out=np.zeros(n_classes), where=share > 0)
    return weights


def train_steps(
    images: Sequence[Image],
    labels: Sequence[Mask],
    n_classes: int,
    config: Config,
    *,
    normalisation: tuple[float, float],
    contrastive: bytes | None = None,
) -> Steps[Trained]:
    """Train a network on labelled slices; yields progress after each step, returns `Trained`.

    Two runs with one seed on one CPU and as many threads give the same weights bit for bit.

    Parameters
    ----------
    images : slices (h, w) of any sizes, scaled to [0, 1]
    labels : their masks (h, w) with ids 1..C, 0 where unlabelled; unlabelled pixels never enter the loss
    normalisation : mean and standard deviation of the training scans' scaled intensities
    contrastive : encoder and decoder from `pretrain_steps`; see `model.build_segmenter`

    Raises
    ------
    LabelError, NotReady : the labels do not fit the images or the classes, or there are none.
    JobFailed : the loss diverged twice, or torch failed.
    """
    started = time.monotonic()
    _check_shapes(images, labels)
    with told_in_one_line("Training"):
        segmenter = build_segmenter(config.model, n_classes, config.seed, contrastive)
        recipe = _Supervised(segmenter, images, labels, config, normalisation)
        course = Course(segmenter, recipe.optimiser)
        yield from follow(recipe, course, config.train.epochs)
        return Trained(
            weights=weights_bytes(segmenter),
            losses=tuple(course.losses),
            class_weights=tuple(recipe.weights.tolist()),
            device=recipe.compute.name,
            threads=torch.get_num_threads(),
            dtype=recipe.compute.precision,
            warnings=tuple(course.warnings),
            seconds=time.monotonic() - started,
        )


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

    rate_setting = "train.learning_rate"

    def __init__(
        self, segmenter: Segmenter, images: Sequence[Image], labels: Sequence[Mask], config: Config,
        normalisation: tuple[float, float],
    ) -> None:  # fmt: skip
        self.seed, self.config, self.normalisation = config.seed, config.train, normalisation
        self.weights = class_weights(labels, segmenter.n_classes, balance=config.train.balance_classes)
        self.compute = Compute.choose(config.device)
        self.segmenter = self.compute.place(segmenter)
        self.images = SlicePool(images, torch.float16, self.compute.device)
        self.labels = SlicePool(labels, torch.uint8, self.compute.device)
        self.entries = entries_of(self.images.sizes, config.train.crops_per_slice, config.train.crop)
        self.n_steps = len(batches_of(self.entries, config.train.batch_size, self._least))
        self.most = self._largest
        self.optimiser = torch.optim.RMSprop(
            segmenter.parameters(), lr=config.train.learning_rate, alpha=ALPHA, momentum=config.train.momentum,
            weight_decay=config.train.weight_decay,
        )  # fmt: skip

    @property
    def _least(self) -> int:
        """Smallest batch that batch norm can learn from: at 32 pixels the deepest layer has one pixel per image."""
        return 2 if self.config.crop <= STRIDE else 1

    @property
    def _largest(self) -> int:
        """Crops in the largest batch there can be, which is one that a too small one has joined."""
        return max(self.config.batch_size, self._least) + self._least - 1

    def steps(self, epoch: int, rate: float) -> Iterator[tuple[float | None, str]]:
        """One pass over all slices in a new order."""
        dropped = DROP if epoch >= self.config.drop_epoch else 1.0
        for group in self.optimiser.param_groups:
            group["lr"] = self.config.learning_rate * dropped * rate
        order = rng_at(self.seed, ORDER, epoch).permutation(self.entries)
        self.segmenter.train()
        for k, which in enumerate(batches_of(order, self.config.batch_size, self._least)):
            yield self._step(which, epoch, k), ""

    def _step(self, which: Indices, epoch: int, k: int) -> float | None:
        """One optimiser step on one crop of each slice in `which`; returns the loss, None where nothing is labelled."""
        crops = draw_crops(rng_at(self.seed, CROPS, epoch, k), which, self.images.sizes, self.config)
        images, labels = cut_crops(self.images, self.labels, crops, self.config.crop, self.normalisation)
        weights = torch.tensor([0.0, *self.weights], dtype=torch.float32, device=images.device)
        total = weights[labels].sum()
        if not total > 0:
            return None
        self.optimiser.zero_grad(set_to_none=True)
        loss = torch.zeros((), device=images.device)
        with torch_seeded(images.device, self.seed, DROPOUT, epoch, k):
            for part in parts_of(len(which), self.most, self._least):
                loss += self._learn_from(images[part], labels[part], weights[1:], total)
        value = float(loss)
        if not math.isfinite(value):
            raise Diverged("The loss")
        self.optimiser.step()
        return value

    def _learn_from(
        self, images: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor, total: torch.Tensor
    ) -> torch.Tensor:
        """Add the gradient of these crops' share of the batch's loss; returns the share."""
        with self.compute.running():
            logits, _ = self.segmenter(images.contiguous(memory_format=self.compute.layout))
        loss = weighted_loss(logits, labels, weights) / total
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def save_memory(self) -> str | None:
        """Halve how many crops are in memory at once, adding up their gradients; then leave the GPU."""
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


def weighted_loss(logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Sum over labelled pixels of w_y times cross-entropy; labels (B, h, w) hold 1..C, or 0 where unlabelled.

    Divided by the sum of w_y over the batch it is the paper's weighted cross-entropy. Pixel terms are summed last, which
    CUDA does in the same order each time.
    """
    ignored = UNLABELLED - 1
    terms = functional.cross_entropy(
        logits, labels - 1, weight=weights, ignore_index=ignored, reduction="none"
    )
    return terms.sum()
