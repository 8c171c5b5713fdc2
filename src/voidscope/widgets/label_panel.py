"""Step two: what to label next and why, and the classes to paint with."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from qtpy.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QTableWidget,
    QVBoxLayout,
    QWidget,
)

from voidscope.acquisition import Suggestion
from voidscope.config import Config
from voidscope.errors import VoidscopeError
from voidscope.project import Project
from voidscope.vocabulary import Provenance, SliceKey, Split
from voidscope.widgets.explain import explain, term_text
from voidscope.widgets.forms import SettingsForm, folded
from voidscope.widgets.labelling_tools import LabellingTools
from voidscope.widgets.layers import ScanLayers
from voidscope.widgets.palette import ClassPalette
from voidscope.widgets.runner import Runner
from voidscope.widgets.strokes import Strokes
from voidscope.widgets.tables import fill, plain_table
from voidscope.workflow import suggest

HEADER = ("#", "slice", "rare", "doubt", "far")
EMPTY = "The queue is empty. Press Suggest: it ranks the slices of all training scans."
NO_PREDICTION = "This slice has no prediction to accept yet; retrain, or segment this scan (Shift+P)."
NO_SCANS = "There is no training scan yet: add one in Scans."
ALL_DONE = "Every suggested slice is labelled. Train the model, then ask it for the next ones."

FIELDS = ("strategy", "aggregation", "budget", "first", "max_per_scan", "min_slice_gap")


class LabelPanel(QWidget):
    """The queue of suggestions, the card of the current one, and the class palette."""

    def __init__(
        self,
        project: Project,
        runner: Runner,
        layers: ScanLayers,
        strokes: Strokes,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._project, self._runner, self._layers, self._strokes = project, runner, layers, strokes
        self.suggest = QPushButton("Suggest")
        self.form = SettingsForm("suggest", FIELDS, project.config)
        self.table: QTableWidget = plain_table(HEADER, wide=(0, 1))
        self.card = QLabel(EMPTY)
        self.card.setWordWrap(True)
        self.previous, self.next = QPushButton("⇧N  Previous"), QPushButton("N  Next")
        self.accept, self.background = (
            QPushButton("A  Accept"),
            QPushButton("⇧B  Rest is background"),
        )
        self.previous.setToolTip("Go back to the previous suggestion (Shift+N).")
        self.next.setToolTip("Go to the next suggestion that is not labelled yet (N).")
        self.background.setToolTip("Label every unlabelled pixel of this slice as background (Shift+B).")
        self.looks = [
            _small("D  Prediction", "Show or hide the prediction (D).", partial(layers.toggle, "prediction")),
            _small("H  Heatmap", "Rareness, uncertainty, none, and round again (H).", layers.next_heatmap),
            _small("J  Labels", "Show or hide the labels (J).", partial(layers.toggle, "labels")),
        ]
        self.classes = ClassPalette(project.classes)
        self.tools = LabellingTools(project, runner, layers, strokes)
        self._lay_out()
        self._connect()
        self.refresh()

    def refresh(self) -> None:
        """Rebuild queue, card, palette and buttons from the project."""
        picks = self._project.suggestions
        fill(self.table, [self._row(s) for s in picks])
        self.classes.set_pixels(self._project.labels.counts(self._project.keys(Split.TRAIN)))
        self.refresh_card()

    def refresh_card(self) -> None:
        """Bring card and buttons in line with the slice in view."""
        self.card.setText(self._card(self._project.suggestions))
        self.classes.setValue(self._layers.class_id)
        self.tools.refresh()
        self._enable()

    def go(self, step: int, *_: object) -> None:
        """Jump to the next (+1) suggestion not labelled yet, or back (-1) to the one before in the queue."""
        picks = self._project.suggestions
        at = next(
            (k for k, s in enumerate(picks) if s.key == self._layers.key), -1 if step > 0 else len(picks)
        )
        order = picks[at + 1 :] + picks[:at] if step > 0 else picks[:at][::-1]
        found = next((s for s in order if step < 0 or s.key not in self._project.labels), None)
        if found is not None:
            self.jump(found)

    def jump(self, suggestion: Suggestion) -> None:
        """Show a suggestion at the pixel that drove it."""
        try:
            self._layers.jump(suggestion.key, suggestion.pixel)
        except VoidscopeError as error:
            self._runner.failed.emit(str(error))
            return
        self.refresh()
        self.table.blockSignals(True)
        self.table.selectRow(suggestion.rank - 1)
        self.table.blockSignals(False)

    def accept_prediction(self) -> None:
        """Accept the label proposed for the slice in view; else take its prediction in where nothing is painted yet."""
        if self.tools.accept_proposed():
            return
        key = self._layers.key
        mask = self._layers.prediction(key) if key else None
        if key is None or mask is None:
            self._runner.failed.emit(NO_PREDICTION)
            return
        self._fill(key, mask, Provenance.ACCEPTED, "accepted")

    def rest_is_background(self) -> None:
        """Label every unlabelled pixel of the slice in view as background."""
        key = self._layers.key
        if key is not None:
            shape = self._project.slice_shape(key)
            name = self._background()
            mask = np.full(shape, self._project.classes.id_of(name), np.uint8)
            self._fill(key, mask, Provenance.DRAWN, f"labelled {name}")

    def _background(self) -> str:
        return next(
            (c.name for c in self._project.classes.classes if c.role == "background"),
            self._project.classes.names[0],
        )

    def _fill(self, key: SliceKey, proposed: np.ndarray, provenance: Provenance, done: str) -> None:
        """Label what is unlabelled yet of a slice and tell how much that was."""
        self._strokes.flush()
        own = self._project.labels.get(key)
        free = proposed.size if own is None else int((own == 0).sum())
        if not free:
            self._runner.told.emit(f"Every pixel of {key} is labelled already; nothing changed.")
            return
        filled = proposed if own is None else np.where(own == 0, proposed, own)
        self._strokes.write(key, filled, provenance, done if provenance is Provenance.DRAWN else "")
        self._runner.told.emit(f"{key}: {free:,} pixels {done}.")

    def _suggest(self) -> None:
        self._strokes.flush()
        self._runner.run(lambda: suggest(self._project), lambda _: self.go(+1))

    def _configured(self, config: Config) -> None:
        self._project.set_config(config)

    def _picked(self) -> None:
        picks, row = self._project.suggestions, self.table.currentRow()
        if 0 <= row < len(picks):
            self.jump(picks[row])

    def _row(self, s: Suggestion) -> tuple[object, ...]:
        terms = (term_text(v) for v in (s.r, s.u, s.d))
        return ("✓" if s.key in self._project.labels else s.rank, str(s.key), *terms)

    def _card(self, picks: tuple[Suggestion, ...]) -> str:
        if not picks:
            return EMPTY
        here = next((s for s in picks if s.key == self._layers.key), None)
        if here is not None:
            return f"{here.key}: {explain(here, self._project.survey, self._project.classes)}"
        return (
            ALL_DONE
            if all(s.key in self._project.labels for s in picks)
            else "Press N to go to the next suggestion."
        )

    def _enable(self, *_: object) -> None:
        picks, key = self._project.suggestions, self._layers.key
        ready = bool(self._project.keys(Split.TRAIN)) and not self._runner.busy
        self.suggest.setEnabled(ready)
        self.suggest.setToolTip(
            "Rank the unlabelled slices of all training scans."
            if self._project.keys(Split.TRAIN)
            else NO_SCANS
        )
        self.next.setEnabled(any(s.key not in self._project.labels for s in picks))
        self.previous.setEnabled(bool(picks))
        accepting = key is not None and (
            key in self._project.labels.unverified or self._layers.prediction(key) is not None
        )
        self.accept.setEnabled(accepting)
        self.accept.setToolTip(
            "Take the prediction into the label where nothing is painted (A)." if accepting else NO_PREDICTION
        )
        for widget in (self.classes, self.background):
            widget.setEnabled(key is not None)

    def _connect(self) -> None:
        self.suggest.clicked.connect(self._suggest)
        self.form.valueChanged.connect(self._configured)
        self.table.itemSelectionChanged.connect(self._picked)
        self.table.cellClicked.connect(lambda *_: self._picked())  # also of a row selected already
        self.next.clicked.connect(partial(self.go, +1))
        self.previous.clicked.connect(partial(self.go, -1))
        self.classes.valueChanged.connect(self._layers.paint_with)
        self._layers.class_chosen.connect(self.classes.setValue)
        self.accept.clicked.connect(self.accept_prediction)
        self.background.clicked.connect(self.rest_is_background)
        self._runner.started.connect(self._enable)
        self._runner.ended.connect(self._enable)

    def _lay_out(self) -> None:
        layout, steps = QVBoxLayout(self), QGridLayout()
        for k, widget in enumerate((self.previous, self.next, self.background, self.accept)):
            steps.addWidget(widget, k // 2, k % 2)
            widget.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        show = QHBoxLayout()
        for button in self.looks:
            show.addWidget(button)
        layout.setSpacing(5)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addWidget(self.suggest)
        layout.addWidget(folded("How slices are suggested", self.form))
        layout.addWidget(self.table, stretch=1)
        layout.addWidget(self.card)
        layout.addLayout(steps)
        layout.addWidget(QLabel("Paint (labelled pixels so far)"))
        layout.addWidget(self.classes)
        layout.addLayout(show)
        layout.addWidget(self.tools)


def _small(text: str, tooltip: str, act: Callable[[], object]) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tooltip)
    button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    button.clicked.connect(_ignoring_state(act))
    return button


def _ignoring_state(act: Callable[[], object]) -> Callable[[bool], None]:
    """Qt tells whether a button is checked, which is none of the act's business."""

    def acted(checked: bool) -> None:
        act()

    return acted
