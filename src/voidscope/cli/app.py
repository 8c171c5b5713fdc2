"""The typer application that all commands register with."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(
    name="voidscope",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Defect segmentation in X-ray microscopy scans, learnt from a handful of labelled slices.",
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"voidscope {version('voidscope')}")
        raise typer.Exit


@app.callback()
def voidscope(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Defect segmentation in X-ray microscopy scans, learnt from a handful of labelled slices."""
