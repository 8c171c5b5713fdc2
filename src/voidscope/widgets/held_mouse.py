"""Whether a mouse button is down on the picture; what would change the picture waits until it is up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from qtpy.QtCore import QObject, QTimer


class HeldMouse(QObject):
    """Follows the mouse on a viewer's canvas, from `follow` to `leave`.

    napari goes on with a stroke for as long as the button is down, whatever the layer holds by then, through all slices in between.
    """

    def __init__(self, viewer: Any, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._is_down = False
        self._act: Callable[[], object] | None = None

    def follow(self) -> None:
        """Follow the mouse from now on."""
        if self._drag not in self._viewer.mouse_drag_callbacks:
            self._viewer.mouse_drag_callbacks.append(self._drag)

    def leave(self) -> None:
        """Follow it no more; what waits is not done."""
        if self._drag in self._viewer.mouse_drag_callbacks:
            self._viewer.mouse_drag_callbacks.remove(self._drag)
        self._is_down, self._act = False, None

    def holds(self, act: Callable[[], object]) -> bool:
        """Whether a button is down; `act` is then done once it is up, in place of what waited before."""
        self._act = act if self._is_down else None
        return self._is_down

    def _drag(self, viewer: Any, event: Any) -> Iterator[None]:
        self._is_down = True
        yield
        while event.type == "mouse_move":
            yield
        self._is_down = False
        QTimer.singleShot(0, self._go_on)  # napari ends the stroke after this

    def _go_on(self) -> None:
        act, self._act = self._act, None
        if act is not None:
            act()
