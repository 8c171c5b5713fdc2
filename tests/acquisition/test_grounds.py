"""On what grounds a queue was ranked: spread of the terms, which decided, what limits cost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from voidscope.acquisition import Grounds, LimitCost, Survey, SurveyRow, Term, ranked, strategy_for
from voidscope.acquisition.grounds import rank_correlation
from voidscope.config import SuggestConfig
from voidscope.vocabulary import SliceKey


def survey_of(n: int = 24, seed: int = 0, everywhere: bool = False) -> Survey:
    """A survey of two scans; `everywhere` predicts every class in every slice, so that rareness is constant."""
    rng, rows = np.random.default_rng(seed), []
    for k in range(n):
        counts = np.array([60, 30, 10]) if everywhere else np.array([60, 30, 10 * (k % 3 == 0)])
        pixel = np.where(counts[:, None] > 0, 1, -1) * np.ones((3, 2), int)
        mean = rng.uniform(0.1, 0.4)
        rows.append(
            SurveyRow(SliceKey("ab"[k % 2], k // 2), counts, mean + rng.uniform(0, 0.5), mean, rng.random(4, dtype=np.float32), pixel, (1, 1))
        )  # fmt: skip
    return Survey.collect(rows, "model")


LABELLED = frozenset({SliceKey("a", 0), SliceKey("b", 5)})


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(-3, 3)), min_size=3, max_size=30))
def test_the_rank_correlation_is_scipys(pairs: list[tuple[int, float]]) -> None:
    x, y = np.array(pairs).T
    if np.ptp(x) and np.ptp(y):
        assert rank_correlation(x, y) == pytest.approx(spearmanr(x, y).statistic, abs=1e-9)


def test_terms_are_what_the_candidates_have_as_the_batch_begins() -> None:
    survey = survey_of()
    picks, grounds = ranked(strategy_for(SuggestConfig()), survey, LABELLED, 3, [0])
    free = [k for k in survey.keys if k not in LABELLED]
    rows = survey.rows(free)
    known = survey.embedding[survey.rows(sorted(LABELLED))].astype(float)
    d = np.array([min(np.linalg.norm(survey.embedding[r] - a) for a in known) for r in rows])
    u = survey.entropy[rows, 0]
    assert grounds.term("uncertainty") is not None
    by_name = {t.name: t for t in grounds.terms}
    assert (by_name["uncertainty"].low, by_name["uncertainty"].high) == (u.min(), u.max())
    assert by_name["distance"].sd == pytest.approx(d.std(), rel=1e-5)
    present = survey.counts[rows] > 0
    r = np.exp(-np.where(present, survey.class_distribution(), np.inf).min(axis=1))
    assert by_name["distance"].agreement == pytest.approx(spearmanr(d, r + u + d).statistic, abs=1e-6)
    assert picks[0].score == pytest.approx((r + u + d).max(), rel=1e-6)
    assert grounds.text() == ""


def test_a_constant_term_is_warned_of_and_what_decided_is_named() -> None:
    _, grounds = ranked(strategy_for(SuggestConfig()), survey_of(everywhere=True), LABELLED, 3, [0])
    term = grounds.term("rareness")
    assert term is not None and term.is_constant and term.place(0.9) is None
    assert grounds.text().startswith("Rareness (0.90) is the same for every slice and decided nothing;")
    assert "distance (rank correlation" in grounds.text()


def test_a_term_without_a_weight_is_not_warned_of() -> None:
    config = SuggestConfig(rareness=0.0)
    _, grounds = ranked(strategy_for(config), survey_of(everywhere=True), LABELLED, 3, [0])
    assert grounds.text() == ""


@pytest.mark.parametrize("strategy", ["random", "strided", "coregcn"])
def test_what_no_sum_ranked_blames_no_term(strategy: str) -> None:
    strategy_ = strategy_for(SuggestConfig(strategy=strategy))
    _, grounds = ranked(strategy_, survey_of(everywhere=True), LABELLED, 3, [0])
    assert [t.counted for t in grounds.terms] == [False] * 3
    assert grounds.text() == ""


def test_when_all_is_alike_nothing_told_slices_apart() -> None:
    terms = tuple(Term(n, 0.5, 0.5, 0.0, None, True) for n in ("rareness", "uncertainty"))
    assert Grounds(terms).text().endswith("are the same for every slice: nothing told slices apart.")


def test_limits_cost_what_the_free_queue_has_more() -> None:
    survey = survey_of()
    config = SuggestConfig(min_slice_gap=4)
    picks, grounds = ranked(strategy_for(config), survey, LABELLED, 3, [0])
    free, none = ranked(strategy_for(SuggestConfig()), survey, LABELLED, 3, [0])
    assert none.limits is None
    cost = grounds.limits
    assert cost is not None
    assert cost.moved == len({p.key for p in free} - {p.key for p in picks}) > 0
    assert cost.free_score == pytest.approx(np.mean([p.score for p in free]))
    assert f"replaced {cost.moved} of 3 slices" in grounds.text()


@pytest.mark.parametrize(
    ("cost", "said"),
    [
        (LimitCost(0, 5, 1.0, 1.0), "The limits changed nothing."),
        (LimitCost(2, 5, None, None), "The limits replaced 2 of 5 slices."),
        (LimitCost(2, 5, 1.5, 1.75), "The limits replaced 2 of 5 slices; mean score 1.50 instead of 1.75."),
    ],
)
def test_the_cost_is_told(cost: LimitCost, said: str) -> None:
    grounds = Grounds(limits=cost)
    assert grounds.text() == said
    assert Grounds.from_entry(grounds.entry()) == grounds


@pytest.mark.parametrize(("value", "place"), [(1.0, 0.0), (2.0, 0.5), (3.0, 1.0), (9.0, 1.0), (None, None)])
def test_a_value_has_its_place_between_least_and_greatest(value: float | None, place: float | None) -> None:
    assert Term("distance", 1.0, 3.0, 0.5, 0.1, True).place(value) == place
