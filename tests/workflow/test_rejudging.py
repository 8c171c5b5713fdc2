"""Judging all cycles alike: the same figures as `evaluate`, for every cycle, by the labels of now."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from voidscope.cli.main import app
from voidscope.errors import NotReady
from voidscope.jobs import execute
from voidscope.model import build_segmenter, weights_bytes
from voidscope.project import Cycle, Project, project_truth
from voidscope.vocabulary import Provenance, SliceKey
from voidscope.volume import Dataset, slice_index
from voidscope.workflow import evaluate, held_out_void_iou, judge_all, progress, restore, unlike


def label(project: Project, dataset: Dataset, *indices: int) -> None:
    """Slices of the test scan, by their truth."""
    for index in indices:
        where = slice_index(project.scan("c").plane, index)
        project.labels.put(SliceKey("c", index), project_truth(project, dataset, "c")[where])


@pytest.fixture
def modelled(project: Project, dataset: Dataset) -> Project:
    """Two cycles of networks that nobody trained, and two labelled slices of the test scan."""
    project.labels.put(SliceKey("b", 0), np.ones((24, 20), np.uint8))
    config = project.config.model_dump(mode="json")
    for seed in (1, 2):
        weights = weights_bytes(build_segmenter(project.config.model, 4, seed=seed))
        digest = hashlib.sha256(weights).hexdigest()
        metrics = {"losses": [1.0], "seconds": 1.0, "warnings": []}
        cycle = Cycle(
            seed, (SliceKey("b", 0),), 0, digest, metrics, {}, config, project.normalisation()
        )  # fmt: skip
        project.add_cycle(cycle, weights)
    label(project, dataset, 0, 3)
    return project


def figures(cycle: Cycle) -> dict[str, Any]:
    """What a cycle keeps of its evaluation but its time."""
    assert cycle.evaluation is not None
    return {k: v for k, v in cycle.evaluation.items() if k != "created"}


def test_the_current_cycle_gets_the_figures_that_evaluate_gives(modelled: Project) -> None:
    execute(evaluate(modelled))
    one = figures(modelled.cycles[1])
    assert unlike(modelled) == (modelled.cycles[0],)
    (modelled.cycles[1].folder / "evaluation.json").unlink()
    assert execute(judge_all(modelled)) == 2
    assert figures(modelled.cycles[1]) == one
    assert figures(modelled.cycles[0]) != one  # another network
    assert unlike(modelled) == ()
    assert [c.comparable for c in progress(Project.open(modelled.path)).cycles] == [True, True]


def test_one_more_held_out_label_parts_the_cycles_until_all_are_judged_anew(
    modelled: Project, dataset: Dataset
) -> None:
    execute(judge_all(modelled))
    before = [figures(c) for c in modelled.cycles]
    label(modelled, dataset, 4)
    execute(evaluate(modelled))
    assert [c.comparable for c in progress(modelled).cycles] == [False, True]
    execute(judge_all(modelled))
    assert [c.comparable for c in progress(modelled).cycles] == [True, True]
    assert all(figures(c) != was for c, was in zip(modelled.cycles, before, strict=True))


def test_a_model_taken_again_keeps_what_it_brought_along(modelled: Project) -> None:
    execute(judge_all(modelled))
    again = restore(modelled, 1)
    assert execute(judge_all(modelled)) == 3
    assert figures(again) == figures(modelled.cycles[0])


def test_a_model_taken_again_before_it_was_ever_judged_is_judged_with_the_others(modelled: Project) -> None:
    restore(modelled, 1)
    again = restore(modelled, 3)
    assert unlike(modelled) == modelled.cycles
    assert execute(judge_all(modelled)) == 4
    assert [figures(c) == figures(modelled.cycles[0]) for c in modelled.cycles] == [True, False, True, True]
    assert unlike(modelled) == () and modelled.cycle == again
    assert held_out_void_iou(modelled, again) is not None
    assert not any("judged by no held-out slice" in m for m in progress(modelled).readiness.missing)


def test_figures_by_a_datasets_truth_are_left_to_stand(modelled: Project, dataset: Dataset) -> None:
    told = {"miou": 0.5, "iou": {"void": 0.5}, "scans": ["c"], "truth": str(dataset.folder), "truth_sha256": "x"}  # fmt: skip
    modelled.set_evaluation(modelled.cycles[1].id, told)
    assert unlike(modelled) == ()


def test_nothing_is_judged_by_accepted_predictions_or_by_nothing(modelled: Project, project: Project) -> None:
    for key in modelled.labels.of("c"):
        modelled.labels.put(key, np.zeros((24, 20), np.uint8))
    with pytest.raises(NotReady, match="no labelled test scan"):
        judge_all(modelled)
    modelled.labels.put(SliceKey("c", 1), np.ones((24, 20), np.uint8), Provenance.ACCEPTED)
    with pytest.raises(NotReady, match="no labelled test scan"):
        judge_all(modelled)


def test_the_command_line_judges_where_it_is_asked_to(modelled: Project) -> None:
    told = CliRunner().invoke(app, ["progress", str(modelled.path), "--judge", "--json"])
    assert told.exit_code == 0, told.output
    assert [c["judged_by"] for c in json.loads(told.stdout)["cycles"]] == ["held-out labels of c"] * 2
