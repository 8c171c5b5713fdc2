"""Commands that change labels as the window's buttons do: `undo`, `redo`, `interpolate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from voidscope import workflow
from voidscope.cli.app import app
from voidscope.cli.options import AsJson, ProjectPath
from voidscope.cli.output import say
from voidscope.errors import NotReady
from voidscope.progress import run
from voidscope.project import Project, Turned

From = Annotated[int, typer.Option("--from", min=0, metavar="SLICE", help="First slice of the gaps to fill.")]
To = Annotated[
    int | None, typer.Option("--to", min=0, metavar="SLICE", help="Last one; default the scan's last.")
]


@app.command()
def undo(path: ProjectPath, as_json: AsJson = False) -> None:
    """Take back the newest change of any label, whoever made it and wherever: window, terminal or script."""
    project = Project.open(path)
    _say_turned(path, project.labels.undo(), "undo", as_json)


@app.command()
def redo(path: ProjectPath, as_json: AsJson = False) -> None:
    """Do again what was undone last."""
    project = Project.open(path)
    _say_turned(path, project.labels.redo(), "redo", as_json)


@app.command()
def interpolate(
    path: ProjectPath,
    scan: Annotated[str, typer.Argument(metavar="SCAN", help="Name of the scan.")],
    first: From = 0,
    last: To = None,
    as_json: AsJson = False,
) -> None:
    """Propose labels between the labelled slices of a scan. Nothing learns from them until a person accepts them in the window (A)."""
    project = Project.open(path)
    keys = run(workflow.interpolate_scan(project, scan, first, last))
    entry = {"proposed": [str(k) for k in keys], "unverified": [str(k) for k in project.labels.unverified]}
    text = f"{len(keys)} slices of {scan} have a proposed label; nothing learns from it until it is accepted in the window (A)"
    say(entry, as_json, f"{text}. Take all back with: voidscope undo {path}")


def _say_turned(path: Path, done: Turned | None, verb: str, as_json: bool) -> None:
    """Tell what was turned; raises `NotReady` where there is nothing to turn."""
    if done is None:
        raise NotReady(f"There is nothing to {verb} in {path}.")
    entry = {"verb": done.verb, "author": done.author, "changed": [str(k) for k in done.keys]}
    left = {"kept": [str(k) for k in done.kept], "gone": [str(k) for k in done.gone]}
    say(entry | left, as_json, str(done))
