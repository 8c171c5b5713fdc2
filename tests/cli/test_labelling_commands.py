"""Undo, redo, interpolate and remove from the terminal do what the window does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from builders import add_scan, write_scan
from voidscope.cli.main import app
from voidscope.errors import VoidscopeError
from voidscope.project import Project
from voidscope.vocabulary import ClassMap, Provenance, SliceKey

WIDE, NARROW = np.full((6, 5), 2, np.uint8), np.full((6, 5), 2, np.uint8)
WIDE[1:5, 1:4] = NARROW[2:3, 2:3] = 4


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Two scans of eight slices; of a, slices 0, 3 and 7 are labelled."""
    made = Project.create(tmp_path / "p", ClassMap.hbm())
    for seed, name in enumerate("ab"):
        add_scan(made, write_scan(tmp_path / f"{name}.tif", seed, (6, 8, 5)))
    for index, mask in ((0, WIDE), (3, NARROW), (7, WIDE)):
        made.labels.put(SliceKey("a", index), mask)
    return made


def told(*words: object) -> Any:
    """What a command says with --json."""
    done = CliRunner().invoke(app, [*map(str, words), "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def refused(*words: object) -> str:
    """Why a command is refused."""
    error = CliRunner().invoke(app, [*map(str, words)]).exception
    assert isinstance(error, VoidscopeError)
    return str(error)


def test_undo_and_redo_reach_every_change(project: Project) -> None:
    last = SliceKey("a", 7)
    found = told("undo", project.path)
    assert (found["verb"], found["changed"], found["kept"], found["gone"]) == ("painted", ["a/0007"], [], [])
    assert last not in Project.open(project.path).labels
    assert told("redo", project.path)["changed"] == ["a/0007"]
    assert np.array_equal(Project.open(project.path).labels.get(last), WIDE)
    assert refused("redo", project.path) == f"There is nothing to redo in {project.path}."
    for _ in range(3):
        told("undo", project.path)
    assert not Project.open(project.path).labels.keys()
    assert refused("undo", project.path) == f"There is nothing to undo in {project.path}."


def test_undo_says_what_it_did(project: Project) -> None:
    done = CliRunner().invoke(app, ["undo", str(project.path)])
    assert (done.exit_code, done.stdout) == (0, "undid: painted a/0007\n")


def test_interpolating_fills_the_gaps_and_is_unverified(project: Project) -> None:
    found = told("interpolate", project.path, "a")
    gaps = ["a/0001", "a/0002", "a/0004", "a/0005", "a/0006"]
    assert found == {"proposed": gaps, "unverified": gaps}
    labels = Project.open(project.path).labels
    assert labels.keys() == tuple(SliceKey("a", k) for k in (0, 3, 7))
    assert {labels.record(k).provenance for k in labels.unverified} == {Provenance.PROPAGATED}
    voids = [int((labels.get(SliceKey("a", k)) == 4).sum()) for k in range(4)]
    assert voids == sorted(voids, reverse=True)
    assert told("undo", project.path)["changed"] == gaps  # one step
    assert Project.open(project.path).labels.unverified == ()


def test_interpolating_keeps_within_the_slices_asked_for(project: Project) -> None:
    assert told("interpolate", project.path, "a", "--from", 3, "--to", 7)["proposed"] == [
        "a/0004", "a/0005", "a/0006",
    ]  # fmt: skip
    assert told("interpolate", project.path, "a", "--to", 3)["proposed"] == ["a/0001", "a/0002"]


def test_interpolating_says_what_is_missing(project: Project) -> None:
    assert refused("interpolate", project.path, "a", "--from", 1, "--to", 6).startswith(
        "No gap lies between labelled slices of a from 1 to 6; its labelled slices are 0, 3, 7."
    )
    assert "its labelled slices are none" in refused("interpolate", project.path, "b")
    assert "There is no scan 'c'" in refused("interpolate", project.path, "c")


def test_a_scan_is_removed_and_added_again(project: Project, tmp_path: Path) -> None:
    found = told("remove", project.path, "a")
    assert (found["removed"], found["scans"], len(found["labels"])) == ("a", ["b"], 3)
    assert all(Path(p).is_file() for p in found["labels"]) and (tmp_path / "a.tif").is_file()
    again = Project.open(project.path)
    assert list(again.scans) == ["b"] and not again.labels.keys()
    assert told("undo", project.path)["gone"] == ["a/0007"]
    done = CliRunner().invoke(app, ["add", str(project.path), str(tmp_path / "a.tif")])
    assert done.exit_code == 0 and "a: its labels of before are back, 3 slices" in done.stderr
    assert len(Project.open(project.path).labels) == 3
    assert "There is no scan 'c'" in refused("remove", project.path, "c")


def test_removing_tells_where_the_labels_are(project: Project, tmp_path: Path) -> None:
    said = CliRunner().invoke(app, ["remove", str(project.path), "a"]).stdout
    assert f"Its 3 labels lie in {project.path / 'removed' / 'a'}" in said
    assert f"voidscope add {project.path} {tmp_path / 'a.tif'}" in said
    assert "labels" not in CliRunner().invoke(app, ["remove", str(project.path), "b"]).stdout
