"""From materials to a reconstructed scan: polychromatic X-rays, noise, detector, rings, filtered back-projection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from voidscope.volume.phantom.acquisition import Acquisition

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Field = npt.NDArray[np.float32]

ENERGIES_KEV = (25.0, 30.0, 40.0, 50.0, 60.0, 80.0)
"""Energy bins of the source."""
ATTENUATION_PER_CM: Mapping[str, tuple[float, ...]] = {
    "copper": (164.0, 97.9, 43.5, 23.4, 14.3, 6.84),
    "solder": (96.0, 300.0, 142.0, 78.1, 47.9, 22.1),
    "filling": (5.3, 3.35, 1.63, 1.02, 0.75, 0.52),
    "void": (0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    "compound": (125.0, 240.0, 112.0, 61.7, 37.8, 17.6),
    "resin": (0.42, 0.33, 0.27, 0.25, 0.23, 0.21),
    "filler": (4.9, 3.06, 1.67, 1.17, 0.94, 0.73),
    "gas": (0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
}
"""Linear attenuation of copper, tin-silver solder (with tin's K edge at 29.2 keV), silicon-like filling, Cu6Sn5, epoxy
and alumina, of the order of the NIST tables."""
DENSITY: Mapping[str, float] = {
    "copper": 8.2, "solder": 6.2, "filling": 2.3, "void": 0.0, "compound": 7.1, "resin": 1.3, "filler": 3.9, "gas": 0.0,
}  # fmt: skip
"""Electron density relative to water's, which refracts the beam."""


def scan(
    fractions: Mapping[str, Field], voxel_um: float, how: Acquisition, rng: np.random.Generator
) -> npt.NDArray[np.uint16]:
    """The scan (z, y, x) of materials given as shares of each voxel.

    The bump sits in filling that reaches far beyond the field of view, so only differences to it shape a
    projection, while its thickness hardens the beam.
    """
    depth, ny, nx = next(iter(fractions.values())).shape
    projector = project_matrix(ny, nx, how.n_views, how.axis_shift_px)
    materials = {**fractions, "filling": _grains(fractions, how, rng)}
    paths = {m: _project(projector, f) * (voxel_um * 1e-4) for m, f in materials.items()}
    attenuated = attenuation(paths, how.spectrum).reshape(how.n_views, -1, depth)
    if how.fringe:
        attenuated -= np.float32(how.fringe / (voxel_um * 1e-4)) * curvature(paths, attenuated.shape)
    measured = _detect(attenuated, how, rng)
    ideal = project_matrix(ny, nx, how.n_views, 0.0)
    seen = _without_hidden(filtered(_straightened(measured, how)), how)
    found = back_project(ideal, seen, how.n_views).reshape(ny, nx, depth) / (voxel_um * 1e-4)
    return _stored(_smoothed(np.moveaxis(found, 2, 0), how), how)


def project_matrix(ny: int, nx: int, n_views: int, axis_shift_px: float) -> csr_matrix:
    """Sparse parallel projector (n_views * n_columns, ny * nx) over 180 degrees, in voxel lengths.

    Each voxel's content falls on the two detector columns nearest to its centre, shared linearly; the transpose is
    therefore linear-interpolating back-projection.
    """
    from scipy.sparse import csr_matrix

    n_columns = n_detector_columns(ny, nx)
    y, x = np.meshgrid(np.arange(ny) - (ny - 1) / 2, np.arange(nx) - (nx - 1) / 2, indexing="ij")
    angles = np.arange(n_views) * np.pi / n_views
    at = (
        np.cos(angles)[:, None] * x.ravel()
        + np.sin(angles)[:, None] * y.ravel()
        + (n_columns - 1) / 2
        + axis_shift_px
    )
    low = np.floor(at).astype(np.int64)
    share = (at - low).astype(np.float32)
    rows = np.arange(n_views)[:, None] * n_columns + np.stack([low, low + 1])
    columns = np.broadcast_to(np.arange(ny * nx), rows.shape)
    values = np.stack([1 - share, share])
    return csr_matrix(
        (values.ravel(), (rows.ravel(), columns.ravel())),
        shape=(n_views * n_columns, ny * nx),
        dtype=np.float32,
    )


def n_detector_columns(ny: int, nx: int) -> int:
    """Detector columns that see the whole field at every angle, with room for the axis to be off."""
    return int(np.ceil(np.hypot(ny, nx))) + 6


def attenuation(paths: Mapping[str, Field], spectrum: tuple[float, ...]) -> Field:
    """-ln of the transmitted share of a polychromatic beam (Beer-Lambert per energy bin), from path lengths in cm."""
    passed = np.zeros_like(next(iter(paths.values())))
    for k, weight in enumerate(spectrum):
        if weight:
            exponent = sum(np.float32(_contrast(m, k)) * length for m, length in paths.items())
            passed += np.float32(weight) * np.exp(-exponent)
    return np.asarray(-np.log(passed), dtype=np.float32)


def _contrast(material: str, k: int) -> float:
    """Attenuation beyond that of the filling; the filling's own volume holds only its grains."""
    filling = ATTENUATION_PER_CM["filling"][k]
    return filling if material == "filling" else ATTENUATION_PER_CM[material][k] - filling


def curvature(paths: Mapping[str, Field], shape: tuple[int, ...]) -> Field:
    """Laplacian, on the detector, of the path length (cm) times relative density: (views, columns, z).

    A short way behind the sample the beam's refraction adds this, times defocus and refraction, to the logarithm of
    its intensity: bright and dark fringes at every edge, light materials included (transport of intensity).
    """
    from scipy.ndimage import laplace

    bent = sum(
        np.float32(DENSITY[m] - DENSITY["filling"]) * path for m, path in paths.items() if m != "filling"
    )
    stack = np.asarray(bent, dtype=np.float32).reshape(shape)
    return np.stack([laplace(view, mode="nearest") for view in stack])


def filtered(sinogram: Field) -> Field:
    """Ramp-filter the columns (axis 1) of a sinogram (views, columns, z), windowed by a Hann."""
    n = sinogram.shape[1]
    size = 1 << int(np.ceil(np.log2(2 * n)))
    ramp = np.zeros(size)
    ramp[0] = 0.25
    odd = np.arange(1, size // 2, 2)
    ramp[odd] = ramp[-odd] = -1 / (np.pi * odd) ** 2
    response = np.abs(np.fft.rfft(ramp)) * (0.5 + 0.5 * np.cos(np.pi * np.linspace(0, 1, size // 2 + 1)))
    spectrum = np.fft.rfft(sinogram, n=size, axis=1) * response[None, :, None]
    return np.asarray(np.fft.irfft(spectrum, n=size, axis=1)[:, :n], dtype=np.float32)


def back_project(projector: csr_matrix, sinogram: Field, n_views: int) -> Field:
    """Filtered back-projection (ny * nx, z), per voxel length, of a filtered sinogram (views, columns, z)."""
    return np.asarray(projector.T @ sinogram.reshape(-1, sinogram.shape[2])) * np.float32(np.pi / n_views)


def _project(projector: csr_matrix, field: Field) -> Field:
    columns = np.moveaxis(field, 0, 2).reshape(-1, field.shape[0])
    return np.asarray(projector @ np.ascontiguousarray(columns))


def _grains(fractions: Mapping[str, Field], how: Acquisition, rng: np.random.Generator) -> Field:
    """Filler particles: the relative deviation of the filling's density, zero inside the bump."""
    from scipy.ndimage import gaussian_filter

    shape = next(iter(fractions.values())).shape
    noise = gaussian_filter(rng.standard_normal(shape, dtype=np.float32), 1.3)
    free = np.clip(1 - sum(fractions.values()), 0, 1)
    return np.asarray(how.texture * noise / noise.std() * free, dtype=np.float32)


def _detect(sinogram: Field, how: Acquisition, rng: np.random.Generator) -> Field:
    """Blur, count photons, divide by a flat field whose gains are slightly wrong, and take the logarithm."""
    from scipy.ndimage import gaussian_filter1d

    passed = gaussian_filter1d(gaussian_filter1d(np.exp(-sinogram), how.blur_px, axis=1), how.blur_px, axis=2)
    if how.scatter:
        passed = (passed + how.scatter * passed.mean(axis=(1, 2), keepdims=True)) / (1 + how.scatter)
    counted = rng.poisson(passed * how.photons).astype(np.float32)
    gain = 1 + how.ring * rng.standard_normal((1, sinogram.shape[1], sinogram.shape[2]), dtype=np.float32)
    return np.asarray(-np.log(np.maximum(counted, 1) * gain / np.float32(how.photons)), dtype=np.float32)


def _straightened(measured: Field, how: Acquisition) -> Field:
    """The usual one-parameter beam-hardening correction, which is never quite right."""
    return measured + np.float32(0.25 * (1 - how.hardening_left)) * measured**2


def _without_hidden(sinogram: Field, how: Acquisition) -> Field:
    """Blank the views at hidden angles and weight the others up, as if they stood for all."""
    degrees = np.arange(how.n_views) * 180 / how.n_views
    hidden = (degrees - how.missing_at_deg) % 180 < how.missing_deg
    if not hidden.any():
        return sinogram
    weights = np.where(hidden, 0, how.n_views / (~hidden).sum())
    return sinogram * weights.astype(np.float32)[:, None, None]


def _smoothed(found: Field, how: Acquisition) -> Field:
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(found, how.kernel_px)) if how.kernel_px else found


def _stored(attenuation_per_cm: Field, how: Acquisition) -> npt.NDArray[np.uint16]:
    """Attenuation in 1/cm as 16-bit intensities: 180 grey levels per 1/cm, times the scan's gain, drifting along z."""
    grey = attenuation_per_cm * 180 * how.gain + how.offset
    if how.drift:
        grey = grey * (1 + how.drift * _course(grey.shape[0], how.drift_phase))[:, None, None]
    return np.asarray(np.clip(grey, 0, 65_535).round(), dtype=np.uint16)


def _course(depth: int, phase: float) -> Field:
    """A slow wave along z, three quarters of a period long, between -1 and 1."""
    turns = 0.75 * np.arange(depth) / depth + phase
    return np.asarray(np.sin(2 * np.pi * turns), dtype=np.float32)
