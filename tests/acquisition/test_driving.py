"""The term that decided for a slice, and the pixel that it points at: one concept, which card and box both read."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pools import flat_survey, pool, survey_of, with_counts

from voidscope.acquisition import Suggestion, Survey, reasons_told, strategy_for
from voidscope.acquisition.driving import TERMS
from voidscope.config import SuggestConfig

CLASS_PIXEL, UNSURE_PIXEL = (7, 8), (3, 4)


def suggested(
    survey: Survey, labelled: int = 0, budget: int | None = None, **fields: Any
) -> dict[int, Suggestion]:
    """What is suggested, by the slice's index; the first `labelled` slices are labelled."""
    strategy = strategy_for(SuggestConfig(**fields))
    left = len(survey) - labelled if budget is None else budget
    chosen = strategy(survey, frozenset(survey.keys[:labelled]), left, np.random.default_rng(0))
    return {s.key.index: s for s in chosen}


@pytest.fixture
def mixed() -> Survey:
    """Six slices alike but for this: 3 and 5 hold a rare class, 4 and 5 are unsure, 5 much more than 3 is rare."""
    counts = np.tile([100, 0, 0], (6, 1))
    counts[[3, 5]] = [95, 0, 5]
    entropy = np.tile([0.2, 0.1], (6, 1))
    entropy[[4, 5], 0] = 1.0
    survey = with_counts(flat_survey(6, np.zeros((6, 2))), counts)
    seen = survey.class_pixel.copy()
    seen[[3, 5], 2] = CLASS_PIXEL
    return replace(survey, entropy=entropy, class_pixel=seen, entropy_pixel=np.tile(UNSURE_PIXEL, (6, 1)))


@pytest.mark.parametrize("strategy", ["rareness", "rareness-normalised", "rareness-product"])
def test_the_pixel_is_of_the_term_that_lifted_the_slice_most(mixed: Survey, strategy: str) -> None:
    chosen = suggested(mixed, 1, strategy=strategy)
    assert (chosen[3].reasons[0], chosen[3].pixel) == ("rareness", CLASS_PIXEL)
    assert (chosen[4].reasons[0], chosen[4].pixel) == ("uncertainty", UNSURE_PIXEL)


def test_a_rare_class_does_not_take_the_box_where_being_unsure_decided(mixed: Survey) -> None:
    chosen = suggested(mixed, 1)[5]
    assert (chosen.reasons[:2], chosen.pixel) == (("uncertainty", "rareness"), UNSURE_PIXEL)
    heavy = suggested(mixed, 1, rareness=3.0)[5]
    assert (heavy.reasons[:2], heavy.pixel) == (("rareness", "uncertainty"), CLASS_PIXEL)


def test_a_slice_chosen_for_its_distance_says_so_and_has_the_pixel_of_what_is_next(mixed: Survey) -> None:
    embedding = np.zeros((6, 2), np.float32)
    embedding[[1, 3]] = [[9, 0], [0, 9]]
    chosen = suggested(replace(mixed, embedding=embedding), 1)
    assert (chosen[1].reasons, chosen[1].pixel) == (("distance", "uncertainty", "rareness"), UNSURE_PIXEL)
    assert (chosen[3].reasons, chosen[3].pixel) == (("distance", "rareness", "uncertainty"), CLASS_PIXEL)
    assert chosen[4].reasons[0] == "uncertainty"


def test_a_slice_that_is_near_was_not_chosen_for_its_distance(mixed: Survey) -> None:
    """Not even where the other terms lifted it less: neither where all are alike, nor the nearest of all."""
    assert "distance" not in {s.reasons[0] for s in suggested(mixed, 1).values()}
    embedding = np.array([[0, 0], [0.1, 0], [0.1, 0.05], [0.3, 0], [0, 0.3], [0.3, 0.3]], np.float32)
    chosen = suggested(replace(mixed, embedding=embedding), 1).values()
    assert min(chosen, key=lambda s: s.d).reasons[0] != "distance"


def test_a_term_without_weight_decides_nothing(mixed: Survey) -> None:
    assert suggested(mixed, 1, rareness=0.0)[3].reasons[-1] == "rareness"
    assert suggested(mixed, 1, uncertainty=0.0)[5].reasons[0] == "rareness"
    assert {s.reasons[0] for s in suggested(mixed, 1, strategy="entropy").values()} == {"uncertainty"}
    assert {s.reasons[0] for s in suggested(mixed, 1, strategy="coreset").values()} == {"distance"}


@pytest.mark.parametrize("strategy", ["random", "badge"])
def test_where_no_terms_were_summed_there_are_no_reasons_and_the_unsure_pixel(
    mixed: Survey, strategy: str
) -> None:
    chosen = suggested(mixed, 1, strategy=strategy)
    assert {(s.reasons, s.pixel) for s in chosen.values()} == {((), UNSURE_PIXEL)}
    assert {reasons_told(s, mixed) for s in chosen.values()} == {TERMS}


@pytest.mark.parametrize("labelled", [0, 5])
def test_the_lifts_of_a_plain_sum_follow_their_slow_twin(labelled: int) -> None:
    survey = survey_of(pool(12, largest=6))
    strategy = strategy_for(SuggestConfig())
    order = strategy(survey, frozenset(survey.keys[:labelled]), 5, np.random.default_rng(0))
    r = np.exp(
        -np.array([min(survey.class_distribution()[c] for c in range(5) if n[c]) for n in survey.counts])
    )
    left = list(range(labelled, 12))
    u, near = survey.entropy[:, 0], list(survey.embedding[:labelled].astype(float))
    for s in order:
        row = survey.keys.index(s.key)
        away = [
            min((float(np.linalg.norm(e - a)) for a in near), default=0.0)
            for e in survey.embedding.astype(float)
        ]
        lifts = {
            "rareness": r[row] - r[labelled:].mean() if r[row] > r[labelled:].min() else -np.inf,
            "uncertainty": u[row] - u[labelled:].mean(),
            "distance": away[row] - np.mean([away[k] for k in left]),
        }
        lifts["distance"] = lifts["distance"] if lifts["distance"] > 0 else -1e9
        assert s.reasons == tuple(sorted(TERMS, key=lambda name: -lifts[name]))
        near.append(survey.embedding[row].astype(float))
        left.remove(row)


def test_reasons_survive_json_and_those_of_an_older_queue_are_read_from_its_pixel(mixed: Survey) -> None:
    new = suggested(mixed, 1)[5]
    assert Suggestion.from_entry(json.loads(json.dumps(new.entry()))) == new
    entry = {k: v for k, v in new.entry().items() if k != "reasons"}
    old = Suggestion.from_entry(entry | {"pixel": list(CLASS_PIXEL)})
    assert (old.reasons, reasons_told(old, mixed)[0]) == ((), "rareness")
    assert reasons_told(Suggestion.from_entry(entry), mixed)[0] == "uncertainty"
