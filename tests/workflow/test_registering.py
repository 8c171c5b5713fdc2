"""Reports that were measured are recorded in their cycle's folder: a forged one is none of them, whatever else of it repeats."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from builders import add_cycle, set_prediction
from voidscope.errors import ProjectError
from voidscope.jobs import execute
from voidscope.metrology import Report
from voidscope.project import Project, export_report, import_truth, project_truth, record_report, report_files
from voidscope.project.register import REGISTER
from voidscope.project.results import read_pictures
from voidscope.vocabulary import SliceKey
from voidscope.volume import Dataset
from voidscope.workflow import (
    evaluate,
    measure,
    not_compared,
    print_report,
    promote,
    record_print,
    restore,
    verify,
)
from voidscope.workflow.recording import report_id

NO_RECORD = "the project has no record of this report"


def with_masks(project: Project, dataset: Dataset) -> Project:
    """A cycle more, whose masks are the truth."""
    add_cycle(project, labels_by={})
    for scan in project.scans:
        mask = project_truth(project, dataset, scan)
        set_prediction(project, project.cycle.id, scan, mask, np.zeros(mask.shape, np.float16))
    return project


@pytest.fixture
def project(project: Project, dataset: Dataset) -> Project:
    """With a report of a model that was judged and put in force."""
    with_masks(project, dataset)
    execute(evaluate(project, dataset))
    execute(promote(project, dataset))
    execute(measure(project))
    return project


def register(project: Project, number: int = 1) -> list[Path]:
    return sorted((project.path / "cycles" / f"{number:04d}" / REGISTER).glob("*.json"))


def told(project: Project) -> dict[str, Any]:
    tree: dict[str, Any] = json.loads((project.report_folder / "report.json").read_text())
    return tree


def exported(project: Project, folder: Path, tree: dict[str, Any] | None = None, **more: bytes) -> Path:
    """The report, or another one as JSON has it, in a folder of its own: ID, pages and hashes made anew."""
    tree = told(project) if tree is None else tree
    tree["provenance"]["report_id"] = report_id(tree["provenance"])
    report = Report.from_entry(tree)
    files = report_files(report, read_pictures(project.report_folder, report))
    export_report(folder, files | {name.replace("_", "."): data for name, data in more.items()})
    return folder


def test_a_backdated_report_of_a_model_that_was_in_force_then_is_none_that_was_measured(
    project: Project, dataset: Dataset, tmp_path: Path
) -> None:
    passed = told(project)
    time.sleep(1.1)
    before = datetime.now(UTC)
    time.sleep(1.1)
    with_masks(project, dataset)
    execute(promote(project, dataset, note="looked at by eye"))
    restore(project, 1)
    assert {s.verdict.value for s in execute(measure(project)).scans} == {"REVIEW"}
    forged = told(project)
    assert execute(verify(project)) == ()
    forged["scans"] = passed["scans"]
    forged["provenance"] |= {
        "promotion": passed["provenance"]["promotion"],
        "created": before.isoformat(timespec="seconds"),
    }
    found = execute(verify(project, exported(project, tmp_path / "out", forged)))
    assert any(line.startswith(NO_RECORD) for line in found), found


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p.update(edits_after_training={"edits": "none: every voxel approved by an expert"}),
        lambda p: p["labels_of_scans"]["a"].update({"labelled by": "Expert (400 slices)"}),
        lambda p: p["people"].update(operator="Expert"),
    ],
)
def test_who_labelled_is_as_it_was_recorded_whatever_is_labelled_later(
    project: Project, dataset: Dataset, tmp_path: Path, change: Callable[[Any], object]
) -> None:
    time.sleep(1.1)
    import_truth(project, dataset, [SliceKey("a", 1)])
    honest = exported(project, tmp_path / "honest")
    assert execute(verify(project, honest)) == ()
    (said,) = not_compared(honest, project)
    assert said.startswith("labels_of_scans, edits_after_training (labels or scans have changed since")
    tree = told(project)
    change(tree["provenance"])
    *_, found = execute(verify(project, exported(project, tmp_path / "forged", tree)))
    assert found.startswith(f"{NO_RECORD} among the 1 of cycle 1")


def test_a_recipe_taken_since_is_no_change_of_labels_or_scans(project: Project, tmp_path: Path) -> None:
    execute(measure(project, ["a", "b"]))
    time.sleep(1.1)
    project.set_config(project.config.with_changes(["measure.limit=0.31"]))
    honest = exported(project, tmp_path / "honest")
    assert execute(verify(project, honest)) == () == not_compared(honest, project)
    project.remove("c")
    (said,) = not_compared(honest, project)
    assert said.startswith("not_measured (labels or scans have changed since"), said
    assert execute(verify(project, honest)) == ()


def test_an_edited_report_that_kept_its_id_is_not_the_one_recorded(project: Project) -> None:
    path = project.report_folder / "report.json"
    path.write_text(path.read_text().replace('"operator": "not recorded"', '"operator": "Expert"'))
    found = execute(verify(Project.open(project.path)))
    assert any(line.startswith("report.json is not the report that was recorded as VS-") for line in found)


def test_a_pdf_that_was_never_printed_of_the_report_is_found(project: Project, tmp_path: Path) -> None:
    never = exported(project, tmp_path / "never", report_pdf=b"%PDF PASS everywhere")
    (found,) = execute(verify(project, never))
    assert found.startswith("report.pdf is none that was printed of this report")
    record_print(project, project.report, b"%PDF one")
    record_print(project, project.report, b"%PDF two")
    for data in (b"%PDF one", b"%PDF two"):
        assert execute(verify(project, exported(project, tmp_path / "out", report_pdf=data))) == ()
    earlier = exported(project, tmp_path / "earlier", report_pdf=b"%PDF one")
    execute(measure(project, ["a"]))
    assert execute(verify(project, earlier)) == ()
    another = exported(project, tmp_path / "another", report_pdf=b"%PDF two")
    (found,) = execute(verify(project, another))
    assert found.startswith("report.pdf is none that was printed of this report")


def test_reports_measured_in_turn_are_all_recorded_and_none_is_changed(
    project: Project, tmp_path: Path
) -> None:
    kept = {p: p.read_bytes() for p in register(project)}
    first = exported(project, tmp_path / "first")
    for names in (["a"], ["b"], ["a", "b"]):
        execute(measure(project, names))
    assert execute(verify(project, first)) == () == execute(verify(project))
    assert len(register(project)) == 4 and all(p.read_bytes() == data for p, data in kept.items())
    assert {json.loads(p.read_text())["file"] for p in register(project)} == {"report.json"}


def test_killed_between_the_record_and_the_report_no_honest_report_is_called_another(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise ProjectError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(project, "set_report", full)
        with pytest.raises(ProjectError, match="disk is full"):
            execute(measure(project, ["a"]))
    assert len(register(project)) == 2 and execute(verify(project)) == ()
    before = (project.report_folder / "report.json").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("voidscope.workflow.measuring.record_report", full)
        with pytest.raises(ProjectError, match="disk is full"):
            execute(measure(project, ["b"]))
    assert (project.report_folder / "report.json").read_bytes() == before


def test_a_moved_or_copied_project_has_its_records_and_a_copy_s_reports_are_the_copy_s(
    project: Project, tmp_path: Path
) -> None:
    out = exported(project, tmp_path / "out")
    copied = Project.open(shutil.copytree(project.path, tmp_path / "copy"))
    assert execute(verify(copied, out)) == ()
    execute(measure(copied, ["a"]))
    theirs = exported(copied, tmp_path / "theirs")
    assert execute(verify(copied, theirs)) == ()
    (found,) = execute(verify(project, theirs))
    assert found.startswith(NO_RECORD) and "measured in a copy of the project" in found
    moved = shutil.move(project.path, tmp_path / "moved")
    assert execute(verify(Project.open(moved), out)) == ()


def test_a_model_that_was_gone_back_to_has_a_register_of_its_own(project: Project, tmp_path: Path) -> None:
    first = exported(project, tmp_path / "first")
    restore(project, 1)
    assert register(project, 2) == []
    execute(measure(project))
    assert len(register(project, 2)) == 1
    assert execute(verify(project)) == () == execute(verify(project, first))


def test_of_a_cycle_of_an_older_version_it_is_said_that_nothing_recorded_the_report(
    project: Project, tmp_path: Path
) -> None:
    out = exported(project, tmp_path / "out", report_pdf=b"%PDF")
    shutil.rmtree(project.path / "cycles" / "0001" / REGISTER)
    assert execute(verify(project, out)) == ()
    whole, pdf = not_compared(out, project)
    assert whole == "the report as a whole (cycle 1 kept no record of reports when it was made)"
    assert pdf == "report.pdf (contents not compared)"
    execute(measure(project, ["a"]))
    assert execute(verify(project)) == () == not_compared(project.report_folder, project)
    (found,) = execute(verify(project, out))
    assert "by a version that kept no record" in found


def test_a_model_that_was_never_measured_with_has_no_report(project: Project, dataset: Dataset) -> None:
    assert (project.cycle.folder / REGISTER / "README.txt").is_file()
    for path in register(project):
        path.unlink()
    (found,) = execute(verify(project))
    assert found.startswith(f"{NO_RECORD} among the 0 of cycle 1")


def test_a_damaged_record_says_which_file_it_is(project: Project, tmp_path: Path) -> None:
    tree = told(project)
    tree["provenance"]["people"]["operator"] = "Expert"
    register(project)[0].write_text("{")
    with pytest.raises(ProjectError, match=r"Cannot read .*reports.*Restore it from a backup"):
        execute(verify(project, exported(project, tmp_path / "out", tree)))


def test_a_project_that_one_may_read_alone_is_printed_all_the_same(
    project: Project, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    job = print_report(project, tmp_path / "a.pdf")
    folder = project.cycle.folder / REGISTER
    shutil.rmtree(folder)
    folder.write_bytes(b"")  # nothing can be written below it
    assert job.commit(b"%PDF") == tmp_path / "a.pdf" and (tmp_path / "a.pdf").read_bytes() == b"%PDF"
    assert "nothing records" in caplog.text


def test_the_same_report_recorded_twice_is_one_record(project: Project) -> None:
    record_report(project.cycle.folder, project.report)
    assert len(register(project)) == 1


def test_a_file_that_no_report_has_is_found_though_its_hash_is_listed(
    project: Project, tmp_path: Path
) -> None:
    out = exported(project, tmp_path / "out", certificate_pdf=b"%PDF PASS everywhere")
    (found,) = execute(verify(project, out))
    assert found == "certificate.pdf is none of a report's files, though SHA256SUMS lists it"
