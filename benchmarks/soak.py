"""Two hundred cycles of suggest, label and train on a tiny project: what grows that should not.

Each cycle asks for one slice, labels it by the truth, erases the oldest label and trains, so the work stays the same.
Memory is the process's own (resident), read after each cycle; its slope is a straight line through the second
half, when caches are full. With --window a real viewer with the dock does it: Suggest, strokes on the labels layer, Accept, a heatmap,
Retrain in its process, Keep where the new model is worse, the scan in view segmented (each fifth time all are waited for); counted is
the window's process alone, and the processes it has started. --here trains on a thread of it instead, which is quicker, and whose leaks,
if any, are counted as well. Run:

    python benchmarks/soak.py [--cycles 200]
    sh scripts/with_display.sh python benchmarks/soak.py --window [--here] [--cycles 200] [--minutes 60]
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import math
import os
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import voidscope as vs
from builders import bump_dataset, quick_project
from voidscope.project import project_truth
from voidscope.volume import slice_index
from voidscope.workflow import lessons

QUICKER = ("train.epochs=1", "suggest.budget=1", "train.batch_size=2")


def resident_mb() -> float:
    """Memory this process has in RAM, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def give_back() -> None:
    """Let the allocator hand unused memory back, so that what is resident is what is held; of glibc alone."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def held_mb() -> float:
    """What this process has asked of the allocator and not given back, in MB; NaN without glibc's accounts.

    It tells what is kept from what lies unused between the kept; memory of Qt's pictures and the graphics driver is in it, files that are mapped are not.
    """
    libc = ctypes.CDLL("libc.so.6")
    with tempfile.NamedTemporaryFile() as told:
        libc.fopen.restype = ctypes.c_void_p
        stream = ctypes.c_void_p(libc.fopen(told.name.encode(), b"w"))
        libc.malloc_info(0, stream)
        libc.fclose(stream)
        tree = ElementTree.fromstring(Path(told.name).read_text())
    sizes = {(e.tag, e.get("type")): int(e.get("size", 0)) for e in tree}  # of all arenas: the root's own
    unused = sizes["total", "fast"] + sizes["total", "rest"]
    return (sizes["system", "current"] - unused + sizes["total", "mmap"]) / 1e6


def open_files() -> int:
    """File descriptors this process holds."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def children() -> int:
    """Processes that this one has started and that are still there."""
    said = (p.read_text() for p in Path("/proc/self/task").glob("*/children"))
    return sum(len(text.split()) for text in said)


class Row(NamedTuple):
    """What was there after a cycle."""

    seconds: float
    memory_mb: float
    held_mb: float
    """What of it the allocator has not been given back."""
    threads: int
    open_files: int
    children: int
    objects: int
    """Python objects that the garbage collector knows, of those made since the first cycle."""
    widgets: int
    """Qt widgets; 0 without a window."""


class Cycles:
    """Cycles without a window: the verbs, one after another."""

    KEPT = 4
    """Slices labelled at once; the oldest goes for a new one, so that each training learns from as many."""

    def __init__(self, project: vs.Project, dataset: vs.Dataset) -> None:
        self._project, self._dataset = project, dataset

    def turn(self) -> None:
        """One cycle."""
        vs.execute(vs.suggest(self._project))
        vs.answer_suggestions(self._project, self._dataset)
        if len(self._project.labels) > self.KEPT:
            self._project.labels.remove(min(self._project.labels))
        vs.execute(vs.train(self._project))

    def widgets(self) -> int:
        """Qt widgets that are there."""
        return 0

    def close(self) -> None:
        """Nothing stays open."""


class WindowCycles(Cycles):
    """The same through the dock of a real viewer."""

    def __init__(self, project: vs.Project, dataset: vs.Dataset) -> None:
        import napari
        from qtpy.QtCore import QEvent
        from qtpy.QtWidgets import QApplication

        super().__init__(project, dataset)
        self._app: Any = QApplication
        self._deleting = QEvent.Type.DeferredDelete
        self._truth = {name: project_truth(project, dataset, name) for name in project.scans}
        self._labelled: deque[vs.SliceKey] = deque()
        self._viewer = napari.Viewer(title="Voidscope")
        self._viewer.window.resize(800, 600)
        _, self._dock = self._viewer.window.add_plugin_dock_widget("voidscope", "Voidscope")
        self._problems: list[str] = []
        self._dock.runner.failed.connect(self._problems.append)
        self._dock.show_project(project)
        self._wait(lambda: self._dock.device.text().startswith("runs on"))

    def turn(self) -> None:
        """One cycle of a person with a mouse."""
        view, n_cycles = self._dock.view, len(self._project.cycles)
        view.setCurrentIndex(1)
        view.label.suggest.click()
        self._settle()
        self._paint(view.layers.key)
        if self._project.cycle is None:
            view.label.rest_is_background()
        else:
            view.label.accept_shown()
        view.label.next_heatmap()
        if len(self._labelled) > self.KEPT:
            self._project.labels.remove(self._labelled.popleft())
        view.setCurrentIndex(2)
        view.train.start()
        self._settle()
        if self._dock.jobs.question.isVisible():
            self._dock.jobs.question.buttons[1].click()
        left = self._project.scans if n_cycles % 5 == 4 else [view.layers.scan]
        self._wait(lambda: all(map(self._project.is_segmented, left)))
        self._settle()
        if self._problems or len(self._project.cycles) != n_cycles + 1:
            raise RuntimeError(f"cycle {n_cycles + 1}: {self._problems or 'was not trained'}")

    def widgets(self) -> int:
        """Qt widgets that are there."""
        return len(self._app.allWidgets())

    def close(self) -> None:
        """Close the viewer."""
        self._dock.close_project()
        self._viewer.close()

    def _paint(self, key: vs.SliceKey) -> None:
        """A stroke of each class that the slice has, in the middle of it, and wait until they are saved."""
        view, plane = self._dock.view, self._project.scan(key.scan).plane
        seen = self._truth[key.scan][slice_index(plane, key.index)]
        layer = view.layers.find("labels")
        for class_id in np.unique(seen):
            view.label.classes.buttons[class_id - 1].click()
            where = np.argwhere(seen == class_id)
            pixel = where[len(where) // 2].tolist()
            pixel.insert(plane.axis, key.index)
            layer.paint(pixel, int(class_id))
            self._live()
        self._wait(lambda: key in self._project.labels and not view.strokes.pending(key))
        self._labelled.append(key)

    def _settle(self) -> None:
        """Wait until no job runs and none follows."""
        for _ in range(3):
            self._wait(lambda: not self._dock.runner.busy)
            self._live()

    def _live(self, seconds: float = 0.03) -> None:
        end = time.monotonic() + seconds
        self._wait(lambda: time.monotonic() > end)

    def _wait(self, until: Callable[[], bool], limit_s: float = 300.0) -> None:
        """Let the window live until something holds."""
        end = time.monotonic() + limit_s
        while not until():
            if time.monotonic() > end:
                raise TimeoutError(f"waited {limit_s} s in vain: {self._problems}")
            self._app.processEvents()
            self._app.sendPostedEvents(None, self._deleting)  # as an event loop does
            time.sleep(0.003)


def main() -> None:
    """Run the cycles and print one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cycles", type=int, default=200)
    parser.add_argument("--window", action="store_true")
    parser.add_argument("--here", action="store_true")
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="stop after so long, whatever is done"
    )
    given = parser.parse_args()
    if given.here:
        lessons.apart = lambda title, make: make()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NAPARI_CONFIG"] = f"{folder}/settings.yaml"  # a person's own stay as they are
        dataset = bump_dataset(Path(folder) / "scans")
        project = quick_project(Path(folder) / "project", dataset)
        project.set_config(project.config.with_changes(QUICKER))
        cycles = (WindowCycles if given.window else Cycles)(project, dataset)
        rows: list[Row] = []
        end = time.monotonic() + 60 * given.minutes
        while len(rows) < given.cycles and time.monotonic() < end:
            rows.append(_turn(cycles, len(rows)))
        cycles.close()
    print(json.dumps(summary(rows)))


def _turn(cycles: Cycles, k: int) -> Row:
    """One cycle, and what is there after it."""
    started = time.perf_counter()
    cycles.turn()
    seconds = time.perf_counter() - started
    gc.collect()
    if k == 0:
        gc.freeze()  # all that torch and napari hold is looked through once
    give_back()
    row = Row(
        seconds, resident_mb(), held_mb(), threading.active_count(), open_files(), children(), len(gc.get_objects()),
        cycles.widgets(),
    )  # fmt: skip
    if k % 10 == 9:
        print(f"{k + 1}: {row}", file=sys.stderr, flush=True)
    return row


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """What grew: slopes over the second half, and counts in its middle and at its end."""
    table = {
        name: np.array(column, float)
        for name, column in zip(Row._fields, zip(*rows, strict=True), strict=True)
    }
    half = len(rows) // 2
    slope = {n: round(float(np.polyfit(np.arange(half), c[-half:], 1)[0]), 4) for n, c in table.items()}
    seconds, memory = table["seconds"], table["memory_mb"]
    counts = {
        n: [int(table[n][half]), int(table[n][-1])] for n in ("threads", "open_files", "children", "widgets")
    }
    return {
        "cycles": len(rows),
        "memory_mb": {"after_first": round(memory[0], 1), "last": round(memory[-1], 1), "most": round(memory.max(), 1)},
        "mb_per_cycle_in_the_second_half": slope["memory_mb"],
        "held_mb_per_cycle_in_the_second_half": slope["held_mb"],
        "objects_per_cycle_in_the_second_half": slope["objects"],
        **counts,
        "seconds_p95_first_and_last_twenty": [round(float(np.quantile(s, 0.95)), 3) for s in (seconds[1:21], seconds[-20:])],
    }  # fmt: skip


if __name__ == "__main__":
    main()
