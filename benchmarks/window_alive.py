"""Whether the window stays alive while a full retrain runs: timer ticks and painting, on a slice of 2048 x 2048 pixels.

A real viewer with the dock on a project whose scan has slices of 2048 x 2048. Spells: napari without the dock, the window with
it idle, idle with the brush limited to intensities like those it was pressed on, and a retrain in its process (as Retrain starts it); with --here also a retrain on a thread of the window's own
process, for comparison. In each a timer of 10 ms ticks, first with nothing else to do, then while the mouse paints: another thread
posts 60 moves a second whatever the window does, as a hand would, and each move's lag is the time until it is painted into the
labels. How often the canvas is drawn meanwhile is the graphics card's business and is told apart.

Ends with 1 where a retrain makes more than 1 % of the ticks later than 50 ms or any later than 250 ms, or where painting does not keep
up, there or with the limited brush: more than 1 % of the moves lag more than 100 ms, or moves are left over at the end, although the
idle window keeps up. What napari
and the machine cannot do when nothing runs is no fault of the retrain; it is in the figures. `--block` holds the window up on
purpose, which must fail. Run:

    sh scripts/with_display.sh python benchmarks/window_alive.py [--seconds 20] [--here] [--block]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import QEvent, QObject, QPointF, Qt, QTimer
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

import voidscope as vs
from voidscope.volume import tiff_bytes
from voidscope.workflow import add_scans, train

SIDE, SLICES = 2048, 3
TICK_MS, LATE_MS, STALL_MS, MOVE_MS, BEHIND_MS = 10, 50, 250, 1000 / 60, 100


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
        hand = Hand(self._canvas, self._seconds)
        hand.paint(self._blocked)
        timer.stop()
        return resting | self._late("painting_") | hand.told()

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
        live(self._seconds, self._blocked)


class Hand(QObject):
    """A mouse that paints at 60 moves a second, moved by a thread of its own; it watches what the canvas makes of it."""

    def __init__(self, canvas: Any, seconds: float) -> None:
        super().__init__()
        self._canvas, self._n = canvas, round(seconds * 1000 / MOVE_MS)
        self._posted: list[float] = []
        self._lags: list[float] = []
        self._draws = 0
        self._left_over = 0

    def paint(self, blocked: bool) -> None:
        """Strokes to and fro over the middle of the canvas."""
        centre = self._canvas.rect().center()
        QTest.mousePress(self._canvas, Qt.MouseButton.LeftButton, pos=centre)
        self._canvas.installEventFilter(self)
        thread = threading.Thread(target=self._move, args=(QPointF(centre),))
        thread.start()
        live(self._n * MOVE_MS / 1000, blocked)
        thread.join()
        self._left_over = self._n - len(self._lags)
        wait(lambda: len(self._lags) == self._n)
        self._canvas.removeEventFilter(self)
        QTest.mouseRelease(self._canvas, Qt.MouseButton.LeftButton, pos=centre)

    def _move(self, centre: QPointF) -> None:
        began = time.perf_counter()
        for k in range(self._n):
            time.sleep(max(0.0, began + k * MOVE_MS / 1000 - time.perf_counter()))
            at = centre + QPointF(round(120 * np.sin(k / 15)), round(60 * np.sin(k / 40)))
            event = QMouseEvent(
                QEvent.Type.MouseMove, at, at, Qt.MouseButton.NoButton, Qt.MouseButton.LeftButton,
                Qt.KeyboardModifier.NoModifier,
            )  # fmt: skip
            self._posted.append(time.perf_counter())
            QApplication.postEvent(self._canvas, event)

    def eventFilter(self, watched: Any, event: Any) -> bool:
        """Let the canvas handle a move and note when it has."""
        self._draws += event.type() == QEvent.Type.Paint
        if event.type() != QEvent.Type.MouseMove:
            return False
        watched.mouseMoveEvent(event)
        self._lags.append(time.perf_counter() - self._posted[len(self._lags)])
        return True

    def told(self) -> dict[str, float]:
        """Lag of the moves in ms, how many came too late or were left over, and how often the canvas was drawn."""
        lags = np.array(self._lags) * 1000
        return {
            "move_lag_median_ms": round(float(np.median(lags)), 1),
            "move_lag_p95_ms": round(float(np.quantile(lags, 0.95)), 1),
            "moves_behind_percent": round(float((lags > BEHIND_MS).mean() * 100), 2),
            "moves_left_over": self._left_over,
            "draws_per_s": round(self._draws / (self._n * MOVE_MS / 1000), 1),
        }

    @staticmethod
    def keeps_up(found: dict[str, float]) -> bool:
        """Whether these figures are of painting that keeps up."""
        return found["moves_behind_percent"] <= 1 and found["moves_left_over"] <= BEHIND_MS / MOVE_MS


def live(seconds: float, blocked: bool) -> None:
    """Let the window live for a while; blocked, it is held up now and then."""
    end, k = time.perf_counter() + seconds, 0
    while time.perf_counter() < end:
        QApplication.processEvents()
        k += 1
        time.sleep(0.3 if blocked and k % 500 == 0 else 0.001)


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


def verdict(idle: dict[str, float], limited: dict[str, float], busy: dict[str, float]) -> list[str]:
    """What a retrain, or limiting the brush, did to the window that it must not."""
    said = []
    if busy["late_percent"] > 1:
        said.append(f"{busy['late_percent']} % of the ticks are later than {LATE_MS} ms")
    if busy["worst_ms"] > STALL_MS:
        said.append(f"a stall of {busy['worst_ms']} ms")
    for words, found in (("", busy), ("of the limited brush ", limited)):
        if Hand.keeps_up(idle) and not Hand.keeps_up(found):
            said.append(
                f"{found['moves_behind_percent']} % of the moves {words}lag more than {BEHIND_MS} ms, {found['moves_left_over']} are left over"
            )
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
        limited = dock.view.label.tools.brush.limited
        limited.setChecked(True)
        found["idle_limited_brush"] = spell()
        limited.setChecked(False)
        found["retrain"] = retrained(dock, dock.view.train.start, lambda: spell(given.block))
        if given.here:
            start = lambda: dock.runner.run(lambda: train(project))  # noqa: E731
            found["retrain_on_a_thread_of_the_window"] = retrained(dock, start, spell)
        found["failed"] = verdict(found["idle"], found["idle_limited_brush"], found["retrain"])
        load = Path("/proc/loadavg")
        found["load_average"] = float(load.read_text().split()[0]) if load.exists() else None
        print(json.dumps(found))
        dock.close_project()
        viewer.close()
    return bool(found["failed"])


if __name__ == "__main__":
    sys.exit(main())
