"""What a run will cost, counted by hand on a tiny dataset: 12 slices to choose from, 6 for testing, of 24 x 20 pixels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from builders import bump_dataset
from voidscope.benchmark import Bench, Cell, Estimate, Method, Plan, estimate
from voidscope.benchmark.estimate import PREDICTED_PIXEL_S, TRAINED_PIXEL_S, VAAL_STEP_S
from voidscope.training.vaal import vaal_steps

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


def test_a_detail_network_takes_longer_to_train_and_to_ask(tmp_path: Path) -> None:
    plan = Plan((4, 10), seeds=1, settings=("train.epochs=5", "train.batch_size=4", "model.detail=true"))
    found = estimate(Bench(bump_dataset(tmp_path / "scans"), plan, tmp_path / "out"), [Cell(RANDOM, 0)])
    seconds = 1.3 * 5 * 14 * 96**2 * TRAINED_PIXEL_S + 1.5 * 12 * 480 * PREDICTED_PIXEL_S
    assert found.core_hours == pytest.approx(seconds / 3600)


def test_a_strategy_that_asks_the_model_sweeps_the_pool_between_budgets(bench: Bench) -> None:
    asked = estimate(bench, [Cell(Method(initialisation="none"), 0)])
    assert asked.predicted == 2 * 6 + 12


def test_full_supervision_trains_once_on_all_and_the_forest_costs_no_steps(bench: Bench) -> None:
    full = estimate(bench, [Cell(Method(strategy="all", initialisation="none"), 0)])
    assert (full.trainings, full.steps, full.predicted) == (1, 15, 6)
    forest = estimate(bench, [Cell(Method(strategy="random", initialisation="none", learner="forest"), 0)])
    assert (forest.cells, forest.steps, forest.core_hours) == (1, 0, 0)


def test_a_forest_whose_slices_the_network_chooses_costs_the_trainings_that_are_asked(bench: Bench) -> None:
    asking = estimate(bench, [Cell(Method(initialisation="none", learner="forest"), 0)])
    network = estimate(bench, [Cell(Method(initialisation="none"), 0)])
    assert (asking.trainings, asking.steps, asking.forests) == (1, 5 * 1, 1), "none at the last budget"
    assert asking.predicted == 12 == network.predicted - 2 * 6, "the pool, not the test scans"


def test_pretraining_is_counted_once(bench: Bench) -> None:
    contrastive = Method(strategy="random")
    once = estimate(bench, [Cell(contrastive, 0)]).core_hours
    none = estimate(bench, [Cell(RANDOM, 0)]).core_hours
    assert once - none == pytest.approx(2 * 3 * 12 * 64**2 * TRAINED_PIXEL_S / 3600)
    twice = estimate(bench, [Cell(contrastive, 0), Cell(contrastive, 1)]).core_hours
    assert twice - once == pytest.approx(none)


def test_pretraining_is_not_counted_where_a_person_has_every_row_start_from_random_weights(
    bench: Bench,
) -> None:
    mine = replace(bench, plan=replace(bench.plan, changed=("model.initialisation=none",)))
    assert estimate(mine, [Cell(Method(strategy="random"), 0)]) == estimate(mine, [Cell(RANDOM, 0)])


def test_a_recipe_of_so_many_steps_costs_them_whatever_is_labelled(bench: Bench) -> None:
    product = estimate(bench, [Cell(Method(strategy="random", initialisation="none", preset="product"), 0)])
    config = bench.config(Cell(Method(preset="product"), 0))
    assert product.steps == 2 * config.train.steps > 0
    assert "trainings with" in product.text()


def test_pseudo_labels_cost_a_second_training_and_a_look_at_their_slices(bench: Bench) -> None:
    cell = Cell(Method(strategy="random", initialisation="none", preset="product"), 0)

    def counted(*changed: str) -> Estimate:
        return estimate(replace(bench, plan=replace(bench.plan, changed=changed)), [cell])

    plain, both = counted("train.pseudo_labels=0"), counted("train.pseudo_labels=5")
    assert (both.trainings, both.steps) == (2 * plain.trainings, 2 * plain.steps)
    assert both.predicted == plain.predicted + 5 + 2, "5 of 8 slices without labels, then the 2 that are left"
    assert counted("train.pseudo_labels=5", "train.steps=0").steps == 2 * 5 * (1 + 3)
    everything = Method(strategy="all", initialisation="none", preset="product")
    mine = replace(bench, plan=replace(bench.plan, changed=("train.pseudo_labels=5",)))
    assert estimate(mine, [Cell(everything, 0)]).steps == plain.steps / 2, "there is nothing left to guess"
    longer = 2 * plain.steps * 4 * 64**2 * TRAINED_PIXEL_S + 4 * (12 + 7) * 480 * PREDICTED_PIXEL_S
    assert both.core_hours * 3600 == pytest.approx(longer)


def test_what_is_not_in_the_hours_is_said(bench: Bench) -> None:
    assert estimate(bench, [Cell(RANDOM, 0)]).text().endswith("much less on a GPU")
    forest = Method(strategy="random", initialisation="none", learner="forest")
    told = estimate(bench, [Cell(RANDOM, 0), Cell(forest, 0), Cell(forest, 1)]).text()
    assert told.endswith("much less on a GPU; not counted: the forest")


def test_vaals_own_steps_are_counted_beside_the_hours(bench: Bench) -> None:
    vaal = Method(strategy="vaal", initialisation="none")
    found = estimate(bench, [Cell(vaal, 0), Cell(vaal, 1)])
    random = estimate(bench, [Cell(RANDOM, s) for s in (0, 1)])
    steps = (
        12 * 100 // 4
    )  # 100 passes over 12 slices in batches of the 4 that are labelled when it is first asked
    assert found.vaal_steps == 2 * steps
    assert (found.core_hours, random.vaal_steps) == (pytest.approx(random.core_hours), 0)
    low, high = (s * 2 * steps / 3600 for s in VAAL_STEP_S)
    assert found.text().endswith(
        f"; not counted: {2 * steps} steps of VAAL's own networks, {low:.1f} to {high:.1f} core hours more"
    )


def test_vaals_steps_are_those_it_takes(bench: Bench) -> None:
    images = [np.zeros((24, 20), np.float32)] * 12
    running = vaal_steps(images, [k < 4 for k in range(12)], seed=0, device="cpu", width=4, latent=4)
    found = estimate(bench, [Cell(Method(strategy="vaal", initialisation="none"), 0)])
    assert next(running).total == found.vaal_steps
