"""What a measurement leaves open is judged by everything that decides, each by how far it is from its limit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from builders import add_cycle, set_prediction
from voidscope.config import Criterion, MeasureConfig
from voidscope.errors import NotReady
from voidscope.jobs import execute
from voidscope.metrology import Outcome, Report, Verdict
from voidscope.project import Project
from voidscope.workflow import measure
from voidscope.workflow.deciding import OPEN, chance_of_flip, decisions, open_verdicts

PASS, FAIL, REVIEW = Verdict.PASS, Verdict.FAIL, Verdict.REVIEW
VOID, PILLAR, SOLDER = 3, 1, 2
"""Columns of a survey; the project has background, copper_pillar, solder, void and no pad."""


def outcome(measure: str, value: float | None, u: float | None, most: float | None = None, least: float | None = None) -> Outcome:  # fmt: skip
    bad = value is not None and ((most is not None and value > most) or (least is not None and value < least))
    verdict = REVIEW if value is None else FAIL if bad else PASS
    return Outcome(measure, value, u, most, least, verdict, "")


@pytest.fixture
def measured(project: Project) -> Report:
    """A report of scans a and b, which are for training, and c."""
    cycle = add_cycle(project)
    for name in "abc":
        shape = project.scan(name).shape
        set_prediction(project, cycle.id, name, np.full(shape, 3, np.uint8), np.zeros(shape, np.float16))
    project.set_config(project.config.with_changes(["measure.unit=scan"]))
    return execute(measure(project))


def told(project: Project, report: Report, pass_when: str = "all criteria pass", **outcomes: list[Outcome]) -> Report:  # fmt: skip
    """The report with these outcomes of scans, nothing near any limit of the others."""
    clear = [outcome("void/foreground", 0.0, 0.001, 0.05)]
    scans = tuple(
        replace(
            s, outcomes=tuple(outcomes.get(s.scan, clear)), verdict=PASS,
            recipe=s.recipe.model_copy(update={"pass_when": pass_when}),
        )
        for s in report.scans
    )  # fmt: skip
    found = replace(report, scans=scans)
    project.set_report(found, {})
    return found


@given(st.floats(0, 10), st.floats(0.01, 5), st.floats(0, 10), st.floats(1, 4))
def test_the_chance_of_a_flip_is_that_of_a_normal_value_beyond_its_limit(
    value: float, u: float, limit: float, k: float
) -> None:
    recipe = MeasureConfig(coverage=k)
    for found in (outcome("blt_um", value, u, most=limit), outcome("blt_um", value, u, least=limit)):
        beyond = 2 * norm.sf(abs(value - limit), scale=u / k)
        chance = chance_of_flip(found, recipe)
        if abs(value - limit) < u * (1 - 1e-9):
            assert chance == pytest.approx(beyond)
        elif abs(value - limit) > u * (1 + 1e-9):
            assert chance == 0


def test_without_an_uncertainty_a_tenth_of_the_limit_or_one_of_a_count_is_near() -> None:
    recipe = MeasureConfig()
    assert chance_of_flip(outcome("blt_um", 38, None, most=40), recipe) > 0
    assert chance_of_flip(outcome("blt_um", 35, None, most=40), recipe) == 0
    assert chance_of_flip(outcome("void_count", 3, None, most=4), recipe) == 0  # one more void still passes
    assert chance_of_flip(outcome("void_count", 4, None, most=4), recipe) == 1
    assert chance_of_flip(outcome("void_count", 5, None, most=4), recipe) > 0
    assert chance_of_flip(outcome("blt_um", 0, None, most=0), recipe) == 1
    assert chance_of_flip(outcome("blt_um", None, 1, most=40), recipe) == 0


def test_scans_are_near_by_whatever_decides_them_with_the_classes_it_is_read_off(
    project: Project, measured: Report
) -> None:
    assert project.cycle is not None
    told(project, measured, a=[outcome("void/foreground", 0, 0.001, 0.05), outcome("blt_um", 39.5, 1, 40)])
    found = open_verdicts(project, project.cycle, {"a", "b"})
    assert set(found.near) == {"a"}
    (near,) = found.near["a"]
    assert set(near.columns) == {PILLAR, SOLDER} and near.chance == pytest.approx(2 * norm.sf(1))
    assert found.note == "Near a limit: blt_um in a."
    rows = [outcome("projected area", 0.24, 0.02, 0.25), outcome("void_count", 4, None, 4), outcome("pad_misalignment_um", None, None, 2)]  # fmt: skip
    told(project, measured, a=rows[:2], b=rows)
    found = open_verdicts(project, project.cycle, {"a", "b"})
    assert {n.columns for n in found.near["a"]} == {(VOID,)} and len(found.near["a"]) == 2
    assert "Near a limit: projected area in a, b; void_count in a, b." in found.note
    assert (
        "The uncertainty of void_count is not known: 10% of the limit, or one of a count, is near."
        in found.note
    )


def test_what_cannot_turn_the_verdict_is_not_near_and_what_is_undefined_is_said(
    project: Project, measured: Report
) -> None:
    assert project.cycle is not None
    lost, near = outcome("blt_um", 90, 1, 40), outcome("void/foreground", 0.05, 0.01, 0.05)
    told(project, measured, a=[near, lost])
    with pytest.raises(NotReady, match="No interval of 2 measured training scans holds its limit"):
        open_verdicts(project, project.cycle, {"a", "b"})
    told(project, measured, "any criterion passes", a=[near, lost])
    assert set(open_verdicts(project, project.cycle, {"a", "b"}).near) == {"a"}
    undefined = outcome("pad_misalignment_um", None, None, 2)
    told(project, measured, a=[near, undefined], b=[undefined])
    found = open_verdicts(project, project.cycle, {"a", "b"})
    assert set(found.near) == {"a"}
    assert found.note.endswith("Not considered: pad_misalignment_um, undefined in a, b.")


def test_a_criterion_near_its_limit_leaves_the_decision_open_where_its_uncertainty_is_known(
    project: Project, measured: Report
) -> None:
    clear = outcome("void/foreground", 0, 0.001, 0.05)
    found = told(project, measured, a=[clear, outcome("blt_um", 39.5, 1, 40)], b=[clear, outcome("blt_um", 39.5, None, 40)])  # fmt: skip
    assert decisions(found) == {"a": OPEN, "b": "PASS", "c": "PASS"}


def test_the_note_stands_with_the_queue(project: Project, measured: Report) -> None:
    from voidscope.acquisition import Grounds

    grounds = Grounds(note="Near a limit: blt_um in a.")
    assert grounds.text() == grounds.note and Grounds.from_entry(grounds.entry()) == grounds
    assert Grounds.from_entry({"terms": [], "limits": None}).note == ""


def test_measured_criteria_of_a_recipe_are_what_is_looked_at(project: Project, measured: Report) -> None:
    criteria = (Criterion(measure="void_count", at_most=0),)
    recipe = project.config.measure.model_copy(update={"criteria": criteria})
    project.set_config(project.config.model_copy(update={"measure": recipe}))
    execute(measure(project))
    assert project.cycle is not None
    found = open_verdicts(project, project.cycle, {"a", "b"})  # no void was found, and one would be too many
    assert set(found.near) == {"a", "b"} and "void_count in a, b" in found.note
