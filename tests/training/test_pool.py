"""Slices of any sizes in one flat tensor: what is cut out is what was put in."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from voidscope.training.pool import SlicePool

CPU = torch.device("cpu")


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=6), st.integers(0, 2**31)
)
def test_any_pixel_of_any_slice_is_found_again(sizes: list[tuple[int, int]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    slices = [rng.integers(0, 255, size, dtype=np.uint8) for size in sizes]
    pool = SlicePool(slices, torch.uint8, CPU)
    which = rng.integers(0, len(slices), 5)
    rows = rng.integers(0, pool.sizes[which, 0, None], (5, 3))
    columns = rng.integers(0, pool.sizes[which, 1, None], (5, 4))
    expected = [slices[w][np.ix_(r, c)] for w, r, c in zip(which, rows, columns, strict=True)]
    np.testing.assert_array_equal(pool.cut(which, rows, columns).numpy(), expected)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=6), st.integers(0, 2**31)
)
def test_runs_of_a_row_hold_its_pixels_as_far_as_it_goes(sizes: list[tuple[int, int]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    slices = [rng.integers(0, 255, size, dtype=np.uint8) for size in sizes]
    pool = SlicePool(slices, torch.uint8, CPU)
    which = rng.integers(0, len(slices), 5)
    rows = rng.integers(0, pool.sizes[which, 0, None], (5, 3))
    left = rng.integers(0, pool.sizes[which, 1])
    n = int(rng.integers(1, pool.sizes[:, 1].max() + 1))
    found = pool.rows(which, rows, left, n).numpy()
    assert found.shape == (5, 3, n)
    for runs, w, r, x in zip(found, which, rows, left, strict=True):
        expected = slices[w][r, x : x + n]
        np.testing.assert_array_equal(runs[:, : expected.shape[1]], expected)


def test_sizes_and_length_are_those_of_the_slices() -> None:
    pool = SlicePool([np.zeros((3, 5), np.float32), np.zeros((7, 2), np.float32)], torch.float16, CPU)
    assert len(pool) == 2
    assert pool.sizes.tolist() == [[3, 5], [7, 2]]


def test_views_and_transposed_slices_are_taken_as_they_look() -> None:
    image = np.arange(12, dtype=np.uint8).reshape(3, 4)
    pool = SlicePool([image.T, image[::-1, ::2]], torch.uint8, CPU)
    everything = (np.arange(4)[None], np.arange(3)[None])
    np.testing.assert_array_equal(pool.cut(np.array([0]), *everything)[0].numpy(), image.T)
    np.testing.assert_array_equal(
        pool.cut(np.array([1]), np.arange(3)[None], np.arange(2)[None])[0].numpy(), image[::-1, ::2]
    )


def test_half_precision_keeps_a_scaled_intensity_to_a_quarter_of_a_thousandth() -> None:
    image = np.linspace(0, 1, 1000, dtype=np.float32)[None]
    pool = SlicePool([image], torch.float16, CPU)
    found = pool.cut(np.array([0]), np.array([[0]]), np.arange(1000)[None]).float().numpy()
    np.testing.assert_allclose(found[0], image, atol=2.5e-4)


def test_moving_a_pool_moves_its_slices() -> None:
    pool = SlicePool([np.zeros((3, 5), np.float32)], torch.float16, CPU)
    assert pool.device == CPU
    assert pool.to(torch.device("meta")).device.type == "meta"
