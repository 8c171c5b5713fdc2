from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import Pixels, flat_survey, pool, survey_of, with_counts

from voidscope.acquisition import SurveyError, pixel_rareness, rareness, uncertainty
from voidscope.errors import ConfigError, LabelError


def rareness_from_pixels(slices: list[Pixels], how: str) -> list[float]:
    """Eq. 2 and 3 pixel by pixel."""
    pixels = [c for s in slices for c in s.classes.ravel().tolist()]
    share = {c: pixels.count(c) / len(pixels) for c in set(pixels)}
    scores = [[math.exp(-share[c]) for c in s.classes.ravel().tolist()] for s in slices]
    return [max(s) if how == "max" else math.fsum(s) / len(s) for s in scores]


def uncertainty_from_pixels(slices: list[Pixels], how: str) -> list[float]:
    """Eq. 5 pixel by pixel."""
    scores = []
    for s in slices:
        of_pixels = [
            -sum(p * math.log(p) for p in x if p > 0)
            for x in s.probabilities.reshape(-1, s.probabilities.shape[2])
        ]
        scores.append(max(of_pixels) if how == "max" else math.fsum(of_pixels) / len(of_pixels))
    return scores


@pytest.mark.parametrize("how", ["max", "mean"])
@pytest.mark.parametrize("seed", range(4))
def test_rareness_from_counts_equals_rareness_from_pixels(how: str, seed: int) -> None:
    slices = pool(15, seed=seed, absent=2 if seed == 3 else None)
    assert rareness(survey_of(slices), how) == pytest.approx(rareness_from_pixels(slices, how), abs=1e-14)


@pytest.mark.parametrize("how", ["max", "mean"])
def test_uncertainty_equals_the_entropy_of_the_pixels(how: str) -> None:
    slices = pool(15, seed=5)
    assert uncertainty(survey_of(slices), how) == pytest.approx(
        uncertainty_from_pixels(slices, how), abs=1e-12
    )


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
