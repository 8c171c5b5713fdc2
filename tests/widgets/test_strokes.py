"""No stroke is lost: not to a full disk, a changed scan, an undo elsewhere or a label from somewhere else."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from bench import Bench

from builders import add_scan, bump_dataset, quick_project, read_only, write_scan
from voidscope.errors import ProjectError
from voidscope.project import Labels, Project
from voidscope.vocabulary import Plane, Provenance, SliceKey

VOID = 4


@pytest.fixture
def bench(qapp: object, project: Project) -> Bench:
    made = Bench(project)
    made.layers.show("a")
    return made


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """A disk that can be full, and how often it was written to."""
    put, state = Labels.put_all, {"full": False, "writes": 0}

    def guarded(self: Labels, *args: Any, **kwargs: Any) -> None:
        if state["full"]:
            raise ProjectError("Cannot write a: No space left on device.")
        state["writes"] += 1
        put(self, *args, **kwargs)

    monkeypatch.setattr(Labels, "put_all", guarded)
    return state


def test_a_slice_is_written_once_per_change_and_never_for_looking(
    bench: Bench, disk: dict[str, bool]
) -> None:
    bench.paint(2, VOID)
    bench.strokes.flush()
    assert disk["writes"] == 1
    for index in range(6):
        bench.layers.jump(SliceKey("a", index))
    bench.strokes.flush()
    assert disk["writes"] == 1
    bench.paint(2, 1)
    bench.strokes.flush()
    assert disk["writes"] == 2


def test_each_slice_painted_in_haste_is_a_step_of_its_own(bench: Bench) -> None:
    for index in (1, 2, 3):
        bench.paint(index, VOID)
    bench.strokes.flush()
    assert str(bench.project.labels.undo()) == "undid: painted a/0003"
    assert str(bench.project.labels.undo()) == "undid: painted a/0002"


def test_moving_the_slider_suspects_nothing(bench: Bench) -> None:
    bench.paint(2, VOID)
    bench.strokes.flush()
    bench.layers.jump(SliceKey("a", 4))
    assert not any(bench.strokes.pending(SliceKey("a", k)) for k in range(6))


def test_strokes_refused_by_the_disk_outlive_a_change_of_scan(bench: Bench, disk: dict[str, bool]) -> None:
    disk["full"] = True
    bench.paint(2, VOID)
    bench.strokes.flush()
    bench.layers.show("b")
    bench.paint(1, 3)
    bench.layers.show("a")
    assert bench.find("labels").data[10, 2, 10] == VOID
    assert len(bench.told) == 1
    assert "No space left" in bench.told[0]
    disk["full"] = False
    bench.strokes.flush()
    assert bench.told[1:] == ["All strokes are saved again."]
    again = Project.open(bench.project.path)
    assert again.labels.get(SliceKey("a", 2))[10, 10] == VOID
    assert again.labels.get(SliceKey("b", 1))[10, 10] == 3


def test_an_accepted_label_that_had_to_wait_is_still_called_accepted(
    bench: Bench, disk: dict[str, bool]
) -> None:
    disk["full"] = True
    key = SliceKey("a", 3)
    bench.strokes.write(key, np.full((24, 20), 2, np.uint8), Provenance.ACCEPTED)
    disk["full"] = False
    bench.layers.show("b")
    assert bench.project.labels.record(key).provenance is Provenance.ACCEPTED


def test_a_slice_being_painted_is_known_as_pending(bench: Bench) -> None:
    bench.paint(2, VOID)
    assert bench.strokes.pending(SliceKey("a", 2))
    assert not bench.strokes.pending(SliceKey("b", 2))
    bench.strokes.flush()
    assert not bench.strokes.pending(SliceKey("a", 2))
    assert SliceKey("a", 2) in bench.project.labels


def test_what_is_drawn_in_three_dimensions_is_saved_in_every_slice(bench: Bench) -> None:
    layer = bench.find("labels")
    bench.layers.jump(SliceKey("a", 2))
    layer.n_edit_dimensions, layer.brush_size = 3, 3
    layer.paint((10, 2, 10), VOID)
    bench.strokes.flush()
    assert {k.index for k in bench.project.labels} == {1, 2, 3}
    bench.project.labels.undo()  # one stroke, one step
    assert len(bench.project.labels) == 0


def test_a_direct_write_to_the_layer_is_saved(bench: Bench) -> None:
    bench.layers.jump(SliceKey("a", 2))
    bench.find("labels").data[4, 2, 5] = 3
    bench.find("labels").refresh()
    bench.strokes.flush()
    assert bench.project.labels.get(SliceKey("a", 2))[4, 5] == 3


def test_a_stroke_made_just_before_the_labels_layer_is_made_anew_is_in_the_new_one(
    dock: Any, qtbot: Any, project: Project
) -> None:
    from test_dock import VOID, paint

    paint(dock, 2)
    layers = dock.view.layers
    dock._viewer.layers.remove(layers.find("labels"))
    layers.show("a")
    assert SliceKey("a", 2) in project.labels
    assert layers.find("labels").data[10, 2, 10] == VOID
    layers.find("labels").paint((15.0, 2.0, 15.0), VOID)
    dock.view.strokes.flush()
    label = project.labels.get(SliceKey("a", 2))
    assert label is not None
    assert label[10, 10] == label[15, 15] == VOID


def test_a_window_that_only_asks_to_close_leaves_the_job_running(
    dock: Any, qtbot: Any, project: Project
) -> None:
    from qtpy.QtCore import QEvent

    cancelled: list[bool] = []
    dock.runner.cancel = lambda: cancelled.append(True)
    dock.eventFilter(dock.window(), QEvent(QEvent.Type.Close))
    del dock.runner.cancel
    assert cancelled == []
    assert len(project.labels) == 0


def test_one_slice_that_is_refused_keeps_no_other_from_being_saved(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = Labels.put_all

    def guarded(self: Labels, masks: Any, *args: Any, **kwargs: Any) -> None:
        if SliceKey("a", 1) in masks:
            raise ProjectError("Cannot write a/0001.tif: Permission denied.")
        put(self, masks, *args, **kwargs)

    monkeypatch.setattr(Labels, "put_all", guarded)
    for index in (1, 2, 3):
        bench.paint(index, VOID)
    bench.strokes.flush()
    assert bench.project.labels.keys() == (SliceKey("a", 2), SliceKey("a", 3))
    assert bench.told == [
        "a/0001 not saved yet, kept in the viewer and tried again: Cannot write a/0001.tif: Permission denied."
    ]
    assert bench.strokes.pending(SliceKey("a", 1)) and not bench.strokes.pending(SliceKey("a", 2))
    monkeypatch.undo()
    bench.strokes.flush()
    assert SliceKey("a", 1) in bench.project.labels
    assert bench.told[1:] == ["All strokes are saved again."]


def test_ids_that_no_class_has_are_said_and_the_stored_label_is_shown_again(bench: Bench) -> None:
    bench.paint(2, VOID)
    bench.strokes.flush()
    layer = bench.find("labels")
    layer.data[4, 2, 5] = 99
    layer.refresh()
    bench.paint(3, VOID)
    bench.strokes.flush()
    assert len(bench.told) == 1 and "holds ids 0..99; classes are 0..4." in bench.told[0]
    assert "disk" not in bench.told[0] and not bench.strokes.unsaved
    assert layer.data[4, 2, 5] == 0 and layer.data[10, 2, 10] == VOID
    assert SliceKey("a", 3) in bench.project.labels
    bench.strokes.flush()
    assert len(bench.told) == 1


def test_a_drive_that_went_away_is_told_and_strokes_are_tried_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(path: object) -> None:
        raise OSError(5, "Input/output error")

    bench.paint(2, VOID)
    with monkeypatch.context() as patch:
        patch.setattr("voidscope.project.label_folder.stamp", gone)
        bench.strokes.flush()
    assert bench.strokes.unsaved and "Input/output error" in bench.told[0]
    bench.strokes.flush()
    assert SliceKey("a", 2) in bench.project.labels


def test_strokes_wait_for_a_project_folder_that_was_moved_and_stand_said_until_it_is_back(
    dock: Any, qtbot: Any, project: Project, tmp_path: Any
) -> None:
    from test_dock import VOID, paint

    paint(dock, 1)
    dock.view.strokes.flush()
    moved, labels = project.path.rename(tmp_path / "moved"), project.labels
    paint(dock, 2)
    dock.view.strokes.flush()
    assert dock.view.strokes.unsaved
    assert "is not there any more" in dock.jobs.standing.text()
    dock._catch_up()
    assert "is not there any more" in dock.jobs.message.text()
    dock.view.label.tools.turn(True)
    assert labels.keys() == (SliceKey("a", 1),)
    assert not project.path.exists()
    moved.rename(project.path)
    dock.view.strokes.flush()
    assert dock.jobs.standing.text() == ""
    assert Project.open(project.path).labels.keys() == (SliceKey("a", 1), SliceKey("a", 2))
    assert labels.get(SliceKey("a", 2))[10, 10] == VOID


def test_a_scan_of_a_single_slice_is_painted_on_and_saved(
    qapp: object, project: Project, tmp_path: Path
) -> None:
    add_scan(project, write_scan(tmp_path / "one.tif", shape=(1, 24, 20)), plane=Plane.AXIS0)
    bench, key = Bench(project), SliceKey("one", 0)
    for scan in ("a", "one"):  # another plane was in view before
        bench.layers.show(scan)
    assert bench.layers.key == key
    bench.find("labels").paint((0, 10, 12), VOID)
    bench.strokes.flush()
    stored = Project.open(project.path).labels.get(key)
    assert stored.shape == (24, 20) and stored[10, 12] == VOID
    assert str(project.labels.undo()) == "undid: painted one/0000"
    assert key not in project.labels


def test_strokes_on_a_project_in_a_read_only_folder_are_saved_once_it_can_be_written(qapp: object) -> None:
    with (
        tempfile.TemporaryDirectory() as folder
    ):  # others than its owner look into it, which they may not in pytest's
        place = Path(folder)
        bench = Bench(quick_project(place / "project", bump_dataset(place / "scans")))
        bench.layers.show("a")
        bench.paint(2, 3)
        bench.strokes.flush()
        with read_only(place):
            bench.paint(2, VOID)
            bench.paint(3, VOID)
            bench.strokes.flush()
            assert bench.strokes.unsaved
            assert "not saved yet, kept in the viewer and tried again" in bench.told[0]
            assert "Permission denied" in bench.told[0]
            bench.layers.show("b")
            bench.layers.show("a")
            assert bench.find("labels").data[10, 2, 10] == VOID
        bench.strokes.flush()
        assert bench.told[1:] == ["All strokes are saved again."]
        stored = Project.open(bench.project.path).labels
        assert [stored.get(SliceKey("a", index))[10, 10] for index in (2, 3)] == [VOID, VOID]


def test_a_label_whose_pixels_are_not_the_recorded_ones_is_told_and_the_others_are_shown(
    dock: Any, project: Project
) -> None:
    from test_dock import VOID, paint

    for index in (1, 2):
        paint(dock, index)
        dock.view.strokes.flush()
    other, files = Project.open(project.path), project.path / "labels" / "a"
    other.labels.put(SliceKey("a", 2), np.full((24, 20), 3, np.uint8))
    other.labels.put(SliceKey("a", 1), np.full((24, 20), 1, np.uint8))
    described = files / "0001.tif"
    with tifffile.TiffFile(described) as file:
        record = file.pages.first.description
    tifffile.imwrite(described, np.full((24, 20), 2, np.uint8), description=record, metadata=None)
    dock._catch_up()
    assert "0001.tif was changed outside voidscope" in dock.jobs.message.text()
    layer = dock.view.layers.find("labels")
    assert layer.data[10, 1, 10] == VOID
    assert layer.data[10, 2, 10] == 3


def follow(bench: Bench) -> Project:
    """Show labels that change, as the dock does; returns the same project as another program has it open."""
    shown = bench.layers.show_label
    bench.project.events.labels_changed.connect(
        lambda keys: [shown(key) for key in keys if not bench.strokes.pending(key)]
    )
    return Project.open(bench.project.path)


def correct(project: Project, key: SliceKey) -> np.ndarray:
    """Call the void of a slice something else, and label its last rows."""
    label = project.labels.get(key)
    assert label is not None
    label[label == VOID] = 2
    label[15:20] = 1
    project.labels.put(key, label)
    return label


def test_an_undo_after_the_layer_was_deleted_is_not_taken_back(bench: Bench) -> None:
    follow(bench)
    key = SliceKey("a", 2)
    bench.paint(2, VOID)
    bench.strokes.flush()
    once = bench.project.labels.get(key)
    bench.paint(2, 3, (2, 2))
    bench.viewer.layers.remove(bench.find("labels"))
    assert bench.strokes.ready("Undo")
    bench.project.labels.undo()
    bench.strokes.flush()
    assert np.array_equal(bench.project.labels.get(key), once)
    bench.project.labels.redo()
    assert bench.project.labels.get(key)[2, 2] == 3


def test_a_deleted_layer_writes_over_nothing_that_was_labelled_since(bench: Bench) -> None:
    other, key = follow(bench), SliceKey("a", 2)
    bench.paint(2, VOID)
    bench.strokes.flush()
    bench.viewer.layers.remove(bench.find("labels"))
    other.labels.catch_up()
    theirs = correct(other, key)
    bench.strokes.flush()
    bench.project.catch_up()
    bench.strokes.flush()
    assert np.array_equal(Project.open(other.path).labels.get(key), theirs)


@pytest.mark.parametrize("paints", [None, 3, 2])
def test_what_another_program_labels_before_a_timer_ends_stays_and_is_shown(
    bench: Bench, paints: int | None
) -> None:
    other, key = follow(bench), SliceKey("a", 2)
    for index in (2, 3):
        bench.paint(index, VOID)
        bench.strokes.flush()
    other.labels.catch_up()
    theirs = correct(other, key)
    if paints is None:
        bench.find(
            "labels"
        ).refresh()  # all slices touched before may have changed, for all that napari tells
    else:
        bench.paint(paints, 3, (3, 3))
    bench.project.catch_up()
    bench.strokes._save_all()
    stored, shown = Project.open(other.path).labels.get(key), bench.find("labels").data[:, 2]
    assert (stored[15:20] == 1).all() and stored[10, 10] == 2
    assert (stored[3, 3] == 3) == (paints == 2)
    assert np.array_equal(stored, shown)
    assert paints == 2 or np.array_equal(stored, theirs)


def test_only_the_pixels_painted_since_win_over_a_label_nobody_looked_at_yet(bench: Bench) -> None:
    other, key = follow(bench), SliceKey("a", 2)
    bench.paint(2, VOID)
    bench.strokes.flush()
    other.labels.catch_up()
    correct(other, key)
    bench.find("labels").brush_size = 1
    bench.paint(2, 3, (3, 3))
    bench.paint(2, 0)  # erased what was void here, and is another class there
    bench.strokes.flush()
    stored = Project.open(other.path).labels.get(key)
    assert (stored[10, 10], stored[10, 9], stored[15, 3], stored[3, 3]) == (0, 2, 1, 3)
    assert np.array_equal(bench.find("labels").data[:, 2], stored)
    other.labels.catch_up()
    other.labels.remove(key)
    bench.paint(2, 1, (20, 15))
    bench.strokes.flush()
    stored = Project.open(other.path).labels.get(key)
    assert stored[20, 15] == 1 and stored[3, 3] == 0


def test_strokes_held_for_a_full_disk_keep_what_another_program_labels_meanwhile(
    bench: Bench, disk: dict[str, bool]
) -> None:
    other, keys = follow(bench), (SliceKey("a", 2), SliceKey("a", 3))
    for key in keys:
        bench.paint(key.index, VOID)
    bench.strokes.flush()
    other.labels.catch_up()
    disk["full"] = True
    for key in keys:
        bench.paint(key.index, 3, (3, 3))
    bench.strokes.flush()
    bench.layers.show("b")
    disk["full"] = False
    theirs = [correct(other, key) for key in keys]
    bench.strokes.flush()
    for key, label in zip(keys, theirs, strict=True):
        stored = Project.open(other.path).labels.get(key)
        assert stored[3, 3] == 3
        assert np.array_equal(np.where(stored == 3, 0, stored), label)


def test_looking_for_strokes_reads_the_slice_in_view_only(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for index in range(5):
        bench.paint(index, VOID)
    bench.strokes.flush()
    read: list[int] = []
    differs = type(bench.layers.filled).differs
    monkeypatch.setattr(
        type(bench.layers.filled), "differs", lambda self, i, mask: read.append(i) or differs(self, i, mask)
    )
    bench.strokes.flush()
    assert read == [4]


def test_strokes_in_haste_are_saved_though_no_pause_comes(
    bench: Bench, qtbot: Any, disk: dict[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voidscope.widgets.strokes.SETTLE_MS", 10**8)

    def dab(writes: int) -> bool:
        bench.paint(2, 1 + bench.find("labels").selected_label % VOID)
        return disk["writes"] == writes

    for writes in (1, 2):
        qtbot.waitUntil(lambda n=writes: dab(n))
    bench.strokes.flush()


def test_a_stroke_is_not_cut_in_two_by_the_save_of_the_one_before(
    bench: Bench, qtbot: Any, disk: dict[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voidscope.widgets.strokes.SETTLE_MS", 1)
    monkeypatch.setattr("voidscope.widgets.strokes.LATEST_MS", 10**8)
    bench.paint(2, VOID)
    with bench.find("labels").block_history():  # as napari does while the mouse is down
        for y in range(4, 9):
            bench.paint(2, 3, (y, 10))
            qtbot.wait(20)
        assert disk["writes"] == 0
    qtbot.waitUntil(lambda: disk["writes"] == 1)
    bench.strokes.flush()
    assert disk["writes"] == 1


def test_a_finished_stroke_is_saved_while_the_next_is_still_being_drawn(
    bench: Bench, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = SliceKey("a", 2)
    bench.paint(2, VOID)
    with bench.find("labels").block_history():
        bench.paint(2, 3, (4, 10))
        qtbot.waitUntil(lambda: key in bench.project.labels)
    bench.paint(2, 1, (20, 10))
    bench.strokes.flush()
    stored = Project.open(bench.project.path).labels.get(key)
    assert (stored[10, 10], stored[4, 10], stored[20, 10]) == (VOID, 3, 1)


def test_each_slice_painted_while_the_disk_is_full_is_a_step_of_its_own(
    bench: Bench, disk: dict[str, bool]
) -> None:
    disk["full"] = True
    for index in (3, 1, 2):
        bench.paint(index, VOID)
        bench.strokes.flush()
    disk["full"] = False
    bench.strokes.flush()
    labels, a = bench.project.labels, [SliceKey("a", i) for i in range(4)]
    assert labels.keys() == (a[1], a[2], a[3])
    for left in ((a[1], a[3]), (a[3],), ()):
        labels.undo()
        assert labels.keys() == left


def test_a_step_that_had_to_wait_keeps_its_own_name(bench: Bench, disk: dict[str, bool]) -> None:
    disk["full"] = True
    rest = np.full((24, 20), 1, np.uint8)
    bench.strokes.write(SliceKey("a", 3), rest, Provenance.DRAWN, "background")
    bench.paint(1, VOID)
    disk["full"] = False
    bench.strokes.flush()
    said = [str(bench.project.labels.undo()) for _ in range(2)]
    assert said == ["undid: painted a/0001", "undid: background a/0003"]
