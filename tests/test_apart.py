"""Steps in a process of their own: the same progress and result, one sentence however it ends, and nothing left running."""

from __future__ import annotations

import logging
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

import apart_steps
from voidscope import apart as module
from voidscope.apart import LEAST_GAP_S, NICENESS, STARTING, apart, ended
from voidscope.errors import JobFailed
from voidscope.jobs import Job, Progress, execute


def run(make: Callable[[], object]) -> tuple[object, list[Progress]]:
    """The result of steps run elsewhere, and what they said."""
    said: list[Progress] = []
    return execute(Job("Counting", lambda: apart("Counting", make), lambda found: found), said.append), said  # type: ignore[arg-type]


def waited(until: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Whether something came true in time."""
    end = time.monotonic() + seconds
    while not until() and time.monotonic() < end:
        time.sleep(0.02)
    return until()


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return "(Z)" not in Path(f"/proc/{pid}/stat").read_text().replace(") Z", "(Z)")
    except OSError:
        return False


def test_progress_partial_results_and_result_come_from_another_process() -> None:
    (n, pid, niceness), said = run(partial(apart_steps.counting, 3))  # type: ignore[misc]
    assert n == 3
    assert pid != os.getpid()
    assert said[0] == Progress(0, 0, STARTING)
    told = [p for p in said if p.partial is not None]
    assert told == [Progress(k + 1, 3, f"at {k + 1}", k) for k in range(3)]
    assert not hasattr(os, "nice") or niceness == min(19, os.nice(0) + NICENESS)


def test_it_is_told_of_a_fast_job_now_and_then_and_of_its_end() -> None:
    started = time.monotonic()
    result, said = run(partial(apart_steps.many, 20_000))
    most = (time.monotonic() - started) / LEAST_GAP_S
    assert result == 20_000
    assert len([p for p in said if p.total]) <= most + 2 < 20_000
    assert said[-1].done == 20_000


def test_what_the_steps_refuse_is_told_as_it_is() -> None:
    with pytest.raises(JobFailed, match=r"^label some slices first$"):
        run(apart_steps.refusing)


def test_what_nobody_foresaw_is_one_sentence_and_its_traceback_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR), pytest.raises(JobFailed) as told:
        run(apart_steps.breaking)
    assert str(told.value) == "Counting stopped: KeyError: 'oops'. The log has the details."
    assert "apart_steps.py" in caplog.text


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize(("number", "name"), [(signal.SIGKILL, "SIGKILL"), (signal.SIGSEGV, "SIGSEGV")])
def test_a_process_that_is_struck_down_is_one_sentence_with_a_way_out(
    number: int, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR), pytest.raises(JobFailed) as told:
        run(partial(apart_steps.struck, int(number)))
    sentence = str(told.value)
    assert sentence.startswith(f"Counting stopped: its process was ended by {name}")
    assert "All labels and earlier models are kept" in sentence and "\n" not in sentence
    assert "the last words of a driver" in caplog.text


def test_closing_the_steps_stops_the_other_process_in_the_middle_of_a_batch(tmp_path: Path) -> None:
    steps = apart("Endless", partial(apart_steps.endless, tmp_path / "sign"))
    pid = next(int(p.note) for p in steps if p.note != STARTING)
    assert waited((tmp_path / "sign").exists)
    assert next(steps) == Progress(1, 2, str(pid))  # it is silent, and can be cancelled all the same
    steps.close()
    assert waited(lambda: not alive(pid))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
def test_it_ends_with_the_process_that_asked_for_it(tmp_path: Path) -> None:
    script = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from functools import partial; from pathlib import Path; import apart_steps\n"
        "from voidscope.apart import apart\n"
        f"for p in apart('Endless', partial(apart_steps.endless, Path({str(tmp_path / 'sign')!r}))):\n"
        "    print(p.note, flush=True)\n"
    )
    asking = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert asking.stdout is not None
    with asking:
        pid = next(int(line) for line in asking.stdout if line.strip().isdecimal())
        assert alive(pid)
        asking.kill()
    assert waited(lambda: not alive(pid))


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups")
def test_ctrl_c_is_for_the_process_that_asked() -> None:
    assert run(partial(apart_steps.struck_on, signal.SIGINT))[0] == "went on"


def test_no_module_of_the_folder_it_is_started_in_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("queue", "pickle", "voidscope"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a stranger was run')\n")
    monkeypatch.chdir(tmp_path)
    assert run(partial(apart_steps.many, 3))[0] == 3


def test_what_cannot_go_to_another_process_is_refused_before_one_is_made() -> None:
    steps = apart("Local", lambda: apart_steps.many(1))
    next(steps)
    with pytest.raises((pickle.PicklingError, AttributeError)):
        next(steps)


@pytest.mark.parametrize(
    ("code", "said"), [(3, "ended with code 3"), (0xC0000005, "ended with code 0xc0000005")]
)
def test_the_end_of_a_process_in_words(code: int, said: str) -> None:
    assert ended(code) == said


def test_it_is_started_as_a_module_so_that_the_persons_own_script_is_not_run_again() -> None:
    assert module.__name__ == "voidscope.apart"
