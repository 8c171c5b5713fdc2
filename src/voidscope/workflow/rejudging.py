"""Judging every retraining by the same labels: one more held-out label, and figures of before and after no longer compare."""

from __future__ import annotations

from collections.abc import Mapping

from voidscope.errors import NotReady
from voidscope.jobs import Job, Progress, Steps
from voidscope.project import Cycle, Project, results
from voidscope.workflow.comparing import matrix_of
from voidscope.workflow.evaluating import (
    evaluation_of,
    judgement,
    judging_keys,
    kept_of,
    learnt,
    truth_hash,
    unseen,
    with_truth,
)
from voidscope.workflow.restoring import first_with
from voidscope.workflow.snapshot import LOADING, cycle_of

Found = dict[str, Mapping[str, object]]
"""What is kept of the evaluation of each cycle, by its folder's name."""


def judge_all(project: Project) -> Job[Found, int]:
    """Judge all cycles by what is labelled of the test scans now, each on the labelled slices alone; returns how many.

    A model that was gone back to is judged once; every cycle that has it gets the figures. Figures that cycles had before stay in their
    histories.

    Raises
    ------
    NotReady : there is no cycle, or no test scan has labels that none of the cycles has learnt from.
    """
    cycles = _own(project)
    known = with_truth(project, None)
    names = unseen(project, known, cycles)
    if not cycles or not names:
        raise NotReady(
            learnt(known, cycles)
            if cycles and known
            else f"{project.name} has no cycle, or no labelled test scan, to judge; train, and label slices of a scan added with "
            "--split test."
        )
    truth = project.labels.packed(judging_keys(project, names))
    said = truth_hash(project, names)
    reader, classes, device = project.reader(names), project.classes, project.config.device

    def steps() -> Steps[Found]:
        total = len(cycles) * len(truth)
        yield Progress(0, total, LOADING)
        found: Found = {}
        for k, cycle in enumerate(cycles):
            matrix = yield from matrix_of(cycle, reader, truth, len(classes), device, k * len(truth), total)
            result = evaluation_of(matrix, classes, len(cycle.labelled), cycle.number, names)
            found[cycle.folder.name] = kept_of(result, {"truth": "labels", "truth_sha256": said})
        return found

    def commit(found: Found) -> int:
        told = [
            (c, kept)
            for c in project.cycles
            if (kept := found.get(cycle_of(project, first_with(project, c)).folder.name))
        ]
        for cycle, kept in told:
            results.write_evaluation(cycle.folder, kept)
        project.events.evaluation_changed.emit()
        return len(told)

    return Job("Judging all cycles alike", steps, commit)


def unlike(project: Project) -> tuple[Cycle, ...]:
    """Cycles that were not judged, by other labels than there are now, or than the newest that was; none where that was by a dataset."""
    said = [c.evaluation for c in _own(project)]
    newest = next((e for e in reversed(said) if e is not None), {"truth": "labels"})
    if newest.get("truth", "labels") != "labels":
        return ()
    alike = [newest.get(name) for name in ("scans", "truth_sha256")]
    return tuple(
        c for c in project.cycles
        if (e := c.evaluation) is None or judgement(project, c) is None or [e.get(name) for name in ("scans", "truth_sha256")] != alike
    )  # fmt: skip


def _own(project: Project) -> list[Cycle]:
    """The cycles that are no earlier model again."""
    return [c for c in project.cycles if not c.restored]
