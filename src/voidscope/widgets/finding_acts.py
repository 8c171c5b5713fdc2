"""What a person may do with a finding of a review list: take it over into the labels, or leave things as they are."""

from __future__ import annotations

from collections.abc import Callable

from voidscope.acquisition import Finding
from voidscope.errors import VoidscopeError, counted, named
from voidscope.project import Project, Putting
from voidscope.vocabulary import Mask, Provenance, SliceKey
from voidscope.widgets.layers import ScanLayers
from voidscope.widgets.runner import Runner
from voidscope.widgets.strokes import Strokes
from voidscope.workflow import taken_over

STEPS = {
    "missed": "accepted missed void in", "doubt": "accepted doubt in", "flicker": "accepted flicker in",
}  # fmt: skip
"""What taking a finding over is called when it is undone."""


class FindingActs:
    """Acts on a finding that reaches the slice in view, and tells what was done or what is missing."""

    def __init__(self, project: Project, runner: Runner, layers: ScanLayers, strokes: Strokes) -> None:
        self._project, self._runner, self._layers, self._strokes = project, runner, layers, strokes

    def accept(self, found: Finding, then: Callable[[], object]) -> None:
        """Label what a finding proposes, as one step of undo, over many slices on a worker; `then` once that is done.

        Only its own pixels are labelled, in all slices it reaches. A slice out of view with a proposed label stays as it is: nobody
        is looking at the rest of that proposal, which a label would verify.
        """
        if not self._reaches(found) or not self._strokes.ready("Accepting"):
            return
        if not found.runs:
            self._runner.told.emit("This is too large to take over in one go; paint it.")
            return
        labels, bases, n_pixels, left = self._taken(found)
        said = f"{found.key}: {counted(n_pixels, 'pixel')} labelled{_in_slices(len(labels))}."
        if left:
            said += f" Proposals out of view stay as they are, to be looked at: {named(left)}."
        if self._strokes.turns is None or not (labels or left):  # asked for twice: it was just finished
            return
        asked = Putting.of(self._project.labels.desk(), labels, Provenance.ACCEPTED, STEPS[found.kind], bases)
        refused: list[VoidscopeError | None] = []

        def tell() -> None:
            self._runner.told.emit(said)
            then()

        self._strokes.turns.put(asked, tell, refused.append)
        if refused:
            self._runner.failed.emit(str(refused[0]))

    def settle(self, found: Finding, then: Callable[[], object]) -> None:
        """Leave things as they are, or take that back where it was said before; `then` where that was done."""
        if not self._reaches(found):
            return
        queue = self._project.queue
        settled = queue.is_settled(found)
        if not self._runner.at_once(lambda: queue.reopen(found) if settled else queue.settle(found)):
            return
        said = (
            "is in its list again" if settled else "left as it is. Settled lists it, S there brings it back"
        )
        self._runner.told.emit(f"{found.key}: {said}.")
        then()

    def _reaches(self, found: Finding) -> bool:
        """Whether a finding reaches the slice in view; that it does not is told."""
        if self._layers.key in (found.key, *found.slices()):
            return True
        self._runner.told.emit(f"{found.key} is selected but not in view: click its row, then press again.")
        return False

    def _taken(
        self, found: Finding
    ) -> tuple[dict[SliceKey, Mask], dict[SliceKey, Mask], int, list[SliceKey]]:
        """The labels that change with a finding, what they are made from, by how many pixels in all, and the proposals out of view."""
        unseen = set(self._project.labels.unverified) - {self._layers.key}
        labels, bases, n_pixels = dict[SliceKey, Mask](), dict[SliceKey, Mask](), 0
        for key in (k for k in found.slices() if k not in unseen):
            own = self._strokes.label(key)
            label = taken_over(self._project, found, key, own)
            if changed := int((label != own).sum()):
                labels[key], bases[key], n_pixels = label, own, n_pixels + changed
        return labels, bases, n_pixels, [k for k in found.slices() if k in unseen]


def _in_slices(n: int) -> str:
    return f" in {n} slices" if n > 1 else ""
