"""What is drawn beside the layers of a scan for a person to see: the box around a pixel, the outline of a finding, a note."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject

from voidscope.acquisition import Finding
from voidscope.project import ScanRecord
from voidscope.widgets.canvas_note import CanvasNote
from voidscope.widgets.looks import is_copy
from voidscope.widgets.outline import ROLE, Outline
from voidscope.widgets.pointer import Pointer


class Marks:
    """Draws through `add` (role, kind, data, look) and takes away through `remove` (role); `find` (role) gives our layer or None."""

    def __init__(
        self,
        viewer: Any,
        find: Callable[[str], Any],
        add: Callable[..., Any],
        remove: Callable[[str], None],
        parent: QObject | None = None,
    ) -> None:
        self._viewer, self._find = viewer, find
        self._pointer, self._outline = Pointer(add, remove, parent), Outline(add, remove)
        self.note, self.active_changed = CanvasNote(viewer), viewer.layers.selection.events.active

    def hide(self) -> None:
        """Take box and outline away."""
        self._pointer.hide()
        self._outline.hide()

    def outline(self, record: ScanRecord | None, finding: Finding | None) -> None:
        """Outline a finding where it is one of the scan in view; None takes the outline away."""
        self._outline.show(record, finding)

    def point(self, record: ScanRecord, index: int, pixel: tuple[int, int]) -> None:
        """Draw the box around a pixel (y, x) of a slice; what is outlined next has an outline again, also where a person took it out."""
        self._pointer.show(record, index, pixel)
        if self._find(ROLE) is None:
            self._outline.hide()

    @property
    def copied(self) -> str:
        """Name of our labels layer where a person's duplicate of it is the active one, whose strokes nobody saves; else empty."""
        active, labels = self._viewer.layers.selection.active, self._find("labels")
        return labels.name if active is not None and labels is not None and is_copy(active) else ""
