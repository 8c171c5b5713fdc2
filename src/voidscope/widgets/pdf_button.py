"""The button that saves the last report as a PDF; the window lives on while it is made."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QPushButton, QWidget

from voidscope.project import Project
from voidscope.widgets.runner import Runner
from voidscope.workflow import print_report

TIP = "The last report on paper, for a signature: choose where the PDF goes."


class PdfButton(QPushButton):
    """Asks where to, then makes the PDF in the background."""

    def __init__(self, project: Project, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__("PDF…", parent)
        self._project, self._runner = project, runner
        self.setToolTip(TIP)
        self.clicked.connect(lambda _checked: self.ask())

    def ask(self) -> None:
        """Ask for the file; nothing happens where a person thinks better of it."""
        report = self._project.report
        name = str(report.provenance.get("report_id", "report")) if report is not None else "report"
        path, _ = QFileDialog.getSaveFileName(
            self, "Save the report as PDF", str(self._project.path.parent / f"{name}.pdf"), "PDF (*.pdf)"
        )
        if path:
            self.save(Path(path if path.lower().endswith(".pdf") else f"{path}.pdf"))

    def save(self, path: Path) -> None:
        """Make the PDF; what stands against it is told."""
        self._runner.run(lambda: print_report(self._project, path), self._tell)

    def _tell(self, path: Path) -> None:
        self._runner.told.emit(f"The report is saved as {path}.")
