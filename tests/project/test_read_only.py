"""A project in a folder that cannot be written, on a disk and not by a patch: everything can be read, nothing is lost or half done."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from builders import SHAPE, add_cycle, add_scan, read_only, set_prediction, write_scan
from voidscope.acquisition import Suggestion
from voidscope.errors import ProjectError
from voidscope.jobs import execute
from voidscope.project import Project
from voidscope.vocabulary import ClassMap, SliceKey
from voidscope.workflow import measure

KEY = SliceKey("a", 1)
LABEL = np.full((6, 5), 3, np.uint8)
SAID = r"Cannot write .*Permission denied.*make the folder writable or free space"


def add_model(project: Project) -> None:
    model, mask = add_cycle(project).id, np.full(SHAPE, 4, np.uint8)
    set_prediction(project, model, "a", mask, np.zeros(SHAPE, np.float16))


def suggest_one(project: Project) -> None:
    project.queue.put([Suggestion(KEY, 1, 0.9, 1.0, 0.1, 2.0, (1, 2), "rareness")])


WRITES: dict[str, Callable[[Project], object]] = {
    "label": lambda p: p.labels.put(KEY, np.ones((6, 5), np.uint8)),
    "first label of a scan": lambda p: p.labels.put(SliceKey("b", 0), LABEL),
    "erase": lambda p: p.labels.remove(KEY),
    "undo": lambda p: p.labels.undo(),
    "settings": lambda p: p.set_config(p.config.with_changes(["seed=7"])),
    "spacing": lambda p: p.set_spacing("a", (1.0, 1.0, 1.0)),
    "remove a scan": lambda p: p.remove("a"),
    "suggest": suggest_one,
    "train": add_model,
    "measure": lambda p: execute(measure(p, ["a"])),
}


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user can look into, as those of pytest are not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def state(folder: Path) -> dict[str, str]:
    """What lies in a folder."""
    inside = (p for p in folder.rglob("*") if p.is_file())
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in inside}


def test_a_project_in_a_read_only_folder_can_be_read_and_refuses_every_change(place: Path) -> None:
    project = Project.create(place / "project", ClassMap.hbm())
    for name in "ab":
        add_scan(project, write_scan(place / f"{name}.tif"))
    project.labels.put(KEY, LABEL)
    add_model(project)
    execute(measure(project, ["a"]))
    for name, write in WRITES.items():  # each of them does write, where it may
        shutil.copytree(place / "project", place / name)
        write(Project.open(place / name))
        assert state(place / name) != state(place / "project"), name
        shutil.rmtree(place / name)
    leftover = project.path / ".project.json.0123abcd.tmp"
    leftover.write_text("of a killed program")
    os.utime(leftover, (0, 0))
    before = state(place)
    with read_only(place):
        again = Project.open(project.path)
        for name, write in WRITES.items():
            with pytest.raises(ProjectError, match=SAID):
                write(again)
                pytest.fail(f"{name} was not refused")
            assert (again.labels.keys(), tuple(again.scans)) == ((KEY,), ("a", "b")), name
            assert np.array_equal(again.labels.get(KEY), LABEL), name
        again.catch_up()
        assert again.labels.can_undo and again.config == project.config
        assert again.mask("a") is not None and again.report is not None and again.suggestions == ()
        assert again.image(KEY).shape == (6, 5)
    assert state(place) == before
