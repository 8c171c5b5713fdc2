"""Progress of a project: figures per cycle and what may be compared, new slices and working time, and when to stop."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from builders import set_prediction
from voidscope.cli.main import app
from voidscope.errors import ProjectError
from voidscope.evaluation import forecast
from voidscope.jobs import execute
from voidscope.metrology import Report, Verdict
from voidscope.project import Cycle, Project, label_files, results
from voidscope.vocabulary import Provenance, SliceKey
from voidscope.workflow import measure, progress, restore
from voidscope.workflow.deciding import OPEN, decisions
from voidscope.workflow.evaluating import truth_hash
from voidscope.workflow.stopping import readiness

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
BATCHES = ((("a", 0), ("a", 3)), (("b", 0), ("a", 2)), (("b", 3), ("b", 2)), (("a", 4), ("b", 5)))
VOIDS = (0.90, 0.93, 0.944, 0.951)
ALL_PASS = {"a": "PASS", "b": "PASS", "c": "FAIL"}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds since the start that labels are stamped with; a test moves them on."""
    now = [0.0]
    told = lambda: (START + timedelta(seconds=now[0])).isoformat()  # noqa: E731
    monkeypatch.setattr(label_files, "now", told)
    return now


def label(project: Project, *places: tuple[str, int], provenance: Provenance = Provenance.DRAWN) -> None:
    for scan, index in places:
        mask = np.ones((24, 20), np.uint8)
        mask[:2] = 4
        project.labels.put(SliceKey(scan, index), mask, provenance)


def add_cycle(project: Project, created_s: float = 0.0, **provenance: object) -> Cycle:
    """A full training on the labels of now that nobody made."""
    weights = f"weights {len(project.cycles)}".encode()
    keys = tuple(k for k in project.labels if k.scan != "c")
    said = {
        "labels_sha256": {str(k): project.labels.record(k).sha256 for k in keys},
        "created": (START + timedelta(seconds=created_s)).isoformat(),
    }
    metrics: Mapping[str, Any] = {"losses": [1.0], "seconds": 1.0, "warnings": []}
    config, digest = project.config.model_dump(mode="json"), hashlib.sha256(weights).hexdigest()
    cycle = Cycle(len(project.cycles) + 1, keys, 0, digest, metrics, said | provenance, config, (0.5, 0.2))
    return project.add_cycle(cycle, weights)


def judge(project: Project, void: float | None, truth: str = "") -> None:
    assert project.cycle is not None
    truth = truth or truth_hash(project, ["c"])
    iou = {"background": 0.9, "copper_pillar": 0.9, "solder": 0.9, "void": void}
    found = {"miou": 0.8, "miou_foreground": 0.8, "iou": iou, "scans": ["c"], "truth": "labels", "truth_sha256": truth}  # fmt: skip
    project.set_evaluation(project.cycle.id, found)


def settle(project: Project, decided: Mapping[str, str] = ALL_PASS, recipe: str = "r") -> None:
    assert project.cycle is not None
    results.write_decisions(project.cycle.folder, recipe, decided)


@pytest.fixture
def steady(project: Project) -> Project:
    """Four retrainings that nearly stopped gaining and never changed a verdict."""
    label(project, *(("c", i) for i in range(3)))
    for batch, void in zip(BATCHES, VOIDS, strict=True):
        label(project, *batch)
        add_cycle(project)
        judge(project, void)
        settle(project)
    return project


def test_each_cycle_has_its_new_slices_figures_and_pixels(steady: Project) -> None:
    found = progress(steady)
    assert [(c.number, c.n_labelled, c.void) for c in found.cycles] == [
        (k, 2 * k, v) for k, v in enumerate(VOIDS, start=1)
    ]
    assert [set(c.new) for c in found.cycles] == [{SliceKey(*p) for p in batch} for batch in BATCHES]
    assert {c.judged_by for c in found.cycles} == {"held-out labels of c"}
    assert found.curve == found.cycles
    assert found.cycles[1].pixels == {"background": 4 * 440, "copper_pillar": 0, "solder": 0, "void": 4 * 40}
    assert found.balance["void"] == pytest.approx(40 / 480)


def test_working_time_goes_to_the_cycle_that_learnt_it_and_imports_took_none(
    project: Project, clock: list[float]
) -> None:
    for seconds, place in ((0, ("a", 0)), (70, ("a", 1)), (3000, ("a", 2)), (3100, ("b", 0))):
        clock[0] = seconds
        label(project, place)
    add_cycle(project, created_s=3300)
    clock[0] = 3350  # 50 s after the model was ready
    label(project, ("b", 1))
    clock[0] = 3360
    label(project, ("b", 2), provenance=Provenance.IMPORTED)
    found = progress(project)
    assert found.cycles[0].labelling_s == 170
    assert (set(found.waiting), found.waiting_s) == ({SliceKey("b", 1), SliceKey("b", 2)}, 50)
    assert found.labelling_s == 220


def test_only_full_trainings_judged_by_one_truth_make_the_curve(steady: Project) -> None:
    label(steady, ("b", 1))
    add_cycle(steady, warm_from=4)
    judge(steady, 0.2)
    restore(steady, 2)
    found = progress(steady)
    assert [c.kind for c in found.cycles] == ["full"] * 4 + ["warm", "restored"]
    assert len(found.curve) == 4
    add_cycle(steady)
    judge(steady, 0.96, truth="more labels since")
    found = progress(steady)
    assert [c.number for c in found.curve] == [7] and found.forecast is None
    assert found.missing.endswith("2 more cycles.")


def test_cycles_of_before_a_setting_there_is_lie_on_the_curve_of_those_that_leave_it_off(
    steady: Project,
) -> None:
    for cycle in steady.cycles[:2]:
        tree = json.loads((cycle.folder / "cycle.json").read_text())
        tree["config"]["model"].pop("detail")
        (cycle.folder / "cycle.json").write_text(json.dumps(tree))
    older = Project.open(steady.path)
    assert older.cycles[0].learnt_by == older.cycles[3].learnt_by == steady.cycles[0].learnt_by
    assert len(progress(older).curve) == 4


def test_another_recipe_starts_another_curve(steady: Project) -> None:
    steady.set_config(steady.config.with_changes(["train.epochs=7"]))
    add_cycle(steady)
    judge(steady, 0.5)
    found = progress(steady)
    assert [c.number for c in found.curve] == [5]
    assert {c.apart for c in found.cycles} == {"trained by another recipe than cycle 5", ""}


@pytest.mark.parametrize("back_to", [4, 5])
def test_whoever_goes_back_from_another_recipe_has_the_curve_of_the_one_in_force(
    steady: Project, back_to: int
) -> None:
    """Be it a full training, or one fine-tuned from it."""
    label(steady, ("b", 1))
    add_cycle(steady, warm_from=4)
    judge(steady, 0.5)
    steady.set_config(steady.config.with_changes(["train.epochs=7"]))
    add_cycle(steady)
    judge(steady, 0.008)
    assert [c.number for c in progress(steady).curve] == [6]
    restore(steady, back_to)
    found = progress(steady)
    assert [c.number for c in found.curve] == [1, 2, 3, 4] and found.forecast is not None
    assert found.cycles[5].apart == "trained by another recipe than cycle 4"


def test_where_no_full_training_was_judged_the_newest_fine_tuned_one_is_the_measure(project: Project) -> None:
    label(project, ("a", 0), ("c", 0))
    add_cycle(project)
    label(project, ("a", 1))
    add_cycle(project, warm_from=1)
    judge(project, 0.4)
    found = progress(project)
    assert [(c.comparable, c.apart) for c in found.cycles] == [(False, ""), (True, "")]
    assert found.curve == () and found.missing.endswith("3 more cycles.")
    restore(project, 2)
    label(project, ("a", 2))
    add_cycle(project)
    judge(project, 0.5, truth="other")
    assert [c.apart for c in progress(project).cycles] == [
        "",
        *["judged by another truth than cycle 4"] * 2,
        "",
    ]


def test_the_forecast_is_of_the_next_batch_and_says_so(steady: Project) -> None:
    found = progress(steady)
    assert found.forecast is not None and (found.forecast.n, found.forecast.n_next) == (8, 11)
    assert found.forecast_sentence().startswith("The next 3 slices should add +0.0")
    assert "void IoU" in found.forecast_sentence()


def test_a_model_that_finds_no_void_is_no_start_for_a_forecast_and_no_reason_to_stop(
    project: Project,
) -> None:
    for batch in BATCHES:
        label(project, *batch)
        add_cycle(project)
        judge(project, 0.0)
        settle(project)
    found = progress(project)
    assert found.forecast is None and not found.readiness.ready
    assert found.missing.startswith("There is no forecast: cycle 4 has a void IoU of 0.000; label slices")


def test_ready_where_verdicts_hold_and_little_is_to_be_gained(steady: Project) -> None:
    found = progress(Project.open(steady.path)).readiness
    assert found.ready and found.missing == ()
    assert found.sentence() == (
        "Ready to stop: the last 2 retrainings changed none of 3 verdicts; no interval holds its limit; "
        f"{found.reasons[-1]}."
    )
    assert "less than 0.01 void IoU" in found.reasons[-1]


def _unjudged(project: Project) -> None:
    add_cycle(project)
    settle(project)


def _voidless(project: Project) -> None:
    judge(project, None)


def _moved(project: Project) -> None:
    settle(project, ALL_PASS | {"b": "FAIL"})


def _undecided(project: Project) -> None:
    settle(project, ALL_PASS | {"b": OPEN})


def _other_recipe(project: Project) -> None:
    settle(project, recipe="another limit")


def _labelled_since(project: Project) -> None:
    label(project, ("b", 1))


def _relabelled(project: Project) -> None:
    project.labels.put(SliceKey("a", 0), np.full((24, 20), 2, np.uint8))


def _warm(project: Project) -> None:
    add_cycle(project, warm_from=4)
    judge(project, 0.95)
    settle(project)


def _unmeasured(project: Project) -> None:
    (project.cycles[2].folder / "decisions.json").unlink()


def _scan_left_out(project: Project) -> None:
    for cycle in project.cycles:
        (cycle.folder / "decisions.json").unlink()
        results.write_decisions(cycle.folder, "r", {"a": "PASS", "b/B1": "PASS"})


def _gaining(project: Project) -> None:
    judge(project, 0.99)


def _better_before(project: Project) -> None:
    judge(project, 0.92)


def _in_question(project: Project) -> None:
    add_cycle(project, succeeds=4)
    judge(project, 0.951)
    settle(project)


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (_better_before, "cycle 3 found voids better (void IoU 0.944) than cycle 4 (0.920)"),
        (_in_question, "nobody has said yet that cycle 5 may take the place"),
        (_unjudged, "cycle 5 is judged by no held-out slice; that follows once"),
        (_voidless, "the held-out slices show no void"),
        (_moved, "the verdict of b changed in the last 2 retrainings"),
        (_undecided, "the interval of b holds the limit"),
        (_other_recipe, "by different recipes"),
        (_labelled_since, "1 labelled slice is not learnt from"),
        (_relabelled, "1 labelled slice is not learnt from"),
        (_warm, "cycle 5 is no retraining"),
        (_unmeasured, "nothing was measured with cycle 3"),
        (_scan_left_out, "c was not measured with cycle 4"),
        (_gaining, "may add up to"),
    ],
)
def test_it_is_not_ready_and_says_why(steady: Project, act: Any, said: str) -> None:
    assert progress(steady).readiness.ready
    act(steady)
    found = progress(steady).readiness
    assert not found.ready
    assert any(said in m for m in found.missing), found.missing
    assert found.sentence().startswith("Not ready to stop: ")


def test_models_that_get_worse_are_no_reason_to_stop(steady: Project) -> None:
    falling = forecast([10, 20, 30], [0.70, 0.66, 0.635], 10)
    assert falling is not None and falling.gain_high < 0
    found = readiness(steady, steady.cycles, falling, "")
    assert not found.ready and not any("would add less" in r for r in found.reasons)
    assert found.sentence() == (
        f"Not ready to stop: void IoU falls with more labels: the next 10 slices would add {falling.gain:+.3f}; see what spoils it."
    )
    level = forecast([10, 20, 30], [0.95, 0.95, 0.95], 10)
    assert readiness(steady, steady.cycles, level, "").ready


def test_without_a_held_out_slice_it_says_how_to_have_one(project: Project) -> None:
    for batch in BATCHES:
        label(project, *batch)
        add_cycle(project)
        settle(project)
    found = progress(project).readiness
    assert not found.ready and "add a scan only to judge on" in found.sentence()
    assert progress(project).cycles[-1].judged_by == ""


def test_with_no_model_there_is_nothing_to_stop(project: Project) -> None:
    found = progress(project)
    assert found.cycles == () and not found.readiness.ready and found.balance == {}
    assert found.readiness.missing[0] == "there is no model yet"


@pytest.mark.parametrize("dataset", [2], indirect=True)
def test_measuring_keeps_what_was_decided_and_scan_by_scan_adds_to_it(project: Project) -> None:
    label(project, ("a", 0))
    cycle = add_cycle(project)
    project.set_config(
        project.config.with_changes(["measure.unjudged_accepted=this test", "measure.unit=scan"])
    )
    for name in "abc":
        mask = np.ones(project.scan(name).shape, np.uint8)
        mask[12:20, 2:8, 4:16], mask[5:12, 2:8, 4:16] = 2, 3
        set_prediction(project, cycle.id, name, mask, np.zeros(mask.shape, np.float16))
    report = execute(measure(project, ["a"]))
    assert project.cycles[0].decisions[1] == {"a": "PASS"}
    execute(measure(project, ["b", "c"]))
    assert project.cycles[0].decisions[1] == dict.fromkeys("abc", "PASS")
    changed = project.config.with_changes(["measure.limit=0.01"])
    execute(measure(project, ["b"], changed))
    assert project.cycles[0].decisions[1] == {"b": "PASS"}
    assert restore(project, 1).decisions == project.cycles[0].decisions
    (row,) = report.scans
    for changes in ({"verdict": Verdict.REVIEW}, {"ratios": {**row.ratios, row.formula: 0.05}, "uncertainty": 0.02, "outcomes": ()}):  # fmt: skip
        assert decisions(Report((replace(row, **changes),))) == {"a": OPEN}


@pytest.mark.parametrize("dataset", [2], indirect=True)
def test_where_bumps_are_decided_each_counts_by_itself(project: Project) -> None:
    label(project, ("a", 0))
    cycle = add_cycle(project)
    project.set_config(
        project.config.with_changes(["measure.unjudged_accepted=this test", "measure.unit=bump"])
    )
    mask = np.ones(project.scan("a").shape, np.uint8)
    mask[12:20, 3:7, 2:7], mask[12:20, 3:7, 11:16] = 2, 2
    mask[5:12, 3:7, 2:7], mask[5:12, 3:7, 11:16] = 3, 3
    mask[7:10, 4:6, 12:15] = 4
    set_prediction(project, cycle.id, "a", mask, np.zeros(mask.shape, np.float16))
    report = execute(measure(project, ["a"]))
    decided = decisions(report)
    bumps = {f"a/{b.name}": b.measured for b in report.scans[0].bumps}
    assert len(bumps) == 2 and decided.keys() == bumps.keys()
    for name, bump in bumps.items():
        low, high = bump.interval or (0.0, 0.0)
        open_ = bump.verdict is Verdict.REVIEW or low <= bump.limit < high
        assert decided[name] == (OPEN if open_ else bump.verdict)
    assert len(set(decided.values())) == 2  # the one with a void, and the one without


def test_without_any_void_among_the_held_out_the_forecast_is_of_miou(project: Project) -> None:
    label(project, ("c", 0))
    for batch in BATCHES:
        label(project, *batch)
        add_cycle(project)
        judge(project, None)
        settle(project)
    found = progress(project)
    assert found.figure == "mIoU" and found.forecast is not None
    assert found.forecast.gain == pytest.approx(0)  # it stood at 0.8
    assert "there is no forecast of void IoU" in found.readiness.missing


def test_labels_that_changed_or_went_are_counted_as_they_are_now(steady: Project) -> None:
    before = progress(steady).cycles[0]
    steady.labels.put(SliceKey("a", 0), np.full((24, 20), 3, np.uint8))
    steady.labels.put(SliceKey("a", 3), np.zeros((24, 20), np.uint8))
    after = progress(steady).cycles[0]
    assert before.pixels["void"] == 80 and after.pixels == dict.fromkeys(before.pixels, 0) | {"solder": 480}
    assert after.n_labelled == before.n_labelled == 2  # what it learnt from does not change


def test_what_another_program_replayed_or_measured_is_told_to_the_window(steady: Project) -> None:
    told: list[str] = []
    steady.events.evaluation_changed.connect(lambda: told.append("evaluation"))
    other = Project.open(steady.path)
    results.write_replay(other.path, {"points": []})
    steady.catch_up()
    assert told == ["evaluation"]
    settle(other, {"a": "FAIL"})
    steady.catch_up()
    assert told == ["evaluation"] * 2


def test_times_of_older_records_without_an_offset_are_utc(project: Project, clock: list[float]) -> None:
    label(project, ("a", 0))
    clock[0] = 100
    label(project, ("a", 1))
    add_cycle(project, created=(START + timedelta(seconds=40)).replace(tzinfo=None).isoformat())
    assert progress(project).cycles[0].labelling_s == 60


def test_damaged_decisions_are_told(steady: Project) -> None:
    (steady.cycles[-1].folder / "decisions.json").write_text('{"recipe": "r"}')
    with pytest.raises(ProjectError, match=r"decisions.json is damaged.*measure again"):
        progress(steady)


def test_the_command_line_tells_the_same(steady: Project) -> None:
    told = CliRunner().invoke(app, ["progress", str(steady.path), "--json"])
    assert told.exit_code == 0, told.output
    found = json.loads(told.stdout)
    assert [c["void"] for c in found["cycles"]] == list(VOIDS)
    assert found["ready_to_stop"] is True and found["replay"] is None
    assert found["forecast"]["n_next"] == 11
    words = CliRunner().invoke(app, ["progress", str(steady.path)]).stdout
    assert "held-out labels of c" in words and progress(steady).readiness.sentence() in words
    add_cycle(steady, warm_from=4)
    add_cycle(steady)
    judge(steady, 0.5, truth="other")
    rows = CliRunner().invoke(app, ["progress", str(steady.path)]).stdout.splitlines()
    assert "judged by another truth than cycle 6" in rows[1] and "another truth" not in rows[6]
    assert rows[5].startswith("5 warm") and rows[5].endswith("not evaluated")
    assert sum(row.startswith("  missing: ") for row in rows) == len(progress(steady).readiness.missing) - 1


def test_figures_by_other_labels_than_there_are_now_make_nobody_ready(steady: Project) -> None:
    assert progress(steady).readiness.ready
    label(steady, ("c", 3))
    found = progress(steady).readiness
    assert not found.ready and any("is judged by no held-out slice" in m for m in found.missing)
