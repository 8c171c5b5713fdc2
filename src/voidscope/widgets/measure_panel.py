"""Step four: void ratio, verdict, tables of voids and bumps, map, worst bumps and lot; a click goes there."""

from __future__ import annotations

import webbrowser
from contextlib import suppress
from functools import partial

from qtpy.QtWidgets import (
    QApplication,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from voidscope.config import Config
from voidscope.errors import VoidscopeError, counted, named
from voidscope.metrology import Lot, Report, ScanMeasurement, Void, spot
from voidscope.metrology.charts import COLOURS
from voidscope.metrology.page import micrometres, shown
from voidscope.metrology.voids import QUANTIFIABLE_VOXELS
from voidscope.project import Project
from voidscope.project.results import bump_picture
from voidscope.vocabulary import SliceKey
from voidscope.volume import Spacing
from voidscope.widgets.bump_views import BumpMap, BumpTable, LotView, WorstGallery
from voidscope.widgets.criteria_table import CriteriaTable
from voidscope.widgets.forms import SettingsForm, folded, share
from voidscope.widgets.gauge_box import GaugeBox
from voidscope.widgets.layers import ScanLayers
from voidscope.widgets.occasion_form import OccasionForm
from voidscope.widgets.pdf_button import PdfButton
from voidscope.widgets.recipe_menu import RecipeMenu
from voidscope.widgets.runner import Runner
from voidscope.widgets.spacing_editor import SpacingEditor, spacing_told
from voidscope.widgets.tables import fill, plain_table
from voidscope.workflow import evaluate, measure, segment, since, to_judge

HEADER = ("#", "⌀, µm", "µm³", "voxels", "Feret", "surface")
TOLD = (
    "Number, largest first", "Diameter of the sphere of equal volume, in µm", "Volume, in µm³", "Voxels",
    f"Largest distance between two of its corners, in µm; a dash below {QUANTIFIABLE_VOXELS} voxels",
    "Distance to the surface of the structure, in µm; 0 where it touches. Sphericity, gaps and more are in the report.",
)  # fmt: skip
"""What each column of the table of voids says, in full."""
EMPTY = "Nothing measured yet. Measure segments the scans that need it, then decides each against the limit."
WHO = "Who, lot and die for the report"
"""Over the lines for them."""
OUTDATED = "#5b6670"
"""Behind the verdict of a report that is not of what is there now."""
TIPS = {
    "Voids": "Each void of the chosen scan.", "Bumps": "Each bump of the chosen scan, decided by itself.",
    "Map": "The bumps of the chosen scan where they stand.", "Worst": "The worst bumps of all scans in pictures.",
    "Lot": "All bumps of all scans, and the places that fail again.",
    "Limits": "Each criterion of the recipe, its value and its limits; more come with a recipe file (Recipe, Take from a file).",
}  # fmt: skip


class MeasurePanel(QWidget):
    """The recipe, the verdict of each scan, bumps and voids of the chosen one, and all scans as a lot."""

    def __init__(
        self, project: Project, runner: Runner, layers: ScanLayers, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._project, self._runner, self._layers = project, runner, layers
        self.form = SettingsForm("measure", ("ratio", "limit", "rule", "unit", "min_voxels"), project.config)
        self.recipe, self.occasion = RecipeMenu(project.config, project.classes), OccasionForm()
        self.measure, self.report = QPushButton("Measure all scans"), QPushButton("Open report")
        self.report.setToolTip(
            "The HTML report of the last measurement, with JSON and CSV beside it; the command that repeats it goes to the clipboard."
        )
        self.pdf = PdfButton(project, runner)
        self.solid = QPushButton("3-D")
        self.solid.setToolTip("The voids of the scan in view in 3-D, or slices again.")
        self.scans = QComboBox()
        self.scans.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.scans.setMinimumContentsLength(6)
        self.scans.setToolTip("Scans of the last measurement, with their verdicts; choosing one shows it.")
        self.verdict, self.reason = QLabel(), QLabel(EMPTY)
        self.reason.setWordWrap(True)
        self.table = plain_table(HEADER, told=TOLD)
        self.table.setToolTip("Voids of the chosen scan, largest first. Click one to go to its middle.")
        self.bumps, self.map, self.lot = BumpTable(), BumpMap(), LotView()
        self.criteria = CriteriaTable()
        self.gauge = GaugeBox(project, runner, layers)
        self.worst = WorstGallery(partial(bump_picture, project.report_folder))
        self.views = QTabWidget()
        self.who = folded(WHO, self.occasion)
        self.who.toggleButton().setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.below = QWidget()
        self.unknown, self.spacing = QLabel(), SpacingEditor()
        self.unknown.setWordWrap(True)
        self._lay_out()
        self._connect()
        self.refresh()
        self._recall()

    def refresh(self) -> None:
        """Rebuild from the project's last report."""
        self._show_recipe()
        report = self._report()
        measured, lot = ((), Lot(())) if report is None else (report.scans, report.lot)
        chosen = self._layers.scan or self.scans.currentText().split("  ")[-1]
        self.scans.blockSignals(True)
        self.scans.clear()
        self.scans.addItems([f"{m.verdict.value}  {m.scan}" for m in measured])
        names = [m.scan for m in measured]
        self.scans.setCurrentIndex(names.index(chosen) if chosen in names else 0)
        self.scans.blockSignals(False)
        self.worst.setValue(measured)
        self.lot.setValue(lot)
        self._show_scan()
        self._ask_spacing()
        self.gauge.refresh()
        self._enable()

    def start(self) -> None:
        """Segment what is not segmented yet, then measure all scans that have a spacing; by no recipe but the one that was typed."""
        if self.form.problem():
            self._runner.failed.emit(f"Nothing was measured: {self.form.problem()}")
            return
        if self._project.cycle is None:
            self._measure()
            return
        self._runner.run(
            lambda: segment(self._project, self._spaced(), first=self._layers.key),
            lambda _: self._judge_and_measure(),
        )

    def _judge_and_measure(self) -> None:
        """Measure with the model judged by the labels that test scans have now, where there are any."""
        if to_judge(self._project):
            self._runner.run(lambda: evaluate(self._project), lambda _: self._measure())
        else:
            self._measure()

    def _measure(self) -> None:
        self._runner.run(
            lambda: measure(self._project, self._spaced(), occasion=self.occasion.value()),
            lambda _: self._tell_left_out(),
        )

    def _tell_left_out(self) -> None:
        """Say which scans were not measured."""
        if left := self._without_spacing():
            self._runner.told.emit(f"Measured, but for {named(left)}: no spacing is known.")

    def go(self, row: int) -> None:
        """Show a void of the chosen scan, largest first, in its middle slice."""
        found = self._current()
        if found is None or not 0 <= row < len(found.voids):
            return
        self._runner.at_once(lambda: self._layers.jump(*place(found.voids[row], self._project, found.scan)))

    def go_bump(self, scan: str, name: str) -> None:
        """Show a bump in the slice through its largest void, or its middle, and its scan's row in the panel."""
        measured = self._measured()
        k = next((k for k, m in enumerate(measured) if m.scan == scan), -1)
        bump = next((b for b in measured[k].bumps if b.name == name), None) if k >= 0 else None
        if bump is None:
            return
        self.scans.setCurrentIndex(k)
        self._runner.at_once(lambda: self._layers.jump(*place_at(spot(bump), self._project, scan)))

    def _show_in_viewer(self) -> None:
        """Bring the scan that a person chose from the list into view."""
        found = self._current()
        if found is not None:
            self._runner.at_once(lambda: self._layers.show(found.scan))

    def _report(self) -> Report | None:
        try:
            return self._project.report
        except VoidscopeError as error:  # damaged or of an older layout: the project opens all the same
            self._runner.failed.emit(str(error))
            return None

    def _measured(self) -> tuple[ScanMeasurement, ...]:
        report = self._report()
        return report.scans if report is not None else ()

    def _current(self) -> ScanMeasurement | None:
        measured, k = self._measured(), self.scans.currentIndex()
        return measured[k] if 0 <= k < len(measured) else None

    def _show_scan(self) -> None:
        found = self._current()
        voids = found.voids if found is not None else ()
        fill(self.table, [_row(k, v) for k, v in enumerate(voids, start=1)])
        self.bumps.setValue(found)
        self.criteria.setValue(found)
        self.map.setValue(found)
        for widget in (self.scans, self.verdict, self.views):
            widget.setVisible(found is not None)
        self.below.setVisible(found is None)
        if found is None:
            self.reason.setText(EMPTY)
        else:
            old = self._outdated(found)
            report = self._project.report
            sight = " ".join(report.sight() if report is not None else ())
            self.reason.setText(
                f"{micrometres(found.reason)}. {counted(len(voids), 'void')} counted. {sight}{old}"
            )
            self.verdict.setText(f"({found.verdict.value})" if old else found.verdict.value)
            self.verdict.setToolTip(
                "As it was measured; the sentence says what has changed since." if old else ""
            )
            self.verdict.setStyleSheet(
                f"QLabel {{ background: {OUTDATED if old else COLOURS[found.verdict]}; color: white; font-weight: bold; padding: 4px 12px; border-radius: 4px; }}"
            )

    def _other_scan(self, *_: object) -> None:
        """The voids of another scan; none of them is selected."""
        self.table.blockSignals(True)
        self.table.setCurrentCell(-1, -1)
        self.table.blockSignals(False)
        self._show_scan()

    def _outdated(self, found: ScanMeasurement) -> str:
        """What has changed since the report was made; nothing changes it but measuring again."""
        report = self._project.report
        changed = "" if report is None else since(self._project, report, found)
        return f" <b>{changed}: measure again.</b>" if changed else ""

    def _without_spacing(self) -> list[str]:
        """Scans that cannot be measured for want of a spacing."""
        return [s.name for s in self._project.scans.values() if s.spacing_um is None]

    def _spaced(self) -> list[str]:
        """Scans that can be measured."""
        return [s.name for s in self._project.scans.values() if s.spacing_um is not None]

    def _ask_spacing(self) -> None:
        """Ask for the spacing of the first scan that has none."""
        scan = next(iter(self._without_spacing()), "")
        self.unknown.setText(f"{scan} has no spacing, so nothing in it can be measured. What is it, in µm?")
        for widget in (self.unknown, self.spacing):
            widget.setVisible(bool(scan))

    def _set_spacing(self, spacing_um: Spacing) -> None:
        scan = next(iter(self._without_spacing()), None)
        if scan is not None and self._runner.at_once(lambda: self._project.set_spacing(scan, spacing_um)):
            self._runner.told.emit(spacing_told(scan, spacing_um))

    def _turn_solid(self) -> None:
        if self._layers.previewing:
            self._layers.show_results()  # what was measured, not a quick look
        if not self._layers.solid.turn() and self._layers.find("prediction") is None:
            self._runner.told.emit(
                "There is no prediction of this scan to see in 3-D; segment it first (Shift+P)."
            )

    def _open_report(self) -> None:
        report, clipboard = self._project.report, QApplication.clipboard()
        if report is not None and clipboard is not None:
            clipboard.setText(str(report.provenance.get("command", "")))
            self._runner.told.emit("The command that repeats the report is on the clipboard.")
        webbrowser.open((self._project.report_folder / "report.html").resolve().as_uri())

    def _configured(self, config: Config) -> None:
        self._runner.at_once(lambda: self._project.set_config(config))
        self._show_recipe()
        self._show_scan()

    def _recall(self) -> None:
        """Begin with the people and the sample of the last report."""
        with suppress(VoidscopeError):  # a damaged report was told already
            self.occasion.recall(self._project.report)

    def _name_who(self) -> None:
        """Say on the fold what it holds, so that nobody measures for another's lot without seeing it."""
        said = self.occasion.words()
        self.who.setText(f"Report: {said}" if said else WHO)

    def _show_recipe(self) -> None:
        for widget in (self.form, self.recipe):
            if widget.value() != self._project.config:
                widget.setValue(self._project.config)

    def _enable(self, *_: object) -> None:
        model = self._project.cycle is not None
        left, some = self._without_spacing(), bool(self._spaced())
        self.measure.setEnabled(model and some and not self._runner.busy)
        tip = "Segment what is missing, then measure every scan."
        if left:
            tip += f" Left out, for want of a spacing: {named(left)}; give it below."
        if not (model and some):
            tip = (
                "No scan has a spacing yet: give it below."
                if left
                else "No model yet: label and train first."
            )
        self.measure.setToolTip(tip)
        self.report.setEnabled(bool(self._measured()))
        self.pdf.setEnabled(self.report.isEnabled() and not self._runner.busy)

    def _connect(self) -> None:
        self.measure.clicked.connect(self.start)
        self.report.clicked.connect(self._open_report)
        self.solid.clicked.connect(self._turn_solid)
        for settings in (self.form, self.recipe):
            settings.valueChanged.connect(self._configured)
            settings.refused.connect(self._runner.failed)
        self.occasion.valueChanged.connect(self._name_who)
        self.recipe.told.connect(self._runner.told)
        self.spacing.valueChanged.connect(self._set_spacing)
        self.spacing.refused.connect(self._runner.failed)
        self.scans.currentIndexChanged.connect(self._other_scan)
        self.scans.activated.connect(lambda _: self._show_in_viewer())
        self.table.itemSelectionChanged.connect(lambda: self.go(self.table.currentRow()))
        self.table.cellClicked.connect(lambda row, _: self.go(row))  # also of a row selected already
        for view in (self.bumps, self.map, self.worst, self.lot):
            view.chosen.connect(self.go_bump)
        self._runner.started.connect(self._enable)
        self._runner.ended.connect(self._enable)

    def _lay_out(self) -> None:
        row, badge, layout = QHBoxLayout(), QHBoxLayout(), QVBoxLayout(self)
        share(row, (self.measure, self.report, self.pdf))
        badge.addWidget(self.verdict, stretch=1)
        badge.addWidget(self.solid)
        badge.addStretch()  # else the button is as wide as the panel where there is no verdict
        layout.addWidget(self.form)
        layout.addWidget(self.recipe)
        layout.addLayout(row)
        layout.addWidget(self.unknown)
        layout.addWidget(self.spacing)
        layout.addWidget(self.scans)
        layout.addLayout(badge)
        layout.addWidget(self.reason)
        for title, view in (
            ("Voids", self.table),
            ("Bumps", self.bumps),
            ("Map", self.map),
            ("Worst", self.worst),
            ("Lot", self.lot),
            ("Limits", self.criteria),
        ):
            self.views.setTabToolTip(self.views.addTab(view, title), TIPS[title])
        self.views.setStyleSheet("QTabBar::tab { padding: 3px 6px; }")
        layout.setContentsMargins(4, 6, 4, 6)
        layout.addWidget(self.views, stretch=1)
        layout.addWidget(self.who)
        layout.addWidget(folded("Gauge study", self.gauge))
        layout.addWidget(self.below, stretch=1)  # takes the room of the views where nothing is measured


def _row(k: int, void: Void) -> tuple[object, ...]:
    """A void as its table has it."""
    shape = (shown(void, name) for name in ("feret_um", "surface_um"))
    volume = f"{void.volume_um3:.{2 if void.volume_um3 < 100 else 1 if void.volume_um3 < 1000 else 0}f}"
    return k, f"{void.diameter_um:.2f}", volume, void.n_voxels, *shape


def place(void: Void, project: Project, scan: str) -> tuple[SliceKey, tuple[int, int]]:
    """The slice through the middle of a void and the pixel (y, x) of its centre in it."""
    return place_at(void.centroid_voxel, project, scan)


def place_at(
    voxel: tuple[float, float, float], project: Project, scan: str
) -> tuple[SliceKey, tuple[int, int]]:
    """The slice through a place (z, y, x) in voxels and the pixel (y, x) of it there."""
    axis = project.scan(scan).plane.axis
    y, x = (round(c) for a, c in enumerate(voxel) if a != axis)
    return SliceKey(scan, round(voxel[axis])), (y, x)
