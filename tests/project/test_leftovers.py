"""What a killed program was writing is deleted when the project is opened a day later, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from builders import add_cycle
from voidscope.project import Project, leftovers
from voidscope.project.atomic import Draft, is_temporary, keep_all

HOUR = 3600
KILLED = """
import os, signal, sys
from pathlib import Path
from voidscope.project import atomic
folder = Path(sys.argv[1])
draft = atomic.Draft.of(folder / "masks" / "a.tif", b"a mask")
Path.replace = lambda *paths: os.kill(os.getpid(), signal.SIGKILL)
atomic.write_folder(folder.with_name("0002"), {"cycle.json": b"{}", "weights.safetensors": b"weights"})
"""
"""A program killed with a mask drafted and a cycle half written."""


def temporary(project: Project) -> list[Path]:
    return sorted(p for p in project.path.rglob("*") if is_temporary(p.name))


def age(paths: list[Path], hours: float) -> None:
    for path in paths:
        os.utime(path, (time.time() - hours * HOUR,) * 2)


def everything(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


@pytest.mark.skipif(os.name == "nt", reason="Windows knows no SIGKILL")
def test_what_a_killed_program_was_writing_goes_a_day_later(project: Project) -> None:
    add_cycle(project)
    before = everything(project.path) | {project.cycle.folder / "masks"}
    subprocess.run([sys.executable, "-c", KILLED, project.cycle.folder], check=False)
    left = temporary(project)
    assert [p.is_dir() for p in left] == [True, False]
    Project.open(project.path)
    assert temporary(project) == left  # somebody may be writing right now
    age(left, 25)
    Project.open(project.path)
    assert everything(project.path) == before


def test_drafts_of_a_job_that_takes_days_stay(project: Project) -> None:
    """Each scan is drafted as it is done, and kept at the end."""
    folder = add_cycle(project).folder / "masks"
    drafts = [Draft.of(folder / f"{scan}.tif", scan.encode()) for scan in "abc"]
    for hours, draft in zip((70, 45, 20), drafts, strict=True):
        age([draft.temporary], hours)
    Project.open(project.path)
    keep_all(drafts)
    assert [p.read_bytes() for p in sorted(folder.iterdir())] == [b"a", b"b", b"c"]


def test_nothing_but_our_own_is_deleted(project: Project, tmp_path: Path) -> None:
    linked = tmp_path / "elsewhere"
    linked.mkdir()
    (linked / "file").write_text("of a person")
    for folder in (project.path, project.path / "labels" / "a", project.path / "scans"):
        folder.mkdir(parents=True, exist_ok=True)
        for name in (".notes.tmp", "x.0123abcd.tmp", ".x.0123abcd.tmp.txt", ".x.0123ABCD.tmp", ".hidden"):
            (folder / name).write_text("of a person")
        (folder / ".x.89abcdef.tmp").symlink_to(linked)
    (project.path / "scans" / ".x.0123abcd.tmp").write_text("beside a person's scans")
    before = everything(project.path)
    age([p for p in before if not p.is_symlink()], 1000)
    os.utime(linked, (0, 0))
    Project.open(project.path)
    assert everything(project.path) == before
    assert (linked / "file").exists()


@pytest.mark.parametrize("where", ["", *leftovers.FOLDERS])
def test_wherever_a_project_writes_leftovers_are_found(project: Project, where: str) -> None:
    left = (
        project.path / where / "deep" / ".x.json.0123abcd.tmp" if where else project.path / ".x.01234567.tmp"
    )
    left.parent.mkdir(parents=True, exist_ok=True)
    left.write_bytes(b"x")
    age([left], 25)
    Project.open(project.path)
    assert not left.exists()


def test_two_programs_may_sweep_at_once(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    left = project.path / ".project.json.0123abcd.tmp"
    left.write_bytes(b"x")
    age([left], 25)
    delete = leftovers._delete

    def late(path: Path, mode: int) -> None:
        path.unlink()
        delete(path, mode)

    monkeypatch.setattr(leftovers, "_delete", late)
    assert Project.open(project.path).scans == project.scans
    assert not left.exists()
