"""Slices with a bright disc, their labels, settings that train in a second, and a way to run steps to their end."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from voidscope.config import Config, ModelConfig
from voidscope.jobs import Progress
from voidscope.model import Segmenter
from voidscope.training.prefetch import Prefetcher

NORMALISATION = (0.4, 0.2)


def discs(
    n: int, seed: int = 0, sizes: tuple[int, int] = (40, 64)
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """`n` noisy slices of random sizes, each with one bright disc: class 2, around it class 1."""
    rng = np.random.default_rng(seed)
    images, labels = [], []
    for _ in range(n):
        h, w = rng.integers(*sizes, 2)
        y, x = np.mgrid[:h, :w]
        radius = rng.uniform(6, 12)
        disc = np.hypot(y - rng.uniform(13, h - 13), x - rng.uniform(13, w - 13)) < radius
        images.append(np.clip(0.3 + 0.4 * disc + rng.normal(0, 0.1, (h, w)), 0, 1).astype(np.float32))
        labels.append((1 + disc).astype(np.uint8))
    return images, labels


def quick(*changes: str) -> Config:
    """Settings for a run of seconds with the smallest encoder."""
    return Config().with_changes(
        [
            "model.encoder=tu-mobilenetv3_small_050", "device=cpu", "train.epochs=3", "train.batch_size=4", "train.crop=32",
            "train.learning_rate=1e-3", "pretrain.epochs=3", "pretrain.batch_size=4", "pretrain.crop=32", *changes,
        ]
    )  # fmt: skip


def tiny_segmenter(
    config: ModelConfig, n_classes: int, seed: int = 0, contrastive: bytes | None = None
) -> Segmenter:
    """In place of `build_segmenter`: three layers with batch norm and dropout, for tests of everything around the network."""
    with torch.random.fork_rng([]):
        torch.default_generator.manual_seed(seed)
        encoder = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        decoder = nn.Sequential(
            nn.Dropout(0.2), nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU()
        )
        return Segmenter(encoder, decoder, nn.Sequential(nn.Conv2d(16, n_classes, 3, padding=1)))


@dataclass
class Run:
    """What a run said on the way and what it returned."""

    result: Any = None
    progress: list[Progress] = field(default_factory=list)


def finish(steps: Generator[Progress, None, Any]) -> Run:
    """Run steps to their end."""
    run = Run()
    while True:
        try:
            run.progress.append(next(steps))
        except StopIteration as end:
            run.result = end.value
            return run


class Early(Prefetcher[Any]):
    """Makes the next batch early on any device; `events` has a line for each time it was told to."""

    events: ClassVar[list[str]] = []

    def __init__(self, batches: Iterator[Any], device: torch.device, *, early: bool = True) -> None:
        super().__init__(batches, torch.device("cpu"))
        self._early = early

    def prefetch(self) -> None:
        self.events.append("prefetch")
        if self._early:
            self._make()


def prefetching(monkeypatch: pytest.MonkeyPatch, recipe: ModuleType) -> list[str]:
    """Let a recipe's batches be made early; returns what its steps do from now on: step, prefetch, read."""
    events = Early.events
    events.clear()

    def noting(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *given, **named: (events.append(name), call(*given, **named))[1]

    monkeypatch.setattr(recipe, "Prefetcher", Early)
    monkeypatch.setattr(recipe, "finite", noting("read", recipe.finite))
    for optimiser in (torch.optim.SGD, torch.optim.RMSprop, torch.optim.AdamW):
        monkeypatch.setattr(optimiser, "step", noting("step", optimiser.step))
    return events
