"""A commit runs where the window is drawn: whatever takes time has been done, and written, on the worker before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from builders import add_cycle, add_scan
from voidscope.errors import StaleResult
from voidscope.jobs import Job, execute
from voidscope.project import Project, atomic, results
from voidscope.vocabulary import Plane, SliceKey
from voidscope.volume import Dataset, read_scan
from voidscope.workflow import (
    add_dataset,
    add_scans,
    asking,
    evaluate,
    extrude,
    interpolate,
    promote,
    segment,
    turn,
)


@pytest.fixture
def modelled(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with a model that sees solder everywhere."""

    def predicting(cycle: object, reader: Any, keys: Any, *rest: object) -> Iterator[tuple[Any, Any]]:
        for key in keys:
            shape = reader.records[key.scan].slice_shape
            yield (
                key,
                SimpleNamespace(
                    mask=np.full(shape, 3, np.uint8),
                    entropy=np.zeros(shape, np.float16),
                    suspects=None,
                    views=None,
                ),
            )

    monkeypatch.setattr(asking, "_predicting", predicting)
    add_cycle(project)
    return project


def stepped(job: Job[Any, Any]) -> Any:
    """The result of a job's steps, not committed yet."""
    steps = job.steps()
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def left_over(project: Project) -> list[Path]:
    return list(project.path.rglob("*.tmp"))


@pytest.mark.parametrize("verb", [segment, evaluate])
def test_a_commit_compresses_nothing_and_writes_no_mask(
    verb: Any, modelled: Project, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = segment(modelled) if verb is segment else evaluate(modelled, dataset)
    found = stepped(job)
    assert not modelled.is_segmented("c")
    written: list[int] = []
    sync = atomic._write_synced

    def counted(path: Path, data: bytes) -> None:
        written.append(len(data))
        sync(path, data)

    monkeypatch.setattr(results, "tiff_bytes", None)
    monkeypatch.setattr(atomic, "_write_synced", counted)
    job.commit(found)
    assert len(written) == (verb is evaluate)  # its figures
    assert (Project.open(modelled.path).mask("c") == 3).all()
    assert left_over(modelled) == []


def test_of_a_job_that_is_cancelled_or_refused_nothing_is_left(modelled: Project) -> None:
    steps = segment(modelled, ["a", "b"]).steps()
    for _ in range(9):
        next(steps)
    assert len(left_over(modelled)) == 4  # mask and its hash, entropy and findings of scan a
    steps.close()
    del steps
    job = segment(modelled, ["a"])
    found = stepped(job)
    add_cycle(modelled)
    with pytest.raises(StaleResult, match="no longer the current model"):
        job.commit(found)
    del job, found
    assert left_over(modelled) == []
    assert not list(modelled.path.rglob("masks/*.tif"))


def test_a_spacing_typed_in_meanwhile_is_that_of_the_mask(modelled: Project) -> None:
    job = segment(modelled, ["a"])
    found = stepped(job)
    modelled.set_spacing("a", (3.0, 2.0, 3.0))
    job.commit(found)
    assert read_scan(modelled.mask_path("a")).spacing_um == pytest.approx((3.0, 2.0, 3.0))


def test_a_mask_along_a_plane_that_is_no_longer_the_scans_is_refused(modelled: Project) -> None:
    job = segment(modelled, ["a"])
    found = stepped(job)
    add_scan(modelled, Path(modelled.scan("a").path), plane=Plane.AXIS0)
    with pytest.raises(StaleResult, match=r"a is cut along axis0 now.*Segment again"):
        job.commit(found)
    assert not modelled.is_segmented("a")


JOBS = {
    "evaluate": lambda project, dataset: evaluate(project, dataset),
    "promote": lambda project, dataset: promote(project, dataset, "it sees no void"),
    "add_scans": lambda project, dataset: add_scans(project, [dataset.folder / "a.tif"]),
    "add_dataset": lambda project, dataset: add_dataset(project, dataset),
    "segment": lambda project, dataset: segment(project),
    "interpolate": lambda project, dataset: interpolate(project, KEY),
    "extrude": lambda project, dataset: extrude(project, SliceKey("a", 0), 3),
    "undo": lambda project, dataset: turn(project, project.labels.turning(back=True)),
}
KEY = SliceKey("a", 1)


@pytest.mark.parametrize("verb", JOBS)
def test_the_steps_of_a_job_touch_nothing_of_the_live_project(
    verb: str, modelled: Project, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    if verb == "promote":
        execute(segment(modelled))
    if verb in ("interpolate", "extrude", "undo"):
        modelled.labels.put_all({SliceKey("a", k): np.full((24, 20), 3, np.uint8) for k in (0, 4)})
    job = JOBS[verb](modelled, dataset)
    for name in ("scans", "scan", "labels", "classes", "cycle", "path", "config"):
        monkeypatch.setattr(
            Project, name, property(lambda self: pytest.fail("the project was asked")), raising=False
        )
    stepped(job)
