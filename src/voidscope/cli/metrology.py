"""What metrology needs beside `measure`: `recipe` files, `verify`, `calibrate` and `gauge` studies."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated

import typer

from voidscope import workflow
from voidscope.cli.app import app
from voidscope.cli.options import AsJson, Changes, ProjectPath, Seed, Truth, run_settings
from voidscope.cli.output import say
from voidscope.config import Config
from voidscope.errors import CannotReadFile, ConfigError, LabelError, VoidscopeError
from voidscope.metrology import (
    ONE_VERDICT,
    GaugeStudy,
    Reading,
    check_names,
    gauge_study,
    preset_recipe,
    recipe_text,
    verdict_agreement,
)
from voidscope.metrology import PRESETS as RECIPES
from voidscope.progress import run
from voidscope.project import Project, Study, study_of
from voidscope.project.atomic import write_bytes
from voidscope.vocabulary import SliceKey
from voidscope.volume import Dataset

COLUMNS = ("part", "operator", "value")


@app.command()
def recipe(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="Recipe file to write, e.g. customer.toml.")],
    project: Annotated[Path | None, typer.Option(help="Start from this project's settings.")] = None,
    preset: Annotated[str | None, typer.Option(help=f"Start from a preset: {', '.join(RECIPES)}.")] = None,
    changes: Changes = None,
) -> None:
    """Write a recipe file to edit, send and sign; use it with measure --recipe."""
    if project is not None and preset is not None:
        raise ConfigError(f"Start from --project {project} or from --preset {preset}, not from both.")
    opened = None if project is None else Project.open(project)
    start = Config.product() if opened is None else opened.config
    if preset is not None:
        start = start.model_copy(update={"measure": preset_recipe(preset)})
    if path.exists():
        raise ConfigError(f"{path} exists already; name another file, a recipe is never overwritten.")
    made = start.with_changes(changes or []).measure
    if opened is not None:
        check_names(opened.classes, made, opened.name)
    write_bytes(path, recipe_text(made).encode())
    typer.echo(f"{path} written; edit it, then: voidscope measure PROJECT --recipe {path}")


@app.command()
def verify(
    path: Annotated[
        Path, typer.Argument(metavar="PROJECT|REPORT", help="Project folder, or a report's folder or file.")
    ],
    project: Annotated[
        Path | None, typer.Option(help="Where the report's project lies now, if not where it was measured.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure again by a report's own recipe and compare files, hashes and every number; exit 1 where any differs."""
    folder = None if (path / "project.json").is_file() else workflow.report_place(path)
    if folder is not None and workflow.is_of_file(folder):
        differing = run(workflow.verify_file(folder))
        same, left = "same mask file", workflow.not_compared(folder)
    else:
        opened = Project.open(project or (path if folder is None else workflow.project_of(folder)))
        differing = run(workflow.verify(opened, folder))
        folder = folder or opened.report_folder
        same, left = "same files, same model, same masks", workflow.not_compared(folder, opened)
    versions = workflow.versions_apart(folder)
    repeats = f"the report repeats: {same}, same {'numbers' if left else 'facts, same numbers'}"
    missing = [f"not compared: {'; '.join(left)}"] if left else []
    lines = (
        [*([versions] if versions else []), *differing, *missing]
        if differing
        else ["; ".join([repeats, *missing])]
    )
    entry = {
        "verified": not differing,
        "differences": list(differing),
        "not_compared": list(left),
        "versions": versions,
    }
    say(entry, as_json, "\n".join(lines))
    if differing:
        raise VoidscopeError(
            f"the report of {path} does not verify: {len(differing)} differences, first {differing[0]}."
        )


@app.command()
def calibrate(
    path: ProjectPath,
    dataset: Truth = None,
    changes: Changes = None,
    as_json: AsJson = False,
) -> None:
    """Find the doubt of void edges (measure.edge_sigma) that fits the current model's errors on held-out scans; sets nothing."""
    project = Project.open(path)
    truth = None if dataset is None else Dataset.open(dataset)
    found = run(workflow.calibrate(project, truth, run_settings(project, changes, None, None)))
    text = (
        f"edge_sigma {found.sigma:g} voxels fits {found.of} held-out scans or slices best; the recipe has {found.sigma_now:g}\n"
        f"intervals (k = {found.coverage:g}) made with the sigma of all others hold the truth of {found.held} of {found.of}, U {100 * found.mean_u:.2g} % on average; "
        f"by the recipe {found.held_now} of {found.of}, {100 * found.mean_u_now:.2g} %\n"
        f"to take it: edge_sigma = {found.sigma:g} in a recipe file, or measure --set measure.edge_sigma={found.sigma:g}"
    )
    say(found.entry(), as_json, text)


@app.command()
def gauge(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="TABLE.csv|PROJECT",
            help="A table with columns part, operator, value, verdict optional; or a project with blind studies.",
        ),
    ],
    tolerance: Annotated[
        float | None, typer.Option(help="Width of what is allowed, in the unit of the values.")
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Plan a new blind study of the project's slices.")
    ] = False,
    operators: Annotated[
        list[str] | None, typer.Option("--operator", help="Who draws in the new study; may be repeated.")
    ] = None,
    models: Annotated[
        list[int] | None,
        typer.Option(
            "--model", help="Cycle whose model reads too, a mirrored look per repeat; may be repeated."
        ),
    ] = None,
    parts: Annotated[
        int, typer.Option(help="Slices to choose, spread over the range of the void ratio and over scans.")
    ] = 10,
    slices: Annotated[
        list[str] | None, typer.Option("--slice", help="A slice to take, e.g. scan07/0042; may be repeated.")
    ] = None,
    repeats: Annotated[int, typer.Option(help="How often everybody reads each slice.")] = 2,
    study: Annotated[
        int | None, typer.Option(help="Which of the project's studies; default the newest.")
    ] = None,
    seed: Seed = None,
    as_json: AsJson = False,
) -> None:
    """Gauge R&R of a crossed study (ANOVA): repeatability, operators, parts, %GRR, distinct categories, agreement of verdicts.

    Of a table; or of a project's blind study, which is planned here and drawn in the window (Measure, Gauge study). Until it is
    complete only its progress is told.
    """
    if not path.is_dir():
        if plan or study is not None:
            raise ConfigError(
                f"{path} is a table, not a project; a study is planned in a project: voidscope gauge PROJECT --plan"
            )
        readings = _readings(path)
        found, kappa = gauge_study(readings, tolerance), verdict_agreement(readings)
        text = _text(found, kappa, rated=any(r.verdict for r in readings))
        say(found.entry() | {"verdict_kappa": kappa}, as_json, text)
        return
    project = Project.open(path)
    if plan:
        keys = [SliceKey.parse(text) for text in slices or []]
        shown = run(
            workflow.plan_study(
                project,
                operators or [],
                models=models or [],
                parts=parts,
                repeats=repeats,
                keys=keys,
                seed=seed,
            )
        )
    elif operators or models or slices:
        raise ConfigError(
            f"Who and what takes part is said when a study is planned: voidscope gauge {path} --plan ..."
        )
    else:
        shown = study_of(project.path, study)
    damaged = Study.damaged(project.path)
    tree = {**shown.entry(tolerance), "damaged": list(damaged)}
    say(tree, as_json, "\n".join([_state(shown, tolerance), *damaged]))


def _state(study: Study, tolerance: float | None) -> str:
    """How far a blind study is, or its result, for a terminal."""
    if study.complete:
        return f"study {study.number} in {study.folder}\n{_text(*study.result(tolerance))}"
    done = study.entry()["done"]
    rows = [f"  {operator:34s} {n} of {study.of_each}" for operator, n in done.items()]
    return "\n".join([f"study {study.number} in {study.folder} is blind until all is read:", *rows])


def _readings(table: Path) -> list[Reading]:
    """The rows of a CSV file, one measurement each."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CannotReadFile(table, f"it is no CSV file ({error}).") from error
    missing = [name for name in COLUMNS if not rows or rows[0].get(name) is None]
    if missing:
        raise CannotReadFile(
            table,
            f"it has no column {', '.join(missing)}; a table has {', '.join(COLUMNS)} and a row per measurement.",
        )
    return [_reading(table, line, row) for line, row in enumerate(rows, start=2)]


def _reading(table: Path, line: int, row: dict[str, str]) -> Reading:
    try:
        value = float(row["value"])
    except (TypeError, ValueError):
        raise CannotReadFile(table, f"line {line} has the value {row['value']!r}; give a number.") from None
    try:
        return Reading(row["part"], row["operator"], value, row.get("verdict") or "")
    except LabelError as error:
        raise CannotReadFile(table, f"line {line}: {error}") from error


def _text(study: GaugeStudy, kappa: float | None, *, rated: bool = True) -> str:
    """The study for a terminal."""
    share = "undefined" if study.grr_of_total is None else f"{100 * study.grr_of_total:.1f} %"
    rows = [
        f"{study.parts} parts x {study.operators} operators x {study.repeats} repeats",
        *(
            f"  {name:34s} {value:.6g}"
            for name, value in (
                ("repeatability (EV)", study.repeatability), ("operators (AV)", study.operator),
                ("operator x part", study.interaction), ("gauge R&R", study.grr), ("parts (PV)", study.part), ("total", study.total),
            )
        ),
        f"GRR is {share} of the total: {study.opinion}",
        f"distinct categories (ndc): {'undefined' if study.ndc is None else study.ndc}",
        f"interaction {'pooled with the repeats' if study.pooled else 'kept'} (p = {study.interaction_p:.3f})",
    ]  # fmt: skip
    if study.grr_of_tolerance is not None:
        rows.append(f"6 GRR is {100 * study.grr_of_tolerance:.1f} % of the tolerance")
    if rated:
        rows.append(
            f"agreement of verdicts (Fleiss' kappa): {ONE_VERDICT if kappa is None else f'{kappa:.3f}'}"
        )
    return "\n".join(rows)
