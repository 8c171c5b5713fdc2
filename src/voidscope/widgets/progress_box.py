"""How the cycles came on: held-out figures over labelled slices, what the next batch is likely to bring, whether to stop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from voidscope.errors import VoidscopeError, counted
from voidscope.labelling import PAUSE_S
from voidscope.project import Project
from voidscope.vocabulary import SliceKey
from voidscope.widgets.layers import ScanLayers
from voidscope.widgets.runner import Runner
from voidscope.workflow import (
    CANNOT_TELL,
    CycleFigures,
    ProjectProgress,
    Replay,
    judge_all,
    judged,
    progress,
    replay,
    replay_lacks,
    unlike,
)

VOID, MIOU, RANDOM, CHOSEN = "#d55e00", "#2f8fd0", "#888888", "#d55e00"
"""Told apart by colour-blind readers, by symbol and line as well; three to one against dark and light windows alike."""
AXES = "#7d7d7d"
LEGEND = f"<span style='color:{VOID}'>●</span> void IoU &nbsp;<span style='color:{MIOU}'>■</span> mIoU"
LEGEND_NEXT = f" &nbsp;<span style='color:{VOID}'>◇</span> next"
LEGEND_REPLAY = f"<br>replay: <span style='color:{RANDOM}'>╌▽╌</span> random &nbsp;<span style='color:{CHOSEN}'>┈△┈</span> chosen"
LEGEND_TIP = "Held-out figures over labelled slices. Click a point to look at its cycle. Hollow: fine-tuned models. Bars: 80 % interval of the next cycle, spread of the replay (void IoU)."
MOST_LINKS = 48
"""Slices of a cycle that are named one by one."""
JUDGE_TIP = "Some cycles were not evaluated, or by other labels than the newest: judge all of them by what is labelled of the test scans now."
REPLAY_TIP = (
    "Short trainings in a process of their own on random draws of the labelled slices, and on those each cycle had, at the sizes "
    "of up to four cycles; takes minutes, Cancel stops it."
)


class ProgressChart(pg.PlotWidget):
    """Figures over labelled slices; `picked(number)` when a person clicks a cycle's point."""

    picked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setBackground(None)
        self.setLabel("left", "IoU")
        self.getAxis("left").enableAutoSIPrefix(False)
        for side in ("left", "bottom"):
            self.getAxis(side).setPen(AXES)
            self.getAxis(side).setTextPen(AXES)
        self.setLabel("bottom", "labelled slices")
        self.setMinimumHeight(130)
        self.setMaximumHeight(170)
        self.setMouseEnabled(False, False)
        self.setMenuEnabled(False)
        self.hideButtons()
        self.points: list[Any] = []
        self._beam = 0.1

    def wheelEvent(self, event: Any) -> None:
        """The panel scrolls, not the chart."""
        event.ignore()

    def setValue(self, found: ProjectProgress, selected: int | None = None) -> None:
        """Draw the cycles judged by one truth, the forecast and the replay; `selected` is ringed."""
        self.clear()
        self.points = []
        self._beam = 0.02 * max((c.n_labelled for c in found.cycles), default=1)
        if found.replay is not None:
            self._draw_replay(found.replay)
        for colour, symbol, of in ((MIOU, "s", _miou), (VOID, "o", _void)):
            self._draw_figure(found, colour, symbol, of, selected)
        ahead = found.forecast
        if ahead is not None:
            colour = VOID if found.figure == "void IoU" else MIOU
            self._bar(ahead.n_next, (ahead.low, ahead.expected, ahead.high), colour)
            self.addItem(_scatter([(ahead.n_next, ahead.expected)], "d", colour, filled=False))

    def _draw_figure(
        self, found: ProjectProgress, colour: str, symbol: str,
        of: Callable[[CycleFigures], float | None], selected: int | None,
    ) -> None:  # fmt: skip
        """A line through the full trainings; fine-tuned models are hollow points beside it."""
        drawn = [(c, v) for c in found.cycles if _is_drawn(c) and (v := of(c)) is not None]
        line = [(c.n_labelled, v) for c, v in drawn if c in found.curve]
        self.plot([n for n, _ in line], [v for _, v in line], pen=pg.mkPen(colour, width=2))
        for filled in (True, False):
            some = [(c, v) for c, v in drawn if (c in found.curve) is filled]
            points = _scatter(
                [(c.n_labelled, v) for c, v in some], symbol, colour, filled=filled,
                data=[c.number for c, _ in some], large=[c.number == selected for c, _ in some],
            )  # fmt: skip
            points.sigClicked.connect(self._clicked)
            self.addItem(points)
            self.points.append(points)

    def _draw_replay(self, found: Replay) -> None:
        """Random with its spread, dashed, and chosen, dotted, both by short trainings."""
        looks = (
            ("random", RANDOM, Qt.PenStyle.DashLine, "t"),
            ("chosen", CHOSEN, Qt.PenStyle.DotLine, "t1"),
        )
        for arm, colour, style, symbol in looks:
            rows = [(p.n_labelled, s) for p in found.points if (s := p.spread(arm)) is not None]
            x, y = [n for n, _ in rows], [s[1] for _, s in rows]
            self.plot(x, y, pen=pg.mkPen(colour, width=1.5, style=style))
            self.addItem(_scatter(list(zip(x, y, strict=True)), symbol, colour, filled=False))
            if arm == "random":
                for n, spread in rows:
                    self._bar(n, spread, colour)

    def _bar(self, n: int, spread: tuple[float, float, float], colour: str) -> None:
        low, middle, high = spread
        x, y, top, bottom = (np.array([v], np.float64) for v in (n, middle, high - middle, middle - low))
        bar = pg.ErrorBarItem(
            x=x, y=y, top=top, bottom=bottom, beam=self._beam, pen=pg.mkPen(colour, width=1.5)
        )
        self.addItem(bar)

    def _clicked(self, _: object, points: Sequence[Any], *rest: object) -> None:
        if len(points):
            self.picked.emit(int(points[0].data()))


class ProgressBox(QWidget):
    """The chart, the cycle looked at with its slices to go to, the outlook, and the comparison with random selection.

    `picked(number)` when a person clicks a cycle in the chart.
    """

    picked = Signal(int)

    def __init__(
        self, project: Project, runner: Runner, layers: ScanLayers, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._project, self._runner, self._layers = project, runner, layers
        self._found: ProjectProgress | None = None
        self._selected: int | None = None
        self.legend, self.chart, self.cycle = QLabel(), ProgressChart(), QLabel()
        self.outlook, self.replayed = QLabel(), QLabel()
        self.compare, self.judge = QPushButton("Compare with random"), QPushButton("Judge all cycles alike")
        self.judge.setToolTip(JUDGE_TIP)
        self.compare.setToolTip(REPLAY_TIP)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (
            self.legend,
            self.chart,
            self.judge,
            self.cycle,
            self.outlook,
            self.replayed,
            self.compare,
        ):
            layout.addWidget(widget)
        for label in (self.legend, self.cycle, self.outlook, self.replayed):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.RichText)
        self.legend.setToolTip(LEGEND_TIP)
        self.chart.setToolTip(LEGEND_TIP)
        self.chart.picked.connect(self.picked)
        self.cycle.linkActivated.connect(self._go)
        self.compare.clicked.connect(self._replay)
        self.judge.clicked.connect(self._judge)
        self._runner.started.connect(self._enable)
        self._runner.ended.connect(self._enable)

    def refresh(self) -> None:
        """Rebuild from the project; what is damaged is told."""
        try:
            self._found = progress(self._project)
        except VoidscopeError as error:
            self._found = None
            self.outlook.setText(escape(str(error)))
        self.setVisible(bool(self._project.cycles))
        self._show()

    def select(self, number: int | None) -> None:
        """Look at a cycle; None takes the newest."""
        if number != self._selected:
            self._selected = number
            self._show()

    def _show(self) -> None:
        found = self._found
        drawn = found is not None and any(map(_is_drawn, found.cycles))
        for widget in (self.legend, self.chart):
            widget.setVisible(drawn)
        self.cycle.setVisible(found is not None)
        self.replayed.setVisible(found is not None and found.replay is not None)
        if found is None or not found.cycles:
            return
        numbers = [c.number for c in found.cycles]
        at = numbers.index(self._selected) if self._selected in numbers else len(numbers) - 1
        self.cycle.setText(_cycle_words(found, found.cycles[at]))
        self.outlook.setText(_outlook(found))
        self.outlook.setToolTip("\n".join(f"- {m}" for m in found.readiness.missing))
        if drawn:
            more = (LEGEND_NEXT if found.forecast else "") + (LEGEND_REPLAY if found.replay else "")
            self.legend.setText(LEGEND + more)
            self.chart.setValue(found, numbers[at])
        if found.replay is not None:
            late = "" if found.replay.cycle == numbers[-1] else f" Cycles up to {found.replay.cycle}."
            self.replayed.setText(escape(f"{found.replay.sentence()}{late} {CANNOT_TELL}"))
        self._enable()

    def _enable(self, *_: object) -> None:
        lacks = replay_lacks(self._project)
        self.compare.setEnabled(not lacks and not self._runner.busy)
        self.compare.setToolTip(lacks or REPLAY_TIP)
        earlier = [c for c in unlike(self._project) if c is not self._project.cycle]  # that one has Evaluate
        self.judge.setVisible(bool(earlier and judged(self._project)))
        self.judge.setEnabled(not self._runner.busy)

    def _replay(self) -> None:
        self._runner.run(lambda: replay(self._project, elsewhere=True))

    def _judge(self) -> None:
        self._runner.run(lambda: judge_all(self._project))

    def _go(self, link: str) -> None:
        self._runner.at_once(lambda: self._layers.jump(SliceKey.parse(link)))


def _scatter(
    at: Sequence[tuple[float, float]], symbol: str, colour: str, *, filled: bool,
    data: Sequence[int] | None = None, large: Sequence[bool] = (),
) -> pg.ScatterPlotItem:  # fmt: skip
    size = [14 if big else 9 for big in large] or 9
    brush = pg.mkBrush(colour) if filled else pg.mkBrush(None)
    pen, x, y = pg.mkPen(colour, width=1.5), [n for n, _ in at], [v for _, v in at]
    return pg.ScatterPlotItem(x=x, y=y, symbol=symbol, size=size, pen=pen, brush=brush, data=data)


def _void(cycle: CycleFigures) -> float | None:
    return cycle.void


def _miou(cycle: CycleFigures) -> float | None:
    return cycle.miou


def _is_drawn(cycle: CycleFigures) -> bool:
    """Whether a cycle is a point: judged as the others, and no earlier model again, which has its point already."""
    return cycle.comparable and cycle.kind != "restored"


def _cycle_words(found: ProjectProgress, cycle: CycleFigures) -> str:
    """A cycle: its figures, by what they were judged, its new slices as links, and the class balance."""
    figures = [f"{n} {v:.3f}" for n, v in (("void IoU", cycle.void), ("mIoU", cycle.miou)) if v is not None]
    judged = f"{', '.join(figures)} on {cycle.judged_by}" if cycle.judged_by else "not evaluated"
    odd = f" (not drawn: {cycle.apart})" if cycle.apart else ""
    warm = "" if cycle.kind == "full" else f" ({cycle.kind})"
    total = sum(cycle.pixels.values()) or 1
    balance = ", ".join(f"{n} {count / total:.1%}" for n, count in cycle.pixels.items())
    compared = f" {escape(cycle.cross_validated)}" if cycle.cross_validated else ""
    return (
        f"<b>Cycle {cycle.number}</b>{warm}: {escape(judged)}{odd}.{compared} {_slices(cycle)} "
        f"Labelled pixels: {escape(balance)}.{_waiting(found)}"
    )


def _slices(cycle: CycleFigures) -> str:
    """The slices that a cycle was the first to learn from, by scan, as links, and how long they took."""
    if not cycle.new:
        return "No new slices."
    named: dict[str, list[str]] = {}
    for key in cycle.new[:MOST_LINKS]:
        named.setdefault(key.scan, []).append(
            f"<a href='{escape(str(key))}' style='color:{MIOU}'>{key.index}</a>"
        )
    links = " · ".join(f"{escape(scan)} {', '.join(some)}" for scan, some in named.items())
    more = f" and {len(cycle.new) - MOST_LINKS} more" if len(cycle.new) > MOST_LINKS else ""
    took = f", {_minutes(cycle.labelling_s)} of labelling" if cycle.labelling_s else ""
    return f"{_some(cycle.new, 'new ')}{took}: {links}{more}."


def _some(keys: Sequence[SliceKey], what: str = "") -> str:
    return counted(len(keys), f"{what}slice")


def _waiting(found: ProjectProgress) -> str:
    """What has been labelled since the newest cycle."""
    if not found.waiting:
        return ""
    took = f" in {_minutes(found.waiting_s)}" if found.waiting_s else ""
    return f" Labelled since the last cycle: {_some(found.waiting)}{took}."


def _outlook(found: ProjectProgress) -> str:
    """Forecast and readiness, and how much time labelling took."""
    ready = escape(found.readiness.sentence()).replace("to stop:", "to stop:</b>", 1)
    time = (
        f" Labelling took {_minutes(found.labelling_s)} so far (pauses over {PAUSE_S / 60:.0f} min left out)."
        if found.labelling_s
        else ""
    )
    return f"{escape(found.forecast_sentence())}<br><b>{ready}{time}"


def _minutes(seconds: float) -> str:
    """A working time, which is a lower bound."""
    return f"at least {seconds / 60:.0f} min" if seconds >= 60 else f"at least {seconds:.0f} s"
