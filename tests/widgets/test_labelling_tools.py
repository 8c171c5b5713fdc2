"""Labelling faster than by painting: parts of a prediction, propagating, and a brush that keeps to intensities."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from bench import Bench, add_cycle, predict
from napari.utils.interactions import mouse_move_callbacks, mouse_press_callbacks, mouse_release_callbacks
from wrapt import ObjectProxy

from voidscope.errors import ProjectError
from voidscope.jobs import Job, Progress, Steps
from voidscope.project import Labels, Project
from voidscope.vocabulary import Provenance, SliceKey
from voidscope.widgets.brush_range import NOTHING
from voidscope.widgets.canvas_note import CanvasNote
from voidscope.widgets.label_panel import LabelPanel
from voidscope.widgets.labelling_tools import PROPOSING, LabellingTools
from voidscope.widgets.runner import Runner
from voidscope.workflow import interpolate

KEY = SliceKey("a", 2)
PILLAR, SOLDER, VOID = 2, 3, 4


@pytest.fixture
def bench(qapp: object, project: Project) -> Bench:
    made = Bench(project)
    made.layers.show("a")
    made.layers.jump(KEY)
    return made


@pytest.fixture
def panel(qtbot: Any, bench: Bench) -> Iterator[LabelPanel]:
    runner = Runner()
    made = LabelPanel(bench.project, runner, bench.layers, bench.strokes)
    qtbot.addWidget(made)
    bench.project.events.labels_changed.connect(lambda keys: [*map(bench.layers.show_label, keys)])
    runner.told.connect(bench.told.append)
    runner.failed.connect(bench.told.append)
    yield made
    made.tools.release()


def predicted(bench: Bench) -> np.ndarray:
    """Two voids in solder, predicted for the slice in view."""
    mask = np.full((24, 20), SOLDER, np.uint8)
    mask[2:5, 2:5], mask[10:14, 10:14] = VOID, VOID
    add_cycle(bench.project)
    bench.layers.show_slice(KEY, mask, np.zeros((24, 20), np.float32))
    return mask


def point_at(bench: Bench, y: int, x: int) -> None:
    world = bench.find("labels").data_to_world((y, KEY.index, x))
    bench.viewer.cursor.position = tuple(world)


def test_the_component_under_the_mouse_is_accepted_and_no_other(bench: Bench, panel: LabelPanel) -> None:
    mask = predicted(bench)
    bench.paint(2, PILLAR, at=(11, 11))
    bench.strokes.flush()
    own = bench.project.labels.get(KEY)
    point_at(bench, 13, 13)
    panel.tools.accept_one_component()
    label = bench.project.labels.get(KEY)
    assert (label[own > 0] == PILLAR).all()
    expected = (mask == VOID) & (own == 0)
    expected[:8] = False
    assert ((label == VOID) == expected).all()
    assert bench.project.labels.record(KEY).proposed
    assert expected.sum() == 1 and "1 pixel of this void accepted" in bench.told[-1]


def test_a_mouse_beside_the_slice_points_at_no_component(bench: Bench, panel: LabelPanel) -> None:
    predicted(bench)
    point_at(bench, 40, 3)
    panel.tools.accept_one_component()
    assert "Point at a component" in bench.told[-1]
    assert len(bench.project.labels) == 0


def test_one_class_is_accepted_everywhere_in_the_slice(bench: Bench, panel: LabelPanel) -> None:
    mask = predicted(bench)
    bench.layers.paint_with(VOID)
    panel.tools.accept_one_class()
    assert ((bench.project.labels.get(KEY) == VOID) == (mask == VOID)).all()
    assert (bench.project.labels.get(KEY)[mask == SOLDER] == 0).all()
    panel.tools.accept_one_class()
    assert "nothing of void is left to accept" in bench.told[-1]


def test_a_rejected_prediction_cannot_be_accepted_until_it_is_brought_back(
    bench: Bench, panel: LabelPanel
) -> None:
    mask = predicted(bench)
    panel.tools.reject_slice()
    assert bench.find("prediction").data[:, KEY.index].max() == 0
    panel.accept_prediction()
    assert len(bench.project.labels) == 0
    assert panel.tools.reject.text() == "R  Back"
    panel.tools.reject_slice()
    assert (bench.find("prediction").data[:, KEY.index] == mask).all()
    panel.accept_prediction()
    assert (bench.project.labels.get(KEY) == mask).all()


def test_what_a_key_lacks_after_a_rejection_is_told_with_its_key(bench: Bench, panel: LabelPanel) -> None:
    predicted(bench)
    panel.tools.reject_slice()
    panel.refresh_card()
    assert "R brings it back" in panel.accept.toolTip()
    for act in (panel.accept_shown, panel.tools.accept_one_class, panel.tools.accept_one_component):
        act()
        assert "R brings it back" in bench.told[-1]
    panel.tools.reject_slice()
    assert bench.told[-1] == f"{KEY}: the prediction is back."


def test_nothing_is_done_to_a_slice_that_a_solid_hides(bench: Bench, panel: LabelPanel) -> None:
    predicted(bench)
    point_at(bench, 12, 12)
    bench.viewer.dims.ndisplay = 3
    tools = panel.tools
    for act in (
        panel.accept_shown, panel.rest_is_background, tools.accept_one_class, tools.accept_one_component,
        tools.reject_slice, tools.fill_between, tools.copy_on, panel.queue.toggle_flag,
    ):  # fmt: skip
        bench.told.clear()
        act()
        assert [t[:30] for t in bench.told] == ["The scan is shown in 3-D, wher"]
    bench.viewer.dims.ndisplay = 2
    bench.viewer.add_image(np.zeros((24, 40, 20)), scale=bench.find("image").scale)
    bench.viewer.dims.set_current_step(1, 30)
    panel.rest_is_background()
    assert bench.told[-1].startswith("The slider is beyond a, as another layer is larger")
    assert KEY not in bench.project.labels and KEY not in bench.layers.rejections
    bench.layers.jump(KEY)
    panel.accept_shown()
    assert bench.project.labels.get(KEY).all()


def test_another_models_prediction_is_not_rejected(bench: Bench, panel: LabelPanel) -> None:
    add_cycle(bench.project)
    whole = predict(bench.project, "a")
    bench.layers.show_results()
    panel.tools.reject_slice()
    bench.layers.show_results()
    assert bench.find("prediction").data[:, KEY.index].max() == 0
    assert (bench.find("prediction").data[:, 3] == whole[:, 3]).all()
    add_cycle(bench.project)
    whole = predict(bench.project, "a", seed=5)
    bench.layers.show_results()
    assert (bench.find("prediction").data == whole).all()


@pytest.mark.parametrize("segmented", [False, True])
def test_a_rejected_quick_look_cannot_be_accepted_nor_painted_over_by_the_next(
    bench: Bench, panel: LabelPanel, segmented: bool
) -> None:
    add_cycle(bench.project)
    if segmented:
        predict(bench.project, "a")
        bench.layers.show_results()
    seen = np.full((24, 20), VOID, np.uint8)
    assert bench.layers.show_preview(KEY, seen)
    looked: list[SliceKey | None] = []
    bench.layers.looked.connect(looked.append)
    panel.tools.reject_slice()
    assert "put away" in bench.told[-1] and looked == [None]
    panel.accept_prediction()
    assert len(bench.project.labels) == 0
    assert not bench.layers.show_preview(KEY, seen)
    assert bench.find("prediction").data[:, KEY.index].max() == 0
    panel.tools.reject_slice()
    assert (bench.find("prediction").data[:, KEY.index] == VOID).all()
    assert looked == [None, KEY], "it is a quick look still"
    panel.accept_prediction()
    assert (bench.project.labels.get(KEY) == VOID).all()


def test_rejecting_a_quick_look_outlives_it(bench: Bench, panel: LabelPanel) -> None:
    add_cycle(bench.project)
    whole = predict(bench.project, "a")
    bench.layers.show_results()
    bench.layers.show_preview(KEY, np.full((24, 20), VOID, np.uint8))
    panel.tools.reject_slice()
    bench.layers.show_results()
    assert bench.layers.prediction(KEY) is None
    assert bench.find("prediction").data[:, KEY.index].max() == 0
    panel.tools.reject_slice()
    assert (bench.find("prediction").data == whole).all()


def test_a_rejection_lapses_with_its_model_where_the_next_has_segmented_nothing(
    bench: Bench, panel: LabelPanel
) -> None:
    predicted(bench)
    panel.tools.reject_slice()
    add_cycle(bench.project)
    bench.layers.show_results()
    assert bench.layers.show_preview(KEY, np.full((24, 20), VOID, np.uint8))
    assert bench.layers.prediction(KEY) is not None


def test_erasing_with_label_0_keeps_the_class_that_is_accepted(bench: Bench, panel: LabelPanel) -> None:
    mask = predicted(bench)
    bench.layers.paint_with(SOLDER)
    bench.find("labels").selected_label = 0
    assert bench.layers.class_id == 0 and bench.layers.chosen_class == SOLDER
    panel.tools.accept_one_class()
    assert ((bench.project.labels.get(KEY) == SOLDER) == (mask == SOLDER)).all()
    assert f"{(mask == SOLDER).sum()} pixels of solder accepted" in bench.told[-1]


def propose(bench: Bench, tools: LabellingTools, qtbot: Any) -> None:
    """Label slices 0 and 4 and fill in what lies between."""
    for index, size in ((0, 4), (4, 8)):
        mask = np.ones((24, 20), np.uint8)
        mask[8 : 8 + size, 8 : 8 + size] = VOID
        bench.project.labels.put(SliceKey("a", index), mask)
    with qtbot.waitSignal(tools.beside.ended, timeout=60_000):
        tools.fill_between()


def test_what_is_interpolated_is_shown_marked_and_verified_by_accepting(
    bench: Bench, panel: LabelPanel, qtbot: Any
) -> None:
    propose(bench, panel.tools, qtbot)
    labels = bench.project.labels
    assert labels.unverified == tuple(SliceKey("a", k) for k in (1, 2, 3))
    assert len(labels) == 2
    assert 16 < int((bench.find("labels").data[:, 2] == VOID).sum()) < 64
    assert not panel.tools.unverified.isHidden()
    assert "not verified" in bench.layers.note.overlay.text
    panel.accept_prediction()
    panel.refresh()
    assert labels.record(KEY).provenance is Provenance.ACCEPTED
    assert not labels.record(KEY).proposed  # no model had a part in it
    assert KEY in labels
    assert bench.layers.key == SliceKey("a", 3) and not panel.tools.unverified.isHidden()  # the next of them
    bench.layers.jump(KEY)
    panel.refresh()
    assert panel.tools.unverified.isHidden()
    assert bench.layers.note.overlay.text == ""


def test_a_stroke_on_a_proposal_verifies_it(bench: Bench, panel: LabelPanel, qtbot: Any) -> None:
    propose(bench, panel.tools, qtbot)
    bench.paint(2, PILLAR, at=(2, 2))
    bench.strokes.flush()
    assert KEY in bench.project.labels
    assert bench.project.labels.record(KEY).provenance is Provenance.DRAWN
    assert bench.project.labels.get(KEY)[2, 2] == PILLAR


def thick(bench: Bench, index: int) -> None:
    """A stroke through five slices, at the edge, where nothing was proposed but background."""
    layer = bench.find("labels")
    bench.layers.jump(SliceKey("a", index))
    layer.n_edit_dimensions, layer.brush_size, layer.selected_label = 3, 5, PILLAR
    layer.paint((2, index, 2), PILLAR)


def test_a_stroke_through_several_slices_verifies_the_proposal_in_view_alone(
    bench: Bench, panel: LabelPanel, qtbot: Any
) -> None:
    propose(bench, panel.tools, qtbot)
    labels, before = bench.project.labels, {k: bench.project.labels.get(SliceKey("a", k)) for k in range(5)}
    thick(bench, 2)
    bench.strokes.flush()
    assert labels.unverified == (SliceKey("a", 1), SliceKey("a", 3))
    assert labels.record(KEY).provenance is Provenance.DRAWN
    assert all(labels.get(SliceKey("a", k))[2, 2] == PILLAR for k in range(5))  # and no pixel is lost
    with qtbot.waitSignal(panel.tools.beside.ended, timeout=60_000):
        panel.tools.turn(True)  # one stroke, one step
    assert labels.unverified == tuple(SliceKey("a", k) for k in (1, 2, 3))
    assert all((labels.get(SliceKey("a", k)) == before[k]).all() for k in range(5))


def test_an_undo_of_napari_verifies_no_proposal_out_of_view(
    bench: Bench, panel: LabelPanel, qtbot: Any
) -> None:
    propose(bench, panel.tools, qtbot)
    thick(bench, 2)
    bench.strokes.flush()
    bench.find("labels").undo()
    bench.strokes.flush()
    assert bench.project.labels.unverified == (SliceKey("a", 1), SliceKey("a", 3))
    assert bench.project.labels.get(SliceKey("a", 3))[2, 2] == 1


def test_going_to_a_proposal_that_a_stroke_went_through_verifies_nothing_until_it_is_painted_on(
    bench: Bench, panel: LabelPanel, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    propose(bench, panel.tools, qtbot)
    labels, put_all = bench.project.labels, Labels.put_all

    def full(*_: Any, **__: Any) -> None:
        raise ProjectError("the disk is full")

    monkeypatch.setattr(Labels, "put_all", full)
    thick(bench, 2)
    bench.layers.jump(SliceKey("a", 3))
    bench.strokes.flush()
    bench.layers.show("b")  # the strokes of a are held meanwhile
    monkeypatch.setattr(Labels, "put_all", put_all)
    bench.strokes.flush()
    assert not bench.strokes.unsaved
    assert labels.unverified == (SliceKey("a", 1), SliceKey("a", 3))
    bench.layers.jump(SliceKey("a", 3))
    bench.paint(3, PILLAR, at=(3, 3))
    bench.strokes.flush()
    assert labels.unverified == (SliceKey("a", 1),)


@pytest.mark.parametrize("button", ["up", "down"])
def test_a_stroke_made_while_proposals_are_worked_out_is_no_part_of_one(
    bench: Bench, panel: LabelPanel, qtbot: Any, monkeypatch: pytest.MonkeyPatch, button: str
) -> None:
    going = threading.Event()

    def slow(project: Project, key: SliceKey) -> Job[Any, Any]:
        job = interpolate(project, key)

        def steps() -> Steps[Any]:
            found = yield from job.steps()
            going.wait(60)
            return found

        return replace(job, steps=steps)

    monkeypatch.setattr("voidscope.widgets.labelling_tools.interpolate", slow)
    for index in (0, 4):
        bench.project.labels.put(SliceKey("a", index), np.ones((24, 20), np.uint8))
    panel.tools.fill_between()
    layer, labels = bench.find("labels"), bench.project.labels
    layer.brush_size, layer.selected_label, layer.mode = 1, PILLAR, "paint"
    if button == "down":
        mouse_press_callbacks(layer, Event(bench, 5, 5))
    else:
        bench.paint(2, PILLAR, at=(5, 5))
    with qtbot.waitSignal(panel.tools.beside.ended, timeout=60_000):
        going.set()
    if button == "down":
        mouse_move_callbacks(layer, Event(bench, 9, 5, "mouse_move"))
        mouse_release_callbacks(layer, Event(bench, 9, 5, "mouse_release"))
    bench.strokes.flush()
    assert labels.record(KEY).provenance is Provenance.DRAWN
    assert set(np.unique(labels.get(KEY))) == {0, PILLAR}
    assert labels.get(KEY)[5, 5] == PILLAR
    assert labels.unverified == (SliceKey("a", 1), SliceKey("a", 3))


def test_rejecting_drops_a_proposal_and_undo_brings_all_of_them_back_and_away(
    bench: Bench, panel: LabelPanel, qtbot: Any
) -> None:
    propose(bench, panel.tools, qtbot)
    panel.tools.reject_slice()
    assert KEY not in bench.project.labels.unverified
    panel.tools.turn(True)
    assert bench.told[-1] == "undid: rejected a/0002"
    assert KEY in bench.project.labels.unverified
    panel.tools.turn(True)
    assert bench.told[-1] == "undid: interpolated a/0001 and 2 more"
    assert bench.project.labels.unverified == ()
    assert bench.find("labels").data[:, 1:4].max() == 0


def test_a_label_is_copied_on_to_as_many_slices_as_said(bench: Bench, panel: LabelPanel, qtbot: Any) -> None:
    bench.paint(2, VOID)
    bench.strokes.flush()
    panel.tools.reach.setValue(-2)
    with qtbot.waitSignal(panel.tools.beside.ended, timeout=60_000):
        panel.tools.copy_on()
    assert bench.project.labels.unverified == (SliceKey("a", 0), SliceKey("a", 1))


def test_proposing_while_labels_are_being_proposed_says_so(
    bench: Bench, panel: LabelPanel, qtbot: Any
) -> None:
    tools, go_on = panel.tools, threading.Event()
    bench.project.labels.put(KEY, np.ones((24, 20), np.uint8))
    panel.refresh()

    def steps() -> Steps[None]:
        yield Progress(0, 1)
        go_on.wait(60)

    buttons = (tools.interpolate, tools.extrude)
    assert all(b.isEnabled() for b in buttons)
    tools.beside.run(lambda: Job("Interpolating", steps, lambda _: None))
    assert not any(b.isEnabled() for b in buttons)
    assert {b.toolTip() for b in buttons} == {PROPOSING}
    for act in (tools.fill_between, tools.copy_on):
        bench.told.clear()
        act()
        assert bench.told == ["Interpolating is still running; wait for it or cancel it."]
    go_on.set()
    qtbot.waitUntil(lambda: not tools.beside.busy, timeout=60_000)
    assert all(b.isEnabled() and PROPOSING not in b.toolTip() for b in buttons)


class Event:
    """What napari hands to mouse callbacks."""

    def __init__(self, bench: Bench, y: float, x: float, what: str = "mouse_press") -> None:
        self.position = tuple(bench.find("labels").data_to_world((y, KEY.index, x)))
        self.type, self.button, self.modifiers = what, 1, ()
        self.view_direction, self.dims_displayed = None, [0, 2]
        self.is_dragging, self.handled = True, False


def drag(bench: Bench, *points: tuple[float, float]) -> None:
    """Press at the first point, move over the others, release at the last, with napari's own brush."""
    layer = bench.find("labels")
    mouse_press_callbacks(
        layer, ObjectProxy(Event(bench, *points[0]))
    )  # napari lets the later events into it
    for point in points[1:]:
        mouse_move_callbacks(layer, Event(bench, *point, "mouse_move"))
    mouse_release_callbacks(layer, Event(bench, *points[-1], "mouse_release"))


def test_each_stroke_of_a_slice_in_haste_is_a_step_of_its_own(bench: Bench, panel: LabelPanel) -> None:
    layer, labels = bench.find("labels"), bench.project.labels
    layer.brush_size, layer.selected_label, layer.mode = 1, PILLAR, "paint"
    for y in (3, 6, 9):
        drag(bench, (y, 5), (y, 8))
    bench.strokes.flush()
    for y in (9, 6, 3):
        assert labels.get(KEY)[y, 6] == PILLAR
        labels.undo()
    assert not labels.can_undo


@pytest.fixture
def split(bench: Bench) -> Bench:
    """Its slice is dark on the left and bright on the right; the brush is large and paints void."""
    image = np.full(bench.project.scan("a").shape, 1_000.0, np.float32)
    image[:, :, 10:] = 50_000.0
    bench.project.memory.scan("a")._volume = replace(bench.project.volume("a"), voxels=image)
    bench.layers.paint_with(VOID)
    bench.find("labels").brush_size = 9
    return bench


def test_a_limited_brush_paints_only_what_looks_like_the_pixel_pressed(
    split: Bench, panel: LabelPanel
) -> None:
    panel.tools.brush.toggle()
    drag(split, (8, 8), (12, 8), (16, 9))
    split.strokes.flush()
    label = split.project.labels.get(KEY)
    assert (label[:, :10] == VOID).sum() > 40
    assert label[:, 10:].max() == 0
    low, high = panel.tools.brush.value()
    assert low == pytest.approx(1_000, abs=100) and low < high < 50_000  # no lower than the image is anywhere
    panel.tools.turn(True)
    assert len(split.project.labels) == 0


def test_a_press_that_limits_nothing_says_so_until_the_next(split: Bench, panel: LabelPanel) -> None:
    brush, voxels = panel.tools.brush, split.project.volume("a").voxels
    brush.toggle()
    image = voxels.copy()
    voxels[:] = 1_000.0
    drag(split, (8, 8), (12, 8))
    assert brush.words.text() == NOTHING
    voxels[:] = image
    drag(split, (8, 8), (12, 8))
    assert "to" in brush.words.text() and brush.words.text() != NOTHING


def test_a_limited_brush_redraws_only_what_it_takes_back(
    split: Bench, panel: LabelPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer, whole = split.find("labels"), 0
    refresh = layer.refresh

    def noted(*given: Any, **how: Any) -> None:
        nonlocal whole
        whole += 1
        refresh(*given, **how)

    monkeypatch.setattr(layer, "refresh", noted)
    drawn: list[tuple[int, ...]] = []
    layer.events.labels_update.connect(lambda event: drawn.append(event.data.shape))
    panel.tools.brush.toggle()
    drag(split, (8, 8), (12, 8), (16, 9), (16, 9))
    assert whole == 0
    assert len(drawn) > 4 and all(np.prod(shape) < 24 * 20 / 2 for shape in drawn)
    shown = layer._slice.image.view
    assert (shown[:, :10] > 0).sum() > 40 and not shown[:, 10:].any()


def test_a_range_of_integer_intensities_is_told_in_integers(
    panel: LabelPanel, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    brush, record = panel.tools.brush, bench.layers.record
    monkeypatch.setattr(type(bench.layers), "record", record.model_copy(update={"dtype": "float32"}))
    brush._brush.limits_changed.emit(0.12345678, 0.5)
    assert brush.words.text() == "0.1235 to 0.5"
    monkeypatch.setattr(type(bench.layers), "record", record.model_copy(update={"dtype": "uint16"}))
    brush._brush.limits_changed.emit(20_230.4, 25_017.2)
    assert brush.words.text() == "20230 to 25017"
    brush._brush.limits_changed.emit(20_230.4, np.inf)
    assert brush.words.text() == "20230 to highest"


def test_without_the_limit_the_brush_paints_both_sides(split: Bench, panel: LabelPanel) -> None:
    drag(split, (8, 8), (12, 8))
    split.strokes.flush()
    assert split.project.labels.get(KEY)[:, 10:].max() == VOID


def test_what_was_painted_before_stays_and_erasing_is_free(split: Bench, panel: LabelPanel) -> None:
    drag(split, (12, 12))
    before = split.find("labels").data[:, KEY.index].copy()
    panel.tools.brush.toggle()
    split.layers.paint_with(SOLDER)
    drag(split, (12, 8))
    now = split.find("labels").data[:, KEY.index]
    assert (now[:, 10:] == before[:, 10:]).all()
    assert (now[:, :10] == SOLDER).any()
    split.find("labels").mode = "erase"
    drag(split, (12, 8))
    assert (now[:, 10:] == 0).sum() > (before[:, 10:] == 0).sum()


def test_a_range_set_by_hand_is_not_moved_by_the_next_press(split: Bench, panel: LabelPanel) -> None:
    brush = panel.tools.brush
    brush.toggle()
    told: list[tuple[float, float]] = []
    brush.valueChanged.connect(lambda low, high: told.append((low, high)))
    brush.slider.setValue((500, 1000))
    assert not brush.following.isChecked()
    assert told[-1][1] == np.inf
    drag(split, (12, 8))
    split.strokes.flush()
    label = split.project.labels.get(KEY)
    assert label[:, 10:].max() == VOID
    assert label[:, :10].max() == 0


def test_filling_is_limited_too(split: Bench, panel: LabelPanel) -> None:
    panel.tools.brush.toggle()
    split.find("labels").mode = "fill"
    drag(split, (12, 8))
    split.strokes.flush()
    label = split.project.labels.get(KEY)
    assert (label[:, :10] == VOID).all()
    assert label[:, 10:].max() == 0


def test_a_note_gives_the_overlay_back_as_it_was(bench: Bench) -> None:
    note = CanvasNote(bench.viewer)
    overlay = note.overlay
    overlay.text, overlay.visible, overlay.position = "mine", True, "bottom_left"
    note.show("ours")
    assert (overlay.text, overlay.position) == ("ours", "top_center")
    note.show("")
    assert (overlay.text, overlay.visible, overlay.position) == ("mine", True, "bottom_left")


@pytest.mark.parametrize("act", ["rest_is_background", "accept_one_class"])
def test_strokes_that_the_disk_refuses_are_kept_by_whatever_fills_around_them(
    panel: LabelPanel, bench: Bench, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise ProjectError("Cannot write a: No space left on device.")

    predicted(bench)
    with monkeypatch.context() as full:
        full.setattr(Labels, "put_all", refused)
        bench.paint(KEY.index, PILLAR)
        bench.strokes.flush()
        painted = bench.find("labels").data[:, KEY.index] == PILLAR
        bench.layers.paint_with(SOLDER)
        getattr(panel if act == "rest_is_background" else panel.tools, act)()
    bench.strokes.flush()
    assert painted.any()
    assert (bench.project.labels.get(KEY)[painted] == PILLAR).all()
