"""When to stop labelling: when further labels are unlikely to change any verdict.

Never without held-out voids to judge by: a model that finds none repeats its verdicts as steadily as a good one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from voidscope.errors import counted, named
from voidscope.evaluation import Forecast
from voidscope.project import Cycle, Project
from voidscope.workflow.deciding import OPEN
from voidscope.workflow.evaluating import judged, judgement
from voidscope.workflow.restoring import better_before, void_iou
from voidscope.workflow.snapshot import learnable
from voidscope.workflow.succeeding import in_question

LEAST_GAIN = 0.01
"""A batch that adds less void IoU than this, at the upper end of its interval, is not worth labelling for."""
UNCHANGED = 2
"""Retrainings in a row that must have left all verdicts as they were."""


@dataclass(frozen=True)
class Readiness:
    """Whether to stop labelling: what speaks for it, and what is missing. Ready is where nothing is missing."""

    reasons: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def ready(self) -> bool:
        """Whether further labels are unlikely to change any verdict."""
        return not self.missing

    def sentence(self) -> str:
        """The answer and why: all reasons where it is yes, the first thing missing where it is no."""
        if self.ready:
            return f"Ready to stop: {'; '.join(self.reasons)}."
        n = len(self.missing) - 1
        more = f" (and {counted(n, 'more reason')})" if n else ""
        return f"Not ready to stop: {self.missing[0]}{more}."


def readiness(project: Project, full: Sequence[Cycle], found: Forecast | None, lacking: str) -> Readiness:
    """Judge a project by its `full` trainings, oldest first, and the forecast of void IoU, which `lacking` excuses."""
    said = [
        *_held_out(project), *_learnt(project, full), *_best(project), *_verdicts(project, full), *_gain(found, lacking),
    ]  # fmt: skip
    return Readiness(tuple(s for ok, s in said if ok), tuple(s for ok, s in said if not ok))


def _held_out(project: Project) -> Iterator[tuple[bool, str]]:
    """Is there anything to judge by?"""
    cycle = project.cycle
    if cycle is None:
        yield False, "there is no model yet"
    elif judgement(project, cycle) is None:
        way = (
            "that follows once all scans are segmented, or press Evaluate"
            if judged(project)
            else "add a scan only to judge on, label some of its slices and evaluate"
        )
        yield False, f"cycle {cycle.number} is judged by no held-out slice; {way}"
    elif void_iou(cycle, project.classes) is None:
        yield False, "the held-out slices show no void, so nobody knows whether voids are found"


def _learnt(project: Project, full: Sequence[Cycle]) -> Iterator[tuple[bool, str]]:
    """Is the current model a full training on all labels?"""
    cycle = project.cycle
    if cycle is None:
        return
    if not full or full[-1] is not cycle:
        yield False, f"cycle {cycle.number} is no retraining; retrain on all labels"
        return
    said = cycle.provenance.get("labels_sha256") or {}
    now = {str(k): project.labels.record(k).sha256 for k in learnable(project)}
    left = sum(said.get(key) != sha256 for key, sha256 in now.items())
    if left:
        yield (
            False,
            f"{left} labelled {'slice is' if left == 1 else 'slices are'} not learnt from as labelled now; retrain",
        )


def _best(project: Project) -> Iterator[tuple[bool, str]]:
    """Is the current model the best there is?"""
    cycle, best = project.cycle, better_before(project)
    if cycle is None:
        return
    if in_question(cycle):
        yield (
            False,
            f"nobody has said yet that cycle {cycle.number} may take the place of the model before it",
        )
    if best is not None:
        now, then = (void_iou(c, project.classes) or 0.0 for c in (cycle, best))
        yield (
            False,
            f"cycle {best.number} found voids better (void IoU {then:.3f}) than cycle {cycle.number} ({now:.3f})",
        )


def _verdicts(project: Project, full: Sequence[Cycle]) -> Iterator[tuple[bool, str]]:
    """Did the last retrainings leave all verdicts as they were, and none in doubt?"""
    last = [(c.number, *c.decisions) for c in full[-UNCHANGED - 1 :]]
    unknown = [n for n, _, decided in last if not decided]
    if len(last) <= UNCHANGED or unknown:
        yield (
            False,
            (
                f"it takes the verdicts of the last {UNCHANGED + 1} retrainings; "
                f"{'measure after each' if not unknown else f'nothing was measured with cycle {named([str(n) for n in unknown])}'}"
            ),
        )
        return
    _, recipe, decided = last[-1]
    if any(how != recipe for _, how, _ in last):
        yield False, "the last measurements were by different recipes"
        return
    unmeasured = sorted(set(project.scans) - {name.partition("/")[0] for name in decided})
    if unmeasured:
        yield False, f"{named(unmeasured)} was not measured with cycle {last[-1][0]}"
    names = {name for _, _, earlier in last for name in earlier}
    moved = sorted(n for n in names if len({earlier.get(n) for _, _, earlier in last}) > 1)
    if moved:
        yield False, f"the verdict of {named(moved)} changed in the last {UNCHANGED} retrainings"
    undecided = sorted(n for n, word in decided.items() if word == OPEN)
    if undecided:
        yield False, f"the interval of {named(undecided)} holds the limit, or its verdict is REVIEW"
    if not moved and not undecided and not unmeasured:
        yield True, f"the last {UNCHANGED} retrainings changed none of {len(decided)} verdicts"
        yield True, "no interval holds its limit"


def _gain(found: Forecast | None, lacking: str) -> Iterator[tuple[bool, str]]:
    """Is the next batch worth its labelling?"""
    if found is None:
        yield False, (lacking.rstrip(".") or "there is no forecast of void IoU")
        return
    size = found.n_next - found.n
    if found.gain <= -LEAST_GAIN:
        yield (
            False,
            f"void IoU falls with more labels: the next {size} slices would add {found.gain:+.3f}; see what spoils it",
        )
    elif found.gain_high < LEAST_GAIN:
        yield (
            True,
            f"the next {size} slices would add less than {LEAST_GAIN:g} void IoU (at most {found.gain_high:.3f})",
        )
    else:
        yield False, f"the next {size} slices may add up to {found.gain_high:.3f} void IoU"
