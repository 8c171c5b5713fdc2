"""Times of several ways to do one thing, taken in turn in one process, so that a busy machine slows all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np


def take_turns(
    runs: Mapping[str, Callable[[], object]], rounds: int, warm_up: int = 1
) -> dict[str, list[float]]:
    """Seconds of each run in each of `rounds` rounds, after `warm_up` rounds that do not count."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for k in range(warm_up + rounds):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            if k >= warm_up:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def ratios(slow: Sequence[float], fast: Sequence[float]) -> dict[str, object]:
    """How many times faster the second was, round by round: median and quartiles."""
    found = np.divide(slow, fast)
    low, middle, high = (round(float(q), 3) for q in np.quantile(found, (0.25, 0.5, 0.75)))
    return {"ratio_median": middle, "ratio_quartiles": [low, high]}
