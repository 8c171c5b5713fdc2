"""A blind gauge study in the window: nothing tells what is read, nothing is lost, and no label is touched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench import add_cycle, predict
from napari.utils.key_bindings import coerce_keybinding
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QAbstractButton, QApplication, QComboBox, QLabel, QLineEdit
from typer.testing import CliRunner

from voidscope.cli.main import app
from voidscope.errors import ProjectError
from voidscope.jobs import Job, Progress, Steps, execute
from voidscope.project import Drawing, Project, Study, import_truth
from voidscope.vocabulary import SliceKey
from voidscope.volume import Dataset
from voidscope.widgets import saver as saver_module
from voidscope.widgets.blind_layers import DRAWING, IMAGE
from voidscope.widgets.saver import Saver
from voidscope.workflow import plan_study, take_reading

BACKGROUND, SOLDER, VOID = 1, 3, 4
KEYS = (SliceKey("a", 0), SliceKey("b", 2), SliceKey("c", 4))


@pytest.fixture
def study(project: Project, dataset: Dataset) -> Study:
    """Three parts, read twice by two people, in a project with labels and predictions of all scans."""
    import_truth(project, dataset, [SliceKey("a", k) for k in range(3)])
    add_cycle(project)
    for seed, scan in enumerate("abc"):
        predict(project, scan, seed)
    return execute(plan_study(project, ["Ann", "Bo"], keys=KEYS))


@pytest.fixture
def view(study: Study, dock: Any) -> Any:
    """The project in the window, its Measure panel in view."""
    dock.view.setCurrentIndex(3)
    dock.view.measure.gauge.refresh()
    return dock.view


def kept(project: Path) -> dict[str, bytes]:
    """All files of a project but its studies."""
    files = (p for p in project.rglob("*") if p.is_file() and "gauge" not in p.relative_to(project).parts)
    return {str(p.relative_to(project)): p.read_bytes() for p in files}


def draw(view: Any, voids: int = 2) -> None:
    """Paint solder and some pixels of void through the layer, as the mouse does, then the rest as background."""
    layer = view.study.blind._labels
    layer.brush_size = 5
    layer.paint((8, 10), SOLDER)
    layer.brush_size = 1
    for k in range(voids):
        layer.paint((8, 9 + k), VOID)
    view.study.background.click()


def said(dock: Any) -> str:
    """Everything that is written in the dock where a person can see it."""
    told = []
    for widget in dock.findChildren((QLabel, QAbstractButton, QLineEdit)):
        told += [widget.text(), widget.toolTip()] if widget.isVisible() else []
    for box in dock.findChildren(QComboBox):
        told += [box.currentText()] if box.isVisible() else []
    return "\n".join(told)


def start(view: Any, operator: str) -> None:
    gauge = view.measure.gauge
    gauge.operator.setCurrentIndex(gauge.operator.findData(operator))
    gauge.start.click()


def read_all(view: Any, operator: str, extra: int = 0) -> None:
    start(view, operator)
    while view.study.on:
        slot = view.study._slot
        draw(view, voids=2 * int(slot.part[1:]) + slot.repeat % 2 + extra)
        view.study.done.click()


def test_a_study_by_two_people_from_plan_to_result_leaves_all_else_as_it_was(
    view: Any, dock: Any, project: Project, study: Study
) -> None:
    before = kept(project.path)
    assert "Ann 0 of 6, Bo 0 of 6" in view.measure.gauge.state.text()
    read_all(view, "Ann")
    assert "Ann 6 of 6, Bo 0 of 6" in view.measure.gauge.state.text()
    assert "left to make: Bo 6" in dock.jobs.message.text()
    assert not (study.folder / "result.json").exists()
    read_all(view, "Bo", extra=1)
    assert study.complete
    found = json.loads((study.folder / "result.json").read_text())
    for words in (f"{100 * found['grr_of_total']:.1f} %", f"(ndc) {found['ndc']}", "kappa", found["opinion"]):
        assert words in view.measure.gauge.state.text()
    assert view.measure.gauge.start.isHidden()
    by_table = CliRunner().invoke(app, ["gauge", str(study.folder / "readings.csv"), "--json"])
    by_project = CliRunner().invoke(app, ["gauge", str(project.path), "--json"])
    assert json.loads(by_table.stdout) == found == json.loads(by_project.stdout)["result"]
    assert kept(project.path) == before


def test_the_result_says_what_it_is_of_a_tolerance_that_is_asked_for(view: Any, study: Study) -> None:
    for operator in study.plan.operators:
        for slot in study.plan.order(operator):
            mask = np.full((24, 20), SOLDER, np.uint8)
            mask[0, : 2 + 3 * int(slot.part[1:]) + (slot.repeat + (operator == "Bo")) % 2] = VOID
            take_reading(view.project, study, slot, mask)
    box = view.measure.gauge
    box.refresh()
    assert "of the tolerance" not in box.state.text() and box.tolerance.text() == "none"
    box.tolerance.setValue(0.05)
    found = 600 * study.result()[0].grr / 0.05
    assert f"6 GRR {found:.1f} % of the tolerance" in box.state.text()


def test_nothing_in_view_tells_what_is_read(view: Any, dock: Any, project: Project) -> None:
    viewer = dock._viewer
    mine = viewer.add_image(np.zeros((3, 3)), name="mine")
    dock.jobs.tell("a/0002: 17 pixels accepted.")
    start(view, "Ann")
    for _ in range(3):
        shown = [layer for layer in viewer.layers if layer.visible]
        assert [layer.name for layer in shown] == [IMAGE, DRAWING]
        assert not mine.visible
        assert not shown[1].data.any()
        assert viewer.dims.ndim == 2
        words = (
            said(dock) + viewer.title + viewer.status["layer_base"]
            if isinstance(viewer.status, dict)
            else said(dock)
        )
        for hidden in ("a/0", "b/0", "c/0", "P01", "P02", "P03", "PASS", "FAIL", "void/foreground"):
            assert hidden not in words
        assert not [t for t in words.split("\n") if t in project.scans]
        assert not view.tabBar().isVisible()
        draw(view)
        view.study.done.click()
    view.study.leave_it.click()
    assert mine.visible
    assert view.tabBar().isVisibleTo(view)


def test_the_slice_is_that_of_the_part_and_the_viewer_is_given_back(
    view: Any, dock: Any, project: Project, study: Study
) -> None:
    view.layers.jump(SliceKey("b", 3))
    view.layers.find("prediction").visible = False
    view.layers.find("labels").brush_size = 7
    before = {layer.name: layer.visible for layer in dock._viewer.layers}
    start(view, "Ann")
    key = study.planned.parts[view.study._slot.part].key
    assert (view.study.blind._image.data == project.volume(key.scan).voxels[:, key.index]).all()
    assert tuple(view.study.blind._image.scale) == pytest.approx((0.7, 0.7))
    assert tuple(dock._viewer.dims.order) == (0, 1)
    view.study.leave_it.click()
    assert view.layers.key == SliceKey("b", 3)
    assert {layer.name: layer.visible for layer in dock._viewer.layers} == before
    assert view.layers.find("labels").brush_size == 7
    assert (view.tabText(view.currentIndex()), view.count()) == ("Measure", 4)


def test_a_window_that_dies_in_the_middle_goes_on_at_the_same_slice_with_what_was_drawn(
    view: Any, dock: Any, project: Project, study: Study, qtbot: Any
) -> None:
    start(view, "Ann")
    draw(view)
    view.study.done.click()
    slot = view.study._slot
    view.study.blind._labels.paint((4, 4), SOLDER)
    qtbot.waitUntil(lambda: study.draft(slot) is not None, timeout=5000)
    drawn = view.study.blind.mask
    assert study.done("Ann") == 1
    again = Project.open(project.path)  # as another process finds it after a kill
    dock.show_project(again)
    dock.view.setCurrentIndex(3)
    assert dock.view.measure.gauge.start.text() == "Go on"
    start(dock.view, "Ann")
    assert dock.view.study._slot == slot
    assert (dock.view.study.blind.mask == drawn).all()
    assert dock.view.study.progress.text() == "2 of 6"


def test_what_is_no_reading_is_said_and_not_taken(view: Any, dock: Any, study: Study) -> None:
    start(view, "Bo")
    view.study.done.click()
    assert "Nothing is painted yet" in dock.jobs.message.text()
    view.study.background.click()
    view.study.done.click()
    assert "void/foreground is undefined: no voxel is foreground" in dock.jobs.message.text()
    assert study.done("Bo") == 0
    assert view.study.progress.text() == "1 of 6"
    assert (view.study.blind.mask == BACKGROUND).all()


def test_a_slice_with_pixels_left_unpainted_is_only_taken_when_the_person_says_so(
    view: Any, dock: Any, study: Study
) -> None:
    question = dock.jobs.question
    start(view, "Ann")
    view.study.blind._labels.brush_size = 1
    view.study.blind._labels.paint((5, 5), SOLDER)
    for _ in range(2):  # pressed again, or held down, it asks again
        view.study.finish()
        assert not question.isHidden()
        assert "99 % of this slice is unpainted" in question.sentence.text()
    question.buttons[1].click()
    assert (study.done("Ann"), question.isHidden(), view.study.progress.text()) == (0, True, "1 of 6")
    view.study.done.click()
    view.study.blind._labels.paint((9, 9), VOID)
    assert question.isHidden()  # what was asked is another drawing by now
    view.study.done.click()
    view.study.leave_it.click()
    assert question.isHidden()
    start(view, "Ann")
    assert study.done("Ann") == 0
    view.study.done.click()
    question.buttons[0].click()
    assert (study.done("Ann"), view.study.progress.text()) == (1, "2 of 6")
    draw(view)
    view.study.done.click()
    assert question.isHidden()
    assert study.done("Ann") == 2


def test_a_draft_that_stays_is_told_on_the_next_slice(
    view: Any, dock: Any, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path) -> None:
        raise ProjectError(f"Cannot write {path}: read-only.")

    start(view, "Ann")
    draw(view)
    monkeypatch.setattr("voidscope.project.studies.remove", refused)
    view.study.done.click()
    assert "The reading is kept" in dock.jobs.message.text()
    assert (study.done("Ann"), view.study.progress.text()) == (1, "2 of 6")


def test_a_damaged_study_is_told_beside_the_others(view: Any, study: Study, project: Project) -> None:
    second = execute(plan_study(project, ["Cy", "Di"], keys=KEYS))
    (study.folder / "plan.json").write_text("{")
    gauge = view.measure.gauge
    gauge.refresh()
    assert [gauge.studies.itemText(k) for k in range(gauge.studies.count())] == ["Study 2"]
    assert "plan.json" in gauge.state.text() and "Cy 0 of 6" in gauge.state.text()
    (second.folder / "plan.json").write_text("{")
    gauge.refresh()
    assert gauge.studies.isHidden() and "No study yet" not in gauge.state.text()


def test_keys_of_the_dock_do_what_the_study_does_with_them_or_nothing(
    view: Any, dock: Any, study: Study
) -> None:
    def press(key: str) -> None:
        dock._viewer.keymap[coerce_keybinding(key)](dock._viewer)

    press("Shift-D")
    assert "No gauge study has the viewer" in dock.jobs.message.text()
    start(view, "Ann")
    for key in ("N", "A", "D", "H", "J", "K", "Shift-P", "Shift-T", "Shift-I"):
        press(key)
    assert [layer.name for layer in dock._viewer.layers] == [IMAGE, DRAWING]
    assert not dock.runner.busy
    view.study.blind._labels.paint((5, 5), VOID)
    press("Shift-B")
    assert view.study.blind.mask.all()
    press("Control-Z")
    assert (view.study.blind.mask == 0).any()
    press("Control-Shift-Z")
    press("Shift-D")
    assert study.done("Ann") == 1
    view.study.undo.click()
    assert not view.study.blind.mask.any()  # undo does not reach into the slice before


def test_a_class_chosen_in_the_palette_is_painted_with_and_stays_chosen(view: Any) -> None:
    start(view, "Ann")
    view.study.classes.buttons[SOLDER - 1].click()
    layer = view.study.blind._labels
    assert (layer.selected_label, layer.mode) == (SOLDER, "paint")
    layer.selected_label = 9
    assert layer.selected_label == SOLDER
    draw(view)
    view.study.done.click()
    assert view.study.blind._labels.selected_label == SOLDER
    assert view.study.classes.value() == SOLDER


def test_a_deleted_layer_of_the_study_comes_back_with_the_drawing(view: Any, dock: Any, qtbot: Any) -> None:
    start(view, "Ann")
    draw(view)
    drawn = view.study.blind.mask
    dock._viewer.layers.clear()
    qtbot.waitUntil(lambda: len(dock._viewer.layers) == 2, timeout=5000)
    assert (dock._viewer.layers[DRAWING].data == drawn).all()


def test_a_drawing_the_disk_refuses_keeps_the_study_open(
    view: Any, dock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(view, "Ann")
    draw(view)
    monkeypatch.setattr(Study, "keep_draft", full)
    view.study.leave_it.click()
    assert "disk full" in dock.jobs.message.text()
    assert view.study.on
    assert view.unsaved
    monkeypatch.undo()
    view.study.leave_it.click()
    assert not view.study.on


@pytest.fixture
def closed_on_a_full_disk(
    view: Any, dock: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Saver, np.ndarray, list[str]]]:
    """A dock closed in the middle of a study while the disk refuses the drawing: who has it, what was drawn, what is told."""
    told: list[str] = []
    monkeypatch.setattr("voidscope.widgets.saver.show_warning", told.append)
    monkeypatch.setattr("voidscope.widgets.saver.show_info", told.append)
    start(view, "Ann")
    draw(view)
    drawn = view.study.blind.mask
    others = set(saver_module._AT_WORK)
    with monkeypatch.context() as patch:
        patch.setattr(Study, "keep_draft", full)
        dock._viewer.window.remove_dock_widget(dock.parent())
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        (saver,) = saver_module._AT_WORK - others
        saver._strokes.flush()
        assert saver._strokes.unsaved and len(told) == 1 and "leave napari open" in told[0]
    yield saver, drawn, told
    saver._strokes.flush()
    assert saver not in saver_module._AT_WORK


def full(*_: object) -> None:
    raise ProjectError("Cannot write: disk full.")


def test_a_dock_closed_while_the_disk_is_full_loses_no_drawing(
    study: Study, closed_on_a_full_disk: tuple[Saver, np.ndarray, list[str]]
) -> None:
    saver, drawn, told = closed_on_a_full_disk
    saver._strokes._timer.timeout.emit()
    kept = study.draft(study.next("Ann"))
    assert kept is not None and (kept == drawn).all()
    assert "is saved" in told[1] and saver not in saver_module._AT_WORK


@pytest.mark.parametrize("finished", [False, True])
def test_a_drawing_that_was_kept_never_writes_over_a_later_one(
    study: Study, closed_on_a_full_disk: tuple[Saver, np.ndarray, list[str]], finished: bool
) -> None:
    saver, drawn, told = closed_on_a_full_disk
    slot = study.next("Ann")
    later = np.full_like(drawn, SOLDER)
    if finished:
        study.keep(slot, Drawing(later, 0.5, "PASS"))
    else:
        study.keep_draft(slot, later)
    saver._strokes.flush()
    assert "that drawing stays" in told[1] and not saver._strokes.unsaved
    assert ((study.drawing(slot) if finished else study.draft(slot)) == later).all()


def test_a_study_waits_for_a_running_job(view: Any, dock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(dock.runner), "busy", True)
    start(view, "Ann")
    assert not view.study.on
    assert "Wait for it, or cancel it" in dock.jobs.message.text()


@pytest.fixture
def gauge(dock: Any) -> Iterator[Any]:
    """The box for studies, of a project that has none."""
    dock.view.setCurrentIndex(3)
    yield dock.view.measure.gauge


def test_a_study_is_planned_in_the_dock(gauge: Any, dock: Any, project: Project, qtbot: Any) -> None:
    assert "No study yet" in gauge.state.text()
    dock.view.layers.jump(SliceKey("a", 1))
    gauge.add.click()
    gauge.add.click()
    assert gauge.slices.text() == "a/0001"
    gauge.slices.setText("a/0001, b/0003")
    gauge.people.setText("Ann")
    gauge.plan.click()
    assert "1 operator(s): Ann; it needs two at least" in dock.jobs.message.text()
    gauge.models.setText("newest")
    gauge.plan.click()
    assert "'newest' is no cycle" in dock.jobs.message.text()
    gauge.models.clear()
    gauge.people.setText("Ann, Bo")
    gauge.plan.click()
    qtbot.waitUntil(lambda: gauge.studies.count() == 1, timeout=20_000)
    assert [gauge.operator.itemText(k) for k in range(gauge.operator.count())] == ["Ann", "Bo"]
    assert Study.all(project.path)[0].plan.repeats == 2


@pytest.mark.parametrize("is_left", [True, False])
def test_what_gave_way_to_a_study_goes_on_after_it(
    is_left: bool, view: Any, dock: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless() -> Job[None, None]:
        def steps() -> Steps[None]:
            while True:
                yield Progress(0, 1)

        return Job("Segmenting", steps, lambda _: None)

    went_on: list[bool] = []
    dock.runner.run(endless, yields=True)
    start(view, "Ann")
    qtbot.waitUntil(lambda: dock.runner.idle, timeout=60_000)
    dock.runner.resumes.connect(lambda: went_on.append(view.study.on))
    if is_left:
        view.study.leave_it.click()
        assert went_on == [False]
    else:
        dock.close_project()
        assert went_on == []


def test_a_large_scan_that_is_still_being_opened_stays_out_of_a_study(
    view: Any, dock: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voidscope.widgets.ahead.AT_ONCE_VOXELS", 0)
    view.layers.jump(SliceKey("b", 1))
    start(view, "Ann")
    qtbot.waitUntil(lambda: view.layers.ahead.runner.idle, timeout=60_000)
    assert view.layers.scan is None and [layer.name for layer in dock._viewer.layers] == [IMAGE, DRAWING]
