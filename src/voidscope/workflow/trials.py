"""Trials: short trainings that make no cycle, each judged by labelled slices that it has not learnt from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from voidscope.config import Config
from voidscope.evaluation import Matrix
from voidscope.jobs import Progress, Steps
from voidscope.project import SliceReader
from voidscope.workflow.comparing import Truth, matrices
from voidscope.workflow.lessons import Lesson

SHARE = 1 / 3
"""Length of a trial's training as a share of the full one."""


def shortened(settings: Config) -> Config:
    """The settings of a trial's training by those of a full one: a third of its length, the same rates."""
    return settings.model_copy(update={"train": settings.train.shortened(SHARE)})


@dataclass(frozen=True)
class Trial:
    """What one network learns from, and the labelled slices that judge it; `note` says which it is."""

    lesson: Lesson
    judges: SliceReader
    truth: Truth
    note: str

    def judge(self, weights: bytes) -> Matrix:
        """The confusion matrix, pooled over the labelled pixels of the slices that judge."""
        model, device, n = self.lesson.settings.model, self.lesson.settings.device, len(self.lesson.classes)
        judged = matrices(model, weights, self.lesson.normalisation, self.judges, self.truth, n, device)
        return sum(judged, start=np.zeros((n, n), np.int64))


@dataclass(frozen=True)
class Trials:
    """Trials in order, fixed when they are asked for and able to go to another process."""

    trials: Sequence[Trial]

    def steps(self) -> Steps[tuple[Matrix, ...]]:
        """Train and judge each; a confusion matrix of every trial."""
        found: list[Matrix] = []
        for trial in self.trials:
            trained = yield from self._telling(trial, len(found))
            found.append(trial.judge(trained.weights))
        yield Progress(100, 100, "judged")
        return tuple(found)

    def _telling(self, trial: Trial, done: int) -> Steps[Any]:
        """A trial's training, telling of all of them, in per cent."""
        steps = trial.lesson.steps()
        try:
            while True:
                told = next(steps)
                share = told.done / told.total if told.total else 0.0
                yield replace(
                    told, done=int(100 * (done + share) / len(self.trials)), total=100, note=trial.note
                )
        except StopIteration as end:
            return end.value
        finally:
            steps.close()
