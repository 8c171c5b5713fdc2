"""Undo and redo in the window: a step over a few slices on the spot, one over many on a worker."""

from __future__ import annotations

from dataclasses import replace

from qtpy.QtCore import QObject, Signal

from voidscope.errors import VoidscopeError
from voidscope.project import Made, Project, Turned, Turning
from voidscope.vocabulary import SliceKey
from voidscope.widgets.runner import Runner
from voidscope.workflow import turn

NOTHING = "Nothing to {}: no label of this project was changed since."
BUSY = "{} is under way; wait for it or cancel it."


class Turns(QObject):
    """Turns the steps of undo, one at a time; `turned(Turned)` where there is something to look at, `told` and `failed` with a sentence.

    While one is under way another is refused, and what is painted waits to be saved after it (`Strokes`). Who cannot wait, to train or
    to close the window, has it done on the spot by `finish`: so nothing comes between.
    """

    turned = Signal(object)
    told = Signal(str)
    failed = Signal(str)

    def __init__(self, project: Project, runner: Runner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._labels, self._project, self._runner = project.labels, project, runner
        self._turning: Turning | None = None
        runner.ended.connect(self._ended)

    @property
    def under_way(self) -> bool:
        """Whether a worker is making labels ready that are not in their places yet."""
        return self._turning is not None

    def is_free(self) -> bool:
        """Whether a step could be turned now; what is under way is told where none could."""
        if self._turning is not None:
            self.failed.emit(BUSY.format("Undo" if self._turning.back else "Redo"))
        return self._turning is None

    def start(self, back: bool) -> None:
        """Undo (`back`) or redo the next step."""
        try:
            turning = self._labels.turning(back=back)
        except VoidscopeError as error:
            self.failed.emit(str(error))
            return
        if turning is None:
            self.told.emit(NOTHING.format("undo" if back else "redo"))
        elif not turning.is_long:
            self._turn_now(turning)
        elif self._runner.idle:
            self._begin(turning)
        elif self._runner.is_free():  # one that `finish` took over is still winding down
            self._turn_now(turning)

    def finish(self) -> None:
        """Have on the spot what is under way; raises nothing."""
        turning, self._turning = self._turning, None
        if turning is not None:
            self._runner.give_way()
            self._turn_now(turning, is_shown=False)

    def _begin(self, turning: Turning) -> None:
        job = turn(self._project, turning)

        def commit(made: dict[SliceKey, Made]) -> Turned | None:
            self._turning = None
            return job.commit(made)

        self._turning = turning
        self._runner.run(
            lambda: replace(job, commit=commit), lambda done: self._tell(done, turning.back), yields=True
        )

    def _turn_now(self, turning: Turning, *, is_shown: bool = True) -> None:
        try:
            done = self._labels.turn(turning, {})
        except VoidscopeError as error:
            self.failed.emit(str(error))
        else:
            self._tell(done, turning.back, is_shown=is_shown)

    def _tell(self, done: Turned | None, back: bool, *, is_shown: bool = True) -> None:
        if done is not None and is_shown:
            self.turned.emit(done)
        self.told.emit(str(done) if done else NOTHING.format("undo" if back else "redo"))

    def _ended(self) -> None:
        """What was cancelled or went wrong is not under way any more."""
        self._turning = None
