"""What a report says of people and sample that only the person who measures knows."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QLineEdit, QWidget

from voidscope.metrology import Report
from voidscope.workflow import Occasion

FIELDS = {
    "operator": ("Operator", "Who measures; stands on the report."),
    "approver": ("Approver", "Who signs for it."),
    "lot": ("Lot", "Of the sample."),
    "die": ("Die", "Of the sample."),
    "msa": (
        "Gauge study",
        "Where the measurement system analysis of this recipe is written, e.g. a number or a path.",
    ),
}
"""Title and tooltip of each field of an `Occasion`."""


class OccasionForm(QWidget):
    """A line for each; what is left empty is told in the report as not recorded. `valueChanged` when any is typed or shown."""

    valueChanged = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.lines = {name: QLineEdit() for name in FIELDS}
        layout = QFormLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for name, (title, tip) in FIELDS.items():
            self.lines[name].setToolTip(tip)
            self.lines[name].setPlaceholderText("not recorded")
            self.lines[name].textChanged.connect(lambda _: self.valueChanged.emit())
            layout.addRow(title, self.lines[name])

    def value(self) -> Occasion:
        """What is typed."""
        return Occasion(**{name: line.text().strip() for name, line in self.lines.items()})

    def setValue(self, occasion: Occasion) -> None:
        """Show what is known."""
        for name, line in self.lines.items():
            line.setText(getattr(occasion, name))

    def recall(self, report: Report | None) -> None:
        """Show what was said of the last report, which most likely holds again; whoever measures sees it and may change it."""
        self.setValue(Occasion() if report is None else Occasion.told(report.provenance))

    def words(self) -> str:
        """What is typed in one line, e.g. ``lot L7 · Ann``; empty where nothing is."""
        said = self.value()
        named = [f"{name} {found}" for name in ("lot", "die") if (found := getattr(said, name))]
        return " · ".join(filter(None, (*named, said.operator, said.approver)))
