"""All keys of the dock on one sheet; ? opens and closes it."""

from __future__ import annotations

from collections.abc import Iterable

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDialog, QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from voidscope.widgets.keys import CLASSES, KEYS, painting_keys, printed

NOTE = "⌃ is Ctrl, ⇧ is Shift. Keys work while the mouse has last clicked the image. napari's own can be changed in its Preferences under Shortcuts."
PAINT = "paint with the first to the ninth class"
CAP = "border: 1px solid palette(mid); border-radius: 3px; padding: 1px 6px; font-weight: bold;"


class KeySheet(QDialog):
    """A sheet to look at while working: it does not keep the window from being used."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keys of Voidscope")
        self.setModal(False)
        self.close_button = QPushButton("Close")
        self.close_button.setToolTip("Close this sheet (?).")
        self.close_button.setAutoDefault(False)
        self.close_button.clicked.connect(self.close)
        self._columns = (QVBoxLayout(), QVBoxLayout())
        self._lay_out()

    def toggle(self) -> None:
        """Open the sheet, or close it."""
        if self.isVisible():
            self.close()
            return
        self.show()
        self.raise_()

    def _lay_out(self) -> None:
        groups = [(title, [(printed(k), w) for k, w in keys.items()]) for title, keys in KEYS.items()]
        groups[1][1].insert(0, (f"{printed(CLASSES[0])} … {printed(CLASSES[-1])[-1]}", PAINT))
        left, right = groups[:2], [*groups[2:], ("napari's labels layer", painting_keys())]
        for column, titled in zip(self._columns, (left, right), strict=True):
            for title, rows in titled:
                column.addWidget(QLabel(f"<b>{title}</b>"))
                column.addLayout(_rows(rows))
                column.addSpacing(8)
            column.addStretch()
        columns, foot, layout = QHBoxLayout(), QHBoxLayout(), QVBoxLayout(self)
        columns.setSpacing(24)
        for column in self._columns:
            columns.addLayout(column)
        note = QLabel(NOTE)
        note.setWordWrap(True)
        foot.addWidget(note, stretch=1)
        foot.addWidget(self.close_button)
        layout.addLayout(columns)
        layout.addLayout(foot)


def _rows(rows: Iterable[tuple[str, str]]) -> QGridLayout:
    grid = QGridLayout()
    grid.setVerticalSpacing(4)
    grid.setColumnStretch(1, 1)
    for k, (key, words) in enumerate(rows):
        cap, said = QLabel(key), QLabel(words)
        cap.setStyleSheet(CAP)
        cap.setAlignment(Qt.AlignmentFlag.AlignCenter)
        grid.addWidget(cap, k, 0)
        grid.addWidget(said, k, 1)
    return grid
