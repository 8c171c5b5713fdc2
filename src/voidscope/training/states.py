"""States of a long course as bytes, from which a killed run goes on to the bit."""

from __future__ import annotations

import hashlib
import io
import math
import pickle
import time
from typing import Any

import torch

from voidscope.errors import ProjectError
from voidscope.model.failures import one_line
from voidscope.training.course import Course

SECONDS_BETWEEN_STATES = 30.0
"""How much work a kill may cost; a state is a hundred megabytes."""


class Keeper:
    """Makes states of a course and reads them back."""

    def __init__(self, course: Course, recipe: str, epochs: int) -> None:
        self._course, self._recipe, self._epochs = course, recipe, epochs
        self._kept = -math.inf

    def offer(self) -> bytes | None:
        """A state, when one is due and all weights are finite."""
        now, done = time.monotonic(), len(self._course.losses)
        if done < self._epochs and now - self._kept < SECONDS_BETWEEN_STATES:
            return None
        if not self._course.is_finite():
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
        self._course.resume(tree)


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
