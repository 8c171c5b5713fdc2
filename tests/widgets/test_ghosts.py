"""Two programs on one project, a dock that was closed, a disk that refuses: the window tells the truth and loses nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench import add_cycle, predict
from qtpy.QtCore import QEvent
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import QApplication, QMessageBox

from builders import bump_dataset, quick_project
from voidscope.config import Config
from voidscope.demo import fill_sample
from voidscope.errors import ProjectError
from voidscope.jobs import execute
from voidscope.metrology import measure_scan
from voidscope.project import Project, import_truth
from voidscope.vocabulary import SliceKey
from voidscope.volume import Dataset, read_label_file
from voidscope.widgets import saver as saver_module
from voidscope.widgets.contributions import write_labels
from voidscope.widgets.triton_guard import keep_triton_out
from voidscope.workflow import measure, segment, train

VOID = 4


def paint(dock: Any, index: int, value: int = VOID) -> None:
    """One stroke as the mouse makes it, on a slice along axis 1."""
    layer = dock.view.layers.find("labels")
    dock._viewer.dims.set_current_step(1, index)
    layer.brush_size = 3
    layer.paint((10.0, float(index), 10.0), value)


def test_the_brush_leaves_no_box_on_a_canvas_whose_layers_are_gone(dock: Any, qtbot: Any) -> None:
    """Drawing it ended the program (SIGSEGV), where layers were taken away and another project was opened."""
    overlay = dock._viewer.canvas.overlays["_brush_circle"]
    overlay.visible = True  # as while one paints
    dock._viewer.canvas.events.background_color()  # as when the theme is set, or a viewer opens
    overlay.visible = False
    qtbot.wait(50)
    canvas = dock._viewer.window._qt_viewer.canvas
    drawn = [node for node in walk(canvas.view) if type(node).__name__ == "Rectangle" and node.visible]
    assert drawn == []


def walk(node: Any) -> Iterator[Any]:
    """All nodes below one of the scene."""
    for child in node.children:
        yield child
        yield from walk(child)


def refuse(monkeypatch: pytest.MonkeyPatch, project: Project) -> None:
    """Let the disk refuse labels."""

    def full(*args: object, **kwargs: object) -> None:
        raise ProjectError("Cannot write: No space left on device.")

    monkeypatch.setattr(type(project.labels), "put_all", full)


@pytest.mark.parametrize("duplicate", [False, True])
def test_a_mask_layer_saved_from_the_viewer_measures_as_the_project_does(
    dock: Any, project: Project, tmp_path: Path, duplicate: bool
) -> None:
    add_cycle(project)
    mask = predict(project, "a")
    dock.view.layers.show_results()
    layer = dock.view.layers.find("prediction")
    data, meta, _ = layer.as_layer_data_tuple()
    if duplicate:
        meta = {**meta, "metadata": dict(meta["metadata"])}
    (path,) = write_labels(str(tmp_path / "saved.tif"), data, meta)
    again = project.classes.from_file(read_label_file(Path(path)))
    assert (again == mask).all()
    recipe, spacing = project.config.measure, (0.7, 0.5, 0.7)
    found, expected = (measure_scan(m, project.classes, spacing, recipe, "a") for m in (again, mask))
    assert found.ratios == expected.ratios


def test_what_nobody_labelled_is_not_saved_as_a_class(dock: Any, project: Project, tmp_path: Path) -> None:
    project.labels.put(SliceKey("a", 1), np.full((24, 20), VOID, np.uint8))
    data, meta, _ = dock.view.layers.find("labels").as_layer_data_tuple()
    (path,) = write_labels(str(tmp_path / "saved.tif"), data, meta)
    ids = read_label_file(Path(path))
    assert set(np.unique(ids[:, 1])) == {3}
    assert set(np.unique(ids[:, 2])) == {255}


def test_a_dock_that_is_closed_leaves_no_layer_key_or_listener(
    dock: Any, qtbot: Any, project: Project
) -> None:
    viewer = dock._viewer
    paint(dock, 2)
    viewer.window.remove_dock_widget(dock.parent())
    assert dock.view is None
    assert SliceKey("a", 2) in project.labels
    assert list(viewer.layers) == []
    assert not any(str(key) == "N" for key in viewer.keymap)
    add_cycle(project)  # nobody listens any more
    predict(project, "a")
    assert list(viewer.layers) == []


def test_a_preset_changes_no_limit_or_budget_set_elsewhere(dock: Any, project: Project) -> None:
    project.set_config(
        project.config.with_changes(["preset=product", "measure.limit=0.02", "suggest.budget=2"])
    )
    assert project.config.train.dice == 1
    box = dock.view.train.preset
    box.box.setCurrentText("paper")
    box.box.activated.emit(box.box.currentIndex())
    assert (project.config.measure.limit, project.config.suggest.budget) == (0.02, 2)
    assert (project.config.train.dice, project.config.train.steps) == (0, Config().train.steps)


def test_strokes_that_the_disk_refuses_keep_their_project_in_view(
    dock: Any, qtbot: Any, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = quick_project(tmp_path / "other", bump_dataset(tmp_path / "more"))
    put = type(project.labels).put_all
    refuse(monkeypatch, project)
    paint(dock, 2)
    dock.show_project(other)
    assert dock.view.project is project
    assert "The disk refuses some strokes" in dock.jobs.message.text()
    monkeypatch.setattr(type(project.labels), "put_all", put)
    dock.show_project(other)
    assert dock.view.project is other
    assert SliceKey("a", 2) in Project.open(project.path).labels


@pytest.mark.parametrize(
    ("answer", "stays"), [(QMessageBox.StandardButton.No, True), (QMessageBox.StandardButton.Yes, False)]
)
def test_a_window_that_would_lose_strokes_asks_before_it_closes(
    dock: Any,
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    answer: QMessageBox.StandardButton,
    stays: bool,
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(QMessageBox, "question", lambda *args: asked.append(args[2]) or answer)
    event = QCloseEvent()
    assert dock.eventFilter(dock.window(), event) is False and asked == []
    refuse(monkeypatch, project)
    paint(dock, 2)
    assert dock.eventFilter(dock.window(), event) is stays
    assert len(asked) == 1 and "lose them" in asked[0]


def test_a_dock_closed_while_the_disk_is_full_loses_no_stroke(
    dock: Any, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer, window, told, asked = dock._viewer, dock.window(), [], []
    put = type(project.labels).put_all
    monkeypatch.setattr("voidscope.widgets.saver.show_warning", told.append)
    monkeypatch.setattr("voidscope.widgets.saver.show_info", told.append)
    no = QMessageBox.StandardButton.No
    monkeypatch.setattr(QMessageBox, "question", lambda *args: asked.append(args[2]) or no)
    refuse(monkeypatch, project)
    paint(dock, 2)
    others = set(saver_module._AT_WORK)
    viewer.window.remove_dock_widget(dock.parent())
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    assert dock.view is None and len(told) == 1 and "leave napari open" in told[0]
    (saver,) = saver_module._AT_WORK - others
    assert saver.eventFilter(window, QCloseEvent()) is True
    assert len(asked) == 1 and SliceKey("a", 2) not in project.labels
    monkeypatch.setattr(type(project.labels), "put_all", put)
    saver._strokes._timer.timeout.emit()
    stored = Project.open(project.path).labels.get(SliceKey("a", 2))
    assert stored is not None and stored[10, 10] == VOID
    assert told[1:] == ["All strokes are saved again."] and saver not in saver_module._AT_WORK


def test_what_a_terminal_labelled_is_shown_when_the_window_is_active_again(
    dock: Any, project: Project
) -> None:
    elsewhere = Project.open(project.path)
    elsewhere.labels.put(SliceKey("a", 2), np.full((24, 20), 2, np.uint8))
    dock.eventFilter(dock.window(), QEvent(QEvent.Type.WindowActivate))
    layer = dock.view.layers.find("labels")
    assert (layer.data[:, 2] == 2).all()
    elsewhere.labels.put(SliceKey("a", 3), np.full((24, 20), 2, np.uint8))
    paint(dock, 3)  # before the window knew
    dock.view.strokes.flush()
    stored = Project.open(project.path).labels.get(SliceKey("a", 3))
    assert stored is not None and stored[10, 10] == VOID and (stored == 2).sum() > 400
    assert (layer.data[:, 3] == stored).all()


def test_a_click_on_the_selected_void_goes_there_again(dock: Any, qtbot: Any, project: Project) -> None:
    add_cycle(project)
    for scan in project.scans:
        predict(project, scan)
    execute(measure(project))
    panel = dock.view.measure
    panel.refresh()
    panel.table.selectRow(0)
    there = dock.view.layers.key
    dock._viewer.dims.set_current_step(1, 0 if there.index else 5)
    assert dock.view.layers.key != there
    panel.table.cellClicked.emit(0, 0)
    assert dock.view.layers.key == there
    panel.scans.setCurrentIndex(1)
    assert panel.table.currentRow() == -1
    panel.table.selectRow(0)
    assert dock.view.layers.scan == "b"


def test_the_verdict_in_view_is_that_of_the_scan_in_view(dock: Any, project: Project) -> None:
    add_cycle(project)
    for scan in project.scans:
        predict(project, scan)
    dock.view.setCurrentIndex(3)
    dock.view.layers.show("b")
    execute(measure(project))
    assert dock.view.measure.scans.currentText().endswith("  b")
    dock.view.layers.show("c")
    assert dock.view.measure.scans.currentText().endswith("  c")
    project.set_spacing("c", (7.0, 5.0, 7.0))
    assert "Measured with another spacing: measure again." in dock.view.measure.reason.text()


def test_retraining_on_the_same_labels_is_not_done_and_said(
    dock: Any, qtbot: Any, project: Project, dataset: Dataset
) -> None:
    keep_triton_out()  # torch may be loaded first here, beside Mesa's LLVM
    import_truth(project, dataset, [SliceKey("a", k) for k in range(3)])
    execute(train(project))
    execute(segment(project))
    dock.view.train.start()
    qtbot.waitUntil(lambda: not dock.runner.busy, timeout=30_000)
    assert len(project.cycles) == 1
    for change in (lambda: import_truth(project, dataset, [SliceKey("b", 0)]), lambda: project.set_config(
        project.config.with_changes(["train.epochs=2"])
    )):  # fmt: skip
        change()
        before = len(project.cycles)
        dock.view.train.start()
        qtbot.waitUntil(lambda n=before: len(project.cycles) == n + 1, timeout=60_000)
        qtbot.waitUntil(lambda: not dock.runner.busy, timeout=30_000)


def test_a_sample_that_was_cancelled_half_way_is_made_whole_the_next_time(tmp_path: Path) -> None:
    dataset = bump_dataset(tmp_path / "scans")
    steps = fill_sample(tmp_path, dataset).steps()
    next(steps)
    steps.close()
    assert not (tmp_path / "project").exists()
    made = execute(fill_sample(tmp_path, dataset))
    again = Project.open(tmp_path / "project")
    assert list(again.scans) == list(made.scans) == ["a", "b", "c"]
    assert again.labels.keys() == (SliceKey("c", 0), SliceKey("c", 4))
    assert again.image(SliceKey("a", 0)).shape == (24, 20)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["project", "scans"]


def test_a_prediction_taken_out_is_not_accepted_and_comes_back(
    dock: Any, qtbot: Any, project: Project
) -> None:
    key, view, layers = SliceKey("a", 3), dock.view, dock._viewer.layers
    add_cycle(project)
    predict(project, "a")
    view.layers.jump(key)
    view.setCurrentIndex(1)
    assert view.label.accept.isEnabled()

    def take_out() -> None:
        layers.remove(view.layers.find("prediction"))
        qtbot.waitUntil(lambda: not view.label.accept.isEnabled(), timeout=5_000)
        view.shortcuts()["A"](dock._viewer)
        assert not project.labels.holds(key)

    for brings_back in (
        lambda: view.shortcuts()["D"](dock._viewer),
        lambda: view.layers.jump(SliceKey("a", 3)),
        lambda: view.layers.show("a"),
        view.train.segment_view,
    ):
        take_out()
        brings_back()
        qtbot.waitUntil(
            lambda: view.layers.find("prediction") is not None and not dock.runner.busy, timeout=60_000
        )
        qtbot.waitUntil(view.label.accept.isEnabled, timeout=5_000)
        assert view.layers.find("prediction").visible
