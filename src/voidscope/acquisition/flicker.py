"""Predictions that flicker along a scan: a class that lasts for one slice only."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from voidscope.acquisition.findings import Finding, counts_at, middle, patches, runs_of, weightiest
from voidscope.vocabulary import Mask, SliceKey


def flickering(before: Mask, here: Mask, after: Mask) -> npt.NDArray[np.bool_]:
    """Where a slice is of another class than both its neighbours, and they agree."""
    return np.asarray((before == after) & (here != before))


def flicker(scan: str, mask: Mask) -> tuple[tuple[int, ...], tuple[Finding, ...]]:
    """How many pixels of each slice flicker, and the slices with the most, first.

    The first and the last slice have one neighbour and flicker nowhere. A finding is a whole slice: where to look first is
    the middle of its largest flickering patch, and its class is what the neighbours say there.

    Parameters
    ----------
    mask : (n_slices, h, w), the model's mask with the slices along the first axis
    """
    counts, found = [0] * len(mask), []
    for index in range(1, len(mask) - 1):
        there = flickering(mask[index - 1], mask[index], mask[index + 1])
        counts[index] = int(there.sum())
        if counts[index]:
            found.append((float(counts[index]), _finding(SliceKey(scan, index), there, mask[index - 1])))
    return tuple(counts), weightiest(found)


def _finding(key: SliceKey, there: npt.NDArray[np.bool_], neighbour: Mask) -> Finding:
    largest = max(patches(there), key=len)
    n, runs = int(there.sum()), runs_of(np.insert(np.argwhere(there), 0, key.index, axis=1))
    return Finding(
        "flicker", key, middle(largest), n, n / there.size, counts_at(neighbour, largest), runs=runs
    )
