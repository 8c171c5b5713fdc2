"""Labels made ready away from the project become what they would have become on the spot, or are made anew."""

from __future__ import annotations

import copy
import dataclasses
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from voidscope.errors import ProjectError, StaleResult
from voidscope.jobs import Job, execute
from voidscope.project import Made, Project, Turned, atomic, drafting, journal, label_files
from voidscope.project.journal import Change
from voidscope.vocabulary import Mask, Provenance, SliceKey
from voidscope.workflow import turn

KEYS = tuple(SliceKey("a", k) for k in range(4))
PROPOSED = (Provenance.PROPAGATED, False, False)


def some_mask(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 6, (6, 5), dtype=np.uint8)


def state(project: Project) -> dict[SliceKey, tuple[bytes, object]]:
    """Everything that is said, whenever."""
    labels, found = project.labels, {}
    for key in (*labels.keys(), *labels.unverified):
        mask = labels.get(key)
        assert mask is not None
        found[key] = mask.tobytes(), dataclasses.replace(labels.record(key), time="")
    return found


def twin_of(project: Project, tmp_path: Path) -> Project:
    return Project.open(shutil.copytree(project.path, tmp_path / "twin"))


def at_a_desk(project: Project, masks: Mapping[SliceKey, Mask]) -> dict[SliceKey, Made]:
    desk = project.labels.desk()
    return {key: desk.labelled(key, mask, PROPOSED) for key, mask in masks.items()}


def propose(project: Project, made: Mapping[SliceKey, Made]) -> None:
    masks = {key: m.mask for key, m in made.items()}
    project.labels.put_all(masks, Provenance.PROPAGATED, verb="interpolated", ahead=made)


def job_of(project: Project, *, back: bool) -> Job[dict[SliceKey, Made], Turned | None]:
    turning = project.labels.turning(back=back)
    assert turning is not None
    return turn(project, turning)


def stepped(job: Job[dict[SliceKey, Made], Turned | None]) -> dict[SliceKey, Made]:
    """What the steps of a job make, not committed yet."""
    steps = job.steps()
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: dict[SliceKey, Made] = end.value
            return found


def left_over(project: Project) -> list[Path]:
    return list(project.path.rglob("*.tmp"))


def forbid(patch: pytest.MonkeyPatch) -> None:
    """Whoever packs, unpacks, hashes or writes a label from now on fails."""
    for place, name in (
        (drafting, "encode"), (drafting, "Draft"), (drafting.StoredLabel, "mask"), (journal, "_packed"), (journal, "_unpacked"),
        (journal, "sha256"), (label_files, "sha256"),
    ):  # fmt: skip
        patch.setattr(place, name, lambda *_, what=name, **__: pytest.fail(f"{what} on the project's thread"))


def test_what_was_made_ahead_is_put_in_place_as_if_made_on_the_spot(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.labels.put_all({KEYS[1]: some_mask(9)}, Provenance.PROPAGATED)
    twin, masks = twin_of(project, tmp_path), {k: some_mask(n) for n, k in enumerate(KEYS)}
    twin.labels.put_all(masks, Provenance.PROPAGATED, verb="interpolated")
    made = at_a_desk(project, masks)
    assert state(project).keys() == {KEYS[1]}
    with monkeypatch.context() as patch:
        forbid(patch)
        propose(project, made)
    assert state(project) == state(twin)
    assert state(Project.open(project.path)) == state(twin)
    assert [str(p.labels.undo()) for p in (project, twin)] == ["undid: interpolated a/0000 and 3 more"] * 2
    assert state(project) == state(twin)
    assert left_over(project) == []


def test_a_slice_of_which_something_else_was_said_since_is_made_anew(project: Project) -> None:
    made = at_a_desk(project, {key: some_mask(1) for key in KEYS[:2]})
    other = Project.open(project.path)
    other.labels.put_all({KEYS[0]: some_mask(7)}, Provenance.PROPAGATED)
    project.catch_up()
    propose(project, made)
    assert all((project.labels.get(k) == some_mask(1)).all() for k in KEYS[:2])
    project.labels.undo()
    assert (project.labels.get(KEYS[0]) == some_mask(7)).all()
    assert not project.labels.holds(KEYS[1])


def test_a_label_made_ahead_is_taken_only_for_what_it_was_made_for(project: Project) -> None:
    made = at_a_desk(project, {KEYS[0]: some_mask(1)})[KEYS[0]]
    assert made.is_for(made.mask, None, PROPOSED, "")
    assert not made.is_for(made.mask.copy(), None, PROPOSED, "")
    assert not made.is_for(made.mask, None, PROPOSED, "zoe")
    assert not made.is_for(made.mask, made.record, PROPOSED, "")
    assert not made.is_for(made.mask, None, (Provenance.DRAWN, False, False), "")
    project.labels.put_all({KEYS[0]: made.mask}, Provenance.IMPORTED, "zoe", ahead={KEYS[0]: made})
    assert project.labels.record(KEYS[0]).provenance is Provenance.IMPORTED
    assert project.labels.record(KEYS[0]).author == "zoe"


def test_a_project_that_is_gone_is_not_made_anew_by_what_is_made_ready(project: Project) -> None:
    desk = project.labels.desk()
    shutil.move(project.path, project.path.with_name("elsewhere"))
    with pytest.raises(ProjectError, match="is not there any more"):
        desk.labelled(KEYS[0], some_mask(1), PROPOSED)
    assert not project.path.exists()


def test_steps_turned_by_jobs_are_those_turned_at_once_and_their_commit_packs_nothing(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    twin, rng = twin_of(project, tmp_path), np.random.default_rng(5)
    for n in range(12):
        keys = [KEYS[k] for k in rng.choice(4, rng.integers(1, 5), replace=False)]
        provenance = (Provenance.DRAWN, Provenance.ACCEPTED)[n % 2]
        masks = {key: some_mask(int(rng.integers(99))) * (rng.random() > 0.2) for key in keys}
        for one in (project, twin):
            one.labels.put_all(copy.deepcopy(masks), provenance)
    for back in (True, False, True):
        while twin.labels.can_undo if back else twin.labels.can_redo:
            job = job_of(project, back=back)
            before, found = state(project), stepped(job)
            assert state(project) == before
            with monkeypatch.context() as patch:
                forbid(patch)
                done = job.commit(found)
            assert str(done) == str(twin.labels.undo() if back else twin.labels.redo())
            assert state(project) == state(twin) == state(Project.open(project.path))
        assert not (project.labels.can_undo if back else project.labels.can_redo)
    assert state(project) == {} and left_over(project) == []


@pytest.mark.parametrize("back", [True, False])
def test_a_step_made_meanwhile_is_not_turned_in_place_of_the_one_asked_for(
    project: Project, back: bool
) -> None:
    project.labels.put_all(dict.fromkeys(KEYS, some_mask(1)))
    if not back:
        project.labels.undo()
    job = job_of(project, back=back)
    found = stepped(job)
    project.labels.put(SliceKey("b", 1), some_mask(2))
    before = state(project)
    with pytest.raises(StaleResult, match="nothing was undone or redone"):
        job.commit(found)
    assert state(project) == before
    del job, found
    assert left_over(project) == []


def test_a_label_that_another_program_changes_meanwhile_is_left_and_named(project: Project) -> None:
    project.labels.put_all(dict.fromkeys(KEYS, some_mask(1)))
    job = job_of(project, back=True)
    found = stepped(job)
    record = dataclasses.replace(
        project.labels.record(KEYS[2]), author="bob", sha256=label_files.sha256(some_mask(3))
    )
    path = project.path / "labels" / "a" / "0002.tif"
    path.write_bytes(drafting.encode(KEYS[2], some_mask(3), record))
    done = job.commit(found)
    assert done is not None
    assert (done.keys, done.kept) == ((KEYS[0], KEYS[1], KEYS[3]), (KEYS[2],))
    assert (project.labels.get(KEYS[2]) == some_mask(3)).all()
    assert project.labels.keys() == (KEYS[2],)


def test_a_turn_that_is_cancelled_or_refused_by_the_disk_changes_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.labels.put_all(dict.fromkeys(KEYS, some_mask(1)))
    project.labels.put_all(dict.fromkeys(KEYS, some_mask(2)))
    before, steps = state(project), job_of(project, back=True).steps()
    for _ in range(3):
        next(steps)
    assert len(left_over(project)) == 2
    steps.close()
    del steps
    assert left_over(project) == []
    written: list[Path] = []

    def full(path: Path, data: bytes) -> None:
        written.append(path)
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        path.write_bytes(data)

    with monkeypatch.context() as patch:
        patch.setattr(atomic, "_write_synced", full)
        with pytest.raises(ProjectError, match="No space left"):
            execute(job_of(project, back=True))
    assert state(project) == before == state(Project.open(project.path))
    assert left_over(project) == []
    assert str(execute(job_of(project, back=True))) == "undid: painted a/0000 and 3 more"


def test_a_step_with_one_damaged_change_is_given_up_when_its_job_ends(project: Project) -> None:
    project.labels.put_all({key: some_mask(n + 1) for n, key in enumerate(KEYS)})
    project.labels.put_all(dict.fromkeys(KEYS, some_mask(7)))
    path = max((project.path / "undo").iterdir())
    tree, before = json.loads(path.read_text()), state(project)
    tree["changes"][1]["was"] = tree["changes"][1]["was"][:8]
    path.write_text(json.dumps(tree))
    with pytest.raises(ProjectError, match="The undo step of a/0001 is damaged"):
        execute(job_of(project, back=True))
    assert state(project) == before and not path.exists()


def test_only_a_step_over_many_slices_is_long(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.labels.put_all(dict.fromkeys(KEYS, some_mask(1)))
    turning = project.labels.turning(back=True)
    assert turning is not None and not turning.is_long
    monkeypatch.setattr(drafting, "MANY", 3)
    assert turning.is_long
    assert project.labels.turning(back=False) is None


def test_a_change_keeps_its_box_packed_and_finds_its_way_in_both_directions() -> None:
    was, became = np.ones((6, 5), np.uint8), np.ones((6, 5), np.uint8)
    became[2:4, 1:3] = 4
    change = Change.between(KEYS[0], None, was, None, became)
    assert (change.corner, change.box) == ((2, 1), (2, 2))
    assert (change.apply(was, back=False) == became).all()
    assert (change.apply(became, back=True) == was).all()
    same = Change.between(KEYS[0], None, was, None, was)
    assert same.box == (0, 0) and (same.apply(was, back=True) == was).all()
