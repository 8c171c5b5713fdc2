"""Which slices make up each step of an epoch."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from voidscope.training.pool import Indices


def entries_of(sizes: Indices, crops_per_slice: int, crop: int) -> Indices:
    """Index of each slice as often as it is cropped in an epoch.

    `crops_per_slice` 0 takes as many crops as cover the slice's area, so that a slice not larger than the crop is taken
    once, as in the paper, and a large one in proportion.
    """
    cover = np.ceil(sizes.prod(axis=1) / crop**2).astype(np.int64)
    return np.repeat(np.arange(len(sizes)), np.maximum(1, cover) if crops_per_slice == 0 else crops_per_slice)


def cycled(order: Indices, n: int) -> Indices:
    """The first `n` of `order` repeated without end: each entry comes as often as any other, give or take one."""
    return np.resize(order, n)


def batches_of(entries: Indices, size: int, least: int = 1) -> list[Indices]:
    """Entries in batches of `size`; a partial last batch is kept, but one smaller than `least` joins its neighbour.

    Fewer than `least` entries are repeated, so that even one slice can be learnt from.
    """
    entries = np.resize(entries, max(least, len(entries)))
    starts = list(range(0, len(entries), max(size, least)))
    if len(starts) > 1 and len(entries) - starts[-1] < least:
        starts.pop()
    return np.split(entries, starts[1:])


def parts_of(n: int, most: int, least: int = 1) -> list[slice]:
    """A batch of `n` cut into even parts of about `most`, none smaller than `least`."""
    count = max(1, min(-(-n // most), n // least))
    bounds = [round(k * n / count) for k in range(count + 1)]
    return [slice(a, b) for a, b in pairwise(bounds)]
