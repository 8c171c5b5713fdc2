"""Cells side by side in processes of their own, so that a crash in one ends that one and no other."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from voidscope.benchmark.protocol import Cell
from voidscope.machine import GPU_SHARE, THREADS, VISIBLE_GPUS

Work = Callable[[Cell], str]
"""Runs a cell; the reason in one line when it cannot be done, else nothing. Picklable, for other processes."""
SHARED = 0.9
"""How much of a GPU's memory the workers share; each takes some besides, for CUDA itself."""


def finished(
    work: Work, cells: Sequence[Cell], workers: int, gpus: Sequence[str] = ()
) -> Generator[tuple[Cell, str], None, None]:
    """Cells with the reason why they failed, or an empty one, as they end.

    One worker is this process. Several are processes with one thread each, as two of one thread do more than one of two.
    They are dealt out over the GPUs named (`voidscope.model.visible_gpus`), those of one GPU have an even share of its
    memory; closing the iterator ends them.
    """
    if workers == 1:
        for cell in cells:
            yield cell, work(cell)
        return
    waiting, desks = list(reversed(cells)), _desks(min(workers, len(cells)), gpus)
    busy = [_hired(work, waiting.pop(), desk) for desk in desks]
    try:
        while busy:
            for worker in _ready(busy):
                busy.remove(worker)
                cell, reason = worker.cell, worker.outcome()
                if waiting:
                    following = waiting.pop()
                    busy.append(
                        worker.given(following) if worker.alive else _hired(work, following, worker.desk)
                    )
                else:
                    worker.dismiss()
                yield cell, reason
    finally:
        for worker in busy:
            worker.process.terminate()
            worker.dismiss()


@dataclass(eq=False)
class _Worker:
    """A process that runs one cell after another, and the cell it is at."""

    process: BaseProcess
    line: Connection
    cell: Cell
    desk: Mapping[str, str]
    alive: bool = True

    def given(self, cell: Cell) -> _Worker:
        """The same worker, at its next cell."""
        with suppress(OSError):  # one that ended meanwhile says so when it is asked for the outcome
            self.line.send(cell)
        self.cell = cell
        return self

    def outcome(self) -> str:
        """Why the cell failed; a process that is gone says it by its exit code."""
        try:
            return str(self.line.recv())
        except (EOFError, OSError):
            self.alive = False
            self.process.join()
            return _told(self.process.exitcode)

    def dismiss(self) -> None:
        """End the process when it is done with its cell."""
        self.line.close()
        self.process.join()


def _desks(workers: int, gpus: Sequence[str]) -> list[dict[str, str]]:
    """The environment variables of each worker: one thread, its GPU, its share of that."""
    kinds = len(gpus) or 1
    return [
        {
            "OMP_NUM_THREADS": "1",
            THREADS: "1",
            GPU_SHARE: f"{SHARED / len(range(n % kinds, workers, kinds)):.3f}",
        }
        | ({VISIBLE_GPUS: gpus[n % kinds]} if gpus else {})
        for n in range(workers)
    ]


def _hired(work: Work, cell: Cell, desk: Mapping[str, str]) -> _Worker:
    context = get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, work), daemon=True)
    with _environment(desk):
        process.start()
    there.close()  # so that the end of the process is the end of the line
    return _Worker(process, here, cell, desk).given(cell)


def _serve(line: Connection, work: Work) -> None:
    """What a worker does until its line is closed; an interrupt is for its master, who ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_master, daemon=True).start()
    with suppress(EOFError, OSError), closing(line):
        while True:
            line.send(work(line.recv()))


def _end_with_master() -> None:
    """A master that was killed cannot end its workers; the next run would meet them in their cells."""
    if master := parent_process():
        master.join()
    os._exit(1)


def _ready(busy: Sequence[_Worker]) -> list[_Worker]:
    lines = wait([w.line for w in busy])
    return [w for w in busy if w.line in lines]


def _told(exit_code: int | None) -> str:
    if exit_code == -9:
        return (
            "its process was killed (signal 9), perhaps for want of memory; run it again with fewer --workers"
        )
    return f"its process ended with exit code {exit_code}; run it again with --workers 1 to see why"


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Processes started inside have these variables."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
