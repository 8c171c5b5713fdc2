"""Which of two models shall be the current one, asked for as long as nobody has said, except while another is being made."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from qtpy.QtCore import QObject

from voidscope.errors import VoidscopeError
from voidscope.project import Cycle, Project
from voidscope.widgets.runner import Question, Runner
from voidscope.workflow import (
    Comparison,
    awaits_cross_validation,
    compare_models,
    comparison_of,
    cross_validate,
    cross_validation_s,
    in_question,
    keep_model,
    restore,
)

NOT_COMPARED = "Not compared with the model before: no labels tell them apart, or its weights are lost."
UNPROVEN = (
    "Cycle {} is no worse on slices that it has learnt from, but no test slice is labelled to say how it does on others. "
    "Cross-validation tries that by short trainings without some of the slices."
)


class ModelChoice(QObject):
    """Compares a new model with the one before it and asks which to keep where it is worse, or was not compared; where only slices that
    both have learnt from speak for it, offers to cross-validate.

    What is asked is read off the project, so that closing the window, Cancel or another program answer nothing. `show` shows what
    the model that is kept sees; not `is_news` where there is something to read about it meanwhile.
    """

    def __init__(
        self, project: Project, runner: Runner, show: Callable[..., object], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._project, self._runner, self._show = project, runner, show
        for signal in (runner.started, runner.ended):
            signal.connect(self.ask)
        self.ask()

    def ask(self, *_: object) -> None:
        """Ask what is to be asked now; nothing while a job runs, for its end may depend on which model is the current one."""
        self._runner.awaits.emit(None if self._runner.busy else self._question())

    def compare(self) -> None:
        """Before anything is shown of a new model: is it worse than the one before?"""
        if len(self._project.cycles) < 2:
            self._show()
        else:
            self._runner.run(lambda: compare_models(self._project), self._compared)

    def cross_validate(self) -> None:
        """Try on slices left out of both what the new model and the one before were made of; in a process of its own."""
        if self._runner.is_free():
            self._runner.run(lambda: cross_validate(self._project, elsewhere=True), self._compared)
        else:
            self.ask()

    def restore(self, number: int) -> None:
        """Make the model of a cycle the current one again; not while a job runs, which may be making another."""
        if not self._runner.is_free():
            return
        self._runner.give_way()  # what the model of now would go on to segment
        try:
            again = restore(self._project, number)
        except VoidscopeError as error:
            self._runner.failed.emit(str(error))
            self.ask()
        else:
            self._runner.told.emit(
                f"Cycle {again.number} is the model of cycle {number} again, with what it had segmented."
            )
        self._runner.resume()  # what it has not segmented yet

    def release(self) -> None:
        """Ask nothing any more: the project is closed."""
        for signal in (self._runner.started, self._runner.ended):
            signal.disconnect(self.ask)
        self._runner.awaits.emit(None)

    def _compared(self, found: Comparison | None) -> None:
        """Show the new model where it is not worse; else it is in question, and asked about."""
        if found is None or not found.worse:
            self._show(is_news=False)
            self._runner.told.emit(NOT_COMPARED if found is None else found.sentence())

    def _question(self) -> Question | None:
        cycle = self._project.cycle
        try:
            if cycle is None:
                return None
            if not in_question(cycle):
                return self._offer(cycle) if awaits_cross_validation(self._project) else None
            found = comparison_of(cycle)
        except VoidscopeError as error:
            self._runner.failed.emit(str(error))
            return None
        keep = (f"Keep cycle {cycle.number}", self._keep)
        if found is None:
            unknown = f"Cycle {cycle.number} was not compared with the model before it, which may be better."
            return Question(unknown, (("Compare", self.compare), keep))
        back = (f"Go back to cycle {found.before}", partial(self.restore, found.before))
        return Question(found.warning(), (back, keep))

    def _offer(self, cycle: Cycle) -> Question:
        """No test slice is labelled, so that a model that is no better than by heart would not be noticed."""
        lasts = max(1, round(cross_validation_s(self._project) / 60))
        judge = (f"Cross-validate, about {lasts} min", self.cross_validate)
        return Question(UNPROVEN.format(cycle.number), (judge, (f"Keep cycle {cycle.number}", self._keep)))

    def _keep(self) -> None:
        if self._runner.is_free() and self._runner.at_once(lambda: keep_model(self._project)):
            self._show()
        else:
            self.ask()
