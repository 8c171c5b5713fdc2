"""Running a cell: a project of its own, driven by the verbs alone, one point after another; resumable after a kill."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from voidscope.benchmark.forest import PixelForest
from voidscope.benchmark.points import add_point, points_path, read_points
from voidscope.benchmark.protocol import EVERYTHING, FOREST, Cell, Plan
from voidscope.benchmark.scoring import score
from voidscope.config import Config
from voidscope.errors import NotReady
from voidscope.jobs import Progress, execute
from voidscope.project import Project, answer_suggestions, import_truth, project_truth
from voidscope.vocabulary import Mask, Role, SliceKey, Split
from voidscope.volume import Dataset, slice_index
from voidscope.workflow import add_dataset, pretrain, segment, suggest, train
from voidscope.workflow.snapshot import made_with

Show = Callable[[Progress], None]


@dataclass(frozen=True)
class Bench:
    """What all cells of a run share: the dataset, the plan, the folder for everything made, further settings."""

    dataset: Dataset
    plan: Plan
    out: Path
    settings: tuple[str, ...] = ()

    def config(self, cell: Cell) -> Config:
        """The settings of a cell; further settings count last, the seed is the cell's."""
        words = [*cell.method.changes(), *self.plan.settings, *self.settings, f"seed={cell.seed}"]
        return Config().with_changes(words)

    @property
    def pretrained(self) -> Path:
        """Project whose pretrained weights all contrastive cells start from."""
        return self.out / "pretraining"


def part_of(dataset: Dataset, plan: Plan) -> Dataset:
    """The scans of a dataset that a plan uses: those with truth, evenly over the names.

    Raises
    ------
    NotReady : no training or no test scan has labels.
    """
    labelled = [s for s in dataset.scans if s.labels_path is not None]
    chosen = []
    for split, most in ((Split.TRAIN, plan.train_scans), (Split.TEST, plan.test_scans)):
        scans = [s for s in labelled if s.split is split]
        if not scans:
            raise NotReady(
                f"{dataset.folder} has no {split} scan with labels, so there is nothing to compare; name test scans in "
                "dataset.json and put NAME_labels.tif beside each scan."
            )
        count = len(scans) if most is None else min(most, len(scans))
        chosen += [scans[k * len(scans) // count] for k in range(count)]
    return replace(dataset, scans=tuple(sorted(chosen, key=lambda s: s.name)))


def pretrain_once(bench: Bench, show: Show) -> None:
    """Contrastive pretraining for all cells; returns at once when it is done, goes on where it was stopped."""
    config = Config().with_changes([*bench.plan.settings, *bench.settings])
    project = _opened(bench.pretrained, bench.dataset, config)
    if not project.pretrained_path.exists():
        execute(pretrain(project), show)


def run_cell(bench: Bench, cell: Cell, show: Show) -> None:
    """Run what is missing of a cell; each point is kept as soon as it is known."""
    path = points_path(bench.out, cell)
    budgets = bench.plan.budgets if cell.method.strategy != EVERYTHING else (0,)
    done = {p["budget"] for p in read_points(path)}
    if done >= set(budgets):
        return
    project = _opened(bench.out / "cells" / cell.id, bench.dataset, bench.config(cell))
    _start_from(project, bench, cell)
    truths = {n: project_truth(project, bench.dataset, n) for n in _test_scans(project)}
    for budget in budgets:
        seconds = {"suggest": _timed(lambda b=budget: _label(project, bench, cell, b, show))}  # type: ignore[misc]
        if budget not in done:
            masks = _learnt(project, cell, seconds, show)
            add_point(
                path,
                _point(
                    bench,
                    cell,
                    budget,
                    project,
                    score(masks, truths, project.classes, project.config.measure),
                    seconds,
                ),
            )
    shutil.rmtree(project.path)


def _opened(path: Path, dataset: Dataset, config: Config) -> Project:
    """The project in a folder, made from the dataset when there is none or its making was interrupted."""
    if (path / "project.json").exists():
        project = Project.open(path)
        if len(project.scans) == len(dataset.scans):
            return project
    shutil.rmtree(path, ignore_errors=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    project = Project.create(path, dataset.classes, config=config)
    execute(add_dataset(project, dataset))
    return project


def _start_from(project: Project, bench: Bench, cell: Cell) -> None:
    if cell.method.initialisation == "contrastive" and not project.pretrained_path.exists():
        source = Project.open(bench.pretrained)
        project.set_pretrained(
            source.pretrained_path.read_bytes(), {"copied_from": "the benchmark's pretraining"}
        )


def _test_scans(project: Project) -> list[str]:
    return [r.name for r in project.scans.values() if r.split is Split.TEST]


def _label(project: Project, bench: Bench, cell: Cell, budget: int, show: Show) -> None:
    """Label until `budget` slices are; a queue that a kill left half answered is answered to its end."""
    if cell.method.strategy == EVERYTHING:
        import_truth(project, bench.dataset, project.keys(Split.TRAIN))
        return
    missing = budget - len(project.labels)
    waiting = [s for s in project.suggestions if s.key not in project.labels]
    if missing > 0 and len(waiting) != missing:
        config = project.config.with_changes([f"suggest.budget={missing}"])
        execute(suggest(project, config), show)
    if missing > 0:
        answer_suggestions(project, bench.dataset)


def _learnt(project: Project, cell: Cell, seconds: dict[str, float], show: Show) -> dict[str, Mask]:
    """Masks (z, y, x) of the test scans by a model trained on all labels there are."""
    if cell.method.learner == FOREST:
        return _forest_masks(project, cell.seed, seconds)
    if project.cycle is None or len(project.cycle.labelled) != len(project.labels):
        seconds["train"] = _timed(lambda: execute(train(project), show))
    names = _test_scans(project)
    seconds["segment"] = _timed(lambda: execute(segment(project, names), show))
    found = {n: project.mask(n) for n in names}
    return {n: m for n, m in found.items() if m is not None}


def _forest_masks(project: Project, seed: int, seconds: dict[str, float]) -> dict[str, Mask]:
    started = time.monotonic()
    masks = {k: project.labels.get(k) for k in project.labels}
    forest = PixelForest(
        [project.image(k) for k in masks], [m for m in masks.values() if m is not None], seed
    )
    seconds["train"] = time.monotonic() - started
    found: dict[str, Mask] = {}
    for name in _test_scans(project):
        record = project.scan(name)
        found[name] = np.zeros(record.shape, np.uint8)
        keys = [SliceKey(name, k) for k in range(record.n_slices)]
        for key, mask in zip(keys, forest.predict(project.image(k) for k in keys), strict=True):
            found[name][slice_index(record.plane, key.index)] = mask
    seconds["segment"] = time.monotonic() - started - seconds["train"]
    return found


def _point(
    bench: Bench,
    cell: Cell,
    budget: int,
    project: Project,
    scores: Mapping[str, Any],
    seconds: Mapping[str, float],
) -> dict[str, Any]:
    """All that is kept of a point."""
    labelled = list(project.labels)
    pixels = [project.labels.record(k).pixels for k in labelled]
    voids = project.classes.ids_with_role(Role.VOID)
    by_scan: dict[str, int] = {}
    for key in labelled:
        by_scan[key.scan] = by_scan.get(key.scan, 0) + 1
    trained = project.cycle.provenance if project.cycle else {}
    return {
        "cell": cell.id, "method": cell.method.name, "seed": cell.seed, "budget": budget, "n_labelled": len(labelled),
        "pool": len(project.keys(Split.TRAIN)), "reduced": bench.plan.reduced, **scores, "seconds": dict(seconds),
        "labelled_by_scan": by_scan, "void_slices": sum(any(p[v - 1] for v in voids) for p in pixels),
        "settings": [*cell.method.changes(), *bench.plan.settings, *bench.settings], "dataset": bench.dataset.folder.name,
        "device": trained.get("device", "cpu"), "threads": trained.get("threads"), **made_with(),
    }  # fmt: skip


def _timed(work: Callable[[], object]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started
