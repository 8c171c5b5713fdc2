"""Another scan comes into view whole or not at all, and never under a stroke or with what was begun on the one before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from bench import add_cycle, predict
from napari.settings import get_settings
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent

from voidscope.errors import VoidscopeError
from voidscope.project import Project
from voidscope.vocabulary import ClassMap, Plane, SliceKey
from voidscope.widgets.colours import class_colours
from voidscope.widgets.held_mouse import HeldMouse

MINUTE_MS = 60_000
SOLDER, VOID = 3, 4


class Mouse:
    """The left button on the canvas, at pixels of the window beside its middle."""

    def __init__(self, dock: Any, qtbot: Any) -> None:
        self._qtbot, self._canvas = qtbot, dock._viewer.window._qt_viewer.canvas.native

    def _at(self, dx: int, dy: int) -> QPoint:
        return QPoint(self._canvas.width() // 2 + dx, self._canvas.height() // 2 + dy)

    def press(self, dx: int, dy: int) -> None:
        self._qtbot.mousePress(self._canvas, Qt.MouseButton.LeftButton, pos=self._at(dx, dy))

    def draw(self, dx: int, dy: int) -> None:
        self._qtbot.wait(15)  # vispy drops moves that come faster than a hand's
        at, left = QPointF(self._at(dx, dy)), Qt.MouseButton.LeftButton
        none = Qt.KeyboardModifier.NoModifier
        self._canvas.mouseMoveEvent(QMouseEvent(QEvent.Type.MouseMove, at, at, left, left, none))

    def release(self, dx: int, dy: int) -> None:
        self._qtbot.mouseRelease(self._canvas, Qt.MouseButton.LeftButton, pos=self._at(dx, dy))

    def click(self, dx: int, dy: int) -> None:
        self.press(dx, dy)
        self.release(dx, dy)
        self._qtbot.wait(30)


def go(dock: Any, key: SliceKey) -> str:
    """Jump as a row of a list does; what is told where that cannot be."""
    told: list[str] = []
    dock.view.layers.troubled.connect(told.append)
    try:
        dock.view.layers.jump(key)
    except VoidscopeError as error:
        told.append(str(error))
    return " ".join(told)


def stroke_is_kept(dock: Any, project: Project, qtbot: Any) -> bool:
    """Paint on what is in view; whether that is stored, under its name."""
    layers = dock.view.layers
    key = layers.key
    layers.find("labels").paint((10, key.index, 10), VOID)
    qtbot.waitUntil(lambda: key in project.labels, timeout=MINUTE_MS)
    return set(project.labels) - {key} <= {SliceKey("b", 4)}


def damage_label(project: Project) -> None:
    key = SliceKey("b", 4)
    project.labels.put(key, np.full(project.slice_shape(key), SOLDER, np.uint8))
    (project.path / "labels" / "b" / "0004.tif").write_bytes(b"II*\0 no such thing")


def drawn(dock: Any) -> np.ndarray:
    """The picture (h, w) that is on the canvas."""
    canvas = dock._viewer.window._qt_viewer.canvas
    return np.asarray(canvas.layer_to_visual[dock.view.layers.find("image")].node._data)


def fill_memory(monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...]) -> None:
    real = np.zeros

    def zeros(size: Any, *args: Any, **kwargs: Any) -> np.ndarray:
        if isinstance(size, tuple) and sorted(size) == sorted(shape):  # however its axes lie in memory
            raise MemoryError(f"Unable to allocate {shape}")
        return real(size, *args, **kwargs)

    monkeypatch.setattr("voidscope.widgets.sight.np.zeros", zeros)


@pytest.mark.parametrize("is_large", [False, True], ids=["small", "large"])
@pytest.mark.parametrize("what", ["label", "memory"])
def test_a_jump_that_fails_leaves_the_scan_in_view_watched_and_is_told(
    what: str, is_large: bool, dock: Any, project: Project, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_large:
        monkeypatch.setattr("voidscope.widgets.ahead.AT_ONCE_VOXELS", 0)
    layers, said = dock.view.layers, []
    layers.jump(SliceKey("a", 2))
    layers.troubled.connect(said.append)
    with monkeypatch.context() as patch:
        damage_label(project) if what == "label" else fill_memory(patch, project.scan("b").shape)
        said.append(go(dock, SliceKey("b", 4)))
        qtbot.waitUntil(lambda: layers.ahead.runner.idle and any(said), timeout=MINUTE_MS)
    assert ("0004.tif" if what == "label" else "the memory is full") in " ".join(said)
    assert layers.key == SliceKey("a", 2) and layers.find("image").name == "a"
    assert stroke_is_kept(dock, project, qtbot)
    assert not dock.view.unsaved


def test_who_goes_through_slices_while_another_scan_is_opened_is_not_taken_away(
    dock: Any, project: Project, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers = dock.view.layers
    layers.jump(SliceKey("a", 2))
    qtbot.waitUntil(lambda: layers.key == SliceKey("a", 2) and layers.ahead.runner.idle, timeout=MINUTE_MS)
    monkeypatch.setattr("voidscope.widgets.ahead.AT_ONCE_VOXELS", 0)
    project.memory.scans.pop("b", None)
    layers.jump(SliceKey("b", 4))
    assert not layers.ahead.runner.idle
    dock._viewer.dims.set_current_step(project.scan("a").plane.axis, 3)
    qtbot.waitUntil(lambda: layers.ahead.runner.idle, timeout=MINUTE_MS)
    qtbot.wait(50)
    assert layers.key == SliceKey("a", 3)


@pytest.fixture(params=[False, True], ids=["in step", "async"])
def pages_of_b(
    request: pytest.FixtureRequest, dock: Any, project: Project, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The file of b, whose pages are unpacked whenever they are looked at; with napari's slicing in step or not."""
    monkeypatch.setattr(get_settings().experimental, "async_", request.param)
    monkeypatch.setattr("voidscope.volume.planes.Planes._may_keep", lambda self: False)
    path = project.scan("b").place(project.path)
    tifffile.imwrite(path, tifffile.imread(path), compression="zlib", photometric="minisblack")
    project.memory.scans.pop("b", None)
    project.volume("b")
    return path


def test_a_scan_whose_file_is_gone_never_gives_its_name_to_the_picture_before(
    pages_of_b: Path, dock: Any, project: Project, qtbot: Any
) -> None:
    layers = dock.view.layers
    layers.jump(SliceKey("a", 2))
    pages_of_b.unlink()
    assert "Cannot read" in go(dock, SliceKey("b", 4))
    assert layers.key == SliceKey("a", 2) and layers.find("image").name == "a"
    layers.jump(SliceKey("a", 3))
    there = project.volume("a").slice(Plane.AXIS1, 3)
    qtbot.waitUntil(lambda: np.allclose(drawn(dock), there, atol=1), timeout=MINUTE_MS)
    assert stroke_is_kept(dock, project, qtbot)


def test_a_slice_that_cannot_be_read_is_black_and_told_not_the_picture_before(
    pages_of_b: Path, dock: Any, project: Project, qtbot: Any
) -> None:
    layers, told = dock.view.layers, []
    layers.jump(SliceKey("b", 4))
    there = project.volume("b").slice(Plane.AXIS1, 4)
    qtbot.waitUntil(lambda: np.allclose(drawn(dock), there, atol=1), timeout=MINUTE_MS)
    layers.troubled.connect(told.append)
    pages_of_b.unlink()
    for index in (2, 1):
        layers.jump(SliceKey("b", index))
        qtbot.waitUntil(lambda: bool(told) and not drawn(dock).any(), timeout=MINUTE_MS)
    assert len(told) == 1 and str(pages_of_b.name) in told[0]


def test_what_fails_on_the_way_into_the_layers_leaves_no_scan_under_the_name_of_another(
    dock: Any, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers = dock.view.layers
    monkeypatch.setattr(layers.labels, "fill", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        layers.jump(SliceKey("b", 4))
    assert layers.scan is None and layers.find("image") is None and not dock.view.strokes.unsaved
    monkeypatch.undo()
    layers.jump(SliceKey("a", 2))
    assert layers.key == SliceKey("a", 2)


@pytest.mark.parametrize("way", ["small", "large", "show"])
def test_no_scan_comes_into_view_under_a_stroke(
    way: str, dock: Any, project: Project, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way == "large":
        monkeypatch.setattr("voidscope.widgets.ahead.AT_ONCE_VOXELS", 0)
    layers, mouse = dock.view.layers, Mouse(dock, qtbot)
    layers.jump(SliceKey("a", 1))
    layers.paint_with(VOID)
    labels = layers.find("labels")
    labels.brush_size = 1
    mouse.press(-20, 0)
    mouse.draw(-10, 0)
    if way == "show":  # as when a scan was added
        layers.show("b")
    else:
        layers.jump(SliceKey("b", 5))
    qtbot.waitUntil(lambda: layers.ahead.runner.idle, timeout=MINUTE_MS)
    qtbot.wait(30)
    assert layers.key == SliceKey("a", 1) and labels._block_history
    mouse.draw(10, 10)
    mouse.release(20, 20)
    qtbot.waitUntil(lambda: layers.scan == "b", timeout=MINUTE_MS)
    assert layers.key == SliceKey("b", 3 if way == "show" else 5)
    mouse.draw(0, 0)
    dock.view.flush()
    assert list(project.labels) == [SliceKey("a", 1)] and not layers.find("labels").data.any()


def test_what_waits_for_the_mouse_is_dropped_with_the_project(
    dock: Any, project: Project, qtbot: Any
) -> None:
    layers, mouse = dock.view.layers, Mouse(dock, qtbot)
    own = [
        c for c in dock._viewer.mouse_drag_callbacks if isinstance(getattr(c, "__self__", None), HeldMouse)
    ]
    mouse.press(0, 0)
    layers.jump(SliceKey("b", 5))
    viewer = dock._viewer
    dock.close_project()
    mouse.release(0, 0)
    qtbot.wait(30)
    assert not viewer.layers and len(own) == 1 and own[0] not in viewer.mouse_drag_callbacks


@pytest.mark.parametrize("there", [SliceKey("b", 5), SliceKey("a", 4)], ids=str)
def test_a_polygon_begun_on_another_slice_is_not_finished_here(
    there: SliceKey, dock: Any, project: Project, qtbot: Any
) -> None:
    layers, mouse = dock.view.layers, Mouse(dock, qtbot)
    layers.jump(SliceKey("a", 2))
    layers.paint_with(VOID)
    labels = layers.find("labels")
    labels.mode = "polygon"
    draft = labels._overlays["polygon"]
    mouse.click(-30, -30)
    mouse.click(30, -30)
    assert len(draft.points) > 1
    layers.jump(there)
    assert not draft.points and labels.mode == "polygon"
    mouse.click(30, 30)
    mouse.click(-30, 30)
    draft.add_polygon_to_labels(labels)  # what Enter does
    dock.view.flush()
    assert set(project.labels) <= {there}


def test_a_prediction_that_is_put_away_takes_new_class_colours(
    dock: Any, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_cycle(project)
    predict(project, "a")
    layers = dock.view.layers
    layers.show_results()
    before = layers.find("prediction").colormap.color_dict[SOLDER]
    layers.jump(SliceKey("b", 2))
    assert layers.find("prediction") is None
    garish = ClassMap.from_entries([{**e, "colour": f"#00ff0{e['id']}"} for e in project.classes.entries()])
    monkeypatch.setattr(
        "voidscope.widgets.project_view.class_colours", lambda _, opacity: class_colours(garish, opacity)
    )
    dock.view.recolour()
    layers.jump(SliceKey("a", 2))
    prediction, labels = (layers.find(r).colormap.color_dict[SOLDER] for r in ("prediction", "labels"))
    assert (prediction == labels).all() and (prediction != before).any()
