"""What became of each criterion of the recipe in one scan."""

from __future__ import annotations

from qtpy.QtWidgets import QTableWidget, QVBoxLayout, QWidget

from voidscope.metrology import Outcome, ScanMeasurement
from voidscope.metrology.verdict import bounds_in_words, in_words
from voidscope.widgets.tables import fill, plain_table

HEADER = ("criterion", "value", "limits", "verdict")


class CriteriaTable(QWidget):
    """A row per criterion of the scan as a whole, the ratio's limit first; a row's tooltip has the sentence and the source."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.table: QTableWidget = plain_table(HEADER, wide=(1, 3))
        self.table.setToolTip(
            "Each criterion of the recipe, held against the scan as a whole. Hover over one for its reason."
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.table)

    def setValue(self, scan: ScanMeasurement | None) -> None:
        """Show what became of the criteria in a scan."""
        outcomes = () if scan is None else scan.outcomes
        fill(self.table, [_cells(o) for o in outcomes])
        for row, outcome in enumerate(outcomes):
            source = f" Limit from: {outcome.source}." if outcome.source else ""
            for column in range(len(HEADER)):
                item = self.table.item(row, column)
                if item is not None:
                    item.setToolTip(f"{outcome.reason}.{source}")


def _cells(outcome: Outcome) -> tuple[str, ...]:
    value = "undefined" if outcome.value is None else in_words(outcome.measure, outcome.value)
    if outcome.uncertainty is not None:
        value += f" ± {in_words(outcome.measure, outcome.uncertainty, 2)}"
    return outcome.measure, value, bounds_in_words(outcome), outcome.verdict.value
