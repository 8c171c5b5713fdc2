"""Whether the facts of a report's provenance are those that measuring again finds: who labelled, which files, how it was judged."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from voidscope.project import Cycle, Project
from voidscope.vocabulary import Split
from voidscope.workflow.recording import report_id
from voidscope.workflow.snapshot import seconds

OF_THE_DAY = frozenset(
    {"report_id", "created", "python", "platform", "versions", "git_commit", "project", "project_folder"}
)
"""When, where and with what it was made, which nobody can measure again; the report ID is a hash of them too."""
LABELS, AUTHORS, SCANS = "labels", "authors", "scans"
"""What people go on changing after a report: labels, who made those of a model that does not say so itself, and which scans the
project has.
"""
MODEL = "model"
"""What goes by the number of a model's cycle: differs where another cycle stands for it."""
LATER = {
    "labels_of_scans": LABELS, "edits_after_training": LABELS, "held_out_void_iou": MODEL, "warnings": MODEL, "promotion": MODEL,
    "not_measured": SCANS,
}  # fmt: skip
"""Facts as they were on the day, by what changes them."""


def moved_on(project: Project, cycle: Cycle, told: Mapping[str, Any]) -> frozenset[str]:
    """What of `LABELS` and the others has changed since a report was made, so that its facts of that need not be those of now."""
    created = seconds(told.get("created"))
    labels = project.path / "labels"
    painted = any(_changed(p) > created for p in (labels, *labels.glob("*/")))
    silent = not isinstance(cycle.provenance.get("labels_by"), Mapping)
    others = [n for n in project.scans if n not in mapping(told, "scans")]
    written = (
        _changed(project.path / "project.json") > created
    )  # a recipe that was taken is written there too
    scans = written and others != told.get("not_measured")
    found = {LABELS: painted, AUTHORS: painted and silent, SCANS: scans}
    return frozenset(name for name, yes in found.items() if yes)


def left_out(moved: Iterable[str]) -> list[str]:
    """Names of the facts that `facts_apart` leaves out of those of what has `moved` on."""
    changed = frozenset(moved)
    return [n for n, by in LATER.items() if by in changed] + (
        ["people: labelled by"] if AUTHORS in changed else []
    )


def judges_moved(project: Project, scans: Iterable[str], since: str) -> bool:
    """Whether labels of test scans, or of `scans` that once were, or the list of scans have changed since a time (ISO 8601)."""
    tests = {s.name for s in project.scans.values() if s.split is Split.TEST} | set(scans)
    places = (project.path / "project.json", *(project.path / "labels" / name for name in tests))
    return any(_changed(p) > seconds(since) for p in places)


def facts_apart(
    told: Mapping[str, Any], found: Mapping[str, Any], moved: Iterable[str] = ()
) -> Iterator[str]:
    """A line per fact of a report that is not what measuring again finds; those of what has `moved` on are left out."""
    if told.get("report_id") != (expected := report_id(told)):
        yield f"report_id was {told.get('report_id')}, but the report's facts make it {expected}: a fact was edited"
    if seconds(told.get("created")) < seconds(found.get("trained")):
        yield f"created was {told.get('created')}, before its model was trained, {found.get('trained')}"
    if told.get("model") != found.get(
        "model"
    ):  # told by itself; its warnings and figures go by the number of its cycle
        moved = {*moved, MODEL}
    told, found = (_comparable(side, frozenset(moved)) for side in (told, found))
    for name in (*told, *(n for n in found if n not in told)):
        one, two = told.get(name), found.get(name)
        if isinstance(one, Mapping) and isinstance(two, Mapping):
            names = [n for n in {**one, **two} if one.get(n) != two.get(n)]
            one, two = ({n: side.get(n) for n in names} for side in (one, two))
        if one != two:
            yield f"{name} was {short(one)}, is {short(two)}"


def _comparable(facts: Mapping[str, Any], moved: frozenset[str]) -> dict[str, Any]:
    """The facts that two measurements share: without what is of the day, what has moved on, and where files and project lie."""
    left = {n: v for n, v in facts.items() if n not in OF_THE_DAY and LATER.get(n) not in moved}
    left |= {"scans": {n: _placeless(f) for n, f in mapping(facts, "scans").items()}}
    if "project_folder" in facts:
        left["command"] = _placeless_command(facts.get("command"))
    if AUTHORS in moved:
        left["people"] = {n: v for n, v in mapping(facts, "people").items() if n != "labelled by"}
    if MODEL in moved and "model_record" in left:
        record = mapping(facts, "model_record")
        left["model_record"] = {n: v for n, v in record.items() if not n.startswith("validation ")}
    return left


def _placeless(scan: Any) -> Any:
    """Facts of a scan with its file's name alone, and without the fingerprint, which is told by itself."""
    if not isinstance(scan, Mapping):
        return scan
    name = re.split(r"[/\\]", str(scan.get("file")))[-1]
    return {k: v for k, v in scan.items() if k != "fingerprint"} | {"file": name}


def _placeless_command(command: object) -> list[str]:
    """The words of a command that measures a project, without the project's folder."""
    try:
        words = shlex.split(str(command))
    except ValueError:  # a quote that was opened and not closed
        return [str(command)]
    return words[:2] + words[3:]


def mapping(facts: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A group of facts by its name; empty where there is none, or something else stands there."""
    found = facts.get(name)
    return found if isinstance(found, Mapping) else {}


def _changed(path: Path) -> float:
    """When a file or what is in a folder was changed, in whole seconds; never where it is not there."""
    return float(int(path.stat().st_mtime)) if path.exists() else 0.0


def short(value: object) -> str:
    """A value in a line; long ones are cut."""
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
