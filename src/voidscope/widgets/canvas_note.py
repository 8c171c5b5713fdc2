"""A few words on the canvas, in the viewer's text overlay, which belongs to the person and is given back."""

from __future__ import annotations

from typing import Any

LOOK: dict[str, Any] = {
    "visible": True,
    "color": "#ffb733",
    "position": "top_center",
    "font_size": 11,
    "opacity": 1.0,
}
"""Amber is read on a dark slice and, with the box below, on a light canvas."""
BOX: dict[str, Any] = {"box": True, "box_color": "#26262b"}
"""Where napari draws one."""


class CanvasNote:
    """Shows a note at the top of a viewer's canvas; what the overlay was before comes back when the note goes."""

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._before: dict[str, Any] | None = None

    def show(self, text: str) -> None:
        """Show a note, or none where `text` is empty."""
        overlay = self.overlay
        look = {name: value for name, value in (LOOK | BOX).items() if hasattr(overlay, name)} | {
            "text": text
        }
        if text and self._before is None:
            self._before = {name: getattr(overlay, name) for name in look}
        if text:
            _set(overlay, look)
        elif self._before is not None:
            _set(overlay, self._before)
            self._before = None

    @property
    def overlay(self) -> Any:
        """The viewer's text overlay; napari moved it to the canvas in 0.9."""
        canvas = getattr(self._viewer, "canvas", None)
        return self._viewer.text_overlay if canvas is None else canvas.overlays.text


def _set(overlay: Any, look: dict[str, Any]) -> None:
    for name, value in look.items():
        setattr(overlay, name, value)


def without_brush_box(viewer: Any) -> None:
    """Take away the box that napari 0.9 draws beside the brush's circle: nobody sees it, it stays on a canvas whose layers are gone, and
    drawing it there has ended the whole program.
    """
    overlays = getattr(getattr(viewer, "canvas", None), "overlays", {})
    if "_brush_circle" in overlays:
        overlays["_brush_circle"].box = False
