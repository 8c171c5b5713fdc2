"""A few words on the canvas, in the viewer's text overlay, which belongs to the person and is given back."""

from __future__ import annotations

from typing import Any


class CanvasNote:
    """Shows a note in the corner of a viewer's canvas; what was there before comes back when it goes."""

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._before: tuple[str, bool] | None = None

    def show(self, text: str) -> None:
        """Show a note, or none where `text` is empty."""
        overlay = self.overlay
        if text and self._before is None:
            self._before = (overlay.text, overlay.visible)
        if text:
            overlay.text, overlay.visible = text, True
        elif self._before is not None:
            overlay.text, overlay.visible = self._before
            self._before = None

    @property
    def overlay(self) -> Any:
        """The viewer's text overlay; napari moved it to the canvas in 0.9."""
        canvas = getattr(self._viewer, "canvas", None)
        return self._viewer.text_overlay if canvas is None else canvas.overlays.text
