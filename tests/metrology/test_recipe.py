"""A recipe file says what is measured, and what it says is what is done."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voidscope.config import MeasureConfig
from voidscope.errors import CannotReadFile, ConfigError, VoidscopeError
from voidscope.metrology import read_recipe, recipe_text

RECIPE = MeasureConfig(
    ratio="void/solder", limit=0.3, rule="guard band", min_voxels=8, source='agreed "5 Nov", µ-bumps\n'
)


def written(folder: Path, text: str) -> Path:
    path = folder / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_recipe_comes_back_as_it_was_written_and_explains_itself(tmp_path: Path) -> None:
    text = recipe_text(RECIPE)
    assert read_recipe(written(tmp_path, text)) == RECIPE
    for name, info in MeasureConfig.model_fields.items():
        assert f"# {info.title}: " in text
        assert name in tomllib.loads(text)["measure"]


@given(
    st.floats(0, 1), st.integers(1, 10_000), st.text(st.characters(exclude_categories=("Cs",)), max_size=30)
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
        ("version = 2", CannotReadFile, "version is 2"),
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
