"""The first fifteen minutes of a new user with the sample project: mouse and keys in a real viewer, every step checked in the project.

docs/tutorial-failure-analyst.md tells the same story; the sample here is smaller and trains for a few steps only.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.settings import get_settings
from qtpy.QtCore import QPoint, Qt, QTimer
from qtpy.QtWidgets import QApplication

from builders import QUICK, set_prediction
from voidscope.cli.main import main
from voidscope.model import Check
from voidscope.project import Project, project_truth
from voidscope.vocabulary import Provenance, SliceKey, Split
from voidscope.volume import Dataset, slice_index
from voidscope.widgets.queue_words import Queued

SHIFT, CTRL = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier
LABEL, TRAIN, MEASURE = 1, 2, 3
"""The tabs."""
SETTINGS = (*QUICK, "train.epochs=8", "suggest.budget=6")
SHAPE = (40, 14, 38)
"""(z, y, x) of the sample's scans: 14 coronal slices."""


class Person:
    """Has a mouse, a keyboard and the true mask of every scan in mind."""

    def __init__(self, dock: Any, qtbot: Any) -> None:
        self.dock, self.qtbot = dock, qtbot
        self.canvas = dock._viewer.window._qt_viewer.canvas.native
        self.truth: dict[str, np.ndarray] = {}

    @property
    def view(self) -> Any:
        return self.dock.view

    @property
    def project(self) -> Project:
        return self.dock.view.project

    @property
    def key(self) -> SliceKey:
        return self.view.layers.key

    def press(self, key: Qt.Key, modifiers: Any = Qt.KeyboardModifier.NoModifier) -> None:
        self.qtbot.keyClick(self.canvas, key, modifiers)

    def click(self, button: Any) -> None:
        assert button.isEnabled(), button.toolTip()
        self.qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    def turn_to(self, tab: int) -> None:
        self.qtbot.mouseClick(
            self.view.tabBar(), Qt.MouseButton.LeftButton, pos=self.view.tabBar().tabRect(tab).center()
        )
        assert self.view.currentIndex() == tab

    def wait(self, until: Callable[[], bool]) -> None:
        self.qtbot.waitUntil(until, timeout=120_000)

    def settle(self) -> None:
        """Wait until no job runs and none follows."""
        for _ in range(3):
            self.wait(lambda: not self.dock.runner.busy)
            self.qtbot.wait(30)

    def place(self, pixel: tuple[int, int]) -> QPoint:
        """Where on the canvas a pixel (y, x) of the slice in view is."""
        record, camera = self.project.scan(self.key.scan), self.dock._viewer.scene.camera
        lengths = [s for axis, s in enumerate(record.spacing_um) if axis != record.plane.axis]
        away = [(p * s - c) * camera.zoom for p, s, c in zip(pixel, lengths, camera.center[-2:], strict=True)]
        return QPoint(round(self.canvas.width() / 2 + away[1]), round(self.canvas.height() / 2 + away[0]))

    def stroke(self, class_id: int, pixels: list[tuple[int, int]]) -> None:
        """Choose a class by its key, press the mouse on the first pixel, draw to the others and let go."""
        self.press(Qt.Key(Qt.Key.Key_0 + class_id), CTRL)
        assert self.view.label.classes.value() == class_id
        self.view.layers.find("labels").brush_size = 1
        self.qtbot.mousePress(self.canvas, Qt.MouseButton.LeftButton, pos=self.place(pixels[0]))
        for pixel in (pixels[len(pixels) // 2], pixels[-1]):
            self.qtbot.wait(15)  # vispy drops moves that come faster than a hand's
            self.qtbot.mouseMove(self.canvas, pos=self.place(pixel))
        self.qtbot.mouseRelease(self.canvas, Qt.MouseButton.LeftButton, pos=self.place(pixels[-1]))

    def what_is_there(self, key: SliceKey) -> np.ndarray:
        """The class of each pixel (h, w) of a slice, as an expert would see it."""
        plane = self.project.scan(key.scan).plane
        return np.asarray(self.truth[key.scan][slice_index(plane, key.index)])

    def paint_slice(self) -> SliceKey:
        """One stroke per class that the slice in view has, along a row of pixels of it."""
        key, seen = self.key, self.what_is_there(self.key)
        for class_id in np.unique(seen):
            self.stroke(int(class_id), run_of(seen == class_id))
        return key


def run_of(inside: np.ndarray, most: int = 12) -> list[tuple[int, int]]:
    """Pixels (y, x) next to each other in the row that has most of a class."""
    y = int(inside.sum(1).argmax())
    columns = np.flatnonzero(inside[y])
    first = np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1)[0]
    return [(y, int(x)) for x in first[:most]]


@pytest.fixture(params=[False, True], ids=["in step", "async"])
def person(
    request: pytest.FixtureRequest, make_napari_viewer: Callable[..., Any], qtbot: Any, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Person]:  # fmt: skip
    """A person before a window without a project; the sample is of two scans and trains for a moment."""
    monkeypatch.setattr(get_settings().experimental, "async_", request.param)
    found = (Check("processor", "one of a test"), Check("runs on", "cpu, float32: a test"))
    monkeypatch.setattr("voidscope.widgets.doctor_panel._examined", lambda device: found)
    monkeypatch.setattr("voidscope.widgets.dock.LOGIC", 1)
    monkeypatch.setattr("voidscope.widgets.dock.MEMORY", 1)
    monkeypatch.setattr("voidscope.widgets.pointer.POINTER_MS", 10**8)
    monkeypatch.setattr("voidscope.demo.SETTINGS", SETTINGS)
    monkeypatch.setattr("voidscope.volume.phantom.simulate.random_shape", lambda rng: SHAPE)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(900, 700)
    _, dock = viewer.window.add_plugin_dock_widget("voidscope", "Voidscope")
    yield Person(dock, qtbot)
    dock.close_project()
    if request.param:
        viewer.window._qt_window.hide()  # draws no more
        viewer._layer_slicer.wait_until_idle()
        QApplication.processEvents()  # what a slicing thread still had to tell this viewer, which is kept alive by it


def test_the_first_fifteen_minutes(
    person: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    open_the_sample(person, tmp_path)
    label_six_slices(person)
    train_with_second_thoughts(person)
    look_at_what_it_sees(person)
    mend_a_prediction_and_learn_again(person)
    measure_and_go_to_the_worst_void(person)
    repeat_the_report(person, monkeypatch, capsys)


def open_the_sample(person: Person, home: Path) -> None:
    """Minutes 0 to 3."""
    dock = person.dock
    assert "Open sample" in dock.welcome.text() and dock.welcome.isVisible()
    person.click(dock.sample)
    person.wait(lambda: dock.view is not None)
    person.wait(lambda: dock.device.text().startswith("runs on "))
    stored = Project.open(home / "voidscope-sample" / "project")
    assert list(stored.scans) == ["logic_000", "memory_000"]
    assert stored.classes.names == ("background", "copper_pillar", "solder", "void", "copper_pad")
    assert {s.spacing_um for s in stored.scans.values()} == {(0.7, 0.7, 0.7)}
    assert {k.scan for k in stored.labels} == {"memory_000"}  # to judge by; nothing to learn from yet
    assert not dock.view.train.retrain.isEnabled() and not stored.labels.can_undo
    dataset = Dataset.open(home / "voidscope-sample" / "scans")
    person.truth = {scan: project_truth(stored, dataset, scan) for scan in stored.scans}


def label_six_slices(person: Person) -> None:
    """Minutes 3 to 8: the queue says where and why, the mouse paints, and every stroke is on disk."""
    view, project = person.view, person.project
    person.click(view.label.suggest)
    person.settle()
    queue = [s.key for s in project.suggestions]
    assert len(queue) == 6 and person.key == queue[0]
    assert view.label.card.text().startswith(f"{queue[0]}: Chosen by random, without a model")
    painted = [person.paint_slice()]
    for _ in queue[1:]:
        person.press(Qt.Key.Key_N)
        painted.append(person.paint_slice())
    assert painted == queue
    person.wait(lambda: all(key in project.labels and not view.strokes.pending(key) for key in queue))
    labels = Project.open(project.path).labels
    stored = {key: labels.get(key) for key in queue}
    for key, label in stored.items():
        truth = person.what_is_there(key)
        assert label is not None and labels.record(key).provenance is Provenance.DRAWN
        for class_id in np.unique(truth):
            assert all(label[pixel] == class_id for pixel in run_of(truth == class_id))
        assert (label[label > 0] == truth[label > 0]).all()
    person.press(Qt.Key.Key_Z, CTRL)
    assert person.dock.jobs.message.text() == f"undid: painted {queue[-1]}"
    assert not np.array_equal(project.labels.get(queue[-1]), stored[queue[-1]])
    person.press(Qt.Key.Key_Z, CTRL | SHIFT)
    assert person.dock.jobs.message.text() == f"redid: painted {queue[-1]}"
    assert np.array_equal(Project.open(project.path).labels.get(queue[-1]), stored[queue[-1]])


def train_with_second_thoughts(person: Person) -> None:
    """Minutes 8 to 10: a training that is cancelled leaves all as it was; the next one makes a cycle, and is judged."""
    view, project, jobs = person.view, person.project, person.dock.jobs
    person.turn_to(TRAIN)
    person.click(view.train.retrain)
    assert not view.train.retrain.isEnabled() and jobs.cancel.isVisible()
    person.wait(lambda: "/" in jobs.title.text())
    person.click(jobs.cancel)
    person.settle()
    assert project.cycles == () and "cancelled" in jobs.message.text()
    seen_first: list[SliceKey] = []
    person.dock.runner.progressed.connect(
        lambda progress, _: (
            seen_first.append(progress.partial[0]) if isinstance(progress.partial, tuple) else None
        )
    )
    ticks, timer = [], QTimer()
    timer.timeout.connect(lambda: ticks.append(person.dock.runner.busy))
    timer.start(20)
    in_view = person.key
    person.press(Qt.Key.Key_T, SHIFT)
    person.settle()
    timer.stop()
    assert sum(ticks) > 5  # the window was alive while it trained
    (cycle,) = Project.open(project.path).cycles
    assert set(cycle.labelled) == {k for k in project.labels if k.scan == "logic_000"}
    assert seen_first[0] == in_view  # the slice in view is predicted first, then all scans
    person.wait(lambda: all(project.is_segmented(scan) for scan in project.scans))
    person.settle()
    person.click(view.train.evaluate)
    person.settle()
    found = Project.open(project.path).cycles[0].evaluation
    assert found is not None and found["scans"] == ["memory_000"]
    assert f"mIoU {found['miou']:.3f}" in jobs.message.text()


def look_at_what_it_sees(person: Person) -> None:
    """Heatmaps are on a key, and the queue is now ranked by the model, with its reasons."""
    view, project = person.view, person.project
    layers = view.layers
    for role in ("rareness", "uncertainty"):
        person.press(Qt.Key.Key_H)
        assert layers.find(role).visible
    person.turn_to(LABEL)
    person.click(view.label.suggest)
    person.settle()
    first = project.suggestions[0]
    assert person.key == first.key not in project.labels and first.r is not None
    said = Queued.of(project).card(first, project, view.layers.prediction(first.key))
    assert view.label.card.text() == said and "% of the maximum" in said
    assert layers.find("pointer") is not None  # the box at the pixel that drove it


def mend_a_prediction_and_learn_again(person: Person) -> None:
    """Minutes 10 to 13: slices arrive with a prediction; it is accepted where nothing is painted, and mended by painting."""
    view, project, key = person.view, person.project, person.key
    seen = person.what_is_there(key)
    first, last = int(seen.min()), int(seen.max())
    person.stroke(last, run_of(seen == last))
    person.wait(lambda: key in project.labels)
    drawn = project.labels.get(key)
    person.press(Qt.Key.Key_A)
    label = Project.open(project.path).labels.get(key)
    assert label is not None and drawn is not None and label.all()
    assert (label[drawn > 0] == drawn[drawn > 0]).all()  # accepting writes over nothing a person painted
    assert project.labels.record(key).provenance is Provenance.ACCEPTED
    person.stroke(first, run_of(seen == first))
    view.strokes.flush()
    person.turn_to(TRAIN)
    person.press(Qt.Key.Key_T, SHIFT)
    person.settle()
    question = person.dock.jobs.question
    if question.isVisible():  # the new model is worse: the person keeps it all the same
        person.click(question.buttons[1])
        person.settle()
    cycles = Project.open(project.path).cycles
    assert [len(c.labelled) for c in cycles] == [6, 7] and key in cycles[1].labelled
    assert view.train.table.rowCount() == 2


def measure_and_go_to_the_worst_void(person: Person) -> None:
    """Minutes 13 to 15, as if the model saw what is there: eight epochs teach a network anything, or nothing."""
    view, project = person.view, person.project
    for scan, truth in person.truth.items():
        set_prediction(project, project.cycle.id, scan, truth, np.zeros(truth.shape, np.float16))
    person.turn_to(MEASURE)
    person.click(view.measure.measure)
    person.settle()
    report = Project.open(project.path).report
    assert report is not None and [m.scan for m in report.scans] == list(project.scans)
    shown = next(m for m in report.scans if m.scan == view.layers.scan)
    assert view.measure.verdict.text() == shown.verdict.value
    assert (project.report_folder / "report.html").stat().st_size > 0
    worst = next(m for m in report.scans if m.voids)
    view.measure.scans.setCurrentIndex(report.scans.index(worst))
    person.qtbot.mouseClick(
        view.measure.table.viewport(),
        Qt.MouseButton.LeftButton,
        pos=view.measure.table.visualItemRect(view.measure.table.item(0, 0)).center(),
    )
    void, axis = worst.voids[0], project.scan(worst.scan).plane.axis
    assert person.key == SliceKey(worst.scan, round(void.centroid_voxel[axis]))
    assert project.keys(Split.TEST)[0].scan == "memory_000"


def repeat_the_report(
    person: Person, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command that the report prints gives the same numbers from a terminal, and `verify` says so."""
    project = person.project
    before = json.loads((project.report_folder / "report.json").read_text(encoding="utf-8"))
    for words in (shlex.split(before["provenance"]["command"]), ["voidscope", "verify", str(project.path)]):
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as end:
            main()
        assert not end.value.code, capsys.readouterr().err
    after = json.loads((project.report_folder / "report.json").read_text(encoding="utf-8"))
    assert after["scans"] == before["scans"]
