"""The classes to paint with: names, colours and how many pixels of each are labelled."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QGridLayout, QPushButton, QSizePolicy, QWidget

from voidscope.errors import counted
from voidscope.vocabulary import ClassMap
from voidscope.widgets.colours import shown_classes
from voidscope.widgets.keys import CLASSES, printed, spelled

EDGES_PX = 16
"""What borders and padding take of a button's width."""


class ClassButton(QPushButton):
    """The key of a class, or its number, its name and count; where it is too narrow for all, the count is told in thousands, and
    then the name gives way in its middle, for the ends tell most: a count cut short is another count."""

    def __init__(self, number: int, name: str) -> None:
        key = CLASSES[number - 1] if number <= len(CLASSES) else ""
        super().__init__()
        self._key, self._name, self._count = printed(key) if key else str(number), name, 0
        self._counted = False
        self.setText(f"{self._key} {name}")
        self.tip = f"Paint {name} ({spelled(key)})." if key else f"Paint {name}."
        self.setCheckable(True)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setToolTip(self.tip)

    def count(self, pixels: int) -> None:
        """Show so many pixels."""
        self._count, self._counted = pixels, True
        self._label()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Give name and count the new width."""
        super().resizeEvent(event)
        self._label()

    def _label(self, *_: object) -> None:
        metrics, counts = (
            self.fontMetrics(),
            (short(self._count), shorter(self._count)) if self._counted else ("",),
        )
        for count in counts:
            room = self.width() - metrics.horizontalAdvance(f"{self._key}  {count}") - EDGES_PX
            if metrics.horizontalAdvance(self._name) <= room:
                break
        shown = self._name
        if metrics.horizontalAdvance(shown) > room:
            shown = metrics.elidedText(shown, Qt.TextElideMode.ElideMiddle, room)
        self.setText(f"{self._key} {shown} {count}".rstrip())


class ClassPalette(QWidget):
    """One button per class; `valueChanged(id)` when a person picks one, the one picked last included."""

    valueChanged = Signal(int)

    def __init__(self, classes: ClassMap, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._classes = classes
        self.buttons = [ClassButton(k, name) for k, name in enumerate(classes.names, start=1)]
        self.recolour()
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for k, button in enumerate(self.buttons):
            layout.addWidget(button, k // 2, k % 2)
            button.clicked.connect(partial(self._pick, k + 1))

    def value(self) -> int:
        """Id of the class painted with; 0 when it is none of them."""
        return next((k for k, button in enumerate(self.buttons, start=1) if button.isChecked()), 0)

    def setValue(self, class_id: int) -> None:
        """Show which class is painted with, wherever it was chosen, without telling anyone."""
        for k, button in enumerate(self.buttons, start=1):
            button.setChecked(k == class_id)

    def recolour(self) -> None:
        """Take the class colours that the person prefers now."""
        for entry, button in zip(shown_classes(self._classes).classes, self.buttons, strict=True):
            button.setStyleSheet(
                f"QPushButton {{ text-align: left; padding: 3px 2px; border-left: 7px solid {entry.colour}; }}"
                f"QPushButton:checked {{ border: 2px solid {entry.colour}; border-left-width: 7px; }}"
            )

    def keys(self) -> dict[str, Callable[[], object]]:
        """Key in napari's words -> what it does: paint with one of the first nine classes."""
        return {key: button.click for key, button in zip(CLASSES, self.buttons, strict=False)}

    def set_pixels(self, counts: Iterable[int]) -> None:
        """Show the labelled pixels of each class, in id order."""
        for button, n in zip(self.buttons, counts, strict=True):
            button.count(int(n))
            button.setToolTip(
                f"{button.tip} {counted(int(n), 'pixel')} of it labelled in training scans so far."
            )

    def _pick(self, class_id: int, *_: object) -> None:
        self.setValue(class_id)
        self.valueChanged.emit(class_id)


def shorter(n: int) -> str:
    """A count in fewer characters, to thousands from a thousand on: 904, 3k, 1.2M."""
    return f"{n / 1e3:.0f}k" if 1000 <= n < 10_000 else short(n)


def short(n: int) -> str:
    """A count in few characters: 904, 17k, 1.2M."""
    return f"{n / 1e6:.1f}M" if n >= 1_000_000 else f"{n / 1e3:.0f}k" if n >= 10_000 else str(n)
