"""Small read-only tables, all alike."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QSizePolicy, QTableWidget, QTableWidgetItem


class RowTable(QTableWidget):
    """A table that leaves letters to the viewer's shortcuts; arrows and the like move between rows."""

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Qt would search the rows for a typed letter and swallow N, A, D ..."""
        if event.text().isprintable() and event.text().strip():
            event.ignore()
        else:
            super().keyPressEvent(event)

    def sizeHint(self) -> QSize:
        """No higher than it must be: a scrolling panel gives it what is left, and would else scroll sooner."""
        return QSize(super().sizeHint().width(), self.minimumHeight())


def plain_table(header: Sequence[str], wide: Sequence[int] = (), told: Sequence[str] = ()) -> QTableWidget:
    """An empty table whose rows are selected whole; the `wide` columns take what they need, the others share the rest. `told` are
    the columns' tooltips.
    """
    table = RowTable(0, len(header))
    table.setHorizontalHeaderLabels(list(header))
    for item, words in zip(map(table.horizontalHeaderItem, range(len(header))), told, strict=False):
        if item is not None:
            item.setToolTip(words)
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setMinimumHeight(90)
    table.setStyleSheet("QTableWidget::item { padding: 0 2px; } QHeaderView::section { padding: 2px 3px; }")
    table.setMinimumWidth(0)
    table.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Expanding)
    table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    sides, top = table.verticalHeader(), table.horizontalHeader()
    if sides is not None and top is not None:
        sides.hide()
        sides.setDefaultSectionSize(22)
        top.setHighlightSections(False)
        top.setMinimumSectionSize(20)
        top.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        for column in wide:
            top.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
    return table


def fill(table: QTableWidget, rows: Sequence[Sequence[object]]) -> None:
    """Replace a table's rows, keeping the selected row, without telling anyone."""
    row = table.currentRow()
    table.blockSignals(True)
    table.setRowCount(len(rows))
    for i, cells in enumerate(rows):
        for j, cell in enumerate(cells):
            item = QTableWidgetItem(str(cell))
            side = Qt.AlignmentFlag.AlignLeft if j == 0 else Qt.AlignmentFlag.AlignRight
            item.setTextAlignment(side | Qt.AlignmentFlag.AlignVCenter)
            table.setItem(i, j, item)
    if 0 <= row < len(rows):
        table.selectRow(row)
    table.blockSignals(False)
