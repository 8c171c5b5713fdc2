"""What is said about a slice, against a slow twin pixel by pixel, closed forms, and what may never change it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from voidscope.acquisition import Survey
from voidscope.model import SlicePrediction, summarise
from voidscope.vocabulary import SliceKey


def _random(seed: int, shape: tuple[int, int, int, int] = (2, 4, 9, 7), spread: float = 3.0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(0, spread, shape).astype(np.float32))


def _twin(logits: np.ndarray, features: np.ndarray, top_percent: float = 1.0) -> dict[str, object]:
    """The same by loops over pixels in float64, for one slice: logits (C, h, w), features (D, h, w)."""
    n_classes, height, width = logits.shape
    mask, entropy = np.zeros((height, width), int), np.zeros((height, width))
    surest: dict[int, tuple[float, tuple[int, int]]] = {}
    probabilities = np.zeros(logits.shape)
    for y in range(height):
        for x in range(width):
            e = [math.exp(v - max(logits[:, y, x])) for v in logits[:, y, x].astype(float)]
            p = [v / sum(e) for v in e]
            probabilities[:, y, x] = p
            entropy[y, x] = -sum(q * math.log(q) for q in p if q > 0)
            c = p.index(max(p))
            mask[y, x] = c + 1
            if p[c] > surest.get(c, (-1.0, (0, 0)))[0]:
                surest[c] = (p[c], (y, x))
    return {
        "mask": mask,
        "entropy": entropy,
        "counts": [int((mask == c + 1).sum()) for c in range(n_classes)],
        "entropy_max": entropy.max(),
        "entropy_mean": entropy.mean(),
        "embedding": features.reshape(len(features), -1).astype(np.float64).mean(1),
        "class_pixel": [surest[c][1] if c in surest else (-1, -1) for c in range(n_classes)],
        "entropy_pixel": np.unravel_index(entropy.argmax(), entropy.shape),
        "entropy_local": [_top(entropy.ravel().tolist(), top_percent), _best_patch(entropy)],
        "class_entropy": [float((entropy * probabilities[c]).mean()) for c in range(n_classes)],
        "patch_share": [_best_patch(mask == c + 1) for c in range(n_classes)],
    }


def _top(values: list[float], percent: float) -> float:
    n = max(1, math.ceil(len(values) * percent / 100))
    return sum(sorted(values)[-n:]) / n


def _best_patch(values: np.ndarray) -> float:
    """The greatest mean over 8 x 8 pixels, or as many as there are, by trying every corner."""
    (height, width), (h, w) = values.shape, (min(8, n) for n in values.shape)
    return max(
        float(values[y : y + h, x : x + w].mean())
        for y in range(height - h + 1) for x in range(width - w + 1)
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_a_summary_is_what_loops_over_pixels_find(seed: int) -> None:
    logits, features = _random(seed), _random(seed + 100, (2, 16, 9, 7))
    for k, found in enumerate(summarise(logits, features, (8, 6))):
        expected = _twin(logits[k, :, :8, :6].numpy(), features[k, :, :8, :6].numpy())
        for name, value in expected.items():
            np.testing.assert_allclose(getattr(found, name), value, atol=2e-5, err_msg=name)


@pytest.mark.parametrize("percent", [0.01, 1, 7.5, 50, 100])
@pytest.mark.parametrize("shape", [(17, 23), (5, 23), (12, 3)])
def test_tops_and_patches_are_what_loops_over_pixels_find(shape: tuple[int, int], percent: float) -> None:
    logits = _random(2, (2, 4, 24, 24))
    for k, found in enumerate(summarise(logits, torch.zeros(2, 2, 24, 24), shape, percent)):
        expected = _twin(logits[k, :, : shape[0], : shape[1]].numpy(), np.zeros((2, 1, 1)), percent)
        for name in ("entropy_local", "class_entropy", "patch_share"):
            np.testing.assert_allclose(getattr(found, name), expected[name], atol=2e-5, err_msg=name)


def test_a_small_void_fills_the_patch_it_lies_in() -> None:
    logits = torch.zeros(1, 2, 40, 40)
    logits[0, 1] = -9.0
    logits[0, 1, 20:24, 30:34] = 9.0
    (found,) = summarise(logits, torch.zeros(1, 2, 40, 40), (40, 40))
    assert found.patch_share.tolist() == [1.0, 16 / 64]


def test_entropies_of_the_classes_add_up_to_the_mean_entropy() -> None:
    for found in summarise(_random(4), torch.zeros(2, 2, 9, 7), (9, 7)):
        assert found.class_entropy.sum() == pytest.approx(found.entropy_mean, rel=1e-5)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 20), st.integers(1, 20), st.floats(0.01, 100))
def test_tops_and_patches_lie_between_mean_and_max(
    seed: int, height: int, width: int, percent: float
) -> None:
    logits = _random(seed, (1, 3, height, width))
    (found,) = summarise(logits, torch.zeros(1, 2, height, width), (height, width), percent)
    top, patch = found.entropy_local
    assert found.entropy_mean - 1e-5 <= top <= found.entropy_max + 1e-6
    assert patch <= found.entropy_max + 1e-5
    assert ((found.patch_share > 0) == (found.counts > 0)).all() and found.patch_share.max() <= 1


def test_a_survey_row_holds_what_the_prediction_says() -> None:
    (found, _) = summarise(_random(1), _random(2, (2, 16, 9, 7)), (9, 7))
    row = found.survey_row(SliceKey("scan", 3))
    survey = Survey.collect([row], "model", top_percent=1.0)
    assert survey.keys == (SliceKey("scan", 3),) and survey.gradient is None
    assert survey.entropy[0].tolist() == [found.entropy_max, found.entropy_mean]
    for name in (
        "counts",
        "embedding",
        "class_pixel",
        "entropy_pixel",
        "entropy_local",
        "class_entropy",
        "patch_share",
    ):
        np.testing.assert_array_equal(getattr(survey, name)[0], getattr(found, name), err_msg=name)


def test_a_uniform_pixel_has_entropy_ln_c_and_a_certain_one_none() -> None:
    logits = torch.zeros(1, 5, 1, 2)
    logits[0, 3, 0, 1] = 1e4
    (found,) = summarise(logits, torch.zeros(1, 2, 1, 2), (1, 2))
    assert found.entropy[0, 0] == pytest.approx(math.log(5), abs=1e-6)
    assert found.entropy[0, 1] == 0
    assert found.entropy_mean == pytest.approx(math.log(5) / 2, abs=1e-6)


@pytest.mark.parametrize("scale", [1e2, 1e4, 1e8, 1e30])
def test_entropy_is_never_nan_however_sure_the_network_is(scale: float) -> None:
    (found, _) = summarise(_random(0) * scale, torch.zeros(2, 16, 9, 7), (9, 7))
    assert np.isfinite(found.entropy).all()
    assert math.isfinite(found.entropy_max)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 6), st.floats(0, 50))
def test_entropy_lies_between_zero_and_ln_c_and_max_is_not_below_mean(
    seed: int, n_classes: int, spread: float
) -> None:
    (found,) = summarise(_random(seed, (1, n_classes, 5, 4), spread), torch.zeros(1, 2, 5, 4), (5, 4))
    assert (found.entropy >= 0).all()
    assert (found.entropy <= np.float32(math.log(n_classes))).all()
    assert found.entropy_mean <= found.entropy_max + 1e-6
    assert found.entropy_max == found.entropy[tuple(found.entropy_pixel)]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 9), st.integers(1, 7))
def test_what_lies_in_the_padding_changes_nothing(seed: int, height: int, width: int) -> None:
    logits, features = _random(seed), _random(seed + 1, (2, 3, 9, 7))
    loud_logits, loud_features = logits.clone(), features.clone()
    for tensor in (loud_logits, loud_features):
        tensor[:, :, height:] = math.nan
        tensor[:, :, :, width:] = math.nan
    for a, b in zip(
        summarise(logits, features, (height, width)),
        summarise(loud_logits, loud_features, (height, width)),
        strict=True,
    ):
        _same(a, b)


def test_ties_go_to_the_lowest_class_and_the_first_pixel() -> None:
    (found,) = summarise(torch.zeros(1, 3, 4, 5), torch.zeros(1, 2, 4, 5), (4, 5))
    assert (found.mask == 1).all()
    assert found.counts.tolist() == [20, 0, 0]
    assert found.class_pixel.tolist() == [[0, 0], [-1, -1], [-1, -1]]
    assert found.entropy_pixel.tolist() == [0, 0]


def test_the_surest_pixel_of_each_class_is_of_that_class() -> None:
    (found, _) = summarise(_random(3), torch.zeros(2, 2, 9, 7), (9, 7))
    for k, (y, x) in enumerate(found.class_pixel, start=1):
        assert found.mask[y, x] == k


def test_a_class_that_is_likeliest_where_it_loses_is_surest_where_it_wins() -> None:
    p = torch.full((1, 3, 2, 2), 1.0)  # class 3 wins nothing
    p[0, :, 0, 0] = torch.tensor([0.55, 0.45, 1e-6])
    p[0, :, 1, 1] = torch.tensor([0.30, 0.36, 0.34])
    (found,) = summarise(p.log(), torch.zeros(1, 2, 2, 2), (2, 2))
    assert found.mask.tolist() == [[1, 1], [1, 2]]
    assert found.class_pixel.tolist() == [[0, 0], [1, 1], [-1, -1]]


def test_shapes_and_types_are_as_promised() -> None:
    (found, _) = summarise(_random(1), _random(2, (2, 16, 9, 7)).bfloat16(), (9, 7))
    assert (found.mask.shape, found.mask.dtype) == ((9, 7), np.uint8)
    assert (found.entropy.shape, found.entropy.dtype) == ((9, 7), np.float32)
    assert (found.counts.shape, found.counts.dtype) == ((4,), np.int64)
    assert (found.embedding.shape, found.embedding.dtype) == ((16,), np.float32)
    assert (found.class_pixel.shape, found.class_pixel.dtype) == ((4, 2), np.int32)
    assert (found.entropy_pixel.shape, found.entropy_pixel.dtype) == ((2,), np.int32)
    assert type(found.entropy_max) is type(found.entropy_mean) is float


def _same(a: SlicePrediction, b: SlicePrediction) -> None:
    for name in set(a.__dataclass_fields__) - {"gradient"}:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
