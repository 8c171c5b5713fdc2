"""The paper's experiments as lists of methods: complete, paired, each once."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from voidscope.benchmark import EXPERIMENTS, PLANS, Cell, Method, Plan, cells_of, plan_for
from voidscope.benchmark.protocol import PUBLISHED, REFERENCES
from voidscope.config import Config, SuggestConfig
from voidscope.errors import ConfigError


def test_the_papers_rows_are_all_there() -> None:
    assert list(EXPERIMENTS["fig3a"]) == [
        f"{weights}, {chosen}"
        for weights in ("none", "ImageNet", "contrastive")
        for chosen in ("random", "rareness")
    ]
    assert {"random", "entropy", "coreset", "coregcn", "vaal", "badge", "rareness"} <= set(
        EXPERIMENTS["fig3b"]
    )
    assert [m.terms for m in EXPERIMENTS["table1a"].values()][1:] == ["ru", "ud", "rud"]
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


def test_fig3a_is_random_and_rareness_aware_for_each_of_the_initial_weights() -> None:
    rows = EXPERIMENTS["fig3a"]
    assert [(m.initialisation, m.strategy) for m in rows.values()] == [
        (weights, strategy)
        for weights in ("none", "imagenet", "contrastive")
        for strategy in ("random", "rareness")
    ]
    assert rows["contrastive, random"] == EXPERIMENTS["fig3b"]["random"], "runs once"
    assert rows["contrastive, rareness"] == EXPERIMENTS["fig3b"]["rareness"]


def test_the_strategies_for_weak_models_are_opponents_too_but_not_on_two_cores() -> None:
    rows, settings = EXPERIMENTS["fig3b"], SuggestConfig.model_fields["strategy"].annotation
    mine = {m.strategy for m in rows.values()} - {"all"}
    assert mine == set(get_args(settings)) - {"verdict"}, "verdict asks for a limit that a ratio is near to"
    short = {c.method.strategy for c in cells_of(["fig3b"], 1, without=PLANS["cpu"].without)}
    assert not {"rareness-normalised", "rareness-product", "vaal"} & short
    (cell,) = cells_of(["fig3b"], 1, ["rareness-product"], PLANS["cpu"].without)
    assert Config().with_changes(cell.method.changes()).suggest.strategy == "rareness-product"


def test_a_method_says_its_settings() -> None:
    changes = Method(strategy="rareness", terms="ud", aggregation="mean", initialisation="none").changes()
    config = Config().with_changes(changes)
    assert (config.suggest.rareness, config.suggest.uncertainty, config.suggest.distance) == (0, 1, 1)
    assert (config.suggest.aggregation, config.model.initialisation, config.preset) == (
        "mean",
        "none",
        "paper",
    )


def test_entropy_alone_is_the_same_cell_in_the_figure_and_in_the_table() -> None:
    assert EXPERIMENTS["table1a"]["entropy"] == EXPERIMENTS["fig3b"]["entropy"]
    assert (
        EXPERIMENTS["table1a"]["entropy + feature + rareness"]
        == EXPERIMENTS["fig3a"]["contrastive, rareness"]
    )


def test_rows_are_compared_with_a_row_there_is_and_the_papers_numbers_belong_to_rows_there_are() -> None:
    assert all(REFERENCES[name] in rows for name, rows in EXPERIMENTS.items())
    for name, rows in PUBLISHED.items():
        assert set(rows) == set(EXPERIMENTS[name])
    assert PUBLISHED["table1a"]["entropy + feature + rareness"] == {200: PUBLISHED["table1b"]["max"][200]}


def test_only_some_strategies_can_be_run() -> None:
    cells = cells_of(["fig3b"], 1, only=["random", "rareness", "forest on random"])
    rows = EXPERIMENTS["fig3b"]
    assert [c.method for c in cells] == [rows[n] for n in ("random", "rareness", "forest on random")]
    with pytest.raises(ConfigError, match="No method here is called 'coresett'"):
        cells_of(["fig3b"], 2, only=["coresett"])


def test_a_name_is_a_row_where_there_is_one_and_else_all_rows_of_a_strategy_learner_or_preset() -> None:
    def rows(experiment: str, name: str) -> list[str]:
        chosen = [c.method for c in cells_of([experiment], 1, [name])]
        return [row for row, m in EXPERIMENTS[experiment].items() if m in chosen]

    assert rows("fig3b", "random") == ["random"], "not the forest and the product on the same slices"
    assert rows("fig3b", "product") == ["product"]
    assert rows("fig3a", "random") == ["none, random", "ImageNet, random", "contrastive, random"]
    assert rows("fig3b", "forest") == ["forest on random", "forest out of the box"]
    assert rows("fig3b", "all") == ["full supervision", "product, full supervision"]
    assert len(cells_of(["all"], 1, ["random"])) == 1, "fig3b's row, whatever other experiments hold"


def test_the_forest_out_of_the_box_differs_from_the_product_in_what_learns_alone() -> None:
    product, forest = (EXPERIMENTS["fig3b"][f"{who} out of the box"] for who in ("product", "forest"))
    assert replace(product, learner="forest") == forest
    assert PLANS["cpu"].words(product) == PLANS["cpu"].words(forest)


def test_a_forest_on_random_slices_draws_every_batch_as_the_first() -> None:
    raw = EXPERIMENTS["fig3b"]["forest on random"]
    assert not raw.asks
    assert raw.changes() == ("preset=paper", "suggest.first=random", "model.initialisation=none")


def test_a_plan_leaves_strategies_out_unless_they_are_named_and_says_so() -> None:
    without = PLANS["cpu"].without
    assert {c.method.strategy for c in cells_of(["fig3b"], 1, without=without)} == {
        m.strategy for m in EXPERIMENTS["fig3b"].values()
    } - set(without)
    assert {c.method.strategy for c in cells_of(["fig3b"], 1, ["vaal"], without)} == {"vaal"}
    assert "without vaal" in PLANS["cpu"].reduced


def test_unknown_experiments_and_impossible_plans_are_refused() -> None:
    with pytest.raises(ConfigError, match="no experiment 'fig4'; run fig3a, fig3b"):
        cells_of(["fig4"], 1)
    with pytest.raises(ConfigError, match="rising numbers of slices"):
        Plan((100, 50), seeds=1)
    with pytest.raises(ConfigError, match="at least 1"):
        Plan((50,), seeds=0)


def test_what_is_cut_from_the_papers_protocol_is_said() -> None:
    assert plan_for("paper") == PLANS["paper"]
    assert (
        plan_for("paper", budgets=(12, 25)).reduced == "12, 25 labelled slices in place of 50, 100, 150, 200"
    )
    said = plan_for("cpu").reduced
    assert said.startswith("at most 3 training and 2 test scans; 8, 16, 24 labelled slices in place of 50")
    assert all(word in said for word in PLANS["cpu"].settings)
    assert "product: train.steps=30" in said


def test_the_plan_for_two_cores_is_this_one() -> None:
    plan = PLANS["cpu"]
    assert plan.settings == (
        "pretrain.epochs=12", "pretrain.batch_size=64", "train.epochs=6", "train.drop_epoch=3", "train.crop=64",
        "model.flips=false",
    )  # fmt: skip
    assert (plan.budgets, plan.seeds, plan.product) == ((8, 16, 24), 2, ("train.steps=30",))
    assert (plan.train_scans, plan.test_scans) == (3, 2)


def test_a_plan_shortens_the_products_trainings_and_never_the_papers() -> None:
    plan = plan_for("cpu", changed=("train.epochs=3",))
    product, paper = (Config().with_changes(plan.words(Method(preset=p))).train for p in ("product", "paper"))
    assert (product.steps, paper.steps) == (30, 0)
    assert product.epochs == paper.epochs == 3, "what a person sets counts last"


def test_more_than_the_papers_protocol_is_no_cut() -> None:
    assert not plan_for("paper", seeds=10).reduced
    assert not plan_for("paper", budgets=(50, 100, 150, 200, 300)).reduced
    assert plan_for("paper", budgets=(25, 50, 100, 150, 200)).reduced  # other batches


def test_what_a_person_sets_is_said_but_not_where_it_runs() -> None:
    plan = plan_for(
        "paper", changed=("train.epochs=3", "device=cpu", "model.imagenet_file=w.pth", "pretrain.devices=2")
    )
    assert (plan.reduced, plan.departures) == ("", "train.epochs=3")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"preset": "gpu"}, "no preset 'gpu'; choose paper or cpu"),
        ({"preset": "cpu", "changed": ("train.epoch=3",)}, "no setting 'train.epoch'"),
        ({"preset": "cpu", "changed": ("seed=3",)}, "say how many with --seeds"),
        ({"preset": "cpu", "changed": (" suggest.strategy=entropy",)}, "name those to run with --strategies"),
        ({"preset": "cpu", "seeds": 0}, "0 seeds are none"),
    ],
)
def test_a_plan_of_impossible_words_is_refused(given: dict[str, object], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        plan_for(**given)  # type: ignore[arg-type]


def test_cells_of_one_method_and_seed_are_one_cell() -> None:
    assert Cell(Method(), 1) == Cell(Method(), 1)
    assert Cell(Method(), 1).id == "unet-paper-contrastive-rareness-rud-max-s1"


def test_rows_can_be_asked_for_by_their_names() -> None:
    cells = cells_of(
        ["fig3b"], 1, only=["product on random", "product, full supervision", "forest on random"]
    )
    assert [(c.method.learner, c.method.strategy) for c in cells] == [
        ("forest", "random"),
        ("unet", "random"),
        ("unet", "all"),
    ]


def test_one_row_is_a_new_project_with_its_own_first_batch_and_no_pretraining() -> None:
    method = EXPERIMENTS["fig3b"]["product out of the box"]
    config = Config().with_changes(method.changes())
    assert config.suggest == Config.product().suggest and config.preset == "product"
    assert method.name == "unet-product-none-rareness-rud-max-void-like"


def test_the_product_from_a_random_first_batch_is_a_new_project_but_for_that() -> None:
    method = EXPERIMENTS["fig3b"]["product"]
    config = Config().with_changes(method.changes())
    assert config.suggest.first == "random", "or it could not be paired with the paper's methods"
    config = config.with_changes(["suggest.first=void-like"])
    assert config.preset == "product" and config.suggest == Config.product().suggest
    assert config.model.initialisation == "none"


@pytest.mark.parametrize(("budgets", "cycles"), [((50, 100, 150, 200), 3), ((8, 16), 1), ((8,), 1)])
def test_the_noise_of_clasp_fades_over_the_batches_there_are(budgets: tuple[int, ...], cycles: int) -> None:
    plan = Plan(budgets, seeds=1, changed=("suggest.clasp_cycles=7",))
    clasp = Method(strategy="clasp")
    assert Config().with_changes(replace(plan, changed=()).words(clasp)).suggest.clasp_cycles == cycles
    assert Config().with_changes(plan.words(clasp)).suggest.clasp_cycles == 7, "a person's word counts last"
