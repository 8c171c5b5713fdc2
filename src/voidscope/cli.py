"""The command line: one function per verb, the same core and numbers as the napari plugin.

With ``--json`` a command prints one JSON object on stdout; progress and warnings always go to stderr. Exit code 0
is done, 1 a problem told in one line, 2 wrong usage.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from voidscope.errors import ConfigError, VoidscopeError
from voidscope.jobs import Job, execute
from voidscope.progress import StderrProgress
from voidscope.vocabulary import ClassMap, Plane, Split

app = typer.Typer(
    name="voidscope", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="Defect segmentation in X-ray microscopy scans, learnt from a handful of labelled slices.",
)  # fmt: skip

T = TypeVar("T")
ProjectPath = Annotated[Path, typer.Argument(metavar="PROJECT", help="Project folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Scans = Annotated[list[str] | None, typer.Option("--scan", help="Only this scan; may be repeated.")]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", help="A setting for this run, e.g. train.epochs=5; may be repeated."),
]
Seed = Annotated[int | None, typer.Option("--seed", help="Seed of this run.")]
Device = Annotated[str | None, typer.Option("--device", help="auto, cpu, cuda or mps.")]
SpacingText = Annotated[
    str | None, typer.Option("--spacing", metavar="Z,Y,X", help="Voxel edge lengths in um.")
]
MapText = Annotated[
    str | None, typer.Option("--map", help="Ids in the label file, e.g. 0=background,3=void.")
]


def main() -> None:
    """Run the command line; every problem a person can act on ends in one line on stderr and exit code 1."""
    try:
        app()
    except VoidscopeError as error:
        sys.stderr.write(f"voidscope: {error}\n")
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        sys.stderr.write("voidscope: stopped; what was saved before is intact.\n")
        raise SystemExit(1) from None


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where the demo project goes.")] = Path(
        "voidscope-demo"
    ),
    headless: Annotated[bool, typer.Option("--headless", help="Run the story without a window.")] = False,
) -> None:
    """Simulate HBM scans and open them in napari; without a display, run the whole loop and print its numbers."""
    from voidscope.demo import make_sample, tell_story

    if headless or not _has_display():
        tell_story(folder, typer.echo, StderrProgress)
    else:
        project = make_sample(folder / "sample", StderrProgress)
        _open_window(project.path)


@app.command()
def simulate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write the dataset to.")],
    logic: Annotated[int, typer.Option(min=0, help="Number of logic-die scans (paper: 25).")] = 2,
    memory: Annotated[int, typer.Option(min=0, help="Number of memory-die scans (paper: 53).")] = 2,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same scans.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Write simulated XRM scans of HBM micro-bumps with their exact labels: NAME.tif, NAME_labels.tif, dataset.json."""
    from voidscope.volume import Dataset, simulate_dataset

    _run(
        Job(
            "Simulating",
            lambda: simulate_dataset(folder, logic=logic, memory=memory, seed=seed),
            lambda result: result,
        )
    )
    dataset = Dataset.open(folder)
    test = [s.name for s in dataset.scans if s.split is Split.TEST]
    _say(
        {"folder": str(folder), "scans": [s.name for s in dataset.scans], "test": test}, as_json,
        f"{len(dataset.scans)} scans in {folder}, {len(test)} of them for testing",
    )  # fmt: skip


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
    from voidscope.config import Config
    from voidscope.project import Project
    from voidscope.volume import Dataset
    from voidscope.workflow import add_dataset

    source = Dataset.open(dataset) if dataset else None
    if source is None and classes is None:
        raise ConfigError(
            "A project needs its classes; pass --classes hbm, --classes NAME,NAME:void,... or --dataset DIR."
        )
    class_map = source.classes if source and classes is None else _class_map(str(classes))
    project = Project.create(path, class_map, config=Config().with_changes(changes or []))
    if source:
        try:
            _run(add_dataset(project, source))
        except VoidscopeError:
            shutil.rmtree(path)  # made a moment ago; so the same command works once the dataset is mended
            raise
    _say(
        {"project": str(path), "classes": list(project.classes.names), "scans": [_scan_entry(s) for s in project.scans.values()]}, as_json,
        f"{path}: {len(project.scans)} scans, {len(project.keys())} slices, classes {', '.join(project.classes.names)}",
    )  # fmt: skip


@app.command()
def add(
    path: ProjectPath,
    scans: Annotated[list[Path], typer.Argument(metavar="SCAN...", help="Files, or folders of slices.")],
    spacing: SpacingText = None,
    split: Annotated[Split, typer.Option(help="Learn from it, or only judge on it.")] = Split.TRAIN,
    plane: Annotated[
        Plane | None,
        typer.Option(help="Axis to cut along; default axis1 (coronal), axis0 for single images."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Add scans by reference: TIFF, folder of slices, .npy, Zeiss .txm/.txrm/.xrm."""
    from voidscope.workflow import add_scans

    added = _run(add_scans(_open(path), scans, spacing_um=_spacing(spacing), split=split, plane=plane))
    told = "\n".join(
        f"{s.name}: {s.shape} {s.dtype}, spacing {s.spacing_um or 'unknown'} um, {s.n_slices} slices along {s.plane.value}"
        for s in added
    )
    _say({"scans": [_scan_entry(s) for s in added]}, as_json, told)


@app.command()
def label(
    path: ProjectPath,
    source: Annotated[Path | None, typer.Option("--from", help="Label file on the scan's grid.")] = None,
    scan: Annotated[str | None, typer.Option(help="The scan it belongs to.")] = None,
    slices: Annotated[str | None, typer.Option(help="Which slices, e.g. 3,10-20; default all.")] = None,
    file_map: MapText = None,
    dataset: Annotated[
        Path | None, typer.Option("--from-dataset", help="Take the truth of this dataset.")
    ] = None,
    suggested: Annotated[bool, typer.Option("--suggested", help="Answer the whole queue.")] = False,
    overwrite: Annotated[bool, typer.Option(help="Also replace labels a person drew or accepted.")] = False,
    as_json: AsJson = False,
) -> None:
    """Import labels: slices of a label file, or the queue answered from a dataset's truth (the oracle)."""
    from voidscope.project import answer_suggestions, import_labels, import_truth, parse_map, parse_slices
    from voidscope.volume import Dataset, read_label_file

    project = _open(path)
    chosen = parse_slices(slices) if slices else None
    if source is not None and scan is not None:
        mapping = parse_map(file_map) if file_map else None
        done = import_labels(
            project, scan, read_label_file(source), slices=chosen, file_map=mapping, overwrite=overwrite
        )
    elif dataset is not None and suggested:
        done = answer_suggestions(project, Dataset.open(dataset), overwrite=overwrite)
    elif dataset is not None and scan is not None:
        keys = [k for k in project.scan(scan).slice_keys() if chosen is None or k.index in chosen]
        done = import_truth(project, Dataset.open(dataset), keys, overwrite=overwrite)
    else:
        raise typer.BadParameter(
            "pass --from FILE --scan NAME, or --from-dataset DIR with --suggested or --scan NAME"
        )
    if done.kept:
        sys.stderr.write(
            f"kept {len(done.kept)} slices a person labelled; pass --overwrite to replace them\n"
        )
    pixels = dict(zip(project.classes.names, (int(n) for n in project.labels.counts()), strict=True))
    _say(
        {"labelled": [str(k) for k in done.labelled], "kept": [str(k) for k in done.kept], "n_labelled": len(project.labels), "pixels": pixels}, as_json,
        f"{len(done.labelled)} slices labelled, {len(project.labels)} in all; " + ", ".join(f"{n} {p} px" for n, p in pixels.items()),
    )  # fmt: skip


@app.command()
def pretrain(
    path: ProjectPath,
    changes: Changes = None,
    seed: Seed = None,
    device: Device = None,
    as_json: AsJson = False,
) -> None:
    """Contrastive pretraining on all training slices, labelled or not; resumes where it stopped."""
    from voidscope.workflow import pretrain as verb

    project = _open(path)
    weights = _run(verb(project, _settings(project, changes, seed, device)))
    _say({"weights": str(weights)}, as_json, f"pretrained weights in {weights}")


@app.command()
def train(
    path: ProjectPath,
    changes: Changes = None,
    seed: Seed = None,
    device: Device = None,
    as_json: AsJson = False,
) -> None:
    """Train the network anew on every labelled slice of the training scans."""
    from voidscope.workflow import train as verb

    project = _open(path)
    cycle = _run(verb(project, _settings(project, changes, seed, device)))
    for warning in cycle.metrics["warnings"]:
        sys.stderr.write(f"warning: {warning}\n")
    losses = cycle.metrics["losses"]
    said = {
        "cycle": cycle.number, "n_labelled": len(cycle.labelled), "loss": losses[-1], "losses": losses,
        "seconds": cycle.metrics["seconds"], "weights": str(cycle.weights_path), "weights_sha256": cycle.weights_sha256,
        "warnings": list(cycle.metrics["warnings"]), "seed": cycle.seed, "provenance": dict(cycle.provenance),
    }  # fmt: skip
    _say(
        said,
        as_json,
        f"cycle {cycle.number}: {len(cycle.labelled)} labelled slices, loss {losses[-1]:.4f}, {cycle.metrics['seconds']:.0f} s",
    )


@app.command()
def suggest(
    path: ProjectPath,
    changes: Changes = None,
    seed: Seed = None,
    device: Device = None,
    as_json: AsJson = False,
) -> None:
    """Rank the unlabelled slices of the training scans: what to label next, and why."""
    from voidscope.workflow import suggest as verb

    project = _open(path)
    settings = _settings(project, changes, seed, device)
    picks = _run(verb(project, settings))
    shares = project.survey.class_distribution() if project.survey else None
    said = {
        "strategy": picks[0].strategy if picks else settings.suggest.strategy,
        "aggregation": settings.suggest.aggregation,
        "class_distribution": None
        if shares is None
        else dict(zip(project.classes.names, (float(p) for p in shares), strict=True)),
        "suggestions": [_suggestion_entry(s) for s in picks],
    }
    rows = (
        f"{s.rank:4d}  {s.key}  r {_number(s.r)}  u {_number(s.u)}  d {_number(s.d)}  score {_number(s.score)}  pixel {s.pixel}"
        for s in picks
    )
    _say(
        said,
        as_json,
        "\n".join(rows)
        if picks and picks[0].r is not None
        else "No model yet, drawn at random:\n" + "\n".join(f"{s.rank:4d}  {s.key}" for s in picks),
    )


@app.command()
def segment(
    path: ProjectPath,
    scans: Scans = None,
    changes: Changes = None,
    seed: Seed = None,
    device: Device = None,
    as_json: AsJson = False,
) -> None:
    """Segment scans with the current model; masks are TIFFs in the ids of the label files."""
    from voidscope.workflow import segment as verb

    project = _open(path)
    names = _run(verb(project, scans, config=_settings(project, changes, seed, device)))
    entries = [{"scan": n, "mask": str(project.mask_path(n))} for n in names]
    _say({"scans": entries}, as_json, "\n".join(f"{e['scan']}: {e['mask']}" for e in entries))


@app.command()
def measure(
    path: Annotated[
        Path | None, typer.Argument(metavar="[PROJECT]", help="Project folder; or pass --mask.")
    ] = None,
    scans: Scans = None,
    mask: Annotated[
        Path | None, typer.Option("--mask", help="Any mask file, from any tool; needs no project.")
    ] = None,
    spacing: SpacingText = None,
    file_map: MapText = None,
    limit: Annotated[float | None, typer.Option(help="FAIL above this ratio.")] = None,
    changes: Changes = None,
    seed: Seed = None,
    device: Device = None,
    as_json: AsJson = False,
) -> None:
    """Void ratio, voids and verdict of segmented scans, or of any mask file."""
    words = [*(changes or []), *([] if limit is None else [f"measure.limit={limit}"])]
    if mask is not None:
        report = _measure_file(mask, spacing, file_map, words)
    elif path is not None:
        from voidscope.workflow import measure as verb

        project = _open(path)
        report = _run(verb(project, scans, _settings(project, words, seed, device)))
        sys.stderr.write(f"report: {project.report_folder / 'report.html'}\n")
    else:
        raise typer.BadParameter("pass a PROJECT, or --mask FILE --spacing Z,Y,X")
    _say(report.entry(), as_json, report.text())


@app.command()
def evaluate(
    path: ProjectPath,
    dataset: Annotated[Path, typer.Option(help="Dataset folder with the truth of the test scans.")],
    changes: Changes = None,
    device: Device = None,
    as_json: AsJson = False,
) -> None:
    """mIoU and IoU per class of the current model on the test scans: one pooled confusion matrix, native size."""
    from voidscope.volume import Dataset
    from voidscope.workflow import evaluate as verb

    project = _open(path)
    found = _run(verb(project, Dataset.open(dataset), _settings(project, changes, None, device)))
    said = {"miou": _finite(found.miou), "miou_foreground": _finite(found.miou_foreground)} | {
        k: v for k, v in asdict(found).items() if not k.startswith("miou")
    }
    rows = [f"{n:16s} {_number(v)}" for n, v in found.iou.items()]
    _say(
        said,
        as_json,
        "\n".join(
            [
                f"cycle {found.cycle}, {found.n_labelled} labelled slices",
                f"mIoU {found.miou:.4f} (without background {found.miou_foreground:.4f})",
                *rows,
            ]
        ),
    )


@app.command(name="open")
def open_(path: ProjectPath) -> None:
    """Open a project in napari."""
    _open(path)
    _open_window(path)


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Say what will be used (GPU, memory, torch) and how to mend what is wrong."""
    from voidscope.model import doctor as findings

    found = findings()
    rows = (
        f"{'ok  ' if f.ok else 'MEND'} {f.name}: {f.value}{'' if f.ok else ' -> ' + f.remedy}" for f in found
    )
    _say({"findings": [asdict(f) for f in found]}, as_json, "\n".join(rows))


def _run(job: Job[Any, T]) -> T:
    with StderrProgress(job.title) as show:
        return execute(job, show)


def _say(entry: dict[str, Any], as_json: bool, text: str) -> None:
    typer.echo(json.dumps(entry, allow_nan=False, default=list) if as_json else text)


def _open(path: Path) -> Any:
    from voidscope.project import Project

    return Project.open(path)


def _settings(project: Any, changes: Sequence[str] | None, seed: int | None, device: str | None) -> Any:
    """The project's settings with this run's changes; the project itself keeps its own."""
    words = [
        *(changes or []),
        *([] if seed is None else [f"seed={seed}"]),
        *([] if device is None else [f"device={device}"]),
    ]
    return project.config.with_changes(words)


def _class_map(text: str) -> ClassMap:
    return ClassMap.hbm() if text == "hbm" else ClassMap.from_names(text.split(","))


def _spacing(text: str | None) -> tuple[float, float, float] | None:
    if text is None:
        return None
    try:
        z, y, x = (float(word) for word in text.split(","))
    except ValueError:
        raise ConfigError(
            f"--spacing {text!r} is not three numbers; write Z,Y,X in um, e.g. 0.7,0.7,0.7."
        ) from None
    return z, y, x


def _measure_file(mask: Path, spacing: str | None, file_map: str | None, words: Sequence[str]) -> Any:
    from voidscope.config import Config
    from voidscope.metrology import Report, measure_mask
    from voidscope.project import parse_map
    from voidscope.project.scans import fingerprint
    from voidscope.volume import read_label_file, read_scan

    ids = read_label_file(mask)
    mapping = parse_map(file_map) if file_map else None
    named = mapping and {i: n.partition(":")[0] for i, n in mapping.items()}
    entries = [{"id": i, "name": n} for i, n in (mapping or {}).items() if n != "unlabelled"]
    classes = ClassMap.from_entries(entries) if mapping else ClassMap.hbm()
    spacing_um = _spacing(spacing) or read_scan(mask).spacing_um
    recipe = Config().with_changes(words).measure
    measured = measure_mask(classes.from_file(ids, named), classes, spacing_um, recipe, mask.stem)
    return Report(
        (measured,),
        {"mask": str(mask), "mask_sha256": fingerprint(mask), "recipe": recipe.model_dump(mode="json")},
    )


def _scan_entry(record: Any) -> dict[str, Any]:
    return {
        "scan": record.name, "shape": list(record.shape), "dtype": record.dtype, "spacing_um": record.spacing_um,
        "format": record.format, "n_slices": record.n_slices, "plane": record.plane.value, "split": record.split.value,
    }  # fmt: skip


def _suggestion_entry(s: Any) -> dict[str, Any]:
    pixel = None if s.pixel is None else list(s.pixel)
    return {
        "scan": s.key.scan,
        "slice": s.key.index,
        "rank": s.rank,
        "r": s.r,
        "u": s.u,
        "d": s.d,
        "score": s.score,
        "pixel": pixel,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _has_display() -> bool:
    return sys.platform in ("win32", "darwin") or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )


def _open_window(path: Path) -> None:
    """Start napari with the dock in a process of its own; the command line itself never loads Qt."""
    raise SystemExit(subprocess.call([sys.executable, "-m", "voidscope.widgets", str(path)]))
