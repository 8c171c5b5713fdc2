"""Keeps how the dock looks on a project while it is open, for the window may be killed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer

from voidscope.widgets.dock_memory import recall, remember

if TYPE_CHECKING:
    from voidscope.widgets.project_view import ProjectView

REST_MS = 1000
"""What is in view is kept once it has been left alone for so long."""


class LookKeeper(QObject):
    """Keeps how a project's view looks, and that its project was open last: when asked to, and soon after another slice, scan or panel came
    into view.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._view: ProjectView | None = None
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST_MS)
        self._rest.timeout.connect(self.keep)

    def follow(self, view: ProjectView) -> None:
        """Make a view look as it was kept, and keep how it looks from now on."""
        look = recall(view.project.path)
        view.setLook(look)
        remember(view.project.path, look)  # the slice may be on its way into view still
        self._view = view
        view.looked.connect(self._moved)
        view.currentChanged.connect(self._moved)
        self._moved()

    def keep(self) -> None:
        """Keep how it looks now."""
        self._rest.stop()
        look = None if self._view is None else self._view.look()
        if self._view is not None and look is not None:
            remember(self._view.project.path, look)

    def leave(self) -> None:
        """Keep how it looks for the last time."""
        self.keep()
        self._view = None

    def _moved(self, *_: object) -> None:
        self._rest.start()
