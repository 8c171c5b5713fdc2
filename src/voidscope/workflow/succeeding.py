"""Whether a new model may take the place of the one before it: what is known of that, and what a person said.

A cycle records whose place it takes when it is made, and keeps how it compares. Until it is compared, and where it is worse until
a person keeps it or goes back, it is in question, whoever opens the project and whenever.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from voidscope.errors import ProjectError, counted
from voidscope.project import Cycle, Project, results
from voidscope.workflow.restoring import MARGIN
from voidscope.workflow.snapshot import current_cycle

UNSEEN, LEARNT, CROSS_VALIDATED = "unseen", "learnt", "cross-validated"
WEAK = 0.1
"""Short trainings whose better figure is below this say little of longer ones."""
SUCCEEDS = "succeeds"
"""Entry of a cycle's provenance: number of the cycle whose place it takes."""


@dataclass(frozen=True)
class Comparison:
    """Two cycles, or what made them, on the same labelled slices; void IoU is None where no void is among them."""

    now: int
    before: int
    basis: str
    """``unseen``: labelled slices of test scans; ``learnt``: slices that both learnt from; ``cross-validated``: see `cross_validating`."""
    n_slices: int
    void: tuple[float | None, float | None]
    """Void IoU of the new model and of the one before."""
    miou: tuple[float, float]
    folds: tuple[tuple[float | None, float | None], ...] = ()
    """The figure that decides, new and before, in each fold of a cross-validation."""

    @property
    def worse(self) -> bool:
        """Whether the new model is clearly worse: by void IoU, or by mIoU where there is no void to tell from; cross-validated, in
        half of the folds at least.
        """
        new, old = self._deciding()[1:]
        apart = self._apart()
        return new < old - MARGIN and 2 * sum(d < 0 for d in apart) >= len(apart)

    def _deciding(self) -> tuple[str, float, float]:
        """Name and values of the figure that decides, new and before."""
        new, old = self.void
        return ("mIoU", *self.miou) if new is None or old is None else ("void IoU", new, old)

    def _apart(self) -> list[float]:
        """By how much the new model is better, fold by fold."""
        return [new - old for new, old in self.folds if new is not None and old is not None]

    def sentence(self) -> str:
        """What was compared and how it came out."""
        figure, new, old = self._deciding()
        return f"Cycle {self.now}: {figure} {new:.3f}, cycle {self.before}: {old:.3f}, {self._ground()}."

    def warning(self) -> str:
        """That the new model is worse; or may be, where it was not it that was tried, but what it is made of."""
        word = "may be" if self.basis == CROSS_VALIDATED else "is"
        return f"The new model {word} worse. {self.sentence()}"

    def _ground(self) -> str:
        """What the figures are of."""
        slices = counted(self.n_slices, "slice")
        if self.basis == UNSEEN:
            return f"on {slices.replace(' ', ' labelled ')} of test scans"
        if self.basis == LEARNT:
            return f"judged on {slices} both have learnt from (none held out is labelled, so this shows less)"
        apart = self._apart()
        span = f", {min(apart):+.3f} to {max(apart):+.3f} fold by fold" if apart else ""
        weak = (
            "; so short a training learns too little here to tell" if max(self._deciding()[1:]) < WEAK else ""
        )
        return f"cross-validated{span}: short trainings on the labels of each, judged on {slices} left out of both{weak}"

    def entry(self) -> dict[str, Any]:
        """As a cycle's ``comparison.json`` and the command line have it."""
        return {
            "before": self.before, "basis": self.basis, "n_slices": self.n_slices, "void": list(self.void), "miou": list(self.miou),
            "folds": [list(pair) for pair in self.folds],
        }  # fmt: skip


def comparison_of(cycle: Cycle) -> Comparison | None:
    """How a cycle compares with the one whose place it took; None where that is not known. Raises `ProjectError` when damaged."""
    found = results.read_comparison(cycle.folder)
    if not found.get("basis"):
        return None
    try:
        void, miou = ((a, b) for a, b in (found["void"], found["miou"]))
        folds = tuple((new, old) for new, old in found.get("folds", ()))
        return Comparison(cycle.number, found["before"], found["basis"], found["n_slices"], void, miou, folds)
    except (KeyError, TypeError, ValueError) as error:
        raise ProjectError(
            f"{cycle.folder / 'comparison.json'} is damaged: {error!r}. Delete it and compare again."
        ) from error


def in_question(cycle: Cycle) -> bool:
    """Whether it was not compared with the one whose place it took, or is worse and nobody has kept it."""
    if cycle.restored or cycle.provenance.get(SUCCEEDS) is None:
        return False  # a person went back to it; it is the first; or an older version made it
    kept = results.read_comparison(cycle.folder)
    compared = comparison_of(cycle)
    return not kept or (compared is not None and compared.worse and not kept.get("kept"))


def predecessor(project: Project) -> int | None:
    """Number of the cycle whose place a model trained now takes: the current one, or that of the last not in question."""
    known = {c.number: c for c in project.cycles}
    cycle = project.cycle
    while cycle is not None and in_question(cycle):
        cycle = known.get(cycle.provenance[SUCCEEDS])
    return None if cycle is None else cycle.number


def remember(project: Project, cycle: Cycle, found: Comparison | None) -> None:
    """Keep in its folder how the current cycle compares; None where nothing tells. Raises `StaleResult` for another cycle."""
    entry = {"basis": ""} if found is None else found.entry()
    results.write_comparison(project.current(cycle.id).folder, entry)
    project.events.evaluation_changed.emit()


def keep_model(project: Project) -> Cycle:
    """Let the current model take the place of the one before, however it compares; returns its cycle. Raises `NotReady` without one."""
    cycle = current_cycle(project)
    results.write_comparison(cycle.folder, {**results.read_comparison(cycle.folder), "kept": True})
    project.events.evaluation_changed.emit()
    return cycle
