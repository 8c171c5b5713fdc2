from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from voidscope.acquisition import SurveyError, greedy, opening
from voidscope.acquisition import distances as distances_module
from voidscope.acquisition import select as select_module
from voidscope.acquisition.distances import nearest_distance, nearest_square, square_ceilings
from voidscope.errors import ConfigError

Floats = npt.NDArray[np.float64]


def reference(
    base: Floats, embedding: Any, candidates: Any, anchors: Any, budget: int, weight: float
) -> list[int]:
    """Algorithm 1 read aloud: every distance anew for every pick, in float64, ties to the lowest row."""
    x = embedding.astype(np.float64)
    labelled, left = [int(a) for a in anchors], sorted(int(c) for c in candidates)
    picks: list[int] = []
    while len(picks) < budget:
        apart = np.sqrt(((x[left][:, None] - x[labelled + picks]) ** 2).sum(axis=2)).min(axis=1)
        score = base[left] + weight * apart
        picks.append(left[int(np.flatnonzero(score == score.max())[0])])
        left.remove(picks[-1])
    return picks


def random_problem(seed: int) -> tuple[Any, ...]:
    """A pool with duplicates, ties, clusters and an offset of up to 1e6."""
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(2, 40)), int(rng.integers(1, 20))
    kind = rng.integers(4)
    x = rng.normal(size=(n, d)) * 10.0 ** rng.integers(-3, 3)
    if kind == 1:
        x = rng.integers(0, 3, size=(n, d)).astype(float)
    elif kind == 2:
        x = x[rng.integers(0, max(1, n // 3), size=n)]
    elif kind == 3:
        x = x[rng.integers(0, 3, size=n) % n] + rng.normal(size=(n, d)) * 1e-3
    x = x + rng.choice([0.0, 1.0, 1e3, 1e6]) * rng.choice([-1, 0, 1], size=d)
    base = rng.choice([np.zeros(n), rng.integers(0, 3, n) / 4, rng.normal(size=n)])
    order = rng.permutation(n)
    n_anchors = int(rng.integers(1, n))
    candidates = order[n_anchors:]
    budget = int(rng.integers(1, len(candidates) + 1))
    return (
        base,
        x.astype(np.float32),
        candidates,
        order[:n_anchors],
        budget,
        float(rng.choice([0, 0.5, 1, 1, 7])),
    )


@pytest.fixture(params=[1, 3, 4096])
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Blocks so small that a small pool needs many rounds."""
    monkeypatch.setattr(select_module, "BLOCK", request.param)
    monkeypatch.setattr(distances_module, "BLOCK", request.param)
    monkeypatch.setattr(distances_module, "_PRODUCT", (request.param, request.param // 2 + 1))
    return int(request.param)


def test_selection_equals_the_float64_reference_in_a_thousand_pools(block: int) -> None:
    differing = []
    for seed in range(1000 if block == 4096 else 150):
        problem = random_problem(seed)
        if greedy(*problem).rows.tolist() != reference(*problem):
            differing.append(seed)
    assert differing == []


coordinates = st.one_of(
    st.integers(-2, 2).map(float), st.floats(-1e6, 1e6, width=32), st.floats(-0.0009765625, 0.0009765625, width=32),
    st.sampled_from([1e6, 1e6 + 0.0625, 1e6 - 0.0625, 16777216.0, 1e30, 1e-30, 3e38, -3e38, 1e-45]),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_selection_equals_the_reference_for_any_finite_embedding(data: st.DataObject) -> None:
    n, d = data.draw(st.integers(2, 12)), data.draw(st.integers(1, 5))
    x = data.draw(hnp.arrays(np.float32, (n, d), elements=coordinates.map(np.float32)))
    base = data.draw(hnp.arrays(np.float64, n, elements=st.sampled_from([0.0, 0.5, 1.0, 1e-9, 3.25])))
    n_anchors = data.draw(st.integers(1, n - 1))
    budget = data.draw(st.integers(1, n - n_anchors))
    problem = (
        base,
        x,
        np.arange(n_anchors, n),
        np.arange(n_anchors),
        budget,
        data.draw(st.sampled_from([0.0, 1.0, 2.5])),
    )
    assert greedy(*problem).rows.tolist() == reference(*problem)


def test_a_common_offset_of_the_embeddings_changes_nothing() -> None:
    rng = np.random.default_rng(1)
    x = rng.integers(-1000, 1000, size=(400, 16)).astype(np.float32) / 16
    picks = [
        greedy(np.zeros(400), x + np.float32(offset), np.arange(20, 400), np.arange(20), 30)
        for offset in (0, 1e3, 65536)
    ]
    assert picks[0].rows.tolist() == picks[1].rows.tolist() == picks[2].rows.tolist()
    assert np.array_equal(picks[0].distances, picks[2].distances)


def test_a_large_pool_is_selected_as_the_plain_incremental_loop_does() -> None:
    rng = np.random.default_rng(2)
    centres = rng.normal(size=(60, 16))
    x = (centres[np.arange(9000) // 150] + rng.normal(size=(9000, 16)) * 0.1 + 50).astype(np.float32)
    base = rng.choice([0.7, 0.9, 0.99], size=9000) + rng.uniform(0, 0.2, size=9000)
    nearest, expected, score_base = np.full(9000, np.inf), [], base.copy()
    score_base[:30] = -np.inf
    for anchor in [*range(30), *[None] * 40]:
        if anchor is None:
            anchor = int((score_base + np.sqrt(nearest)).argmax())
            expected.append(anchor)
            score_base[anchor] = -np.inf
        nearest = np.minimum(nearest, ((x.astype(float) - x[anchor].astype(float)) ** 2).sum(axis=1))
    assert greedy(base, x, np.arange(30, 9000), np.arange(30), 40).rows.tolist() == expected


def test_points_on_a_line_are_picked_farthest_first() -> None:
    x = np.arange(9, dtype=np.float32)[:, None]
    picks = greedy(np.zeros(9), x, np.arange(1, 9), np.array([0]), 4)
    assert picks.rows.tolist() == [8, 4, 2, 6]
    assert picks.distances.tolist() == picks.scores.tolist() == [8, 4, 2, 2]


def test_the_score_told_is_base_plus_weighted_distance_when_picked() -> None:
    x = np.array([[0, 0], [3, 4], [0, 1], [3, 5]], dtype=np.float32)
    picks = greedy(np.array([9.0, 1, 2, 3]), x, np.arange(1, 4), np.array([0]), 3, weight=2.0)
    last = 2 + 2 * 1.0
    assert picks.rows.tolist() == [3, 2, 1]
    assert picks.scores.tolist() == [3 + 2 * math.sqrt(34), last, 1 + 2 * 1.0]
    assert picks.distances.tolist() == [math.sqrt(34), 1.0, 1.0]


def test_ties_go_to_the_lowest_row_whatever_order_the_candidates_come_in() -> None:
    x = np.ones((50, 8), dtype=np.float32) * np.float32(0.1)
    shuffled = np.random.default_rng(0).permutation(np.arange(5, 50))
    for weight in (0.0, 1.0):
        assert greedy(np.zeros(50), x, shuffled, np.arange(5), 6, weight).rows.tolist() == [5, 6, 7, 8, 9, 10]


def test_the_order_and_repetition_of_the_labelled_changes_nothing() -> None:
    base, x, candidates, anchors, _, _ = random_problem(11)
    budget = len(candidates)
    first = greedy(base, x, candidates, anchors, budget)
    again = greedy(base, x, candidates[::-1], np.concatenate([anchors[::-1], anchors]), budget)
    assert first.rows.tolist() == again.rows.tolist() and np.array_equal(first.distances, again.distances)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 100_000))
def test_every_pick_is_a_candidate_and_none_is_picked_twice(seed: int) -> None:
    base, x, candidates, anchors, _, weight = random_problem(seed)
    rows = greedy(base, x, candidates, anchors, len(candidates), weight).rows.tolist()
    assert sorted(rows) == sorted(candidates.tolist())


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 100_000))
def test_a_smaller_budget_picks_the_beginning_of_a_larger_one(seed: int) -> None:
    base, x, candidates, anchors, budget, weight = random_problem(seed)
    more = greedy(base, x, candidates, anchors, len(candidates), weight).rows.tolist()
    assert greedy(base, x, candidates, anchors, budget, weight).rows.tolist() == more[:budget]


@pytest.mark.parametrize("seed", range(60))
def test_a_ceiling_is_never_below_the_distance_and_close_above_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    d = int(rng.integers(1, 600))
    x = rng.normal(size=(300, d)) * 10.0 ** rng.integers(-20, 18) + rng.choice([0, 1e3, 1e6])
    x[::7] = x[3]
    x = x.astype(np.float32)
    points = x[: int(rng.integers(1, 40))].astype(np.float64)
    exact, ceiling = nearest_square(x, np.arange(300), points), square_ceilings(x, points)
    size = ((x - points.mean(axis=0)) ** 2).sum(axis=1).max()
    assert np.all(ceiling >= exact)
    assert np.all(ceiling - exact <= 64 * (d + 4) * 2.0**-53 * size)


def test_selection_makes_few_distances_exact() -> None:
    asked = []
    original = distances_module._least
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20_000, 32)).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            distances_module, "_least", lambda a, b: asked.append(len(a) * len(b)) or original(a, b)
        )
        greedy(np.zeros(20_000), x, np.arange(100, 20_000), np.arange(100), 50)
    assert sum(asked) < 0.1 * 20_000 * 150


def test_with_nothing_labelled_the_highest_base_opens_and_stands_at_distance_0() -> None:
    x = np.array([[0.0], [1], [2], [10]], dtype=np.float32)
    picks = greedy(np.array([0.1, 0.9, 0.2, 0.2]), x, np.arange(4), np.array([], dtype=int), 3)
    assert picks.rows.tolist() == [1, 3, 2]
    assert picks.distances.tolist() == [0, 9, 1]
    assert picks.scores[0] == 0.9


def test_with_nothing_labelled_and_equal_bases_the_most_central_slice_opens() -> None:
    x = np.array([[0.0], [4], [5], [11]], dtype=np.float32)
    assert opening(np.zeros(4), x, np.arange(4)) == 2
    for order in ([0, 1, 2, 3], [3, 2, 1, 0]):
        assert opening(np.array([1.0, 0, 0, 1.0]), x, np.array(order)) == 0
    assert greedy(np.zeros(4), x, np.arange(4), np.array([], dtype=int), 4).rows.tolist() == [2, 3, 0, 1]


def test_nearest_distance_equals_one_by_one_differences() -> None:
    rng = np.random.default_rng(4)
    x, points = rng.normal(size=(13, 6)).astype(np.float32), rng.normal(size=(5, 6))
    rows = np.array([12, 0, 7])
    expected = [min(math.dist(x[i].astype(float), p) for p in points) for i in rows]
    assert nearest_distance(x, rows, points) == pytest.approx(expected, rel=1e-15)
    assert nearest_distance(x, rows, points[:0]).tolist() == [math.inf] * 3
    assert nearest_distance(x, rows[:0], points).tolist() == []


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite_numbers_are_refused_with_their_place(bad: float) -> None:
    x, base, all_, none = np.zeros((4, 3), dtype=np.float32), np.zeros(4), np.arange(1, 4), np.array([0])
    spoilt = x.copy()
    spoilt[2, 1] = bad
    with pytest.raises(SurveyError, match=r"embeddings hold -?(nan|inf) at \[2, 1\]; they must be finite"):
        greedy(base, spoilt, all_, none, 1)
    with pytest.raises(SurveyError, match=r"base scores hold -?(nan|inf) at \[3\]"):
        greedy(np.array([0, 0, 0, bad]), x, all_, none, 1)
    with pytest.raises(ConfigError, match=r"suggest\.distance is -?(nan|inf)"):
        greedy(base, x, all_, none, 1, weight=bad)


def test_a_negative_weight_or_arrays_that_do_not_fit_are_refused() -> None:
    x, base = np.zeros((4, 3), dtype=np.float32), np.zeros(4)
    with pytest.raises(ConfigError, match=r"suggest\.distance is -1"):
        greedy(base, x, np.arange(1, 4), np.array([0]), 1, weight=-1)
    for wrong in (x[:3], x[0], x.astype(np.float64)):
        with pytest.raises(SurveyError, match="do not fit base scores"):
            greedy(base, wrong, np.arange(1, 4), np.array([0]), 1)


@pytest.mark.parametrize("budget", [0, -1, 4])
def test_a_budget_that_cannot_be_met_names_both_numbers_and_the_way_out(budget: int) -> None:
    x, base = np.zeros((4, 3), dtype=np.float32), np.zeros(4)
    with pytest.raises(
        ConfigError,
        match=rf"budget is {budget}, but 3 slices are left to suggest; set suggest.budget to 1\.\.3",
    ):
        greedy(base, x, np.arange(1, 4), np.array([0]), budget)


def test_when_nothing_is_left_to_suggest_the_way_out_is_more_scans() -> None:
    with pytest.raises(ConfigError, match="but 0 slices are left to suggest; add scans"):
        greedy(np.zeros(1), np.zeros((1, 1), dtype=np.float32), np.array([], dtype=int), np.array([0]), 1)
