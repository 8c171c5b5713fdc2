"""The queue and the review lists in a real viewer: each act of a person ends in the project."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench import add_cycle
from qtpy.QtCore import Qt

from builders import set_prediction
from voidscope.acquisition import Finding, Grounds, ScanFindings, Suggestion, Term, flicker
from voidscope.acquisition.findings import runs_of
from voidscope.errors import counted
from voidscope.jobs import Job, Progress, Steps
from voidscope.project import Mark, Project, State, drafting
from voidscope.vocabulary import Plane, Provenance, SliceKey
from voidscope.widgets.colours import FlickerMap
from voidscope.widgets.queue_words import ALL_DONE, EMPTY, EMPTY_NOW, FILTERED, GO_ON, NO_SCAN
from voidscope.widgets.term_bars import bars_of
from voidscope.widgets.thumbnails import Thumbnails
from voidscope.workflow import brief, describe

VOID, SOLDER = 4, 3
PICKS = tuple(
    Suggestion(SliceKey(scan, i), rank, 0.9, 1.0 + rank / 10, 0.2, 2.0, (9, 12), "rareness")
    for rank, (scan, i) in enumerate((("a", 1), ("b", 4), ("a", 3)), start=1)
)


def press(dock: Any, key: str) -> None:
    """What the viewer does when a person presses a key of ours."""
    dock.view.shortcuts()[key](dock._viewer)


def chips(dock: Any) -> list[str]:
    return [row.chip for row in dock.view.label.queue.list.rows()]


def missed_void() -> Finding:
    where = np.array([(2, y, x) for y in (9, 10) for x in (6, 7, 8)])
    return Finding("missed", SliceKey("a", 2), (9, 7), 6, 0.4, SOLDER, runs=runs_of(where))


@pytest.fixture
def reviewed(dock: Any, project: Project) -> Any:
    """Scan a segmented as solder with a one-slice square of background, and one missed void."""
    cycle = add_cycle(project)
    mask = np.full(project.scan("a").shape, SOLDER, np.uint8)
    mask[2:6, 3, 2:6] = 1
    counts, flickers = flicker("a", np.moveaxis(mask, 1, 0))
    found = ScanFindings((missed_void(),), flickers, counts)
    set_prediction(project, cycle.id, "a", mask, np.zeros(mask.shape, np.float16), found)
    project.events.findings_changed.emit()
    return dock


def test_suggesting_shows_the_first_slice_even_where_it_was_in_view(
    dock: Any, qtbot: Any, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    picks = [
        Suggestion(SliceKey("a", i), rank, None, None, None, None, None, "random")
        for rank, i in enumerate((2, 4), start=1)
    ]
    steps = Job("Suggesting", lambda: iter(()), lambda _: project.queue.put(picks))
    asked: list[bool] = []
    monkeypatch.setattr(
        "voidscope.widgets.label_panel.suggest", lambda _, elsewhere: (asked.append(elsewhere), steps)[1]
    )
    dock.view.layers.jump(picks[0].key)
    dock.view.label.suggest.click()
    qtbot.waitUntil(lambda: len(project.suggestions) == 2 and not dock.runner.busy, timeout=60_000)
    assert dock.view.layers.key == picks[0].key
    assert asked == [True], "what trains for it (VAAL) does so in a process of its own"


def test_skip_goes_on_and_flag_stays_and_both_are_the_projects(dock: Any, project: Project) -> None:
    project.queue.put(PICKS)
    press(dock, "N")
    press(dock, "S")
    assert project.queue.state(PICKS[0].key) is State.SKIPPED
    assert dock.view.layers.key == PICKS[1].key
    press(dock, "G")
    assert dock.view.layers.key == PICKS[1].key
    assert chips(dock) == ["skipped", "flagged", "to do"]
    press(dock, "N")
    assert dock.view.layers.key == PICKS[2].key
    press(dock, "N")
    assert dock.view.layers.key == PICKS[1].key, "flagged slices come when nothing else is left"
    press(dock, "G")
    assert Project.open(project.path).queue.marked() == (PICKS[0].key,)


def test_a_finding_that_is_accepted_on_a_worker_is_left_only_once_that_is_done(
    dock: Any, qtbot: Any, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drafting, "MANY", 2)
    found = (*(column_of(x) for x in (2, 8)), replace(column_of(14), key=SliceKey("a", 3)))
    list_missed(dock, project, found)
    box, turns = dock.view.label.queue, dock.view.strokes.turns
    box.pick(0)
    press(dock, "A")
    assert box.finding == found[0] and turns.under_way, "to leave its scan would wait for the worker"
    press(dock, "A")
    assert box.finding == found[1] and len(project.labels) == 3, (
        "in haste: it is finished, and no other begun"
    )
    press(dock, "A")
    box.pick(1)
    qtbot.waitUntil(lambda: len(box.list.rows()) == 1 and not turns.under_way, timeout=60_000)
    assert box.finding == found[2], "a person went there meanwhile"


def test_the_card_sends_nobody_to_a_next_row_where_none_is_left(dock: Any, project: Project) -> None:
    project.queue.put(PICKS)
    dock.view.layers.jump(SliceKey("a", 0))
    box = dock.view.label.queue
    box.refresh()
    assert box.card.text() == GO_ON
    for pick in PICKS[1:]:
        project.queue.mark(pick.key, Mark.SKIPPED)
    dock.view.layers.jump(PICKS[0].key)
    press(dock, "S")
    dock.view.layers.jump(SliceKey("a", 0))
    assert box.list.rows() and box.card.text() == "No other row of the list is left to do."


def test_a_flag_is_kept_where_its_slice_is_skipped_and_never_says_that_it_goes(
    dock: Any, project: Project
) -> None:
    project.queue.put(PICKS)
    press(dock, "N")
    press(dock, "G")
    press(dock, "S")
    assert project.queue.state(PICKS[0].key) is State.FLAGGED
    assert dock.jobs.message.text().startswith(f"{PICKS[0].key} stays flagged")
    assert dock.view.layers.key == PICKS[1].key, "on to the next all the same"
    dock.view.layers.jump(PICKS[0].key)
    dock.view.label.queue.never.click()
    assert project.queue.state(PICKS[0].key) is State.NEVER
    assert dock.jobs.message.text().endswith("; it is no longer flagged.")


def test_never_is_kept_and_taken_back_from_the_filter(dock: Any, project: Project) -> None:
    project.queue.put(PICKS)
    box = dock.view.label.queue
    press(dock, "N")
    box.never.click()
    assert Project.open(project.path).queue.state(PICKS[0].key) is State.NEVER
    project.queue.put(PICKS[1:])
    assert len(box.list.rows()) == 2
    box.states.setCurrentText("never")
    assert [row.key for row in box.list.rows()] == [PICKS[0].key]
    box.pick(0)
    assert box.never.text() == "Not never"
    box.never.click()
    assert project.queue.marked() == ()
    assert box.list.rows() == ()


def test_filters_by_state_and_scan(dock: Any, project: Project) -> None:
    project.queue.put(PICKS)
    project.labels.put(PICKS[0].key, np.ones((24, 20), np.uint8))
    box = dock.view.label.queue
    box.states.setCurrentText("labelled")
    assert [r.key for r in box.list.rows()] == [PICKS[0].key]
    box.states.setCurrentText("to do")
    box.scans.setCurrentText("b")
    assert [r.key for r in box.list.rows()] == [PICKS[1].key]
    press(dock, "N")
    assert dock.view.layers.key == PICKS[1].key
    project.queue.mark(PICKS[1].key, Mark.SKIPPED)
    assert box.list.rows() == ()


def test_filters_that_hide_everything_say_so_at_once(tall: Any, project: Project) -> None:
    box = tall.view.label.queue
    box.scans.setCurrentText("b")
    assert box.card.text() == "The filter above hides every finding."
    box.scans.setCurrentText("all scans")
    assert box.card.text() != "The filter above hides every finding."
    box.tabs.setCurrentIndex(0)
    project.queue.put(PICKS)
    tall.view.layers.jump(PICKS[0].key)
    assert box.card.text().startswith(f"{PICKS[0].key}: ") and box.bars.value() != ()
    box.states.setCurrentText("flagged")
    assert box.list.rows() == () and box.card.text() == FILTERED and box.bars.value() == ()


def test_proposed_slices_are_counted_listed_and_gone_through_from_the_summary(
    dock: Any, project: Project
) -> None:
    project.queue.put(PICKS)
    keys = [SliceKey("a", 2), SliceKey("a", 3), SliceKey("b", 0)]
    proposal = np.ones((24, 20), np.uint8)
    assert "proposed" not in dock.summary.text()
    project.labels.put_all(dict.fromkeys(keys, proposal), Provenance.PROPAGATED)
    assert "3 proposed" in dock.summary.text()
    assert chips(dock) == ["to do", "to do", "proposed"]
    dock.view.setCurrentIndex(0)
    box = dock.view.label.queue
    box.scans.setCurrentText("b")
    dock.view.layers.jump(SliceKey("a", 0))
    dock.summary.linkActivated.emit("proposed")
    assert dock.view.currentIndex() == 1
    assert [row.key for row in box.list.rows()] == keys and chips(dock) == ["proposed"] * 3
    assert dock.view.layers.key == keys[0]
    press(dock, "N")
    assert dock.view.layers.key == keys[1]
    press(dock, "A")
    assert project.labels.unverified == (keys[0], keys[2])
    assert dock.view.layers.key == keys[2], "A goes on to the one after, not to the first again"
    press(dock, "A")
    assert dock.view.layers.key == keys[0]
    press(dock, "R")
    assert box.list.rows() == () and "proposed" not in dock.summary.text()


def test_a_key_goes_through_proposals_over_slices_and_scans(dock: Any, project: Project) -> None:
    press(dock, "U")
    assert dock.jobs.message.text() == "No proposed label waits to be looked at."
    keys = [SliceKey("a", 2), SliceKey("a", 4), SliceKey("b", 0)]
    project.labels.put_all(dict.fromkeys(keys, np.ones((24, 20), np.uint8)), Provenance.PROPAGATED)
    dock.view.layers.jump(SliceKey("a", 3))
    seen = []
    for _ in range(4):
        dock.view.label.tools.proposed.click()
        seen.append(dock.view.layers.key)
    assert seen == [keys[1], keys[2], keys[0], keys[1]]
    press(dock, "A")
    assert dock.view.layers.key == keys[2] and project.labels.unverified == (keys[0], keys[2])
    assert dock.jobs.message.text() == "a/0004: accepted as it was proposed; 2 left to look at."
    press(dock, "A")
    press(dock, "A")
    assert dock.view.layers.key == keys[0] and project.labels.unverified == ()
    assert "none left" in dock.jobs.message.text() and not dock.view.label.tools.proposed.isEnabled()


def test_the_card_has_bars_and_warns_of_a_constant_term(dock: Any, project: Project) -> None:
    terms = (Term("rareness", 0.9, 0.9, 0.0, None, True), Term("uncertainty", 1.0, 1.4, 0.1, 0.95, True))
    project.queue.put(PICKS, Grounds(terms))
    press(dock, "N")
    box = dock.view.label.queue
    assert [(b.word, b.value, b.place) for b in box.bars.value()] == [
        ("rare", "0.90", None), ("unsure", "1.10", pytest.approx(0.25)), ("far", "0.20", None),
    ]  # fmt: skip
    assert "Rareness (0.90) is the same for every slice" in box.grounds.text()
    assert not box.grounds.isHidden()
    assert bars_of(PICKS[0], project.queue.grounds) == box.list.rows()[0].bars


def test_another_weight_ranks_again_without_asking_the_model(
    dock: Any, qtbot: Any, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("voidscope.widgets.label_panel.reranks", lambda p: True)
    panel = dock.view.label
    monkeypatch.setattr(panel._ranking, "run", lambda make, *then: asked.append("ranked"))
    panel.form.widget("distance").value = "0.5"
    qtbot.wait(400)
    assert asked == []
    project.queue.put(PICKS)
    panel.form.widget("distance").value = "0.25"
    panel.form.widget("aggregation").value = "mean"
    qtbot.waitUntil(lambda: asked != [], timeout=60_000)
    assert asked == ["ranked"]
    assert (project.config.suggest.distance, project.config.suggest.aggregation) == (0.25, "mean")


def test_that_the_model_is_needed_is_said_no_longer_than_it_is(
    dock: Any, qtbot: Any, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel, answers = dock.view.label, [False, True]
    add_cycle(project)
    project.queue.put(PICKS)
    monkeypatch.setattr("voidscope.widgets.label_panel.reranks", lambda p: answers.pop(0))
    monkeypatch.setattr(panel._ranking, "run", lambda make, *then: None)
    panel.form.widget("strategy").value = "badge"
    qtbot.waitUntil(lambda: "need the model again" in dock.jobs.message.text(), timeout=60_000)
    panel.form.widget("strategy").value = "entropy"
    qtbot.waitUntil(lambda: dock.jobs.message.text() == "Ranked by these settings.", timeout=60_000)


def test_another_weight_ranks_again_while_a_training_runs_but_not_while_suggest_does(
    dock: Any, qtbot: Any, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, ranked = threading.Event(), []

    def job(name: str, wait: bool, what: object) -> Job[Any, Any]:
        def steps() -> Steps[None]:
            yield Progress(0, 1)
            while wait and not gate.wait(0.01):
                yield Progress(0, 1)

        return Job(name, steps, lambda _: ranked.append(what))

    panel, runner = dock.view.label, dock.runner
    project.queue.put(PICKS)
    monkeypatch.setattr("voidscope.widgets.label_panel.reranks", lambda p: True)
    monkeypatch.setattr(
        "voidscope.widgets.label_panel.suggest",
        lambda p, elsewhere=False: job("Suggesting", False, p.config.suggest.distance),
    )
    runner.run(lambda: job("Training", True, "trained"))
    panel.form.widget("distance").value = "0.5"
    qtbot.waitUntil(lambda: ranked == [0.5], timeout=60_000)
    assert runner.busy  # the training goes on
    gate.set()
    qtbot.waitUntil(lambda: ranked == [0.5, "trained"] and not runner.busy, timeout=60_000)
    gate.clear()
    monkeypatch.setattr(
        "voidscope.widgets.label_panel.suggest",
        lambda p, elsewhere=False: job("Suggesting", not gate.is_set(), p.config.suggest.distance),
    )
    panel.suggest.click()
    panel.form.widget("distance").value = "0.25"
    qtbot.wait(600)
    assert ranked == [0.5, "trained"]  # what Suggest finds would write over it
    gate.set()
    qtbot.waitUntil(lambda: ranked == [0.5, "trained", 0.5, 0.25], timeout=60_000)


def test_a_missed_void_is_accepted_by_a_key(reviewed: Any, project: Project) -> None:
    box = reviewed.view.label.queue
    assert box.tabs.tabText(1) == "Missed 1"
    own = np.zeros((24, 20), np.uint8)
    own[10, 8] = 1
    project.labels.put(SliceKey("a", 2), own)
    box.tabs.setCurrentIndex(1)
    press(reviewed, "N")
    assert reviewed.view.layers.key == SliceKey("a", 2)
    assert reviewed.view.label.accept.text() == "A  It is a void"
    press(reviewed, "A")
    label = project.labels.get(SliceKey("a", 2))
    assert label is not None
    assert (label == VOID).sum() == 5, "what a person said stays"
    assert label[10, 8] == 1
    assert box.list.rows() == ()
    assert "No missed void is known" in box.card.text()


def column_of(x: int) -> Finding:
    """A missed void of 2 x 3 pixels from column `x` on in each of slices 1, 2 and 3 of scan a."""
    where = np.array([(i, y, x + k) for i in (1, 2, 3) for y in (9, 10) for k in range(3)])
    return Finding("missed", SliceKey("a", 1), (9, x + 1), 18, 0.4, SOLDER, runs=runs_of(where))


def list_missed(dock: Any, project: Project, found: tuple[Finding, ...]) -> None:
    """Scan a segmented as solder, with these missed voids, and their list in view."""
    cycle, shape = add_cycle(project), project.scan("a").shape
    mask, sure = np.full(shape, SOLDER, np.uint8), np.zeros(shape, np.float16)
    set_prediction(project, cycle.id, "a", mask, sure, ScanFindings(found, (), (0,) * 6))
    project.events.findings_changed.emit()
    dock.view.label.queue.tabs.setCurrentIndex(1)


@pytest.fixture
def tall(dock: Any, project: Project) -> Any:
    """One missed void through slices 1, 2 and 3 of scan a, selected in its list."""
    list_missed(dock, project, (column_of(6),))
    dock.view.label.queue.pick(0)
    return dock


def test_a_proposal_out_of_view_is_not_verified_by_accepting_a_finding(tall: Any, project: Project) -> None:
    keys = [SliceKey("a", i) for i in (1, 2, 3)]
    proposal = np.zeros((24, 20), np.uint8)
    proposal[15:] = 1
    project.labels.put_all(dict.fromkeys(keys[:2], proposal), Provenance.PROPAGATED)
    tall.view.label.queue.pick(0)
    press(tall, "A")
    assert project.labels.unverified == (keys[1],)
    assert (project.labels.get(keys[1]) == proposal).all()
    assert project.labels.keys() == (keys[0], keys[2])
    seen, other = (project.labels.get(key) for key in (keys[0], keys[2]))
    assert (seen[9:11, 6:9] == VOID).all() and (seen[15:] == 1).all()
    assert (other > 0).sum() == (other == VOID).sum() == 6, "only the pixels of the finding"
    assert "out of view stay as they are, to be looked at: a/0002" in tall.jobs.message.text()


def test_accepting_a_finding_leaves_what_another_program_labelled_meanwhile(
    tall: Any, project: Project
) -> None:
    key = SliceKey("a", 1)
    mine = np.zeros((24, 20), np.uint8)
    mine[20:] = 1
    project.labels.put(key, mine)
    tall.view.label.queue.pick(0)
    theirs = mine.copy()
    theirs[:5] = SOLDER
    Project.open(project.path).labels.put(key, theirs)
    press(tall, "A")
    now = project.labels.get(key)
    assert (now[:5] == SOLDER).all() and (now[20:] == 1).all() and (now[9:11, 6:9] == VOID).all()


def test_one_undo_takes_a_finding_back_in_all_its_slices(tall: Any, project: Project) -> None:
    press(tall, "A")
    assert len(project.labels) == 3
    tall.view.label.tools.turn(True)
    assert len(project.labels) == 0 and not project.labels.can_undo
    assert tall.jobs.message.text() == "undid: accepted missed void in a/0001 and 2 more"
    assert tall.view.layers.find("labels").data.max() == 0


@pytest.mark.parametrize("many", [2, 20])  # 3 slices are labelled on a worker, or on the spot
@pytest.mark.parametrize("key", ["A", "S"])
def test_what_is_done_with_a_finding_goes_on_to_the_next_one(
    dock: Any, qtbot: Any, project: Project, monkeypatch: pytest.MonkeyPatch, key: str, many: int
) -> None:
    monkeypatch.setattr(drafting, "MANY", many)
    found = tuple(column_of(x) for x in (2, 8, 14))
    list_missed(dock, project, found)
    box, turns = dock.view.label.queue, dock.view.strokes.turns
    box.pick(1)
    press(dock, key)
    qtbot.waitUntil(lambda: len(box.list.rows()) == 2 and not turns.under_way, timeout=60_000)
    assert box.finding == found[2] and dock.view.layers.key == found[2].key
    press(dock, key)
    qtbot.waitUntil(lambda: len(box.list.rows()) == 1 and not turns.under_way, timeout=60_000)
    assert box.finding == found[0], "after the last comes the one before"
    press(dock, key)
    qtbot.waitUntil(lambda: box.list.rows() == () and not turns.under_way, timeout=60_000)
    assert "No missed void is known" in box.card.text()


@pytest.mark.parametrize("key", ["A", "S"])
@pytest.mark.parametrize("away", [SliceKey("a", 5), SliceKey("b", 1)])
def test_a_finding_that_is_not_in_view_is_neither_accepted_nor_settled(
    tall: Any, project: Project, key: str, away: SliceKey
) -> None:
    box = tall.view.label.queue
    tall.view.layers.jump(away)
    press(tall, key)
    assert len(project.labels) == 0 and len(box.list.rows()) == 1
    assert "a/0001 is selected but not in view" in tall.jobs.message.text()
    assert tall.view.layers.key == away
    tall.view.layers.jump(SliceKey("a", 3))
    press(tall, key)
    assert box.list.rows() == (), "it reaches this slice"


def test_what_was_left_as_it_is_can_be_brought_back(tall: Any, project: Project) -> None:
    box = tall.view.label.queue
    press(tall, "S")
    assert box.list.rows() == ()
    box.settled.click()
    box.pick(0)
    assert box.skip.text() == "S Bring back"
    press(tall, "S")
    assert box.list.rows() == () and "Nothing is settled here" in box.card.text()
    box.settled.click()
    assert len(box.list.rows()) == 1
    assert not Project.open(project.path).queue.is_settled(box._review.missed[0])


def test_a_finding_left_as_it_is_does_not_come_back(reviewed: Any, project: Project) -> None:
    box = reviewed.view.label.queue
    box.tabs.setCurrentIndex(1)
    press(reviewed, "N")
    press(reviewed, "S")
    assert box.list.rows() == ()
    assert project.queue.is_settled(missed_void())
    assert len(project.labels) == 0 and project.queue.marked() == ()


def test_a_doubt_is_settled_the_models_way(reviewed: Any, qtbot: Any, project: Project) -> None:
    project.labels.put(SliceKey("a", 3), np.full((24, 20), SOLDER, np.uint8))
    box = reviewed.view.label.queue
    box.tabs.setCurrentIndex(2)
    box.compare.click()
    qtbot.waitUntil(lambda: len(box.list.rows()) == 1, timeout=20_000)
    qtbot.waitUntil(lambda: not reviewed.runner.busy, timeout=20_000)
    press(reviewed, "N")
    press(reviewed, "A")
    label = project.labels.get(SliceKey("a", 3))
    assert label is not None
    assert (label[2:6, 2:6] == 1).all() and (label == 1).sum() == 16
    assert box.list.rows() == ()


def test_a_flicker_is_mended_by_what_the_neighbours_say(reviewed: Any, project: Project) -> None:
    box = reviewed.view.label.queue
    box.tabs.setCurrentIndex(3)
    press(reviewed, "N")
    press(reviewed, "A")
    label = project.labels.get(SliceKey("a", 3))
    assert label is not None
    assert (label == SOLDER).sum() == 16 and (label > 0).sum() == 16


def test_damaged_findings_are_told_and_the_queue_works_on(reviewed: Any, project: Project) -> None:
    assert project.cycle is not None
    (project.cycle.folder / "findings" / "a.json").write_text("{}")
    project.queue.put(PICKS)
    assert "segment the scan again" in reviewed.jobs.message.text()
    press(reviewed, "N")
    press(reviewed, "S")
    assert project.queue.state(PICKS[0].key) is State.SKIPPED


def test_the_queue_s_own_key_still_accepts_the_prediction(reviewed: Any, project: Project) -> None:
    reviewed.view.layers.jump(SliceKey("a", 0))
    press(reviewed, "A")
    assert (project.labels.get(SliceKey("a", 0)) == SOLDER).all()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_flicker_heatmap_shows_the_slices_that_flicker(axis: int) -> None:
    mask = np.random.default_rng(axis).integers(1, 3, (5, 6, 7)).astype(np.uint8)
    counts = flicker("s", np.moveaxis(mask, axis, 0))[0]
    heat = FlickerMap(mask, axis)
    whole = np.asarray(heat)
    assert whole.sum(axis=tuple(a for a in range(3) if a != axis)).tolist() == list(counts)
    for where in [
        (2,),
        (slice(None), 3),
        (slice(1, 4), slice(None), 5),
        (1, slice(2, 5), slice(None)),
        (..., 0),
    ]:
        assert (heat[where] == whole[where]).all()


def test_thumbnails_come_later_and_a_scan_that_is_gone_has_none(qtbot: Any, project: Project) -> None:
    Path(project.scan("b").path).unlink()
    made = Thumbnails(project)
    places = [(SliceKey("a", 1), (9, 12)), (SliceKey("b", 4), None), (SliceKey("a", 2), None)]
    assert [made.get(p) for p in places] == [None] * 3
    qtbot.waitUntil(
        lambda: made.get(places[0]) is not None and made.get(places[2]) is not None, timeout=20_000
    )
    found = made.get(places[0])
    assert found is not None and (found.image.width(), found.image.height()) == (20, 24)
    assert found.pixel == pytest.approx((9.5 / 24, 12.5 / 20))
    qtbot.waitUntil(lambda: made._worker is None, timeout=20_000)
    assert made.get(places[1]) is None and made._worker is None, "it is not asked for again"
    made.release()


def test_a_thumbnail_read_before_the_plane_changed_is_not_shown(qtbot: Any, project: Project) -> None:
    made, place = Thumbnails(project), (SliceKey("a", 3), None)
    assert made.get(place) is None
    project.add([project.scan("a").model_copy(update={"plane": Plane.AXIS0})])
    made.clear()  # what the worker reads now is of the plane before
    qtbot.waitUntil(lambda: made._worker is None, timeout=20_000)
    qtbot.waitUntil(lambda: made.get(place) is not None, timeout=20_000)
    qtbot.waitUntil(lambda: made._worker is None, timeout=20_000)
    found = made.get(place)
    assert found is not None and (found.image.height(), found.image.width()) == (6, 20)
    made.release()


def test_a_stroke_just_painted_outlives_the_acceptance_of_a_finding(reviewed: Any, project: Project) -> None:
    view = reviewed.view
    view.label.queue.tabs.setCurrentIndex(1)
    view.label.queue.pick(0)
    labels = view.layers.find("labels")
    labels.data[15:18, 2, 15:18] = SOLDER  # as a direct write is: nothing has been told yet
    view.strokes._maybe_changed()
    view.label.queue.accept()
    label = project.labels.get(SliceKey("a", 2))
    assert (label[15:18, 15:18] == SOLDER).all()
    assert (label[9:11, 6:9] == VOID).all()


def test_no_doubt_is_denied_before_the_labels_were_compared(
    reviewed: Any, qtbot: Any, project: Project
) -> None:
    view, box = reviewed.view, reviewed.view.label.queue
    project.labels.put(SliceKey("a", 0), np.full((24, 20), SOLDER, np.uint8))
    view.setCurrentIndex(1)
    box.tabs.setCurrentIndex(2)
    assert box.card.text().startswith("1 labelled slice is not compared")
    assert f"Press {box.compare.text()}" in box.card.text()
    box.compare.click()
    qtbot.waitUntil(lambda: not reviewed.runner.busy, timeout=60_000)
    assert box.card.text().startswith("No label is in doubt")
    project.labels.put(SliceKey("a", 1), np.full((24, 20), SOLDER, np.uint8))
    assert box.card.text().startswith("1 labelled slice is not compared")


@pytest.fixture
def small(dock: Any, qtbot: Any) -> Any:
    """The dock in a window of a small screen, with its Label panel in view."""
    with qtbot.waitExposed(dock.window()):
        dock.window().resize(1366, 768)
        dock.window().show()
    dock.view.setCurrentIndex(1)
    qtbot.wait(100)
    return dock


def test_what_accept_takes_over_can_be_read_on_the_button(small: Any, qtbot: Any, reviewed: Any) -> None:
    panel = small.view.label
    for k in range(panel.queue.tabs.count()):
        panel.queue.tabs.setCurrentIndex(k)
        qtbot.wait(20)
        assert panel.accept.width() >= panel.accept.sizeHint().width(), panel.accept.text()


def test_a_small_screen_shows_three_rows_of_the_queue_and_undo(
    small: Any, qtbot: Any, project: Project
) -> None:
    project.queue.put(PICKS)
    panel, area = small.view.label, small.view.currentWidget()
    panel.queue.tabs.setCurrentIndex(0)  # the list looked at last is remembered
    press(small, "N")
    undo = panel.tools.undo

    def in_sight() -> bool:
        rows = panel.queue.list
        last = rows.visualRect(rows.model().index(2, 0))
        foot = undo.mapTo(area.viewport(), undo.rect().bottomLeft()).y()
        return rows.viewport().rect().contains(last) and foot <= area.viewport().height()

    qtbot.waitUntil(in_sight, timeout=20_000)


def test_the_row_gone_to_stays_in_sight_when_its_card_is_a_long_one(
    small: Any, qtbot: Any, project: Project
) -> None:
    picks = [
        Suggestion(SliceKey("ab"[k % 2], k // 2), k + 1, None, None, None, None, None, "random")
        for k in range(12)
    ]
    project.queue.put(picks)
    box, canvas = small.view.label.queue, small._viewer.window._qt_viewer.canvas.native
    listed, high = box.list, []
    for _ in picks:
        qtbot.keyClick(canvas, Qt.Key.Key_N)
        for words in ("a short card", "a long card " * 60):
            box.card.setText(words)
            qtbot.wait(60)
            high.append(listed.viewport().height())
            row = listed.visualRect(listed.currentIndex())
            assert listed.viewport().rect().contains(row), (listed.row(), row, high[-1])
        project.labels.put(box._shown[listed.row()][0], np.ones((24, 20), np.uint8))
    assert high[0] > high[1]


def test_the_row_selected_is_that_of_the_slice_in_view(dock: Any, project: Project) -> None:
    project.queue.put(PICKS)
    press(dock, "N")
    box, dims = dock.view.label.queue, dock._viewer.dims
    assert box.list.row() == 0
    dims.set_current_step(1, 5)
    assert (dock.view.layers.key, box.list.row()) == (SliceKey("a", 5), -1)
    dims.set_current_step(1, 3)
    assert (dock.view.layers.key, box.list.row()) == (SliceKey("a", 3), 2)


def test_what_is_not_labelled_yet_stays_in_the_queue_when_a_training_ends(
    dock: Any, project: Project
) -> None:
    box = dock.view.label.queue
    project.queue.put(PICKS)
    project.labels.put(PICKS[0].key, np.ones((24, 20), np.uint8))
    press(dock, "N")
    here = dock.view.layers.key
    add_cycle(project)
    assert [row.key for row in box.list.rows()] == [s.key for s in PICKS[1:]]
    assert dock.view.layers.key == here == PICKS[1].key
    assert "Suggested before cycle 1 was trained" in box.grounds.text() and not box.grounds.isHidden()
    assert "before this model" in box.card.text()
    press(dock, "N")
    assert dock.view.layers.key == PICKS[2].key
    project.labels.put(PICKS[2].key, np.ones((24, 20), np.uint8))
    assert chips(dock) == ["to do", "labelled"]
    project.queue.put(PICKS[:1])
    assert [row.key for row in box.list.rows()] == [PICKS[0].key] and box.grounds.isHidden()


def test_a_queue_left_over_where_a_model_was_gone_back_to_speaks_of_no_training(
    dock: Any, project: Project
) -> None:
    add_cycle(project)
    add_cycle(project)
    project.queue.put(PICKS)
    dock.view.train.choice.restore(1)
    assert project.cycle.number == 3
    assert "before the model of cycle 1 was gone back to" in dock.view.label.queue.grounds.text()


def test_one_of_a_thing_is_told_in_the_singular(reviewed: Any, project: Project) -> None:
    assert [counted(n, "scan") for n in (0, 1, 1200)] == ["0 scans", "1 scan", "1,200 scans"]
    key = SliceKey("a", 2)
    own = np.full((24, 20), SOLDER, np.uint8)
    own[3, 3] = 0
    project.labels.put(key, own)
    reviewed.view.layers.jump(key)
    press(reviewed, "Shift-B")
    assert reviewed.jobs.message.text() == "a/0002: 1 pixel labelled background."
    one = Finding("missed", key, (9, 7), 1, 0.4, SOLDER, runs=((2, 9, 7, 8),))
    words = (brief(one, project.classes), describe(one, project.classes))
    assert all(w.startswith("1 voxel") and "voxels" not in w for w in words)


def test_next_says_so_where_there_is_nothing_to_go_to(dock: Any, qtbot: Any, project: Project) -> None:
    box, gate = dock.view.label.queue, threading.Event()
    press(dock, "N")
    assert dock.jobs.message.text() == box.card.text() == EMPTY

    def steps() -> Steps[None]:
        while not gate.wait(0.01):
            yield Progress(0, 1)

    dock.runner.run(lambda: Job("Segmenting", steps, lambda _: None))
    assert box.card.text() == EMPTY_NOW and not dock.view.label.suggest.isEnabled()
    waiting = (
        dock.view.label.suggest,
        dock.view.scans.add,
        dock.view.scans.add_folder,
        dock.view.scans.remove,
    )
    for button in waiting:
        assert (
            button.toolTip() == "Segmenting is running: wait for it, or cancel it." and not button.isEnabled()
        )
    gate.set()
    qtbot.waitUntil(lambda: box.card.text() == EMPTY, timeout=60_000)
    assert not any("running" in button.toolTip() for button in waiting)
    project.queue.put(PICKS[:2])
    press(dock, "N")
    press(dock, "Shift-N")
    assert dock.jobs.message.text() == "This is the first row of the list."
    box.states.setCurrentText("never")
    press(dock, "N")
    assert dock.jobs.message.text() == FILTERED
    box.states.setCurrentText("all states")
    for pick in PICKS[:2]:
        project.labels.put(pick.key, np.ones((24, 20), np.uint8))
    press(dock, "N")
    assert dock.jobs.message.text() == ALL_DONE


def test_keys_that_have_nothing_to_act_on_say_so(dock: Any, project: Project, tmp_path: Path) -> None:
    press(dock, "D")
    assert "No prediction of this scan" in dock.jobs.message.text()
    press(dock, "I")
    assert "interpolating needs two" in dock.jobs.message.text()
    dock.show_project(Project.create(tmp_path / "empty", project.classes))
    for key in ("D", "J", "N", "I", "A", "S", "Shift-B", "Shift-T", "Shift-P"):
        dock.jobs.tell("")
        press(dock, key)
        assert dock.jobs.message.text() == NO_SCAN, key


def test_what_was_told_of_a_slice_is_over_with_it_once_it_could_be_read(
    dock: Any, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    dock.view.layers.jump(SliceKey("a", 1))
    press(dock, "Shift-B")
    said = dock.jobs.message.text()
    assert said.startswith("a/0001: ") and said.endswith("labelled background.")
    dock.view.layers.jump(SliceKey("a", 2))
    assert dock.jobs.message.text() == said, "an act may have gone on by itself"
    monkeypatch.setattr("voidscope.widgets.job_bar.READ_S", 0.0)
    dock.view.layers.jump(SliceKey("a", 1))
    assert dock.jobs.message.text() == said, "it is of this slice"
    dock.view.layers.jump(SliceKey("a", 3))
    assert dock.jobs.message.text() == ""


def test_a_sentence_about_one_act_goes_with_the_next_once_it_could_be_read(
    dock: Any, qtbot: Any, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = dock.jobs.message.text
    for problem in (False, True):
        monkeypatch.setattr("voidscope.widgets.job_bar.READ_S", 60.0)
        dock.view.layers.jump(SliceKey("a", 1))
        (dock.jobs.tell_problem if problem else dock.jobs.tell)("Suggesting: done.")
        dock.view.layers.jump(SliceKey("a", 2))
        assert said() == "Suggesting: done.", "it could not be read yet"
        monkeypatch.setattr("voidscope.widgets.job_bar.READ_S", 0.0)
        dock.view.layers.jump(SliceKey("b", 1))
        assert said() == ("Suggesting: done." if problem else ""), "what went wrong stays"
    dock.jobs.tell("redid: painted b/0001")
    project.labels.put(SliceKey("b", 1), np.ones((24, 20), np.uint8))
    assert said() == "", "painted on the slice in view"
    monkeypatch.setattr("voidscope.widgets.job_bar.READ_S", 0.3)
    dock.jobs.tell("Select a row of the list first.")
    dock.view.layers.jump(SliceKey("b", 2))
    assert said() != ""
    qtbot.waitUntil(lambda: said() == "", timeout=10_000)


def test_what_h_shows_is_told_and_that_there_is_none_only_where_there_is_none(
    reviewed: Any, project: Project
) -> None:
    told = []
    for _ in range(4):
        press(reviewed, "H")
        told.append(reviewed.jobs.message.text())
    assert told[0].startswith("Rareness") and told[3] == "No heatmap is shown; H shows them again."
    reviewed.view.layers.jump(SliceKey("b", 1))
    press(reviewed, "H")
    assert reviewed.jobs.message.text() == "There is no heatmap; they come with a prediction."


def test_the_count_of_the_class_chosen_fits_its_button(small: Any, qtbot: Any) -> None:
    palette = small.view.label.classes
    for n in range(1, len(palette.buttons) + 1):
        palette.setValue(n)
        palette.set_pixels([4955] * len(palette.buttons))
        button = palette.buttons[n - 1]
        needs = button.fontMetrics().horizontalAdvance(button.text())
        assert button.text().endswith((" 4955", " 5k")) and needs <= button.width() - 2 - 7 - 2 * 2, (
            button.text()
        )


def test_more_ways_to_label_opened_on_a_small_screen_come_into_view(
    small: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voidscope.widgets.forms.LAID_OUT_MS", 3000)  # on a busy machine
    small.runner.started.emit("Training cycle 2")  # its row takes room
    small.jobs.row.bar.setRange(0, 1)
    tools = small.view.label.tools
    area = small.view.currentWidget()
    qtbot.waitUntil(lambda: small.window().height() <= 768, timeout=20_000)
    qtbot.wait(1000)  # the panels take theirs
    tools.more.toggleButton().click()

    def in_view() -> bool:
        """All of it, or as much as there is room for below its title."""
        top = tools.more.mapTo(area.viewport(), tools.more.rect().topLeft()).y()
        height, room = tools.more.height(), area.viewport().height()
        return height > 80 and top >= 0 and (top + height <= room or (height > room and top == 0))

    qtbot.waitUntil(in_view, timeout=20_000)
    assert tools.extrude.isVisible()
