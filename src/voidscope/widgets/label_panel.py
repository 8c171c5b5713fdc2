"""Step two: what to label next and why, and the classes to paint with."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from voidscope.config import Config
from voidscope.errors import counted
from voidscope.jobs import Job
from voidscope.labelling import background_id
from voidscope.project import Project
from voidscope.vocabulary import Provenance, SliceKey, Split
from voidscope.widgets.forms import SettingsForm, folded, share
from voidscope.widgets.labelling_tools import LabellingTools
from voidscope.widgets.layers import ScanLayers
from voidscope.widgets.palette import ClassPalette
from voidscope.widgets.queue_box import QueueBox
from voidscope.widgets.queue_words import ACCEPTS, NO_SCANS
from voidscope.widgets.runner import Runner
from voidscope.widgets.strokes import Strokes
from voidscope.workflow import learnable, reranks, suggest

NOTHING_SHOWN = {
    "prediction": "No prediction of this scan is there to show; retrain, or segment it (Shift+P).",
    "labels": "No scan is in view; click one in Scans.",
}
NO_HEATMAP = "There is no heatmap; they come with a prediction."
FIELDS = (
    "strategy", "aggregation", "rareness", "uncertainty", "distance", "budget", "first", "max_per_scan", "min_slice_gap",
)  # fmt: skip
HEATMAPS = {
    "": "No heatmap is shown; H shows them again.",
    "rareness": "Rareness: yellow where the model sees a class that is rare in all scans.",
    "uncertainty": "Uncertainty: bright where the model wavers between classes, black where it is sure.",
    "flicker": "Flicker: bright where the prediction changes from slice to slice.",
}
"""What the colours of each heatmap say."""
NEED_MODEL = "These settings need the model again: press Suggest."
RANKED = "Ranked by these settings."
SETTLE_MS = 250
"""So long after the last change of a setting the queue is ranked again."""
PREDICTED_TIP = "Take the prediction into the label where nothing is painted (A)."
PROPOSED_TIP = "Stand behind the proposed label and go on to the next one (A)."


class LabelPanel(QWidget):
    """The queue of suggestions, the card of the current one, and the class palette.

    Ranking again by other settings runs on a runner of its own, so that it need not wait for a training: it asks no model, takes a
    fraction of a second and writes the queue alone. Only Suggest writes that as well; what it finds comes last.
    """

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
        self.form = SettingsForm("suggest", FIELDS, project.config)
        self.queue = QueueBox(project, runner, layers, strokes)
        self.card, self.suggest = self.queue.card, self.queue.suggest
        self._ranking, self._suggesting, self._needs_model = Runner(self), False, False
        self._ranking.failed.connect(runner.failed)
        self._again = QTimer(self)
        self._again.setSingleShot(True)
        self._again.timeout.connect(self._rank_again)
        self.accept, self.background = QPushButton("A  Accept"), QPushButton("⇧B  Background")
        self.background.setToolTip("Label every unlabelled pixel of this slice as background (Shift+B).")
        self.looks = [
            _small("D Model", "Show or hide the prediction (D).", partial(self.toggle, "prediction")),
            _small(
                "H Heat",
                "Rareness, uncertainty, flicker, none, and round again (H).",
                self.next_heatmap,
            ),
            _small("J Labels", "Show or hide the labels (J).", partial(self.toggle, "labels")),
        ]
        self.classes = ClassPalette(project.classes)
        self.tools = LabellingTools(project, runner, layers, strokes)
        self._lay_out()
        self._connect()
        self.refresh()

    def refresh(self) -> None:
        """Rebuild queue, card, palette and buttons from the project."""
        self.queue.refresh()
        self.classes.set_pixels(self._project.labels.counts(learnable(self._project)))
        self._follow()

    def refresh_card(self) -> None:
        """Bring card and buttons in line with the slice in view."""
        self.queue.refresh_card()
        self._follow()

    def go(self, step: int, *_: object) -> None:
        """Jump to the next (+1) row of the list still to do, or back (-1) to the one before."""
        self.queue.go(step)

    def toggle(self, role: str) -> None:
        """Show or hide prediction or labels; say so where there are none."""
        self._layers.toggle(role)
        if self._layers.find(role) is None:
            self._runner.told.emit(NOTHING_SHOWN[role])

    def next_heatmap(self) -> None:
        """Show the next heatmap and say what its colours mean."""
        there = any(self._layers.find(role) is not None for role in HEATMAPS if role)
        shown = self._layers.results.next_heatmap()
        self._runner.told.emit(HEATMAPS[shown] if there else NO_HEATMAP)

    def accept_shown(self) -> None:
        """Accept what the list in view is about: the prediction of this slice, or the selected finding."""
        if self._layers.waits:
            self._runner.told.emit(self._layers.waits)
        elif self.queue.kind == "queue":
            self.accept_prediction()
        else:
            self.queue.accept()

    def _follow(self) -> None:
        self.classes.setValue(self._layers.class_id)
        self.tools.refresh()
        self._enable()

    def accept_prediction(self) -> None:
        """Accept the label proposed for the slice in view; else take its prediction in where nothing is painted yet."""
        if self.tools.accept_proposed():
            return
        key = self._layers.key
        mask = self._layers.prediction(key) if key else None
        if key is None or mask is None:
            self._runner.failed.emit(self.tools.lacking())
            return
        self._fill(key, mask, Provenance.ACCEPTED, "accepted")

    def rest_is_background(self) -> None:
        """Label every unlabelled pixel of the slice in view as background."""
        key = self._layers.key
        if self._layers.waits:
            self._runner.told.emit(self._layers.waits)
        elif key is not None:
            background = background_id(self._project.classes)
            name = self._project.classes.names[background - 1]
            mask = np.full(self._project.slice_shape(key), background, np.uint8)
            self._fill(key, mask, Provenance.DRAWN, f"labelled {name}")

    def _fill(self, key: SliceKey, proposed: np.ndarray, provenance: Provenance, done: str) -> None:
        """Label what is unlabelled yet of a slice and tell how much that was."""
        own = self._strokes.label(key)
        free = int((own == 0).sum())
        if not free:
            self._runner.told.emit(f"Every pixel of {key} is labelled already; nothing changed.")
            return
        filled = np.where(own == 0, proposed, own)
        if self._strokes.write(key, filled, provenance, done if provenance is Provenance.DRAWN else ""):
            self._runner.told.emit(f"{key}: {counted(free, 'pixel')} {done}.")

    def stop(self) -> None:
        """Stop what the panel has running."""
        self._again.stop()
        self._ranking.cancel()
        self.tools.beside.cancel()
        self.queue.release()

    def release(self) -> None:
        """Stop what the panel has running, and leave viewer and layers as they were."""
        self.stop()
        self.tools.release()

    def _suggest(self) -> None:
        if not self._project.keys(Split.TRAIN):
            self._runner.failed.emit(NO_SCANS)
        elif self._strokes.ready("Suggesting"):
            self._runner.run(self._suggestion, lambda _: self.queue.begin())

    def _suggestion(self) -> Job[Any, Any]:
        """The job of Suggest, as it starts: from now on, whatever ranks by the settings of before comes too late."""
        job = suggest(self._project, elsewhere=True)
        self._ranking.cancel()
        self._suggesting = True
        return job

    def _job_ended(self) -> None:
        self._suggesting = False

    def _configured(self, config: Config) -> None:
        ranked_by = self._project.config.suggest
        if not self._runner.at_once(lambda: self._project.set_config(config)):
            self.form.setValue(self._project.config)
        elif config.suggest != ranked_by:
            self._runner.told.emit("")  # what was wrong with the settings before
            if self.queue.suggests:
                self._again.start(SETTLE_MS)

    def _rank_again(self) -> None:
        """Rank by the settings of now where the stored survey suffices, whatever job runs; only Suggest is waited for."""
        if self._suggesting or self._ranking.busy:
            self._again.start(SETTLE_MS)
        elif reranks(self._project):
            self._strokes.flush()
            self._ranking.run(lambda: suggest(self._project))
            if self._needs_model:
                self._runner.told.emit(RANKED)
            self._needs_model = False
        elif self._project.cycle is not None:
            self._runner.told.emit(NEED_MODEL)
            self._needs_model = True

    def _enable(self, *_: object) -> None:
        key = self._layers.key
        learnt = bool(self._project.keys(Split.TRAIN))
        self.suggest.setEnabled(learnt and not self._runner.busy)
        lacks = self._runner.waits_for() if learnt else NO_SCANS
        self.suggest.setToolTip(lacks or "Rank the unlabelled slices of all training scans.")
        for button in (self.queue.next, self.queue.previous):
            button.setEnabled(self.queue.can_go())
        for widget in (self.classes, self.background):
            widget.setEnabled(key is not None)
        proposed = key is not None and key in self._project.labels.unverified
        predicted = key is not None and self._layers.prediction(key) is not None
        if self.queue.kind != "queue":
            self.accept.setText(ACCEPTS[self.queue.kind])
            self.accept.setEnabled(self.queue.finding is not None)
            reach = len(found.slices()) if (found := self.queue.finding) is not None else 0
            where = f" of all {reach} slices it is outlined in" if reach > 1 else ""
            self.accept.setToolTip(f"Take this over into the labels{where} (A); undo reaches it.")
            return
        self.accept.setText("A  Accept")
        self.accept.setEnabled(proposed or predicted)
        tip = PROPOSED_TIP if proposed else PREDICTED_TIP if predicted else self.tools.lacking()
        self.accept.setToolTip(tip)

    def _connect(self) -> None:
        self.suggest.clicked.connect(self._suggest)
        self.form.valueChanged.connect(self._configured)
        self.form.refused.connect(self._runner.failed)
        self.queue.moved.connect(self._follow)
        self.classes.valueChanged.connect(self._layers.paint_with)
        self._layers.class_chosen.connect(self.classes.setValue)
        self.accept.clicked.connect(self.accept_shown)
        self.background.clicked.connect(self.rest_is_background)
        self._runner.started.connect(self._enable)
        self._runner.ended.connect(self._enable)
        self._runner.ended.connect(self._job_ended)

    def _lay_out(self) -> None:
        layout, steps = QVBoxLayout(self), QGridLayout()
        for k, widget in enumerate((self.background, self.accept)):
            steps.addWidget(widget, k // 2, k % 2)
            widget.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        show = QHBoxLayout()
        share(show, (*self.looks, self.tools.undo, self.tools.redo))
        layout.setSpacing(5)
        layout.setContentsMargins(2, 6, 2, 6)
        layout.addWidget(self.queue, stretch=1)
        layout.addLayout(steps)
        layout.addWidget(self.classes)
        layout.addLayout(show)
        layout.addWidget(self.tools)
        layout.addWidget(folded("How slices are suggested", self.form))


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
