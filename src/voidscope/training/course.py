"""How a recipe is followed to its end: step after step, back to the last good state when something goes wrong.

A loss that is not a number: back, and on with half the learning rate, once. Memory runs out: back, and on with less of
it. Anything else, or the same again, ends the job with its reason.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import nn

from voidscope.errors import JobFailed, is_out_of_memory
from voidscope.jobs import Progress, Steps
from voidscope.model.devices import Compute

STEPS_BETWEEN_COPIES = {"cpu": 25, "cuda": 200, "mps": 25}
"""A good state is kept about this often, at the end of an epoch; on a CPU a copy costs as much as a fifth of a step, on an NVIDIA
GPU, whose steps are short, as several.
"""


class Diverged(ArithmeticError):
    """A loss or a weight is not a finite number."""


def finite(loss: torch.Tensor, what: str = "The loss") -> float:
    """A loss as a number; raises `Diverged` when it is not finite.

    Recipes ask after the optimiser's step, so that a GPU always has something to do: `follow` puts back what a step has spoilt.
    """
    value = float(loss)
    if not math.isfinite(value):
        raise Diverged(what)
    return value


class Recipe(Protocol):
    """What differs between supervised training, pretraining and VAAL."""

    n_steps: int
    """Steps per epoch."""
    way_out: str
    """What a person does when the loss diverges again at half the learning rate."""
    compute: Compute
    """The device it runs on now."""
    warnings: tuple[str, ...]
    """What a person should be told of how it was placed there."""

    def steps(self, epoch: int, rate: float) -> Iterator[tuple[float | None, str]]:
        """Do one step after another of an epoch, with `rate` times the learning rate; yields the loss and words about it.

        The loss is None where a batch had nothing to learn from; raises `Diverged`.
        """

    def save_memory(self) -> str | None:
        """Use less memory from now on and say how, or None when there is no way."""


class Course:
    """What changes while a recipe is followed: weights, optimiser, losses; can be put back to an earlier state."""

    def __init__(
        self, network: nn.Module, optimiser: torch.optim.Optimizer, warnings: Sequence[str] = ()
    ) -> None:
        self.network = network
        self.optimiser = optimiser
        self.losses: list[float] = []
        self.rate = 1.0
        self.warnings = list(warnings)

    def state(self) -> dict[str, Any]:
        """All of it, by reference; loss by finished epoch says how far the course is."""
        return {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "losses": list(self.losses),
            "rate": self.rate,
            "warnings": list(self.warnings),
        }

    def put_back(self, state: dict[str, Any]) -> None:
        """Return to what was learnt by a state taken by `state` or `copy`, which stays untouched by what follows.

        The rate and the warnings stay: what went wrong since is not undone.
        """
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(copy.deepcopy(state["optimiser"]))
        self.losses = list(state["losses"])

    def resume(self, state: dict[str, Any]) -> None:
        """Take over all of a state of another course, warnings among it where it has any; its own warnings stay."""
        self.put_back(state)
        self.rate = float(state["rate"])
        self.warnings = list(dict.fromkeys([*state.get("warnings", ()), *self.warnings]))

    def copy(self) -> dict[str, Any]:
        """A state of its own; raises `Diverged` when a weight is not finite."""
        if not self.is_finite():
            raise Diverged("a weight")
        return copy.deepcopy(self.state())

    def is_finite(self) -> bool:
        """Whether all weights are; where the last step spoilt one, no loss has told yet."""
        sums = [t.sum() for t in self.network.state_dict().values() if t.is_floating_point()]
        return bool(torch.stack(sums).isfinite().all())


def follow(
    recipe: Recipe, course: Course, epochs: int, offer: Callable[[], object] = lambda: None
) -> Steps[None]:
    """Follow a recipe until `epochs` epochs are done, from wherever the course stands.

    After each epoch `offer` may give something to hand out as `Progress.partial`.

    Raises
    ------
    JobFailed : the loss diverged again at half the learning rate.
    """
    # By reference at first: where there is no room for a copy, nothing was learnt yet.
    good, copied = course.state(), -1
    total = epochs * recipe.n_steps
    yield from (Progress(0, total, told, where=recipe.compute.name) for told in recipe.warnings)
    while (epoch := len(course.losses)) < epochs:
        try:
            if copied < 0:
                good, copied = course.copy(), epoch
            course.losses.append((yield from _one_epoch(recipe, course, epochs)))
            between = STEPS_BETWEEN_COPIES[recipe.compute.device.type]
            if epoch + 1 == epochs or (epoch + 1 - copied) * recipe.n_steps >= between:
                good, copied = course.copy(), epoch + 1
        except Diverged as reason:
            _go_back_slower(recipe, course, good, f"{reason} became not a number in epoch {epoch + 1}")
            continue
        except (RuntimeError, MemoryError) as error:
            saved = recipe.save_memory() if is_out_of_memory(error) else None
            if saved is None:
                raise
            course.put_back(good)
            course.warnings.append(f"Memory ran out in epoch {epoch + 1}: {saved}.")
            yield Progress(
                epoch * recipe.n_steps, total, f"memory ran out: {saved}", where=recipe.compute.name
            )
            continue
        partial = offer()
        if partial is not None:
            yield Progress((epoch + 1) * recipe.n_steps, total, f"epoch {epoch + 1}/{epochs} kept", partial)


def _one_epoch(recipe: Recipe, course: Course, epochs: int) -> Steps[float]:
    """One epoch's steps; returns its mean loss, 0 when no batch held a label."""
    epoch, losses = len(course.losses), []
    for done, (loss, said) in enumerate(recipe.steps(epoch, course.rate), start=epoch * recipe.n_steps + 1):
        losses.extend([] if loss is None else [loss])
        told = f"loss {loss:.4f}{said}" if loss is not None else "no labelled pixel in this batch"
        yield Progress(
            done, epochs * recipe.n_steps, f"epoch {epoch + 1}/{epochs}, {told}", where=recipe.compute.name
        )
    return math.fsum(losses) / max(1, len(losses))


def _go_back_slower(recipe: Recipe, course: Course, good: dict[str, Any], what: str) -> None:
    """Half the learning rate from the last good state on; a second time is the end."""
    if course.rate < 1.0:
        raise JobFailed(
            f"Training stopped: {what}, although the learning rate was already halved; {recipe.way_out}."
        )
    course.put_back(good)
    course.rate = 0.5
    course.warnings.append(
        f"{what[0].upper()}{what[1:]}: went back to the last good weights with half the learning rate."
    )
