"""One Markdown page, CSV tables and curves from finished points, with what they can and cannot show."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voidscope.benchmark.points import all_points
from voidscope.benchmark.protocol import EXPERIMENTS
from voidscope.benchmark.statistics import Summary, aubc, compare, summarise
from voidscope.errors import NotReady
from voidscope.project.atomic import write_bytes

SCORES = {
    "miou": "mIoU",
    "miou_foreground": "mIoU without background",
    "void_iou": "void IoU",
    "void_ratio_error": "mean absolute void ratio error",
    "verdict_agreement": "verdict agreement",
}
"""Key in a point -> how it is called in the report."""
CURVES = ("miou", "void_iou", "void_ratio_error")
LOWER_IS_BETTER = frozenset({"void_ratio_error"})
NOTES = """## How to read this

- Methods are compared in pairs: cells of one seed share their random first batch. Intervals are 95 % of the mean over seeds (Student's t).
- One pooled confusion matrix over all test pixels at native size gives mIoU and IoU. Nothing was tuned on these test scans by this run.
- The paper ran five seeds. At five seeds none of the differences in its Tables 1a and 1b is significant (Welch's t on its own means and
  deviations: rareness on top of entropy + feature p = 0.60, the whole sum against entropy alone p = 0.11). Plan for ten or more.
- A row whose name is missing was not run, or failed; failures are listed at the end with their reason.
"""


@dataclass(frozen=True)
class Row:
    """One method's points under the name an experiment gives it."""

    name: str
    points: tuple[Mapping[str, Any], ...]

    def by_budget(self, score: str) -> dict[int, dict[int, float]]:
        """Budget -> seed -> score; None becomes NaN."""
        found: dict[int, dict[int, float]] = {}
        for p in self.points:
            value = p[score]
            found.setdefault(p["n_labelled"], {})[p["seed"]] = math.nan if value is None else float(value)
        return dict(sorted(found.items()))

    def area(self, score: str) -> dict[int, float]:
        """Seed -> area under the curve, for seeds that have every budget."""
        table = self.by_budget(score)
        seeds = set.intersection(*(set(v) for v in table.values())) if table else set()
        return {s: aubc(list(table), [table[b][s] for b in table]) for s in sorted(seeds)}


def write_report(out: Path) -> Path:
    """Write ``report.md``, ``points.csv`` and one picture per experiment and score below `out`; returns the page.

    Raises
    ------
    NotReady : there is no finished point.
    """
    points = list(all_points(out))
    if not points:
        raise NotReady(
            f"{out} holds no finished point; run: voidscope benchmark run fig3b --data DIR --out {out}"
        )
    rows = {name: rows_of(name, points) for name in EXPERIMENTS}
    shown = {name: found for name, found in rows.items() if found}
    pictures = {name: _draw(out, name, found, _headline(points)) for name, found in shown.items()}
    write_bytes(out / "points.csv", _csv(points).encode())
    page = _page(out, points, shown, pictures)
    write_bytes(out / "report.md", page.encode())
    return out / "report.md"


def rows_of(experiment: str, points: Sequence[Mapping[str, Any]]) -> tuple[Row, ...]:
    """The rows of an experiment that have points, in its order."""
    found = (
        Row(name, tuple(p for p in points if p["method"] == method.name))
        for name, method in EXPERIMENTS[experiment].items()
    )
    return tuple(row for row in found if row.points)


def _draw(out: Path, name: str, rows: Sequence[Row], title: str) -> str:
    from voidscope.benchmark.figures import draw_curves

    path = out / f"{name}.png"
    write_bytes(path, draw_curves(rows, {s: SCORES[s] for s in CURVES}, f"{name}: {title}"))
    return path.name


def _headline(points: Sequence[Mapping[str, Any]]) -> str:
    """What was run, in one line; a reduced run says so first."""
    cuts = sorted({p["reduced"] for p in points if p["reduced"]})
    seeds = len({p["seed"] for p in points})
    what = f"{', '.join(sorted({p['dataset'] for p in points}))}, {seeds} seed{'s' if seeds > 1 else ''}"
    return f"REDUCED run ({'; '.join(cuts)}), {what}" if cuts else what


def _page(
    out: Path,
    points: Sequence[Mapping[str, Any]],
    shown: Mapping[str, Sequence[Row]],
    pictures: Mapping[str, str],
) -> str:
    parts = [f"# Benchmark: {_headline(points)}", _facts(points), NOTES]
    for name, rows in shown.items():
        parts += [f"## {name}", f"![{name}]({pictures[name]})"]
        parts += [_table(rows, score) for score in SCORES]
        parts += [_areas(rows), _pairs(rows)]
    failed = sorted((out / "points").glob("*.failed"))
    if failed:
        parts += [
            "## Not done",
            "\n".join(f"- {f.stem}: {f.read_text(encoding='utf-8').strip()}" for f in failed),
        ]
    return "\n\n".join(parts) + "\n"


def _facts(points: Sequence[Mapping[str, Any]]) -> str:
    hours = sum(sum(p["seconds"].values()) for p in points) / 3600
    versions = ", ".join(f"{k} {v}" for k, v in points[-1]["versions"].items())
    devices = ", ".join(sorted({f"{p['device']} ({p['threads']} threads)" for p in points}))
    last = max(p["created"] for p in points)
    return f"{len(points)} points, {hours:.2f} hours of work on {devices}; last point {last}. {versions}; Python {points[-1]['python']}, {points[-1]['platform']}."


def _table(rows: Sequence[Row], score: str) -> str:
    """Mean (standard deviation) of a score by budget."""
    tables = {row.name: row.by_budget(score) for row in rows}
    budgets = sorted({b for table in tables.values() for b in table})
    lines = [f"**{SCORES[score]}**, mean (standard deviation) and number of seeds", ""]
    lines += [f"| labelled slices | {' | '.join(map(str, budgets))} |", f"| --- |{' --- |' * len(budgets)}"]
    for name, table in tables.items():
        cells = [_cell(summarise(list(table[b].values()))) if b in table else "" for b in budgets]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(s: Summary) -> str:
    if s.n == 0:
        return "undefined"
    spread = "" if math.isnan(s.std) else f" ({s.std:.3f})"
    return f"{s.mean:.3f}{spread} n={s.n}"


def _areas(rows: Sequence[Row]) -> str:
    lines = ["**Area under the curve** over the budgets, mean and 95 % interval", ""]
    lines += [f"| | {' | '.join(SCORES[s] for s in CURVES)} |", f"| --- |{' --- |' * len(CURVES)}"]
    for row in rows:
        cells = [_interval(summarise(list(row.area(s).values()))) for s in CURVES]
        lines.append(f"| {row.name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _interval(s: Summary) -> str:
    if s.n == 0:
        return ""
    return f"{s.mean:.3f}" if math.isnan(s.low) else f"{s.mean:.3f} [{s.low:.3f}, {s.high:.3f}]"


def _pairs(rows: Sequence[Row]) -> str:
    """How often each row beat each other one on the area under the void IoU curve, seed by seed."""
    areas = {row.name: row.area("void_iou") for row in rows}
    lines = [
        "**Paired seeds, area under void IoU**: wins of the row over the column of so many pairs, mean difference, p",
        "",
    ]
    lines += [f"| | {' | '.join(areas)} |", f"| --- |{' --- |' * len(areas)}"]
    for name, mine in areas.items():
        cells = ["" if other == name else _pair(mine, theirs) for other, theirs in areas.items()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _pair(mine: Mapping[int, float], theirs: Mapping[int, float]) -> str:
    found = compare(mine, theirs)
    if found.difference.n == 0:
        return "no pair"
    p = "" if math.isnan(found.p) else f", p {found.p:.2g}"
    return f"{found.wins}/{found.difference.n}, {found.difference.mean:+.3f}{p}"


def _csv(points: Sequence[Mapping[str, Any]]) -> str:
    """One line per point with every number that is one."""
    classes = sorted({name for p in points for name in p["iou"]})
    plain = ("cell", "method", "seed", "n_labelled", "void_slices", *SCORES)
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(
        [
            *plain,
            *(f"iou_{c}" for c in classes),
            "seconds_train",
            "seconds_suggest",
            "seconds_segment",
            "reduced",
        ]
    )
    for p in points:
        seconds = [round(p["seconds"].get(k, 0.0), 2) for k in ("train", "suggest", "segment")]
        writer.writerow([*(p[k] for k in plain), *(p["iou"].get(c) for c in classes), *seconds, p["reduced"]])
    return file.getvalue()
