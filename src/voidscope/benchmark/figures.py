"""Learning curves as pictures: a score against labelled slices, mean and 95 % interval over seeds."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import numpy as np

from voidscope.benchmark.rows import LOWER_IS_BETTER, Row, curves_of, levels_of
from voidscope.benchmark.statistics import summarise
from voidscope.errors import NotReady

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#5b6770", "#000000")
"""Okabe-Ito colours that stand out on white (its yellow does not), and a grey."""
MARKERS, STYLES = ("o", "s", "^", "D", "v", "P", "X"), ("-", "--", ":")
"""Curves are told apart by these where colours are not seen."""
LEVELS = ("-.", (0, (1, 3)))
"""Line styles of full supervision, which is no curve."""
LEAST_SEEDS = 3
"""Fewer have no interval worth drawing: of two it is twelve times as wide as they are apart."""
WIDTH_IN, HEIGHT_IN, LEGEND_ROW_IN, DPI = 4.8, 4.2, 0.22, 120


def draw_curves(rows: Sequence[Row], scores: Mapping[str, str], title: str) -> bytes:
    """A PNG with one panel per score (key in a point -> its name), one curve per row; full supervision is a level.

    Raises
    ------
    NotReady : matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise NotReady('Pictures need matplotlib: pip install "voidscope[benchmark]".') from error
    columns = min(5, max(2, len(rows)))
    extra = LEGEND_ROW_IN * (-(-len(rows) // columns) + 2)
    height = HEIGHT_IN * (1.3 if len(rows) > 8 else 1)
    figure = Figure(figsize=(WIDTH_IN * len(scores), height + extra), layout="constrained")
    FigureCanvasAgg(figure)
    for panel, (score, name) in zip(
        figure.subplots(1, len(scores), squeeze=False)[0], scores.items(), strict=True
    ):
        _panel(panel, rows, score, name)
    handles, names = panel.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=columns, frameon=False, fontsize=9)
    figure.suptitle("\n".join(textwrap.wrap(f"{title}; {_bars_of(rows)}", 55 * len(scores))), fontsize=11)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=DPI)
    return file.getvalue()


def _panel(panel: Any, rows: Sequence[Row], score: str, name: str) -> None:
    curves, levels = curves_of(rows), levels_of(rows)
    for k, row in enumerate(curves):
        _curve(panel, row, score, k, len(curves))
    for k, row in enumerate(levels):
        s = summarise(list(row.last(score).values()))
        look = {
            "color": "#000000",
            "linestyle": LEVELS[k % 2],
            "linewidth": 1.2,
            "label": f"{row.name} (all {row.budgets[-1]})",
        }
        panel.axhline(s.mean, **look)
    panel.set_xticks(sorted({b for row in curves for b in row.budgets}))
    panel.set_xlabel("labelled slices")
    panel.set_ylabel(f"{name} ({'lower' if score in LOWER_IS_BETTER else 'higher'} is better)")
    if limits := limits_of(rows, score):
        panel.set_ylim(*limits)
    panel.spines[["top", "right"]].set_visible(False)
    panel.grid(alpha=0.25)


def _curve(panel: Any, row: Row, score: str, k: int, n_curves: int) -> None:
    """Mean and spread of one row; curves stand a little apart so that their bars can be told."""
    found = {b: list(v.values()) for b, v in row.by_budget(score).items()}
    mean = np.array([summarise(seeds).mean for seeds in found.values()])
    ends = np.array([spread_of(seeds) for seeds in found.values()])
    bars = np.stack([mean - ends[:, 0], ends[:, 1] - mean]).clip(min=0)
    x = np.array(list(found), dtype=np.float64)
    gap = np.diff(x).min() if len(x) > 1 else 1.0
    x += min(0.5, 0.04 * n_curves) * gap * ((k + 0.5) / n_curves - 0.5)
    panel.errorbar(x, mean, yerr=bars, capsize=2, elinewidth=0.8, label=row.name, **look_of(k))


def _bars_of(rows: Sequence[Row]) -> str:
    fewest = min(len(v) for row in rows for v in row.by_budget("miou").values())
    if fewest >= LEAST_SEEDS:
        return "mean and 95 % interval"
    return f"mean and 95 % interval, or the seeds' range below {LEAST_SEEDS} seeds"


def spread_of(seeds: Sequence[float]) -> tuple[float, float]:
    """What a bar spans: the 95 % interval, or of fewer than three seeds the seeds themselves; NaN where nothing is defined."""
    found = summarise(seeds)
    if found.n >= LEAST_SEEDS:
        return found.low, found.high
    finite = [x for x in seeds if isfinite(x)]
    return (min(finite), max(finite)) if finite else (float("nan"), float("nan"))


def limits_of(rows: Sequence[Row], score: str) -> tuple[float, float] | None:
    """Lowest and highest score to show; None where there is none.

    All seeds' values and the bars are shown, but a bar reaches no further than half the values' range beyond them: the
    interval of three seeds is four times as wide as that of many.
    """
    found = [list(v.values()) for row in rows for v in row.by_budget(score).values()]
    values = [x for seeds in found for x in seeds if isfinite(x)]
    if not values:
        return None
    low, high = min(values), max(values)
    reach = (high - low) / 2 or 0.05
    ends = [x for seeds in found for x in (*spread_of(seeds), *seeds) if isfinite(x)]
    bottom, top = max(min(ends), low - reach), min(max(ends), high + reach)
    margin = 0.05 * (top - bottom) or 0.02
    return bottom - margin, top + margin


def look_of(k: int) -> dict[str, Any]:
    """How curve number k is drawn: up to 21 are told apart by marker and line, without colour."""
    marker, style = MARKERS[k % len(MARKERS)], STYLES[k // len(MARKERS) % len(STYLES)]
    colour = COLOURS[k % len(COLOURS)]
    return {"marker": marker, "linestyle": style, "color": colour, "markersize": 5, "linewidth": 1.4}
