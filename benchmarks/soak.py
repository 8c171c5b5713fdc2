"""Two hundred cycles of suggest, label and train on a tiny project: what grows that should not.

Each cycle asks for one slice, labels it by the truth, erases the oldest label and trains, so the work stays the same.
Memory is the process's own (resident), read after each cycle; its slope is a straight line through the second
half, when caches are full. Run:

    python benchmarks/soak.py [--cycles 200]
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import voidscope as vs
from builders import bump_dataset, quick_project

QUICKER = ("train.epochs=1", "suggest.budget=1", "train.batch_size=2")


def resident_mb() -> float:
    """Memory this process has in RAM, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def give_back() -> None:
    """Let the allocator hand unused memory back, so that what is resident is what is held; of glibc alone."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def open_files() -> int:
    """File descriptors this process holds."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def main() -> None:
    """Run the cycles and print one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cycles", type=int, default=200)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        dataset = bump_dataset(Path(folder) / "scans")
        project = quick_project(Path(folder) / "project", dataset)
        project.set_config(project.config.with_changes(QUICKER))
        rows = [_cycle(project, dataset) for _ in range(given.cycles)]
    seconds, memory, threads, files = (np.array(column) for column in zip(*rows, strict=True))
    half = len(rows) // 2
    slope = np.polyfit(np.arange(half), memory[-half:], 1)[0]
    result = {
        "cycles": len(rows),
        "memory_mb": {"after_first": round(memory[0], 1), "last": round(memory[-1], 1), "most": round(memory.max(), 1)},
        "mb_per_cycle_in_the_second_half": round(slope, 4),
        "threads": [int(threads[half]), int(threads[-1])],
        "open_files": [int(files[half]), int(files[-1])],
        "seconds_p95_first_and_last_twenty": [round(float(np.quantile(s, 0.95)), 3) for s in (seconds[1:21], seconds[-20:])],
    }  # fmt: skip
    print(json.dumps(result))


def _cycle(project: vs.Project, dataset: vs.Dataset) -> tuple[float, float, int, int]:
    """One cycle; its seconds, and memory, threads and open files after it."""
    started = time.perf_counter()
    vs.execute(vs.suggest(project))
    vs.answer_suggestions(project, dataset)
    if len(project.labels) > 4:
        project.labels.remove(min(project.labels))
    vs.execute(vs.train(project))
    seconds = time.perf_counter() - started
    gc.collect()
    give_back()
    return seconds, resident_mb(), threading.active_count(), open_files()


if __name__ == "__main__":
    main()
