"""What is learnt from, apart from the project: all of it fixed when the verb is called, and able to go to another process."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from voidscope.apart import abreast, apart
from voidscope.config import Config
from voidscope.jobs import Progress, Steps
from voidscope.project import PackedLabel, SliceReader
from voidscope.project.atomic import write_bytes
from voidscope.vocabulary import ClassMap, Role, SliceKey
from voidscope.workflow.snapshot import LOADING

if TYPE_CHECKING:
    from voidscope.training import Pretrained, Seat, Trained
    from voidscope.training.vaal import Judged

T = TypeVar("T")
Image = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Lesson:
    """One supervised training: slices with their labels, settings, and what the network starts from.

    Labels are as they were when it was asked for, but unpacked only by whoever trains, for that takes a while.
    """

    reader: SliceReader
    labels: tuple[PackedLabel, ...]
    classes: ClassMap
    settings: Config
    normalisation: tuple[float, float]
    contrastive: bytes | None
    warm: bytes | None
    further: tuple[SliceKey, ...] = ()
    """Slices without labels to learn from by pseudo-labels."""

    def only(self, keys: Collection[SliceKey]) -> Lesson:
        """The same lesson on some of its slices and without pseudo-labels, which may be of neighbours of slices that judge."""
        return replace(self, labels=tuple(label for label in self.labels if label.key in keys), further=())

    def steps(self) -> Steps[Trained]:
        """Train; see `training.train_steps`, and with slices to learn from by pseudo-labels `training.pseudo_label_steps`."""
        yield Progress(0, 0, LOADING)
        from voidscope.training import pseudo_label_steps, train_steps

        n_classes, void_ids = len(self.classes), self.classes.ids_with_role(Role.VOID)
        images = [self.reader.image(label.key) for label in self.labels]
        masks = [label.mask() for label in self.labels]
        if self.further:
            further = yield from self._windows()
            return (yield from pseudo_label_steps(
                images, masks, further, n_classes, self.settings,
                normalisation=self.normalisation, contrastive=self.contrastive, void_ids=void_ids,
            ))  # fmt: skip
        return (yield from train_steps(
            images, masks, n_classes, self.settings,
            normalisation=self.normalisation, contrastive=self.contrastive, warm=self.warm, void_ids=void_ids,
        ))  # fmt: skip

    def _windows(self) -> Steps[list[Image]]:
        """What is looked at of the further slices, read before anything is trained."""
        from voidscope.training.pseudo_labels import window_of

        found = []
        for k, key in enumerate(self.further):
            found.append(window_of(self.reader.image(key), self.settings.seed, k))
            yield Progress(0, 0, f"reading {k + 1} of {len(self.further)} slices without labels")
        return found


@dataclass(frozen=True)
class Looking:
    """One contrastive pretraining on slices that need no labels; its states are kept in `state`, from which it resumes."""

    reader: SliceReader
    keys: tuple[SliceKey, ...]
    settings: Config
    normalisation: tuple[float, float]
    state: Path

    def steps(self) -> Steps[Pretrained]:
        """Pretrain, in as many processes as the settings have it; see `training.pretrain_steps`."""
        yield Progress(0, self.settings.pretrain.epochs, LOADING)
        from voidscope.training import seats

        places = seats(self.settings, len(self.keys), [k.scan for k in self.keys])
        if not places:
            return (yield from self._alone_or_in(None))
        return (yield from abreast("Pretraining", [partial(self.as_one_of, seat) for seat in places]))

    def as_one_of(self, seat: Seat) -> Steps[Pretrained]:
        """Take part in a team, in this process; all find the same, and only the first hands it over."""
        found = yield from self._alone_or_in(seat)
        return found if seat.rank == 0 else replace(found, weights=b"", state=b"")

    def _alone_or_in(self, seat: Seat | None) -> Steps[Pretrained]:
        from voidscope.training import pretrain_steps

        resume = self.state.read_bytes() if self.state.exists() else None
        images = (self.reader.image(k) for k in self.keys)
        groups = [k.scan for k in self.keys]
        running = pretrain_steps(
            images, self.settings, normalisation=self.normalisation, resume=resume, groups=groups,
            team=seat.taken() if seat else None,
        )  # fmt: skip
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


@dataclass(frozen=True)
class Judging:
    """VAAL's two networks, which learn on all training slices how a labelled one looks."""

    reader: SliceReader
    keys: tuple[SliceKey, ...]
    labelled: tuple[bool, ...]
    settings: Config

    def steps(self) -> Steps[Judged]:
        """Train both and judge every slice; see `training.vaal.vaal_steps`."""
        yield Progress(0, self.settings.suggest.vaal_epochs, LOADING)
        from voidscope.training.vaal import vaal_steps

        return (yield from vaal_steps(
            [self.reader.image(k) for k in self.keys], self.labelled,
            seed=self.settings.seed, device=self.settings.device, epochs=self.settings.suggest.vaal_epochs,
        ))  # fmt: skip


def driven(title: str, steps: Callable[[], Steps[T]], *, elsewhere: bool) -> Callable[[], Steps[T]]:
    """The steps as a job runs them: here, or in a process of their own."""
    return (lambda: apart(title, steps)) if elsewhere else steps
