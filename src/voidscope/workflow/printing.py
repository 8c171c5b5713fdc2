"""The last report on paper: a PDF that Qt makes in a process of its own, for neither the command line nor a worker holds Qt."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryFile

from voidscope.errors import NotReady, ProjectError, VoidscopeError
from voidscope.jobs import Job, Progress, Steps
from voidscope.metrology import Report
from voidscope.project import Project, record_pdf
from voidscope.project.atomic import write_bytes
from voidscope.project.results import read_pictures

log = logging.getLogger(__name__)

LOOK_S = 0.1
"""How long the other process is left alone before a person may have cancelled."""


def print_report(project: Project, path: Path) -> Job[bytes, Path]:
    """The project's last report as a PDF file; returns where it lies.

    Raises
    ------
    NotReady : nothing was measured yet.
    VoidscopeError : Qt cannot print it (while it is made).
    """
    report = project.report
    if report is None:
        raise NotReady(f"{project.name} has no report to print; measure first.")
    pictures = read_pictures(project.report_folder, report)

    def steps() -> Steps[bytes]:
        yield Progress(0, 1, "laying out the pages")
        return (yield from printing(report.print_html(pictures)))

    def commit(pdf: bytes) -> Path:
        try:
            record_print(project, report, pdf)
        except ProjectError as error:  # of a project that one may read alone
            log.warning("nothing records %s, so that verify cannot tell it from another: %s", path, error)
        write_bytes(path, pdf)
        return path

    return Job("Making the PDF", steps, commit)


def record_print(project: Project, report: Report, pdf: bytes) -> None:
    """Record in the project that a report was printed so, for `verify`; raises `ProjectError` where that cannot be written."""
    cycle = next((c for c in project.cycles if c.id == report.provenance.get("model")), None)
    if cycle is not None:
        record_pdf(cycle.folder, report, pdf)


def printing(html: str) -> Steps[bytes]:
    """A printed page (see `Report.print_html`) as a PDF; closing the steps ends the process that makes it."""
    with TemporaryFile() as page, TemporaryFile() as pdf, TemporaryFile() as complaint:
        page.write(html.encode())
        page.seek(0)
        process = subprocess.Popen(
            [sys.executable, "-m", "voidscope.widgets.pdf"], stdin=page, stdout=pdf, stderr=complaint,
            env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
        )  # fmt: skip
        try:
            while _runs(process):
                yield Progress(0, 1, "printing")
        finally:
            process.kill()
            process.wait()
        if process.returncode:
            complaint.seek(0)
            lines = complaint.read().decode(errors="replace").strip().splitlines()
            said = lines[-1] if lines else f"exit code {process.returncode}"
            raise VoidscopeError(
                f"Qt cannot print the report: {said}. The other files are in the project's report folder."
            )
        pdf.seek(0)
        return pdf.read()


def _runs(process: subprocess.Popen[bytes]) -> bool:
    """Whether a process still runs after a moment."""
    try:
        process.wait(LOOK_S)
    except subprocess.TimeoutExpired:
        return True
    return False
