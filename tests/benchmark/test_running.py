"""Whole runs on a tiny dataset: paired, resumable, honest about what failed and what was cut."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from builders import QUICK, bump_dataset
from voidscope.benchmark import (
    Bench,
    Cell,
    Method,
    Plan,
    part_of,
    pretrain_once,
    run_cell,
    run_cells,
    write_report,
)
from voidscope.benchmark import running as module
from voidscope.benchmark.points import add_point, all_points, points_path, read_points
from voidscope.benchmark.report import rows_of
from voidscope.config import Config
from voidscope.errors import CannotReadFile, JobFailed, NotReady
from voidscope.jobs import Progress
from voidscope.volume import Dataset

RANDOM = Cell(Method(strategy="random", initialisation="none"), 0)
PAPER = Cell(Method(initialisation="none"), 0)
FOREST = Cell(Method(strategy="random", initialisation="none", learner="forest"), 0)


def _ignore(_: Progress) -> None:
    """Progress nobody looks at."""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    plan = Plan((2, 4), seeds=1, reduced="a tiny dataset")
    return Bench(bump_dataset(tmp_path / "scans"), plan, tmp_path / "out", QUICK)


def test_every_point_is_kept_with_its_scores_and_the_cells_project_goes(bench: Bench) -> None:
    run_cell(bench, PAPER, _ignore)
    points = read_points(points_path(bench.out, PAPER))
    assert [p["n_labelled"] for p in points] == [2, 4]
    assert all(0 <= p["miou"] <= 1 and p["reduced"] == "a tiny dataset" for p in points)
    assert points[0]["scans"][0]["scan"] == "c"
    assert set(points[0]["seconds"]) == {"suggest", "train", "segment"}
    assert sum(points[1]["labelled_by_scan"].values()) == 4
    assert points[0]["pool"] == 12
    assert not (bench.out / "cells" / PAPER.id).exists()


def test_methods_of_one_seed_share_their_first_batch_and_random_is_the_same_for_every_learner(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    labelled: dict[str, list[list[str]]] = {}
    real = module._learnt

    def spy(project, cell, *given):  # type: ignore[no-untyped-def]
        labelled.setdefault(cell.id, []).append([str(k) for k in project.labels])
        return real(project, cell, *given)

    monkeypatch.setattr(module, "_learnt", spy)
    for cell in (RANDOM, PAPER, FOREST):
        run_cell(bench, cell, _ignore)
    assert labelled[RANDOM.id][0] == labelled[PAPER.id][0] == labelled[FOREST.id][0]
    assert labelled[RANDOM.id][1] == labelled[FOREST.id][1]
    assert set(labelled[PAPER.id][0]) < set(labelled[PAPER.id][1])


@pytest.mark.parametrize("stop_at", ["suggest", "answer_suggestions", "train", "segment", "add_point"])
def test_a_killed_cell_goes_on_where_it_was_and_ends_the_same(
    bench: Bench, stop_at: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = Bench(bench.dataset, bench.plan, tmp_path / "whole", bench.settings)
    run_cell(whole, PAPER, _ignore)
    real, calls = getattr(module, stop_at), []

    def killed(*given, **named):  # type: ignore[no-untyped-def]
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(module, stop_at, killed)
        with pytest.raises(KeyboardInterrupt):
            run_cell(bench, PAPER, _ignore)
    run_cell(bench, PAPER, _ignore)
    for found, expected in zip(
        *(read_points(points_path(b.out, PAPER)) for b in (bench, whole)), strict=True
    ):
        for key in ("budget", "miou", "iou", "labelled_by_scan", "void_slices"):
            assert found[key] == expected[key]


def test_a_finished_cell_is_not_run_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    run_cell(bench, FOREST, _ignore)
    monkeypatch.setattr(module, "_opened", lambda *_: pytest.fail("opened a project for nothing"))
    run_cell(bench, FOREST, _ignore)


def test_contrastive_cells_start_from_one_shared_pretraining(bench: Bench) -> None:
    pretrain_once(bench, _ignore)
    before = (bench.pretrained / "pretrained" / "weights.safetensors").stat().st_mtime_ns
    pretrain_once(bench, _ignore)
    assert (bench.pretrained / "pretrained" / "weights.safetensors").stat().st_mtime_ns == before
    run_cell(bench, Cell(Method(), 0), _ignore)
    assert len(read_points(points_path(bench.out, Cell(Method(), 0)))) == 2


def test_full_supervision_labels_the_whole_pool_once(bench: Bench) -> None:
    cell = Cell(Method(strategy="all", initialisation="none"), 0)
    run_cell(bench, cell, _ignore)
    (point,) = read_points(points_path(bench.out, cell))
    assert point["n_labelled"] == point["pool"] == 12


def test_a_failing_cell_is_told_and_the_others_go_on(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    real = module.train

    def broken(project, *given):  # type: ignore[no-untyped-def]
        if project.config.suggest.strategy == "random":
            raise JobFailed("Training stopped: no luck.")
        return real(project, *given)

    monkeypatch.setattr(module, "train", broken)
    told: list[str] = []
    assert run_cells(bench, [RANDOM, PAPER], 1, told.append) == {RANDOM.id: "Training stopped: no luck."}
    assert "no luck" in told[0]
    assert told[1].startswith(f"2/2  {PAPER.id}: done")
    page = write_report(bench.out).read_text(encoding="utf-8")
    assert f"- {RANDOM.id}: Training stopped: no luck." in page


@pytest.mark.slow
def test_two_processes_give_the_points_that_one_gives(bench: Bench, tmp_path: Path) -> None:
    cells = [FOREST, Cell(FOREST.method, 1)]
    assert run_cells(bench, cells, 2, lambda _: None) == {}
    alone = Bench(bench.dataset, bench.plan, tmp_path / "alone", bench.settings)
    run_cells(alone, cells, 1, lambda _: None)
    for cell in cells:
        found, expected = (read_points(points_path(b.out, cell)) for b in (bench, alone))
        assert [p["miou"] for p in found] == [p["miou"] for p in expected]


def test_a_report_never_lets_a_reduced_run_look_like_a_full_one(bench: Bench) -> None:
    for cell in (FOREST, RANDOM, Cell(FOREST.method, 1)):
        run_cell(bench, cell, _ignore)
    page = write_report(bench.out).read_text(encoding="utf-8")
    assert page.startswith("# Benchmark: REDUCED run (a tiny dataset), scans, 2 seeds")
    assert "| forest on random |" in page
    assert (bench.out / "fig3b.png").read_bytes().startswith(b"\x89PNG")
    assert len((bench.out / "points.csv").read_text(encoding="utf-8").splitlines()) == 7


def test_rows_collect_budgets_and_seeds(bench: Bench) -> None:
    for cell in (FOREST, Cell(FOREST.method, 1)):
        run_cell(bench, cell, _ignore)
    (row,) = rows_of("fig3b", list(all_points(bench.out)))
    assert row.name == "forest on random"
    assert {b: sorted(v) for b, v in row.by_budget("miou").items()} == {2: [0, 1], 4: [0, 1]}
    table = row.by_budget("miou")
    assert row.area("miou")[0] == pytest.approx((table[2][0] + table[4][0]) / 2)


def test_a_report_of_nothing_says_how_to_make_something(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match="no finished point; run: voidscope benchmark run"):
        write_report(tmp_path)


def test_a_plan_takes_labelled_scans_only_and_needs_both_splits(bench: Bench) -> None:
    found = part_of(bench.dataset, Plan((2,), 1, train_scans=1, test_scans=1))
    assert [s.name for s in found.scans] == ["a", "c"]
    (bench.dataset.folder / "c_labels.tif").unlink()
    with pytest.raises(NotReady, match="no test scan with labels"):
        part_of(Dataset.open(bench.dataset.folder), bench.plan)


def test_points_that_are_no_points_are_refused(tmp_path: Path) -> None:
    path = points_path(tmp_path, FOREST)
    add_point(path, {"n_labelled": 3, "budget": 3})
    assert json.loads(path.read_text(encoding="utf-8"))["budget"] == 3
    path.write_text("{]", encoding="utf-8")
    with pytest.raises(CannotReadFile, match="no point"):
        read_points(path)


def test_the_cells_settings_are_the_methods_then_the_plans_then_ones_own(bench: Bench) -> None:
    config = bench.config(Cell(Method(preset="product"), 7))
    assert (config.seed, config.train.epochs, config.train.optimiser) == (7, 3, "adamw")
    assert isinstance(config, Config)
