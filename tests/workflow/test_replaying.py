"""The replay of random selection: what is trained on what, judged by whom, and what is kept."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from test_progressing import BATCHES, add_cycle, label
from typer.testing import CliRunner

from voidscope.cli.main import app
from voidscope.errors import NotReady, ProjectError
from voidscope.evaluation import Matrix
from voidscope.jobs import Progress, Steps, execute
from voidscope.project import Project, project_truth
from voidscope.vocabulary import ClassMap, Provenance, SliceKey
from voidscope.volume import Dataset, slice_index
from voidscope.workflow import progress, replay, replay_lacks, replaying
from voidscope.workflow.comparing import score
from voidscope.workflow.lessons import Lesson
from voidscope.workflow.replaying import Replay, ReplayPoint
from voidscope.workflow.trials import Trial


@pytest.fixture
def labelled(project: Project, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Three cycles, each with two slices more, and a held-out scan with labels; one draw a size."""
    monkeypatch.setattr(replaying, "DRAWS", 1)
    places = [("c", 0), ("c", 1)]
    for batch in ([], *BATCHES[:3]):
        for scan, index in [*places, *batch]:
            where = slice_index(project.scan(scan).plane, index)
            project.labels.put(SliceKey(scan, index), project_truth(project, dataset, scan)[where])
        places = []
        if batch:
            add_cycle(project)
    return project


@pytest.fixture
def lessons(monkeypatch: pytest.MonkeyPatch) -> list[Lesson]:
    """What was learnt from, in order."""
    seen: list[Lesson] = []
    steps = Lesson.steps

    def seeing(self: Lesson) -> Any:
        seen.append(self)
        return steps(self)

    monkeypatch.setattr(Lesson, "steps", seeing)
    return seen


@pytest.fixture
def stubbed(labelled: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Trainings that take no time, each judged as right on as many pixels as it had slices, of ten."""

    def steps(self: Lesson) -> Steps[SimpleNamespace]:
        yield Progress(0, 2)
        yield Progress(2, 2)
        return SimpleNamespace(weights=b"")

    def judge(self: Trial, weights: bytes) -> Matrix:
        right = len(self.lesson.labels)
        return np.diag([10, 10, 10, right]) + np.array([[0] * 4] * 3 + [[10 - right, 0, 0, 0]])

    monkeypatch.setattr(Lesson, "steps", steps)
    monkeypatch.setattr(Trial, "judge", judge)
    return labelled


@pytest.mark.slow
def test_both_arms_are_trained_alike_on_as_many_of_the_labelled_slices(
    labelled: Project, lessons: list[Lesson], monkeypatch: pytest.MonkeyPatch
) -> None:
    def sent(title: str, make: Callable[[], Any]) -> Any:
        return pickle.loads(pickle.dumps(make))()  # as to a process of its own

    monkeypatch.setattr("voidscope.workflow.lessons.apart", sent)
    monkeypatch.setattr(replaying, "MOST_SIZES", 2)
    found = execute(replay(labelled, elsewhere=True))
    assert [len(x.labels) for x in lessons] == [2, 2, 6]
    first, random, last = ({label.key for label in x.labels} for x in lessons)
    assert (first, last) == tuple(set(labelled.cycles[k].labelled) for k in (0, -1))
    assert random < last and random != first
    for one in lessons:
        assert one.settings.train.epochs == 1  # a third of three
        assert all((x.mask() == labelled.labels.get(x.key)).all() for x in one.labels)
        assert one.normalisation == labelled.normalisation()
    assert found.points[-1].random == found.points[-1].chosen
    assert all(0 <= v <= 1 for p in found.points for s in (*p.random, *p.chosen) for v in s if v is not None)


def test_it_outlives_the_program_and_makes_no_cycle(stubbed: Project) -> None:
    told: list[Progress] = []
    cycles = stubbed.cycles
    found = execute(replay(stubbed), told.append)
    assert [p.n_labelled for p in found.points] == [2, 4, 6]
    assert [p.spread("random") for p in found.points] == [(n / 10,) * 3 for n in (2, 4, 6)]
    assert (found.scans, found.cycle) == (("c",), 3)
    again = Project.open(stubbed.path)
    assert progress(again).replay == found and again.cycles == cycles
    assert [p.done for p in told] == sorted(p.done for p in told)
    assert told[-1].done == told[-1].total
    assert "replay: 4 random slices, 1 of 1" in {p.note for p in told}


def test_cancelled_it_leaves_the_last_one(stubbed: Project) -> None:
    class Enough(Exception):
        pass

    def stop(told: Progress) -> None:
        if told.done:
            raise Enough

    with pytest.raises(Enough):
        execute(replay(stubbed), stop)
    assert progress(stubbed).replay is None
    found = execute(replay(stubbed))
    with pytest.raises(Enough):
        execute(replay(stubbed), stop)
    assert progress(stubbed).replay == found


def test_it_is_judged_only_by_labels_no_model_had_a_say_in(project: Project) -> None:
    for batch in BATCHES[:2]:
        label(project, *batch)
        add_cycle(project)
    with pytest.raises(NotReady, match="No held-out slice"):
        replay(project)
    assert "--split test" in replay_lacks(project)
    label(project, ("c", 0))
    assert replay_lacks(project) == ""


def test_one_size_is_nothing_to_compare(project: Project) -> None:
    label(project, *BATCHES[0], ("c", 0))
    assert "has 0" in replay_lacks(project)
    add_cycle(project)
    add_cycle(project)
    with pytest.raises(NotReady, match="different sizes; project has 1"):
        replay(project)


def test_many_cycles_are_replayed_at_four_sizes_with_the_first_and_the_last(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    label(project, ("c", 0))
    for scan in "ab":
        for index in range(5):
            label(project, (scan, index))
            add_cycle(project)
    keys, sizes = replaying._replayable(project)
    assert [len(s) for s in sizes] == [1, 4, 7, 10]
    assert sizes[-1] == tuple(range(len(keys)))


def test_of_many_held_out_slices_some_judge_spread_evenly(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    label(project, *(("c", k) for k in range(6)))
    assert len(replaying._judges(project)) == 6
    monkeypatch.setattr(replaying, "MOST_JUDGED", 3)
    assert [k.index for k in replaying._judges(project)] == [0, 2, 4]


def test_an_accepted_prediction_judges_no_replay(project: Project) -> None:
    label(project, ("c", 0), provenance=Provenance.ACCEPTED)
    label(project, ("c", 1))
    assert [k.index for k in replaying._judges(project)] == [1]


def test_a_spread_is_of_what_is_known_and_a_sentence_says_where_there_is_none() -> None:
    point = ReplayPoint(4, ((0.2, 0.5), (None, 0.6), (0.4, 0.7)), ((None, 0.5),) * 3)
    assert point.spread("random") == pytest.approx((0.2, 0.3, 0.4))
    assert point.spread("random", 1) == pytest.approx((0.5, 0.6, 0.7))
    assert point.spread("chosen") is None
    blind = Replay((point, replace(point, n_labelled=8)), 2, ("c",), "x", "now")
    assert "no void" in blind.sentence()
    weak = replace(point, random=((0.0, 0.2), (0.0, 0.24)), chosen=((0.0, 0.31),) * 2)
    assert (
        "mIoU (no training of it finds void) of chosen and of as many random slices: 0.310 and 0.220 (0.200 to 0.240) at 4."
        in replace(blind, points=(weak, weak)).sentence()
    )
    found = replace(weak, chosen=((0.1, 0.31),) * 2)
    assert (
        "void IoU of chosen and of as many random slices: 0.100 and 0.000"
        in replace(blind, points=(found, found)).sentence()
    )
    assert Replay.from_entry(json.loads(json.dumps(blind.entry()))) == blind


def test_scores_are_the_iou_of_void_and_the_mean_of_all() -> None:
    matrix = np.array([[8, 0, 0], [0, 4, 2], [0, 0, 6]])
    void, mean = score(matrix, ClassMap.from_names(["background", "solder", "void"]))
    assert void == pytest.approx(6 / 8)
    assert mean == pytest.approx((1 + 4 / 6 + 6 / 8) / 3)
    assert score(np.array([[3, 0], [0, 0]]), ClassMap.from_names(["background", "void"])) == (None, 1.0)


def test_a_damaged_replay_is_told(labelled: Project) -> None:
    (labelled.path / "replay.json").write_text('{"points": [{}]}')
    with pytest.raises(ProjectError, match=r"replay.json is damaged"):
        progress(labelled)


def test_the_command_line_replays_where_it_is_asked_to(stubbed: Project) -> None:
    told = CliRunner().invoke(app, ["progress", str(stubbed.path), "--random", "--json"])
    assert told.exit_code == 0, told.output
    points = json.loads(told.stdout)["replay"]["points"]
    assert [p["n_labelled"] for p in points] == [2, 4, 6]
    words = CliRunner().invoke(app, ["progress", str(stubbed.path)]).stdout
    assert "Random is drawn from slices that had been chosen" in words
