"""Scans are scaled between their 1st and 99th percentile, once per scan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from voidscope.errors import VolumeError
from voidscope.volume import Intensity, Volume, measure_intensity, scale

RNG = np.random.default_rng(0)


def volume(voxels: np.ndarray) -> Volume:
    return Volume(voxels, None, "scan07")


def test_a_ramp_of_0_to_100_has_percentiles_1_and_99() -> None:
    found = measure_intensity(volume(np.arange(101, dtype=np.uint8).reshape(1, 1, 101)))
    assert (found.low, found.high) == (1.0, 99.0)
    assert found.mean == pytest.approx(0.5)


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "f2", "f4", "f8"])
def test_measures_agree_with_a_sort_and_a_loop(dtype: str) -> None:
    voxels = RNG.integers(0, 120, (5, 6, 7)).astype(dtype)
    found = measure_intensity(volume(voxels))
    values = sorted(float(v) for v in voxels.ravel())

    def percentile(p: float) -> float:
        at = (len(values) - 1) * p / 100
        below = values[int(at)]
        return below + (values[min(int(at) + 1, len(values) - 1)] - below) * (at - int(at))

    low, high = percentile(1), percentile(99)
    scaled = [min(max((v - low) / (high - low), 0.0), 1.0) for v in values]
    mean = sum(scaled) / len(scaled)
    std = (sum((s - mean) ** 2 for s in scaled) / len(scaled)) ** 0.5
    assert (found.low, found.high) == pytest.approx((low, high))
    assert (found.mean, found.std) == pytest.approx((mean, std), rel=1e-5)


numbers = st.floats(-1e6, 1e6, width=32)


@given(
    image=hnp.arrays(np.float32, (4, 5), elements=numbers | st.just(np.nan)),
    low=numbers,
    width=st.floats(1e-3, 1e6),
)
def test_scaled_images_lie_in_0_to_1_in_the_same_order(image: np.ndarray, low: float, width: float) -> None:
    scaled = scale(image, Intensity(low, low + width, 0.0, 0.0))
    assert scaled.dtype == np.float32
    assert ((scaled >= 0) & (scaled <= 1)).all()
    order = np.argsort(image, axis=None)
    seen = ~np.isnan(image.ravel()[order])
    assert (np.diff(scaled.ravel()[order][seen]) >= 0).all()
    assert (scaled[np.isnan(image)] == 0).all()


def test_ends_and_middle_scale_to_0_half_and_1() -> None:
    intensity = Intensity(100.0, 300.0, 0.0, 0.0)
    image = np.array([[-5, 100, 200, 300, 60_000]], np.int32)
    np.testing.assert_array_equal(scale(image, intensity), np.float32([[0, 0, 0.5, 1, 1]]))
    odd = np.array([np.nan, np.inf, -np.inf])
    np.testing.assert_array_equal(scale(odd, intensity), np.float32([0, 1, 0]))


def test_a_large_offset_does_not_eat_the_contrast() -> None:
    image = np.array([[2_000_000_000, 2_000_000_010, 2_000_000_020]], np.int32)
    np.testing.assert_allclose(scale(image, Intensity(2e9, 2e9 + 20, 0, 0)), [[0, 0.5, 1]], atol=1e-6)


def test_a_shifted_and_stretched_scan_looks_the_same_once_scaled() -> None:
    voxels = RNG.normal(size=(4, 20, 20))
    other = 7 * voxels - 30
    first, second = measure_intensity(volume(voxels)), measure_intensity(volume(other))
    np.testing.assert_allclose(scale(voxels, first), scale(other, second), atol=1e-5)
    assert (first.mean, first.std) == pytest.approx((second.mean, second.std), abs=1e-6)


def test_a_sample_is_small_and_tells_nearly_the_same() -> None:
    voxels = RNG.normal(size=(40, 50, 60)).astype(np.float32)

    class Counting:
        shape, dtype, read = voxels.shape, voxels.dtype, 0

        def __getitem__(self, index: object) -> np.ndarray:
            part = voxels[index]
            self.read += part.size
            return part

    counting = Counting()
    sampled = measure_intensity(volume(counting), most_samples=10_000)
    assert counting.read <= 10_000
    whole = measure_intensity(volume(voxels))
    assert (sampled.low, sampled.high) == pytest.approx((whole.low, whole.high), abs=0.2)
    assert sampled == measure_intensity(volume(voxels), most_samples=10_000)


def test_numbers_that_are_not_finite_do_not_count() -> None:
    voxels = RNG.normal(size=(3, 10, 10))
    holed = np.concatenate([voxels, np.full((1, 10, 10), np.nan), np.full((1, 10, 10), np.inf)])
    intensity = measure_intensity(volume(holed))
    assert replace(intensity, not_finite=0.0) == measure_intensity(volume(voxels))
    assert intensity.not_finite == pytest.approx(2 / 5)
    assert "40 % of its voxels" in intensity.doubt


def test_rare_bright_voxels_are_found_when_the_percentiles_coincide() -> None:
    voxels = np.zeros((4, 30, 30), np.uint8)
    voxels[2, 7, 7] = 9
    assert measure_intensity(volume(voxels), most_samples=50)
    found = measure_intensity(volume(voxels))
    assert (found.low, found.high) == (0.0, 9.0)


@pytest.mark.parametrize(
    ("voxels", "said"),
    [(np.full((3, 4, 5), 7, np.uint8), "scan07 is 7 everywhere"), (np.zeros((1, 1, 1), np.float32), "scan07 is 0 everywhere"),
     (np.full((3, 4, 5), np.nan), "scan07 has no finite intensity"), (np.full((3, 4, 5), np.inf), "no finite intensity"),
     (np.where(np.arange(60).reshape(3, 4, 5) % 2, np.nan, 3.0), "3 everywhere")],
)  # fmt: skip
def test_a_scan_with_nothing_to_see_is_refused(voxels: np.ndarray, said: str) -> None:
    with pytest.raises(VolumeError, match=said):
        measure_intensity(volume(voxels))
