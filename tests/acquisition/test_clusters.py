"""k-means, drawing by squared distance, and BADGE."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import flat_survey, pool, spread_over, survey_of

from voidscope.acquisition import Pool, Survey
from voidscope.acquisition.clusters import badge, by_square, k_means


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def islands(n_each: int = 30, seed: int = 0) -> np.ndarray:
    """Three tight groups of points, far apart, in random order, with a large offset."""
    centres = np.array([[0.0, 0], [9, 0], [0, 9]]) + 1000
    points = np.repeat(centres, n_each, axis=0) + rng(seed).normal(size=(3 * n_each, 2))
    return rng(seed).permutation(points).astype(np.float32)


def slow_k_means(x: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Lloyd's algorithm read aloud, from given centres."""
    while True:
        members = np.array([np.argmin([((p - c) ** 2).sum() for c in centres]) for p in x])
        moved = [x[members == k].mean(axis=0) if (members == k).any() else c for k, c in enumerate(centres)]
        if np.allclose(moved, centres, atol=1e-12):
            return members
        centres = np.array(moved)


@pytest.mark.parametrize("seed", range(10))
def test_k_means_comes_to_rest_where_the_slow_twin_does(seed: int) -> None:
    x = rng(seed).normal(size=(60, 3)).astype(np.float32)
    found = k_means(x, 5, rng(seed))
    centred = x.astype(np.float64) - x.astype(np.float64).mean(axis=0)
    assert np.array_equal(slow_k_means(centred, found.centres), found.members)
    for k in range(5):
        np.testing.assert_allclose(found.centres[k], centred[found.members == k].mean(axis=0), atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 30), st.integers(1, 6), st.integers(0, 999))
def test_every_slice_is_in_the_cluster_of_its_nearest_centre(n: int, k: int, seed: int) -> None:
    x = rng(seed).integers(0, 4, size=(n, 2)).astype(np.float32)
    found = k_means(x, min(k, n), rng(seed))
    centred = x.astype(np.float64) - x.astype(np.float64).mean(axis=0)
    square = ((centred[:, None] - found.centres) ** 2).sum(axis=2)
    np.testing.assert_allclose(found.square, square.min(axis=1), atol=1e-9)
    np.testing.assert_allclose(square[np.arange(n), found.members], found.square, atol=1e-9)


def test_islands_are_found_from_nearly_every_seed() -> None:
    found = [np.bincount(k_means(islands(), 3, rng(seed)).members).tolist() for seed in range(40)]
    assert found.count([30, 30, 30]) >= 38  # two seeds on one island are drawn in about one case of a hundred


def test_more_clusters_than_distinct_slices_leave_some_empty() -> None:
    found = k_means(np.repeat([[0.0], [1.0]], 4, axis=0).astype(np.float32), 5, rng())
    assert len(np.unique(found.members)) == 2 and found.square.max() == 0


def test_drawing_by_square_is_in_proportion() -> None:
    square, generator = np.array([0.0, 1, 3, 0, 4]), rng()
    often = np.bincount([by_square(square, generator) for _ in range(4000)], minlength=5)
    assert often[0] == often[3] == 0
    assert often / 4000 == pytest.approx(square / 8, abs=5 * np.sqrt(0.25 / 4000))


def test_drawing_among_zeros_is_uniform() -> None:
    generator = rng()
    often = np.bincount([by_square(np.zeros(4), generator) for _ in range(2000)], minlength=4)
    assert np.abs(often - 500).max() < 5 * np.sqrt(500 * 0.75)


class AlwaysThere:
    """A generator whose every number is the same."""

    def __init__(self, number: float) -> None:
        self.number = number

    def random(self) -> float:
        return self.number


@pytest.mark.parametrize(("number", "index"), [(0.0, 1), (np.nextafter(1, 0), 2)])
def test_the_ends_of_the_scale_never_draw_a_zero(number: float, index: int) -> None:
    assert by_square(np.array([0.0, 1, 1, 0]), AlwaysThere(number)) == index  # type: ignore[arg-type]


def slow_badge(
    survey: Survey, candidates: list[int], budget: int, generator: np.random.Generator
) -> list[int]:
    """k-means++ from the longest gradient, distances anew each time."""
    g = np.asarray(survey.gradient, dtype=np.float64)
    picks = [max(candidates, key=lambda i: (g[i] ** 2).sum())]
    while len(picks) < budget:
        left = [i for i in candidates if i not in picks]
        square = np.array([min(((g[i] - g[j]) ** 2).sum() for j in picks) for i in left])
        draw, heap = generator.random() * square.sum(), 0.0
        for i, s in zip(left, square, strict=True):
            heap += s
            if heap > draw:
                picks.append(i)
                break
    return picks


@pytest.mark.parametrize("seed", range(5))
def test_badge_equals_a_slow_twin_and_leaves_labelled_slices_out(seed: int) -> None:
    survey = survey_of(pool(30, seed=seed))
    candidates = Pool.of(survey.keys, frozenset(survey.keys[:5]))
    found = badge(survey, candidates, 10, rng(seed)).rows.tolist()
    assert found == slow_badge(survey, list(range(5, 30)), 10, rng(seed))


def test_badge_prefers_gradients_that_are_far_apart() -> None:
    survey = replace(flat_survey(90, np.zeros((90, 1))), gradient=islands() - 1000)
    x, wins = np.asarray(survey.gradient), 0
    for seed in range(50):
        three = x[badge(survey, Pool.of(survey.keys, frozenset()), 3, rng(seed)).rows]
        wins += len({tuple(np.round(p / 9)) for p in three}) == 3
    assert wins >= 40  # three random slices are on three islands in 22 % of cases


def test_badge_without_a_gradient_anywhere_still_meets_the_budget() -> None:
    survey = replace(spread_over(2, 5), gradient=np.zeros((10, 4), np.float32))
    assert sorted(badge(survey, Pool.of(survey.keys, frozenset()), 10, rng()).rows) == list(range(10))
