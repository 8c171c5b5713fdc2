"""A jump to another scan holds the window up for as short as can be: no layer is made anew, nothing large is read."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from threading import get_ident
from typing import Any

import numpy as np
import pytest
from bench import Bench, add_cycle, predict
from qtpy.QtCore import QCoreApplication

from voidscope.errors import ProjectError
from voidscope.jobs import execute
from voidscope.project import PackedLabel, Project
from voidscope.vocabulary import SliceKey
from voidscope.volume import Volume
from voidscope.widgets.pointer import sides
from voidscope.workflow import open_scan, read_mask

MINUTE_MS = 60_000
VOID = 4


@pytest.fixture
def bench(qtbot: Any, project: Project) -> Bench:
    made = Bench(project)
    made.layers.show("a")
    qtbot.waitUntil(lambda: made.layers.scan == "a" and made.layers.ahead.runner.idle, timeout=MINUTE_MS)
    return made


@pytest.fixture
def all_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every scan is one that nothing is read of on the window's thread."""
    for bound in ("AT_ONCE_VOXELS", "TOGETHER_VOXELS"):
        monkeypatch.setattr(f"voidscope.widgets.ahead.{bound}", 0)


def test_no_layer_is_made_or_taken_out_on_the_way_to_another_scan(bench: Bench) -> None:
    add_cycle(bench.project)
    masks = {scan: predict(bench.project, scan, seed) for seed, scan in enumerate("ab")}
    bench.layers.show_results()
    bench.layers.jump(SliceKey("a", 2), (9, 12))
    there = list(bench.viewer.layers)
    for scan in ("b", "c", "a", "b"):  # c is not segmented
        bench.layers.jump(SliceKey(scan, 3), (9, 12))
        assert list(bench.viewer.layers) == there
        assert (bench.find("prediction") is None) is (scan == "c")
        assert [la.visible for la in there if la.name == "prediction"] == [scan != "c"]
        if scan in masks:
            assert (bench.find("prediction").data == masks[scan]).all()
    assert (
        bench.find("pointer").data == sides(np.array([(5, 3, 8), (5, 3, 16), (13, 3, 16), (13, 3, 8)]))
    ).all()


def test_what_was_painted_on_a_scan_is_saved_for_it_and_never_undone_into_the_next(bench: Bench) -> None:
    bench.paint(2, VOID)
    layer = bench.find("labels")
    bench.layers.jump(SliceKey("b", 2))
    assert bench.find("labels") is layer and not layer.data.any() and layer.mode == "pan_zoom"
    layer.undo()
    assert not layer.data.any()
    bench.strokes.flush()
    assert list(bench.project.labels) == [SliceKey("a", 2)]
    bench.layers.jump(SliceKey("a", 2))
    assert layer.data[10, 2, 10] == VOID


def test_tool_and_class_stay_and_nobody_is_told_of_another(bench: Bench) -> None:
    bench.layers.paint_with(VOID)
    told: list[int] = []
    bench.layers.class_chosen.connect(told.append)
    bench.layers.jump(SliceKey("b", 1))
    assert (bench.layers.class_id, bench.layers.chosen_class, told) == (VOID, VOID, [])
    assert bench.find("labels").editable


def test_a_large_scan_is_opened_by_a_job_and_comes_into_view_then(
    all_is_large: None, bench: Bench, qtbot: Any
) -> None:
    with qtbot.waitSignal(bench.layers.shown, timeout=MINUTE_MS) as shown:
        bench.layers.jump(SliceKey("b", 3), (9, 12))
        assert bench.layers.scan == "a" and not bench.layers.ahead.runner.idle
    assert shown.args == ["b"] and bench.layers.key == SliceKey("b", 3)
    assert bench.find("pointer") is not None and bench.project.memory.is_at_hand("b")
    qtbot.waitUntil(lambda: bench.layers.ahead.runner.idle, timeout=MINUTE_MS)
    bench.layers.jump(SliceKey("a", 1))  # it is at hand by now
    assert bench.layers.key == SliceKey("a", 1)


def test_who_goes_elsewhere_meanwhile_is_not_taken_away(all_is_large: None, bench: Bench, qtbot: Any) -> None:
    bench.layers.jump(SliceKey("b", 3))
    bench.layers.jump(SliceKey("a", 1))
    qtbot.waitUntil(lambda: bench.layers.ahead.runner.idle, timeout=MINUTE_MS)
    QCoreApplication.processEvents()
    assert bench.layers.key == SliceKey("a", 1)
    bench.layers.jump(SliceKey("b", 3))
    bench.layers.jump(SliceKey("c", 2))
    qtbot.waitUntil(lambda: bench.layers.scan != "a", timeout=MINUTE_MS)
    qtbot.waitUntil(lambda: bench.layers.ahead.runner.idle, timeout=MINUTE_MS)
    assert bench.layers.key == SliceKey("c", 2)


def test_nothing_is_told_of_a_scan_that_is_removed_while_it_is_opened(
    all_is_large: None, bench: Bench, qtbot: Any
) -> None:
    told: list[str] = []
    bench.layers.troubled.connect(told.append)
    bench.layers.jump(SliceKey("b", 3))
    bench.project.remove("b")
    qtbot.waitUntil(lambda: bench.layers.ahead.runner.idle, timeout=MINUTE_MS)
    QCoreApplication.processEvents()
    assert bench.layers.scan == "a" and told == [] and not bench.project.memory.is_at_hand("b")


def test_the_last_of_several_places_asked_for_while_a_mask_is_read_is_gone_to(
    all_is_large: None, bench: Bench, qtbot: Any
) -> None:
    add_cycle(bench.project)
    predict(bench.project, "a")
    bench.project.memory.masks.clear()
    bench.layers.show_results()
    assert not bench.layers.ahead.runner.idle
    told: list[str] = []
    bench.layers.troubled.connect(told.append)
    for scan in ("b", "c", "b"):
        bench.layers.jump(SliceKey(scan, 2))
    qtbot.waitUntil(lambda: bench.layers.scan != "a", timeout=MINUTE_MS)
    qtbot.waitUntil(lambda: bench.layers.ahead.runner.idle, timeout=MINUTE_MS)
    assert bench.layers.key == SliceKey("b", 2) and not bench.project.memory.is_at_hand("c") and told == []
    bench.project.memory.masks.clear()
    bench.layers.show_results()
    bench.layers.jump(SliceKey("c", 3))
    bench.layers.jump(SliceKey("a", 1))  # at hand, so that nothing is waited for
    qtbot.waitUntil(lambda: bench.layers.ahead.runner.idle, timeout=MINUTE_MS)
    QCoreApplication.processEvents()
    assert bench.layers.key == SliceKey("a", 1)


def test_a_scan_from_a_list_is_opened_by_a_job_with_its_labels_and_its_mask(
    all_is_large: None, bench: Bench, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_cycle(bench.project)
    mask = predict(bench.project, "b")
    label = np.full(bench.project.scan("b").slice_shape, VOID, np.uint8)
    bench.project.labels.put(SliceKey("b", 2), label)
    bench.project = reopened = Project.open(bench.project.path)
    again = Bench(reopened)
    monkeypatch.setattr("voidscope.widgets.ahead.TOGETHER_VOXELS", mask.size)
    threads: set[int] = set()
    read = PackedLabel.mask
    monkeypatch.setattr(PackedLabel, "mask", lambda self: (threads.add(get_ident()), read(self))[1])
    with qtbot.waitSignal(again.layers.shown, timeout=MINUTE_MS):
        again.layers.show("b")
        assert again.layers.scan is None
    assert threads and get_ident() not in threads
    assert (again.find("labels").data[:, 2] == VOID).all()
    assert (again.find("prediction").data == mask).all()


def test_a_label_that_changed_while_its_scan_was_opened_is_shown_as_it_is(project: Project) -> None:
    label = np.full(project.scan("a").slice_shape, VOID, np.uint8)
    project.labels.put(SliceKey("a", 2), label)
    reopened = Project.open(project.path)
    job = open_scan(reopened, "a")
    Project.open(project.path).labels.put(SliceKey("a", 2), label * 0 + 1)
    reopened.labels.catch_up()
    with suppress(ProjectError):  # the file is another by now
        execute(job)
    assert (reopened.labels.get(SliceKey("a", 2)) == 1).all()


def test_a_scan_that_cannot_be_opened_is_told_and_the_next_is_shown(
    all_is_large: None, dock: Any, qtbot: Any, project: Project
) -> None:
    path = Path(project.scan("a").path)
    path.write_bytes(path.read_bytes()[:-100])
    dock.close_project()
    dock.show_project(Project.open(project.path))
    qtbot.waitUntil(lambda: dock.view.layers.scan == "b", timeout=MINUTE_MS)
    assert "a.tif" in dock.jobs.message.text()


def test_a_large_mask_is_read_by_a_job_and_nothing_of_another_scan_is_seen_till_then(
    all_is_large: None, bench: Bench, qtbot: Any
) -> None:
    add_cycle(bench.project)
    masks = {scan: predict(bench.project, scan, seed) for seed, scan in enumerate("ab")}
    bench.layers.show_results()
    bench.project.memory.masks.clear()  # as after opening it again
    with qtbot.waitSignal(bench.layers.shown, timeout=MINUTE_MS):
        bench.layers.show("b")
    assert bench.find("prediction") is None and bench.layers.prediction(SliceKey("b", 2)) is None
    qtbot.waitUntil(lambda: bench.find("prediction") is not None, timeout=MINUTE_MS)
    assert (bench.find("prediction").data == masks["b"]).all()
    assert (bench.layers.prediction(SliceKey("b", 2)) == masks["b"][:, 2]).all()


def test_a_damaged_large_mask_is_told_once(all_is_large: None, bench: Bench, qtbot: Any) -> None:
    add_cycle(bench.project)
    predict(bench.project, "b")
    bench.project.memory.masks.clear()
    bench.project.mask_path("b").write_bytes(b"II*\0 no such thing")
    told: list[str] = []
    bench.layers.troubled.connect(told.append)
    bench.layers.show("b")
    qtbot.waitUntil(lambda: bool(told), timeout=MINUTE_MS)
    bench.layers.jump(SliceKey("b", 4))
    qtbot.waitUntil(lambda: bench.layers.ahead.runner.idle, timeout=MINUTE_MS)
    assert len(told) == 1 and "is damaged" in told[0] and bench.layers.key == SliceKey("b", 4)


def test_a_mask_that_was_read_of_another_model_is_not_held(project: Project) -> None:
    add_cycle(project)
    predict(project, "a")
    job = read_mask(project, "a")
    project.memory.masks.clear()
    add_cycle(project)
    execute(job)
    assert project.memory.held_mask("a") is None and project.mask("a") is None


def test_a_scan_that_was_opened_as_it_is_no_more_is_not_held(project: Project) -> None:
    job = open_scan(project, "a")
    project.set_spacing("a", (2.0, 2.0, 2.0))
    execute(job)
    assert not project.memory.is_at_hand("a")
    execute(open_scan(project, "a"))
    assert project.memory.is_at_hand("a") and isinstance(project.volume("a"), Volume)


def test_going_back_to_an_earlier_model_reads_its_large_mask_by_a_job(
    all_is_large: None, dock: Any, qtbot: Any, project: Project
) -> None:
    layers, rows = dock.view.layers, []
    qtbot.waitUntil(lambda: layers.scan == "a" and layers.ahead.runner.idle, timeout=MINUTE_MS)
    add_cycle(project)
    mask = predict(project, "a")
    add_cycle(project)
    layers.ahead.runner.started.connect(rows.append)
    assert layers.find("prediction") is None
    dock.view.train.choice.restore(1)
    assert layers.find("prediction") is None and rows == ["Showing the prediction of a"]
    qtbot.waitUntil(lambda: layers.find("prediction") is not None, timeout=MINUTE_MS)
    assert (layers.find("prediction").data == mask).all()
