"""Simulated scans: exact labels, honest physics, the paper's shapes, and the same scans for the same seed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from voidscope.errors import ConfigError, ProjectError
from voidscope.jobs import Job, execute
from voidscope.vocabulary import Split
from voidscope.volume import Dataset, read_scan, simulate_dataset, simulate_scan
from voidscope.volume.phantom import physics
from voidscope.volume.phantom.acquisition import random_acquisition
from voidscope.volume.phantom.bump import random_bump
from voidscope.volume.phantom.geometry import (
    BACKGROUND,
    PAD,
    PILLAR,
    SOLDER,
    VOID,
    ellipsoid,
    random_shape,
)

SMALL = (40, 36, 38)
PLAIN_COUNTS = [39711, 6763, 3317, 1537, 3392]
PLAIN_MEANS = [9235.9, 16568.9, 22281.0, 13508.4, 16443.2]
"""Voxels and mean intensity of each class in memory scan 3 of seed 4, as they were before there were difficulties."""


def grid(shape: tuple[int, int, int]) -> tuple[np.ndarray, ...]:
    return tuple(np.meshgrid(*(np.arange(n, dtype=np.float32) for n in shape), indexing="ij"))


def make(folder: Path, logic: int, memory: int, seed: int = 0) -> Dataset:
    execute(Job("", lambda: simulate_dataset(folder, logic=logic, memory=memory, seed=seed), lambda r: r))
    return Dataset.open(folder)


@pytest.mark.parametrize("radii", [(5.0, 5.0, 5.0), (4.0, 6.0, 8.0), (3.2, 9.1, 5.5)])
def test_an_ellipsoids_voxels_are_its_volume(radii: tuple[float, float, float]) -> None:
    inside = ellipsoid(grid((24, 26, 28)), (11.3, 12.6, 13.1), radii) < 0
    assert inside.sum() == pytest.approx(4 / 3 * np.pi * np.prod(radii), rel=0.02)


def test_the_distance_to_a_sphere_is_exact() -> None:
    z, y, x = grid((15, 15, 15))
    found = ellipsoid((z, y, x), (7, 7, 7), (4, 4, 4))
    exact = np.sqrt((z - 7) ** 2 + (y - 7) ** 2 + (x - 7) ** 2) - 4
    assert np.allclose(found, exact, atol=1e-4)


@pytest.mark.parametrize("seed", range(6))
def test_voids_are_surrounded_by_solder(seed: int) -> None:
    labels = random_bump("memory", (70, 60, 64), np.random.default_rng(seed), void_level=1.5).labels
    void = labels == VOID
    assert void.any()
    neighbours = np.zeros_like(void)
    for axis in range(3):
        for step in (-1, 1):
            neighbours |= np.roll(void, step, axis)
    assert set(np.unique(labels[neighbours & ~void])) <= {SOLDER, PILLAR}
    assert (labels[neighbours & ~void] == SOLDER).mean() > 0.95


@pytest.mark.parametrize(
    ("kind", "ids"), [("logic", {BACKGROUND, PILLAR, SOLDER}), ("memory", {BACKGROUND, PILLAR, SOLDER, PAD})]
)
def test_a_bump_told_to_have_no_voids_has_none_and_all_else(kind: str, ids: set[int]) -> None:
    made = simulate_scan(kind, 3, 0, void_level=0.0)  # type: ignore[arg-type]
    assert set(np.unique(made.labels)) == ids
    assert made.void_volume_um3 == 0


def test_shares_of_a_voxel_never_exceed_it() -> None:
    fractions = random_bump("memory", (60, 50, 55), np.random.default_rng(1), 2.0).fractions
    total = sum(fractions.values())
    assert all(f.min() >= 0 for f in fractions.values())
    assert total.max() <= 1 + 1e-5


def test_labels_follow_the_material_that_fills_most_of_the_voxel() -> None:
    bump = random_bump("logic", (60, 50, 55), np.random.default_rng(2), 1.0)
    copper = bump.fractions["copper"] > 0.75
    assert (bump.labels[copper] == PILLAR).all()
    assert (bump.labels[bump.fractions["void"] > 0.75] == VOID).all()


def test_scans_have_the_papers_shapes() -> None:
    shapes = np.array([random_shape(np.random.default_rng(s)) for s in range(400)])
    assert (shapes.min(axis=0) >= (57, 48, 51)).all()
    assert (shapes.max(axis=0) <= (96, 82, 96)).all()
    assert (np.ptp(shapes, axis=0) > (30, 28, 38)).all()


def test_the_same_seed_gives_the_same_scan_and_others_another() -> None:
    one, again = (simulate_scan("memory", 5, 1, shape=SMALL) for _ in range(2))
    assert (np.asarray(one.volume.voxels) == np.asarray(again.volume.voxels)).all()
    assert (one.labels == again.labels).all()
    for other in (
        simulate_scan("memory", 6, 1, shape=SMALL),
        simulate_scan("memory", 5, 2, shape=SMALL),
        simulate_scan("logic", 5, 1, shape=SMALL),
    ):
        assert not np.array_equal(np.asarray(other.volume.voxels), np.asarray(one.volume.voxels))


def test_scans_differ_in_brightness_more_than_their_own_noise() -> None:
    scans = [simulate_scan("logic", 0, k, shape=SMALL) for k in range(6)]
    means = [np.asarray(s.volume.voxels)[s.labels == SOLDER].mean() for s in scans]
    noise = [np.asarray(s.volume.voxels)[s.labels == BACKGROUND].std() for s in scans]
    assert np.std(means) > np.mean(noise)


def test_copper_solder_and_voids_differ_as_their_attenuation_does() -> None:
    made = simulate_scan("memory", 4, 3, void_level=2.0)
    voxels = np.asarray(made.volume.voxels, float)
    background, copper, solder, void = (
        voxels[made.labels == k].mean() for k in (BACKGROUND, PILLAR, SOLDER, VOID)
    )
    assert background < copper < solder
    assert void < solder


def test_one_energy_obeys_beer_and_lambert() -> None:
    length = np.linspace(0, 0.02, 7, dtype=np.float32)
    spectrum = (0.0, 0.0, 1.0, 0.0, 0.0, 0.0)
    mu = physics.ATTENUATION_PER_CM["copper"][2] - physics.ATTENUATION_PER_CM["filling"][2]
    assert np.allclose(physics.attenuation({"copper": length}, spectrum), mu * length, rtol=1e-5)


def test_a_mixed_beam_hardens() -> None:
    length = np.linspace(0.001, 0.02, 7, dtype=np.float32)
    found = physics.attenuation({"solder": length}, (0.2, 0.2, 0.2, 0.2, 0.1, 0.1))
    per_cm = found / length
    assert (np.diff(per_cm) < 0).all()


def test_the_projector_agrees_with_rotating_and_summing() -> None:
    from scipy.ndimage import gaussian_filter1d, rotate

    y, x = np.meshgrid(np.arange(42) - 20.5, np.arange(42) - 20.5, indexing="ij")
    image = np.exp(-((y - 4) ** 2 / 30 + (x + 3) ** 2 / 18)).astype(np.float32)
    n_views, columns = 12, physics.n_detector_columns(42, 42)
    found = (physics.project_matrix(42, 42, n_views, 0.0) @ image.ravel()).reshape(n_views, columns)
    start = (columns - 42) // 2
    found = gaussian_filter1d(
        found, 0.8, axis=1
    )  # the linear splat's aliasing lies beyond what any detector resolves
    for k in range(n_views):
        slow = rotate(image, np.rad2deg(k * np.pi / n_views), reshape=False, order=3).sum(axis=0)
        slow = gaussian_filter1d(slow, 0.8)
        assert np.allclose(found[k, start : start + 42], slow, atol=0.03 * slow.max()), k


def test_back_projection_recovers_a_disc() -> None:
    y, x = np.meshgrid(np.arange(64) - 31.5, np.arange(64) - 31.5, indexing="ij")
    disc = (np.hypot(y, x) < 18).astype(np.float32)
    projector = physics.project_matrix(64, 64, 180, 0.0)
    sinogram = (projector @ disc.ravel()).reshape(180, -1, 1)
    found = physics.back_project(projector, physics.filtered(sinogram), 180).reshape(64, 64)
    assert found[np.hypot(y, x) < 14].mean() == pytest.approx(1, abs=0.03)
    assert abs(found[(np.hypot(y, x) > 22) & (np.hypot(y, x) < 30)].mean()) < 0.03


def test_more_photons_give_less_noise() -> None:
    from dataclasses import replace

    fractions = random_bump("logic", SMALL, np.random.default_rng(0), 0.0).fractions
    how = replace(random_acquisition(np.random.default_rng(0)), ring=0.0, texture=0.0, gain=1.0)
    noise = [
        physics.scan(fractions, 0.7, replace(how, photons=p), np.random.default_rng(1))[:3]
        .astype(float)
        .std()
        for p in (1e4, 1.6e5)
    ]
    assert noise[0] > 2.5 * noise[1]


def test_rings_are_the_columns_gains() -> None:
    from dataclasses import replace

    how = replace(random_acquisition(np.random.default_rng(0)), ring=0.02, photons=1e9)
    flat = np.zeros((30, 40, 5), np.float32)
    found = physics._detect(flat, how, np.random.default_rng(0))
    assert found.std(axis=0).max() < 1e-3
    assert found[0].std() == pytest.approx(0.02, rel=0.2)


def test_a_data_set_holds_pairs_with_a_split_by_scan(tmp_path: Path) -> None:
    dataset = make(tmp_path / "d", 1, 2)
    assert [s.name for s in dataset.scans] == ["logic_000", "memory_000", "memory_001"]
    assert [s.split for s in dataset.scans] == [Split.TRAIN, Split.TRAIN, Split.TEST]
    assert dataset.spacing_um == (0.7, 0.7, 0.7)
    made = simulate_scan("memory", 0, 1)
    assert (
        np.asarray(read_scan(tmp_path / "d" / "memory_001.tif").voxels[:]) == np.asarray(made.volume.voxels)
    ).all()
    assert (dataset.truth("memory_001") == made.labels + 1).all()


def test_every_fifth_scan_of_each_kind_is_for_testing(tmp_path: Path) -> None:
    from voidscope.volume.phantom.simulate import _description

    names = [f"logic_{k:03d}" for k in range(25)] + [f"memory_{k:03d}" for k in range(53)]
    test = _description(names)["test"]
    assert isinstance(test, list)
    assert sum(n.startswith("logic") for n in test) == 5
    assert sum(n.startswith("memory") for n in test) == 10


def test_an_interrupted_run_goes_on_and_ends_alike(tmp_path: Path) -> None:
    steps = simulate_dataset(tmp_path / "d", logic=2, memory=0, seed=1)
    next(steps), next(steps)
    steps.close()
    kept = (tmp_path / "d" / "logic_000.tif").stat().st_mtime_ns
    make(tmp_path / "d", 2, 0, seed=1)
    whole = make(tmp_path / "e", 2, 0, seed=1)
    assert (tmp_path / "d" / "logic_000.tif").stat().st_mtime_ns == kept
    for scan in whole.scans:
        assert (tmp_path / "d" / scan.path.name).read_bytes() == scan.path.read_bytes()


def test_nothing_of_anothers_is_overwritten(tmp_path: Path) -> None:
    make(tmp_path / "d", 1, 0)
    with pytest.raises(ProjectError, match="another data set"):
        make(tmp_path / "d", 1, 1)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(ProjectError, match="not empty"):
        make(tmp_path / "mine", 1, 0)
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "dataset.json").write_text(json.dumps([1]))
    with pytest.raises(ProjectError, match="another data set"):
        make(tmp_path / "odd", 1, 0)


def test_no_scans_and_unknown_dies_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="0 logic and 0 memory"):
        make(tmp_path / "d", 0, 0)
    with pytest.raises(ConfigError, match="no 'flash' die"):
        simulate_scan("flash", 0)  # type: ignore[arg-type]


def test_plain_scans_are_those_of_before_there_were_difficulties() -> None:
    made = simulate_scan("memory", 4, 3, shape=SMALL, void_level=2.0)
    voxels = np.asarray(made.volume.voxels, float)
    assert np.bincount(made.labels.ravel()).tolist() == PLAIN_COUNTS
    found = [voxels[made.labels == k].mean() for k in range(5)]
    assert np.allclose(found, PLAIN_MEANS, rtol=1e-3)


@pytest.mark.parametrize("difficulty", ["ordinary", "hard"])
def test_a_harder_scan_is_the_same_for_the_same_seed_and_not_the_plain_one(difficulty: str) -> None:
    one, again = (simulate_scan("memory", 5, 1, shape=SMALL, difficulty=difficulty) for _ in range(2))
    assert (np.asarray(one.volume.voxels) == np.asarray(again.volume.voxels)).all()
    assert (one.labels == again.labels).all()
    plain = simulate_scan("memory", 5, 1, shape=SMALL)
    assert not np.array_equal(np.asarray(one.volume.voxels), np.asarray(plain.volume.voxels))


def test_a_data_set_says_how_difficult_it_is_and_holds_such_scans(tmp_path: Path) -> None:
    list(simulate_dataset(tmp_path / "d", logic=1, memory=0, seed=3, difficulty="hard"))
    told = json.loads((tmp_path / "d" / "dataset.json").read_text())["simulated"]
    assert told == {"logic": 1, "memory": 0, "seed": 3, "difficulty": "hard"}
    made = simulate_scan("logic", 3, 0, difficulty="hard")
    assert (Dataset.open(tmp_path / "d").truth("logic_000") == made.labels + 1).all()


def test_a_folder_of_another_difficulty_is_refused(tmp_path: Path) -> None:
    make(tmp_path / "d", 1, 0)
    with pytest.raises(ProjectError, match="another data set"):
        list(simulate_dataset(tmp_path / "d", logic=1, memory=0, seed=0, difficulty="hard"))


def test_a_folder_from_before_there_were_difficulties_goes_on_as_plain(tmp_path: Path) -> None:
    make(tmp_path / "d", 1, 0)
    path = tmp_path / "d" / "dataset.json"
    old = json.loads(path.read_text())
    del old["simulated"]["difficulty"]
    path.write_text(json.dumps(old))
    make(tmp_path / "d", 1, 0)
    with pytest.raises(ProjectError, match="another data set"):
        list(simulate_dataset(tmp_path / "d", logic=1, memory=0, seed=0, difficulty="ordinary"))


def test_an_unknown_difficulty_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no difficulty 'awful'; choose one of plain, ordinary, hard"):
        list(simulate_dataset(tmp_path / "d", logic=1, memory=0, seed=0, difficulty="awful"))
    assert not (tmp_path / "d").exists()
