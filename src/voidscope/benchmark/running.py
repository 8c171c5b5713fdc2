"""Running a cell: a project of its own, driven by the verbs alone, one point after another; resumable after a kill."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from voidscope.benchmark.forest import PixelForest
from voidscope.benchmark.points import add_point, points_path, read_points
from voidscope.benchmark.protocol import EVERYTHING, FOREST, Cell, Plan
from voidscope.benchmark.record import imagenet_weights
from voidscope.benchmark.rows import PARTS
from voidscope.benchmark.scoring import score
from voidscope.config import Config
from voidscope.jobs import Progress, execute
from voidscope.project import Project, answer_suggestions, import_truth, project_truth
from voidscope.project.atomic import write_json
from voidscope.vocabulary import Mask, Role, Split
from voidscope.volume import Dataset, slice_index
from voidscope.workflow import add_dataset, pretrain, segment, suggest, train
from voidscope.workflow.snapshot import made_with

Show = Callable[[Progress], None]


@dataclass(frozen=True)
class Bench:
    """What all cells of a run share: the dataset, the plan, the folder for everything made."""

    dataset: Dataset
    plan: Plan
    out: Path

    def config(self, cell: Cell) -> Config:
        """The settings of a cell; a person's count last, the seed is the cell's."""
        return Config().with_changes([*self.plan.words(cell.method), f"seed={cell.seed}"])

    @property
    def pretrained(self) -> Path:
        """Project whose pretrained weights all contrastive cells start from."""
        return self.out / "pretraining"


def pretrain_once(bench: Bench, show: Show) -> None:
    """Contrastive pretraining for all cells; returns at once when it is done, goes on where it was stopped."""
    config = Config().with_changes([*bench.plan.settings, *bench.plan.changed])
    project = _opened(bench.pretrained, bench.dataset, config)
    if not project.pretrained_path.exists():
        execute(pretrain(project), show)


def fetch_imagenet(bench: Bench, show: Show) -> None:
    """ImageNet weights for all cells, so that they are fetched, or found not to be had, once.

    Raises `NotReady` or `CannotReadFile` as a training does that finds none.
    """
    from voidscope.model import build_segmenter  # loads torch

    show(Progress(0, 1, "fetching"))
    words = [*bench.plan.settings, *bench.plan.changed, "model.initialisation=imagenet"]
    build_segmenter(Config().with_changes(words).model, len(bench.dataset.classes.names))


def is_finished(bench: Bench, cell: Cell) -> bool:
    """Whether a cell has all its points."""
    return not _missing(bench, cell)


def _budgets(bench: Bench, cell: Cell) -> tuple[int, ...]:
    """Labelled slices at each point; 0 stands for the whole pool."""
    return (0,) if cell.method.strategy == EVERYTHING else bench.plan.budgets


def _missing(bench: Bench, cell: Cell) -> set[int]:
    return set(_budgets(bench, cell)) - {p["budget"] for p in read_points(points_path(bench.out, cell))}


def run_cell(bench: Bench, cell: Cell, show: Show) -> None:
    """Run what is missing of a cell; each point is kept as soon as it is known."""
    path = points_path(bench.out, cell)
    missing = _missing(bench, cell)
    if not missing:
        return
    most = min(missing) or math.inf  # full supervision labels everything
    project = _opened(bench.out / "cells" / cell.id, bench.dataset, bench.config(cell), most)
    _start_from(project, bench, cell)
    truths = {n: project_truth(project, bench.dataset, n) for n in _test_scans(project)}
    for budget in _budgets(bench, cell):
        if budget not in missing and len(project.labels) > budget:
            continue  # the next batch was begun, so this model has been asked
        clock = _Clock(project.path / "seconds.json", budget)
        _label(project, bench, cell, budget, show, clock)
        with clock.timed("train"):  # where the point is known too: the next batch asks this model
            model = _trained(project, cell, show)
        if model is None and project.cycle is not None:
            clock.note("train", float(project.cycle.metrics["seconds"]))
        if budget in missing:
            with clock.timed("segment"):
                masks = _masks(project, model, show)
            scores = score(masks, truths, project.classes, project.config.measure)
            add_point(path, _point(bench, cell, budget, project, scores, clock.seconds()))
    shutil.rmtree(project.path)


def _opened(path: Path, dataset: Dataset, config: Config, most: float = math.inf) -> Project:
    """The project in a folder, with these settings; made from the dataset when there is none that a run can go on with."""
    if (path / "project.json").exists():
        project = Project.open(path)
        if _goes_on(project, dataset, config, most):
            project.set_config(config)
            return project
    shutil.rmtree(path, ignore_errors=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    project = Project.create(path, dataset.classes, config=config)
    execute(add_dataset(project, dataset))
    return project


def _goes_on(project: Project, dataset: Dataset, config: Config, most: float) -> bool:
    """Whether a run can go on in a project: its making was not interrupted, it has no more than `most` labels, which it has
    where points were deleted, and no model that started from another file of ImageNet weights.
    """
    moved = project.config.model.imagenet_file != config.model.imagenet_file
    other = moved and config.model.initialisation == "imagenet" and project.cycle is not None
    return len(project.scans) == len(dataset.scans) and len(project.labels) <= most and not other


def _start_from(project: Project, bench: Bench, cell: Cell) -> None:
    if bench.plan.initialisation(cell.method) == "contrastive" and not project.pretrained_path.exists():
        source = Project.open(bench.pretrained)
        project.set_pretrained(
            source.pretrained_path.read_bytes(), {"copied_from": "the benchmark's pretraining"}
        )


def _test_scans(project: Project) -> list[str]:
    return [r.name for r in project.scans.values() if r.split is Split.TEST]


def _label(project: Project, bench: Bench, cell: Cell, budget: int, show: Show, clock: _Clock) -> None:
    """Label until `budget` slices are; a queue that a kill left half answered is answered to its end."""
    if cell.method.strategy == EVERYTHING:
        import_truth(project, bench.dataset, project.keys(Split.TRAIN))
        return
    missing = budget - len(project.labels)
    waiting = [s for s in project.suggestions if s.key not in project.labels]
    if missing > 0 and len(waiting) != missing:
        config = project.config.with_changes([f"suggest.budget={missing}"])
        with clock.timed("suggest", besides=_asked_network(project, cell, show)):
            execute(suggest(project, config), show)
    if missing > 0:
        answer_suggestions(project, bench.dataset)


def _asked_network(project: Project, cell: Cell, show: Show) -> float:
    """Train the network that chooses a forest's next slices; returns how long that took, 0 where there is nothing to train."""
    if cell.method.learner != FOREST or not cell.method.asks or len(_classes_labelled(project)) < 2:
        return 0.0
    _train_network(project, show)
    return float(project.cycle.metrics["seconds"]) if project.cycle else 0.0


@dataclass(frozen=True)
class _Everywhere:
    """What labels of a single class teach: that class. `train` refuses them, but a cell whose first batch is unlucky goes on."""

    class_id: int

    def predict(self, images: Iterable[npt.NDArray[np.float32]]) -> Iterator[Mask]:
        """The class at each pixel, (h, w)."""
        return (np.full(image.shape, self.class_id, np.uint8) for image in images)


def _trained(project: Project, cell: Cell, show: Show) -> PixelForest | _Everywhere | None:
    """A model of all labels there are: one that predicts slices, or None for the network, which is in the project."""
    shown = _classes_labelled(project)
    if len(shown) == 1:
        return _Everywhere(shown[0])
    if cell.method.learner == FOREST:
        labels = {k: project.labels.get(k) for k in project.labels}
        masks = [m for m in labels.values() if m is not None]
        return PixelForest([project.image(k) for k in labels], masks, cell.seed)
    _train_network(project, show)
    return None


def _classes_labelled(project: Project) -> list[int]:
    """The classes that labelled pixels have; none where nothing is labelled."""
    pixels = [project.labels.record(k).pixels for k in project.labels]
    return (np.flatnonzero(np.any(pixels, axis=0)) + 1).tolist() if pixels else []


def _train_network(project: Project, show: Show) -> None:
    """Train the network, unless its last training knew all labels."""
    if project.cycle is None or len(project.cycle.labelled) != len(project.labels):
        execute(train(project), show)


def _masks(project: Project, model: PixelForest | _Everywhere | None, show: Show) -> dict[str, Mask]:
    """The model's masks (z, y, x) of the test scans."""
    names = _test_scans(project)
    if model is not None:
        return {n: _mask(project, model, n) for n in names}
    execute(segment(project, names), show)
    found = {n: project.mask(n) for n in names}
    return {n: m for n, m in found.items() if m is not None}


def _mask(project: Project, model: PixelForest | _Everywhere, scan: str) -> Mask:
    record = project.scan(scan)
    mask = np.zeros(record.shape, np.uint8)
    keys = record.slice_keys()
    for key, found in zip(keys, model.predict(project.image(k) for k in keys), strict=True):
        mask[slice_index(record.plane, key.index)] = found
    return mask


def _point(
    bench: Bench,
    cell: Cell,
    budget: int,
    project: Project,
    scores: Mapping[str, Any],
    seconds: dict[str, float],
) -> dict[str, Any]:
    """All that is kept of a point."""
    labelled = list(project.labels)
    pixels = [project.labels.record(k).pixels for k in labelled]
    voids = project.classes.ids_with_role(Role.VOID)
    by_scan: dict[str, int] = {}
    for key in labelled:
        by_scan[key.scan] = by_scan.get(key.scan, 0) + 1
    trained = project.cycle.provenance if project.cycle and cell.method.learner != FOREST else {}
    imagenet = trained.get("initial_weights") == "imagenet"
    return {
        "cell": cell.id, "method": cell.method.name, "seed": cell.seed, "budget": budget, "n_labelled": len(labelled),
        "pool": len(project.keys(Split.TRAIN)), "reduced": bench.plan.reduced, "changed": bench.plan.departures,
        **scores, "seconds": seconds,
        "labelled": list(map(str, labelled)) if budget else [], "labelled_by_scan": by_scan, "void_slices": sum(any(p[v - 1] for v in voids) for p in pixels),
        "settings": bench.plan.words(cell.method), "dataset": bench.dataset.folder.name,
        "device": trained.get("device", "cpu"), "threads": trained.get("threads", 1),
        "imagenet_weights": imagenet_weights(project.config) if imagenet else "", **made_with(),
    }  # fmt: skip


@dataclass(frozen=True)
class _Clock:
    """How long the steps of a point took, kept in the cell's project: what a kill left done is not done again, but took its time."""

    path: Path
    budget: int

    def seconds(self) -> dict[str, float]:
        """Step -> seconds; 0 for one that had nothing to do."""
        return dict.fromkeys(PARTS, 0.0) | self._all().get(str(self.budget), {})

    @contextmanager
    def timed(self, step: str, besides: float = 0.0) -> Iterator[None]:
        """Note how long the work inside takes, and `besides`, the seconds of what was done for it before."""
        started = time.monotonic()
        yield
        self.note(step, besides + time.monotonic() - started)

    def note(self, step: str, seconds: float) -> None:
        """A step took so long; where that is less than is known, it was done before and took what it took then."""
        mine = self.seconds()
        mine[step] = max(mine[step], seconds)
        write_json(self.path, self._all() | {str(self.budget): mine})

    def _all(self) -> dict[str, dict[str, float]]:
        return json.loads(self.path.read_bytes()) if self.path.exists() else {}
