"""Settings as a person types them, ``section.field=value``, and refusals as a person reads them."""

from __future__ import annotations

import json
from typing import Any

from voidscope.errors import ConfigError


def in_words(refusal: str) -> str:
    """What pydantic says of a refused value, as a sentence of ours."""
    for theirs, ours in (
        ("Input should be", "it must be"), ("greater than or equal to", "at least"), ("greater than", "above"),
        ("less than or equal to", "at most"), ("less than", "below"),
        (", unable to parse string as a number", ""), (", unable to parse string as an integer", ""),
        ("Extra inputs are not permitted", "there is no such setting"),
    ):  # fmt: skip
        refusal = refusal.replace(theirs, ours)
    return refusal


def put(tree: dict[str, Any], path: str, value: object) -> None:
    """Set a value at ``section.field`` of a tree of settings; raises `ConfigError` where there is no such setting."""
    *sections, name = path.split(".")
    for section in sections:
        inner = tree.get(section)
        if not isinstance(inner, dict):
            raise ConfigError(
                f"There is no setting {path!r}; sections are {', '.join(k for k in tree if isinstance(tree[k], dict))}."
            )
        tree = inner
    if name not in tree or isinstance(tree[name], dict):
        raise ConfigError(f"There is no setting {path!r}; known here are {', '.join(tree)}.")
    tree[name] = value


def value_of(text: str) -> object:
    """The value a person typed: JSON, a percentage as its fraction, or the text itself."""
    try:
        return float(text[:-1]) / 100 if text.endswith("%") else json.loads(text)
    except ValueError:
        return text
