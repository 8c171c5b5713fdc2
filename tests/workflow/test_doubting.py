"""A report is held to what its model was judged as, and put in force as, when it was made: nothing later, nothing that was never found."""

from __future__ import annotations

import json
import time

import numpy as np

from builders import add_cycle, set_prediction
from voidscope.jobs import execute
from voidscope.project import Project, project_truth
from voidscope.volume import Dataset
from voidscope.workflow import evaluate, measure, promote, verify


def later() -> None:
    """Wait for a later second: what is kept tells no smaller time."""
    time.sleep(1.1)


def with_model(project: Project, dataset: Dataset) -> None:
    """A new cycle that has segmented all scans as they are."""
    add_cycle(project)
    for scan in project.scans:
        mask = project_truth(project, dataset, scan)
        set_prediction(project, project.cycle.id, scan, mask, np.zeros(mask.shape, np.float16))


def test_a_report_verifies_after_its_model_was_put_in_force_again(project: Project, dataset: Dataset) -> None:
    with_model(project, dataset)
    execute(promote(project, dataset, note="first"))
    with_model(project, dataset)
    execute(evaluate(project, dataset))
    execute(promote(project, dataset, note="second"))
    execute(measure(project))
    assert execute(verify(project)) == ()
    later()
    execute(promote(project, dataset, note="again, on more labels"))
    again = Project.open(project.path)
    assert execute(verify(again)) == ()
    assert [p["note"] for p in again.cycle.promotions] == ["second", "again, on more labels"]
    assert again.cycle.promotion["note"] == "again, on more labels"


def test_what_an_older_version_kept_alone_is_the_first_of_its_history(
    project: Project, dataset: Dataset
) -> None:
    with_model(project, dataset)
    execute(evaluate(project, dataset))
    execute(promote(project, dataset, note="old"))
    for name in ("evaluation.json", "promotion.json"):
        path = project.cycle.folder / name
        tree = json.loads(path.read_text())
        assert tree.pop("before") == []
        path.write_text(json.dumps(tree))
    old = project.cycle.evaluation
    assert project.cycle.evaluations == (old,) and "before" not in old
    execute(evaluate(project, dataset))
    execute(promote(project, dataset, note="new"))
    assert project.cycle.evaluations == (old, project.cycle.evaluation)
    assert [p["note"] for p in project.cycle.promotions] == ["old", "new"]
