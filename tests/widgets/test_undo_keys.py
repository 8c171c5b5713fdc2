"""Ctrl+Z in a real viewer goes through the project: over slices and scans, whatever layer is active, after a restart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bench import add_cycle, predict
from qtpy.QtCore import Qt

from voidscope.project import Project
from voidscope.vocabulary import Provenance, SliceKey

CTRL, SHIFT, NONE = (
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.NoModifier,
)


def press(dock: Any, qtbot: Any, key: Qt.Key, modifiers: Any = NONE) -> None:
    """A real key event on the canvas."""
    qtbot.keyClick(dock._viewer.window._qt_viewer.canvas.native, key, modifiers)


def stroke(dock: Any, scan: str, index: int, value: int) -> None:
    layers = dock.view.layers
    layers.jump(SliceKey(scan, index))
    layers.find("labels").paint((10.0, float(index), 10.0), value)
    dock.view.strokes.flush()


@pytest.fixture
def said(dock: Any) -> list[str]:
    told: list[str] = []
    dock.runner.told.connect(told.append)
    return told


@pytest.mark.parametrize("active", ["labels", "prediction", "image"])
def test_ctrl_z_undoes_over_scans_and_jumps_there(
    dock: Any, qtbot: Any, project: Project, said: list[str], active: str
) -> None:
    add_cycle(project)
    for scan in "ab":
        predict(project, scan)
    stroke(dock, "a", 2, 4)
    stroke(dock, "b", 1, 3)
    layers = dock.view.layers
    dock._viewer.layers.selection.active = layers.find(active)
    press(dock, qtbot, Qt.Key.Key_Z, CTRL)
    assert project.labels.keys() == (SliceKey("a", 2),)
    assert layers.find("labels").data.max() == 0
    dock._viewer.layers.selection.active = layers.find(active)
    press(dock, qtbot, Qt.Key.Key_Z, CTRL)
    assert layers.key == SliceKey("a", 2)
    assert layers.find("labels").data.max() == 0
    assert said == ["undid: painted b/0001", "undid: painted a/0002"]
    dock._viewer.layers.selection.active = layers.find(active)
    press(dock, qtbot, Qt.Key.Key_Z, CTRL | SHIFT)
    assert layers.find("labels").data[10, 2, 10] == 4
    assert Project.open(project.path).labels.keys() == (SliceKey("a", 2),)


def test_a_stroke_not_saved_yet_is_what_ctrl_z_takes_back(dock: Any, qtbot: Any, project: Project) -> None:
    stroke(dock, "a", 2, 4)
    dock.view.layers.find("labels").paint((15.0, 2.0, 15.0), 3)
    press(dock, qtbot, Qt.Key.Key_Z, CTRL)
    label = project.labels.get(SliceKey("a", 2))
    assert label is not None
    assert (label[10, 10], label[15, 15]) == (4, 0)


def test_the_buttons_undo_and_redo_and_are_grey_when_there_is_nothing(
    dock: Any, qtbot: Any, project: Project
) -> None:
    tools = dock.view.label.tools
    assert not tools.undo.isEnabled()
    stroke(dock, "a", 2, 4)
    assert (tools.undo.isEnabled(), tools.redo.isEnabled()) == (True, False)
    tools.undo.click()
    assert len(project.labels) == 0
    assert (tools.undo.isEnabled(), tools.redo.isEnabled()) == (False, True)
    tools.redo.click()
    assert len(project.labels) == 1


def test_undo_reaches_back_before_the_window_was_opened(dock: Any, qtbot: Any, project: Project) -> None:
    stroke(dock, "a", 2, 4)
    dock.close_project()
    dock.show_project(Project.open(project.path))
    press(dock, qtbot, Qt.Key.Key_Z, CTRL)
    assert len(dock.view.project.labels) == 0
    assert dock.view.layers.find("labels").data.max() == 0


def test_a_persons_own_labels_layer_keeps_naparis_undo(dock: Any, qtbot: Any, project: Project) -> None:
    stroke(dock, "a", 2, 4)
    own = dock._viewer.add_labels(np.zeros((24, 6, 20), np.uint8))
    own.paint((5.0, 2.0, 5.0), 1)
    press(dock, qtbot, Qt.Key.Key_Z, CTRL)
    assert own.data.max() == 0
    assert len(project.labels) == 1


def test_while_the_disk_refuses_strokes_undo_waits(
    dock: Any, qtbot: Any, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from voidscope.errors import ProjectError
    from voidscope.project import Labels

    stroke(dock, "a", 2, 4)

    def full(*_: Any, **__: Any) -> None:
        raise ProjectError("Cannot write a: No space left on device.")

    failed: list[str] = []
    dock.runner.failed.connect(failed.append)
    with monkeypatch.context() as patch:
        patch.setattr(Labels, "put_all", full)
        dock.view.layers.find("labels").paint((15.0, 2.0, 15.0), 3)
        press(dock, qtbot, Qt.Key.Key_Z, CTRL)
        assert "Undo has to wait" in failed[-1]
    dock.view.strokes.flush()
    label = project.labels.get(SliceKey("a", 2))
    assert label is not None
    assert (label[10, 10], label[15, 15]) == (4, 3)


def test_what_was_accepted_is_undone_as_such(
    dock: Any, qtbot: Any, project: Project, said: list[str]
) -> None:
    add_cycle(project)
    predict(project, "a")
    stroke(dock, "a", 2, 4)
    press(dock, qtbot, Qt.Key.Key_A)
    assert project.labels.record(SliceKey("a", 2)).provenance is Provenance.ACCEPTED
    press(dock, qtbot, Qt.Key.Key_Z, CTRL)
    assert said[-1] == "undid: accepted a/0002"
    assert project.labels.record(SliceKey("a", 2)).provenance is Provenance.DRAWN
    assert int((project.labels.get(SliceKey("a", 2)) > 0).sum()) < 30
