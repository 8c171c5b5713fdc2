"""Steps in a process of their own, so that whatever ends it (a crash, a driver, a lack of memory) ends nothing else.

`apart(title, make)` gives the same progress and the same result as `make()` would here. `make` is pickled to a fresh Python and
run there; progress, and in the end the result or what went wrong, come back through a pipe. The other process writes nothing
into a project but what the steps themselves keep; it ends when the steps here are closed, or when this process is no more. It
yields to the person's programs by a lower priority.

Pickles go only between a process and its own child; nothing that was on a disk is unpickled.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import IO, Any, TypeVar

from voidscope.errors import JobFailed, VoidscopeError, error_line
from voidscope.jobs import Progress, Steps, attempt

log = logging.getLogger(__name__)
Result = TypeVar("Result")

STARTING = "starting a process of its own"
PATIENCE_S = 0.2
"""A job that is cancelled while the other process is silent ends within this time."""
LEAST_GAP_S = 0.05
"""Progress comes back no more often than this; whoever draws it has other things to do as well."""
NICENESS = 5
"""How far the other process stands behind the window when both want a processor."""
START = (
    "import sys; sys.path[:] = filter(None, sys.path); import pickle; sys.path[:] = pickle.load(sys.stdin.buffer); "
    "from voidscope.apart import main; main()"
)
"""What the other Python runs: it finds modules where this one does, and none beside them in the folder it is started in."""
PROGRESS, RESULT, ERROR, UNFORESEEN, SILENT = "progress", "result", "error", "unforeseen", "silent"
"""What a frame holds."""
SIGNALS = {
    9: "as a system does that runs out of memory",
    11: "a crash in native code",
    6: "a crash in native code",
}
"""What usually sends these."""


def apart(title: str, make: Callable[[], Steps[Result]]) -> Steps[Result]:
    """Run `make()`, which can be pickled, in a process of its own; yields its progress, returns its result.

    Raises
    ------
    JobFailed : what the steps raised, in one line; or the process ended without a word.
    """
    return (yield from abreast(title, [make]))


def abreast(title: str, makes: Sequence[Callable[[], Steps[Result]]]) -> Steps[Result]:
    """Run several at once, each in a process of its own, that need each other: the first speaks for all and has the result.

    Raises
    ------
    JobFailed : one of them failed, which ends all; where one ended without a word, that is what is told.
    """
    last = Progress(0, 0, STARTING)
    yield last
    children: list[_Child] = []
    content: Any
    try:
        children += map(_Child, makes)
        while True:
            for other in children[1:]:
                while other.heard(0.0):
                    pass
            kind, content = children[0].heard(PATIENCE_S) or (PROGRESS, last)
            if kind == RESULT:
                result: Result = content
                return result
            if kind == PROGRESS:
                last = replace(content, partial=None)
                yield content
            if failed := next((c for c in children if c.failure), None):
                raise JobFailed(_first_to_fail(children, failed).told(title))
    finally:
        for child in children:
            child.end()


def _first_to_fail(children: Sequence[_Child], failed: _Child) -> _Child:
    """Who ended without a word, for the others then say that they miss it; else `failed`."""
    until = time.monotonic() + PATIENCE_S * len(children)
    while time.monotonic() < until and not all(c.failure for c in children):
        for child in children:
            child.heard(0.0 if child.failure else LEAST_GAP_S)
    return next((c for c in children if c.failure and c.failure[0] == SILENT), failed)


class _Child:
    """The other process and what it has said so far."""

    def __init__(self, make: Callable[[], Steps[Any]]) -> None:
        self._call = pickle.dumps(list(sys.path)) + pickle.dumps(make)
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  closed by the listener, when the process has ended
        low = getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0) | getattr(
            subprocess, "CREATE_NO_WINDOW", 0
        )
        with contextlib.ExitStack() as unless_started:
            unless_started.callback(self._said.close)
            self._process = subprocess.Popen(
                [sys.executable, "-c", START], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=self._said, creationflags=low,
            )  # fmt: skip
            unless_started.pop_all()
        self._frames: queue.Queue[tuple[str, Any]] = queue.Queue()
        self._is_done = False
        self.failure: tuple[str, str] | None = None
        threading.Thread(target=self._listen, name="voidscope-apart", daemon=True).start()

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def heard(self, timeout_s: float) -> tuple[str, Any] | None:
        """The next frame, None when none has come in this time; one that says why it failed is kept as `failure`."""
        try:
            kind, content = self._frames.get(timeout=timeout_s) if timeout_s else self._frames.get_nowait()
        except queue.Empty:
            return None
        self._is_done |= kind == RESULT
        if kind in (ERROR, UNFORESEEN) or (kind == SILENT and not self._is_done):
            self.failure = self.failure or (kind, content)
        return kind, content

    def end(self) -> None:
        """Stop the process, if it runs still; nothing is waited for."""
        with contextlib.suppress(OSError):
            self._process.kill()

    def told(self, title: str) -> str:
        """What a person reads when the process refused, raised something nobody foresaw, or fell silent."""
        kind, content = self.failure or (SILENT, "")
        if kind == ERROR:
            return content
        log.error("%s in a process of its own:\n%s", title, content)
        if kind == UNFORESEEN:
            return f"{title} stopped: {content.splitlines()[-1]}. The log has the details."
        return (
            f"{title} stopped: its process {ended(self._process.returncode)}. All labels and earlier models are kept; "
            "close other programs or choose smaller batches, and start it again."
        )

    def _listen(self) -> None:
        """On a thread: hand over the call, then every frame until the process ends, and its last words."""
        with self._process as process:  # closes the pipes and waits
            _, problem = attempt(partial(self._pass_on, process.stdin, process.stdout))
        said = _last_words(self._said)
        self._said.close()
        self._frames.put((SILENT, said if isinstance(problem, EOFError) else f"{problem!r}\n{said}"))

    def _pass_on(self, stdin: Any, stdout: Any) -> None:
        """Until the pipe ends, which raises EOFError."""
        stdin.write(self._call)
        stdin.flush()
        while True:
            self._frames.put(pickle.load(stdout))


def _last_words(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read()[-4000:].decode(errors="replace")


def ended(code: int) -> str:
    """How a process ended, by its return code, in words."""
    if code < 0:
        with contextlib.suppress(ValueError):
            name = signal.Signals(-code).name
            return f"was ended by {name}" + (f" ({SIGNALS[-code]})" if -code in SIGNALS else "")
    return f"ended with code {code if code < 2**31 else hex(code)}"


# -- in the other process ---------------------------------------------------------------------------------------


def main() -> None:
    """What the other process does: read the call, run its steps, write frames; what libraries print goes to stderr.

    Ctrl+C, which a terminal sends to both, is for the process that asked: it ends this one.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):  # Windows is told when the process is made
        os.nice(NICENESS)
    with os.fdopen(os.dup(1), "wb") as out:
        os.dup2(2, 1)
        make = pickle.load(sys.stdin.buffer)
        threading.Thread(target=_end_with_parent, daemon=True).start()
        send = partial(_send, out)
        result, problem = attempt(lambda: _stepped(make(), send))
        if problem is None:
            send(RESULT, result)
        elif isinstance(problem, VoidscopeError):
            send(ERROR, error_line(problem))
        else:
            told = "".join(traceback.format_exception(problem))
            send(UNFORESEEN, f"{told}\n{error_line(problem)}")


def _end_with_parent() -> None:
    """Nobody writes any more, so a read returns only when the other end is gone."""
    os.read(0, 1)
    os._exit(1)


def _send(out: IO[bytes], kind: str, content: Any) -> None:
    pickle.dump((kind, content), out)
    out.flush()


def _stepped(steps: Steps[Any], send: Callable[[str, Any], None]) -> Any:
    """Run steps to their end, telling of progress now and then, of partial results and of the last step always."""
    told = 0.0
    while True:
        try:
            progress = next(steps)
        except StopIteration as end:
            return end.value
        now = time.monotonic()
        if progress.partial is not None or progress.done == progress.total or now - told >= LEAST_GAP_S:
            send(PROGRESS, progress)
            told = now
