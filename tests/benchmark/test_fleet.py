"""Cells in processes: all of them end, whatever one does, and none is left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from voidscope.benchmark.fleet import finished
from voidscope.benchmark.protocol import Cell, Method

CELLS = [Cell(Method(strategy=name), 0) for name in ("good", "bad", "deadly", "killed", "late")]


def _work(cell: Cell) -> str:
    """Ends its process, or says why it cannot be done, as its name has it."""
    if cell.method.strategy == "deadly":
        os._exit(3)
    if cell.method.strategy == "killed":
        os.kill(os.getpid(), 9)
    return "no luck" if cell.method.strategy == "bad" else ""


def _threads(cell: Cell) -> str:
    return f"{os.getpid()} {os.environ['OMP_NUM_THREADS']} {os.environ['VOIDSCOPE_THREADS']} {os.environ['VOIDSCOPE_GPU_SHARE']}"


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_process_that_dies_ends_its_cell_and_no_other() -> None:
    found = {cell.method.strategy: reason for cell, reason in finished(_work, CELLS, 2)}
    assert found["good"] == found["late"] == ""
    assert found["bad"] == "no luck"
    assert "exit code 3" in found["deadly"]
    assert "killed (signal 9), perhaps for want of memory" in found["killed"]
    assert not multiprocessing.active_children()


def test_workers_are_other_processes_with_one_thread_and_a_share_of_the_gpu_and_leave_no_trace_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("VOIDSCOPE_THREADS", raising=False)
    said = [reason.split() for _, reason in finished(_threads, CELLS[:3], 2)]
    assert [threads for _, *threads in said] == [["1", "1", "0.450"]] * 3
    assert str(os.getpid()) not in {pid for pid, *_ in said}
    assert len({pid for pid, *_ in said}) <= 2
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert not {"VOIDSCOPE_THREADS", "VOIDSCOPE_GPU_SHARE"} & set(os.environ)


def _gpu(cell: Cell) -> str:
    """The GPU a worker sees, its share of it and which process it is."""
    time.sleep(0.2)
    return f"{os.environ['CUDA_VISIBLE_DEVICES']} {os.environ['VOIDSCOPE_GPU_SHARE']} {os.getpid()}"


def test_workers_are_dealt_out_over_the_gpus_and_share_one_with_those_beside_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,GPU-b")
    cells = [Cell(Method(strategy="good"), seed) for seed in range(6)]
    said = {tuple(reason.split()) for _, reason in finished(_gpu, cells, 3, ("2", "GPU-b"))}
    assert sorted(words[:2] for words in map(list, said)) == [["2", "0.450"]] * 2 + [["GPU-b", "0.900"]]
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "2,GPU-b"


def _relieved(cell: Cell) -> str:
    """The GPU of a worker; one cell ends its process, one is at work until another is done."""
    done = Path(os.environ["RELIEF"])
    if cell.method.strategy == "deadly":
        os._exit(3)
    if cell.method.strategy == "late":
        done.touch()
    while not done.exists():
        time.sleep(0.05)
    return os.environ["CUDA_VISIBLE_DEVICES"]


def test_who_follows_a_worker_that_died_has_its_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RELIEF", str(tmp_path / "done"))
    cells = [Cell(Method(strategy=name), 0) for name in ("good", "deadly", "late")]
    said = {cell.method.strategy: gpu for cell, gpu in finished(_relieved, cells, 2, ("0", "1"))}
    assert (said["good"], said["late"]) == ("0", "1")


def test_who_stops_listening_ends_the_workers() -> None:
    with pytest.raises(KeyboardInterrupt), closing(finished(_threads, CELLS, 2)) as ended:
        next(ended)
        raise KeyboardInterrupt
    assert not multiprocessing.active_children()


MASTER = """
import os, sys, time
from voidscope.benchmark.fleet import finished
from voidscope.benchmark.protocol import Cell, Method

def work(cell):
    print(os.getpid(), flush=True)
    time.sleep(600)

if __name__ == "__main__":
    list(finished(work, [Cell(Method(), seed) for seed in (0, 1)], 2))
"""


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_workers_end_with_a_master_that_is_killed(tmp_path: Path) -> None:
    (tmp_path / "master.py").write_text(MASTER)
    with subprocess.Popen(
        [sys.executable, tmp_path / "master.py"], stdout=subprocess.PIPE, text=True
    ) as master:
        assert master.stdout is not None
        workers = [int(master.stdout.readline()) for _ in range(2)]
        master.kill()
        try:
            master.communicate(timeout=60)  # their end of the pipe is closed when the last of them ends
        except subprocess.TimeoutExpired:
            for worker in workers:
                os.kill(worker, signal.SIGKILL)
            raise


def test_one_worker_is_this_process_and_no_cell_is_no_work() -> None:
    assert [cell for cell, _ in finished(_work, CELLS[:2], 1)] == CELLS[:2]
    assert list(finished(_work, [], 3)) == []
