from __future__ import annotations

import json
from collections.abc import Iterable, Set
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from makers import NAMES, make
from pools import EXTRAS, TOP_PERCENT, flat_survey, pool, spread_over, survey_of, with_counts

from voidscope.acquisition import (
    UNASKED,
    Decision,
    Near,
    Pool,
    Strategy,
    Suggestion,
    Survey,
    SurveyError,
    draw_first,
    draw_unasked,
    limits_of,
    rareness,
    serves,
    strategy_for,
    uncertainty,
)
from voidscope.config import SuggestConfig
from voidscope.errors import ConfigError
from voidscope.vocabulary import SliceKey


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def random_start(
    keys: Iterable[SliceKey], budget: int, generator: np.random.Generator
) -> tuple[Suggestion, ...]:
    """The first slices of a new project in the paper's way."""
    pool = Pool.of(sorted(keys), frozenset())
    return draw_first(SuggestConfig(first="random"), pool, budget, generator)


def keys_of(suggestions: tuple[Suggestion, ...]) -> list[SliceKey]:
    return [s.key for s in suggestions]


@pytest.fixture(scope="module")
def survey() -> Survey:
    return survey_of(pool(40))


@pytest.fixture(scope="module")
def labelled(survey: Survey) -> Set[SliceKey]:
    return frozenset(survey.keys[i] for i in (3, 17, 29))


VARIANTS = [(n, "max") for n in NAMES] + [
    (n, a) for n in NAMES if n.startswith(("rareness", "entropy")) for a in ("mean", "top", "patch")
]


@pytest.fixture(params=VARIANTS, ids=lambda p: "-".join(p))
def strategy(request: pytest.FixtureRequest) -> Strategy:
    name, aggregation = request.param
    return make(name, aggregation=aggregation)


class TestContract:
    """What holds for every strategy."""

    @pytest.mark.parametrize("budget", [1, 5, 37])
    def test_the_budget_is_met_exactly_with_slices_that_need_labels(
        self, strategy: Strategy, survey: Survey, labelled: Set[SliceKey], budget: int
    ) -> None:
        chosen = keys_of(strategy(survey, labelled, budget, rng()))
        assert len(chosen) == len(set(chosen)) == budget
        assert set(chosen) <= set(survey.keys) - set(labelled)

    def test_an_excluded_slice_is_never_suggested(
        self, strategy: Strategy, survey: Survey, labelled: Set[SliceKey]
    ) -> None:
        first = keys_of(strategy(survey, labelled, 5, rng()))
        excluded = {*first, SliceKey("never surveyed", 0)}
        again = keys_of(strategy(survey, labelled, 32, rng(), excluded))
        assert set(again) == set(survey.keys) - set(labelled) - excluded

    def test_the_same_generator_state_gives_the_same_suggestions(
        self, strategy: Strategy, survey: Survey, labelled: Set[SliceKey]
    ) -> None:
        assert strategy(survey, labelled, 9, rng()) == strategy(survey, labelled, 9, rng())

    def test_the_order_in_which_slices_were_labelled_changes_nothing(
        self, strategy: Strategy, survey: Survey, labelled: Set[SliceKey]
    ) -> None:
        ordered = dict.fromkeys(sorted(labelled)).keys()
        backwards = dict.fromkeys(sorted(labelled, reverse=True)).keys()
        assert strategy(survey, ordered, 9, rng()) == strategy(survey, backwards, 9, rng())

    def test_ranks_count_from_one_and_terms_are_those_of_the_survey(
        self, strategy: Any, survey: Survey, labelled: Set[SliceKey]
    ) -> None:
        chosen = strategy(survey, labelled, 6, rng())
        rows = survey.rows(keys_of(chosen))
        assert [s.rank for s in chosen] == [1, 2, 3, 4, 5, 6]
        assert [s.r for s in chosen] == rareness(survey, strategy.aggregation)[rows].tolist()
        assert [s.u for s in chosen] == uncertainty(survey, strategy.aggregation)[rows].tolist()
        assert {s.strategy for s in chosen} == {strategy.name}

    def test_d_is_the_distance_to_the_labelled_and_the_earlier_suggestions(
        self, strategy: Strategy, survey: Survey, labelled: Set[SliceKey]
    ) -> None:
        so_far = list(survey.rows(labelled))
        x = survey.embedding.astype(np.float64)
        for suggestion in strategy(survey, labelled, 8, rng()):
            row = int(survey.rows([suggestion.key])[0])
            assert suggestion.d == pytest.approx(
                min(np.linalg.norm(x[row] - x[j]) for j in so_far), rel=1e-12
            )
            so_far.append(row)

    def test_the_pixel_is_one_that_the_survey_knows(
        self, strategy: Strategy, survey: Survey, labelled: Set[SliceKey]
    ) -> None:
        for s in strategy(survey, labelled, 8, rng()):
            row = int(survey.rows([s.key])[0])
            known = [*survey.class_pixel[row].tolist(), survey.entropy_pixel[row].tolist()]
            assert s.pixel is not None and min(s.pixel) >= 0 and list(s.pixel) in known

    def test_suggestions_survive_json(
        self, strategy: Strategy, survey: Survey, labelled: Set[SliceKey]
    ) -> None:
        for s in strategy(survey, labelled, 4, rng()):
            assert Suggestion.from_entry(json.loads(json.dumps(s.entry()))) == s

    def test_a_pool_of_one_slice_is_suggested_whole(self, strategy: Strategy) -> None:
        survey = survey_of(pool(1))
        (only,) = strategy(survey, frozenset(), 1, rng())
        assert (only.key, only.rank, only.d) == (survey.keys[0], 1, 0.0)

    def test_with_nothing_labelled_the_budget_is_met_too(self, strategy: Strategy, survey: Survey) -> None:
        chosen = strategy(survey, frozenset(), 40, rng())
        assert sorted(keys_of(chosen)) == list(survey.keys)
        assert chosen[0].d == 0.0 and chosen[1].d is not None and chosen[1].d > 0

    def test_slices_that_look_all_alike_are_suggested_without_repeats(self, strategy: Strategy) -> None:
        survey = flat_survey(12, np.full((12, 3), 0.1))
        chosen = strategy(survey, frozenset(survey.keys[:2]), 10, rng())
        assert sorted(keys_of(chosen)) == list(survey.keys[2:])
        assert all(s.d == 0.0 for s in chosen)

    def test_a_class_the_model_never_predicts_is_no_trouble(self, strategy: Strategy) -> None:
        survey = survey_of(pool(20, absent=1))
        chosen = strategy(survey, frozenset(survey.keys[:1]), 19, rng())
        assert sorted(keys_of(chosen)) == list(survey.keys[1:])
        assert all(s.pixel is not None and min(s.pixel) >= 0 for s in chosen)

    def test_the_survey_is_left_as_it_was(self, strategy: Strategy, survey: Survey) -> None:
        before = {name: array.copy() for name, array in survey.arrays().items()}
        strategy(survey, frozenset(survey.keys[:3]), 9, rng())
        assert all(np.array_equal(array, before[name]) for name, array in survey.arrays().items())

    def test_slices_that_are_there_twice_are_both_suggested_in_the_end(self, strategy: Strategy) -> None:
        survey = spread_over(2, 6)
        twice = replace(
            survey,
            **{n: np.concatenate([a[:6], a[:6]]) for n, a in survey.arrays().items() if n != "top_percent"},
        )
        chosen = strategy(twice, frozenset(twice.keys[:1]), 11, rng())
        assert sorted(keys_of(chosen)) == list(twice.keys[1:])

    def test_without_limits_nothing_is_said_to_have_given_way(
        self, strategy: Strategy, survey: Survey
    ) -> None:
        assert {s.relaxed for s in strategy(survey, frozenset(), 40, rng())} == {()}

    @pytest.mark.parametrize("budget", [0, 38, 500])
    def test_a_budget_that_cannot_be_met_names_both_numbers_and_the_way_out(
        self, strategy: Strategy, survey: Survey, labelled: Set[SliceKey], budget: int
    ) -> None:
        with pytest.raises(
            ConfigError, match=rf"budget is {budget}, but 37 slices .* set suggest\.budget to 1\.\.37"
        ):
            strategy(survey, labelled, budget, rng())

    def test_nothing_left_to_suggest_says_so(self, strategy: Strategy, survey: Survey) -> None:
        with pytest.raises(ConfigError, match="but 0 slices are left to suggest; add scans or remove labels"):
            strategy(survey, frozenset(survey.keys), 1, rng())

    def test_a_labelled_slice_that_was_never_surveyed_is_refused(
        self, strategy: Strategy, survey: Survey
    ) -> None:
        with pytest.raises(SurveyError, match="new/0001 is not among the 40 surveyed slices"):
            strategy(survey, frozenset([SliceKey("new", 1)]), 1, rng())


def plain_sum(
    survey: Survey, labelled: Set[SliceKey], budget: int, how: Any, weights: tuple[float, float, float]
) -> Any:
    """Algorithm 1 with Eq. 4, one slice at a time."""
    x = survey.embedding.astype(np.float64)
    r, u = rareness(survey, how), uncertainty(survey, how)
    done, picks = [int(i) for i in survey.rows(labelled)], []
    for _ in range(budget):
        best = None
        for i in range(len(survey)):
            if i not in done:
                d = min(np.sqrt(((x[i] - x[j]) ** 2).sum()) for j in done)
                s = weights[0] * r[i] + weights[1] * u[i] + weights[2] * d
                best = (s, i) if best is None or s > best[0] else best
        picks.append((survey.keys[best[1]], best[0]))  # type: ignore[index]
        done.append(best[1])  # type: ignore[index]
    return picks


@pytest.mark.parametrize("how", ["max", "mean", "top", "patch"])
@pytest.mark.parametrize("weights", [(1, 1, 1), (0, 1, 0), (1, 1, 0), (0, 1, 1), (1, 0, 0), (0.3, 2, 0.7)])
def test_rareness_is_the_papers_plain_sum_with_every_ablation(
    survey: Survey, labelled: Set[SliceKey], how: str, weights: tuple[float, float, float]
) -> None:
    strategy = make(
        "rareness",
        aggregation=how,
        **dict(zip(("rareness", "uncertainty", "distance"), weights, strict=True)),
    )
    chosen = strategy(survey, labelled, 12, rng())
    expected = plain_sum(survey, labelled, 12, how, weights)
    assert keys_of(chosen) == [key for key, _ in expected]
    assert [s.score for s in chosen] == pytest.approx([score for _, score in expected], rel=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_coreset_equals_the_distance_only_ablation(seed: int) -> None:
    survey = survey_of(pool(35, seed=seed))
    for labelled in (frozenset[SliceKey](), frozenset(survey.keys[seed : seed + 4])):
        alone = make("rareness", rareness=0, uncertainty=0)(survey, labelled, 20, rng())
        coreset = make("coreset")(survey, labelled, 20, rng())
        assert keys_of(coreset) == keys_of(alone)
        assert [s.score for s in coreset] == [s.d for s in coreset]


@pytest.mark.parametrize("how", ["max", "mean"])
def test_entropy_equals_the_uncertainty_only_ablation_and_a_plain_sort(
    survey: Survey, labelled: Set[SliceKey], how: str
) -> None:
    entropy = make("entropy", aggregation=how)(survey, labelled, 20, rng())
    alone = make("rareness", aggregation=how, rareness=0, distance=0)(survey, labelled, 20, rng())
    u = uncertainty(survey, how)  # type: ignore[arg-type]
    order = [survey.keys[i] for i in np.argsort(-u, kind="stable") if survey.keys[i] not in labelled]
    assert keys_of(entropy) == keys_of(alone) == order[:20]
    assert [s.score for s in entropy] == [s.u for s in entropy]


def test_coreset_with_nothing_labelled_opens_with_the_most_central_slice() -> None:
    survey = flat_survey(5, [[0.0], [10], [6], [7], [12]])
    assert [k.index for k in keys_of(make("coreset")(survey, frozenset(), 3, rng()))] == [3, 0, 4]


def test_rareness_with_nothing_labelled_opens_with_the_highest_r_plus_u(survey: Survey) -> None:
    first = make("rareness")(survey, frozenset(), 1, rng())[0]
    assert survey.keys[int((rareness(survey) + uncertainty(survey)).argmax())] == first.key
    assert first.score == first.r + first.u  # type: ignore[operator]


def test_a_rare_class_is_suggested_before_equally_uncertain_slices() -> None:
    counts = np.tile([90, 10, 0], (8, 1))
    counts[5] = [89, 10, 1]
    survey = with_counts(flat_survey(8, np.zeros((8, 2))), counts)
    assert make("rareness")(survey, frozenset(survey.keys[:1]), 1, rng())[0].key.index == 5


def normalised_reference(
    survey: Survey, labelled: Set[SliceKey], budget: int
) -> list[tuple[SliceKey, float]]:
    """z-scores over the candidates, d on the scale of the first pick."""
    x, done = survey.embedding.astype(np.float64), [int(i) for i in survey.rows(labelled)]
    pool_rows = [i for i in range(len(survey)) if i not in done]
    r, u = (
        (t - np.mean([t[i] for i in pool_rows])) / np.std([t[i] for i in pool_rows])
        for t in (rareness(survey), uncertainty(survey))
    )
    scale = np.std([min(np.linalg.norm(x[i] - x[j]) for j in done) for i in pool_rows])
    picks: dict[int, float] = {}
    for _ in range(budget):
        score = {
            i: r[i] + u[i] + min(np.linalg.norm(x[i] - x[j]) for j in [*done, *picks]) / scale
            for i in pool_rows
            if i not in picks
        }
        best = max(score, key=lambda i: score[i])
        picks[best] = float(score[best])
    return [(survey.keys[i], s) for i, s in picks.items()]


@pytest.mark.parametrize("seed", range(4))
def test_the_normalised_sum_equals_a_slow_twin(seed: int) -> None:
    survey = survey_of(pool(30, seed=seed))
    labelled = frozenset(survey.keys[2:6])
    chosen = make("rareness-normalised")(survey, labelled, 12, rng())
    expected = normalised_reference(survey, labelled, 12)
    assert keys_of(chosen) == [key for key, _ in expected]
    assert [s.score for s in chosen] == pytest.approx([score for _, score in expected], rel=1e-9)


def product_reference(survey: Survey, labelled: Set[SliceKey], budget: int, a: float, b: float) -> Any:
    """r^a times u^b, u between 0 and 1 over the candidates, plus d as a share of the greatest d at the start."""
    x, done = survey.embedding.astype(np.float64), [int(i) for i in survey.rows(labelled)]
    left = [i for i in range(len(survey)) if i not in done]
    u = uncertainty(survey)
    low, high = min(u[i] for i in left), max(u[i] for i in left)
    base = {i: rareness(survey)[i] ** a * ((u[i] - low) / (high - low)) ** b for i in left}
    unit = max(min(np.linalg.norm(x[i] - x[j]) for j in done) for i in left)
    picks = []
    for _ in range(budget):
        score = {i: base[i] + min(np.linalg.norm(x[i] - x[j]) for j in done) / unit for i in left}
        best = max(score, key=lambda i: score[i])
        picks.append((survey.keys[best], score[best]))
        done.append(best)
        left.remove(best)
    return picks


@pytest.mark.parametrize("weights", [(1.0, 1.0), (2.0, 1.0), (0.0, 1.0), (1.0, 0.0)])
@pytest.mark.parametrize("seed", range(3))
def test_the_product_equals_a_slow_twin(seed: int, weights: tuple[float, float]) -> None:
    survey = survey_of(pool(25, seed=seed))
    labelled = frozenset(survey.keys[2:6])
    strategy = make("rareness-product", rareness=weights[0], uncertainty=weights[1])
    chosen = strategy(survey, labelled, 12, rng())
    expected = product_reference(survey, labelled, 12, *weights)
    assert keys_of(chosen) == [key for key, _ in expected]
    assert [s.score for s in chosen] == pytest.approx([score for _, score in expected], rel=1e-9)


def test_in_the_product_a_constant_uncertainty_leaves_rareness_to_decide() -> None:
    counts = np.tile([90, 10, 0], (8, 1))
    counts[5] = [89, 10, 1]
    survey = with_counts(flat_survey(8, np.zeros((8, 2))), counts)
    assert make("rareness-product")(survey, frozenset(), 1, rng())[0].key.index == 5


@pytest.mark.parametrize("factor", [1e-3, 512.0])
def test_the_scale_of_the_embedding_does_not_matter_once_normalised(
    labelled: Set[SliceKey], factor: float
) -> None:
    slices = pool(40)
    scaled = [type(s)(s.key, s.probabilities, s.embedding * np.float32(factor)) for s in slices]
    strategy = make("rareness-normalised")
    first, second = (keys_of(strategy(survey_of(p), labelled, 15, rng())) for p in (slices, scaled))
    assert first == second


def test_a_constant_term_counts_nothing_once_normalised() -> None:
    rough = np.random.default_rng(0).normal(size=(15, 3))
    survey = flat_survey(15, rough)
    labelled = frozenset(survey.keys[:2])
    chosen = make("rareness-normalised")(survey, labelled, 10, rng())
    assert keys_of(chosen) == keys_of(make("coreset")(survey, labelled, 10, rng()))
    alike = flat_survey(15, np.ones((15, 3)))
    assert [s.score for s in make("rareness-normalised")(alike, labelled, 3, rng())] == [0, 0, 0]


def test_rounding_in_a_constant_term_is_not_blown_up_once_normalised() -> None:
    survey = flat_survey(15, np.random.default_rng(0).normal(size=(15, 3)))
    entropy = survey.entropy + np.random.default_rng(1).normal(size=(15, 2)) * 1e-8
    noisy = Survey(
        survey.keys,
        survey.counts,
        entropy,
        survey.embedding,
        survey.class_pixel,
        survey.entropy_pixel,
        "noisy",
    )
    labelled = frozenset(survey.keys[:2])
    picks = [keys_of(make("rareness-normalised")(s, labelled, 10, rng())) for s in (survey, noisy)]
    assert picks[0] == picks[1]


def test_a_strategy_whose_terms_all_weigh_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"weigh 0, 0, 0; give one a weight above 0"):
        make("rareness", rareness=0, uncertainty=0, distance=0)
    assert make("entropy", rareness=0, uncertainty=0, distance=0)


def test_random_draws_as_the_random_start_does_and_has_no_score(
    survey: Survey, labelled: Set[SliceKey]
) -> None:
    drawn = make("random")(survey, labelled, 10, rng())
    start = random_start(set(survey.keys) - labelled, 10, rng())
    assert keys_of(drawn) == keys_of(start)
    assert all(s.score is None and s.d > 0 for s in drawn)  # type: ignore[operator]


def test_the_lowest_given_score_is_suggested_first(survey: Survey, labelled: Set[SliceKey]) -> None:
    scores = np.random.default_rng(5).permutation(40) / 40
    chosen = strategy_for(SuggestConfig(strategy="vaal"), scores=scores)(survey, labelled, 10, rng())
    left = [i for i in np.argsort(scores) if survey.keys[i] not in labelled]
    assert keys_of(chosen) == [survey.keys[i] for i in left[:10]]
    assert [s.score for s in chosen] == [scores[i] for i in left[:10]]


def test_a_strategy_of_given_scores_without_scores_is_refused(survey: Survey) -> None:
    with pytest.raises(ConfigError, match="vaal ranks slices by given scores"):
        strategy_for(SuggestConfig(strategy="vaal"))
    for wrong in (np.zeros(3), np.full(40, np.nan)):
        with pytest.raises(SurveyError, match="do not rank 40 slices"):
            strategy_for(SuggestConfig(strategy="vaal"), scores=wrong)(survey, frozenset(), 1, rng())


@pytest.mark.parametrize("name", sorted(UNASKED))
def test_a_strategy_that_asks_no_model_chooses_the_same_without_a_survey(name: str) -> None:
    survey = spread_over(4, 9)
    labelled, excluded = frozenset(survey.keys[2:6]), frozenset(survey.keys[27:])
    config = SuggestConfig(strategy=name, max_per_scan=3, min_slice_gap=1)
    scores = np.random.default_rng(1).random(len(survey))
    pool_ = Pool.of(survey.keys, labelled, excluded, limits_of(config))
    asked = strategy_for(config, scores=scores)(survey, labelled, 8, rng(), excluded)
    unasked = draw_unasked(config, pool_, 8, rng(), scores)
    assert [(s.key, s.rank, s.relaxed, s.strategy) for s in asked] == [
        (s.key, s.rank, s.relaxed, s.strategy) for s in unasked
    ]
    assert {(s.r, s.u, s.d, s.pixel) for s in unasked} == {(None, None, None, None)}
    with pytest.raises(ConfigError, match="but 23 slices are left"):
        draw_unasked(config, pool_, 24, rng(), scores)


class TestServes:
    """Whether a stored survey answers what is asked now."""

    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("how", ["max", "mean", "top", "patch"])
    def test_a_full_survey_serves_every_strategy(self, name: str, how: str) -> None:
        assert serves(
            survey_of(pool(4)), SuggestConfig(strategy=name, aggregation=how, top_percent=TOP_PERCENT)
        )

    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("how", ["max", "mean", "top", "patch"])
    def test_what_a_survey_of_an_older_version_serves_it_answers(self, name: str, how: str) -> None:
        old = replace(survey_of(pool(8)), **dict.fromkeys(EXTRAS))
        if serves(old, SuggestConfig(strategy=name, aggregation=how)):
            assert len(make(name, aggregation=how)(old, frozenset(old.keys[:2]), 3, rng())) == 3
        else:
            with pytest.raises(SurveyError, match=r"lacks .*; suggest again to make it anew"):
                make(name, aggregation=how)(old, frozenset(old.keys[:2]), 3, rng())

    def test_the_papers_strategies_are_served_by_every_survey(self) -> None:
        old = replace(survey_of(pool(8)), **dict.fromkeys(EXTRAS))
        assert all(serves(old, SuggestConfig(strategy=n)) for n in ("rareness", "entropy", "coreset"))
        assert not serves(old, SuggestConfig(strategy="badge"))

    def test_another_top_share_needs_another_survey(self) -> None:
        survey = survey_of(pool(4))
        asked = SuggestConfig(aggregation="top", top_percent=TOP_PERCENT + 1)
        assert not serves(survey, asked)
        assert serves(survey, asked.model_copy(update={"aggregation": "max"}))


class TestDrivingPixel:
    """Where the person looks first."""

    @pytest.fixture
    def some_rare(self) -> Survey:
        counts = np.tile([95, 5, 0], (6, 1))
        counts[2] = counts[4] = [90, 5, 5]
        survey = with_counts(flat_survey(6, np.arange(6)[:, None]), counts)
        pixels = survey.class_pixel.copy()
        pixels[2, 2], pixels[4, 2] = (7, 8), (5, 6)
        return Survey(
            survey.keys, counts, survey.entropy, survey.embedding, pixels, survey.entropy_pixel, "m"
        )

    @pytest.mark.parametrize("how", ["max", "mean"])
    @pytest.mark.parametrize("name", ["rareness", "rareness-normalised"])
    def test_it_is_in_the_rarest_class_where_that_sets_the_slice_apart(
        self, some_rare: Survey, name: str, how: str
    ) -> None:
        chosen = make(name, aggregation=how)(some_rare, frozenset(), 6, rng())
        pixels = {s.key.index: s.pixel for s in chosen}
        assert pixels == {0: (2, 2), 1: (2, 2), 2: (7, 8), 3: (2, 2), 4: (5, 6), 5: (2, 2)}

    @pytest.mark.parametrize("name", ["random", "entropy", "coreset"])
    def test_it_is_the_most_uncertain_one_where_rareness_ranks_nothing(
        self, some_rare: Survey, name: str
    ) -> None:
        assert {s.pixel for s in make(name)(some_rare, frozenset(), 6, rng())} == {(2, 2)}
        assert {s.pixel for s in make("rareness", rareness=0)(some_rare, frozenset(), 6, rng())} == {(2, 2)}

    def test_it_is_the_most_uncertain_one_while_a_weak_model_sees_every_class_everywhere(self) -> None:
        survey = with_counts(flat_survey(6, np.arange(6)[:, None]), np.tile([90, 5, 5], (6, 1)))
        assert {s.pixel for s in make("rareness")(survey, frozenset(), 6, rng())} == {(2, 2)}

    def test_slices_already_labelled_set_no_other_apart(self, some_rare: Survey) -> None:
        common = frozenset(some_rare.keys[i] for i in (0, 1, 3, 5))
        assert {s.pixel for s in make("rareness")(some_rare, common, 2, rng())} == {(2, 2)}


class TestRandomStart:
    """The first slices, before there is a model."""

    KEYS = tuple(SliceKey(f"scan{i % 4}", i) for i in range(20))

    def test_it_draws_the_budget_without_repeats_and_tells_no_scores(self) -> None:
        chosen = random_start(self.KEYS, 12, rng())
        assert len(set(keys_of(chosen))) == 12 and set(keys_of(chosen)) <= set(self.KEYS)
        assert [s.rank for s in chosen] == list(range(1, 13))
        assert {(s.r, s.u, s.d, s.score, s.pixel, s.strategy) for s in chosen} == {
            (None, None, None, None, None, "random")
        }

    def test_the_order_of_the_keys_changes_nothing_and_the_seed_does(self) -> None:
        forth, back = random_start(self.KEYS, 12, rng()), random_start(self.KEYS[::-1], 12, rng())
        assert forth == back != random_start(self.KEYS, 12, np.random.default_rng(8))

    def test_every_slice_is_drawn_equally_often(self) -> None:
        generator = rng()
        drawn = [k.index for _ in range(2000) for k in keys_of(random_start(self.KEYS, 5, generator))]
        often = np.bincount(drawn, minlength=20)
        assert np.all(np.abs(often - 500) < 5 * np.sqrt(500 * 0.75))

    def test_a_budget_that_cannot_be_met_is_refused(self) -> None:
        with pytest.raises(
            ConfigError, match=r"budget is 21, but 20 slices .* set suggest\.budget to 1\.\.20"
        ):
            random_start(self.KEYS, 21, rng())
        with pytest.raises(ConfigError, match="but 0 slices are left"):
            random_start([], 1, rng())

    def test_its_suggestions_survive_json(self) -> None:
        chosen = random_start(self.KEYS, 3, rng())
        assert tuple(Suggestion.from_entry(json.loads(json.dumps(s.entry()))) for s in chosen) == chosen


@pytest.mark.parametrize(
    ("name", "value"),
    [("scan", ...), ("rank", "first"), ("r", "rare"), ("pixel", [1]), ("pixel", 3), ("slice", None)],
)
def test_a_damaged_stored_suggestion_is_refused_in_one_line(name: str, value: Any) -> None:
    entry = Suggestion(SliceKey("scan", 1), 1, 0.9, 1.1, 0.2, 2.2, (3, 4), "rareness").entry()
    damaged = {k: v for k, v in entry.items() if k != name} | ({} if value is ... else {name: value})
    with pytest.raises(SurveyError, match="is not a stored suggestion") as raised:
        Suggestion.from_entry(damaged)
    assert "\n" not in str(raised.value)


class TestVerdict:
    """Where a label could flip a verdict."""

    def test_scans_near_a_limit_go_first_each_slice_by_what_is_undecided_of_what_is_near(self) -> None:
        slices = pool(40)
        survey, void = survey_of(slices), 4

        def by_pixels(s: Any, *columns: int) -> float:
            share = sum(float((s.entropy * s.probabilities[..., c]).sum()) for c in columns)
            return share / float(np.log(s.probabilities.shape[2]))

        near = {"scan01": (Near(0.5, (void,)),), "scan03": (Near(0.2, (void,)), Near(1.0, (1, 2)))}
        scores = []
        for s in slices:
            found = [n.chance * by_pixels(s, *n.columns) for n in near.get(s.key.scan, ())]
            scores.append(max(found, default=0.0))
        rank = strategy_for(SuggestConfig(strategy="verdict"), decision=Decision(near, (void,)))
        chosen = rank(survey, frozenset(), 40, rng())
        expected = sorted(
            range(40),
            key=lambda i: (
                slices[i].key.scan not in near,
                -scores[i],
                -by_pixels(slices[i], void),
                slices[i].key,
            ),
        )
        assert keys_of(chosen) == [slices[i].key for i in expected]
        for suggestion, i in zip(chosen, expected, strict=True):
            assert suggestion.score == pytest.approx(scores[i], rel=1e-5)

    def test_a_slice_sure_of_itself_or_without_void_holds_nothing_undecided(self) -> None:
        sure = flat_survey(6, np.arange(6.0)[:, None])
        flat = replace(sure, class_entropy=np.zeros((6, 3)))
        rank = strategy_for(
            SuggestConfig(strategy="verdict"), decision=Decision({"scan": (Near(1, (2,)),)}, (2,))
        )
        assert {s.score for s in rank(flat, frozenset(), 6, rng())} == {0.0}
        assert all(s.score and s.score > 0 for s in rank(sure, frozenset(), 6, rng()))

    def test_without_a_decision_it_says_what_is_missing(self) -> None:
        with pytest.raises(ConfigError, match="measure first"):
            strategy_for(SuggestConfig(strategy="verdict"))
