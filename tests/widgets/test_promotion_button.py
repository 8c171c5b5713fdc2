"""Putting a model in force from the window: what is refused is told with the way out, a note insists, and undo of it is another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bench import Bench, add_cycle
from qtpy.QtWidgets import QInputDialog

from builders import set_prediction
from voidscope.project import Project, import_truth, project_truth
from voidscope.vocabulary import SliceKey
from voidscope.volume import Dataset
from voidscope.widgets.promotion_button import PromotionButton
from voidscope.widgets.runner import Runner
from voidscope.workflow import in_force


@pytest.fixture
def button(qtbot: Any, project: Project, dataset: Dataset) -> PromotionButton:
    """A model whose mask of the test scan is its truth, which is labelled."""
    see(project, dataset, all_void=True)
    bench = Bench(project)
    made = PromotionButton(project, Runner(), bench.strokes)
    qtbot.addWidget(made)
    return made


def see(project: Project, dataset: Dataset, all_void: bool) -> None:
    """A cycle that sees the void of the test scan, or none of it; it has not learnt from the label there."""
    if SliceKey("c", 0) in project.labels:
        project.labels.remove(SliceKey("c", 0))
    cycle, mask = add_cycle(project), project_truth(project, dataset, "c")
    import_truth(project, dataset, [SliceKey("c", 0)])
    seen = mask if all_void else np.where(mask == 4, 3, mask).astype(np.uint8)
    set_prediction(project, cycle.id, "c", seen, np.zeros(mask.shape, np.float16))


def said(button: PromotionButton, qtbot: Any, note: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """What is told after the button and this note."""
    told: list[str] = []
    for signal in (button._runner.told, button._runner.failed):
        signal.connect(told.append)
    monkeypatch.setattr(QInputDialog, "getText", lambda *_: (note, True))
    button.click()
    qtbot.waitUntil(lambda: bool(told) and not button._runner.busy, timeout=60_000)
    return told[-1]


def test_a_model_is_put_in_force_and_one_that_finds_less_needs_a_note(
    button: PromotionButton, qtbot: Any, project: Project, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "finds 100 % of the held-out void" in said(button, qtbot, "", monkeypatch)
    assert in_force(project) is project.cycles[0]
    see(project, dataset, all_void=False)
    assert "finds 0.0 % of the held-out void" in said(button, qtbot, " ", monkeypatch)
    assert in_force(project) is project.cycles[0]
    assert "Cycle 2 is in force" in said(button, qtbot, "looked at by eye", monkeypatch)
    assert project.cycles[1].promotion["note"] == "looked at by eye"


def test_thinking_better_of_it_changes_nothing(
    button: PromotionButton, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QInputDialog, "getText", lambda *_: ("a note", False))
    button.click()
    assert not button._runner.busy and in_force(project) is None
