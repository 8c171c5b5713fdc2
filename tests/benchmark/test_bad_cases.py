"""Datasets and ends that nobody wishes for: cells finish all the same, or one sentence says why not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from builders import QUICK, bump_dataset
from voidscope.benchmark import Bench, Cell, Method, Plan, run_all, run_cell, write_report
from voidscope.benchmark.points import points_path, read_points
from voidscope.volume import Dataset, tiff_bytes

PAPER = Cell(Method(initialisation="none"), 0)
PRODUCT = Cell(Method(initialisation="none", preset="product"), 0)
FOREST = Cell(Method(strategy="random", initialisation="none", learner="forest"), 0)
ASKING = Cell(Method(initialisation="none", learner="forest"), 0)
CONTRASTIVE = Cell(Method(), 0)
SHORT = (*QUICK, "train.steps=3")


def _without(folder: Path, scan: str, lost: int) -> None:
    """Take a class out of a scan's truth and put solder (2) in its place, or background where it is the solder's turn."""
    path = folder / f"{scan}_labels.tif"
    ids = Dataset.open(folder).truth(scan) - 1  # ids of the project, back in those of the file
    path.write_bytes(tiff_bytes(np.where(ids == lost, 2, ids).astype(np.uint8), None))


def _bench(dataset: Dataset, out: Path, budgets: tuple[int, ...]) -> Bench:
    return Bench(dataset, Plan(budgets, seeds=1, settings=SHORT), out)


@pytest.mark.parametrize(
    "cell", [PAPER, PRODUCT, FOREST, ASKING], ids=["paper", "product", "forest", "asking"]
)
def test_scans_of_different_classes_are_learnt_from_together(cell: Cell, tmp_path: Path) -> None:
    dataset = bump_dataset(tmp_path / "scans")
    _without(dataset.folder, "a", 3)  # no void in this scan
    _without(dataset.folder, "b", 1)  # no pillar in that one
    _without(dataset.folder, "c", 3)  # and none of the void in what is tested
    bench = _bench(Dataset.open(dataset.folder), tmp_path / "out", (2, 6))
    run_cell(bench, cell, lambda _: None)
    points = read_points(points_path(bench.out, cell))
    assert [p["n_labelled"] for p in points] == [2, 6]
    for point in points:
        assert set(point["iou"]) == {"background", "copper_pillar", "solder", "void"}
        assert 0 <= point["miou"] <= 1
        assert (
            point["miou"] > 0 or cell.method.learner != "forest"
        )  # a network of three steps may be wrong everywhere
        assert point["void_iou"] in (None, 0.0)  # nowhere in the truth: undefined, or called where it is not


@pytest.fixture
def one_slice(tmp_path: Path) -> Dataset:
    """A training scan of one slice and a test scan of two."""
    folder = tmp_path / "one"
    folder.mkdir()
    names = ["background", "copper_pillar", "solder", "void"]
    classes = [{"id": k, "name": n} for k, n in enumerate(names)]
    described = {"classes": classes, "spacing_um": [0.7, 0.5, 0.7], "test": ["b"]}
    (folder / "dataset.json").write_text(json.dumps(described))
    for name, n in (("a", 1), ("b", 2)):
        ids = np.zeros((24, n, 20), np.uint8)
        ids[12:20, :, 4:16], ids[5:12, :, 4:16], ids[7:10, :, 8:12] = 1, 2, 3
        noise = np.random.default_rng(n).normal(0, 1_500, ids.shape)
        voxels = (np.array([8_000, 40_000, 55_000, 12_000])[ids] + noise).astype(np.uint16)
        (folder / f"{name}.tif").write_bytes(tiff_bytes(voxels, None))
        (folder / f"{name}_labels.tif").write_bytes(tiff_bytes(ids, None))
    return Dataset.open(folder)


@pytest.mark.parametrize(
    "cell", [PAPER, PRODUCT, FOREST, ASKING], ids=["paper", "product", "forest", "asking"]
)
def test_a_first_batch_of_one_class_is_scored_as_that_class_and_the_cell_goes_on(
    cell: Cell, one_slice: Dataset, tmp_path: Path
) -> None:
    """A seed that was unlucky counts for every learner, and is not left out of a network's mean."""
    folder = one_slice.folder
    ids = np.zeros((24, 6, 20), np.uint8)
    ids[12:20, 5, 4:16], ids[5:12, 5, 4:16], ids[7:10, 5, 8:12] = 1, 2, 3  # one slice in six shows anything
    voxels = np.array([8_000, 40_000, 55_000, 12_000])[ids].astype(np.uint16)
    voxels += np.random.default_rng(0).integers(0, 900, ids.shape, dtype=np.uint16)
    (folder / "a.tif").write_bytes(tiff_bytes(voxels, None))
    (folder / "a_labels.tif").write_bytes(tiff_bytes(ids, None))
    bench = _bench(Dataset.open(folder), tmp_path / "out", (1, 6))
    run_cell(bench, cell, lambda _: None)
    first, last = read_points(points_path(bench.out, cell))
    if cell == ASKING:
        run_cell(bench, PAPER, lambda _: None)
        assert last["labelled"] == read_points(points_path(bench.out, PAPER))[1]["labelled"]
    truth = bench.dataset.truth("b")
    assert first["iou"]["background"] == pytest.approx(float((truth == 1).mean()))
    assert {first["iou"][n] for n in ("copper_pillar", "solder", "void")} == {0.0}
    assert first["void_ratio_error"] == pytest.approx(float((truth == 4).sum() / (truth > 1).sum()))
    assert (last["n_labelled"], len(last["labelled"])) == (6, 6)


@pytest.mark.parametrize(
    "cell", [PAPER, PRODUCT, FOREST, ASKING], ids=["paper", "product", "forest", "asking"]
)
def test_a_pool_of_one_slice_is_labelled_and_learnt_from(
    cell: Cell, one_slice: Dataset, tmp_path: Path
) -> None:
    bench = _bench(one_slice, tmp_path / "out", (1,))
    run_cell(bench, cell, lambda _: None)
    (point,) = read_points(points_path(bench.out, cell))
    assert (point["n_labelled"], point["pool"]) == (1, 1)


def test_one_slice_cannot_be_pretrained_on_and_the_other_cells_run_all_the_same(
    one_slice: Dataset, tmp_path: Path
) -> None:
    bench = _bench(one_slice, tmp_path / "out", (1,))
    failed = run_all(bench, [CONTRASTIVE, FOREST], 1, lambda _: None)
    assert list(failed) == [CONTRASTIVE.id]
    assert failed[CONTRASTIVE.id].startswith("its pretraining failed: Pretraining compares slices")
    assert "needs at least 2, got 1" in failed[CONTRASTIVE.id]
    assert failed[CONTRASTIVE.id] in write_report(bench.out).read_text(encoding="utf-8")
    assert len(read_points(points_path(bench.out, FOREST))) == 1


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_a_cell_struck_down_three_times_has_the_points_of_one_that_was_not(tmp_path: Path) -> None:
    dataset = bump_dataset(tmp_path / "scans")
    whole = _bench(dataset, tmp_path / "whole", (2, 4))
    said: list[object] = []
    run_cell(whole, PAPER, said.append)
    bench = _bench(dataset, tmp_path / "out", (2, 4))
    script = (
        f"import os, sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); sys.path.insert(0, {str(Path(__file__).parents[1])!r})\n"
        "from pathlib import Path; from voidscope.volume import Dataset; import test_bad_cases as t\n"
        f"left = [int(sys.argv[1])]\n"
        "def show(_):\n"
        "    left[0] -= 1\n"
        "    if not left[0]: os.kill(os.getpid(), 9)\n"
        f"t.run_cell(t._bench(Dataset.open(Path({str(dataset.folder)!r})), Path({str(bench.out)!r}), (2, 4)), t.PAPER, show)\n"
    )
    for after in (4, len(said) // 3, len(said) // 3):
        ended = subprocess.run([sys.executable, "-c", script, str(after)], check=False, timeout=240)
        assert ended.returncode == -9
    run_cell(bench, PAPER, lambda _: None)
    found, expected = (read_points(points_path(b.out, PAPER)) for b in (bench, whole))
    for key in ("budget", "miou", "iou", "labelled_by_scan", "void_slices"):
        assert [p[key] for p in found] == [p[key] for p in expected]
