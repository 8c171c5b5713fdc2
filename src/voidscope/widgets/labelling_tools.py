"""Ways to label faster than by painting, and the way back: undo, parts of the prediction, propagating, a brush by intensity."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from qtpy.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from voidscope.errors import VoidscopeError, counted
from voidscope.jobs import Job
from voidscope.labelling import component_at
from voidscope.project import Project, Turned
from voidscope.vocabulary import Mask, Provenance, SliceKey
from voidscope.widgets.brush_range import BrushRange
from voidscope.widgets.forms import folded, push_button, share
from voidscope.widgets.layers import ScanLayers
from voidscope.widgets.runner import Runner
from voidscope.widgets.strokes import Strokes
from voidscope.widgets.turns import Turns
from voidscope.workflow import extrude, interpolate

NO_PREDICTION = "This slice has no prediction to take from; retrain, or segment this scan (Shift+P). One taken out of the layers comes back with D."
REJECTED = "The prediction of this slice is put away; R brings it back."
NO_CURSOR = "Point at a component of the prediction in the slice, then press K."
UNVERIFIED = (
    "<b>Proposed, not learnt from yet:</b> accept and go on (A), correct by painting, or drop it (R)."
)
NOTE = "proposed, not verified: A accepts, R drops"
COPIED = "strokes on this copy are not saved; paint on: {}"
INTERPOLATE_TIP = "Propose labels between the labelled slices around this one, on both sides (I)."
EXTRUDE_TIP = "Propose this slice's label for as many slices after it; before it where negative (Shift+I)."
NO_PROPOSAL = "No proposed label waits to be looked at."
PROPOSING = "Labels are being proposed already: wait for it, or cancel it."


class LabellingTools(QWidget):
    """Buttons for what the keys do, and what is to be known about the label in view.

    Undo and redo are laid out by whoever shows the tools. Interpolating, copying and the undo of many slices run on `beside`, a runner of their own, so that they need not wait for a training.
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
        self._project, self._layers, self._strokes = project, layers, strokes
        self._told, self._failed = runner.told, runner.failed
        self.beside = Runner(self)
        self.beside.failed.connect(runner.failed)
        self._turns = Turns(project, self.beside, self)
        strokes.come_after(self._turns)
        self.undo = push_button(
            "⌃Z Undo",
            "Take back the last change of any label, in whatever slice (Ctrl+Z).",
            partial(self.turn, True),
        )
        self.redo = push_button(
            "⌃⇧Z Redo", "Do again what was undone (Ctrl+Shift+Z).", partial(self.turn, False)
        )
        self.unverified = QLabel(UNVERIFIED)
        self.accept_class = push_button(
            "⇧A  Accept class",
            "Accept the prediction of the class you paint with, where nothing is painted (Shift+A).",
            self.accept_one_class,
        )
        self.accept_component = push_button(
            "K  Accept part",
            "Accept the predicted component under the mouse, where nothing is painted: point and press K.",
            self.accept_one_component,
        )
        self.reject = push_button(
            "R  Reject",
            "Put the prediction of this slice away, or bring it back; drop what was proposed here (R).",
            self.reject_slice,
        )
        self.interpolate = push_button(
            "I  Interpolate",
            INTERPOLATE_TIP,
            self.fill_between,
        )
        self.extrude = push_button(
            "⇧I  Copy on to",
            EXTRUDE_TIP,
            self.copy_on,
        )
        self.proposed = push_button(
            "U  Proposed",
            "Go to the next slice whose label is proposed and not verified (U).",
            self.next_proposed,
        )
        self.reach = QSpinBox()
        self.brush = BrushRange(project, layers, self)
        for signal in (self.beside.started, self.beside.ended):
            signal.connect(self._enable)
        self._turns.turned.connect(self._go_to)
        for said, tell in ((self._turns.told, runner.told), (self._turns.failed, runner.failed)):
            said.connect(tell)
            said.connect(self.refresh)
        self._lay_out()

    def keys(self) -> dict[str, Callable[[], object]]:
        """Key in napari's words -> what it does."""
        return {
            "Shift-A": self.accept_one_class, "K": self.accept_one_component, "R": self.reject_slice,
            "I": self.fill_between, "Shift-I": self.copy_on, "W": self.brush.toggle,
            "U": self.next_proposed,
        }  # fmt: skip

    def refresh(self) -> None:
        """Bring buttons and marks in line with the project and the slice in view."""
        key, labels = self._layers.key, self._project.labels
        is_proposed = key is not None and key in labels.unverified
        self.unverified.setVisible(is_proposed)
        copied = self._layers.marks.copied
        self._layers.note.show(COPIED.format(copied) if copied else NOTE if is_proposed else "")
        self.proposed.setEnabled(bool(labels.unverified))
        self.undo.setEnabled(labels.can_undo)
        self.redo.setEnabled(labels.can_redo)
        predicted = key is not None and self._layers.prediction(key) is not None
        for button in (self.accept_class, self.accept_component):
            button.setEnabled(predicted)
        is_rejected = key is not None and key in self._layers.rejections
        self.reject.setText("R  Back" if is_rejected and not is_proposed else "R  Reject")
        self.reject.setEnabled(predicted or is_rejected or is_proposed)
        self._enable()

    def _enable(self, *_: object) -> None:
        """Let labels be proposed where no proposing is running yet; a key then says what is."""
        key, free = self._layers.key, not self.beside.busy
        self.interpolate.setEnabled(free and key is not None)
        self.extrude.setEnabled(free and key is not None and key in self._project.labels)
        for button, tip in ((self.interpolate, INTERPOLATE_TIP), (self.extrude, EXTRUDE_TIP)):
            button.setToolTip(tip if free else PROPOSING)

    def release(self) -> None:
        """Leave viewer and layers as they were."""
        self._layers.note.show("")
        self.brush.release()

    def turn(self, back: bool) -> None:
        """Undo or redo the last change of any label, go to where it was and say what it was."""
        if self._turns.is_free() and self._strokes.ready("Undo" if back else "Redo"):
            self._turns.start(back)

    def accept_proposed(self) -> bool:
        """Stand behind the propagated label of the slice in view and go on to the next one; whether there was one."""
        self._strokes.flush()
        key = self._layers.key
        if key is None or key not in self._project.labels.unverified:
            return False
        try:
            self._project.labels.accept(key)
        except VoidscopeError as error:
            self._failed.emit(str(error))
        else:
            left = len(self._project.labels.unverified)
            self._told.emit(f"{key}: accepted as it was proposed; {left or 'none'} left to look at.")
            if left:
                self.next_proposed()
        return True

    def next_proposed(self) -> None:
        """Go to the next slice with a propagated label that nobody has verified, going round."""
        waiting, key = self._project.labels.unverified, self._layers.key
        after = [k for k in waiting if key is not None and k > key]
        if not waiting:
            self._told.emit(NO_PROPOSAL)
            return
        try:
            self._layers.jump((after or waiting)[0])
        except VoidscopeError as error:
            self._failed.emit(str(error))

    def accept_one_class(self) -> None:
        """Take the prediction of the class painted with into the label where nothing is painted."""
        found, class_id = self._predicted(), self._layers.chosen_class
        if found is not None:
            name = self._project.classes.names[class_id - 1]
            self._take(*found, found[1] == class_id, f"of {name}")

    def accept_one_component(self) -> None:
        """Take the predicted component under the mouse into the label where nothing is painted."""
        found, pixel = self._predicted(), self._layers.under_cursor()
        if found is None:
            return
        if pixel is None:
            self._failed.emit(NO_CURSOR)
            return
        key, mask = found
        name = self._project.classes.names[mask[pixel] - 1]
        self._take(key, mask, component_at(mask, pixel), f"of this {name}")

    def reject_slice(self) -> None:
        """Drop what was proposed for the slice in view; else put its prediction away, or bring it back."""
        key = self._meant()
        if key is None:
            return
        if key in self._project.labels.unverified:
            try:
                self._project.labels.reject(key)
            except VoidscopeError as error:
                self._failed.emit(str(error))
            else:
                self._told.emit(f"{key}: the proposal is dropped.")
        elif self._layers.reject(key):
            self._told.emit(f"{key}: the prediction is put away; R brings it back.")
        elif self._layers.prediction(key) is not None:
            self._told.emit(f"{key}: the prediction is back.")
        self.refresh()

    def fill_between(self) -> None:
        """Propose labels in the gaps between labelled slices around the one in view."""
        self._propose(interpolate)

    def copy_on(self) -> None:
        """Propose the label of the slice in view for the next ones."""
        n = self.reach.value() or 1
        self._propose(lambda project, key: extrude(project, key, n))

    def _propose(self, verb: Callable[[Project, SliceKey], Any]) -> None:
        key = self._meant()
        if key is not None:
            self.beside.run(lambda: self._after_strokes(verb(self._project, key)), self._tell_proposed)

    def _after_strokes(self, job: Job[Any, Any]) -> Job[Any, Any]:
        """The same job, which saves what is painted meanwhile before it proposes: a slice with a stroke is labelled by then."""

        def commit(found: Any) -> Any:
            self._strokes.flush()
            return job.commit(found)

        return replace(job, commit=commit)

    def _tell_proposed(self, keys: tuple[SliceKey, ...]) -> None:
        if keys:
            where = f"{keys[0]} to {keys[-1].index:04d}" if len(keys) > 1 else str(keys[0])
            self._told.emit(
                f"Proposed labels for {counted(len(keys), 'slice')}, {where}; U goes to the next, A accepts it and goes on."
            )
        else:
            self._told.emit("Nothing was proposed: every slice there is labelled, or has a stroke in it.")
        self.refresh()

    def _predicted(self) -> tuple[SliceKey, Mask] | None:
        """The slice in view and its prediction; says what is missing."""
        key = self._meant()
        mask = None if key is None else self._layers.prediction(key)
        if key is not None and mask is None:
            self._failed.emit(self.lacking())
        return None if key is None or mask is None else (key, mask)

    def _meant(self) -> SliceKey | None:
        """The slice in view, its strokes saved; None, and why, where nothing is done to it now."""
        if self._layers.waits:
            self._told.emit(self._layers.waits)
            return None
        self._strokes.flush()
        return self._layers.key

    def lacking(self) -> str:
        """Why there is no prediction of the slice in view, and how it comes."""
        return REJECTED if self._layers.key in self._layers.rejections else NO_PREDICTION

    def _take(self, key: SliceKey, mask: Mask, wanted: np.ndarray, what: str) -> None:
        """Label the pixels wanted as predicted where nothing is painted, and tell how many."""
        own = self._strokes.label(key)
        free = wanted & (own == 0)
        if not free.any():
            self._told.emit(f"{key}: nothing {what} is left to accept; nothing changed.")
            return
        if self._strokes.write(key, np.where(free, mask, own), Provenance.ACCEPTED):
            self._told.emit(f"{key}: {counted(int(free.sum()), 'pixel')} {what} accepted.")

    def _go_to(self, done: Turned) -> None:
        """Show a slice that was changed, unless one is in view already."""
        keys = done.keys or done.kept
        if keys and self._layers.key not in keys:
            try:
                self._layers.jump(keys[0])
            except VoidscopeError as error:
                self._failed.emit(str(error))

    def _lay_out(self) -> None:
        self.unverified.setWordWrap(True)
        self.unverified.setStyleSheet("border-left: 6px solid #e69f00; padding-left: 5px;")
        self.unverified.hide()
        self.reach.setRange(-99, 99)
        self.reach.setValue(3)
        self.reach.setToolTip("How many slices to copy the label to; negative: to slices before this one.")
        often, more, copy = QHBoxLayout(), QGridLayout(), QHBoxLayout()
        share(often, (self.reject, self.interpolate, self.proposed))
        for k, button in enumerate((self.accept_class, self.accept_component)):
            more.addWidget(button, 0, k)
        copy.addWidget(self.extrude, stretch=1)
        copy.addWidget(self.reach)
        more.addLayout(copy, 1, 0, 1, 2)
        inside, layout = QWidget(), QVBoxLayout(self)
        inside.setLayout(more)
        for box in (layout, often, more, copy):
            box.setContentsMargins(0, 0, 0, 0)
            box.setSpacing(4)
        layout.addWidget(self.unverified)
        layout.addLayout(often)
        self.more = folded("More ways to label", inside, self.brush)
        layout.addWidget(self.more)
