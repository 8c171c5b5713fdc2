"""A list of slices in compact rows: thumbnail, name, small bars or a line of words, and a chip with the state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from qtpy.QtCore import QAbstractListModel, QModelIndex, QRect, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QFontMetrics, QKeyEvent, QPainter, QResizeEvent
from qtpy.QtWidgets import QListView, QSizePolicy, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from voidscope.vocabulary import SliceKey
from voidscope.widgets.term_bars import Bar, draw_bar
from voidscope.widgets.thumbnails import Thumbnail, Thumbnails

ROW_PX = 38
PICTURE_PX = 34
LEAST_ROWS = 3
"""Rows in sight on the smallest screen."""
CHIPS = {
    "to do": "#5b6770", "proposed": "#7a4b9c", "labelled": "#1a7f4b", "skipped": "#8a6100", "flagged": "#0072b2", "never": "#b3261e",
}  # fmt: skip
"""Colours of the states, white letters on them readable."""


class Row(NamedTuple):
    """One row: where it leads, its title, bars or a line of words below, a chip (empty for none) and a tooltip."""

    key: SliceKey
    pixel: tuple[int, int] | None
    title: str
    words: str = ""
    bars: tuple[Bar, ...] = ()
    chip: str = ""
    tooltip: str = ""


class RowModel(QAbstractListModel):
    """The rows of a list; thumbnails are asked for when a row is drawn."""

    def __init__(self, thumbnails: Thumbnails, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: tuple[Row, ...] = ()
        self._thumbnails = thumbnails

    def rows(self) -> tuple[Row, ...]:
        """All rows in order."""
        return self._rows

    def set_rows(self, rows: Sequence[Row]) -> None:
        """Replace all rows."""
        self.beginResetModel()
        self._rows = tuple(rows)
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """How many rows there are."""
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """What Qt asks of a row: its words for people and screen readers."""
        row = self._rows[index.row()]
        told = " · ".join(
            filter(None, (row.title, row.words, *(f"{b.word} {b.value}" for b in row.bars), row.chip))
        )
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return told
        return (row.tooltip or told) if role == Qt.ItemDataRole.ToolTipRole else None

    def thumbnail(self, index: QModelIndex) -> Thumbnail | None:
        """The row's thumbnail, if it is there by now."""
        row = self._rows[index.row()]
        return self._thumbnails.get((row.key, row.pixel))


class RowDelegate(QStyledItemDelegate):
    """Draws a row."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:
        """All rows are of one height."""
        return QSize(120, ROW_PX)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        """Background, thumbnail, title, bars or words, chip."""
        model: RowModel = index.model()
        row, rect = model.rows()[index.row()], option.rect
        painter.save()
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        if selected:
            painter.fillRect(rect, option.palette.highlight())
        ink = option.palette.highlightedText().color() if selected else option.palette.text().color()
        _draw_thumbnail(painter, rect, model.thumbnail(index))
        left = rect.left() + PICTURE_PX + 8
        right = _draw_chip(painter, rect, row.chip) if row.chip else rect.right() - 4
        painter.setPen(ink)
        upper = QRect(left, rect.top() + 2, right - left - 4, ROW_PX // 2)
        metrics = QFontMetrics(option.font)
        _draw_words(painter, upper, row.title, metrics)
        lower = QRect(left, rect.top() + ROW_PX // 2, rect.right() - 4 - left, ROW_PX // 2 - 2)
        if row.bars:
            _draw_bars(painter, lower, row.bars, ink)
        else:
            _draw_words(painter, lower, row.words, metrics)
        painter.restore()


class RowList(QListView):
    """The list; `picked(row)` when a person clicks a row or moves to it, the row picked last included."""

    picked = Signal(int)

    def __init__(self, thumbnails: Thumbnails, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = RowModel(thumbnails, self)
        self.setModel(self._model)
        self.setItemDelegate(RowDelegate(self))
        self.setToolTip("What to look at; click a row to go there. Bars: rareness, uncertainty, distance.")
        self.setUniformItemSizes(True)
        self.setMinimumHeight(LEAST_ROWS * ROW_PX + 4)
        self.setMinimumWidth(0)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Expanding)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setEditTriggers(QListView.EditTrigger.NoEditTriggers)
        thumbnails.ready.connect(self.viewport().update)
        self.clicked.connect(lambda index: self.picked.emit(index.row()))

    def sizeHint(self) -> QSize:
        """Three rows, or the buttons below would leave a small screen; a list takes more where there is room."""
        return QSize(200, LEAST_ROWS * ROW_PX + 4)

    def rows(self) -> tuple[Row, ...]:
        """The rows shown."""
        return self._model.rows()

    def setRows(self, rows: Sequence[Row]) -> None:
        """Replace the rows, keeping the one selected where it is still there, without telling anyone."""
        if tuple(rows) == self.rows():
            return
        before = self.rows()[self.row()] if self.row() >= 0 else None
        top = self.verticalScrollBar().value()
        self._model.set_rows(rows)
        at = None if before is None else [(r.key, r.pixel) for r in rows]
        if before is not None and at and (before.key, before.pixel) in at:
            self.select(at.index((before.key, before.pixel)))
        self.verticalScrollBar().setValue(top)

    def row(self) -> int:
        """The selected row; -1 for none."""
        return int(self.currentIndex().row())

    def select(self, row: int) -> None:
        """Select a row, or none (-1), without telling anyone."""
        index = self._model.index(row)
        self.setCurrentIndex(index)
        self.scrollTo(index)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The selected row stays in sight, whatever room a long card below leaves the list."""
        super().resizeEvent(event)
        self.scrollTo(self.currentIndex())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Letters are the viewer's shortcuts; arrows and the like move between rows and pick."""
        if event.text().isprintable() and event.text().strip():
            event.ignore()
            return
        before = self.row()
        super().keyPressEvent(event)
        if self.row() != before:
            self.picked.emit(self.row())


def _draw_thumbnail(painter: QPainter, rect: QRect, found: Thumbnail | None) -> None:
    frame = QRectF(rect.left() + 2, rect.top() + (ROW_PX - PICTURE_PX) / 2, PICTURE_PX, PICTURE_PX)
    painter.fillRect(frame, QColor("#101010"))
    if found is None:
        return
    width, height = found.image.width(), found.image.height()
    scale = PICTURE_PX / max(width, height)
    target = QRectF(0, 0, width * scale, height * scale)
    target.moveCenter(frame.center())
    painter.drawImage(target, found.image)
    y, x = found.pixel
    centre_x, centre_y = target.left() + x * target.width(), target.top() + y * target.height()
    painter.setPen(QColor("#ffe066"))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRect(QRectF(centre_x - 3.5, centre_y - 3.5, 7, 7).intersected(frame.adjusted(0, 0, -1, -1)))


def _draw_chip(painter: QPainter, rect: QRect, chip: str) -> int:
    """Draw the chip at the row's upper right and return where it begins."""
    font = painter.font()
    small = painter.font()
    small.setPointSizeF(max(6.0, font.pointSizeF() - 1))
    painter.setFont(small)
    width = QFontMetrics(small).horizontalAdvance(chip) + 10
    where = QRectF(rect.right() - 4 - width, rect.top() + 3, width, ROW_PX / 2 - 4)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(CHIPS.get(chip, "#5b6770")))
    painter.drawRoundedRect(where, 4, 4)
    painter.setPen(QColor("white"))
    painter.drawText(where, Qt.AlignmentFlag.AlignCenter, chip)
    painter.setFont(font)
    return int(where.left())


def _draw_words(painter: QPainter, where: QRect, words: str, metrics: QFontMetrics) -> None:
    short = metrics.elidedText(words, Qt.TextElideMode.ElideRight, where.width())
    painter.drawText(where, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, short)


def _draw_bars(painter: QPainter, where: QRect, bars: Sequence[Bar], ink: QColor) -> None:
    step = where.width() / len(bars)
    for k, bar in enumerate(bars):
        draw_bar(painter, QRectF(where.left() + k * step, where.top() + 5, step - 6, 6), bar, ink)
