"""The one slice and the one drawing that the viewer shows in a blind study; all other layers are out of sight meanwhile.

Both layers are 2-D, so that no slider tells which slice it is, and neither their names nor their metadata tell of what scan.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from voidscope.vocabulary import ClassMap, Mask, Role
from voidscope.widgets.colours import class_colours
from voidscope.widgets.looks import KEPT
from voidscope.widgets.result_layers import OPACITY
from voidscope.workflow import BlindSlice

IMAGE, DRAWING = "slice", "your drawing"
"""Names of the two layers."""
CARRIED = tuple(name for name in KEPT["labels"] if name not in ("name", "visible"))
"""How a person set the drawing's layer, which the next one keeps."""
BRUSH_PX = 4


class BlindLayers(QObject):
    """Shows one slice after another with an empty drawing; `drawn()` when the drawing may have changed, `class_chosen(id)`."""

    drawn = Signal()
    class_chosen = Signal(int)

    def __init__(self, viewer: Any, classes: ClassMap, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._classes = viewer, classes
        self._image: Any = None
        self._labels: Any = None
        self._unit = ""
        self._look: dict[str, Any] = {
            "brush_size": BRUSH_PX, "opacity": 0.5, "mode": "paint",
            "selected_label": min(classes.ids_with_role(Role.VOID), default=1),
        }  # fmt: skip
        self._hidden: list[tuple[Any, bool]] = []

    @property
    def mask(self) -> Mask:
        """What is drawn (h, w) on the slice in view."""
        return np.array(self._labels.data, dtype=np.uint8)

    def show(self, shown: BlindSlice, drawn: Mask | None = None) -> None:
        """Show a slice whole, with an empty drawing or what was `drawn` of it before; whatever else was in view is hidden."""
        start = np.zeros(shown.image.shape, np.uint8) if drawn is None else np.array(drawn, np.uint8)
        if self._labels is not None and self._alike(shown):
            self._renew(shown, start)
        else:
            self._take_away()
            self._hide_others()
            self._add(shown, start)
        self._viewer.dims.ndisplay = 2
        self._viewer.dims.order = tuple(range(self._viewer.dims.ndim))
        self._viewer.layers.selection.active = self._labels
        self._viewer.reset_view()
        self.class_chosen.emit(int(self._labels.selected_label))

    def leave(self) -> None:
        """Take both layers away; what was in view before comes back."""
        self._take_away()
        for layer, visible in self._hidden:
            layer.visible = visible
        self._hidden = []

    def paint_with(self, class_id: int) -> None:
        """Choose the class that painting puts down."""
        self._labels.selected_label = class_id
        self._labels.mode = "paint"
        self._viewer.layers.selection.active = self._labels

    def fill(self, class_id: int) -> None:
        """Draw this class where nothing is drawn yet; as one step, which `turn` takes back."""
        free = np.nonzero(self._labels.data == 0)
        if len(free[0]):
            self._labels.data_setitem(free, class_id)
            self.drawn.emit()

    def turn(self, back: bool) -> None:
        """Undo or redo a stroke of this drawing."""
        if back:
            self._labels.undo()
        else:
            self._labels.redo()

    def recolour(self) -> None:
        """Take the class colours that the person prefers now."""
        if self._labels is not None:
            self._labels.colormap = class_colours(self._classes, OPACITY["labels"])

    def _alike(self, shown: BlindSlice) -> bool:
        """Whether the layers that are there can take another slice, which is much quicker than making them anew."""
        return bool(self._image.data.dtype == shown.image.dtype and self._unit == shown.unit)

    def _renew(self, shown: BlindSlice, start: Mask) -> None:
        mode = self._labels.mode
        for layer, data in ((self._image, shown.image), (self._labels, start)):
            layer.data, layer.scale = data, shown.pixel
        self._image.contrast_limits = shown.contrast
        self._labels.editable = False  # which makes napari forget the strokes of the slice before
        self._labels.editable = True
        self._labels.mode = mode

    def _add(self, shown: BlindSlice, start: Mask) -> None:
        self._unit = shown.unit
        place: dict[str, Any] = {"scale": shown.pixel, "units": (shown.unit,) * 2, "axis_labels": ("y", "x")}
        look: dict[str, Any] = {"contrast_limits": shown.contrast, "colormap": "gray", "multiscale": False}
        self._image = self._viewer.add_image(shown.image, name=IMAGE, **look, **place)
        colours = class_colours(self._classes, OPACITY["labels"])
        self._labels = self._viewer.add_labels(start, name=DRAWING, colormap=colours, **place)
        for name, value in self._look.items():
            setattr(self._labels, name, value)
        for event in ("paint", "set_data"):
            getattr(self._labels.events, event).connect(self._tell_drawn)
        self._labels.events.selected_label.connect(self._tell_class)
        self._viewer.layers.events.removed.connect(self._bring_back)

    def _hide_others(self) -> None:
        """Hide what is there, and remember how it was; what a person shows again meanwhile is a choice of theirs."""
        known = {id(layer) for layer, _ in self._hidden}
        for layer in self._viewer.layers:
            if id(layer) not in known:
                self._hidden.append((layer, layer.visible))
                layer.visible = False

    def _take_away(self) -> None:
        if self._labels is None:
            return
        self._look = {name: getattr(self._labels, name) for name in CARRIED}
        self._viewer.layers.events.removed.disconnect(self._bring_back)
        for event in ("paint", "set_data"):
            getattr(self._labels.events, event).disconnect(self._tell_drawn)
        self._labels.events.selected_label.disconnect(self._tell_class)
        for layer in (self._labels, self._image):
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)
        self._labels, self._image = None, None

    def _bring_back(self, event: Any) -> None:
        """A layer of ours that was deleted comes back, with what is drawn in it."""
        QTimer.singleShot(0, self._complete)

    def _complete(self) -> None:
        for place, layer in enumerate((self._image, self._labels)):
            if layer is not None and layer not in self._viewer.layers:
                self._viewer.layers.insert(min(place, len(self._viewer.layers)), layer)

    def _tell_drawn(self, event: Any = None) -> None:
        self.drawn.emit()

    def _tell_class(self) -> None:
        """Tell the class; napari's "new label" gives ids that no class has, so the class stays."""
        chosen = int(self._labels.selected_label)
        if chosen > len(self._classes):
            self._labels.selected_label = chosen = self._look["selected_label"]
        self._look["selected_label"] = chosen
        self.class_chosen.emit(chosen)
