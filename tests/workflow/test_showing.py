"""A verb opens no scan when it is called, on the window's thread: its job does."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from builders import add_cycle, set_prediction
from voidscope.errors import ProjectError
from voidscope.jobs import Job, execute
from voidscope.project import Project, scans
from voidscope.vocabulary import SliceKey
from voidscope.volume import Volume
from voidscope.workflow import (
    evaluate,
    interpolate_scan,
    measure,
    open_scan,
    pretrain,
    review,
    segment,
    suggest,
    train,
)

VERBS: dict[str, Callable[[Project], Job[Any, Any]]] = {
    "pretrain": pretrain, "train": train, "fine-tune": lambda project: train(project, warm=True), "suggest": suggest, "segment": segment,
    "evaluate": evaluate, "measure": lambda project: measure(project, ["a"]), "review": review,
    "interpolate": lambda project: interpolate_scan(project, "a"), "open": lambda project: open_scan(project, "a"),
}  # fmt: skip


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the scans that are opened from now on."""
    found: list[str] = []
    read = scans.read_scan

    def noted(path: Path, **said: Any) -> Volume:
        found.append(path.stem)
        return read(path, **said)

    monkeypatch.setattr(scans, "read_scan", noted)
    return found


@pytest.fixture
def fresh(project: Project) -> Project:
    """A project with labels, a model and masks, opened just now."""
    shape = project.scan("a").slice_shape
    random = np.random.default_rng(0)
    for key in (SliceKey(scan, index) for scan in "ab" for index in (0, 2, 4)):
        project.labels.put(key, random.integers(1, 5, shape))
    cycle = add_cycle(project)
    project.labels.put(SliceKey("c", 1), random.integers(1, 5, shape))
    for scan in "abc":
        mask = np.full(project.scan(scan).shape, 1, np.uint8)
        set_prediction(project, cycle.id, scan, mask, np.zeros(mask.shape, np.float16))
    return Project.open(project.path)


@pytest.mark.parametrize("verb", VERBS)
def test_no_scan_is_opened_before_the_job_runs(verb: str, fresh: Project, opened: list[str]) -> None:
    VERBS[verb](fresh)
    assert opened == []


def test_a_scan_that_a_job_has_opened_stays_open_for_the_window(fresh: Project, opened: list[str]) -> None:
    reader = fresh.reader(["a", "b"])
    reader.image(SliceKey("a", 1))
    reader.image(SliceKey("a", 2))
    assert opened == ["a"] and fresh.volume("a") is reader.volume("a")
    assert opened == ["a"] and not fresh.memory.is_at_hand("b")


def test_a_scan_that_is_gone_is_refused_at_once_and_one_that_was_replaced_when_it_is_read(
    fresh: Project, opened: list[str]
) -> None:
    Path(fresh.scan("b").path).unlink()
    with pytest.raises(ProjectError, match="The file of b is gone"):
        fresh.reader(["a", "b"])
    reader, path = fresh.reader(["a"]), Path(fresh.scan("a").path)
    path.write_bytes(Path(fresh.scan("c").path).read_bytes()[:-7])
    with pytest.raises(Exception, match="Cannot read"):
        reader.image(SliceKey("a", 1))


def test_a_measurement_tells_what_the_files_say_of_how_they_were_taken(
    fresh: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = scans.read_scan
    monkeypatch.setattr(scans, "read_scan", lambda *a, **k: replace(read(*a, **k), metadata={"kV": "80"}))
    report = execute(measure(fresh, ["a"]))
    assert report.provenance["scan_settings"] == {"a": {"kV": "80"}}


def test_a_reader_in_another_process_opens_its_files_again(fresh: Project, opened: list[str]) -> None:
    reader = fresh.reader(["a"])
    image = reader.image(SliceKey("a", 3))
    again = pickle.loads(pickle.dumps(reader))
    assert opened == ["a"]
    assert (again.image(SliceKey("a", 3)) == image).all() and opened == ["a", "a"]


def test_the_segmentation_of_one_scan_is_called_by_its_name(fresh: Project) -> None:
    """So that the one that is done is told from the next, which begins at once."""
    assert segment(fresh, ["a"]).title == "Segmenting a"
    assert segment(fresh, ["a", "b"]).title == "Segmenting"
