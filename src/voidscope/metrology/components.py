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
SLAB_VOXELS = 2**23
"""Voxels labelled at once: about 40 MiB of working memory."""
CHUNK_VOXELS = 2**18
"""Voxels compared at once: what stays in a processor's cache."""
BYTE = 255
"""The most that a byte counts."""

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
        """One component for each value 0..G-1 of `group` (N,); empty ones are dropped."""
        kept = self.n_voxels > 0
        member, size = group[kept], int(group.max(initial=-1)) + 1
        n, total = np.zeros(size, np.int64), np.zeros((size, 3))
        first, last = np.full((size, 3), np.iinfo(np.int64).max), np.full((size, 3), -1)
        np.add.at(n, member, self.n_voxels[kept])
        np.add.at(total, member, np.rint(self.n_voxels[kept, None] * self.centroid[kept]))  # sums of indices
        np.minimum.at(first, member, self.first[kept])
        np.maximum.at(last, member, self.last[kept])
        return Components(n, total / n[:, None], first, last)


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
    offset, seam = 0, np.zeros(0, np.int64)
    for start, stop in _slabs(planes.shape, slab_voxels):
        there = of_classes(planes[start:stop], ids).view(
            np.uint8
        )  # as bool, cc3d 4.1 stops at a row of three voxels
        if not there.any():
            seam = np.zeros(0, np.int64)
            continue
        labels, n = cc3d.connected_components(there, connectivity=connectivity, return_N=True)
        if start:
            links.append(_links(seam, _at_starts(labels[0], there[0]) + offset))
        own = slice(None) if stop == len(planes) else slice(-1)
        parts.append(labelled(labels[own], n, start, there[own]))
        seam, offset = _at_starts(labels[-1], there[-1]) + offset, offset + n
    nothing = Components(*np.zeros((1, 0), np.int64), *np.zeros((3, 0, 3), np.int64))
    found = Components(*(np.concatenate([getattr(p, name) for p in [nothing, *parts]]) for name in _COLUMNS))
    return found.merged(_groups(offset, np.concatenate([np.zeros((2, 0), np.int64), *links], axis=1))).along(
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
    first, *others = ids or (None,)
    for chunk in chunks(mask):
        if first is not None:
            np.equal(mask[chunk], first, out=found[chunk])
        for class_id in others:
            found[chunk] |= mask[chunk] == class_id
    return found


def columns_of(mask: Mask, ids: Sequence[int], axis: int) -> npt.NDArray[np.bool_]:
    """Which columns of a mask (z, y, x) along an axis, (h, w), hold a voxel of one of these classes."""
    found = np.zeros([n for a, n in enumerate(mask.shape) if a != axis], bool)
    for chunk in chunks(mask):
        there = of_classes(mask[chunk], ids).any(axis=axis)
        if axis:
            found[chunk] = there
        else:
            found |= there
    return found


def chunks(mask: Mask) -> Iterator[slice]:
    """The planes of a mask in as few slices as stay within `CHUNK_VOXELS`, a plane each at least."""
    step = max(1, CHUNK_VOXELS // max(1, mask.shape[1] * mask.shape[2]))
    return (slice(start, start + step) for start in range(0, len(mask), step))


def plane_counts(mask: Mask, class_id: int) -> tuple[Ints, Ints, Ints]:
    """Voxels of a class in each plane across z, y and x; columns are counted in bytes, for as many planes as a byte can count."""
    levels, columns = np.zeros(mask.shape[0], np.int64), np.zeros(mask.shape[1:], np.int64)
    for start in range(0, len(mask), BYTE):
        counted = np.zeros(mask.shape[1:], np.uint8)
        for level, plane in enumerate(mask[start : start + BYTE], start=start):
            there = plane == class_id
            levels[level] = n = np.count_nonzero(there)
            if n:
                counted += there.view(np.uint8)
        columns += counted
    return levels, columns.sum(axis=1), columns.sum(axis=0)


def mean_index(counts: Sequence[Ints]) -> npt.NDArray[np.float64]:
    """Mean place of the voxels that are counted plane by plane along some axes."""
    return np.array([(n * np.arange(len(n))).sum() / n.sum() for n in counts])


def labelled(
    labels: npt.NDArray[Any], n: int, start: int = 0, there: npt.NDArray[np.uint8] | None = None
) -> Components:
    """Parts 1..n of an array (z, y, x) in C order that numbers them, connected or not, its first plane being plane `start`; those
    without a voxel have count 0.

    Where no two parts are neighbours in a row, `there`, 1 where there is a part and else 0, tells as much and is quicker to read.
    """
    counts, total = np.zeros(n), np.zeros((n, 3))
    first, last = np.full((n, 3), np.iinfo(np.int64).max), np.full((n, 3), -1)
    for chunk in chunks(labels):
        group, length, ends = _runs(
            labels[chunk], start + chunk.start, None if there is None else there[chunk]
        )
        counts += np.bincount(group, length, n)
        for axis, (near, far) in enumerate(ends):
            total[:, axis] += np.bincount(group, length * (near + far) / 2, n)
            np.minimum.at(first[:, axis], group, near)
            np.maximum.at(last[:, axis], group, far)
    return Components(counts.astype(np.int64), total / np.maximum(counts, 1)[:, None], first, last)


def _runs(
    labels: npt.NDArray[Any], start: int, there: npt.NDArray[np.uint8] | None
) -> tuple[Ints, Ints, list[tuple[Ints, Ints]]]:
    """Runs of equal labels along the rows, of which there are far fewer than voxels: label from 0, length, and first and last index along
    z, y and x. What has no label is in none.
    """
    flat, width = labels.reshape(-1), labels.shape[2]
    read = flat if there is None else there.reshape(-1)
    ends = np.ones(flat.size + 1, bool)
    np.not_equal(read[1:], read[:-1], out=ends[1:-1])
    ends[::width] = True
    at = np.flatnonzero(ends)
    value, length = flat[at[:-1]], np.diff(at)
    some = np.flatnonzero(value)
    group, length = value[some].astype(np.int64) - 1, length[some]
    row, x = np.divmod(at[some], width)
    z, y = np.divmod(row, labels.shape[1])
    return group, length, [(z + start, z + start), (y, y), (x, x + length - 1)]


def _at_starts(labels: npt.NDArray[Any], there: npt.NDArray[np.uint8]) -> Ints:
    """Number from 0 of the part that each run of voxels in the rows of a plane belongs to; `there` is 1 where there is a part, else 0."""
    begins = there.copy()
    np.greater(there[:, 1:], there[:, :-1], out=begins[:, 1:], casting="unsafe")
    return np.asarray(labels[begins.view(bool)], np.int64) - 1


def _links(seam: Ints, labels: Ints) -> Ints:
    """(2, L) pairs of components to which two slabs' labels give the same runs (R,) of their shared plane."""
    if not len(seam):
        return np.zeros((2, 0), np.int64)
    base = int(labels.max()) + 1
    return np.stack(np.divmod(np.unique(seam * base + labels), base))


def _groups(n: int, links: Ints) -> npt.NDArray[np.integer]:
    """Group 0..G-1 of each of n components, linked ones in one group."""
    if not links.size:
        return np.arange(n)
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(links.shape[1], bool), (links[0], links[1])), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1])
