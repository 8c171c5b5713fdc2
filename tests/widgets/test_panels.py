"""Panels without a viewer's window: what a person sees and clicks, and what it does to the project."""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench import Bench, add_cycle, predict
from napari.components import ViewerModel
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog

from builders import add_scan
from voidscope.errors import ProjectError, VolumeError
from voidscope.jobs import execute
from voidscope.project import Project
from voidscope.vocabulary import ClassMap, SliceKey, Split
from voidscope.volume import slice_index
from voidscope.widgets.job_bar import JobBar
from voidscope.widgets.keys import CLASSES, printed
from voidscope.widgets.label_panel import LabelPanel
from voidscope.widgets.measure_panel import MeasurePanel
from voidscope.widgets.palette import EDGES_PX, ClassPalette, short
from voidscope.widgets.project_view import ProjectView
from voidscope.widgets.runner import Runner
from voidscope.widgets.scans_panel import ScansPanel
from voidscope.widgets.spacing_editor import SpacingEditor
from voidscope.widgets.tables import fill, plain_table
from voidscope.widgets.train_panel import TrainPanel
from voidscope.workflow import add_scans


@pytest.fixture
def bench(qapp: object, project: Project) -> Bench:
    made = Bench(project)
    made.layers.show("a")
    return made


def sentences(runner: Runner) -> list[str]:
    told: list[str] = []
    runner.failed.connect(told.append)
    return told


def test_the_palette_shows_and_tells_the_class_painted_with(qtbot: Any) -> None:
    palette = ClassPalette(ClassMap.hbm())
    qtbot.addWidget(palette)
    told: list[int] = []
    palette.valueChanged.connect(told.append)
    palette.setValue(3)
    assert (palette.value(), told) == (3, [])
    palette.buttons[3].click()
    palette.buttons[3].click()
    assert (palette.value(), told) == (4, [4, 4])
    palette.setValue(0)
    assert palette.value() == 0
    palette.set_pixels([0, 12_345, 2_000_000, 904, 1])
    assert [b.text().split(" ")[-1] for b in palette.buttons] == ["0", "12k", "2.0M", "904", "1"]


def test_classes_have_their_keys_before_their_names_and_from_the_tenth_on_their_numbers(qtbot: Any) -> None:
    for n in (8, 9, 16):
        palette = ClassPalette(ClassMap.from_names(f"layer{k}" for k in range(n)))
        qtbot.addWidget(palette)
        shown = [*map(printed, CLASSES), *map(str, range(10, 17))]
        assert [b.text() for b in palette.buttons] == [f"{shown[k]} layer{k}" for k in range(n)]
        assert list(palette.keys()) == list(CLASSES[:n])


@pytest.mark.parametrize(("n", "text"), [(0, "0"), (9_999, "9999"), (10_000, "10k"), (1_240_000, "1.2M")])
def test_counts_are_short(n: int, text: str) -> None:
    assert short(n) == text


def test_the_palette_follows_the_layer_and_the_layer_the_palette(qtbot: Any, bench: Bench) -> None:
    panel = LabelPanel(bench.project, Runner(), bench.layers, bench.strokes)
    qtbot.addWidget(panel)
    panel.classes.buttons[1].click()
    assert (bench.layers.class_id, bench.find("labels").mode) == (2, "paint")
    bench.find("labels").selected_label = 3
    assert panel.classes.value() == 3


def test_letters_are_left_to_the_viewer_and_arrows_move_the_row(qtbot: Any) -> None:
    table = plain_table(("slice",))
    qtbot.addWidget(table)
    fill(table, [("apple",), ("night",), ("void",)])
    table.selectRow(0)
    qtbot.keyClick(table, Qt.Key.Key_N)
    assert table.currentRow() == 0
    qtbot.keyClick(table, Qt.Key.Key_Down)
    assert table.currentRow() == 1


def test_a_scan_without_spacing_keeps_no_other_from_being_measured(
    qtbot: Any, bench: Bench, tmp_path: Path
) -> None:
    project, runner = bench.project, Runner()
    for name in ("raw", "bare"):
        np.save(tmp_path / f"{name}.npy", np.random.default_rng(0).random((6, 4, 5), dtype=np.float32))
        add_scan(project, tmp_path / f"{name}.npy")
    spaced = [s for s in project.scans if s not in ("raw", "bare")]
    add_cycle(project)
    for scan in spaced:
        predict(project, scan)
    panel = MeasurePanel(project, runner, bench.layers)
    qtbot.addWidget(panel)
    assert (
        panel.measure.isEnabled() and "Left out, for want of a spacing: bare, raw" in panel.measure.toolTip()
    )
    said: list[str] = []
    runner.told.connect(said.append)
    panel.start()
    qtbot.waitUntil(lambda: project.report is not None and not runner.busy, timeout=60_000)
    report = Project.open(project.path).report
    assert report is not None and [m.scan for m in report.scans] == spaced
    assert said[-1] == "Measured, but for bare, raw: no spacing is known."
    assert "bare has no spacing" in panel.unknown.text()


def test_where_no_scan_has_a_spacing_nothing_can_be_measured(qtbot: Any, tmp_path: Path) -> None:
    project = Project.create(tmp_path / "bare", ClassMap.hbm())
    np.save(tmp_path / "raw.npy", np.random.default_rng(0).random((6, 4, 5), dtype=np.float32))
    add_scan(project, tmp_path / "raw.npy")
    add_cycle(project)
    bare = Bench(project)
    panel = MeasurePanel(project, Runner(), bare.layers)
    qtbot.addWidget(panel)
    assert not panel.measure.isEnabled() and "No scan has a spacing yet" in panel.measure.toolTip()


@pytest.mark.parametrize(("text", "spacing"), [("1, 2, 3", (1.0, 2.0, 3.0)), ("0.7", (0.7, 0.7, 0.7))])
def test_a_spacing_is_read_as_typed(qtbot: Any, text: str, spacing: tuple[float, ...]) -> None:
    editor = SpacingEditor()
    qtbot.addWidget(editor)
    told: list[object] = []
    editor.valueChanged.connect(told.append)
    editor.line.setText(text)
    editor.button.click()
    assert told == [spacing]
    editor.setValue((0.5, 0.25, 2.0))
    assert editor.value() == (0.5, 0.25, 2.0)
    assert len(told) == 1


@pytest.mark.parametrize("text", ["", "wide", "1, 2", "1, 0, 1", "nan"])
def test_what_is_no_spacing_is_refused_in_words(qtbot: Any, text: str) -> None:
    editor = SpacingEditor()
    qtbot.addWidget(editor)
    told: list[str] = []
    editor.refused.connect(told.append)
    editor.line.setText(text)
    editor.button.click()
    assert len(told) == 1
    with pytest.raises(VolumeError):
        editor.value()


def test_measuring_asks_for_the_spacing_it_lacks(qtbot: Any, bench: Bench, tmp_path: Path) -> None:
    np.save(tmp_path / "raw.npy", np.random.default_rng(0).random((5, 6, 7)))
    execute(add_scans(bench.project, [tmp_path / "raw.npy"]))
    add_cycle(bench.project)
    panel = MeasurePanel(bench.project, Runner(), bench.layers)
    qtbot.addWidget(panel)
    assert "Left out" in panel.measure.toolTip()
    assert "raw has no spacing" in panel.unknown.text()
    panel.spacing.line.setText("0.7, 0.7, 0.7")
    panel.spacing.button.click()
    panel.refresh()
    assert bench.project.scan("raw").spacing_um == (0.7, 0.7, 0.7)
    assert "Left out" not in panel.measure.toolTip()
    assert panel.spacing.isHidden()


def test_panels_say_what_is_missing(qtbot: Any, tmp_path: Path) -> None:
    empty = Bench(Project.create(tmp_path / "empty", ClassMap.hbm()))
    runner = Runner()
    label = LabelPanel(empty.project, runner, empty.layers, empty.strokes)
    measure = MeasurePanel(empty.project, runner, empty.layers)
    scans = ScansPanel(empty.project, runner, empty.layers, empty.strokes)
    for panel in (label, measure, scans):
        qtbot.addWidget(panel)
    assert not label.suggest.isEnabled()
    assert "press Add scans… in Scans" in label.suggest.toolTip()
    assert "train first" in measure.measure.toolTip()
    assert not scans.hint.isHidden()
    assert len(empty.project.scans) == 0


def test_the_train_panel_says_what_to_do_first(qtbot: Any, bench: Bench, tmp_path: Path) -> None:
    empty = Bench(Project.create(tmp_path / "empty", ClassMap.hbm()))
    for now, said in ((empty, "press Add scans… in Scans"), (bench, "press Suggest in Label")):
        runner = Runner()
        told = sentences(runner)
        panel = TrainPanel(now.project, runner, now.layers, now.strokes)
        qtbot.addWidget(panel)
        assert said in panel.state.text() and "random weights" in panel.state.text()
        panel.start()
        panel.fine_tune()
        assert len(told) == 2 and all(
            said in sentence and "voidscope add" not in sentence for sentence in told
        )
        assert not panel.retrain.isEnabled() and said in panel.retrain.toolTip()
        assert panel.pretrain.isEnabled() is (now is bench)


def test_accepting_without_a_prediction_says_what_to_do(qtbot: Any, bench: Bench) -> None:
    runner = Runner()
    told, panel = sentences(runner), LabelPanel(bench.project, runner, bench.layers, bench.strokes)
    qtbot.addWidget(panel)
    panel.accept_prediction()
    assert "retrain, or segment this scan" in told[0]
    assert not panel.accept.isEnabled()
    assert len(bench.project.labels) == 0


def test_accepting_takes_a_slice_that_has_just_been_predicted(qtbot: Any, bench: Bench) -> None:
    add_cycle(bench.project)
    panel = LabelPanel(bench.project, Runner(), bench.layers, bench.strokes)
    qtbot.addWidget(panel)
    key = SliceKey("a", 1)
    bench.layers.jump(key)
    bench.layers.show_slice(key, np.full((24, 20), 3, np.uint8), np.zeros((24, 20), np.float32))
    panel.accept_prediction()
    assert (bench.project.labels.get(key) == 3).all()
    assert bench.project.mask("a") is None


def test_a_scan_that_was_moved_is_told_and_the_others_are_shown(qtbot: Any, project: Project) -> None:
    Path(project.scan("a").path).unlink()
    runner, empty = Runner(), Bench(project)
    told = sentences(runner)
    view = ProjectView(Project.open(project.path), runner, empty.viewer)
    qtbot.addWidget(view)
    assert "The file of a is gone" in told[0]
    assert view.layers.scan == "b"
    view.release()


def test_closing_a_project_leaves_nothing_that_listens(qtbot: Any, project: Project) -> None:
    runner, viewer = Runner(), Bench(project).viewer
    view = ProjectView(project, runner, viewer)
    view.release()
    view.deleteLater()
    qtbot.wait(20)
    project.labels.put(SliceKey("a", 0), np.ones((24, 20), np.uint8))
    project.set_config(project.config.with_changes(["train.epochs=9"]))
    runner.started.emit("a job")
    runner.ended.emit()
    viewer.dims.set_current_step(1, 1)
    assert len(viewer.layers) == 0


def test_panels_out_of_view_are_rebuilt_when_they_come_into_view(qtbot: Any, project: Project) -> None:
    view = ProjectView(project, Runner(), Bench(project).viewer)
    qtbot.addWidget(view)
    view.setCurrentIndex(0)
    project.labels.put(SliceKey("a", 0), np.ones((24, 20), np.uint8))
    assert not view.train.retrain.isEnabled()
    view.setCurrentIndex(2)
    assert view.train.retrain.isEnabled()
    view.release()


def test_a_label_from_elsewhere_does_not_touch_a_slice_being_painted(qtbot: Any, project: Project) -> None:
    bench = Bench(project)
    view = ProjectView(project, Runner(), bench.viewer)
    qtbot.addWidget(view)
    key = SliceKey("a", 2)
    view.layers.jump(key)
    view.layers.find("labels").paint((10, 2, 10), 4)
    project.labels.put(key, np.full((24, 20), 1, np.uint8))
    assert view.layers.find("labels").data[10, 2, 10] == 4
    view.strokes.flush()
    assert project.labels.get(key)[10, 10] == 4
    view.release()


def test_a_void_is_gone_to_where_it_lies(qtbot: Any, bench: Bench) -> None:
    from voidscope.metrology import measure_scan
    from voidscope.widgets.measure_panel import place

    add_cycle(bench.project)
    mask = predict(bench.project, "a")
    mask[:] = 1
    mask[4:7, 3:4, 11:14] = 4
    found = measure_scan(mask, bench.project.classes, (0.7, 0.5, 0.7), bench.project.config.measure, "a")
    assert place(found.voids[0], bench.project, "a") == (SliceKey("a", 3), (5, 12))


@pytest.mark.parametrize("panel", ["label", "train", "measure"])
def test_a_setting_that_the_disk_refuses_is_told_and_shown_as_it_still_is(
    qtbot: Any, project: Project, monkeypatch: pytest.MonkeyPatch, panel: str
) -> None:
    def full(*_: object) -> None:
        raise ProjectError("Cannot write: No space left on device.")

    runner = Runner()
    told = sentences(runner)
    view = ProjectView(project, runner, ViewerModel())
    qtbot.addWidget(view)
    form, before = getattr(view, panel).form, project.config
    name = {"label": "suggest.budget", "train": "train.steps", "measure": "measure.limit"}[panel]
    monkeypatch.setattr(Project, "set_config", full)
    form.valueChanged.emit(before.with_changes([f"{name}={0.4 if panel == 'measure' else 7}"]))
    assert told == ["Cannot write: No space left on device."]
    assert project.config == before and form.value() == before
    view.release()


def test_a_damaged_queue_is_told_and_the_project_opens_all_the_same(qtbot: Any, project: Project) -> None:
    folder = project.path / "suggestions"
    folder.mkdir(exist_ok=True)
    (folder / "0000.json").write_text("{")
    runner = Runner()
    told = sentences(runner)
    view = ProjectView(Project.open(project.path), runner, ViewerModel())
    qtbot.addWidget(view)
    assert any("0000.json" in sentence for sentence in told)
    assert view.label.queue.list.rows() == ()
    view.release()


def test_a_scan_is_moved_to_the_other_split_and_back(qtbot: Any, bench: Bench) -> None:
    runner = Runner()
    panel = ScansPanel(bench.project, runner, bench.layers, bench.strokes)
    qtbot.addWidget(panel)
    said: list[str] = []
    runner.told.connect(said.append)
    assert not panel.split.isEnabled()
    panel.table.selectRow(0)
    assert panel.split.isEnabled()
    for split, words in ((Split.TEST, "only judged on"), (Split.TRAIN, "learnt from")):
        panel.split.click()
        panel.refresh()
        assert Project.open(bench.project.path).scan("a").split is split
        assert words in said[-1]


def test_labels_of_a_scan_are_taken_from_a_file(
    qtbot: Any, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = Runner()
    panel = ScansPanel(bench.project, runner, bench.layers, bench.strokes)
    qtbot.addWidget(panel)
    said: list[str] = []
    runner.told.connect(said.append)
    assert not panel.labels.isEnabled()
    panel.table.selectRow(0)
    record = bench.project.scan("a")
    ids = np.full(record.shape, 255, np.uint8)
    ids[slice_index(record.plane, 2)] = 0
    np.save(tmp_path / "mine.npy", ids)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(tmp_path / "mine.npy"), ""))
    with qtbot.waitSignal(runner.ended, timeout=20_000):
        panel.labels.click()
    assert said[-1] == "From mine.npy: 1 slice labelled. Ctrl+Z takes it back."
    assert [*bench.project.labels] == [SliceKey("a", 2)]
    with qtbot.waitSignal(runner.ended, timeout=20_000):
        panel.labels.click()
    assert said[-1] == "From mine.npy: 1 slice had this label already. Nothing changed."
    bench.project.labels.put(SliceKey("a", 1), np.ones((24, 20), np.uint8))
    for index, of_class in ((0, 1), (1, 2), (2, 3)):
        ids[slice_index(record.plane, index)] = of_class
    ids[slice_index(record.plane, 3)] = 0
    np.save(tmp_path / "mine.npy", ids)
    with qtbot.waitSignal(runner.ended, timeout=20_000):
        panel.labels.click()
    assert said[-1] == (
        "From mine.npy: 2 slices labelled, 1 label from before replaced; 1 slice that you labelled stays as it is. "
        "Ctrl+Z takes it back."
    )


def test_ids_that_no_class_has_are_told_without_a_word_of_the_command_line(
    qtbot: Any, bench: Bench, tmp_path: Path
) -> None:
    runner = Runner()
    panel = ScansPanel(bench.project, runner, bench.layers, bench.strokes)
    qtbot.addWidget(panel)
    told = sentences(runner)
    panel.table.selectRow(0)
    np.save(tmp_path / "odd.npy", np.full(bench.project.scan("a").shape, 9, np.uint8))
    with qtbot.waitSignal(runner.ended, timeout=20_000):
        panel.import_labels(tmp_path / "odd.npy")
    assert "Unknown label ids 9; the ids named are 0=background" in told[-1]
    assert told[-1].endswith("Save the labels in these ids.") and "--" not in told[-1]


def test_what_went_wrong_in_scans_is_over_with_the_next_act_there(
    qtbot: Any, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = Runner()
    panel, tray = ScansPanel(bench.project, runner, bench.layers, bench.strokes), JobBar(runner)
    for widget in (panel, tray):
        qtbot.addWidget(widget)
    for name in ("getOpenFileName", "getOpenFileNames"):
        monkeypatch.setattr(QFileDialog, name, lambda *_: ("", ""))
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: "")
    panel.table.selectRow(0)
    acts = [panel.add.click, panel.add_folder.click, panel.labels.click, panel.remove.click]
    for act in (*acts, lambda: panel.table.selectRow(1)):
        with qtbot.waitSignal(runner.ended, timeout=20_000):
            panel.import_labels(tmp_path / "gone.npy")
        assert "gone.npy" in tray.message.text()
        act()
        assert tray.message.text() == ""
    with qtbot.waitSignal(runner.ended, timeout=20_000):
        panel.import_labels(tmp_path / "gone.npy")
    panel.refresh()
    assert "gone.npy" in tray.message.text(), "nobody did anything"


def test_a_scan_that_is_there_already_is_not_told_as_added(qtbot: Any, bench: Bench, tmp_path: Path) -> None:
    runner = Runner()
    panel = ScansPanel(bench.project, runner, bench.layers, bench.strokes)
    qtbot.addWidget(panel)
    said: list[str] = []
    runner.told.connect(said.append)
    paths = [Path(bench.project.scan(name).path) for name in "ab"]
    with qtbot.waitSignal(runner.ended, timeout=20_000):
        panel.add_files(paths[:1])
    assert said[-1] == "a is in the project already; nothing changed."
    with qtbot.waitSignal(runner.ended, timeout=20_000):
        panel.add_files(paths)
    assert said[-1] == "a, b are in the project already; nothing changed."
    panel.test.setChecked(True)
    with qtbot.waitSignal(runner.ended, timeout=20_000):
        panel.add_files(paths[:1])
    assert said[-1] == "a is in the project already; it is only judged on from now on."
    shutil.copytree(bench.project.path, tmp_path / "deeper" / "project")
    moved = ScansPanel(Project.open(tmp_path / "deeper" / "project"), runner, bench.layers, bench.strokes)
    qtbot.addWidget(moved)
    with qtbot.waitSignal(runner.ended, timeout=20_000):
        moved.add_files(paths[1:])
    assert said[-1] == "b is in the project already; nothing changed.", "the way to it is no news"


def test_a_class_is_named_in_full_where_its_count_in_thousands_makes_room(qtbot: Any) -> None:
    palette = ClassPalette(ClassMap.hbm())
    qtbot.addWidget(palette)
    palette.set_pixels([7814, 2915, 904, 0, 13_400])
    palette.show()
    qtbot.waitExposed(palette)
    button = palette.buttons[1]
    needs = button.fontMetrics().horizontalAdvance(f"{printed(CLASSES[1])} copper_pillar 3k") + EDGES_PX
    button.resize(needs + 2, button.height())
    assert button.text() == f"{printed(CLASSES[1])} copper_pillar 3k"
    button.resize(needs + 60, button.height())
    assert button.text() == f"{printed(CLASSES[1])} copper_pillar 2915"


def test_a_narrow_class_button_shortens_the_name_never_the_count(qtbot: Any) -> None:
    palette = ClassPalette(ClassMap.hbm())
    qtbot.addWidget(palette)
    palette.set_pixels([7814] * 5)
    palette.resize(210, 120)
    palette.show()
    qtbot.waitExposed(palette)
    for button in palette.buttons:
        assert button.text().endswith((" 7814", " 8k"))
        assert button.fontMetrics().horizontalAdvance(button.text()) <= button.width()
    assert "…" in palette.buttons[1].text()
    palette.resize(600, 120)
    qtbot.waitUntil(
        lambda: palette.buttons[1].text() == f"{printed(CLASSES[1])} copper_pillar 7814", timeout=30_000
    )


def test_nothing_is_measured_while_an_entry_is_refused(qtbot: Any, bench: Bench) -> None:
    runner = Runner()
    panel = MeasurePanel(bench.project, runner, bench.layers)
    qtbot.addWidget(panel)
    told = sentences(runner)
    panel.form.widget("limit").value = "5"
    assert "limit" in panel.form.problem()
    panel.start()
    assert told and told[-1].startswith("Nothing was measured:") and "limit" in told[-1]
    panel.form.setValue(bench.project.config)
    assert panel.form.problem() == ""


def test_an_odd_spacing_is_doubted_wherever_it_is_typed(qtbot: Any, bench: Bench, tmp_path: Path) -> None:
    np.save(tmp_path / "raw.npy", np.random.default_rng(0).random((5, 6, 7)))
    execute(add_scans(bench.project, [tmp_path / "raw.npy"]))
    runner, said = Runner(), []
    runner.told.connect(said.append)
    panel = MeasurePanel(bench.project, runner, bench.layers)
    qtbot.addWidget(panel)
    panel.spacing.line.setText("700, 700, 700")
    panel.spacing.button.click()
    assert "another unit" in said[-1]
    told = sentences(runner)
    panel.spacing.line.setText("0, 0, 0")
    panel.spacing.button.click()
    assert "--" not in told[-1] and "above 0" in told[-1]


def test_a_step_over_many_slices_refreshes_the_panel_in_view_once(
    qtbot: Any, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = ProjectView(project, Runner(), ViewerModel())
    qtbot.addWidget(view)
    refreshed: list[int] = []
    monkeypatch.setattr(view.label, "refresh", lambda: refreshed.append(1))
    project.labels.put_all({SliceKey("a", k): np.ones((24, 20), np.uint8) for k in range(6)})
    assert refreshed == [1] and view.layers.find("labels").data.all()
    with qtbot.waitSignal(view.label.tools.beside.ended, timeout=60_000):
        view.label.tools.turn(True)
    assert len(refreshed) == 2 and not view.layers.find("labels").data.any()
    view.release()


def test_who_needs_a_scan_to_judge_on_is_told_the_name_of_the_box(qtbot: Any, bench: Bench) -> None:
    scans = ScansPanel(bench.project, Runner(), bench.layers, bench.strokes)
    train = TrainPanel(bench.project, Runner(), bench.layers, bench.strokes)
    for widget in (scans, train):
        qtbot.addWidget(widget)
    assert f"with '{scans.test.text()}'" in train.evaluate.toolTip()


def test_before_anything_is_measured_the_panel_has_no_gaps(qtbot: Any, bench: Bench) -> None:
    panel = MeasurePanel(bench.project, Runner(), bench.layers)
    qtbot.addWidget(panel)
    panel.resize(300, 900)
    panel.show()
    qtbot.wait(50)
    shown = [panel.form, panel.recipe, panel.measure, panel.solid, panel.reason, panel.who]
    for above, below in pairwise(shown):
        assert 0 <= below.geometry().top() - above.geometry().bottom() < 20, (above, below)
    assert panel.form.height() == panel.form.sizeHint().height()
    assert panel.solid.width() < 100 and not panel.scans.isVisible(), "nothing to choose from"


def test_without_a_scan_the_panel_of_scans_stands_at_the_top(
    qtbot: Any, bench: Bench, tmp_path: Path
) -> None:
    empty = Project.create(tmp_path / "empty", bench.project.classes)
    for project, has_table in ((empty, False), (bench.project, True)):
        panel = ScansPanel(project, Runner(), bench.layers, bench.strokes)
        qtbot.addWidget(panel)
        panel.resize(300, 900)
        panel.show()
        qtbot.wait(50)
        shown = [panel.add, panel.table if has_table else panel.hint, panel.spacing]
        for above, below in pairwise(shown):
            assert 0 <= below.geometry().top() - above.geometry().bottom() < (60 if has_table else 20)
        assert panel.hint.isVisible() is not has_table
        assert (panel.spacing.geometry().bottom() < 200) is not has_table
