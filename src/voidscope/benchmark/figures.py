"""Learning curves as pictures: a score against labelled slices, mean and 95 % interval over seeds."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from voidscope.benchmark.statistics import summarise
from voidscope.errors import NotReady
from voidscope.vocabulary import COLOURS

if TYPE_CHECKING:
    from voidscope.benchmark.report import Row

STYLES = ("-", "--", ":", "-.")


def draw_curves(rows: Sequence[Row], scores: Mapping[str, str], title: str) -> bytes:
    """A PNG with one panel per score (key in a point -> its name), one curve per row; a single budget is a point."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise NotReady('Pictures need matplotlib: pip install "voidscope[benchmark]".') from error
    figure = Figure(figsize=(5.2 * len(scores), 5.2), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(scores), squeeze=False)[0]
    for panel, (score, name) in zip(panels, scores.items(), strict=True):
        for k, row in enumerate(rows):
            _curve(panel, row, score, k, len(rows))
        panel.set_xlabel("labelled slices")
        panel.set_ylabel(name)
        panel.grid(alpha=0.25)
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=min(5, len(rows)), frameon=False)
    figure.suptitle("\n".join(textwrap.wrap(title, 120)), fontsize=10)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110)
    return file.getvalue()


def _curve(panel: Any, row: Row, score: str, k: int, n_rows: int) -> None:
    """Mean and interval of one row; curves stand a little apart so that their bars can be told."""
    table = row.by_budget(score)
    found = {b: summarise(list(v.values())) for b, v in table.items()}
    x = np.array(list(found), dtype=np.float64) * (1 + 0.012 * (k - n_rows / 2))
    mean = np.array([s.mean for s in found.values()])
    half = np.nan_to_num([s.high - s.mean for s in found.values()])
    panel.errorbar(
        x, mean, yerr=half, label=row.name, color=COLOURS[k % len(COLOURS)], linestyle=STYLES[k // len(COLOURS) % 4],
        marker="o", markersize=4, capsize=2, linewidth=1.5,
    )  # fmt: skip
