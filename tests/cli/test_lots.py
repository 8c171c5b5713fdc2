"""`lot`, `compare`, `promote` and packages from the command line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

from builders import add_cycle, set_prediction
from voidscope.cli.main import app
from voidscope.config import Config
from voidscope.errors import ConfigError, NotReady, Refused
from voidscope.jobs import execute
from voidscope.project import Project, project_truth
from voidscope.volume import Dataset
from voidscope.workflow import add_dataset, measure, simulate


def invoke(*words: object) -> Result:
    return CliRunner().invoke(app, [str(w) for w in words])


def told(*words: object) -> dict[str, Any]:
    said = invoke(*words, "--json")
    assert said.exit_code == 0, said.exception
    found: dict[str, Any] = json.loads(said.stdout)
    return found


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Three scans of one row of two bumps, the last for testing."""
    return execute(simulate(tmp_path_factory.mktemp("lots") / "scans", logic=3, memory=0, seed=8, grid="1x2"))


@pytest.fixture
def project(tmp_path: Path, scans: Dataset) -> Project:
    """The truth as the masks of cycle 1."""
    return project_of(scans, tmp_path)


def project_of(scans: Dataset, folder: Path) -> Project:
    accepting = Config().with_changes(["measure.unjudged_accepted=this test"])
    made = Project.create(folder / "part", scans.classes, config=accepting)
    execute(add_dataset(made, scans))
    segment(made, scans, lost=())
    return made


def segment(project: Project, scans: Dataset, lost: Sequence[str]) -> None:
    """A new cycle with the truth as masks, its voids lost in some scans."""
    add_cycle(project)
    for name in project.scans:
        mask = project_truth(project, scans, name).copy()
        if name in lost:
            mask[mask == project.classes.id_of("void")] = project.classes.id_of("solder")
        set_prediction(project, project.cycle.id, name, mask, np.zeros(mask.shape, np.float16))


def truth_rows(scans: Dataset, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((scans.folder / f"{name}_bumps.json").read_text())
    return rows


def test_measure_tells_a_row_per_bump_with_its_true_ratio(project: Project, scans: Dataset) -> None:
    for found in told("measure", project.path)["scans"]:
        wanted = {r["bump"]: r["void_over_foreground"] for r in truth_rows(scans, found["scan"])}
        assert {b["bump"]: b["void_over_foreground"] for b in found["bumps"]} == wanted
        failed = [r > 0.05 for r in wanted.values()]
        assert found["verdict"] == ("FAIL" if any(failed) else "PASS")
    bumps = (project.report_folder / "bumps.csv").read_text().splitlines()
    assert len(bumps) == 1 + 3 * 2
    by_scan = told("measure", project.path, "--set", "measure.unit=scan")["scans"]
    assert all((s["verdict"] == "FAIL") == (s["void_over_foreground"] > 0.05) for s in by_scan)


def test_a_mask_file_of_several_bumps_has_rows_too(project: Project, scans: Dataset) -> None:
    path = scans.folder / "logic_000_labels.tif"
    (found,) = told("measure", "--mask", path)["scans"]
    assert [b["bump"] for b in found["bumps"]] == ["r1c1", "r1c2"]


def test_a_lot_joins_projects_and_names_their_scans(project: Project, tmp_path: Path) -> None:
    missing = invoke("lot", project.path)
    assert isinstance(missing.exception, NotReady) and "voidscope measure" in str(missing.exception)
    execute(measure(project))
    page = tmp_path / "lot.html"
    twice = invoke("lot", project.path, project.path, "--out", page)
    assert isinstance(twice.exception, ConfigError) and "named twice" in str(twice.exception)
    other = project_of(
        execute(simulate(tmp_path / "more", logic=2, memory=0, seed=9, grid="1x2")), tmp_path / "more"
    )
    execute(measure(other))
    found = told("lot", project.path, other.path, "--out", page)
    assert (found["scans"], found["bumps"], sum(found["verdicts"].values())) == (5, 10, 10)
    assert "part/logic_000" in page.read_text() and found["repeated"] == []
    said = invoke("lot", project.path, "--out", page).stdout
    assert said.startswith("6 bumps of 3 scans: ") and "median" in said
    assert (project.report_folder / "lot.html").is_file()


def test_a_lot_counts_a_file_once_whatever_projects_it_is_in(project: Project, tmp_path: Path) -> None:
    execute(measure(project))
    copy, page = tmp_path / "copy", tmp_path / "lot.html"
    shutil.copytree(project.path, copy)
    said = invoke("lot", project.path, copy, "--out", page)
    assert said.stdout.startswith("6 bumps of 3 scans: ")
    words = "Of 3 scans the file was counted already, so they are left out: copy/logic_000 (that of part/logic_000), "
    assert f"warning: {words}" in said.stderr and words in page.read_text()
    told_first = told("lot", project.path, copy, "--out", page)["repeated"][0]
    assert told_first == {"scan": "copy/logic_000", "same_file_as": "part/logic_000"}


def test_projects_of_different_ratios_are_joined_with_a_warning(project: Project, tmp_path: Path) -> None:
    execute(measure(project))
    made = execute(simulate(tmp_path / "more", logic=1, memory=0, seed=9, grid="1x2"))
    other = project_of(made, tmp_path / "more").path
    told("measure", other, "--set", "measure.ratio=void/solder")
    page = tmp_path / "lot.html"
    said = invoke("lot", project.path, other, "--out", page)
    assert "void/foreground median" in said.stdout and "void/solder median" in said.stdout
    assert (
        "warning: The scans were measured by 2 recipes (void/foreground at most 5 %, void/sol" in said.stderr
    )
    reports = [Project.open(p).report for p in (project.path, other)]
    assert all(r is not None and r.provenance["report_id"] in page.read_text() for r in reports)


def test_compare_tells_whose_verdict_flipped(project: Project, scans: Dataset) -> None:
    segment(project, scans, lost=["logic_000"])
    found = told("compare", project.path, "--cycles", "1,2")
    bad = [r["bump"] for r in truth_rows(scans, "logic_000") if r["void_over_foreground"] > 0.05]
    assert bad and found["summary"]["verdict_flips"] == {"FAIL -> PASS": len(bad)}
    flipped = [b["bump"] for b in found["bumps"] if b["flags"].get("void") == [True, False]]
    assert sorted(flipped) == sorted(bad)
    assert Path(found["page"]).is_file()
    assert "FAIL -> PASS" in invoke("compare", project.path, "--cycles", "1,2").stdout


def test_compare_by_two_recipes(project: Project, tmp_path: Path) -> None:
    for name, limit in (("loose", "0.99"), ("tight", "0")):
        said = ("--set", f"measure.limit={limit}", "--set", "measure.unjudged_accepted=this test")
        assert invoke("recipe", tmp_path / f"{name}.toml", *said).exit_code == 0
    files = [w for name in ("loose", "tight") for w in ("--recipe", tmp_path / f"{name}.toml")]
    found = told("compare", project.path, *files)
    assert (found["before"], found["after"]) == ("loose", "tight")
    assert set(found["summary"]["verdict_flips"]) == {"PASS -> FAIL"}


def test_a_recipe_with_a_class_that_the_project_lacks_is_refused_at_once(
    project: Project, tmp_path: Path
) -> None:
    path = tmp_path / "typo.toml"
    assert invoke("recipe", path, "--set", "measure.pillar_class=copper_piller").exit_code == 0
    for words in (
        ("measure", project.path, "--recipe", path),
        ("compare", project.path, "--recipe", path, "--recipe", path),
        (
            "recipe",
            tmp_path / "new.toml",
            "--project",
            project.path,
            "--set",
            "measure.pillar_class=copper_piller",
        ),
    ):
        error = invoke(*words).exception
        assert isinstance(error, ConfigError) and "measure.pillar_class is 'copper_piller'" in str(error)
        assert "of part are background, copper_pillar" in str(error)
        assert str(error).endswith("Did you mean 'copper_pillar'?")
    assert not (tmp_path / "new.toml").exists()


@pytest.mark.parametrize("words", [("--cycles", "1"), ("--cycles", "1,x"), ("--cycles", "1,2,3")])
def test_compare_needs_two_cycles(project: Project, words: tuple[str, ...]) -> None:
    assert isinstance(invoke("compare", project.path, *words).exception, ConfigError)


def test_promote_refuses_a_drop_and_keeps_a_note(project: Project, scans: Dataset) -> None:
    test = next(n for n, s in project.scans.items() if s.split.value == "test")
    assert told("promote", project.path, "--dataset", scans.folder)["recall"] == 1
    segment(project, scans, lost=[test])
    refused = invoke("promote", project.path, "--dataset", scans.folder)
    assert isinstance(refused.exception, Refused) and "--note" in str(refused.exception)
    said = invoke("promote", project.path, "--dataset", scans.folder, "--note", "a trial")
    assert "cycle 2 is in force" in said.stdout and "note: a trial" in said.stdout
    assert Project.open(project.path).cycle.promotion["note"] == "a trial"
