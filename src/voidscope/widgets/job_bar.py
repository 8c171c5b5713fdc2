"""The tray. What is running: title, device, stage, done of total, time left, Cancel; what is asked; the last thing that went wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from time import monotonic

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from voidscope.jobs import Progress
from voidscope.vocabulary import SliceKey
from voidscope.widgets.runner import Question, Runner

PROBLEM = "background: #b3261e; color: white; padding: 4px 6px; border-radius: 3px;"
"""Readable in the dark and in the light theme."""
ABOUT = re.compile(r"(\S+/\d+): ")
"""How a sentence about one slice begins."""
READ_S, READ_CHARS = 2.0, 30
"""So long what was told stays to be read, longer where it has more characters, whatever is done next: some acts go on by themselves."""
MOMENT_MS = 300
"""A job beside the runner's is shown once it has taken so long."""


class QuestionBox(QFrame):
    """Shows a `Question` with a button per answer, and goes when it is answered.

    One that `awaits` an answer makes way for what is asked meanwhile, and is shown again once that is settled.
    """

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
        self._asked: Question | None = None
        self._awaits: Question | None = None
        self._show()

    def ask(self, question: Question | None) -> None:
        """Ask in place of what was asked before; None asks nothing but what awaits an answer."""
        self._asked = question
        self._show()

    def await_answer(self, question: Question | None) -> None:
        """Ask whenever nothing else is asked, in place of what awaited an answer before; None lets nothing await one."""
        self._awaits = question
        if self._asked is None:
            self._show()

    def settle(self) -> None:
        """Take away what is shown: it is being answered."""
        if self._asked is not None:
            self.ask(None)
        else:
            self.await_answer(None)

    def _show(self) -> None:
        question = self._asked or self._awaits
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
        box.settle()
        act()

    return answered


class JobRow(QWidget):
    """What a runner is doing: title, device, stage, done of total, time left, Cancel; hidden while it does nothing.

    `after_ms` keeps the row away from a job that is over before anybody could read it.
    """

    def __init__(self, runner: Runner, parent: QWidget | None = None, *, after_ms: int = 0) -> None:
        super().__init__(parent)
        self._job = self._where = ""
        self.title, self.bar, self.cancel = QLabel(), QProgressBar(), QPushButton("Cancel")
        self.title.setWordWrap(True)
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        self.cancel.setToolTip("Stop the running job; what was saved before stays.")
        self._late = QTimer(self)
        self._late.setSingleShot(True)
        self._late.setInterval(after_ms)
        self._late.timeout.connect(self._show)
        row, layout = QHBoxLayout(), QVBoxLayout(self)
        for box in (row, layout):
            box.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.title, stretch=1)
        row.addWidget(self.cancel)
        layout.setSpacing(3)
        layout.addWidget(self.bar)
        layout.addLayout(row)
        self.cancel.clicked.connect(runner.cancel)
        runner.started.connect(self._started)
        runner.progressed.connect(self._progressed)
        runner.ended.connect(self._ended)
        self._ended()

    def _started(self, title: str) -> None:
        self._job, self._where = title, ""
        self.title.setText(title)
        self.bar.setRange(0, 0)
        if self._late.interval():
            self._late.start()
        else:
            self._show()

    def _show(self) -> None:
        for part in (self, self.title, self.bar, self.cancel):
            part.show()

    def _progressed(self, progress: Progress, left: str) -> None:
        self.bar.setRange(0, progress.total)
        self.bar.setValue(progress.done)
        self._where = progress.where or self._where
        job = f"{self._job} on {self._where}" if self._where else self._job
        share = f"{progress.done}/{progress.total}" if progress.total else ""
        note = "" if progress.note.lower() == self._job.lower() else progress.note
        self.title.setText(" · ".join(w for w in (job, note, share, left) if w))

    def _ended(self) -> None:
        self._late.stop()
        self.title.setText("")
        for part in (self.title, self.bar, self.cancel, self):
            part.hide()


class JobBar(QWidget):
    """The tray: a row for the runner's job and one for each runner `beside` it; what is asked, what stands, and what was told last."""

    def __init__(self, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.row = JobRow(runner)
        self.title, self.bar, self.cancel = self.row.title, self.row.bar, self.row.cancel
        self.question, self._waits, self._in_view = QuestionBox(), "", ""
        self._over = QTimer(self)
        self._over.setSingleShot(True)
        self._over.timeout.connect(self._leave)
        self.standing, self.message = QLabel(), QLabel()
        for words in (self.standing, self.message):
            words.setWordWrap(True)
            words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.standing.setStyleSheet(f"QLabel {{ {PROBLEM} }}")
        self.message.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.message.setMinimumHeight(
            2 * self.message.fontMetrics().lineSpacing()
        )  # lest what is above moves with each
        self.stand("")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        for widget in (self.row, self.question, self.standing, self.message):
            layout.addWidget(widget)
        self._connect(runner)
        runner.failed.connect(self.tell_problem)
        runner.told.connect(self.tell)
        runner.asked.connect(self.question.ask)
        runner.awaits.connect(self.question.await_answer)
        runner.stands.connect(self.stand)
        self.tell("")

    def beside(self, runner: Runner) -> JobRow:
        """Show what another runner does in a row of its own, which whoever owns that runner takes away with it."""
        row = JobRow(runner, after_ms=MOMENT_MS)
        self.layout().insertWidget(1, row)
        self._connect(runner)
        return row

    def tell(self, sentence: str) -> None:
        """Show a sentence."""
        self._told_at, self._told_in = monotonic(), self._in_view
        self._over.stop()
        self.message.setStyleSheet("")
        self.message.setText(sentence)

    def look_at(self, key: SliceKey | None, waits: str = "") -> None:
        """Another slice is in view: what was told of a slice that it is not, or while it was not in view, is over once it could be read. So is
        at once why nothing was done to any, where acts wait for that no more, but for what `waits` says, or nothing.
        """
        before, self._waits = self._waits, waits
        if before != waits and self.message.text() == before:
            self.tell("")
        self._in_view = str(key)
        self._leave()

    def go_on(self, *_: object) -> None:
        """Labels were changed: what was told before, and could be read, is over."""
        if self._is_news() and self._left_s() <= 0:
            self.tell("")

    def _leave(self) -> None:
        """Take away what was told of or in another slice than that in view, now or once it could be read."""
        about = ABOUT.match(self.message.text())
        if self._is_news() and (about[1] if about else self._told_in) != self._in_view:
            if (left := self._left_s()) <= 0:
                self.tell("")
            else:
                self._over.start(round(1000 * left) + 1)

    def _is_news(self) -> bool:
        """Whether something is told that is over with the next act: no problem, nor what acts wait for."""
        return not self.message.styleSheet() and self.message.text() not in ("", self._waits)

    def _left_s(self) -> float:
        """So many seconds more what was told is left to be read."""
        wanted = READ_S * max(1.0, len(self.message.text()) / READ_CHARS)
        return wanted - (monotonic() - self._told_at)

    def tell_problem(self, sentence: str) -> None:
        """Show what went wrong and the way out."""
        self.tell(sentence)
        self.message.setStyleSheet(f"QLabel {{ {PROBLEM} }}")

    def stand(self, sentence: str) -> None:
        """Show what is wrong until it is right again, whatever is told meanwhile; an empty sentence takes it away."""
        self.standing.setText(sentence)
        self.standing.setVisible(bool(sentence))

    def _connect(self, runner: Runner) -> None:
        runner.started.connect(partial(self._started, runner))
        runner.cancelled.connect(self._cancelled)
        runner.done.connect(self._done)

    def _started(self, runner: Runner, title: str) -> None:
        """What was told before is over, unless this is work that nobody waits for."""
        if not runner.yields:
            self.tell("")

    def _cancelled(self, title: str) -> None:
        self.tell(f"{title}: cancelled; what was saved before stays.")

    def _done(self, title: str) -> None:
        self.tell(f"{title}: done.")
