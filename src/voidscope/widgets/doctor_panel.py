"""What will be used on this machine and how to mend what is wrong, as `voidscope doctor` says it, and who takes our keys."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any

from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtWidgets import (
    QApplication,
    QDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from voidscope.model import Check
from voidscope.widgets.keys import Clash
from voidscope.widgets.triton_guard import keep_triton_out
from voidscope.widgets.workers import worker

LOOKING = "Looking at this machine; torch takes a few seconds to load…"
MEND_KEYS = "choose other keys for them in napari's Preferences under Shortcuts, or switch that plugin off"
SIZE = (640, 420)


class Doctor(QObject):
    """Examines the machine in a worker, for torch takes seconds to load; `found(findings)` when it is done."""

    found = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._worker: Any = None
        self._next: str | None = None

    def examine(self, device: str = "auto") -> None:
        """Look at everything that the setting `device` may come to; after the look being taken, if there is one."""
        if self._worker is not None:
            self._next = device
            return
        self._worker = worker(_examined, device)
        self._worker.returned.connect(self.found)
        self._worker.finished.connect(self._finish)
        self._worker.start()

    def release(self) -> None:
        """Take no other look after the one being taken."""
        self._next = None

    def _finish(self) -> None:
        self._worker = None
        device, self._next = self._next, None
        if device is not None:
            self.examine(device)


def _examined(device: str) -> tuple[Check, ...]:
    """On a worker thread: what the doctor finds; loads torch."""
    keep_triton_out()
    from voidscope.model import doctor

    return doctor(device)


def told(finding: Check) -> str:
    """A finding in one line, with its remedy."""
    return f"{finding.name}: {finding.value}{'' if finding.ok else ' -> ' + finding.remedy}"


def line(findings: Iterable[Check]) -> str:
    """What trainings run on, in a few words for the dock; (!) where something is to be mended."""
    found = {f.name: f.value for f in findings}
    on_cpu = found.get("runs on", "cpu").startswith("cpu")
    device = f"CPU, {found.get('processor', 'unknown')}" if on_cpu else found.get("GPU", "unknown")
    return device + ("" if all(f.ok for f in findings) else " (!)")


def key_finding(clashes: Iterable[Clash]) -> Check:
    """Whether our keys are ours, as a finding among the others."""
    said = "; ".join(str(c) for c in clashes)
    return Check("keys", said or "no other plugin or setting wants a key of the dock", not said, MEND_KEYS)


class DoctorPanel(QDialog):
    """The findings one under another; remedies can be copied. `again()` when a person wants them anew."""

    again = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Voidscope: this machine")
        self.setModal(False)
        self.resize(*SIZE)
        self._findings: tuple[Check, ...] = ()
        self.summary, self.rows = QLabel(LOOKING), QGridLayout()
        self.refresh, self.copy, self.close_button = (
            QPushButton("Look again"),
            QPushButton("Copy"),
            QPushButton("Close"),
        )
        self.refresh.setToolTip("Examine the machine again, e.g. after closing a program that used the GPU.")
        self.copy.setToolTip("Copy all of it as text, e.g. for a question in a forum.")
        self.close_button.setToolTip("Close this panel.")
        self._lay_out()
        self.refresh.clicked.connect(self.look_again)
        self.copy.clicked.connect(self.copy_text)
        self.close_button.clicked.connect(self.close)

    def value(self) -> tuple[Check, ...]:
        """The findings shown."""
        return self._findings

    def setValue(self, findings: tuple[Check, ...]) -> None:
        """Show findings, those to mend first."""
        self._findings = tuple(sorted(findings, key=lambda f: f.ok))
        self._clear()
        for k, finding in enumerate(self._findings):
            self._add(k, finding)
        bad = sum(not f.ok for f in findings)
        self.summary.setText(
            "<b>Nothing to mend.</b>" if not bad else f"<b>{bad} of {len(findings)} to mend</b>, first below."
        )

    def look_again(self) -> None:
        """Ask for the findings anew."""
        self.summary.setText(LOOKING)
        self.again.emit()

    def text(self) -> str:
        """All of it as text, as `voidscope doctor` prints it."""
        return "\n".join(f"{'ok  ' if f.ok else 'MEND'} {told(f)}" for f in self._findings)

    def copy_text(self) -> None:
        """Put the text on the clipboard."""
        clipboard = QApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(self.text())

    def _clear(self) -> None:
        while (item := self.rows.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.setParent(None)
                widget.deleteLater()

    def _add(self, row: int, finding: Check) -> None:
        mark = QLabel("ok" if finding.ok else "mend")
        if not finding.ok:
            mark.setStyleSheet("background: #b3261e; color: white; border-radius: 3px; padding: 0 4px;")
        name, said = QLabel(f"<b>{_html(finding.name)}</b>"), QLabel()
        remedy = "" if finding.ok else f"<br><b>To do:</b> {_html(finding.remedy)}"
        said.setTextFormat(Qt.TextFormat.RichText)
        said.setText(f"{_html(finding.value)}{remedy}")
        said.setWordWrap(True)
        said.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        for column, widget in enumerate((mark, name)):
            self.rows.addWidget(widget, row, column, Qt.AlignmentFlag.AlignTop)
        self.rows.addWidget(said, row, 2)

    def _lay_out(self) -> None:
        inside, area = QWidget(), QScrollArea()
        held, buttons, layout = QVBoxLayout(inside), QHBoxLayout(), QVBoxLayout(self)
        self.rows.setColumnStretch(2, 1)
        self.rows.setHorizontalSpacing(10)
        self.rows.setVerticalSpacing(8)
        held.addLayout(self.rows)
        held.addStretch()
        area.setWidgetResizable(True)
        area.setFrameShape(QScrollArea.Shape.NoFrame)
        area.setWidget(inside)
        buttons.addStretch()
        for button in (self.refresh, self.copy, self.close_button):
            button.setAutoDefault(False)
            buttons.addWidget(button)
        layout.addWidget(self.summary)
        layout.addWidget(area, stretch=1)
        layout.addLayout(buttons)


def _html(text: str) -> str:
    """Text as it is, in rich text."""
    return escape(text, quote=False)
