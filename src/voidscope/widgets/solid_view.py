"""The voids of the scan in view in 3-D, in the faint body of the scan; and back to slices as they were."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

FAINT = 0.35
"""Opacity of the scan's image around the voids."""
HIDDEN = ("labels", "outline", "rareness", "uncertainty", "flicker")
"""What would cover the voids."""


class SolidView:
    """Turns a viewer to 3-D and back; `find` gives our layer with a role, or None."""

    def __init__(self, viewer: Any, find: Callable[[str], Any], void: int) -> None:
        self._viewer, self._find, self._void = viewer, find, void
        self._before: list[tuple[Any, str, Any]] = []

    @property
    def on(self) -> bool:
        """Whether it is 3-D now."""
        return bool(self._before)

    def turn(self) -> bool:
        """To 3-D, or back to slices; whether it is 3-D now. Without a prediction there is nothing to see in 3-D."""
        if self._before:
            self.leave()
            return False
        prediction, image = self._find("prediction"), self._find("image")
        if prediction is None or image is None:
            return False
        self._set(prediction, "visible", True)
        self._set(prediction, "selected_label", self._void)
        self._set(prediction, "show_selected_label", True)
        self._set(prediction, "opacity", 1.0)
        self._set(image, "opacity", FAINT)
        for layer in filter(None, map(self._find, HIDDEN)):
            self._set(layer, "visible", False)
        self._set(self._viewer.dims, "ndisplay", 3)
        return True

    def leave(self) -> None:
        """Back to slices, everything set as it was before."""
        for thing, name, value in reversed(self._before):
            setattr(thing, name, value)
        self._before = []

    def _set(self, thing: Any, name: str, value: Any) -> None:
        self._before.append((thing, name, getattr(thing, name)))
        setattr(thing, name, value)
