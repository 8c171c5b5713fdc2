"""Saving the report as a PDF from the window: the window lives on, and nothing is left of one that was cancelled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bench import add_cycle, predict
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QFileDialog

from voidscope.jobs import execute
from voidscope.project import Project
from voidscope.widgets.pdf_button import PdfButton
from voidscope.widgets.runner import Runner
from voidscope.workflow import measure, print_report


@pytest.fixture
def button(qtbot: Any, project: Project) -> PdfButton:
    """A project with a report of all its scans."""
    add_cycle(project)
    for name in project.scans:
        predict(project, name)
    execute(measure(project))
    made = PdfButton(project, Runner())
    qtbot.addWidget(made)
    return made


def test_the_report_is_saved_while_the_window_lives(
    button: PdfButton, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, ticks, timer = [], [], QTimer()
    button._runner.told.connect(told.append)
    button._runner.failed.connect(told.append)
    timer.timeout.connect(lambda: ticks.append(button._runner.busy))
    timer.start(5)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "signed"), ""))
    button.click()
    qtbot.waitUntil(lambda: bool(told) and not button._runner.busy, timeout=60_000)
    assert sum(ticks) > 5  # events were handled while the PDF was made
    assert told == [f"The report is saved as {tmp_path / 'signed.pdf'}."]
    pdf = (tmp_path / "signed.pdf").read_bytes()
    assert pdf.startswith(b"%PDF-") and b"%%EOF" in pdf[-32:]
    assert pdf.count(b"/Subtype /Image") >= len(button._project.scans)  # the slices of the scans are in it


def test_what_cannot_be_saved_is_told_and_a_cancelled_one_leaves_nothing(
    button: PdfButton, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    for signal in (button._runner.failed, button._runner.cancelled):
        signal.connect(told.append)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: ("", ""))
    button.click()
    assert not button._runner.busy
    (tmp_path / "file").write_text("no folder")
    button.save(tmp_path / "file" / "a.pdf")
    qtbot.waitUntil(lambda: bool(told) and not button._runner.busy, timeout=60_000)
    assert str(tmp_path / "file") in told[-1]
    steps = print_report(button._project, tmp_path / "b.pdf").steps()
    next(steps)
    next(steps)
    steps.close()
    assert list(tmp_path.glob("*.pdf")) == []
