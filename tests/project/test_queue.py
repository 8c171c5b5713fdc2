"""Marks on slices: what a person said of a suggestion outlives the window, and comes back when asked."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from builders import add_scan, write_scan
from voidscope.acquisition import Finding, Grounds, LimitCost, Suggestion, Term
from voidscope.config import Config
from voidscope.errors import ProjectError
from voidscope.jobs import execute
from voidscope.project import Cycle, Mark, Project, State
from voidscope.vocabulary import ClassMap, Plane, Provenance, SliceKey
from voidscope.workflow import suggest

KEY = SliceKey("a", 2)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project.create(tmp_path / "p", ClassMap.hbm(), config=Config().with_changes(["suggest.budget=2"]))
    add_scan(made, write_scan(tmp_path / "a.tif"))
    return made


def next_cycle(project: Project) -> None:
    number = project.next_cycle
    cycle = Cycle(number, (), 0, f"{number:064d}", {}, {}, {}, (0.5, 0.2))
    project.add_cycle(cycle, b"")


@pytest.mark.parametrize("mark", list(Mark))
def test_a_mark_is_on_disk_and_told_and_can_be_taken_back(project: Project, mark: Mark) -> None:
    told: list[SliceKey] = []
    project.events.marks_changed.connect(told.append)
    project.queue.mark(KEY, mark)
    again = Project.open(project.path)
    assert again.queue.state(KEY) == State(mark)
    assert again.queue.marked() == (KEY,)
    project.queue.mark(KEY, None)
    assert (project.queue.state(KEY), told) == (State.TODO, [KEY, KEY])
    assert Project.open(project.path).queue.marked() == ()


def test_never_outlives_models_and_a_skip_lapses_with_the_next(project: Project) -> None:
    project.queue.mark(KEY, Mark.NEVER)
    project.queue.mark(SliceKey("a", 0), Mark.SKIPPED)
    assert project.queue.left_out() == {KEY, SliceKey("a", 0)}
    next_cycle(project)
    assert project.queue.left_out() == {KEY}
    assert project.queue.state(SliceKey("a", 0)) is State.TODO


def test_a_skip_belongs_to_the_model_and_is_back_where_that_is_gone_back_to(project: Project) -> None:
    next_cycle(project)
    first = project.cycle
    project.queue.mark(KEY, Mark.SKIPPED)
    next_cycle(project)
    assert project.queue.left_out() == frozenset()
    again = replace(first, number=project.next_cycle, provenance={"restored_from": 1})
    project.add_cycle(again, b"", same=first)
    for one in (project, Project.open(project.path)):
        assert one.queue.left_out() == {KEY} and one.queue.state(KEY) is State.SKIPPED


def test_a_slice_skipped_under_two_models_is_skipped_under_both_and_taken_back_under_one(
    project: Project,
) -> None:
    next_cycle(project)
    first = project.cycle
    project.queue.mark(KEY, Mark.SKIPPED)
    next_cycle(project)
    second = project.cycle
    project.queue.mark(KEY, Mark.SKIPPED)
    next_cycle(project)
    assert project.queue.state(KEY) is State.TODO
    for before in (first, second, first):
        project.add_cycle(replace(before, number=project.next_cycle), b"", same=before)
        for one in (project, Project.open(project.path)):
            assert one.queue.state(KEY) is State.SKIPPED
    project.queue.mark(KEY, None)
    assert project.queue.state(KEY) is State.TODO
    project.add_cycle(replace(second, number=project.next_cycle), b"", same=second)
    assert project.queue.state(KEY) is State.SKIPPED
    project.queue.mark(KEY, None)
    assert Project.open(project.path).queue.marked() == ()


def test_skips_of_an_older_version_go_by_the_number_of_their_cycle(project: Project) -> None:
    next_cycle(project)
    project.queue.mark(KEY, Mark.SKIPPED)
    path = project.path / "suggestions" / "marks.json"
    tree = json.loads(path.read_text())
    del tree["marks"][str(KEY)]["model"]
    path.write_text(json.dumps(tree))
    old = Project.open(project.path)
    assert old.queue.left_out() == {KEY}
    next_cycle(old)
    assert old.queue.left_out() == frozenset()


def test_a_label_ends_a_skip_but_no_flag(project: Project) -> None:
    for index, mark in enumerate((Mark.SKIPPED, Mark.FLAGGED, None)):
        key = SliceKey("a", index)
        project.queue.mark(key, mark)
        project.labels.put(key, np.ones(project.slice_shape(key), np.uint8))
    states = [project.queue.state(SliceKey("a", i)) for i in range(4)]
    assert states == [State.LABELLED, State.FLAGGED, State.LABELLED, State.TODO]


def test_a_proposed_label_is_a_state_until_it_is_verified(project: Project) -> None:
    keys = [SliceKey("a", i) for i in range(3)]
    project.queue.mark(keys[1], Mark.SKIPPED)
    project.queue.mark(keys[2], Mark.FLAGGED)
    proposal = np.ones(project.slice_shape(KEY), np.uint8)
    project.labels.put_all(dict.fromkeys(keys, proposal), Provenance.PROPAGATED)
    assert [project.queue.state(k) for k in keys] == [State.PROPOSED, State.PROPOSED, State.FLAGGED]
    project.labels.accept(keys[0])
    assert project.queue.state(keys[0]) is State.LABELLED


def test_a_slice_marked_never_is_never_suggested(project: Project) -> None:
    project.queue.mark(KEY, Mark.NEVER)
    project.queue.mark(SliceKey("a", 3), Mark.SKIPPED)
    for seed in range(5):
        picks = execute(suggest(project, project.config.with_changes([f"seed={seed}"])))
        assert {p.key for p in picks} == {SliceKey("a", 0), SliceKey("a", 1)}
    project.queue.mark(KEY, None)
    config = project.config.with_changes(["suggest.budget=3"])
    assert KEY in {p.key for p in execute(suggest(project, config))}


def test_two_programs_join_their_marks(project: Project) -> None:
    other = Project.open(project.path)
    project.queue.mark(KEY, Mark.NEVER)
    other.queue.mark(SliceKey("a", 0), Mark.FLAGGED)
    told: list[SliceKey] = []
    project.events.marks_changed.connect(told.append)
    project.catch_up()
    assert told == [SliceKey("a", 0)]
    assert project.queue.marked() == (SliceKey("a", 0), KEY)


def test_a_settled_finding_stays_settled(project: Project) -> None:
    finding = Finding("missed", KEY, (1, 2), 4, 0.4, 3)
    assert not project.queue.is_settled(finding)
    project.queue.settle(finding)
    assert Project.open(project.path).queue.is_settled(finding)


def test_grounds_come_back_with_their_queue(project: Project) -> None:
    grounds = Grounds((Term("rareness", 0.5, 0.9, 0.1, 0.7, True),), LimitCost(1, 2, 1.5, 1.75))
    pick = Suggestion(KEY, 1, 0.9, 1.0, 0.1, 2.0, (1, 1), "rareness")
    project.queue.put([pick], grounds)
    again = Project.open(project.path)
    assert (again.suggestions, again.queue.grounds) == ((pick,), grounds)
    project.queue.put([pick])
    assert project.queue.grounds == Grounds()


@pytest.mark.parametrize("text", ["{}", '{"marks": {"a/0001": {"mark": "loved"}}, "settled": []}'])
def test_damaged_marks_are_told_with_the_way_out(project: Project, text: str) -> None:
    (project.path / "suggestions").mkdir(exist_ok=True)
    (project.path / "suggestions" / "marks.json").write_text(text)
    with pytest.raises(ProjectError, match=r"marks\.json is damaged.*delete it"):
        Project.open(project.path)


def test_what_was_suggested_before_a_model_is_left_over_until_that_is_asked(project: Project) -> None:
    picks = [Suggestion(SliceKey("a", k), k + 1, 0.1, 0.2, 0.3, 0.6, None, "rareness") for k in range(3)]
    grounds = Grounds((Term("rareness", 0.0, 1.0, 0.5, 0.5, False),))
    project.queue.put(picks, grounds)
    assert project.queue.left_over() == ((), Grounds())
    learnt = Cycle(1, (SliceKey("a", 0),), 0, f"{1:064d}", {}, {}, {}, (0.5, 0.2))
    project.add_cycle(learnt, b"")
    assert project.suggestions == () and project.queue.grounds == Grounds()
    assert project.queue.left_over() == (tuple(picks[1:]), grounds)
    project.add_cycle(replace(learnt, number=2, labelled=(), weights_sha256=f"{2:064d}"), b"")
    assert Project.open(project.path).queue.left_over() == (tuple(picks), grounds)
    project.queue.put([])
    assert project.queue.left_over() == ((), Grounds())


def test_going_back_to_a_model_is_going_back_to_its_queue_until_it_is_asked_anew(project: Project) -> None:
    picks = [Suggestion(SliceKey("a", k), k + 1, 0.1, 0.2, 0.3, 0.6, None, "rareness") for k in range(3)]
    grounds = Grounds((Term("rareness", 0.0, 1.0, 0.5, 0.5, False),))
    first = Cycle(1, (SliceKey("a", 0),), 0, f"{1:064d}", {}, {}, {}, (0.5, 0.2))
    project.add_cycle(first, b"")
    project.queue.put(picks[:2], grounds)
    project.add_cycle(replace(first, number=2, weights_sha256=f"{2:064d}"), b"")
    project.queue.put(picks[2:])
    project.add_cycle(replace(first, number=3, provenance={"restored_from": 1}), b"")
    for opened in (project, Project.open(project.path)):
        assert opened.suggestions == tuple(picks[:2]) and opened.queue.grounds == grounds
        assert opened.queue.left_over() == ((), Grounds())
    project.queue.put(picks[1:])
    assert project.suggestions == tuple(picks[1:]) and project.queue.grounds == Grounds()


def test_left_over_suggestions_go_with_their_slices(project: Project) -> None:
    project.queue.put([Suggestion(KEY, 1, 0.1, 0.2, 0.3, 0.6, None, "rareness")])
    next_cycle(project)
    project.add([project.scan("a").model_copy(update={"plane": Plane.AXIS0})])
    assert project.queue.left_over()[0] == ()
