"""What a setting is: a described field; how a person types one, ``section.field=value``, and reads a refusal."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from voidscope.errors import ConfigError


class Section(BaseModel):
    """Settings that belong together: frozen, unknown ones refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    @field_validator("*", mode="before")
    @classmethod
    def _is_a_number(cls, value: object, info: ValidationInfo) -> object:
        """Python takes true for 1, so that a limit of true would be one of 100 %, and NaN for a number that lies beyond every bound."""
        wanted, word = cls.model_fields[str(info.field_name)].annotation, str(value).strip().lower()
        if (isinstance(value, bool) or word == "nan") and (wanted in (int, float) or wanted == float | None):
            raise ValueError(f"it must be a number, got {word}")
        return 0.0 if isinstance(value, float) and value == 0 else value  # of either sign


def setting(default: Any, title: str, consequence: str, **extra: Any) -> Any:
    """A pydantic field with the texts a form needs; `paper` and `unit` go into the schema's extra part."""
    said: dict[str, Any] = {k: extra.pop(k) for k in ("paper", "unit") if k in extra}
    return Field(default, title=title, description=consequence, json_schema_extra=said, **extra)


def in_words(refusal: str) -> str:
    """What pydantic says of a refused value, as a sentence of ours."""
    for theirs, ours in (
        ("Input should be", "it must be"), ("greater than or equal to", "at least"), ("greater than", "above"),
        ("less than or equal to", "at most"), ("less than", "below"),
        (", unable to parse string as a number", ""), (", unable to parse string as an integer", ""),
        ("Extra inputs are not permitted", "there is no such setting"), ("Value error, ", ""),
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
