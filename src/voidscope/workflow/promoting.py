"""Putting a model in force: from then on verdicts come of promoted models only, and none takes over that finds less void.

Projects that never promote are as they were (docs/adr/0006). Recall is what matters for a verdict: a void that is missed is a bad
part shipped, while IoU also counts outlines.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from voidscope.errors import NotReady, Refused, named
from voidscope.evaluation import Matrix, confusion_matrix, defined, recall
from voidscope.jobs import Job, Progress, Steps
from voidscope.project import Cycle, Project, results
from voidscope.project.label_files import now, user
from voidscope.project.masks import mask_path, read_mask
from voidscope.vocabulary import ClassMap, Role
from voidscope.volume import Dataset
from voidscope.workflow.evaluating import learnt, truths, unseen, with_truth
from voidscope.workflow.snapshot import current_cycle, seconds


@dataclass(frozen=True)
class Promotion:
    """A model put in force.

    Attributes
    ----------
    cycle, against : its number, and that of the one in force before; None for the first
    recall, recall_before : share of the held-out void that either finds, on the same voxels; None where unknown
    scans : held-out scans it was judged by
    note : why it was put in force all the same, where that was insisted on
    time, by : when (UTC) and by whom
    """

    cycle: int
    against: int | None
    recall: float | None
    recall_before: float | None
    scans: tuple[str, ...]
    note: str
    time: str
    by: str


def promote(project: Project, dataset: Dataset | None = None, note: str = "") -> Job[Promotion, Promotion]:
    """Put the current model in force, unless it finds less of the held-out void than the one in force now.

    Both are judged anew on the same voxels: the truth of test scans that both have segmented, the dataset's, or the labels that
    people gave them; scans that either has learnt from are left out. With a `note` it is put in force whatever the figures say, and the note is kept with the cycle.

    Raises
    ------
    NotReady : there is no model, or, without a note, nothing to judge it by or a scan that judged the one in force is not segmented.
    Refused : while it runs, when void recall drops, is 0 or nobody knows it, and there is no note.
    """
    cycle, before, classes = current_cycle(project), in_force(project), project.classes
    before = None if before is not None and before.weights_sha256 == cycle.weights_sha256 else before
    sides = [cycle] if before is None else [cycle, before]
    known = with_truth(project, dataset)
    fair = unseen(project, known, sides)
    names = tuple(n for n in fair if all(mask_path(c.folder, n).is_file() for c in sides))
    if before is not None and not note:
        _check_judges(project, cycle, before, fair)
    if known and not fair and not note:
        raise NotReady(f"{learnt(known, sides)} Or promote with a note that says why: --note TEXT.")
    if not names and not note:
        raise NotReady(_nobody_knows(project, sides, dataset))
    truth_by_name = truths(project, dataset, names)
    shapes = {n: project.scan(n).shape for n in names}

    def steps() -> Steps[Promotion]:
        matrices = [np.zeros((len(classes), len(classes)), np.int64) for _ in sides]
        for done, name in enumerate(names):
            yield Progress(done, len(names), f"judging by {name}")
            truth = truth_by_name(name)
            for matrix, side in zip(matrices, sides, strict=True):
                mask = read_mask(side.folder, name, classes, shapes[name])
                if mask is None:
                    raise NotReady(f"The mask of {name} by {side.id} is gone; evaluate again.")
                matrix += confusion_matrix(truth, mask, len(classes))
        found = [_recall(m, classes) for m in matrices]
        then = found[1] if before is not None else None
        if not note:
            _check(cycle, before, found[0], then)
        against = None if before is None else before.number
        return Promotion(cycle.number, against, found[0], then, names, note, now(), user())

    def commit(found: Promotion) -> Promotion:
        results.write_promotion(project.current(cycle.id).folder, asdict(found))
        project.events.evaluation_changed.emit()
        return found

    return Job("Promoting", steps, commit)


def in_force(project: Project, until: str | None = None) -> Cycle | None:
    """The newest promoted cycle, now or `until` a time (ISO 8601); None where none was promoted. A cycle with its weights is its model, too."""
    for cycle in reversed(project.cycles):
        if any(until is None or seconds(p.get("time")) <= seconds(until) for p in cycle.promotions):
            return cycle
    return None


def not_in_force(project: Project, cycle: Cycle, until: str | None = None) -> str:
    """Why no verdict comes of a model: another one is in force, now or `until` a time. Empty where it is itself, or none is."""
    force = in_force(project, until)
    if force is None or force.weights_sha256 == cycle.weights_sha256:
        return ""
    return (
        f"cycle {cycle.number} is not in force, cycle {force.number} is; promote it (voidscope promote {project.path}) or go back "
        f"(voidscope restore {project.path} --cycle {force.number})"
    )


def _nobody_knows(project: Project, sides: Sequence[Cycle], dataset: Dataset | None) -> str:
    """That there is nothing to judge models by, and the way out; a truth by which the first of them was judged is named."""
    cycle = sides[0]
    judged_by = str((cycle.evaluation or {}).get("truth", "labels"))
    way = "Evaluate first"
    if dataset is None and judged_by != "labels":
        command = f"voidscope promote {shlex.quote(str(project.path))} --dataset {shlex.quote(judged_by)}"
        way = f"Cycle {cycle.number} was judged by the truth in {judged_by}; name it: {command}"
    return (
        f"No test scan with truth is segmented by {' and '.join(c.id for c in sides)}, so nobody knows how much void "
        f"either finds. {way}, or promote with a note that says why: --note TEXT."
    )


def _check_judges(project: Project, cycle: Cycle, before: Cycle, fair: Sequence[str]) -> None:
    """Raise `NotReady` where the model in force can be judged by a scan that the new one has not segmented: nobody chooses the judges."""
    told = (before.promotion or {}).get("scans", ())
    missing = [
        n for n in fair
        if not mask_path(cycle.folder, n).is_file() and (n in told or mask_path(before.folder, n).is_file())
    ]  # fmt: skip
    if missing:
        scans = " ".join(f"--scan {shlex.quote(n)}" for n in missing)
        raise NotReady(
            f"Cycle {before.number}, which is in force, was judged by {named(missing)}, which cycle {cycle.number} has not segmented. "
            f"Segment it first: voidscope segment {project.path} {scans}. Or promote with a note that says why: --note TEXT."
        )


def _check(cycle: Cycle, before: Cycle | None, found: float | None, then: float | None) -> None:
    """Refuse a model that finds no void, or less than before, or one that nobody can tell of."""
    note = "or promote it with a note that says why: --note TEXT."
    insist = f"Label more slices that show void and train again, {note}"
    if found is None:
        raise Refused(
            f"The held-out scans show no void, so nobody knows how much of it cycle {cycle.number} finds. Label slices of a test scan "
            f"that show void, which is then what it is judged by, {note}"
        )
    if before is not None and then is not None and found < then:
        raise Refused(
            f"Cycle {cycle.number} finds {100 * found:.1f} % of the held-out void, cycle {before.number}, which is in force, "
            f"{100 * then:.1f} %. {insist}"
        )
    if not found:
        raise Refused(f"Cycle {cycle.number} finds none of the held-out void. {insist}")


def _recall(matrix: Matrix, classes: ClassMap) -> float | None:
    return defined(recall(matrix, [k - 1 for k in classes.ids_with_role(Role.VOID)]))
