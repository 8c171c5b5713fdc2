"""The queue on disk: what to label next, on what grounds, and what a person said of it: skip, flag, never."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from voidscope.acquisition import Finding, Grounds, Suggestion, SurveyError
from voidscope.errors import ProjectError
from voidscope.project.atomic import read_json, remove, write_json
from voidscope.project.cycles import Cycle
from voidscope.project.label_files import now
from voidscope.project.labels import Labels
from voidscope.project.manifest import still_there
from voidscope.vocabulary import SliceKey


class Mark(StrEnum):
    """What a person said of a slice without labelling it."""

    SKIPPED = "skipped"
    """Not now: it comes back with another model, and is skipped again once that model is gone back to."""
    FLAGGED = "flagged"
    """To come back to; it stays in the queue."""
    NEVER = "never"
    """Never suggested again, by any model, until the mark is taken back."""


class State(StrEnum):
    """Where a slice stands in the queue."""

    TODO = "to do"
    PROPOSED = "proposed"
    """It has a label that no person has verified yet."""
    LABELLED = "labelled"
    SKIPPED = "skipped"
    FLAGGED = "flagged"
    NEVER = "never"


class _Marked(NamedTuple):
    mark: Mark
    cycle: int
    """Number of the cycle whose queue was shown; 0 before the first."""
    time: str
    model: str | None = None
    """SHA-256 of that cycle's weights, empty before the first; None where an older version made the mark."""
    also: tuple[str, ...] = ()
    """Models (SHA-256) under which the slice was skipped before."""

    def skipped_under(self) -> tuple[str, ...]:
        """Every model under which the slice was skipped."""
        return (
            ()
            if self.mark is not Mark.SKIPPED
            else (*self.also, *(() if self.model is None else (self.model,)))
        )


class Queue:
    """Suggestions by cycle, and marks on slices; every change is on disk, durably, when the call returns.

    `cycle` gives the current cycle, None before the first training. `changed` is told when suggestions
    change, `marked` each slice whose mark changed.
    """

    def __init__(
        self, folder: Path, labels: Labels, cycle: Callable[[], Cycle | None], changed: Callable[[], None],
        marked: Callable[[SliceKey], None],
    ) -> None:  # fmt: skip
        self._folder, self._labels, self._current = folder, labels, cycle
        self._changed, self._told = changed, marked
        self._marks: dict[SliceKey, _Marked] = {}
        self._settled: frozenset[str] = frozenset()
        self._read_marks()

    @property
    def suggestions(self) -> tuple[Suggestion, ...]:
        """What the current model suggests, first to label first; empty where it was not asked."""
        return _suggestions(self._asked)

    @property
    def grounds(self) -> Grounds:
        """On what grounds they were ranked; empty for a queue of an older version, or one that no model ranked."""
        return _grounds(self._asked)

    def left_over(self) -> tuple[tuple[Suggestion, ...], Grounds]:
        """What was suggested last before this model that it has not learnt from, and on what grounds; nothing once it was asked itself."""
        path, cycle = self._newest, self._current()
        if cycle is None or path == self._path or self._asked.is_file():
            return (), Grounds()
        learnt = frozenset(cycle.labelled)
        return tuple(s for s in _suggestions(path) if s.key not in learnt), _grounds(path)

    def put(self, suggestions: Sequence[Suggestion], grounds: Grounds | None = None) -> None:
        """Replace the suggestions of the current model."""
        still_there(self._folder)
        tree: dict[str, object] = {
            "model": cycle.id if (cycle := self._current()) else "",
            "suggestions": [s.entry() for s in suggestions],
        }
        write_json(self._path, tree if grounds is None else tree | {"grounds": grounds.entry()})
        self._changed()

    def state(self, key: SliceKey) -> State:
        """Where a slice stands: never and flagged hold whether it is labelled or not, skipped until it is or a label is proposed."""
        mark = self._mark_of(key)
        if mark in (Mark.NEVER, Mark.FLAGGED):
            return State(mark)
        if key in self._labels:
            return State.LABELLED
        if self._labels.holds(key):
            return State.PROPOSED
        return State.TODO if mark is None else State(mark)

    def marked(self) -> tuple[SliceKey, ...]:
        """All slices with a mark that holds, in order."""
        return tuple(k for k in sorted(self._marks) if self._mark_of(k) is not None)

    def left_out(self) -> frozenset[SliceKey]:
        """Slices that must not be suggested now: never ones, and those skipped in this model's queue."""
        return frozenset(k for k in self._marks if self._mark_of(k) in (Mark.NEVER, Mark.SKIPPED))

    def mark(self, key: SliceKey, mark: Mark | None) -> None:
        """Put a mark on a slice in place of the one it had; None takes it away. A skip leaves those of other models as they are."""
        self._read_marks()
        before = self._marks.pop(key, None)
        others = tuple(m for m in before.skipped_under() if m != self._model) if before else ()
        if mark is not None:
            also = others if mark is Mark.SKIPPED else ()
            self._marks[key] = _Marked(mark, self._number, now(), self._model, also)
        elif before is not None and others:
            self._marks[key] = before._replace(model=others[-1], also=others[:-1])
        self._write_marks()
        self._told(key)

    def settle(self, finding: Finding) -> None:
        """Remember that a person looked at a finding and left things as they are; it is not shown again."""
        self._read_marks()
        self._settled |= {finding.id}
        self._write_marks()
        self._told(finding.key)

    def reopen(self, finding: Finding) -> None:
        """Take back that a finding was settled: it is shown again."""
        self._read_marks()
        self._settled -= {finding.id}
        self._write_marks()
        self._told(finding.key)

    def is_settled(self, finding: Finding) -> bool:
        """Whether a person has looked at it and left things as they are."""
        return finding.id in self._settled

    def forget(self, scan: str, *, all_suggestions: bool = False) -> None:
        """Drop the suggestions and what was said of slices of a scan: it goes, or is cut otherwise and its numbers are other slices.

        `all_suggestions` drops those of other scans as well.
        """
        path = self._newest
        if stored := _stored(path):
            left = [s.entry() for s in _suggestions(path) if s.key.scan != scan and not all_suggestions]
            write_json(path, {**stored, "suggestions": left})
        said = self.said_of(scan)
        if said:
            self._marks = {k: m for k, m in self._marks.items() if str(k) not in said["marks"]}
            self._settled -= frozenset(said["settled"])
            self._write_marks()
        self._changed()

    def said_of(self, scan: str) -> dict[str, Any]:
        """What was said of slices of a scan, as `take_back` takes it; empty where nothing was."""
        self._read_marks()
        marks = {str(k): m._asdict() for k, m in sorted(self._marks.items()) if k.scan == scan}
        settled = sorted(s for s in self._settled if s.partition(" ")[2].startswith(f"{scan}/"))
        return {"marks": marks, "settled": settled} if marks or settled else {}

    def take_back(self, path: Path) -> None:
        """Take in what was said of slices of a scan that is back, from a file of `said_of`, and delete that; marks put on since stay."""
        if not path.is_file():
            return
        marks, settled = _parsed(path)
        self._read_marks()
        self._marks, self._settled = marks | self._marks, settled | self._settled
        self._write_marks()
        remove(path)
        for key in marks:
            self._told(key)

    def catch_up(self) -> None:
        """Take in what another program has marked since."""
        before = dict(self._marks)
        self._read_marks()
        for key in {k for k in before.keys() | self._marks.keys() if before.get(k) != self._marks.get(k)}:
            self._told(key)

    def _mark_of(self, key: SliceKey) -> Mark | None:
        """The mark that holds; a skip does while its model is the current one, by whatever number."""
        found = self._marks.get(key)
        if found is None:
            return None
        by_number = found.model is None and found.cycle == self._number
        holds = found.mark is not Mark.SKIPPED or by_number or self._model in found.skipped_under()
        return found.mark if holds else None

    @property
    def _model(self) -> str:
        """SHA-256 of the current cycle's weights; empty before the first."""
        cycle = self._current()
        return cycle.weights_sha256 if cycle else ""

    @property
    def _number(self) -> int:
        """Number of the current cycle; 0 before the first."""
        cycle = self._current()
        return cycle.number if cycle else 0

    @property
    def _path(self) -> Path:
        return self._folder / "suggestions" / f"{self._number:04d}.json"

    @property
    def _asked(self) -> Path:
        """The queue of the current model; where it is an earlier cycle's that was gone back to and not asked since, that cycle's."""
        cycle = self._current()
        again = None if cycle is None else cycle.provenance.get("restored_from")
        return (
            self._path if again is None or self._path.is_file() else self._path.with_name(f"{again:04d}.json")
        )

    @property
    def _newest(self) -> Path:
        """The queue of the current model or, where it was not asked, of the last before it that was."""
        numbers = range(self._number, -1, -1)
        paths = (self._path.with_name(f"{n:04d}.json") for n in numbers)
        return next((p for p in paths if p.is_file()), self._path)

    @property
    def _marks_path(self) -> Path:
        return self._folder / "suggestions" / "marks.json"

    def _read_marks(self) -> None:
        still_there(self._folder)
        path = self._marks_path
        self._marks, self._settled = _parsed(path) if path.is_file() else ({}, frozenset())

    def _write_marks(self) -> None:
        marks = {str(k): m._asdict() for k, m in sorted(self._marks.items())}
        write_json(self._marks_path, {"marks": marks, "settled": sorted(self._settled)})


def _stored(path: Path) -> Mapping[str, Any]:
    """A file of suggestions; empty where there is none."""
    return read_json(path) if path.is_file() else {}


def _suggestions(path: Path) -> tuple[Suggestion, ...]:
    entries = _stored(path).get("suggestions", [])
    if not isinstance(entries, list):
        raise ProjectError(f"{path} is damaged: its suggestions are no list. Delete it and suggest again.")
    return tuple(Suggestion.from_entry(e) for e in entries)


def _grounds(path: Path) -> Grounds:
    stored = _stored(path).get("grounds")
    return Grounds.from_entry(stored) if isinstance(stored, Mapping) else Grounds()


def _parsed(path: Path) -> tuple[dict[SliceKey, _Marked], frozenset[str]]:
    """Marks, and names of settled findings, of a file of them."""
    tree: Mapping[str, Any] = read_json(path)
    try:
        marks = {
            SliceKey.parse(k): _Marked(
                Mark(m["mark"]),
                int(m["cycle"]),
                str(m["time"]),
                m.get("model"),
                tuple(map(str, m.get("also", ()))),
            )
            for k, m in tree["marks"].items()
        }
        return marks, frozenset(str(s) for s in tree["settled"])
    except (AttributeError, KeyError, TypeError, ValueError, SurveyError) as error:
        raise ProjectError(
            f"{path} is damaged: {error!r}. Restore it from a backup, or delete it to forget all marks."
        ) from error
