"""A brush that keeps to a range of intensities: whatever tool painted it, what lies outside is taken back at once.

napari has no hook between the brush and the pixels, and how it paints changes from version to version. So the slice is
copied when the mouse is pressed, and after each move every pixel that got a class although its intensity lies outside
of the range gets back what it had. Erasing is never limited.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QObject, Signal

from voidscope.labelling import intensities_around, outside_range
from voidscope.project import Project
from voidscope.vocabulary import Mask
from voidscope.volume import slice_index
from voidscope.widgets.layers import ScanLayers
from voidscope.widgets.slice_view import pixel_at


class LimitedBrush(QObject):
    """Limits painting on the labels layer of a `ScanLayers` to `limits`, while `on`.

    With `following`, each press of the mouse first sets the limits to what looks like the pixel pressed, and tells them:
    `limits_changed(low, high)`.
    """

    limits_changed = Signal(float, float)

    def __init__(self, project: Project, layers: ScanLayers, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._project, self._layers = project, layers
        self._layer: Any = None
        self._before: Mask | None = None
        self._image: npt.NDArray[Any] | None = None
        self._where: tuple[slice | int, ...] = ()
        self.on = False
        self.following = False
        self.limits = (-np.inf, np.inf)
        layers.shown.connect(self.watch)

    def watch(self) -> None:
        """Limit the labels layer in view."""
        self.release()
        self._layer = self._layers.find("labels")
        if self._layer is not None:
            self._layer.mouse_drag_callbacks.insert(0, self._stroke)
            self._layer.events.paint.connect(self.trim)

    def release(self) -> None:
        """Leave the layer alone."""
        if self._layer is not None:
            self._layer.mouse_drag_callbacks.remove(self._stroke)
            self._layer.events.paint.disconnect(self.trim)
        self._layer, self._before, self._image = None, None, None

    def trim(self, event: Any = None) -> None:
        """Take back what was painted outside of the range since the mouse was pressed; erased pixels stay erased."""
        if not self.on or self._before is None or self._image is None:
            return
        now = self._layer.data[self._where]
        rows, columns = np.nonzero(now != self._before)
        wrong = (now[rows, columns] > 0) & outside_range(self._image[rows, columns], self.limits)
        if wrong.any():
            rows, columns = rows[wrong], columns[wrong]
            now[rows, columns] = self._before[rows, columns]
            self._layer.refresh()

    def _stroke(self, layer: Any, event: Any) -> Iterator[None]:
        """From press to release; napari's own brush paints in between, before or after this."""
        key, record = self._layers.key, self._layers.record
        if not self.on or key is None or record is None:
            return
        self._where = slice_index(record.plane, key.index)
        self._before = np.array(layer.data[self._where], dtype=np.uint8)
        self._image = np.asarray(self._project.volume(key.scan).voxels[self._where])
        pixel = pixel_at(record, layer, event.position)
        if self.following and pixel is not None:
            contrast = (record.intensity.low, record.intensity.high)
            self.limits = intensities_around(self._image, pixel, contrast)
            self.limits_changed.emit(*self.limits)
        yield
        while event.type == "mouse_move":
            self.trim()
            yield
        self.trim()
