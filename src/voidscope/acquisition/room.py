"""What limits leave open: no more than so many slices of a scan at once, and none close to a labelled or chosen one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from voidscope.vocabulary import SliceKey

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Limits:
    """What neighbouring slices have in common need not be labelled twice.

    Parameters
    ----------
    max_per_scan : most slices of one scan in a batch, labelled ones not counted; 0 for no limit
    min_slice_gap : fewest slices of a scan left out between two that are labelled or chosen; 0 for none
    """

    max_per_scan: int = 0
    min_slice_gap: int = 0

    def names(self) -> tuple[str, ...]:
        """The limits there are, in the order in which they are given up."""
        named = {"min_slice_gap": self.min_slice_gap, "max_per_scan": self.max_per_scan}
        return tuple(name for name, value in named.items() if value)


NO_LIMITS = Limits()
"""Every candidate stays open until it is picked."""


class Room:
    """Which candidates may be picked next; it shrinks with every pick.

    When nothing is open although candidates are left, the gap is given up for the rest of the batch, and when that is
    not enough the cap too: a budget is met before a limit is kept, and `take` tells which limits held no longer.

    Parameters
    ----------
    n : number of surveyed slices
    candidates : rows that may be picked
    keys : (N,) slice keys, needed when there are limits
    anchors : rows already labelled, which keep their neighbours closed
    """

    def __init__(
        self, n: int, candidates: Rows, keys: Sequence[SliceKey] = (), anchors: Iterable[int] = (),
        limits: Limits = NO_LIMITS,
    ) -> None:  # fmt: skip
        self._limits, self._standing = limits, limits.names()
        self._relaxed: tuple[str, ...] = ()
        self._left = np.zeros(n, dtype=bool)
        self._left[candidates] = True
        self._crowded, self._full = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
        if self._standing:
            self._scan = np.unique([key.scan for key in keys], return_inverse=True)[1]
            self._index = np.array([key.index for key in keys])
            self._picked = np.zeros(n, dtype=np.int64)  # per scan
            for row in anchors:
                self._crowd(row)

    def open(self) -> npt.NDArray[np.bool_]:
        """Which rows may be picked now, (N,); at least one while a candidate is left."""
        while True:
            closed = np.zeros_like(self._left)
            if "min_slice_gap" in self._standing:
                closed |= self._crowded
            if "max_per_scan" in self._standing:
                closed |= self._full
            found = self._left & ~closed
            if found.any() or not self._standing:
                return found
            self._relaxed, self._standing = (*self._relaxed, self._standing[0]), self._standing[1:]

    def rows(self) -> Rows:
        """The open rows, ascending."""
        return np.flatnonzero(self.open())

    def take(self, row: int) -> tuple[str, ...]:
        """Pick an open row; returns the names of the limits given up by now."""
        self._left[row] = False
        if self._limits.names():
            self._crowd(row)
            mine = self._scan == self._scan[row]
            self._picked[self._scan[row]] += 1
            if self._picked[self._scan[row]] >= self._limits.max_per_scan:
                self._full |= mine
        return self._relaxed

    def _crowd(self, row: int) -> None:
        """Close the slices too close to this one."""
        near = np.abs(self._index - self._index[row]) <= self._limits.min_slice_gap
        self._crowded |= near & (self._scan == self._scan[row])
