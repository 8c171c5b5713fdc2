"""Small read-only tables, all alike."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QSizePolicy, QTableWidget, QTableWidgetItem


def plain_table(header: Sequence[str]) -> QTableWidget:
    """An empty table whose rows are selected whole and whose columns share the width."""
    table = QTableWidget(0, len(header))
    table.setHorizontalHeaderLabels(list(header))
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setMinimumHeight(110)
    table.setMinimumWidth(0)
    table.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Expanding)
    table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    sides, top = table.verticalHeader(), table.horizontalHeader()
    if sides is not None and top is not None:
        sides.hide()
        sides.setDefaultSectionSize(22)
        top.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        top.setStretchLastSection(True)
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
