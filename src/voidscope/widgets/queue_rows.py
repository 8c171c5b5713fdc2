"""Which slices the queue lists: suggestions and, where a filter asks for them, other slices with a mark or a proposed label."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from voidscope.acquisition import Grounds, Suggestion
from voidscope.project import Project, State
from voidscope.vocabulary import SliceKey
from voidscope.widgets.queue_words import without_terms
from voidscope.widgets.row_list import Row
from voidscope.widgets.term_bars import bars_of

ALL_STATES = "all states"
Entry = tuple[SliceKey, Suggestion | None]
"""A slice and its suggestion; None where it is not suggested."""


def entries(project: Project, picks: Sequence[Suggestion], wanted: str) -> tuple[Entry, ...]:
    """What a filter (`ALL_STATES` or the name of a state) lets through: suggestions in their order, then other slices with the mark that
    is asked for; of proposed labels all, by slice, however marked, for each waits to be looked at."""
    suggested = {s.key: s for s in picks}
    if wanted == State.PROPOSED:
        return tuple(
            (key, suggested.get(key)) for key in project.labels.unverified if key.scan in project.scans
        )
    listed: list[Entry] = [(s.key, s) for s in picks]
    if wanted in (State.SKIPPED, State.FLAGGED, State.NEVER):
        others = (k for k in project.queue.marked() if k not in suggested and k.scan in project.scans)
        listed += [(key, None) for key in others]
    return tuple((key, s) for key, s in listed if wanted == ALL_STATES or project.queue.state(key) == wanted)


def rows_of(project: Project, listed: Sequence[Entry], grounds: Grounds) -> list[Row]:
    """Slices as rows: their bars or, where no term speaks for one, a line of words, and the state of each as a chip."""
    return [
        Row(
            key, s.pixel if s else None, str(key), "" if s and s.r is not None else without_terms(s),
            bars_of(s, grounds) if s else (), project.queue.state(key).value,
        )
        for key, s in listed
    ]  # fmt: skip


def place_of(key: SliceKey, listed: Sequence[SliceKey]) -> int:
    """Where in slices in order one that is not among them would come after: the index of the one before, -1 for none."""
    return bisect_left(listed, key) - 1


def to_do(project: Project, listed: Sequence[Entry], order: Sequence[int]) -> list[int]:
    """Of rows in the order given those that are still to do; where none is, the flagged ones that have no label."""
    states = [project.queue.state(key) for key, _ in listed]
    flagged = [k for k in order if states[k] is State.FLAGGED]
    return [k for k in order if states[k] in (State.TODO, State.PROPOSED)] or [
        k for k in flagged if listed[k][0] not in project.labels
    ]
