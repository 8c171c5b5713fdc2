"""Drive the real plugin through its story and take the pictures of the README and the docs.

Run: sh scripts/with_display.sh uv run python scripts/screenshots.py [FOLDER]
Settings are the demo's, two cycles of twelve slices, so the pictures show the product, not its best results.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import napari
from qtpy.QtWidgets import QApplication

from voidscope.project import answer_suggestions
from voidscope.volume import Dataset
from voidscope.workflow import evaluate

PICTURES = Path(__file__).resolve().parents[1] / "docs" / "pictures"
SIZE = (1366, 768)
STARTED = time.monotonic()


def wait(until: Callable[[], bool], limit_s: float = 900) -> None:
    """Let the window live until something holds."""
    end = time.monotonic() + limit_s
    while not until():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {limit_s} s in vain")
        QApplication.processEvents()
        time.sleep(0.01)


def rest(seconds: float = 0.6) -> None:
    """Let the window settle."""
    end = time.monotonic() + seconds
    wait(lambda: time.monotonic() > end)


def shoot(viewer: napari.Viewer, name: str, folder: Path) -> None:
    """Take a picture of the whole window."""
    rest()
    folder.mkdir(parents=True, exist_ok=True)
    viewer.window._qt_window.grab().save(str(folder / f"{name}.png"))
    print(f"{time.monotonic() - STARTED:6.1f} s  {name}", flush=True)


def main(folder: Path) -> None:
    """The story: sample, suggest, jump, label, train, predict, measure."""
    viewer = napari.Viewer(title="Voidscope")
    viewer.window.resize(*SIZE)
    viewer.theme = "dark"
    _, dock = viewer.window.add_plugin_dock_widget("voidscope", "Voidscope")
    idle = lambda: not dock.runner.busy  # noqa: E731

    def settle() -> None:
        """Wait until no job runs and none follows."""
        for _ in range(3):
            wait(idle)
            rest(0.3)

    shoot(viewer, "welcome", folder)
    with tempfile.TemporaryDirectory() as home:
        sample = Path(home) / "voidscope-sample"
        dock.open_sample(sample)
        wait(lambda: dock.view is not None)
        view = dock.view
        project, dataset = view.project, Dataset.open(sample / "scans")
        view.setCurrentIndex(0)
        shoot(viewer, "scans", folder)
        view.setCurrentIndex(1)
        view.label.suggest.click()
        wait(idle)
        for _ in range(2):
            answer_suggestions(project, dataset)
            view.train.start()
            view.setCurrentIndex(2)
            wait(lambda: "loss" in dock.jobs.title.text())
            rest(4)
            shoot(viewer, "training", folder)
            settle()
            dock.runner.run(lambda: evaluate(project, dataset), lambda _: view.train.refresh())
            wait(idle)
            view.setCurrentIndex(1)
            view.label.suggest.click()
            wait(idle)
        view.label.go(+1)
        rest(0.3)
        view.layers.find("prediction").visible = True
        shoot(viewer, "label", folder)
        view.layers.results.next_heatmap()
        view.layers.results.next_heatmap()
        shoot(viewer, "uncertainty", folder)
        view.layers.results.next_heatmap()
        view.layers.results.next_heatmap()
        view.setCurrentIndex(2)
        shoot(viewer, "train", folder)
        view.setCurrentIndex(3)
        view.measure.start()
        settle()
        names = [m.scan for m in project.report.scans]
        worst = max(range(len(names)), key=lambda k: len(project.report.scans[k].voids))
        view.measure.scans.setCurrentIndex(worst)
        view.measure.table.selectRow(0)
        shoot(viewer, "measure", folder)
        view.measure.solid.click()
        shoot(viewer, "solid", folder)
        dock.close_project()
    viewer.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURES)
