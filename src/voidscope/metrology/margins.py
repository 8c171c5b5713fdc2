"""Where between two voxels an edge lies, by how sure a model was of either; a mask alone puts it half way.

Beside a mask its entropy is kept (Eq. 5). At an edge two classes compete, and of two the entropy tells the log-odds of the one that
won. They fall off about evenly towards an edge and are 0 on it, so between neighbours of other classes with log-odds a inside a
body and b outside, the edge lies a / (a + b) of the way from the centre of the inner one. Where a third class competes the
entropy makes either look less sure than it was, and the edge still lies between the two centres.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Self

import numpy as np
import numpy.typing as npt

from voidscope.metrology.components import chunks, of_classes
from voidscope.vocabulary import ClassMap, Mask, Role
from voidscope.volume import VoxelSource

UNKNOWN = 0
"""Log-odds of which nothing is known: an edge beside it lies half way."""
STEPS = 16
"""So many steps is a log-odds of 1; what is known is 1 to 255."""
ROWS = 5
"""Ends of so many rows beside each other give way to their median before the outermost is taken: else the noise of one row is."""

Odds = npt.NDArray[np.uint8]
"""Log-odds of the class of each voxel against all others, `STEPS` to 1, `UNKNOWN` where not known."""
Part = npt.NDArray[np.bool_]
Lengths = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Margins:
    """How sure a model was of each voxel of its mask (z, y, x)."""

    mask: Mask
    odds: Odds

    @classmethod
    def of(cls, mask: Mask, entropy: VoxelSource, classes: ClassMap) -> Self:
        """From the entropy (z, y, x) in nats, which is read plane by plane, as far as the mask shows anything but background."""
        solid = [k for role in (Role.FOREGROUND, Role.VOID) for k in classes.ids_with_role(role)]
        there = [z for z in range(len(mask)) if of_classes(mask[z : z + 1], solid).any()]
        odds = np.zeros(mask.shape, np.uint8)  # planes that nobody writes to take no memory
        for z in range(max(0, there[0] - 1), min(len(mask), there[-1] + 2)) if there else ():
            odds[z] = odds_of(entropy[z])
        return cls(mask, odds)

    def within(self, first: Sequence[int], cut: Mask) -> Odds:
        """Log-odds of a box whose mask reads `cut` now; not known where that is not what the model said."""
        if cut is self.mask:
            return self.odds
        here = tuple(slice(a, a + n) for a, n in zip(first, cut.shape, strict=True))
        said, odds = self.mask[here], self.odds[here].copy()
        for chunk in chunks(cut):
            odds[chunk][cut[chunk] != said[chunk]] = UNKNOWN
        return odds

    @property
    def sha256(self) -> str:
        """Of the log-odds."""
        return hashlib.sha256(np.ascontiguousarray(self.odds).data).hexdigest()


def odds_of(entropy: npt.NDArray[np.floating]) -> Odds:
    """Log-odds from entropies in nats; one of more than ln 2 tells of no winner of two and gives the smallest."""
    bits = np.ascontiguousarray(entropy, np.float16).view(np.uint16)
    return _table()[bits]


@cache
def _table() -> Odds:
    """Log-odds by the 16 bits of an entropy: H = ln(1 + e^-t) + t / (1 + e^t) for log-odds t, inverted."""
    t = np.linspace(0, 256 / STEPS, 4097)
    entropy = np.log1p(np.exp(-t)) + t / (1 + np.exp(t))
    nats = np.arange(2**15, dtype=np.uint16).view(np.float16).astype(np.float64)
    known, odds = np.isfinite(nats), np.full(2**16, UNKNOWN, np.uint8)
    found = np.interp(nats[known], entropy[::-1], t[::-1])
    odds[np.flatnonzero(known)] = np.clip(np.round(STEPS * found), 1, 255)
    odds[2**15] = odds[0]  # -0
    return odds


def around(odds: Odds, first: Sequence[int], shape: Sequence[int]) -> Odds:
    """Log-odds of a box and of the voxels next to it, one more on either side of each axis; not known beyond the array."""
    low = [max(0, a - 1) for a in first]
    high = [min(m, a + n + 1) for m, a, n in zip(odds.shape, first, shape, strict=True)]
    wide = np.full([n + 2 for n in shape], UNKNOWN, np.uint8)
    into = tuple(slice(a - f + 1, b - f + 1) for a, b, f in zip(low, high, first, strict=True))
    wide[into] = odds[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    return wide


def ends_along(body: Part, odds: Odds, axis: int) -> tuple[Lengths, Lengths]:
    """Where each line of a body along an axis begins and ends, voxel k being from k to k + 1; infinity and its negative where it has none.

    `odds` are those `around` the body.
    """
    lines = np.moveaxis(body, axis, 0)
    sure = np.moveaxis(odds, axis, 0)[:, 1:-1, 1:-1]
    first, last = lines.argmax(axis=0), len(lines) - 1 - lines[::-1].argmax(axis=0)
    near, far = first - _beyond(sure, first + 1, first), last + 1 + _beyond(sure, last + 1, last + 2)
    there = lines.any(axis=0)
    return np.where(there, near, np.inf), np.where(there, far, -np.inf)


def _beyond(odds: Odds, inside: npt.NDArray[np.intp], outside: npt.NDArray[np.intp]) -> Lengths:
    """How far beyond half way from one voxel of each line to its neighbour the edge lies, in voxels; 0 where either is not known."""
    a, b = (np.take_along_axis(odds, k[None], axis=0)[0].astype(np.float64) for k in (inside, outside))
    known = (a > UNKNOWN) & (b > UNKNOWN)
    return np.where(known, a / np.where(known, a + b, 1), 0.5) - 0.5


def outermost(near: Lengths, far: Lengths) -> Lengths:
    """The outermost ends (L, 2) of the rows at each level (levels, rows) that has any, each row standing for the `ROWS` around it."""
    there = np.isfinite(near).any(axis=1)
    return np.stack([_nearest(near[there]), -_nearest(-far[there])], axis=1)


def _nearest(ends: Lengths) -> Lengths:
    """The least median of `ROWS` rows beside each other at each level; of a level with too few of them the least end."""
    least: Lengths = ends.min(axis=1)
    if ends.shape[1] < ROWS:
        return least
    runs = np.lib.stride_tricks.sliding_window_view(ends, ROWS, axis=1)
    middle = np.partition(runs, ROWS // 2, axis=2)[..., ROWS // 2].min(axis=1)
    return np.where(np.isfinite(middle), middle, least)
