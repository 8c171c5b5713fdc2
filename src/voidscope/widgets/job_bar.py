"""What is running: title, device, stage, done of total, time left, Cancel; what is asked; the last thing that went wrong."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from voidscope.jobs import Progress
from voidscope.widgets.runner import Question, Runner

PROBLEM = "background: #b3261e; color: white; padding: 4px 6px; border-radius: 3px;"
"""Readable in the dark and in the light theme."""


class QuestionBox(QFrame):
    """Shows a `Question` with a button per answer, and goes when it is answered."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("question")
        self.setStyleSheet("#question { border: 2px solid #e69f00; border-radius: 3px; }")
        self.sentence = QLabel()
        self.sentence.setWordWrap(True)
        self.buttons: list[QPushButton] = []
        self._row, layout = QHBoxLayout(), QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 4)
        layout.addWidget(self.sentence)
        layout.addLayout(self._row)
        self.ask(None)

    def ask(self, question: Question | None) -> None:
        """Ask in place of what was asked before; None asks nothing."""
        for button in self.buttons:
            button.setParent(None)
            button.deleteLater()
        self.buttons = []
        self.sentence.setText(question.sentence if question else "")
        for text, act in question.answers if question else ():
            button = QPushButton(text)
            button.setToolTip(f"Answer: {text.lower()}.")
            button.clicked.connect(_answering(self, act))
            self._row.addWidget(button)
            self.buttons.append(button)
        self.setVisible(question is not None)


def _answering(box: QuestionBox, act: Callable[[], object]) -> Callable[[bool], None]:
    """Take the question away, then do what was answered, which may ask the next."""

    def answered(checked: bool) -> None:
        box.ask(None)
        act()

    return answered


class JobBar(QWidget):
    """Listens to the runner and forwards Cancel to it."""

    def __init__(self, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._job = self._where = ""
        self.title = QLabel()
        self.title.setWordWrap(True)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        self.cancel = QPushButton("Cancel")
        self.cancel.setToolTip("Stop the running job; what was saved before stays.")
        self.question = QuestionBox()
        self.standing, self.message = QLabel(), QLabel()
        for words in (self.standing, self.message):
            words.setWordWrap(True)
            words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.standing.setStyleSheet(f"QLabel {{ {PROBLEM} }}")
        self.stand("")
        self._lay_out()
        self.cancel.clicked.connect(runner.cancel)
        runner.started.connect(self._started)
        runner.progressed.connect(self._progressed)
        runner.ended.connect(self._ended)
        runner.failed.connect(self.tell_problem)
        runner.cancelled.connect(self._cancelled)
        runner.done.connect(self._done)
        runner.told.connect(self.tell)
        runner.asked.connect(self.question.ask)
        runner.stands.connect(self.stand)
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

    def stand(self, sentence: str) -> None:
        """Show what is wrong until it is right again, whatever is told meanwhile; an empty sentence takes it away."""
        self.standing.setText(sentence)
        self.standing.setVisible(bool(sentence))

    def _cancelled(self, title: str) -> None:
        self.tell(f"{title}: cancelled; what was saved before stays.")

    def _done(self, title: str) -> None:
        self.tell(f"{title}: done.")

    def _started(self, title: str) -> None:
        self._job, self._where = title, ""
        self.title.setText(title)
        self.title.show()
        self.bar.setRange(0, 0)
        self.bar.show()
        self.cancel.show()
        self.tell("")

    def _progressed(self, progress: Progress, left: str) -> None:
        self.bar.setRange(0, progress.total)
        self.bar.setValue(progress.done)
        self._where = progress.where or self._where
        job = f"{self._job} on {self._where}" if self._where else self._job
        share = f"{progress.done}/{progress.total}" if progress.total else ""
        self.title.setText(" · ".join(w for w in (job, progress.note, share, left) if w))

    def _ended(self) -> None:
        self.title.setText("")
        self.title.hide()
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
        layout.addWidget(self.question)
        layout.addWidget(self.standing)
        layout.addWidget(self.message)
