"""A window and a terminal on one project: neither undoes the other's work, and stray files do no harm."""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from builders import SHAPE, add_scan, set_prediction, write_scan
from voidscope.acquisition import Finding, Survey
from voidscope.errors import LabelError, ProjectError, StaleResult
from voidscope.project import Cycle, Mark, Project, fingerprint, import_truth, record_scan, results
from voidscope.project.atomic import write_bytes
from voidscope.project.label_files import stamp
from voidscope.vocabulary import Plane, Provenance, SliceKey, Split
from voidscope.volume import Dataset, read_scan, tiff_bytes

KEY = SliceKey("a", 1)


@pytest.fixture
def other(project: Project) -> Project:
    """The same folder, opened by another program."""
    return Project.open(project.path)


def cycle(number: int) -> Cycle:
    digest = hashlib.sha256(b"weights").hexdigest()
    return Cycle(number, (KEY,), 0, digest, {"losses": [1.0]}, {}, {}, (0.5, 0.2))


def test_a_scan_added_elsewhere_survives_a_setting_changed_here(project: Project, other: Project) -> None:
    told: list[bool] = []
    project.events.scans_changed.connect(lambda: told.append(True))
    add_scan(other, write_scan(project.path.parent / "scans" / "d.tif", 9))
    project.set_config(project.config.with_changes(["seed=7"]))
    again = Project.open(project.path)
    assert list(again.scans) == list(project.scans) == ["a", "b", "c", "d"]
    assert (again.config.seed, told) == (7, [True])
    other.set_spacing("a", (1.0, 2.0, 3.0))
    assert other.config.seed == 7


def test_a_label_of_another_program_stays_below_what_is_painted_here(
    project: Project, other: Project
) -> None:
    whole = np.full((6, 5), 2, np.uint8)
    other.labels.put(KEY, whole, Provenance.IMPORTED)
    dab = np.zeros((6, 5), np.uint8)
    dab[3, 3] = 4
    project.labels.put(KEY, dab)
    expected = np.where(dab, dab, whole)
    assert (project.labels.get(KEY) == expected).all()
    other.catch_up()
    assert (other.labels.get(KEY) == expected).all()
    project.labels.put(KEY, dab)  # nobody else in between: what is erased here is erased
    assert (Project.open(project.path).labels.get(KEY) == dab).all()


def proposed_elsewhere(project: Project, other: Project) -> None:
    """Another program proposes a label of a slice that looks unlabelled here."""
    other.labels.put_all({KEY: np.ones((6, 5), np.uint8)}, Provenance.PROPAGATED, proposed=True)


@pytest.mark.parametrize("bases", [{}, {KEY: np.zeros((6, 5), np.uint8)}])
def test_a_stroke_verifies_no_proposal_of_another_program_that_nobody_saw(
    project: Project, other: Project, bases: dict[SliceKey, np.ndarray]
) -> None:
    proposed_elsewhere(project, other)
    dab = np.zeros((6, 5), np.uint8)
    dab[3, 3] = 4
    project.labels.put_all({KEY: dab}, bases=bases)
    record = project.labels.record(KEY)
    assert (record.provenance, record.proposed) == (Provenance.DRAWN, False)
    assert (project.labels.get(KEY) == dab).all()
    project.labels.undo()
    assert project.labels.unverified == (KEY,)


def test_a_stroke_on_one_proposal_verifies_no_other_that_took_its_place(
    project: Project, other: Project
) -> None:
    proposed_elsewhere(project, other)
    base = other.labels.get(KEY)
    project.labels.catch_up()
    other.labels.put_all({KEY: np.full((6, 5), 2, np.uint8)}, Provenance.PROPAGATED)
    label = base.copy()
    label[3, 3] = 4
    project.labels.put_all({KEY: label}, bases={KEY: base})
    assert project.labels.record(KEY).provenance is Provenance.DRAWN
    assert (project.labels.get(KEY) == np.where(label != base, label, 0)).all()


def test_a_stroke_out_of_view_goes_into_a_proposal_that_nobody_saw_and_leaves_it_one(
    project: Project, other: Project
) -> None:
    proposed_elsewhere(project, other)
    base = np.zeros((6, 5), np.uint8)
    dab = base.copy()
    dab[3, 3] = 4
    project.labels.put_all({KEY: dab}, bases={KEY: base}, unseen=[KEY])
    assert project.labels.unverified == (KEY,)
    assert (project.labels.get(KEY) == np.where(dab, dab, 1)).all()


def test_labels_made_and_removed_elsewhere_are_told(project: Project, other: Project) -> None:
    project.labels.put(KEY, np.ones((6, 5), np.uint8))
    other.labels.catch_up()
    told: list[SliceKey] = []
    other.events.labels_changed.connect(told.extend)
    project.labels.remove(KEY)
    project.labels.put(SliceKey("b", 0), np.ones((6, 5), np.uint8))
    other.catch_up()
    assert (told, other.labels.keys()) == ([KEY, SliceKey("b", 0)], (SliceKey("b", 0),))
    other.catch_up()
    assert len(told) == 2


def test_of_two_models_trained_at_once_the_second_is_refused_and_the_first_is_seen(
    project: Project, other: Project
) -> None:
    other.add_cycle(cycle(1), b"weights")
    with pytest.raises(StaleResult, match=r"trained meanwhile \(cycle 1\)"):
        project.add_cycle(cycle(1), b"weights")
    assert project.cycle is not None and project.cycle.number == 1
    project.add_cycle(cycle(2), b"weights")
    other.catch_up()
    assert [c.number for c in other.cycles] == [1, 2]


def test_a_cycle_folder_taken_away_does_not_stop_the_next(project: Project) -> None:
    for number in (1, 2):
        project.add_cycle(cycle(number), b"weights")
    shutil.rmtree(project.path / "cycles" / "0001")
    again = Project.open(project.path)
    assert again.next_cycle == 3
    assert again.add_cycle(replace(cycle(3)), b"weights").folder.name == "0003"


def test_files_that_are_no_labels_of_the_project_are_left_alone(project: Project) -> None:
    project.labels.put(KEY, np.ones((6, 5), np.uint8))
    folder = project.path / "labels"
    (folder / "zzz").mkdir()
    for stray in ("a/0001 (copy).tif", "a/0099.tif", "zzz/0000.tif"):
        shutil.copy(folder / "a" / "0001.tif", folder / stray)
    again = Project.open(project.path)
    assert again.labels.keys() == (KEY,)
    assert again.labels.counts().sum() == 30


def test_a_known_scan_takes_the_split_and_plane_said_now(project: Project) -> None:
    path = Path(project.scan("a").path)
    add_scan(project, path, Split.TEST, Plane.AXIS0)
    assert (project.scan("a").split, project.scan("a").plane) == (Split.TEST, Plane.AXIS0)
    project.labels.put(SliceKey("a", 0), np.ones((4, 5), np.uint8))
    with pytest.raises(ProjectError, match="labelled along axis0, so it cannot be cut along axis2"):
        add_scan(project, path, Split.TEST, Plane.AXIS2)


def test_a_fingerprint_is_the_sha256_of_the_file(project: Project) -> None:
    record = project.scan("a")
    assert record.fingerprint == f"sha256:{hashlib.sha256(Path(record.path).read_bytes()).hexdigest()}"


def test_folders_of_the_same_bytes_cut_otherwise_differ(tmp_path: Path, project: Project) -> None:
    prints = []
    for cut in (3, 4):
        folder = tmp_path / str(cut) / "s"
        folder.mkdir(parents=True)
        for name, part in zip("xy", (b"abcdef"[:cut], b"abcdef"[cut:]), strict=True):
            (folder / name).write_bytes(part)
        prints.append(fingerprint(folder))
    assert prints[0] != prints[1]


@pytest.mark.parametrize("shape", [(6, 3, 5), (6, 8, 5), (5, 4, 5)])
def test_truth_on_another_grid_labels_nothing(project: Project, shape: tuple[int, int, int]) -> None:
    folder = project.path.parent / "cropped"
    write_scan(folder / "a.tif", shape=shape)
    (folder / "a_labels.tif").write_bytes(tiff_bytes(np.zeros(shape, np.uint8), None))
    with pytest.raises(LabelError, match=r"truth of a is \(\d, \d, \d\); the scan is \(6, 4, 5\)"):
        import_truth(project, Dataset.open(folder), [KEY])
    assert len(project.labels) == 0


def test_another_spacing_reaches_the_masks_that_lie_there(project: Project) -> None:
    written = project.add_cycle(cycle(1), b"weights")
    mask = np.ones(SHAPE, np.uint8)
    set_prediction(project, written.id, "a", mask, np.zeros(SHAPE, np.float16))
    project.set_spacing("a", (7.0, 5.0, 7.0))
    assert read_scan(project.mask_path("a")).spacing_um == pytest.approx((7.0, 5.0, 7.0))
    assert (Project.open(project.path).mask("a") == mask).all()


def test_a_mask_file_of_another_shape_is_refused_by_name(project: Project) -> None:
    written = project.add_cycle(cycle(1), b"weights")
    set_prediction(project, written.id, "a", np.ones(SHAPE, np.uint8), np.zeros(SHAPE, np.float16))
    project.mask_path("a").write_bytes(tiff_bytes(np.zeros((2, 3, 4), np.uint8), None))
    with pytest.raises(ProjectError, match=r"a.tif is \(2, 3, 4\); a is \(6, 4, 5\)"):
        Project.open(project.path).mask("a")


def test_a_scan_that_moved_with_its_project_is_found_beside_it(project: Project, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(project.path, moved / "project")
    shutil.copytree(Path(project.scan("a").path).parent, moved / "scans")
    again = Project.open(moved / "project")
    assert again.scan("a").place(again.path).resolve() == (moved / "scans" / "a.tif").resolve()
    assert (
        record_scan(
            read_scan(moved / "scans" / "a.tif"), again.path, split=Split.TRAIN, plane=None
        ).fingerprint
        == again.scan("a").fingerprint
    )


def test_only_the_folders_of_scans_that_changed_are_looked_into(
    project: Project, other: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in (KEY, SliceKey("b", 0)):
        other.labels.put(key, np.ones((6, 5), np.uint8))
        os.utime(project.path / "labels" / key.scan, (1, 1))  # long ago
    project.labels.catch_up()
    looked: list[Path] = []
    monkeypatch.setattr(
        "voidscope.project.label_folder.stamp", lambda path: looked.append(path) or stamp(path)
    )
    project.labels.catch_up()
    assert looked == []
    other.labels.remove(KEY)
    other.labels.put(SliceKey("a", 2), np.ones((6, 5), np.uint8))
    looked.clear()
    project.labels.catch_up()
    assert {p.parent.name for p in looked} == {"a"}
    assert project.labels.keys() == (SliceKey("a", 2), SliceKey("b", 0))


def test_labels_of_a_scan_that_comes_later_are_found(project: Project, other: Project) -> None:
    path = write_scan(project.path.parent / "scans" / "d.tif", 9)
    add_scan(other, path)
    other.labels.put(SliceKey("d", 0), np.ones((6, 5), np.uint8))
    os.utime(project.path / "labels" / "d", (1, 1))
    project.labels.catch_up()
    assert len(project.labels) == 0
    project.catch_up()
    assert project.labels.keys() == (SliceKey("d", 0),)


def test_a_file_that_goes_while_it_is_looked_for_is_no_label(
    project: Project, other: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    other.labels.put(KEY, np.ones((6, 5), np.uint8))
    monkeypatch.setattr("voidscope.project.label_folder.stamp", lambda path: path.unlink())
    project.labels.catch_up()
    assert len(project.labels) == 0


@pytest.mark.parametrize("act", ["put", "catch_up", "remove"])
def test_a_drive_that_went_away_is_a_project_error(
    act: str, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.labels.put(KEY, np.ones((6, 5), np.uint8))

    def gone(*args: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("voidscope.project.label_folder.stamp", gone)
    monkeypatch.setattr("voidscope.project.label_folder.keep_all", gone)
    arguments = {"put": (KEY, np.full((6, 5), 2, np.uint8)), "catch_up": (), "remove": (KEY,)}[act]
    with pytest.raises(ProjectError, match=r"Cannot write .*Input/output error"):
        getattr(project.labels, act)(*arguments)


def whole(value: int) -> np.ndarray:
    return np.full((6, 5), value, np.uint8)


def finding() -> Finding:
    return Finding("missed", KEY, (1, 2), 4, 0.4, 3)


WRITES = {
    "a label": lambda p: p.labels.put(KEY, whole(2)),
    "no label": lambda p: p.labels.remove(KEY),
    "acceptance": lambda p: p.labels.accept(SliceKey("a", 2)),
    "undo": lambda p: p.labels.undo(),
    "mark": lambda p: p.queue.mark(KEY, Mark.SKIPPED),
    "settled finding": lambda p: p.queue.settle(finding()),
    "suggestions": lambda p: p.queue.put([]),
    "setting": lambda p: p.set_config(p.config.with_changes(["seed=7"])),
    "model": lambda p: p.add_cycle(cycle(2), b"weights"),
    "evaluation": lambda p: p.set_evaluation(p.cycle.id, {"miou": 0.5}),
    "pretraining": lambda p: p.set_pretrained(b"weights", {"losses": [1.0]}),
    "looking": lambda p: p.catch_up(),
}


@pytest.mark.parametrize("what", WRITES)
def test_nothing_is_written_where_a_project_was_until_it_is_back(
    what: str, project: Project, tmp_path: Path
) -> None:
    project.labels.put(KEY, whole(1))
    project.labels.put_all({SliceKey("a", 2): whole(3)}, Provenance.PROPAGATED)
    project.add_cycle(cycle(1), b"weights")
    project.queue.mark(KEY, Mark.FLAGGED)
    moved = project.path.rename(tmp_path / "moved")
    with pytest.raises(ProjectError, match=r"is not there any more.*[Bb]ring it back"):
        WRITES[what](project)
    assert not project.path.exists()
    assert (project.labels.keys(), len(project.cycles)) == ((KEY,), 1)
    assert project.queue.marked() == (KEY,)
    moved.rename(project.path)
    WRITES[what](project)


def test_a_damaged_label_is_told_and_hides_no_other(project: Project, other: Project) -> None:
    told: list[SliceKey] = []
    project.events.labels_changed.connect(told.extend)
    for index in (1, 3):
        other.labels.put(SliceKey("a", index), whole(index))
    damaged = project.path / "labels" / "a" / "0002.tif"
    damaged.write_bytes(b"junk")
    other.queue.mark(SliceKey("b", 1), Mark.FLAGGED)
    with pytest.raises(ProjectError, match=r"0002\.tif is damaged"):
        project.catch_up()
    assert told == [SliceKey("a", 1), SliceKey("a", 3)]
    assert project.queue.marked() == (SliceKey("b", 1),)
    other.labels.put(SliceKey("b", 0), whole(1))
    project.catch_up()  # told once, and nobody's undo is kept from them
    assert told[2:] == [SliceKey("b", 0)]
    with pytest.raises(ProjectError, match=r"0002\.tif is damaged"):
        project.labels.put(SliceKey("a", 2), whole(2))  # nothing is written over it
    damaged.write_bytes(b"other junk")
    with pytest.raises(ProjectError, match=r"0002\.tif is damaged"):
        project.catch_up()
    damaged.unlink()
    other.labels.put(SliceKey("a", 2), whole(2))
    project.catch_up()
    assert told[3:] == [SliceKey("a", 2)]


def test_a_label_that_is_damaged_from_now_on_stays_one_and_is_not_written_over(
    project: Project, other: Project
) -> None:
    project.labels.put(KEY, whole(1))
    (project.path / "labels" / "a" / "0001.tif").write_bytes(b"junk")
    with pytest.raises(ProjectError, match=r"0001\.tif is damaged"):
        project.labels.catch_up()
    assert KEY in project.labels
    with pytest.raises(ProjectError, match=r"0001\.tif is damaged"):
        project.labels.put_all({KEY: whole(2)}, bases={KEY: whole(1)})


def told_of(project: Project) -> list[str]:
    """What the project tells from now on."""
    told: list[str] = []
    for what in (
        "cycles",
        "suggestions",
        "survey",
        "evaluation",
        "findings",
        "report",
        "pretrained",
        "config",
    ):
        getattr(project.events, f"{what}_changed").connect(lambda w=what: told.append(w))
    project.events.masks_changed.connect(lambda scan: told.append(f"mask of {scan}"))
    return told


def predicted(project: Project, value: int) -> None:
    mask = np.full(SHAPE, value, np.uint8)
    set_prediction(project, project.cycle.id, "a", mask, np.zeros(SHAPE, np.float16))


RESULTS = {
    "suggestions": lambda p: p.queue.put([]),
    "survey": lambda p: p.set_survey(Survey.from_arrays((), {}, p.cycle.id)),
    "evaluation": lambda p: p.set_evaluation(p.cycle.id, {"miou": 0.5}),
    "findings": lambda p: p.set_doubts(p.cycle.id, {}),
    "pretrained": lambda p: p.set_pretrained(b"weights", {"losses": [1.0]}),
    "mask of a": lambda p: predicted(p, 2),
}


@pytest.mark.parametrize("what", RESULTS)
def test_a_result_made_in_a_terminal_is_told_once(
    what: str, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        results, "write_survey", lambda folder, survey: write_bytes(folder / "survey.safetensors", b"0")
    )
    monkeypatch.setattr(Survey, "from_arrays", lambda keys, arrays, model: SimpleNamespace(model_id=model))
    project.add_cycle(cycle(1), b"weights")
    predicted(project, 1)
    other = Project.open(project.path)
    assert (other.mask("a") == 1).all()
    told = told_of(other)
    RESULTS[what](project)
    other.catch_up()
    other.catch_up()
    assert told == [what]
    assert (other.mask("a") == (2 if what == "mask of a" else 1)).all()


@pytest.mark.parametrize("what", RESULTS)
def test_what_one_has_made_oneself_is_told_once_too(
    what: str, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        results, "write_survey", lambda folder, survey: write_bytes(folder / "survey.safetensors", b"0")
    )
    monkeypatch.setattr(Survey, "from_arrays", lambda keys, arrays, model: SimpleNamespace(model_id=model))
    project.add_cycle(cycle(1), b"weights")
    told = told_of(project)
    RESULTS[what](project)
    project.catch_up()
    assert told == [what]


def test_a_result_of_a_model_that_another_program_has_replaced_is_refused(
    project: Project, other: Project
) -> None:
    mine = project.add_cycle(cycle(1), b"weights")
    other.catch_up()
    other.add_cycle(cycle(2), b"weights")
    with pytest.raises(StaleResult, match="no longer the current model"):
        project.set_evaluation(mine.id, {"miou": 0.5})
    assert project.cycle is not None and project.cycle.number == 2


def test_a_setting_changed_elsewhere_survives_another_changed_here(project: Project, other: Project) -> None:
    other.set_config(other.config.with_changes(["train.epochs=3", "seed=5", "suggest.budget=4"]))
    project.set_config(project.config.with_changes(["train.batch_size=2", "suggest.budget=6"]))
    found = Project.open(project.path).config
    assert (found.train.epochs, found.train.batch_size, found.seed, found.suggest.budget) == (3, 2, 5, 6)
