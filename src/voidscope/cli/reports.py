"""`measure`: void ratios, voids and verdicts, and the report of them in a folder of its own."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Mapping, Sequence
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
    open_project,
    parse_spacing,
    run_settings,
)
from voidscope.cli.output import of_file, run, say
from voidscope.config import Config
from voidscope.jobs import Job
from voidscope.metrology import Report, measure_scan, read_recipe
from voidscope.project import export_report, fingerprint, parse_map, report_files
from voidscope.vocabulary import ClassMap
from voidscope.volume import read_label_file, read_scan
from voidscope.workflow import Occasion
from voidscope.workflow.recording import UNKNOWN, commit_of_now, report_id
from voidscope.workflow.snapshot import made_with

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
    words = [*_recipe_words(recipe), *(changes or []), *([] if limit is None else [f"measure.limit={limit}"])]
    occasion = Occasion(operator, approver, lot, die, msa)
    pictures: dict[str, bytes] = {}
    if mask is not None and path is not None:
        raise typer.BadParameter(f"pass a PROJECT or --mask {mask}, not both")
    if mask is not None:
        report = _measure_file(mask, spacing, file_map, words, occasion)
    elif path is not None:
        project = open_project(path)
        settings = run_settings(project, words, seed, device)
        if workflow.to_judge(project):  # else a verdict would not know how well the model finds voids
            run(workflow.evaluate(project, config=settings))
        job = workflow.measure(project, scans, settings, occasion)
        report, pictures = run(Job(job.title, job.steps, lambda found: (job.commit(found), found[1])))
        sys.stderr.write(f"report: {project.report_folder / 'report.html'}\n")
    else:
        raise typer.BadParameter("pass a PROJECT, or --mask FILE --spacing Z,Y,X")
    if report_to is not None:
        _write(report_to, report, pictures)
    say(report.entry(), as_json, report.text())


def _write(folder: Path, report: Report, pictures: Mapping[str, bytes]) -> None:
    """The report's files and, where a Qt binding is installed, the PDF."""
    files = report_files(report, pictures)
    if any(importlib.util.find_spec(name) for name in BINDINGS):
        html = report.print_html(pictures)
        files["report.pdf"] = run(Job("Making the PDF", lambda: workflow.printing(html), lambda pdf: pdf))
    else:
        sys.stderr.write(
            'warning: no report.pdf, for Qt is not installed; get it with: pip install "voidscope[all]"\n'
        )
    export_report(folder, files)
    sys.stderr.write(f"report: {folder / 'report.html'}\n")


def _recipe_words(path: Path | None) -> list[str]:
    """A recipe file as settings."""
    if path is None:
        return []
    return [f"measure.{name}={json.dumps(value)}" for name, value in read_recipe(path).model_dump().items()]


def _measure_file(
    mask: Path, spacing: str | None, file_map: str | None, words: Sequence[str], occasion: Occasion
) -> Report:
    """Measure any label or mask file without a project; ids as in the hbm scheme unless mapped."""
    ids = read_label_file(mask)
    mapping = parse_map(file_map) if file_map else None
    named = mapping and {i: n.partition(":")[0] for i, n in mapping.items()}
    first = {
        n: i for i, n in reversed((mapping or {}).items()) if n != "unlabelled"
    }  # several ids may be one class
    entries = [{"id": i, "name": n} for n, i in sorted(first.items(), key=lambda item: item[1])]
    classes = ClassMap.from_entries(entries) if mapping else ClassMap.hbm()
    spacing_um = parse_spacing(spacing) or read_scan(mask).spacing_um
    recipe = Config().with_changes(words).measure
    with of_file(mask):
        measured = measure_scan(classes.from_file(ids, named), classes, spacing_um, recipe, mask.stem)
    provenance = made_with() | occasion.entry() | {
        "mask": str(mask), "mask_hash": fingerprint(mask), "recipe": recipe.model_dump(mode="json"), "git_commit": commit_of_now() or UNKNOWN,
    }  # fmt: skip
    return Report((measured,), provenance | {"report_id": report_id(provenance)})
