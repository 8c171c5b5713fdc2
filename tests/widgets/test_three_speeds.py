"""Three speeds in the window: previews that are none of the project's, a question where a model is worse, and a child that dies."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from bench import add_cycle, predict

from voidscope.errors import ProjectError
from voidscope.jobs import Job, Progress, Steps, execute
from voidscope.project import Project, import_truth
from voidscope.training.quick import Trial
from voidscope.vocabulary import Provenance, SliceKey
from voidscope.volume import Dataset
from voidscope.widgets import model_choice, quick_look, train_panel
from voidscope.widgets.job_bar import JobBar
from voidscope.widgets.result_layers import PREVIEW
from voidscope.widgets.runner import Question, Runner
from voidscope.workflow import Comparison, Glance, compare_models
from voidscope.workflow.succeeding import CROSS_VALIDATED, LEARNT, SUCCEEDS, UNSEEN, predecessor, remember

KEY = SliceKey("a", 3)


class Prediction:
    """What a quick look saw: all of it one class."""

    def __init__(self, shape: tuple[int, int], class_id: int) -> None:
        self.mask = np.full(shape, class_id, np.uint8)


GOOD = Trial(0.8, 0.7, 0.3, 0.1)
"""A fitted head that does better than the cycle's."""


class Looks(list[SliceKey]):
    """What was looked at, and the trial of the fitted head: where that is worse there is no prediction."""

    trial = GOOD


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Looks:
    """Quick looks without a network, which see solder everywhere; the list has what was looked at."""
    asked = Looks()

    def glance(self: Any, key: SliceKey) -> Job[Any, Glance]:
        asked.append(key)
        cycle, shape = self._project.cycle, self._project.slice_shape(key)

        def steps() -> Steps[Prediction]:
            yield Progress(0, 1)
            return Prediction(shape, 3)

        def commit(found: Prediction) -> Glance:
            return Glance(key, None if asked.trial.worse else found, cycle.id, asked.trial)

        return Job("Quick look", steps, commit)

    monkeypatch.setattr(quick_look.Glances, "glance", glance)
    return asked


@pytest.fixture
def seen(dock: Any, project: Project, looks: Looks) -> Any:
    """A dock on a project with a model that has segmented scan a; slice a/0003 is in view."""
    add_cycle(project)
    predict(project, "a")
    dock.view.layers.jump(KEY)
    return dock


def label(project: Project, key: SliceKey = KEY) -> None:
    project.labels.put(key, np.ones(project.slice_shape(key), np.uint8))


def test_a_label_brings_a_preview_that_is_said_to_be_one_and_touches_no_mask(
    seen: Any, qtbot: Any, project: Project
) -> None:
    before, path = project.mask("a").copy(), project.mask_path("a")
    written = path.read_bytes()
    label(project)
    qtbot.waitUntil(lambda: seen.view.layers.previewing, timeout=60_000)
    layer = seen.view.layers.find("prediction")
    assert (layer.data[:, 3] == 3).all() and layer.name == PREVIEW
    assert (np.delete(layer.data, 3, 1) == np.delete(before, 3, 1)).all()
    assert "Quick look" in seen.view.quick_bar.sentence.text() and not seen.view.quick_bar.isHidden()
    assert (project.mask("a") == before).all() and path.read_bytes() == written


def test_the_body_in_3d_is_what_was_measured_and_stays_so(seen: Any, qtbot: Any, project: Project) -> None:
    view, dims = seen.view, seen._viewer.dims
    label(project)
    qtbot.waitUntil(lambda: view.layers.previewing, timeout=60_000)
    view.measure.solid.click()
    body = view.layers.find("prediction").data
    assert dims.ndisplay == 3 and (body == project.mask("a")).all()
    label(project, SliceKey("a", 1))
    qtbot.wait(200)
    qtbot.waitUntil(lambda: not view.quick.busy, timeout=60_000)
    assert (body == project.mask("a")).all() and not view.layers.previewing
    view.quick_bar.switch.setChecked(False)
    assert dims.ndisplay == 3


def test_what_is_accepted_is_what_is_in_view(seen: Any, qtbot: Any, project: Project) -> None:
    other = SliceKey("a", 1)
    label(project, other)
    qtbot.waitUntil(lambda: seen.view.layers.previewing, timeout=60_000)
    seen.view.label.accept_prediction()
    assert (project.labels.get(KEY) == 3).all()
    assert project.labels.record(KEY).provenance is Provenance.ACCEPTED


def test_previews_follow_the_slider_and_only_the_last_slice_is_looked_at(
    seen: Any, qtbot: Any, project: Project, looks: Looks
) -> None:
    label(project)
    qtbot.waitUntil(lambda: bool(looks) and not seen.view.quick.busy, timeout=60_000)
    looks.clear()
    for index in (4, 5, 0, 2):
        seen.view.layers.jump(SliceKey("a", index))
    qtbot.waitUntil(lambda: bool(looks) and not seen.view.quick.busy, timeout=60_000)
    assert looks == [SliceKey("a", 2)]


def test_switched_off_the_model_is_back_in_view(seen: Any, qtbot: Any, project: Project) -> None:
    label(project)
    qtbot.waitUntil(lambda: seen.view.layers.previewing, timeout=60_000)
    seen.view.quick_bar.switch.click()
    layer = seen.view.layers.find("prediction")
    assert (layer.data == project.mask("a")).all() and layer.name == "prediction"
    seen.view.quick_bar.switch.click()
    qtbot.waitUntil(lambda: seen.view.layers.previewing, timeout=60_000)


def test_a_new_model_ends_previews_and_a_late_one_is_dropped(seen: Any, qtbot: Any, project: Project) -> None:
    label(project)
    qtbot.waitUntil(lambda: seen.view.layers.previewing, timeout=60_000)
    old = Glance(KEY, Prediction(project.slice_shape(KEY), 2), project.cycle.id, GOOD)
    add_cycle(project)
    assert not seen.view.layers.previewing and seen.view.quick_bar.isHidden()
    seen.view.quick._look((old, None))
    assert not seen.view.layers.previewing


def test_the_bar_goes_whenever_the_cycle_s_mask_is_back(seen: Any, qtbot: Any, project: Project) -> None:
    label(project)
    qtbot.waitUntil(lambda: seen.view.layers.previewing, timeout=60_000)
    seen.view.quick._wanted = False  # no other look follows
    project.events.survey_changed.emit()
    assert (seen.view.layers.find("prediction").data == project.mask("a")).all()
    assert seen.view.quick_bar.isHidden() and seen.view.quick_bar.sentence.text() == ""


NAN = float("nan")


@pytest.mark.parametrize(
    ("trial", "said"),
    [
        (Trial(0.27, 0.54, 0.6, 0.3), "worse: cycle 1 shown. By labels left out its mIoU is 0.27, not 0.54"),
        (Trial(0.63, 0.42, 0.45, 0.714), "cycle 1 shown. It would change 71% of what is not labelled"),
        (Trial(NAN, NAN, 2.0, 0.0), "Label another slice"),
    ],
)
def test_a_worse_look_is_not_shown_nor_accepted_and_the_bar_says_why(
    seen: Any, qtbot: Any, project: Project, looks: Looks, trial: Trial, said: str
) -> None:
    label(project, SliceKey("a", 1))
    qtbot.waitUntil(lambda: seen.view.layers.previewing, timeout=60_000)
    looks.trial = trial
    label(project, SliceKey("a", 4))
    qtbot.waitUntil(lambda: said in seen.view.quick_bar.sentence.text(), timeout=60_000)
    layer = seen.view.layers.find("prediction")
    assert (layer.data == project.mask("a")).all() and layer.name == "prediction"
    assert not seen.view.quick_bar.isHidden()
    seen.view.label.accept_prediction()
    assert (project.labels.get(KEY) == project.mask("a")[:, 3]).all()
    looks.trial = GOOD
    label(project, SliceKey("a", 5))
    qtbot.waitUntil(lambda: seen.view.layers.previewing, timeout=60_000)
    assert "not the cycle's model" in seen.view.quick_bar.sentence.text()


def test_beside_a_verdict_is_what_was_measured_and_no_quick_look(
    seen: Any, qtbot: Any, project: Project
) -> None:
    view = seen.view
    label(project, SliceKey("a", 1))
    qtbot.waitUntil(lambda: view.layers.previewing, timeout=60_000)
    view.setCurrentIndex(3)
    layer = view.layers.find("prediction")
    assert (layer.data == project.mask("a")).all() and view.quick_bar.isHidden()
    view.layers.jump(SliceKey("a", 2))  # as a click on a void does
    label(project, SliceKey("a", 4))
    qtbot.wait(200)
    qtbot.waitUntil(lambda: not view.quick.busy, timeout=60_000)
    assert (view.layers.find("prediction").data == project.mask("a")).all()
    view.setCurrentIndex(1)
    qtbot.waitUntil(lambda: view.layers.previewing, timeout=60_000)


def test_a_persons_own_name_for_the_layer_stays(seen: Any, qtbot: Any, project: Project) -> None:
    layer = seen.view.layers.find("prediction")
    layer.name = "mine"
    label(project)
    qtbot.waitUntil(lambda: seen.view.layers.previewing, timeout=60_000)
    assert seen.view.layers.find("prediction").name == "mine"


def test_a_preview_that_cannot_be_had_is_no_news(
    seen: Any, qtbot: Any, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    seen.runner.failed.connect(told.append)

    def refuse(self: Any, key: SliceKey) -> Job[Any, Glance]:
        raise ProjectError("the weights are damaged")

    monkeypatch.setattr(quick_look.Glances, "glance", refuse)
    label(project)
    qtbot.waitUntil(lambda: seen.view.quick._refused, timeout=60_000)
    assert told == [] and not seen.view.layers.previewing


# -- which model


class Trainings:
    """Trainings and comparisons that wait for nothing, or for a gate."""

    def __init__(self) -> None:
        self.worse = False
        self.training, self.comparing = threading.Event(), threading.Event()
        self.training.set()
        self.comparing.set()
        self.problem = ""

    def train(self, project: Project, **how: bool) -> Job[None, Any]:
        def steps() -> Steps[None]:
            while not self.training.wait(0.01):
                yield Progress(0, 1)
            yield Progress(1, 1)

        return Job("Training", steps, lambda _: add_cycle(project, **{SUCCEEDS: predecessor(project)}))

    def compare(self, project: Project) -> Job[Comparison, Comparison]:
        cycle = project.cycle

        def steps() -> Steps[Comparison]:
            while not self.comparing.wait(0.01):
                yield Progress(0, 1)
            yield Progress(1, 1)
            if self.problem:
                raise ProjectError(self.problem)
            void = (0.5, 0.7) if self.worse else (0.7, 0.5)
            return Comparison(cycle.number, cycle.provenance[SUCCEEDS], UNSEEN, 8, void, (0.8, 0.8))

        def commit(found: Comparison) -> Comparison:
            remember(project, cycle, found)
            return found

        return Job("Comparing", steps, commit)


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> Trainings:
    """What trains and compares in place of a network."""
    made = Trainings()
    monkeypatch.setattr(train_panel, "train", made.train)
    monkeypatch.setattr(model_choice, "compare_models", made.compare)
    monkeypatch.setattr(train_panel.TrainPanel, "segment_view", lambda self, **_: None)
    return made


@pytest.mark.parametrize("warm", [False, True])
def test_a_worse_model_is_asked_about_and_one_click_goes_back(
    seen: Any, qtbot: Any, project: Project, trainings: Trainings, warm: bool
) -> None:
    label(project)
    panel, question = seen.view.train, seen.jobs.question
    before = project.cycle.weights_sha256
    trainings.worse = True
    (panel.fine_tune if warm else panel.start)()
    qtbot.waitUntil(lambda: not question.isHidden(), timeout=60_000)
    assert question.sentence.text().startswith(
        "The new model is worse. Cycle 2: void IoU 0.500, cycle 1: 0.700"
    )
    assert [b.text() for b in question.buttons] == ["Go back to cycle 1", "Keep cycle 2"]
    question.buttons[0].click()
    assert [c.weights_sha256 == before for c in project.cycles] == [True, False, True]
    assert project.mask("a") is not None  # what the first one had segmented is in view again
    assert question.isHidden() and question.buttons == []


def test_a_better_model_is_told_and_nothing_is_asked(
    seen: Any, qtbot: Any, project: Project, trainings: Trainings
) -> None:
    label(project)
    told: list[str] = []
    seen.runner.told.connect(told.append)
    seen.view.train.start()
    qtbot.waitUntil(lambda: any("cycle 1: 0.500" in sentence for sentence in told), timeout=60_000)
    assert seen.jobs.question.isHidden() and len(project.cycles) == 2


def test_nothing_is_asked_while_a_model_is_made_and_nobody_goes_back_then(
    seen: Any, qtbot: Any, project: Project, trainings: Trainings
) -> None:
    label(project)
    panel, question, failed = seen.view.train, seen.jobs.question, []
    seen.runner.failed.connect(failed.append)
    trainings.worse = True
    panel.start()
    qtbot.waitUntil(lambda: not question.isHidden(), timeout=60_000)
    for act in (panel.start, panel.fine_tune):
        trainings.training.clear()
        act()
        assert seen.runner.busy and question.isHidden()
        panel.choice.restore(1)
        assert failed.pop() == "Training is still running; wait for it or cancel it."
        before = len(project.cycles)
        trainings.training.set()
        qtbot.waitUntil(lambda: not question.isHidden(), timeout=60_000)
        assert len(project.cycles) == before + 1 and failed == []
        assert question.buttons[0].text() == "Go back to cycle 1"  # none in question was the one before


@pytest.mark.parametrize("problem", ["", "the scan's file is gone"])
def test_a_model_whose_comparison_was_cancelled_or_failed_is_said_to_be_uncompared(
    seen: Any, qtbot: Any, project: Project, trainings: Trainings, problem: str
) -> None:
    label(project)
    question, told = seen.jobs.question, []
    for ends in (seen.runner.cancelled, seen.runner.failed):
        ends.connect(told.append)
    trainings.comparing.clear()
    trainings.problem = problem
    seen.view.train.start()
    qtbot.waitUntil(lambda: seen.jobs.title.text().startswith("Comparing"), timeout=60_000)
    assert question.isHidden()
    if problem:
        trainings.comparing.set()
    else:
        seen.runner.cancel()
    qtbot.waitUntil(lambda: told == [problem or "Comparing"], timeout=60_000)
    assert question.sentence.text().startswith("Cycle 2 was not compared with the model before it")
    assert [b.text() for b in question.buttons] == ["Compare", "Keep cycle 2"]
    trainings.problem = ""
    trainings.comparing.set()
    question.buttons[0].click()
    qtbot.waitUntil(lambda: "cycle 1: 0.500" in seen.jobs.message.text(), timeout=60_000)
    assert question.isHidden()


def test_a_question_nobody_answered_is_asked_again_when_the_project_is_opened(
    seen: Any, qtbot: Any, project: Project, trainings: Trainings
) -> None:
    label(project)
    question = seen.jobs.question
    trainings.worse = True
    seen.view.train.start()
    qtbot.waitUntil(lambda: not question.isHidden(), timeout=60_000)
    asked = question.sentence.text()
    seen.close_project()
    assert question.isHidden()
    seen.show_project(Project.open(project.path))
    assert not question.isHidden() and question.sentence.text() == asked
    question.buttons[1].click()
    assert question.isHidden()
    seen.show_project(Project.open(project.path))
    assert question.isHidden() and len(project.cycles) == 2


def test_which_model_to_keep_is_asked_again_once_something_else_is_answered(
    seen: Any, qtbot: Any, project: Project, trainings: Trainings
) -> None:
    label(project)
    question, panel = seen.jobs.question, seen.view.scans
    trainings.worse = True
    seen.view.train.start()
    qtbot.waitUntil(lambda: not question.isHidden(), timeout=60_000)
    asked = question.sentence.text()
    seen.view.setCurrentIndex(0)
    panel.table.selectRow(1)
    panel.remove.click()
    assert question.sentence.text().startswith("Remove b from the project?")
    seen.view.train.choice.ask()  # whatever has changed, what a person is about to answer stays
    assert question.sentence.text().startswith("Remove b from the project?")
    question.buttons[1].click()
    assert (question.sentence.text(), question.isHidden()) == (asked, False)
    assert [b.text() for b in question.buttons] == ["Go back to cycle 1", "Keep cycle 2"]
    question.buttons[1].click()
    assert question.isHidden() and "b" in project.scans


def test_a_scan_is_not_removed_while_a_job_runs_which_is_said(
    seen: Any, qtbot: Any, project: Project
) -> None:
    question, go_on = seen.jobs.question, threading.Event()

    def steps() -> Steps[None]:
        yield Progress(0, 1)
        go_on.wait(60)

    seen.view.setCurrentIndex(0)
    seen.view.scans.table.selectRow(1)
    seen.view.scans.remove.click()
    seen.runner.run(lambda: Job("Training", steps, lambda _: None))
    question.buttons[0].click()
    said = seen.jobs.message.text()
    go_on.set()
    qtbot.waitUntil(lambda: not seen.runner.busy, timeout=60_000)
    assert said == "Training is still running; wait for it or cancel it."
    assert "b" in project.scans


@pytest.mark.parametrize("helps", [True, False])
def test_where_only_what_both_learnt_speaks_for_a_model_cross_validating_is_offered_and_decides(
    seen: Any, qtbot: Any, project: Project, monkeypatch: pytest.MonkeyPatch, helps: bool
) -> None:
    found = Comparison(
        4,
        3,
        CROSS_VALIDATED,
        7,
        (0.7, 0.6) if helps else (0.5, 0.6),
        (0.8, 0.8),
        ((0.7, 0.6) if helps else (0.5, 0.6),),
    )
    asked: list[bool] = []

    def cross_validate(project: Project, elsewhere: bool) -> Job[None, Comparison]:
        def steps() -> Steps[None]:
            yield Progress(1, 1)

        def commit(_: None) -> Comparison:
            remember(project, project.cycle, found)
            return found

        asked.append(elsewhere)
        return Job("Cross-validating cycle 2", steps, commit)

    monkeypatch.setattr(model_choice, "cross_validate", cross_validate)
    question, told = seen.jobs.question, []
    seen.runner.told.connect(told.append)
    for scan, index in (("a", 0), ("a", 2), ("a", 4), ("b", 0), ("b", 2)):
        mask = np.ones(project.slice_shape(KEY), np.uint8)
        mask[5:9] = 4
        project.labels.put(SliceKey(scan, index), mask)
    cycle = add_cycle(project, **{SUCCEEDS: 1})
    remember(project, cycle, Comparison(2, 1, LEARNT, 1, (0.7, 0.7), (0.8, 0.8)))
    assert question.isHidden()  # the first learnt from nothing, so that there is nothing to try
    cycle = add_cycle(project, **{SUCCEEDS: 2})
    remember(project, cycle, Comparison(3, 2, LEARNT, 5, (0.7, 0.7), (0.8, 0.8)))
    assert question.isHidden()  # the same labels
    label(project)
    cycle = add_cycle(project, **{SUCCEEDS: 3})
    remember(project, cycle, Comparison(4, 3, LEARNT, 5, (0.7, 0.7), (0.8, 0.8)))
    assert "no test slice is labelled" in question.sentence.text()
    assert [b.text() for b in question.buttons] == ["Cross-validate, about 1 min", "Keep cycle 4"]
    question.buttons[0].click()
    qtbot.waitUntil(lambda: asked == [True] and not seen.runner.busy, timeout=60_000)
    if helps:
        qtbot.waitUntil(lambda: found.sentence() in told, timeout=60_000)
        assert question.isHidden()
    else:
        qtbot.waitUntil(lambda: not question.isHidden(), timeout=60_000)
        assert question.sentence.text() == f"The new model may be worse. {found.sentence()}"
        assert [b.text() for b in question.buttons] == ["Go back to cycle 3", "Keep cycle 4"]


def test_what_another_program_trained_is_asked_about(seen: Any, project: Project) -> None:
    add_cycle(Project.open(project.path), **{SUCCEEDS: 1})
    seen._catch_up()
    assert seen.jobs.question.sentence.text().startswith("Cycle 2 was not compared")


def test_a_question_goes_with_its_project(seen: Any) -> None:
    seen.runner.asked.emit(Question("Which?", (("This", lambda: None),)))
    assert not seen.jobs.question.isHidden()
    seen.close_project()
    assert seen.jobs.question.isHidden()


# -- the tray


def waiting(gate: list[bool], said: list[str], name: str) -> Job[None, None]:
    def steps() -> Steps[None]:
        while not gate:
            yield Progress(0, 0)

    return Job(name, steps, lambda _: said.append(name))


def test_work_nobody_waits_for_gives_way_without_a_word(qtbot: Any) -> None:
    runner, said, told = Runner(), [], []
    bar = JobBar(runner)
    qtbot.addWidget(bar)
    for end in (runner.cancelled, runner.failed):
        end.connect(told.append)
    runner.run(lambda: waiting([], said, "Others"), yields=True)
    assert not runner.busy and not bar.cancel.isHidden()
    runner.run(lambda: waiting([True], said, "Wanted"))
    assert runner.busy
    qtbot.waitUntil(lambda: said == ["Wanted"] and not runner.busy, timeout=60_000)
    assert told == []


def test_cancelling_work_that_gives_way_cancels_what_waits_for_it_too(qtbot: Any) -> None:
    runner, said, told = Runner(), [], []
    runner.cancelled.connect(told.append)
    runner.run(lambda: waiting([], said, "Others"), yields=True)
    runner.run(lambda: waiting([True], said, "Wanted"))
    runner.cancel()
    qtbot.waitUntil(lambda: not runner.busy and bool(told), timeout=60_000)
    assert (said, told) == ([], ["Others"])


class Segmentings:
    """Segments scans in no time, but for the one that waits at the gate; the list has what was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, str]] = []
        self.gate = threading.Event()

    def segment(self, project: Project, scans: list[str], **how: Any) -> Job[None, None]:
        cycle, (scan,) = project.cycle, scans
        self.asked.append((cycle.number, scan))

        def steps() -> Steps[None]:
            while scan == "b" and not self.gate.wait(0.01):
                yield Progress(0, 1)
            yield Progress(1, 1)

        return Job(f"Segmenting {scan}", steps, lambda _: predict(project, scan))


@pytest.fixture
def segmentings(monkeypatch: pytest.MonkeyPatch) -> Segmentings:
    """What segments in place of a network."""
    made = Segmentings()
    monkeypatch.setattr(train_panel, "segment", made.segment)
    return made


def test_the_other_scans_are_segmented_once_what_they_gave_way_to_is_over(
    seen: Any, qtbot: Any, project: Project, segmentings: Segmentings
) -> None:
    seen.view.train.segment_view()
    qtbot.waitUntil(lambda: segmentings.asked[-1:] == [(1, "b")] and seen.runner.yields, timeout=60_000)
    assert seen.jobs.message.text() == "Segmenting a: done."
    assert seen.jobs.title.text().startswith("Segmenting b"), "which is not what is done"
    seen.runner.run(lambda: waiting([True], [], "Suggesting"))
    qtbot.waitUntil(lambda: segmentings.asked.count((1, "b")) == 2 and seen.runner.yields, timeout=60_000)
    assert seen.jobs.message.text() == "Suggesting: done."
    segmentings.gate.set()
    qtbot.waitUntil(lambda: all(map(project.is_segmented, "abc")), timeout=60_000)


def test_a_model_in_question_goes_on_to_segment_only_once_it_is_kept(
    seen: Any, qtbot: Any, project: Project, segmentings: Segmentings
) -> None:
    seen.view.train.segment_view()
    qtbot.waitUntil(lambda: segmentings.asked[-1:] == [(1, "b")] and seen.runner.yields, timeout=60_000)
    add = Job("Training", lambda: iter(()), lambda _: add_cycle(project, **{SUCCEEDS: 1}))
    with qtbot.waitSignal(seen.runner.resumes, timeout=60_000):
        seen.runner.run(lambda: add)
    assert not seen.runner.yields and segmentings.asked[-1] == (1, "b")
    assert not seen.jobs.question.isHidden()
    seen.jobs.question.buttons[1].click()
    qtbot.waitUntil(lambda: segmentings.asked[-1:] == [(2, "b")] and seen.runner.yields, timeout=60_000)
    segmentings.gate.set()
    qtbot.waitUntil(lambda: all(map(project.is_segmented, "abc")), timeout=60_000)


@pytest.mark.parametrize("running", [False, True])
def test_a_model_gone_back_to_segments_what_it_had_not(
    seen: Any, qtbot: Any, project: Project, segmentings: Segmentings, running: bool
) -> None:
    add_cycle(project)
    if running:
        seen.view.train.segment_view()
        qtbot.waitUntil(lambda: segmentings.asked[-1:] == [(2, "b")] and seen.runner.yields, timeout=60_000)
    seen.view.setCurrentIndex(2)
    seen.view.train.table.selectRow(0)
    seen.view.train.go_back()
    qtbot.waitUntil(lambda: segmentings.asked[-1:] == [(3, "b")] and seen.runner.yields, timeout=60_000)
    assert "Cycle 3 is the model of cycle 1 again" in seen.jobs.message.text()
    segmentings.gate.set()
    qtbot.waitUntil(lambda: all(map(project.is_segmented, "abc")), timeout=60_000)
    assert (3, "a") not in segmentings.asked  # which it had segmented before


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks into /proc")
@pytest.mark.own_process
def test_a_training_that_is_killed_leaves_window_buttons_and_labels(
    dock: Any, qtbot: Any, project: Project, dataset: Dataset
) -> None:
    import_truth(project, dataset, [SliceKey("a", 0), SliceKey("b", 1)])
    project.set_config(project.config.with_changes(["train.epochs=100000"]))
    dock.view.setCurrentIndex(2)
    labels = {k: project.labels.record(k) for k in project.labels}
    dones: list[int] = []
    dock.runner.progressed.connect(lambda progress, left: dones.append(progress.done))
    dock.view.train.retrain.click()
    qtbot.waitUntil(lambda: bool(dones) and dones[-1] > 0, timeout=240_000)
    made = [p for t in Path(f"/proc/{os.getpid()}/task").glob("*/children") for p in t.read_text().split()]
    child = next(int(p) for p in made if b"voidscope.apart" in Path(f"/proc/{p}/cmdline").read_bytes())
    with qtbot.waitSignal(dock.runner.failed, timeout=60_000):
        os.kill(child, signal.SIGKILL)
    assert dock.jobs.message.text().startswith("Training cycle 1 stopped: its process was ended by SIGKILL")
    assert dock.view.train.retrain.isEnabled() and dock.jobs.cancel.isHidden()
    assert project.cycle is None
    assert {k: Project.open(project.path).labels.record(k) for k in labels} == labels


def test_what_another_model_goes_on_to_say_is_not_shown_nor_told(
    dock: Any, qtbot: Any, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_panel.TrainPanel, "_segment_rest", lambda self: None)
    for _ in range(2):
        add_cycle(project)
    dock.view.setCurrentIndex(2)
    panel, told = dock.view.train, []
    dock.runner.failed.connect(told.append)
    dock.runner.cancelled.connect(told.append)
    gate: list[bool] = []
    mask = np.full(project.slice_shape(SliceKey("a", 1)), 2, np.uint8)
    said = SimpleNamespace(mask=mask, entropy=np.zeros(mask.shape, np.float32))
    before = project.cycle.id

    def steps() -> Steps[None]:
        while not gate:
            time.sleep(0.01)
            yield Progress(0, 1, "", (SliceKey("a", 1), said, before))

    dock.runner.run(lambda: Job("Segmenting", steps, lambda _: None), yields=True)
    qtbot.waitUntil(lambda: dock.view.layers.find("prediction") is not None, timeout=60_000)
    assert not dock.runner.busy and dock.new.isEnabled()
    panel.table.selectRow(0)
    panel.go_back()
    qtbot.waitUntil(lambda: dock.jobs.cancel.isHidden(), timeout=60_000)
    assert dock.view.layers.find("prediction") is None
    panel._show_partial(Progress(0, 1, "", (SliceKey("a", 1), said, before)), "")
    assert dock.view.layers.find("prediction") is None
    assert told == [] and "is the model of cycle 1 again" in dock.jobs.message.text()


def test_a_lost_model_before_is_told_and_the_new_one_is_shown(
    dock: Any, qtbot: Any, project: Project, dataset: Dataset
) -> None:
    first = add_cycle(project)
    add_cycle(project)
    import_truth(project, dataset, [SliceKey("c", 0)])
    first.weights_path.unlink()
    assert execute(compare_models(project)) is None
    dock.view.train.choice.compare()
    qtbot.waitUntil(lambda: "Not compared" in dock.jobs.message.text(), timeout=60_000)


def test_how_a_new_model_compares_can_be_read_once_its_scan_is_segmented(
    dock: Any, qtbot: Any, project: Project, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def segmented(project: Project, scans: list[str], **_: object) -> Job[None, None]:
        def steps() -> Steps[None]:
            yield Progress(1, 1)

        return Job("Segmenting", steps, lambda _: None)

    monkeypatch.setattr(train_panel, "segment", segmented)
    monkeypatch.setattr(train_panel, "to_judge", lambda project: False)
    made = Trainings()
    monkeypatch.setattr(train_panel, "train", made.train)
    monkeypatch.setattr(model_choice, "compare_models", made.compare)
    add_cycle(project)
    import_truth(project, dataset, [SliceKey("a", 0)])
    told: list[str] = []
    dock.runner.started.connect(told.append)
    dock.view.train.start()
    qtbot.waitUntil(lambda: told.count("Segmenting") > 3, timeout=60_000)
    assert dock.jobs.message.text().startswith("Cycle 2: void IoU 0.700, cycle 1: 0.500")
    dock.runner.cancel()
