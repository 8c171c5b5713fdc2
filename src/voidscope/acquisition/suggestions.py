"""Slices put before a person to label, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from voidscope.acquisition.pool import Draw
from voidscope.acquisition.survey import SurveyError
from voidscope.config import SuggestConfig
from voidscope.vocabulary import SliceKey


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A slice to label next and why.

    Parameters
    ----------
    key : which slice
    rank : 1 for the first to label
    r : its rareness (Eq. 3), raw; None, like `u` and `d`, when no model has been asked
    u : its uncertainty (Eq. 5) in nats
    d : its distance, when picked, to the labelled and the earlier suggested slices; 0 when there were none
    score : what it was ranked by; None for slices drawn at random
    pixel : (y, x) that drove the choice, where to look first; None when no model has been asked
    strategy : name of the strategy that chose it
    relaxed : settings of limits that had been given up before it, as they left too few slices to fill the batch
    reasons : the terms, ``rareness``, ``uncertainty``, ``distance``, in the order in which they set it apart; `pixel` is of the
        first that has one. None where they were not summed
    """

    key: SliceKey
    rank: int
    r: float | None
    u: float | None
    d: float | None
    score: float | None
    pixel: tuple[int, int] | None
    strategy: str
    relaxed: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()

    def entry(self) -> dict[str, Any]:
        """The suggestion as plain values for JSON."""
        return {
            "scan": self.key.scan, "slice": self.key.index, "rank": self.rank, "r": self.r, "u": self.u, "d": self.d,
            "score": self.score, "pixel": None if self.pixel is None else list(self.pixel), "strategy": self.strategy,
            "relaxed": list(self.relaxed), "reasons": list(self.reasons),
        }  # fmt: skip

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> Self:
        """The inverse of `entry`; raises `SurveyError` for anything else."""
        try:
            key = SliceKey(str(entry["scan"]), int(entry["slice"]))
            terms = {
                name: None if entry[name] is None else float(entry[name]) for name in ("r", "u", "d", "score")
            }
            rank, pixel, strategy = int(entry["rank"]), _pixel(entry["pixel"]), str(entry["strategy"])
            relaxed, reasons = (  # queues of older versions have none
                tuple(str(name) for name in entry.get(names, ())) for names in ("relaxed", "reasons")
            )
        except (KeyError, TypeError, ValueError) as error:
            raise SurveyError(f"{entry!r} is not a stored suggestion ({error!r}); suggest again.") from error
        return cls(key, rank, **terms, pixel=pixel, strategy=strategy, relaxed=relaxed, reasons=reasons)


def gave_way(suggestion: Suggestion) -> str:
    """Which limits were given up before this suggestion, in a sentence; empty where none was."""
    known = SuggestConfig.model_fields
    titles = [str(known[name].title) if name in known else name for name in suggestion.relaxed]
    many = "s" if len(titles) > 1 else ""
    return (
        f"Chosen after giving up the limit{many} {' and '.join(titles)}, which left too few slices."
        if titles
        else ""
    )


def _pixel(stored: Iterable[Any] | None) -> tuple[int, int] | None:
    if stored is None:
        return None
    y, x = stored
    return int(y), int(x)


def told(keys: Sequence[SliceKey], chosen: Draw, strategy: str) -> tuple[Suggestion, ...]:
    """What was drawn from `keys` without asking a model."""
    return tuple(
        Suggestion(keys[row], rank, None, None, None, None, None, strategy, relaxed)
        for rank, (row, relaxed) in enumerate(zip(chosen.rows, chosen.relaxed, strict=True), start=1)
    )
