"""Worker threads that end before Qt does, or end in silence.

superqt (0.9.0) hands a worker to Qt's thread pool by a timer of 1 ms. Where the window closes within it, the worker is not in the
pool yet when napari waits for all workers, starts while Qt is being taken down, and its last signal, whose object Qt has deleted by
then, ends the process ("wrapped C/C++ object of type WorkerBaseSignals has been deleted. Aborted"). So ours are handed over at once, and
one that outlives Qt all the same tells nobody.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QThreadPool
from superqt.utils import FunctionWorker, GeneratorWorker

WAIT_MS = 5000
"""So long a closing window waits at most for the workers that it has told to quit."""


class _AtOnce:
    """What both kinds of worker do otherwise than superqt's."""

    def start(self: Any) -> None:
        """Hand the worker to Qt's thread pool now."""
        self._worker_set.add(self)  # napari tells those in it to quit, and waits for them
        self._finished.connect(self._set_discard)
        QThreadPool.globalInstance().start(self)

    def run(self) -> None:
        """Work, and tell how it went for as long as there is anybody to tell."""
        try:
            super().run()  # type: ignore[misc]
        except RuntimeError as error:
            if "has been deleted" not in str(error):
                raise


class _Function(_AtOnce, FunctionWorker):
    """Calls a function."""


class _Steps(_AtOnce, GeneratorWorker):
    """Iterates a generator function, which can be ended between two steps."""


def worker(func: Callable[..., Any], *args: Any) -> Any:
    """A worker for a function or a generator function; connect its signals, then call its `start`."""
    return _Steps(func, *args) if inspect.isgeneratorfunction(func) else _Function(func, *args)


def wait_for_workers() -> bool:
    """Wait for the workers that run, `WAIT_MS` at most; whether all have ended."""
    return bool(QThreadPool.globalInstance().waitForDone(WAIT_MS))
