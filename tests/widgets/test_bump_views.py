"""The bumps in the dock: a row, a dot, a picture and a point each, and a click on any goes there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QPushButton, QScrollArea, QTabWidget

from builders import set_prediction
from metrology.packages import package, rows
from voidscope.config import MeasureConfig
from voidscope.jobs import execute
from voidscope.metrology import Report, Verdict, measure_scan
from voidscope.project import Project
from voidscope.project.results import bump_picture
from voidscope.vocabulary import ClassMap
from voidscope.widgets.bump_views import LotView
from voidscope.widgets.criteria_table import CriteriaTable
from voidscope.widgets.tables import RowTable
from voidscope.workflow import measure
from widgets.bench import add_cycle


@pytest.fixture
def measured(project: Project) -> Project:
    """Scans a, b and c of two bumps each; in a and b the right one has a void of a sixth, at slice 3."""
    add_cycle(project)
    project.set_config(project.config.with_changes(["measure.unjudged_accepted=this test"]))
    background, pillar, solder, void = (
        project.classes.id_of(n) for n in ("background", "copper_pillar", "solder", "void")
    )
    for scan in "abc":
        mask = np.full(project.scan(scan).shape, background, np.uint8)
        for left in (1, 11):
            mask[12:20, 1:5, left : left + 3], mask[5:12, 1:5, left : left + 3] = pillar, solder
        if scan != "c":
            mask[6:11, 3, 12] = void
            mask[7:10, 2:5, 11:14] = void
        set_prediction(project, project.cycle.id, scan, mask, np.zeros(mask.shape, np.float16))
    execute(measure(project))
    return project


@pytest.fixture
def panel(measured: Project, dock: Any) -> Any:
    dock.view.setCurrentIndex(3)
    return dock.view.measure


def in_view(dock: Any) -> tuple[str | None, int | None]:
    key = dock.view.layers.key
    return (None, None) if key is None else (key.scan, key.index)


def test_a_click_on_a_row_goes_to_the_bump_s_largest_void(dock: Any, panel: Any) -> None:
    panel.scans.setCurrentIndex(1)
    rows = [panel.bumps.table.item(r, 0).text() for r in range(panel.bumps.table.rowCount())]
    assert rows[0].startswith("r1c2") and len(rows) == 2  # worst first
    assert panel.bumps.table.item(0, 1).text() == "FAIL"
    panel.bumps.table.cellClicked.emit(0, 0)
    assert in_view(dock) == ("b", 3)


def test_a_click_on_the_map_goes_there_and_colour_follows_the_choice(dock: Any, panel: Any) -> None:
    panel.scans.setCurrentIndex(0)
    points = panel.map.points.points()
    assert {p.data() for p in points} == {"r1c1", "r1c2"}
    by_verdict = {p.data(): p.brush().color().name() for p in points}
    assert by_verdict == {"r1c1": "#1a7f4b", "r1c2": "#b3261e"}
    left, right = sorted(points, key=lambda p: p.data())
    assert left.pos().x() < right.pos().x()
    panel.map.colour.setCurrentIndex(1)
    by_value = {p.data(): p.brush().color().name() for p in panel.map.points.points()}
    assert by_value["r1c1"] == "#fde725" and by_value["r1c2"] != by_verdict["r1c2"]
    panel.map.points.sigClicked.emit(panel.map.points, [right], None)
    assert in_view(dock) == ("a", 3)


def test_the_worst_bumps_are_shown_in_pictures_that_lead_to_them(
    dock: Any, panel: Any, measured: Project
) -> None:
    texts = [panel.worst.item(k).text() for k in range(panel.worst.count())]
    assert [t.split("\n")[0] for t in texts] == ["a r1c2", "b r1c2", "a r1c1", "b r1c1", "c r1c1", "c r1c2"]
    assert texts[0].split("\n")[1].startswith("FAIL")
    assert not panel.worst.item(0).icon().isNull()
    panel.worst.itemClicked.emit(panel.worst.item(1))
    assert in_view(dock) == ("b", 3)
    assert panel.scans.currentText() == "FAIL  b"
    assert bump_picture(measured.report_folder, "b", "r1c2") is not None


def test_a_picture_tells_the_criterion_that_fails(panel: Any, measured: Project) -> None:
    said = 'measure.criteria=[{"measure": "blt_um", "at_most": 0.5}]'
    measured.set_config(measured.config.with_changes([said, "measure.limit=0.9"]))
    execute(measure(measured))
    texts = [panel.worst.item(k).text() for k in range(panel.worst.count())]
    assert texts and all("FAIL blt_um" in t and t.endswith(" µm") for t in texts), texts


def test_the_lot_shows_every_bump_and_what_fails_again(dock: Any, panel: Any) -> None:
    assert panel.lot.again.text() == "Fails in several scans: r1c2 (2 of 3)."
    points = panel.lot.points.points()
    assert len(points) == 6
    bad = next(p for p in points if p.data() == ("b", "r1c2"))
    assert bad.pos().x() == 2
    panel.lot.points.sigClicked.emit(panel.lot.points, [bad], None)
    assert in_view(dock) == ("b", 3)
    panel.lot.of.setCurrentIndex(1)
    assert {p.pos().y() for p in panel.lot.points.points()} == {15 * 0.7}


def test_two_scans_of_one_file_count_once_as_on_the_lot_s_page(panel: Any, measured: Project) -> None:
    report = measured.report
    assert report is not None
    scans = dict(report.provenance["scans"])
    scans["b"] = {**scans["b"], "fingerprint": scans["a"]["fingerprint"]}
    measured.set_report(replace(report, provenance={**report.provenance, "scans": scans}), {})
    assert len(panel.lot.points.points()) == 4
    assert panel.lot.again.text() == (
        "No place fails in more than one scan. 1 scan is a copy of another and does not count."
    )
    copied = "Of 1 scans the file was counted already, so they are left out: b (that of a)."
    assert copied in panel.lot.again.toolTip() and copied in measured.report.html_lot()


@pytest.mark.parametrize("width", [220, 320])
def test_what_the_lot_says_lies_below_the_chart_and_is_not_cut_off(qtbot: Any, width: int) -> None:
    grid = package((24, 44, 60), rows(2, 3, 18, 12), [7.0] * 6, voids={1: 4.5, 2: 4.5, 4: 4.5, 5: 4.5})
    lone = package((24, 24, 24), [(12.0, 12.0)], [7.0])
    made = {"a": grid, "b": grid} | {f"logic_{k:03d}": lone for k in range(5)}
    recipe = MeasureConfig(limit=0.02)
    scans = [measure_scan(m.mask, ClassMap.hbm(), (1, 1, 1), recipe, name) for name, m in made.items()]
    area, tabs, view = QScrollArea(), QTabWidget(), LotView()
    qtbot.addWidget(area)
    tabs.addTab(view, "Lot")
    area.setWidget(tabs)
    area.setWidgetResizable(True)
    area.resize(width, 200)
    area.show()
    view.setValue(Report(tuple(scans)).lot)
    qtbot.waitUntil(lambda: view.rect().contains(view.again.geometry()), timeout=3000)
    assert view.again.height() >= view.again.heightForWidth(view.again.width())
    assert view.again.text() == (
        "Fails in several scans: r1c2 (2 of 2), r1c3 (2 of 2), r2c2 (2 of 2) and 1 more. 5 of 7 scans are left out."
    )
    assert not view.plot.geometry().intersects(view.again.geometry())
    assert "logic_000 (no grid)" in view.again.toolTip()


def test_choosing_the_scan_as_unit_is_kept_in_the_project_and_asked_to_be_measured(
    panel: Any, measured: Project
) -> None:
    panel.form.widget("unit").value = "scan"
    assert measured.config.measure.unit == "scan"
    assert "measure again" in panel.reason.text()
    report = execute(measure(measured))
    assert {s.scan: s.verdict for s in report.scans} == {
        "a": Verdict.FAIL,
        "b": Verdict.FAIL,
        "c": Verdict.PASS,
    }
    assert "bumps fail" not in panel.reason.text()


def test_without_a_report_there_is_no_view(dock: Any) -> None:
    panel = dock.view.measure
    assert not panel.views.isVisibleTo(panel)
    panel.go_bump("a", "r1c1")  # as of a report that is gone
    assert panel.bumps.table.rowCount() == panel.worst.count() == 0


def test_each_criterion_is_shown_with_its_value_limits_and_reason(qtbot: Any) -> None:
    mask = np.full((12, 12, 12), 1, np.uint8)
    mask[2:10, 2:10, 2:10] = 3
    mask[4:6, 4:6, 4:8] = 4
    recipe = MeasureConfig.model_validate(
        {"limit": 0.05, "source": "drawing 7", "criteria": [{"measure": "void_count", "at_most": 0}, {"measure": "blt_um", "at_least": 3, "at_most": 9}]}
    )  # fmt: skip
    table = CriteriaTable()
    qtbot.addWidget(table)
    table.setValue(measure_scan(mask, ClassMap.hbm(), (1, 1, 1), recipe, "a"))
    rows = [
        [table.table.item(k, j).text().replace("\u200b", "").split("\n") for j in range(3)] for k in range(3)
    ]
    assert rows[0][0] == ["void/foreground", "at most 5 %"]
    assert rows[0][1][0].startswith("3.1") and "% ± " in rows[0][1][0] and rows[0][2] == ["PASS"]
    assert rows[1] == [["void_count", "at most 0"], ["1"], ["FAIL"]]
    assert rows[2] == [["blt_um", "at least 3 µm, at most 9 µm"], ["undefined"], ["REVIEW"]]
    assert "drawing 7" in table.table.item(0, 0).toolTip()
    table.setValue(None)
    assert table.table.rowCount() == 0


def test_limits_of_a_package_are_counted_over_its_bumps_and_name_the_worst(panel: Any) -> None:
    panel.scans.setCurrentIndex(0)
    cells = [panel.criteria.table.item(0, j).text().split("\n") for j in range(3)]
    assert cells[1][1] == "r1c2" and cells[2] == ["1 FAIL", "1 PASS"]


def test_the_map_says_what_its_colours_mean(panel: Any) -> None:
    panel.scans.setCurrentIndex(0)
    assert "red FAIL" in panel.map.key.text()
    panel.map.colour.setCurrentIndex(1)
    assert panel.map.key.text().startswith("0 <span") and "limit 5 %" in panel.map.key.text()


def test_no_panel_is_cut_off_on_a_small_screen(measured: Project, dock: Any, qtbot: Any) -> None:
    window, view = dock.window(), dock.view
    with qtbot.waitExposed(window):
        window.resize(1366, 768)
        window.show()
    measured.set_config(measured.config.with_changes(["measure.unjudged_accepted="]))
    execute(measure(measured))
    measured.set_config(measured.config.with_changes(["measure.limit=0.5"]))  # the report is outdated
    view.setCurrentIndex(3)
    view.measure.scans.setCurrentIndex(2)
    assert view.measure.verdict.text() == "(REVIEW)"  # the widest badge
    for k in range(view.count()):
        view.setCurrentIndex(k)
        qtbot.wait(50)
        area = view.widget(k)
        assert area.widget().width() <= area.viewport().width(), view.tabText(k)


def test_no_word_is_cut_off_where_the_dock_is_320_wide(measured: Project, dock: Any, qtbot: Any) -> None:
    window, view = dock.window(), dock.view
    with qtbot.waitExposed(window):
        window.resize(1366, 768)
        window.show()
    window.resizeDocks([dock.parent()], [320], Qt.Orientation.Horizontal)
    for k in range(view.count()):
        view.setCurrentIndex(k)
        qtbot.wait(50)
        assert view.widget(k).widget().width() <= view.widget(k).viewport().width(), view.tabText(k)
        for button in view.widget(k).findChildren(QPushButton):
            words = button.fontMetrics().horizontalAdvance(button.text())
            assert not button.isVisible() or words <= button.width(), button.text()
        for table in view.widget(k).findChildren(RowTable):
            for c in range(table.columnCount()):
                assert table.columnWidth(c) >= table.sizeHintForColumn(c), (view.tabText(k), c)
    assert dock.width() <= 330
