"""Where between two voxels an edge lies, by how sure a model was of either; a mask alone puts it half way.

Beside a mask its entropy is kept (Eq. 5). At an edge two classes compete, and of two the entropy tells the log-odds of the one that
won. They fall off about evenly towards an edge and are 0 on it, so between neighbours of other classes with log-odds a inside a
body and b outside, the edge lies a / (a + b) of the way from the centre of the inner one. Where a third class competes the
entropy makes either look less sure than it was, and the edge still lies between the two centres.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Self

import numpy as np
import numpy.typing as npt

from voidscope.metrology.components import of_classes
from voidscope.metrology.pieces import Part
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
Lengths = npt.NDArray[np.float64]
Ends = tuple[Lengths, Lengths]


@dataclass(frozen=True)
class Sparse:
    """A plane (h, w) of log-odds, of which most are not known: an eighth of a byte for each voxel and one for each that is.

    Attributes
    ----------
    bits : (h, w / 8) which are known
    odds : (N,) those, row after row
    starts : (h + 1,) where each row begins among them
    """

    bits: Odds
    odds: Odds
    starts: npt.NDArray[np.int64]

    @classmethod
    def of(cls, plane: Odds) -> Self:
        """Of a plane (h, w)."""
        known = plane != UNKNOWN
        starts = np.concatenate([[0], np.cumsum(known.sum(axis=1))])
        return cls(np.packbits(known, axis=1), plane[known], starts)

    def rows(self, top: int, bottom: int, width: int) -> Odds:
        """Some rows of it."""
        known = np.unpackbits(self.bits[top:bottom], axis=1, count=width)
        found = np.full(known.shape, UNKNOWN, np.uint8)
        found[known.view(bool)] = self.odds[self.starts[top] : self.starts[bottom]]
        return found


@dataclass(frozen=True)
class Margins:
    """How sure a model was of its mask (z, y, x), where an edge may be read off: next to another class, and in void.

    Attributes
    ----------
    planes : the log-odds, plane by plane
    sha256 : of the log-odds of all voxels
    """

    mask: Mask
    planes: tuple[Sparse, ...]
    sha256: str

    @classmethod
    def of(cls, mask: Mask, entropy: VoxelSource, classes: ClassMap) -> Self:
        """From the entropy (z, y, x) in nats, which is read plane by plane, as far as the mask shows anything but background."""
        void = classes.ids_with_role(Role.VOID)
        solid = [*classes.ids_with_role(Role.FOREGROUND), *void]
        there = [z for z in range(len(mask)) if of_classes(mask[z : z + 1], solid).any()]
        read = range(max(0, there[0] - 1), min(len(mask), there[-1] + 2)) if there else range(0)
        blank = np.full(mask.shape[1:], UNKNOWN, np.uint8)
        return cls.by_planes(
            mask, (odds_of(entropy[z]) if z in read else blank for z in range(len(mask))), void
        )

    @classmethod
    def by_planes(cls, mask: Mask, odds: Iterable[Odds], void_ids: Sequence[int]) -> Self:
        """From the log-odds (h, w) of each plane of a mask."""
        kept, digest = [], hashlib.sha256()
        for z, plane in enumerate(odds):
            digest.update(np.ascontiguousarray(plane).data)
            kept.append(Sparse.of(np.where(_at_edges(mask, z, void_ids), plane, UNKNOWN).astype(np.uint8)))
        return cls(mask, tuple(kept), digest.hexdigest())

    def within(self, first: Sequence[int], cut: Mask) -> Known:
        """What is known in a box whose mask reads `cut` now."""
        return Known(self, tuple(first), cut)


@dataclass(frozen=True)
class Known:
    """What is known of a box of a mask, its first voxel being `first`, that reads `cut` now: nothing where that is not what the model said."""

    margins: Margins
    first: tuple[int, ...]
    cut: Mask

    def around(self, z: int, corner: Sequence[int], shape: Sequence[int]) -> Odds:
        """Log-odds (h + 2, w + 2) in plane z of the box, of (h, w) voxels from `corner` (y, x) on and of those next to them; not known beyond the box."""
        wide = np.full([n + 2 for n in shape], UNKNOWN, np.uint8)
        low = [max(0, a - 1) for a in corner]
        high = [min(m, a + n + 1) for m, a, n in zip(self.cut.shape[1:], corner, shape, strict=True)]
        if not 0 <= z < len(self.cut):
            return wide
        into = tuple(slice(a - c + 1, b - c + 1) for a, b, c in zip(low, high, corner, strict=True))
        wide[into] = self._read(z, low, high)
        return wide

    def _read(self, z: int, low: Sequence[int], high: Sequence[int]) -> Odds:
        """Log-odds of a plane of the box from one corner (y, x) to before another."""
        up, *across = self.first
        (top, left), (bottom, right) = (np.add(corner, across).tolist() for corner in (low, high))
        mask = self.margins.mask
        found = self.margins.planes[z + up].rows(top, bottom, mask.shape[2])[:, left:right]
        if self.cut is not mask:
            now = self.cut[z, low[0] : high[0], low[1] : high[1]]
            found[now != mask[z + up, top:bottom, left:right]] = UNKNOWN
        return found


def _at_edges(mask: Mask, z: int, void_ids: Sequence[int]) -> Part:
    """Which voxels of a plane are void, whosever body that turns out to be, or have a neighbour of another class."""
    plane = mask[z]
    found: Part = of_classes(mask[z : z + 1], void_ids)[0]
    for one, other in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        differ = plane[one] != plane[other]
        found[one] |= differ
        found[other] |= differ
    for beside in (z - 1, z + 1):
        if 0 <= beside < len(mask):
            found |= plane != mask[beside]
    return found


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


def ends_of(body: Part, plane: Callable[[int], Odds]) -> tuple[Ends, Ends, Ends]:
    """Where each line of a body (z, y, x) along z, y and x begins and ends, voxel k being from k to k + 1; infinity and its negative where it
    has none.

    `plane` gives the log-odds in and around a plane, from the one before the body to the one after it, as `Known.around` does.
    """
    rows = [_ends_along(body[z], plane(z), axis) for z in range(len(body)) for axis in range(2)]
    y, x = ((np.stack([r[0] for r in rows[k::2]]), np.stack([r[1] for r in rows[k::2]])) for k in range(2))
    return _ends_across(body, plane), y, x


def _ends_across(body: Part, plane: Callable[[int], Odds]) -> Ends:
    """The ends of the lines across the planes of a body, read plane after plane."""
    first, last = np.zeros((2, *body.shape[1:]), np.int32)
    inner, outer, inmost, utmost = np.full((4, *body.shape[1:]), UNKNOWN, np.uint8)
    seen = np.zeros(body.shape[1:], bool)
    before = plane(-1)[1:-1, 1:-1]
    for z, now in enumerate(body):
        sure = plane(z)[1:-1, 1:-1]
        new = now & ~seen
        for kept, value in ((first, z), (inner, sure), (outer, before)):
            np.copyto(kept, value, where=new)
        if z:
            np.copyto(utmost, sure, where=body[z - 1])
        for kept, value in ((last, z), (inmost, sure)):
            np.copyto(kept, value, where=now)
        seen |= now
        before = sure
    np.copyto(utmost, plane(len(body))[1:-1, 1:-1], where=body[-1])
    near, far = first - _beyond(inner, outer), last + 1 + _beyond(inmost, utmost)
    return np.where(seen, near, np.inf), np.where(seen, far, -np.inf)


def _ends_along(body: Part, odds: Odds, axis: int) -> Ends:
    """The ends of the lines of one plane (h, w) along an axis of it; `odds` (h + 2, w + 2) are of those voxels and around."""
    lines, sure = (body, odds[:, 1:-1]) if axis == 0 else (body.T, odds[1:-1].T)
    first, last = lines.argmax(axis=0), len(lines) - 1 - lines[::-1].argmax(axis=0)
    at = np.arange(lines.shape[1])
    near = first - _beyond(sure[first + 1, at], sure[first, at])
    far = last + 1 + _beyond(sure[last + 1, at], sure[last + 2, at])
    there = lines.any(axis=0)
    return np.where(there, near, np.inf), np.where(there, far, -np.inf)


def _beyond(inside: Odds, outside: Odds) -> Lengths:
    """How far beyond half way from a voxel to its neighbour the edge lies, in voxels; 0 where either is not known."""
    a, b = inside.astype(np.float64), outside.astype(np.float64)
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
