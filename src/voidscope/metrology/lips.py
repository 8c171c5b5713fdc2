"""Solder that reaches far beyond the pillar at so few levels that an extrusion, a percentile over the levels, leaves it out.

What is pressed out of a joint is often a thin lip. Few levels are few voxels only where they are stray ones, so a lip is told from those by
its voxels: `COUNTABLE_VOXELS` that hang together.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence

import numpy as np

from voidscope.metrology.bodies import ClassBox, Counts
from voidscope.metrology.components import find_components
from voidscope.metrology.voids import COUNTABLE_VOXELS

Ends = tuple[float, float]


def lip_um(
    solder: ClassBox, across: Sequence[int], pillar: Sequence[Ends], edges: Sequence[Ends], steps_um: Sequence[float], half: float
) -> float | None:  # fmt: skip
    """How far connected solder of `COUNTABLE_VOXELS` voxels or more, all of it beyond its own `edges`, lies beyond the `pillar`'s, in um; None
    without any.

    Parameters
    ----------
    solder : dust included, which is a share of it and may be many voxels
    pillar, edges : first and one past the last voxel along each axis of `across`
    half : how far inside its outer face a voxel is taken to end, in voxels: 0, or 0.5 where edges are interpolated and may lie there
    """
    found = [
        reach * step
        for axis, foot, own, step in zip(across, pillar, edges, steps_um, strict=True)
        for reach in _beyond(solder, axis, foot, own, half)
    ]
    return max(found, default=None)


def _beyond(solder: ClassBox, axis: int, pillar: Ends, edges: Ends, half: float) -> Iterator[float]:
    """The reach of a lip on either side along an axis, in voxels."""
    first, length = solder.first[axis], solder.mask.shape[axis]
    last, counts = first + length, solder.counts[axis][first : first + length]
    if planes := _planes_of_a_lip(solder, axis, counts, math.ceil(edges[0] - half - first), upper=False):
        yield pillar[0] - (first + planes - 1 + half)
    if planes := _planes_of_a_lip(solder, axis, counts[::-1], math.ceil(last - edges[1] - half), upper=True):
        yield last - planes + 1 - half - pillar[1]


def _planes_of_a_lip(solder: ClassBox, axis: int, counts: Counts, most: int, *, upper: bool) -> int | None:
    """How many planes, at `most`, from the far end on hold a connected piece that counts; None where they hold none.

    `counts` are the solder's voxels in each, the outermost first.
    """

    def holds(n: int) -> bool:
        planes = slice(len(counts) - n, None) if upper else slice(0, n)
        slab = solder.mask[tuple(planes if a == axis else slice(None) for a in range(3))]
        return bool(find_components(slab, [solder.class_id]).n_voxels.max(initial=0) >= COUNTABLE_VOXELS)

    least = int(np.searchsorted(np.cumsum(counts), COUNTABLE_VOXELS)) + 1
    if least > most or not holds(most):
        return None
    return least if holds(least) else least + bisect_left(range(least, most), True, key=holds)
