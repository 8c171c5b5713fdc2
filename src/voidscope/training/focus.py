"""Where crops are centred when a training looks at rare classes more often than they occur."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from voidscope.training.pool import Indices
from voidscope.vocabulary import UNLABELLED, Mask

MOST_PIXELS = 4096
"""Pixels remembered of a class in a slice; more would say little more about where it lies."""


class Focus:
    """Draws slices and pixels of classes, class c with probability proportional to N_c to the power -1/2.

    N_c counts the labelled pixels of c. So a class with a hundredth of the pixels is drawn ten times as often as one with
    all: rare classes are seen much more often than they occur, without the common ones being forgotten. A slice counts as often
    as `times` (N,) says.
    """

    def __init__(self, labels: Sequence[Mask], rng: np.random.Generator, times: Indices) -> None:
        self._places: dict[int, list[tuple[int, Indices]]] = {}
        pixels: dict[int, int] = {}
        for which, mask in enumerate(labels):
            for c in np.setdiff1d(np.unique(mask), [UNLABELLED]).tolist():
                places = np.argwhere(mask == c)
                often = int(times[which])
                pixels[c] = pixels.get(c, 0) + often * len(places)
                self._places.setdefault(c, []).extend([(which, _some(places, rng))] * often)
        self._classes = sorted(pixels)
        odds = np.array([pixels[c] for c in self._classes], dtype=np.float64) ** -0.5
        self.probabilities: npt.NDArray[np.float64] = odds / odds.sum()
        """Of each class that occurs, in ascending order of their ids."""

    def draw(self, rng: np.random.Generator, n: int) -> tuple[Indices, Indices]:
        """Slices (n,) and a pixel (n, 2) in each: first the class, then one of its slices, then one of its pixels there."""
        which, centre = np.empty(n, np.int64), np.empty((n, 2), np.int64)
        for k, c in enumerate(rng.choice(self._classes, n, p=self.probabilities).tolist()):
            slices = self._places[c]
            which[k], places = slices[rng.integers(len(slices))]
            centre[k] = places[rng.integers(len(places))]
        return which, centre


def _some(places: Indices, rng: np.random.Generator) -> Indices:
    """At most `MOST_PIXELS` of the places."""
    if len(places) <= MOST_PIXELS:
        return places
    return places[rng.choice(len(places), MOST_PIXELS, replace=False)]
