"""Jobs: a generator driven to its end is committed, a cancelled or failing one is not."""

from __future__ import annotations

import pytest

from voidscope.jobs import Job, Progress, Steps, execute
from voidscope.progress import Pace, StderrProgress, time_left


def counting(total: int, closed: list[bool]) -> Steps[int]:
    try:
        for done in range(total):
            yield Progress(done, total, "counting")
        return total
    finally:
        closed.append(True)


def test_the_outcome_is_what_commit_makes_of_the_result() -> None:
    seen: list[Progress] = []
    assert execute(Job("Counting", lambda: counting(3, []), lambda n: n * 10), seen.append) == 30
    assert [p.done for p in seen] == [0, 1, 2]


def test_stopping_closes_the_steps_and_commits_nothing() -> None:
    closed: list[bool] = []
    committed: list[int] = []

    def stop(progress: Progress) -> None:
        if progress.done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute(Job("Counting", lambda: counting(3, closed), committed.append), stop)
    assert closed == [True]
    assert committed == []


def test_a_job_can_be_run_again_from_its_start() -> None:
    job = Job("Counting", lambda: counting(2, []), lambda n: n)
    assert [execute(job), execute(job)] == [2, 2]


def test_an_error_in_the_steps_reaches_the_caller_uncommitted() -> None:
    def failing() -> Steps[int]:
        yield Progress(0, 1)
        raise ValueError("scan07 is odd")

    committed: list[int] = []
    with pytest.raises(ValueError, match="scan07 is odd"):
        execute(Job("Failing", failing, committed.append))
    assert committed == []


@pytest.mark.parametrize(
    ("elapsed", "done", "total", "text"),
    [
        (10.0, 1, 2, "0:10 left"),
        (10.0, 1, 14, "2:10 left"),
        (5.0, 0, 9, ""),
        (5.0, 9, 9, "0:00 left"),
        (5.0, 3, 0, ""),
    ],
)
def test_time_left_follows_the_mean_pace(elapsed: float, done: int, total: int, text: str) -> None:
    assert time_left(elapsed, done, total) == text


def test_the_pace_is_that_of_the_steps_and_not_of_what_came_before_them() -> None:
    pace = Pace()
    told = [
        pace.left(Progress(done, 150), now)
        for done, now in ((0, 0.0), (0, 55.0), (1, 60.0), (2, 61.0), (11, 70.0), (150, 209.0))
    ]
    assert told == ["", "", "", "2:28 left", "2:19 left", "0:00 left"]
    assert [pace.left(Progress(done, 10), now) for done, now in ((0, 210.0), (4, 220.0), (6, 222.0))] == [
        "",
        "",
        "0:04 left",
    ]  # another stage has a pace of its own
    assert pace.left(Progress(10, 10), 300.0) == "0:00 left" == Pace().left(Progress(3, 3), 0.0)


def test_progress_stays_off_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    with StderrProgress("Counting") as show:
        execute(Job("Counting", lambda: counting(2, []), lambda n: n), show)
    out, err = capsys.readouterr()
    assert out == ""
    assert "Counting: counting" in err
    assert "done in" in err
