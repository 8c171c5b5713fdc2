"""Which reports were measured with a cycle's model, and which PDFs were printed of them: a small file each, named by what it vouches for.

A register is only ever added to, and two programs that measure at once do not undo each other. A report is recorded before it is
written, so that none lies anywhere of which there is no record; one that was never written after all does no harm.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from voidscope.metrology import Report
from voidscope.project.atomic import json_bytes, read_json, write_new
from voidscope.project.exporting import sha256_of
from voidscope.project.label_files import now

REGISTER = "reports"
"""Folder of a cycle that holds its register; one of an older version has none before it is measured with again."""
ABOUT = {
    f"{REGISTER}/README.txt": b"Each file names a report that was measured with this cycle's model, or a PDF of one, and is called by its SHA-256.\n"
    b"voidscope verify looks here; do not change or delete any.\n"
}
"""What a new cycle begins its register with, so that no record means no report."""
TWIN, PDF = "report.json", "report.pdf"


def record_report(cycle: Path, report: Report) -> None:
    """Record in a cycle's folder that a report was measured; raises `ProjectError` where that cannot be written."""
    _record(cycle, report.sha256, TWIN, report, {})


def record_pdf(cycle: Path, report: Report, pdf: bytes) -> None:
    """Record that a report was printed so; raises `ProjectError` where that cannot be written."""
    _record(cycle, sha256_of(pdf), PDF, report, {"report_sha256": report.sha256})


def has_register(cycle: Path) -> bool:
    """Whether a cycle's folder holds a register, so that every report of it since is recorded."""
    return (cycle / REGISTER).is_dir()


def is_recorded(cycle: Path, report_folder: Path) -> bool:
    """Whether the report in a folder is, byte for byte, one that was measured with a cycle's model."""
    return _place(cycle, sha256_of((report_folder / TWIN).read_bytes())).is_file()


def not_as_recorded(cycle: Path, report_folder: Path, report_id: object) -> Iterator[str]:
    """What of a report's folder is not as a cycle's register has it, in words; nothing of a cycle that has none."""
    if not has_register(cycle):
        return
    twin, pdf = sha256_of((report_folder / TWIN).read_bytes()), report_folder / PDF
    if not is_recorded(cycle, report_folder):
        reports = [r for r in _records(cycle) if r.get("file") == TWIN]
        same = next((r for r in reports if r.get("report_id") == report_id), None)
        yield (
            f"the project has no record of this report among the {len(reports)} of cycle {int(cycle.name)}: it was measured in a copy of the project, "
            "by a version that kept no record, or never"
            if same is None
            else f"{TWIN} is not the report that was recorded as {report_id}: its SHA-256 is {twin[:12]}..., the record says {str(same.get('sha256'))[:12]}..."
        )
    elif pdf.is_file():
        found = _place(cycle, sha256_of(pdf.read_bytes()))
        if not found.is_file() or read_json(found).get("report_sha256") != twin:
            yield f"{PDF} is none that was printed of this report: the project has no record of it"


def _record(cycle: Path, sha256: str, file: str, report: Report, more: Mapping[str, str]) -> None:
    told = {"file": file, "sha256": sha256, "report_id": str(report.provenance.get("report_id")), **more}
    write_new(_place(cycle, sha256), json_bytes({**told, "recorded": now()}))


def _place(cycle: Path, sha256: str) -> Path:
    return cycle / REGISTER / f"{sha256}.json"


def _records(cycle: Path) -> Iterator[dict[str, Any]]:
    """All records of a register; raises `ProjectError` for a damaged one."""
    yield from (read_json(path) for path in sorted((cycle / REGISTER).glob("*.json")))
