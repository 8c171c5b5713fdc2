"""Runs of equal numbers along the rows of a mask, and which of them meet: far quicker to join than voxels, of which there are far more.

A run is kept by its place in a mask that has one more column and one more row in each plane, all of them empty. So a run moved by
a row or a plane meets what lies there and never what lies beyond an edge.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

NEIGHBOURS = {
    6: ((0, 1, 0), (1, 0, 0)),
    18: ((0, 1, 1), (1, -1, 0), (1, 0, 1), (1, 1, 0)),
    26: ((0, 1, 1), (1, -1, 1), (1, 0, 1), (1, 1, 1)),
}
"""By connectivity the rows after a row, as (planes, rows) from it, whose runs join its own, and by how many voxels these may end before."""


@dataclass(frozen=True)
class Runs:
    """R runs, none of them of 0, in the order of their places.

    Attributes
    ----------
    value : (R,) the number that the run is of
    begin, end : (R,) where it begins, and one past where it ends
    height, width : of a plane
    """

    value: Ints
    begin: Ints
    end: Ints
    height: int
    width: int

    @classmethod
    def none(cls, shape: Sequence[int]) -> Self:
        """No runs of a mask of a shape."""
        return cls.joined([], shape)

    @classmethod
    def of(cls, part: npt.NDArray[Any], first: tuple[int, int] = (0, 0), height: int | None = None) -> Self:
        """Those of part of a mask, either planes (d, h, w) or some rows of one plane: its `first` plane and row, in planes of `height` rows."""
        d, h, w = part.shape
        tall = h if height is None else height
        flat = np.zeros(1 + d * (h + 1) * (w + 1), part.dtype)
        flat[1:].reshape(d, h + 1, w + 1)[:, :h, :w] = part
        change = np.flatnonzero(flat[1:] != flat[:-1])
        value = flat[change + 1].astype(np.int64)
        some = np.flatnonzero(value)
        change += (first[0] * (tall + 1) + first[1]) * (w + 1)
        return cls(value[some], change[some], change[some + 1], tall, w)

    @classmethod
    def joined(cls, parts: Iterable[Self], shape: Sequence[int]) -> Self:
        """Those of consecutive parts of a mask of a shape."""
        nothing = (np.zeros(0, np.int64),) * 3
        value, begin, end = zip(nothing, *((p.value, p.begin, p.end) for p in parts), strict=True)
        return cls(np.concatenate(value), np.concatenate(begin), np.concatenate(end), shape[1], shape[2])

    def __len__(self) -> int:
        return len(self.begin)

    @property
    def _plane(self) -> int:
        return (self.height + 1) * (self.width + 1)

    def plane(self, z: int) -> Self:
        """The runs of plane z."""
        low, high = np.searchsorted(self.begin, (z * self._plane, (z + 1) * self._plane))
        return type(self)(
            self.value[low:high], self.begin[low:high], self.end[low:high], self.height, self.width
        )

    def ends(self) -> list[tuple[Ints, Ints]]:
        """First and last index (R,) of each along z, y and x."""
        row, x = np.divmod(self.begin, self.width + 1)
        z, y = np.divmod(row, self.height + 1)
        return [(z, z), (y, y), (x, x + (self.end - self.begin - 1))]

    def met(self, others: Self, connectivity: int) -> Ints:
        """(2, L) the runs, as positions among themselves and among `others`, that join across two rows."""
        pairs = [
            self._met(others, p * self._plane + r * (self.width + 1), reach)
            for p, r, reach in NEIGHBOURS[connectivity]
        ]
        return np.concatenate(pairs, axis=1)

    def _met(self, others: Self, moved: int, reach: int) -> Ints:
        """(2, L) the runs that meet one of `others` once they are moved, ends that `reach` voxels longer meet included."""
        low = np.searchsorted(others.end, self.begin + (moved - reach), "right")
        n = np.searchsorted(others.begin, self.end + (moved + reach), "left") - low
        mine = np.repeat(np.arange(len(self)), n)
        nth = np.arange(len(mine)) - np.repeat(np.cumsum(n) - n, n)
        return np.stack([mine, np.repeat(low, n) + nth])
