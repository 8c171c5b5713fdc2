"""Learning: contrastive pretraining on the user's own scans, and one training per cycle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from voidscope.config import Config
from voidscope.errors import NotReady, ProjectError
from voidscope.jobs import Job, Progress, Steps
from voidscope.project import Cycle, Project, ScanRecord
from voidscope.project.results import pretrain_state_path
from voidscope.vocabulary import Role, SliceKey, Split
from voidscope.workflow.lessons import Lesson, Looking, driven
from voidscope.workflow.snapshot import (
    current_cycle,
    fingerprint_of,
    learnable,
    made_with,
    provenance_of,
    training_keys,
)
from voidscope.workflow.succeeding import SUCCEEDS, predecessor

if TYPE_CHECKING:
    from voidscope.training import Pretrained, Trained

FURTHER = 6
"""What random numbers are for: slices for pseudo-labels. `training.supervised` and `training.pseudo_labels` have others."""


def pretrain(
    project: Project,
    config: Config | None = None,
    scans: Iterable[str] | None = None,
    *,
    elsewhere: bool = False,
) -> Job[Pretrained | None, Path]:
    """Contrastive pretraining of encoder and decoder on all training slices (Eq. 1); returns the weights' path.

    Resumes where an earlier run with the same data and settings stopped; after one that was completed it has nothing to do.
    `elsewhere` runs it in a process of its own.
    """
    settings = config or project.config
    keys = training_keys(project, scans)
    reader = project.reader(k.scan for k in keys)
    normalisation = project.normalisation()
    recipe = fingerprint_of(
        settings.pretrain,
        settings.model.encoder,
        settings.seed,
        normalisation,
        *(f"{r.fingerprint} {r.plane}" for r in reader.records.values()),
    )
    state = pretrain_state_path(project.pretrained_path, recipe)
    resumed = state.exists()
    looking = Looking(reader, keys, settings, normalisation, state)
    running = driven("Pretraining", looking.steps, elsewhere=elsewhere)
    done = _is_pretrained(project, recipe)

    def steps() -> Steps[Pretrained | None]:
        if done:
            yield Progress(1, 1, "these scans and settings are already pretrained")
            return None
        return (yield from running())

    def commit(result: Pretrained | None) -> Path:
        if result is None:
            return project.pretrained_path
        record = {
            "config": settings.pretrain.model_dump(),
            "losses": list(result.losses),
            "seconds": None if resumed else result.seconds,
            "warnings": list(result.warnings),
            "provenance": provenance_of(reader),
            "recipe": recipe,
            "sha256": hashlib.sha256(result.weights).hexdigest(),
        }
        project.set_pretrained(result.weights, record)
        return project.pretrained_path

    return Job("Pretraining", steps, commit)


def _is_pretrained(project: Project, recipe: str) -> bool:
    """Whether the project's pretrained weights are intact and of this recipe."""
    path = project.pretrained_path
    try:
        record = json.loads((path.parent / "pretrained.json").read_bytes())
        found = (record["recipe"], record["sha256"])
        return found == (recipe, hashlib.sha256(path.read_bytes()).hexdigest())
    except (OSError, ValueError, LookupError, TypeError):
        return False


def train(
    project: Project,
    config: Config | None = None,
    scans: Iterable[str] | None = None,
    *,
    warm: bool = False,
    elsewhere: bool = False,
) -> Job[Trained, Cycle]:
    """Train the network anew on every labelled slice of the training scans; returns the new cycle.

    It is the current one at once, better or worse: `compare_models` says which, and `restore` goes back.

    Parameters
    ----------
    warm : go on from the current cycle's weights instead, in a sixth of the steps; the full training is what is reported
    elsewhere : run in a process of its own, whose end, however it comes, ends nothing else; the numbers are the same

    Raises
    ------
    NotReady : nothing is labelled yet, or only one class is, or there is no model to go on from.
    """
    chosen = frozenset(training_keys(project, scans))
    keys = tuple(k for k in project.labels if k in chosen)
    warnings = _check_labels(project, keys)
    before = current_cycle(project) if warm else None
    lesson = lesson_on(project, config or project.config, keys, before, chosen)
    records = {str(k): project.labels.record(k) for k in keys}
    taken = {
        "labels_sha256": {k: r.sha256 for k, r in records.items()}, "labels_by": {k: r.author for k, r in records.items()},
        "labels_taken": made_with()["created"],
    }  # fmt: skip
    if lesson.further and (gone := _gone(project, chosen)):
        warnings.append(f"No pseudo-labels from {', '.join(gone)}, whose file is gone.")
    number = project.next_cycle

    def commit(result: Trained) -> Cycle:
        metrics = {
            "losses": list(result.losses), "seconds": result.seconds, "warnings": [*warnings, *result.warnings],
            "class_weights": dict(zip(project.classes.names, result.class_weights, strict=True)),
        }  # fmt: skip
        provenance = _provenance(lesson, before, result) | taken | {SUCCEEDS: predecessor(project)}
        digest, dumped = hashlib.sha256(result.weights).hexdigest(), lesson.settings.model_dump(mode="json")
        seed, scaling = lesson.settings.seed, lesson.normalisation
        cycle = Cycle(number, keys, seed, digest, metrics, provenance, dumped, scaling)
        return project.add_cycle(cycle, result.weights)

    title = f"Fine-tuning cycle {number}" if warm else f"Training cycle {number}"
    return Job(title, driven(title, lesson.steps, elsewhere=elsewhere), commit)


def lesson_on(
    project: Project,
    settings: Config,
    keys: tuple[SliceKey, ...],
    before: Cycle | None = None,
    pool: Collection[SliceKey] | None = None,
) -> Lesson:
    """What is learnt from these labelled slices now; after cycle `before`, where one is given, with its network and its scaling.

    Pseudo-labels are of slices of the `pool`, which is all of the training scans where it is left out.
    """
    further = (
        () if before else _further(project, settings, project.keys(Split.TRAIN) if pool is None else pool)
    )
    reader = project.reader(k.scan for k in (*keys, *further))
    labels = project.labels.packed(keys)
    classes = project.classes
    if before is None:
        start = _contrastive_weights(project, settings)
        return Lesson(reader, labels, classes, settings, project.normalisation(), start, None, further)
    settings = settings.model_copy(update={"model": before.settings.model})
    return Lesson(reader, labels, classes, settings, before.normalisation, None, before.weights())


def _further(project: Project, settings: Config, pool: Collection[SliceKey]) -> tuple[SliceKey, ...]:
    """The slices without labels that are drawn for pseudo-labels, of scans whose file is there."""
    if not settings.train.pseudo_labels:
        return ()
    gone = _gone(project, pool)
    unlabelled = sorted(k for k in pool if k.scan not in gone and k not in project.labels)
    n = min(settings.train.pseudo_labels, len(unlabelled))
    drawn = np.random.default_rng((settings.seed, FURTHER)).choice(len(unlabelled), n, replace=False)
    return tuple(unlabelled[i] for i in sorted(drawn))


def _gone(project: Project, pool: Collection[SliceKey]) -> list[str]:
    """The scans of these slices whose file is not where it was."""
    return [n for n in sorted({k.scan for k in pool}) if not _has_file(project, n)]


def _has_file(project: Project, scan: str) -> bool:
    with suppress(ProjectError):
        project.reader([scan])
        return True
    return False


def _provenance(lesson: Lesson, before: Cycle | None, result: Trained) -> dict[str, object]:
    """On what and from what a cycle was trained."""
    start = lesson.warm or lesson.contrastive
    initial = "contrastive" if start else lesson.settings.model.initialisation
    return provenance_of(lesson.reader) | {
        "device": result.device, "threads": result.threads, "precision": result.dtype,
        "initial_weights": before.id if before else initial,
        "initial_sha256": start and hashlib.sha256(start).hexdigest(),
        "warm_from": before and before.number, "pseudo_labelled": result.pseudo_labelled,
    }  # fmt: skip


def _check_labels(project: Project, keys: Sequence[SliceKey]) -> list[str]:
    """Refuse a labelled set nothing can be learnt from; return warnings about classes it lacks."""
    if not keys:
        raise NotReady(
            f"No slice of a training scan of {project.name} is labelled; label some (suggest says which) and train then."
        )
    pixels = np.sum([project.labels.record(k).pixels for k in keys], axis=0)
    present = [n for n, p in zip(project.classes.names, pixels, strict=True) if p]
    if len(present) < 2:
        raise NotReady(
            f"All {int(pixels.sum())} labelled pixels are {present[0]}; label a second class before training."
        )
    missing = [c for c, p in zip(project.classes.classes, pixels, strict=True) if not p]
    voids = [c.name for c in missing if c.role is Role.VOID]
    others = [c.name for c in missing if c.role is not Role.VOID]
    said = [
        f"No {n} among the labels: the model cannot find any until a slice with {n} is labelled."
        for n in voids
    ]
    return said + ([f"Not among the labels, so not learnt: {', '.join(others)}."] if others else [])


def starting_weights(project: Project, settings: Config) -> str:
    """What a training starts from now: ``contrastive``, ``imagenet`` or ``none``."""
    wanted = settings.model.initialisation
    if wanted != "auto":
        return wanted
    return "contrastive" if project.pretrained_path.is_file() else "none"


def is_trained(project: Project) -> bool:
    """Whether the current model is the one that a training would give now.

    It is where labels, settings and starting weights are the same, and the labelled slices look the same: files, planes and
    the normalisation, which any training scan that comes or goes moves.
    """
    cycle = project.cycle
    if cycle is None:
        return False
    labels = {str(k): project.labels.record(k).sha256 for k in learnable(project)}
    said, start = cycle.provenance, _contrastive_weights(project, project.config)
    seen = {*cycle.learnt_from, *said.get("scans", {})}  # those of pseudo-labels too
    now = project.config.model_dump(mode="json")
    return (
        said.get("labels_sha256") == labels
        and {"seed": cycle.seed, **cycle.learnt_by} == {n: now[n] for n in ("seed", "model", "train")}
        and said.get("initial_sha256") == (start and hashlib.sha256(start).hexdigest())
        and cycle.full
        and tuple(cycle.normalisation) == project.normalisation()
        and all(n in project.scans and _is_as_it_was(said, project.scan(n)) for n in seen)
    )


def _is_as_it_was(provenance: Mapping[str, Any], record: ScanRecord) -> bool:
    """Whether a scan is the one that a training saw; cycles of older versions do not tell its plane."""
    was = provenance.get("scans", {}).get(record.name, {})
    return (was.get("fingerprint"), was.get("plane", record.plane)) == (record.fingerprint, record.plane)


def _contrastive_weights(project: Project, settings: Config) -> bytes | None:
    wanted = settings.model.initialisation
    if wanted in ("auto", "contrastive") and project.pretrained_path.is_file():
        return project.pretrained_path.read_bytes()
    if wanted == "contrastive":
        raise NotReady(
            f"{project.name} has no pretrained weights; run pretrain first or set model.initialisation=none."
        )
    return None
