"""Which layers are ours, and how a person set them: visible, opacity, brush, tool, class, contrast."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ROLE, OWN = "voidscope", "voidscope_layer"
"""Metadata: what a layer is to us (image, labels, prediction, rareness, uncertainty, flicker, outline, pointer), and its own id, so that
a duplicate is a person's own layer."""
IDLE = "voidscope_idle"
"""Metadata: whether a layer that is put away was visible; to take it out and make it anew would hold the window up for a moment."""
CLASSES = "voidscope_classes"
"""Metadata: the class map's entries, on layers that hold class ids; a duplicate keeps them."""
_SHOWN = ("name", "visible", "opacity")
KEPT: Mapping[str, tuple[str, ...]] = {
    "image": ("visible", "opacity", "colormap", "gamma"),
    "labels": (*_SHOWN, "contour", "brush_size", "contiguous", "preserve_labels", "selected_label", "mode"),
    "prediction": (*_SHOWN, "contour"),
    "rareness": (*_SHOWN, "colormap", "contrast_limits"),
    "uncertainty": (*_SHOWN, "colormap", "contrast_limits"),
    "flicker": (*_SHOWN, "colormap", "contrast_limits"),
    "outline": ("opacity",),
    "pointer": (),
}
"""Our roles, and what is carried over from a layer to the next one with its role."""


def role_of(layer: Any) -> str | None:
    """What a layer is to us; None for a person's own layers, duplicates of ours among them."""
    metadata = layer.metadata
    return metadata.get(ROLE) if metadata.get(OWN) == str(layer.unique_id) else None


def is_idle(layer: Any) -> bool:
    """Whether a layer is put away."""
    return IDLE in layer.metadata


def idle(layer: Any) -> None:
    """Hide a layer that has nothing to show, if it is not hidden so already."""
    if not is_idle(layer):
        layer.metadata = {**layer.metadata, IDLE: layer.visible}
        _turn(layer, False)


def take_up(layer: Any) -> None:
    """Show a layer again as it was before it was put away."""
    if is_idle(layer):
        _turn(layer, layer.metadata[IDLE])
        layer.metadata = {name: value for name, value in layer.metadata.items() if name != IDLE}


def _turn(layer: Any, visible: bool) -> None:
    """Show or hide a layer; napari draws all of the canvas anew also where nothing changes."""
    if layer.visible != visible:
        layer.visible = visible


def is_copy(layer: Any) -> bool:
    """Whether a layer is a person's duplicate of our labels layer."""
    return bool(layer.metadata.get(ROLE) == "labels" and role_of(layer) is None)


class Looks:
    """Marks our layers and carries their looks over when they are made anew for another scan or model.

    `first` says how the first layer with a role is set.
    """

    def __init__(self, first: Mapping[str, Mapping[str, Any]]) -> None:
        self._kept: dict[str, Mapping[str, Any]] = dict(first)
        self._contrast: dict[str, tuple[float, float]] = {}

    def remember(self, layer: Any, role: str, scan: str) -> None:
        """Write down how a layer of a scan is set; contrast belongs to its scan."""
        self._kept[role] = {name: getattr(layer, name) for name in KEPT[role]}
        if role == "image":
            self._contrast[scan] = tuple(layer.contrast_limits)

    def give(self, layer: Any, role: str, scan: str) -> None:
        """Mark a new layer as ours and set it as the one before it was."""
        layer.metadata = {**layer.metadata, ROLE: role, OWN: str(layer.unique_id)}
        for name, value in self._kept.get(role, {}).items():
            if name == "visible":
                _turn(layer, value)
            else:
                setattr(layer, name, value)
        if role == "image":
            layer.contrast_limits = self.contrast(scan, tuple(layer.contrast_limits))

    def contrast(self, scan: str, default: tuple[float, float]) -> tuple[float, float]:
        """The contrast limits a person left a scan with, or the default."""
        return self._contrast.get(scan, default)
