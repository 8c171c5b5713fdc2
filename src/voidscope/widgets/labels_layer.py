"""The layer that a person paints on: one for all scans, filled anew for each, and the class that is painted with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from voidscope.project import ScanRecord
from voidscope.vocabulary import ClassMap, Mask, Role
from voidscope.widgets.colours import class_colours
from voidscope.widgets.looks import CLASSES
from voidscope.widgets.own_layers import OwnLayers
from voidscope.widgets.result_layers import OPACITY
from voidscope.widgets.slice_view import place

PAINTING = ("paint", "fill", "polygon")
"""Tools of napari's labels layer that put down the selected class."""


class LabelsLayer:
    """Fills the labels layer and follows its class; `tell` is told the class when that or the tool changed, 0 while none is painted."""

    def __init__(self, own: OwnLayers, classes: ClassMap, tell: Callable[[int], object]) -> None:
        self._own, self._classes, self._tell = own, classes, tell
        self.chosen = min(classes.ids_with_role(Role.VOID), default=1)
        """The class chosen for painting last, whatever the tool is now and also while label 0 erases."""

    @property
    def class_id(self) -> int:
        """The class that a stroke would put down now; 0 while the tool paints none."""
        layer = self._own.find("labels")
        return int(layer.selected_label) if layer is not None and layer.mode in PAINTING else 0

    def fill(self, painted: Mask, record: ScanRecord) -> Any:
        """Show what is said of a scan (z, y, x), in a layer made where there is none; what napari could undo in it belongs to the scan
        before.
        """
        layer = self._own.find("labels")
        if layer is not None:
            self.drop_draft()
            with layer.events.mode.blocker(self._tell_class):
                mode, layer.editable = layer.mode, False  # so napari forgets its history
                layer.data, layer.mode = painted, mode
            place(layer, record)
            return layer
        colours = class_colours(self._classes, OPACITY["labels"])
        layer = self._own.add("labels", "labels", painted, name="labels", colormap=colours, opacity=0.5)
        layer.metadata = {**layer.metadata, CLASSES: self._classes.entries()}
        layer.events.selected_label.connect(self._tell_class)
        layer.events.mode.connect(self._tell_class)
        return layer

    def paint_with(self, class_id: int) -> None:
        """Choose the class that painting puts down, in a layer that is there."""
        layer = self._own.find("labels")
        layer.visible, layer.selected_label, layer.mode = True, class_id, "paint"

    @contextmanager
    def without_tool(self) -> Iterator[None]:
        """Put the tool of a layer that is there aside, and take it up again; nobody is told, for it is still the one chosen."""
        layer = self._own.find("labels")
        with layer.events.mode.blocker(self._tell_class):
            mode, layer.mode = layer.mode, "pan_zoom"
        try:
            yield
        finally:
            with layer.events.mode.blocker(self._tell_class):
                layer.mode = mode

    def drop_draft(self) -> None:
        """Let go of a polygon that is not finished: napari would paint it on the slice that it was begun on, whatever is in view by then."""
        layer = self._own.find("labels")
        if layer is not None and (draft := getattr(layer, "_overlays", {}).get("polygon")) is not None:
            draft.points = []

    def leave(self) -> None:
        """Follow the layer no more: it is about to go."""
        layer = self._own.find("labels")
        if layer is not None:
            layer.events.selected_label.disconnect(self._tell_class)
            layer.events.mode.disconnect(self._tell_class)

    def _tell_class(self) -> None:
        """Tell the class; napari's "new label" gives ids that no class has, so the class stays."""
        layer = self._own.find("labels")
        if layer.selected_label > len(self._classes):
            layer.selected_label = self.chosen
            return
        self.chosen = int(layer.selected_label) or self.chosen
        self._tell(self.class_id)
