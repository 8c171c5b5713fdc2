"""The least solid section that holds two ends of a body together, whichever way a crack or a neck between them runs.

The voxels of the body are the nodes of a graph, and the faces that two of them share its edges, each as wide as its area. By the
max-flow min-cut theorem (Ford and Fulkerson 1956) the largest flow from the first level to the last one is the least area of faces that
any cut between them goes through: flat, tilted or stepped, around voids or through them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from voidscope.metrology.pieces import Part

FEW, CELLS = 2**12, 2**17
"""Larger bodies are looked at in cubic cells of voxels, of which there are no more than so many and those at its edge: at a first look, which is quick, and at
a second one.
"""
AT_ONCE = 2**20
"""So many voxels are looked at at once for gaps in their columns."""
UNIT = 16
"""Capacity of a face across the levels; those of other faces are rounded to a sixteenth of it."""

Nodes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Neck:
    """The least cut between the first and the last level of a body.

    Attributes
    ----------
    section : its area in voxels of a level
    first, last : the levels between which it lies
    """

    section: float
    first: int
    last: int


def neck_of(solid: Part, spacing_um: Sequence[float], most_cells: int = CELLS) -> Neck:
    """Of a body (levels, h, w) of two levels or more, its voxels as far apart as `spacing_um` along levels, h and w.

    Voxels next to a gap in their column are left out (`_worn`). In a body larger than about `most_cells`, whose cells are taken as solid
    or not, the section comes out too small, or less than twice too large, for a cell that counts has more than half of its section.
    """
    edge = max(1, math.ceil(np.cbrt(np.count_nonzero(solid) / most_cells)))
    worn = _worn(solid)
    cells = worn if edge == 1 else _cells(worn, edge)
    if len(cells) < 2:
        return Neck(float(np.count_nonzero(solid[0] & solid[-1])), 0, len(solid) - 1)
    flow, (first, last) = _least_cut(cells, [spacing_um[0] / s for s in spacing_um])
    return Neck(flow * edge**2 / UNIT, first * edge, min(last * edge + edge, len(solid)) - 1)


def _worn(solid: Part) -> Part:
    """Without the voxels next to a gap in their column: a crack that is a voxel thick and steps by more leaves faces that touch beside it."""
    worn = solid.copy()
    step = max(1, AT_ONCE // solid[:, :1].size)
    for some in (slice(k, k + step) for k in range(0, solid.shape[1], step)):
        part, own = solid[:, some], worn[:, some]
        after, before = np.logical_or.accumulate(part), np.logical_or.accumulate(part[::-1])[::-1]
        filled = part | ~(after & before)
        own[1:] &= filled[:-1]
        own[:-1] &= filled[1:]
    return worn


def _cells(solid: Part, edge: int) -> Part:
    """Which cells of `edge` voxels each way are solid: less than half a layer of theirs is missing, since a crack takes a layer
    or more of the cells that it may lie between. Beyond the last level the body goes on, beside it is nothing.
    """
    filled = np.pad(solid, [(0, -n % edge) for n in solid.shape[:1]] + [(0, 0)] * 2, mode="edge")
    filled = np.pad(filled, [(0, 0), *((0, -n % edge) for n in solid.shape[1:])])
    n, h, w = (n // edge for n in filled.shape)
    full = filled.reshape(n, edge, h, edge, w, edge).sum(axis=(1, 3, 5), dtype=np.int32)
    found: Part = 2 * (edge**3 - full) < edge**2
    return found


def _least_cut(solid: Part, areas: Sequence[float]) -> tuple[int, tuple[int, int]]:
    """Capacity of the least cut between the first and the last level, and the levels beside it; `areas` are those of faces across each axis."""
    from scipy.sparse import coo_array, csr_array
    from scipy.sparse.csgraph import breadth_first_order, maximum_flow

    number = np.full(solid.shape, -1)
    n = int(np.count_nonzero(solid))
    number[solid] = np.arange(n)
    sides, widths = [], []
    for axis, area in enumerate(areas):
        near, far = (np.moveaxis(number, axis, 0)[s].ravel() for s in (slice(None, -1), slice(1, None)))
        both = (near >= 0) & (far >= 0)
        sides.append(np.stack([near[both], far[both]]))
        widths.append(np.full(sides[-1].shape[1], max(1, round(UNIT * area))))
    ends = [number[k][solid[k]] for k in (0, -1)]
    wide = 2 * sum(max(1, round(UNIT * area)) for area in areas)
    start, end = n, n + 1
    rows = np.concatenate(
        [*(s[0] for s in sides), *(s[1] for s in sides), np.full(len(ends[0]), start), ends[1]]
    )
    columns = np.concatenate(
        [*(s[1] for s in sides), *(s[0] for s in sides), ends[0], np.full(len(ends[1]), end)]
    )
    capacity = np.concatenate([*widths, *widths, np.full(len(ends[0]) + len(ends[1]), wide)])
    graph: Any = csr_array(coo_array((capacity.astype(np.int32), (rows, columns)), shape=(n + 2, n + 2)))
    graph.indices, graph.indptr = graph.indices.astype(np.int32), graph.indptr.astype(np.int32)
    flow = maximum_flow(graph, start, end)
    left = graph - flow.flow
    left.eliminate_zeros()
    reached = np.zeros(n + 2, bool)
    reached[breadth_first_order(left, start, return_predecessors=False)] = True
    level = np.append(np.nonzero(solid)[0], [0, len(solid) - 1])
    cut = reached[rows] & ~reached[columns]
    at = (
        np.concatenate([level[rows[cut]], level[columns[cut]]]) if cut.any() else _gap(reached[:n], level[:n])
    )
    return int(flow.flow_value), (int(at.min()), int(at.max()))


def _gap(reached: Part, level: Nodes) -> Nodes:
    """The levels where what is reached from the first ends and what is not begins, where nothing holds them together."""
    return np.array([level[reached].max(initial=0), level[~reached].min(initial=level.max(initial=0))])
