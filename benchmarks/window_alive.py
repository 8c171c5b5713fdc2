"""Whether the window stays alive while a full retrain runs: timer ticks and painting, on a slice of 2048 x 2048 pixels.

A real viewer with the dock on a project whose scan has slices of 2048 x 2048. Spells: napari without the dock, the window with
it idle, and a retrain in its process (as Retrain starts it); with --here also a retrain on a thread of the window's own
process, for comparison. In each a timer of 10 ms ticks, first with nothing else to do, then while the mouse paints at 60 moves
a second. Ends with 1 where a retrain makes more than 1 % of the ticks later than 50 ms or any later than 250 ms, or where
painting falls behind 60 moves a second although the idle window keeps up with them. What napari and the machine cannot do when
nothing runs is no fault of the retrain; it is in the figures. `--block` holds the window up on purpose, which must fail. Run:

    sh scripts/with_display.sh python benchmarks/window_alive.py [--seconds 20] [--here] [--block]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import QPoint, Qt, QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

import voidscope as vs
from voidscope.volume import tiff_bytes
from voidscope.workflow import add_scans, train

SIDE, SLICES = 2048, 3
TICK_MS, LATE_MS, STALL_MS, MOVE_MS = 10, 50, 250, 1000 / 60


def make_project(folder: Path) -> vs.Project:
    """A project with one scan of large slices, two of them labelled, set to train for long."""
    rng = np.random.default_rng(0)
    ids = np.ones((SIDE, SLICES, SIDE), np.uint8)
    ids[600:1400, :, 500:1500], ids[900:1000, :, 800:900] = 4, 5
    grey = np.array([0, 60, 90, 120, 160, 40])[ids] + rng.normal(0, 8, ids.shape)
    (folder / "large.tif").write_bytes(tiff_bytes(grey.clip(0, 255).astype(np.uint8), (1.0, 1.0, 1.0)))
    project = vs.Project.create(folder / "project", vs.ClassMap.hbm())
    project.set_config(project.config.with_changes(["train.steps=100000", "device=cpu"]))
    vs.execute(add_scans(project, [folder / "large.tif"]))
    for index in range(2):
        project.labels.put(vs.SliceKey("large", index), ids[:, index])
    return project


class Spell:
    """Some seconds of ticks, and as many of ticks and painting."""

    def __init__(self, viewer: Any, seconds: float, blocked: bool) -> None:
        self._canvas = viewer.window._qt_viewer.canvas.native
        self._seconds, self._blocked = seconds, blocked
        self._ticks: list[float] = []

    def run(self) -> dict[str, float]:
        """Live through it; how late ticks came, and how long a move took to be painted, in ms."""
        timer = QTimer()
        timer.setTimerType(Qt.TimerType.PreciseTimer)
        timer.timeout.connect(lambda: self._ticks.append(time.perf_counter()))
        timer.start(TICK_MS)
        self._rest()
        resting = self._late("")
        moves = np.array(self._paint()) * 1000
        timer.stop()
        return resting | self._late("painting_") | {
            "move_median_ms": round(float(np.median(moves)), 2),
            "move_p95_ms": round(float(np.quantile(moves, 0.95)), 2),
            "moves_per_s_possible": round(1000 / float(moves.mean()), 1),
        }  # fmt: skip

    def _late(self, when: str) -> dict[str, float]:
        """How late the ticks of late were, which are then forgotten."""
        late = np.diff(self._ticks) * 1000 - TICK_MS
        self._ticks.clear()
        return {
            f"{when}late_percent": round(float((late > LATE_MS).mean() * 100), 2),
            f"{when}tick_p99_ms": round(float(np.quantile(late, 0.99)), 1),
            f"{when}worst_ms": round(float(late.max()), 1),
        }

    def _rest(self) -> None:
        end, k = time.perf_counter() + self._seconds, 0
        while time.perf_counter() < end:
            QApplication.processEvents()
            k += 1
            time.sleep(0.3 if self._blocked and k % 500 == 0 else 0.001)

    def _paint(self) -> list[float]:
        """Strokes to and fro over the middle of the canvas, a move every sixtieth of a second; seconds of each move."""
        centre, began = self._canvas.rect().center(), time.perf_counter()
        QTest.mousePress(self._canvas, Qt.MouseButton.LeftButton, pos=centre)
        moves: list[float] = []
        while (now := time.perf_counter()) - began < self._seconds:
            k = len(moves) + 1
            where = centre + QPoint(round(120 * np.sin(k / 15)), round(60 * np.sin(k / 40)))
            QTest.mouseMove(self._canvas, where)
            QApplication.processEvents()
            moves.append(time.perf_counter() - now)
            while time.perf_counter() < began + k * MOVE_MS / 1000:
                QApplication.processEvents()
                time.sleep(0.001)
            if k % 120 == 0:
                QTest.mouseRelease(self._canvas, Qt.MouseButton.LeftButton, pos=where)
                QTest.mousePress(self._canvas, Qt.MouseButton.LeftButton, pos=where)
        QTest.mouseRelease(self._canvas, Qt.MouseButton.LeftButton, pos=centre)
        return moves


def wait(until: Callable[[], bool], seconds: float = 600.0) -> None:
    """Let the window live until something holds."""
    end = time.monotonic() + seconds
    while not until():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} s in vain")
        QApplication.processEvents()
        time.sleep(0.005)


def bare(seconds: float) -> dict[str, float]:
    """A spell of a viewer with an image and a labels layer of the same size, and nothing of ours."""
    viewer = napari.Viewer()
    viewer.window.resize(1366, 768)
    viewer.add_image(np.random.default_rng(0).integers(0, 255, (SLICES, SIDE, SIDE), np.uint8))
    layer = viewer.add_labels(np.zeros((SLICES, SIDE, SIDE), np.uint8), opacity=0.5)
    layer.mode, layer.selected_label, layer.brush_size = "paint", 5, 20
    Spell(viewer, 2, False).run()
    found = Spell(viewer, seconds, False).run()
    viewer.close()
    return found


def retrained(
    dock: Any, start: Callable[[], object], spell: Callable[[], dict[str, float]]
) -> dict[str, float]:
    """A spell while a training is at its steps; the training is cancelled afterwards."""
    done: list[int] = []
    dock.runner.progressed.connect(lambda progress, left: done.append(progress.done))
    start()
    wait(lambda: bool(done) and done[-1] > 0)
    found = spell()
    found["steps_meanwhile"] = done[-1]
    dock.runner.cancel()
    wait(lambda: not dock.runner.busy)
    return found


def verdict(idle: dict[str, float], busy: dict[str, float]) -> list[str]:
    """What a retrain did to the window that it must not."""
    said = []
    if busy["late_percent"] > 1:
        said.append(f"{busy['late_percent']} % of the ticks are later than {LATE_MS} ms")
    if busy["worst_ms"] > STALL_MS:
        said.append(f"a stall of {busy['worst_ms']} ms")
    if busy["moves_per_s_possible"] < 60 <= idle["moves_per_s_possible"]:
        said.append(f"painting falls to {busy['moves_per_s_possible']} moves a second")
    return said


def main() -> int:
    """Measure, print one JSON object, and say by the exit code whether the window stayed alive."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--here", action="store_true")
    parser.add_argument("--block", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = make_project(Path(folder))
        viewer = napari.Viewer(title="Voidscope")
        viewer.window.resize(1366, 768)
        _, dock = viewer.window.add_plugin_dock_widget("voidscope", "Voidscope")
        dock.show_project(project)
        wait(lambda: dock.device.text().startswith("runs on"))
        dock.view.layers.jump(vs.SliceKey("large", 2))
        dock.view.layers.paint_with(5)
        dock.view.layers.find("labels").brush_size = 20
        spell = lambda blocked=False: Spell(viewer, given.seconds, blocked).run()  # noqa: E731
        found: dict[str, Any] = {"napari_alone": bare(given.seconds)}
        Spell(viewer, 2, False).run()  # what is loaded with the first strokes
        found["idle"] = spell()
        found["retrain"] = retrained(dock, dock.view.train.start, lambda: spell(given.block))
        if given.here:
            start = lambda: dock.runner.run(lambda: train(project))  # noqa: E731
            found["retrain_on_a_thread_of_the_window"] = retrained(dock, start, spell)
        found["failed"] = verdict(found["idle"], found["retrain"])
        load = Path("/proc/loadavg")
        found["load_average"] = float(load.read_text().split()[0]) if load.exists() else None
        print(json.dumps(found))
        dock.close_project()
        viewer.close()
    return bool(found["failed"])


if __name__ == "__main__":
    sys.exit(main())
