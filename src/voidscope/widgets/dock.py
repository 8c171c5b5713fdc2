"""The Voidscope dock: open or make a project, see what will be used, and the steps of the open project."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QSize, Qt, QTimer
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import (
    QApplication,
    QFileDialog,
    QHBoxLayout,
    QInputDialog,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)
from superqt import QElidingLabel

from voidscope.demo import LOGIC, MEMORY, SEED, fill_sample
from voidscope.errors import VoidscopeError, counted
from voidscope.project import Cycle, Project
from voidscope.vocabulary import ClassMap, Split
from voidscope.volume import Dataset
from voidscope.widgets.canvas_note import without_brush_box
from voidscope.widgets.dock_memory import last_project
from voidscope.widgets.doctor_panel import Doctor, DoctorPanel, key_finding, line, told
from voidscope.widgets.job_bar import JobBar
from voidscope.widgets.key_sheet import KeySheet
from voidscope.widgets.keys import SHEET, Keys
from voidscope.widgets.look_keeper import LookKeeper
from voidscope.widgets.looks import role_of
from voidscope.widgets.preferences import listen, preferences, put_in_force
from voidscope.widgets.program_guard import keep_programs
from voidscope.widgets.runner import Runner
from voidscope.widgets.saver import UNSAVED, Saver, may_lose
from voidscope.widgets.welcome import Welcome, named, opened
from voidscope.widgets.workers import wait_for_workers
from voidscope.workflow import held_out_void_iou, learnable, simulate

if TYPE_CHECKING:
    from voidscope.model import Check
    from voidscope.widgets.project_view import ProjectView

OPENING = (
    "Make a project folder for your own scans.", "Go on with a project folder.",
    "Open a sample project: simulated HBM micro-bump scans, no network needed.",
)  # fmt: skip
"""What New, Open and Open sample do."""
LINK = "#2f8fd0"
"""Colour of a link, read in the dark and in the light theme."""
PROPOSED = f"<a href='proposed' style='color:{LINK}'>{{}} proposed</a>"
"""How many slices have a label that nobody has verified yet; leads to the next."""
WIDTH_PX = 350
"""Width the dock asks for; a person may make it wider."""


class Voidscope(QWidget):
    """The dock widget; napari hands it the viewer."""

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self._viewer, self.runner = napari_viewer, Runner(self)
        self.jobs = JobBar(self.runner)
        self.keys, self.doctor = Keys(napari_viewer), Doctor(self)
        self.panel, self.sheet = DoctorPanel(self), KeySheet(self)
        self.view: ProjectView | None = None
        self._looks = LookKeeper(self)
        self._beside: list[QWidget] = []
        self._reopens = True
        self._main: Callable[[], QWidget | None] = lambda: None
        self.name, self.device, self.summary = QElidingLabel("No project"), QElidingLabel(), QLabel()
        self.welcome = Welcome(self)
        self.new, self.open, self.sample = map(QPushButton, ("New…", "Open…", "Open sample"))
        self.examine, self.help = QPushButton("Doctor"), QPushButton("?")
        self.examine.setToolTip(
            "What will be used on this machine (GPU, memory, torch) and how to mend what is wrong."
        )
        self.help.setToolTip("All keys on one sheet (?).")
        self._lay_out()
        # else napari puts an empty stretch below all of it, the larger the more docks there were before
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self._connect()
        without_brush_box(napari_viewer)
        keep_programs()
        self._allow(True)
        put_in_force(preferences())
        self._sets_aside = _set_aside(napari_viewer)

    def _connect(self) -> None:
        self.new.clicked.connect(self._make_new)
        self.open.clicked.connect(self._choose)
        self.sample.clicked.connect(lambda: self.open_sample(Path.home() / "voidscope-sample"))
        self.runner.started.connect(lambda title: self._allow(not self.runner.busy, title))
        self.runner.ended.connect(lambda: self._allow(True))
        self.doctor.found.connect(self._show_machine)
        self.panel.again.connect(self._look_at_machine)
        self.examine.clicked.connect(self.show_doctor)
        self.help.clicked.connect(self.sheet.toggle)
        self.welcome.picked.connect(self.open_project)
        self.summary.linkActivated.connect(self._go_to_proposed)
        asked = QShortcut(self)
        asked.setKeys([QKeySequence(SHEET), QKeySequence(f"Shift+{SHEET}")])  # as keyboards differ
        asked.setContext(Qt.ShortcutContext.ApplicationShortcut)
        for pressed in (asked.activated, asked.activatedAmbiguously):  # by both, or in two viewers
            pressed.connect(self.sheet.toggle)
        app = QApplication.instance()
        if app is not None:
            app.aboutToQuit.connect(self._quit)

    def sizeHint(self) -> QSize:
        """As high as it likes, but no wider than `WIDTH_PX`, so that a long sentence leaves the canvas its room."""
        hint: QSize = super().sizeHint()
        return QSize(min(hint.width(), WIDTH_PX), hint.height())

    def open_project(self, path: str | Path) -> None:
        """Show a project folder; what is wrong with it is told in the dock."""
        try:
            self.show_project(opened(Path(path)))
        except VoidscopeError as error:
            self.jobs.tell_problem(str(error))

    def show_project(self, project: Project) -> None:
        """Replace the project on show, unless strokes of it could not be saved yet."""
        # Its plots take half a second to load; the dock opens without.
        from voidscope.widgets.project_view import ProjectView

        if self._unsaved():
            self.jobs.tell_problem(UNSAVED)
            return
        self.close_project()
        self.jobs.tell("")  # it was about the project before
        self.view = ProjectView(project, self.runner, self._viewer, self)
        self.welcome.hide()
        self.layout().insertWidget(4, self.view, 1)
        self.layout().insertWidget(5, self.view.quick_bar)
        self._beside = [
            self.jobs.beside(r) for r in (self.view.label.tools.beside, self.view.layers.ahead.runner)
        ]
        self.name.setText(named(project.path))
        self.name.setToolTip(str(project.path.resolve()))
        self.view.looked.connect(self.jobs.look_at)
        self.keys.bind(self.view.shortcuts())
        _listen(project, self.refresh, self.jobs.go_on, on=True)
        self._looks.follow(self.view)
        self.view.quick_bar.switch.setChecked(preferences().quick_looks)
        self.refresh()
        self._look_at_machine()

    def _go_to_proposed(self, link: str) -> None:
        if self.view is not None:
            self.view.go_to_proposed()

    def show_doctor(self) -> None:
        """Open the doctor's panel and look at the machine."""
        self.panel.show()
        self.panel.raise_()
        self.panel.look_again()

    def _prefer(self, event: Any = None) -> None:
        """Follow a change in napari's Preferences."""
        preferred = preferences()
        put_in_force(preferred)
        if self.view is None:
            return
        self.view.recolour()
        self.view.quick_bar.switch.setChecked(preferred.quick_looks)
        self._look_at_machine()

    def close_project(self) -> None:
        """Save the last stroke and take the project's layers, keys and panels away; what the disk refuses is left to a `Saver`."""
        if self.view is None:
            return
        self.runner.give_way()  # of what nobody waits for, nobody is told that it ends
        self.runner.cancel()
        self.runner.asked.emit(None)
        self.keys.release()
        self._looks.leave()
        _listen(self.view.project, self.refresh, self.jobs.go_on, on=False)
        self.view.release()
        if self.view.strokes.unsaved:
            Saver(self.view.strokes, self._main())
        if self.view.study.held is not None:
            Saver(self.view.study.held, self._main())
        for widget in (*self._beside, self.view.quick_bar, self.view):
            widget.setParent(None)
            widget.deleteLater()
        self.view, self._beside = None, []
        if self._sets_aside:
            gc.unfreeze()  # our layers, whose data goes with the project

    def refresh(self) -> None:
        """The line that sums the project up."""
        if self.view is None:
            return
        project = self.view.project
        cycle = project.cycle
        labelled, learnt = len(learnable(project)), len(project.keys(Split.TRAIN))
        words = [counted(len(project.scans), "scan"), f"{labelled:,} of {counted(learnt, 'slice')}"]
        if proposed := len(project.labels.unverified):
            words.append(PROPOSED.format(proposed))
        self.summary.setText(" · ".join([*words, *(_cycle(project, cycle) if cycle else ["no model yet"])]))

    def open_sample(self, folder: Path) -> None:
        """Open the sample project in `folder`, simulating its scans first where they are not there yet."""
        if (folder / "project" / "project.json").exists():
            self.open_project(folder / "project")
            return
        make = lambda: simulate(folder / "scans", logic=LOGIC, memory=MEMORY, seed=SEED)  # noqa: E731
        self.runner.run(make, lambda dataset: self._fill_sample(folder, dataset))

    def _fill_sample(self, folder: Path, dataset: Dataset) -> None:
        self.runner.run(lambda: fill_sample(folder, dataset), self.show_project)

    def _make_new(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Folder of the new project")
        if not path:
            return
        words, agreed = QInputDialog.getText(
            self,
            "Classes",
            "hbm, or names with roles in the order of their ids,\ne.g. background, layer, pore:void",
            text="hbm",
        )
        if agreed:
            self.make_project(Path(path), words)

    def make_project(self, path: Path, classes: str) -> None:
        """Make and show a new project with the classes named."""
        try:
            project = Project.create(path, ClassMap.from_words(classes))
            self.show_project(project)
        except VoidscopeError as error:
            self.jobs.tell_problem(str(error))
            return
        if project.classes.doubt:
            self.jobs.tell(project.classes.doubt)

    def _choose(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "Open a voidscope project")
        if path:
            self.open_project(path)

    def _look_at_machine(self) -> None:
        """Load torch in a worker and say what it will use, so that the first training starts without a wait."""
        self.device.setText("looking at this machine…")
        self.doctor.examine("auto" if self.view is None else self.view.project.config.device)

    def _show_machine(self, found: tuple[Check, ...]) -> None:
        if self._sets_aside and all(map(role_of, self._viewer.layers)):
            _freeze()  # what came with torch
        self.device.setText(f"runs on {line(found)}")
        self.device.setToolTip("\n".join(map(told, found)))
        self.panel.setValue((*found, key_finding(self.keys.clashes())))

    def _allow(self, allowed: bool, title: str = "") -> None:
        """Let another project be opened, or say which job has to end first."""
        for button, tip in zip((self.new, self.open, self.sample), OPENING, strict=True):
            button.setEnabled(allowed)
            button.setToolTip(tip if allowed else f"{title} is running: wait for it, or cancel it.")

    def showEvent(self, event: Any) -> None:
        """Watch the window the dock is in, for its closing is not told to its widgets."""
        self._main = weakref.ref(self.window())  # which holds the viewer, and shall not outlive it
        self.window().installEventFilter(self)
        super().showEvent(event)
        if self._reopens:
            self._reopens = False
            QTimer.singleShot(0, self._reopen)  # whoever opens the dock for a project shows that one first

    def _reopen(self) -> None:
        """Go on with the project closed last, where that is preferred and none is open yet; else say what this machine would use."""
        last = last_project() if self.view is None and preferences().reopen else None
        if last is not None:
            self.open_project(last)
        if self.view is None:
            self.welcome.refresh()
            self._look_at_machine()

    def eventFilter(self, watched: Any, event: Any) -> bool:
        """Before the window closes, save the last stroke (the job goes on, for the person may yet decide to stay).

        When it becomes active again, take in what a terminal has changed in the project meanwhile.
        """
        is_closing = watched is self.window() and event.type() == QEvent.Type.Close
        if is_closing and self._unsaved() and not may_lose(self):
            event.ignore()
            return True
        if is_closing:
            self._looks.keep()
        if watched is self.window() and event.type() == QEvent.Type.WindowActivate:
            self._catch_up()
        return bool(super().eventFilter(watched, event))

    def event(self, event: Any) -> bool:
        """napari closes a dock by taking its widget out; the project goes with it, or a second dock would meet a ghost."""
        if event.type() == QEvent.Type.ParentChange:
            listen(self._prefer, on=self.parent() is not None)
            if self.parent() is None:
                self.close_project()
        return bool(super().event(event))

    def _catch_up(self) -> None:
        if self.view is None or self.runner.busy:
            return
        try:
            self.view.flush()
            self.view.project.catch_up()
        except VoidscopeError as error:
            self.jobs.tell_problem(str(error))

    def closeEvent(self, event: Any) -> None:
        """Save the last stroke."""
        self._save()
        super().closeEvent(event)

    def _save(self) -> None:
        if self.view is not None:
            self.view.flush()

    def _quit(self) -> None:
        """Save the last stroke and stop all that runs: no thread may outlive Qt, which aborts the process."""
        self._save()
        self.runner.cancel()
        self.doctor.release()
        if self.view is not None:
            self.view.stop()
        wait_for_workers()

    def _unsaved(self) -> bool:
        """Save the last stroke; whether the disk refuses it."""
        self._save()
        return self.view is not None and self.view.unsaved

    def _lay_out(self) -> None:
        self.setMinimumWidth(320)
        self.name.setStyleSheet("font-weight: bold;")
        self.summary.setWordWrap(True)
        top, layout = QHBoxLayout(), QVBoxLayout(self)
        top.addWidget(self.name, stretch=1)
        for button in (self.new, self.open, self.sample):
            top.addWidget(button)
        machine = QHBoxLayout()
        machine.addWidget(self.device, stretch=1)
        for button in (self.examine, self.help):
            button.setStyleSheet("QPushButton { padding: 1px 6px; }")
            machine.addWidget(button)
        layout.addLayout(top)
        layout.addWidget(self.summary)
        layout.addLayout(machine)
        layout.addWidget(self.welcome)
        layout.addStretch()
        layout.addWidget(self.jobs)


def _set_aside(viewer: Any) -> bool:
    """Let Python's collector leave alone what is loaded by now, and say whether it does: to look through all that napari and torch hold
    takes 0.3 s, now and then and whenever a layer goes. Not where it was told so before, or where a person has layers already, whose
    data would never be freed.
    """
    if viewer.layers or gc.get_freeze_count():
        return False
    _freeze()
    return True


def _freeze() -> None:
    """Let the collector leave alone what is there, but for what nobody holds, such as a project that was closed: that would never be freed."""
    gc.collect()
    gc.freeze()


def _cycle(project: Project, cycle: Cycle) -> list[str]:
    """The cycle and, where it was judged on held-out truth as it is now, its void IoU."""
    score = held_out_void_iou(project, cycle)
    return [f"cycle\u00a0{cycle.number}"] + (
        [] if score is None else [f"void\u00a0IoU\u00a0{score:.2f}"]
    )  # not broken


def _listen(project: Project, refresh: Callable[[], object], go_on: Callable[[], object], on: bool) -> None:
    """Follow what changes in a project, or do so no more: strokes may still be saved after it was closed."""
    events = project.events
    slots = [
        (getattr(events, f"{what}_changed"), refresh) for what in ("scans", "labels", "cycles", "evaluation")
    ]
    for signal, slot in (*slots, (events.labels_changed, go_on)):
        (signal.connect if on else signal.disconnect)(slot)
