"""A drag paints in the slice it was begun in and in no other, however the view moves on while the mouse is held."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from napari.utils.interactions import mouse_move_callbacks, mouse_press_callbacks, mouse_release_callbacks
from wrapt import ObjectProxy

from voidscope.project import Project
from voidscope.vocabulary import Mask, Provenance, SliceKey

KEY = SliceKey("a", 1)
VOID = 4


class Event:
    """What napari tells of the mouse at a pixel of the slice in view."""

    def __init__(self, dock: Any, pixel: tuple[int, int], what: str = "mouse_move") -> None:
        layer, index = dock.view.layers.find("labels"), dock.view.layers.key.index
        self.position = layer.data_to_world((pixel[0], index, pixel[1]))
        self.type, self.button, self.is_dragging, self.handled = what, 1, True, False
        self.view_direction, self.up_direction, self.dims_displayed = None, None, [0, 2]
        self.dims_point, self.modifiers = self.position, ()


@pytest.fixture
def held(dock: Any) -> Any:
    """A dock with the mouse held in slice a/0001 after a stroke over two pixels of void."""
    layers = dock.view.layers
    layers.jump(KEY)
    layers.paint_with(VOID)
    layers.find("labels").brush_size = 1
    mouse_press_callbacks(layers.find("labels"), ObjectProxy(Event(dock, (5, 5), "mouse_press")))
    mouse_move_callbacks(layers.find("labels"), Event(dock, (5, 6)))
    return dock


def go_on(dock: Any, *pixels: tuple[int, int]) -> None:
    """Move on with the mouse held, and let go."""
    layer = dock.view.layers.find("labels")
    for pixel in pixels:
        mouse_move_callbacks(layer, Event(dock, pixel))
    mouse_release_callbacks(layer, Event(dock, pixels[-1], "mouse_release"))
    dock.view.strokes.flush()


def labelled(project: Project) -> dict[SliceKey, int]:
    return {key: int((project.labels.get(key) > 0).sum()) for key in project.labels}


@pytest.mark.parametrize("steps", [1, 3])
def test_a_stroke_ends_where_another_slice_comes_into_view(held: Any, project: Project, steps: int) -> None:
    for k in range(1, steps + 1):
        held.view.layers.jump(SliceKey("a", 1 + k))
    go_on(held, (5, 12), (9, 12))
    assert labelled(project) == {KEY: 2}
    layer = held.view.layers.find("labels")
    assert layer.data.astype(bool).sum() == 2 and not layer._block_history


def test_the_next_press_paints_again_and_each_is_one_step_of_undo(held: Any, project: Project) -> None:
    layer = held.view.layers.find("labels")
    held.view.layers.jump(SliceKey("a", 3))
    mouse_release_callbacks(layer, Event(held, (5, 12), "mouse_release"))
    mouse_press_callbacks(layer, ObjectProxy(Event(held, (8, 8), "mouse_press")))
    go_on(held, (8, 9), (8, 10))
    assert labelled(project) == {KEY: 2, SliceKey("a", 3): 3}
    assert str(project.labels.undo()) == "undid: painted a/0003"
    assert str(project.labels.undo()) == "undid: painted a/0001"


def test_a_proposal_drawn_on_until_the_view_moved_is_a_persons(held: Any, project: Project) -> None:
    go_on(held, (5, 6))
    proposed: Mask = np.full(project.slice_shape(KEY), 1, np.uint8)
    project.labels.put(KEY, proposed, Provenance.PROPAGATED)
    layer = held.view.layers.find("labels")
    mouse_press_callbacks(layer, ObjectProxy(Event(held, (5, 5), "mouse_press")))
    held.view.layers.jump(SliceKey("a", 2))
    go_on(held, (5, 12))
    assert not project.labels.record(KEY).proposed and project.labels.get(KEY)[5, 5] == VOID


def test_drawing_in_three_dimensions_still_goes_through_slices(held: Any, project: Project) -> None:
    go_on(held, (5, 6))
    layer = held.view.layers.find("labels")
    layer.n_edit_dimensions = 3
    mouse_press_callbacks(layer, ObjectProxy(Event(held, (5, 5), "mouse_press")))
    held.view.layers.jump(SliceKey("a", 3))
    go_on(held, (5, 5))
    assert set(labelled(project)) == {SliceKey("a", k) for k in (1, 2, 3)}


@pytest.mark.parametrize("tool", ["paint", "erase", "fill"])
def test_beyond_the_scan_nothing_is_painted_and_the_brush_is_there_again_after(
    dock: Any, project: Project, tool: str
) -> None:
    layers, viewer = dock.view.layers, dock._viewer
    layers.jump(KEY)
    layers.paint_with(VOID)
    labels = layers.find("labels")
    labels.mode = tool
    viewer.add_image(np.zeros((24, 40, 20)), scale=labels.scale)
    viewer.layers.selection.active = labels
    viewer.dims.set_current_step(1, 30)
    chosen: list[int] = []
    layers.class_chosen.connect(chosen.append)
    press = Event(dock, (5, 5), "mouse_press")
    press.position = press.dims_point = labels.data_to_world((5, 30, 5))
    drag = drags(viewer, press)
    mouse_press_callbacks(labels, ObjectProxy(press))
    assert dock.jobs.message.text().startswith("The slider is beyond a")
    press.type = "mouse_release"
    mouse_release_callbacks(labels, press)
    for gone in drag:
        assert next(gone, None) is None
    assert (labels.mode, chosen) == (tool, [])
    viewer.dims.set_current_step(1, 1)
    assert dock.jobs.message.text() == ""
    press = Event(dock, (5, 5), "mouse_press")
    drags(viewer, press)
    mouse_press_callbacks(labels, ObjectProxy(press))
    go_on(dock, (5, 6))
    assert (KEY in labelled(project)) is (tool != "erase")


def test_beyond_the_scan_is_also_told_where_the_picture_was_deleted(dock: Any, project: Project) -> None:
    layers, viewer = dock.view.layers, dock._viewer
    layers.jump(KEY)
    layers.paint_with(VOID)
    labels = layers.find("labels")
    viewer.add_image(np.zeros((24, 40, 20)), scale=labels.scale)
    viewer.layers.remove(layers.find("image"))
    viewer.layers.selection.active = labels
    viewer.dims.set_current_step(1, 30)
    press = Event(dock, (5, 5), "mouse_press")
    press.position = press.dims_point = labels.data_to_world((5, 30, 5))
    drag = drags(viewer, press)
    mouse_press_callbacks(labels, ObjectProxy(press))
    assert dock.jobs.message.text().startswith("The slider is beyond a")
    assert drag and layers.waits and not labelled(project)


@pytest.mark.parametrize("index", [4, 5])
def test_a_stroke_ends_where_the_slider_goes_beyond_the_scan(dock: Any, project: Project, index: int) -> None:
    """From the last slice, 5, too: it is not the one in view any more, although none comes after."""
    layers, viewer, key = dock.view.layers, dock._viewer, SliceKey("a", index)
    layers.jump(key)
    layers.paint_with(VOID)
    labels = layers.find("labels")
    labels.brush_size = 1
    viewer.add_image(np.zeros((24, 40, 20)), scale=labels.scale)
    viewer.layers.selection.active = labels
    press = Event(dock, (5, 5), "mouse_press")
    drag = drags(viewer, press)
    mouse_press_callbacks(labels, ObjectProxy(press))
    viewer.dims.set_current_step(1, 30)
    move = Event(dock, (5, 9))
    move.position = move.dims_point = labels.data_to_world((5, 30, 9))
    mouse_move_callbacks(labels, move)
    viewer.dims.set_current_step(1, index)
    dock.view.strokes.flush()
    assert drag and labelled(project) == {key: 1}


def drags(viewer: Any, press: Event) -> list[Any]:
    """What follows the mouse on the whole picture, begun as napari does, before the layer hears of the press."""
    begun = [call(viewer, press) for call in list(viewer.mouse_drag_callbacks)]
    return [one for one in begun if hasattr(one, "__next__") and next(one, 0) is None]
