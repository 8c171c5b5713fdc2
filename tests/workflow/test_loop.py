"""The loop as a whole: what each verb needs, what it leaves in the project, and that it can be repeated exactly."""

from __future__ import annotations

import itertools
import shlex
from typing import Any

import numpy as np
import pytest

from voidscope.config import Config
from voidscope.errors import CannotReadFile, ConfigError, NotReady, ProjectError, StaleResult
from voidscope.evaluation import confusion_matrix, iou
from voidscope.jobs import Job, Progress, execute
from voidscope.metrology import Verdict
from voidscope.project import Project, answer_suggestions, import_truth, project_truth
from voidscope.vocabulary import Provenance, SliceKey, Split
from voidscope.volume import Dataset
from voidscope.workflow import add_scans, evaluate, judged, measure, pretrain, segment, suggest, train
from voidscope.workflow.evaluating import truth_hash


@pytest.fixture
def labelled(project: Project, dataset: Dataset) -> Project:
    """The project with two slices of each training scan labelled from the truth."""
    import_truth(project, dataset, [SliceKey(s, i) for s in "ab" for i in (0, 3)])
    return project


@pytest.fixture
def trained(labelled: Project) -> Project:
    """The project after its first cycle."""
    execute(train(labelled))
    return labelled


def finished(job: Job[Any, Any]) -> Any:
    """The result of a job's steps, not committed yet."""
    steps = job.steps()
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def test_the_whole_story_leaves_everything_in_the_project(project: Project, dataset: Dataset) -> None:
    for number in (1, 2):
        picks = execute(suggest(project))
        assert len(picks) == 3
        assert not {p.key for p in picks} & set(project.labels)
        answer_suggestions(project, dataset)
        assert execute(train(project)).number == number
    found = execute(evaluate(project, dataset))
    execute(segment(project))
    report = execute(measure(project))
    again = Project.open(project.path)
    assert [len(c.labelled) for c in again.cycles] == [3, 6]
    assert found.n_labelled == 6
    assert [s.scan for s in report.scans] == ["a", "b", "c"]
    assert again.report is not None
    assert again.report.entry() == report.entry()
    assert (again.report_folder / "report.html").stat().st_size > 1000


def test_before_the_first_training_the_queue_is_random_and_says_so(project: Project) -> None:
    picks = execute(suggest(project))
    assert {p.strategy for p in picks} == {"random"}
    assert all(p.r is None for p in picks)
    assert project.suggestions == picks
    assert all(project.scan(p.key.scan).split is Split.TRAIN for p in picks)


def test_the_same_seed_draws_the_same_queue_and_another_seed_another(project: Project) -> None:
    first = [p.key for p in execute(suggest(project))]
    assert [p.key for p in execute(suggest(project))] == first
    others = [
        [p.key for p in execute(suggest(project, project.config.with_changes([f"seed={s}"])))]
        for s in (1, 2, 3)
    ]
    assert any(o != first for o in others)


def test_two_trainings_with_one_seed_are_bitwise_equal_and_another_seed_is_not(labelled: Project) -> None:
    first, second = execute(train(labelled)), execute(train(labelled))
    other = execute(train(labelled, labelled.config.with_changes(["seed=1"])))
    assert first.weights() == second.weights()
    assert first.weights() != other.weights()


def test_a_cycle_records_what_an_auditor_asks_for(trained: Project) -> None:
    cycle = trained.cycle
    assert cycle is not None
    assert {
        "created",
        "python",
        "versions",
        "device",
        "threads",
        "precision",
        "scans",
        "labels_sha256",
    } <= set(cycle.provenance)
    assert cycle.provenance["scans"]["a"]["fingerprint"] == trained.scan("a").fingerprint
    assert cycle.provenance["labels_sha256"] == {
        str(k): trained.labels.record(k).sha256 for k in trained.labels
    }
    assert cycle.seed == trained.config.seed
    assert len(cycle.metrics["losses"]) == 3


def test_training_without_labels_says_what_to_do(project: Project) -> None:
    with pytest.raises(NotReady, match="label some"):
        train(project)


def test_labels_of_test_scans_are_not_trained_on(project: Project, dataset: Dataset) -> None:
    import_truth(project, dataset, [SliceKey("c", 0)])
    with pytest.raises(NotReady, match="No slice of a training scan"):
        train(project)


def test_training_on_one_class_is_refused_by_name(project: Project) -> None:
    project.labels.put(SliceKey("a", 0), np.ones((24, 20), np.uint8))
    with pytest.raises(NotReady, match="480 labelled pixels are background; label a second class"):
        train(project)


def test_a_labelled_set_without_void_warns(project: Project, dataset: Dataset) -> None:
    import_truth(project, dataset, [SliceKey("a", 1)])
    cycle = execute(train(project))
    assert any("No void among the labels" in w for w in cycle.metrics["warnings"])
    assert all(np.isfinite(cycle.metrics["losses"]))


def test_a_model_is_asked_once_and_re_ranking_needs_it_no_more(trained: Project) -> None:
    picks = execute(suggest(trained))
    assert all(p.r is not None and p.u is not None and p.d is not None for p in picks)
    assert trained.survey is not None
    assert trained.survey.keys == trained.keys(Split.TRAIN)
    assert trained.cycle is not None
    trained.cycle.weights_path.unlink()
    again = execute(suggest(trained, trained.config.with_changes(["suggest.strategy=coreset"])))
    assert {p.strategy for p in again} == {"coreset"}


def test_the_survey_counts_the_masks_of_the_same_sweep(trained: Project) -> None:
    execute(suggest(trained))
    survey = trained.survey
    assert survey is not None
    for row, key in enumerate(survey.keys):
        mask = trained.mask(key.scan)
        assert mask is not None
        assert (
            survey.counts[row].tolist()
            == np.bincount(mask[:, key.index, :].ravel(), minlength=5)[1:].tolist()
        )


def test_suggesting_first_and_segmenting_first_give_the_same_masks(trained: Project) -> None:
    execute(segment(trained, ["a"]))
    segmented = trained.mask("a")
    execute(suggest(trained))
    swept = Project.open(trained.path).mask("a")
    assert segmented is not None
    assert swept is not None
    assert (segmented == swept).all()


def test_a_budget_beyond_the_pool_names_both_numbers(labelled: Project) -> None:
    with pytest.raises(ConfigError, match=r"suggest\.budget\) is 9, but only 8"):
        suggest(labelled, labelled.config.with_changes(["suggest.budget=9"]))


def test_suggestions_can_be_limited_to_some_scans(trained: Project) -> None:
    assert {p.key.scan for p in execute(suggest(trained, scans=["b"]))} == {"b"}


def test_the_slice_in_view_is_segmented_first_then_its_neighbours(trained: Project) -> None:
    seen: list[SliceKey] = []

    def note(progress: Progress) -> None:
        if progress.partial is not None:
            seen.append(progress.partial[0])  # type: ignore[index]

    execute(segment(trained, first=SliceKey("b", 4)), note)
    assert [k.index for k in seen[:6]] == [4, 3, 5, 2, 1, 0]
    assert {k.scan for k in seen[:6]} == {"b"}
    assert len(seen) == 18
    assert trained.mask("a") is not None


def test_segmenting_needs_a_model_and_known_scans(labelled: Project) -> None:
    with pytest.raises(NotReady, match="label slices and train first"):
        segment(labelled)
    execute(train(labelled))
    with pytest.raises(ProjectError, match="no scan 'zz'"):
        segment(labelled, ["zz"])


def test_a_result_of_an_older_model_is_refused(trained: Project) -> None:
    job = segment(trained, ["a"])
    result = _drain(job.steps())
    execute(train(trained))
    with pytest.raises(StaleResult, match="no longer the current model"):
        job.commit(result)
    assert trained.mask("a") is None


def test_a_cancelled_job_changes_nothing(trained: Project) -> None:
    before = sorted(p.name for p in trained.path.rglob("*"))
    steps = train(trained).steps()
    for _ in range(3):
        next(steps)
    steps.close()
    assert sorted(p.name for p in trained.path.rglob("*")) == before


def test_measuring_needs_masks_and_a_spacing(trained: Project, dataset: Dataset) -> None:
    with pytest.raises(NotReady, match=r"Not segmented.*Run segment first"):
        measure(trained)
    execute(segment(trained, ["a"]))
    with pytest.raises(NotReady, match=r"Not segmented.*: b"):
        measure(trained, ["a", "b"])
    assert [s.scan for s in execute(measure(trained, ["a"])).scans] == ["a"]


def test_a_scan_without_spacing_cannot_be_measured(trained: Project, dataset: Dataset) -> None:
    raw = dataset.folder.parent / "raw.npy"
    np.save(raw, np.asarray(trained.volume("a").voxels[:]))
    execute(add_scans(trained, [raw]))
    execute(segment(trained, ["raw"]))
    with pytest.raises(NotReady, match=r"raw has no spacing.*--spacing Z,Y,X"):
        measure(trained, ["raw"])


def test_the_measured_ratio_is_the_masks(trained: Project) -> None:
    execute(segment(trained, ["a"]))
    mask = trained.mask("a")
    assert mask is not None
    (found,) = execute(measure(trained, ["a"])).scans
    foreground = int((mask > 1).sum())
    expected = float((mask == 4).sum() / foreground) if foreground else None
    assert found.entry()["void_over_foreground"] == pytest.approx(expected)


def test_evaluation_pools_the_test_scans_at_native_size(trained: Project, dataset: Dataset) -> None:
    found = execute(evaluate(trained, dataset))
    mask = trained.mask("c")
    assert mask is not None
    expected = iou(confusion_matrix(project_truth(trained, dataset, "c"), mask, 4))
    assert found.scans == ("c",)
    assert [found.iou[n] for n in trained.classes.names] == pytest.approx(list(expected), nan_ok=True)
    assert found.miou == pytest.approx(np.nanmean(expected))
    assert found.miou_foreground == pytest.approx(np.nanmean(expected[1:]))


def test_evaluation_without_truth_for_a_test_scan_says_so(trained: Project, dataset: Dataset) -> None:
    (dataset.folder / "c_labels.tif").unlink()
    with pytest.raises(NotReady, match="no truth for a test scan"):
        evaluate(trained, Dataset.open(dataset.folder))


def test_a_model_is_judged_by_the_labels_of_test_scans_where_there_is_no_dataset(
    trained: Project, dataset: Dataset
) -> None:
    with pytest.raises(NotReady, match=r"No test scan of .* has labels"):
        evaluate(trained)
    whole = project_truth(trained, dataset, "c")
    part = np.zeros_like(whole)
    for index, columns in ((1, slice(None)), (4, slice(0, 9))):  # a whole slice and some columns of another
        label = np.zeros_like(whole[:, index])
        label[:, columns] = part[:, index, columns] = whole[:, index, columns]
        trained.labels.put(SliceKey("c", index), label, Provenance.DRAWN)
    n_trained = len(trained.cycle.labelled) if trained.cycle else 0
    found = execute(evaluate(trained))
    mask = trained.mask("c")
    assert mask is not None
    expected = iou(confusion_matrix(part, mask, 4))
    assert (found.scans, found.n_labelled) == (("c",), n_trained)
    assert [found.iou[n] for n in trained.classes.names] == pytest.approx(list(expected), nan_ok=True)
    assert trained.cycle is not None and trained.cycle.evaluation is not None
    assert {k: v for k, v in trained.cycle.evaluation.items() if k != "created"} == {
        "miou": found.miou, "miou_foreground": found.miou_foreground, "iou": found.iou, "scans": ["c"], "truth": "labels",
            "void_recall": found.void_recall,
        "truth_sha256": truth_hash(trained, ["c"]),
    }  # fmt: skip


def test_a_label_that_a_model_proposed_judges_no_model(trained: Project, dataset: Dataset) -> None:
    execute(segment(trained, ["c"]))
    mask, key = trained.mask("c"), SliceKey("c", 1)
    assert mask is not None
    trained.labels.put(key, mask[:, 1], Provenance.ACCEPTED)
    touched = mask[:, 1].copy()
    touched[0, 0] = 3
    trained.labels.put(key, touched, Provenance.DRAWN)  # one dab makes it no more a person's own
    assert judged(trained) == ()
    with pytest.raises(NotReady, match="are accepted predictions, which judge no model"):
        evaluate(Project.open(trained.path))
    trained.labels.remove(key)
    trained.labels.put(key, project_truth(trained, dataset, "c")[:, 1], Provenance.DRAWN)
    assert judged(trained) == ("c",)


def test_a_model_that_finds_no_voids_on_held_out_scans_gives_no_verdict(trained: Project) -> None:
    execute(segment(trained))
    assert trained.cycle is not None
    judgement = {
        "miou": 0.5,
        "miou_foreground": 0.4,
        "scans": ["c"],
        "truth": "a dataset",
        "truth_sha256": "0",
    }
    for iou_of_void, reviewed in ((0.0, True), (0.19, True), (0.21, False)):
        trained.set_evaluation(trained.cycle.id, judgement | {"iou": {"void": iou_of_void}})
        report = execute(measure(trained))
        assert all(
            (s.verdict is Verdict.REVIEW and "void IoU of" in s.reason) is reviewed for s in report.scans
        )
        assert report.provenance["held_out_void_iou"] == iou_of_void
    lenient = trained.config.with_changes(["measure.min_void_iou=0"])
    trained.set_evaluation(trained.cycle.id, judgement | {"iou": {"void": 0.0}})
    assert all("void IoU" not in s.reason for s in execute(measure(trained, config=lenient)).scans)


def test_a_suggestion_of_the_model_before_is_not_kept(labelled: Project) -> None:
    job = suggest(labelled)
    result = finished(job)
    execute(train(labelled))
    with pytest.raises(StaleResult, match="the queue was not kept"):
        job.commit(result)
    assert labelled.suggestions == ()


def test_a_slice_labelled_meanwhile_leaves_the_queue(labelled: Project) -> None:
    job = suggest(labelled)
    result = finished(job)
    taken = result.suggestions[0].key
    labelled.labels.put(taken, np.ones(labelled.slice_shape(taken), np.uint8))
    assert taken not in [s.key for s in job.commit(result)] == [s.key for s in result.suggestions[1:]]


def test_what_was_segmented_by_the_model_before_is_not_called_segmented(trained: Project) -> None:
    execute(segment(trained, ["a"]))
    job = segment(trained, ["a"])  # nothing to do
    result = finished(job)
    execute(train(trained))
    with pytest.raises(StaleResult):
        job.commit(result)


def test_a_report_is_by_a_command_that_names_its_scans_and_whole_recipe(trained: Project) -> None:
    execute(segment(trained))
    report = execute(measure(trained, ["b"], trained.config.with_changes(["measure.limit=0.03"])))
    command = shlex.split(report.provenance["command"])
    assert [b for a, b in itertools.pairwise(command) if a == "--scan"] == ["b"]
    words = [b for a, b in itertools.pairwise(command) if a == "--set"]
    assert Config().with_changes(words).measure == report.scans[0].recipe
    assert report.provenance["not_measured"] == ["a", "c"]


def test_scans_that_are_not_segmented_are_named_before_any_is_measured(trained: Project) -> None:
    execute(segment(trained, ["b"]))
    with pytest.raises(NotReady, match=r"2 of 3 scans: a, c\. Run segment first"):
        measure(trained)


def test_pretraining_is_the_start_of_the_next_training(labelled: Project) -> None:
    plain = execute(train(labelled))
    weights = execute(pretrain(labelled))
    pretrained = execute(train(labelled))
    assert weights.is_file()
    assert plain.provenance["initial_weights"] != pretrained.provenance["initial_weights"] == "contrastive"
    assert plain.weights() != pretrained.weights()


def test_a_killed_pretraining_resumes_to_the_same_weights(project: Project) -> None:
    whole = execute(pretrain(project)).read_bytes()
    project.pretrained_path.unlink()
    for state in project.path.glob("pretrained/state*"):
        state.unlink()
    steps = pretrain(project).steps()
    while not list(project.path.glob("pretrained/state*")):
        next(steps)
    steps.close()
    assert execute(pretrain(project)).read_bytes() == whole


def test_contrastive_weights_must_exist_when_asked_for(labelled: Project) -> None:
    with pytest.raises(NotReady, match="run pretrain first"):
        train(labelled, labelled.config.with_changes(["model.initialisation=contrastive"]))


def test_one_bad_file_and_no_scan_is_added(project: Project, dataset: Dataset) -> None:
    bad = dataset.folder / "bad.txm"
    bad.write_text("not a scan")
    good = dataset.folder.parent / "good.npy"
    np.save(good, np.arange(24.0).reshape(2, 3, 4))
    with pytest.raises(CannotReadFile, match=r"bad\.txm"):
        execute(add_scans(project, [good, bad]))
    assert list(project.scans) == ["a", "b", "c"]


def _drain(steps: object) -> object:
    while True:
        try:
            next(steps)  # type: ignore[call-overload]
        except StopIteration as end:
            return end.value


def test_a_model_that_was_never_shown_a_void_signs_nothing(project: Project) -> None:
    """PASS with 0 % void means nothing when void was in no label."""
    for index in (1, 3, 5):
        truth = np.ones((24, 20), np.uint8)
        truth[5:12, 4:16], truth[12:20, 4:16] = 3, 2
        project.labels.put(SliceKey("a", index), truth)
    cycle = execute(train(project))
    execute(segment(project, ["a"]))
    report = execute(measure(project, ["a"]))
    (found,) = report.scans
    assert found.verdict is Verdict.REVIEW
    assert f"cycle {cycle.number} learnt from 3 slices without any labelled void" in found.reason
    assert "No void among the labels" in report.provenance["warnings"][0]
    assert found.n_voxels["void"] == 0
