"""One cycle's training, the paper's recipe (4.1): RMSprop, weighted cross-entropy, unlabelled pixels left out."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as nnf

from voidscope.config import Config, TrainConfig
from voidscope.errors import JobFailed
from voidscope.jobs import Progress, Steps
from voidscope.model import Segmenter, build_segmenter, choose_device, precision, uses_bfloat16, weights_bytes
from voidscope.training.augment import Pool, crops, crops_per_slice
from voidscope.vocabulary import Mask

IGNORED = -1
"""Target of pixels that are unlabelled or padding."""


@dataclass(frozen=True, eq=False)
class Trained:
    """A finished training: the last epoch's weights and how it went."""

    weights: bytes
    losses: tuple[float, ...]
    class_weights: tuple[float, ...]
    device: str
    threads: int
    dtype: str
    warnings: tuple[str, ...]
    seconds: float


def train_steps(
    images: Sequence[npt.NDArray[np.float32]],
    labels: Sequence[Mask],
    n_classes: int,
    config: Config,
    *,
    normalisation: tuple[float, float],
    contrastive: bytes | None = None,
) -> Steps[Trained]:
    """Train a network anew on labelled slices (h, w): images in [0, 1], labels 1..C and 0 where unlabelled.

    Bitwise reproducible on one machine for one seed, thread count and torch. A loss that is not finite rolls back to
    the last epoch and halves the learning rate, once; out of memory halves the batch, then goes to the CPU.

    Raises `JobFailed` when the loss stays not finite or torch gives up.
    """
    training = _Training(images, labels, n_classes, config, normalisation, contrastive)
    try:
        yield from training.run()
    except RuntimeError as error:
        raise JobFailed(
            f"Training stopped: {' '.join(str(error).split())[:300]}. See: voidscope doctor"
        ) from error
    return training.result()


def class_weights(labels: Sequence[Mask], n_classes: int) -> npt.NDArray[np.float64]:
    """w_c = N / (C N_c) over the labelled pixels (paper 4.1); 0 for a class that is not among them."""
    counts = np.sum([np.bincount(m.ravel(), minlength=n_classes + 1)[1:] for m in labels], axis=0)
    weights = np.zeros(n_classes)
    np.divide(counts.sum(), n_classes * counts, out=weights, where=counts > 0)
    return weights


def weighted_cross_entropy(
    logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """Sum over labelled pixels of w_c times cross-entropy, over the sum of their w_c; 0 when none is labelled."""
    total = nnf.cross_entropy(logits.float(), targets, weights, ignore_index=IGNORED, reduction="sum")
    return total / weight_sum(targets, weights).clamp_min(torch.finfo(torch.float32).tiny)


def weight_sum(targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Sum of w_c over the labelled pixels."""
    return (weights[targets.clamp_min(0)] * (targets != IGNORED)).sum()


class _Training:
    """The state of one training; `run` is the loop read top to bottom."""

    def __init__(
        self, images: Sequence[npt.NDArray[np.float32]], labels: Sequence[Mask], n_classes: int, config: Config,
        normalisation: tuple[float, float], contrastive: bytes | None,
    ) -> None:  # fmt: skip
        self.config: TrainConfig = config.train
        self.place = choose_device(config.device)
        self.rng = np.random.default_rng(config.seed)
        self.segmenter: Segmenter = build_segmenter(config.model, n_classes, config.seed, contrastive)
        mean, std = normalisation
        self.images = Pool.of([(image - np.float32(mean)) / np.float32(std) for image in images], self.place)
        self.labels = Pool.of(labels, self.place)
        self.rows = np.repeat(np.arange(len(images)), [crops_per_slice(self.config, i.shape) for i in images])
        self.class_weights = class_weights(labels, n_classes)
        self.losses: list[float] = []
        self.warnings: list[str] = []
        self.lr_factor, self.micro_batch = 1.0, self.config.batch_size
        self.started = time.monotonic()
        self._to(self.place)

    def run(self) -> Steps[None]:
        steps = math.ceil(len(self.rows) / self.config.batch_size)
        total = self.config.epochs * steps
        while len(self.losses) < self.config.epochs:
            epoch, good, sum_of_losses = len(self.losses), self._snapshot(), 0.0
            for step, rows in enumerate(self._batches()):
                loss = self._step(rows, epoch)
                if not math.isfinite(loss):
                    self._roll_back(good, epoch)
                    break
                sum_of_losses += loss
                done = epoch * steps + step + 1
                yield Progress(
                    done,
                    total,
                    f"epoch {epoch + 1} of {self.config.epochs}, loss {sum_of_losses / (step + 1):.3f}",
                )
            else:
                self.losses.append(sum_of_losses / steps)

    def result(self) -> Trained:
        return Trained(
            weights=weights_bytes(self.segmenter.state_dict()), losses=tuple(self.losses),
            class_weights=tuple(float(w) for w in self.class_weights), device=str(self.place),
            threads=torch.get_num_threads(), dtype="bfloat16 autocast" if uses_bfloat16(self.place) else "float32",
            warnings=tuple(self.warnings), seconds=time.monotonic() - self.started,
        )  # fmt: skip

    def _batches(self) -> list[npt.NDArray[np.int64]]:
        """The epoch's slices in random order, in batches; a batch of one is doubled, for BatchNorm needs two."""
        order = self.rng.permutation(self.rows)
        parts = np.split(order, range(self.config.batch_size, len(order), self.config.batch_size))
        return [np.repeat(p, 2) if len(p) == 1 else p for p in parts]

    def _step(self, rows: npt.NDArray[np.int64], epoch: int) -> float:
        rate = self.config.learning_rate * self.lr_factor * (0.1 if epoch >= self.config.drop_epoch else 1)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        images, labels = crops(self.images, self.labels, rows, self.config, self.rng)
        while True:
            try:
                return self._descend(images.to(self.place), labels.to(self.place).long() - 1)
            except torch.OutOfMemoryError:
                self._make_room()

    def _descend(self, images: torch.Tensor, targets: torch.Tensor) -> float:
        """One optimiser step, in micro-batches whose gradients add up to the whole batch's."""
        self.optimiser.zero_grad(set_to_none=True)
        whole = weight_sum(targets, self.weights)
        if not whole > 0:
            return 0.0
        loss = 0.0
        for some, wanted in zip(images.split(self.micro_batch), targets.split(self.micro_batch), strict=True):
            with precision(self.place):
                logits, _ = self.segmenter(some.contiguous(memory_format=torch.channels_last))
            part = (
                nnf.cross_entropy(logits.float(), wanted, self.weights, ignore_index=IGNORED, reduction="sum")
                / whole
            )
            part.backward()
            loss += float(part.detach())
        if math.isfinite(loss):
            self.optimiser.step()
        return loss

    def _snapshot(self) -> tuple[dict[str, torch.Tensor], dict[str, object]]:
        return copy.deepcopy((self.segmenter.state_dict(), self.optimiser.state_dict()))

    def _roll_back(self, good: tuple[dict[str, torch.Tensor], dict[str, object]], epoch: int) -> None:
        if self.lr_factor < 1:
            raise JobFailed(
                f"The loss is not finite in epoch {epoch + 1} even at half the learning rate; set train.learning_rate lower."
            )
        self.segmenter.load_state_dict(good[0])
        self.optimiser.load_state_dict(good[1])
        self.lr_factor = 0.5
        self.warnings.append(
            f"The loss was not finite in epoch {epoch + 1}: went back one epoch and halved the learning rate."
        )

    def _make_room(self) -> None:
        """After out of memory: half the micro-batch, down to two slices, then the CPU."""
        if self.micro_batch > 2:
            self.micro_batch = max(2, self.micro_batch // 2)
            self.warnings.append(f"Out of memory: went on with micro-batches of {self.micro_batch}.")
        elif self.place.type != "cpu":
            self._to(torch.device("cpu"))
            self.warnings.append("Out of memory on the GPU: went on with the CPU.")
        else:
            raise JobFailed(
                f"Out of memory with batches of {self.micro_batch}; set train.crop lower or free memory."
            )

    def _to(self, place: torch.device) -> None:
        self.place = place
        self.segmenter.to(device=place, memory_format=torch.channels_last).train()
        self.weights = torch.from_numpy(self.class_weights).float().to(place)
        self.optimiser = torch.optim.RMSprop(
            self.segmenter.parameters(), lr=self.config.learning_rate, alpha=0.99, momentum=self.config.momentum,
            weight_decay=self.config.weight_decay, foreach=True,
        )  # fmt: skip
