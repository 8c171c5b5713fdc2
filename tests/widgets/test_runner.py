"""Jobs in the background: every job ends in exactly one way, commits happen on the GUI thread, the next job can follow."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from qtpy.QtCore import QThreadPool

from voidscope.errors import NotReady, StaleResult
from voidscope.jobs import Job, Progress, Steps
from voidscope.widgets.job_bar import JobBar
from voidscope.widgets.runner import Runner


@pytest.fixture
def runner(qtbot: Any) -> Runner:
    return Runner()


def ends_of(runner: Runner) -> list[tuple[str, str]]:
    told: list[tuple[str, str]] = []
    for name in ("done", "failed", "cancelled"):
        getattr(runner, name).connect(lambda text, name=name: told.append((name, text)))
    return told


def counting(n: int = 3, wait: Callable[[], object] = lambda: None) -> Callable[[], Steps[int]]:
    def steps() -> Steps[int]:
        for k in range(n):
            wait()
            yield Progress(k + 1, n, "counting")
        return threading.get_ident()

    return steps


def raising(error: Exception) -> Callable[[], Steps[int]]:
    def steps() -> Steps[int]:
        yield Progress(0, 1)
        raise error

    return steps


def test_steps_run_elsewhere_and_the_commit_here(runner: Runner, qtbot: Any) -> None:
    told, threads = ends_of(runner), []
    job = Job("Counting", counting(), lambda ident: threads.extend([ident, threading.get_ident()]))
    with qtbot.waitSignal(runner.done, timeout=60_000):
        runner.run(lambda: job)
    assert told == [("done", "Counting")]
    assert threads[0] != threads[1] == threading.get_ident()
    assert not runner.busy


def test_the_next_job_may_be_started_by_the_end_of_the_one_before(runner: Runner, qtbot: Any) -> None:
    told, outcomes = ends_of(runner), []
    second = Job("Second", counting(), lambda _: outcomes.append("second"))
    first = Job("First", counting(), lambda _: "first")
    runner.run(lambda: first, lambda outcome: (outcomes.append(outcome), runner.run(lambda: second)))
    qtbot.waitUntil(lambda: len(told) == 2, timeout=60_000)
    assert told == [("done", "First"), ("done", "Second")]
    assert outcomes == ["first", "second"]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (NotReady("label some slices first"), "label some slices first"),
        (
            RuntimeError("CUDA error:\n out of memory"),
            "The job stopped: CUDA error: out of memory. To need less memory, choose smaller batches or device=cpu.",
        ),
        (
            RuntimeError("CUDA error: no kernel image"),
            "The job stopped: CUDA error: no kernel image. See: voidscope doctor",
        ),
        (
            MemoryError("Unable to allocate 9 GiB"),
            "MemoryError: Unable to allocate 9 GiB. To need less memory, choose smaller batches or device=cpu. The log has the details.",
        ),
        (KeyError("oops"), "KeyError: 'oops'. The log has the details."),
    ],
)
def test_a_failing_job_tells_one_sentence_and_frees_the_runner(
    runner: Runner, qtbot: Any, error: Exception, sentence: str
) -> None:
    told, bar = ends_of(runner), JobBar(runner)
    qtbot.addWidget(bar)
    committed: list[int] = []
    runner.run(lambda: Job("Failing", raising(error), committed.append))
    qtbot.waitUntil(lambda: bool(told), timeout=60_000)
    assert told == [("failed", sentence)]
    assert bar.message.text() == sentence
    assert committed == []
    assert not runner.busy
    assert bar.cancel.isHidden()


def test_a_job_cancelled_after_its_last_step_is_told_as_cancelled(runner: Runner, qtbot: Any) -> None:
    told, there, going = ends_of(runner), threading.Event(), threading.Event()

    def steps() -> Steps[None]:
        yield Progress(0, 1)
        there.set()
        going.wait(60)

    runner.run(lambda: Job("Long", steps, lambda _: told.append(("done", "committed"))))
    qtbot.waitUntil(there.is_set, timeout=60_000)
    runner.cancel()
    with qtbot.waitSignal(runner.cancelled, timeout=60_000):
        going.set()
    assert told == [("cancelled", "Long")] and not runner.busy


def test_cancel_closes_the_steps_and_commits_nothing(runner: Runner, qtbot: Any) -> None:
    told, committed, closed = ends_of(runner), [], []
    go_on = threading.Event()

    def steps() -> Steps[int]:
        try:
            for k in range(1000):
                go_on.wait(0.01)
                yield Progress(k, 1000)
            return 0
        finally:
            closed.append(True)

    runner.run(lambda: Job("Long", steps, committed.append))
    qtbot.waitSignal(runner.progressed, timeout=60_000).wait()
    runner.cancel()
    qtbot.waitUntil(lambda: bool(told), timeout=60_000)
    assert told == [("cancelled", "Long")]
    assert (committed, closed) == ([], [True])
    assert not runner.busy


def test_a_refused_commit_is_told(runner: Runner, qtbot: Any) -> None:
    def refuse(result: int) -> None:
        raise StaleResult("the model is no longer current")

    told = ends_of(runner)
    runner.run(lambda: Job("Stale", counting(), refuse))
    qtbot.waitUntil(lambda: bool(told), timeout=60_000)
    assert told == [("failed", "the model is no longer current")]


def test_what_the_verb_refuses_starts_nothing(runner: Runner, qtbot: Any) -> None:
    def refuse() -> Job[int, int]:
        raise NotReady("train first")

    told = ends_of(runner)
    runner.run(refuse)
    assert told == [("failed", "train first")]
    assert not runner.busy


def test_a_second_job_is_refused_while_one_runs(runner: Runner, qtbot: Any) -> None:
    told, gate = ends_of(runner), threading.Event()
    runner.run(lambda: Job("First", counting(2, lambda: gate.wait(5)), lambda n: n))
    runner.run(lambda: Job("Second", counting(), lambda n: n))
    assert told == [("failed", "First is still running; wait for it or cancel it.")]
    gate.set()
    qtbot.waitUntil(lambda: len(told) == 2, timeout=60_000)
    assert told[1] == ("done", "First")


def test_the_bar_shows_stage_and_time_left(runner: Runner, qtbot: Any) -> None:
    bar = JobBar(runner)
    qtbot.addWidget(bar)
    runner.started.emit("Training cycle 1")
    runner.progressed.emit(Progress(3, 10, "epoch 3 of 10", where="cpu"), "0:07 left")
    assert bar.title.text() == "Training cycle 1 on cpu · epoch 3 of 10 · 3/10 · 0:07 left"
    runner.progressed.emit(Progress(0, 0, "waiting"), "")  # of the same job: the device is still that
    assert bar.title.text() == "Training cycle 1 on cpu · waiting"
    runner.started.emit("Segmenting a")
    runner.progressed.emit(Progress(3, 10, "segmenting a"), "")
    assert bar.title.text() == "Segmenting a · 3/10", "not the same twice"
    runner.progressed.emit(Progress(3, 10, "epoch 3 of 10"), "0:07 left")
    assert (bar.bar.value(), bar.bar.maximum()) == (3, 10)
    assert not bar.cancel.isHidden()


def test_a_job_beside_has_a_row_of_its_own_once_it_takes_more_than_a_moment(
    runner: Runner, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voidscope.widgets.job_bar.MOMENT_MS", 1)
    bar, other, gate, told = JobBar(runner), Runner(), [], []
    qtbot.addWidget(bar)
    row = bar.beside(other)
    other.cancelled.connect(told.append)

    def steps() -> Steps[None]:
        while not gate:
            yield Progress(3, 9, "between slices 0 and 10")

    other.run(lambda: Job("Interpolating", steps, lambda _: None))
    runner.started.emit("Training cycle 1")
    qtbot.waitUntil(lambda: "between" in row.title.text() and not row.isHidden(), timeout=60_000)
    assert row.title.text().startswith("Interpolating · between slices 0 and 10 · 3/9")
    assert bar.title.text() == "Training cycle 1" and not bar.row.isHidden()
    row.cancel.click()
    qtbot.waitUntil(lambda: told == ["Interpolating"] and row.isHidden(), timeout=60_000)
    assert bar.message.text().startswith("Interpolating: cancelled") and not bar.row.isHidden()
    monkeypatch.setattr("voidscope.widgets.job_bar.MOMENT_MS", 60_000)
    late = bar.beside(other)
    other.started.emit("Copying")
    assert late.isHidden()


def test_what_was_told_outlives_a_job_that_nobody_waits_for(runner: Runner, qtbot: Any) -> None:
    bar, told = JobBar(runner), ends_of(runner)
    qtbot.addWidget(bar)
    runner.failed.emit("a/0001: this could not be done.")
    runner.run(lambda: Job("Segmenting a", counting(), lambda n: n), yields=True)
    assert bar.title.text() == "Segmenting a"
    qtbot.waitUntil(lambda: runner.idle, timeout=60_000)
    assert told[1:] == [], "that it ended is nobody's news"
    assert bar.message.text() == "a/0001: this could not be done." and bar.message.styleSheet()
    runner.run(lambda: Job("Counting", counting(), lambda n: n))
    assert bar.message.text() == "", "a person asked for this one"
    qtbot.waitUntil(lambda: bar.message.text() == "Counting: done.", timeout=60_000)


def test_on_one_processor_a_job_beside_need_not_wait_for_a_training(runner: Runner, qtbot: Any) -> None:
    pool, told, gate = QThreadPool.globalInstance(), [], threading.Event()
    threads = pool.maxThreadCount()
    try:
        pool.setMaxThreadCount(1)  # what Qt takes on a machine with one
        beside = Runner()
        beside.done.connect(told.append)
        runner.run(lambda: Job("Training", counting(2, lambda: gate.wait(60)), lambda n: n))
        beside.run(lambda: Job("Interpolating", counting(), lambda n: n))
        qtbot.waitUntil(lambda: told == ["Interpolating"], timeout=20_000)
        assert runner.busy
    finally:
        gate.set()
        qtbot.waitUntil(lambda: not runner.busy, timeout=60_000)
        pool.setMaxThreadCount(threads)


def test_whatever_a_verb_or_a_commit_raises_is_told_and_the_next_job_runs(
    runner: Runner, qtbot: Any, tmp_path: Any
) -> None:
    told = ends_of(runner)
    runner.run(lambda: (tmp_path / "gone").read_bytes())
    assert told[-1][0] == "failed" and told[-1][1].startswith("FileNotFoundError")

    def broken(_: object) -> None:
        raise KeyError("scans")

    with qtbot.waitSignal(runner.failed, timeout=60_000):
        runner.run(lambda: Job("Counting", counting(), broken))
    assert told[-1] == ("failed", "KeyError: 'scans'. The log has the details.")
    with qtbot.waitSignal(runner.done, timeout=60_000):
        runner.run(lambda: Job("Counting", counting(), lambda _: None))


@pytest.mark.parametrize("stop", ["cancel", "give_way"])
def test_a_job_stopped_when_its_steps_have_just_ended_keeps_nothing_and_nothing_follows(
    runner: Runner, qtbot: Any, stop: str
) -> None:
    told, ran = ends_of(runner), []
    runner.run(lambda: Job("Segmenting", counting(), ran.append), ran.append, yields=True)
    assert QThreadPool.globalInstance().waitForDone(60_000)  # what it has told waits for this thread
    getattr(runner, stop)()
    with qtbot.waitSignal(runner.ended, timeout=60_000):
        pass
    assert ran == []
    assert told == ([("cancelled", "Segmenting")] if stop == "cancel" else [])


def test_nothing_follows_a_job_that_was_committed_while_its_project_is_closed(
    runner: Runner, qtbot: Any
) -> None:
    told, ran = ends_of(runner), []
    with qtbot.waitSignal(runner.ended, timeout=60_000):
        runner.run(lambda: Job("Training", counting(), lambda _: runner.cancel()), ran.append)
    assert (told, ran) == ([("done", "Training")], [])


def test_what_gave_way_may_go_on_once_all_that_followed_is_over(runner: Runner, qtbot: Any) -> None:
    bar, order, told = JobBar(runner), [], ends_of(runner)
    qtbot.addWidget(bar)
    go_on = threading.Event()

    def rest() -> None:
        order.append("rest")
        runner.run(lambda: Job("Rest", counting(2, lambda: go_on.wait(60)), lambda _: None), yields=True)

    def wanted(name: str) -> Job[int, Any]:
        return Job(name, counting(), lambda _: order.append(name))

    runner.resumes.connect(rest)
    with qtbot.waitSignal(runner.ended, timeout=60_000):
        runner.run(lambda: wanted("alone"))
    runner.run(lambda: Job("Rest", counting(1000, lambda: go_on.wait(0.01)), lambda _: None), yields=True)
    runner.run(lambda: wanted("first"), lambda _: runner.run(lambda: wanted("second")))
    qtbot.waitUntil(lambda: "rest" in order and runner.yields, timeout=60_000)
    assert order == ["alone", "first", "second", "rest"]
    assert bar.message.text() == "second: done."  # which stands while the rest goes on
    go_on.set()
    qtbot.waitUntil(lambda: runner._worker is None, timeout=60_000)
    assert order.count("rest") == 1 and bar.message.text() == "second: done."
    assert told == [("done", name) for name in ("alone", "first", "second")]


def test_nothing_goes_on_after_cancel(runner: Runner, qtbot: Any) -> None:
    again: list[bool] = []
    told = ends_of(runner)
    runner.resumes.connect(lambda: again.append(True))
    runner.run(lambda: Job("Rest", counting(1000, lambda: time.sleep(0.01)), lambda _: None), yields=True)
    runner.run(lambda: Job("Wanted", counting(1000, lambda: time.sleep(0.01)), lambda _: None))
    qtbot.waitUntil(lambda: runner._job is not None and runner._job.title == "Wanted", timeout=60_000)
    runner.cancel()
    qtbot.waitUntil(lambda: runner._worker is None, timeout=60_000)
    assert (told, again) == ([("cancelled", "Wanted")], [])
    runner.resume()
    assert again == [True]
