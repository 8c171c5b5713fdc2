"""Connected components of a mask as columns of counts, centroids and boxes, found slab by slab.

What is joined are runs of voxels along the rows, of which there are far fewer than voxels. Components of neighbouring slabs are one
where runs of the planes between which they part meet. Memory stays that of a slab, however large the scan.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from voidscope.metrology.runs import Ints, Runs
from voidscope.vocabulary import Mask

CONNECTIVITY = 26
"""Unless said otherwise, voxels that share a face, an edge or a corner belong to one component."""
SLAB_VOXELS = 2**22
"""Voxels looked at at once: 2 to 6 MiB of working memory where bodies are solid, 30 where one voxel in 32 or more begins a run."""
BUSY = 32
"""In a slab with more runs than one for so many voxels, voxels are joined instead of runs."""
CHUNK_VOXELS = 2**17
"""Voxels compared at once: what stays in a processor's cache, and is little enough for its memory to be used again."""
UNUSED = 256
"""No byte is this."""
BYTE = 255
"""The most that a byte counts."""


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
    longest = int(np.argmax(mask.shape))
    order = [longest, *(a for a in range(3) if a != longest)]
    planes = mask.transpose(order)
    parts = [Components(*np.zeros((1, 0), np.int64), *np.zeros((3, 0, 3), np.int64))]
    links, offset, seam = [np.zeros((2, 0), np.int64)], 0, Runs.none(planes.shape)
    for slab in _slabs(planes.shape, slab_voxels):
        runs = _runs_of(planes[slab], ids, slab.start)
        number = _numbers(runs, planes[slab], ids, connectivity, slab.start)
        parts.append(_summed(runs, number, n := int(number.max(initial=-1)) + 1))
        numbered = replace(runs, value=number + offset)
        below, above = seam, numbered.plane(slab.start)
        i, j = below.met(above, connectivity)
        links.append(np.stack([below.value[i], above.value[j]]))
        offset, seam = offset + n, numbered.plane(slab.stop - 1)
    found = Components(*(np.concatenate([getattr(p, name) for p in parts]) for name in _COLUMNS))
    return found.merged(_groups(offset, np.concatenate(links, axis=1))).along(
        [order.index(a) for a in range(3)]
    )


_COLUMNS = ("n_voxels", "centroid", "first", "last")


def _slabs(shape: Sequence[int], slab_voxels: int) -> Iterator[slice]:
    """The planes of each slab."""
    step = max(1, slab_voxels // max(1, shape[1] * shape[2]))
    return (slice(start, min(start + step, shape[0])) for start in range(0, shape[0], step))


def _runs_of(planes: Mask, ids: Sequence[int], start: int) -> Runs:
    """Runs of voxels of some classes in planes of which the first is plane `start`."""
    found = ((z, y, there) for z, y in strips(planes) if (there := of_classes(planes[z, y], ids)).any())
    parts = (
        Runs.of(there.view(np.uint8), (start + z.start, y.start), planes.shape[1]) for z, y, there in found
    )
    return Runs.joined(parts, planes.shape)


def _numbers(runs: Runs, planes: Mask, ids: Sequence[int], connectivity: int, start: int) -> Ints:
    """Component 0..G-1 of each run (R,) of a slab; where there are a great many runs, voxels are quicker to join than they are."""
    if len(runs) * BUSY < planes.size:
        return np.asarray(_groups(len(runs), runs.met(runs, connectivity)), np.int64)
    import cc3d

    there = of_classes(planes, ids).view(np.uint8)  # as bool, cc3d 4.1 stops at a row of three voxels
    (z, _), (y, _), (x, _) = runs.ends()
    return (
        np.asarray(cc3d.connected_components(there, connectivity=connectivity)[z - start, y, x], np.int64) - 1
    )


def of_classes(mask: Mask, ids: Sequence[int]) -> npt.NDArray[np.bool_]:
    """Which voxels of a mask (z, y, x) are of one of these classes, in C order; comparisons are far quicker than a table of all classes."""
    lows, highs = (sorted({i for i in ids if i + step not in ids}) for step in (-1, 1))
    (low, high), *others = list(zip(lows, highs, strict=True)) or [(UNUSED, UNUSED)]
    found = np.empty(mask.shape, bool)
    for at in strips(mask):
        part, own = mask[at], found[at]
        _between(part, low, high, own)
        for ends in others:
            np.logical_or(own, _between(part, *ends), out=own)
    return found


def _between(
    part: Mask, low: int, high: int, out: npt.NDArray[np.bool_] | None = None
) -> npt.NDArray[np.bool_]:
    """Which voxels are of a class from `low` to `high`; a byte below `low` wraps around to above."""
    if low == high:
        return np.equal(part, low, out=out)
    return np.less_equal(np.subtract(part, low), high - low, out=out)


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


def strips(mask: npt.NDArray[Any]) -> Iterator[tuple[slice, slice]]:
    """Planes and rows of the pieces of a mask (z, y, x), in C order, that stay within `CHUNK_VOXELS`, a row each at least."""
    step = max(1, CHUNK_VOXELS // max(1, mask.shape[2]))
    rows = [slice(start, start + step) for start in range(0, mask.shape[1], step)]
    return ((planes, some) for planes in chunks(mask) for some in rows)


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


def labelled(labels: npt.NDArray[Any], n: int) -> Components:
    """Parts 1..n of an array (z, y, x) that numbers them, connected or not; those without a voxel have count 0."""
    parts = (Runs.of(labels[z, y], (z.start, y.start), labels.shape[1]) for z, y in strips(labels))
    runs = Runs.joined(parts, labels.shape)
    return _summed(runs, runs.value - 1, n)


def _summed(runs: Runs, group: Ints, n: int) -> Components:
    """What the runs (R,) of each group 0..n-1 make together; empty ones have count 0."""
    length = runs.end - runs.begin
    total = np.zeros((n, 3))
    first, last = np.full((n, 3), np.iinfo(np.int64).max), np.full((n, 3), -1)
    for axis, (near, far) in enumerate(runs.ends()):
        total[:, axis] = np.bincount(group, length * (near + far) / 2, n)
        np.minimum.at(first[:, axis], group, near)
        np.maximum.at(last[:, axis], group, far)
    counts = np.bincount(group, length, n).astype(np.int64)
    return Components(counts, total / np.maximum(counts, 1)[:, None], first, last)


def _groups(n: int, links: Ints) -> npt.NDArray[np.integer]:
    """Group 0..G-1 of each of n components, linked ones in one group."""
    if not links.size:
        return np.arange(n)
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(links.shape[1], bool), (links[0], links[1])), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1])
