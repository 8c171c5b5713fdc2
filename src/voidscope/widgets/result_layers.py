"""The layers of what a model said of the scan in view: its prediction, or a quick look in place of it, and heatmaps."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from voidscope.project import ScanRecord
from voidscope.vocabulary import ClassMap, Mask, SliceKey
from voidscope.volume import slice_index
from voidscope.widgets.colours import UncertaintyMap, class_colours
from voidscope.widgets.looks import CLASSES
from voidscope.widgets.slice_view import fill

OPACITY = {"labels": 0.35, "prediction": 0.0}
"""How opaque the background class is, by role."""
HEATMAPS = ("rareness", "uncertainty", "flicker")
RESULTS = ("prediction", *HEATMAPS)
PREVIEW = "prediction (quick look)"
"""Name of the prediction layer while a quick look is in it."""


class ResultLayers:
    """Makes each layer through `add` (role, kind, data, look) where `find` (role) has none, and gives it new data where it has."""

    def __init__(self, find: Callable[[str], Any], add: Callable[..., Any], classes: ClassMap) -> None:
        self._find, self._add, self._classes = find, add, classes
        self.previews: dict[SliceKey, Mask] = {}
        """Quick looks that are in the prediction layer, by slice."""

    def put_prediction(self, mask: Mask, record: ScanRecord) -> None:
        """Show a mask (z, y, x) of a scan."""
        if self._renew("prediction", mask, record):
            return
        colours = class_colours(self._classes, OPACITY["prediction"])
        layer = self._add("prediction", "labels", mask, name="prediction", colormap=colours, opacity=0.45)
        layer.metadata = {**layer.metadata, CLASSES: self._classes.entries()}
        layer.editable = False

    def put_uncertainty(self, entropy: UncertaintyMap | npt.NDArray[np.float32], record: ScanRecord) -> None:
        """Show the entropy (z, y, x) in nats, at most ln C."""
        self.put_heat("uncertainty", entropy, record, (0.0, math.log(len(self._classes))), "magma")

    def put_heat(
        self, role: str, data: Any, record: ScanRecord, limits: tuple[float, float], colormap: str
    ) -> None:
        """Show a heatmap (z, y, x); a new one is hidden until it is asked for."""
        if self._renew(role, data, record):
            return
        look: dict[str, Any] = {"opacity": 0.6, "visible": False, "multiscale": False}
        self._add(
            role, "image", data, name=f"{role} heatmap", contrast_limits=limits, colormap=colormap, **look
        )

    def write(
        self, key: SliceKey, mask: Mask, entropy: npt.NDArray[np.float32] | None, record: ScanRecord
    ) -> list[Any]:
        """Write one slice into the prediction and uncertainty layers, made where missing; the layers that changed."""
        if self._find("prediction") is None:
            self.put_prediction(np.zeros(record.shape, np.uint8), record)
        if entropy is not None and self._find("uncertainty") is None:
            self.put_uncertainty(np.zeros(record.shape, np.float32), record)
        said = [
            (self._find(role), values) for role, values in (("prediction", mask), ("uncertainty", entropy))
        ]
        changed = [(layer, values) for layer, values in said if layer is not None and values is not None]
        for layer, values in changed:
            own_data(layer)[slice_index(record.plane, key.index)] = values
        return [layer for layer, _ in changed]

    def next_heatmap(self) -> str:
        """Rareness, uncertainty, flicker, none, and round again; the role that is shown now, empty for none."""
        there = [role for role in HEATMAPS if self._find(role) is not None]
        now = next((k for k, role in enumerate(there) if self._find(role).visible), len(there))
        shown = (now + 1) % (len(there) + 1)
        for k, role in enumerate(there):
            self._find(role).visible = k == shown
        return there[shown] if shown < len(there) else ""

    def preview(self, key: SliceKey, mask: Mask) -> None:
        """Remember that a quick look at a slice is in the prediction layer, and say so in its name."""
        self.previews[key] = mask
        self._name_prediction(PREVIEW)

    def end_previews(self) -> bool:
        """What is put into the layers now is no quick look; whether one was there."""
        there = bool(self.previews)
        self.previews.clear()
        self._name_prediction("prediction")
        return there

    def _name_prediction(self, name: str) -> None:
        """Say in the layer list what the prediction is, unless a person has named the layer."""
        layer = self._find("prediction")
        if layer is not None and layer.name != name and layer.name.split(" [")[0] in ("prediction", PREVIEW):
            layer.name = name

    def _renew(self, role: str, data: Any, record: ScanRecord) -> bool:
        """Give the layer with this role other data; False when there is none."""
        layer = self._find(role)
        if layer is None:
            return False
        fill(layer, data, record)
        layer.editable = role != "prediction"
        return True


def own_data(layer: Any) -> Any:
    """A layer's data to write into: a copy, which it then has, of what it may only show."""
    if not isinstance(layer.data, np.ndarray) or not layer.data.flags.writeable:
        layer.data = np.array(layer.data)
    return layer.data
