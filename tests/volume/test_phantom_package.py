"""A simulated package: every bump at its place, its truth exact, and the metrology finds it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from voidscope.config import MeasureConfig
from voidscope.errors import ConfigError
from voidscope.jobs import execute
from voidscope.metrology import measure_scan
from voidscope.vocabulary import ClassMap
from voidscope.volume import Dataset
from voidscope.volume.phantom import Grid, simulate_package
from voidscope.workflow import simulate


@pytest.mark.parametrize("kind", ["logic", "memory"])
def test_the_truth_of_each_bump_is_what_its_labels_hold(kind: str) -> None:
    made = simulate_package(kind, seed=1, grid="2x3")
    labels, n = ndimage.label(made.labels > 0, np.ones((3, 3, 3)))
    assert n == 6  # none touch
    sizes = [int((labels == k).sum()) for k in range(1, n + 1)]
    voids = [int(((labels == k) & (made.labels == 3)).sum()) for k in range(1, n + 1)]
    assert sorted(zip(sizes, voids, strict=True)) == sorted(
        (b.size_voxels, b.void_voxels) for b in made.bumps
    )
    assert [(b.row, b.column) for b in made.bumps] == [(r, c) for r in (1, 2) for c in (1, 2, 3)]
    assert made.volume.shape == made.labels.shape


@pytest.mark.parametrize("kind", ["logic", "memory"])
def test_measuring_the_truth_gives_every_bump_s_exact_ratio_under_its_name(kind: str) -> None:
    made = simulate_package(kind, seed=2, grid="2x2", void_level=1.0)
    classes = ClassMap.hbm()
    found = measure_scan(classes.from_file(made.labels), classes, (0.7,) * 3, MeasureConfig(), "a")
    assert {b.name: b.measured.ratio for b in found.bumps} == {
        e["bump"]: e["void_over_foreground"] for e in (b.entry() for b in made.bumps)
    }
    assert all(b.measured.dimensions.build_axis == "z" for b in found.bumps)


def test_the_same_seed_makes_the_same_package_and_another_another() -> None:
    one, same, other = (simulate_package("logic", seed, grid="1x2") for seed in (3, 3, 4))
    assert (one.volume.voxels == same.volume.voxels).all() and (one.labels == same.labels).all()
    assert (one.labels != other.labels).any()
    assert one.bumps == same.bumps != other.bumps


def test_a_data_set_of_packages_tells_the_truth_of_each_bump_beside_the_scan(tmp_path: Path) -> None:
    dataset = execute(simulate(tmp_path / "scans", logic=2, memory=0, seed=0, grid="1x2"))
    assert [s.name for s in dataset.scans] == ["logic_000", "logic_001"]
    rows = json.loads((tmp_path / "scans" / "logic_000_bumps.json").read_text())
    truth = Dataset.open(tmp_path / "scans").truth("logic_000")
    assert [r["bump"] for r in rows] == ["r1c1", "r1c2"]
    assert sum(r["void_voxels"] for r in rows) == int((truth == dataset.classes.id_of("void")).sum())
    with pytest.raises(ConfigError, match="can only be plain, not hard"):
        execute(simulate(tmp_path / "more", logic=1, memory=0, seed=0, difficulty="hard", grid="1x2"))


@pytest.mark.parametrize("text", ["3", "0x4", "x", "3x4x5", "100x100", "-1x2"])
def test_no_grid_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ConfigError, match=r"is no grid of at most 400 bumps; write ROWSxCOLUMNS"):
        Grid.parse(text)
