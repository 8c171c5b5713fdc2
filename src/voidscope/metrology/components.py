"""Connected components of a mask as columns of counts, centroids and boxes, found slab by slab.

A slab shares one plane with the next. Neighbouring planes therefore always meet inside some slab, and two
components that hold the same voxel of a shared plane are one. Memory stays that of a slab, however large the scan.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from voidscope.vocabulary import Mask

CONNECTIVITY = 26
"""Unless said otherwise, voxels that share a face, an edge or a corner belong to one component."""
SLAB_VOXELS = 2**24
"""Voxels labelled at once: about 80 MiB of working memory."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Components:
    """N components in no particular order.

    Attributes
    ----------
    n_voxels : (N,) voxels of each
    centroid : (N, 3) mean voxel index along z, y, x
    first, last : (N, 3) corners of the bounding box in voxels, both inside it
    """

    n_voxels: Ints
    centroid: npt.NDArray[np.float64]
    first: Ints
    last: Ints

    def along(self, order: Sequence[int]) -> Components:
        """The same components with their axes taken in another order."""
        axes = list(order)
        return Components(self.n_voxels, self.centroid[:, axes], self.first[:, axes], self.last[:, axes])

    def merged(self, group: npt.NDArray[np.integer]) -> Components:
        """One component for each value 0..G-1 of `group` (N,); empty ones add nothing."""
        kept = self.n_voxels > 0
        member, size = group[kept], int(group.max(initial=-1)) + 1
        n, total = np.zeros(size, np.int64), np.zeros((size, 3))
        first, last = np.full((size, 3), np.iinfo(np.int64).max), np.full((size, 3), -1)
        np.add.at(n, member, self.n_voxels[kept])
        np.add.at(total, member, self.n_voxels[kept, None] * self.centroid[kept])
        np.minimum.at(first, member, self.first[kept])
        np.maximum.at(last, member, self.last[kept])
        return Components(n, total / np.maximum(n, 1)[:, None], first, last)


def find_components(
    mask: Mask, ids: Sequence[int], slab_voxels: int = SLAB_VOXELS, connectivity: int = CONNECTIVITY
) -> Components:
    """The components of the voxels of a mask (z, y, x) whose class is one of `ids`.

    `connectivity` 6 joins voxels that share a face, 18 also an edge, 26 also a corner. The result does not depend on `slab_voxels`, the size of the slabs the mask is worked through in.
    """
    import cc3d

    longest = int(np.argmax(mask.shape))
    order = [longest, *(a for a in range(3) if a != longest)]
    planes = mask.transpose(order)
    parts: list[Components] = []
    links: list[Ints] = []
    offset, seam = 0, np.zeros(planes.shape[1:], np.int64)
    for start, stop in _slabs(planes.shape, slab_voxels):
        there = of_classes(planes[start:stop], ids).view(
            np.uint8
        )  # as bool, cc3d 4.1 stops at a row of three voxels
        labels = cc3d.connected_components(there, connectivity=connectivity)
        links.append(_links(seam, labels[0], offset))
        last = stop == len(planes)
        parts.append(_statistics(labels if last else labels[:-1], int(labels.max()), start))
        seam, offset = _numbered(labels[-1], offset), offset + parts[-1].n_voxels.size
    found = Components(*(np.concatenate([getattr(p, name) for p in parts]) for name in _COLUMNS))
    return found.merged(_groups(offset, np.concatenate(links, axis=1))).along(
        [order.index(a) for a in range(3)]
    )


_COLUMNS = ("n_voxels", "centroid", "first", "last")


def _slabs(shape: Sequence[int], slab_voxels: int) -> Iterator[tuple[int, int]]:
    """First and one past the last plane of each slab; the last plane of one is the first of the next."""
    step = max(1, slab_voxels // max(1, shape[1] * shape[2]) - 1)
    for start in range(0, max(1, shape[0] - 1), step):
        yield start, min(start + step + 1, shape[0])


def of_classes(mask: Mask, ids: Sequence[int]) -> npt.NDArray[np.bool_]:
    """Which voxels of a mask are of one of these classes, in C order; a comparison each is far quicker than a table of all classes."""
    found = np.zeros(mask.shape, bool)
    step = max(1, SLAB_VOXELS // max(1, mask.shape[1] * mask.shape[2]))
    for start in range(0, len(mask), step):
        for class_id in ids:
            found[start : start + step] |= mask[start : start + step] == class_id
    return found


def labelled(labels: npt.NDArray[Any], n: int) -> Components:
    """Parts 1..n of an array (z, y, x) in C order that numbers them, whether they are connected or not; those without a voxel have count 0."""
    step = max(1, SLAB_VOXELS // max(1, labels.shape[1] * labels.shape[2]))
    parts = [_statistics(labels[a : a + step], n, a) for a in range(0, len(labels), step)]
    found = Components(*(np.concatenate([getattr(p, name) for p in parts]) for name in _COLUMNS))
    return found.merged(np.tile(np.arange(n), len(parts)))


def _statistics(labels: npt.NDArray[Any], n: int, start: int) -> Components:
    """Components 1..n of a slab that begins at plane `start`; those without a voxel here have count 0.

    What is added up are runs of equal labels along the rows, of which there are far fewer than voxels; where there are not, voxels.
    """
    flat, width = labels.reshape(-1), labels.shape[2]
    fresh = np.ones(flat.size, bool)
    np.not_equal(flat[1:], flat[:-1], out=fresh[1:])
    fresh[::width] = True
    fresh[flat == 0] = False
    if np.count_nonzero(fresh) > flat.size // CROWDED:
        return _statistics_by_voxel(labels, n, start)
    at = np.flatnonzero(fresh)
    group = flat[at].astype(np.intp) - 1
    np.not_equal(flat[:-1], flat[1:], out=fresh[:-1])
    fresh[width - 1 :: width] = True
    fresh[flat == 0] = False
    length = np.flatnonzero(fresh) - at + 1
    row, x = np.divmod(at, width)
    z, y = np.divmod(row, labels.shape[1])
    counts = np.bincount(group, length, n)
    sums = [np.bincount(group, length * mean, n) for mean in (z + start, y, x + (length - 1) / 2)]
    first, last = np.full((n, 3), np.iinfo(np.int64).max), np.full((n, 3), -1)
    for axis, (low, high) in enumerate(((z + start, z + start), (y, y), (x, x + length - 1))):
        np.minimum.at(first[:, axis], group, low)
        np.maximum.at(last[:, axis], group, high)
    return Components(
        counts.astype(np.int64), np.stack(sums, axis=1) / np.maximum(counts, 1)[:, None], first, last
    )


CROWDED = 16
"""Where there are more runs than one in so many voxels, runs are not worth while."""


def _statistics_by_voxel(labels: npt.NDArray[Any], n: int, start: int) -> Components:
    """`_statistics`, voxel by voxel."""
    import cc3d

    found = cc3d.statistics(labels, no_slice_conversion=True)
    here = len(found["voxel_counts"]) - 1
    shift = np.array([start, 0, 0])
    counts, centroid = np.zeros(n, np.int64), np.zeros((n, 3))
    first, last = np.zeros((n, 3), np.int64), np.zeros((n, 3), np.int64)
    counts[:here], centroid[:here] = found["voxel_counts"][1:], found["centroids"][1:] + shift
    boxes = found["bounding_boxes"][1:].astype(np.int64)
    first[:here], last[:here] = boxes[:, 0::2] + shift, boxes[:, 1::2] + shift
    return Components(counts, centroid, first, last)


def _numbered(labels: npt.NDArray[Any], offset: int) -> Ints:
    """A plane of labels counted on from earlier slabs': 1 becomes `offset` + 1, nothing stays 0."""
    return np.where(labels > 0, labels.astype(np.int64) + offset, 0)


def _links(seam: Ints, labels: npt.NDArray[Any], offset: int) -> Ints:
    """(2, L) pairs of components, from 0, to which two slabs' labels give the same voxels of their shared plane."""
    inside, base = seam > 0, offset + int(labels.max()) + 1
    pairs = np.unique(seam[inside] * base + _numbered(labels, offset)[inside])
    return np.stack(np.divmod(pairs, base)) - 1


def _groups(n: int, links: Ints) -> npt.NDArray[np.integer]:
    """Group 0..G-1 of each of n components, linked ones in one group."""
    if not links.size:
        return np.arange(n)
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(links.shape[1], bool), (links[0], links[1])), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1])
