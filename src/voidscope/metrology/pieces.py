"""The connected pieces of a mask, cut out one by one: which voxels of its box are a piece's own.

No array of numbers as large as the mask is ever made, however large the mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from voidscope.metrology.components import CONNECTIVITY, SLAB_VOXELS, Components, find_components, of_classes
from voidscope.vocabulary import Mask

Window = tuple[slice, slice, slice]
Part = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Pieces:
    """Components of the voxels of some classes, and the mask (z, y, x) they lie in.

    Boxes of up to `slab_voxels` voxels are labelled anew when a piece is cut out of them; nothing else depends on it.
    """

    mask: Mask
    ids: tuple[int, ...]
    found: Components
    slab_voxels: int = SLAB_VOXELS
    connectivity: int = CONNECTIVITY

    @classmethod
    def of(
        cls,
        mask: Mask,
        ids: Sequence[int],
        slab_voxels: int = SLAB_VOXELS,
        connectivity: int = CONNECTIVITY,
    ) -> Self:
        """The pieces of the classes with these ids; `connectivity` is that of `find_components`."""
        found = find_components(mask, ids, slab_voxels, connectivity)
        return cls(mask, tuple(ids), found, slab_voxels, connectivity)

    def __len__(self) -> int:
        return len(self.found.n_voxels)

    def box(self, k: int) -> Window:
        """The box of piece k."""
        z, y, x = (
            slice(int(a), int(b) + 1) for a, b in zip(self.found.first[k], self.found.last[k], strict=True)
        )
        return z, y, x

    def count(self, k: int, ids: Sequence[int]) -> int:
        """Voxels of piece k that are of one of these classes."""
        own, crop = self.own(k), self.mask[self.box(k)]
        pairs = zip(own, crop, strict=True)  # plane by plane: no copy of a large box
        return sum(int(np.count_nonzero(here & (plane == i))) for here, plane in pairs for i in ids)

    def holds(self, k: int, ids: Sequence[int]) -> bool:
        """Whether piece k has a voxel of one of these classes."""
        own, crop = self.own(k), self.mask[self.box(k)]
        return any(
            bool((here & (plane == i)).any()) for here, plane in zip(own, crop, strict=True) for i in ids
        )

    def own(self, k: int) -> Part:
        """Which voxels of its box are those of piece k, (z, y, x).

        A box that holds nothing else is taken whole. In a small box the pieces are told apart anew; from a large one the
        others, where they are small, are taken away.
        """
        crop = of_classes(self.mask[self.box(k)], self.ids)
        if np.count_nonzero(crop) == self.found.n_voxels[k]:
            return crop
        others = self._others(k)
        if crop.size <= self.slab_voxels or any(self._extent(j) > self.slab_voxels for j in others):
            return self._told_apart(k, crop)
        for j in others:
            here, there = self._shared(k, j)
            crop[here] &= ~self.own(j)[there]
        return crop

    def _told_apart(self, k: int, crop: Part) -> Part:
        """The piece that has as many voxels as piece k in just its box, about the same centre; of several, as of the two strands of a helix,
        each is one of these pieces.
        """
        import cc3d

        labels = cc3d.connected_components(
            np.ascontiguousarray(crop).view(np.uint8), connectivity=self.connectivity
        )
        seen = cc3d.statistics(labels, no_slice_conversion=True)
        found, whole = self.found, [end for n in crop.shape for end in (0, n - 1)]
        off = np.abs(seen["centroids"] - (found.centroid[k] - found.first[k])).sum(axis=1).round(6)
        off[(seen["voxel_counts"] != found.n_voxels[k]) | (seen["bounding_boxes"] != whole).any(axis=1)] = (
            np.inf
        )
        off[0] = np.inf
        columns = (found.n_voxels[:, None], found.first, found.last, found.centroid.round(6))
        twins = np.logical_and.reduce([(c[:k] == c[k]).all(axis=1) for c in columns])
        return np.asarray(labels == int(np.argsort(off, kind="stable")[np.count_nonzero(twins)]))

    def _others(self, k: int) -> list[int]:
        """Other pieces whose boxes meet that of piece k."""
        meets = ((self.found.first <= self.found.last[k]) & (self.found.last >= self.found.first[k])).all(
            axis=1
        )
        meets[k] = False
        return [int(j) for j in np.flatnonzero(meets)]

    def _extent(self, k: int) -> int:
        return int(np.prod(self.found.last[k] - self.found.first[k] + 1))

    def _shared(self, k: int, j: int) -> tuple[Window, Window]:
        """Where the boxes of two pieces meet, seen from the corner of either."""
        low = np.maximum(self.found.first[k], self.found.first[j])
        high = np.minimum(self.found.last[k], self.found.last[j]) + 1
        return _window(low - self.found.first[k], high - self.found.first[k]), _window(
            low - self.found.first[j], high - self.found.first[j]
        )


def _window(low: npt.NDArray[np.int64], high: npt.NDArray[np.int64]) -> Window:
    z, y, x = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return z, y, x
