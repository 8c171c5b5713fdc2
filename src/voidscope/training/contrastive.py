"""Contrastive pretraining of encoder and decoder (paper 3.1, Eq. 1), with SDCLR's recipe as the paper used it."""

from __future__ import annotations

import io
import math
import pickle
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as nnf
from torch import nn

from voidscope.config import Config, PretrainConfig
from voidscope.errors import JobFailed, NotReady, ProjectError
from voidscope.jobs import Progress, Steps
from voidscope.model import backbone_state, build_segmenter, choose_device, precision, weights_bytes
from voidscope.training.augment import Pool, views

KEEP_EVERY_S = 60.0
"""The state to resume from is offered after the first epoch, the last, and at least this often, in seconds."""
LAST_RATE = 1e-6
"""Learning rate at the last step."""


@dataclass(frozen=True, eq=False)
class Pretrained:
    """A finished pretraining: encoder and decoder weights, and the mean loss of each epoch."""

    weights: bytes
    losses: tuple[float, ...]


def pretrain_steps(
    images: Sequence[npt.NDArray[np.float32]],
    config: Config,
    *,
    normalisation: tuple[float, float],
    resume: bytes | None = None,
) -> Steps[Pretrained]:
    """Pretrain on slices (h, w) in [0, 1]; no labels are involved.

    Now and then a `Progress.partial` holds the state as bytes; handed back as `resume` with the same slices and
    settings, the run goes on from there and ends, on one machine, with bitwise the same weights.

    Raises `NotReady` for fewer than two slices, `JobFailed` when the loss is not finite or torch gives up.
    """
    if len(images) < 2:
        raise NotReady(f"Pretraining contrasts slices with each other; {len(images)} is too few, add scans.")
    run = _Pretraining(images, config, normalisation)
    if resume is not None:
        run.load(resume)
    try:
        yield from run.run()
    except RuntimeError as error:
        raise JobFailed(
            f"Pretraining stopped: {' '.join(str(error).split())[:300]}. See: voidscope doctor"
        ) from error
    return Pretrained(weights_bytes(backbone_state(run.segmenter)), tuple(run.losses))


def nt_xent(vectors: torch.Tensor, temperature: float) -> torch.Tensor:
    """Eq. 1 over a batch of 2N vectors (2N, D), rows 2i and 2i + 1 being two views of slice i.

    Each vector's negatives are the 2N - 2 views of other slices; the mean over all 2N anchors is returned.
    Vectors that say nothing give about ln(2N - 1).
    """
    unit = nnf.normalize(vectors.float(), dim=1)
    similarity = unit @ unit.T / temperature
    similarity = similarity.masked_fill(
        torch.eye(len(unit), dtype=torch.bool, device=unit.device), -torch.inf
    )
    positive = torch.arange(len(unit), device=unit.device) ^ 1
    return nnf.cross_entropy(similarity, positive)


def projection_head(width: int, out: int) -> nn.Sequential:
    """Two-layer head on the pooled decoder output: linear, BatchNorm, ReLU, linear without bias, BatchNorm."""
    return nn.Sequential(
        nn.Linear(width, width),
        nn.BatchNorm1d(width),
        nn.ReLU(inplace=True),
        nn.Linear(width, out, bias=False),
        nn.BatchNorm1d(out),
    )


def learning_rate(step: int, total: int, warmup: int, peak: float) -> float:
    """Rate of step 1..total: linear from 0 to `peak` over the warm-up, then half a cosine down to `LAST_RATE`."""
    if step <= warmup:
        return peak * step / warmup
    share = (step - warmup) / max(1, total - warmup)
    return LAST_RATE + (peak - LAST_RATE) * (1 + math.cos(math.pi * share)) / 2


class _Pretraining:
    def __init__(
        self, images: Sequence[npt.NDArray[np.float32]], config: Config, normalisation: tuple[float, float]
    ) -> None:
        self.config: PretrainConfig = config.pretrain
        self.seed = config.seed
        self.place = choose_device(config.device)
        self.mean, self.std = normalisation
        self.pool = Pool.of([np.round(image * 255).astype(np.uint8) for image in images], self.place)
        plain = (
            config.model
            if config.model.initialisation == "imagenet"
            else config.model.model_copy(update={"initialisation": "none"})
        )
        self.segmenter = build_segmenter(plain, 2, config.seed)
        width = self.segmenter.head[0].in_channels
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.head = projection_head(width, self.config.projection_dim)
        self.segmenter.to(device=self.place, memory_format=torch.channels_last).train()
        self.head.to(self.place).train()
        self.optimiser = torch.optim.SGD(
            [*self.segmenter.encoder.parameters(), *self.segmenter.decoder.parameters(), *self.head.parameters()],
            lr=self.config.learning_rate, momentum=self.config.momentum, weight_decay=self.config.weight_decay, foreach=True,
        )  # fmt: skip
        self.losses: list[float] = []

    def run(self) -> Steps[None]:
        per_epoch, kept = len(self._batches(0)), -math.inf
        total = self.config.epochs * per_epoch
        while (epoch := len(self.losses)) < self.config.epochs:
            rng, losses = self._rng(epoch), []
            for step, rows in enumerate(self._batches(epoch)):
                losses.append(self._step(rows, epoch * per_epoch + step + 1, total, per_epoch, rng))
                yield Progress(epoch * per_epoch + step + 1, total, self._note(epoch, losses))
            self.losses.append(float(np.mean(losses)))
            if time.monotonic() - kept > KEEP_EVERY_S or epoch + 1 == self.config.epochs:
                kept = time.monotonic()
                yield Progress((epoch + 1) * per_epoch, total, self._note(epoch, losses), self.state())

    def _step(
        self, rows: npt.NDArray[np.int64], step: int, total: int, per_epoch: int, rng: np.random.Generator
    ) -> float:
        warmup = min(self.config.warmup_epochs * per_epoch, total // 2)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(step, total, warmup, self.config.learning_rate)
        pair = torch.stack([views(self.pool, rows, self.config, rng) for _ in range(2)], dim=1).flatten(0, 1)
        images = ((pair - self.mean) / self.std)[:, None].contiguous(memory_format=torch.channels_last)
        with precision(self.place):
            pooled = self.segmenter.features(images).mean(dim=(2, 3))
            vectors = self.head(pooled)
        loss = nt_xent(vectors, self.config.temperature)
        if not torch.isfinite(loss):
            raise JobFailed(
                f"The contrastive loss is not finite at step {step}; set pretrain.learning_rate lower than {self.config.learning_rate}."
            )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        return float(loss.detach())

    def state(self) -> bytes:
        """Everything the rest of the run depends on."""
        buffer = io.BytesIO()
        tree = {
            "segmenter": self.segmenter.state_dict(), "head": self.head.state_dict(),
            "optimiser": self.optimiser.state_dict(), "losses": self.losses,
        }  # fmt: skip
        torch.save(tree, buffer)
        return buffer.getvalue()

    def load(self, state: bytes) -> None:
        """Go on from a state; raises `ProjectError` when it is damaged."""
        try:
            tree = torch.load(io.BytesIO(state), map_location=self.place, weights_only=True)
            self.segmenter.load_state_dict(tree["segmenter"])
            self.head.load_state_dict(tree["head"])
            self.optimiser.load_state_dict(tree["optimiser"])
            self.losses = list(tree["losses"])
        except (RuntimeError, KeyError, ValueError, TypeError, EOFError, pickle.UnpicklingError) as error:
            reason = " ".join(str(error).split())[:160]
            raise ProjectError(
                f"The pretraining's saved state cannot be read: {reason}. Delete pretrained/state-*.pt to start anew."
            ) from error

    def _rng(self, epoch: int) -> np.random.Generator:
        """One generator per epoch, so that a resumed run draws what the uninterrupted one would."""
        return np.random.default_rng([self.seed, epoch])

    def _batches(self, epoch: int) -> list[npt.NDArray[np.int64]]:
        """The epoch's slices in random order; a last batch of one has no negatives and joins the one before."""
        order = self._rng(epoch).permutation(len(self.pool.extents))
        cuts = list(range(self.config.batch_size, len(order), self.config.batch_size))
        if cuts and len(order) - cuts[-1] == 1:
            cuts.pop()
        return np.split(order, cuts)

    def _note(self, epoch: int, losses: list[float]) -> str:
        chance = math.log(2 * min(self.config.batch_size, len(self.pool.extents)) - 1)
        return f"epoch {epoch + 1} of {self.config.epochs}, loss {np.mean(losses):.3f} (chance {chance:.2f})"
