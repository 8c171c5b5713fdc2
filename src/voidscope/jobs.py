"""Long work as a value: a generator that yields `Progress` and returns a frozen result, and a commit.

A verb of `workflow` takes its snapshot when called and returns a `Job`. The steps touch only that snapshot, on
whatever thread drives them; `commit` runs afterwards on the thread that owns the project. Cancelling a job is
to stop iterating its steps and close them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Generic, TypeVar

Result = TypeVar("Result")
Outcome = TypeVar("Outcome")
Steps = Generator["Progress", None, Result]
"""What a job runs: yields `Progress`, returns its result."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is: `done` of `total` units, a note in a person's words, and optionally a partial result.

    `where` is the device that the work is done on, where that is known.
    """

    done: int
    total: int
    note: str = ""
    partial: object = None
    where: str = ""


@dataclass(frozen=True, slots=True)
class Job(Generic[Result, Outcome]):
    """Work not yet done: its title, its steps and what to do with their result."""

    title: str
    steps: Callable[[], Steps[Result]]
    commit: Callable[[Result], Outcome]


def attempt(act: Callable[[], Result]) -> tuple[Result | None, Exception | None]:
    """What an act returns, or whatever it raises: for the boundaries where something goes on whatever goes wrong.

    These are the window, and the hours of a benchmark's other cells.
    """
    try:
        return act(), None
    except Exception as error:  # noqa: BLE001
        return None, error


def execute(job: Job[Result, Outcome], on_progress: Callable[[Progress], None] | None = None) -> Outcome:
    """Run a job to its end on this thread and commit its result.

    `on_progress` is called with each `Progress`; an exception raised there (or KeyboardInterrupt) cancels the
    job: its steps are closed and nothing is committed.
    """
    steps = job.steps()
    try:
        while True:
            try:
                progress = next(steps)
            except StopIteration as end:
                return job.commit(end.value)
            if on_progress is not None:
                on_progress(progress)
    finally:
        steps.close()
