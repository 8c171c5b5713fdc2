"""Typing in a scan's spacing."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLineEdit, QPushButton, QWidget

from voidscope.errors import VolumeError
from voidscope.volume import Spacing, check_spacing, doubtful_spacing


class SpacingEditor(QWidget):
    """Voxel edge lengths (z, y, x) in um; `valueChanged(Spacing)` when set, `refused(sentence)` when they are none."""

    valueChanged = Signal(object)
    refused = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.line, self.button = QLineEdit(), QPushButton("Set spacing")
        self.line.setPlaceholderText("z, y, x in µm, e.g. 0.7, 0.7, 0.7")
        self.line.setToolTip("Edge lengths of a voxel, z, y, x in µm. One number stands for all three.")
        self.button.setToolTip("Give the scan this spacing; nothing is measured without one.")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.line, stretch=1)
        layout.addWidget(self.button)
        self.line.setMinimumWidth(40)
        self.button.clicked.connect(self._set)
        self.line.returnPressed.connect(self._set)

    def value(self) -> Spacing:
        """What is typed; raises `VolumeError` when it is no spacing."""
        text = self.line.text()
        try:
            words = [float(word) for word in text.split(",")]
            z, y, x = words if len(words) == 3 else words * 3
        except ValueError as error:
            raise VolumeError(f"{text!r} is no spacing; write three numbers in µm: z, y, x.") from error
        try:
            check_spacing((z, y, x), "the scan")
        except VolumeError as error:
            raise VolumeError(
                f"{text!r} is no spacing; write three lengths above 0 in µm: z, y, x."
            ) from error
        return z, y, x

    def setValue(self, spacing_um: Spacing | None) -> None:
        """Show a spacing; nothing when it is unknown."""
        self.line.setText(spacing_text(spacing_um))

    def _set(self) -> None:
        try:
            spacing = self.value()
        except VolumeError as error:
            self.refused.emit(str(error))
            return
        self.valueChanged.emit(spacing)


def spacing_told(scan: str, spacing_um: Spacing) -> str:
    """That a scan has a spacing now, and what is odd about it."""
    return f"{scan}: spacing set to {spacing_text(spacing_um)} µm. {doubtful_spacing(spacing_um)}".rstrip()


def spacing_text(spacing_um: Spacing | None) -> str:
    """A spacing as it is typed; empty when it is unknown."""
    return "" if spacing_um is None else ", ".join(f"{s:g}" for s in spacing_um)
