"""Jobs in the background: where a job is driven by a worker thread and what it has found is committed on the GUI's.

One runner has the dock's jobs, another, beside it, what proposes labels (`labelling_tools`); the tray shows both. Quick looks alone
have none (`quick_look`): they change no project, and what goes wrong with one is no news.

A job may be one that yields: work that nobody waits for, which gives way to whatever is asked for meanwhile, is done without a word, and
may go on once that is over (`resumes`).

superqt's generator worker swallows a RuntimeError raised in the generator, `quit` leaves the generator suspended, and says
nothing when it comes after the last step; all are mended here, so that every job ends in exactly one of done, failed or cancelled.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from qtpy.QtCore import QObject, QThreadPool, Signal

from voidscope.errors import NEEDS_LESS_MEMORY, JobFailed, VoidscopeError, error_line, is_out_of_memory
from voidscope.jobs import Job, Progress, Steps, attempt
from voidscope.progress import Pace
from voidscope.widgets.triton_guard import keep_triton_out
from voidscope.widgets.workers import worker

log = logging.getLogger(__name__)

THREADS = 8
"""Least threads that jobs may have together. Qt takes as many as there are processors, but a training, which is in a process of its own,
only waits on its thread, and shall keep no look or ranking from having one.
"""


@dataclass(frozen=True)
class Question:
    """Something only a person can decide; the window goes on meanwhile. Answers are what a button says and does."""

    sentence: str
    answers: tuple[tuple[str, Callable[[], object]], ...]


class Runner(QObject):
    """Runs one job at a time; `started(title)`, `progressed(Progress, time left)`, then `ended()` and one of the rest.

    `failed` also carries what went wrong outside of jobs, `told` other news for the person, `asked` a `Question`, or None
    when the last one is settled, `awaits` one that is asked for as long as nobody has said, or None, `stands` what is wrong whatever else is told, or nothing once it is right again.
    `resumes` comes when whatever work that yields gave way to is over and nothing follows.
    """

    started = Signal(str)
    progressed = Signal(object, str)
    failed = Signal(str)
    cancelled = Signal(str)
    done = Signal(str)
    told = Signal(str)
    asked = Signal(object)
    awaits = Signal(object)
    stands = Signal(str)
    ended = Signal()
    resumes = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._worker: Any = None
        self._job: Job[Any, Any] | None = None
        self._steps: Steps[Any] | None = None
        self._then: Callable[[Any], object] | None = None
        self._end: Callable[[], object] | None = None
        self._follow: Callable[[], object] | None = None
        self._pace = Pace()
        self._yields = self._left = self._is_news = False
        self._hushed = self._dropped = False
        self._next: Callable[[], None] | None = None
        self._next_yields = False

    def at_once(self, act: Callable[[], object]) -> bool:
        """Do something now, without a job; why it is refused is told. Whether it was done."""
        try:
            act()
        except VoidscopeError as error:
            self.failed.emit(str(error))
            return False
        return True

    @property
    def busy(self) -> bool:
        """Whether a job is running that does not give way to another."""
        return self._worker is not None and not (self._yields and (self._next is None or self._next_yields))

    @property
    def idle(self) -> bool:
        """Whether no job is running, not even one that is giving way."""
        return self._worker is None

    @property
    def yields(self) -> bool:
        """Whether the job that runs is one that gives way to another."""
        return self._worker is not None and self._yields

    def waits_for(self) -> str:
        """What has to end before another job can start, for the tooltip of what is disabled; empty where nothing has to."""
        return f"{self._job.title} is running: wait for it, or cancel it." if self.busy and self._job else ""

    def is_free(self) -> bool:
        """Whether another job could start now; what is running is told where none could."""
        if self.busy and self._job is not None:
            self.failed.emit(f"{self._job.title} is still running; wait for it or cancel it.")
            return False
        return True

    def run(
        self,
        make: Callable[[], Job[Any, Any]],
        then: Callable[[Any], object] | None = None,
        *,
        yields: bool = False,
        is_news: bool = True,
    ) -> None:
        """Ask a verb for its job and run it; `then` gets the outcome after the commit, on the GUI thread.

        What the verb refuses is told by `failed`, as is a second job while one is running. A job that `yields` is cancelled
        without a word when another is asked for. That one is done is not told unless it `is_news`: else it leaves what was told last.
        """
        if not self.is_free():
            return
        if self._worker is not None:
            self._next = partial(self.run, make, then, yields=yields, is_news=is_news)
            self._next_yields = yields
            self._left = True
            self._worker.quit()
            return
        job, problem = attempt(make)
        if job is None:
            self.failed.emit(_sentence(problem))
            return
        self._job, self._then, self._pace = job, then, Pace()
        self._yields, self._is_news = yields, is_news and not yields
        self._left = self._left and not yields
        self._steps = _told(job.steps())
        self._worker = worker(_driving, self._steps)
        self._worker.yielded.connect(self._progress)
        self._worker.returned.connect(self._commit)
        self._worker.errored.connect(self._fail)
        self._worker.aborted.connect(self._abort)
        self._worker.finished.connect(self._finish)
        self.started.emit(job.title)
        pool = QThreadPool.globalInstance()
        pool.setMaxThreadCount(max(THREADS, pool.maxThreadCount()))
        self._worker.start()

    def cancel(self) -> None:
        """Stop the running job at its next step; nothing of it is kept that was not kept on the way, and nothing follows it.

        A job whose steps have just ended is cancelled all the same; one that is committed by now is only followed by nothing.
        """
        self._next = self._then = self._follow = None
        self._left = False
        if self._worker is not None:
            self._dropped = True
            self._worker.quit()

    def give_way(self) -> None:
        """End a job that yields, without a word; any other goes on."""
        if self._worker is not None and self._yields:
            self._hushed = True
            self._worker.quit()

    def resume(self) -> None:
        """Let work that yields go on: now, or once what is running is over."""
        self._left = True
        self._settle()

    def _settle(self) -> None:
        """Tell work that gave way that it may go on, where nothing runs."""
        if self._left and self._worker is None:
            self._left = False
            self.resumes.emit()

    def _progress(self, progress: Progress) -> None:
        if self._hushed:
            return
        self.progressed.emit(progress, self._pace.left(progress, time.monotonic()))

    def _commit(self, result: object) -> None:
        if self._job is None:
            return
        if self._dropped or self._hushed:
            self._abort()
            return
        outcome, problem = attempt(partial(self._job.commit, result))
        if problem is not None:
            self._fail(problem)
            return
        self._end = partial(self.done.emit, self._job.title) if self._is_news else _nothing
        self._follow = None if self._then is None else partial(self._then, outcome)

    def _fail(self, error: BaseException) -> None:
        self._end = partial(self.failed.emit, _sentence(error))

    def _abort(self) -> None:
        if self._next is None and not self._hushed:  # else it gives way, which is nobody's news
            self._end = partial(self.cancelled.emit, self._job.title if self._job else "")

    def _finish(self) -> None:
        """Free the runner, then tell how the job ended, so that whoever is told can start the next one."""
        if self._end is None:  # the worker says nothing of steps that end once it was told to stop
            self._abort()
        steps, calls = self._steps, (self._end, self._follow, self._next)
        self._worker, self._job, self._steps, self._then = None, None, None, None
        self._end, self._follow, self._next = None, None, None
        self._yields, self._hushed, self._dropped = False, False, False
        if steps is not None:
            _close(steps)
        self.ended.emit()
        for call in calls:
            if call is not None:
                call()
        self._settle()


def _nothing() -> None:
    """The end of work that is nobody's news."""


def _sentence(error: BaseException | None) -> str:
    """What went wrong; what nobody foresaw goes to the log as well."""
    if error is None or isinstance(error, VoidscopeError):
        return str(error or "There is nothing to run.")
    log.error("a job stopped", exc_info=error)
    way_out = f" To need less memory, {NEEDS_LESS_MEMORY}." if is_out_of_memory(error) else ""
    return f"{error_line(error)}.{way_out} The log has the details."


def _told(steps: Steps[Any]) -> Steps[Any]:
    """The same steps with a RuntimeError, which the worker would swallow, told as `JobFailed`."""
    try:
        return (yield from steps)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        way_out = (
            f"To need less memory, {NEEDS_LESS_MEMORY}."
            if is_out_of_memory(error)
            else "See: voidscope doctor"
        )
        raise JobFailed(f"The job stopped: {reason}. {way_out}") from error


def _driving(steps: Steps[Any]) -> Steps[Any]:
    """A generator function, by which superqt tells a generator worker; its steps can be closed from outside."""
    keep_triton_out()
    return (yield from steps)


def _close(steps: Steps[Any]) -> None:
    try:
        steps.close()
    except ValueError:  # the worker is inside it still and ends it itself
        log.debug("steps still running while closed")
