"""The outline of a finding's pixels while it is selected, on every slice that it reaches: what accepting it would label."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from napari.utils.colormaps import DirectLabelColormap

from voidscope.acquisition import Finding
from voidscope.project import ScanRecord
from voidscope.vocabulary import Mask
from voidscope.widgets.slice_view import lengths

ROLE = "outline"
CLEAR = (0.0, 0.0, 0.0, 0.0)
COLOUR = "#ffe066"
"""That of the box around a pixel to look at; seen on grey and on every class colour."""


class Outline:
    """Draws the outline through `add` (role, kind, data, look) and takes it away through `remove` (role).

    A person who deletes its layer is rid of it until another finding, or the same one again, is selected.
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
        data, corner = box_of(record, wanted)
        where = [first * step for first, step in zip(corner, lengths(record), strict=True)]
        colours = DirectLabelColormap(color_dict={None: CLEAR, 0: CLEAR, 1: COLOUR})
        layer = self._add(
            ROLE, "labels", data, name="outline", colormap=colours, opacity=1.0, translate=where
        )
        layer.contour, layer.editable = 1, False

    def hide(self) -> None:
        """Take the outline away."""
        self._drawn = None
        self._remove(ROLE)


def box_of(record: ScanRecord, finding: Finding) -> tuple[Mask, tuple[int, ...]]:
    """The finding's pixels as ones in the smallest box (z, y, x) around them, one voxel wider within a slice, for a line is drawn where
    pixels meet others; and the box's first voxel. No larger than the scan."""
    axis = record.plane.axis
    runs = np.array(finding.runs)
    first = np.array([runs[:, 0].min(), runs[:, 1].min() - 1, runs[:, 2].min() - 1])
    last = np.array([runs[:, 0].max() + 1, runs[:, 1].max() + 2, runs[:, 3].max() + 1])
    whole = (record.n_slices, *record.slice_shape)
    first, last = np.clip(first, 0, whole), np.clip(last, 0, whole)
    box = np.zeros(last - first, np.uint8)
    for index, row, start, stop in finding.runs:
        box[index - first[0], row - first[1], start - first[2] : stop - first[2]] = 1
    return np.moveaxis(box, 0, axis), tuple(int(n) for n in np.insert(first[1:], axis, first[0]))
