"""What became of each criterion of the recipe in one scan, or in each of its bumps."""

from __future__ import annotations

from qtpy.QtWidgets import QHeaderView, QVBoxLayout, QWidget

from voidscope.measure_config import is_fraction
from voidscope.metrology import Outcome, ScanMeasurement
from voidscope.metrology.page import micrometres
from voidscope.metrology.rounding import percent, with_uncertainty
from voidscope.metrology.tally import Tally, tallies
from voidscope.metrology.verdict import bounds_in_words
from voidscope.widgets.tables import fill, plain_table

HEADER = ("criterion", "value", "verdict")
TOLD = (
    "What is measured, and its limits",
    "Of the scan as a whole; where each bump is decided by itself, of the worst bump, which is named",
    "The outcome; where each bump is decided by itself, how many bumps have which",
)

BREAK = "\u200b"
"""Where a long name may go on in the next line."""


class CriteriaTable(QWidget):
    """A row per criterion, the ratio's limit first; a row's tooltip has the sentence and the source."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.table = plain_table(HEADER, wide=(1, 2), told=TOLD)
        self.table.setToolTip("Each criterion of the recipe. Hover over one for its reason.")
        sides = self.table.verticalHeader()
        if sides is not None:
            sides.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.table)

    def setValue(self, scan: ScanMeasurement | None) -> None:
        """Show what became of the criteria in a scan."""
        bumps = () if scan is None else tallies(scan)
        outcomes = tuple(t.outcome for t in bumps) or (() if scan is None else scan.outcomes)
        fill(self.table, [_of_bumps(t) for t in bumps] or [_cells(o) for o in outcomes])
        for row, outcome in enumerate(outcomes):
            source = f" Limit from: {outcome.source}." if outcome.source else ""
            for column in range(len(HEADER)):
                item = self.table.item(row, column)
                if item is not None:
                    item.setToolTip(micrometres(f"{outcome.reason}.{source}"))


def _cells(outcome: Outcome) -> tuple[str, ...]:
    return _name(outcome), _value(outcome), outcome.verdict.value


def _of_bumps(tally: Tally) -> tuple[str, ...]:
    value = f"{_value(tally.outcome)}\n{tally.worst.name}"
    return _name(tally.outcome), value, tally.told().replace(", ", "\n")


def _name(outcome: Outcome) -> str:
    return f"{outcome.measure.replace('_', f'_{BREAK}')}\n{micrometres(bounds_in_words(outcome))}"


def _value(outcome: Outcome) -> str:
    """With its uncertainty and unit."""
    if is_fraction(outcome.measure):
        limit = outcome.at_least if outcome.at_most is None else outcome.at_most
        return percent(outcome.value, outcome.uncertainty, limit)
    unit = " µm" if outcome.value is not None and outcome.measure.endswith("_um") else ""
    return with_uncertainty(outcome.value, outcome.uncertainty) + unit
