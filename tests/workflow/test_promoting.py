"""A model in force is not replaced by one that finds less void, unless somebody says why."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from builders import add_cycle, set_prediction
from voidscope.errors import NotReady, Refused
from voidscope.jobs import execute
from voidscope.metrology import Verdict, recipe_sha256
from voidscope.project import Project, import_truth, project_truth
from voidscope.vocabulary import Mask, SliceKey
from voidscope.volume import Dataset
from voidscope.workflow import add_dataset, changes, evaluate, in_force, measure, promote, restore


@pytest.fixture
def project(project: Project) -> Project:
    """Held to a limit that the true void is above."""
    project.set_config(project.config.with_changes(["measure.limit=0.02"]))
    return project


def truth(project: Project, dataset: Dataset, scan: str = "c") -> Mask:
    return project_truth(project, dataset, scan)


def segmented(project: Project, dataset: Dataset, share: float) -> None:
    """A new cycle that finds this share of the void of every scan."""
    add_cycle(project)
    void = project.classes.id_of("void")
    for scan in project.scans:
        mask = truth(project, dataset, scan).copy()
        where = np.flatnonzero(mask == void)
        mask.flat[where[: round((1 - share) * len(where))]] = project.classes.id_of("solder")
        set_prediction(project, project.cycle.id, scan, mask, np.zeros(mask.shape, np.float16))


def test_the_first_model_is_promoted_with_the_recall_it_has(project: Project, dataset: Dataset) -> None:
    segmented(project, dataset, 0.75)
    found = execute(promote(project, dataset))
    assert (found.cycle, found.against, found.recall, found.scans) == (1, None, 0.75, ("c",))
    assert in_force(project) == project.cycle
    kept = json.loads((project.cycle.folder / "promotion.json").read_text())
    assert (kept["recall"], kept["note"]) == (0.75, "")


def test_a_drop_is_refused_and_nothing_changes(project: Project, dataset: Dataset) -> None:
    segmented(project, dataset, 0.75)
    execute(promote(project, dataset))
    segmented(project, dataset, 0.5)
    with pytest.raises(
        Refused, match=r"Cycle 2 finds 50\.0 % .* cycle 1, which is in force, 75\.0 %\. .*--note TEXT"
    ):
        execute(promote(project, dataset))
    assert project.cycle.promotion is None and in_force(project).number == 1


def test_a_model_that_finds_no_void_is_put_in_force_by_a_note_alone(
    project: Project, dataset: Dataset
) -> None:
    segmented(project, dataset, 0.0)
    with pytest.raises(Refused, match=r"Cycle 1 finds none of the held-out void\. .*--note TEXT"):
        execute(promote(project, dataset))
    assert project.cycle.promotion is None and in_force(project) is None
    assert execute(promote(project, dataset, "to see the rest")).recall == 0


def test_where_test_scans_show_no_void_it_is_theirs_that_is_to_be_labelled(
    project: Project, dataset: Dataset
) -> None:
    segmented(project, dataset, 0.75)
    import_truth(project, dataset, [SliceKey("c", 1)])  # which shows no void
    with pytest.raises(
        Refused, match=r"show no void.* Label slices of a test scan that show void"
    ) as refused:
        execute(promote(project))
    assert "train again" not in str(refused.value)


def test_a_note_overrides_and_stays_with_the_cycle(project: Project, dataset: Dataset) -> None:
    segmented(project, dataset, 0.75)
    execute(promote(project, dataset))
    segmented(project, dataset, 0.5)
    found = execute(promote(project, dataset, "customer wants fewer false alarms"))
    assert (found.recall, found.recall_before, found.against) == (0.5, 0.75, 1)
    again = Project.open(project.path)
    assert in_force(again).number == 2
    assert again.cycle.promotion["note"] == "customer wants fewer false alarms"
    report = execute(measure(again))
    assert report.provenance["promotion"]["note"] == "customer wants fewer false alarms"


def test_a_better_one_takes_over_and_an_equal_one_may(project: Project, dataset: Dataset) -> None:
    for share in (0.5, 0.75, 0.75):
        segmented(project, dataset, share)
        execute(promote(project, dataset))
    assert in_force(project).number == 3


def test_a_model_that_is_not_in_force_gives_no_verdict(project: Project, dataset: Dataset) -> None:
    segmented(project, dataset, 0.75)
    assert {s.verdict for s in execute(measure(project)).scans} == {Verdict.FAIL}  # nobody promotes here yet
    execute(promote(project, dataset))
    segmented(project, dataset, 0.5)
    report = execute(measure(project))
    assert {s.verdict for s in report.scans} | {
        b.measured.verdict for s in report.scans for b in s.bumps
    } == {Verdict.REVIEW}
    assert "is not in force, cycle 1 is" in report.scans[0].reason
    restore(project, 1)
    assert {s.verdict for s in execute(measure(project)).scans} == {Verdict.FAIL}  # its promotion went along


def test_going_back_to_a_model_that_was_superseded_does_not_put_it_in_force_again(
    project: Project, dataset: Dataset
) -> None:
    for share in (0.5, 0.75):
        segmented(project, dataset, share)
        execute(promote(project, dataset))
    restore(project, 1)
    assert in_force(project).number == 2
    report = execute(measure(project))
    assert "is not in force, cycle 2 is" in report.scans[0].reason


def with_two_judges(project: Project, dataset: Dataset) -> Dataset:
    """The dataset with b as a test scan too."""
    path = dataset.folder / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"test": ["b", "c"]}))
    found = Dataset.open(dataset.folder)
    execute(add_dataset(project, found))
    return found


def test_a_model_cannot_choose_the_scans_it_is_judged_by(project: Project, dataset: Dataset) -> None:
    dataset = with_two_judges(project, dataset)
    segmented(project, dataset, 0.75)
    assert execute(promote(project, dataset)).scans == ("b", "c")
    add_cycle(project)
    mask = truth(project, dataset)
    set_prediction(project, project.cycle.id, "c", mask, np.zeros(mask.shape, np.float16))
    with pytest.raises(NotReady, match=r"judged by b, which cycle 2 has not segmented\. .* --scan b\."):
        promote(project, dataset)
    assert execute(promote(project, dataset, "b was crushed")).scans == ("c",)


def test_without_anything_to_judge_by_only_a_note_promotes(project: Project, dataset: Dataset) -> None:
    with pytest.raises(NotReady, match="no trained model"):
        promote(project)
    add_cycle(project)
    with pytest.raises(NotReady, match="Evaluate first"):
        promote(project, dataset)
    found = execute(promote(project, dataset, "judged by eye"))
    assert (found.recall, found.scans, found.note) == (None, (), "judged by eye")


@pytest.mark.parametrize("dataset", [2], indirect=True)
def test_what_changed_between_two_cycles_is_measured_by_one_recipe_and_kept(
    project: Project, dataset: Dataset
) -> None:
    project.set_config(project.config.with_changes(["measure.unjudged_accepted=this test"]))
    segmented(project, dataset, 1.0)
    segmented(project, dataset, 0.0)
    found = execute(changes(project, cycles=(1, 2)))
    assert found.summary()["verdict_flips"] == {"FAIL -> PASS": 3}
    assert set(found.scores) == {"cycle 1", "cycle 2"}
    told = json.loads((project.path / "changes" / "changes.json").read_text())
    assert told["before"] == "cycle 1" and len(told["bumps"]) == 3
    page = (project.path / "changes" / "changes.html").read_text()
    assert page.count("data:image/png") == 6


def test_what_changed_says_the_verdicts_that_the_report_says(project: Project, dataset: Dataset) -> None:
    segmented(project, dataset, 1.0)
    execute(promote(project, dataset))
    segmented(project, dataset, 0.0)
    told = {s.verdict.value for s in execute(measure(project)).scans}
    found = execute(changes(project, cycles=(1, 2)))
    assert told == {"REVIEW"} == {row.verdicts[1] for row in found.rows}
    assert found.summary()["verdict_flips"] == {"FAIL -> REVIEW": 3}
    (dataset.folder / "a.tif").write_bytes((dataset.folder / "b.tif").read_bytes())
    found = execute(changes(project, cycles=(1, 2), scans=["a"]))
    assert [row.verdicts for row in found.rows] == [("REVIEW", "REVIEW")]


@pytest.mark.parametrize("dataset", [2], indirect=True)
def test_what_changed_between_two_recipes(project: Project, dataset: Dataset) -> None:
    segmented(project, dataset, 1.0)
    how = project.config.measure.model_copy(update={"unjudged_accepted": "this test"})
    found = execute(
        changes(project, recipes=[("loose", how.model_copy(update={"limit": 0.9})), ("tight", how)])
    )
    assert found.summary()["verdict_flips"] == {"PASS -> FAIL": 3} and found.scores == {}
    assert "loose holds void/foreground at most 90 %, tight void/foreground at most 2 %." in found.text()
    page = (project.path / "changes" / "changes.html").read_text()
    tight, loose = how, how.model_copy(update={"limit": 0.9})
    for said in (
        "at most <b>90\u00a0%</b>", "at most <b>2\u00a0%</b>", recipe_sha256(tight), recipe_sha256(loose), found.provenance["created"],
        project.cycle.weights_sha256, project.scan("b").fingerprint, "<b>tight</b>: The limit is on <b>void/foreground</b>",
        hashlib.sha256(truth(project, dataset, "b").tobytes()).hexdigest(), "Unit of the verdict: the bump",
    ):  # fmt: skip
        assert said in page, said
    told = json.loads((project.path / "changes" / "changes.json").read_text())
    assert [r["limit"] for r in told["recipes"]] == [0.9, 0.02]
    assert [s["scan"] for s in told["provenance"]["scans"]] == ["a", "b", "c"]


def test_between_recipes_of_different_ratios_no_change_of_them_is_told(
    project: Project, dataset: Dataset
) -> None:
    segmented(project, dataset, 1.0)
    one, two = project.config.measure, project.config.measure.model_copy(update={"ratio": "void/solder"})
    found = execute(changes(project, recipes=[("one", one), ("two", two)]))
    assert "the ratios are different ones, so no change of them is told" in found.text()
    page = (project.path / "changes" / "changes.html").read_text()
    assert "void/foreground before</th><th>void/solder after" in page
    assert "<td>void/foreground and void/solder, points</td><td>–</td>" in page


def test_what_cannot_be_compared_is_said(project: Project, dataset: Dataset) -> None:
    segmented(project, dataset, 1.0)
    add_cycle(project)
    with pytest.raises(NotReady, match="segmented by both cycle 1 and cycle 2"):
        changes(project, cycles=(1, 2))
    with pytest.raises(NotReady, match="two cycles or two recipes"):
        changes(project)
    with pytest.raises(Exception, match="no cycle 7; its cycles are 1, 2"):
        changes(project, cycles=(1, 7))


def test_a_model_that_a_dataset_judged_is_promoted_by_naming_it(project: Project, dataset: Dataset) -> None:
    segmented(project, dataset, 1.0)
    with pytest.raises(NotReady, match="Evaluate first"):
        promote(project)
    execute(evaluate(project, dataset))
    with pytest.raises(NotReady) as told:
        promote(project)
    way = f"voidscope promote {project.path} --dataset {dataset.folder}"
    assert f"Cycle 1 was judged by the truth in {dataset.folder}; name it: {way}" in str(told.value)
    assert "Evaluate first" not in str(told.value)
    assert execute(promote(project, dataset)).cycle == 1
