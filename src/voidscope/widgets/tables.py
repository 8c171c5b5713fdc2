"""Small read-only tables, all alike."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QKeyEvent, QResizeEvent
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QSizePolicy, QTableWidget, QTableWidgetItem

LEAST_PX = 90
"""Height of a table that has few rows, or none yet."""
BAR_PX = 8
"""Width of the bar that scrolls a page or a table, in a dock that is 320 wide."""
STYLE = (
    "QTableWidget::item { padding: 0 2px; } QHeaderView::section { padding: 2px 3px; } "
    f"QScrollBar:vertical {{ width: {BAR_PX}px; }}"
)
"""Of every table."""


class RowTable(QTableWidget):
    """A table that leaves letters to the viewer's shortcuts; arrows and the like move between rows. No cell is cut short: the columns `rest` share
    what is left where the others leave enough; else the `spare` ones are hidden, and where that does not do all scroll. `most` rows are seen
    without scrolling, where there are so many.
    """

    rest: Sequence[int] = ()
    spare: Sequence[int] = ()
    most = 3

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Qt would search the rows for a typed letter and swallow N, A, D ..."""
        if event.text().isprintable() and event.text().strip():
            event.ignore()
        else:
            super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Give the columns the width there is now; the selected row stays in sight."""
        super().resizeEvent(event)
        self.fit()
        if self.currentIndex().isValid():
            self.scrollTo(self.currentIndex())

    def fit(self) -> None:
        """Make every column as wide as what it holds, those of the `rest` wider, where there is room; and the table as high as its rows."""
        top, seen = self.horizontalHeader(), self.viewport()
        if top is None or seen is None:
            return
        for k in self.spare:
            self.setColumnHidden(k, False)
        needs = {k: max(self.sizeHintForColumn(k), top.sectionSizeHint(k)) for k in range(self.columnCount())}
        for k in self.spare:
            if sum(needs.values()) > seen.width():
                self.setColumnHidden(k, True)
                needs[k] = 0
        more = seen.width() - sum(needs.values())
        rest = [k for k in self.rest if needs[k]]
        for k in rest:
            top.resizeSection(k, needs[k] + max(0, more) // len(rest))
        self._rise(sum(needs.values()), top.sizeHint().height())

    def _rise(self, wide: int, top: int) -> None:
        """Be high enough for the first rows under a `top` so high, and for the bar below them where columns so `wide` need it; px."""
        aside, below, frame = self.verticalScrollBar(), self.horizontalScrollBar(), 2 * self.frameWidth()
        if aside is None or below is None:
            return
        rows, bar = self.rowCount(), aside.sizeHint().width()
        room = self.width() - frame - (bar if rows > self.most else 0)
        shown = sum(self.rowHeight(k) for k in range(min(rows, self.most)))
        self.setMinimumHeight(
            max(LEAST_PX, frame + top + shown + (below.sizeHint().height() if wide > room else 0))
        )

    def sizeHint(self) -> QSize:
        """No higher than it must be: a scrolling panel gives it what is left, and would else scroll sooner."""
        return QSize(super().sizeHint().width(), self.minimumHeight())


def plain_table(header: Sequence[str], wide: Sequence[int] = (), told: Sequence[str] = ()) -> RowTable:
    """An empty table whose rows are selected whole, one at a time; the `wide` columns take what they need, the others share the rest. `told` are
    the columns' tooltips.
    """
    table = RowTable(0, len(header))
    table.setHorizontalHeaderLabels(list(header))
    for item, words in zip(map(table.horizontalHeaderItem, range(len(header))), told, strict=False):
        if item is not None:
            item.setToolTip(words)
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setMinimumHeight(LEAST_PX)
    table.setStyleSheet(STYLE)
    table.setMinimumWidth(0)
    table.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Expanding)
    sides, top = table.verticalHeader(), table.horizontalHeader()
    if sides is not None and top is not None:
        sides.hide()
        sides.setDefaultSectionSize(22)
        top.setHighlightSections(False)
        top.setMinimumSectionSize(20)
        for column in wide:
            top.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
    table.rest = [k for k in range(len(header)) if k not in wide]
    return table


def fill(table: RowTable, rows: Sequence[Sequence[object]], bold: int | None = None) -> None:
    """Replace a table's rows, the name of one of which may be `bold`, keeping the selected row, without telling anyone."""
    row = table.currentRow()
    table.blockSignals(True)
    table.setRowCount(len(rows))
    for i, cells in enumerate(rows):
        for j, cell in enumerate(cells):
            item = QTableWidgetItem(str(cell))
            side = Qt.AlignmentFlag.AlignLeft if j == 0 else Qt.AlignmentFlag.AlignRight
            item.setTextAlignment(side | Qt.AlignmentFlag.AlignVCenter)
            if (i, j) == (bold, 0):
                letters = table.font()
                letters.setBold(True)
                item.setFont(letters)
            table.setItem(i, j, item)
    if 0 <= row < len(rows):
        table.selectRow(row)
    table.blockSignals(False)
    table.fit()
