"""The README keeps its word: its script runs as written, and the reference pages are those the code makes."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.slow
def test_the_python_script_runs_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (script,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.S
    )
    (tmp_path / "story.py").write_text(script, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    runpy.run_path("story.py", run_name="__main__")
    printed = capsys.readouterr().out
    assert printed.count("Evaluation(miou=") == 2
    assert re.search(r"logic_000 \S+ ", printed)
    assert (tmp_path / "bumps" / "report" / "report.html").is_file()


def test_reference_pages_are_current(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(ROOT / "scripts"), *sys.path])
    import reference

    pages = ROOT / "docs" / "reference"
    assert (pages / "settings.md").read_text(encoding="utf-8") == reference.settings_page()
    assert (pages / "cli.md").read_text(encoding="utf-8") == reference.cli_page()


def test_every_relative_link_in_the_docs_leads_somewhere() -> None:
    broken = []
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if not (page.parent / target).exists():
                broken.append(f"{page.name}: {target}")
    assert broken == []
