"""Undo and redo of a step over many slices: their labels are made ready on the way, and all put in their places at the end."""

from __future__ import annotations

from contextlib import suppress

from voidscope.jobs import Job, Progress, Steps
from voidscope.project import DamagedStep, Made, Project, Turned, Turning
from voidscope.vocabulary import SliceKey


def turn(project: Project, turning: Turning) -> Job[dict[SliceKey, Made], Turned | None]:
    """Undo or redo the step that `Labels.turning` found; returns what was done, as `Labels.undo` does.

    Cancelled, it changes nothing; a label that changes while the job runs is told apart when all is put in its place, as by
    `Labels.turn`.
    """

    def steps() -> Steps[dict[SliceKey, Made]]:
        made: dict[SliceKey, Made] = {}
        for n, change in enumerate(turning.step.changes):
            yield Progress(n, len(turning.step.changes), str(change.key))
            with suppress(DamagedStep):  # told when it is turned, which gives the step up
                _, label = turning.desk.turned(change, turning.back)
                if label is not None:
                    made[change.key] = label
        return made

    title = "Undoing" if turning.back else "Redoing"
    return Job(title, steps, lambda made: project.labels.turn(turning, made))
