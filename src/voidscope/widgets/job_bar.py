"""What is running: title, stage, done of total, time left, Cancel; and the last thing that went wrong."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from voidscope.jobs import Progress
from voidscope.widgets.runner import Runner

PROBLEM = "background: #b3261e; color: white; padding: 4px 6px; border-radius: 3px;"
"""Readable in the dark and in the light theme."""


class JobBar(QWidget):
    """Listens to the runner and forwards Cancel to it."""

    def __init__(self, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._job = ""
        self.title = QLabel()
        self.title.setWordWrap(True)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        self.cancel = QPushButton("Cancel")
        self.cancel.setToolTip("Stop the running job; what was saved before stays.")
        self.message = QLabel()
        self.message.setWordWrap(True)
        self.message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._lay_out()
        self.cancel.clicked.connect(runner.cancel)
        runner.started.connect(self._started)
        runner.progressed.connect(self._progressed)
        runner.ended.connect(self._ended)
        runner.failed.connect(self.tell_problem)
        runner.cancelled.connect(self._cancelled)
        runner.done.connect(self._done)
        runner.told.connect(self.tell)
        self._ended()

    def tell(self, sentence: str) -> None:
        """Show a sentence."""
        self.message.setStyleSheet("")
        self.message.setText(sentence)
        self.message.setVisible(bool(sentence))

    def tell_problem(self, sentence: str) -> None:
        """Show what went wrong and the way out."""
        self.tell(sentence)
        self.message.setStyleSheet(f"QLabel {{ {PROBLEM} }}")

    def _cancelled(self, title: str) -> None:
        self.tell(f"{title}: cancelled; what was saved before stays.")

    def _done(self, title: str) -> None:
        self.tell(f"{title}: done.")

    def _started(self, title: str) -> None:
        self._job = title
        self.title.setText(title)
        self.bar.setRange(0, 0)
        self.bar.show()
        self.cancel.show()
        self.tell("")

    def _progressed(self, progress: Progress, left: str) -> None:
        self.bar.setRange(0, progress.total)
        self.bar.setValue(progress.done)
        self.title.setText(" · ".join(w for w in (self._job, progress.note, left) if w))

    def _ended(self) -> None:
        self.title.setText("")
        self.bar.hide()
        self.cancel.hide()

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.title, stretch=1)
        row.addWidget(self.cancel)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addWidget(self.bar)
        layout.addLayout(row)
        layout.addWidget(self.message)
