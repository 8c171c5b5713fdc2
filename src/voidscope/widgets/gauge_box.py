"""Gauge studies of the project: plan one, start or go on as an operator, and the result once everybody has read everything."""

from __future__ import annotations

from html import escape

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from voidscope.errors import ConfigError, VoidscopeError
from voidscope.metrology import study_in_words
from voidscope.project import Project, Study
from voidscope.vocabulary import SliceKey
from voidscope.widgets.layers import ScanLayers
from voidscope.widgets.runner import Runner
from voidscope.workflow import plan_study

NONE_YET = (
    "No study yet. Operators, and models, read the same slices several times without knowing which they are; the spread says how good "
    "the measuring is. AIAG asks for ten parts, three operators and two or three repeats."
)


class GaugeBox(QWidget):
    """The studies and a form for a new one; `wanted(study, operator)` when somebody wants to read."""

    wanted = Signal(object, str)

    def __init__(
        self, project: Project, runner: Runner, layers: ScanLayers, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._project, self._runner, self._layers = project, runner, layers
        self.studies, self.operator = QComboBox(), QComboBox()
        self.state, self.start = QLabel(), QPushButton("Start")
        self.people, self.models, self.slices = QLineEdit(), QLineEdit(), QLineEdit()
        self.parts, self.repeats, self.tolerance = QSpinBox(), QSpinBox(), QDoubleSpinBox()
        self.add, self.plan = QPushButton("Add this"), QPushButton("Plan study")
        self._lay_out()
        self._connect()
        self.refresh()

    def refresh(self, number: int | None = None) -> None:
        """Rebuild from the project's folder, with study `number` in view, or the one that is."""
        chosen = self.studies.currentData() if number is None else number
        studies = Study.all(self._project.path)
        self.studies.blockSignals(True)
        self.studies.clear()
        for study in studies:
            self.studies.addItem(f"Study {study.number}", study.number)
        at = self.studies.findData(chosen)
        self.studies.setCurrentIndex(at if at >= 0 else len(studies) - 1)
        self.studies.blockSignals(False)
        self._show_study()

    def value(self) -> Study | None:
        """The study in view."""
        return next(
            (s for s in Study.all(self._project.path) if s.number == self.studies.currentData()), None
        )

    def _show_study(self, *_: object) -> None:
        study, chosen = self.value(), self.operator.currentData()
        people = [] if study is None else [o for o in study.plan.operators if o not in study.planned.models]
        self.operator.clear()
        for name in people:
            if study is not None and study.next(name) is not None:
                self.operator.addItem(name, name)
        self.operator.setCurrentIndex(max(0, self.operator.findData(chosen)))
        for widget in (self.operator, self.start):
            widget.setVisible(self.operator.count() > 0)
        self.studies.setVisible(study is not None)
        damaged = Study.damaged(self._project.path)
        state = [] if study is None else [self._told(study)]
        self.state.setText("<br>".join([*state, *map(escape, damaged)]) or NONE_YET)
        self._name_start()

    def _told(self, study: Study) -> str:
        """How far a study is, or what came of it."""
        plan = study.plan
        size = f"{len(plan.parts)} parts × {len(plan.operators)} operators × {plan.repeats} repeats."
        if not study.complete:
            done = ", ".join(f"{o} {study.done(o)} of {study.of_each}" for o in plan.operators)
            return f"{size} Read: {done}."
        try:
            found = study_in_words(*study.result(self.tolerance.value() or None))
        except VoidscopeError as error:
            return str(error)
        return f"{size} <b>{found}</b> Table and result are in gauge/{study.folder.name} of the project."

    def _name_start(self, *_: object) -> None:
        study, name = self.value(), self.operator.currentData()
        begun = study is not None and name is not None and study.done(name) > 0
        self.start.setText("Go on" if begun else "Start")

    def _begin(self) -> None:
        study, operator = self.value(), self.operator.currentData()
        if study is not None and operator is not None:
            self.wanted.emit(study, operator)

    def _add_slice(self) -> None:
        key = self._layers.key
        if key is not None and str(key) not in (words := _words(self.slices.text())):
            self.slices.setText(", ".join([*words, str(key)]))

    def _plan(self) -> None:
        try:
            models = [_number(word) for word in _words(self.models.text())]
            keys = [SliceKey.parse(word) for word in _words(self.slices.text())]
        except VoidscopeError as error:
            self._runner.failed.emit(str(error))
            return
        people = _words(self.people.text())
        self._runner.run(
            lambda: plan_study(
                self._project,
                people,
                models=models,
                parts=self.parts.value(),
                repeats=self.repeats.value(),
                keys=keys,
            ),
            self._planned,
        )

    def _planned(self, study: Study) -> None:
        self.refresh(study.number)
        self._runner.told.emit(f"Study {study.number} is planned: choose who reads, then Start.")

    def _enable(self, *_: object) -> None:
        self.plan.setEnabled(not self._runner.busy)

    def _connect(self) -> None:
        self.studies.currentIndexChanged.connect(self._show_study)
        self.operator.currentIndexChanged.connect(self._name_start)
        self.tolerance.valueChanged.connect(self._show_study)
        self.start.clicked.connect(lambda _checked: self._begin())
        self.add.clicked.connect(lambda _checked: self._add_slice())
        self.plan.clicked.connect(lambda _checked: self._plan())
        self._runner.started.connect(self._enable)
        self._runner.ended.connect(self._enable)

    def _lay_out(self) -> None:
        self.state.setWordWrap(True)
        self.parts.setRange(2, 999)
        self.parts.setValue(10)
        self.repeats.setRange(2, 99)
        self.tolerance.setRange(0, 1)
        self.tolerance.setDecimals(4)
        self.tolerance.setSingleStep(0.01)
        self.tolerance.setSpecialValueText("none")
        self.people.setPlaceholderText("names, e.g. Ann, Bo")
        self.models.setPlaceholderText("cycles, e.g. 3; may be empty")
        self.slices.setPlaceholderText("chosen by ratio")
        for widget, words in (
            (self.studies, "The project's gauge studies, newest last."),
            (self.operator, "Who reads now; those who have readings to make."),
            (self.start, "Read blind: only the slice and an empty drawing are shown, until all is read or you leave."),
            (self.people, "Names of the people who take part, with commas between."),
            (self.models, "Numbers of cycles whose models take part. A repeat of a model is another mirrored look, four at the most."),
            (self.parts, "How many slices, spread evenly over the range of the void ratio of what is labelled or predicted, and over scans."),
            (self.repeats, "How often everybody reads each slice."),
            (self.tolerance, "Width of what is allowed, a fraction as the limit is: 0.05 is 5 %. The result then says 6 GRR as a share of it; at a limit, that is what to judge by."),
            (self.slices, "The slices themselves, e.g. scan07/0042, with commas between; they go before the number of parts."),
            (self.add, "Take the slice in view as a part."),
            (self.plan, "Make a study in a folder of its own; earlier ones stay, and so do labels."),
        ):  # fmt: skip
            widget.setToolTip(words)
        layout, who, which, form = QVBoxLayout(self), QHBoxLayout(), QHBoxLayout(), QFormLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        who.addWidget(self.studies)
        who.addWidget(self.operator, stretch=1)
        who.addWidget(self.start)
        which.addWidget(self.slices, stretch=1)
        which.addWidget(self.add)
        for words, field in (
            ("Operators", self.people),
            ("Models", self.models),
            ("Parts", self.parts),
            ("Repeats", self.repeats),
            ("Tolerance", self.tolerance),
        ):
            form.addRow(words, field)
        form.addRow("Slices", which)
        layout.addWidget(self.state)
        layout.addLayout(who)
        layout.addLayout(form)
        layout.addWidget(self.plan)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _number(word: str) -> int:
    if not word.isdigit():
        raise ConfigError(f"{word!r} is no cycle; write its number, e.g. 3.")
    return int(word)
