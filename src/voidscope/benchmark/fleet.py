"""Cells side by side in processes of their own, so that a crash in one ends only that one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import get_context

from voidscope.benchmark.points import points_path
from voidscope.benchmark.protocol import Cell
from voidscope.benchmark.running import Bench, run_cell
from voidscope.errors import VoidscopeError
from voidscope.progress import time_left

Tell = Callable[[str], object]


def run_cells(bench: Bench, cells: Sequence[Cell], workers: int, tell: Tell) -> dict[str, str]:
    """Run cells; returns the reason of each that failed, by cell id. The others go on and keep their points.

    With several workers each has one thread: two processes of one thread do more than one of two.
    """
    started, failed = time.monotonic(), {}
    for done, (cell, reason) in enumerate(_finished(bench, cells, workers), start=1):
        if reason:
            failed[cell.id] = reason
        left = time_left(time.monotonic() - started, done, len(cells))
        tell(f"{done}/{len(cells)}  {cell.id}: {reason or 'done'}  {left}".rstrip())
        _keep_reason(bench, cell, reason)
    return failed


def _finished(bench: Bench, cells: Sequence[Cell], workers: int) -> Iterator[tuple[Cell, str]]:
    """Cells with the reason why they failed, or an empty one, as they end."""
    if workers == 1:
        for cell in cells:
            yield cell, _attempt(bench, cell)
        return
    with _single_threaded(), ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        running: dict[Future[str], Cell] = {pool.submit(_attempt, bench, cell): cell for cell in cells}
        try:
            for future in as_completed(running):
                error = future.exception()
                yield running[future], future.result() if error is None else f"its process ended: {error}"
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _attempt(bench: Bench, cell: Cell) -> str:
    """Run a cell; the reason in one line when it cannot be done."""
    try:
        run_cell(bench, cell, lambda _: None)
    except VoidscopeError as error:
        return str(error)
    return ""


def _keep_reason(bench: Bench, cell: Cell, reason: str) -> None:
    """A file beside the points says why a cell failed; it goes when the cell succeeds."""
    path = points_path(bench.out, cell).with_suffix(".failed")
    if reason:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(reason + "\n", encoding="utf-8")
    else:
        path.unlink(missing_ok=True)


@contextmanager
def _single_threaded() -> Iterator[None]:
    """Processes started inside use one thread each."""
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before
