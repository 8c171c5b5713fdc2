"""A brush that keeps to a range of intensities: whatever tool painted it, what lies outside is taken back at once.

napari has no hook between the brush and the pixels, and how it paints changes from version to version. So the slice is
copied when the mouse is pressed, and after each move every pixel that got a class since the last, although its intensity
lies outside of the range, gets back what it had, through napari, which then redraws these alone. Erasing is never limited.
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
from voidscope.widgets.layers import ScanLayers
from voidscope.widgets.slice_view import pixel_at


class LimitedBrush(QObject):
    """Limits painting on the labels layer of a `ScanLayers` to `limits`, while `on`.

    With `following`, each press of the mouse first sets the limits to what looks like the pixel pressed, and tells them:
    `limits_changed(low, high)`, then `limits_nothing()` where the whole slice looks like it.
    """

    limits_changed = Signal(float, float)
    limits_nothing = Signal()

    def __init__(self, project: Project, layers: ScanLayers, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._project, self._layers = project, layers
        self._layer: Any = None
        self._before: Mask | None = None  # when the mouse was pressed
        self._seen: Mask | None = None  # after the last move
        self._image: npt.NDArray[Any] | None = None
        self._axis, self._index = 0, 0
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
        self._layer, self._before, self._seen, self._image = None, None, None, None

    def trim(self, event: Any = None) -> None:
        """Take back what was painted outside of the range since the mouse was pressed; erased pixels stay erased."""
        if not self.on or self._before is None or self._seen is None or self._image is None:
            return
        now = self._layer.data.take(self._index, axis=self._axis)
        new = np.flatnonzero(now != self._seen)  # of a large slice ten times as quick as its rows and columns
        classes, before = now.flat[new], self._before.flat[new]
        wrong = (classes > 0) & outside_range(self._image.flat[new], self.limits)
        self._seen.flat[new] = np.where(wrong, before, classes)
        wrong &= classes != before
        if wrong.any():
            where = list(np.unravel_index(new[wrong], now.shape))
            where.insert(self._axis, np.full(where[0].size, self._index))
            self._layer.data_setitem(tuple(where), before[wrong])

    def _stroke(self, layer: Any, event: Any) -> Iterator[None]:
        """From press to release; napari's own brush paints in between, before or after this."""
        key, record = self._layers.key, self._layers.record
        if not self.on or key is None or record is None:
            return
        self._axis, self._index = record.plane.axis, key.index
        self._before = np.asarray(layer.data.take(self._index, axis=self._axis), dtype=np.uint8)
        self._seen = self._before.copy()
        self._image = np.ascontiguousarray(self._project.volume(key.scan).slice(record.plane, key.index))
        pixel = pixel_at(record, layer, event.position)
        if self.following and pixel is not None:
            contrast = (record.intensity.low, record.intensity.high)
            self.limits = intensities_around(self._image, pixel, contrast)
            self.limits_changed.emit(*self.limits)
            if not outside_range(self._image, self.limits).any():
                self.limits_nothing.emit()
        yield
        while event.type == "mouse_move":
            self.trim()
            yield
        self.trim()
