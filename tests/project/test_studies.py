"""Gauge studies on disk: written once, resumed after a kill, blind until complete, apart from all labels."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from voidscope.config import MeasureConfig
from voidscope.errors import NotReady, ProjectError
from voidscope.metrology import Plan, Slot, gauge_study, verdict_agreement
from voidscope.metrology import Reading as TableReading
from voidscope.project import Drawing, PartRecord, Project, Study, StudyPlan, study_of
from voidscope.vocabulary import SliceKey

PEOPLE = ("Ann / Müller", "Bo, jr.")


def planned(project: Project, repeats: int = 2) -> StudyPlan:
    parts = {f"P0{k + 1}": PartRecord.of(SliceKey("a", k), project.scan("a")) for k in range(3)}
    return StudyPlan(Plan(tuple(parts), PEOPLE, repeats, 5), parts, {}, MeasureConfig(limit=0.1))


@pytest.fixture
def study(project: Project) -> Study:
    return Study.begin(project.path, planned(project), {})


def drawing(slot: Slot) -> Drawing:
    """A reading whose value has digits that only a full decimal keeps."""
    k, bias = int(slot.part[1:]), PEOPLE.index(slot.operator) / 700
    value = k / 30 + bias + slot.repeat / 900
    return Drawing(np.full((6, 5), k, np.uint8), value, "FAIL" if value > 0.1 else "PASS")


def read(study: Study, operator: str, most: int = 99) -> None:
    for _ in range(most):
        if (slot := study.next(operator)) is not None:
            study.keep(slot, drawing(slot))


def test_a_study_opens_as_it_was_planned(project: Project, study: Study) -> None:
    assert Study.all(project.path) == (study,)
    assert study.planned == planned(project)
    second = Study.begin(project.path, replace(study.planned, plan=replace(study.plan, seed=6)), {})
    assert (study.number, second.number, study_of(project.path).number) == (1, 2, 2)
    assert study_of(project.path, 1) == study


def test_readings_come_in_the_order_of_the_plan_and_go_on_after_a_kill(
    project: Project, study: Study
) -> None:
    order = study.plan.order(PEOPLE[0])
    read(study, PEOPLE[0], 2)
    again = study_of(Project.open(project.path).path)
    assert again.next(PEOPLE[0]) == order[2]
    assert (again.done(PEOPLE[0]), again.done(PEOPLE[1])) == (2, 0)
    assert (again.drawing(order[1]) == drawing(order[1]).mask).all()
    read(again, PEOPLE[0])
    assert again.next(PEOPLE[0]) is None
    assert not again.complete


def test_a_kill_between_writing_and_renaming_leaves_the_reading_to_be_made(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    slot = study.next(PEOPLE[0])

    def killed(self: Path, target: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "hardlink_to", killed)
        study.keep(slot, drawing(slot))
    assert study.next(PEOPLE[0]) == slot
    study.keep(slot, drawing(slot))
    assert study.done(PEOPLE[0]) == 1


def test_a_draft_is_that_of_its_reading_alone_and_goes_when_that_is_made(study: Study) -> None:
    first, second = study.plan.order(PEOPLE[0])[:2]
    assert study.draft(first) is None
    mask = np.eye(6, 5, dtype=np.uint8)
    study.keep_draft(first, mask)
    study.keep_draft(study.plan.order(PEOPLE[1])[0], 2 * mask)
    assert (study.draft(first) == mask).all()
    assert study.draft(second) is None
    study.keep(first, drawing(first))
    assert study.draft(first) is None
    (left,) = (study.folder / "drafts").iterdir()
    left.write_bytes(b"no drawing")
    assert study.draft(study.plan.order(PEOPLE[1])[0]) is None


def test_a_reading_is_never_replaced(study: Study) -> None:
    slot = study.next(PEOPLE[0])
    study.keep(slot, drawing(slot))
    before = {p: p.read_bytes() for p in (study.folder / "readings").iterdir()}
    with pytest.raises(ProjectError, match="was made already"):
        study.keep(slot, replace(drawing(slot), value=0.5))
    assert {p: p.read_bytes() for p in (study.folder / "readings").iterdir()} == before


def test_of_two_windows_that_keep_one_reading_at_once_the_first_stays(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    slot = study.next(PEOPLE[0])
    first, link = drawing(slot), Path.hardlink_to
    with monkeypatch.context() as patch:

        def between(self: Path, target: Path) -> None:
            patch.setattr(Path, "hardlink_to", link)
            study.keep(slot, first)  # the other window, after this one has looked and before it writes
            link(self, target)

        patch.setattr(Path, "hardlink_to", between)
        with pytest.raises(ProjectError, match="was made already, perhaps in another window"):
            study.keep(slot, replace(first, value=0.5))
    assert study._row(slot)["value"] == first.value


def test_a_draft_that_cannot_be_deleted_is_told_and_the_reading_is_kept(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = study.plan.order(PEOPLE[0])[:2]
    assert study.keep(first, drawing(first)) == ""
    study.keep_draft(second, drawing(second).mask)

    def refused(path: Path) -> None:
        raise ProjectError(f"Cannot write {path}: read-only.")

    monkeypatch.setattr("voidscope.project.studies.remove", refused)
    said = study.keep(second, drawing(second))
    assert said.startswith("The reading is kept. Its draft could not be deleted")
    assert "read-only" in said
    assert study.done(PEOPLE[0]) == 2


def test_a_study_is_blind_until_it_is_complete(study: Study) -> None:
    read(study, PEOPLE[0])
    with pytest.raises(NotReady, match=r"Study 1 is blind .* has made 6 of 6, .* has made 0 of 6"):
        study.result()
    assert study.entry()["result"] is None
    assert study.entry()["done"] == {PEOPLE[0]: 6, PEOPLE[1]: 0}
    assert not (study.folder / "readings.csv").exists()


def test_the_result_is_that_of_its_table(study: Study) -> None:
    for person in PEOPLE:
        read(study, person)
    found, kappa = study.result()
    with (study.folder / "readings.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    readings = [TableReading(r["part"], r["operator"], float(r["value"]), r["verdict"]) for r in rows]
    assert (gauge_study(readings), verdict_agreement(readings)) == (found, kappa)
    assert readings == [
        TableReading(s.part, s.operator, drawing(s).value, drawing(s).verdict) for s in study.plan.slots
    ]
    assert {(r["part"], r["scan"], r["slice"]) for r in rows} == {
        (f"P0{k + 1}", "a", str(k)) for k in range(3)
    }
    written = json.loads((study.folder / "result.json").read_text())
    assert written == found.entry() | {"verdict_kappa": kappa}
    assert study.result(0.2)[0].grr_of_tolerance == pytest.approx(6 * found.grr / 0.2)


def test_a_folder_that_may_only_be_read_gives_the_result_and_is_written_when_it_can(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    for person in PEOPLE:
        read(study, person)

    def refused(path: Path, data: bytes) -> None:
        raise ProjectError(f"Cannot write {path}: read-only.")

    with monkeypatch.context() as patch:
        patch.setattr("voidscope.project.studies.write_bytes", refused)
        found = study.result()
    assert not (study.folder / "result.json").exists()
    assert study.result() == found
    assert (study.folder / "result.json").is_file()


def test_what_is_damaged_is_named(project: Project, study: Study) -> None:
    for person in PEOPLE:
        read(study, person)
    files = sorted((study.folder / "readings").iterdir())
    kept = files[0].read_bytes()
    for spoilt in (b"no reading", files[1].read_bytes()):
        files[0].write_bytes(spoilt)
        with pytest.raises(ProjectError, match=rf"{files[0].name} is damaged"):
            study.result()
    files[0].write_bytes(b"")
    with pytest.raises(ProjectError, match=rf"{files[0].name} is damaged"):
        study.drawing(study.plan.slots[0])
    files[0].write_bytes(kept)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", r"Cannot read .*0001.plan.json"),
        ('{"parts": {}}', r"0001.plan.json is damaged"),
        (
            '{"parts": {}, "operators": [], "repeats": 2, "seed": 0}',
            r"0001.plan.json is damaged: The study has 0 part",
        ),
        (None, r"Cannot read .*0001.plan.json"),
    ],
)
def test_a_damaged_study_is_told_and_hides_no_other(
    project: Project, study: Study, text: str | None, said: str
) -> None:
    second = Study.begin(project.path, planned(project), {})
    path = study.folder / "plan.json"
    path.unlink() if text is None else path.write_text(text)
    assert Study.all(project.path) == (second,) == (study_of(project.path),)
    assert re.search(said, *Study.damaged(project.path))
    with pytest.raises(ProjectError, match=said):
        study_of(project.path, 1)
    with pytest.raises(ProjectError, match="no study 3; its studies are 1, 2"):
        study_of(project.path, 3)
    third = Study.begin(project.path, planned(project), {})
    assert third.number == 3
    (third.folder / "plan.json").write_text("{")
    with pytest.raises(
        ProjectError, match=r"0003.plan.json.* Studies 2 can be opened by their number: --study 2"
    ):
        study_of(project.path)


def test_a_study_that_is_not_there_is_said(project: Project) -> None:
    with pytest.raises(NotReady, match="no gauge study yet; plan one"):
        study_of(project.path)
    Study.begin(project.path, planned(project), {})
    with pytest.raises(ProjectError, match="no study 3; its studies are 1"):
        study_of(project.path, 3)
