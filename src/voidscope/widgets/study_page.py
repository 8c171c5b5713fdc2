"""What an operator of a blind gauge study sees in place of the dock's panels: how far they are, the classes, Done and Leave."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QGridLayout, QLabel, QProgressBar, QVBoxLayout, QWidget

from voidscope.errors import VoidscopeError, counted
from voidscope.labelling import background_id
from voidscope.metrology import Slot, study_in_words
from voidscope.project import Project, Study
from voidscope.vocabulary import Mask
from voidscope.widgets.blind_layers import BlindLayers
from voidscope.widgets.forms import push_button
from voidscope.widgets.held_drawing import HeldDrawing
from voidscope.widgets.keys import DONE, REDO, UNDO
from voidscope.widgets.layers import ScanLayers
from voidscope.widgets.palette import ClassPalette
from voidscope.widgets.runner import Question, Runner
from voidscope.widgets.strokes import Strokes
from voidscope.workflow import BlindSlice, shown_slice, take_reading

SETTLE_MS = 300
"""Quiet time after a stroke before the drawing is written."""
TASK = (
    "Paint every class you see, then press <b>Done</b>. Scan, slice, predictions and readings stay hidden until the study is "
    "complete. A reading that is done stays as it is; strokes are saved as you go, so you may leave and go on later."
)
BUSY = (
    "A job is running, whose end could show what a study has to hide. Wait for it, or cancel it, then start."
)


class StudyPage(QWidget):
    """Leads one operator through their readings; `turned(bool)` when it takes the viewer and when it gives it back."""

    turned = Signal(bool)

    def __init__(
        self, project: Project, runner: Runner, viewer: Any, layers: ScanLayers, strokes: Strokes, parent: QWidget | None = None
    ) -> None:  # fmt: skip
        super().__init__(parent)
        self._project, self._runner, self._layers, self._strokes = project, runner, layers, strokes
        self.blind = BlindLayers(viewer, project.classes, self)
        self._study: Study | None = None
        self._slot: Slot | None = None
        self._back: Any = None
        self._saved: Mask | None = None
        self._asks = self._goes_on = False
        self.held: HeldDrawing | None = None
        self.title, self.progress, self.task, self.bar = QLabel(), QLabel(), QLabel(TASK), QProgressBar()
        self.classes = ClassPalette(project.classes)
        self.done = push_button(
            "⇧D  Done, next", "Take the reading of this slice and go to the next (Shift+D).", self.finish
        )
        self.background = push_button(
            "⇧B  Background", "The rest of this slice is background (Shift+B).", self.fill
        )
        self.undo = push_button(
            "⌃Z  Undo", "Take back the last stroke on this slice (Ctrl+Z).", partial(self.turn, True)
        )
        self.redo = push_button(
            "⌃⇧Z  Redo", "Do again what was undone (Ctrl+Shift+Z).", partial(self.turn, False)
        )
        self.leave_it = push_button(
            "Leave", "Back to the project; the study goes on later at this slice.", self.leave
        )
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.flush)
        self.blind.drawn.connect(partial(self._timer.start, SETTLE_MS))
        self.blind.drawn.connect(self._ask_no_more)
        self.blind.class_chosen.connect(self.classes.setValue)
        self.classes.valueChanged.connect(self.blind.paint_with)
        self._lay_out()
        self.hide()

    @property
    def on(self) -> bool:
        """Whether a study has the viewer."""
        return self._slot is not None

    @property
    def unsaved(self) -> bool:
        """Whether the drawing in view is not on disk as it is."""
        return self.on and (self._saved is None or not np.array_equal(self.blind.mask, self._saved))

    def keys(self) -> dict[str, Callable[[], object]]:
        """Key in napari's words -> what it does while a study has the viewer; all other keys of ours do nothing then."""
        return {
            DONE: self.finish, "Shift-B": self.fill, UNDO: partial(self.turn, True), REDO: partial(self.turn, False),
            **self.classes.keys(),
        }  # fmt: skip

    def start(self, study: Study, operator: str) -> None:
        """Go on with an operator's first reading that is not made yet; says why where that cannot be."""
        if self.on or not self._strokes.ready("The study"):
            return
        if self._runner.busy:
            self._runner.failed.emit(BUSY)
            return
        try:
            slot = study.next(operator)
            if slot is None:
                self._runner.told.emit(f"{operator} has made all readings of study {study.number}.")
                return
            shown = shown_slice(self._project, study, slot)
        except VoidscopeError as error:
            self._runner.failed.emit(str(error))
            return
        self._goes_on = self._runner.yields
        self._runner.give_way()
        self._study, self._back = study, self._layers.key
        self._strokes.release()
        self._layers.clear()
        self._show(study, slot, shown)
        self.turned.emit(True)

    def finish(self) -> None:
        """Take the reading of the slice in view and show the next; what leaves pixels unpainted is only taken when that is meant."""
        if not self.on:
            return
        mask = self.blind.mask
        if mask.all() or not mask.any():
            self._take()
            return
        self.flush()
        self._asks = True
        told = f"{_left(mask)} of this slice is unpainted and counts as nothing. A reading that is taken is final."
        answers = (("Take it as it is", self._take), ("Go on painting", self._ask_no_more))
        self._runner.asked.emit(Question(told, answers))

    def _take(self) -> None:
        """Take the reading of the slice in view and show the next; what is no reading is said, and nothing is lost."""
        if self._study is None or self._slot is None:
            return
        self._ask_no_more()
        self._timer.stop()
        operator, study = self._slot.operator, self._study
        try:
            said = take_reading(self._project, study, self._slot, self.blind.mask)
        except VoidscopeError as error:
            self._runner.failed.emit(str(error))
            self.flush()
            return
        self._saved = self.blind.mask
        following = study.next(operator)
        if following is None:
            self._give_back()
            self._runner.at_once(lambda: self._runner.told.emit(f"{said} {_ended(study, operator)}".strip()))
            return
        try:
            self._show(study, following, shown_slice(self._project, study, following))
        except VoidscopeError as error:  # the scan's file went away meanwhile
            self._give_back()
            self._runner.failed.emit(str(error))
            return
        if said:
            self._runner.failed.emit(said)

    def _ask_no_more(self) -> None:
        """Withdraw the question about unpainted pixels: it was answered, or is about another drawing by now."""
        if self._asks:
            self._asks = False
            self._runner.asked.emit(None)

    def fill(self) -> None:
        """The rest of the slice in view is background."""
        if self.on:
            self.blind.fill(background_id(self._project.classes))

    def turn(self, back: bool) -> None:
        """Undo or redo a stroke on the slice in view."""
        if self.on:
            self.blind.turn(back)

    def leave(self) -> None:
        """Save the drawing and give the viewer back; stays where the disk refuses it."""
        if self.on and self.flush():
            self._give_back()

    def flush(self) -> bool:
        """Write the drawing in view as it is now; whether it is on disk."""
        self._timer.stop()
        if self._study is not None and self._slot is not None and self.unsaved:
            study, slot, mask = self._study, self._slot, self.blind.mask
            if not self._runner.at_once(lambda: study.keep_draft(slot, mask)):
                return False
            self._saved = mask
        return True

    def release(self) -> None:
        """Save the drawing and take the study's layers away; the project's do not come back. What the disk refuses is `held`."""
        if self._study is not None and self._slot is not None:
            if not self.flush():
                self.held = HeldDrawing(self._study, self._slot, self.blind.mask)
            self._back, self._goes_on = None, False
            self._give_back()

    def _show(self, study: Study, slot: Slot, shown: BlindSlice) -> None:
        """Show a slice with what was drawn of it before, and how far the operator is."""
        self._slot, drawn = slot, study.draft(slot)
        self.blind.show(shown, drawn if drawn is not None and drawn.shape == shown.image.shape else None)
        self._saved = self.blind.mask
        self._runner.told.emit("")  # what was told before may name a slice, or is about the one before
        n = study.done(slot.operator)
        self.title.setText(f"<b>Gauge study {study.number}: {slot.operator}</b>")
        self.progress.setText(f"{n + 1} of {study.of_each}")
        self.bar.setRange(0, study.of_each)
        self.bar.setValue(n)

    def _give_back(self) -> None:
        """The viewer as it was before the study."""
        self._ask_no_more()
        self._timer.stop()
        back, self._study, self._slot, self._back, self._saved = self._back, None, None, None, None
        self.blind.leave()
        if back is not None:
            self._runner.at_once(lambda: self._layers.jump(back))
        self.turned.emit(False)
        if self._goes_on:  # what gave way to the study
            self._runner.resume()

    def _lay_out(self) -> None:
        layout, buttons = QVBoxLayout(self), QGridLayout()
        self.task.setWordWrap(True)
        self.title.setWordWrap(True)
        self.progress.setStyleSheet("font-size: 20px;")
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(6)
        self.done.setStyleSheet("font-weight: bold; padding: 8px;")
        buttons.addWidget(self.background, 0, 0, 1, 2)
        buttons.addWidget(self.undo, 1, 0)
        buttons.addWidget(self.redo, 1, 1)
        for widget in (self.title, self.progress, self.bar, self.task, self.classes):
            layout.addWidget(widget)
        layout.addLayout(buttons)
        layout.addWidget(self.done)
        layout.addStretch()
        layout.addWidget(self.leave_it)


def _ended(study: Study, operator: str) -> str:
    """What there is to say when an operator has made all readings."""
    if study.complete:
        return f"Study {study.number} is complete. {study_in_words(*study.result())}"
    left = [f"{o} {study.of_each - n}" for o in study.plan.operators if (n := study.done(o)) < study.of_each]
    return f"{operator} has made all readings of study {study.number}; left to make: {', '.join(left)}."


def _left(mask: Mask) -> str:
    """How much of a drawing (h, w) is unpainted, never rounded to all or nothing."""
    n = int((mask == 0).sum())
    return f"{100 * n // mask.size} %" if 100 * n >= mask.size else counted(n, "pixel")
