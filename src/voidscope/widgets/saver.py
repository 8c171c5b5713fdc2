"""Strokes that outlive their dock: one that is closed while the disk refuses them leaves them to somebody who goes on saving.

So does a drawing of a gauge study.
"""

from __future__ import annotations

from typing import Any

from napari.utils.notifications import show_info, show_warning
from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QApplication, QMessageBox, QWidget

from voidscope.widgets.held_drawing import HeldDrawing
from voidscope.widgets.strokes import Strokes

UNSAVED = "The disk refuses some strokes; they are kept in the viewer and tried again. Free space, make the folder writable or bring it back first."
LEFT = "The dock is closed, but the disk refuses some strokes. They are kept and tried again: free space, make the folder writable or bring it back, and leave napari open."
_AT_WORK: set[Saver] = set()
"""Nobody else holds them."""


class Saver(QObject):
    """Takes the strokes of a closed dock, or its study's drawing, and stays until all is on disk; the window asks before it closes on it."""

    def __init__(self, strokes: Strokes | HeldDrawing, window: QWidget | None) -> None:
        super().__init__()
        self._strokes = strokes
        strokes.setParent(self)
        strokes.failed.connect(show_warning)
        strokes.recovered.connect(self._end)
        if window is not None:
            window.installEventFilter(self)
        app = QApplication.instance()
        if app is not None:
            app.aboutToQuit.connect(strokes.flush)
        _AT_WORK.add(self)
        show_warning(LEFT)

    def eventFilter(self, watched: Any, event: Any) -> bool:
        """Before the window closes, save what can be saved, and ask where that is not all."""
        if event.type() == QEvent.Type.Close:
            self._strokes.flush()
            if self._strokes.unsaved and not may_lose(watched):
                event.ignore()
                return True
        return bool(super().eventFilter(watched, event))

    def _end(self, sentence: str) -> None:
        show_info(sentence)
        _AT_WORK.discard(self)
        self.deleteLater()


def may_lose(parent: QWidget) -> bool:
    """Ask whether strokes that the disk refuses may be lost."""
    asked = QMessageBox.question(parent, "Strokes not saved", f"{UNSAVED} Close and lose them?")
    return bool(asked == QMessageBox.StandardButton.Yes)
