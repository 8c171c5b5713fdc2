"""`voidscope benchmark run` and `report`: the paper's experiments on a labelled dataset."""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from voidscope.benchmark import (
    EXPERIMENTS,
    Bench,
    cells_of,
    check_packages,
    check_scans,
    claim,
    estimate,
    held,
    part_of,
    plan_for,
    run_all,
    write_report,
)
from voidscope.cli.app import app
from voidscope.cli.options import AsJson, Changes, Device
from voidscope.cli.output import say
from voidscope.errors import ConfigError
from voidscope.volume import Dataset

bench_app = typer.Typer(
    no_args_is_help=True, help="The paper's figures and tables, run on your own labelled scans."
)
app.add_typer(bench_app, name="benchmark")

Out = Annotated[Path, typer.Option("--out", help="Folder for points, projects in progress and the report.")]


@bench_app.command()
def run(
    experiment: Annotated[
        str, typer.Argument(metavar="EXPERIMENT", help="fig3a, fig3b, table1a, table1b or all.")
    ],
    data: Annotated[
        Path, typer.Option("--data", help="Dataset folder: scans with labels, some of them for testing.")
    ],
    out: Out,
    seeds: Annotated[
        int | None, typer.Option(help="Seeds per method; 10 or more to tell close methods apart.")
    ] = None,
    preset: Annotated[
        str, typer.Option(help="paper: the published protocol. cpu: a stated reduction.")
    ] = "paper",
    budgets: Annotated[
        str | None, typer.Option(help="Labelled slices at each point, e.g. 50,100,150,200.")
    ] = None,
    strategies: Annotated[
        str | None,
        typer.Option(
            help="Only these rows of the report, between commas, or semicolons where a name has a comma. "
            "A name of no row means all rows of that strategy, learner or preset, e.g. forest."
        ),
    ] = None,
    workers: Annotated[
        int,
        typer.Option(min=1, help="Cells at once; several have one thread each and share the GPUs there are."),
    ] = 1,
    changes: Changes = None,
    device: Device = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only list what would be run and what it costs.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run every cell that is not finished yet, then write the report. Stop it whenever you like and run it again."""
    words = (*(changes or []), *([] if device is None else [f"device={device}"]))
    plan = plan_for(preset, _numbers(budgets), seeds, words)
    if strategies:
        plan = replace(plan, without=())
    cells = cells_of([experiment], plan.seeds, _words(strategies), plan.without)
    dataset = part_of(Dataset.open(data), plan)
    pool = check_scans(dataset, plan)
    bench = Bench(dataset, plan, out)
    if dry_run:
        cost = estimate(bench, cells)
        entry = {
            "cells": [c.id for c in cells],
            "budgets": plan.budgets,
            "reduced": plan.reduced,
            "estimate": asdict(cost),
        }
        say(entry, as_json, "\n".join([*(c.id for c in cells), cost.text()]))
        return
    check_packages(cells)
    with held(out):
        claim(out, dataset, plan, pool, ["voidscope", *sys.argv[1:]])
        failed = run_all(bench, cells, workers, lambda line: sys.stderr.write(line + "\n"))
        page = write_report(out)
    done = {"report": str(page), "cells": len(cells), "failed": failed}
    say(done, as_json, f"{len(cells) - len(failed)} of {len(cells)} cells done; report: {page}")


@bench_app.command()
def report(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of a run.")], as_json: AsJson = False
) -> None:
    """Write the report of what is finished so far: report.md, tables and pictures."""
    page = write_report(out)
    say({"report": str(page)}, as_json, f"report: {page}")


def _words(text: str | None) -> list[str]:
    """Names between semicolons where there are any, since some hold a comma; else between commas, unless all is one row's name."""
    if not text or any(text.strip() in rows for rows in EXPERIMENTS.values()):
        return [text.strip()] if text else []
    parts = (w.strip() for w in text.split(";" if ";" in text else ","))
    return [w for w in parts if w] or [text]


def _numbers(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError:
        raise ConfigError(
            f"--budgets {text!r} is no list of whole numbers; write e.g. 50,100,150,200."
        ) from None
