"""Write docs/reference/settings.md and cli.md from the code, so that they cannot disagree with it.

Run: uv run python scripts/reference.py
"""

from __future__ import annotations

from pathlib import Path

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from typer.main import get_command

from voidscope.cli.main import app
from voidscope.config import Config

REFERENCE = Path(__file__).resolve().parents[1] / "docs" / "reference"


def settings_page() -> str:
    """Every setting with its default, bounds, paper section and consequence."""
    lines = [
        "# Settings",
        "",
        "Set with `--set section.field=value`, in the dock's forms, or from Python with",
        '`Config().with_changes(["train.epochs=5"])`. Defaults are the paper\'s where it gives one. This page is made by',
        "`scripts/reference.py`.",
        "",
        *_table("", [(n, f) for n, f in Config.model_fields.items() if not isinstance(f.default, BaseModel)]),
    ]
    for name, field in Config.model_fields.items():
        if isinstance(field.default, BaseModel):
            section = type(field.default)
            lines += ["", f"## {name}", "", (section.__doc__ or "").strip(), ""]
            lines += _table(f"{name}.", list(section.model_fields.items()))
    return "\n".join(lines) + "\n"


def _table(prefix: str, fields: list[tuple[str, FieldInfo]]) -> list[str]:
    rows = ["| setting | default | unit | paper | what it does |", "| --- | --- | --- | --- | --- |"]
    for name, field in fields:
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        rows.append(
            f"| `{prefix}{name}` | `{_shown(field.default)}` | {extra.get('unit', '')} | {extra.get('paper', '')} "
            f"| **{field.title}.** {field.description} |"
        )
    return rows


def _shown(value: object) -> str:
    return '""' if value == "" else str(list(value) if isinstance(value, tuple) else value)


def cli_page() -> str:
    """Every command with its arguments and options."""
    command = get_command(app)
    context = typer.Context(command)
    lines = [
        "# Command line",
        "",
        "With `--json` a command prints one JSON object on stdout; progress and warnings always go to stderr. Exit code 0 is done, 1 a",
        "problem told in one line, 2 wrong usage. This page is made by `scripts/reference.py`.",
    ]
    for name in sorted(command.list_commands(context)):  # type: ignore[attr-defined]
        sub = command.get_command(context, name)  # type: ignore[attr-defined]
        arguments = [p for p in sub.params if p.param_type_name == "argument"]
        options = [p for p in sub.params if p.param_type_name == "option"]
        usage = " ".join([f"voidscope {name}", *((p.metavar or p.name.upper()) for p in arguments)])
        lines += ["", f"## {name}", "", (sub.help or "").strip(), "", f"`{usage}`", ""]
        lines += [f"- `{p.metavar or p.name.upper()}` {p.help or ''}" for p in arguments]
        lines += [f"- `{', '.join([*p.opts, *p.secondary_opts])}` {p.help or ''}" for p in options]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    REFERENCE.mkdir(parents=True, exist_ok=True)
    (REFERENCE / "settings.md").write_text(settings_page(), encoding="utf-8")
    (REFERENCE / "cli.md").write_text(cli_page(), encoding="utf-8")
