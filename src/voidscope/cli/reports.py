"""`measure`: void ratios, voids and verdicts, and the report of them in a folder of its own."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from voidscope import workflow
from voidscope.cli.app import app
from voidscope.cli.options import (
    AsJson,
    Changes,
    Device,
    MapText,
    Scans,
    Seed,
    SpacingText,
    parse_spacing,
    run_settings,
)
from voidscope.cli.output import say
from voidscope.config import Config
from voidscope.jobs import Job
from voidscope.metrology import Report, Verdict, check_names, read_recipe, recipe_settings
from voidscope.progress import run
from voidscope.project import Project, export_report, report_files
from voidscope.workflow import MaskFile, Occasion

BINDINGS = ("PyQt6", "PySide6", "PyQt5", "PySide2")
"""Any of these can print."""


@app.command()
def measure(
    path: Annotated[
        Path | None, typer.Argument(metavar="[PROJECT]", help="Project folder; or pass --mask.")
    ] = None,
    scans: Scans = None,
    mask: Annotated[Path | None, typer.Option("--mask", help="Any mask file; needs no project.")] = None,
    spacing: SpacingText = None,
    file_map: MapText = None,
    recipe: Annotated[
        Path | None,
        typer.Option("--recipe", help="Measure by this recipe file instead of the project's settings."),
    ] = None,
    limit: Annotated[str | None, typer.Option(help="FAIL above this ratio, e.g. 0.05 or 5%.")] = None,
    report_to: Annotated[
        Path | None,
        typer.Option(
            "--report",
            metavar="OUT",
            help="Write the whole report into this folder: HTML, PDF, CSV, JSON and their hashes.",
        ),
    ] = None,
    operator: Annotated[str, typer.Option(help="Who measures; the report says it.")] = "",
    approver: Annotated[str, typer.Option(help="Who signs for it.")] = "",
    lot: Annotated[str, typer.Option(help="Lot of the sample.")] = "",
    die: Annotated[str, typer.Option(help="Die or unit of the sample.")] = "",
    msa: Annotated[str, typer.Option(help="Where the gauge study of this recipe is written.")] = "",
    changes: Changes = None,
    seed: Seed = None,
    device: Device = None,
    as_json: AsJson = False,
) -> None:
    """Void ratio, voids and verdict of segmented scans, or of any mask file."""
    said = [] if recipe is None else recipe_settings(read_recipe(recipe))
    words = [*said, *(changes or []), *([] if limit is None else [f"measure.limit={limit}"])]
    also = ", with --set or --limit" if changes or limit is not None else ""
    occasion = Occasion(operator, approver, lot, die, msa, "" if recipe is None else f"{recipe.name}{also}")
    pictures: dict[str, bytes] = {}
    project = None
    if mask is not None and path is not None:
        raise typer.BadParameter(f"pass a PROJECT or --mask {mask}, not both")
    if mask is not None:
        file = MaskFile(mask, parse_spacing(spacing), file_map or "")
        report = workflow.measure_file(file, Config().with_changes(words).measure, occasion)
        told = report.provenance
        sys.stderr.write(f"ids of {mask.name}: {told['map']} ({told['map_source']})\n")
    elif path is not None:
        project = Project.open(path)
        settings = run_settings(project, words, seed, device)
        check_names(project.classes, settings.measure, project.name)  # before anything takes long
        if workflow.to_judge(project):  # else a verdict would not know how well the model finds voids
            run(workflow.evaluate(project, config=settings))
        job = workflow.measure(project, scans, settings, occasion)
        report, pictures = run(Job(job.title, job.steps, lambda found: (job.commit(found), found[1])))
        sys.stderr.write(f"report: {project.report_folder / 'report.html'}\n")
    else:
        raise typer.BadParameter("pass a PROJECT, or --mask FILE --spacing Z,Y,X")
    seen = report.sight()  # stands below the numbers anyway
    sys.stderr.writelines(f"warning: {w}\n" for w in report.provenance["warnings"] if w not in seen)
    if unsaid := _unsourced(report):
        way = "say it with --set measure.source=... or in a recipe file"
        sys.stderr.write(
            f"note: nobody said where the limit comes from that passes ({', '.join(unsaid)}); {way}\n"
        )
    if report_to is not None:
        _write(report_to, report, pictures, project)
    say(report.entry(), as_json, report.text())


def _unsourced(report: Report) -> list[str]:
    """The measures of scans that pass whose limit is kept and has no source."""
    passing = [o for m in report.scans if m.verdict is Verdict.PASS for o in m.outcomes]
    return list(dict.fromkeys(o.measure for o in passing if o.verdict is Verdict.PASS and not o.source))


def _write(folder: Path, report: Report, pictures: Mapping[str, bytes], project: Project | None) -> None:
    """The report's files and, where a Qt binding is installed, the PDF, which its project, if it has one, records."""
    files = report_files(report, pictures)
    if any(importlib.util.find_spec(name) for name in BINDINGS):
        html = report.print_html(pictures)
        files["report.pdf"] = run(Job("Making the PDF", lambda: workflow.printing(html), lambda pdf: pdf))
        if project is not None:
            workflow.record_print(project, report, files["report.pdf"])
    else:
        sys.stderr.write(
            'warning: no report.pdf, for Qt is not installed; get it with: pip install "voidscope[all]"\n'
        )
    export_report(folder, files)
    sys.stderr.write(f"report: {folder / 'report.html'}\n")
