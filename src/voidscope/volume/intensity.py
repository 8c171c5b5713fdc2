"""How bright a scan is, measured once, so that all its slices are scaled alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from voidscope.errors import VolumeError
from voidscope.volume.volumes import Volume

MOST_SAMPLES = 4_000_000
"""Voxels looked at; percentiles of more are the same to a thousandth of the range."""


@dataclass(frozen=True, slots=True)
class Intensity:
    """Brightness of a scan.

    Attributes
    ----------
    low, high : 1st and 99th percentile of the intensities; where these coincide, the darkest and brightest voxel
    mean, std : mean and standard deviation of the intensities scaled by `scale`
    not_finite : share of the voxels looked at that are NaN or infinite
    """

    low: float
    high: float
    mean: float
    std: float
    not_finite: float = 0.0

    @property
    def doubt(self) -> str:
        """A sentence on voxels that are no numbers; empty when all are."""
        if not self.not_finite:
            return ""
        return f"{100 * self.not_finite:.2g} % of its voxels are NaN or infinite; they count as dark. Check the export."


def measure_intensity(volume: Volume, most_samples: int = MOST_SAMPLES) -> Intensity:
    """Measure a scan's intensities on a regular grid of at most `most_samples` voxels; NaN and infinity are left out.

    Raises
    ------
    VolumeError : every voxel has the same intensity, or none is a finite number.
    """
    looked_at = np.asarray(volume.voxels[_grid(volume.shape, most_samples)])
    sample = _finite(looked_at)
    low, high = np.percentile(sample, (1, 99)) if sample.size else (0.0, 0.0)
    if not _differ(low, high):
        low, high = _extremes(volume)
    scaled = scale(sample, Intensity(float(low), float(high), 0.0, 0.0)).astype(np.float64)
    mean, std = (scaled.mean(), scaled.std()) if scaled.size else (0.0, 0.0)
    return Intensity(
        float(low), float(high), float(mean), float(std), 1 - sample.size / max(1, looked_at.size)
    )


def scale(image: npt.NDArray[Any], intensity: Intensity) -> npt.NDArray[np.float32]:
    """Intensities as float32 in [0, 1]: ``(image - low) / (high - low)``, clipped; NaN becomes 0, infinity 0 or 1."""
    exact = np.result_type(image.dtype, np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = (image.astype(exact) - exact.type(intensity.low)) / exact.type(
            intensity.high - intensity.low
        )
    clipped: npt.NDArray[np.float32] = np.clip(scaled, 0, 1).astype(np.float32, copy=False)
    return np.nan_to_num(clipped, copy=False, nan=0.0)


def _grid(shape: tuple[int, int, int], most_samples: int) -> tuple[slice, ...]:
    """Every n-th voxel along each axis, the longest axes thinned first."""
    steps = np.ones(3, dtype=int)
    counts = np.array(shape)
    while counts.prod() > max(most_samples, 1):
        steps[counts.argmax()] += 1
        counts = -(-np.array(shape) // steps)
    return tuple(slice(None, None, int(s)) for s in steps)


def _finite(voxels: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    values = voxels.ravel().astype(np.float64)
    return values[np.isfinite(values)]


def _differ(low: float, high: float) -> bool:
    """Whether two intensities are apart far enough to divide by, and not infinitely far."""
    return bool(np.finfo(np.float32).tiny < high - low < np.finfo(np.float64).max)


def _extremes(volume: Volume) -> tuple[float, float]:
    """Darkest and brightest finite voxel of the whole scan, for scans that are almost one intensity throughout."""
    found = [
        (values.min(), values.max())
        for k in range(volume.shape[0])
        if (values := _finite(np.asarray(volume.voxels[k]))).size
    ]
    if not found:
        raise VolumeError(
            f"{volume.name} has no finite intensity among {volume.shape} voxels; export the scan again."
        )
    low, high = float(min(f[0] for f in found)), float(max(f[1] for f in found))
    if not _differ(low, high):
        raise VolumeError(
            f"{volume.name} is {low:g} everywhere, there is nothing to see in it; check the export."
        )
    return low, high
