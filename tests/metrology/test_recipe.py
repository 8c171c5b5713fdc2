"""A recipe file says what is measured, and what it says is what is done."""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voidscope.config import Config, Criterion, MeasureConfig
from voidscope.errors import CannotReadFile, ConfigError, VoidscopeError
from voidscope.metrology import (
    DEFINITIONS,
    PRESETS,
    QUANTITIES,
    preset_recipe,
    read_recipe,
    recipe_settings,
    recipe_sha256,
    recipe_text,
)

RECIPE = MeasureConfig(
    ratio="void/solder", limit=0.3, rule="guard band", min_voxels=8, source='agreed "5 Nov", µ-bumps\n', fill_holes=True,
    criteria=(
        Criterion(measure="blt_um", at_most=40.0, at_least=30, uncertainty=0.5, source="drawing 7"),
        Criterion(measure="worst slice", at_most=0.25),
    ),
)  # fmt: skip


def written(folder: Path, text: str) -> Path:
    path = folder / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_recipe_comes_back_as_it_was_written_and_explains_itself(tmp_path: Path) -> None:
    text = recipe_text(RECIPE)
    assert read_recipe(written(tmp_path, text)) == RECIPE
    for name, info in MeasureConfig.model_fields.items():
        if name != "criteria":
            assert f"# {info.title}: " in text
            assert name in tomllib.loads(text)["measure"] or f"# {name} =" in text


@given(
    st.floats(0, 1, exclude_max=True),
    st.integers(1, 10_000),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=30),
)
def test_every_value_survives_the_file(limit: float, least: int, source: str) -> None:
    recipe = MeasureConfig(limit=limit, min_voxels=least, source=source)
    assert MeasureConfig.model_validate(tomllib.loads(recipe_text(recipe))["measure"]) == recipe


def test_what_it_leaves_out_is_the_default(tmp_path: Path) -> None:
    assert read_recipe(written(tmp_path, "version = 1\n[measure]\nlimit = 0.1\n")) == MeasureConfig(limit=0.1)


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("limit 5 %", CannotReadFile, "it is no recipe"),
        ("version = 3", CannotReadFile, "version is 3"),
        ("[measure]\nlimit = 0.05", CannotReadFile, "version is None"),
        ("version = 1\nlimit = 0.05", ConfigError, "'limit', which no recipe has"),
        ("version = 1\n[measure]\nlimt = 0.05", ConfigError, "measure.limt = 0.05: there is no such setting"),
        ("version = 1\n[measure]\nlimit = 5", ConfigError, "measure.limit = 5: it must be at most 1"),
    ],
)
def test_what_is_no_recipe_is_refused_with_the_reason(
    tmp_path: Path, text: str, kind: type[VoidscopeError], said: str
) -> None:
    with pytest.raises(kind, match=said):
        read_recipe(written(tmp_path, text))
    with pytest.raises(CannotReadFile, match=r"none\.toml"):
        read_recipe(tmp_path / "none.toml")


def test_a_file_of_version_1_reads_as_it_did(tmp_path: Path) -> None:
    old = 'version = 1\n[measure]\nratio = "void/solder"\nlimit = 0.3\nrule = "guard band"\nmin_voxels = 4\n'
    assert read_recipe(written(tmp_path, old)) == MeasureConfig(
        ratio="void/solder", limit=0.3, rule="guard band", min_voxels=4
    )


@pytest.mark.parametrize(
    ("criterion", "said"),
    [
        ('measure = "blt_um"', "criterion blt_um has no limit; give at_most, at_least or both"),
        ("at_most = 40", "criterion 1 has measure None; known are void/foreground"),
        ('measure = "blt_mm"\nat_most = 40', "criterion 1 has measure 'blt_mm'; known are"),
        ('measure = "worst slice"\nat_most = 25', "for 25 % write 0.25"),
        ('measure = "pad_misalignment_share"\nat_most = "10 %"', "write 0.05 for 5 %"),
        ('measure = "blt_um"\nat_most = 30\nat_least = 40', "at least 40 and at most 30; swap them"),
        ('measure = "blt_um"\nat_most = nan', "it must be a number, got nan"),
        ('measure = "blt_um"\nat_most = inf', "finite number"),
        ('measure = "blt_um"\nat_most = -1', "at least 0"),
        ('measure = "blt_um"\nat_most = 4\nunit = "mm"', "there is no such setting"),
        ('measure = "largest_void_share"\nat_most = 250', "a fraction of at most 1"),
    ],
)
def test_a_criterion_that_cannot_be_decided_is_refused_in_one_line(
    tmp_path: Path, criterion: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        read_recipe(written(tmp_path, f"version = 2\n[[criterion]]\n{criterion}\n"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('version = 2\n[measure]\nlimit = "5 %"', "not a percentage: write 0.05 for 5 %"),
        ("version = 2\n[measure]\nlimit = 5", "must be at most 1, .* for 5 % write 0.05"),
        (
            'version = 1\n[[criterion]]\nmeasure = "blt_um"\nat_most = 4',
            "which version 1 has not; write version = 2",
        ),
        ("version = 2\ncriterion = 5", "criterion 1 is 5; write a table"),
        ("version = 2\n[measure]\nconnectivity = 8", "it must be 6, 18 or 26"),
    ],
)
def test_units_and_layouts_that_are_wrong_come_with_the_way_out(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read_recipe(written(tmp_path, text))


@pytest.mark.parametrize("name", list(PRESETS))
def test_every_preset_is_a_file_that_says_where_its_numbers_come_from(tmp_path: Path, name: str) -> None:
    recipe = preset_recipe(name)
    assert read_recipe(written(tmp_path, recipe_text(recipe))) == recipe
    for source in (recipe.source, *(c.source for c in recipe.criteria)):
        assert "verify" in source
    assert ("not read in the standard" in recipe.source) == ("ipc" in name)


def test_the_presets_hold_the_numbers_they_are_named_after() -> None:
    limits = {
        name: (r.ratio, r.limit, {c.measure: c.at_most for c in r.criteria}) for name, r in PRESETS.items()
    }
    assert limits["hbm-public-formulas"] == (
        "void/solder", 0.3, {"solder_protrusion_share": 0.1, "pad_misalignment_share": 0.1},
    )  # fmt: skip
    assert limits["ipc-a-610-like-30"][:2] == ("projected area", 0.3)
    ratio, area, others = limits["ipc-7095-like-class-2"]
    assert (ratio, area) == ("projected area", pytest.approx(0.2025))
    assert others["largest_void_diameter_share"] == 0.45
    assert others["interface band, pad side"] == pytest.approx(0.1225)


def test_an_unknown_preset_is_named_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"no recipe preset 'ipc'; choose paper, hbm-public-formulas"):
        preset_recipe("ipc")


def test_everything_a_criterion_may_name_is_explained() -> None:
    known = {
        name for part in get_args(Criterion.model_fields["measure"].annotation) for name in get_args(part)
    }
    assert known == {*DEFINITIONS, *QUANTITIES}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version = 2\n", "has no limit; write limit"),
        ('version = 2\n[measure]\nratio = "void/solder"\n', "has no limit; write limit"),
        ("version = 2\nmeasure = 3\n", r"measure is 3; write a table \[measure\]"),
        ("version = 2\n[measure]\nlimit = true\n", "it must be a number, got true"),
        ("version = 2\n[measure]\nlimit = nan\n", "it must be a number, got nan"),
        ("version = 2\n[measure]\nlimit = 0.1\nuncertainty = true\n", "it must be a number, got true"),
    ],
)
def test_a_limit_is_said_and_is_a_number(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said):
        read_recipe(written(tmp_path, text))


def test_a_recipe_as_settings_is_the_recipe() -> None:
    assert Config().with_changes(recipe_settings(RECIPE)).measure == RECIPE


def test_a_recipe_is_named_by_the_hash_of_its_canonical_json(tmp_path: Path) -> None:
    tree = RECIPE.model_dump(mode="json")
    names = sorted(tree, reverse=True)
    told = json.dumps({n: tree[n] for n in names}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert recipe_sha256(RECIPE) == hashlib.sha256(told.encode("utf-8")).hexdigest()
    assert recipe_sha256(read_recipe(written(tmp_path, recipe_text(RECIPE)))) == recipe_sha256(RECIPE)
    assert recipe_sha256(RECIPE.model_copy(update={"limit": 0.31})) != recipe_sha256(RECIPE)


def test_the_mark_that_some_editors_begin_a_file_with_is_no_part_of_it(tmp_path: Path) -> None:
    assert read_recipe(written(tmp_path, "\ufeff" + recipe_text(RECIPE))) == RECIPE


def test_what_is_no_recipe_says_how_to_come_by_one(tmp_path: Path) -> None:
    with pytest.raises(CannotReadFile, match="Write one with: voidscope recipe none"):
        read_recipe(tmp_path / "none.toml")
    with pytest.raises(
        CannotReadFile, match="Mend it, or write one under another name: voidscope recipe NEW"
    ):
        read_recipe(written(tmp_path, "[measure"))


def test_a_limit_of_minus_zero_is_zero(tmp_path: Path) -> None:
    text = (
        recipe_text(RECIPE)
        .replace("limit = 0.3", "limit = -0.0")
        .replace("at_least = 30.0", "at_least = -0.0")
    )
    found = read_recipe(written(tmp_path, text))
    assert str(found.limit) == str(found.criteria[0].at_least) == "0.0"
    assert (
        Config().with_changes(["measure.limit=-0%"]).measure.model_dump_json()
        == MeasureConfig(limit=0).model_dump_json()
    )


def test_a_guard_band_is_as_wide_as_something_is_doubted() -> None:
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        MeasureConfig(coverage=1e-9)
    with pytest.raises(ValueError, match="a guard band takes edges for certain"):
        MeasureConfig(rule="guard band", edge_sigma=0)
    assert MeasureConfig(edge_sigma=0).edge_sigma == 0  # it decides nothing then
    assert MeasureConfig(rule="guard band", edge_sigma=0, uncertainty=0.01).edge_sigma == 0
    assert MeasureConfig(rule="guard band", edge_sigma=0.005, coverage=1).edge_sigma == 0.005
