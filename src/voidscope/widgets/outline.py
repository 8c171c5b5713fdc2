"""The outline of a finding's pixels while it is selected, on every slice that it reaches: what accepting it would label."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from voidscope.acquisition import Finding
from voidscope.project import ScanRecord
from voidscope.widgets.slice_view import CLOSE_UP_PX

ROLE = "outline"
COLOUR = "#ffe066"
"""That of the box around a pixel to look at; seen on grey and on every class colour."""
WIDTH = 1 / 400
"""Of the part of a slice that is seen: some two pixels of the screen."""


class Outline:
    """Draws the outline through `add` (role, kind, data, look) and takes it away through `remove` (role).

    A person who deletes its layer is rid of it until a finding is selected.
    """

    def __init__(self, add: Callable[..., Any], remove: Callable[[str], None]) -> None:
        self._add, self._remove = add, remove
        self._drawn: Finding | None = None

    def show(self, record: ScanRecord | None, finding: Finding | None) -> None:
        """Outline a finding of the scan in view; None, a finding of another scan and one too large to keep its pixels have no outline."""
        wanted = finding if record and finding and finding.runs and finding.key.scan == record.name else None
        if wanted == self._drawn:
            return
        self.hide()
        self._drawn = wanted
        if record is None or wanted is None:
            return
        width = WIDTH * min(max(record.slice_shape), CLOSE_UP_PX)
        look: dict[str, Any] = {"edge_color": COLOUR, "edge_width": width, "vector_style": "line"}
        self._add(ROLE, "vectors", edges(record, wanted), name="outline", opacity=1.0, **look)

    def hide(self) -> None:
        """Take the outline away."""
        self._drawn = None
        self._remove(ROLE)


def edges(record: ScanRecord, finding: Finding) -> npt.NDArray[np.float64]:
    """Where a finding's pixels meet others within their slice: (N, 2, 3) first corner (z, y, x) and way along the edge, in voxels."""
    found = [
        _edges(index, np.array([run[1:] for run in finding.runs if run[0] == index]))
        for index in sorted({run[0] for run in finding.runs})
    ]
    slices = np.concatenate(found)  # slice, row, column
    return np.insert(slices[:, :, 1:], record.plane.axis, slices[:, :, 0], axis=2)


def _edges(index: int, runs: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """The edges (N, 2, 3) of the pixels of one slice; runs (M, 3) are row, first column and one past the last."""
    top, left = runs[:, 0].min(), runs[:, 1].min()
    there = np.zeros(
        (runs[:, 0].max() - top + 3, runs[:, 2].max() - left + 2), bool
    )  # a pixel more all around
    for row, start, stop in runs:
        there[row - top + 1, start - left + 1 : stop - left + 1] = True
    lying, standing = (np.argwhere(np.diff(there, axis=axis)) for axis in (0, 1))
    below, beside = np.array([1, 0]), np.array([0, 1])
    corners = np.concatenate([lying + below, standing + beside]) + np.array([top - 1.5, left - 1.5])
    ways = np.repeat([(0.0, 0.0, 1.0), (0.0, 1.0, 0.0)], [len(lying), len(standing)], axis=0)
    return np.stack([np.insert(corners, 0, float(index), axis=1), ways], axis=1)
