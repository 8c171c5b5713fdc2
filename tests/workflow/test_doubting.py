"""A report is held to what its model was judged as, and put in force as, when it was made: nothing later, nothing that was never found."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from builders import add_cycle, set_prediction
from voidscope.jobs import execute
from voidscope.metrology import Report, Verdict, sight_in_words
from voidscope.project import Project, export_report, import_truth, project_truth, report_files
from voidscope.project.masks import hash_path
from voidscope.project.results import read_pictures, write_evaluation
from voidscope.vocabulary import Plane, SliceKey
from voidscope.volume import Dataset, read_label_file, tiff_bytes
from voidscope.workflow import changes, evaluate, measure, promote, restore, verify
from voidscope.workflow.recording import report_id


def later() -> None:
    """Wait for a later second: what is kept tells no smaller time."""
    time.sleep(1.1)


def with_model(project: Project, dataset: Dataset) -> None:
    """A new cycle that has segmented all scans as they are."""
    add_cycle(project)
    for scan in project.scans:
        mask = project_truth(project, dataset, scan)
        set_prediction(project, project.cycle.id, scan, mask, np.zeros(mask.shape, np.float16))


def test_a_report_verifies_after_its_model_was_put_in_force_again(project: Project, dataset: Dataset) -> None:
    with_model(project, dataset)
    execute(promote(project, dataset, note="first"))
    with_model(project, dataset)
    execute(evaluate(project, dataset))
    execute(promote(project, dataset, note="second"))
    execute(measure(project))
    assert execute(verify(project)) == ()
    later()
    execute(promote(project, dataset, note="again, on more labels"))
    again = Project.open(project.path)
    assert execute(verify(again)) == ()
    assert [p["note"] for p in again.cycle.promotions] == ["second", "again, on more labels"]
    assert again.cycle.promotion["note"] == "again, on more labels"


def test_what_an_older_version_kept_alone_is_the_first_of_its_history(
    project: Project, dataset: Dataset
) -> None:
    with_model(project, dataset)
    execute(evaluate(project, dataset))
    execute(promote(project, dataset, note="old"))
    for name in ("evaluation.json", "promotion.json"):
        path = project.cycle.folder / name
        tree = json.loads(path.read_text())
        assert tree.pop("before") == []
        path.write_text(json.dumps(tree))
    old = project.cycle.evaluation
    assert project.cycle.evaluations == (old,) and "before" not in old
    execute(evaluate(project, dataset))
    execute(promote(project, dataset, note="new"))
    assert project.cycle.evaluations == (old, project.cycle.evaluation)
    assert [p["note"] for p in project.cycle.promotions] == ["old", "new"]


def claiming(project: Project, folder: Path, evaluation: Mapping[str, Any]) -> Path:
    """The last report as if its model had been judged so: its facts, its verdicts, its pages, its hashes and its ID."""
    told = json.loads(project.report.json())
    facts = told["provenance"]
    facts["held_out_void_iou"] = evaluation["iou"]["void"]
    named = {"mIoU": "miou", "void recall": "void_recall", "IoU": "iou", "scans": "scans", "date": "created"}
    facts["model_record"].update({f"validation {said}": evaluation[n] for said, n in named.items()})
    facts["warnings"] = [sight_in_words(facts["model_record"], ())]
    for scan in told["scans"]:
        for one in (scan, *scan["bumps"]):
            one["verdict"], one["reason"] = "PASS", one["reason"].split("; cycle 1 was judged")[0]
    facts["report_id"] = report_id(facts)
    pictures = read_pictures(project.report_folder, Report.from_entry(told))
    export_report(folder, report_files(Report.from_entry(told), pictures))
    return folder


GOOD: Mapping[str, Any] = {
    "miou": 0.95, "miou_foreground": 0.95, "void_recall": 0.97, "scans": ["c"], "truth": "labels", "truth_sha256": "0" * 64,
    "iou": {"background": 0.99, "copper_pillar": 0.95, "solder": 0.94, "void": 0.93, "copper_pad": None}, "created": "2020-01-01T00:00:00+00:00",
}  # fmt: skip


@pytest.mark.parametrize("afterwards", ["a training label", "a test label", "an evaluation"])
def test_a_figure_that_was_never_found_is_told_whatever_came_later(
    project: Project, dataset: Dataset, tmp_path: Path, afterwards: str
) -> None:
    with_model(project, dataset)
    report = execute(measure(project))
    assert Verdict.PASS not in {s.verdict for s in report.scans}
    claim = claiming(project, tmp_path / "out", GOOD)
    later()
    import_truth(project, dataset, [SliceKey("a" if afterwards == "a training label" else "c", 0)])
    if afterwards == "an evaluation":
        execute(evaluate(project))
        claim = claiming(project, tmp_path / "again", project.cycle.evaluation)
    found = execute(verify(project, claim))
    assert any(line.startswith("held_out_void_iou was") for line in found), found
    assert any(": verdict is PASS in the report, measured anew REVIEW" in line for line in found), found


@pytest.mark.parametrize("dataset", [2], indirect=True)
def test_of_two_evaluations_the_newest_before_the_report_counts(
    project: Project, dataset: Dataset, tmp_path: Path
) -> None:
    with_model(project, dataset)
    write_evaluation(project.cycle.folder, GOOD)
    import_truth(project, dataset, [SliceKey("c", 2)])
    execute(evaluate(project))
    now = project.cycle.evaluation
    execute(measure(project))
    later()
    import_truth(project, dataset, [SliceKey("c", 4)])
    assert execute(verify(project)) == ()
    assert execute(verify(project, claiming(project, tmp_path / "same", now))) == ()
    found = execute(verify(project, claiming(project, tmp_path / "out", GOOD)))
    assert {"held_out_void_iou", "model_record"} <= {line.split(" ")[0] for line in found}


def test_a_report_verifies_after_its_model_was_judged_by_more_labels(
    project: Project, dataset: Dataset
) -> None:
    with_model(project, dataset)
    import_truth(project, dataset, [SliceKey("c", 0)])
    execute(measure(project))  # judged by nobody yet
    assert execute(verify(project)) == ()
    later()
    execute(evaluate(project))
    assert execute(verify(project)) == ()
    report = execute(measure(project))
    assert report.provenance["held_out_void_iou"] == 1
    later()
    import_truth(project, dataset, [SliceKey("c", 2)])
    execute(evaluate(project))
    assert execute(verify(Project.open(project.path))) == ()
    import_truth(project, dataset, [SliceKey("c", 1)])
    execute(measure(project))  # the evaluation is by fewer labels
    later()
    execute(evaluate(project))
    assert execute(verify(project)) == ()


@pytest.mark.parametrize("dataset", [2], indirect=True)
def test_changes_from_a_model_that_nobody_judged_say_so(project: Project, dataset: Dataset) -> None:
    with_model(project, dataset)
    with_model(project, dataset)
    import_truth(project, dataset, [SliceKey("c", 2)])
    execute(evaluate(project))
    found = execute(changes(project, cycles=(1, 2)))
    assert (
        found.summary()["verdict_flips"] == {"REVIEW -> PASS": 3} and found.summary()["flips_by_doubt"] == 3
    )
    assert list(found.doubts) == ["cycle 1"]
    page = (project.path / "changes" / "changes.html").read_text()
    assert "nobody knows what it misses" in page and "not of the parts" in page


@pytest.mark.parametrize("dataset", [2], indirect=True)
def test_no_ratio_passes_that_would_not_at_the_recall_of_its_model(
    project: Project, dataset: Dataset, tmp_path: Path
) -> None:
    with_model(project, dataset)
    execute(evaluate(project, dataset))
    ratio = max(s.ratio or 0 for s in execute(measure(project)).scans)
    config = project.config.with_changes([f"measure.limit={1.2 * ratio}"])
    assert {s.verdict for s in execute(measure(project, config=config)).scans} == {Verdict.PASS}
    with_model(project, dataset)
    write_evaluation(project.cycle.folder, {**GOOD, "truth": "elsewhere", "void_recall": 0.75})
    report = execute(measure(project, config=config))
    for scan in report.scans:
        assert (
            scan.verdict is Verdict.REVIEW
            and "finds 75 % of the held-out void; at that recall" in scan.reason
        )
    assert [b.measured.verdict for s in report.scans for b in s.bumps] == [Verdict.REVIEW] * 3
    told = "The model finds 75 % of the labelled void of c; what it misses is in no figure of this report."
    assert report.provenance["warnings"] == [told] == report.sight()
    assert told in report.text() and told in report.html() and told in report.print_html()
    assert execute(verify(project)) == ()
    found = execute(changes(project, cycles=(1, 2), config=config))
    assert (found.summary()["verdict_flips"], found.summary()["flips_by_doubt"]) == ({"PASS -> REVIEW": 3}, 3)
    assert found.doubts == {
        "cycle 2": "the model finds 75 % of the held-out void, and no limit on void is kept that would not be at that recall"
    }
    write_evaluation(project.cycle.folder, {**GOOD, "truth": "elsewhere", "void_recall": 0.9})
    assert {s.verdict for s in execute(measure(project, config=config)).scans} == {Verdict.PASS}


def edited(project: Project, scan: str) -> None:
    """Another program takes the void out of a mask."""
    path = project.mask_path(scan)
    ids = read_label_file(path)
    ids[ids == 3] = 2
    path.write_bytes(tiff_bytes(ids, project.scan(scan).spacing_um))


def masks_in_words(report: Report) -> str:
    return str(report.provenance["edits_after_training"]["edits"])


@pytest.mark.parametrize("dataset", [2], indirect=True)
def test_no_verdict_comes_of_a_mask_that_another_program_has_changed(
    project: Project, dataset: Dataset
) -> None:
    project.set_config(project.config.with_changes(["measure.limit=0.02"]))
    with_model(project, dataset)
    execute(evaluate(project, dataset))
    first = execute(measure(project))
    assert {s.verdict for s in first.scans} == {Verdict.FAIL}
    assert masks_in_words(first).endswith("masks changed outside voidscope give no verdict")
    edited(project, "a")
    report = execute(measure(Project.open(project.path)))
    one, *others = report.scans
    assert (one.scan, one.ratio, one.verdict) == ("a", 0, Verdict.REVIEW)
    assert [b.measured.verdict for b in one.bumps] == [Verdict.REVIEW]
    assert one.reason.startswith(
        "the mask of a is not the one that cycle 1 made, for it was changed outside voidscope"
    )
    assert "--mask cycles/0001/masks/a.tif" in one.reason and str(project.path) not in one.reason
    assert {s.verdict for s in others} == {Verdict.FAIL}
    assert execute(verify(project)) == ()
    mask = project_truth(project, dataset, "a")
    set_prediction(project, project.cycle.id, "a", mask, np.zeros(mask.shape, np.float16))
    assert {s.verdict for s in execute(measure(project)).scans} == {Verdict.FAIL}


def test_a_mask_whose_hash_nobody_kept_is_measured_as_it_is_and_that_is_said(
    project: Project, dataset: Dataset
) -> None:
    with_model(project, dataset)
    kept = hash_path(project.cycle.folder, "a")
    assert kept.read_text().strip() == execute(measure(project)).provenance["masks_sha256"]["a"]
    kept.unlink()  # as of an older version
    edited(project, "a")
    report = execute(measure(project))
    assert "changed outside" not in report.scans[0].reason
    assert masks_in_words(report).endswith("masks changed outside voidscope are not recognised")


def test_what_voidscope_itself_does_to_a_mask_leaves_its_hash_true(
    project: Project, dataset: Dataset
) -> None:
    with_model(project, dataset)
    project.set_spacing("a", (2.0, 3.0, 4.0))
    assert "changed outside" not in execute(measure(project)).scans[0].reason
    restore(project, 1)
    assert hash_path(project.cycle.folder, "b").is_file()
    edited(project, "b")
    found = {s.scan: s.reason for s in execute(measure(project)).scans}
    assert ["changed outside" in found[name] for name in "ab"] == [False, True]
    other = next(p for p in Plane if p is not project.scan("b").plane)
    project.add([project.scan("b").model_copy(update={"plane": other})])
    assert not hash_path(project.cycle.folder, "b").exists()
