"""Commands over many bumps: `lot`, `compare` and `promote`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from voidscope import workflow
from voidscope.cli.app import app
from voidscope.cli.options import AsJson, Changes, ProjectPath, Scans, Truth, run_settings
from voidscope.cli.output import say
from voidscope.errors import ConfigError, NotReady
from voidscope.metrology import Lot, LotScan, Report, lot_page, read_recipe
from voidscope.progress import run
from voidscope.project import Project, results
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
    reports = [(path.resolve().name, _reported(path)) for path in paths]
    found = Lot.once(
        (LotScan(f"{name}/{s.scan}" if len(paths) > 1 else s.scan, s), r.file_hash(s.scan))
        for name, r in reports
        for s in r.scans
    )
    page = lot_page(found, ", ".join(name for name, _ in reports), [r.identity(name) for name, r in reports])
    write_bytes(out, page.encode())
    for said in filter(None, (found.repeated_in_words(), found.apart_in_words())):
        sys.stderr.write(f"warning: {said}\n")
    say({"page": str(out), **found.summary()}, as_json, _lot_text(found, out))


def _reported(path: Path) -> Report:
    report = Project.open(path).report
    if report is None:
        raise NotReady(f"{path} is not measured yet; run: voidscope measure {path}")
    return report


def _lot_text(found: Lot, out: Path) -> str:
    told = found.summary()
    verdicts = ", ".join(f"{n} {verdict}" for verdict, n in told["verdicts"].items())
    lines = [f"{told['bumps']} bumps of {told['scans']} scans: {verdicts}"]
    spreads = [*((f, s, "%") for f, s in told["ratios_percent"].items()), ("bond line", told["blt_um"], "um")]
    for name, spread, unit in spreads:
        if spread:
            lines.append(
                f"  {name} median {spread['median']:.4g} {unit}, 5-95 % {spread['p5']:.4g} to {spread['p95']:.4g} {unit}"
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
    project = Project.open(path)
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
    dataset: Truth = None,
    note: Annotated[str, typer.Option(help="Insist, and say why; it is kept with the cycle.")] = "",
    as_json: AsJson = False,
) -> None:
    """Put the current model in force; refused when it finds less of the held-out void than the one in force."""
    truth = None if dataset is None else Dataset.open(dataset)
    found = run(workflow.promote(Project.open(path), truth, note.strip()))
    known = "unknown" if found.recall is None else f"{100 * found.recall:.1f} %"
    said = f"cycle {found.cycle} is in force; it finds {known} of the held-out void"
    say(asdict(found), as_json, f"{said}{f'; note: {found.note}' if found.note else ''}")
