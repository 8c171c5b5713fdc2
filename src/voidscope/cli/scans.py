"""Commands that bring scans in and take them out, and bring labels in: `simulate`, `create`, `add`, `remove`, `label`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from voidscope import workflow
from voidscope.cli.app import app
from voidscope.cli.options import (
    AsJson,
    Changes,
    MapText,
    ProjectPath,
    SpacingText,
    parse_spacing,
)
from voidscope.cli.output import of_file, say, scan_entry
from voidscope.config import Config
from voidscope.errors import ConfigError, VoidscopeError, counted
from voidscope.progress import run
from voidscope.project import (
    Imported,
    Project,
    answer_suggestions,
    import_labels,
    import_truth,
    parse_map,
    parse_slices,
    removed_twin,
)
from voidscope.vocabulary import ClassMap, Plane, SliceKey, Split
from voidscope.volume import Dataset, doubtful_spacing, read_label_file
from voidscope.volume.phantom import Difficulty


@app.command()
def simulate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write the dataset to.")],
    logic: Annotated[int, typer.Option(min=0, help="Number of logic-die scans (paper: 25).")] = 2,
    memory: Annotated[int, typer.Option(min=0, help="Number of memory-die scans (paper: 53).")] = 2,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same scans.")] = 0,
    difficulty: Annotated[
        Difficulty,
        typer.Option(help="plain: lone bumps; ordinary, hard: surroundings, small voids, domain shift."),
    ] = Difficulty.PLAIN,
    grid: Annotated[
        str | None,
        typer.Option(
            metavar="ROWSxCOLUMNS",
            help="Scans of a package, e.g. 3x4 bumps each; NAME_bumps.json tells the truth of each.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write simulated XRM scans of HBM micro-bumps with exact labels: NAME.tif, NAME_labels.tif, dataset.json."""
    dataset = run(
        workflow.simulate(folder, logic=logic, memory=memory, seed=seed, difficulty=difficulty, grid=grid)
    )
    test = [s.name for s in dataset.scans if s.split is Split.TEST]
    entry = {"folder": str(folder), "scans": [s.name for s in dataset.scans], "test": test}
    say(entry, as_json, f"{len(dataset.scans)} scans in {folder}, {len(test)} of them for testing")


@app.command()
def create(
    path: ProjectPath,
    dataset: Annotated[
        Path | None,
        typer.Option(help="Dataset folder: NAME.tif with NAME_labels.tif, dataset.json optional."),
    ] = None,
    classes: Annotated[
        str | None, typer.Option(help="hbm, or names with roles: background,layer,pore:void.")
    ] = None,
    changes: Changes = None,
    as_json: AsJson = False,
) -> None:
    """Make a project, from a dataset folder or with the classes named."""
    source = Dataset.open(dataset) if dataset else None
    project = Project.create(
        path, _classes(source, classes), config=Config.product().with_changes(changes or [])
    )
    if source:
        _fill(project, source)
    entry = {
        "project": str(path),
        "classes": list(project.classes.names),
        "scans": [scan_entry(s) for s in project.scans.values()],
    }
    if project.classes.doubt:
        sys.stderr.write(f"warning: {project.classes.doubt}\n")
    names = ", ".join(project.classes.names)
    say(entry, as_json, f"{path}: {len(project.scans)} scans, {len(project.keys())} slices, classes {names}")


@app.command()
def add(
    path: ProjectPath,
    scans: Annotated[list[Path], typer.Argument(metavar="SCAN...", help="Files, or folders of slices.")],
    spacing: SpacingText = None,
    split: Annotated[
        Split | None, typer.Option(help="Learn from it (new scans do), or only judge on it.")
    ] = None,
    plane: Annotated[
        Plane | None,
        typer.Option(help="Axis to cut along; default axis1 (coronal), axis0 for single images."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Add scans by reference: TIFF, folder of slices, .npy, Zeiss .txm/.txrm/.xrm."""
    project = Project.open(path)
    job = workflow.add_scans(project, scans, spacing_um=parse_spacing(spacing), split=split, plane=plane)
    before = set(project.scans)
    added = run(job)
    for s in added:
        if s.name not in before and (n := len(project.labels.of(s.name))):
            sys.stderr.write(f"{s.name}: its labels of before are back, {n} slices\n")
    rows = (
        f"{s.name}: {s.shape} {s.dtype}, spacing {s.spacing_um or 'unknown'} µm, "
        f"{s.n_slices} slices along {s.plane.value}"
        for s in added
    )
    for s in added:
        for unsure in workflow.doubts(project, s.name):
            sys.stderr.write(f"warning: {s.name}: {unsure}\n")
        if doubt := doubtful_spacing(s.spacing_um):
            sys.stderr.write(f"warning: {s.name}: {doubt} Set it with --spacing Z,Y,X in µm.\n")
        if s.spacing_um is None:
            sys.stderr.write(
                f"warning: {s.name} says no spacing, without which nothing is measured; add it again with --spacing Z,Y,X in µm.\n"
            )
    say({"scans": [scan_entry(s) for s in added]}, as_json, "\n".join(rows))


@app.command()
def remove(
    path: ProjectPath,
    scan: Annotated[
        str, typer.Argument(metavar="SCAN", help="Name of the scan; its file stays where it is.")
    ],
    as_json: AsJson = False,
) -> None:
    """Take a scan out of the project; its labels are set aside and come back when the file is added again."""
    project = Project.open(path)
    record = project.scan(scan)
    project.remove(scan)
    kept = removed_twin(project.path, record)
    labels = [str(p) for p in kept.labels] if kept else []
    entry = {"removed": scan, "labels": labels, "scans": list(project.scans)}
    text = f"{scan} is out of {path}; its file is untouched"
    if kept and labels:
        text += f". Its {len(labels)} labels lie in {kept.folder} and come back with: voidscope add {path} {record.path}"
    say(entry, as_json, text)


@app.command()
def label(
    path: ProjectPath,
    source: Annotated[Path | None, typer.Option("--from", help="Label file on the scan's grid.")] = None,
    scan: Annotated[str | None, typer.Option(help="The scan it belongs to.")] = None,
    slices: Annotated[str | None, typer.Option(help="Which slices, e.g. 3,10-20; default all.")] = None,
    file_map: MapText = None,
    dataset: Annotated[Path | None, typer.Option("--from-dataset", help="Take this dataset's truth.")] = None,
    suggested: Annotated[bool, typer.Option("--suggested", help="Answer the whole queue.")] = False,
    overwrite: Annotated[bool, typer.Option(help="Also replace labels a person drew or accepted.")] = False,
    as_json: AsJson = False,
) -> None:
    """Import labels: slices of a label file, or the queue answered from a dataset's truth (the oracle)."""
    _refuse_mixture(source, dataset, suggested, scan, slices, file_map)
    project = Project.open(path)
    chosen = parse_slices(slices) if slices else None
    if source is not None and scan is not None:
        ids, mapping = read_label_file(source), parse_map(file_map) if file_map else None
        with of_file(source):
            done = import_labels(project, scan, ids, slices=chosen, file_map=mapping, overwrite=overwrite)
    elif dataset is not None and suggested:
        done = answer_suggestions(project, Dataset.open(dataset), overwrite=overwrite)
    elif dataset is not None and scan is not None:
        everything = range(project.scan(scan).n_slices)
        keys = [SliceKey(scan, index) for index in (everything if chosen is None else chosen)]
        done = import_truth(project, Dataset.open(dataset), keys, overwrite=overwrite)
    else:
        raise typer.BadParameter(WAYS)
    _say_labelled(project, done, as_json)


WAYS = "pass --from FILE --scan NAME, or --from-dataset DIR with --suggested or --scan"


def _refuse_mixture(
    source: Path | None, dataset: Path | None, suggested: bool, scan: str | None, slices: str | None, file_map: str | None
) -> None:  # fmt: skip
    """Refuse options that would have no say: better no label than one that was not asked for."""
    if source is not None and (dataset is not None or suggested):
        raise typer.BadParameter(f"a label file and a dataset cannot both answer; {WAYS}")
    if suggested and (scan is not None or slices is not None):
        raise typer.BadParameter(
            "--suggested answers the whole queue; leave out --scan and --slices, or name both without it"
        )
    if dataset is not None and file_map is not None:
        raise typer.BadParameter(
            "a dataset says itself what its ids mean (dataset.json); --map goes with --from FILE"
        )


def _classes(source: Dataset | None, words: str | None) -> ClassMap:
    if words is not None:
        return ClassMap.from_words(words)
    if source is None:
        raise ConfigError(
            "A project needs its classes; pass --classes hbm, --classes NAME,NAME:void or --dataset DIR."
        )
    return source.classes


def _fill(project: Project, source: Dataset) -> None:
    """Add the dataset's scans; a new project that cannot be filled is taken back, so that the command can be repeated."""
    try:
        run(workflow.add_dataset(project, source))
    except (VoidscopeError, KeyboardInterrupt):
        shutil.rmtree(project.path)
        raise


def _say_labelled(project: Project, done: Imported, as_json: bool) -> None:
    if done.kept:
        sys.stderr.write(
            f"kept {counted(len(done.kept), 'slice')} a person labelled; pass --overwrite to replace what is there\n"
        )
    pixels = dict(zip(project.classes.names, (int(n) for n in project.labels.counts()), strict=True))
    entry = {
        "labelled": [str(k) for k in done.labelled],
        "kept": [str(k) for k in done.kept],
        "same": [str(k) for k in done.same],
        "replaced": [str(k) for k in done.replaced],
        "n_labelled": len(project.labels),
        "pixels": pixels,
    }
    counts = ", ".join(f"{name} {n} px" for name, n in pixels.items())
    same = f" ({len(done.same)} as before)" if done.same else ""
    say(
        entry,
        as_json,
        f"{counted(len(done.labelled), 'slice')} labelled{same}, {len(project.labels)} in all: {counts}",
    )
