"""Labels in doubt and predictions that flicker."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from voidscope.acquisition import Finding, SurveyError, doubts, flicker
from voidscope.acquisition.findings import MOST_RUNS, runs_of
from voidscope.acquisition.misgivings import SURE, binary_entropy, least_probability
from voidscope.vocabulary import SliceKey

KEY = SliceKey("s", 3)


@given(arrays(np.float64, 5, elements=st.floats(1e-6, 1)))
def test_no_distribution_of_an_entropy_has_a_lower_peak_than_told(weights: np.ndarray) -> None:
    p = weights / weights.sum()
    entropy = -(p * np.log(p)).sum()
    assert least_probability(entropy) <= p.max() + 1e-6 or entropy >= math.log(2)


@pytest.mark.parametrize("p", [0.5, 0.7, 0.9, 0.999, 1.0])
def test_two_classes_reach_the_bound(p: float) -> None:
    assert least_probability(binary_entropy(p)) == pytest.approx(p, abs=1e-4)


def test_entropies_without_a_bound_leave_one_half() -> None:
    assert least_probability([math.log(2), 1.6]).tolist() == [0.5, 0.5]


def test_a_patch_of_labels_the_model_is_sure_about_is_in_doubt() -> None:
    label, mask = np.zeros((12, 12), np.uint8), np.full((12, 12), 2, np.uint8)
    label[2:6, 2:6], label[8:10, 8:10] = 3, 2
    (found,) = doubts(KEY, label, mask, np.zeros((12, 12)))
    assert (found.n_pixels, found.class_id, found.label_id, found.strength) == (16, 2, 3, 1.0)
    assert (found.within(3, (12, 12)) == (label == 3)).all()
    assert label[found.pixel] == 3


@pytest.mark.parametrize("entropy", [binary_entropy(SURE) + 0.01, 1.0])
def test_what_the_model_is_unsure_of_doubts_no_label(entropy: float) -> None:
    label, mask = np.full((6, 6), 3, np.uint8), np.full((6, 6), 2, np.uint8)
    assert doubts(KEY, label, mask, np.full((6, 6), entropy)) == ()


def test_single_pixels_are_the_edge_of_the_brush() -> None:
    label, mask = np.full((6, 6), 2, np.uint8), np.full((6, 6), 2, np.uint8)
    label[0, 0], label[3, 3:5] = 1, 1
    assert doubts(KEY, label, mask, np.zeros((6, 6))) == ()


def test_touching_patches_of_other_classes_are_told_apart_and_the_larger_comes_first() -> None:
    label, mask = np.full((8, 8), 1, np.uint8), np.full((8, 8), 2, np.uint8)
    label[:, 5:], mask[:, 5:] = 3, 4
    assert [(f.n_pixels, f.label_id, f.class_id) for f in doubts(KEY, label, mask, np.zeros((8, 8)))] == [
        (40, 1, 2), (24, 3, 4),
    ]  # fmt: skip


def slow_flicker(mask: np.ndarray) -> list[int]:
    counts = []
    for i in range(len(mask)):
        if i in (0, len(mask) - 1):
            counts.append(0)
            continue
        n = 0
        for y in range(mask.shape[1]):
            for x in range(mask.shape[2]):
                n += mask[i - 1, y, x] == mask[i + 1, y, x] != mask[i, y, x]
        counts.append(n)
    return counts


@given(arrays(np.uint8, st.tuples(st.integers(1, 5), st.just(3), st.just(4)), elements=st.integers(1, 3)))
def test_flicker_is_counted_as_voxel_after_voxel(mask: np.ndarray) -> None:
    counts, found = flicker("s", mask)
    assert list(counts) == slow_flicker(mask)
    assert [f.n_pixels for f in found] == sorted((n for n in counts if n), reverse=True)
    assert flicker("s", mask[::-1])[0] == counts[::-1]


def test_a_void_of_one_slice_flickers_and_one_of_two_does_not() -> None:
    mask = np.full((6, 9, 9), 3, np.uint8)
    mask[2, 4:7, 4:7], mask[4:, 1, 1] = 4, 4
    counts, (found,) = flicker("s", mask)
    assert counts == (0, 0, 9, 0, 0, 0)
    assert (found.key.index, found.pixel, found.class_id) == (2, (5, 5), 3)


def test_a_constant_scan_does_not_flicker_nor_does_one_slice() -> None:
    assert flicker("s", np.ones((4, 3, 3), np.uint8)) == ((0, 0, 0, 0), ())
    assert flicker("s", np.ones((1, 3, 3), np.uint8)) == ((0,), ())


@given(arrays(bool, (2, 4, 6)).filter(np.any))
def test_runs_hold_just_the_pixels(there: np.ndarray) -> None:
    positions = np.argwhere(there)
    runs = runs_of(np.random.default_rng(0).permutation(positions))
    again = [(i, y, x) for i, y, start, stop in runs for x in range(start, stop)]
    assert again == [tuple(p) for p in positions.tolist()]


def test_what_is_too_large_keeps_no_runs() -> None:
    checkers = np.indices((1, 100, 100)).sum(axis=0) % 2 == 0
    assert checkers.sum() > MOST_RUNS
    assert runs_of(np.argwhere(checkers)) == ()


@pytest.mark.parametrize("change", [{"kind": "rumour"}, {"pixel": [1]}, {"runs": 3}])
def test_a_damaged_finding_is_refused(change: dict[str, object]) -> None:
    entry = Finding("doubt", KEY, (1, 2), 4, 0.9, 2, 3).entry()
    with pytest.raises(SurveyError, match="no stored finding"):
        Finding.from_entry(entry | change)
