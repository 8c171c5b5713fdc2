"""Why this slice: a suggestion in the words a person would use."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from voidscope.acquisition import Suggestion, Survey, gave_way, reasons_told
from voidscope.vocabulary import ClassMap, Mask, SliceKey

FIRST = {
    "foreground": "One of each kind of slice, by grey levels, for there is no model yet.",
    "void-like": "One of each kind of slice, by grey levels, those with small dark spots first, for there is no model yet (where voids are bright, choose First batch random).",
}
"""Why a slice is in a first batch, where the name of what chose it does not say so."""
VOIDS = " Label some slices with void in them if you can."
LARGE = 1000.0
"""From here on a term is told by its order of magnitude."""
NEAR_PX = 4
"""A pixel is at the border to another class that comes so near to it, along rows and columns."""
FAR = 2.0
"""So many times as far as the middle one of a queue a suggestion is far from what is labelled, which put it there."""
DOMINANT = 5.0
"""A distance that rareness (at most 1) and uncertainty (at most ln C) together cannot outweigh."""


def explain(
    suggestion: Suggestion, survey: Survey | None, classes: ClassMap, mask: Mask | None = None,
    before: Mapping[SliceKey, str] = MappingProxyType({}), queue: Sequence[Suggestion] = (),
) -> str:  # fmt: skip
    """What speaks for labelling this slice, what decided first, and what was given up for it; the terms' values stand on their bars.

    The first reason with a place in the slice is the one whose pixel the suggestion has.

    Parameters
    ----------
    mask : (h, w) what is predicted of the slice; None where that is not at hand
    before : the slices that its distance is to, and what each is, e.g. ``learnt from``
    queue : all that was suggested with it, beside which its distance may be large
    """
    if survey is None or suggestion.r is None or not survey.holds(suggestion.key):
        said = FIRST.get(suggestion.strategy, f"Chosen by {suggestion.strategy}, without a model.") + VOIDS
    else:
        reasons = reasons_told(suggestion, survey)
        parts = {
            "rareness": _rarest(suggestion, survey, classes),
            "uncertainty": _unsure(suggestion, survey, classes, mask),
            "distance": _nearest(suggestion, survey, before, queue, reasons[0] == "distance"),
        }
        told = (*(parts[name] for name in reasons), _outweighs(suggestion))
        said = " · ".join(part for part in told if part) + "."
    return f"{said} {gave_way(suggestion)}".rstrip()


def _rarest(suggestion: Suggestion, survey: Survey, classes: ClassMap) -> str:
    """The rarest class predicted in the slice; with max aggregation it alone makes the rareness."""
    shares = survey.class_distribution()
    (row,) = survey.rows([suggestion.key])
    present = [c for c in range(len(classes)) if survey.counts[row, c]]
    rarest = min(present, key=lambda c: shares[c])
    everywhere = survey.counts[:, rarest].all()
    name = classes.names[rarest]
    if everywhere and rarest == min(np.flatnonzero(survey.counts.any(axis=0)), key=lambda c: shares[c]):
        return f"{name} is predicted in every slice, so rareness says nothing yet"
    if everywhere:
        return f"no class rarer than {name}, which is predicted in every slice"
    return f"contains predicted {name} ({shares[rarest]:.2%} of predictions)"


def _unsure(suggestion: Suggestion, survey: Survey, classes: ClassMap, mask: Mask | None) -> str:
    """Where the model is most unsure, and how much of the most there can be (ln C) that is."""
    (row,) = survey.rows([suggestion.key])
    share = survey.entropy[row, 0] / math.log(survey.n_classes)
    y, x = survey.entropy_pixel[row].tolist()
    where = "" if mask is None else f" {_place(mask, (y, x), classes)}"
    return f"most unsure{where}, at {share:.0%} of the maximum"


def _place(mask: Mask, pixel: tuple[int, int], classes: ClassMap) -> str:
    """Where a pixel lies in a mask: at the border to the class nearest to it, or inside its own."""
    own = int(mask[pixel])
    corner = [max(0, at - NEAR_PX) for at in pixel]
    around = mask[tuple(slice(low, at + NEAR_PX + 1) for low, at in zip(corner, pixel, strict=True))]
    others = np.argwhere((around != own) & (around != 0))
    if not len(others):
        return f"inside {classes.names[own - 1]}"
    nearest = others[((others + corner - pixel) ** 2).sum(axis=1).argmin()]
    return f"where {classes.names[own - 1]} meets {classes.names[int(around[tuple(nearest)]) - 1]}"


def _nearest(
    suggestion: Suggestion,
    survey: Survey,
    before: Mapping[SliceKey, str],
    queue: Sequence[Suggestion],
    decided: bool,
) -> str:
    """The slice that the distance is to: of those before, the one whose embedding is nearest; and whether even that is far: much for this queue, or no less than usual in it where it `decided`."""
    known = [key for key in before if key != suggestion.key and survey.holds(key)]
    if not known:
        return ""
    (row,) = survey.rows([suggestion.key])
    away = ((survey.embedding[survey.rows(known)] - survey.embedding[row]) ** 2).sum(axis=1)
    nearest = known[int(away.argmin())]
    usual = np.median([s.d for s in queue if s.d is not None] or [math.inf])
    if suggestion.d and (suggestion.d > FAR * usual or (decided and suggestion.d >= usual)):
        return f"unlike all that is labelled: even {nearest} ({before[nearest]}) is far from it"
    return f"most like {nearest} ({before[nearest]})"


def _outweighs(suggestion: Suggestion) -> str:
    if suggestion.strategy == "rareness" and suggestion.d is not None and suggestion.d > DOMINANT:
        return "its distance outweighs the rest: try strategy rareness-normalised"
    return ""


def term_text(value: float | None) -> str:
    """A term with two decimals, or two digits where it is large; a dash where there is none."""
    if value is None:
        return "–"
    return f"{value:.2g}" if abs(value) >= LARGE else f"{value:.2f}".replace("-0.00", "0.00")
