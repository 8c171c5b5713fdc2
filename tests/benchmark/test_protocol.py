"""The paper's experiments as lists of methods: complete, paired, each once."""

from __future__ import annotations

import pytest

from voidscope.benchmark import EXPERIMENTS, PLANS, Cell, Method, Plan, cells_of, reduced_plan
from voidscope.config import Config
from voidscope.errors import ConfigError


def test_the_papers_rows_are_all_there() -> None:
    assert set(EXPERIMENTS["fig3a"]) == {"none", "ImageNet", "contrastive"}
    assert {"random", "entropy", "coreset", "coregcn", "vaal", "badge", "rareness"} <= set(
        EXPERIMENTS["fig3b"]
    )
    assert [m.terms for m in EXPERIMENTS["table1a"].values()] == ["u", "ru", "ud", "rud"]
    assert [m.aggregation for m in EXPERIMENTS["table1b"].values()] == ["mean", "max"]
    assert PLANS["paper"].budgets == (50, 100, 150, 200)
    assert not PLANS["paper"].reduced
    assert PLANS["cpu"].reduced


def test_a_method_that_several_experiments_name_runs_once_per_seed() -> None:
    cells = cells_of(["all"], seeds=3)
    assert len(cells) == len(set(cells))
    assert sum(c.method == Method() for c in cells) == 3
    assert [c.seed for c in cells] == sorted(c.seed for c in cells)
    assert len({c.id for c in cells}) == len(cells)


def test_a_method_says_its_settings() -> None:
    changes = Method(strategy="rareness", terms="ud", aggregation="mean", initialisation="none").changes()
    config = Config().with_changes(changes)
    assert (config.suggest.rareness, config.suggest.uncertainty, config.suggest.distance) == (0, 1, 1)
    assert (config.suggest.aggregation, config.model.initialisation, config.preset) == (
        "mean",
        "none",
        "paper",
    )


def test_only_some_strategies_can_be_run() -> None:
    cells = cells_of(["fig3b"], 2, only=["random", "forest"])
    assert {c.method.strategy for c in cells} == {"random"}
    assert {c.method.learner for c in cells} == {"unet", "forest"}
    with pytest.raises(ConfigError, match="No method here is called 'coresett'"):
        cells_of(["fig3b"], 2, only=["coresett"])


def test_unknown_experiments_and_impossible_plans_are_refused() -> None:
    with pytest.raises(ConfigError, match="no experiment 'fig4'; run fig3a, fig3b"):
        cells_of(["fig4"], 1)
    with pytest.raises(ConfigError, match="rising numbers of slices"):
        Plan((100, 50), seeds=1)
    with pytest.raises(ConfigError, match="at least 1"):
        Plan((50,), seeds=0)


def test_what_differs_from_the_papers_protocol_is_said() -> None:
    assert reduced_plan(PLANS["paper"]) == PLANS["paper"]
    assert reduced_plan(PLANS["paper"], budgets=(12, 25), seeds=None).reduced == "budgets (12, 25)"
    assert reduced_plan(PLANS["cpu"], seeds=3).reduced.startswith(PLANS["cpu"].reduced)
    assert not reduced_plan(PLANS["paper"], seeds=5).reduced


def test_cells_of_one_method_and_seed_are_one_cell() -> None:
    assert Cell(Method(), 1) == Cell(Method(), 1)
    assert Cell(Method(), 1).id == "unet-paper-contrastive-rareness-rud-max-s1"
