"""A recipe as a file: what is measured, against which limit, decided how; TOML that people read, send and sign."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

from voidscope.config import Config, MeasureConfig
from voidscope.errors import CannotReadFile, ConfigError

VERSION = 1
"""Of the file's layout; a file of a later one is refused."""
HEAD = f"""\
# A voidscope recipe: what is measured and how it is decided. Use it with: voidscope measure PROJECT --recipe FILE
# The limit is yours: say in source where it comes from. No standard is quoted here.
version = {VERSION}

[measure]
"""


def recipe_text(recipe: MeasureConfig) -> str:
    """The recipe as TOML, each setting under what it means and its unit."""
    lines = []
    for name, info in MeasureConfig.model_fields.items():
        unit = (
            (info.json_schema_extra or {}).get("unit") if isinstance(info.json_schema_extra, dict) else None
        )
        lines.append(f"# {info.title}: {info.description}{f' ({unit})' if unit else ''}")
        lines.append(f"{name} = {_toml(getattr(recipe, name))}")
    return HEAD + "\n".join(lines) + "\n"


def _toml(value: str | float) -> str:
    """A value as TOML writes it, which is as JSON does but for one control character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def read_recipe(path: Path) -> MeasureConfig:
    """Read a recipe; settings it leaves out are the defaults.

    Raises
    ------
    CannotReadFile : missing, no TOML, or of a later version.
    ConfigError : a setting that is none, or a value that is refused.
    """
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CannotReadFile(
            path, f"it is no recipe ({error}). Write one with: voidscope recipe {path.name}"
        ) from error
    if tree.get("version") != VERSION:
        raise CannotReadFile(
            path, f"its version is {tree.get('version')!r}; this voidscope reads version = {VERSION}."
        )
    unknown = sorted(set(tree) - {"version", "measure"})
    if unknown:
        raise ConfigError(f"{path} has {unknown[0]!r}, which no recipe has; settings go under [measure].")
    return Config.parse({"measure": tree.get("measure", {})}).measure
