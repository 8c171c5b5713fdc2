"""How one scan was taken: the settings and faults of a microscope, which differ between scans, tools and days."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from voidscope.volume.phantom.difficulty import Acquisitions


@dataclass(frozen=True)
class Acquisition:
    """How one scan was taken; every scan has its own, which is the domain shift between scans.

    Attributes
    ----------
    spectrum : relative photons per energy bin
    photons : counted per detector pixel and view without sample
    n_views : projections over 180 degrees
    blur_px : detector blur, standard deviation
    ring : relative gain error of the detector's columns
    axis_shift_px : error of the centre of rotation
    hardening_left : share of the beam hardening that the correction leaves; above 1 it makes things worse
    texture : relative graininess of the filling
    gain, offset : from attenuation to stored intensity
    fringe : strength of phase contrast, defocus times refraction per voxel and density (see `physics.curvature`)
    scatter : stray light, as a share of a view's mean intensity
    missing_deg, missing_at_deg : width and start of the angles at which the package hides the bump
    kernel_px : smoothing after reconstruction, which correlates the noise; standard deviation
    drift, drift_phase : relative slow change of the intensity along z, and where in its course the scan begins
    """

    spectrum: tuple[float, ...]
    photons: float
    n_views: int
    blur_px: float
    ring: float
    axis_shift_px: float
    hardening_left: float
    texture: float
    gain: float
    offset: float
    fringe: float = 0.0
    scatter: float = 0.0
    missing_deg: float = 0.0
    missing_at_deg: float = 0.0
    kernel_px: float = 0.0
    drift: float = 0.0
    drift_phase: float = 0.0


def random_acquisition(rng: np.random.Generator, ranges: Acquisitions | None = None) -> Acquisition:
    """Settings as they differ between scans; without ranges, those of a plain set.

    What plain sets lack is drawn from a generator of its own, so that it moves no other draw.
    """
    r, (more,) = ranges or Acquisitions(), rng.spawn(1)
    tilt = rng.uniform(*r.hardness)
    weights = np.array([0.12, 0.2, 0.26, 0.2, 0.14, 0.08]) * np.exp(tilt * np.linspace(-1, 1, 6))
    return Acquisition(
        spectrum=tuple(float(w) for w in weights / weights.sum()), photons=float(np.exp(rng.uniform(*r.log_photons))),
        n_views=int(rng.integers(int(r.n_views[0]), int(r.n_views[1]))), blur_px=rng.uniform(*r.blur_px),
        ring=rng.uniform(*r.ring), axis_shift_px=rng.normal(0, r.axis_shift_sd_px),
        hardening_left=rng.uniform(*r.hardening_left), texture=rng.uniform(*r.texture), gain=rng.uniform(*r.gain),
        offset=rng.uniform(*r.offset), fringe=more.uniform(*r.fringe), scatter=more.uniform(*r.scatter),
        missing_deg=more.uniform(*r.missing_deg), missing_at_deg=more.uniform(0, 180),
        kernel_px=more.uniform(*r.kernel_px), drift=more.uniform(*r.drift), drift_phase=more.uniform(0, 1),
    )  # fmt: skip
