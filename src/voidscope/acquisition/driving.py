"""What drove a choice: the terms in the order in which they set a slice apart, and the pixel that the first of them points at."""

from __future__ import annotations

import numpy as np

from voidscope.acquisition.distances import Floats, nearest_distance
from voidscope.acquisition.pool import Pool
from voidscope.acquisition.rules import Sum
from voidscope.acquisition.scores import rareness, rarest_class
from voidscope.acquisition.select import Picks
from voidscope.acquisition.suggestions import Suggestion
from voidscope.acquisition.survey import Survey

TERMS = ("uncertainty", "rareness", "distance")
"""The terms of the score; of equal ones the first."""
LEAST = -1e100
"""Below every lift, but not that of a term without weight."""
_SAMPLE = 1000
"""Candidates among which the usual distance is measured."""


def reasons_of(survey: Survey, pool: Pool, picks: Picks, rule: Sum) -> list[tuple[str, ...]]:
    """`TERMS` for each pick, most decisive first: by how far each lifted its score above that of the usual candidate.

    A term without weight decided nothing and comes last. So does rareness where the slice's rarest class is no rarer
    than that of the least rare candidate: while a weak model sees every class everywhere, none sets a slice apart. A distance
    that is not above the usual one comes after the terms with a weight: nobody is told that a slice is far which is near.
    """
    lifts = rule.lifts(survey, pool, picks, _usual_distances(survey, pool, picks))
    by_class = rareness(survey, "max")
    apart = by_class[picks.rows] > by_class[pool.candidates].min()
    lifts["rareness"] = np.where(apart, lifts["rareness"], -np.inf)
    lifts["distance"] = np.where(lifts["distance"].round(9) > 0, lifts["distance"], LEAST)
    columns = np.column_stack(
        [lifts[name] if getattr(rule, name) else np.full(len(picks.rows), -np.inf) for name in TERMS]
    )
    order = np.argsort(-columns.round(9), axis=1, kind="stable")
    return [tuple(TERMS[k] for k in row) for row in order.tolist()]


def driving_pixel(survey: Survey, row: int, reasons: tuple[str, ...]) -> tuple[int, int]:
    """(y, x) to look at first: of the first reason that has a pixel, as the distance, which is between slices, has not.

    Rareness has the most confident pixel of the slice's rarest class, uncertainty the most uncertain one, which is also what
    there is to look at where no term was summed.
    """
    first = next((name for name in reasons if name != "distance"), "uncertainty")
    at = (
        survey.class_pixel[row, rarest_class(survey)[row]]
        if first == "rareness"
        else survey.entropy_pixel[row]
    )
    return int(at[0]), int(at[1])


def reasons_told(suggestion: Suggestion, survey: Survey) -> tuple[str, ...]:
    """The reasons of a suggestion; of one that was stored without any, what its pixel tells."""
    rare_first = ("rareness", "uncertainty", "distance")
    (row,) = survey.rows([suggestion.key])
    at_class = suggestion.pixel == driving_pixel(survey, row, rare_first)
    return suggestion.reasons or (rare_first if at_class else TERMS)


def _usual_distances(survey: Survey, pool: Pool, picks: Picks) -> Floats:
    """The mean distance to what is labelled and picked of the candidates that were left as each pick was made, (K,); 0 where there is no distance."""
    rows = pool.candidates[:: -(-len(pool.candidates) // _SAMPLE)]
    nearest, usual = nearest_distance(survey.embedding, rows, survey.embedding[pool.anchors]), []
    left = np.ones(len(rows), bool)
    for pick in picks.rows:
        known = left.any() and np.isfinite(nearest).all()
        usual.append(float(nearest[left].mean()) if known else 0.0)
        nearest = np.minimum(nearest, nearest_distance(survey.embedding, rows, survey.embedding[[pick]]))
        left &= rows != pick
    return np.array(usual)
