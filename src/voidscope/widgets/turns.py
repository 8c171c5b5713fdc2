"""Steps over slices in the window, and their undo and redo: over a few on the spot, over many on a worker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from qtpy.QtCore import QObject, Signal

from voidscope.errors import VoidscopeError
from voidscope.project import Made, Project, Putting, Turned, Turning
from voidscope.vocabulary import SliceKey
from voidscope.widgets.runner import Runner
from voidscope.workflow import put_labels, turn

NOTHING = "Nothing to {}: no label of this project was changed since."
BUSY = "{} is under way; wait for it or cancel it."


class _Put(NamedTuple):
    """Labels that are being put in their places, and what follows."""

    asked: Putting
    then: Callable[[], object]
    otherwise: Callable[[VoidscopeError | None], object]
    title: str = "Saving labels"


class Turns(QObject):
    """Does steps over many slices, and turns those of undo, one at a time; `turned(Turned)` where there is something to look at, `told` and `failed` with a sentence.

    While one is under way another is refused, and what is painted waits to be saved after it (`Strokes`). Who cannot wait, to train or
    to close the window, has it done on the spot by `finish`: so nothing comes between.
    """

    turned = Signal(object)
    told = Signal(str)
    failed = Signal(str)

    def __init__(self, project: Project, runner: Runner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._labels, self._project, self._runner = project.labels, project, runner
        self._turning: Turning | _Put | None = None
        runner.ended.connect(self._ended)

    @property
    def under_way(self) -> bool:
        """Whether a worker is making labels ready that are not in their places yet."""
        return self._turning is not None

    def is_free(self) -> bool:
        """Whether a step could be turned now; what is under way is told where none could. Labels that are being put are it then, at once."""
        if isinstance(self._turning, _Put):
            self.finish()
        if self._turning is not None:
            self.failed.emit(BUSY.format(self._turning.title))
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
        under_way, self._turning = self._turning, None
        if under_way is not None:
            self._runner.give_way()
        if isinstance(under_way, _Put):
            self._put_now(under_way)
        elif under_way is not None:
            self._turn_now(under_way, is_shown=False)

    def may_wait(self, asked: Putting) -> bool:
        """Whether labels would be put by a worker now, and not on the spot."""
        return asked.is_long and self._runner.idle and self._turning is None

    def put(
        self, asked: Putting, then: Callable[[], object], otherwise: Callable[[VoidscopeError | None], object]
    ) -> None:
        """Give slices their labels, then go on; `otherwise` where that is refused, with why, or was cancelled."""
        wanted = _Put(asked, then, otherwise)
        if not self.may_wait(asked):
            self._put_now(wanted)
            return
        job = put_labels(self._project, asked)

        def commit(made: dict[SliceKey, Made]) -> None:
            job.commit(made)
            self._turning = None
            then()

        self._turning = wanted
        self._runner.run(lambda: replace(job, commit=commit), yields=True)

    def _put_now(self, wanted: _Put) -> None:
        try:
            self._labels.put_made(wanted.asked, {})
        except VoidscopeError as error:
            wanted.otherwise(error)
        else:
            wanted.then()

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
        under_way, self._turning = self._turning, None
        if isinstance(under_way, _Put):
            under_way.otherwise(None)
