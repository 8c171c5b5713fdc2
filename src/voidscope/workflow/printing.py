"""The last report on paper: a PDF that Qt makes in a process of its own, for neither the command line nor a worker holds Qt."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryFile

from voidscope.errors import NotReady, VoidscopeError
from voidscope.jobs import Job, Progress, Steps
from voidscope.project import Project
from voidscope.project.atomic import write_bytes
from voidscope.project.results import read_pictures

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
        write_bytes(path, pdf)
        return path

    return Job("Making the PDF", steps, commit)


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
