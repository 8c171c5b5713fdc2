"""What is in the lists of what to look at and what they say of it: why they are empty, what stands in them, what comes next."""

from __future__ import annotations

from dataclasses import dataclass, field

from voidscope.acquisition import Grounds, Suggestion
from voidscope.project import Mark, Project, State
from voidscope.vocabulary import Mask, SliceKey, Split
from voidscope.widgets.explain import explain
from voidscope.workflow import Review, first_with

EMPTY = "The queue is empty. Press Suggest: it ranks the slices of all training scans."
EMPTY_NOW = (
    "The queue is empty. Suggest ranks the slices of all training scans, once the running job is over."
)
NO_SCAN = "There is no scan yet: press Add scans… in Scans."
NO_SCANS = "There is no training scan yet: press Add scans… in Scans."
LEFT_OVER = "Suggested before cycle {0} was trained. Suggest ranks anew, by what cycle {0} sees."
LEFT_OVER_AGAIN = (
    "Suggested before the model of cycle {0} was gone back to. Suggest ranks anew, by what that sees."
)
GO_ON = "Press N to go to the next row."
CHOSEN = "chosen by {} before this model was asked."
FILTERED = "The filters above hide every suggestion."
FILTERED_FINDINGS = "The filter above hides every finding."
ALL_DONE = "Every suggested slice is labelled. Train the model, then ask it for the next ones."
TITLES = {"missed": "Missed", "doubt": "Doubts", "flicker": "Flicker"}
TIPS = {
    "missed": "Voids the model may have missed: just below its threshold, or seen in a mirror image only. They earn no rareness.",
    "doubt": "Labelled pixels where the model is sure of another class.",
    "flicker": "Slices where the prediction differs from both neighbours, which agree (H shows where).",
}
NOTHING = {
    "missed": "No missed void is known. Segment a scan (Shift+P) or press Suggest: both look for them.",
    "doubt": "No label is in doubt.",
    "flicker": "No prediction flickers. Segment a scan (Shift+P) or press Suggest: both look for it.",
}
UNCOMPARED = "{} not compared with the model yet. Press Compare; it needs the scan segmented (Shift+P)."
NONE_SETTLED = "Nothing is settled here: S leaves a finding as it is. Settled again shows the open ones."
ACCEPTS = {
    "missed": "A  It is a void", "doubt": "A  The model is right", "flicker": "A  As its neighbours",
}  # fmt: skip


MARKED = {
    Mark.SKIPPED: "skipped until the next model; N goes on",
    Mark.FLAGGED: "flagged; the filter shows flagged slices",
    Mark.NEVER: "is never suggested again; filter by never to take it back",
}  # fmt: skip
"""What is told of a slice that was given a mark."""
KEPT = "stays flagged, so it comes once more when nothing else is left to do (G takes the flag away)"


@dataclass(frozen=True)
class Queued:
    """The suggestions that are listed, on what grounds, and whether they are `old`: from before the current model, which was not asked."""

    picks: tuple[Suggestion, ...] = ()
    grounds: Grounds = field(default_factory=Grounds)
    old: bool = False

    @classmethod
    def of(cls, project: Project) -> Queued:
        """What a project's model suggests or, until it is asked, what is left over of what was suggested before."""
        before, grounds = project.queue.left_over()
        if before:
            learnable = set(project.keys(Split.TRAIN))
            return cls(tuple(s for s in before if s.key in learnable), grounds, old=True)
        return cls(project.suggestions, project.queue.grounds)

    def said(self, project: Project) -> str:
        """What is to be known of all of them; empty where there is nothing."""
        cycle = project.cycle
        if not self.old or cycle is None:
            return self.grounds.text()
        return (LEFT_OVER_AGAIN if cycle.restored else LEFT_OVER).format(first_with(project, cycle))

    def card(self, here: Suggestion, project: Project, mask: Mask | None = None) -> str:
        """What speaks for the slice in view, of which `mask` (h, w) is predicted."""
        if self.old:
            return f"{here.key}: {CHOSEN.format(here.strategy)}"
        before = dict.fromkeys(() if project.cycle is None else project.cycle.labelled, "learnt from")
        before |= {s.key: "earlier in the queue" for s in self.picks if s.rank < here.rank}
        return f"{here.key}: {explain(here, project.survey, project.classes, mask, before, self.picks)}"

    def without(self, project: Project, listed: bool, left: bool, busy: bool) -> str:
        """What there is to do where none is in view: whether any is `listed`, any `left` to go to, and whether a job is in the way."""
        if not self.picks and not listed:
            empty = EMPTY_NOW if busy else EMPTY
            return empty if project.keys(Split.TRAIN) else NO_SCANS
        if not listed:
            return FILTERED
        return GO_ON if left and not self._is_done(project) else self.after_all(+1, project)

    def after_all(self, step: int, project: Project) -> str:
        """Why there is no row to go on to (+1) or back to (-1), in a list that has some."""
        if step < 0:
            return "This is the first row of the list."
        return ALL_DONE if self._is_done(project) else "No other row of the list is left to do."

    def _is_done(self, project: Project) -> bool:
        return bool(self.picks) and all(s.key in project.labels for s in self.picks)


def no_findings(kind: str, review: Review, settled: bool) -> str:
    """Why a list of findings is empty; that no label is in doubt is said only where all were compared."""
    left = len(review.uncompared)
    if settled:
        return NONE_SETTLED
    if review.of(kind):
        return FILTERED_FINDINGS
    if kind == "doubt" and left:
        return UNCOMPARED.format("1 labelled slice is" if left == 1 else f"{left} labelled slices are")
    return NOTHING[kind]


def marked(key: SliceKey, before: State, mark: Mark) -> str:
    """What becomes of a slice that was so `before` when a person gives it a mark, or the one it has: a flag is kept where it is skipped."""
    if before is State.FLAGGED and mark is Mark.SKIPPED:
        return f"{key} {KEPT}."
    if before.value == mark.value:
        return f"{key} is as before."
    return f"{key} {MARKED[mark]}{'; it is no longer flagged' if before is State.FLAGGED else ''}."


def without_terms(suggestion: Suggestion | None) -> str:
    """What stands below the name of a slice that no term speaks for."""
    return "not in the queue" if suggestion is None else f"by {suggestion.strategy}"
