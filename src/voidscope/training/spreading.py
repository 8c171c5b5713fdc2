"""Batches in which slices of one scan are as few as can be: neighbours look alike, and a contrast pushes them apart."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from voidscope.training.pool import Indices


def spread_batches(rng: np.random.Generator, groups: Sequence[Hashable], n: int) -> list[Indices]:
    """All slices in `n` random batches of even size, so that none holds more than ceil(m / n) of a group of m.

    Slices are ordered by group, groups and slices of a group in random order, and dealt out like cards.
    """
    numbers = {name: k for k, name in enumerate(dict.fromkeys(groups))}
    rank = rng.permutation(len(numbers))[[numbers[g] for g in groups]]
    order = rng.permutation(len(groups))
    dealt = order[np.argsort(rank[order], kind="stable")]
    return [dealt[k::n] for k in rng.permutation(n)]
