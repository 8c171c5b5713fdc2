"""The order of slices: nearest to the eye first, wherever it goes; every slice once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voidscope import Dataset, answer_suggestions, execute, segment, suggest, train
from voidscope.project import Project
from voidscope.vocabulary import SliceKey
from voidscope.workflow.order import Nearest

A, B = ([SliceKey(scan, i) for i in range(5)] for scan in "ab")


def test_the_slice_in_view_comes_first_then_its_neighbours_then_the_other_scans() -> None:
    order = [str(k) for k in Nearest([*A, *B], lambda: SliceKey("b", 3))]
    assert order[:5] == ["b/0003", "b/0002", "b/0004", "b/0001", "b/0000"]
    assert order[5:] == [str(k) for k in A]


def test_without_an_eye_slices_come_as_they_lie() -> None:
    assert list(Nearest([*A, *B], lambda: None)) == [*A, *B]


def test_what_was_near_waits_when_the_eye_has_moved_on() -> None:
    eye = [SliceKey("a", 0)]
    order = iter(Nearest([*A, *B], lambda: eye[0]))
    assert [next(order), next(order)] == A[:2]
    eye[0] = SliceKey("b", 4)
    assert [next(order), next(order)] == [B[4], B[3]]
    eye[0] = SliceKey("a", 4)
    assert next(order) == A[4]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 6)), min_size=11, max_size=11))
def test_every_slice_comes_once_wherever_the_eye_wanders(walk: list[tuple[str, int]]) -> None:
    eyes = iter([SliceKey(*where) for where in walk])
    found = list(Nearest([*A, *B], lambda: next(eyes, None)))
    assert sorted(found) == [*A, *B]


def test_segmenting_follows_the_eye_and_the_masks_are_the_same(project: Project, dataset: Dataset) -> None:
    execute(suggest(project))
    answer_suggestions(project, dataset)
    execute(train(project))
    seen: list[SliceKey] = []
    execute(segment(project, ["a"]))
    plain = project.mask("a").copy()
    execute(train(project, project.config))
    eye = iter([SliceKey("a", k) for k in (3, 3, 0, 0, 5, 5)])
    job = segment(project, ["a"], eye=lambda: next(eye))
    execute(job, lambda p: seen.append(p.partial[0]) if p.partial else None)
    assert [k.index for k in seen] == [3, 2, 0, 1, 5, 4]
    assert (project.mask("a") == plain).all()
