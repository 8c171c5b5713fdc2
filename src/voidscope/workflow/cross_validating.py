"""Cross-validation: do a new model's labels and settings do better on slices that have not been learnt from than those before?

Where no test scan is labelled, a new model and the one before have learnt from every slice that could judge them. So what made
each of them, their labels and settings, is tried again: the labelled slices are cut into folds, and for each fold two networks are trained anew, a third as
long, on what each cycle had of the other folds; the slices of the fold judge both. What it cannot tell: labels and settings are
compared, not the one training that a model came from (a fine-tuned one is tried as a retraining, and both start from the weights
that a training would start from now); and labels are taken as they are now, for what was painted over is not kept.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from voidscope.config import Config
from voidscope.errors import NotReady
from voidscope.evaluation import Matrix
from voidscope.jobs import Job
from voidscope.project import Cycle, Project, results
from voidscope.vocabulary import ClassMap, Role, SliceKey
from voidscope.workflow.comparing import score
from voidscope.workflow.evaluating import unseen, with_truth
from voidscope.workflow.learning import lesson_on
from voidscope.workflow.lessons import Lesson, driven
from voidscope.workflow.succeeding import (
    CROSS_VALIDATED,
    LEARNT,
    SUCCEEDS,
    Comparison,
    comparison_of,
    remember,
)
from voidscope.workflow.trials import SHARE, Trial, Trials, shortened

FOLDS = 3
"""Parts that the labelled slices are cut into; each judges once."""
Keys = tuple[SliceKey, ...]


@dataclass(frozen=True)
class _Fold:
    """The slices of a fold that judge, and what the cycle before and the new one learn from without the fold."""

    judges: Keys
    before: Keys
    now: Keys


def cross_validate(
    project: Project, config: Config | None = None, *, elsewhere: bool = False
) -> Job[tuple[Matrix, ...], Comparison]:
    """Try the labels and settings of the current cycle and of the one whose place it took on slices that neither try has seen.

    The outcome is kept in the cycle as its comparison. `elsewhere` runs it in a process of its own.

    Raises
    ------
    NotReady : see `cross_validation_lacks`.
    """
    before, now, folds = _plan(project)
    device = (config or project.config).device
    lessons = [_lesson(project, c, {"device": device, "seed": now.seed}) for c in (before, now)]
    reader = project.reader({k.scan for fold in folds for k in fold.judges})
    trials = []
    for n, fold in enumerate(folds, start=1):
        truth = project.labels.packed(fold.judges)
        for cycle, lesson, keys in zip((before, now), lessons, (fold.before, fold.now), strict=True):
            note = f"labels of cycle {cycle.number} without fold {n} of {len(folds)}"
            trials.append(Trial(lesson.only(keys), reader, truth, note))
    judged, classes = sum(len(fold.judges) for fold in folds), project.classes

    def commit(found: tuple[Matrix, ...]) -> Comparison:
        outcome = _compared(now, before, found, judged, classes)
        remember(project, now, outcome)
        return outcome

    title = f"Cross-validating cycle {now.number}"
    return Job(title, driven(title, Trials(trials).steps, elsewhere=elsewhere), commit)


def cross_validation_lacks(project: Project) -> str:
    """What a cross-validation would be refused for now; empty where nothing is missing. Reads records only."""
    try:
        _plan(project)
    except NotReady as error:
        return str(error)
    return ""


def awaits_cross_validation(project: Project) -> bool:
    """Whether nothing but slices that both have learnt from speaks for the current model, nobody has kept it, and it can be cross-validated."""
    cycle = project.cycle
    said = {} if cycle is None else results.read_comparison(cycle.folder)
    return said.get("basis") in ("", LEARNT) and not said.get("kept") and not cross_validation_lacks(project)


def cross_validation_s(project: Project) -> float:
    """How long it is likely to take in seconds, by the newest full training."""
    full = [c for c in project.cycles if c.full]
    if not full:
        return 0.0
    trainings = 2 if full[-1].provenance.get("pseudo_labelled") else 1
    return 2 * FOLDS * SHARE * float(full[-1].metrics["seconds"]) / trainings


def _plan(project: Project) -> tuple[Cycle, Cycle, tuple[_Fold, ...]]:
    """The cycle before, the current one, and the folds; raises `NotReady` where that would tell nothing."""
    before, now = _pair(project)
    old, new = (tuple(k for k in c.labelled if k in project.labels) for c in (before, now))
    if set(old) == set(new) and before.learnt_by == now.learnt_by:
        raise NotReady(
            f"Cycles {before.number} and {now.number} have learnt from the same slices by the same settings; cross-validation "
            "tells nothing of them. Label more slices and retrain."
        )
    problem = NotReady("Nothing is labelled any more of what both have learnt from.")
    for parts in foldings(tuple(sorted({*old, *new})), lambda k: project.scan(k.scan).fingerprint):
        try:
            return before, now, _folds(project, parts, (before, old), (now, new))
        except NotReady as error:
            problem = error
    raise problem


def _folds(project: Project, parts: Sequence[Keys], *arms: tuple[Cycle, Keys]) -> tuple[_Fold, ...]:
    """The parts that judge, with what each cycle learns from without them; raises `NotReady` where that would tell nothing."""
    labels = project.labels
    if sum(_has_void(project, part) for part in parts) == 1:
        raise NotReady(
            "Voids are labelled in one scan or place alone, so that none is left to learn from where they judge; label voids elsewhere too."
        )
    folds = []
    for part in parts:
        judges = tuple(k for k in part if not labels.record(k).proposed)
        left = [tuple(k for k in keys if k not in set(part)) for _, keys in arms]
        for (cycle, _), keys in zip(arms, left, strict=True):
            if judges and sum(labels.counts(keys) > 0) < 2:
                raise NotReady(
                    f"Without the slices that judge, cycle {cycle.number} has fewer than two classes to learn from; label more slices and retrain."
                )
        if judges:
            folds.append(_Fold(judges, *left))
    if len(folds) < 2:
        raise NotReady(
            "Cross-validation takes slices labelled by hand in at least two scans or places; accepted predictions judge no model. Label more by hand."
        )
    return tuple(folds)


def _pair(project: Project) -> tuple[Cycle, Cycle]:
    """The cycle before and the current one; raises `NotReady` where something else decides between them."""
    now, known = project.cycle, {c.number: c for c in project.cycles}
    before = None if now is None or now.restored else known.get(now.provenance.get(SUCCEEDS, 0))
    if now is None or before is None:
        raise NotReady("There is no newly trained model that takes the place of another; retrain first.")
    if not results.read_comparison(now.folder):
        raise NotReady(f"Cycle {now.number} is not compared with the one before yet; compare them first.")
    if unseen(project, with_truth(project, None), (before, now)):
        raise NotReady(
            "Slices of test scans are labelled, which judge better: evaluate instead of cross-validating."
        )
    found = comparison_of(now)
    if found is not None and found.basis == LEARNT and found.worse:
        raise NotReady(
            f"Cycle {now.number} is worse on what both have learnt from, which no cross-validation excuses; keep it or go back."
        )
    return before, now


def foldings(keys: Keys, origin: Callable[[SliceKey], str]) -> Iterator[tuple[Keys, ...]]:
    """Ways to cut labelled slices, in order, into `FOLDS` parts of about the same size, the best first: whole scans where there are as
    many, then runs of neighbours.

    Slices of one `origin` (what a scan is of, whatever its name) stay together in the first way. Neighbours look alike; in the second
    way those at a cut are on both sides of it.
    """
    scans: dict[str, list[SliceKey]] = {}
    for key in keys:
        scans.setdefault(origin(key), []).append(key)
    if len(scans) >= FOLDS:
        parts: list[list[SliceKey]] = [[] for _ in range(FOLDS)]
        for scan in sorted(scans.values(), key=len, reverse=True):
            min(parts, key=len).extend(scan)
        yield tuple(tuple(sorted(part)) for part in parts)
    if keys:
        cuts = [round(len(keys) * k / FOLDS) for k in range(FOLDS + 1)]
        yield tuple(keys[a:b] for a, b in pairwise(cuts) if b > a)


def _has_void(project: Project, keys: Collection[SliceKey]) -> bool:
    voids = [c - 1 for c in project.classes.ids_with_role(Role.VOID)]
    return bool(project.labels.counts(keys)[voids].any())


def _lesson(project: Project, cycle: Cycle, changes: Mapping[str, object]) -> Lesson:
    """A cycle's labelled slices with their labels of now, and its settings but for some `changes`, a third as long."""
    settings = shortened(cycle.settings.model_copy(update=changes))
    keys = tuple(k for k in cycle.labelled if k in project.labels)
    return replace(lesson_on(project, settings, keys), normalisation=cycle.normalisation)


def _compared(
    now: Cycle, before: Cycle, found: Sequence[Matrix], n_slices: int, classes: ClassMap
) -> Comparison:
    """Both pooled over all folds, and fold by fold; `found` holds the cycle before and the new one by turns."""
    arms = (found[1::2], found[0::2])
    pooled = [score(np.sum(arm, axis=0), classes) for arm in arms]
    (void, mean), (void_before, mean_before) = pooled
    figure = 1 if void is None or void_before is None else 0
    folds = tuple((score(n, classes)[figure], score(o, classes)[figure]) for n, o in zip(*arms, strict=True))
    miou = (mean or 0.0, mean_before or 0.0)
    return Comparison(now.number, before.number, CROSS_VALIDATED, n_slices, (void, void_before), miou, folds)
