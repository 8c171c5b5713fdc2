"""The typer application that all commands register with."""

from __future__ import annotations

import typer

app = typer.Typer(
    name="voidscope",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Defect segmentation in X-ray microscopy scans, learnt from a handful of labelled slices.",
)
