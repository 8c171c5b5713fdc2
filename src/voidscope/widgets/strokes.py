"""Every stroke is saved: watches the labels layer and puts what changed into the project within a second.

napari tells of strokes by `paint`, but of undo, redo and direct writes only by `set_data`, which also fires when
the slider moves, and its payloads are private. So any event means "something may have changed": soon after, the
slice in view and every slice touched before are compared with what was saved last.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from voidscope.errors import VoidscopeError
from voidscope.project import Project
from voidscope.vocabulary import Mask, Provenance, SliceKey
from voidscope.volume import slice_index
from voidscope.widgets.layers import ScanLayers

SETTLE_MS = 150
"""Quiet time after the last event before a slice is saved."""
RETRY_MS = 5000
"""After a failed write, try again this often; the strokes stay in the viewer meanwhile."""


class Strokes(QObject):
    """Saves what is painted on the labels layer of a `ScanLayers`; `failed(sentence)` when the disk refuses."""

    failed = Signal(str)

    def __init__(self, project: Project, layers: ScanLayers, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._project, self._layers = project, layers
        self._layer: Any = None
        self._scan: str | None = None
        self._touched: set[int] = set()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.flush)
        layers.shown.connect(self.watch)

    def watch(self) -> None:
        """Save what is left of the layer watched so far, then watch the one in view."""
        self.release()
        self._layer, self._scan = self._layers.find("labels"), self._layers.scan
        if self._layer is not None:
            self._layer.events.paint.connect(self._painted)
            self._layer.events.set_data.connect(self._maybe_changed)

    def release(self) -> None:
        """Save and stop watching."""
        self.flush()
        if self._layer is not None:
            self._layer.events.paint.disconnect(self._painted)
            self._layer.events.set_data.disconnect(self._maybe_changed)
        self._layer, self._scan = None, None
        self._touched.clear()

    def write(self, key: SliceKey, mask: Mask, provenance: Provenance) -> None:
        """Label a slice as if painted, so that undo reaches it, and save it with this provenance."""
        record = self._layers.record
        if record is None or self._layer is None or key.scan != self._scan:
            return
        self.flush()
        old = self._layer.data[slice_index(record.plane, key.index)]
        rows, columns = np.nonzero(old != mask)
        if len(rows):
            indices = [rows, columns]
            indices.insert(record.plane.axis, np.full(len(rows), key.index))
            self._layer.data_setitem(tuple(indices), mask[rows, columns])
        self._touched.add(key.index)
        self._save(key.index, provenance)

    def flush(self) -> None:
        """Save every touched slice that differs from what the project holds; raises nothing."""
        self._timer.stop()
        for index in sorted(self._touched):
            self._save(index, Provenance.DRAWN)

    def _painted(self, event: Any) -> None:
        self._touched |= self._slices_of(event.value)
        self._maybe_changed()

    def _maybe_changed(self, event: Any = None) -> None:
        key = self._layers.key
        if key is not None and key.scan == self._scan:
            self._touched.add(key.index)
        self._timer.start(SETTLE_MS)

    def _slices_of(self, atoms: Any) -> set[int]:
        """Indices of the slices a paint event names, for both of napari's payloads; empty when it cannot be told."""
        record = self._layers.record
        if record is None or not isinstance(atoms, list | tuple):
            return set()
        found: set[int] = set()
        for atom in atoms:
            where = getattr(atom, "slice_key", atom[0] if isinstance(atom, tuple) and atom else None)
            if isinstance(where, tuple) and len(where) > record.plane.axis:
                found |= _indices(where[record.plane.axis], record.n_slices)
        return found

    def _save(self, index: int, provenance: Provenance) -> None:
        record = self._project.scans.get(self._scan or "")
        if self._layer is None or record is None:
            return
        key = SliceKey(record.name, index)
        painted = np.array(self._layer.data[slice_index(record.plane, index)], dtype=np.uint8)
        try:
            stored = self._project.labels.get(key)
            if not np.array_equal(painted, np.zeros_like(painted) if stored is None else stored):
                self._project.labels.put(key, painted, provenance)
        except VoidscopeError as error:
            self.failed.emit(f"Not saved yet, kept in the viewer: {error}")
            self._timer.start(RETRY_MS)


def _indices(where: Any, n: int) -> set[int]:
    if isinstance(where, slice):
        return set(range(*where.indices(n)))
    values = np.unique(np.asarray(where))
    return {int(v) for v in values if np.issubdtype(values.dtype, np.integer) and 0 <= v < n}
