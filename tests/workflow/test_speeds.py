"""Three speeds of learning on a project: the same numbers in a process of its own, warm cycles, quick looks, and which is worse."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from voidscope import Dataset, answer_suggestions, execute, suggest, train
from voidscope.errors import JobFailed, NotReady, ProjectError
from voidscope.jobs import Progress
from voidscope.model import Segmenter
from voidscope.project import Cycle, Project, project_truth
from voidscope.vocabulary import Provenance, SliceKey, Split
from voidscope.volume import slice_index
from voidscope.workflow import (
    Comparison,
    Glances,
    compare_models,
    comparison_of,
    held_out_void_iou,
    in_question,
    is_trained,
    judge_all,
    keep_model,
    progress,
    restore,
)
from voidscope.workflow.succeeding import LEARNT, SUCCEEDS, UNSEEN, predecessor


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Bitwise equality is per number of threads: here and in the other process."""
    threads, told = torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS")
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"
    yield
    torch.set_num_threads(threads)
    os.environ.pop("OMP_NUM_THREADS") if told is None else os.environ.update(OMP_NUM_THREADS=told)


@pytest.fixture
def labelled(project: Project, dataset: Dataset) -> Project:
    """Three slices labelled."""
    execute(suggest(project))
    answer_suggestions(project, dataset)
    return project


@pytest.fixture
def trained(labelled: Project) -> Project:
    """And a first cycle."""
    execute(train(labelled))
    return labelled


def add_cycle(project: Project, weights: bytes, **said: object) -> Cycle:
    """A cycle that learnt the labels of now, whose weights only the loader of `able` understands."""
    keys = tuple(k for k in project.labels if project.scan(k.scan).split is Split.TRAIN)
    learnt = {str(k): project.labels.record(k).sha256 for k in keys}
    metrics = {"losses": [1.0], "seconds": 1.0, "warnings": []}
    digest, dumped = hashlib.sha256(weights).hexdigest(), project.config.model_dump(mode="json")
    cycle = Cycle(
        project.next_cycle, keys, 0, digest, metrics, {"labels_sha256": learnt} | said, dumped, (0.0, 1.0)
    )  # fmt: skip
    return project.add_cycle(cycle, weights)


def thresholding(project: Project, dataset: Dataset) -> Segmenter:
    """A network that takes each pixel for the class whose mean grey level is nearest: 2 m x - m^2 is largest there."""
    truth = project_truth(project, dataset, "a").transpose(1, 0, 2)
    reader = project.reader(["a"])
    grey = np.stack([reader.image(SliceKey("a", k)) for k in range(6)])
    means = torch.tensor([float(grey[truth == c].mean()) for c in range(1, 5)])
    conv = nn.Conv2d(1, 4, 3, padding=1)
    with torch.no_grad():
        conv.weight.zero_()
        conv.weight[:, 0, 1, 1] = 2000 * means
        conv.bias.copy_(-1000 * means**2)
    return Segmenter(nn.Identity(), nn.Identity(), nn.Sequential(conv))


@pytest.fixture
def able(labelled: Project, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Or a cycle that finds everything; cycles with other weights take everything for the first class."""

    def load(config: object, n_classes: int, weights: bytes) -> Segmenter:
        network = thresholding(labelled, dataset)
        if weights != b"able":
            with torch.no_grad():
                network.head[0].weight.zero_()
                network.head[0].bias.copy_(torch.tensor([1.0, 0.0, 0.0, 0.0]))
        return network

    monkeypatch.setattr("voidscope.model.segmenter.load_segmenter", load)
    add_cycle(labelled, b"able")
    return labelled


def label(project: Project, dataset: Dataset, *names: str, provenance: Provenance = Provenance.DRAWN) -> None:
    """Label slices by their truth."""
    for key in map(SliceKey.parse, names):
        where = slice_index(project.scan(key.scan).plane, key.index)
        project.labels.put(key, project_truth(project, dataset, key.scan)[where], provenance)


def child() -> int:
    """The process that this one has made to train in."""
    made = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    pids = [pid for listed in made for pid in listed.read_text().split()]
    return next(int(p) for p in pids if b"voidscope.apart" in Path(f"/proc/{p}/cmdline").read_bytes())


def test_a_training_in_a_process_of_its_own_gives_the_same_weights_bit_for_bit(labelled: Project) -> None:
    said: list[Progress] = []
    here = execute(train(labelled))
    there = execute(train(labelled, elsewhere=True), said.append)
    assert there.weights() == here.weights()
    assert there.metrics["losses"] == list(here.metrics["losses"])
    assert said[-1].done == said[-1].total and said[-1].where == "cpu"


def test_a_training_that_is_killed_takes_nothing_with_it(labelled: Project) -> None:
    before = {k: labelled.labels.record(k) for k in labelled.labels}

    struck: list[int] = []

    def strike(progress: Progress) -> None:
        if progress.done and not struck:  # what it had told before it died is still told after
            struck.append(child())
            os.kill(struck[0], signal.SIGKILL)

    long = labelled.config.with_changes(["train.epochs=100000"])
    with pytest.raises(JobFailed, match="Training cycle 1 stopped: its process was ended by SIGKILL"):
        execute(train(labelled, long, elsewhere=True), strike)
    assert labelled.cycles == ()
    assert {k: labelled.labels.record(k) for k in Project.open(labelled.path).labels} == before


def test_a_warm_cycle_says_so_and_is_not_taken_for_a_full_training(
    trained: Project, dataset: Dataset
) -> None:
    label(trained, dataset, "a/0000", "b/0003")
    first = trained.cycle
    warm = execute(train(trained, warm=True))
    assert (warm.number, warm.warm, first.warm) == (2, True, False)
    assert warm.provenance["warm_from"] == 1 and warm.provenance["initial_weights"] == first.id
    assert warm.normalisation == first.normalisation
    assert len(warm.metrics["losses"]) == 1  # of 3 epochs
    assert not is_trained(trained)
    execute(train(trained))
    assert is_trained(trained)
    assert Project.open(trained.path).cycles[1].warm


def test_there_is_nothing_to_go_on_from_before_the_first_training(labelled: Project) -> None:
    with pytest.raises(NotReady, match="no trained model"):
        train(labelled, warm=True)


# -- which of two is worse


def test_a_first_model_is_compared_with_none(trained: Project) -> None:
    assert execute(compare_models(trained)) is None


def test_a_spoilt_model_is_worse_on_what_both_learnt_and_going_back_mends_it(able: Project) -> None:
    add_cycle(able, b"spoilt")
    found = execute(compare_models(able))
    assert found is not None
    assert found.worse and found.basis == LEARNT and found.n_slices == 3
    assert "so this shows less" in found.sentence()
    restore(able, 1)
    again = execute(compare_models(able))
    assert again is not None and not again.worse


def test_what_test_scans_tell_of_two_models_is_kept_as_the_figures_of_both(
    able: Project, dataset: Dataset
) -> None:
    label(able, dataset, "c/0000", "c/0003")
    add_cycle(able, b"spoilt", **{SUCCEEDS: 1})
    found = execute(compare_models(able))
    assert found.basis == UNSEEN
    assert [held_out_void_iou(able, c) for c in able.cycles] == [found.void[1], found.void[0]]
    assert [c.evaluation["miou"] for c in able.cycles] == [found.miou[1], found.miou[0]]
    assert [e.comparable for e in progress(Project.open(able.path)).cycles] == [True, True]
    kept = [(c.folder / "evaluation.json").read_bytes() for c in able.cycles]
    assert execute(compare_models(able)) == found
    assert [(c.folder / "evaluation.json").read_bytes() for c in able.cycles] == kept
    execute(judge_all(able))
    assert [c.evaluation["miou"] for c in able.cycles] == [found.miou[1], found.miou[0]]


def test_a_training_is_in_question_until_it_is_compared(trained: Project) -> None:
    first = trained.cycle
    assert first.provenance[SUCCEEDS] is None and not in_question(first)
    again = execute(train(trained))
    assert again.provenance[SUCCEEDS] == 1 and comparison_of(again) is None
    assert in_question(Project.open(trained.path).cycle)
    found = execute(compare_models(trained))
    assert found is not None and not found.worse  # the same labels, the same seed
    assert not in_question(again) and comparison_of(Project.open(trained.path).cycle) == found


def test_a_worse_model_is_in_question_until_it_is_kept_and_is_no_measure_for_the_next(able: Project) -> None:
    add_cycle(able, b"spoilt", **{SUCCEEDS: 1})
    assert execute(compare_models(able)).worse
    assert in_question(Project.open(able.path).cycle) and predecessor(able) == 1
    add_cycle(able, b"spoilt too", **{SUCCEEDS: predecessor(able)})
    found = execute(compare_models(able))
    assert (found.now, found.before) == (3, 1) and found.worse
    keep_model(able)
    assert not in_question(able.cycle) and predecessor(able) == 3
    assert comparison_of(able.cycle) == found
    assert not in_question(restore(able, 2))  # somebody asked for it by its number


def test_where_nothing_tells_a_model_is_in_question_no_longer_and_damage_is_told(able: Project) -> None:
    cycle = add_cycle(able, b"spoilt", **{SUCCEEDS: 1})
    able.cycles[0].weights_path.unlink()
    assert execute(compare_models(able)) is None
    assert not in_question(cycle) and comparison_of(cycle) is None
    (cycle.folder / "comparison.json").write_text('{"basis": "learnt"}')
    with pytest.raises(ProjectError, match=r"comparison.json is damaged.*compare again"):
        in_question(cycle)


def test_the_basis_is_said() -> None:
    learnt = Comparison(5, 4, LEARNT, 1, (0.7, 0.72), (0.9, 0.9)).sentence()
    assert "judged on 1 slice both have learnt from" in learnt
    assert (
        "on 8 labelled slices of test scans"
        in Comparison(5, 4, UNSEEN, 8, (0.7, 0.72), (0.9, 0.9)).sentence()
    )


def test_unseen_labels_decide_where_there_are_any_but_not_those_a_model_proposed(
    able: Project, dataset: Dataset
) -> None:
    label(able, dataset, "c/0001", provenance=Provenance.ACCEPTED)
    add_cycle(able, b"spoilt")
    assert execute(compare_models(able)).basis == LEARNT
    label(able, dataset, "c/0002")
    found = execute(compare_models(able))
    assert (found.basis, found.n_slices) == (UNSEEN, 1)
    assert found.void[0] == 0.0 < 0.3 < found.void[1]
    assert found.miou[0] < found.miou[1] and found.worse


@pytest.mark.parametrize(
    ("void", "miou", "worse"),
    [
        ((0.70, 0.72), (0.9, 0.9), True),
        ((0.70, 0.705), (0.9, 0.9), False),
        ((0.80, 0.70), (0.5, 0.9), False),
        ((None, None), (0.85, 0.9), True),
        ((None, 0.5), (0.9, 0.9), False),
    ],
)
def test_void_iou_decides_and_miou_where_no_void_is_to_be_found(
    void: tuple[float | None, float | None], miou: tuple[float, float], worse: bool
) -> None:
    assert Comparison(5, 4, UNSEEN, 8, void, miou).worse is worse


# -- a quick look


def test_a_quick_look_is_due_when_labels_differ_from_the_cycles_and_changes_no_project(
    trained: Project, dataset: Dataset
) -> None:
    glances = Glances(trained)
    assert not glances.due
    label(trained, dataset, "a/0000")
    assert glances.due
    files = {p: p.stat().st_mtime_ns for p in trained.path.rglob("*")}
    found = execute(glances.glance(SliceKey("a", 1)))
    assert found.model_id == trained.cycle.id
    assert found.prediction.mask.shape == trained.slice_shape(SliceKey("a", 1))
    assert {p: p.stat().st_mtime_ns for p in trained.path.rglob("*")} == files
    trained.labels.remove(SliceKey("a", 0))
    assert not glances.due


def test_a_quick_look_learns_from_new_labels_what_the_model_did_not_know(
    able: Project, dataset: Dataset
) -> None:
    add_cycle(able, b"spoilt")
    key = SliceKey("a", 2)
    truth = project_truth(able, dataset, "a")[slice_index(able.scan("a").plane, key.index)]
    label(able, dataset, "b/0000", "b/0002", "b/0004")
    glances = Glances(able)
    assert np.mean(execute(glances.glance(key)).prediction.mask == truth) > 0.95 > 0.7 > np.mean(truth == 1)
    assert able.mask("a") is None


def test_no_model_no_quick_look(labelled: Project) -> None:
    assert not Glances(labelled).due
    with pytest.raises(NotReady):
        Glances(labelled).glance(SliceKey("a", 0))


def test_a_label_painted_on_during_a_quick_look_is_left_to_the_next(
    trained: Project, dataset: Dataset
) -> None:
    label(trained, dataset, "a/0000", "a/0002")
    steps = Glances(trained).glance(SliceKey("a", 1)).steps()
    next(steps)
    mask = trained.labels.get(SliceKey("a", 2))
    assert mask is not None
    trained.labels.put(SliceKey("a", 2), np.where(mask == 1, 2, mask))
    told = [step.note for step in steps]
    assert "looking at a/0002" in told
