"""Progress of a job on a terminal: done, total, time left and what is being done, always on stderr."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Self

from voidscope.jobs import Job, Outcome, Progress, execute

REDRAW_S = 0.2
"""Least time between two redraws of the line, in seconds."""
LOGGED_S = 20.0
"""Least time between two lines where there is no terminal."""


class StderrProgress:
    """Context manager and callback for `execute`: one line that is redrawn on a terminal; elsewhere one per note, and one now and then."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._started = self._drawn = time.monotonic()
        self._note = ""
        self._width = 0
        self._pace = Pace()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._width:
            sys.stderr.write("\r" + " " * self._width + "\r")
        if kind is None:
            sys.stderr.write(f"{self._title}: done in {time.monotonic() - self._started:.1f} s\n")
        sys.stderr.flush()

    def __call__(self, progress: Progress) -> None:
        """Show how far the job is."""
        now = time.monotonic()
        if sys.stderr.isatty():
            if now - self._drawn >= REDRAW_S or progress.done == progress.total:
                self._redraw(self._line(progress, now))
                self._drawn = now
        elif progress.done == 0 and progress.note != self._note:
            sys.stderr.write(f"{self._title}: {progress.note}\n")
            self._note, self._drawn = progress.note, now
        elif now - self._drawn >= LOGGED_S:
            sys.stderr.write(f"{self._line(progress, now)}\n")
            sys.stderr.flush()
            self._drawn = now

    def _line(self, progress: Progress, now: float) -> str:
        left = self._pace.left(progress, now)
        share = f"{progress.done}/{progress.total}" if progress.total else ""
        return "  ".join(w for w in (self._title, share, left, progress.note) if w)

    def _redraw(self, line: str) -> None:
        sys.stderr.write("\r" + line.ljust(self._width))
        self._width = len(line)
        sys.stderr.flush()


def run(job: Job[Any, Outcome]) -> Outcome:
    """Run a job with its progress on stderr and return its outcome."""
    with StderrProgress(job.title) as show:
        return execute(job, show)


def time_left(elapsed_s: float, done: int, total: int) -> str:
    """The expected rest as ``1:05 left``, from the mean pace so far; empty until there is a pace."""
    if not 0 < done <= total:
        return ""
    seconds = round(elapsed_s * (total - done) / done)
    return f"{seconds // 60}:{seconds % 60:02d} left"


class Pace:
    """The expected rest of a job by the pace since its first step was done: what comes before, as torch being loaded, is no pace."""

    def __init__(self) -> None:
        self._first: tuple[int, int, float] | None = None

    def left(self, progress: Progress, now: float) -> str:
        """As `time_left` says it, with the time `now` in seconds; empty until a second step is done."""
        done, total = progress.done, progress.total
        if self._first is None or done < self._first[0] or total != self._first[1]:
            self._first = (done, total, now) if 0 < done <= total else None
            return "0:00 left" if 0 < done == total else ""
        begun, _, since = self._first
        return time_left(now - since, done - begun, total - begun)
