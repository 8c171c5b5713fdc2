"""The entry point, and the commands that open a window or look at the machine: `demo`, `open`, `doctor`.

With ``--json`` a command prints one JSON object on stdout; progress and warnings always go to stderr. Exit code 0
is done, 1 a problem told in one line, 2 wrong usage.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from voidscope.cli import benchmark, labelling, lots, metrology, progress, reports, scans, verbs  # noqa: F401  (their commands register with the app)
from voidscope.cli.app import app
from voidscope.cli.options import AsJson, ProjectPath
from voidscope.cli.output import has_display, open_window, say
from voidscope.demo import make_sample, tell_story
from voidscope.errors import VoidscopeError
from voidscope.project import Project


def main() -> None:
    """Run the command line; every problem a person can act on ends in one line on stderr and exit code 1."""
    try:
        app()
    except VoidscopeError as error:
        sys.stderr.write(f"voidscope: {error}\n")
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        sys.stderr.write("voidscope: stopped; what was saved before is intact.\n")
        raise SystemExit(1) from None


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where the demo goes.")] = Path(
        "voidscope-demo"
    ),
    headless: Annotated[bool, typer.Option("--headless", help="Run the story without a window.")] = False,
) -> None:
    """Simulate HBM scans and open them in napari; without a display, run the whole loop and print its numbers."""
    if headless or not has_display():
        tell_story(folder, typer.echo)
    else:
        open_window(make_sample(folder).path)


@app.command(name="open")
def open_(path: ProjectPath) -> None:
    """Open a project in napari."""
    open_window(Project.open(path).path)


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Say what will be used (GPU, memory, torch) and how to mend what is wrong."""
    from voidscope.model import doctor as examine  # loads torch, so only here

    found = examine()
    rows = (
        f"{'ok  ' if f.ok else 'MEND'} {f.name}: {f.value}{'' if f.ok else ' -> ' + f.remedy}" for f in found
    )
    say({"findings": [asdict(f) for f in found]}, as_json, "\n".join(rows))
