"""The bumps of a measurement to look at and to click: a table, the map of the package, the worst in pictures, the lot.

Each view shows a report's value (`setValue`) and says which bump a person chose: `chosen(scan, bump)`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QIcon, QPixmap, QResizeEvent
from qtpy.QtWidgets import (
    QComboBox,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from voidscope.errors import named
from voidscope.metrology import Bump, Lot, ScanMeasurement, Verdict, worst
from voidscope.metrology.charts import (
    COLOURS,
    SCALE,
    largest_ratio,
    pitch_um,
    spots,
    value_colour,
    worst_first,
)
from voidscope.metrology.page import micrometres
from voidscope.metrology.scan_verdict import deciding
from voidscope.metrology.verdict import in_words
from voidscope.widgets.tables import fill, plain_table

HEADER = ("bump", "verdict", "%", "⌀ void", "BLT")
LABELLED = 60
"""Bumps whose names a map has room for."""
THUMB_PX = 112
TOLD = 3
"""Places that fail again which are named in the dock; the lot's page has all."""
GREY, LIMIT = "#888888", "#ff7a70"
TICKS = 10
"""Scans of a lot that are numbered, about."""


class BumpTable(QWidget):
    """A row per bump of one scan, worst first; lengths in um."""

    chosen = Signal(str, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: list[tuple[str, Bump]] = []
        self.table = plain_table(HEADER)
        self.table.setToolTip(
            "Each bump decided by itself. ⌀ void: largest void; BLT: bond line, µm. Click to go to its largest void."
        )
        _alone(self, self.table)
        self.table.itemSelectionChanged.connect(lambda: self._choose(self.table.currentRow()))
        self.table.cellClicked.connect(lambda row, _: self._choose(row))

    def setValue(self, scan: ScanMeasurement | None) -> None:
        """Show the bumps of a scan; none of them is selected."""
        self._rows = [] if scan is None else [(scan.scan, b) for b in worst_first(scan)]
        self.table.blockSignals(True)
        self.table.setCurrentCell(-1, -1)
        self.table.blockSignals(False)
        fill(self.table, [_cells(b) for _, b in self._rows])

    def _choose(self, row: int) -> None:
        if 0 <= row < len(self._rows):
            scan, bump = self._rows[row]
            self.chosen.emit(scan, bump.name)


class BumpMap(QWidget):
    """The bumps of one scan where they stand, seen along the build axis, coloured by verdict or by ratio."""

    chosen = Signal(str, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scan: ScanMeasurement | None = None
        self.colour = QComboBox()
        self.colour.addItems(["coloured by verdict", "coloured by ratio"])
        self.colour.setToolTip(
            "What the colour of a bump says: its verdict, or its void ratio from light to dark."
        )
        self.key = _Wrapped()
        self.plot, self.points = _clickable(self._choose)
        self.points.opts["pxMode"] = False  # as large as bumps are, in um
        self.plot.setAspectLocked(True)
        self.plot.invertY(True)
        for side in ("left", "bottom"):
            self.plot.hideAxis(side)
        _alone(self, self.colour, self.plot, self.key)
        self.colour.currentIndexChanged.connect(lambda _: self._draw())

    def setValue(self, scan: ScanMeasurement | None) -> None:
        """Show the bumps of a scan."""
        self._scan = scan
        self._draw()

    def _draw(self) -> None:
        self.plot.clear()
        self.plot.addItem(self.points)
        where = [] if self._scan is None else spots(self._scan)
        size = 0.8 * pitch_um(where)
        self.points.setData(
            [
                {
                    "pos": (s.x_um, s.y_um), "size": size, "brush": self._brush(s.bump), "pen": _rim(s.bump), "data": s.bump.name,
                }
                for s in where
            ]
        )  # fmt: skip
        for s in where if len(where) <= LABELLED else ():
            name = pg.TextItem(s.bump.name, color=self._ink(s.bump), anchor=(0.5, 0.5))
            name.setPos(s.x_um, s.y_um)
            self.plot.addItem(name)
        self.plot.autoRange(padding=0.1)
        self.key.setText(self._key() if where else "")

    def _key(self) -> str:
        """What the colours say."""
        if self.colour.currentIndex() == 0 or self._scan is None:
            return "green PASS, red FAIL, brown REVIEW"
        scan = self._scan
        squares = "".join(f"<span style='color:{c}'>■</span>" for c in SCALE)
        return f"0 {squares} {100 * largest_ratio(scan):.4g} %; limit {100 * scan.limit:.4g} %"

    def _brush(self, bump: Bump) -> str:
        if self.colour.currentIndex() == 0 or self._scan is None:
            return COLOURS[bump.measured.verdict]
        return value_colour(bump.measured.ratio, largest_ratio(self._scan))

    def _ink(self, bump: Bump) -> str:
        """What can be read on the bump's colour; low ratios are light."""
        if self.colour.currentIndex() == 0 or self._scan is None:
            return "#ffffff"
        return "#ffffff" if (bump.measured.ratio or 0.0) > 0.45 * largest_ratio(self._scan) else "#1b2733"

    def _choose(self, name: str) -> None:
        if self._scan is not None:
            self.chosen.emit(self._scan.scan, name)


class WorstGallery(QListWidget):
    """Pictures of the worst bumps of the whole report, worst first."""

    chosen = Signal(str, str)

    def __init__(self, picture: Callable[[str, str], Path | None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._picture = picture
        self.setToolTip("The worst bumps of all scans; click one to go there.")
        self.setViewMode(QListWidget.ViewMode.IconMode)
        self.setResizeMode(QListWidget.ResizeMode.Adjust)
        self.setMovement(QListWidget.Movement.Static)
        self.setWordWrap(True)
        self.setSpacing(4)
        self.setIconSize(QSize(THUMB_PX, THUMB_PX))
        self.setMinimumSize(0, 150)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)
        self.itemClicked.connect(lambda item: self.chosen.emit(*item.data(Qt.ItemDataRole.UserRole)))

    def setValue(self, scans: Sequence[ScanMeasurement]) -> None:
        """Show the worst bumps of some scans that have a picture."""
        self.clear()
        for scan, bump in worst(scans, sum(len(s.bumps) for s in scans)):
            path = self._picture(scan.scan, bump.name)
            if path is None:
                continue
            found = bump.measured
            words = f"{_name(scan, bump)}\n{found.verdict.value} {_decides(bump)}"
            item = QListWidgetItem(_icon(path), words)
            item.setData(Qt.ItemDataRole.UserRole, (scan.scan, bump.name))
            item.setToolTip(micrometres(found.reason))
            self.addItem(item)


class _Wrapped(QLabel):
    """Text on as many lines as it takes, for which it asks the room itself: a tab does not pass on how high a line broken in two is."""

    def __init__(self) -> None:
        super().__init__()
        self.setWordWrap(True)

    def setText(self, text: str) -> None:
        """Show a text."""
        super().setText(text)
        self._ask_room()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Lines break elsewhere."""
        super().resizeEvent(event)
        self._ask_room()

    def _ask_room(self) -> None:
        self.setMinimumHeight(max(0, self.heightForWidth(self.width())))


class LotView(QWidget):
    """Ratio or bond line of every bump, scan by scan, and the places that fail again."""

    chosen = Signal(str, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._lot = Lot(())
        self.of = QComboBox()
        self.of.addItems(["void ratio, %", "bond line, µm"])
        self.of.setToolTip("What is shown of every bump.")
        self.again = _Wrapped()
        self.plot, self.points = _clickable(lambda name: self.chosen.emit(*name))
        self.plot.setToolTip("Green PASS, red FAIL, brown REVIEW; the line joins the scans' medians.")
        self.plot.setMouseEnabled(x=False, y=False)
        _alone(self, self.of, self.plot, self.again)
        self.of.currentIndexChanged.connect(lambda _: self._draw())

    def setValue(self, lot: Lot) -> None:
        """Show a lot."""
        self._lot = lot
        self._draw()
        again = [f"{name} ({failed} of {of})" for name, failed, of in lot.recurring()]
        fails = (
            f"Fails in several scans: {named(again, TOLD)}."
            if again
            else "No place fails in more than one scan."
        )
        out, copies = len(lot.left_out()), len(lot.repeated)
        left = f"{out} of {len(lot.scans)} scans {'is' if out == 1 else 'are'} left out." if out else ""
        once = f"{copies} {'scan is a copy of another and does' if copies == 1 else 'scans are copies of others and do'} not count."
        self.again.setText(" ".join(filter(None, (fails, left, once if copies else ""))))
        of_which = (
            "Grid places that fail in more than one scan (scans in which it fails, of those that have it)."
        )
        self.again.setToolTip(
            " ".join(filter(None, (of_which, lot.left_out_in_words(), lot.repeated_in_words())))
        )

    def _draw(self) -> None:
        ratio = self.of.currentIndex() == 0
        groups = self._lot.trend("ratio" if ratio else "blt")
        self.plot.clear()
        self.plot.addItem(self.points)
        self.points.setData(
            [
                {
                    "pos": (k + 1, value),
                    "size": 9,
                    "brush": COLOURS[verdict],
                    "pen": None,
                    "data": (scan, name),
                }
                for k, (scan, points) in enumerate(groups)
                for name, value, verdict in points
            ]
        )
        self.plot.getAxis("bottom").setTicks([[(k, str(k)) for k in _whole(len(groups))]])
        medians = [(k + 1, float(np.median([v for _, v, _ in p]))) for k, (_, p) in enumerate(groups) if p]
        if medians:
            self.plot.plot(*zip(*medians, strict=True), pen=pg.mkPen(GREY))
        limit = self._lot.limit if ratio and medians else None
        told = "" if limit is None else f" (broken line: limit {limit:.4g} %)"
        self.plot.setLabel("bottom", f"scan, in order{told}")
        if limit is not None:
            self.plot.addItem(
                pg.InfiniteLine(limit, angle=0, pen=pg.mkPen(LIMIT, style=Qt.PenStyle.DashLine))
            )
        self.plot.autoRange(padding=0.1)


def _whole(n: int) -> range:
    """Numbers from 1 to n, or every so many of them that about `TICKS` are left."""
    return range(1, n + 1, -(-n // TICKS) or 1)


def _cells(bump: Bump) -> tuple[object, ...]:
    found = bump.measured
    blt = found.dimensions.blt_um
    largest = f"{found.voids[0].diameter_um:.2f}" if found.voids else "–"
    cut = " ✂" if bump.structure.touches_border else ""
    return (
        f"{bump.name}{cut}",
        found.verdict.value,
        _percent(bump),
        largest,
        "–" if blt is None else f"{blt:.2f}",
    )


def _percent(bump: Bump) -> str:
    ratio = bump.measured.ratio
    return "–" if ratio is None else f"{100 * ratio:.2f}"


def _decides(bump: Bump) -> str:
    """The value of the criterion that decides, by name where it is not the ratio."""
    outcome = deciding(bump.measured)
    if outcome is None or outcome.value is None or outcome.measure == bump.measured.formula:
        return f"{_percent(bump)} %"
    return f"{outcome.measure} {micrometres(in_words(outcome.measure, outcome.value))}"


def _name(scan: ScanMeasurement, bump: Bump) -> str:
    """A lone bump is called by its scan."""
    return scan.scan if len(scan.bumps) == 1 else f"{scan.scan} {bump.name}"


def _rim(bump: Bump) -> Any:
    """A verdict is told by its rim too: thick for FAIL, broken for REVIEW."""
    verdict = bump.measured.verdict
    style = Qt.PenStyle.DashLine if verdict is Verdict.REVIEW else Qt.PenStyle.SolidLine
    return pg.mkPen(
        "#1b2733" if verdict is Verdict.PASS else "#ffe066",
        width=1 if verdict is Verdict.PASS else 3,
        style=style,
    )


def _icon(path: Path) -> QIcon:
    picture = QPixmap(str(path))
    return QIcon(picture.scaled(THUMB_PX, THUMB_PX, Qt.AspectRatioMode.KeepAspectRatio))


def _clickable(choose: Callable[[Any], object]) -> tuple[Any, Any]:
    """A plot with points, and what to do with the data of the one that is clicked."""
    plot = pg.PlotWidget()
    plot.setBackground(None)
    plot.setMenuEnabled(False)
    plot.hideButtons()
    plot.setMinimumHeight(150)
    plot.setSizePolicy(
        QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored
    )  # the room there is, not what a plot would like
    points = pg.ScatterPlotItem(hoverable=True, pxMode=True)
    points.sigClicked.connect(lambda _, clicked: choose(clicked[0].data()) if len(clicked) else None)
    plot.addItem(points)
    return plot, points


def _alone(owner: QWidget, *widgets: QWidget) -> None:
    """Widgets one below the other, the plot or table taking the room."""
    layout = QVBoxLayout(owner)
    layout.setContentsMargins(0, 0, 0, 0)
    for widget in widgets:
        layout.addWidget(widget, stretch=int(not isinstance(widget, QComboBox | QLabel)))
