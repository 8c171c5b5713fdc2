"""A report in a folder of its own: nothing else is overwritten, and each change is found."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from voidscope.errors import ProjectError
from voidscope.project import changed_files, export_report

FILES = {"report.json": b"{}\n", "voids.csv": b"scan\na\n"}


def test_hashes_are_those_of_the_files_in_the_layout_of_sha256sum(tmp_path: Path) -> None:
    export_report(tmp_path / "deep" / "out", FILES)
    lines = (tmp_path / "deep" / "out" / "SHA256SUMS").read_text().splitlines()
    assert lines == [f"{hashlib.sha256(FILES[n]).hexdigest()}  {n}" for n in sorted(FILES)]
    assert list(changed_files(tmp_path / "deep" / "out")) == []


def test_an_earlier_report_is_replaced_and_anything_else_is_left(tmp_path: Path) -> None:
    export_report(tmp_path / "out", FILES)
    export_report(tmp_path / "out", {"report.json": b"[]"})
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["SHA256SUMS", "report.json"]
    (tmp_path / "out" / "thesis.tex").write_text("mine")
    with pytest.raises(ProjectError, match="holds other files"):
        export_report(tmp_path / "out", FILES)
    assert (tmp_path / "out" / "thesis.tex").read_text() == "mine"
    with pytest.raises(ProjectError, match="holds other files"):
        export_report(tmp_path / "out" / "thesis.tex", FILES)


def test_a_changed_or_missing_file_is_named(tmp_path: Path) -> None:
    export_report(tmp_path, FILES)
    (tmp_path / "voids.csv").write_bytes(b"scan\nb\n")
    (tmp_path / "report.json").unlink()
    said = list(changed_files(tmp_path))
    assert [line.split(":")[0] for line in said] == ["report.json is gone", "voids.csv was changed"]


def test_a_file_that_is_not_named_and_hashes_that_are_gone_are_told(tmp_path: Path) -> None:
    export_report(tmp_path, FILES)
    (tmp_path / "report.pdf").write_bytes(b"%PDF")
    assert list(changed_files(tmp_path)) == [
        "report.pdf lies in the report's folder, but SHA256SUMS does not name it"
    ]
    (tmp_path / "SHA256SUMS").unlink()
    (said,) = changed_files(tmp_path)
    assert said.startswith("SHA256SUMS is gone")
