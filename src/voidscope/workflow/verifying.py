"""Whether a report still is what its project measures: the same files, the same model, the same numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from voidscope.errors import NotReady, ProjectError
from voidscope.jobs import Job
from voidscope.metrology import Report
from voidscope.project import Project, changed_files, report_files
from voidscope.project.atomic import read_json
from voidscope.workflow.measuring import measure

SAME = ("model", "weights_sha256", "masks_sha256", "recipe")
"""Facts of a report's provenance that a measurement of today must share."""
TWIN = "report.json"
"""The file of a report that all others are made from."""

Again = tuple[Report, dict[str, bytes]]
"""What is measured now, with its pictures."""


def verify(project: Project, folder: Path | None = None) -> Job[Again, tuple[str, ...]]:
    """Measure again by the report's own recipe and compare; returns what differs, in words, nothing where all agrees.

    Scan files are compared by their fingerprints, the model and its masks by their hashes, every number of every scan
    exactly, and every other file of the report with what its JSON twin makes. The report stays as it is.

    Parameters
    ----------
    folder : of the report; None takes the project's last one

    Raises
    ------
    NotReady : there is no report, or a scan of it is not segmented any more.
    ProjectError : it is no report of this version.
    """
    place = folder or project.report_folder
    if not (place / TWIN).is_file():
        raise NotReady(f"{project.name} has no report to verify; measure first.")
    told = read_json(place / TWIN)
    report = Report.from_entry(told)
    if not report.scans:
        raise NotReady(f"{place} reports no scan, so there is nothing to verify; measure first.")
    names = [s.scan for s in report.scans]
    settings = project.config.model_copy(update={"measure": report.scans[0].recipe})
    job = measure(project, names, settings)

    def commit(again: Again) -> tuple[str, ...]:
        numbers = _differences(told, json.loads(again[0].json()))
        return (*changed_files(place), *numbers, *_other_pages(place, report, again[1]))

    return Job("Verifying", job.steps, commit)


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


def _other_pages(folder: Path, report: Report, pictures: Mapping[str, bytes]) -> Iterator[str]:
    """Pages and tables that are not what the report's JSON twin makes; a PDF is never the same twice, its hash tells."""
    made_by = (report.provenance.get("versions") or {}).get("voidscope")
    for name, expected in report_files(report, pictures).items():
        path = folder / name
        if not path.is_file():
            yield f"{name} is gone"
        elif path.read_bytes() != expected:
            yield f"{name} is not what this version makes of the numbers in {TWIN}, which voidscope {made_by} wrote"


def _differences(report: Mapping[str, Any], again: Mapping[str, Any]) -> Iterator[str]:
    """Of two reports as JSON holds them."""
    for name in SAME:
        told, found = ((r["provenance"] or {}).get(name) for r in (report, again))
        if told != found:
            yield f"{name} was {_short(told)}, is {_short(found)}"
    for scan, facts in _scans(again).items():
        told_of, now = _scans(report).get(scan, {}).get("fingerprint"), facts["fingerprint"]
        if now != told_of:
            yield f"the file of {scan} is not the one measured ({told_of}, now {now})"
    for told_of, found_in in zip(report["scans"], again["scans"], strict=True):
        yield from _unlike(found_in["scan"], told_of, found_in)


def _scans(report: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (report["provenance"] or {}).get("scans") or {}
    return found


def _unlike(scan: str, told: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    for name in {**found, **told}:
        if told.get(name) != found.get(name):
            yield f"{scan}: {name} is {_short(told.get(name))} in the report, measured anew {_short(found.get(name))}"


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
