"""Labels: on disk when the call returns, checked when read, never half written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from voidscope.errors import LabelError, ProjectError
from voidscope.project import Project
from voidscope.vocabulary import Provenance, SliceKey

KEY = SliceKey("a", 2)


def some_mask(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 6, (6, 5), dtype=np.uint8)


def test_a_label_is_on_disk_when_put_returns(project: Project) -> None:
    project.labels.put(KEY, some_mask(), Provenance.DRAWN, author="ana")
    again = Project.open(project.path)
    assert again.labels.keys() == (KEY,)
    assert (again.labels.get(KEY) == some_mask()).all()
    assert again.labels.record(KEY).author == "ana"
    assert again.labels.record(KEY).provenance is Provenance.DRAWN


@pytest.mark.parametrize("dtype", [np.float64, np.bool_])
def test_a_mask_that_holds_no_whole_numbers_is_refused(dtype: type, project: Project) -> None:
    with pytest.raises(
        LabelError, match=f"label of a/0002 is {np.dtype(dtype)}; class ids are whole numbers"
    ):
        project.labels.put(KEY, some_mask().astype(dtype))
    assert len(project.labels) == 0


def test_counts_are_the_labelled_pixels_per_class(project: Project) -> None:
    project.labels.put(KEY, some_mask(0))
    project.labels.put(SliceKey("b", 0), some_mask(1))
    both = np.concatenate([some_mask(0).ravel(), some_mask(1).ravel()])
    expected = [int((both == c).sum()) for c in range(1, 6)]
    assert project.labels.counts().tolist() == expected == Project.open(project.path).labels.counts().tolist()


def test_every_change_is_told(project: Project) -> None:
    told: list[tuple[SliceKey, ...]] = []
    project.events.labels_changed.connect(told.append)
    project.labels.put(KEY, some_mask())
    project.labels.put(KEY, np.zeros((6, 5), np.uint8))
    assert told == [(KEY,), (KEY,)]
    assert KEY not in project.labels
    assert project.labels.get(KEY) is None


def test_a_step_over_many_slices_is_told_once_when_all_of_it_is_on_disk(project: Project) -> None:
    keys = tuple(SliceKey("a", k) for k in range(3))
    other, told = Project.open(project.path), []
    project.events.labels_changed.connect(lambda some: told.append((some, project.labels.keys())))
    project.labels.put_all({key: some_mask() for key in keys})
    project.labels.undo()
    project.labels.redo()
    assert told == [(keys, keys), (keys, ()), (keys, keys)]
    seen: list[tuple[SliceKey, ...]] = []
    other.events.labels_changed.connect(seen.append)
    other.labels.catch_up()
    other.labels.catch_up()
    assert seen == [keys]


def test_removing_an_unlabelled_slice_changes_nothing(project: Project) -> None:
    project.labels.remove(KEY)
    assert len(project.labels) == 0


@pytest.mark.parametrize(
    ("mask", "reason"),
    [
        (np.ones((5, 6), np.uint8), r"a/0002 is \(5, 6\); the slice is \(6, 5\)"),
        (np.full((6, 5), 6), r"ids 6\.\.6; classes are 0\.\.5"),
        (np.full((6, 5), -1), r"ids -1\.\.-1"),
    ],
)
def test_a_label_that_does_not_fit_is_refused(project: Project, mask: np.ndarray, reason: str) -> None:
    with pytest.raises(LabelError, match=reason):
        project.labels.put(KEY, mask)
    assert len(project.labels) == 0


@pytest.mark.parametrize("key", [SliceKey("nowhere", 0), SliceKey("a", 4), SliceKey("a", -1)])
def test_a_label_of_no_slice_is_refused(project: Project, key: SliceKey) -> None:
    with pytest.raises(ProjectError, match="There is no"):
        project.labels.put(key, some_mask())


def test_a_changed_label_file_is_noticed(project: Project) -> None:
    project.labels.put(KEY, some_mask(0))
    path = project.path / "labels" / "a" / "0002.tif"
    other = SliceKey("a", 3)
    project.labels.put(other, some_mask(1))
    path.write_bytes((project.path / "labels" / "a" / "0003.tif").read_bytes())
    with pytest.raises(ProjectError, match="changed outside voidscope"):
        project.labels.get(KEY)


def test_a_truncated_label_file_is_named_when_the_project_opens(project: Project) -> None:
    project.labels.put(KEY, some_mask())
    path = project.path / "labels" / "a" / "0002.tif"
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(ProjectError, match=r"0002\.tif is damaged"):
        Project.open(project.path)


def test_asking_for_the_record_of_an_unlabelled_slice_names_it(project: Project) -> None:
    with pytest.raises(LabelError, match="a/0002 has no label"):
        project.labels.record(KEY)


WRITER = """
import sys, numpy as np
from pathlib import Path
from voidscope.project import Project
from voidscope.vocabulary import SliceKey
project = Project.open(sys.argv[1])
print("ready", flush=True)
n = 0
while True:
    n += 1
    mask = np.full((6, 5), n % 5 + 1, np.uint8)
    project.labels.put(SliceKey("a", n % 4), mask)
    sys.stdout.write(f"{n % 4} {n % 5 + 1}\\n"); sys.stdout.flush()
"""


@pytest.mark.skipif(os.name == "nt", reason="kills with SIGKILL")
@pytest.mark.parametrize("delay_s", [0.02, 0.05, 0.11])
def test_killing_the_process_loses_no_acknowledged_label(project: Project, delay_s: float) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(project.path)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == "ready\n"
    first = writer.stdout.readline()
    time.sleep(delay_s)
    writer.send_signal(signal.SIGKILL)
    lines = [first, *writer.stdout.read().splitlines()]
    told = [line.split() for line in lines if len(line.split()) == 2]
    writer.wait()
    labels = Project.open(project.path).labels
    last = {int(index): int(value) for index, value in told}
    newest = (len(told) + 1) % 4  # this slice may already hold the label that was not acknowledged any more
    for index, value in last.items():
        mask = labels.get(SliceKey("a", index))
        assert mask is not None
        assert index == newest or (mask == value).all()


def test_a_listener_that_fails_does_not_cut_a_step_in_two(project: Project) -> None:
    def fails(_: tuple[SliceKey, ...]) -> None:
        raise ProjectError("suggestions/0000.json is damaged")

    project.events.labels_changed.connect(fails)
    keys = [SliceKey("a", k) for k in range(3)]
    with pytest.raises(Exception, match="damaged"):
        project.labels.put_all({key: np.ones((6, 5), np.uint8) for key in keys})
    assert Project.open(project.path).labels.keys() == tuple(keys)


def test_the_order_of_keys_is_kept_until_they_change_and_right_whatever_changes(project: Project) -> None:
    labels, rng = project.labels, np.random.default_rng(0)
    for step in range(40):
        key = SliceKey("a", int(rng.integers(4)))
        how = list(Provenance)[step % len(Provenance)]
        labels.put(key, some_mask(step) * (step % 5 > 0), how)
        if step % 7 == 0:
            labels.undo()
        if step % 9 == 0 and labels.unverified:
            labels.accept(labels.unverified[0])
        said = {SliceKey("a", k) for k in range(4) if labels.holds(SliceKey("a", k))}
        assert labels.keys() == tuple(sorted(k for k in said if labels.record(k).verified))
        assert labels.unverified == tuple(sorted(said - set(labels.keys())))
        assert labels.keys() is labels.keys()
    assert project.labels.keys() == Project.open(project.path).labels.keys()
