"""Step one: which scans, with which spacing, learnt from or judged on."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QTableWidget,
    QVBoxLayout,
    QWidget,
)

from voidscope.errors import VoidscopeError
from voidscope.project import Project
from voidscope.vocabulary import Split
from voidscope.widgets.layers import ScanLayers
from voidscope.widgets.runner import Runner
from voidscope.widgets.tables import fill, plain_table
from voidscope.workflow import add_scans

HEADER = ("scan", "slices", "labelled", "spacing, um", "split")
EMPTY = "No scans yet. Add TIFF, .npy or Zeiss .txm / .txrm / .xrm files; they stay where they are."


class ScansPanel(QWidget):
    """A table of the project's scans; clicking one shows it."""

    def __init__(
        self, project: Project, runner: Runner, layers: ScanLayers, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._project, self._runner, self._layers = project, runner, layers
        self.add = QPushButton("Add scans…")
        self.add.setToolTip("Choose scan files; spacing in um is read from them where they have it.")
        self.test = QCheckBox("only to judge on")
        self.test.setToolTip(
            "Scans added with this on are the test split: measured and evaluated, never learnt from."
        )
        self.table: QTableWidget = plain_table(HEADER)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.hint = QLabel(EMPTY)
        self.hint.setWordWrap(True)
        self.spacing = QLineEdit()
        self.spacing.setPlaceholderText("z, y, x in um, e.g. 0.7, 0.7, 0.7")
        self.set_spacing = QPushButton("Set spacing")
        self.set_spacing.setToolTip(
            "Edge lengths of the voxels of the selected scan; nothing is measured without them."
        )
        self._lay_out()
        self.add.clicked.connect(self._choose)
        self.set_spacing.clicked.connect(self._set_spacing)
        self.table.itemSelectionChanged.connect(self._show)
        runner.started.connect(lambda _: self.add.setEnabled(False))
        runner.ended.connect(lambda: self.add.setEnabled(True))
        self.refresh()

    def refresh(self) -> None:
        """Rebuild from the project."""
        labelled = [k.scan for k in self._project.labels]
        rows = [
            (s.name, s.n_slices, labelled.count(s.name), _spacing_text(s.spacing_um), s.split.value)
            for s in self._project.scans.values()
        ]
        fill(self.table, rows)
        self.table.setVisible(bool(rows))
        self.hint.setVisible(not rows)
        self.set_spacing.setEnabled(bool(rows))

    def add_files(self, paths: list[Path]) -> None:
        """Add these files as scans and show the first."""
        split = Split.TEST if self.test.isChecked() else Split.TRAIN
        self._runner.run(
            lambda: add_scans(self._project, paths, split=split),
            lambda records: self._layers.show(records[0].name),
        )

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

    def _show(self) -> None:
        name = self.selected()
        if name is None:
            return
        self.spacing.setText(_spacing_text(self._project.scan(name).spacing_um).replace("?", ""))
        try:
            self._layers.show(name)
        except VoidscopeError as error:
            self._runner.failed.emit(str(error))

    def _set_spacing(self) -> None:
        name = self.selected() or self._layers.scan
        if name is None:
            self._runner.failed.emit("No scan is selected; click one in the table first.")
            return
        try:
            words = [float(w) for w in self.spacing.text().split(",")]
            z, y, x = words if len(words) == 3 else words * 3
            self._project.set_spacing(name, (z, y, x))
        except ValueError:
            self._runner.failed.emit(
                f"{self.spacing.text()!r} is no spacing; write three numbers in um: z, y, x."
            )
        except VoidscopeError as error:
            self._runner.failed.emit(str(error))

    def _lay_out(self) -> None:
        top, bottom = QHBoxLayout(), QHBoxLayout()
        top.addWidget(self.add)
        top.addWidget(self.test)
        top.addStretch()
        bottom.addWidget(self.spacing, stretch=1)
        bottom.addWidget(self.set_spacing)
        layout = QVBoxLayout(self)
        layout.addLayout(top)
        layout.addWidget(self.hint)
        layout.addWidget(self.table, stretch=1)
        layout.addLayout(bottom)


def _spacing_text(spacing_um: tuple[float, float, float] | None) -> str:
    return "?" if spacing_um is None else ", ".join(f"{s:g}" for s in spacing_um)
