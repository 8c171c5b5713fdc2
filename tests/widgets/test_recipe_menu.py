"""A whole recipe in the window: from a file, from a preset, to a file; and people and sample on the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bench import Bench, add_cycle, predict

from voidscope.config import Criterion, MeasureConfig
from voidscope.metrology import preset_recipe, read_recipe, recipe_text
from voidscope.project import Project
from voidscope.widgets.measure_panel import MeasurePanel
from voidscope.widgets.runner import Runner
from voidscope.workflow import Occasion

RECIPE = MeasureConfig(
    ratio="void/solder", limit=0.12, source="drawing 4711", coverage=3,
    criteria=(Criterion(measure="blt_um", at_most=40, source="drawing 4712"),),
)  # fmt: skip


@pytest.fixture
def panel(qtbot: Any, project: Project) -> MeasurePanel:
    bench = Bench(project)
    bench.layers.show("a")
    add_cycle(bench.project)
    for name in bench.project.scans:
        predict(bench.project, name)
    made = MeasurePanel(bench.project, Runner(), bench.layers)
    qtbot.addWidget(made)
    return made


def test_a_recipe_file_is_taken_whole_measured_by_and_saved_again(
    panel: MeasurePanel, qtbot: Any, tmp_path: Path
) -> None:
    (tmp_path / "r.toml").write_text(recipe_text(RECIPE), encoding="utf-8")
    panel.recipe.open(tmp_path / "r.toml")
    assert panel._project.config.measure == RECIPE
    assert panel.form.value().measure.limit == 0.12  # the fields beside it follow
    assert panel.form.widget("ratio").value == "void/solder"
    assert panel.recipe.criteria.text() == "and 1 further limit"
    assert (
        "drawing 4711" in panel.recipe.criteria.toolTip() and "at most 40" in panel.recipe.criteria.toolTip()
    )
    panel.occasion.lines["operator"].setText(" Ann ")
    panel.occasion.lines["lot"].setText("L7")
    panel._measure()
    qtbot.waitUntil(lambda: panel._project.report is not None and not panel._runner.busy, timeout=60_000)
    report = panel._project.report
    assert report is not None and report.scans[0].recipe == RECIPE
    assert report.provenance["people"]["operator"] == "Ann" and report.provenance["sample"]["lot"] == "L7"
    assert report.provenance["people"]["approver"] == "not recorded"
    assert "--operator Ann" in report.provenance["command"]
    assert panel.who.text() == "Report: lot L7 · Ann"
    again = MeasurePanel(Project.open(panel._project.path), Runner(), panel._layers)
    qtbot.addWidget(again)
    assert again.occasion.value() == Occasion(operator="Ann", lot="L7") and "lot L7" in again.who.text()
    again.occasion.lines["lot"].setText("L8")
    again.refresh()
    assert again.occasion.value().lot == "L8"  # what was typed since stays
    panel.recipe.save(tmp_path / "again.toml")
    assert read_recipe(tmp_path / "again.toml") == RECIPE


def test_a_preset_is_a_start_and_a_field_changed_beside_it_stays(panel: MeasurePanel) -> None:
    panel.recipe.take(preset_recipe("hbm-public-formulas"))
    assert panel.recipe.criteria.text() == "and 2 further limits"
    panel.form.widget("limit").value = "0.2"
    now = panel._project.config.measure
    assert now == preset_recipe("hbm-public-formulas").model_copy(update={"limit": 0.2})
    assert panel.recipe.value().measure == now  # what is saved is what is measured by


def test_what_is_no_recipe_is_told_and_nothing_changes(panel: MeasurePanel, tmp_path: Path) -> None:
    said: list[str] = []
    panel._runner.failed.connect(said.append)
    before = panel._project.config
    (tmp_path / "bad.toml").write_text("version = 2\n[measure]\nlimit = 5\n", encoding="utf-8")
    panel.recipe.open(tmp_path / "bad.toml")
    panel.recipe.open(tmp_path / "none.toml")
    typo = 'version = 2\n[measure]\nlimit = 0.05\nsolder_class = "sodler"\n'
    (tmp_path / "typo.toml").write_text(typo, encoding="utf-8")
    panel.recipe.open(tmp_path / "typo.toml")
    panel.recipe.save(tmp_path / "bad.toml" / "r.toml")
    assert len(said) == 4 and "write 0.05" in said[0] and "no recipe" in said[1] and "r.toml" in said[3]
    assert "measure.solder_class is 'sodler', but the classes of the project are background," in said[2]
    assert said[2].endswith("Did you mean 'solder'?")
    assert panel._project.config == before == panel.recipe.value()
