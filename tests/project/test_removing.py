"""A scan added by mistake is taken out: no label is lost, nothing of it is left behind, and it comes back whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from builders import SHAPE, add_cycle, add_scan, set_prediction, write_scan
from voidscope.acquisition import Finding, Suggestion
from voidscope.errors import ProjectError
from voidscope.project import Mark, Project, record_scan, removed_twin
from voidscope.vocabulary import ClassMap, Plane, Provenance, SliceKey, Split
from voidscope.volume import read_scan

A, B = SliceKey("a", 1), SliceKey("b", 2)
MASK = np.full((6, 5), 2, np.uint8)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Scans a and b, each with a label; a with a proposal as well."""
    made = Project.create(tmp_path / "p", ClassMap.hbm())
    for seed, name in enumerate("ab"):
        add_scan(made, write_scan(tmp_path / f"{name}.tif", seed))
    made.labels.put(A, MASK)
    made.labels.put(B, MASK)
    made.labels.put(SliceKey("a", 3), MASK, Provenance.PROPAGATED)
    return made


def label_files(project: Project) -> list[str]:
    return sorted(str(p.relative_to(project.path)) for p in project.path.rglob("*.tif"))


def test_a_removed_scan_is_gone_and_its_labels_are_set_aside(project: Project) -> None:
    told: list[object] = []
    project.events.scans_changed.connect(lambda: told.append("scans"))
    project.events.labels_changed.connect(told.append)
    project.remove("a")
    for one in (project, Project.open(project.path)):
        assert list(one.scans) == ["b"]
        assert (one.labels.keys(), one.labels.unverified) == ((B,), ())
        assert not one.labels.speak_of("a")
    assert label_files(project) == [
        "labels/b/0002.tif", "removed/a/labels/0001.tif", "removed/a/labels/0003.tif",
    ]  # fmt: skip
    assert told[0] == "scans" and set(told[1]) == {A, SliceKey("a", 3)}
    with pytest.raises(ProjectError, match="There is no scan 'a'"):
        project.remove("a")


def test_adding_the_file_again_brings_its_labels_split_and_spacing_back(
    project: Project, tmp_path: Path
) -> None:
    project.set_spacing("a", (1.0, 2.0, 3.0))
    before = project.labels.record(A)
    project.remove("a")
    again = Project.open(project.path)
    add_scan(again, tmp_path / "a.tif")
    for one in (again, Project.open(project.path)):
        assert one.labels.keys() == (A, B) and one.labels.unverified == (SliceKey("a", 3),)
        assert one.labels.record(A) == before and np.array_equal(one.labels.get(A), MASK)
        assert (one.scan("a").spacing_um, one.scan("a").spacing_source) == ((1.0, 2.0, 3.0), "typed in")
    assert not (project.path / "removed" / "a").exists()
    project.catch_up()
    assert project.labels.keys() == (A, B)


def test_another_file_of_the_same_name_gets_none_of_its_labels(project: Project, tmp_path: Path) -> None:
    project.remove("a")
    add_scan(project, write_scan(tmp_path / "other" / "a.tif", seed=9))
    assert project.labels.keys() == (B,)
    project.labels.put(A, MASK + 1)
    project.remove("a")
    assert (project.path / "removed" / "a-2" / "labels" / "0001.tif").is_file()
    add_scan(project, tmp_path / "a.tif")
    assert np.array_equal(project.labels.get(A), MASK)
    project.remove("a")
    add_scan(project, tmp_path / "other" / "a.tif")
    assert np.array_equal(project.labels.get(A), MASK + 1)


def test_labels_of_a_killed_removal_never_go_to_another_scan(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:

        def killed(*_: object) -> None:
            raise KeyboardInterrupt

        patch.setattr("voidscope.project.removing.move_labels", killed)
        with pytest.raises(KeyboardInterrupt):
            project.remove("a")
    again = Project.open(project.path)
    assert list(again.scans) == ["b"] and again.labels.keys() == (B,)
    add_scan(again, write_scan(tmp_path / "other" / "a.tif", seed=9))
    assert again.labels.keys() == (B,)
    again.remove("a")
    add_scan(again, tmp_path / "a.tif")
    assert again.labels.keys() == (A, B)


def test_labels_set_aside_hold_the_plane(project: Project, tmp_path: Path) -> None:
    project.remove("a")
    with pytest.raises(ProjectError, match="a is labelled along axis1"):
        add_scan(project, tmp_path / "a.tif", plane=Plane.AXIS0)
    assert list(project.scans) == ["b"] and len(label_files(project)) == 3


def test_what_models_found_in_it_goes_and_their_record_stays(project: Project) -> None:
    cycle = add_cycle(project)
    mask = np.ones(SHAPE, np.uint8)
    for scan in "ab":
        set_prediction(project, cycle.id, scan, mask, np.zeros(SHAPE, np.float16))
    assert project.mask("a") is not None
    keys = (A, SliceKey("b", 0))
    project.queue.put(
        [Suggestion(k, n, None, None, None, None, None, "random") for n, k in enumerate(keys, 1)]
    )
    project.queue.mark(A, Mark.NEVER)
    project.queue.mark(B, Mark.FLAGGED)
    project.remove("a")
    assert project.cycles == (cycle,) and A in project.cycles[0].labelled
    assert (project.is_segmented("a"), project.is_segmented("b")) == (False, True)
    assert not list(cycle.folder.rglob("a.*"))
    assert project.queue.marked() == (B,)
    assert [s.key for s in project.suggestions] == [SliceKey("b", 0)]  # the others' stay


@pytest.mark.parametrize("plane", [None, Plane.AXIS0])
def test_what_was_said_of_its_slices_comes_back_with_it(
    project: Project, tmp_path: Path, plane: Plane | None
) -> None:
    finding = Finding("missed", SliceKey("a", 2), (1, 2), 4, 0.4, 3)
    for index in (1, 3):
        project.labels.remove(SliceKey("a", index))
    project.queue.mark(A, Mark.NEVER)
    project.queue.mark(B, Mark.FLAGGED)
    project.queue.settle(finding)
    project.remove("a")
    again = Project.open(project.path)
    assert (again.queue.marked(), again.queue.is_settled(finding)) == ((B,), False)
    add_scan(again, tmp_path / "a.tif", plane=plane)
    for one in (again, Project.open(project.path)):
        is_cut_alike = plane is None
        assert one.queue.marked() == ((A, B) if is_cut_alike else (B,))  # else they are other slices
        assert one.queue.is_settled(finding) is is_cut_alike
    assert not (project.path / "removed" / "a").exists()


def test_undoing_a_stroke_of_a_removed_scan_says_so_and_changes_nothing(
    project: Project, tmp_path: Path
) -> None:
    project.labels.put(B, MASK + 1)
    project.remove("a")
    assert str(project.labels.undo()) == "undid: painted b/0002"
    passed = "a/0003 is passed over: the project no longer has the scan a it was labelled in; add that again, along the same plane"
    assert str(project.labels.undo()) == f"undid: painted b/0002. {passed}"
    done = project.labels.undo()
    assert done is not None
    assert (done.keys, done.kept, done.gone) == ((), (), (SliceKey("a", 3),))
    assert str(done) == passed
    assert str(project.labels.redo()) == "redid: painted b/0002"
    project.labels.put(B, MASK + 2)  # takes what is undone out of the history, and nothing else
    add_scan(project, tmp_path / "a.tif")
    said = [str(project.labels.undo()) for _ in range(4)]
    assert said == [
        "undid: painted b/0002", "undid: propagated a/0003", "undid: painted b/0002", "undid: painted a/0001",
    ]  # fmt: skip
    assert project.labels.undo() is None
    while project.labels.redo() is not None:
        pass
    assert A in project.labels and np.array_equal(project.labels.get(B), MASK + 2)


def test_the_window_beside_a_terminal_follows(project: Project) -> None:
    other = Project.open(project.path)
    other.remove("a")
    project.catch_up()
    assert list(project.scans) == ["b"] and project.labels.keys() == (B,)


def test_a_damaged_record_of_a_removed_scan_is_told(project: Project, tmp_path: Path) -> None:
    project.remove("a")
    kept = removed_twin(
        project.path, record_scan(read_scan(tmp_path / "a.tif"), project.path, split=Split.TRAIN, plane=None)
    )
    assert kept is not None
    (kept.folder / "scan.json").write_text("{}")
    with pytest.raises(ProjectError, match=r"scan.json is damaged"):
        add_scan(project, tmp_path / "a.tif")
    assert list(project.scans) == ["b"]


@pytest.mark.parametrize("back", [True, False])
def test_no_step_is_turned_onto_another_file_of_the_same_name_and_size(tmp_path: Path, back: bool) -> None:
    project, key = Project.create(tmp_path / "p", ClassMap.hbm()), SliceKey("s", 2)
    file, other = write_scan(tmp_path / "s.tif"), write_scan(tmp_path / "anew" / "s.tif", 7)
    add_scan(project, file)
    project.labels.put(key, MASK)
    if back:
        project.labels.remove(key)
    else:
        project.labels.undo()
    project.remove("s")
    add_scan(project, other)
    done = project.labels.undo() if back else project.labels.redo()
    assert done is not None and (done.keys, done.gone) == ((), (key,))
    assert not project.labels.holds(key) and "s/0002 is passed over" in str(done)
    project.remove("s")
    add_scan(project, file)
    assert str(project.labels.undo() if back else project.labels.redo()).startswith(
        "undid" if back else "redid"
    )
    assert np.array_equal(project.labels.get(key), MASK)


def test_no_step_is_turned_onto_a_slice_of_another_plane(tmp_path: Path) -> None:
    project, key, mask = (
        Project.create(tmp_path / "p", ClassMap.hbm()),
        SliceKey("s", 2),
        np.full((6, 6), 2, np.uint8),
    )
    file = write_scan(tmp_path / "s.tif", 0, (6, 6, 6))
    add_scan(project, file)
    project.labels.put(key, mask)
    project.labels.remove(key)
    add_scan(project, file, plane=Plane.AXIS1 if project.scan("s").plane is Plane.AXIS0 else Plane.AXIS0)
    done = project.labels.undo()
    assert done is not None and done.gone == (key,) and not project.labels.holds(key)
