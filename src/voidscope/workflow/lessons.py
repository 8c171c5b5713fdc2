"""What is learnt from, apart from the project: all of it fixed when the verb is called, and able to go to another process."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from voidscope.apart import apart
from voidscope.config import Config
from voidscope.jobs import Progress, Steps
from voidscope.project import SliceReader
from voidscope.project.atomic import write_bytes
from voidscope.vocabulary import Mask, SliceKey
from voidscope.workflow.snapshot import LOADING

if TYPE_CHECKING:
    from voidscope.training import Pretrained, Trained

T = TypeVar("T")


@dataclass(frozen=True)
class Lesson:
    """One supervised training: slices, their masks, settings, and what the network starts from."""

    reader: SliceReader
    keys: tuple[SliceKey, ...]
    masks: tuple[Mask, ...]
    n_classes: int
    settings: Config
    normalisation: tuple[float, float]
    contrastive: bytes | None
    warm: bytes | None

    def only(self, keys: Collection[SliceKey]) -> Lesson:
        """The same lesson on some of its slices."""
        kept = [(k, m) for k, m in zip(self.keys, self.masks, strict=True) if k in keys]
        return replace(self, keys=tuple(k for k, _ in kept), masks=tuple(m for _, m in kept))

    def steps(self) -> Steps[Trained]:
        """Train; see `training.train_steps`."""
        yield Progress(0, 0, LOADING)
        from voidscope.training import train_steps

        images = [self.reader.image(k) for k in self.keys]
        return (yield from train_steps(
            images, self.masks, self.n_classes, self.settings,
            normalisation=self.normalisation, contrastive=self.contrastive, warm=self.warm,
        ))  # fmt: skip


@dataclass(frozen=True)
class Looking:
    """One contrastive pretraining on slices that need no labels; its states are kept in `state`, from which it resumes."""

    reader: SliceReader
    keys: tuple[SliceKey, ...]
    settings: Config
    normalisation: tuple[float, float]
    state: Path

    def steps(self) -> Steps[Pretrained]:
        """Pretrain; see `training.pretrain_steps`."""
        yield Progress(0, self.settings.pretrain.epochs, LOADING)
        from voidscope.training import pretrain_steps

        resume = self.state.read_bytes() if self.state.exists() else None
        images = [self.reader.image(k) for k in self.keys]
        groups = [k.scan for k in self.keys]
        running = pretrain_steps(
            images, self.settings, normalisation=self.normalisation, resume=resume, groups=groups
        )
        return (yield from _keeping_state(running, self.state))


def _keeping_state(running: Steps[Pretrained], path: Path) -> Steps[Pretrained]:
    """Pass progress on and keep each state the pretraining offers, so that a killed run goes on from there."""
    try:
        while True:
            progress = next(running)
            if isinstance(progress.partial, bytes):
                write_bytes(path, progress.partial)
            yield replace(progress, partial=None)
    except StopIteration as end:
        result: Pretrained = end.value
        return result
    finally:
        running.close()


def driven(title: str, steps: Callable[[], Steps[T]], *, elsewhere: bool) -> Callable[[], Steps[T]]:
    """The steps as a job runs them: here, or in a process of their own."""
    return (lambda: apart(title, steps)) if elsewhere else steps
