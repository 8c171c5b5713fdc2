"""The story of the product, told on simulated HBM scans: suggest, label, train, again, segment, measure.

The labels come from the simulation's truth, in place of a person; everything else is what a user would run.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from voidscope.config import Config
from voidscope.errors import ProjectError
from voidscope.jobs import Job
from voidscope.progress import run
from voidscope.project import Project, answer_suggestions, import_truth, project_truth
from voidscope.vocabulary import Role, Split
from voidscope.volume import Dataset
from voidscope.workflow import (
    Evaluation,
    add_dataset,
    better_before,
    evaluate,
    measure,
    segment,
    simulate,
    suggest,
    train,
)

LOGIC, MEMORY, SEED = 4, 4, 7
CYCLES, BUDGET, STEPS = 2, 12, 150
JUDGED_EVERY = 4
"""Every so many slices of a test scan of the sample are labelled, to judge by."""
SETTINGS = ("preset=product", f"suggest.budget={BUDGET}", f"train.steps={STEPS}")
"""The settings of every new project, with batches and trainings as short as a demo's patience: plain bumps are learnt soon."""


def make_sample(folder: Path) -> Project:
    """A ready project of simulated scans in `folder`/project; an existing one is opened as it was left."""
    if (folder / "project" / "project.json").exists():
        return Project.open(folder / "project")
    dataset = run(simulate(folder / "scans", logic=LOGIC, memory=MEMORY, seed=SEED))
    project = run(fill_sample(folder, dataset))
    run(suggest(project))
    return project


def fill_sample(folder: Path, dataset: Dataset) -> Job[Any, Project]:
    """Make a project of the dataset in `folder`/project, its test scans labelled by their truth so that a model can be judged.

    It comes to its name whole: one that was cancelled or killed on the way is made anew.
    """
    path, half = folder / "project", folder / ".project.new"
    shutil.rmtree(half, ignore_errors=True)
    project = Project.create(half, dataset.classes, config=Config().with_changes(SETTINGS))
    adding = add_dataset(project, dataset)

    def commit(records: Any) -> Project:
        adding.commit(records)
        held_out = [k for k in project.keys(Split.TEST) if k.index % JUDGED_EVERY == 0]
        import_truth(project, dataset, held_out)
        shutil.rmtree(half / "undo", ignore_errors=True)  # nothing here is the person's to take back
        half.rename(path)
        return Project.open(path)

    return Job("Adding scans", adding.steps, commit)


def tell_story(folder: Path, say: Callable[[str], object]) -> Project:
    """Run the whole loop headless and say its numbers; leaves a project, ``report.html`` and pictures in `folder`."""
    started = time.monotonic()
    project = _fresh_project(folder)
    dataset = Dataset.open(folder / "scans")
    test = [s.name for s in project.scans.values() if s.split.value == "test"]
    say(f"{len(project.scans)} simulated scans, {len(project.keys())} slices; held out: {', '.join(test)}")
    say(
        f"Settings: {', '.join(SETTINGS)} (new projects train for {Config.product().train.steps} steps; the paper's settings are preset=paper)"
    )
    say("\ncycle  labelled   mIoU  mIoU w/o background  void IoU   seconds")
    for _ in range(CYCLES):
        run(suggest(project))
        answer_suggestions(project, dataset)
        cycle = run(train(project))
        found = run(evaluate(project, dataset))
        say(_row(project, found) + f"  {cycle.metrics['seconds']:8.0f}")
    if (best := better_before(project)) is not None:
        say(
            f"cycle {best.number} found voids better; go back with: voidscope restore {project.path} --cycle {best.number}"
        )
    run(segment(project))
    report = run(measure(project))
    say("\nscan         split  measured  true    voids  verdict  true verdict")
    for scan in report.scans:
        say(_verdict_row(project, dataset, scan.entry()))
    say(
        f"\nvoid ratio is {project.config.measure.ratio}, limit {project.config.measure.limit}; the truth is the simulation's"
    )
    say(f"report: {project.report_folder / 'report.html'}")
    say(f"done in {time.monotonic() - started:.0f} s; look at it with: voidscope open {project.path}")
    return project


def _fresh_project(folder: Path) -> Project:
    """A new project; an earlier demo's project is put aside, not deleted."""
    path = folder / "project"
    if path.exists():
        if not (path / "project.json").exists():
            raise ProjectError(
                f"{path} exists and is no voidscope project. Choose another folder: voidscope demo DIR"
            )
        path.rename(_free_name(folder))
    return make_sample(folder)


def _free_name(folder: Path) -> Path:
    return next(p for n in range(1, 10_000) if not (p := folder / f"project-{n}").exists())


def _row(project: Project, found: Evaluation) -> str:
    void = next(c.name for c in project.classes.classes if c.role is Role.VOID)
    return f"{found.cycle:5d}  {found.n_labelled:8d}  {found.miou:.3f}  {found.miou_foreground:19.3f}  {_three(found.iou[void]):>8s}"


def _verdict_row(project: Project, dataset: Dataset, entry: Mapping[str, Any]) -> str:
    truth = project_truth(project, dataset, entry["scan"])
    ids = project.classes.ids_with_role
    foreground = (truth > 0) & ~_any(truth, ids(Role.BACKGROUND))
    true_ratio = float(_any(truth, ids(Role.VOID)).sum() / max(1, foreground.sum()))
    true_verdict = "FAIL" if true_ratio > entry["limit"] else "PASS"
    split = project.scan(entry["scan"]).split.value
    return (
        f"{entry['scan']:12s} {split:5s}  {_three(entry['void_over_foreground']):>8s}  {true_ratio:.3f}"
        f"  {entry['n_voids']:5d}  {entry['verdict']:7s}  {true_verdict}"
    )


def _any(truth: Any, ids: tuple[int, ...]) -> Any:
    import numpy as np

    return np.isin(truth, ids)


def _three(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
