"""One open project: its layers, its strokes and one panel per step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import QScrollArea, QTabWidget, QWidget
from superqt import QCollapsible

from voidscope.errors import VoidscopeError
from voidscope.project import Project, State
from voidscope.vocabulary import SliceKey
from voidscope.widgets.beyond import Beyond
from voidscope.widgets.colours import class_colours
from voidscope.widgets.dock_memory import Look
from voidscope.widgets.keys import DONE, REDO, UNDO
from voidscope.widgets.label_panel import LabelPanel
from voidscope.widgets.layers import ScanLayers
from voidscope.widgets.looks import role_of
from voidscope.widgets.measure_panel import MeasurePanel
from voidscope.widgets.one_slice import OneSlice
from voidscope.widgets.queue_words import NO_SCAN
from voidscope.widgets.quick_look import QuickLook, QuickLookBar
from voidscope.widgets.result_layers import OPACITY
from voidscope.widgets.runner import Runner
from voidscope.widgets.scans_panel import ScansPanel
from voidscope.widgets.strokes import Strokes
from voidscope.widgets.study_page import StudyPage
from voidscope.widgets.tables import BAR_PX
from voidscope.widgets.train_panel import TrainPanel

TIPS = {
    "Scans": "Which scans there are, their spacing, and whether they are learnt from.",
    "Label": "What to label next and why, and the classes to paint with.",
    "Train": "Retrain, fine-tune, segment, and how each cycle did.",
    "Measure": "Void ratio, verdict, bumps and voids of every scan.",
}
NO_STUDY = "No gauge study has the viewer; plan or go on with one in Measure, Gauge study."


class ProjectView(QTabWidget):
    """The four steps of a project; panels are refreshed by the project's events and never talk to each other.

    `looked(SliceKey or None, waits)` when another slice came into view, or another sentence says why none is (`ScanLayers.waits`).
    """

    looked = Signal(object, str)

    def __init__(self, project: Project, runner: Runner, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.project = project
        self._runner, self._viewer = runner, viewer
        self._before = 0
        self.layers = ScanLayers(viewer, project, self)
        self.strokes = Strokes(project, self.layers, self)
        self._one_slice = OneSlice(viewer, self.layers)
        self._beyond = Beyond(viewer, self.layers, runner.told.emit)
        self.scans = ScansPanel(project, runner, self.layers, self.strokes)
        self.label = LabelPanel(project, runner, self.layers, self.strokes)
        self.train = TrainPanel(project, runner, self.layers, self.strokes)
        self.measure = MeasurePanel(project, runner, self.layers)
        self.study = StudyPage(project, runner, viewer, self.layers, self.strokes, self)
        self.quick = QuickLook(project, self.layers, self)
        self.quick_bar = QuickLookBar(self.quick)
        self._panels: dict[str, Any] = {
            "Scans": self.scans,
            "Label": self.label,
            "Train": self.train,
            "Measure": self.measure,
        }
        self._stale: set[str] = set()
        for k, (title, panel) in enumerate(self._panels.items()):
            self.addTab(_scrolling(panel), title)
            self.setTabToolTip(k, TIPS[title])
        self.layers.own.keys = {key: _ignoring_viewer(act) for key, act in self._turns().items()}
        self._listeners = self._listen()
        self._connect(runner)
        if self._show_any():
            self.setCurrentIndex(1)

    def shortcuts(self) -> dict[str, Callable[[Any], None]]:
        """Key in napari's words -> what it does; printed on the buttons."""
        actions: dict[str, Callable[[], object]] = {
            "N": lambda: self.label.go(+1), "Shift-N": lambda: self.label.go(-1), "A": self.label.accept_shown,
            "S": self.label.queue.pass_over, "G": self.label.queue.toggle_flag,
            "Shift-B": self.label.rest_is_background, "D": lambda: self.label.toggle("prediction"),
            "H": self.label.next_heatmap, "J": lambda: self.label.toggle("labels"),
            "Shift-T": self.train.start, "Shift-F": self.train.fine_tune, "Shift-P": self.train.segment_view,
            DONE: lambda: self._runner.told.emit(NO_STUDY), **self.label.tools.keys(), **self._turns(),
            **self.label.classes.keys(),
        }  # fmt: skip
        return {key: _ignoring_viewer(partial(self._act, key, action)) for key, action in actions.items()}

    def _act(self, key: str, action: Callable[[], object]) -> None:
        """Do what a key does; while a study has the viewer, that is what the study does with it, or nothing.

        Without a scan all but undo has nothing to act on, which is said.
        """
        if self.study.on:
            action = self.study.keys().get(key, _nothing)
        elif not self.project.scans and key not in (UNDO, REDO):
            action = partial(self._runner.told.emit, NO_SCAN)
        action()

    def _turns(self) -> dict[str, Callable[[], object]]:
        """Undo and redo: our layers answer these keys too, for napari's own history ends with a layer."""
        return {UNDO: partial(self.label.tools.turn, True), REDO: partial(self.label.tools.turn, False)}

    def look(self) -> Look | None:
        """Which panel, sections and slice are in view; None while a study has the viewer, or another scan is on its way into it."""
        if self.study.on or self.layers.ahead.goal:
            return None
        opened = tuple(box.text() for box in self.findChildren(QCollapsible) if box.isExpanded())
        return Look(self.tabText(self.currentIndex()), opened, str(self.layers.key or ""))

    def setLook(self, look: Look) -> None:
        """Bring the same into view again, as far as it is still there."""
        for box in self.findChildren(QCollapsible):
            if box.text() in look.opened:
                box.expand(animate=False)
        if look.key:
            with suppress(VoidscopeError):  # the scan is gone: what is in view stays
                otherwise = _nothing if self.layers.scan else self._show_any
                self.layers.jump(SliceKey.parse(look.key), otherwise=otherwise)
        if look.panel in self._panels:
            self.setCurrentIndex(list(self._panels).index(look.panel))

    def go_to_proposed(self) -> None:
        """List the slices with a proposed label and go to the next of them."""
        if not self.study.on:
            self.setCurrentWidget(self.widget(list(self._panels).index("Label")))
            self.label.queue.list_only(State.PROPOSED)
            self.label.go(+1)

    def recolour(self) -> None:
        """Take the class colours that the person prefers now."""
        for layer in self.layers.own.all():
            if (role := role_of(layer)) in OPACITY:
                layer.colormap = class_colours(self.project.classes, OPACITY[role])
        self.label.classes.recolour()
        self.study.classes.recolour()
        self.study.blind.recolour()

    def release(self) -> None:
        """Save the last stroke and leave the viewer as it was before the project was opened."""
        self.study.release()
        self.strokes.release()
        self.stop()
        self.label.release()
        self.train.choice.release()
        for event, listener in self._listeners:
            event.disconnect(listener)
        self._viewer.dims.events.current_step.disconnect(self._step_changed)
        self._viewer.dims.events.ndisplay.disconnect(self._look)
        self._one_slice.release()
        self._beyond.release()
        self.layers.clear()

    def stop(self) -> None:
        """Stop whatever the panels have running beside the runner's job."""
        self.quick.release()
        self.layers.ahead.runner.cancel()
        self.label.stop()

    def flush(self) -> None:
        """Save the last stroke."""
        self.strokes.flush()
        self.study.flush()

    @property
    def unsaved(self) -> bool:
        """Whether the disk refuses strokes that only the window still holds."""
        return self.strokes.unsaved or self.study.unsaved

    def _study_turned(self, on: bool) -> None:
        """Show the study alone in place of the panels, or the panels again."""
        if on:
            self._before = self.currentIndex()
            self.setCurrentIndex(self.addTab(self.study, "Gauge study"))
            self.quick_bar.hide()
        else:
            self.removeTab(self.indexOf(self.study))
            self.setCurrentIndex(self._before)
            self.measure.gauge.refresh()
        self.tabBar().setVisible(not on)

    def _listen(self) -> list[tuple[Any, Callable[..., None]]]:
        """Events of the project and who is told."""
        events = self.project.events
        listeners: list[tuple[Any, Callable[..., None]]] = [
            (events.scans_changed, self._scans_changed),
            (events.labels_changed, self._labels_changed),
            (events.suggestions_changed, self._suggestions_changed),
            (events.marks_changed, self._suggestions_changed),
            (events.findings_changed, self._suggestions_changed),
            (events.cycles_changed, self._cycles_changed),
            (events.masks_changed, self._mask_changed),
            (events.config_changed, self._config_changed),
            (events.report_changed, self._report_changed),
            (events.survey_changed, self._survey_changed),
            (events.evaluation_changed, self._evaluation_changed),
            (events.pretrained_changed, self._evaluation_changed),
            (self.layers.listed.removed, self._layers_listed),
            (self.layers.listed.inserted, self._layers_listed),
            (self.layers.marks.active_changed, self._layers_listed),
        ]
        for event, listener in listeners:
            event.connect(listener)
        return listeners

    def _connect(self, runner: Runner) -> None:
        self.layers.shown.connect(self._shown)
        self.layers.shown.connect(self.quick.ask)
        self.layers.ahead.read.connect(self._mask_read)
        self.measure.gauge.wanted.connect(self.study.start)
        self.study.turned.connect(self._study_turned)
        self.quick.shown.connect(self._previewed)
        self.layers.troubled.connect(runner.failed)
        self.strokes.failed.connect(runner.failed)
        self.strokes.refused.connect(runner.stands)
        self.strokes.recovered.connect(runner.told)
        self._viewer.dims.events.current_step.connect(self._step_changed)
        self._viewer.dims.events.ndisplay.connect(self._look)
        for looks in (self.layers.shown, self.layers.ahead.runner.started, self.layers.ahead.runner.ended):
            looks.connect(self._look)
        self.currentChanged.connect(self._refresh_panel_in_view)
        self.currentChanged.connect(self._stand_back)

    def _show_any(self, scans: Sequence[str] | None = None) -> bool:
        """Show the first scan, of all or of these, that can be shown; one that is gone is told and does not keep the project shut. Whether
        one is there, or being opened.
        """
        names = list(self.project.scans) if scans is None else scans
        for k, scan in enumerate(names, start=1):
            try:
                self.layers.show(scan, otherwise=partial(self._show_any, names[k:]))
            except VoidscopeError as error:
                self.layers.troubled.emit(str(error))
            else:
                return True
        return False

    def _refresh(self, *titles: str) -> None:
        """Rebuild these panels: the one in view now, the others when they come into view."""
        self._stale |= set(titles)
        self._refresh_panel_in_view()

    def _refresh_panel_in_view(self, index: int = 0) -> None:
        title = self.tabText(self.currentIndex())
        if title in self._stale:
            self._stale.discard(title)
            self._panels[title].refresh()

    def _stand_back(self, index: int) -> None:
        """Beside a verdict is what was measured, no quick look."""
        self.quick.stand_back(self.tabText(index) in ("Measure", "Gauge study"))

    def _scans_changed(self) -> None:
        if self.layers.scan and self.layers.record is None:  # it was removed
            self.layers.clear()
            if not self._show_any():
                self.layers.shown.emit("")
        self.layers.place()
        self.label.queue.thumbnails.clear()
        self._refresh(*self._panels)

    def _labels_changed(self, keys: tuple[SliceKey, ...]) -> None:
        for key in keys:
            if not self.strokes.pending(key):
                self._runner.at_once(
                    partial(self.layers.show_label, key)
                )  # one that is damaged hides no other
        self._refresh("Scans", "Label", "Train", "Measure")
        self.quick.labels_changed()

    def _previewed(self, key: SliceKey) -> None:
        self.label.refresh_card()  # there is something to accept

    def _suggestions_changed(self, key: SliceKey | None = None) -> None:
        self._refresh("Label")

    def _cycles_changed(self) -> None:
        self.quick.cycle_changed()
        self.layers.show_results()
        self.train.choice.ask()
        self._refresh("Label", "Train", "Measure")

    def _mask_changed(self, scan: str) -> None:
        if scan == self.layers.scan:
            self.layers.show_results()
            self.quick.ask()
            self._refresh("Label")

    def _mask_read(self, scan: str) -> None:
        if scan == self.layers.scan:
            self.quick.ask()
            self._refresh("Label")

    def _survey_changed(self) -> None:
        self.layers.show_results()  # rareness by the class shares of all scans
        self.quick.ask()

    def _evaluation_changed(self) -> None:
        self.train.choice.ask()
        self._refresh("Train", "Measure")

    def _report_changed(self) -> None:
        self._refresh("Measure")

    def _config_changed(self) -> None:
        for form in (self.label.form, self.train.form, self.train.pretrain_form, self.measure.form):
            form.setValue(self.project.config)
        self.train.preset.setValue(self.project.config)

    def _shown(self, scan: str) -> None:
        self._refresh("Scans", "Label", "Train", "Measure")

    def _layers_listed(self, event: Any = None) -> None:
        """There may be nothing left to accept, or something again, or a copy to be painted on; asked once whoever changed the layers is through."""
        QTimer.singleShot(0, self.label.refresh_card)

    def _step_changed(self, event: Any = None) -> None:
        self.layers.labels.drop_draft()
        if self.layers.scan is not None:  # whoever goes through slices stays here
            self.layers.ahead.stay()
        self.label.refresh_card()
        self.train.look()
        self.quick.ask()
        self._look()

    def _look(self, event: Any = None) -> None:
        self.looked.emit(self.layers.key, self.layers.waits)


def _ignoring_viewer(action: Callable[[], object]) -> Callable[[Any], None]:
    def bound(viewer: Any) -> None:
        action()

    return bound


def _nothing() -> None:
    """What a key does that has no meaning now."""


def _scrolling(panel: QWidget) -> QScrollArea:
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QScrollArea.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    bar = area.verticalScrollBar()
    if bar is not None:
        bar.setStyleSheet(f"QScrollBar:vertical {{ width: {BAR_PX}px; }}")
    area.setWidget(panel)
    return area
