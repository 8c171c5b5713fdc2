"""What the dock shows while no project is open: how to begin, and a button to go on with the project opened last."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from voidscope.errors import ProjectError
from voidscope.project import Project, no_project
from voidscope.widgets.dock_memory import last_project

WORDS = (
    "<b>Find voids from a handful of labelled slices.</b><br><br>"
    "<b>Open sample</b> simulates HBM scans and makes a project of them; it takes a minute or less.<br>"
    "<b>New</b> makes a project for your own scans. <b>Open</b> goes on with one."
)


class Welcome(QWidget):
    """Words and a button; `picked(Path)` when a person goes on with the project opened last."""

    picked = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._last: Path | None = None
        self._words, self.go_on = QLabel(WORDS), QPushButton()
        self._words.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._words)
        layout.addWidget(self.go_on)
        self.go_on.setToolTip("Open the project that was opened last.")
        self.go_on.hide()
        self.go_on.clicked.connect(lambda: self.picked.emit(self._last))

    def text(self) -> str:
        """The words."""
        return str(self._words.text())

    def refresh(self) -> None:
        """Offer the project opened last, where it is still there."""
        self._last = last_project()
        self.go_on.setVisible(self._last is not None)
        if self._last is not None:
            self.go_on.setText(f"Go on with {named(self._last)}")
            self.go_on.setToolTip(f"Open {self._last}.")


def named(path: Path) -> str:
    """A project's name, which is its folder's, with that of the folder around it where the name alone says nothing."""
    path = path.resolve()
    return f"{path.parent.name}/{path.name}" if path.name == "project" else path.name


def opened(path: Path) -> Project:
    """The project in a folder; of a folder that is none `ProjectError` says what a person does in the window instead."""
    if not (path / "project.json").is_file():
        raise ProjectError(no_project(path, "New… makes one."))
    return Project.open(path)
