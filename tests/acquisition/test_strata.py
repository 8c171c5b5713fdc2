"""Drawing by class: how often each class has its turn, and how the noise of ClaSP fades."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from pools import flat_survey, pool, survey_of, with_counts

from voidscope.acquisition import Pool
from voidscope.acquisition.strata import NOISE_FROM, NOISE_TO, clasp, foreground_aware
from voidscope.acquisition.survey import Survey


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def everything(survey: Survey) -> Pool:
    return Pool.of(survey.keys, frozenset())


@pytest.fixture
def imbalanced() -> Survey:
    """Of 100 slices 80 hold background only, 18 the second class and 2 the third."""
    counts = np.tile([100, 0, 0], (100, 1))
    counts[80:98] = [50, 50, 0]
    counts[98:] = [90, 0, 10]
    return with_counts(flat_survey(100, np.zeros((100, 1))), counts)


def first_picks(survey: Survey, n: int, **settings: object) -> np.ndarray:
    generator = rng()
    return np.array(
        [
            int(foreground_aware(survey, everything(survey), 1, generator, **settings).rows[0])
            for _ in range(n)
        ]  # type: ignore[arg-type]
    )


def test_two_thirds_hold_foreground_and_a_rare_class_is_drawn_as_often_as_a_common_one(
    imbalanced: Survey,
) -> None:
    n = 4000
    drawn = first_picks(imbalanced, n)
    shares = [np.mean(drawn < 80), np.mean((drawn >= 80) & (drawn < 98)), np.mean(drawn >= 98)]
    expected = [80 / 300, 1 / 3 + 18 / 300, 1 / 3 + 2 / 300]
    assert shares == pytest.approx(expected, abs=5 * np.sqrt(0.25 / n))


def test_slices_of_a_class_are_drawn_equally_often(imbalanced: Survey) -> None:
    drawn = Counter(first_picks(imbalanced, 4000).tolist())
    assert abs(drawn[98] - drawn[99]) < 5 * np.sqrt(4000 * 0.34)


def test_which_classes_are_foreground_is_for_the_caller_to_say(imbalanced: Survey) -> None:
    assert np.mean(first_picks(imbalanced, 2000, foreground=[2]) >= 98) == pytest.approx(
        2 / 3 + 2 / 300, abs=0.06
    )


def test_with_no_foreground_predicted_the_draw_is_uniform() -> None:
    drawn = first_picks(flat_survey(10, np.zeros((10, 1))), 2000)
    assert np.abs(np.bincount(drawn, minlength=10) - 200).max() < 5 * np.sqrt(180)


def test_a_class_whose_slices_are_used_up_is_passed_over(imbalanced: Survey) -> None:
    picks = foreground_aware(imbalanced, everything(imbalanced), 30, rng())
    assert {98, 99} <= set(picks.rows.tolist()) and len(set(picks.rows.tolist())) == 30


def quiet(survey: Survey, budget: int, seed: int = 0) -> list[int]:
    """ClaSP in its last cycle, whose noise is too small to change an order of scores far apart."""
    return clasp(survey, everything(survey), budget, rng(seed), cycle=1, cycles=1).rows.tolist()


@pytest.fixture
def sorted_by_class() -> Survey:
    """Entropy of class 1 falls from slice 0 on, of class 2 from slice 29 back; by far the most is in the middle."""
    survey = flat_survey(30, np.zeros((30, 1)))
    of_class = np.zeros((30, 3))
    of_class[:, 1] = 0.2 * 0.5 ** np.arange(30)
    of_class[:, 2] = of_class[::-1, 1]
    of_class[13:17, 0] = [0.3, 0.5, 0.4, 0.35]
    mean = of_class.sum(axis=1)
    return replace(survey, class_entropy=of_class, entropy=np.column_stack([mean + 0.1, mean]))


def test_a_batch_is_split_over_the_classes_and_a_third_goes_to_entropy_alone(sorted_by_class: Survey) -> None:
    chosen = quiet(sorted_by_class, 12)
    assert sorted(chosen) == [0, 1, 2, 3, 13, 14, 15, 16, 26, 27, 28, 29]


@pytest.mark.parametrize(("budget", "plain"), [(3, 1), (12, 4), (25, 9), (50, 17), (100, 34)])
def test_34_per_cent_are_ranked_by_entropy_alone(budget: int, plain: int) -> None:
    """Scores tell which ranking a slice comes from: those by entropy are far above those by a class."""
    survey = flat_survey(200, np.zeros((200, 1)))
    survey = replace(survey, class_entropy=np.full((200, 3), 1e-6), entropy=np.full((200, 2), 0.5))
    picks = clasp(survey, everything(survey), budget, rng(), cycle=1, cycles=1)
    assert len(set(picks.rows.tolist())) == budget
    assert (np.asarray(picks.scores) > np.log(1e-3)).sum() == plain
    none = clasp(survey, everything(survey), budget, rng(), cycle=1, cycles=1, foreground=[])
    assert (np.asarray(none.scores) > np.log(1e-3)).all(), "with no foreground all are ranked by entropy"


def spread_of_noise(cycle: int, cycles: int, n: int = 3000, budget: int = 3000) -> float:
    """Standard deviation of score minus log entropy, where all classes are alike and only noise differs."""
    survey = flat_survey(n, np.zeros((n, 1)))
    picks = clasp(survey, everything(survey), budget, rng(), cycle=cycle, cycles=cycles, foreground=[])
    return float(np.std(np.asarray(picks.scores) - np.log(0.25)))


@pytest.mark.parametrize(
    ("cycle", "cycles", "beta"),
    [(1, 5, NOISE_FROM), (2, 5, 10**0.5), (3, 5, 10), (4, 5, 10**1.5), (5, 5, NOISE_TO), (9, 5, NOISE_TO), (2, 3, 10), (1, 1, NOISE_TO)],
)  # fmt: skip
def test_the_noise_is_gumbel_of_scale_one_over_beta_which_grows_from_cycle_to_cycle(
    cycle: int, cycles: int, beta: float
) -> None:
    assert spread_of_noise(cycle, cycles) == pytest.approx(np.pi / np.sqrt(6) / beta, rel=0.05)


def test_a_class_that_is_not_predicted_anywhere_is_no_trouble() -> None:
    survey = survey_of(pool(20, absent=1))
    zero = replace(survey, class_entropy=np.asarray(survey.class_entropy) * [1, 0, 1, 1, 1])
    assert len(set(quiet(zero, 20))) == 20
