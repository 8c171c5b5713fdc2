"""Resizing as two matrix products, against pixel loops, torch's own antialiased resize, and what must hold exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.nn import functional

from voidscope.training.pool import SlicePool
from voidscope.training.resampling import Axis, inside, resize

CPU = torch.device("cpu")
ONE = np.array([0])


def _axis(size: int, out: int) -> Axis:
    """The whole of `size` source pixels on `out` output pixels."""
    scale = np.array([size / out])
    centres = (np.arange(out) + 0.5)[None] * scale[:, None]
    return Axis(centres, scale, np.array([0]), np.array([size]), np.ones((1, out), bool))


def _resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    pool = SlicePool([image], torch.float32, CPU)
    return resize(pool, ONE, _axis(image.shape[0], height), _axis(image.shape[1], width))[0].numpy()


def _twin(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """By loops over every pair of output and source pixel."""

    def along(size: int, out: int) -> np.ndarray:
        weights = np.zeros((out, size))
        scale = size / out
        for i in range(out):
            for k in range(size):
                weights[i, k] = max(0.0, 1 - abs(k + 0.5 - (i + 0.5) * scale) / max(1.0, scale))
            weights[i] /= weights[i].sum()
        return weights

    return along(image.shape[0], height) @ image.astype(np.float64) @ along(image.shape[1], width).T


@settings(max_examples=40, deadline=None)
@given(*(st.integers(1, 14) for _ in range(4)), st.integers(0, 2**31))
def test_resizing_is_what_loops_over_pixels_give(h: int, w: int, height: int, width: int, seed: int) -> None:
    image = np.random.default_rng(seed).random((h, w), dtype=np.float32)
    np.testing.assert_allclose(_resize(image, height, width), _twin(image, height, width), atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (20, 31), (96, 150), (7, 200)])
def test_resizing_agrees_with_torchs_antialiased_bilinear_resize(height: int, width: int) -> None:
    image = np.random.default_rng(0).random((57, 96), dtype=np.float32)
    expected = functional.interpolate(
        torch.from_numpy(image)[None, None],
        (height, width),
        mode="bilinear",
        antialias=True,
        align_corners=False,
    )
    np.testing.assert_allclose(_resize(image, height, width), expected[0, 0].numpy(), atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (20, 31), (96, 150), (7, 200)])
def test_resizing_agrees_with_pillows_bilinear_resize(height: int, width: int) -> None:
    image = np.random.default_rng(0).random((57, 96), dtype=np.float32)
    expected = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
    np.testing.assert_allclose(_resize(image, height, width), np.asarray(expected), atol=1e-5)


def test_the_same_size_changes_nothing() -> None:
    image = np.random.default_rng(1).random((9, 13), dtype=np.float32)
    np.testing.assert_array_equal(_resize(image, 9, 13), image)


@settings(max_examples=30, deadline=None)
@given(*(st.integers(1, 40) for _ in range(4)))
def test_a_constant_slice_stays_constant_at_any_size(h: int, w: int, height: int, width: int) -> None:
    np.testing.assert_allclose(_resize(np.full((h, w), 0.75, np.float32), height, width), 0.75, atol=1e-6)


def test_halving_a_ramp_keeps_it_a_ramp_inside() -> None:
    ramp = np.tile(np.arange(32, dtype=np.float32), (4, 1))
    np.testing.assert_allclose(np.diff(_resize(ramp, 4, 16)[0])[1:-1], 2, atol=1e-4)


def test_samples_of_a_batch_do_not_touch_each_other() -> None:
    rng = np.random.default_rng(2)
    images = [rng.random(size, dtype=np.float32) for size in ((12, 30), (50, 9), (31, 31))]
    pool = SlicePool(images, torch.float32, CPU)
    axes = [[_axis(i.shape[k], 16) for i in images] for k in (0, 1)]
    rows, columns = (_stacked(a) for a in axes)
    together = resize(pool, np.arange(3), rows, columns).numpy()
    for k, image in enumerate(images):
        np.testing.assert_allclose(together[k], _resize(image, 16, 16), atol=1e-6)


def test_padding_is_zero_and_told_apart() -> None:
    pool = SlicePool([np.ones((4, 4), np.float32)], torch.float32, CPU)
    whole, part = _axis(4, 4), _axis(4, 4)
    half = Axis(part.centres, part.scale, part.low, part.high, np.array([[True, True, False, False]]))
    found = resize(pool, ONE, half, whole)[0]
    assert found[:2].eq(1).all()
    assert found[2:].eq(0).all()
    assert torch.equal(inside(pool, half, whole)[0], found.bool())


def _stacked(axes: list[Axis]) -> Axis:
    return Axis(*(np.concatenate([getattr(a, name) for a in axes]) for name in Axis.__dataclass_fields__))
