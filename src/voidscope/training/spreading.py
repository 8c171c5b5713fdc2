"""Batches in which slices of one scan are as few as can be: neighbours look alike, and a contrast pushes them apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence

import numpy as np

from voidscope.training.batches import batches_of
from voidscope.training.pool import Indices


def spread_count(groups: Sequence[Hashable], size: int) -> int:
    """In how many batches no two slices are of one group: as many as the largest has, and no batch larger than `size`.

    Where one group has more than half of all slices no such batches of two or more can be made; then `size` alone counts.
    """
    largest = max(Counter(groups).values())
    by_size = len(batches_of(np.arange(len(groups)), size, least=2))
    return max(by_size, largest) if 2 * largest <= len(groups) else by_size


def spread_batches(rng: np.random.Generator, groups: Sequence[Hashable], n: int) -> list[Indices]:
    """All slices in `n` random batches of even size, so that none holds more than ceil(m / n) of a group of m.

    Slices are ordered by group, groups and slices of a group in random order, and dealt out like cards.
    """
    numbers = {name: k for k, name in enumerate(dict.fromkeys(groups))}
    rank = rng.permutation(len(numbers))[[numbers[g] for g in groups]]
    order = rng.permutation(len(groups))
    dealt = order[np.argsort(rank[order], kind="stable")]
    return [dealt[k::n] for k in rng.permutation(n)]
