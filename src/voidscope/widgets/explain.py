"""Why this slice: a suggestion in the words a person would use."""

from __future__ import annotations

from voidscope.acquisition import Suggestion, Survey
from voidscope.vocabulary import ClassMap


def explain(suggestion: Suggestion, survey: Survey | None, classes: ClassMap) -> str:
    """One or two sentences on what speaks for labelling this slice."""
    if survey is None or suggestion.r is None or not survey.holds(suggestion.key):
        return "No model yet: the first slices are drawn at random. Label some with void in them if you can."
    return " · ".join((_rarest(suggestion, survey, classes), _unsure(suggestion), _far(suggestion)))


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
    return f"contains predicted {name}, {shares[rarest]:.2%} of all pixels"


def _unsure(suggestion: Suggestion) -> str:
    return f"uncertainty {suggestion.u:.2f}" if suggestion.u is not None else "uncertainty unknown"


def _far(suggestion: Suggestion) -> str:
    return (
        f"distance {suggestion.d:.2f} to what is labelled" if suggestion.d is not None else "distance unknown"
    )
