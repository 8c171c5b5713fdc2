"""Whether a report still is what its project measures: the same files, the same model, the same numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from voidscope.errors import NotReady
from voidscope.jobs import Job, Steps
from voidscope.metrology import Report
from voidscope.project import Project
from voidscope.workflow.measuring import measure

SAME = ("model", "weights_sha256", "masks_sha256", "recipe")
"""Facts of a report's provenance that a measurement of today must share."""


def verify(project: Project) -> Job[Report, tuple[str, ...]]:
    """Measure again by the report's own recipe and compare; returns what differs, in words, nothing where all agrees.

    Scan files are compared by their fingerprints, the model and its masks by their hashes, every number of every scan
    exactly. The report stays as it is.

    Raises
    ------
    NotReady : the project has no report, or a scan of it is not segmented any more.
    """
    report = project.report  # of today's layout, whatever else its file says
    if report is None or not report.scans:
        raise NotReady(f"{project.name} has no report to verify; measure first.")
    names = [s.scan for s in report.scans]
    settings = project.config.model_copy(update={"measure": report.scans[0].recipe})
    job = measure(project, names, settings)

    def steps() -> Steps[Report]:
        again, _ = yield from job.steps()
        return again

    told = json.loads((project.report_folder / "report.json").read_bytes())
    return Job("Verifying", steps, lambda again: tuple(_differences(told, json.loads(again.json()))))


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
