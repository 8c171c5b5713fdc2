from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import TOP_PERCENT, Pixels, flat_survey, pool, survey_of, with_counts

from voidscope.acquisition import SurveyError, pixel_rareness, rareness, top_pixels, uncertainty
from voidscope.errors import ConfigError, LabelError


def top(scores: list[float]) -> float:
    """Mean of the highest `TOP_PERCENT` %, at least one."""
    n = max(1, math.ceil(len(scores) * TOP_PERCENT / 100))
    return math.fsum(sorted(scores, reverse=True)[:n]) / n


def rareness_from_pixels(slices: list[Pixels], how: str) -> list[float]:
    """Eq. 2 and 3 pixel by pixel."""
    pixels = [c for s in slices for c in s.classes.ravel().tolist()]
    share = {c: pixels.count(c) / len(pixels) for c in set(pixels)}
    scores = [[math.exp(-share[c]) for c in s.classes.ravel().tolist()] for s in slices]
    return [{"max": max, "mean": np.mean, "top": top}[how](s) for s in scores]


def rareness_of_patches(slices: list[Pixels]) -> list[float]:
    """The greatest mean rareness of any patch, exactly."""
    shares = survey_of(slices).class_distribution()
    return [s.patches(np.exp(-shares[s.classes])).max() for s in slices]


def uncertainty_from_pixels(slices: list[Pixels], how: str) -> list[float]:
    """Eq. 5 pixel by pixel."""
    scores = []
    for s in slices:
        of_pixels = [
            -sum(p * math.log(p) for p in x if p > 0)
            for x in s.probabilities.reshape(-1, s.probabilities.shape[2])
        ]
        scores.append({"max": max, "mean": np.mean, "top": top}[how](of_pixels))
    return scores


@pytest.mark.parametrize("how", ["max", "mean", "top"])
@pytest.mark.parametrize("seed", range(4))
def test_rareness_from_counts_equals_rareness_from_pixels(how: str, seed: int) -> None:
    slices = pool(15, seed=seed, absent=2 if seed == 3 else None)
    assert rareness(survey_of(slices), how) == pytest.approx(rareness_from_pixels(slices, how), abs=1e-14)


@pytest.mark.parametrize("how", ["max", "mean", "top"])
def test_uncertainty_equals_the_entropy_of_the_pixels(how: str) -> None:
    slices = pool(15, seed=5)
    assert uncertainty(survey_of(slices), how) == pytest.approx(
        uncertainty_from_pixels(slices, how), abs=1e-12
    )


@pytest.mark.parametrize("seed", range(4))
def test_rareness_of_patches_is_a_floor_of_the_exact_one(seed: int) -> None:
    slices = pool(15, seed=seed, largest=30)
    floor, exact = rareness(survey_of(slices), "patch"), np.array(rareness_of_patches(slices))
    assert np.all(floor <= exact + 1e-12) and np.all(floor >= math.exp(-1))


@pytest.mark.parametrize("seed", range(4))
def test_rareness_of_patches_is_exact_where_there_are_two_classes(seed: int) -> None:
    slices = pool(15, n_classes=2, seed=seed, largest=30)
    assert rareness(survey_of(slices), "patch") == pytest.approx(rareness_of_patches(slices), abs=1e-12)


def test_uncertainty_of_patches_is_the_greatest_mean_of_any() -> None:
    slices = pool(15, seed=5, largest=30)
    assert uncertainty(survey_of(slices), "patch").tolist() == [s.patches(s.entropy).max() for s in slices]


@pytest.mark.parametrize(
    ("pixels", "percent", "expected"),
    [
        (100, 1, 1),
        (100, 29, 29),
        (100, 1.5, 2),
        (30, 1, 1),
        (1, 0.01, 1),
        (12345, 100, 12345),
        (7000, 7, 490),
    ],
)
def test_the_top_pixels_are_rounded_up_and_at_least_one(pixels: int, percent: float, expected: int) -> None:
    assert top_pixels(pixels, percent) == expected


def test_top_rareness_by_hand() -> None:
    survey = with_counts(flat_survey(2, np.zeros((2, 1))), np.array([[85, 0, 15], [100, 0, 0]]))
    common, rare = math.exp(-185 / 200), math.exp(-15 / 200)
    assert rareness(survey, "top") == pytest.approx(
        [(15 * rare + 5 * common) / 20, common]
    )  # 20 of 100 pixels


def test_rareness_of_known_shares() -> None:
    survey = with_counts(
        flat_survey(3, np.zeros((3, 1))), np.array([[80, 20, 0], [100, 0, 0], [60, 0, 40]])
    )  # p = .8, .0667, .1333
    a, b, c = math.exp(-0.8), math.exp(-1 / 15), math.exp(-2 / 15)
    assert rareness(survey, "max") == pytest.approx([b, a, c])
    assert rareness(survey, "mean") == pytest.approx([0.8 * a + 0.2 * b, a, 0.6 * a + 0.4 * c])


def test_one_class_everywhere_is_the_least_rare_there_is() -> None:
    survey = flat_survey(4, np.zeros((4, 2)))
    assert rareness(survey, "max").tolist() == rareness(survey, "mean").tolist() == [math.exp(-1)] * 4


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 7), st.integers(1, 12))
def test_scores_stay_within_their_bounds_and_max_is_at_least_mean(seed: int, n_classes: int, n: int) -> None:
    survey = survey_of(pool(n, n_classes=n_classes, seed=seed))
    for score, low, high in ((rareness, math.exp(-1), 1.0), (uncertainty, 0.0, math.log(n_classes))):
        highest, mean = score(survey, "max"), score(survey, "mean")
        assert np.all(mean >= low - 1e-12) and np.all(highest <= high + 1e-12)
        assert np.all(highest >= mean - 1e-12)
        between = score(survey, "top")
        assert np.all(between <= highest + 1e-12) and np.all(between >= mean - 1e-12)
        assert np.all(score(survey, "patch") <= highest + 1e-12) and np.all(score(survey, "patch") >= low)


def test_mean_rareness_of_slices_with_the_same_shares_ties_exactly() -> None:
    counts = np.tile([37, 11, 3], (101, 1)) * np.where(np.arange(101) % 2, 1, 2)[:, None]
    survey = with_counts(flat_survey(101, np.zeros((101, 1))), counts)
    assert len(set(rareness(survey, "mean").tolist())) == 1


def test_an_unknown_aggregation_is_refused() -> None:
    with pytest.raises(ConfigError, match="aggregation is 'median'; use max, mean, top or patch"):
        rareness(flat_survey(2, np.zeros((2, 1))), "median")  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(5, 7), (3, 5, 7)])
def test_pixel_rareness_scores_each_pixel_by_its_class(shape: tuple[int, ...]) -> None:
    mask = np.random.default_rng(0).integers(1, 4, shape, dtype=np.uint8)
    shares = np.array([0.7, 0.25, 0.05])
    heat = pixel_rareness(mask, shares)
    assert heat.shape == shape and heat.dtype == np.float32
    for index in np.ndindex(shape):
        assert heat[index] == pytest.approx(math.exp(-shares[mask[index] - 1]), rel=1e-6)


def test_the_brightest_pixel_of_the_heatmap_is_the_slice_s_rareness() -> None:
    slices = pool(8, seed=2)
    survey = survey_of(slices)
    heats = [pixel_rareness((s.classes + 1).astype(np.uint8), survey.class_distribution()) for s in slices]
    assert [h.max() for h in heats] == pytest.approx(rareness(survey, "max"), rel=1e-6)
    assert [h.mean() for h in heats] == pytest.approx(rareness(survey, "mean"), rel=1e-6)


def test_pixels_not_predicted_yet_score_nothing_in_the_heatmap() -> None:
    assert pixel_rareness(np.array([[0, 1]], dtype=np.uint8), [1.0]).tolist() == [
        [0.0, np.float32(math.exp(-1))]
    ]


def test_a_heatmap_of_another_class_map_is_refused() -> None:
    mask = np.full((2, 2), 4, dtype=np.uint8)
    with pytest.raises(LabelError, match=r"class id 4, the survey only 1\.\.3"):
        pixel_rareness(mask, [0.5, 0.3, 0.2])
    for wrong in ([[0.5, 0.5]], [0.5, np.nan, 0.5, 0], [1.5, 0, 0, 0], [50, 30, 10, 10]):
        with pytest.raises(SurveyError, match=r"shares 0\.\.1"):
            pixel_rareness(mask, wrong)
