"""Undo and redo: every label change, across slices and scans, after a restart, and never over somebody else's work."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from voidscope.errors import LabelError, ProjectError
from voidscope.project import LabelRecord, Project, atomic, drafting, import_labels, journal, label_folder
from voidscope.project.journal import Change, Journal
from voidscope.project.label_files import PackedLabel, encode
from voidscope.vocabulary import Provenance, SliceKey

KEY, FAR = SliceKey("a", 2), SliceKey("b", 1)


class Killed(BaseException):
    """The end of the process, where a test cannot do with it."""


def killed(*_: Any, **__: Any) -> None:
    raise Killed


def some_mask(seed: int = 0, low: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(low, 6, (6, 5), dtype=np.uint8)


State = dict[SliceKey, tuple[bytes, LabelRecord]]


def state(project: Project) -> State:
    """Everything that is said, verified or not; saying the same again a second later is no change."""
    store = project.labels
    held = (*store.keys(), *store.unverified)
    records = {k: dataclasses.replace(store.record(k), time="") for k in held}
    return {k: (m.tobytes(), record) for k, record in records.items() if (m := store.get(k)) is not None}


def scribble(project: Project, rng: np.random.Generator) -> None:
    """Some change of some slice, as a person might make it."""
    key = SliceKey("ab"[rng.integers(2)], int(rng.integers(4)))
    act = int(rng.integers(5))
    if act == 0:
        project.labels.remove(key)
    elif act == 1 and not project.labels.holds(key):
        project.labels.put_all({key: some_mask(int(rng.integers(99)), 1)}, Provenance.PROPAGATED)
    elif act == 2 and key in project.labels.unverified:
        project.labels.accept(key)
    else:
        provenance = (Provenance.DRAWN, Provenance.ACCEPTED, Provenance.IMPORTED)[rng.integers(3)]
        project.labels.put(key, some_mask(int(rng.integers(99))), provenance)


def test_a_hundred_and_twenty_steps_are_undone_and_redone_across_a_restart(project: Project) -> None:
    rng = np.random.default_rng(3)
    states = [state(project)]
    while len(states) < 121:
        scribble(project, rng)
        if state(project) != states[-1]:
            states.append(state(project))
    again = Project.open(project.path)
    for before in states[-2::-1]:
        done = again.labels.undo()
        assert done is not None
        assert done.kept == ()
        assert state(again) == before
    assert again.labels.undo() is None
    third = Project.open(project.path)
    for after in states[1:]:
        third.labels.redo()
        assert state(third) == after
    assert third.labels.redo() is None


def test_an_undo_says_what_it_did_and_every_slice_is_told(project: Project) -> None:
    project.labels.put(KEY, some_mask(0))
    project.labels.put(FAR, some_mask(1, 1), Provenance.ACCEPTED)
    told: list[tuple[SliceKey, ...]] = []
    project.events.labels_changed.connect(told.append)
    done = project.labels.undo()
    assert done is not None
    assert str(done) == "undid: accepted b/0001"
    assert str(project.labels.redo()) == "redid: accepted b/0001"
    assert told == [(FAR,), (FAR,)]


def test_taking_an_acceptance_back_makes_the_label_drawn_again(project: Project) -> None:
    project.labels.put(KEY, some_mask(0), author="ana")
    before = project.labels.record(KEY)
    project.labels.put(KEY, some_mask(1, 1), Provenance.ACCEPTED)
    assert project.labels.record(KEY).proposed
    project.labels.undo()
    assert project.labels.record(KEY) == before
    assert Project.open(project.path).labels.record(KEY) == before


def test_a_whole_import_is_one_step(project: Project) -> None:
    project.labels.put(SliceKey("a", 3), some_mask(5))
    ids = np.random.default_rng(0).integers(0, 5, (6, 4, 5))
    import_labels(project, "a", ids, overwrite=True)
    assert len(project.labels) == 4
    assert str(project.labels.undo()) == "undid: imported a/0000 and 3 more"
    assert state(project).keys() == {SliceKey("a", 3)}
    assert (project.labels.get(SliceKey("a", 3)) == some_mask(5)).all()


def test_what_only_becomes_unlabelled_was_erased(project: Project) -> None:
    project.labels.put(KEY, some_mask(0, 1))
    part = some_mask(0, 1)
    part[:3] = 0
    project.labels.put(KEY, part)
    assert str(project.labels.undo()) == "undid: erased a/0002"
    project.labels.remove(KEY)
    assert str(project.labels.undo()) == "undid: erased a/0002"
    assert (project.labels.get(KEY) == some_mask(0, 1)).all()


def test_a_new_change_leaves_nothing_to_redo(project: Project) -> None:
    project.labels.put(KEY, some_mask(0))
    project.labels.put(KEY, some_mask(1))
    project.labels.undo()
    assert project.labels.can_redo
    project.labels.put(FAR, some_mask(2))
    assert not project.labels.can_redo
    assert project.labels.redo() is None
    assert str(project.labels.undo()) == "undid: painted b/0001"
    assert str(project.labels.undo()) == "undid: painted a/0002"
    assert not project.labels.can_undo


def test_saying_the_same_again_is_no_step(project: Project) -> None:
    project.labels.put(KEY, some_mask(0))
    project.labels.put(KEY, some_mask(0))
    project.labels.remove(FAR)
    project.labels.undo()
    assert not project.labels.can_undo


def overwrite(project: Project, key: SliceKey, mask: np.ndarray) -> None:
    """What a program does that knows label files but no journal."""
    record = LabelRecord.of(mask, 5, Provenance.DRAWN, author="bob")
    (project.path / "labels" / key.scan / f"{key.index:04d}.tif").write_bytes(encode(key, mask, record))


def test_a_label_changed_by_another_program_is_left_and_named(project: Project) -> None:
    project.labels.put(FAR, some_mask(9))
    project.labels.put_all({KEY: some_mask(0), SliceKey("a", 3): some_mask(1)})
    overwrite(project, KEY, some_mask(7))
    done = project.labels.undo()
    assert done is not None
    assert (done.keys, done.kept) == ((SliceKey("a", 3),), (KEY,))
    assert str(done) == (
        "undid: painted a/0003. a/0002 was changed by another program since; it is left as it is"
    )
    assert (project.labels.get(KEY) == some_mask(7)).all()
    project.labels.redo()
    assert (project.labels.get(KEY) == some_mask(7)).all()
    project.labels.undo()
    assert str(project.labels.undo()) == "undid: painted b/0001"


def test_a_label_taken_away_by_another_program_stays_away(project: Project) -> None:
    project.labels.put(KEY, some_mask(0))
    project.labels.put(KEY, some_mask(1))
    (project.path / "labels" / "a" / "0002.tif").unlink()
    done = project.labels.undo()
    assert done is not None
    assert (done.keys, done.kept) == ((), (KEY,))
    assert not project.labels.holds(KEY)


def test_a_proposal_that_another_program_has_painted_on_is_not_dropped(project: Project) -> None:
    project.labels.put(KEY, some_mask(1, 1), Provenance.PROPAGATED)
    window, other = Project.open(project.path), Project.open(project.path)
    theirs = some_mask(2, 1)
    other.labels.put(KEY, theirs)
    with pytest.raises(LabelError, match="another program has labelled it"):
        window.labels.reject(KEY)
    assert np.array_equal(window.labels.get(KEY), theirs) and KEY in window.labels
    window = Project.open(project.path)
    other.labels.put(KEY, some_mask(3, 1))
    window.labels.remove(KEY)  # erasing is meant whatever is there, and can be taken back
    assert not window.labels.holds(KEY)
    assert str(window.labels.undo()) == "undid: erased a/0002"
    assert np.array_equal(window.labels.get(KEY), some_mask(3, 1))


def test_what_a_terminal_did_is_undone_in_the_window_too(project: Project) -> None:
    project.labels.put(KEY, some_mask(0))
    other = Project.open(project.path)
    other.labels.put(FAR, some_mask(1), Provenance.IMPORTED)
    assert str(project.labels.undo()) == "undid: imported b/0001"
    assert FAR not in project.labels
    other.catch_up()
    assert FAR not in other.labels


def test_the_step_of_someone_else_names_them(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "user", lambda: "zoe")
    project.labels.put(KEY, some_mask(0))
    assert str(project.labels.undo()) == "undid: painted a/0002 by zoe"


def test_the_journal_is_bounded_and_keeps_the_newest(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "MAX_STEPS", 3)
    for seed in range(6):
        project.labels.put(KEY, some_mask(seed))
    assert len(list((project.path / "undo").iterdir())) == 3
    for _ in range(3):
        project.labels.undo()
    assert (project.labels.get(KEY) == some_mask(2)).all()
    assert not project.labels.can_undo
    monkeypatch.setattr(journal, "MAX_BYTES", 10)
    monkeypatch.setattr(journal, "LEAST_STEPS", 2)
    project.labels.put(KEY, some_mask(8))
    project.labels.put(KEY, some_mask(9))
    assert len(list((project.path / "undo").iterdir())) == 2


def test_one_import_larger_than_the_journal_takes_no_earlier_step_away(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(99):
        project.labels.put(KEY, some_mask(seed))
    monkeypatch.setattr(journal, "MAX_BYTES", 10)
    import_labels(project, "b", np.random.default_rng(0).integers(0, 5, (6, 4, 5)))
    undone = 0
    while project.labels.undo() is not None:
        undone += 1
    assert undone == 100 and len(project.labels) == 0


def test_a_small_stroke_on_a_large_slice_is_a_small_step(tmp_path: Path) -> None:
    was = np.random.default_rng(0).integers(1, 6, (2048, 2048), dtype=np.uint8)
    became = was.copy()
    became[1000:1020, 40:60] = 0
    records = [LabelRecord.of(m, 5, Provenance.DRAWN) for m in (was, became)]
    change = Change.between(KEY, records[0], was, records[1], became)
    path = Journal(tmp_path).append("painted", [change])
    assert path.stat().st_size < 2_000
    (again,) = Journal(tmp_path).read(path).changes
    assert (again.apply(became, back=True) == was).all()
    assert (again.apply(was, back=False) == became).all()
    assert dataclasses.replace(again, was=None, became=None) is not None
    assert (again.before, again.after) == (records[0], records[1])


def test_a_damaged_step_is_named_given_up_and_the_older_ones_are_intact(project: Project) -> None:
    for seed in range(3):
        project.labels.put(KEY, some_mask(seed))
    path = max((project.path / "undo").iterdir())
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ProjectError, match=f"{path.name} is damaged"):
        project.labels.undo()
    assert (project.labels.get(KEY) == some_mask(2)).all()
    done = project.labels.undo()
    assert done is not None
    assert done.kept == (KEY,)  # what lay between is not known any more: better left than guessed


@pytest.mark.parametrize("refused", ["journal", "label"])
def test_what_the_disk_refuses_changes_nothing_and_is_no_step(
    project: Project, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    project.labels.put(KEY, some_mask(0))
    project.labels.put(KEY, some_mask(1))
    project.labels.undo()

    def full(*_: Any) -> None:
        raise ProjectError("Cannot write: No space left on device.")

    with monkeypatch.context() as patch:
        patch.setattr({"journal": journal, "label": drafting}[refused], "Draft", SimpleNamespace(of=full))
        with pytest.raises(ProjectError, match="No space left"):
            project.labels.put(KEY, some_mask(2))
    assert (Project.open(project.path).labels.get(KEY) == some_mask(0)).all()
    assert str(project.labels.redo()) == "redid: painted a/0002"
    assert (project.labels.get(KEY) == some_mask(1)).all()


@pytest.mark.parametrize("turn", ["do", "undo", "redo"])
def test_of_a_step_that_is_refused_half_way_what_was_done_is_told_and_can_be_undone(
    project: Project, monkeypatch: pytest.MonkeyPatch, turn: str
) -> None:
    keys, told = [KEY, FAR], []
    project.labels.put_all(dict.fromkeys(keys, some_mask(0)))
    acts = {
        "do": lambda: project.labels.put_all(dict.fromkeys(keys, some_mask(1))),
        "undo": project.labels.undo,
        "redo": project.labels.redo,
    }
    for before in {"do": (), "undo": ("do",), "redo": ("do", "undo")}[turn]:
        acts[before]()
    project.events.labels_changed.connect(told.extend)
    replaced = Path.replace

    def refused(self: Path, to: Path) -> Path:
        if told_off := to.suffix == ".tif":
            tried.append(to)
        if told_off and len(tried) == 2:
            raise OSError(5, "Input/output error")
        return replaced(self, to)

    tried: list[Path] = []
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", refused)
        with pytest.raises(ProjectError, match="Input/output error"):
            acts[turn]()
    assert len(told) == 1
    became = some_mask(0 if turn == "undo" else 1)
    assert (project.labels.get(told[0]) == became).all()
    project.labels.undo()
    assert all((project.labels.get(k) == some_mask(0)).all() for k in keys)


def test_killed_between_step_and_label_the_next_undo_reaches_the_one_before(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.labels.put(KEY, some_mask(0))
    project.labels.put(FAR, some_mask(1))
    with monkeypatch.context() as patch:
        patch.setattr(label_folder, "keep_all", killed)
        with pytest.raises(Killed):
            project.labels.put(KEY, some_mask(2))
    again = Project.open(project.path)
    assert (again.labels.get(KEY) == some_mask(0)).all()
    assert str(again.labels.undo()) == "undid: painted b/0001"


def test_killed_between_label_and_mark_an_undo_is_done_once(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.labels.put(KEY, some_mask(0))
    project.labels.put(KEY, some_mask(1))
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "turned", killed)
        with pytest.raises(Killed):
            project.labels.undo()
    again = Project.open(project.path)
    assert (again.labels.get(KEY) == some_mask(0)).all()
    assert str(again.labels.undo()) == "undid: painted a/0002"
    assert KEY not in again.labels
    again.labels.redo()
    again.labels.redo()
    assert (again.labels.get(KEY) == some_mask(1)).all()


@pytest.mark.parametrize(("room", "write"), [(label_folder, "keep_all"), (Journal, "turned")])
def test_killed_within_a_redo_the_history_still_leads_back(
    project: Project, monkeypatch: pytest.MonkeyPatch, room: Any, write: str
) -> None:
    project.labels.put(KEY, some_mask(0))
    project.labels.put(KEY, some_mask(1))
    project.labels.undo()
    with monkeypatch.context() as patch:
        patch.setattr(room, write, killed)
        with pytest.raises(Killed):
            project.labels.redo()
    again = Project.open(project.path)
    assert (again.labels.get(KEY) == some_mask(0)).all()
    assert str(again.labels.undo()) == "undid: painted a/0002"
    assert KEY not in again.labels
    again.labels.redo()
    again.labels.redo()
    assert (again.labels.get(KEY) == some_mask(1)).all()


def test_killed_right_after_a_change_what_was_undone_before_it_does_not_come_back(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.labels.put(KEY, some_mask(0))
    project.labels.put(KEY, some_mask(1))
    project.labels.undo()
    with monkeypatch.context() as patch:
        patch.setattr(label_folder, "keep_all", killed)
        with pytest.raises(Killed):
            project.labels.put(FAR, some_mask(2))
    again = Project.open(project.path)
    again.labels.undo()
    while (done := again.labels.redo()) is not None:
        assert done.kept == ()
    assert (again.labels.get(KEY) == some_mask(0)).all()
    assert (again.labels.get(FAR) == some_mask(2)).all()


def test_a_redo_that_the_disk_refuses_can_be_done_again(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any) -> None:
        raise ProjectError("full")

    project.labels.put(KEY, some_mask(0))
    project.labels.put(KEY, some_mask(1))
    project.labels.undo()
    with monkeypatch.context() as patch:
        patch.setattr(drafting, "Draft", SimpleNamespace(of=refused))
        with pytest.raises(ProjectError, match="full"):
            project.labels.redo()
    assert (project.labels.get(KEY) == some_mask(0)).all()
    assert str(project.labels.redo()) == "redid: painted a/0002"
    assert (project.labels.get(KEY) == some_mask(1)).all()


ACT = """
import sys, numpy as np
from voidscope.project import Project
from voidscope.vocabulary import Provenance, SliceKey

def act(project, n, ahead=False):
    labels = project.labels
    if n % 7 in (4, 5, 6):
        turning = labels.turning(back=n % 7 != 6)
        made = {c.key: turning.desk.turned(c, turning.back)[1] for c in turning.step.changes if ahead} if turning else {}
        if turning:
            labels.turn(turning, {k: m for k, m in made.items() if m})
    else:
        masks = {SliceKey("a", (n + k) % 4): np.full((6, 5), (n + k) % 5 + 1, np.uint8) for k in range(n % 3 + 1)}
        drawn = (Provenance.DRAWN, False, False)
        made = {k: labels.desk().labelled(k, mask, drawn) for k, mask in masks.items() if ahead}
        labels.put_all(masks, ahead=made)
"""
WRITER = f"""{ACT}
project, ahead = Project.open(sys.argv[1]), sys.argv[2] == "True"
print("ready", flush=True)
for n in range(1, 100_000):
    act(project, n, ahead)
    print(n, flush=True)
"""


def said(project: Project) -> dict[SliceKey, bytes]:
    return {key: mask for key, (mask, _) in state(project).items()}


@pytest.mark.skipif(os.name == "nt", reason="kills with SIGKILL")
@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize("delay_s", [0.03, 0.09, 0.2])
def test_killing_the_process_loses_no_acknowledged_step_and_leaves_a_history_that_leads_back(
    project: Project, tmp_path: Path, delay_s: float, ahead: bool
) -> None:
    command = [sys.executable, "-c", WRITER, str(project.path), str(ahead)]
    twin = Project.open(shutil.copytree(project.path, tmp_path / "twin"))
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    assert writer.stdout.readline() == "ready\n"
    told = [writer.stdout.readline()]
    time.sleep(delay_s)
    writer.send_signal(signal.SIGKILL)
    told += writer.stdout.readlines()
    writer.wait()

    room: dict[str, Any] = {}
    exec(ACT, room)  # the writer's own steps, on a project that nobody kills
    acknowledged = int(told[-1]) if told[-1].endswith("\n") else int(told[-2])
    states = []
    for n in range(1, acknowledged + 2):
        room["act"](twin, n)
        states.append(said(twin))
    again = Project.open(project.path)
    found, before, after = said(again), states[-2], states[-1]
    for key in (SliceKey("a", k) for k in range(4)):
        assert found.get(key) in (before.get(key), after.get(key))

    for turn in (again.labels.undo, again.labels.redo, again.labels.undo):
        while (done := turn()) is not None:
            assert done.kept == ()
    assert state(again) == {}


def test_a_step_over_many_slices_syncs_their_folder_once_and_reads_each_label_at_most_once(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    read: list[SliceKey] = []
    sync, unpack = atomic.sync_folder, PackedLabel.mask
    monkeypatch.setattr(atomic, "sync_folder", lambda folder: (synced.append(folder), sync(folder)))
    monkeypatch.setattr(PackedLabel, "mask", lambda label: (read.append(label.key), unpack(label))[1])
    masks = {SliceKey("a", k): some_mask(k) for k in range(1, 4)}
    heard: list[np.ndarray | None] = []
    project.events.labels_changed.connect(lambda keys: heard.extend(project.labels.get(k) for k in keys))
    for act, most in (
        (lambda: project.labels.put_all(masks, Provenance.PROPAGATED), 0),
        (project.labels.undo, 1),
        (project.labels.redo, 0),
    ):
        for seen in (synced, read, heard):
            seen.clear()
        act()
        assert synced.count(project.path / "labels" / "a") == 1
        assert sorted(read) == sorted([*masks] * most)
        there = [None if act == project.labels.undo else mask for mask in masks.values()]
        assert all(
            h is t is None or (h is not None and (h == t).all()) for h, t in zip(heard, there, strict=True)
        )
    heard[0][:] = 0  # a listener may paint on what it got
    project.labels.catch_up()
    assert all((project.labels.get(k) == mask).all() for k, mask in masks.items())
