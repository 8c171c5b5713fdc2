"""`progress`: how the cycles came on, what the next batch is likely to bring, and whether it is time to stop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Any

import typer

from voidscope import workflow
from voidscope.cli.app import app
from voidscope.cli.options import AsJson, ProjectPath
from voidscope.cli.output import number, say
from voidscope.labelling import PAUSE_S
from voidscope.progress import run
from voidscope.project import Project
from voidscope.workflow import CycleFigures, ProjectProgress


@app.command()
def progress(
    path: ProjectPath,
    random: Annotated[
        bool,
        typer.Option("--random", help="First replay the cycles on random draws of the labelled slices; takes minutes."),
    ] = False,
    judge: Annotated[
        bool,
        typer.Option("--judge", help="First judge all cycles by the labels that the test scans have now."),
    ] = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Held-out figures, labels and labelling time per cycle, a forecast of the next batch, and whether it is time to stop."""
    project = Project.open(path)
    if judge:
        run(workflow.judge_all(project))
    if random:
        run(workflow.replay(project))
    found = workflow.progress(project)
    say(_entry(found), as_json, "\n".join(_rows(found)))


def _entry(found: ProjectProgress) -> dict[str, Any]:
    """The progress as one JSON object."""
    return {
        "cycles": [asdict(c) | {"new": [str(k) for k in c.new]} for c in found.cycles],
        "waiting": [str(k) for k in found.waiting],
        "labelling_s": found.labelling_s,
        "class_balance": dict(found.balance),
        "figure": found.figure,
        "forecast": None if found.forecast is None else asdict(found.forecast),
        "ready_to_stop": found.readiness.ready,
        "reasons": list(found.readiness.reasons),
        "missing": list(found.readiness.missing),
        "replay": None if found.replay is None else found.replay.entry(),
    }


def _rows(found: ProjectProgress) -> Iterator[str]:
    """The progress for a person."""
    yield "cycle           labels   new  void IoU    mIoU   labelling  judged by"
    for cycle in found.cycles:
        yield _row(cycle)
    yield f"{len(found.waiting)} slices labelled since; {_minutes(found.labelling_s)} of labelling in all, pauses over {PAUSE_S / 60:.0f} min left out"
    if found.balance:
        yield "labelled pixels: " + ", ".join(f"{n} {share:.1%}" for n, share in found.balance.items())
    yield found.forecast_sentence()
    yield found.readiness.sentence()
    yield from (f"  missing: {reason}" for reason in found.readiness.missing[1:])
    if found.replay is not None:
        yield f"{found.replay.sentence()} {workflow.CANNOT_TELL}"


def _row(cycle: CycleFigures) -> str:
    name = f"{cycle.number}{'' if cycle.kind == 'full' else ' ' + cycle.kind}"
    judged = cycle.judged_by or "not evaluated"
    apart = f" ({cycle.apart})" if cycle.apart else ""
    return (
        f"{name:14s}  {cycle.n_labelled:6d}  {len(cycle.new):4d}  {number(cycle.void):>8s}  {number(cycle.miou):>6s}  "
        f"{_minutes(cycle.labelling_s):>10s}  {judged}{apart}"
    )


def _minutes(seconds: float) -> str:
    """A working time, which is a lower bound, in words."""
    return f"{seconds / 60:.0f} min" if seconds >= 60 else f"{seconds:.0f} s"
