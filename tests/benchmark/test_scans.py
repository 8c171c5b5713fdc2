"""What a dataset must be for a benchmark, told before anything is trained."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from builders import bump_dataset
from voidscope.benchmark import Plan, check_scans, part_of
from voidscope.errors import ConfigError, LabelError, NotReady
from voidscope.volume import Dataset, tiff_bytes

PLAN = Plan((2,), seeds=1)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return bump_dataset(tmp_path / "scans")


def test_a_plan_takes_labelled_scans_only_and_needs_both_splits(dataset: Dataset) -> None:
    found = part_of(dataset, Plan((2,), 1, train_scans=1, test_scans=1))
    assert [s.name for s in found.scans] == ["a", "c"]
    (dataset.folder / "b_labels.tif").unlink()
    assert [s.name for s in part_of(Dataset.open(dataset.folder), PLAN).scans] == ["a", "c"]
    (dataset.folder / "c_labels.tif").unlink()
    with pytest.raises(NotReady, match="no test scan with labels"):
        part_of(Dataset.open(dataset.folder), PLAN)


def test_a_cut_keeps_a_scan_of_every_class(tmp_path: Path) -> None:
    folder, names = tmp_path / "dies", [f"die{k}" for k in range(10)]
    folder.mkdir()
    classes = [{"id": k, "name": n} for k, n in enumerate(("background", "pillar", "pad"))]
    (folder / "dataset.json").write_text(json.dumps({"classes": classes, "test": names[8:]}))
    for k, name in enumerate(names):
        ids = np.zeros((6, 4, 5), np.uint8)
        ids[2] = 1
        ids[3] = 2 * (k % 2)  # every second die has pads: none of 0, 2, 4, 6
        (folder / f"{name}.tif").write_bytes(tiff_bytes(ids.astype(np.uint16), None))
        (folder / f"{name}_labels.tif").write_bytes(tiff_bytes(ids, None))
    plan = Plan((2,), 1, train_scans=4, test_scans=2)
    found = part_of(Dataset.open(folder), plan)
    assert [s.name for s in found.scans] == ["die0", "die1", "die2", "die4", "die8", "die9"]
    assert check_scans(found, plan) > 2


def test_the_slices_to_choose_from_are_counted_and_must_suffice(dataset: Dataset) -> None:
    assert check_scans(dataset, Plan((12,), seeds=1)) == 12
    with pytest.raises(
        ConfigError, match=r"labels 13 slices, the training scans .* have 12; pass fewer with --budgets"
    ):
        check_scans(dataset, Plan((2, 13), seeds=1))


def test_a_scan_with_other_classes_is_one_line(dataset: Dataset) -> None:
    ids = np.zeros((24, 6, 20), np.uint8)
    ids[3] = 9
    (dataset.folder / "b_labels.tif").write_bytes(tiff_bytes(ids, None))
    with pytest.raises(LabelError, match=r"b_labels.tif holds ids \[9\]"):
        check_scans(dataset, PLAN)


def test_a_class_that_only_test_scans_show_is_one_line(dataset: Dataset) -> None:
    told = json.loads((dataset.folder / "dataset.json").read_text())
    told["classes"].append({"id": 7, "name": "crack"})
    (dataset.folder / "dataset.json").write_text(json.dumps(told))
    ids = np.zeros((24, 6, 20), np.uint8)
    ids[3] = 7
    (dataset.folder / "c_labels.tif").write_bytes(tiff_bytes(ids, None))
    with pytest.raises(LabelError, match="show crack, which no training scan has"):
        check_scans(Dataset.open(dataset.folder), PLAN)
