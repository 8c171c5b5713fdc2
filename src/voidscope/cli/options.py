"""What commands share on the way in: arguments, options, and how their texts are read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from voidscope.config import Config
from voidscope.errors import ConfigError
from voidscope.project import Project

ProjectPath = Annotated[Path, typer.Argument(metavar="PROJECT", help="Project folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Scans = Annotated[list[str] | None, typer.Option("--scan", help="Only this scan; may be repeated.")]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", help="A setting for this run, e.g. train.epochs=5; may be repeated."),
]
Seed = Annotated[int | None, typer.Option("--seed", help="Seed of this run.")]
Device = Annotated[str | None, typer.Option("--device", help="auto, cpu, cuda or mps.")]
Truth = Annotated[
    Path | None,
    typer.Option("--dataset", help="Dataset folder with the truth of the test scans; else their labels."),
]
SpacingText = Annotated[
    str | None, typer.Option("--spacing", metavar="Z,Y,X", help="Voxel edge lengths in µm.")
]
MapText = Annotated[
    str | None, typer.Option("--map", help="Ids in the label file, e.g. 0=background,3=void.")
]


def run_settings(
    project: Project, changes: Sequence[str] | None, seed: int | None, device: str | None
) -> Config:
    """The project's settings with this run's changes; the project itself keeps its own."""
    words = [
        *(changes or []),
        *([] if seed is None else [f"seed={seed}"]),
        *([] if device is None else [f"device={device}"]),
    ]
    return project.config.with_changes(words)


def parse_spacing(text: str | None) -> tuple[float, float, float] | None:
    """Spacing (z, y, x) in um from ``Z,Y,X``; raises `ConfigError` for anything else."""
    if text is None:
        return None
    try:
        z, y, x = (float(word) for word in text.split(","))
    except ValueError:
        raise ConfigError(
            f"--spacing {text!r} is not three numbers; write Z,Y,X in µm, e.g. 0.7,0.7,0.7."
        ) from None
    return z, y, x
