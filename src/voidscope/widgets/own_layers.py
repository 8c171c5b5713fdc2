"""Our layers in a viewer: found by their metadata, made, put away and taken out.

Whenever a layer goes, napari collects garbage and rebuilds what it draws, and to make one takes as long again: some 0.3 s each that the
window stands still. So a layer that has nothing to show is hidden and stays, until the scan goes or needs another kind of layer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from voidscope.project import ScanRecord
from voidscope.widgets.looks import KEPT, Looks, idle, is_idle, role_of, take_up
from voidscope.widgets.result_layers import RESULTS
from voidscope.widgets.slice_view import fill, lengths, place, units


class OwnLayers:
    """Adds our layers to a viewer, finds them and takes them away; `record` gives the scan in view.

    How a person set a layer is carried over to the next one with its role.
    """

    def __init__(self, viewer: Any, looks: Looks, record: Callable[[], ScanRecord]) -> None:
        self._viewer, self._record, self.looks = viewer, record, looks
        self.keys: Mapping[Any, Callable[[Any], None]] = {}
        """Keys that our layers answer themselves, because napari's own layers would; set before any is shown."""

    def find(self, role: str) -> Any:
        """Our layer with this role, or None where there is none but one that is put away."""
        layer = self._any(role)
        return None if layer is None or is_idle(layer) else layer

    def add(self, role: str, kind: str, data: Any, **look: Any) -> Any:
        """Add a layer in its scan's place, with the look a person gave the one before it; one that is put away is taken up."""
        record, layer = self._record(), self._any(role)
        if layer is not None:
            fill(layer, data, record)  # while it is hidden, so that it is drawn once
            if "edge_width" in look:
                layer.edge_width = look["edge_width"]
            take_up(layer)
            return layer
        active = self._viewer.layers.selection.active
        make = getattr(self._viewer, f"add_{kind}")
        layer = make(data, scale=lengths(record), units=units(record), axis_labels=("z", "y", "x"), **look)
        self.looks.give(layer, role, record.name)
        for key, act in self.keys.items():
            layer.bind_key(key, act, overwrite=True)
        layers, labels = self._viewer.layers, self.find("labels")
        if role in RESULTS and labels is not None:  # what a person paints stays on top
            layers.move(layers.index(layer), layers.index(labels))
        if active is not None:
            self._viewer.layers.selection.active = active
        return layer

    @property
    def placed(self) -> Any:
        """A layer that lies where the scan in view does, of which a person may have deleted the one or the other."""
        return self.find("image") or self.find("labels")

    def put_image(self, voxels: Any, before: str | None) -> None:
        """Show the voxels of the scan in view, in the layer that showed those of the scan `before`."""
        record, layer = self._record(), self.find("image")
        limits = (record.intensity.low, record.intensity.high)
        if layer is None or before is None:
            look: dict[str, Any] = {"contrast_limits": limits, "colormap": "gray", "multiscale": False}
            self.add("image", "image", voxels, name=record.name, **look)
            return
        self.looks.remember(layer, "image", before)
        layer.data, layer.name = voxels, record.name
        place(layer, record)
        layer.contrast_limits = self.looks.contrast(record.name, limits)

    def put_away(self, role: str) -> None:
        """Hide our layer with this role until there is something to show again; sliders go as far as it reaches, so no farther than the scan."""
        layer = self._any(role)
        if layer is None:
            return
        nothing = _nothing(layer, (record := self._record()).shape)
        if not is_idle(layer) or layer.data.shape != nothing.shape:
            idle(layer)
            fill(layer, nothing, record)
        place(layer, record)

    def clear(self, scan: str) -> None:
        """Take all out of the viewer and remember how they were set for a scan."""
        for role in KEPT:
            layer = self._any(role)
            if layer is not None:
                take_up(layer)
                self.looks.remember(layer, role, scan)
                self._viewer.layers.remove(layer)

    def all(self) -> list[Any]:
        """Every layer of ours, those that are put away too."""
        return [layer for layer in map(self._any, KEPT) if layer is not None]

    def _any(self, role: str) -> Any:
        return next((layer for layer in self._viewer.layers if role_of(layer) == role), None)


def _nothing(layer: Any, shape: tuple[int, int, int]) -> Any:
    """Data of no size to speak of for a layer that shows nothing: all 0 in the shape of a scan, or a line of no length."""
    if not hasattr(layer, "dtype"):
        return np.zeros((1, 2, 3))
    return np.broadcast_to(np.zeros((), layer.dtype), shape)
