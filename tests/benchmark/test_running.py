"""Whole runs on a tiny dataset: paired, resumable, honest about what failed and what was cut."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from builders import QUICK, bump_dataset
from voidscope.benchmark import Bench, Cell, Method, Plan, pretrain_once, run_cell
from voidscope.benchmark import running as module
from voidscope.benchmark.points import add_point, points_path, read_points
from voidscope.config import Config
from voidscope.errors import CannotReadFile
from voidscope.jobs import Progress

RANDOM = Cell(Method(strategy="random", initialisation="none"), 0)
PAPER = Cell(Method(initialisation="none"), 0)
FOREST = Cell(Method(strategy="random", initialisation="none", learner="forest"), 0)


def _ignore(_: Progress) -> None:
    """Progress nobody looks at."""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    plan = Plan((2, 4), seeds=1, settings=QUICK)
    return Bench(bump_dataset(tmp_path / "scans"), plan, tmp_path / "out")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A cell that nobody killed."""
    home = tmp_path_factory.mktemp("whole")
    made = Bench(bump_dataset(home / "scans"), Plan((2, 4), seeds=1, settings=QUICK), home / "out")
    run_cell(made, PAPER, _ignore)
    return made


def test_every_point_is_kept_with_its_scores_and_the_cells_project_goes(bench: Bench) -> None:
    run_cell(bench, PAPER, _ignore)
    points = read_points(points_path(bench.out, PAPER))
    assert [p["n_labelled"] for p in points] == [2, 4]
    assert all(0 <= p["miou"] <= 1 and "train.epochs=3" in p["reduced"] for p in points)
    assert points[0]["scans"][0]["scan"] == "c"
    assert set(points[0]["seconds"]) == {"suggest", "train", "segment"}
    assert sum(points[1]["labelled_by_scan"].values()) == 4
    assert points[0]["pool"] == 12
    assert not (bench.out / "cells" / PAPER.id).exists()


def test_methods_of_one_seed_share_their_first_batch_and_random_is_the_same_for_every_learner(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    labelled: dict[str, list[list[str]]] = {}
    real = module._trained

    def spy(project, cell, *given):  # type: ignore[no-untyped-def]
        labelled.setdefault(cell.id, []).append([str(k) for k in project.labels])
        return real(project, cell, *given)

    monkeypatch.setattr(module, "_trained", spy)
    for cell in (RANDOM, PAPER, FOREST):
        run_cell(bench, cell, _ignore)
    assert labelled[RANDOM.id][0] == labelled[PAPER.id][0] == labelled[FOREST.id][0]
    assert labelled[RANDOM.id][1] == labelled[FOREST.id][1]
    assert set(labelled[PAPER.id][0]) < set(labelled[PAPER.id][1])


@pytest.mark.parametrize("stop_at", ["suggest", "answer_suggestions", "train", "segment", "add_point"])
def test_a_killed_cell_goes_on_where_it_was_and_ends_the_same(
    bench: Bench, whole: Bench, stop_at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
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


def test_a_lost_project_is_made_again_without_changing_what_is_chosen(bench: Bench, tmp_path: Path) -> None:
    whole = Bench(bench.dataset, bench.plan, tmp_path / "whole")
    run_cell(whole, PAPER, _ignore)
    path = points_path(bench.out, PAPER)
    path.parent.mkdir(parents=True)
    first = points_path(whole.out, PAPER).read_text(encoding="utf-8").splitlines()[0]
    path.write_text(first + "\n", encoding="utf-8")
    run_cell(bench, PAPER, _ignore)
    found, expected = (read_points(points_path(b.out, PAPER))[1] for b in (bench, whole))
    assert found["labelled_by_scan"] == expected["labelled_by_scan"]
    assert (found["miou"], found["iou"]) == (expected["miou"], expected["iou"])


def test_points_that_are_no_points_are_refused(tmp_path: Path) -> None:
    path = points_path(tmp_path, FOREST)
    add_point(path, {"n_labelled": 3, "budget": 3})
    assert json.loads(path.read_text(encoding="utf-8"))["budget"] == 3
    path.write_text("{]", encoding="utf-8")
    with pytest.raises(CannotReadFile, match="no point"):
        read_points(path)


def test_the_cells_settings_are_the_methods_then_the_plans_then_ones_own(bench: Bench) -> None:
    mine = Bench(bench.dataset, replace(bench.plan, changed=("train.batch_size=5",)), bench.out)
    config = mine.config(Cell(Method(preset="product"), 7))
    assert isinstance(config, Config)
    assert (config.seed, config.train.epochs, config.train.optimiser) == (7, 3, "adamw")
    assert config.train.batch_size == 5
