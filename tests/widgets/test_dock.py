"""The dock in a real viewer: each act of a person ends in the project, and nothing a person said is lost."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from bench import add_cycle, predict

from builders import quick_project
from voidscope.acquisition import Suggestion
from voidscope.errors import ProjectError
from voidscope.jobs import Job, Progress, Steps, execute
from voidscope.model import Check
from voidscope.project import Project, import_truth
from voidscope.vocabulary import Provenance, SliceKey
from voidscope.volume import Dataset
from voidscope.widgets.dock import _set_aside
from voidscope.widgets.explain import term_text
from voidscope.widgets.triton_guard import keep_triton_out
from voidscope.workflow import measure, segment, train

VOID = 4
LABEL, TRAIN, MEASURE = 1, 2, 3
"""The tabs."""


def paint(dock: Any, index: int, value: int = VOID) -> None:
    """One stroke as the mouse makes it, on a slice along axis 1."""
    layer = dock.view.layers.find("labels")
    dock._viewer.dims.set_current_step(1, index)
    layer.selected_label = value
    layer.brush_size = 3
    layer.paint((10.0, float(index), 10.0), value)


def settle(dock: Any, qtbot: Any, limit_ms: int = 240_000) -> None:
    """Wait until no job runs and none follows."""
    for _ in range(3):
        qtbot.waitUntil(lambda: not dock.runner.busy, timeout=limit_ms)
        qtbot.wait(60)


def test_a_stroke_reaches_the_disk_by_itself_and_so_does_its_undo(
    dock: Any, qtbot: Any, project: Project
) -> None:
    paint(dock, 2)
    key = SliceKey("a", 2)
    qtbot.waitUntil(lambda: key in project.labels, timeout=60_000)
    stored = Project.open(project.path).labels.get(key)
    assert stored is not None
    assert stored[10, 10] == VOID
    assert project.labels.record(key).provenance is Provenance.DRAWN
    dock.view.layers.find("labels").undo()
    qtbot.waitUntil(lambda: key not in project.labels, timeout=60_000)
    dock.view.layers.find("labels").redo()
    qtbot.waitUntil(lambda: key in project.labels, timeout=60_000)
    assert (Project.open(project.path).labels.get(key) == stored).all()


def test_undoing_a_stroke_on_another_slice_is_saved_too(dock: Any, qtbot: Any, project: Project) -> None:
    paint(dock, 1)
    paint(dock, 4)
    qtbot.waitUntil(lambda: len(project.labels) == 2, timeout=60_000)
    dock._viewer.dims.set_current_step(1, 0)
    dock.view.layers.find("labels").undo()
    qtbot.waitUntil(lambda: len(project.labels) == 1, timeout=60_000)
    assert list(project.labels) == [SliceKey("a", 1)]


def test_a_stroke_just_before_the_scan_is_changed_is_kept(dock: Any, qtbot: Any, project: Project) -> None:
    paint(dock, 3)
    dock.view.layers.show("b")
    assert SliceKey("a", 3) in project.labels
    dock.view.layers.show("a")
    assert dock.view.layers.find("labels").data[10, 3, 10] == VOID


def test_a_write_that_fails_is_told_kept_and_tried_again(
    dock: Any, qtbot: Any, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = type(project.labels).put_all

    def full(*args: object, **kwargs: object) -> None:
        raise ProjectError("Cannot write: No space left on device.")

    monkeypatch.setattr(type(project.labels), "put_all", full)
    monkeypatch.setattr("voidscope.widgets.strokes.RETRY_MS", 100)
    paint(dock, 2)
    qtbot.waitUntil(lambda: "No space left" in dock.jobs.standing.text(), timeout=60_000)
    assert dock.view.layers.find("labels").data[10, 2, 10] == VOID
    monkeypatch.setattr(type(project.labels), "put_all", put)
    qtbot.waitUntil(lambda: SliceKey("a", 2) in project.labels, timeout=60_000)


def test_layers_carry_spacing_units_and_axes_and_face_the_plane(dock: Any, project: Project) -> None:
    for role in ("image", "labels"):
        layer = dock.view.layers.find(role)
        assert tuple(layer.scale) == pytest.approx((0.7, 0.5, 0.7))
        assert {str(u) for u in layer.units} == {"micrometer"}
        assert tuple(layer.axis_labels) == ("z", "y", "x")
    assert tuple(dock._viewer.dims.order) == (1, 0, 2)
    assert project.scan("a").plane.axis == 1


def test_a_jump_lands_on_slice_and_pixel_and_keeps_tool_and_class(
    dock: Any, qtbot: Any, project: Project
) -> None:
    dock.view.layers.paint_with(3)
    pick = Suggestion(SliceKey("b", 4), 1, 0.9, 1.0, 0.1, 2.0, (9, 12), "rareness")
    project.queue.put([pick])
    dock.view.label.go(+1)
    layers = dock.view.layers
    assert layers.key == pick.key
    assert tuple(dock._viewer.scene.camera.center[1:]) == pytest.approx(
        (11.5 * 0.7, 9.5 * 0.7)
    )  # all of it is seen
    assert layers.find("pointer").data[:, 0].mean(axis=0) == pytest.approx((9, 4, 12))
    assert layers.find("labels").data.shape == project.scan("b").shape
    qtbot.waitUntil(lambda: layers.find("pointer") is None, timeout=60_000)
    assert len(project.labels) == 0


def test_renamed_and_deleted_layers_do_no_harm(dock: Any, qtbot: Any, project: Project) -> None:
    dock.view.layers.find("labels").name = "my labels"
    paint(dock, 2)
    qtbot.waitUntil(lambda: SliceKey("a", 2) in project.labels, timeout=60_000)
    dock._viewer.layers.remove(dock.view.layers.find("labels"))
    dock.view.layers.show("a")
    assert dock.view.layers.find("labels").data[10, 2, 10] == VOID
    assert SliceKey("a", 2) in project.labels


def test_the_loop_by_buttons(dock: Any, qtbot: Any, project: Project, dataset: Dataset) -> None:
    view = dock.view
    assert not view.train.retrain.isEnabled()
    assert "press Suggest in Label" in view.train.retrain.toolTip()
    view.label.suggest.click()
    settle(dock, qtbot)
    assert len(view.label.queue.list.rows()) == 3
    assert "Chosen by random, without a model" in view.label.card.text()
    import_truth(project, dataset, [s.key for s in project.suggestions])
    assert view.label.queue.list.rows()[0].chip == "labelled"
    view.setCurrentIndex(TRAIN)
    view.train.retrain.click()
    assert not view.train.retrain.isEnabled()
    settle(dock, qtbot)
    assert project.cycle is not None
    in_view = view.layers.scan
    assert project.mask(in_view) is not None
    assert (view.layers.find("prediction").data == project.mask(in_view)).all()
    assert {view.layers.find(r) is not None for r in ("rareness", "uncertainty")} == {True}
    view.setCurrentIndex(LABEL)
    view.label.suggest.click()
    settle(dock, qtbot)
    assert all(s.r is not None for s in project.suggestions)
    view.setCurrentIndex(MEASURE)
    view.measure.measure.click()
    settle(dock, qtbot)
    assert project.report is not None
    assert view.measure.verdict.text() in ("PASS", "FAIL", "REVIEW")
    assert view.measure.scans.count() == 3


def test_a_model_is_judged_by_the_labels_of_a_test_scan(
    dock: Any, qtbot: Any, project: Project, dataset: Dataset
) -> None:
    train_panel = dock.view.train
    import_truth(project, dataset, [SliceKey("a", 0), SliceKey("b", 1)])
    dock.view.setCurrentIndex(TRAIN)
    train_panel.retrain.click()
    settle(dock, qtbot)
    assert not train_panel.evaluate.isEnabled()
    assert "No test scan has labels" in train_panel.evaluate.toolTip()
    import_truth(project, dataset, [SliceKey("c", 0), SliceKey("c", 3)])
    assert "2 slices labelled" in train_panel.state.text()
    train_panel.evaluate.click()
    settle(dock, qtbot)
    assert project.cycle is not None and project.cycle.evaluation is not None
    assert project.cycle.evaluation["scans"] == ["c"]
    assert "Cycle 1 on the labelled slices of c: void IoU" in dock.jobs.message.text()


def test_accepting_tells_how_much_and_then_that_nothing_is_left(
    dock: Any, qtbot: Any, project: Project, dataset: Dataset
) -> None:
    import_truth(project, dataset, [SliceKey("a", 0), SliceKey("b", 1)])
    dock.view.train.start()
    settle(dock, qtbot)
    dock.view.layers.jump(SliceKey("a", 3))
    dock.view.label.accept_prediction()
    assert dock.jobs.message.text() == "a/0003: 480 pixels accepted."
    dock.view.label.rest_is_background()
    assert "labelled already" in dock.jobs.message.text()
    assert SliceKey("a", 3) in project.labels


def test_choosing_a_scan_from_the_verdicts_shows_it(dock: Any, qtbot: Any, project: Project) -> None:
    add_cycle(project)
    for scan in project.scans:
        predict(project, scan)
    dock.view.setCurrentIndex(MEASURE)
    dock.view.measure.measure.click()
    settle(dock, qtbot)
    scans = dock.view.measure.scans
    scans.setCurrentIndex(1)
    scans.activated.emit(1)
    assert dock.view.layers.scan == "b"
    assert project.report is not None and project.report.scans[1].scan == "b"


def test_accepting_a_prediction_fills_only_what_is_not_painted(
    dock: Any, qtbot: Any, project: Project, dataset: Dataset
) -> None:
    import_truth(project, dataset, [SliceKey("a", 0), SliceKey("b", 1)])
    dock.view.train.start()
    settle(dock, qtbot)
    paint(dock, 3, value=2)
    dock.view.label.accept_prediction()
    key = SliceKey("a", 3)
    label, mask = project.labels.get(key), project.mask("a")
    assert label is not None
    assert mask is not None
    assert label[10, 10] == 2
    untouched = np.ones(label.shape, bool)
    untouched[7:14, 7:14] = False
    assert (label[untouched] == mask[:, 3, :][untouched]).all()
    assert project.labels.record(key).provenance is Provenance.ACCEPTED
    dock.view.layers.find("labels").undo()
    qtbot.waitUntil(lambda: (project.labels.get(key) == 0).any(), timeout=60_000)


def test_the_rest_can_be_called_background(dock: Any, qtbot: Any, project: Project) -> None:
    paint(dock, 2)
    dock.view.label.rest_is_background()
    label = project.labels.get(SliceKey("a", 2))
    assert label is not None
    assert set(np.unique(label)) == {1, VOID}
    assert label[10, 10] == VOID


def test_a_refused_training_is_told_and_the_button_comes_back(
    dock: Any, qtbot: Any, project: Project
) -> None:
    project.labels.put(SliceKey("a", 0), np.ones((24, 20), np.uint8))
    dock.view.setCurrentIndex(TRAIN)
    dock.view.train.retrain.click()
    qtbot.waitUntil(lambda: "label a second class" in dock.jobs.message.text(), timeout=60_000)
    assert dock.view.train.retrain.isEnabled()
    assert project.cycles == ()


def test_keys_reach_their_actions_and_are_taken_back(dock: Any, project: Project) -> None:
    bound = {str(k) for k in dock._viewer.keymap}
    assert {"N", "A", "D", "H", "J"} <= bound
    dock.close_project()
    assert not {"N", "A", "D", "H", "J"} & {str(k) for k, v in dock._viewer.keymap.items() if v is not None}
    assert [la for la in dock._viewer.layers if "voidscope" in la.metadata] == []


def test_spacing_is_typed_in_and_kept(dock: Any, project: Project) -> None:
    panel = dock.view.scans
    panel.table.selectRow(1)
    panel.spacing.line.setText("1, 2, 3")
    panel.spacing.button.click()
    assert Project.open(project.path).scan("b").spacing_um == (1.0, 2.0, 3.0)
    panel.spacing.line.setText("wide")
    panel.spacing.button.click()
    assert "'wide' is no spacing" in dock.jobs.message.text()
    assert project.scan("b").spacing_um == (1.0, 2.0, 3.0)


def test_a_wrong_folder_is_told_in_the_dock(dock: Any, tmp_path: Path, project: Project) -> None:
    (folder := tmp_path / "empty").mkdir()
    dock.open_project(folder)
    told = dock.jobs.message.text()
    assert "is not a voidscope project" in told and told.endswith("New… makes one.")
    assert "voidscope create" not in told
    assert dock.view.project is project


@pytest.mark.parametrize(
    ("beneath", "named"),
    [
        (("project",), "Its subfolder project is one: open that."),
        (("b", "a"), "Its subfolders a, b are: open one of them."),
        (("a", "b", "c", "d", "e"), "Its subfolders a, b, c and 2 more are: open one of them."),
    ],
)
def test_of_a_folder_above_projects_those_are_named(
    dock: Any, tmp_path: Path, project: Project, beneath: tuple[str, ...], named: str
) -> None:
    folder = tmp_path / "above"
    for name in beneath:
        Project.create(folder / name, project.classes)
    (folder / "scans").mkdir()
    dock.open_project(folder)
    assert dock.jobs.message.text() == f"{folder} is not a voidscope project (no project.json). {named}"
    assert dock.view.project is project


def test_what_was_told_of_a_project_goes_with_it(
    dock: Any, qtbot: Any, dataset: Dataset, tmp_path: Path
) -> None:
    other = quick_project(tmp_path / "other", dataset)
    dock.runner.failed.emit("a/0001: this could not be done.")
    gate = threading.Event()

    def steps() -> Steps[None]:
        while not gate.is_set():
            yield Progress(0, 0)

    dock.runner.run(lambda: Job("Segmenting", steps, lambda _: None), yields=True)
    dock.show_project(other)
    qtbot.waitUntil(lambda: dock.runner._worker is None, timeout=60_000)
    assert dock.view.project is other and dock.jobs.message.text() == ""


def test_what_the_machine_offers_is_said_before_a_project_is_open(
    make_napari_viewer: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = (Check("processor", "one of a test"), Check("runs on", "cpu, float32: a test"))
    monkeypatch.setattr("voidscope.widgets.doctor_panel._examined", lambda device: found)
    monkeypatch.setattr("voidscope.widgets.dock.last_project", lambda: None)
    viewer = make_napari_viewer(show=True)
    _, widget = viewer.window.add_plugin_dock_widget("voidscope", "Voidscope")
    qtbot.waitUntil(lambda: widget.device.text() == "runs on CPU, one of a test", timeout=60_000)
    assert widget.view is None


def test_a_copy_of_the_labels_says_that_strokes_on_it_are_not_saved(
    dock: Any, qtbot: Any, project: Project
) -> None:
    layers, note = dock._viewer.layers, dock.view.layers.note
    labels = dock.view.layers.find("labels")
    labels.name = "mine"
    layers.selection.active = labels
    copy = type(labels).create(*labels.as_layer_data_tuple())
    layers.append(copy)
    layers.selection.active = copy
    qtbot.waitUntil(lambda: "not saved" in note.overlay.text, timeout=20_000)
    assert "mine" in note.overlay.text
    layers.selection.active = labels
    qtbot.waitUntil(lambda: note.overlay.text == "", timeout=20_000)
    layers.selection.active = copy
    qtbot.waitUntil(lambda: "not saved" in note.overlay.text, timeout=20_000)
    layers.remove(copy)
    qtbot.waitUntil(lambda: note.overlay.text == "", timeout=20_000)


def test_a_project_with_a_lost_scan_or_a_damaged_report_opens_all_the_same(
    dock: Any, project: Project, dataset: Dataset
) -> None:
    dock.close_project()
    (dataset.folder / "a.tif").unlink()
    project.report_folder.mkdir()
    (project.report_folder / "report.json").write_text("{")
    dock.open_project(project.path)
    assert dock.view is not None
    assert dock.view.layers.scan == "b"
    paint(dock, 1)
    dock.view.strokes.flush()
    assert SliceKey("b", 1) in dock.view.project.labels


def test_the_dock_loads_no_torch() -> None:
    code = "import sys, voidscope.widgets.dock; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=_offscreen()
    )
    assert done.stdout.strip() == "False"


def _offscreen() -> dict[str, str]:
    import os

    return {**os.environ, "QT_QPA_PLATFORM": "offscreen"}


def test_a_report_says_when_it_is_of_an_earlier_model_or_of_other_settings(
    dock: Any, qtbot: Any, project: Project, dataset: Dataset
) -> None:
    keep_triton_out()  # torch may be loaded first here, beside Mesa's LLVM
    import_truth(project, dataset, [SliceKey("a", k) for k in range(4)])
    execute(train(project))
    execute(segment(project, ["a"]))
    execute(measure(project, ["a"]))
    panel = dock.view.measure
    panel.refresh()
    assert "measure again" not in panel.reason.text()
    project.set_config(project.config.with_changes(["measure.limit=0.5"]))
    panel.refresh()
    assert "Measured with other settings: measure again." in panel.reason.text()
    execute(train(project, project.config.with_changes(["seed=4"])))
    panel.refresh()
    assert "Of an earlier model: measure again." in panel.reason.text()


def test_adding_a_scan_without_spacing_asks_for_it_and_setting_it_is_told(
    dock: Any, qtbot: Any, project: Project, tmp_path: Path
) -> None:
    np.save(tmp_path / "bare.npy", np.random.default_rng(0).random((8, 4, 6)))
    panel = dock.view.scans
    panel.add_files([tmp_path / "bare.npy"])
    qtbot.waitUntil(lambda: "bare: the file says no spacing" in dock.jobs.message.text(), timeout=60_000)
    panel.table.selectRow(list(project.scans).index("bare"))
    panel.spacing.valueChanged.emit((0.5, 0.5, 0.5))
    assert dock.jobs.message.text().startswith("bare: spacing set to 0.5")
    assert project.scan("bare").spacing_um == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "–"), (-0.001, "0.00"), (0.456, "0.46"), (-1.5, "-1.50"), (843555269.09, "8.4e+08")],
)
def test_terms_are_told_in_few_digits(value: float | None, said: str) -> None:
    assert term_text(value) == said


def test_a_long_reason_leaves_the_canvas_its_room(dock: Any, qtbot: Any, project: Project) -> None:
    add_cycle(project)
    for scan in project.scans:
        predict(project, scan)
    project.set_config(project.config.with_changes(["measure.rule=guard band"]))
    execute(measure(project))
    assert project.report is not None
    dock.view.setCurrentIndex(MEASURE)
    assert dock.view.measure.sizeHint().width() > 0
    assert dock.sizeHint().width() <= 350
    assert dock.minimumSizeHint().width() <= 350


def test_an_earlier_cycle_can_be_gone_back_to(dock: Any, qtbot: Any, project: Project) -> None:
    first = add_cycle(project)
    panel = dock.view.train
    dock.view.setCurrentIndex(TRAIN)
    assert not panel.back.isVisibleTo(panel)
    add_cycle(project)
    assert panel.back.isVisibleTo(panel) and not panel.back.isEnabled()
    panel.table.selectRow(0)
    panel.back.click()
    assert project.cycle is not None
    assert (project.cycle.number, project.cycle.weights_sha256) == (3, first.weights_sha256)
    assert "Cycle 3 is the model of cycle 1 again" in dock.jobs.message.text()


def test_while_the_disk_refuses_a_stroke_that_is_said_and_nothing_is_learnt_without_it(
    dock: Any, qtbot: Any, project: Project, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_truth(project, dataset, [SliceKey("b", 0)])
    dock.show()
    put = type(project.labels).put_all

    def full(*args: object, **kwargs: object) -> None:
        raise ProjectError("Cannot write: No space left on device.")

    monkeypatch.setattr(type(project.labels), "put_all", full)
    dock.view.layers.show("a")
    dock.view.label.rest_is_background()
    assert "labelled" not in dock.jobs.message.text()
    for ask in (dock.view.train.start, dock.view.label._suggest):
        ask()
        assert "has to wait until the disk takes the strokes" in dock.jobs.message.text()
        assert not dock.runner.busy
    dock.runner.started.emit("Another job")  # which clears what was told
    assert "not saved yet" in dock.jobs.standing.text() and dock.jobs.standing.isVisibleTo(dock.jobs)
    monkeypatch.setattr(type(project.labels), "put_all", put)
    dock.view.strokes.flush()
    assert not dock.jobs.standing.isVisibleTo(dock.jobs)
    assert dock.view.layers.key in project.labels


def test_a_scan_is_removed_by_a_button_and_comes_back_with_its_file(
    dock: Any, qtbot: Any, project: Project
) -> None:
    view, question, key = dock.view, dock.jobs.question, SliceKey("a", 2)
    place = Path(project.scan("a").path)
    view.setCurrentIndex(0)
    assert view.scans.selected() == view.layers.scan == "a" and view.scans.remove.isEnabled()
    paint(dock, 2)  # not saved yet when the scan goes
    view.scans.remove.click()
    assert not question.isHidden() and "Remove a from the project?" in question.sentence.text()
    question.buttons[1].click()
    assert "a" in project.scans and question.isHidden()
    view.scans.remove.click()
    question.buttons[0].click()
    assert list(Project.open(project.path).scans) == ["b", "c"]
    assert len(list((project.path / "removed" / "a" / "labels").glob("*.tif"))) == 1
    assert view.layers.scan == "b" and view.scans.table.rowCount() == 2
    paint(dock, 1)  # the strokes of the scan in view now are saved as ever
    qtbot.waitUntil(lambda: SliceKey("b", 1) in project.labels, timeout=60_000)
    for _ in range(2):
        view.label.tools.turn(True)
    assert (
        "the project no longer has the scan a it was labelled in; add that again" in dock.jobs.message.text()
    )
    assert view.layers.scan == "b"
    view.scans.add_files([place])
    settle(dock, qtbot)
    assert dock.jobs.message.text() == "a was in the project before: its labels are back."
    assert view.layers.scan == "a" and key in project.labels
    assert view.layers.find("labels").data[10, 2, 10] == VOID


def test_the_last_scan_may_go_and_another_program_may_take_the_one_in_view(
    dock: Any, qtbot: Any, project: Project
) -> None:
    view = dock.view
    Project.open(project.path).remove("a")
    project.catch_up()
    assert view.layers.scan == "b"
    for name in ("b", "c"):
        project.remove(name)
    assert view.layers.scan is None and view.layers.key is None
    assert dock.summary.text().startswith("0 scans")
    for index in range(4):
        view.setCurrentIndex(index)
    assert not view.label.suggest.isEnabled() and not view.measure.measure.isEnabled()


def test_interpolating_is_in_the_tray_beside_a_training_and_goes_with_its_project(
    dock: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless(project: Project, key: SliceKey) -> Job[None, None]:
        def steps() -> Steps[None]:
            while True:
                yield Progress(1, 128, "between slices 0 and 129")

        return Job("Interpolating", steps, lambda _: None)

    monkeypatch.setattr("voidscope.widgets.labelling_tools.interpolate", endless)
    tools, row = dock.view.label.tools, dock._beside[0]
    assert row.isHidden()
    tools.fill_between()
    qtbot.waitUntil(lambda: not row.isHidden() and "1/128" in row.title.text(), timeout=60_000)
    assert not dock.runner.busy and dock.view.train.retrain.toolTip()  # nothing else waits for it
    row.cancel.click()
    qtbot.waitUntil(lambda: row.isHidden(), timeout=60_000)
    assert dock.jobs.message.text().startswith("Interpolating: cancelled")
    dock.close_project()
    assert row.parent() is None and dock._beside == []


@pytest.mark.parametrize(("layers", "frozen", "times"), [([], 0, 1), ([], 9, 0), (["a person's"], 0, 0)])
def test_what_is_loaded_is_set_aside_once_and_never_a_person_s_layers(
    monkeypatch: pytest.MonkeyPatch, layers: list[str], frozen: int, times: int
) -> None:
    done: list[str] = []
    stands_in = SimpleNamespace(
        get_freeze_count=lambda: frozen,
        collect=lambda: done.append("collect"),
        freeze=lambda: done.append("freeze"),
    )
    monkeypatch.setattr("voidscope.widgets.dock.gc", stands_in)
    _set_aside(SimpleNamespace(layers=layers))
    assert done == ["collect", "freeze"] * times


def test_a_project_that_was_closed_is_freed_though_what_is_loaded_is_set_aside(
    dock: Any, qtbot: Any, project: Project
) -> None:
    dock._sets_aside, views = True, [weakref.ref(dock.view)]
    for _ in range(2):
        dock.show_project(project)
        qtbot.wait(50)  # Qt deletes the old view
        dock._show_machine((Check("processor", "one of a test"),))
        views.append(weakref.ref(dock.view))
    assert [view() is None for view in views] == [True, True, False]
    gc.unfreeze()


def test_the_dock_has_its_place_also_after_other_docks(dock: Any, qtbot: Any, project: Project) -> None:
    window = dock._viewer.window
    dock.close_project()
    docks = [window.add_plugin_dock_widget("voidscope", "Voidscope")[1] for _ in range(2)]
    for again in (dock, *docks):
        layout = again.layout()
        assert (
            layout.itemAt(layout.count() - 1).widget() is again.jobs
        )  # else an empty stretch takes the panels' place


def test_why_no_slice_could_be_labelled_goes_once_it_is_not_so_any_more(dock: Any) -> None:
    said, dims = dock.jobs.message, dock._viewer.dims
    dims.ndisplay = 3
    dock.view.label.rest_is_background()
    assert said.text().startswith("The scan is shown in 3-D")
    dims.ndisplay = 2
    assert said.text() == ""
    dims.ndisplay = 3
    dock.view.label.rest_is_background()
    dock.jobs.tell("told since")
    dims.ndisplay = 2
    assert said.text() == "told since"
    dock._viewer.add_image(np.zeros((24, 40, 20)), scale=dock.view.layers.find("image").scale)
    dims.set_current_step(1, 30)
    dock.view.label.rest_is_background()
    assert said.text().startswith("The slider is beyond a")
    dims.set_current_step(1, 3)
    assert said.text() == ""


def test_a_score_in_the_summary_stays_on_one_line_with_its_name(
    dock: Any, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_cycle(project)
    monkeypatch.setattr("voidscope.widgets.dock.held_out_void_iou", lambda *_: 0.8)
    dock.refresh()
    assert dock.summary.text().endswith("cycle\u00a01 · void\u00a0IoU\u00a00.80")


def test_all_that_is_to_be_said_of_added_scans_is_said_at_once(
    qtbot: Any, dock: Any, project: Project, tmp_path: Path
) -> None:
    voxels = np.random.default_rng(0).integers(0, 60000, (24, 6, 20), dtype=np.uint16)
    for name in ("first", "copy"):
        np.save(tmp_path / f"{name}.npy", voxels)
    dock.view.scans.add_files([tmp_path / "first.npy", tmp_path / "copy.npy"])
    qtbot.waitUntil(lambda: "copy" in project.scans and not dock.runner.busy, timeout=60000)
    qtbot.waitUntil(lambda: "no spacing" in dock.jobs.message.text(), timeout=10000)
    assert "same data" in dock.jobs.message.text()
    project.labels.put(key := SliceKey("first", 1), np.ones(project.slice_shape(key), np.uint8))
    project.remove("first")
    dock.view.scans.add_files([tmp_path / "first.npy"])
    qtbot.waitUntil(lambda: "first" in project.scans and not dock.runner.busy, timeout=60000)
    qtbot.waitUntil(lambda: "no spacing" in dock.jobs.message.text(), timeout=10000)
    assert "first was in the project before: its labels are back." in dock.jobs.message.text()


def test_a_project_that_was_closed_says_nothing_any_more(
    dock: Any, project: Project, tmp_path: Path, dataset: Dataset
) -> None:
    told: list[None] = []
    dock.refresh = lambda: told.append(None)
    dock.show_project(project)
    told.clear()
    key = SliceKey("a", 1)
    project.labels.put(key, np.ones(project.slice_shape(key), np.uint8))
    assert len(told) == 1
    dock.show_project(quick_project(tmp_path / "other", dataset))
    dock.jobs.tell("told of the other project")
    told.clear()
    project.labels.put(key, np.full(project.slice_shape(key), 2, np.uint8))
    assert dock.jobs.message.text() == "told of the other project" and not told
