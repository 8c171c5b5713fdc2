from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from voidscope.errors import LabelError
from voidscope.evaluation import confusion, confusion_matrix, iou, miou


def iou_by_sets(truth: np.ndarray, mask: np.ndarray, n_classes: int) -> list[float]:
    """Intersection over union of pixel sets; unlabelled pixels in neither."""
    known = {i for i in np.ndindex(truth.shape) if truth[i] != 0}
    values = []
    for c in range(1, n_classes + 1):
        true, found = {i for i in known if truth[i] == c}, {i for i in known if mask[i] == c}
        values.append(len(true & found) / len(true | found) if true | found else math.nan)
    return values


def random_pair(
    seed: int, shape: tuple[int, ...] = (6, 7), n_classes: int = 5
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth, mask = rng.integers(0, n_classes + 1, shape), rng.integers(1, n_classes + 1, shape)
    return truth.astype(np.uint8), np.where((rng.random(shape) < 0.6) & (truth > 0), truth, mask).astype(
        np.uint8
    )


def test_the_matrix_of_a_known_picture() -> None:
    truth = np.array([[1, 1, 2], [0, 2, 3]], dtype=np.uint8)
    mask = np.array([[1, 2, 2], [1, 2, 1]], dtype=np.uint8)
    assert confusion_matrix(truth, mask, 3).tolist() == [[1, 1, 0], [0, 2, 0], [1, 0, 0]]
    assert iou(confusion_matrix(truth, mask, 3)).tolist() == [1 / 3, 2 / 3, 0]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("shape", [(6, 7), (3, 4, 5)])
def test_iou_equals_that_of_pixel_sets(seed: int, shape: tuple[int, ...]) -> None:
    truth, mask = random_pair(seed, shape)
    values = iou(confusion_matrix(truth, mask, 6))
    assert values == pytest.approx(iou_by_sets(truth, mask, 6), nan_ok=True)
    assert math.isnan(values[5])


@given(
    hnp.arrays(np.uint8, (4, 5), elements=st.integers(0, 4)),
    hnp.arrays(np.uint8, (4, 5), elements=st.integers(1, 4)),
)
def test_every_labelled_pixel_is_counted_once(truth: np.ndarray, mask: np.ndarray) -> None:
    matrix = confusion_matrix(truth, mask, 4)
    assert matrix.sum() == (truth > 0).sum() and matrix.dtype == np.int64
    assert matrix.sum(axis=1).tolist() == [(truth == c).sum() for c in (1, 2, 3, 4)]
    values = iou(matrix)
    assert np.all(np.isnan(values) | ((values >= 0) & (values <= 1)))


def test_unlabelled_pixels_change_nothing() -> None:
    truth, mask = random_pair(1)
    wider = [np.pad(a, ((0, 9), (4, 0)), constant_values=v) for a, v in ((truth, 0), (mask, 3))]
    assert np.array_equal(confusion_matrix(truth, mask, 5), confusion_matrix(wider[0], wider[1], 5))


def test_scans_pool_by_adding_their_matrices() -> None:
    pairs = [random_pair(seed) for seed in range(3)]
    pooled = sum(confusion_matrix(t, m, 5) for t, m in pairs)
    together = confusion_matrix(np.stack([t for t, _ in pairs]), np.stack([m for _, m in pairs]), 5)
    assert np.array_equal(pooled, together)
    assert miou(np.asarray(pooled)) != pytest.approx(
        np.mean([miou(confusion_matrix(t, m, 5)) for t, m in pairs])
    )


def test_a_volume_counted_in_parts_gives_the_same_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    truth, mask = random_pair(2, (5, 6, 7))
    whole = confusion_matrix(truth, mask, 5)
    monkeypatch.setattr(confusion, "_CHUNK", 11)
    assert np.array_equal(confusion_matrix(truth, mask, 5), whole)
    assert np.array_equal(confusion_matrix(truth.T, mask.T, 5), whole)


def test_a_perfect_mask_scores_one_and_a_wholly_wrong_one_zero() -> None:
    truth = np.array([[1, 2], [3, 0]], dtype=np.uint8)
    assert miou(confusion_matrix(truth, np.array([[1, 2], [3, 1]], dtype=np.uint8), 3)) == 1.0
    assert miou(confusion_matrix(truth, np.array([[2, 3], [1, 1]], dtype=np.uint8), 3)) == 0.0


def test_miou_leaves_out_absent_and_excluded_classes() -> None:
    matrix = np.array([[8, 2, 0, 0], [0, 5, 0, 5], [0, 0, 0, 0], [0, 0, 0, 10]])
    assert iou(matrix) == pytest.approx([0.8, 5 / 12, math.nan, 10 / 15], nan_ok=True)
    assert miou(matrix) == pytest.approx((0.8 + 5 / 12 + 10 / 15) / 3)
    assert miou(matrix, exclude=[0]) == pytest.approx((5 / 12 + 10 / 15) / 2)
    assert miou(matrix, exclude=[0, 2]) == miou(matrix, exclude=(0,))


def test_miou_of_nothing_is_no_number() -> None:
    assert math.isnan(miou(np.zeros((3, 3), dtype=np.int64)))
    assert math.isnan(miou(np.eye(2, dtype=np.int64), exclude=(0, 1)))


def test_a_class_only_the_model_sees_scores_zero_not_nothing() -> None:
    truth, mask = np.array([[1, 1]], dtype=np.uint8), np.array([[1, 2]], dtype=np.uint8)
    assert iou(confusion_matrix(truth, mask, 3)) == pytest.approx([0.5, 0.0, math.nan], nan_ok=True)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint64])
def test_the_type_of_the_ids_does_not_matter(dtype: type) -> None:
    truth, mask = random_pair(3)
    expected = confusion_matrix(truth, mask, 5)
    assert np.array_equal(confusion_matrix(truth.astype(dtype), mask, 5), expected)
    assert np.array_equal(confusion_matrix(truth, mask.astype(dtype), 5), expected)


@pytest.mark.parametrize(
    ("truth", "mask", "words"),
    [
        (np.ones((2, 3), np.uint8), np.ones((3, 2), np.uint8), r"shape \(2, 3\), the mask \(3, 2\)"),
        (np.full((2, 2), 4, np.uint8), np.ones((2, 2), np.uint8), r"truth holds ids 4\.\.4; they must be 0\.\.3"),
        (np.full((2, 2), -1, np.int8), np.ones((2, 2), np.uint8), r"truth holds ids -1\.\.-1"),
        (np.ones((2, 2), np.uint8), np.array([[0, 1], [2, 3]], np.uint8), r"mask holds ids 0\.\.3; they must be 1\.\.3"),
        (np.ones((2, 2), np.uint8), np.full((2, 2), 4, np.uint8), "mask holds ids"),
        (np.ones((2, 2), np.float32), np.ones((2, 2), np.uint8), "truth is float32"),
        (np.ones((2, 2), np.uint8), np.ones((2, 2), bool), "mask is bool"),
    ],
)  # fmt: skip
def test_masks_that_cannot_be_compared_are_refused(truth: np.ndarray, mask: np.ndarray, words: str) -> None:
    with pytest.raises(LabelError, match=words):
        confusion_matrix(truth, mask, 3)


@pytest.mark.parametrize("matrix", [np.zeros((2, 3), int), np.zeros(4, int), np.array([[1, -1], [0, 1]])])
def test_what_is_no_confusion_matrix_is_refused(matrix: np.ndarray) -> None:
    with pytest.raises(LabelError, match="square table of counts"):
        iou(matrix)


@pytest.mark.parametrize("position", [3, -1])
def test_leaving_out_a_class_that_is_not_there_is_refused(position: int) -> None:
    with pytest.raises(LabelError, match=f"position {position} of a matrix of 3 classes"):
        miou(np.eye(3, dtype=np.int64), exclude=[0, position])


def test_recall_is_the_share_of_true_pixels_found_as_any_of_the_classes() -> None:
    matrix = np.array([[5, 0, 1], [1, 2, 1], [0, 1, 3]])
    assert confusion.recall(matrix, [2]) == 3 / 4
    assert confusion.recall(matrix, [1, 2]) == (2 + 1 + 1 + 3) / 8
    assert math.isnan(confusion.recall(np.zeros((3, 3), np.int64), [2]))


@pytest.mark.parametrize("seed", range(4))
def test_recall_equals_that_of_pixel_sets(seed: int) -> None:
    truth, mask = random_pair(seed)
    true = {i for i in np.ndindex(truth.shape) if truth[i] in (3, 4)}
    found = {i for i in true if mask[i] in (3, 4)}
    assert confusion.recall(confusion_matrix(truth, mask, 5), [2, 3]) == len(found) / len(true)
