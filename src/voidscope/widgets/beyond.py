"""No painting beyond the scan: where another layer takes the slider past its last slice, napari's brush ends in an IndexError."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from voidscope.widgets.layers import ScanLayers
from voidscope.widgets.looks import role_of
from voidscope.widgets.slice_view import BEYOND


class Beyond:
    """Puts the tool of the labels layer of a `ScanLayers` aside while a button is held beyond the scan, and `tell`s why."""

    def __init__(self, viewer: Any, layers: ScanLayers, tell: Callable[[str], object]) -> None:
        self._viewer, self._layers, self._tell = viewer, layers, tell
        viewer.mouse_drag_callbacks.append(self._drag)  # before those of the layer, which paint

    def release(self) -> None:
        """Follow the viewer no more."""
        self._viewer.mouse_drag_callbacks.remove(self._drag)

    def _drag(self, viewer: Any, event: Any) -> Iterator[None]:
        active, why = viewer.layers.selection.active, self._layers.waits
        if active is None or role_of(active) != "labels" or why != BEYOND.format(self._layers.scan):
            return
        with self._layers.labels.without_tool():
            self._tell(why)
            yield
            while event.type == "mouse_move":
                yield
