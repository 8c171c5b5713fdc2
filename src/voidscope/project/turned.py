"""What an undo or redo did, in words."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from voidscope.project.journal import Step
from voidscope.project.label_files import user
from voidscope.vocabulary import SliceKey


@dataclass(frozen=True, slots=True)
class Turned:
    """What an undo or redo did: the step's name and author, the slices that changed, and those left as they are.

    A slice is left (`kept`) when its label is no longer the one that the step made: another program has changed it since. One is
    `gone` when its scan was removed, or is other data or seen along another plane now; a newer step about such slices alone is passed over, and where there is nothing else, only
    that is told.
    """

    verb: str
    author: str
    keys: tuple[SliceKey, ...]
    kept: tuple[SliceKey, ...]
    back: bool
    gone: tuple[SliceKey, ...] = ()

    @classmethod
    def of(
        cls, step: Step, states: Mapping[SliceKey, bool | None], lost: Collection[SliceKey], back: bool, passed: Sequence[Step]
    ) -> Turned:  # fmt: skip
        """What became of a step: each slice changed (True), was left (False) or was so already (None); of some the scan is `lost`.

        `passed` over were newer steps.
        """
        keys, left = (tuple(k for k, s in states.items() if s is state) for state in (True, False))
        kept, gone = (tuple(k for k in left if (k in lost) is known) for known in (False, True))
        over = tuple(change.key for one in passed[:1] for change in one.changes)
        return cls(step.verb, step.author, keys, kept, back, gone or over)

    def __str__(self) -> str:
        act = "undid" if self.back else "redid"
        by = "" if self.author == user() else f" by {self.author}"
        said = [f"{act}: {self.verb} {_first(self.keys)}{by}"] if self.keys else []
        if self.kept:
            said.append(f"{_first(self.kept)} was changed by another program since; it is left as it is")
        if self.gone:
            said.append(
                f"{_first(self.gone)} is passed over: the project no longer has the scan {self.gone[0].scan} it was labelled in; add that again, "
                "along the same plane"
            )
        return ". ".join(said)


def _first(keys: tuple[SliceKey, ...]) -> str:
    return str(keys[0]) + (f" and {len(keys) - 1} more" if len(keys) > 1 else "")
