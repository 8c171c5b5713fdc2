"""A model is never judged by labels it has learnt from, whatever the split says today."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from builders import add_cycle, add_scan, set_prediction, write_scan
from voidscope.config import Criterion, MeasureConfig
from voidscope.errors import NotReady
from voidscope.jobs import execute
from voidscope.metrology import Verdict
from voidscope.project import Project, import_truth, project_truth
from voidscope.vocabulary import ClassMap, SliceKey, Split
from voidscope.volume import Dataset, tiff_bytes
from voidscope.workflow import (
    better_before,
    comparing,
    doubts,
    evaluate,
    held_out_void_iou,
    is_trained,
    judged,
    judgement,
    measure,
    promote,
    since,
    to_judge,
    unlike,
)
from voidscope.workflow.doubting import Doubt, Standing, doubt_of


def turned(project: Project, scan: str, split: Split) -> None:
    """Add a scan again with another split."""
    add_scan(project, Path(project.scan(scan).path), split)


@pytest.fixture
def leaky(project: Project, dataset: Dataset) -> Project:
    """A model learnt from scans a and b, whose masks are the truth; b is for testing since, as c always was."""
    import_truth(project, dataset, [SliceKey(s, i) for s in "ab" for i in (0, 3)])
    segmented(project, dataset)
    turned(project, "b", Split.TEST)
    return project


def segmented(project: Project, dataset: Dataset) -> None:
    cycle = add_cycle(project)
    for scan in project.scans:
        mask = project_truth(project, dataset, scan)
        set_prediction(project, cycle.id, scan, mask, np.zeros(mask.shape, np.float16))


def test_a_scan_that_was_learnt_from_is_left_out_when_it_turns_into_a_test_scan(
    leaky: Project, dataset: Dataset
) -> None:
    assert execute(evaluate(leaky, dataset)).scans == ("c",)
    assert execute(promote(leaky, dataset)).scans == ("c",)


def test_where_all_test_scans_were_learnt_from_nothing_is_judged_and_they_are_named(
    leaky: Project, dataset: Dataset
) -> None:
    assert judged(leaky) == ()  # only b among the test scans has labels
    said = r"cycle-0001-\w+ learnt from slices of b.*Train again.*--split test"
    with pytest.raises(NotReady, match=said):
        evaluate(leaky)
    with pytest.raises(NotReady, match=said + ".*--note TEXT"):
        promote(leaky)
    found = execute(promote(leaky, note="looked at by eye"))
    assert (found.scans, found.recall) == ((), None)


def test_a_scan_that_was_learnt_from_and_removed_judges_nothing_under_another_name(
    leaky: Project, tmp_path: Path
) -> None:
    first = leaky.cycle
    assert first is not None
    scans = {n: {"fingerprint": leaky.scan(n).fingerprint} for n in "ab"}
    again = replace(first, number=leaky.next_cycle, provenance={"scans": scans})
    leaky.add_cycle(again, first.weights())
    copy = tmp_path / "renamed.tif"
    shutil.copy(leaky.scan("b").path, copy)
    leaky.remove("b")
    add_scan(leaky, copy, Split.TEST)
    leaky.labels.put(SliceKey("renamed", 0), np.ones((24, 20), np.uint8))
    assert judged(leaky) == ()
    assert not is_trained(leaky)  # nor does the missing scan stop anything


def test_a_model_in_force_that_learnt_from_a_scan_does_not_compete_on_it(
    leaky: Project, dataset: Dataset
) -> None:
    execute(promote(leaky, dataset))
    for key in leaky.labels.of("b"):
        leaky.labels.remove(key)
    segmented(leaky, dataset)  # learnt from a only
    assert execute(evaluate(leaky, dataset)).scans == ("b", "c")
    assert execute(promote(leaky, dataset)).scans == ("c",)


def test_an_evaluation_by_scans_that_were_learnt_from_counts_for_nothing(
    leaky: Project, dataset: Dataset
) -> None:
    told = {"miou": 0.9, "iou": {"void": 0.9}, "scans": ["b"], "truth_sha256": "0"}
    first = leaky.cycle
    assert first is not None
    (first.folder / "evaluation.json").write_text(json.dumps(told))  # as an older version judged it
    assert first.evaluation is None
    for key in leaky.labels.of("b"):
        leaky.labels.remove(key)
    segmented(leaky, dataset)
    assert leaky.cycle is not None
    leaky.set_evaluation(leaky.cycle.id, told | {"iou": {"void": 0.5}})
    assert better_before(leaky) is None


def test_two_models_are_compared_by_scans_that_neither_has_learnt_from(
    project: Project, dataset: Dataset
) -> None:
    import_truth(project, dataset, [SliceKey(s, 0) for s in "ac"])
    add_cycle(project)
    turned(project, "a", Split.TEST)
    project.labels.remove(SliceKey("a", 0))
    add_cycle(project)  # it has learnt nothing of a, but the one before has
    import_truth(project, dataset, [SliceKey("a", 3)])
    assert judged(project) == ("a",)
    basis, keys = comparing._told_by(project, project.cycles)
    assert (basis, keys) == (comparing.LEARNT, ())


def test_a_copy_of_what_was_learnt_from_judges_no_model(
    project: Project, dataset: Dataset, tmp_path: Path
) -> None:
    copy = tmp_path / "again.tif"
    copy.write_bytes(Path(project.scan("a").path).read_bytes())
    add_scan(project, copy, Split.TEST)
    assert "same data as a" in doubts(project, "again")[0] and doubts(project, "b") == ()
    import_truth(project, dataset, [SliceKey("a", 0)])
    segmented_all(project)
    project.labels.put(SliceKey("again", 0), np.ones((24, 20), np.uint8))
    assert judged(project) == ()
    with pytest.raises(NotReady, match="same data under another name"):
        evaluate(project)


def segmented_all(project: Project) -> None:
    """A cycle with a mask of every scan."""
    cycle = add_cycle(project)
    for scan in project.scans:
        shape = project.scan(scan).shape
        set_prediction(project, cycle.id, scan, np.ones(shape, np.uint8), np.zeros(shape, np.float16))


def test_an_evaluation_by_other_labels_than_there_are_now_says_nothing(
    project: Project, dataset: Dataset
) -> None:
    import_truth(project, dataset, [SliceKey("a", 0)])
    segmented_all(project)  # all background: no void is found
    import_truth(project, dataset, [SliceKey("c", 1)])
    assert project.cycle is not None
    assert to_judge(project)
    execute(evaluate(project))
    assert not to_judge(project)
    found = judgement(project, project.cycle)
    assert found is not None and unlike(project) == ()
    assert judgement(Project.open(project.path), project.cycle) == found
    lenient = project.config.with_changes(["measure.min_void_iou=0"])
    before = execute(measure(project, config=lenient))
    project.set_config(lenient)
    assert since(project, before, before.scans[0]) == ""
    import_truth(project, dataset, [SliceKey("c", 0)])  # one that shows void
    assert judgement(project, project.cycle) is None and to_judge(project)
    assert unlike(project) == (project.cycle,)
    execute(evaluate(project))
    assert held_out_void_iou(project, project.cycle) == 0
    assert "judged" in since(project, before, before.scans[0])
    project.set_config(lenient.with_changes(["measure.min_void_iou=0.2"]))
    assert execute(measure(project)).scans[0].verdict is Verdict.REVIEW


def test_a_report_tells_of_a_scan_that_came_later(project: Project, dataset: Dataset, tmp_path: Path) -> None:
    segmented_all(project)
    report = execute(measure(project))
    assert since(project, report, report.scans[0]) == ""
    add_scan(project, write_scan(tmp_path / "late.tif", 9))
    assert since(project, report, report.scans[0]) == "Measured before late came in"


def test_projections_are_taken_in_with_a_warning_and_give_no_verdict(project: Project) -> None:
    assert doubts(project, "a") == ()
    record = project.scan("a").model_copy(update={"format": "zeiss-txrm"})
    project._take_in([record])
    assert "X-ray projections" in doubts(project, "a")[0]
    segmented_all(project)
    found = {s.scan: s for s in execute(measure(project)).scans}
    assert found["a"].verdict is Verdict.REVIEW and "projections" in found["a"].reason
    assert "projections" not in found["b"].reason


def test_a_length_of_a_class_the_model_hardly_knows_is_for_review(project: Project) -> None:
    from voidscope.workflow.doubting import _blind

    cycle = add_cycle(project)
    iou = {"copper_pillar": 0.9, "solder": 0.9, "copper_pad": 0.1, "void": 0.8}
    kept = {"miou": 0.7, "iou": iou, "scans": ["c"]}
    (cycle.folder / "evaluation.json").write_text(json.dumps(kept))
    hbm = ClassMap.hbm()

    def doubt(*measures: str) -> str:
        criteria = tuple(Criterion(measure=m, at_most=1) for m in measures)
        measured = project.config.measure.model_copy(update={"criteria": criteria})
        return _blind(project.cycle, hbm, measured, 0.8, iou)

    assert doubt() == doubt("void_count", "pillar_width_um", "solder_protrusion_um") == ""
    assert "IoU of 0.100 for copper_pad" in doubt("pillar_width_um", "pad_misalignment_um")
    assert "blt_um depends on it" in doubt("blt_um")


def test_a_length_of_a_class_that_nobody_judged_passes_nothing(project: Project) -> None:
    hbm, iou = ClassMap.hbm(), {"copper_pillar": 0.9, "solder": 0.9, "copper_pad": None, "void": 0.8}
    known = Standing({"iou": iou, "scans": ["c"]}, None, "")

    def doubt(*measures: str, accepted: str = "", **metrics: object) -> Doubt:
        criteria = tuple(Criterion(measure=m, at_most=1) for m in measures)
        recipe = MeasureConfig(criteria=criteria, unjudged_accepted=accepted)
        cycle = add_cycle(project)
        return doubt_of(replace(cycle, metrics={**cycle.metrics, **metrics}), hbm, recipe, known)

    assert doubt() == doubt("pillar_width_um", "solder_protrusion_um", "void_count") == Doubt()
    found = doubt("pillar_width_um", "blt_um")
    assert found.of_pass and "judged on no labelled copper_pad" in found.reason
    assert "blt_um depends on it" in found.reason
    assert doubt("blt_um", accepted="Ann Lee, memo 12") == Doubt()
    assert doubt("blt_um", class_weights={"copper_pad": 0.0}) == Doubt()  # a part without pads
    assert doubt("blt_um", class_weights={"copper_pad": 0.4}).of_pass


@pytest.mark.parametrize("dataset", [2], indirect=True)
def test_a_model_nobody_has_judged_fails_parts_but_passes_none(project: Project, dataset: Dataset) -> None:
    segmented_all(project)  # no void anywhere
    cycle = project.cycle
    assert cycle is not None
    shape, bad = project.scan("b").shape, project_truth(project, dataset, "b").copy()
    set_prediction(project, cycle.id, "b", bad, np.zeros(shape, np.float16))
    project.set_config(
        project.config.with_changes(["measure.min_void_iou=0", "measure.unit=scan", "measure.limit=0.02"])
    )
    report = execute(measure(project))
    found = {s.scan: s for s in report.scans}
    assert found["b"].verdict is Verdict.FAIL
    bad[bad == 4] = 3
    set_prediction(project, cycle.id, "b", bad, np.zeros(shape, np.float16))
    found = {s.scan: s for s in execute(measure(project)).scans}
    assert found["b"].verdict is Verdict.REVIEW
    assert found["b"].reason.startswith("void/foreground = 0 % is within the limit 2 %")
    assert "; cycle 1 was judged on no labelled void that it had not learnt from" in found["b"].reason
    accepting = project.config.with_changes(["measure.unjudged_accepted=Ann Lee, memo 12"])
    report = execute(measure(project, config=accepting))
    assert {s.scan: s.verdict for s in report.scans}["b"] is Verdict.PASS
    assert (
        "accepts that: Ann Lee, memo 12" in report.html()
        and "accepts that: Ann Lee, memo 12" in report.text()
    )
    import_truth(project, dataset, [SliceKey("c", 3)])  # a test scan's slice, but it shows no void
    execute(evaluate(project))
    assert {s.scan: s.verdict for s in execute(measure(project)).scans}["b"] is Verdict.REVIEW
    import_truth(project, dataset, [SliceKey("c", 2)])
    execute(evaluate(project))  # judged now, and blind
    found = {s.scan: s for s in execute(measure(project)).scans}
    assert found["b"].verdict is Verdict.REVIEW and "finds none of the held-out void" in found["b"].reason


def test_a_blank_accepts_no_model() -> None:
    assert MeasureConfig(unjudged_accepted=" \n").unjudged_accepted == ""


def test_slices_left_out_of_a_folder_are_told(project: Project, tmp_path: Path) -> None:
    folder = tmp_path / "gappy"
    folder.mkdir()
    for k in (1, 2, 5):
        plane = np.random.default_rng(k).integers(0, 60_000, (1, 20, 24), dtype=np.uint16)
        (folder / f"s{k}.tif").write_bytes(tiff_bytes(plane, None))
    add_scan(project, folder)
    assert "missing between s2.tif and s5.tif" in doubts(project, "gappy")[0]
    for k in (3, 4):
        shutil.copy(folder / "s2.tif", folder / f"s{k}.tif")
    project.remove("gappy")
    add_scan(project, folder)
    assert doubts(project, "gappy") == ()
