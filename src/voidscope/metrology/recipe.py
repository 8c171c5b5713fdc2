"""A recipe as a file: what is measured, against which limits, decided how; TOML that people read, send and sign."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from voidscope.config import Config, Criterion, MeasureConfig
from voidscope.errors import CannotReadFile, ConfigError
from voidscope.metrology.quantities import QUANTITIES
from voidscope.metrology.ratios import DEFINITIONS

VERSION = 2
"""Of the file's layout; a file of a later one is refused. Version 1 had no criteria beside the ratio's limit."""
HEAD = f"""\
# A voidscope recipe: what is measured and how it is decided. Use it with: voidscope measure PROJECT --recipe FILE
# Limits are yours: say in source where each comes from. No standard is quoted here.
version = {VERSION}

[measure]
"""
CRITERIA = """
# Further criteria: a table each, with measure, and at_most, at_least or both; source says where the limit comes from, uncertainty (of the
# measure, expanded, in its unit) is needed by a guard band. Fractions are plain numbers: 0.05 is 5 %. For example:
#   [[criterion]]
#   measure = "blt_um"
#   at_most = 40.0
#   source = "drawing 4711, sheet 2"
# Measures:
"""


def recipe_text(recipe: MeasureConfig) -> str:
    """The recipe as TOML, each setting under what it means and its unit, then a table for each further criterion."""
    lines = []
    for name, info in MeasureConfig.model_fields.items():
        if name == "criteria":
            continue
        unit = (
            (info.json_schema_extra or {}).get("unit") if isinstance(info.json_schema_extra, dict) else None
        )
        lines.append(f"# {info.title}: {info.description}{f' ({unit})' if unit else ''}")
        value = getattr(recipe, name)
        lines.append(f"# {name} =" if value is None else f"{name} = {_toml(value)}")
    known = "".join(f"#   {name}: {words}\n" for name, words in {**DEFINITIONS, **QUANTITIES}.items())
    tables = "".join(_table(c) for c in recipe.criteria)
    return f"{HEAD}{chr(10).join(lines)}\n{CRITERIA}{known}{tables}"


def _table(criterion: Criterion) -> str:
    """One criterion; what it does not say is left out."""
    said = {name: v for name, v in criterion.model_dump().items() if v is not None}
    return "\n[[criterion]]\n" + "".join(f"{name} = {_toml(v)}\n" for name, v in said.items())


def _toml(value: str | float) -> str:
    """A value as TOML writes it, which is as JSON does but for one control character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def recipe_settings(recipe: MeasureConfig) -> list[str]:
    """Everything a recipe says, as settings ``measure.name=value``."""
    return [f"measure.{name}={json.dumps(value)}" for name, value in recipe.model_dump(mode="json").items()]


def recipe_sha256(recipe: MeasureConfig) -> str:
    """Names a recipe: SHA-256 of its canonical JSON (names sorted, no spaces, UTF-8)."""
    told = json.dumps(
        recipe.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return hashlib.sha256(told.encode()).hexdigest()


def read_recipe(path: Path) -> MeasureConfig:
    """Read a recipe; settings it leaves out are the defaults.

    Raises
    ------
    CannotReadFile : missing, no TOML, or of a later version.
    ConfigError : a setting that is none, or a value that is refused.
    """
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        way = f"Write one with: voidscope recipe {path.name}"
        if path.exists():
            way = "Mend it, or write one under another name: voidscope recipe NEW.toml"
        raise CannotReadFile(path, f"it is no recipe ({error}). {way}") from error
    version = tree.get("version")
    if isinstance(version, bool) or version not in range(1, VERSION + 1):
        raise CannotReadFile(
            path, f"its version is {version!r}; this voidscope reads version = {VERSION} and earlier."
        )
    return _parsed(path, tree)


def _parsed(path: Path, tree: Mapping[str, Any]) -> MeasureConfig:
    unknown = sorted(set(tree) - {"version", "measure", "criterion"})
    if unknown:
        raise ConfigError(
            f"{path} has {unknown[0]!r}, which no recipe has; settings go under [measure], further limits under [[criterion]]."
        )
    criteria = tree.get("criterion", [])
    if criteria and tree["version"] < 2:
        raise ConfigError(f"{path} has a criterion, which version 1 has not; write version = {VERSION}.")
    for k, entry in enumerate(criteria if isinstance(criteria, list) else [criteria], start=1):
        if not isinstance(entry, Mapping):
            raise ConfigError(
                f"{path}: criterion {k} is {entry!r}; write a table [[criterion]] with measure and limit."
            )
        known = {**DEFINITIONS, **QUANTITIES}
        if entry.get("measure") not in known:
            raise ConfigError(
                f"{path}: criterion {k} has measure {entry.get('measure')!r}; known are {', '.join(known)}."
            )
    given = tree.get("measure", {})
    if not isinstance(given, Mapping):
        raise ConfigError(f"{path}: measure is {given!r}; write a table [measure] with ratio and limit.")
    recipe = Config.parse({"measure": dict(given) | ({"criteria": criteria} if criteria else {})}).measure
    if "limit" not in given:
        raise ConfigError(
            f"{path} has no limit; write limit = 0.05 under [measure] if 5 % is yours, and its source."
        )
    return recipe
