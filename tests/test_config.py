"""Settings: defaults are the paper's, changes are checked, every field explains itself."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from voidscope.config import PRESETS, Config
from voidscope.errors import ConfigError


def test_defaults_are_the_papers() -> None:
    config = Config()
    assert (config.train.epochs, config.train.batch_size, config.train.learning_rate) == (50, 16, 1e-4)
    assert (config.train.drop_epoch, config.train.momentum, config.train.weight_decay) == (25, 0.9, 1e-8)
    assert config.train.resize_factors == (0.5, 0.75, 1.0, 1.25, 1.5)
    assert (config.pretrain.epochs, config.pretrain.batch_size, config.pretrain.learning_rate) == (
        2000,
        256,
        0.5,
    )
    assert (config.suggest.strategy, config.suggest.aggregation, config.suggest.budget) == (
        "rareness",
        "max",
        50,
    )


@pytest.mark.parametrize("change", ["measure.limit=nan", "measure.edge_sigma=NaN", "measure.uncertainty=nan"])
def test_nan_is_told_to_be_no_number(change: str) -> None:
    with pytest.raises(ConfigError, match="it must be a number, got nan"):
        Config().with_changes([change])


def test_a_change_reaches_its_field_and_leaves_the_original() -> None:
    config = Config()
    changed = config.with_changes(["train.epochs=5", "suggest.strategy=coreset", "seed=3"])
    assert (changed.train.epochs, changed.suggest.strategy, changed.seed) == (5, "coreset", 3)
    assert config.train.epochs == 50


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("train.epochs", "is not a setting; write"),
        ("train.epoch=5", "no setting 'train.epoch'; known here are epochs"),
        ("training.epochs=5", "sections are model, train"),
        ("train=5", "no setting 'train'"),
        ("train.epochs=0", "train.epochs = 0: it must be at least 1"),
        ("train.epochs=many", "train.epochs = 'many'"),
        ("train.crop=50", "multiple of 32"),
        ("suggest.strategy=best", "'rareness'"),
        ("device=tpu", "'cuda'"),
    ],
)
def test_a_wrong_change_is_named_with_its_value(change: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as error:
        Config().with_changes([change])
    assert "\n" not in str(error.value)


def test_unknown_fields_of_a_saved_project_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"train\.momentun"):
        Config.parse({"train": {"momentun": 0.9}})


def test_settings_survive_being_saved() -> None:
    config = Config().with_changes(["train.resize_factors=[1.0]"])
    assert Config.parse(config.model_dump(mode="json")) == config


def test_settings_lists_every_field_once() -> None:
    paths = [path for path, _ in Config().settings()]
    assert len(paths) == len(set(paths))
    assert {"seed", "train.epochs", "measure.limit"} <= set(paths)


def test_every_field_has_a_title_and_says_what_changing_it_does() -> None:
    sections = [f.default for f in Config.model_fields.values() if isinstance(f.default, BaseModel)]
    fields = [f for s in sections for f in type(s).model_fields.values()]
    assert len(sections) == 5
    assert all(f.title and f.description for f in fields)


def test_a_preset_is_one_switch_that_leaves_all_else_alone() -> None:
    mine = Config().with_changes(["suggest.top_percent=7", "train.dice=3", "seed=2"])
    product = mine.with_changes(["preset=product"])
    assert product.preset == "product"
    assert (product.suggest.top_percent, product.seed, product.train.dice) == (7, 2, 1)
    assert product.with_changes(["preset=paper"]) == Config().with_changes(
        ["suggest.top_percent=7", "seed=2"]
    )
    assert product.with_changes(["train.steps=401"]).preset is None
    assert Config().preset == "paper"
    assert Config.product() == Config().with_changes(PRESETS["product"])


def test_a_preset_has_its_number_of_slices_and_another_makes_no_other_recipe() -> None:
    assert (Config().suggest.budget, Config.product().suggest.budget) == (50, 12)
    assert Config.product().with_changes(["suggest.budget=20"]).preset == "product"
    assert Config().with_changes(["suggest.budget=20"]).preset == "paper"
    assert Config.product().with_changes(["preset=paper"]) == Config()
    assert Config.product().with_changes(["train.pseudo_labels=240", "preset=paper"]) == Config()
    mine = Config.product().with_changes(["suggest.budget=20", "preset=paper"])
    assert (mine.suggest.budget, mine.preset) == (20, "paper")


def test_words_apply_in_their_order_and_an_unknown_preset_is_named() -> None:
    assert Config().with_changes(["train.dice=3", "preset=product"]).train.dice == 1
    assert Config().with_changes(["preset=product", "train.dice=3"]).train.dice == 3
    with pytest.raises(ConfigError, match="no preset 'papre'; choose paper or product"):
        Config().with_changes(["preset=papre"])


@pytest.mark.parametrize(("growth", "expected"), [(0, 300), (0.5, 600), (1, 1200)])
def test_steps_grow_from_twelve_slices_on(growth: float, expected: int) -> None:
    train = Config.product().with_changes(["train.steps=300", f"train.growth={growth}"]).train
    assert [train.steps_for(n) for n in (1, 12, 48)] == [300, 300, expected]
    assert Config().train.steps_for(200) == 0
