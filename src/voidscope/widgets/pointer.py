"""The short-lived box around a pixel to look at: what drove a suggestion, or a void of the table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QObject, QTimer

from voidscope.project import ScanRecord

POINTER_MS = 1800
"""How long the box stays."""
COLOUR, EDGE_PX = "#ffe066", 0.8


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
        look: dict[str, Any] = {"edge_color": COLOUR, "edge_width": EDGE_PX, "vector_style": "line"}
        self._add("pointer", "vectors", sides(corners(record, index, pixel)), name="look here", **look)
        self._timer.start(POINTER_MS)

    def hide(self) -> None:
        """Take the box away."""
        self._timer.stop()
        self._remove("pointer")


def corners(record: ScanRecord, index: int, pixel: tuple[int, int]) -> npt.NDArray[np.float64]:
    """The box's corners (4, 3) in voxels: a few pixels wide, more in large slices."""
    reach = max(4.0, 0.03 * max(record.slice_shape))
    steps = [(-reach, -reach), (-reach, reach), (reach, reach), (reach, -reach)]
    return np.array([np.insert((pixel[0] + y, pixel[1] + x), record.plane.axis, index) for y, x in steps])


def sides(corners: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The sides of a polygon with these corners (N, 3): (N, 2, 3) where each begins and its way to the next corner."""
    return np.stack([corners, np.roll(corners, -1, axis=0) - corners], axis=1)
