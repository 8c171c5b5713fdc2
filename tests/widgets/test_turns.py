"""A step over many slices in a real viewer: its labels are made ready on a worker, and nothing comes between."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication

from voidscope.errors import ProjectError
from voidscope.jobs import Job, Steps
from voidscope.project import Labels, Project, Putting, atomic, drafting, journal, label_files
from voidscope.vocabulary import Provenance, SliceKey
from voidscope.widgets.labelling_tools import LabellingTools
from voidscope.workflow import put_labels, turn

KEYS = tuple(SliceKey("a", k) for k in range(1, 5))
PILLAR, VOID = 2, 4
MINUTE_MS = 60_000


@pytest.fixture
def tools(dock: Any, project: Project, monkeypatch: pytest.MonkeyPatch) -> LabellingTools:
    """Four slices are many here; the first and the last of a scan are labelled."""
    monkeypatch.setattr(drafting, "MANY", 1)
    for index in (0, 5):
        mask = np.ones((24, 20), np.uint8)
        mask[8 : 12 + index, 8:12] = VOID
        project.labels.put(SliceKey("a", index), mask)
    dock.view.layers.jump(SliceKey("a", 2))
    return dock.view.label.tools


@pytest.fixture
def said(dock: Any) -> list[str]:
    told: list[str] = []
    dock.runner.told.connect(told.append)
    dock.runner.failed.connect(told.append)
    return told


def slowed(monkeypatch: pytest.MonkeyPatch, verb: Callable[..., Job[Any, Any]]) -> threading.Event:
    """Let the window's jobs of a verb end, on their worker, no sooner than the event is set."""
    going = threading.Event()

    def slow(*asked: Any) -> Job[Any, Any]:
        job = verb(*asked)

        def steps() -> Steps[Any]:
            made = yield from job.steps()
            going.wait(60)
            return made

        return replace(job, steps=steps)

    monkeypatch.setattr(f"voidscope.widgets.turns.{verb.__name__}", slow)
    return going


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Undo and redo end no sooner than this is set."""
    yield (going := slowed(monkeypatch, turn))
    going.set()


@pytest.fixture
def saving(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Labels of many slices are ready no sooner than this is set."""
    yield (going := slowed(monkeypatch, put_labels))
    going.set()


def over(tools: LabellingTools, qtbot: Any, act: Callable[[], object]) -> None:
    """Do what a job follows on, and wait for its end."""
    with qtbot.waitSignal(tools.beside.ended, timeout=MINUTE_MS):
        act()
    qtbot.waitUntil(lambda: tools.beside.idle, timeout=MINUTE_MS)


def shown(dock: Any) -> np.ndarray:
    """What the viewer shows of the four slices."""
    return np.moveaxis(dock.view.layers.find("labels").data[:, 1:5], 1, 0)


def stored(project: Project) -> np.ndarray:
    masks = [project.labels.get(key) for key in KEYS]
    return np.stack([np.zeros((24, 20), np.uint8) if m is None else m for m in masks])


def test_no_label_of_such_a_step_is_packed_unpacked_or_written_on_the_windows_thread(
    dock: Any,
    tools: LabellingTools,
    qtbot: Any,
    project: Project,
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    where: dict[str, set[threading.Thread]] = {}

    def watch(place: Any, name: str) -> None:
        act = getattr(place, name)

        def watched(*args: Any, **more: Any) -> Any:
            if not (name == "_write_synced" and ".json." in Path(args[0]).name):
                where.setdefault(name, set()).add(threading.current_thread())
            return act(*args, **more)

        monkeypatch.setattr(place, name, watched)

    watch(drafting, "encode")
    watch(atomic, "_write_synced")
    for name in ("_packed", "_unpacked", "sha256"):
        watch(journal, name)
    watch(label_files.PackedLabel, "mask")
    over(tools, qtbot, tools.fill_between)
    assert project.labels.unverified == KEYS
    proposed = shown(dock).copy()
    assert (proposed == stored_away(project)).all()
    over(tools, qtbot, lambda: tools.turn(True))
    assert project.labels.unverified == () and shown(dock).max() == 0
    over(tools, qtbot, lambda: tools.turn(False))
    assert project.labels.unverified == KEYS and (shown(dock) == proposed).all()
    assert where.keys() == {"encode", "_write_synced", "_packed", "_unpacked", "sha256", "mask"}
    assert threading.main_thread() not in set().union(*where.values())
    assert said[-2:] == ["undid: interpolated a/0001 and 3 more", "redid: interpolated a/0001 and 3 more"]
    assert (stored(Project.open(project.path)) == proposed).all()


def stored_away(project: Project) -> np.ndarray:
    """What the files hold, read where no thread is watched."""
    import tifffile

    return np.stack([tifffile.imread(project.path / "labels" / "a" / f"{k.index:04d}.tif") for k in KEYS])


def test_a_second_undo_is_refused_while_one_is_under_way(
    tools: LabellingTools, qtbot: Any, project: Project, said: list[str], held: threading.Event
) -> None:
    over(tools, qtbot, tools.fill_between)
    tools.turn(True)
    for back in (True, False):
        tools.turn(back)
        assert said[-1] == "Undo is under way; wait for it or cancel it."
    assert project.labels.unverified == KEYS
    over(tools, qtbot, held.set)
    assert project.labels.unverified == () and len(project.labels) == 2
    tools.turn(True)
    assert len(project.labels) == 1


def test_what_is_painted_while_an_undo_is_under_way_is_the_step_after_it(
    dock: Any, tools: LabellingTools, qtbot: Any, project: Project, held: threading.Event
) -> None:
    over(tools, qtbot, tools.fill_between)
    tools.turn(True)
    layer = dock.view.layers.find("labels")
    layer.brush_size = 1
    layer.paint((2, 2, 2), PILLAR)
    qtbot.wait(400)  # longer than a stroke waits for the next
    dock.view.layers.jump(SliceKey("a", 3))  # nor does going on to another slice save it
    assert project.labels.unverified == KEYS
    over(tools, qtbot, held.set)
    qtbot.waitUntil(lambda: KEYS[1] in project.labels, timeout=MINUTE_MS)
    assert project.labels.unverified == () and not project.labels.can_redo
    label = project.labels.get(KEYS[1])
    assert label[2, 2] == PILLAR and (label > 0).sum() == 1
    assert (shown(dock) == stored(project)).all()
    tools.turn(True)
    assert (stored(project) == 0).all() and (shown(dock) == 0).all()


def test_who_cannot_wait_has_the_undo_done_at_once_and_only_once(
    dock: Any, tools: LabellingTools, qtbot: Any, project: Project, said: list[str], held: threading.Event
) -> None:
    over(tools, qtbot, tools.fill_between)
    tools.turn(True)
    dock.view.label.rest_is_background()
    assert project.labels.unverified == () and KEYS[1] in project.labels
    assert (project.labels.get(KEYS[1]) == 1).all()
    over(tools, qtbot, held.set)
    assert (project.labels.get(KEYS[1]) == 1).all() and len(project.labels) == 3
    assert [s for s in said if s.startswith("undid")] == ["undid: interpolated a/0001 and 3 more"]
    assert (shown(dock) == stored(project)).all()
    tools.turn(True)
    assert len(project.labels) == 2 and not list(project.path.rglob("*.tmp"))


@pytest.mark.parametrize("way", ["window", "dock"])
def test_closing_while_an_undo_is_under_way_leaves_it_done(
    dock: Any, tools: LabellingTools, qtbot: Any, project: Project, held: threading.Event, way: str
) -> None:
    over(tools, qtbot, tools.fill_between)
    tools.turn(True)
    dock.view.layers.find("labels").paint((2, 2, 2), PILLAR)
    if way == "window":
        QApplication.sendEvent(dock.window(), QEvent(QEvent.Type.WindowActivate))
        dock._save()
    else:
        dock.close_project()
    again = Project.open(project.path)
    assert again.labels.unverified == () and (again.labels.get(KEYS[1]) == PILLAR).any()
    held.set()
    qtbot.waitUntil(lambda: not list(project.path.rglob("*.tmp")), timeout=MINUTE_MS)
    assert len(Project.open(project.path).labels) == 3


def test_an_undo_that_is_cancelled_changes_nothing_and_strokes_are_saved_again(
    dock: Any, tools: LabellingTools, qtbot: Any, project: Project, held: threading.Event
) -> None:
    over(tools, qtbot, tools.fill_between)
    before = stored(project)
    tools.turn(True)
    qtbot.waitUntil(lambda: not dock._beside[0].isHidden(), timeout=MINUTE_MS)
    assert dock._beside[0].title.text().startswith("Undoing")
    dock._beside[0].cancel.click()
    over(tools, qtbot, held.set)
    assert dock.jobs.message.text().startswith("Undoing: cancelled")
    assert (stored(project) == before).all() and project.labels.unverified == KEYS
    dock.view.layers.find("labels").paint((2, 2, 2), PILLAR)
    qtbot.waitUntil(lambda: KEYS[1] in project.labels, timeout=MINUTE_MS)
    assert not list(project.path.rglob("*.tmp"))


def test_a_full_disk_keeps_every_label_and_undo_can_be_asked_for_again(
    dock: Any,
    tools: LabellingTools,
    qtbot: Any,
    project: Project,
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    over(tools, qtbot, tools.fill_between)
    over(tools, qtbot, lambda: tools.turn(True))

    def full(*_: Any) -> None:
        raise ProjectError("Cannot write a label: No space left on device.")

    with monkeypatch.context() as patch:
        patch.setattr(drafting.Draft, "of", full)
        over(tools, qtbot, lambda: tools.turn(False))
    assert said[-1] == "Cannot write a label: No space left on device."
    assert project.labels.unverified == () and project.labels.can_redo
    over(tools, qtbot, lambda: tools.turn(False))
    assert project.labels.unverified == KEYS


def test_one_slice_is_undone_on_the_spot_also_while_labels_are_being_proposed(
    dock: Any, tools: LabellingTools, qtbot: Any, project: Project, said: list[str]
) -> None:
    going = threading.Event()

    def steps() -> Steps[None]:
        going.wait(60)
        return
        yield

    project.labels.put(KEYS[0], np.ones((24, 20), np.uint8))
    project.labels.put_all(dict.fromkeys(KEYS[1:], np.ones((24, 20), np.uint8)), Provenance.PROPAGATED)
    project.labels.put(SliceKey("b", 1), np.ones((24, 20), np.uint8))
    tools.beside.run(lambda: Job("Interpolating", steps, lambda _: None))
    tools.turn(True)
    assert said[-1] == "undid: painted b/0001"
    tools.turn(True)
    assert said[-1] == "Interpolating is still running; wait for it or cancel it."
    assert project.labels.unverified == KEYS[1:]
    over(tools, qtbot, going.set)
    over(tools, qtbot, lambda: tools.turn(True))
    assert project.labels.unverified == ()


def stroke(dock: Any, at: tuple[int, int] = (15, 15)) -> None:
    """A stroke through slices 1 to 3."""
    layer = dock.view.layers.find("labels")
    layer.n_edit_dimensions, layer.brush_size = 3, 3
    layer.paint((at[0], 2, at[1]), PILLAR)


def said_at(project: Project, at: tuple[int, int] = (15, 15)) -> list[int]:
    """What the stored labels of slices 1 to 3 say at a pixel; 0 where there is none."""
    labels = [project.labels.get(key) for key in KEYS[:3]]
    return [0 if label is None else int(label[at]) for label in labels]


def test_a_stroke_through_many_slices_is_saved_by_a_worker_as_one_step(
    tools: LabellingTools, dock: Any, qtbot: Any, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: set[int] = set()
    encode = drafting.encode
    monkeypatch.setattr(drafting, "encode", lambda *a: (threads.add(threading.get_ident()), encode(*a))[1])
    over(tools, qtbot, lambda: stroke(dock))
    assert said_at(project) == [PILLAR] * 3 and not dock.view.strokes.pending(KEYS[1])
    assert threads and threading.get_ident() not in threads
    project.labels.undo()
    assert not any(map(project.labels.holds, KEYS[:3]))


def test_what_is_painted_while_many_slices_are_saved_is_kept_and_the_step_after(
    tools: LabellingTools, dock: Any, qtbot: Any, project: Project, saving: threading.Event
) -> None:
    stroke(dock)
    qtbot.waitUntil(lambda: not tools.beside.idle, timeout=MINUTE_MS)
    stroke(dock, (4, 4))
    qtbot.wait(400)  # longer than a stroke waits to be saved
    assert said_at(project) == [0] * 3
    saving.set()
    qtbot.waitUntil(lambda: said_at(project, (4, 4)) == [PILLAR] * 3, timeout=MINUTE_MS)
    assert said_at(project) == [PILLAR] * 3 and (shown(dock)[:3, 4, 4] == PILLAR).all()
    project.labels.undo()
    assert (said_at(project), said_at(project, (4, 4))) == ([PILLAR] * 3, [0] * 3)
    project.labels.undo()
    dock.view.flush()
    assert said_at(project) == [0] * 3 and not shown(dock)[:3].any()


@pytest.mark.parametrize("how", ["closed", "cancelled", "undone", "refused"])
def test_a_stroke_through_many_slices_is_never_lost(
    how: str, tools: LabellingTools, dock: Any, qtbot: Any, project: Project, saving: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    stroke(dock)
    qtbot.waitUntil(lambda: not tools.beside.idle, timeout=MINUTE_MS)
    if how == "undone":
        tools.turn(True)
        assert said_at(project) == [0] * 3 and project.labels.can_redo
        project.labels.redo()
    elif how == "closed":
        dock.close_project()
    elif how == "cancelled":
        tools.beside.cancel()
    else:
        put, left = Labels.put_made, [1]

        def refuse(*args: Any) -> None:
            if left and left.pop():
                raise ProjectError("The disk is full.")
            put(*args)

        monkeypatch.setattr(Labels, "put_made", refuse)
    saving.set()
    qtbot.waitUntil(lambda: said_at(project) == [PILLAR] * 3, timeout=MINUTE_MS)
    assert (Project.open(project.path).labels.get(KEYS[2])[15, 15]) == PILLAR


def test_what_another_program_labels_while_many_slices_are_saved_stays(
    tools: LabellingTools, dock: Any, qtbot: Any, project: Project, saving: threading.Event
) -> None:
    stroke(dock)
    qtbot.waitUntil(lambda: not tools.beside.idle, timeout=MINUTE_MS)
    other = np.zeros((24, 20), np.uint8)
    other[2, 2] = VOID
    Project.open(project.path).labels.put(KEYS[1], other)
    stroke(dock, (4, 4))
    saving.set()
    qtbot.waitUntil(lambda: said_at(project, (4, 4)) == [PILLAR] * 3, timeout=MINUTE_MS)
    qtbot.waitUntil(lambda: tools.beside.idle, timeout=MINUTE_MS)
    assert said_at(project) == [PILLAR] * 3 and said_at(project, (2, 2)) == [0, VOID, 0]
    assert shown(dock)[1, 2, 2] == VOID and shown(dock)[1, 4, 4] == PILLAR


@pytest.mark.parametrize("closes", [False, True])
def test_a_finding_over_many_slices_is_taken_over_by_a_worker_as_one_step(
    closes: bool, tools: LabellingTools, dock: Any, qtbot: Any, project: Project, saving: threading.Event
) -> None:
    label = np.full((24, 20), VOID, np.uint8)
    asked = Putting.of(
        project.labels.desk(), dict.fromkeys(KEYS, label), Provenance.ACCEPTED, "accepted doubt in"
    )
    told: list[str] = []
    dock.view.strokes.turns.put(asked, lambda: told.append("done"), lambda error: told.append(str(error)))
    qtbot.waitUntil(lambda: not tools.beside.idle, timeout=MINUTE_MS)
    assert not any(map(project.labels.holds, KEYS)) and told == []
    if closes:
        dock.close_project()
    saving.set()
    qtbot.waitUntil(lambda: told == ["done"], timeout=MINUTE_MS)
    assert (stored(project) == VOID).all()
    assert all(project.labels.record(k).provenance is Provenance.ACCEPTED for k in KEYS)
    project.labels.undo()
    assert not any(map(project.labels.holds, KEYS))
