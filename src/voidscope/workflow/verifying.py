"""Whether a report still is what its project measures: the same files, the same model, the same numbers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from voidscope.errors import NotReady, ProjectError, VoidscopeError, error_line, named
from voidscope.jobs import Job, Progress, Steps
from voidscope.metrology import Report
from voidscope.project import (
    Cycle,
    Project,
    changed_files,
    has_register,
    is_recorded,
    not_as_recorded,
    package_version,
    report_files,
)
from voidscope.project.atomic import read_json
from voidscope.project.exporting import SUMS, listed_files
from voidscope.project.register import PDF, TWIN
from voidscope.workflow.doubting import Standing
from voidscope.workflow.facts import facts_apart, left_out, mapping, moved_on, short
from voidscope.workflow.mask_files import mask_file_of, measure_file
from voidscope.workflow.measuring import Measured, measuring
from voidscope.workflow.recording import UNKNOWN, Occasion, commit_of_now
from voidscope.workflow.snapshot import current_cycle


def verify(project: Project, folder: Path | None = None) -> Job[Measured, tuple[str, ...]]:
    """Measure the masks of the report's own cycle again by its own recipe and compare; returns what differs, in words, nothing where all agrees.

    Scan files are compared by their fingerprints, the model and its masks by their hashes, every other fact with what the project
    says, every number of every scan exactly, and every other file of the report with what its JSON twin makes. Facts that only a
    person knows (operator, lot, date) are held to the report ID, a hash of all facts, and the report as a whole, and its PDF, to what
    the project recorded when they were made. The report stays as it is, and so does the
    project, whichever model is the current one. The report is held to what the model was judged as, and put in force as, when it was
    made: what came later is not held against it, and what was never found does not back it.

    Parameters
    ----------
    folder : of the report; None takes the project's last one

    Raises
    ------
    NotReady : there is no report, or the mask of a scan of it is gone.
    ProjectError : it is no report of this version.
    """
    place = folder or project.report_folder
    if not (place / TWIN).is_file():
        raise NotReady(f"{project.name} has no report to verify; measure first.")
    told, report = _read(place)
    names, recipe = [s.scan for s in report.scans], report.scans[0].recipe
    settings = project.config.model_copy(update={"measure": recipe})
    cycle = _cycle_named(project, report.provenance)
    moved = moved_on(project, cycle, report.provenance)
    known = Standing.then(project, cycle, report.provenance)
    steps = measuring(project, cycle, names, settings, Occasion.told(report.provenance), known)

    def commit(again: Measured) -> tuple[str, ...]:
        apart = _all_apart(place, told, report, again, moved)
        own = cycle.id == report.provenance.get("model")
        unlike = not_as_recorded(cycle.folder, place, report.provenance.get("report_id")) if own else ()
        return (*apart, *unlike)

    return Job("Verifying", steps, commit)


def not_compared(folder: Path, project: Project | None = None) -> tuple[str, ...]:
    """What of a report `verify` and `verify_file` cannot compare, and why, in words; nothing where all is compared.

    Parameters
    ----------
    project : of the report; None of the report of a mask file, which nothing records
    """
    told, pdf = _read(folder)[1].provenance, folder / PDF
    cycle = None if project is None else _cycle_named(project, told)
    recorded = cycle is not None and is_recorded(cycle.folder, folder)
    found = []
    if project is not None and cycle is not None:
        names = left_out(moved_on(project, cycle, told))
        kept = "; they are as recorded" if recorded else ""
        found += [f"{', '.join(names)} (labels or scans have changed since{kept})"] if names else []
        if not has_register(cycle.folder):
            found.append(
                f"the report as a whole (cycle {cycle.number} kept no record of reports when it was made)"
            )
    return (*found, f"{PDF} (contents not compared)") if pdf.is_file() and not recorded else tuple(found)


def _cycle_named(project: Project, told: Mapping[str, Any]) -> Cycle:
    """The cycle whose masks a report measured, which need not be the current one; the current one where it is gone."""
    found = next((c for c in project.cycles if c.id == told.get("model")), None)
    return current_cycle(project) if found is None else found


def verify_file(folder: Path) -> Job[Measured, tuple[str, ...]]:
    """`verify` of a report of a mask file, which needs no project: the file is measured again as the report says.

    Raises
    ------
    NotReady : the mask file is gone.
    ProjectError : it is no report of this version.
    """
    told, report = _read(folder)
    file, recipe = mask_file_of(report.provenance), report.scans[0].recipe

    def steps() -> Steps[Measured]:
        yield Progress(0, 1, f"measuring {file.path.name}")
        return measure_file(file, recipe, Occasion.told(report.provenance)), {}

    return Job("Verifying", steps, lambda again: _all_apart(folder, told, report, again, ()))


def is_of_file(folder: Path) -> bool:
    """Whether a report is of a mask file, not of a project."""
    provenance = read_json(folder / TWIN).get("provenance")
    return isinstance(provenance, Mapping) and "mask" in provenance


def _all_apart(
    folder: Path, told: Mapping[str, Any], report: Report, again: Measured, moved: Iterable[str]
) -> tuple[str, ...]:
    """Everything of a report that is not as measuring again finds it, and every file of it that is not as it was written."""
    found = json.loads(again[0].json())
    facts = facts_apart(told["provenance"], found["provenance"], moved)
    numbers = tuple(_differences(told, found))
    pages = _other_pages(folder, report, again[1], bool(numbers))
    return (*changed_files(folder), *facts, *numbers, *pages)


def versions_apart(folder: Path) -> str:
    """That a report was made by another version than the one that runs, in a sentence; empty where it was not, or nobody knows.

    A version is its number and, where both are known, the commit it was made from.
    """
    told = mapping(read_json(folder / TWIN), "provenance")
    was, now = mapping(told, "versions").get("voidscope"), package_version("voidscope")
    commits = (told.get("git_commit"), commit_of_now())
    known = None not in commits and UNKNOWN not in commits
    if was is None or (was == now and (not known or commits[0] == commits[1])):
        return ""
    one, two = (
        f"{v} (commit {str(c)[:12]})" if known else str(v) for v, c in zip((was, now), commits, strict=True)
    )
    return f"The report was made by voidscope {one}; what runs is {two}. Where numbers or pages differ, that may come from that."


def _read(folder: Path) -> tuple[Mapping[str, Any], Report]:
    """A report as JSON holds it, and as it is; where it cannot be read, and another version made it, that is said."""
    told: Mapping[str, Any] = read_json(folder / TWIN)
    try:
        report = Report.from_entry(told)
    except VoidscopeError as error:
        raise ProjectError(
            f"Cannot read {folder / TWIN}: {error} {versions_apart(folder)}".strip()
        ) from error
    if not report.scans:
        raise NotReady(f"{folder} reports no scan, so there is nothing to verify; measure first.")
    names = [s.scan for s in report.scans]
    if twice := [n for n in dict.fromkeys(names) if names.count(n) > 1]:
        raise ProjectError(
            f"{folder / TWIN} lists {named(twice)} more than once; a report has each scan once. Measure again to make it anew."
        )
    return told, report


def report_place(path: Path) -> Path:
    """The folder of a report named by itself or by any file in it.

    Raises `ProjectError` where there is no report.
    """
    folder = path.parent if path.is_file() else path
    if not (folder / TWIN).is_file():
        raise ProjectError(
            f"{path} is neither a project nor a report: there is no {TWIN} in {folder}. Name a project or a report's folder."
        )
    return folder


def project_of(folder: Path) -> Path:
    """The project folder a report says it was measured in; raises `ProjectError` where it does not say or it is gone."""
    provenance = read_json(folder / TWIN).get("provenance")
    told = provenance.get("project_folder") if isinstance(provenance, Mapping) else None
    if not isinstance(told, str) or not Path(told).is_dir():
        raise ProjectError(
            f"The report in {folder} was measured in {told or 'a project it does not name'}, which is not here. "
            "Say where the project is: --project PROJECT"
        )
    return Path(told)


def _other_pages(folder: Path, report: Report, pictures: Mapping[str, bytes], edited: bool) -> Iterator[str]:
    """Pages and tables that are not what the report's JSON twin makes; a PDF is never the same twice, the record of it tells.

    Of numbers that were `edited`, so that they do not go together, none may be made.
    """
    from jinja2 import TemplateError

    made_by = mapping(report.provenance, "versions").get("voidscope")
    try:
        files = report_files(report, pictures)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, TemplateError) as error:
        if not edited:
            raise
        yield f"no page can be made of the numbers in {TWIN}, which do not go together ({error_line(error)}); measure again"
        return
    for name in sorted(n for n in listed_files(folder).keys() - {*files, PDF} if (folder / n).is_file()):
        yield f"{name} is none of a report's files, though {SUMS} lists it"
    for name, expected in files.items():
        path = folder / name
        if not path.is_file():
            yield f"{name} is gone"
        elif path.read_bytes() != expected:
            yield f"{name} is not what this version makes of the numbers in {TWIN}, which voidscope {made_by} wrote"


def _differences(report: Mapping[str, Any], again: Mapping[str, Any]) -> Iterator[str]:
    """Of two reports as JSON holds them."""
    files = mapping(report["provenance"], "scans")
    for scan, facts in again["provenance"]["scans"].items():
        told_of, now = mapping(files, scan).get("fingerprint"), facts["fingerprint"]
        if now != told_of:
            yield f"the file of {scan} is not the one measured ({told_of}, now {now})"
    for told_of, found_in in zip(report["scans"], again["scans"], strict=True):
        yield from _unlike(found_in["scan"], told_of, found_in)


def _unlike(scan: str, told: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    """A line per figure that differs; of a figure that many voids or bumps have, the first and how many.

    One that the only bump that differs has just as its scan has it is told of the scan alone.
    """
    figures: dict[str, list[tuple[str, str]]] = {}
    for path, was, now in _leaves((), told, found):
        name = " ".join(word for word in path if not word.isdecimal())
        where = next((str(int(word) + 1) for word in path if word.isdecimal()), "")
        said = f"{scan}: {name} is {short(was)} in the report, measured anew {short(now)}"
        figures.setdefault(name, []).append((said, where))
    twins = {name: figures.get(name.removeprefix("bumps ")) for name in figures if name.startswith("bumps ")}
    for name, whole in twins.items():
        if whole and [said.replace(": bumps ", ": ", 1) for said, _ in figures[name]] == [
            said for said, _ in whole
        ]:
            del figures[name]
    for (said, where), *more in figures.values():
        yield f"{said} (of {1 + len(more)} that differ, the first, {where})" if more and where else said


def _leaves(path: tuple[str, ...], told: Any, found: Any) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    """Where two trees of JSON differ: the names that lead there, and both values; lists of unlike length differ as a whole."""
    if isinstance(told, Mapping) and isinstance(found, Mapping):
        for name in {**found, **told}:
            yield from _leaves((*path, str(name)), told.get(name), found.get(name))
    elif isinstance(told, list) and isinstance(found, list) and len(told) == len(found):
        for k, pair in enumerate(zip(told, found, strict=True)):
            yield from _leaves((*path, str(k)), *pair)
    elif isinstance(told, list) and isinstance(found, list):
        yield path, f"{len(told)} of them", f"{len(found)} of them"
    elif told != found or isinstance(told, bool) != isinstance(found, bool):  # true is 1 to Python
        yield path, told, found
