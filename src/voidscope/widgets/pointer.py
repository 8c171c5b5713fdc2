"""The short-lived box around a pixel to look at: what drove a suggestion, or a void of the table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from qtpy.QtCore import QObject, QTimer

from voidscope.project import ScanRecord

POINTER_MS = 1800
"""How long the box stays."""


class Pointer(QObject):
    """Draws the box through `add` (role, kind, data, look) and takes it away through `remove` (role)."""

    def __init__(
        self, add: Callable[..., Any], remove: Callable[[str], None], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._add, self._remove = add, remove
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.hide)

    def show(self, record: ScanRecord, index: int, pixel: tuple[int, int]) -> None:
        """Draw the box around a pixel (y, x) of a slice."""
        self.hide()
        look: dict[str, Any] = {"edge_color": "#ffe066", "edge_width": 0.8, "face_color": "transparent"}
        box = corners(record, index, pixel)
        self._add("pointer", "shapes", [box], shape_type="polygon", name="look here", **look)
        self._timer.start(POINTER_MS)

    def hide(self) -> None:
        """Take the box away."""
        self._timer.stop()
        self._remove("pointer")


def corners(record: ScanRecord, index: int, pixel: tuple[int, int]) -> np.ndarray:
    """The box's corners (4, 3) in voxels: a few pixels wide, more in large slices."""
    reach = max(4.0, 0.03 * max(record.slice_shape))
    steps = [(-reach, -reach), (-reach, reach), (reach, reach), (reach, -reach)]
    return np.array([np.insert((pixel[0] + y, pixel[1] + x), record.plane.axis, index) for y, x in steps])
