"""Why this slice: a suggestion in the words a person would use."""

from __future__ import annotations

from voidscope.acquisition import Suggestion, Survey, gave_way
from voidscope.vocabulary import ClassMap

FIRST = {"foreground": "One of each kind of slice, by grey levels, for there is no model yet."}
"""Why a slice is in a first batch, where the name of what chose it does not say so."""
VOIDS = " Label some slices with void in them if you can."
LARGE = 1000.0
"""From here on a term is told by its order of magnitude."""
DOMINANT = 5.0
"""A distance that rareness (at most 1) and uncertainty (at most ln C) together cannot outweigh."""


def explain(suggestion: Suggestion, survey: Survey | None, classes: ClassMap) -> str:
    """One or two sentences on what speaks for labelling this slice, and on what was given up for it."""
    if survey is None or suggestion.r is None or not survey.holds(suggestion.key):
        said = FIRST.get(suggestion.strategy, f"Chosen by {suggestion.strategy}, without a model.") + VOIDS
    else:
        said = " · ".join((_rarest(suggestion, survey, classes), _unsure(suggestion), _far(suggestion)))
    return f"{said} {gave_way(suggestion)}".rstrip()


def _rarest(suggestion: Suggestion, survey: Survey, classes: ClassMap) -> str:
    """The rarest class predicted in the slice; with max aggregation it alone makes the rareness."""
    shares = survey.class_distribution()
    (row,) = survey.rows([suggestion.key])
    present = [c for c in range(len(classes)) if survey.counts[row, c]]
    rarest = min(present, key=lambda c: shares[c])
    everywhere = all(survey.counts[:, rarest] > 0)
    name = classes.names[rarest]
    if everywhere:
        return f"{name} is predicted in every slice, so rareness says nothing yet"
    return f"contains predicted {name} ({shares[rarest]:.2%} of predictions)"


def _unsure(suggestion: Suggestion) -> str:
    return f"uncertainty {term_text(suggestion.u)}" if suggestion.u is not None else "uncertainty unknown"


def _far(suggestion: Suggestion) -> str:
    if suggestion.d is None:
        return "distance unknown"
    said = f"distance {term_text(suggestion.d)} to what is labelled"
    said += " or earlier in this queue" if suggestion.rank > 1 else ""
    if suggestion.strategy == "rareness" and suggestion.d > DOMINANT:
        return said + ", which outweighs the rest: try strategy rareness-normalised"
    return said


def term_text(value: float | None) -> str:
    """A term with two decimals, or two digits where it is large; a dash where there is none."""
    if value is None:
        return "–"
    return f"{value:.2g}" if abs(value) >= LARGE else f"{value:.2f}".replace("-0.00", "0.00")
