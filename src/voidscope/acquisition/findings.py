"""Places to look at beside the queue: voids the model may have missed, labels it contradicts, predictions that flicker.

Like suggestions they rank where a person should look next and measure nothing: no spacing, no limit, no verdict enters. That
is why they are acquisition's and not metrology's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

import numpy as np
import numpy.typing as npt

from voidscope.acquisition.survey import SurveyError
from voidscope.vocabulary import Mask, SliceKey

Kind = Literal["missed", "doubt", "flicker"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Run = tuple[int, int, int, int]
"""Slice index, row, first column and one past the last column of a run of pixels."""
Positions = npt.NDArray[np.int64]
"""(M, 3) slice index, row and column of pixels."""
MOST = 50
"""Findings of a kind kept of one scan: nobody works through more."""
MOST_RUNS = 2000
"""A finding of more runs keeps none: too large to be taken over in one go."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One place to look at.

    Parameters
    ----------
    kind : ``missed``, a void below the model's own threshold; ``doubt``, labelled pixels that the model contradicts;
        ``flicker``, pixels whose class lasts for one slice only
    key, pixel : slice and (y, x) where to look first
    n_pixels : how many pixels, over all slices it reaches
    strength : missed: the greatest probability of void; doubt: mean least probability of the model's class; flicker:
        share of the slice that flickers
    class_id : what the model says there, 1..C; for a flicker what it says in both neighbours
    label_id : what a person said there; 0 for nothing
    votes : in how many of the slice's mirror images void was likeliest
    runs : its pixels; none where there are more than `MOST_RUNS`
    """

    kind: Kind
    key: SliceKey
    pixel: tuple[int, int]
    n_pixels: int
    strength: float
    class_id: int
    label_id: int = 0
    votes: int = 0
    runs: tuple[Run, ...] = ()

    @property
    def id(self) -> str:
        """Names the finding for good, so that a person's "no" is remembered whatever model finds it again."""
        return f"{self.kind} {self.key} {self.pixel[0]},{self.pixel[1]}"

    def slices(self) -> tuple[SliceKey, ...]:
        """The slices its pixels lie in, ascending."""
        return tuple(SliceKey(self.key.scan, i) for i in sorted({run[0] for run in self.runs}))

    def within(self, index: int, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
        """Its pixels in the slice of that index, (h, w)."""
        found = np.zeros(shape, bool)
        for _, row, start, stop in (run for run in self.runs if run[0] == index):
            found[row, start:stop] = True
        return found

    def entry(self) -> dict[str, Any]:
        """The finding as plain values for JSON."""
        return {
            "kind": self.kind, "scan": self.key.scan, "slice": self.key.index, "pixel": list(self.pixel),
            "n_pixels": self.n_pixels, "strength": self.strength, "class": self.class_id, "label": self.label_id,
            "votes": self.votes, "runs": [list(run) for run in self.runs],
        }  # fmt: skip

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> Self:
        """The inverse of `entry`; raises `SurveyError` for anything else."""
        try:
            y, x = entry["pixel"]
            runs = tuple((int(i), int(r), int(a), int(b)) for i, r, a, b in entry["runs"])
            if entry["kind"] not in KINDS:
                raise ValueError(entry["kind"])
            return cls(
                entry["kind"], SliceKey(str(entry["scan"]), int(entry["slice"])), (int(y), int(x)), int(entry["n_pixels"]),
                float(entry["strength"]), int(entry["class"]), int(entry["label"]), int(entry["votes"]), runs,
            )  # fmt: skip
        except (KeyError, TypeError, ValueError) as error:
            raise SurveyError(f"{entry!r} is no stored finding ({error!r}); segment again.") from error


@dataclass(frozen=True, slots=True)
class ScanFindings:
    """What one model's masks of one scan give to look at.

    Parameters
    ----------
    missed, flicker : findings, the weightiest first
    flickering : per slice, how many of its pixels flicker
    """

    missed: tuple[Finding, ...]
    flicker: tuple[Finding, ...]
    flickering: tuple[int, ...]


def runs_of(positions: Positions) -> tuple[Run, ...]:
    """The runs of pixels, (M, 3) in any order and no two alike; none where there are more than `MOST_RUNS`."""
    ordered = positions[np.lexsort(positions.T[::-1])]
    breaks = np.any(np.diff(ordered, axis=0) != (0, 0, 1), axis=1)
    starts = np.concatenate([[0], np.flatnonzero(breaks) + 1])
    if len(starts) > MOST_RUNS:
        return ()
    stops = np.concatenate([starts[1:], [len(ordered)]]) - 1
    return tuple(
        (int(i), int(row), int(start), int(stop) + 1)
        for (i, row, start), stop in zip(ordered[starts], ordered[stops, 2], strict=True)
    )


def middle(pixels: npt.NDArray[np.int64]) -> tuple[int, int]:
    """The one of some pixels, (M, 2) in reading order, that lies nearest to their mean; the first of equally near ones."""
    apart = ((pixels - pixels.mean(axis=0)) ** 2).sum(axis=1)
    y, x = pixels[apart.argmin()]
    return int(y), int(x)


def weightiest(found: Iterable[tuple[float, Finding]]) -> tuple[Finding, ...]:
    """The `MOST` findings of greatest weight, equal ones in the order given."""
    return tuple(finding for _, finding in sorted(found, key=lambda pair: -pair[0])[:MOST])


def patches(there: npt.NDArray[np.bool_]) -> Sequence[npt.NDArray[np.int64]]:
    """The 8-connected patches of a plane (h, w), each as its pixels (M, 2) in reading order."""
    from scipy import ndimage

    labels, n = ndimage.label(there, structure=np.ones((3, 3), int))
    pixels = np.argwhere(labels)
    number = labels[labels > 0]
    order = np.argsort(number, kind="stable")
    return np.split(pixels[order], np.cumsum(np.bincount(number, minlength=n + 1)[1:-1])) if n else []


def counts_at(mask: Mask, pixels: npt.NDArray[np.int64]) -> int:
    """The commonest class of a mask (h, w) at some pixels (M, 2); the lowest of equally common ones."""
    return int(np.bincount(mask[pixels[:, 0], pixels[:, 1]]).argmax())
