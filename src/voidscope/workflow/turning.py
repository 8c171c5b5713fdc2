"""A step over many slices, and its undo and redo: their labels are made ready on the way, and all put in their places at the end."""

from __future__ import annotations

from contextlib import suppress

from voidscope.jobs import Job, Progress, Steps
from voidscope.project import DamagedStep, Made, Project, Putting, Turned, Turning
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


def put_labels(project: Project, asked: Putting) -> Job[dict[SliceKey, Made], None]:
    """Give many slices their labels, as one step of undo (`Labels.put_made`).

    Cancelled, it changes nothing; of a label that changes while the job runs, what was painted stays, as by `Labels.put_all`.
    """

    def steps() -> Steps[dict[SliceKey, Made]]:
        made: dict[SliceKey, Made] = {}
        for n, key in enumerate(asked.masks):
            yield Progress(n, len(asked.masks), str(key))
            made[key] = asked.made(key)
        return made

    return Job("Saving labels", steps, lambda made: project.labels.put_made(asked, made))
