"""A whole run: every cell attempted, progress told, failures kept beside the points with their reason."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from voidscope.benchmark.fleet import finished
from voidscope.benchmark.points import points_path
from voidscope.benchmark.protocol import Cell
from voidscope.benchmark.running import Bench, fetch_imagenet, is_finished, pretrain_once, run_cell
from voidscope.errors import error_line
from voidscope.jobs import attempt
from voidscope.progress import StderrProgress, time_left
from voidscope.project.atomic import remove, write_bytes

Tell = Callable[[str], object]


def run_all(bench: Bench, cells: Sequence[Cell], workers: int, tell: Tell) -> dict[str, str]:
    """Make or fetch the initial weights that cells need, then run them; returns the reason of each that failed, by cell id.

    Where weights cannot be had, the cells that start from them fail, and no others.
    """
    failed = _without_weights(bench, cells, tell)
    rest = [c for c in cells if c.id not in failed]
    return failed | run_cells(bench, rest, workers, tell)


def _without_weights(bench: Bench, cells: Sequence[Cell], tell: Tell) -> dict[str, str]:
    """Initial weights for all unfinished cells, each kind once; the reason of each cell whose weights cannot be had."""
    failed: dict[str, str] = {}
    for kind, title, why, make in (
        ("contrastive", "Pretraining", "its pretraining failed: ", pretrain_once),
        ("imagenet", "ImageNet weights", "", fetch_imagenet),
    ):
        needy = [
            c for c in cells if bench.plan.initialisation(c.method) == kind and not is_finished(bench, c)
        ]
        if not needy:
            continue
        with StderrProgress(title) as show:
            _, error = attempt(partial(make, bench, show))
        if error is not None:
            reason = f"{why}{error_line(error)}"
            tell(f"{len(needy)} cells are left out: {reason}")
            failed |= {c.id: reason for c in needy}
            for cell in needy:
                write_bytes(_reason_path(bench, cell), f"{reason}\n".encode())
    return failed


def run_cells(bench: Bench, cells: Sequence[Cell], workers: int, tell: Tell) -> dict[str, str]:
    """Run cells; returns the reason of each that failed, by cell id. The others go on and keep their points."""
    started, failed = time.monotonic(), {}
    _forget_failures(bench, cells)
    with closing(finished(partial(_attempt, bench), cells, workers, _gpus(workers))) as ended:
        for done, (cell, reason) in enumerate(ended, start=1):
            if reason:
                failed[cell.id] = reason
                write_bytes(_reason_path(bench, cell), f"{reason}\n".encode())
            left = time_left(time.monotonic() - started, done, len(cells))
            tell(f"{done}/{len(cells)}  {cell.id}: {reason or 'done'}  {left}".rstrip())
    return failed


def _gpus(workers: int) -> tuple[str, ...]:
    """The GPUs that workers are dealt out over; one worker, which is this process, sees them all."""
    if workers == 1:
        return ()
    from voidscope.model import visible_gpus  # loads torch

    return visible_gpus()


def _attempt(bench: Bench, cell: Cell) -> str:
    """Run a cell; the reason in one line when it cannot be done."""
    _, error = attempt(lambda: run_cell(bench, cell, lambda _: None))
    return "" if error is None else error_line(error)


def _forget_failures(bench: Bench, cells: Iterable[Cell]) -> None:
    """What failed before is about to be tried again."""
    for cell in cells:
        remove(_reason_path(bench, cell))


def _reason_path(bench: Bench, cell: Cell) -> Path:
    return points_path(bench.out, cell).with_suffix(".failed")
