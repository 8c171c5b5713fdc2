"""Commands over many bumps: `lot`, `compare` and `promote`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from voidscope import workflow
from voidscope.cli.app import app
from voidscope.cli.options import AsJson, Changes, ProjectPath, Scans, open_project, run_settings
from voidscope.cli.output import run, say
from voidscope.errors import ConfigError, NotReady
from voidscope.metrology import Lot, LotScan, ScanMeasurement, lot_page, read_recipe
from voidscope.project import results
from voidscope.project.atomic import write_bytes
from voidscope.volume import Dataset


@app.command()
def lot(
    paths: Annotated[list[Path], typer.Argument(metavar="PROJECT...", help="Measured projects, in order.")],
    out: Annotated[Path, typer.Option("--out", help="Page to write.")] = Path("lot.html"),
    as_json: AsJson = False,
) -> None:
    """See the last reports of some projects as one lot: histograms, trends from scan to scan, places that fail again."""
    if len({p.resolve() for p in paths}) < len(paths):
        raise ConfigError(
            f"A project is named twice among {', '.join(map(str, paths))}; a lot counts each once."
        )
    scans = [
        LotScan(f"{path.resolve().name}/{s.scan}" if len(paths) > 1 else s.scan, s)
        for path in paths
        for s in _reported(path)
    ]
    found = Lot(tuple(scans))
    write_bytes(out, lot_page(found, ", ".join(p.resolve().name for p in paths)).encode())
    recipes = {s.measured.recipe for s in scans}
    if len(recipes) > 1:
        sys.stderr.write(
            f"measured by {len(recipes)} different recipes: verdicts and ratios may not compare\n"
        )
    say({"page": str(out), **found.summary()}, as_json, _lot_text(found, out))


def _reported(path: Path) -> Sequence[ScanMeasurement]:
    report = open_project(path).report
    if report is None:
        raise NotReady(f"{path} is not measured yet; run: voidscope measure {path}")
    return report.scans


def _lot_text(found: Lot, out: Path) -> str:
    told = found.summary()
    verdicts = ", ".join(f"{n} {verdict}" for verdict, n in told["verdicts"].items())
    lines = [f"{told['bumps']} bumps of {told['scans']} scans: {verdicts}"]
    for name, unit in (("ratio_percent", "%"), ("blt_um", "um")):
        if told[name]:
            lines.append(
                f"  {name.partition('_')[0]:6s} median {told[name]['median']:.4g} {unit}, 5-95 % {told[name]['p5']:.4g} to {told[name]['p95']:.4g} {unit}"
            )
    lines += [f"  {name} fails in {failed} of {of} scans" for name, failed, of in found.recurring()]
    if found.left_out():
        lines.append(f"  places that fail again: {found.left_out_in_words()}")
    return "\n".join([*lines, f"page: {out}"])


@app.command()
def compare(
    path: ProjectPath,
    cycles: Annotated[
        str | None, typer.Option(metavar="A,B", help="Two cycles, measured by one recipe.")
    ] = None,
    recipes: Annotated[
        list[Path] | None,
        typer.Option("--recipe", help="Two recipe files, for the current model's masks; give it twice."),
    ] = None,
    scans: Scans = None,
    changes: Changes = None,
    as_json: AsJson = False,
) -> None:
    """What changed between two cycles or two recipes: bumps whose verdict or value moved, with pictures before and after."""
    project = open_project(path)
    pair = None if cycles is None else _pair(cycles)
    files = None if not recipes else [(p.stem, read_recipe(p)) for p in recipes]
    found = run(
        workflow.changes(
            project,
            cycles=pair,
            recipes=files,
            scans=scans,
            config=run_settings(project, changes, None, None),
        )
    )
    page = results.changes_page(project.path)
    say({"page": str(page), **found.entry()}, as_json, f"{found.text()}\npage: {page}")


def _pair(text: str) -> tuple[int, int]:
    try:
        one, two = (int(word) for word in text.split(","))
    except ValueError:
        raise ConfigError(f"--cycles {text!r} is not two cycles; write e.g. --cycles 3,5.") from None
    return one, two


@app.command()
def promote(
    path: ProjectPath,
    dataset: Annotated[
        Path | None, typer.Option(help="Dataset folder with the truth of the test scans; else their labels.")
    ] = None,
    note: Annotated[str, typer.Option(help="Insist, and say why; it is kept with the cycle.")] = "",
    as_json: AsJson = False,
) -> None:
    """Put the current model in force; refused when it finds less of the held-out void than the one in force."""
    truth = None if dataset is None else Dataset.open(dataset)
    found = run(workflow.promote(open_project(path), truth, note.strip()))
    known = "unknown" if found.recall is None else f"{100 * found.recall:.1f} %"
    said = f"cycle {found.cycle} is in force; it finds {known} of the held-out void"
    say(asdict(found), as_json, f"{said}{f'; note: {found.note}' if found.note else ''}")
