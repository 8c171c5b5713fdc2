"""Jobs: a generator driven to its end is committed, a cancelled or failing one is not."""

from __future__ import annotations

import pytest

from voidscope.jobs import Job, Progress, Steps, execute
from voidscope.progress import StderrProgress, time_left


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


def test_progress_stays_off_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    with StderrProgress("Counting") as show:
        execute(Job("Counting", lambda: counting(2, []), lambda n: n), show)
    out, err = capsys.readouterr()
    assert out == ""
    assert "Counting: counting" in err
    assert "done in" in err
