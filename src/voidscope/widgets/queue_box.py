"""The lists of what to look at: the queue with its filters and marks, and beside it missed voids, label doubts, flicker."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QTabBar,
    QVBoxLayout,
    QWidget,
)

from voidscope.acquisition import KINDS, Finding, Suggestion
from voidscope.errors import VoidscopeError
from voidscope.project import Mark, Project, State
from voidscope.vocabulary import SliceKey
from voidscope.widgets.finding_acts import FindingActs
from voidscope.widgets.forms import share
from voidscope.widgets.layers import ScanLayers
from voidscope.widgets.queue_rows import ALL_STATES, Entry, entries, place_of, rows_of, to_do
from voidscope.widgets.queue_words import (
    TIPS,
    TITLES,
    Queued,
    marked,
    no_findings,
)
from voidscope.widgets.row_list import Row, RowList
from voidscope.widgets.runner import Runner
from voidscope.widgets.strokes import Strokes
from voidscope.widgets.term_bars import TermBars, bars_of
from voidscope.widgets.thumbnails import Thumbnails
from voidscope.workflow import Review, brief, describe, findings, review

ALL_SCANS = "all scans"

WHAT = {
    "states": "Show only suggestions in this state; marked slices and proposed labels show whether suggested or not.",
    "scans": "Show only this scan.",
    "settled": "Show what was left as it is (S) instead of what is open; S brings a row of it back.",
    "compare": "Compare every label of the segmented scans with the model's masks.",
    "previous": "Go back to the row before (Shift+N).",
    "next": "Go to the next row that is still to do (N).",
    "skip": "Not now: it may come back with the next model. In a review list: leave it, whatever the model (S).",
    "flag": "Mark the slice in view to come back to; again takes the flag away (G).",
    "never": "Never suggest the slice in view again, whatever the model; again takes that back.",
    "list": "Slices to look at; click one to go there. Bars: rareness, uncertainty, distance.",
}
"""What each part of it does, for its tooltip."""


class ScanFilter(QComboBox):
    """Which scan's slices are shown, or those of all."""

    def setScans(self, scans: Iterable[str]) -> None:
        """Offer these scans without telling anyone; one that is chosen stays so while it is there."""
        names = [ALL_SCANS, *scans]
        if names != [self.itemText(k) for k in range(self.count())]:
            chosen = self.currentText()
            self.blockSignals(True)
            self.clear()
            self.addItems(names)
            self.setCurrentText(chosen if chosen in names else ALL_SCANS)
            self.blockSignals(False)

    def lets_through(self, key: SliceKey) -> bool:
        """Whether a slice is of the scan chosen."""
        return self.currentText() in (ALL_SCANS, "", key.scan)


class QueueBox(QWidget):
    """Queue and review lists; `moved()` after it went to another slice or list."""

    moved = Signal()

    def __init__(
        self, project: Project, runner: Runner, layers: ScanLayers, strokes: Strokes, parent: QWidget | None = None
    ) -> None:  # fmt: skip
        super().__init__(parent)
        self._project, self._runner, self._layers, self._strokes = project, runner, layers, strokes
        self._acts = FindingActs(project, runner, layers, strokes)
        self.thumbnails = Thumbnails(project, self)
        self.tabs, self.list = QTabBar(), RowList(self.thumbnails)
        self.suggest = QPushButton("Suggest")
        self.previous, self.next = QPushButton("⇧N Back"), QPushButton("N Next")
        self.states, self.scans, self.compare = QComboBox(), ScanFilter(), QPushButton("Compare")
        self.settled = QPushButton("Settled")
        self.settled.setCheckable(True)
        self.bars, self.card, self.grounds = TermBars(), QLabel(), QLabel()
        self.skip, self.flag, self.never = (QPushButton(t) for t in ("S  Skip", "G  Flag", "Never"))
        self._shown: tuple[Entry, ...] = ()
        self._queued, self._review = Queued(), Review()
        self._lay_out()
        self._connect()

    @property
    def kind(self) -> str:
        """``queue``, or the kind of finding listed."""
        kinds: tuple[str, ...] = ("queue", *KINDS)
        return kinds[int(self.tabs.currentIndex())]

    @property
    def finding(self) -> Finding | None:
        """The finding selected in a review list."""
        found, row = self._listed(), self.list.row()
        return found[row] if self.kind != "queue" and 0 <= row < len(found) else None

    def refresh(self) -> None:
        """Rebuild lists, filters and card from the project."""
        try:
            self._review = findings(self._project)
        except VoidscopeError as error:  # damaged: the queue is there all the same
            self._runner.failed.emit(str(error))
            self._review = Review()
        for k, kind in enumerate(KINDS, start=1):
            self.tabs.setTabText(k, f"{TITLES[kind]} {len(self._review.of(kind)) or ''}".rstrip())
        self.scans.setScans(self._project.scans)
        self._fill_list()
        self.refresh_card()

    def refresh_card(self) -> None:
        """Bring card, bars and buttons in line with the slice in view."""
        queue = self.kind == "queue"
        if queue and (at := self._at()) != self.list.row():
            self.list.select(at)
        # Where the filters hide all, that is what there is to say.
        listed = self._queued.picks if self.list.rows() else ()
        here = next((s for s in listed if s.key == self._layers.key), None)
        self.bars.setValue(bars_of(here, self._queued.grounds) if queue and here else ())
        self.card.setText(self._card(here) if queue else self._finding_card())
        self._layers.marks.outline(self._layers.record, self.finding)
        said = self._queued.said(self._project) if queue else ""
        self.grounds.setText(said)
        self.grounds.setVisible(bool(said))
        key = self._layers.key
        state = None if key is None else self._project.queue.state(key)
        found = self.finding
        settled = found is not None and self._project.queue.is_settled(found)
        self.skip.setText("S Skip" if queue else "S Bring back" if settled else "S Leave as is")
        self.skip.setEnabled(key is not None if queue else found is not None)
        for button in (self.flag, self.never):
            button.setVisible(queue)
            button.setEnabled(key is not None)
        self.flag.setText("G Unflag" if state is State.FLAGGED else "G Flag")
        self.never.setText("Not never" if state is State.NEVER else "Never")

    def begin(self) -> None:
        """To the first row that is still to do, which may be the slice in view."""
        self._fill_list()
        self._go(+1, -1)

    def go(self, step: int) -> None:
        """To the next row that is still to do (+1), going round, or to the one before in the list (-1); where there is none, say why."""
        self._fill_list()  # its tab may have been out of view when it changed
        at, key = self._at(), self._layers.key
        if self.states.currentText() == State.PROPOSED and self.kind == "queue" and at < 0 < step and key:
            at = place_of(key, [k for k, _ in self._shown])  # accepted just now
        if not self._go(step, at):
            self._runner.told.emit(self.nowhere(step))

    def list_only(self, state: State) -> None:
        """Show the queue with the slices of all scans that are in this state."""
        self.tabs.setCurrentIndex(0)
        self.scans.setCurrentText(ALL_SCANS)
        self.states.setCurrentText(state)

    def nowhere(self, step: int = 1) -> str:
        """Why there is no row to go to."""
        if self.list.rows():
            return (self._queued if self.kind == "queue" else Queued()).after_all(step, self._project)
        return self._card(None) if self.kind == "queue" else self._finding_card()

    def _go(self, step: int, at: int) -> bool:
        order = self._order(step, at)
        if order or (at >= 0 and step > 0):
            self.pick(order[0] if order else at)
        return bool(order)

    def _order(self, step: int, at: int) -> list[int]:
        """Rows to go to from row `at`, nearest first: forwards those that are still to do, going round, backwards all before it."""
        n, some = len(self.list.rows()), self.states.currentText() not in (ALL_STATES, State.TODO)
        if step < 0:
            return [*range(at if at >= 0 else n)][::-1]
        order = [*range(at + 1, n), *range(at)]
        return order if some or self.kind != "queue" else to_do(self._project, self._shown, order)

    @property
    def suggests(self) -> bool:
        """Whether anything is suggested."""
        return bool(self._queued.picks)

    def can_go(self) -> bool:
        """Whether there is anything to go to."""
        return bool(self.list.rows())

    def pick(self, row: int) -> None:
        """Show the slice of a row at the pixel to look at first."""
        rows = self.list.rows()
        if not 0 <= row < len(rows):
            return
        place = rows[row]
        if not self._runner.at_once(lambda: self._layers.jump(place.key, place.pixel)):
            return
        self.list.select(row)
        self.refresh_card()
        self.moved.emit()

    def pass_over(self) -> None:
        """Skip the slice in view until the next model; of a finding: leave things as they are, or take that back."""
        if self.kind == "queue":
            self._mark(Mark.SKIPPED)
        else:
            self._act(self._acts.settle)

    def toggle_flag(self) -> None:
        """Flag the slice in view to come back to, or take the flag away."""
        self._mark(Mark.FLAGGED)

    def toggle_never(self) -> None:
        """Never suggest the slice in view again, or take that back."""
        self._mark(Mark.NEVER)

    def accept(self) -> None:
        """Take over what the selected finding proposes, as labels that undo reaches, and go on to the next."""
        self._act(self._acts.accept)

    def release(self) -> None:
        """Ask for no thumbnails any more."""
        self.thumbnails.release()

    def _act(self, act: Callable[[Finding, Callable[[], object]], object]) -> None:
        """Act on the selected finding and, once that is done, go on to the next."""
        found, row = self.finding, self.list.row()
        if self._layers.waits:
            self._runner.told.emit(self._layers.waits)
        elif found is None:
            self._runner.told.emit("Select a row of the list first.")
        else:
            act(found, lambda: self._go_past(found, row))

    def _go_past(self, done: Finding, row: int) -> None:
        """On from a finding that is done with, by now perhaps dropped from its `row`, unless a person has gone on to another meanwhile."""
        self.refresh()
        now = self.finding.id if self.finding else done.id
        if now == done.id and self.kind == done.kind:
            left = [k for k, f in enumerate(self._listed()) if f.id != done.id]
            self.pick(next((k for k in left if k >= row), left[-1] if left else -1))

    def _mark(self, mark: Mark) -> None:
        key, waits = self._layers.key, self._layers.waits
        if waits:
            self._runner.told.emit(waits)
        if waits or key is None:
            return
        before = self._project.queue.state(key)
        again = before.value == mark.value
        if before is not State.FLAGGED or mark is not Mark.SKIPPED:  # a flag is kept
            done = self._runner.at_once(lambda: self._project.queue.mark(key, None if again else mark))
            self.refresh()
            if not done:
                return
        self._runner.told.emit(marked(key, before, mark))
        if not again and mark is not Mark.FLAGGED:
            self._go(+1, self._at())

    def _at(self) -> int:
        """The row of the slice in view, among findings, of which a slice may have several, the selected one; -1 for none."""
        rows = self.list.rows()
        if self.kind != "queue":
            return self.list.row()
        return next((k for k, r in enumerate(rows) if r.key == self._layers.key), -1)

    def _listed(self) -> tuple[Finding, ...]:
        if self.kind == "queue":
            return ()
        found = self._review.settled if self.settled.isChecked() else self._review.of(self.kind)
        return tuple(f for f in found if f.kind == self.kind and self.scans.lets_through(f.key))

    def _read_queue(self) -> None:
        """Take in what is suggested; where its file is damaged that is nothing, and is told."""
        try:
            self._queued = Queued.of(self._project)
        except VoidscopeError as error:
            self._runner.failed.emit(str(error))
            self._queued = Queued()

    def _fill_list(self) -> None:
        self._read_queue()
        self.states.setVisible(self.kind == "queue")
        self.compare.setVisible(self.kind == "doubt")
        self.settled.setVisible(self.kind != "queue")
        if self.kind == "queue":
            listed = entries(self._project, self._queued.picks, self.states.currentText())
            self._shown = tuple((key, s) for key, s in listed if self.scans.lets_through(key))
            self.list.setRows(rows_of(self._project, self._shown, self._queued.grounds))
        else:
            classes = self._project.classes
            self.list.setRows([Row(f.key, f.pixel, str(f.key), brief(f, classes)) for f in self._listed()])

    def _card(self, here: Suggestion | None) -> str:
        if here is not None:
            return self._queued.card(here, self._project, self._layers.prediction(here.key))
        rows, left = self.list.rows(), self._order(+1, self._at())
        return self._queued.without(self._project, bool(rows), bool(left), self._runner.busy)

    def _finding_card(self) -> str:
        found = self.finding
        if found is not None:
            return f"{found.key}: {describe(found, self._project.classes)}."
        nothing = no_findings(self.kind, self._review, self.settled.isChecked())
        return TIPS[self.kind] if self.list.rows() else nothing

    def _job_turned(self, *_: object) -> None:
        """An empty queue is told with what can be done about it now."""
        if not self._queued.picks:
            self.refresh_card()

    def _turn(self, *_: object) -> None:
        self._runner.told.emit("")  # that was of the list before
        self._fill_list()
        self.list.setCurrentIndex(self.list.rootIndex())
        self.refresh_card()
        self.moved.emit()

    def _connect(self) -> None:
        self.tabs.currentChanged.connect(self._turn)
        self.states.currentIndexChanged.connect(self._turn)
        self.scans.currentIndexChanged.connect(self._turn)
        self.settled.toggled.connect(self._turn)
        self.list.picked.connect(self.pick)
        self.next.clicked.connect(lambda: self.go(+1))
        self.previous.clicked.connect(lambda: self.go(-1))
        self.skip.clicked.connect(self.pass_over)
        self.flag.clicked.connect(self.toggle_flag)
        self.never.clicked.connect(self.toggle_never)
        for signal in (self._runner.started, self._runner.ended):
            signal.connect(self._job_turned)
        self.compare.clicked.connect(lambda: self._runner.run(lambda: review(self._project)))

    def _lay_out(self) -> None:
        self.states.addItems([ALL_STATES, *(s.value for s in State)])
        for name, tip in WHAT.items():
            getattr(self, name).setToolTip(tip)
        for k, title in enumerate(("Queue", *TITLES.values())):
            self.tabs.addTab(title)
            self.tabs.setTabToolTip(k, ("What to label next, first to label first.", *TIPS.values())[k])
        self.tabs.setExpanding(False)
        self.tabs.setDrawBase(False)
        self.tabs.setUsesScrollButtons(False)
        for words in (self.card, self.grounds):
            words.setWordWrap(True)
        self.grounds.setStyleSheet("QLabel { border-left: 4px solid #e69f00; padding-left: 5px; }")
        layout, filters, marks = QVBoxLayout(self), QHBoxLayout(), QHBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        share(filters, (self.suggest, self.states, self.compare, self.scans, self.settled))
        share(marks, (self.previous, self.next, self.skip, self.flag, self.never))
        layout.addWidget(self.tabs)
        layout.addLayout(filters)
        layout.addWidget(self.list, stretch=1)
        layout.addWidget(self.bars)
        layout.addWidget(self.card)
        layout.addWidget(self.grounds)
        layout.addLayout(marks)
