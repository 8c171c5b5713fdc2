"""Faults of harder scans: fringes, stray light, hidden views, smoothing and drift, each against its formula."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from voidscope.volume.phantom import physics
from voidscope.volume.phantom.acquisition import Acquisition, random_acquisition

FLAWLESS = replace(
    random_acquisition(np.random.default_rng(0)),
    photons=1e9, ring=0.0, texture=0.0, axis_shift_px=0.0, hardening_left=1.0, gain=1.0, offset=8_000.0, blur_px=0.6,
)  # fmt: skip


def block(material: str, size: int = 32) -> dict[str, np.ndarray]:
    """A cylinder along z of one material, in filling."""
    y, x = np.meshgrid(np.arange(size) - size / 2, np.arange(size) - size / 2, indexing="ij")
    disc = np.clip(8.5 - np.hypot(y, x), 0, 1).astype(np.float32)
    return {material: np.broadcast_to(disc, (12, size, size)).copy()}


def taken(how: Acquisition, material: str = "copper") -> np.ndarray:
    return physics.scan(block(material), 0.7, how, np.random.default_rng(0)).astype(float)


def test_every_material_has_a_density_and_an_attenuation() -> None:
    assert set(physics.DENSITY) == set(physics.ATTENUATION_PER_CM)
    assert all(len(mu) == len(physics.ENERGIES_KEV) for mu in physics.ATTENUATION_PER_CM.values())


def test_the_compound_attenuates_between_copper_and_solder_above_tins_edge() -> None:
    copper, solder, between = (physics.ATTENUATION_PER_CM[m] for m in ("copper", "solder", "compound"))
    assert all(c < b < s for c, b, s in zip(copper[1:], between[1:], solder[1:], strict=True))


def test_the_curvature_of_a_parabola_is_constant() -> None:
    column, z = np.arange(20, dtype=np.float32)[:, None], np.arange(15, dtype=np.float32)[None]
    path = np.stack([3 * column**2 + 0.5 * z**2] * 2).astype(np.float32)
    found = physics.curvature({"copper": path.reshape(40, 15)}, (2, 20, 15))
    excess = physics.DENSITY["copper"] - physics.DENSITY["filling"]
    assert np.allclose(found[:, 1:-1, 1:-1], excess * (2 * 3 + 2 * 0.5), rtol=1e-4)


def test_views_do_not_bend_into_each_other() -> None:
    path = np.zeros((3, 6, 5), np.float32)
    path[1] = np.random.default_rng(0).random((6, 5))
    found = physics.curvature({"solder": path.reshape(18, 5)}, (3, 6, 5))
    assert not found[[0, 2]].any()
    assert found[1].any()


def test_the_filling_itself_bends_nothing() -> None:
    path = np.random.default_rng(0).random((6, 5)).astype(np.float32)
    bent = physics.curvature({"filling": path, "copper": np.zeros_like(path)}, (1, 6, 5))
    assert not bent.any()


def test_fringes_brighten_an_edges_inside_and_darken_its_outside() -> None:
    flat, bent = (taken(replace(FLAWLESS, fringe=f))[6] for f in (0.0, 1.5e-3))
    y, x = np.meshgrid(np.arange(32) - 16, np.arange(32) - 16, indexing="ij")
    r = np.hypot(y, x)
    change = bent - flat
    assert change[(r > 6) & (r < 7.5)].mean() > 300
    assert change[(r > 8.5) & (r < 10)].mean() < -300
    assert abs(change[r < 4].mean()) < 100


def test_gas_shows_by_its_fringes_where_it_hardly_absorbs() -> None:
    flat, bent = (taken(replace(FLAWLESS, fringe=f), "gas")[6] for f in (0.0, 1.5e-3))
    assert np.ptp(bent) > 1.5 * np.ptp(flat)


def test_stray_light_adds_its_share_of_a_views_mean() -> None:
    sinogram = np.random.default_rng(0).random((4, 9, 5)).astype(np.float32)
    how = replace(FLAWLESS, photons=1e12, blur_px=1e-3, scatter=0.2)
    found = np.exp(-physics._detect(sinogram, how, np.random.default_rng(0)))
    passed = np.exp(-sinogram)
    expected = (passed + 0.2 * passed.mean(axis=(1, 2), keepdims=True)) / 1.2
    assert np.allclose(found, expected, rtol=1e-3)


def test_stray_light_lowers_the_contrast_of_metal() -> None:
    clear, hazy = (taken(replace(FLAWLESS, scatter=s), "solder")[6, 14:18, 14:18].mean() for s in (0, 0.2))
    assert hazy < clear - 500


@pytest.mark.parametrize(("start", "width"), [(0.0, 30.0), (170.0, 30.0), (77.0, 12.0)])
def test_hidden_views_are_blank_and_the_others_stand_in(start: float, width: float) -> None:
    how = replace(FLAWLESS, n_views=180, missing_deg=width, missing_at_deg=start)
    found = physics._without_hidden(np.ones((180, 3, 2), np.float32), how)[:, 0, 0]
    hidden = {round(start + k) % 180 for k in range(round(width))}
    assert set(np.flatnonzero(found == 0).tolist()) == hidden
    assert found.mean() == pytest.approx(1)
    assert len(np.unique(found)) == 2


def test_hidden_views_leave_streaks_and_keep_the_mean() -> None:
    whole, part = (taken(replace(FLAWLESS, missing_deg=w))[6] for w in (0.0, 24.0))
    y, x = np.meshgrid(np.arange(32) - 16, np.arange(32) - 16, indexing="ij")
    outside = np.hypot(y, x) > 10
    assert part[outside].std() > 1.5 * whole[outside].std()
    assert part.mean() == pytest.approx(whole.mean(), rel=0.02)


def test_smoothing_correlates_the_noise() -> None:
    def noise(kernel_px: float) -> np.ndarray:
        how = replace(FLAWLESS, photons=3e3, kernel_px=kernel_px)
        return taken(how) - taken(replace(how, photons=1e9))

    def neighbours(found: np.ndarray) -> float:
        return float(np.corrcoef(found[:-1].ravel(), found[1:].ravel())[0, 1])

    sharp, smooth = noise(0.0), noise(0.8)
    assert smooth.std() < 0.8 * sharp.std()
    assert neighbours(smooth) > neighbours(sharp) + 0.2


def test_drift_scales_each_layer() -> None:
    how = replace(FLAWLESS, drift=0.1, drift_phase=0.3)
    flat = np.full((40, 3, 3), 20.0, np.float32)
    still, drifting = (physics._stored(flat, h).astype(float) for h in (replace(how, drift=0.0), how))
    expected = 1 + 0.1 * np.sin(2 * np.pi * (0.75 * np.arange(40) / 40 + 0.3))
    assert np.allclose((drifting / still)[:, 1, 1], expected, atol=1e-3)


def test_flawless_scans_lack_every_fault() -> None:
    assert FLAWLESS.drift == FLAWLESS.kernel_px == FLAWLESS.scatter == FLAWLESS.fringe == 0
    assert np.array_equal(taken(FLAWLESS), taken(replace(FLAWLESS, missing_at_deg=50, drift_phase=0.5)))
