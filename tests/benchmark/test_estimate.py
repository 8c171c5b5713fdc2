"""What a run will cost, counted by hand on a tiny dataset: 12 slices to choose from, 6 for testing, of 24 x 20 pixels."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders import bump_dataset
from voidscope.benchmark import Bench, Cell, Method, Plan, estimate
from voidscope.benchmark.estimate import PREDICTED_PIXEL_S, TRAINED_PIXEL_S

RANDOM = Method(strategy="random", initialisation="none")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    plan = Plan((4, 10), seeds=1, settings=("train.epochs=5", "train.batch_size=4", "pretrain.epochs=3"))
    return Bench(bump_dataset(tmp_path / "scans"), plan, tmp_path / "out")


def test_steps_and_slices_are_counted(bench: Bench) -> None:
    found = estimate(bench, [Cell(RANDOM, 0)])
    assert (found.cells, found.trainings, found.steps) == (1, 2, 5 * 1 + 5 * 3)
    assert found.predicted == 2 * 6
    seconds = 5 * 14 * 96**2 * TRAINED_PIXEL_S + 12 * 480 * PREDICTED_PIXEL_S
    assert found.core_hours == pytest.approx(seconds / 3600)


def test_a_strategy_that_asks_the_model_sweeps_the_pool_between_budgets(bench: Bench) -> None:
    asked = estimate(bench, [Cell(Method(initialisation="none"), 0)])
    assert asked.predicted == 2 * 6 + 12


def test_full_supervision_trains_once_on_all_and_the_forest_costs_no_steps(bench: Bench) -> None:
    full = estimate(bench, [Cell(Method(strategy="all", initialisation="none"), 0)])
    assert (full.trainings, full.steps, full.predicted) == (1, 15, 6)
    forest = estimate(bench, [Cell(Method(strategy="random", initialisation="none", learner="forest"), 0)])
    assert (forest.cells, forest.steps, forest.core_hours) == (1, 0, 0)


def test_pretraining_is_counted_once(bench: Bench) -> None:
    contrastive = Method(strategy="random")
    once = estimate(bench, [Cell(contrastive, 0)]).core_hours
    none = estimate(bench, [Cell(RANDOM, 0)]).core_hours
    assert once - none == pytest.approx(2 * 3 * 12 * 64**2 * TRAINED_PIXEL_S / 3600)
    twice = estimate(bench, [Cell(contrastive, 0), Cell(contrastive, 1)]).core_hours
    assert twice - once == pytest.approx(none)


def test_a_recipe_of_so_many_steps_costs_them_whatever_is_labelled(bench: Bench) -> None:
    product = estimate(bench, [Cell(Method(strategy="random", initialisation="none", preset="product"), 0)])
    config = bench.config(Cell(Method(preset="product"), 0))
    assert product.steps == 2 * config.train.steps > 0
    assert "trainings with" in product.text()
