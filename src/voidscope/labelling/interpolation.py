"""Label masks between two labelled slices, by the distances of their shapes (Raya and Udupa 1990).

A pixel with the same label in both slices has it between them too. Where the labels differ, a in the first slice and b
in the second, the border between a and b passes over the pixel somewhere on the way: with `x` the distance to the
nearest b in the first slice and `y` the distance to the nearest a in the second, the pixel is a at the fraction t of
the way while (1 - t) x > t y. For two classes that is linear interpolation of the signed distance to the border, so
that the radii of concentric discs change linearly; with more classes no third one can appear in between.

A shape that the other slice lacks has nothing to move to: its distance there is large or none, and the rule alone would
make it vanish at once. So in each region where the same two labels differ, neither distance counts for more than the
largest of the other: such a shape shrinks to nothing half-way. Unlabelled (0) is a label like any other here: what is
drawn in both slices is drawn between them, and the rest stays unlabelled.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from voidscope.errors import LabelError
from voidscope.vocabulary import Mask

Distances = npt.NDArray[np.float64]
Pixels = tuple[npt.NDArray[np.intp], ...]
"""Rows and columns."""
MARGIN_PX = 32
"""How far around what differs is looked at first; most borders move less between two labelled slices."""


class ShapeInterpolation:
    """The masks between `first` and `second` (h, w), whose pixels measure `spacing` (y, x) in any unit."""

    def __init__(self, first: Mask, second: Mask, spacing: tuple[float, float] = (1.0, 1.0)) -> None:
        if first.shape != second.shape:
            raise LabelError(
                f"Slices of {first.shape} and {second.shape} have nothing between them; they must have one shape."
            )
        self._first, self._second = first, second
        self._there = np.nonzero(first != second)
        a, b = first[self._there], second[self._there]
        x, y = _reach(first, b, self._there, spacing), _reach(second, a, self._there, spacing)
        region = self._regions()
        self._x, self._y = _capped(x, y, region), _capped(y, x, region)

    def at(self, t: float) -> Mask:
        """The mask at the fraction t of the way, 0 being the first slice and 1 the second; of a tie the larger id."""
        a, b = self._first[self._there], self._second[self._there]
        near_first, near_second = (1.0 - t) * self._x, t * self._y
        between = np.where(near_first > near_second, a, b)
        between = np.where(near_first == near_second, np.maximum(a, b), between)
        mask = self._first.copy()
        mask[self._there] = between
        return mask

    def steps(self, n: int) -> Iterator[Mask]:
        """The masks of the n - 1 slices between two slices n apart, in order."""
        return (self.at(k / n) for k in range(1, n))

    def _regions(self) -> npt.NDArray[np.int64]:
        """Number of the 4-connected region with the same two labels that each differing pixel belongs to."""
        from skimage.measure import label as regions_of

        box = _box(self._there, 0, self._first.shape)
        first, second = self._first[box], self._second[box]
        pairs = np.where(first == second, -1, first.astype(np.int32) * 256 + second)
        within = tuple(p - side.start for p, side in zip(self._there, box, strict=True))
        return np.asarray(regions_of(pairs, background=-1, connectivity=1)[within], dtype=np.int64)


def _reach(mask: Mask, wanted: Mask, there: Pixels, spacing: tuple[float, float]) -> Distances:
    """Distance from each pixel of `there` to the nearest one of `mask` with the label wanted; inf where there is none."""
    reach = np.full(len(wanted), np.inf)
    for class_id in np.unique(wanted):
        asking = wanted == class_id
        rows, columns = there
        reach[asking] = _nearest(mask == class_id, (rows[asking], columns[asking]), spacing)
    return reach


def _nearest(target: npt.NDArray[np.bool_], pixels: Pixels, spacing: tuple[float, float]) -> Distances:
    """Exact distance from each pixel to the nearest of `target`, looking no farther around them than it must."""
    from scipy.ndimage import distance_transform_edt

    margin = MARGIN_PX
    while True:
        box = _box(pixels, margin, target.shape)
        inside, is_all = target[box], target[box].shape == target.shape
        if inside.any():
            distance = distance_transform_edt(~inside, sampling=spacing)
            found: Distances = distance[tuple(p - side.start for p, side in zip(pixels, box, strict=True))]
            needed = math.ceil(found.max() / min(spacing))  # what is nearer than this lies within that margin
            if is_all or needed <= margin:
                return found
            margin = needed
        elif is_all:
            return np.full(len(pixels[0]), np.inf)
        else:
            margin *= 4


def _box(pixels: Pixels, margin: int, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """The box around pixels, wider by a margin, within an image of `shape`; empty around none."""
    if not len(pixels[0]):
        return slice(0, 0), slice(0, 0)
    rows, columns = (
        slice(max(0, int(p.min()) - margin), min(n, int(p.max()) + 1 + margin))
        for p, n in zip(pixels, shape, strict=True)
    )
    return rows, columns


def _capped(reach: Distances, other: Distances, region: npt.NDArray[np.int64]) -> Distances:
    """`reach`, in each region at most the largest of `other`; 1 where the region has neither."""
    if not len(region):
        return reach
    largest = np.zeros(region.max() + 1)
    np.maximum.at(largest, region, other)
    capped = np.minimum(reach, largest[region])
    return np.where(np.isinf(capped), 1.0, capped)
