"""Step one: which scans, with which spacing, learnt from or judged on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from voidscope.errors import counted, named
from voidscope.project import Imported, Project, ScanRecord
from voidscope.vocabulary import Split
from voidscope.volume import Spacing
from voidscope.widgets.forms import share
from voidscope.widgets.layers import ScanLayers
from voidscope.widgets.runner import Question, Runner
from voidscope.widgets.spacing_editor import SpacingEditor, spacing_text, spacing_told
from voidscope.widgets.strokes import Strokes
from voidscope.widgets.tables import fill, plain_table
from voidscope.workflow import add_scans, doubts, import_label_file

HEADER = ("scan", "slices", "labels", "µm", "split")
EMPTY = "No scans yet. Add TIFF, .npy or Zeiss .txm / .txrm / .xrm files; they stay where they are."
LEARNT_OR_JUDGED = {Split.TRAIN: "is learnt from", Split.TEST: "is only judged on"}
NO_SPACING = "the file says no spacing. Click the scan and set it below; nothing is measured without."
NOT_CHOSEN = "Click a scan in the table first."
ADD = ("add", "add_folder")
TIPS = {
    "add": "Choose scan files; spacing in µm is read from them where they have it.",
    "add_folder": "Choose a folder of slice images, which is one scan.",
    "labels": "Choose a file with labels of the selected scan, on its grid and in the ids of its classes; 255 is unlabelled. What you drew stays.",
    "split": "Learn from the selected scan from now on, or only judge on it.",
    "remove": "Take the selected scan out of the project; its file and its labels are kept.",
}
"""What the buttons do that wait for a running job."""


class ScansPanel(QWidget):
    """A table of the project's scans; clicking one shows it."""

    def __init__(
        self, project: Project, runner: Runner, layers: ScanLayers, strokes: Strokes, parent: QWidget | None = None
    ) -> None:  # fmt: skip
        super().__init__(parent)
        self._project, self._runner, self._layers, self._strokes = project, runner, layers, strokes
        self.add = QPushButton("Add scans…")
        self.add_folder = QPushButton("Folder…")
        self.test = QCheckBox("judge only")
        self.test.setToolTip(
            "Scans added with this on are the test split: measured and evaluated, never learnt from."
        )
        self.table = plain_table(HEADER, wide=(1, 2, 3, 4))
        self.table.setToolTip(
            "Scans of the project; click one to show it. µm: edges of its voxels; split: learnt from, or only judged on."
        )
        self.split = QPushButton("Learn / judge")
        self.labels = QPushButton("Labels…")
        self.remove = QPushButton("Remove…")
        self.hint = QLabel(EMPTY)
        self.hint.setWordWrap(True)
        self.spacing = SpacingEditor()
        self.spacing.button.setToolTip(
            "Edge lengths of the voxels of the selected scan; nothing is measured without them."
        )
        self._lay_out()
        for button in (self.add, self.add_folder, self.labels, self.split, self.remove):
            button.clicked.connect(self._begin_anew)
        self.add.clicked.connect(self._choose)
        self.add_folder.clicked.connect(self._choose_folder)
        self.spacing.valueChanged.connect(self._set_spacing)
        self.spacing.refused.connect(runner.failed)
        self.table.itemSelectionChanged.connect(self._show)
        self.table.cellClicked.connect(self._show_again)
        layers.shown.connect(self._select)
        self.split.clicked.connect(self._turn_split)
        self.labels.clicked.connect(self._choose_labels)
        self.remove.clicked.connect(self._ask_to_remove)
        runner.started.connect(self._enable)
        runner.ended.connect(self._enable)
        self.refresh()

    def refresh(self) -> None:
        """Rebuild from the project."""
        labelled = [k.scan for k in self._project.labels]
        rows = [
            (s.name, s.n_slices, labelled.count(s.name), _short(s.spacing_um), s.split.value)
            for s in self._project.scans.values()
        ]
        fill(self.table, rows)
        self.table.setVisible(bool(rows))
        self.hint.setVisible(not rows)
        self.spacing.setEnabled(bool(rows))
        for button in (self.labels, self.split, self.remove):
            button.setVisible(bool(rows))
        self._enable()

    def _enable(self, *_: object) -> None:
        busy, chosen = self._runner.waits_for(), self.selected() is not None
        for name, tip in TIPS.items():
            button, lacks = getattr(self, name), "" if chosen or name in ADD else NOT_CHOSEN
            button.setEnabled(not (busy or lacks))
            button.setToolTip(busy or lacks or tip)

    def add_files(self, paths: list[Path]) -> None:
        """Add these files as scans and show the first."""
        split, known = Split.TEST if self.test.isChecked() else None, dict(self._project.scans)
        self._runner.run(
            lambda: add_scans(self._project, paths, split=split),
            lambda records: self._added(records, known),
        )

    def _added(self, records: tuple[ScanRecord, ...], known: Mapping[str, ScanRecord]) -> None:
        """Show the first scan added; say of those `known` before what is other now, and ask for the spacing of those whose files say none."""
        self._runner.at_once(partial(self._layers.show, records[0].name))
        new = [r for r in records if r.name not in known]
        back = [r.name for r in new if self._project.labels.speak_of(r.name)]
        unknown = [r.name for r in new if r.spacing_um is None]
        told = [
            *(f"{r.name}: {' '.join(said)}" for r in new if (said := doubts(self._project, r.name))),
            f"{named(back)} {'was in the project before: its' if len(back) == 1 else 'were in the project before: their'} labels are back."
            if back
            else "",
            added_again(records, known),
            f"{named(unknown)}: {NO_SPACING}" if unknown else "",
        ]
        if any(told):
            self._runner.told.emit(" ".join(filter(None, told)))

    def selected(self) -> str | None:
        """Name of the selected scan."""
        row = self.table.currentRow()
        return list(self._project.scans)[row] if 0 <= row < len(self._project.scans) else None

    def _choose(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(
            self, "Add scans", "", "Scans (*.tif *.tiff *.btf *.npy *.txm *.txrm *.xrm *.png);;All files (*)"
        )
        if paths:
            self.add_files([Path(p) for p in paths])

    def _choose_folder(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "Add a folder of slices as one scan")
        if path:
            self.add_files([Path(path)])

    def _choose_labels(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self, "Labels of a scan", "", "Label files (*.tif *.tiff *.btf *.npy *.png);;All files (*)"
        )
        if path:
            self.import_labels(Path(path))

    def import_labels(self, path: Path) -> None:
        """Label the selected scan from a file, and say how many slices now have its labels; strokes on it are saved first."""
        name = self.selected()
        if name is None or not self._runner.is_free() or not self._strokes.ready("Importing labels"):
            return
        self._runner.run(
            partial(import_label_file, self._project, name, path),
            partial(self._imported, path),
            is_news=False,
        )

    def _imported(self, path: Path, done: Imported) -> None:
        self._runner.told.emit(f"From {path.name}: {imported(done)}")

    def _show(self) -> None:
        name = self.selected()
        if name is None:
            return
        self._begin_anew()
        self.spacing.setValue(self._project.scan(name).spacing_um)
        self._enable()
        self._runner.at_once(lambda: self._layers.show(name))

    def _begin_anew(self, *_: object) -> None:
        """What was told, or went wrong, is over with the next act here."""
        self._runner.told.emit("")

    def _show_again(self, *_: object) -> None:
        """A click on the row that is selected already goes there too, where the view has gone elsewhere since."""
        if self.selected() not in (self._layers.scan, self._layers.ahead.goal):
            self._show()

    def _select(self, scan: str) -> None:
        """Select the scan that came into view."""
        if scan in self._project.scans and self.selected() != scan:
            self.table.blockSignals(True)
            self.table.selectRow(list(self._project.scans).index(scan))
            self.table.blockSignals(False)
            self.spacing.setValue(self._project.scan(scan).spacing_um)
            self._enable()

    def _turn_split(self) -> None:
        """Move the selected scan to the other split; models that learnt from it are still not judged by it."""
        name = self.selected()
        if name is None:
            return
        record = self._project.scan(name)
        split = Split.TRAIN if record.split is Split.TEST else Split.TEST
        if self._runner.at_once(lambda: self._project.add([record.model_copy(update={"split": split})])):
            self._runner.told.emit(f"{name} {LEARNT_OR_JUDGED[split]} from now on.")

    def _ask_to_remove(self) -> None:
        """Ask whether the selected scan shall go, and say what becomes of its labels."""
        name = self.selected()
        if name is None:
            return
        n = len(self._project.labels.of(name))
        kept = (
            f"Its labels ({counted(n, 'slice')}) are set aside and come back when the file is added again."
            if n
            else "No slice of it is labelled."
        )
        told = f"Remove {name} from the project? {kept} What models found in it is dropped; the file stays."
        answers = ((f"Remove {name}", lambda: self._remove(name)), ("Keep it", lambda: None))
        self._runner.asked.emit(Question(told, answers))

    def _remove(self, name: str) -> None:
        """Take a scan out; the strokes on it are saved first."""
        if not self._runner.is_free() or not self._strokes.ready("Removing"):
            return
        self._runner.give_way()  # what is segmented meanwhile may be this scan
        if self._runner.at_once(lambda: self._project.remove(name)):
            self._runner.told.emit(
                f"{name} is removed. Its file stays; add it again to have its labels back."
            )
        self._runner.resume()

    def _set_spacing(self, spacing_um: Spacing) -> None:
        name = self.selected() or self._layers.scan
        if name is None:
            self._runner.failed.emit("No scan is selected; click one in the table first.")
            return
        if self._runner.at_once(lambda: self._project.set_spacing(name, spacing_um)):
            self._runner.told.emit(spacing_told(name, spacing_um))

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        share(top, (self.add, self.add_folder, self.test))
        of_one = QHBoxLayout()
        share(of_one, (self.labels, self.split, self.remove))
        layout = QVBoxLayout(self)
        layout.addLayout(top)
        layout.addWidget(self.hint)
        layout.addWidget(self.table, stretch=1)
        layout.addLayout(of_one)
        layout.addWidget(self.spacing)
        layout.addStretch()  # takes what the table leaves, which is all where there is none


def _short(spacing_um: Spacing | None) -> str:
    """A spacing for the table: one number where it is the same along all axes."""
    if spacing_um is None:
        return "?"
    return f"{spacing_um[0]:.4g}" if len(set(spacing_um)) == 1 else spacing_text(spacing_um)


def imported(done: Imported) -> str:
    """What an import did, in sentences."""
    new, replaced, same, kept = (
        len(done.labelled) - len(done.replaced) - len(done.same), len(done.replaced), len(done.same), len(done.kept),
    )  # fmt: skip
    changed = [
        f"{counted(new, 'slice')} labelled" if new else "",
        f"{counted(replaced, 'label')} from before replaced" if replaced else "",
    ]
    left = [
        f"{counted(same, 'slice')} had {'this label' if same == 1 else 'these labels'} already"
        if same
        else "",
        f"{counted(kept, 'slice')} that you labelled {'stays as it is' if kept == 1 else 'stay as they are'}"
        if kept
        else "",
    ]
    said = "; ".join(
        part for part in (", ".join(filter(None, changed)), ", ".join(filter(None, left))) if part
    )
    return f"{said}. {'Ctrl+Z takes it back.' if new or replaced else 'Nothing changed.'}"


def added_again(records: Sequence[ScanRecord], known: Mapping[str, ScanRecord]) -> str:
    """What became of scans that were added though they were `known`; empty where none was."""
    again = [r for r in records if r.name in known]
    same = [
        r.name for r in again if r.model_copy(update={"relative": known[r.name].relative}) == known[r.name]
    ]
    said = (
        [f"{named(same)} {'is' if len(same) == 1 else 'are'} in the project already; nothing changed."]
        if same
        else []
    )
    for record in (r for r in again if r.name not in same):
        split = LEARNT_OR_JUDGED[record.split] if record.split is not known[record.name].split else ""
        place = f"is read from {record.path}" if record.path != known[record.name].path else ""
        now = " and ".join(filter(None, (place, split))) or "is as in the file"
        said.append(f"{record.name} is in the project already; it {now} from now on.")
    return " ".join(said)
