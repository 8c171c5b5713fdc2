"""Commands that learn, ask and judge: `pretrain`, `train`, `suggest`, `segment`, `measure`, `evaluate`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from voidscope import workflow
from voidscope.acquisition import KINDS, Suggestion, gave_way
from voidscope.cli.app import app
from voidscope.cli.options import (
    AsJson,
    Changes,
    Device,
    ProjectPath,
    Scans,
    Seed,
    Truth,
    run_settings,
)
from voidscope.cli.output import number, say, suggestion_entry
from voidscope.config import Config
from voidscope.errors import VoidscopeError
from voidscope.evaluation import defined
from voidscope.progress import run
from voidscope.project import Project
from voidscope.volume import Dataset


@app.command()
def pretrain(
    path: ProjectPath,
    scans: Scans = None,
    changes: Changes = None,
    seed: Seed = None,
    device: Device = None,
    devices: Annotated[
        int | None,
        typer.Option(help="GPUs that share each step; 0 for all there are. Needs the extra multi-gpu."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Contrastive pretraining on all training slices, labelled or not; resumes where it stopped."""
    project = Project.open(path)
    words = [*(changes or []), *([] if devices is None else [f"pretrain.devices={devices}"])]
    weights = run(workflow.pretrain(project, run_settings(project, words, seed, device), scans))
    say({"weights": str(weights)}, as_json, f"pretrained weights in {weights}")


@app.command()
def train(
    path: ProjectPath,
    scans: Scans = None,
    changes: Changes = None,
    seed: Seed = None,
    device: Device = None,
    warm: Annotated[
        bool, typer.Option("--warm", help="Go on from the current cycle's weights, in a sixth of the steps.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Train the network anew on every labelled slice of the training scans."""
    project = Project.open(path)
    settings = run_settings(project, changes, seed, device)
    cycle = run(workflow.train(project, settings, scans, warm=warm))
    metrics = cycle.metrics
    for warning in metrics["warnings"]:
        sys.stderr.write(f"warning: {warning}\n")
    entry = {
        "cycle": cycle.number, "n_labelled": len(cycle.labelled), "loss": metrics["losses"][-1], **metrics,
        "weights": str(cycle.weights_path), "weights_sha256": cycle.weights_sha256, "seed": cycle.seed,
        "provenance": dict(cycle.provenance),
    }  # fmt: skip
    told = f"cycle {cycle.number}: {len(cycle.labelled)} labelled slices, loss {metrics['losses'][-1]:.4f}"
    compared = _compared(project, settings)
    words = [f"{told}, {metrics['seconds']:.0f} s", *([compared.sentence()] if compared else [])]
    say(
        entry | {"comparison": compared and compared.entry() | {"worse": compared.worse}},
        as_json,
        "\n".join(words),
    )


@app.command()
def suggest(
    path: ProjectPath,
    scans: Scans = None,
    changes: Changes = None,
    seed: Seed = None,
    device: Device = None,
    as_json: AsJson = False,
) -> None:
    """Rank the unlabelled slices of the training scans: what to label next, and why."""
    project = Project.open(path)
    settings = run_settings(project, changes, seed, device)
    picks = run(workflow.suggest(project, settings, scans))
    survey = project.survey
    shares = None if survey is None else [float(p) for p in survey.class_distribution()]
    entry = {
        "strategy": picks[0].strategy if picks else settings.suggest.strategy,
        "aggregation": settings.suggest.aggregation,
        "class_distribution": shares and dict(zip(project.classes.names, shares, strict=True)),
        "suggestions": [suggestion_entry(s) for s in picks],
        **project.queue.grounds.entry(),
    }
    say(entry, as_json, "\n".join(filter(None, (_queue_text(picks), project.queue.grounds.text()))))


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
    project = Project.open(path)
    names = run(workflow.segment(project, scans, config=run_settings(project, changes, seed, device)))
    masks = {n: str(project.mask_path(n)) for n in names}
    entry = {"scans": [{"scan": n, "mask": m} for n, m in masks.items()]}
    say(entry, as_json, "\n".join(f"{n}: {m}" for n, m in masks.items()))


@app.command()
def review(path: ProjectPath, scans: Scans = None, as_json: AsJson = False) -> None:
    """What to look at again: voids the model may have missed, labels it contradicts, predictions that flicker."""
    project = Project.open(path)
    found = run(workflow.review(project, scans))
    if found.unseen:
        sys.stderr.write(
            f"warning: missed voids of {', '.join(found.unseen)} are not known; delete their masks and segment again\n"
        )
    names = ("", *project.classes.names)
    entry: dict[str, Any] = {
        kind: [f.entry() | {"class": names[f.class_id], "label": names[f.label_id]} for f in found.of(kind)]
        for kind in KINDS
    }
    rows = (
        f"{kind:8s}{f.key} {f.pixel}  {workflow.describe(f, project.classes)}"
        for kind in KINDS
        for f in found.of(kind)
    )
    say(entry | {"unseen": list(found.unseen)}, as_json, "\n".join(rows) or "Nothing to look at again.")


@app.command()
def evaluate(
    path: ProjectPath,
    dataset: Truth = None,
    changes: Changes = None,
    device: Device = None,
    as_json: AsJson = False,
) -> None:
    """mIoU and IoU per class of the current model on the test scans: one pooled confusion matrix, native size."""
    project = Project.open(path)
    truth = None if dataset is None else Dataset.open(dataset)
    found = run(workflow.evaluate(project, truth, run_settings(project, changes, None, device)))
    _warn_if_worse(project)
    entry = {
        "miou": defined(found.miou), "miou_foreground": defined(found.miou_foreground), "iou": dict(found.iou),
        "n_labelled": found.n_labelled, "cycle": found.cycle, "scans": list(found.scans), "void_recall": found.void_recall,
    }  # fmt: skip
    rows = [
        f"cycle {found.cycle}, {found.n_labelled} labelled slices, test scans {', '.join(found.scans)}",
        f"mIoU {found.miou:.4f}, without background {found.miou_foreground:.4f}",
        *(f"  {name:16s} {number(value)}" for name, value in found.iou.items()),
        f"void recall {number(found.void_recall)}",
    ]
    say(entry, as_json, "\n".join(rows))


@app.command()
def restore(
    path: ProjectPath,
    cycle: Annotated[int, typer.Option(help="The cycle whose model shall be the current one again.")],
    as_json: AsJson = False,
) -> None:
    """Go back to the model of an earlier cycle; it becomes a new cycle, and nothing is taken away."""
    again = workflow.restore(Project.open(path), cycle)
    entry = {"cycle": again.number, "restored_from": cycle, "weights_sha256": again.weights_sha256}
    say(
        entry,
        as_json,
        f"cycle {again.number} is the model of cycle {cycle}; segment and measure with it anew",
    )


@app.command()
def keep(path: ProjectPath, as_json: AsJson = False) -> None:
    """Keep the newest model where it is in question: worse than the one before, or not compared with it. The way back is restore."""
    project = Project.open(path)
    asked = project.cycle is not None and workflow.in_question(project.cycle)
    cycle = workflow.keep_model(project)
    told = (
        f"cycle {cycle.number} is kept" if asked else f"cycle {cycle.number} is kept; it was not in question"
    )
    say({"cycle": cycle.number, "was_in_question": asked}, as_json, told)


@app.command()
def cross_validate(path: ProjectPath, device: Device = None, as_json: AsJson = False) -> None:
    """Do the newest cycle's labels and settings do better on slices left out than those before? For projects without labelled test
    scans: short trainings on parts of the labels, about twice as long as a retraining in all.
    """
    project = Project.open(path)
    found = run(workflow.cross_validate(project, run_settings(project, None, None, device)))
    _warn_if_worse_than(project, found)
    say(found.entry() | {"now": found.now, "worse": found.worse}, as_json, found.sentence())


def _compared(project: Project, settings: Config) -> workflow.Comparison | None:
    """How a new model compares with the one before, with a warning where it is worse, or nobody can tell; the first has none before it."""
    if len(project.cycles) < 2:
        return None
    try:
        found = run(workflow.compare_models(project, settings))
    except VoidscopeError as error:  # the new model is there all the same
        sys.stderr.write(f"warning: not compared with the model before: {error}\n")
        return None
    if found is None:
        sys.stderr.write(
            "warning: not compared with the model before: no labels tell them apart, or its weights are lost\n"
        )
    else:
        _warn_if_worse_than(project, found)
        if workflow.awaits_cross_validation(project):
            sys.stderr.write(
                f"no test slice is labelled; to try both on slices left out: voidscope cross-validate {project.path}\n"
            )
    return found


def _warn_if_worse_than(project: Project, found: workflow.Comparison) -> None:
    """Say that a new model is worse than the one before it, and the way back."""
    if found.worse:
        sys.stderr.write(
            f"warning: {found.warning()} Go back with: voidscope restore {project.path} --cycle {found.before}, "
            f"or keep it with: voidscope keep {project.path}\n"
        )


def _warn_if_worse(project: Project) -> None:
    """Say that an earlier model found voids better on the same scans."""
    best, classes = workflow.better_before(project), project.classes
    if best is not None and project.cycle is not None:
        now, then = (number(workflow.void_iou(c, classes)) for c in (project.cycle, best))
        sys.stderr.write(
            f"warning: cycle {best.number} found voids better on the same scans (IoU {then} against {now}); "
            f"go back with: voidscope restore {project.path} --cycle {best.number}\n"
        )


def _queue_text(picks: Sequence[Suggestion]) -> str:
    if not picks:
        return "Every slice that was picked has been labelled meanwhile; suggest again."
    how = picks[0].strategy
    looks = (
        " (small dark spots first; where voids are bright: --set suggest.first=random)"
        if how == "void-like"
        else ""
    )
    told = f"Chosen by {how}, without a model{looks}:\n" if picks[0].r is None else ""
    return told + "\n".join(f"{s.rank:4d}  {s.key}{_terms_text(s)}  {gave_way(s)}".rstrip() for s in picks)


def _terms_text(s: Suggestion) -> str:
    if s.r is None:
        return ""
    return f"  r {number(s.r)}  u {number(s.u)}  d {number(s.d)}  score {number(s.score)}  pixel {s.pixel}"
