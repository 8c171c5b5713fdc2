"""Propagated labels: proposals between and beside labelled slices, from which nothing learns until a person says so."""

from __future__ import annotations

import numpy as np
import pytest

from voidscope.errors import NotReady, StaleResult
from voidscope.jobs import Progress, execute
from voidscope.project import Project, import_truth
from voidscope.vocabulary import Provenance, SliceKey, Split
from voidscope.volume import Dataset
from voidscope.workflow import evaluate, extrude, interpolate, is_trained, suggest, train

VOID = 4


def key(index: int, scan: str = "a") -> SliceKey:
    return SliceKey(scan, index)


def square(size: int) -> np.ndarray:
    mask = np.ones((24, 20), np.uint8)
    mask[6 : 6 + size, 6 : 6 + size] = VOID
    return mask


def propose(project: Project, *keys: SliceKey) -> None:
    masks = {k: square(5) for k in keys}
    project.labels.put_all(masks, Provenance.PROPAGATED, verb="interpolated")


def test_the_gap_around_a_slice_is_filled_and_no_other(project: Project) -> None:
    for index, size in ((0, 4), (3, 8), (5, 8)):
        project.labels.put(key(index), square(size))
    assert execute(interpolate(project, key(1))) == (key(1), key(2))
    areas = [int((project.labels.get(key(k)) == VOID).sum()) for k in range(4)]
    assert areas == sorted(areas)
    assert project.labels.unverified == (key(1), key(2))


def test_a_labelled_slice_fills_the_gaps_on_both_sides(project: Project) -> None:
    for index in (0, 2, 5):
        project.labels.put(key(index), square(4 + index))
    assert execute(interpolate(project, key(2))) == (key(1), key(3), key(4))
    project.labels.undo()
    assert project.labels.unverified == ()


def test_a_persons_label_is_never_replaced_but_an_older_proposal_is(project: Project) -> None:
    project.labels.put(key(0), square(4))
    project.labels.put(key(4), square(8))
    propose(project, key(1))
    job = interpolate(project, key(2))
    project.labels.put(key(2), square(1))  # while the job runs
    assert execute(job) == (key(1), key(3))
    assert (project.labels.get(key(2)) == square(1)).all()
    assert (project.labels.get(key(1)) != square(5)).any()
    project.labels.put(key(4), np.full((24, 20), 2, np.uint8))
    assert execute(extrude(project, key(2), 4)) == (key(3), key(5))


def stroke_out_of_view(project: Project, at: SliceKey) -> np.ndarray:
    """A stroke through a proposal that is not in view, which stays a proposal."""
    base = project.labels.get(at)
    label = base.copy()
    label[0, 0] = 2
    project.labels.put_all({at: label}, bases={at: base}, unseen=[at])
    assert at in project.labels.unverified
    return label


def test_a_stroke_on_a_proposal_out_of_view_outlives_the_next_proposals(project: Project) -> None:
    for index in (0, 4):
        project.labels.put(key(index), square(4 + index))
    execute(interpolate(project, key(2)))
    label = stroke_out_of_view(project, key(2))
    again = Project.open(project.path)
    assert execute(interpolate(again, key(2))) == (key(1), key(3))
    assert execute(extrude(again, key(0), 3)) == (key(1), key(3))
    assert (again.labels.get(key(2)) == label).all()
    assert again.labels.unverified == (key(1), key(2), key(3))
    for _ in range(3):
        again.labels.undo()  # the stroke too: now it is as any proposal
    assert execute(interpolate(again, key(2))) == (key(1), key(2), key(3))


def test_a_stroke_that_meets_another_out_of_view_keeps_it_and_verifies_nothing_unseen(
    project: Project,
) -> None:
    for index in (0, 4):
        project.labels.put(key(index), square(4 + index))
    other = Project.open(project.path)
    execute(interpolate(other, key(2)))
    label = stroke_out_of_view(other, key(2))
    mask = np.zeros((24, 20), np.uint8)
    mask[1, 1] = 3
    project.labels.put_all({key(2): mask}, bases={key(2): np.zeros_like(mask)})
    assert (project.labels.get(key(2)) == np.where(mask, mask, label)).all()
    assert key(2) in project.labels.unverified
    assert execute(interpolate(project, key(2))) == (key(1), key(3))


def test_labels_changed_meanwhile_propose_nothing(project: Project) -> None:
    project.labels.put(key(0), square(4))
    project.labels.put(key(4), square(8))
    job = interpolate(project, key(2))
    project.labels.put(key(4), square(2))
    with pytest.raises(StaleResult, match="changed meanwhile"):
        execute(job)
    assert project.labels.unverified == ()


@pytest.mark.parametrize(("n", "there"), [(2, (4, 5)), (9, (4, 5)), (-2, (1, 2)), (1, (4,))])
def test_a_label_is_copied_as_far_as_the_scan_goes(project: Project, n: int, there: tuple[int, ...]) -> None:
    project.labels.put(key(3), square(4))
    assert execute(extrude(project, key(3), n)) == tuple(key(k) for k in there)
    assert all((project.labels.get(key(k)) == square(4)).all() for k in there)


def test_what_cannot_be_propagated_says_why(project: Project) -> None:
    with pytest.raises(NotReady, match="a has 0 labelled slices"):
        interpolate(project, key(2))
    with pytest.raises(NotReady, match="has no label to copy"):
        extrude(project, key(2), 1)
    project.labels.put(key(4), square(4))
    project.labels.put(key(5), square(4))
    with pytest.raises(NotReady, match="lies in no gap"):
        interpolate(project, key(4))
    with pytest.raises(NotReady, match="no unlabelled slice to copy"):
        extrude(project, key(5), 2)
    assert project.labels.unverified == ()


def test_a_model_had_a_part_in_what_is_propagated_from_its_prediction(project: Project) -> None:
    project.labels.put(key(0), square(4), Provenance.ACCEPTED)
    project.labels.put(key(3), square(4))
    execute(interpolate(project, key(1)))
    project.labels.accept(key(1))
    assert project.labels.record(key(1)).proposed
    assert project.labels.keys() == (key(0), key(1), key(3))


def test_proposals_are_not_learnt_from_nor_counted_nor_weighed(project: Project, dataset: Dataset) -> None:
    import_truth(project, dataset, [key(0), key(2)])
    counts = project.labels.counts()
    first = execute(train(project))
    propose(project, key(1), key(1, "b"))
    assert len(project.labels) == 2
    assert (project.labels.counts() == counts).all()
    assert (project.labels.counts(project.keys(Split.TRAIN)) == counts).all()
    assert is_trained(project)
    second = execute(train(project))
    assert second.labelled == first.labelled == (key(0), key(2))
    assert second.weights_sha256 == first.weights_sha256
    assert second.metrics["class_weights"] == first.metrics["class_weights"]
    project.labels.accept(key(1))
    assert not is_trained(project)
    assert execute(train(project)).labelled == (key(0), key(1), key(2))


def test_proposals_stay_in_the_pool_of_suggestions(project: Project) -> None:
    propose(project, *(key(k) for k in range(6)))
    project.labels.put(key(0, "b"), square(3))
    picks = execute(suggest(project, project.config.with_changes(["suggest.budget=11"])))
    assert {s.key for s in picks} == set(project.keys(Split.TRAIN)) - {key(0, "b")}


def test_no_model_is_judged_by_a_proposal(project: Project, dataset: Dataset) -> None:
    import_truth(project, dataset, [key(0), key(2)])
    execute(train(project))
    propose(project, key(1, "c"))
    with pytest.raises(NotReady):
        evaluate(project)
    import_truth(project, dataset, [key(0, "c")])
    alone = execute(evaluate(project))
    propose(project, key(3, "c"))
    assert execute(evaluate(project)) == alone


def test_a_scan_with_a_proposal_keeps_its_plane(project: Project) -> None:
    assert not project.labels.speak_of("a")
    propose(project, key(1))
    assert project.labels.speak_of("a")
    assert not project.labels.speak_of("b")


def test_interpolating_tells_of_every_slice_and_cancelled_it_proposes_nothing(project: Project) -> None:
    project.labels.put(key(0), square(1))
    project.labels.put(key(3), square(4))
    told: list[Progress] = []
    steps = interpolate(project, key(1)).steps()
    told += [next(steps), next(steps)]
    steps.close()
    assert [(p.done, p.total) for p in told] == [(0, 2), (1, 2)]
    assert project.labels.unverified == ()
    execute(interpolate(project, key(1)), told.append)
    assert [p.done for p in told[2:]] == [0, 1, 2] and len(project.labels.unverified) == 2
