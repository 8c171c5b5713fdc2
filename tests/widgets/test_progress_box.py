"""The chart of progress in the Train panel: what is drawn, where a click leads, and what is said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from bench import Bench, add_cycle, predict
from qtpy.QtCore import QPointF, Qt

from voidscope.jobs import Job, Progress, Steps
from voidscope.project import Project
from voidscope.project.results import write_evaluation, write_replay
from voidscope.vocabulary import SliceKey
from voidscope.widgets import progress_box, train_panel
from voidscope.widgets.runner import Runner
from voidscope.widgets.train_panel import TrainPanel
from voidscope.workflow.evaluating import truth_hash
from voidscope.workflow.replaying import Replay, ReplayPoint

BATCHES = ((("a", 0), ("a", 3)), (("b", 0), ("a", 2)), (("b", 3), ("b", 2)))
VOIDS = (0.4, 0.6, 0.7)
REPLAY = Replay(
    (ReplayPoint(2, ((0.3, 0.5), (0.4, 0.6)), ((0.5, 0.6),) * 2), ReplayPoint(6, ((0.6, 0.7),) * 2, ((0.6, 0.7),) * 2)),
    3, ("c",), "x", "2026-03-02T09:00:00+00:00",
)  # fmt: skip


def label(project: Project, *places: tuple[str, int]) -> None:
    for scan, index in places:
        project.labels.put(SliceKey(scan, index), np.full((24, 20), 1 + index % 4, np.uint8))


@pytest.fixture
def panel(qtbot: Any, project: Project) -> Any:
    """The Train panel of a project with three judged cycles."""
    for batch, void in zip(BATCHES, VOIDS, strict=True):
        label(project, *batch)
        cycle = add_cycle(project)
        found = {
            "miou": void + 0.1,
            "iou": {"void": void},
            "scans": ["c"],
            "truth": "labels",
            "truth_sha256": "x",
        }
        project.set_evaluation(cycle.id, found)
    bench = Bench(project)
    bench.layers.show("a")
    made = TrainPanel(project, Runner(), bench.layers, bench.strokes)
    qtbot.addWidget(made)
    made.resize(330, 900)
    made.show()
    qtbot.waitExposed(made)
    return made


def points(chart: Any) -> list[tuple[int, float]]:
    """Cycle and height of every filled point drawn."""
    return [(int(p.data()), p.pos().y()) for item in chart.points for p in item.points()]


def test_every_judged_cycle_has_two_points(panel: Any) -> None:
    drawn = [(n, round(y, 6)) for n, y in points(panel.progress.chart)]
    assert sorted(drawn) == [(1, 0.4), (1, 0.5), (2, 0.6), (2, 0.7), (3, 0.7), (3, 0.8)]
    assert not panel.progress.legend.isHidden() and "void IoU" in panel.progress.legend.text()


def test_a_click_on_a_point_selects_its_cycle_and_a_link_goes_to_a_slice_labelled_in_it(
    panel: Any, qtbot: Any
) -> None:
    chart = panel.progress.chart
    qtbot.waitUntil(lambda: chart.plotItem.vb.width() > 50)
    qtbot.wait(50)
    scene = chart.plotItem.vb.mapViewToScene(QPointF(4, 0.6))
    at = chart.mapFromScene(scene)
    qtbot.mouseMove(chart.viewport(), at)
    qtbot.mouseClick(chart.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert panel.table.currentRow() == 1
    words = panel.progress.cycle.text()
    assert "<b>Cycle 2</b>" in words and "2 new slices" in words and "href='b/0000'" in words
    assert "href='a/0003'" not in words
    panel.progress.cycle.linkActivated.emit("b/0000")
    assert panel._layers.key == SliceKey("b", 0)


def test_a_row_of_the_table_is_told_of_and_ringed(panel: Any) -> None:
    panel.table.selectRow(0)
    assert "<b>Cycle 1</b>: void IoU 0.400, mIoU 0.500 on held-out labels of c" in panel.progress.cycle.text()
    assert "background 50.0%" in panel.progress.cycle.text()
    sizes = {(int(p.data()), p.size()) for item in panel.progress.chart.points for p in item.points()}
    assert {n for n, size in sizes if size > 9} == {1}


def test_the_outlook_is_said_in_two_sentences(panel: Any, project: Project) -> None:
    words = panel.progress.outlook.text()
    assert "should add +0." in words and "<b>Not ready to stop:</b>" in words
    label(project, ("b", 5))
    panel.refresh()
    assert "Labelled since the last cycle: 1 slice" in panel.progress.cycle.text()


def test_random_is_replayed_when_asked_and_drawn_beside(
    panel: Any, qtbot: Any, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = panel.progress
    assert not box.compare.isEnabled() and "No held-out slice" in box.compare.toolTip()
    label(project, ("c", 0))
    panel.refresh()
    assert box.compare.isEnabled()
    asked: list[bool] = []

    def replay(project: Project, *, elsewhere: bool = False) -> Job[Replay, None]:
        asked.append(elsewhere)

        def steps() -> Steps[Replay]:
            yield Progress(0, 1)
            return REPLAY

        return Job(
            "Replaying random selection", steps, lambda found: write_replay(project.path, found.entry())
        )

    monkeypatch.setattr(progress_box, "replay", replay)
    qtbot.mouseClick(box.compare, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not panel._runner.busy, timeout=30_000)
    panel.refresh()
    assert asked == [True]  # in a process of its own
    assert box.compare.isEnabled()
    assert "random" in box.legend.text()
    assert "0.500 and 0.350 (0.300 to 0.400) at 2" in box.replayed.text()
    assert "flatters it" in box.replayed.text()


def test_without_a_figure_there_is_no_chart_but_what_it_takes(qtbot: Any, project: Project) -> None:
    label(project, ("a", 0))
    bench = Bench(project)
    box = progress_box.ProgressBox(project, Runner(), bench.layers)
    qtbot.addWidget(box)
    box.refresh()
    assert box.isHidden()
    add_cycle(project)
    box.refresh()
    assert not box.isHidden() and box.chart.isHidden() and box.legend.isHidden()
    assert "only to judge on" in box.outlook.text()


def test_fine_tuned_models_are_hollow_and_off_the_line_and_a_model_taken_again_is_no_point(
    panel: Any, project: Project
) -> None:
    judged = project.cycles[-1].evaluation
    label(project, ("b", 5))
    last = project.cycles[-1]
    warm = replace(last, number=4, provenance={"warm_from": 3}, labelled=(*last.labelled, SliceKey("b", 5)))
    project.set_evaluation(project.add_cycle(warm, b"weights 2").id, judged)
    project.add_cycle(replace(last, number=5, provenance={"restored_from": 3}), b"weights 2", same=last)
    panel.refresh()
    chart = panel.progress.chart
    hollow = [int(p.data()) for item in chart.points for p in item.points() if p.brush().style() == Qt.BrushStyle.NoBrush]  # fmt: skip
    assert hollow == [4, 4]
    assert {n for n, _ in points(chart)} == {1, 2, 3, 4}
    assert "<b>Cycle 5</b> (restored)" in panel.progress.cycle.text()


def test_a_fine_tuned_model_is_drawn_where_no_retraining_was_judged(panel: Any, project: Project) -> None:
    judged = project.cycles[-1].evaluation
    for cycle in project.cycles:
        (cycle.folder / "evaluation.json").unlink()
    again = replace(project.cycles[-1], number=4, provenance={"restored_from": 3})
    project.add_cycle(again, b"weights 2", same=project.cycles[-1])
    project.set_evaluation(project.cycle.id, judged)
    panel.refresh()
    assert panel.progress.chart.isHidden()
    assert "<b>Cycle 4</b> (restored): void IoU 0.700" in panel.progress.cycle.text()
    label(project, ("b", 5))
    warm = replace(again, number=5, provenance={"warm_from": 4}, labelled=project.labels.keys())
    project.set_evaluation(project.add_cycle(warm, b"weights 2").id, judged)
    panel.refresh()
    assert not panel.progress.chart.isHidden() and {n for n, _ in points(panel.progress.chart)} == {5}
    assert "not drawn" not in panel.progress.cycle.text()


def test_a_link_to_a_slice_whose_scan_is_gone_is_told(panel: Any) -> None:
    told: list[str] = []
    panel._runner.failed.connect(told.append)
    panel.progress.cycle.linkActivated.emit("gone/0000")
    assert len(told) == 1 and "gone" in told[0]


def test_a_cycle_judged_by_other_truth_is_not_drawn_and_says_so(panel: Any, project: Project) -> None:
    label(project, ("b", 5))
    cycle = add_cycle(project)
    found = {"miou": 0.9, "iou": {"void": 0.8}, "scans": ["c"], "truth": "/some/dataset", "truth_sha256": "y"}
    project.set_evaluation(cycle.id, found)
    panel.refresh()
    assert {n for n, _ in points(panel.progress.chart)} == {4}
    panel.table.selectRow(0)
    assert "not drawn: judged by another truth than cycle 4" in panel.progress.cycle.text()
    panel.table.selectRow(3)
    assert "truth of c in /some/dataset" in panel.progress.cycle.text()
    assert "2 more cycles" in panel.progress.outlook.text()


def test_earlier_cycles_can_be_judged_by_the_labels_of_now_from_the_window(
    panel: Any, qtbot: Any, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = panel.progress
    assert box.judge.isHidden()
    (project.cycles[0].folder / "evaluation.json").unlink()
    panel.refresh()
    assert box.judge.isHidden()  # nothing to judge by
    label(project, ("c", 0))
    panel.refresh()
    assert not box.judge.isHidden() and box.judge.isEnabled()

    def judge_all(project: Project) -> Job[None, None]:
        def steps() -> Steps[None]:
            yield Progress(0, 1)

        def commit(_: None) -> None:
            now = project.cycles[1].evaluation | {"truth_sha256": truth_hash(project, ["c"])}
            for cycle in project.cycles:
                write_evaluation(cycle.folder, now)

        return Job("Judging", steps, commit)

    monkeypatch.setattr(progress_box, "judge_all", judge_all)
    qtbot.mouseClick(box.judge, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not panel._runner.busy, timeout=30_000)
    panel.refresh()
    assert project.cycles[0].evaluation is not None and box.judge.isHidden()


def test_a_damaged_record_is_told_and_the_panel_lives(panel: Any, project: Project) -> None:
    (project.path / "replay.json").write_text("{")
    panel.refresh()
    assert "replay.json" in panel.progress.outlook.text()
    assert panel.progress.chart.isHidden() and panel.retrain.isEnabled()


def test_once_all_is_segmented_a_new_model_is_judged_without_being_asked(
    panel: Any, qtbot: Any, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def evaluate(project: Project) -> Job[None, None]:
        asked.append(project.name)

        def steps() -> Steps[None]:
            yield Progress(0, 1)

        return Job("Evaluating", steps, lambda _: None)

    monkeypatch.setattr(train_panel, "evaluate", evaluate)
    add_cycle(project)
    label(project, ("c", 0))
    for scan in "abc":
        predict(project, scan)
    panel._segment_rest()
    qtbot.waitUntil(lambda: panel._runner._worker is None, timeout=30_000)
    assert asked == [project.name]


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_no_cycle_is_scrolled_for_where_there_are_six_or_fewer(
    dock: Any, project: Project, qtbot: Any, theme: str
) -> None:
    viewer, table = dock._viewer, dock.view.train.table
    viewer.theme = theme
    window = dock.window()
    window.resize(1366, 768)
    window.show()
    window.resizeDocks([dock.parent()], [320], Qt.Orientation.Horizontal)
    dock.view.setCurrentIndex(2)
    for n in range(1, 8):
        add_cycle(project)
        qtbot.wait(50)
        assert (table.verticalScrollBar().maximum() == 0) == (n <= train_panel.MOST_CYCLES), n
    assert table.viewport().height() >= 6 * table.rowHeight(0)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_cycles_and_which_are_earlier_ones_again_are_read_in_a_narrow_dock(
    dock: Any, project: Project, qtbot: Any, theme: str
) -> None:
    viewer, train = dock._viewer, dock.view.train
    viewer.theme = theme
    window, table = dock.window(), train.table
    window.resize(1366, 768)
    window.show()
    window.resizeDocks([dock.parent()], [320], Qt.Orientation.Horizontal)
    dock.view.setCurrentIndex(2)
    for _ in range(3):
        cycle = add_cycle(project)
        found = {"miou": 0.9, "iou": {"void": 0.8}, "scans": ["c"], "truth": "/some", "truth_sha256": "y"}
        project.set_evaluation(cycle.id, found)
    for number in (1, 3, 4):
        table.selectRow(number - 1)
        train.go_back()
        qtbot.wait(50)
        assert table.currentRow() == table.rowCount() - 1, "the model of now"
    column = [[table.item(row, k).text() for row in range(6)] for k in (0, 5)]
    assert column[0] == ["1", "2", "3", "4: 1 again", "5: 3 again", "6: 1 again"]
    assert column[1][3:] == ["–"] * 3, "nothing was trained"
    assert [table.item(row, 0).font().bold() for row in range(6)] == [False] * 5 + [True]
    assert table.horizontalScrollBar().maximum() == 0
    add_cycle(project)
    add_cycle(project)
    qtbot.wait(50)
    assert table.verticalScrollBar().maximum() > 0 and table.horizontalScrollBar().maximum() == 0
    assert table.viewport().rect().contains(table.visualItemRect(table.item(7, 0)).center())
    table.selectRow(1)
    train.refresh()
    assert table.currentRow() == 1, "what a person selects stays so"
