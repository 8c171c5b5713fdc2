"""The button that puts the current model in force."""

from __future__ import annotations

from qtpy.QtWidgets import QInputDialog, QPushButton, QWidget

from voidscope.project import Project
from voidscope.widgets.runner import Runner
from voidscope.widgets.strokes import Strokes
from voidscope.workflow import Promotion, promote

NOTE = "Why this model, where the held-out void does not speak for it\n(may be left empty; it is kept with the cycle):"
TIP = "From then on verdicts come of this model, until another is put in force; one that finds less void than that needs a note."


class PromotionButton(QPushButton):
    """Asks for a note and puts the current model in force."""

    def __init__(
        self, project: Project, runner: Runner, strokes: Strokes, parent: QWidget | None = None
    ) -> None:
        super().__init__("Put in force…", parent)
        self._project, self._runner, self._strokes = project, runner, strokes
        self.setToolTip(TIP)
        self.clicked.connect(lambda _checked: self.ask())

    def ask(self) -> None:
        """Ask for the note; nothing happens where a person thinks better of it."""
        note, agreed = QInputDialog.getText(self, "Put in force", NOTE)
        if agreed:
            self.put_in_force(note)

    def put_in_force(self, note: str) -> None:
        """Let verdicts come of the current model; what speaks against it is told."""
        if self._strokes.ready("Putting a model in force"):
            self._runner.run(lambda: promote(self._project, note=note.strip()), self._tell)

    def _tell(self, found: Promotion) -> None:
        sees = "" if found.recall is None else f" It finds {100 * found.recall:.0f} % of the held-out void."
        self._runner.told.emit(f"Cycle {found.cycle} is in force: verdicts come of it.{sees}")
