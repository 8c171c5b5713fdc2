"""Quick looks in the viewer: soon after a label has changed, what the current model makes of it shows in the slice in view.

It is a preview in the prediction layer, said to be one beside the layers and in the layer's name. It is measured nowhere and
never in place of a cycle's mask; Accept takes what is in view. Where a trial says that it would be worse than the cycle's model, that
stays in view, and the bar below the tabs says so. One look runs at a time, beside whatever job is running; of
what is asked for meanwhile only the last is looked at. It is not in the tray of jobs: it takes a fraction of a second after every
stroke, and there is nothing to wait for or to cancel; the bar below the tabs says when one is in view.
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtWidgets import QCheckBox, QFrame, QHBoxLayout, QWidget
from superqt import QElidingLabel

from voidscope.errors import VoidscopeError
from voidscope.jobs import Job, attempt, execute
from voidscope.project import Project
from voidscope.vocabulary import SliceKey
from voidscope.widgets.layers import ScanLayers
from voidscope.widgets.triton_guard import keep_triton_out
from voidscope.widgets.workers import worker
from voidscope.workflow import Glance, Glances

if TYPE_CHECKING:
    from voidscope.training.quick import Trial

log = logging.getLogger(__name__)

SETTLE_MS = 30
"""Quiet time after a label or the slider has moved before a look is asked for."""
SAYS = "Quick look, not the cycle's model"
WORSE = (
    "Quick look is worse: cycle {number} shown. By labels left out its mIoU is {fitted:.2f}, not {own:.2f}"
)
ASTRAY = "Quick look is astray: cycle {number} shown. It would change {changed:.0%} of what is not labelled, more than these labels can answer for"
UNTOLD = "Quick look untried: cycle {number} shown. Label another slice to tell whether it is better"


class QuickLook(QObject):
    """Looks at the slice in view whenever labels differ from those that the current model has learnt.

    `shown(key)` when a preview has come into view; `gone()` when none is in view any more; `withheld(sentence)` after that, when the
    cycle's model does better.
    """

    shown = Signal(SliceKey)
    gone = Signal()
    withheld = Signal(str)

    def __init__(self, project: Project, layers: ScanLayers, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._project, self._layers = project, layers
        self._glances = Glances(project)
        self._worker: Any = None
        self._again = self._refused = False
        self._wanted, self._away = True, False
        self._active = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._start)
        layers.looked.connect(self._tell)

    @property
    def busy(self) -> bool:
        """Whether a look is being taken or about to be."""
        return self._worker is not None or self._timer.isActive()

    def labels_changed(self) -> None:
        """Labels have changed: from now on, look at whatever slice is in view."""
        self._active = True
        self.ask()

    def cycle_changed(self) -> None:
        """Another model is the current one: it has learnt what was previewed."""
        self._active = self._refused = False
        self.forget()

    def forget(self) -> None:
        """Show what the cycle's model said again wherever a preview is in view."""
        if self._layers.previewing:
            self._layers.show_results()
        else:
            self.gone.emit()

    def set_wanted(self, wanted: bool) -> None:
        """Whether a person wants quick looks; without, the layers show what the cycle's model said."""
        self._wanted = wanted
        if wanted:
            self.ask()
        else:
            self.forget()

    def stand_back(self, away: bool) -> None:
        """Show what was measured while verdicts are in view; then look again."""
        self._away = away
        if away:
            self.forget()
        else:
            self.ask()

    def release(self) -> None:
        """Look at nothing any more: the project or the window is closed."""
        self._timer.stop()
        self._again, self._wanted = False, False

    def ask(self, *_: object) -> None:
        """Look at the slice in view soon, if there is anything new to see."""
        if self._active and self._wanted and not (self._refused or self._away):
            self._timer.start(SETTLE_MS)

    def _start(self) -> None:
        key = self._layers.key
        if self._worker is not None:
            self._again = True
            return
        if key is None or not self._glances.due:
            self.forget()
            return
        job, problem = attempt(lambda: self._glances.glance(key))
        if job is None:
            self._refuse(problem)
            return
        self._worker = worker(_looked, job)
        self._worker.returned.connect(self._look)
        self._worker.finished.connect(self._finish)
        self._worker.start()

    def _look(self, found: tuple[Glance | None, Exception | None]) -> None:
        glance, problem = found
        if glance is None:
            self._refuse(problem)
            return
        cycle = self._project.cycle
        if cycle is None or cycle.id != glance.model_id or not (self._wanted and self._active) or self._away:
            return
        if glance.prediction is not None:
            self._layers.show_preview(glance.key, glance.prediction.mask)
            return
        self.forget()
        self.withheld.emit(_why(glance.trial, cycle.number))

    def _tell(self, key: SliceKey | None) -> None:
        """Tell of what came into the layers or went, whoever did it."""
        if key is None:
            self.gone.emit()
        else:
            self.shown.emit(key)

    def _finish(self) -> None:
        self._worker = None
        again, self._again = self._again, False
        if again:
            self.ask()

    def _refuse(self, problem: Exception | None) -> None:
        """A preview is a courtesy: where it cannot be had, it is not; what nobody foresaw goes to the log."""
        self._refused = True
        if not isinstance(problem, VoidscopeError):
            log.error("a quick look stopped", exc_info=problem)


def _why(trial: Trial, number: int) -> str:
    """Why the model of a cycle stays in view."""
    said = UNTOLD if math.isnan(trial.own) else ASTRAY if trial.astray else WORSE
    return said.format(number=number, **vars(trial))


def _looked(job: Job[Any, Glance]) -> tuple[Glance | None, Exception | None]:
    """On a worker thread: the glance, which changes no project; whatever goes wrong is given back."""
    keep_triton_out()
    return attempt(lambda: execute(job))


class QuickLookBar(QFrame):
    """Says that what is in view is a quick look, and switches quick looks on and off."""

    def __init__(self, look: QuickLook, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("quick")
        self.setStyleSheet("#quick { border: 2px dashed #56b4e9; border-radius: 3px; }")
        self.sentence, self.switch = QElidingLabel(), QCheckBox("on")
        self.switch.setChecked(True)
        self.switch.setToolTip(
            "Show what the current model, its last layer fitted to your newest labels, makes of the slice in view. "
            "Off shows what the cycle's model said."
        )
        row = QHBoxLayout(self)
        row.setContentsMargins(6, 3, 6, 3)
        row.addWidget(self.sentence, stretch=1)
        row.addWidget(self.switch)
        self.switch.toggled.connect(look.set_wanted)
        look.shown.connect(self._say)
        look.gone.connect(self._clear)
        look.withheld.connect(self._withhold)
        self.setVisible(False)

    def _say(self, key: SliceKey) -> None:
        self.sentence.setText(SAYS)
        self.setVisible(True)

    def _withhold(self, sentence: str) -> None:
        self.sentence.setText(sentence)
        self.sentence.setToolTip(sentence)
        self.setVisible(True)

    def _clear(self) -> None:
        off = not self.switch.isChecked()
        self.sentence.setText("Quick looks are off." if off else "")
        self.setVisible(off)
