"""The three terms of a suggestion as bars: where each lies among the slices that could have been chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from qtpy.QtCore import QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent
from qtpy.QtWidgets import QSizePolicy, QWidget

from voidscope.acquisition import Grounds, Suggestion
from voidscope.widgets.explain import term_text

TERMS = (("rareness", "rare", "r"), ("uncertainty", "unsure", "u"), ("distance", "far", "d"))
"""Name of a term, the word on screen, and the attribute of a suggestion."""
COLOURS = {"rareness": "#e69f00", "uncertainty": "#56b4e9", "distance": "#009e73"}
"""Okabe-Ito: told apart by colour-blind readers, in dark and light."""


class Bar(NamedTuple):
    """One term: its word, its colour, its value as text, and its place 0..1; None where it is the same for every slice."""

    word: str
    colour: str
    value: str
    place: float | None


def bars_of(suggestion: Suggestion, grounds: Grounds) -> tuple[Bar, ...]:
    """The bars of a suggestion; none where no model was asked."""
    found = []
    for name, word, attribute in TERMS:
        value, term = getattr(suggestion, attribute), grounds.term(name)
        if value is not None:
            found.append(
                Bar(word, COLOURS[name], term_text(value), None if term is None else term.place(value))
            )
    return tuple(found)


def draw_bar(painter: QPainter, rect: QRectF, bar: Bar, ink: QColor) -> None:
    """One bar in its frame; hatched over its whole length where the term tells slices apart nowhere."""
    frame = QColor(ink)
    frame.setAlphaF(0.25)
    painter.fillRect(rect, frame)
    if bar.place is None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(Qt.BrushStyle.BDiagPattern)
        painter.fillRect(rect, Qt.BrushStyle.BDiagPattern)
        return
    filled = QRectF(rect)
    filled.setWidth(max(1.5, rect.width() * bar.place))
    painter.fillRect(filled, QColor(bar.colour))


class TermBars(QWidget):
    """The bars of one suggestion side by side, with words and values."""

    HEIGHT_PX = 30

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bars: tuple[Bar, ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.hide()

    def value(self) -> tuple[Bar, ...]:
        """The bars shown."""
        return self._bars

    def setValue(self, bars: Sequence[Bar]) -> None:
        """Show these bars; nothing where there are none."""
        self._bars = tuple(bars)
        self.setVisible(bool(bars))
        told = (f"{b.word} {b.value}{'' if b.place is not None else ', alike in all slices'}" for b in bars)
        self.setToolTip(
            "Where this slice lies between the least and the greatest value of all that could be chosen: "
            + " · ".join(told)
        )
        self.update()

    def sizeHint(self) -> QSize:
        """One line of words above one of bars."""
        return QSize(200, self.HEIGHT_PX)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Words and values above their bars."""
        painter, ink = QPainter(self), self.palette().windowText().color()
        step = self.width() / max(1, len(self._bars))
        for k, bar in enumerate(self._bars):
            left = k * step
            painter.setPen(ink)
            words = QRectF(left, 0, step - 8, self.HEIGHT_PX - 10)
            painter.drawText(words, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, bar.word)
            painter.drawText(words, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, bar.value)
            draw_bar(painter, QRectF(left, self.HEIGHT_PX - 8, step - 8, 6), bar, ink)
        painter.end()
