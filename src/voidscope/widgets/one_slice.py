"""A drag of the mouse paints in one slice: when another comes into view, it ends there as if the mouse had been let go.

napari's brush joins the places of a drag by a line, through every slice between them. Who turned the slider, jumped or
undid with the button held never saw those. What was painted until then stays; the next press paints again.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from napari.utils.interactions import mouse_release_callbacks

from voidscope.widgets.layers import ScanLayers


class OneSlice:
    """Ends drags on the labels layer of a `ScanLayers` when the slice in view changes, but in napari's 3-D editing, which is meant to go
    through slices.
    """

    def __init__(self, viewer: Any, layers: ScanLayers) -> None:
        self._viewer, self._layers = viewer, layers
        self._look()
        viewer.dims.events.current_step.connect(self._stepped, position="first")  # before others tell of it
        layers.shown.connect(self._look)

    def release(self) -> None:
        """Follow the viewer no more."""
        self._viewer.dims.events.current_step.disconnect(self._stepped)

    def _look(self, *_: object) -> None:
        self._seen = (
            self._layers.key,
            self._layers.waits,
        )  # beyond the last slice the key is still the last one's

    def _stepped(self, event: Any = None) -> None:
        before, layer = self._seen, self._layers.find("labels")
        self._look()
        if self._seen != before and layer is not None and layer.n_edit_dimensions == 2:
            released = SimpleNamespace(
                type="mouse_release", position=self._viewer.cursor.position, is_dragging=False, handled=False
            )
            mouse_release_callbacks(layer, released)
