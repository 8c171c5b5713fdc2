"""Cycle after cycle the process stays as it is: no thread, no open file, no memory is left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).parents[2] / "benchmarks" / "soak.py"


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc, which only Linux has")
def test_twenty_cycles_leave_nothing_behind() -> None:
    said = subprocess.run(
        [sys.executable, str(SOAK), "--cycles", "20"], capture_output=True, check=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"},
    ).stdout  # fmt: skip
    found = json.loads(said)
    assert found["cycles"] == 20
    before, after = found["threads"]
    assert before == after
    before, after = found["open_files"]
    assert before == after
    # The network alone is 3 MB: a cycle that kept it, its optimiser or its predictions would show at once.
    assert found["mb_per_cycle_in_the_second_half"] < 0.3
