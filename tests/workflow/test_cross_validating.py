"""Cross-validation: what is learnt from, what judges, and what becomes of the outcome."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_progressing import add_cycle
from typer.testing import CliRunner

from builders import add_scan
from voidscope.cli.main import app
from voidscope.errors import NotReady, StaleResult
from voidscope.evaluation import Matrix
from voidscope.jobs import Progress, Steps, execute
from voidscope.project import PackedLabel, Project, project_truth
from voidscope.vocabulary import Provenance, SliceKey
from voidscope.volume import Dataset, slice_index
from voidscope.workflow import (
    Comparison,
    awaits_cross_validation,
    comparison_of,
    cross_validate,
    cross_validation_lacks,
    cross_validation_s,
    in_question,
    keep_model,
    progress,
    trials,
)
from voidscope.workflow.comparing import score
from voidscope.workflow.cross_validating import FOLDS, foldings
from voidscope.workflow.lessons import Lesson
from voidscope.workflow.succeeding import CROSS_VALIDATED, LEARNT, SUCCEEDS, UNSEEN, remember
from voidscope.workflow.trials import Trial

FIRST = [("a", 0), ("a", 2), ("a", 4), ("b", 0), ("b", 2)]
ADDED = [("a", 1), ("b", 4)]
FINE = (0.7, 0.7)


def put(
    project: Project, dataset: Dataset, places: list[tuple[str, int]], provenance: Provenance = Provenance.DRAWN
) -> None:  # fmt: skip
    """Label slices by their truth."""
    for scan, index in places:
        where = slice_index(project.scan(scan).plane, index)
        project.labels.put(SliceKey(scan, index), project_truth(project, dataset, scan)[where], provenance)


def keys_of(labels: Sequence[PackedLabel]) -> set[SliceKey]:
    return {label.key for label in labels}


def compared(project: Project, void: tuple[float, float] = FINE, basis: str = LEARNT) -> Comparison:
    """Keep how the current cycle compares with the one before."""
    number = project.cycle.number
    found = Comparison(number, number - 1, basis, 5, void, (0.8, 0.8))
    remember(project, project.cycle, found)
    return found


@pytest.fixture
def grown(project: Project, dataset: Dataset) -> Project:
    """Two cycles, the second with two slices more, compared by what both have learnt from; no test slice is labelled."""
    put(project, dataset, FIRST)
    add_cycle(project)
    put(project, dataset, ADDED)
    add_cycle(project, **{SUCCEEDS: 1})
    compared(project)
    return project


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[Trial]:
    """Trials that take no time, each right on as many void pixels in ten as it had slices; the list has all of them, in order."""
    seen: list[Trial] = []

    def steps(self: Lesson) -> Steps[SimpleNamespace]:
        yield Progress(0, 2)
        yield Progress(2, 2)
        return SimpleNamespace(weights=b"")

    def judge(self: Trial, weights: bytes) -> Matrix:
        seen.append(self)
        right = len(self.lesson.labels)
        return np.diag([10, 10, 10, right]) + np.array([[0] * 4] * 3 + [[10 - right, 0, 0, 0]])

    monkeypatch.setattr(Lesson, "steps", steps)
    monkeypatch.setattr(Trial, "judge", judge)
    return seen


def test_no_network_is_judged_by_a_slice_it_has_learnt_from(grown: Project, tried: list[Trial]) -> None:
    execute(cross_validate(grown))
    old, new = (set(c.labelled) for c in grown.cycles)
    assert len(tried) == 2 * FOLDS
    judged = []
    for before, now in zip(tried[::2], tried[1::2], strict=True):
        judges = keys_of(now.truth)
        assert judges == keys_of(before.truth)
        assert keys_of(before.lesson.labels) == old - judges
        assert keys_of(now.lesson.labels) == new - judges
        assert before.lesson.settings == now.lesson.settings == trials.shortened(grown.config)
        for one in (before, now):
            assert all((x.mask() == grown.labels.get(x.key)).all() for x in (*one.lesson.labels, *one.truth))
        judged += sorted(judges)
    assert sorted(judged) == sorted(old | new)


def test_both_are_pooled_over_the_folds_and_the_outcome_outlives_the_program(
    grown: Project, tried: list[Trial]
) -> None:
    told: list[Progress] = []
    found = execute(cross_validate(grown), told.append)
    had = [len(t.lesson.labels) for t in tried]
    assert found.void == (pytest.approx(sum(had[1::2]) / 30), pytest.approx(sum(had[::2]) / 30))
    assert found.folds == tuple((n / 10, o / 10) for o, n in zip(had[::2], had[1::2], strict=True))
    slow = [score(sum(t.judge(b"") for t in tried[k::2][:FOLDS]), grown.classes)[1] for k in (1, 0)]
    assert found.miou == tuple(slow)
    assert (found.basis, found.n_slices, found.now, found.before) == (CROSS_VALIDATED, 7, 2, 1)
    assert not found.worse
    again = Project.open(grown.path)
    assert comparison_of(again.cycle) == found
    assert progress(again).cycles[1].cross_validated == found.sentence()
    assert progress(again).cycles[0].cross_validated == ""
    assert "fold by fold" in found.sentence() and "7 slices left out of both" in found.sentence()
    assert [p.done for p in told] == sorted(p.done for p in told) and told[-1].done == told[-1].total
    assert "labels of cycle 1 without fold 2 of 3" in {p.note for p in told}


def test_where_the_new_labels_do_worse_the_model_is_in_question(
    grown: Project, tried: list[Trial], monkeypatch: pytest.MonkeyPatch
) -> None:
    def judge(self: Trial, weights: bytes) -> Matrix:
        wrong = len(self.lesson.labels)  # the more labels, the worse
        return np.diag([10, 10, 10, 10 - wrong]) + np.array([[0] * 4] * 3 + [[wrong, 0, 0, 0]])

    monkeypatch.setattr(Trial, "judge", judge)
    assert not in_question(grown.cycle)
    found = execute(cross_validate(grown))
    assert found.worse and in_question(grown.cycle)
    shell = CliRunner().invoke(app, ["cross-validate", str(grown.path)])
    assert "warning: The new model may be worse. Cycle 2: void IoU" in shell.stderr
    assert f"voidscope restore {grown.path} --cycle 1" in shell.stderr
    for asked in (True, False):
        kept = CliRunner().invoke(app, ["keep", str(grown.path), "--json"])
        assert json.loads(kept.stdout) == {"cycle": 2, "was_in_question": asked}
        assert not in_question(grown.cycle) and comparison_of(grown.cycle).worse
    assert CliRunner().invoke(app, ["keep", str(grown.path)]).stdout.startswith("cycle 2 is kept")


def test_an_outcome_of_a_model_that_is_no_longer_current_is_refused(
    grown: Project, tried: list[Trial]
) -> None:
    job = cross_validate(grown)
    add_cycle(grown)
    with pytest.raises(StaleResult, match="no longer the current model"):
        execute(job)


def test_trials_are_without_pseudo_labels_and_so_half_as_long(grown: Project) -> None:
    before = cross_validation_s(grown)
    add_cycle(grown, pseudo_labelled=5)
    assert cross_validation_s(grown) == pytest.approx(before / 2) != 0


def test_it_is_offered_until_somebody_keeps_the_model_or_it_is_done(
    grown: Project, tried: list[Trial]
) -> None:
    assert awaits_cross_validation(grown)
    assert cross_validation_s(grown) == pytest.approx(2.0)  # of 1 s a training
    keep_model(grown)
    assert not awaits_cross_validation(grown) and cross_validation_lacks(grown) == ""
    compared(grown)
    assert awaits_cross_validation(grown)
    execute(cross_validate(grown))
    assert not awaits_cross_validation(grown)


def test_slices_that_an_accepted_prediction_had_a_part_in_are_learnt_from_and_do_not_judge(
    project: Project, dataset: Dataset, tried: list[Trial]
) -> None:
    put(project, dataset, FIRST)
    add_cycle(project)
    put(project, dataset, ADDED, Provenance.ACCEPTED)
    add_cycle(project, **{SUCCEEDS: 1})
    compared(project)
    assert execute(cross_validate(project)).n_slices == len(FIRST)
    accepted = {SliceKey(*p) for p in ADDED}
    assert not accepted & set().union(*(keys_of(t.truth) for t in tried))
    assert accepted <= set().union(*(keys_of(t.lesson.labels) for t in tried))


def _first(project: Project, dataset: Dataset) -> None:
    project.cycles[1].folder.rename(project.path / "away")


def _uncompared(project: Project, dataset: Dataset) -> None:
    (project.cycle.folder / "comparison.json").unlink()


def _held_out(project: Project, dataset: Dataset) -> None:
    put(project, dataset, [("c", 0)])


def _worse(project: Project, dataset: Dataset) -> None:
    compared(project, (0.2, 0.7))


def _alike(project: Project, dataset: Dataset) -> None:
    add_cycle(project, **{SUCCEEDS: 2})
    compared(project)


def _one_void(project: Project, dataset: Dataset) -> None:
    for key in project.labels:
        if key != SliceKey("a", 0):
            mask = project.labels.get(key)
            project.labels.put(key, np.where(mask == 4, 3, mask))


def _accepted(project: Project, dataset: Dataset) -> None:
    put(project, dataset, [p for p in (*FIRST, *ADDED) if p != ("a", 0)], Provenance.ACCEPTED)


def _one_class(project: Project, dataset: Dataset) -> None:
    for key in project.labels:
        if key.scan == "a":
            project.labels.put(key, np.full((24, 20), 4 if key.index else 1, np.uint8))
        else:
            project.labels.put(key, np.full((24, 20), 4, np.uint8))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_first, "no newly trained model"),
        (_uncompared, "not compared with the one before yet"),
        (_held_out, "which judge better"),
        (_worse, "no cross-validation excuses"),
        (_alike, "the same slices by the same settings"),
        (_one_void, "Voids are labelled in one scan or place alone"),
        (_accepted, "accepted predictions judge no model"),
        (_one_class, "cycle 1 has fewer than two classes"),
    ],
)
def test_what_would_tell_nothing_is_refused_and_not_offered(
    grown: Project, dataset: Dataset, make: Callable[[Project, Dataset], None], words: str
) -> None:
    make(grown, dataset)
    project = Project.open(grown.path)
    with pytest.raises(NotReady, match=words):
        cross_validate(project)
    assert words in cross_validation_lacks(project) and not awaits_cross_validation(project)


KEYS = st.lists(
    st.builds(SliceKey, st.sampled_from("abcdef"), st.integers(0, 40)), min_size=2, max_size=40, unique=True
).map(lambda keys: tuple(sorted(keys)))


@settings(max_examples=60, deadline=None)
@given(KEYS)
def test_folds_part_the_slices_and_where_there_are_scans_enough_no_scan_is_in_two(
    keys: tuple[SliceKey, ...],
) -> None:
    ways = list(foldings(keys, lambda k: k.scan))
    assert len(ways) == 1 + (len({k.scan for k in keys}) >= FOLDS)
    for parts in ways:
        assert sorted(k for part in parts for k in part) == list(keys)
        assert 2 <= len(parts) <= FOLDS and all(parts)
    if len(ways) > 1:
        of = [{k.scan for k in part} for part in ways[0]]
        assert sum(map(len, of)) == len(set.union(*of))
    runs = ways[-1]
    assert [k for part in runs for k in part] == list(keys)  # neighbours stay together
    assert max(map(len, runs)) - min(map(len, runs)) <= 1


def test_one_scan_under_two_names_is_in_one_fold() -> None:
    keys = tuple(SliceKey(s, k) for s in "abcd" for k in range(3))
    parts = next(foldings(keys, lambda k: {"d": "a"}.get(k.scan, k.scan)))
    assert {k.scan for k in next(p for p in parts if keys[0] in p)} == {"a", "d"}


def test_where_the_cycle_before_had_one_scan_alone_runs_of_neighbours_judge(
    project: Project, dataset: Dataset, tried: list[Trial], tmp_path: Path
) -> None:
    for name in "de":
        shutil.copy(dataset.folder / "b.tif", tmp_path / f"{name}.tif")
        with (tmp_path / f"{name}.tif").open("ab") as file:
            file.write(name.encode())  # another file, so another scan
        add_scan(project, tmp_path / f"{name}.tif")
    put(project, dataset, FIRST[:3])
    add_cycle(project)
    put(project, dataset, [("b", 0), ("b", 2)])
    for name in "de":
        project.labels.put(SliceKey(name, 0), project.labels.get(SliceKey("b", 0)))
    add_cycle(project, **{SUCCEEDS: 1})
    compared(project)
    assert execute(cross_validate(project)).n_slices == 7
    assert [sorted({k.scan for k in keys_of(t.truth)}) for t in tried[::2]] == [["a"], ["a", "b"], ["d", "e"]]


@pytest.mark.slow
def test_networks_are_really_trained_in_another_process_and_judged(
    grown: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sent(title: str, make: Callable[[], Any]) -> Any:
        return pickle.loads(pickle.dumps(make))()  # as to a process of its own

    monkeypatch.setattr("voidscope.workflow.lessons.apart", sent)
    found = execute(cross_validate(grown, elsewhere=True))
    assert len(found.folds) == FOLDS and all(0 <= v <= 1 for v in (*found.void, *found.miou))
    assert execute(cross_validate(grown)) == found  # one seed, one outcome


def test_the_command_line_cross_validates_and_says_where_it_is_worse(
    grown: Project, tried: list[Trial]
) -> None:
    told = CliRunner().invoke(app, ["cross-validate", str(grown.path), "--json"])
    assert told.exit_code == 0, told.output
    entry = json.loads(told.stdout)
    assert (entry["basis"], entry["now"], entry["before"], entry["worse"]) == (CROSS_VALIDATED, 2, 1, False)
    assert len(entry["folds"]) == FOLDS


def test_a_comparison_of_an_older_version_has_no_folds(grown: Project) -> None:
    path = grown.cycle.folder / "comparison.json"
    tree = json.loads(path.read_text())
    del tree["folds"]
    path.write_text(json.dumps(tree))
    assert comparison_of(grown.cycle).folds == ()
    assert compared(grown, basis=UNSEEN).sentence().endswith("on 5 labelled slices of test scans.")


@pytest.mark.parametrize(
    ("folds", "worse"),
    [
        (((0.5, 0.7), (0.6, 0.7), (0.6, 0.6)), True),
        (((0.2, 0.8), (0.7, 0.6), (0.7, 0.65)), False),
        (((0.2, 0.8), (None, None), (0.7, 0.65)), True),
    ],
)
def test_one_fold_alone_makes_no_model_worse(
    folds: tuple[tuple[float | None, float | None], ...], worse: bool
) -> None:
    found = Comparison(2, 1, CROSS_VALIDATED, 9, (0.55, 0.67), (0.8, 0.8), folds)
    assert found.worse is worse and "too little" not in found.sentence()


def test_trials_that_find_next_to_nothing_are_said_to_tell_little() -> None:
    found = Comparison(2, 1, CROSS_VALIDATED, 9, (0.014, 0.027), (0.8, 0.8), ((0.014, 0.027),))
    assert "so short a training learns too little here to tell" in found.sentence()
