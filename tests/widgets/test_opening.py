"""While a scan is opened for a person, nothing that is meant for it is done to the slice that is still in view."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench import add_cycle, predict
from qtpy.QtCore import Qt

from voidscope.project import Project, State
from voidscope.project.scans import OpenedOnce
from voidscope.vocabulary import Provenance, SliceKey
from voidscope.widgets import queue_box

MINUTE_MS = 60_000


@pytest.fixture(autouse=True)
def all_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    for bound in ("AT_ONCE_VOXELS", "TOGETHER_VOXELS"):
        monkeypatch.setattr(f"voidscope.widgets.ahead.{bound}", 0)


def settle(dock: Any, qtbot: Any) -> None:
    qtbot.waitUntil(lambda: dock.view.layers.ahead.runner.idle, timeout=MINUTE_MS)
    qtbot.wait(50)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Scans are opened on other threads only while this is set."""
    opened, really, here = threading.Event(), OpenedOnce.volume, threading.get_ident()
    opened.set()

    def volume(self: OpenedOnce) -> Any:
        if threading.get_ident() != here:
            opened.wait(60)
        return really(self)

    monkeypatch.setattr(OpenedOnce, "volume", volume)
    yield opened
    opened.set()


@pytest.fixture
def segmented(dock: Any, qtbot: Any, project: Project, gate: Any) -> Any:
    """The dock on a project with a model that has segmented its scans."""
    settle(dock, qtbot)
    add_cycle(project)
    for seed, scan in enumerate("ab"):
        predict(project, scan, seed)
    settle(dock, qtbot)
    return dock


def press(dock: Any, qtbot: Any, key: Qt.Key) -> None:
    qtbot.keyClick(dock._viewer.window._qt_viewer.canvas.native, key)
    qtbot.wait(20)


def part(class_id: int) -> np.ndarray:
    """A label of a corner alone."""
    mask = np.zeros((24, 20), np.uint8)
    mask[4:8, 4:8] = class_id
    return mask


def test_accepting_twice_never_fills_the_slice_left_behind(
    segmented: Any, qtbot: Any, project: Project, gate: Any
) -> None:
    for scan in "ab":
        project.labels.put(SliceKey(scan, 1), part(2))
        project.labels.put_all({SliceKey(scan, 2): part(3)}, Provenance.PROPAGATED)
    layers = segmented.view.layers
    layers.jump(SliceKey("a", 2))
    settle(segmented, qtbot)
    project.memory.scans.pop("b", None)
    gate.clear()
    press(segmented, qtbot, Qt.Key.Key_A)
    assert layers.ahead.goal == "b" and layers.key == SliceKey("a", 2)
    press(segmented, qtbot, Qt.Key.Key_A)
    assert segmented.jobs.message.text() == "b is being opened; wait until it is in view."
    segmented.view.label.background.click()
    gate.set()
    settle(segmented, qtbot)
    assert layers.key == SliceKey("b", 2) and not layers.waits
    assert (project.labels.get(SliceKey("a", 2)) == part(3)).all()
    press(segmented, qtbot, Qt.Key.Key_A)
    assert not any(k.scan == "b" for k in project.labels.unverified)


def test_skipping_twice_takes_nothing_back(
    segmented: Any, qtbot: Any, project: Project, gate: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [(SliceKey("a", 2), None), (SliceKey("b", 2), None), (SliceKey("b", 3), None)]
    monkeypatch.setattr(queue_box, "entries", lambda *_: rows)
    segmented.view.label.queue.refresh()
    segmented.view.label.queue.pick(0)
    settle(segmented, qtbot)
    project.memory.scans.pop("b", None)
    gate.clear()
    press(segmented, qtbot, Qt.Key.Key_S)
    press(segmented, qtbot, Qt.Key.Key_S)
    gate.set()
    settle(segmented, qtbot)
    assert [project.queue.state(k) for k, _ in rows] == [State.SKIPPED, State.TODO, State.TODO]
    assert segmented.view.layers.key == SliceKey("b", 2)


def test_a_row_of_scans_goes_there_however_one_went_elsewhere(
    segmented: Any, qtbot: Any, project: Project, gate: Any
) -> None:
    view, table = segmented.view, segmented.view.scans.table
    view.setCurrentIndex(0)

    def click(row: int) -> None:
        at = table.visualItemRect(table.item(row, 0)).center()
        qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=at)

    click(1)
    settle(segmented, qtbot)
    view.layers.jump(SliceKey("a", 2))
    settle(segmented, qtbot)
    assert view.scans.selected() == "a"
    project.memory.scans.pop("b", None)
    gate.clear()
    click(1)
    segmented._viewer.dims.set_current_step(1, 4)  # who goes through slices stays
    gate.set()
    settle(segmented, qtbot)
    assert view.layers.scan == "a"
    click(1)
    settle(segmented, qtbot)
    assert view.layers.scan == view.scans.selected() == "b"


def test_a_project_whose_last_scan_is_gone_shows_another(dock: Any, qtbot: Any, project: Project) -> None:
    settle(dock, qtbot)
    dock.view.layers.jump(SliceKey("b", 2))
    settle(dock, qtbot)
    dock.close_project()
    path = Path(project.scan("b").path)
    path.rename(path.with_suffix(".away"))
    dock.show_project(Project.open(project.path))
    settle(dock, qtbot)
    assert dock.view.layers.scan == "a"


def test_going_back_to_a_model_takes_nobody_s_way(
    segmented: Any, qtbot: Any, project: Project, gate: Any
) -> None:
    layers = segmented.view.layers
    add_cycle(project)
    settle(segmented, qtbot)
    project.memory.scans.pop("b", None)
    for stays in (False, True):
        gate.clear()
        layers.jump(SliceKey("b", 3))
        segmented.view.train.choice.restore(1 if not stays else 2)
        if stays:
            layers.ahead.stay()
        gate.set()
        settle(segmented, qtbot)
        assert layers.key == (SliceKey("b", 3) if not stays else SliceKey("a", 2))
        assert (layers.find("prediction") is None) is stays  # the second cycle has segmented none
        layers.jump(SliceKey("a", 2))
        settle(segmented, qtbot)
        project.memory.scans.pop("b", None)


def test_that_a_scan_is_being_opened_is_said_until_it_is_in_view(
    dock: Any, qtbot: Any, project: Project, gate: Any
) -> None:
    settle(dock, qtbot)
    gate.clear()
    dock.view.layers.jump(SliceKey("b", 2))
    dock.view.label.rest_is_background()
    assert dock.jobs.message.text() == "b is being opened; wait until it is in view."
    gate.set()
    settle(dock, qtbot)
    assert dock.view.layers.key == SliceKey("b", 2)
    assert dock.jobs.message.text() == ""
