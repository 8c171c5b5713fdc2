"""A report whose facts were edited does not verify, also where its pages, its hashes and its ID were made anew; what goes on later is no difference."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from builders import add_cycle, set_prediction
from voidscope.jobs import execute
from voidscope.metrology import Report
from voidscope.project import Project, export_report, import_truth, project_truth, report_files
from voidscope.project.results import read_pictures
from voidscope.vocabulary import SliceKey
from voidscope.volume import Dataset
from voidscope.workflow import Occasion, evaluate, measure, promote, verify
from voidscope.workflow.facts import facts_apart
from voidscope.workflow.recording import report_id

SAID = Occasion("Ann", "Bob", "L1", "D1", "R-12")


@pytest.fixture
def project(project: Project, dataset: Dataset) -> Project:
    """With a model of true masks that was judged and put in force, and a report of it."""
    add_cycle(project)
    for scan in project.scans:
        mask = project_truth(project, dataset, scan)
        set_prediction(project, project.cycle.id, scan, mask, np.zeros(mask.shape, np.float16))
    execute(evaluate(project, dataset))
    execute(promote(project, dataset))
    execute(measure(project, ["a", "b"], occasion=SAID))
    return project


def forged(project: Project, folder: Path, change: Callable[[Any], object], name_anew: bool = True) -> Path:
    """The report with other facts, its pages, tables and hashes made anew, and its ID too."""
    report = project.report
    told = json.loads(report.json())
    change(told["provenance"])
    if name_anew:
        told["provenance"]["report_id"] = report_id(told["provenance"])
    pictures = read_pictures(project.report_folder, report)
    export_report(folder, report_files(Report.from_entry(told), pictures))
    return folder


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda p: p["people"].update({"labelled by": "Expert (400 slices)"}), "people"),
        (lambda p: p["model_record"].update({"validation void recall": 0.5}), "model_record"),
        (lambda p: p["model_record"].update({"training set SHA-256 (labels)": "0" * 64}), "model_record"),
        (lambda p: p.update(held_out_void_iou=0.5), "held_out_void_iou"),
        (lambda p: p["warnings"].append("all is well"), "warnings"),
        (lambda p: p.update(edits_after_training={"c/0001": {"by": "me"}}), "edits_after_training"),
        (lambda p: p.update(labels_of_scans={}), "labels_of_scans"),
        (lambda p: p.update(labelled_slices=400), "labelled_slices"),
        (lambda p: p["scans"]["a"].update(spacing_source="file"), "scans"),
        (lambda p: p["scans"]["b"].update(file="/elsewhere/other_lot.txm"), "scans"),
        (lambda p: p.update(not_measured=[]), "not_measured"),
        (lambda p: p.update(promotion={"by": "QA"}), "promotion"),
        (lambda p: p.update(command="voidscope measure project --limit 0.5"), "command"),
        (lambda p: p.update(command="voidscope 'measure"), "command"),
        (lambda p: p["scan_settings"].update(a={"kV": "80"}), "scan_settings"),
        (lambda p: p["post_processing"].update(smoothing="median"), "post_processing"),
        (lambda p: p.update(recipe_sha256="0" * 64), "recipe_sha256"),
        (lambda p: p.update(approved="yes"), "approved"),
        (lambda p: p.pop("inference"), "inference"),
    ],
)
def test_a_fact_that_the_project_does_not_tell_is_found(
    project: Project, tmp_path: Path, change: Callable[[Any], object], said: str
) -> None:
    *found, record = execute(verify(project, forged(project, tmp_path / "out", change)))
    assert [line.split(" ")[0] for line in found] == [said], found
    assert record.startswith("the project has no record of this report")


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p["people"].update(operator="Dr. Trust"),
        lambda p: p["sample"].update(lot="OTHER"),
        lambda p: p.update(created="2031-01-01T00:00:00+00:00"),
        lambda p: p.update(report_id="VS-FORGED"),
        lambda p: p.update(platform="another"),
    ],
)
def test_an_edited_fact_that_only_a_person_knows_does_not_fit_the_report_id(
    project: Project, tmp_path: Path, change: Callable[[Any], object]
) -> None:
    found = execute(verify(project, forged(project, tmp_path / "out", change, name_anew=False)))
    assert any(line.startswith("report_id was") and "a fact was edited" in line for line in found), found


def test_a_report_older_than_its_model_is_found() -> None:
    told = {"trained": "2030-05-01T00:00:00+00:00", "created": "2026-01-01T00:00:00+00:00"}
    told["report_id"] = report_id(told)
    (said,) = facts_apart(told, told)
    assert said.startswith("created was 2026-01-01") and "before its model was trained" in said


def test_what_goes_on_after_a_report_is_no_difference(
    project: Project, dataset: Dataset, tmp_path: Path
) -> None:
    folder = forged(project, tmp_path / "out", lambda p: None)
    assert execute(verify(project, folder)) == () == execute(verify(project))
    told = json.loads((folder / "report.json").read_text())["provenance"]
    assert told["command"].count("--operator Ann") == 1
    time.sleep(1.1)  # a later second
    import_truth(project, dataset, [SliceKey("a", 1), SliceKey("c", 2)])
    assert execute(verify(project, folder)) == ()
    project.labels.remove(SliceKey("a", 1))
    assert execute(verify(project, folder)) == ()
    moved = tmp_path / "moved"
    shutil.move(project.path, moved)
    assert execute(verify(Project.open(moved), folder)) == ()


def test_hashes_that_are_gone_or_do_not_name_a_file_are_differences(project: Project, tmp_path: Path) -> None:
    folder = forged(project, tmp_path / "out", lambda p: None)
    (folder / "report.pdf").write_bytes(b"%PDF put in later")
    (said, record) = execute(verify(project, folder))
    assert record.startswith("report.pdf is none that was printed of this report")
    assert said == "report.pdf lies in the report's folder, but SHA256SUMS does not name it"
    (folder / "report.pdf").unlink()
    (folder / "SHA256SUMS").unlink()
    (said,) = execute(verify(project, folder))
    assert said.startswith("SHA256SUMS is gone")
