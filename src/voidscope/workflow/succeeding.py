"""Whether a new model may take the place of the one before it: what is known of that, and what a person said.

A cycle records whose place it takes when it is made, and keeps how it compares. Until it is compared, and where it is worse until
a person keeps it or goes back, it is in question, whoever opens the project and whenever.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from voidscope.errors import ProjectError
from voidscope.project import Cycle, Project, results
from voidscope.workflow.restoring import MARGIN
from voidscope.workflow.snapshot import current_cycle

UNSEEN, LEARNT = "unseen", "learnt"
SUCCEEDS = "succeeds"
"""Entry of a cycle's provenance: number of the cycle whose place it takes."""


@dataclass(frozen=True)
class Comparison:
    """Two cycles on the same labelled slices; void IoU is None where no void is among them."""

    now: int
    before: int
    basis: str
    """``unseen``: labelled slices of test scans; ``learnt``: slices that both learnt from."""
    n_slices: int
    void: tuple[float | None, float | None]
    """Void IoU of the new model and of the one before."""
    miou: tuple[float, float]

    @property
    def worse(self) -> bool:
        """Whether the new model is clearly worse: by void IoU, or by mIoU where there is no void to tell from."""
        new, old = self.void
        if new is None or old is None:
            new, old = self.miou
        return new < old - MARGIN

    def sentence(self) -> str:
        """What was compared and how it came out."""
        new, old = self.void
        figure = "void IoU"
        if new is None or old is None:
            figure, (new, old) = "mIoU", self.miou
        noun = "slice" if self.n_slices == 1 else "slices"
        on = (
            f"on {self.n_slices} labelled {noun} of test scans"
            if self.basis == UNSEEN
            else f"judged on {self.n_slices} {noun} both have learnt from (none held out is labelled, so this shows less)"
        )
        return f"Cycle {self.now}: {figure} {new:.3f}, cycle {self.before}: {old:.3f}, {on}."

    def entry(self) -> dict[str, Any]:
        """As a cycle's ``comparison.json`` and the command line have it."""
        return {
            "before": self.before, "basis": self.basis, "n_slices": self.n_slices, "void": list(self.void), "miou": list(self.miou),
        }  # fmt: skip


def comparison_of(cycle: Cycle) -> Comparison | None:
    """How a cycle compares with the one whose place it took; None where that is not known. Raises `ProjectError` when damaged."""
    found = results.read_comparison(cycle.folder)
    if not found.get("basis"):
        return None
    try:
        void, miou = ((a, b) for a, b in (found["void"], found["miou"]))
        return Comparison(cycle.number, found["before"], found["basis"], found["n_slices"], void, miou)
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


def keep_model(project: Project) -> None:
    """Let the current model take the place of the one before, however it compares."""
    cycle = current_cycle(project)
    results.write_comparison(cycle.folder, {**results.read_comparison(cycle.folder), "kept": True})
    project.events.evaluation_changed.emit()
