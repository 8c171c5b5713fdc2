"""A scan that is cut along another axis: nothing that was said of its slices by number speaks of the new ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from builders import SHAPE, add_cycle, add_scan, set_prediction
from voidscope.acquisition import Finding, ScanFindings, Suggestion
from voidscope.project import Project
from voidscope.project.queue import Mark
from voidscope.vocabulary import Plane, SliceKey, Split

HERE, THERE = SliceKey("a", 1), SliceKey("b", 1)


def pick(key: SliceKey) -> Suggestion:
    return Suggestion(key, 1, None, None, None, None, None, "random")


def finding(key: SliceKey) -> Finding:
    return Finding("flicker", key, (1, 1), 1, 1.0, 4, 0)


@pytest.fixture
def asked(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A model has surveyed, segmented and queued; a person has marked and settled."""
    cycle = add_cycle(project)
    (cycle.folder / "survey.safetensors").write_bytes(b"survey")
    for scan in "ab":
        set_prediction(
            project,
            cycle.id,
            scan,
            np.ones(SHAPE, np.uint8),
            np.zeros(SHAPE, np.float16),
            ScanFindings((), (), (0,) * 4),
        )
    project.queue.put([pick(HERE), pick(THERE)])
    for key in (HERE, THERE):
        project.queue.mark(key, Mark.NEVER)
        project.queue.settle(finding(key))
    project.catch_up()
    return project


def test_another_plane_drops_what_was_said_of_slices_and_no_other_scans_masks(asked: Project) -> None:
    told: list[str] = []
    asked.events.masks_changed.connect(told.append)
    asked.events.survey_changed.connect(lambda: told.append("survey"))
    add_scan(asked, Path(asked.scan("a").path), plane=Plane.AXIS0)
    for project in (asked, Project.open(asked.path)):
        assert project.suggestions == () and project.survey is None
        assert (project.is_segmented("a"), project.is_segmented("b")) == (False, True)
        assert project.mask("a") is None and project.uncertainty("a") is None
        assert project.cycle is not None and project.cycle.findings("a") is None
        assert project.cycle.findings("b") is not None
        assert project.queue.marked() == (THERE,)
        assert (project.queue.is_settled(finding(HERE)), project.queue.is_settled(finding(THERE))) == (
            False,
            True,
        )
    assert sorted(told) == ["a", "survey"]


def test_the_same_plane_drops_nothing(asked: Project) -> None:
    add_scan(asked, Path(asked.scan("a").path), Split.TEST, Plane.AXIS1)
    assert len(asked.suggestions) == 2 and asked.is_segmented("a")
    assert asked.queue.marked() == (HERE, THERE)
    assert (asked.path / "cycles" / "0001" / "survey.safetensors").is_file()


def test_a_first_queue_goes_too(project: Project) -> None:
    project.queue.put([pick(THERE)])
    add_scan(project, Path(project.scan("a").path), plane=Plane.AXIS2)
    assert project.suggestions == ()
