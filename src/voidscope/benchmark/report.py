"""One Markdown page, tables and curves from finished points, with what they can and cannot show."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from voidscope.benchmark import tables
from voidscope.benchmark.points import FOLDER, all_points
from voidscope.benchmark.protocol import EXPERIMENTS, PLANS
from voidscope.benchmark.record import facts_of, read_record
from voidscope.benchmark.rows import DRAWN, SCORES, Point, Row, planned, rows_of
from voidscope.errors import NotReady, ProjectError
from voidscope.project.atomic import read_json, write_bytes

NAMED = 3
"""So many unfinished rows are named in the headline."""
NOTES = """## How to read this

- Methods are compared in pairs: cells of one seed share their random first batch, all but those *out of the box*, which choose their own.
  Intervals are 95 % of the mean over seeds (Student's t).
- One pooled confusion matrix over all test pixels at native size gives mIoU and IoU. Nothing was tuned on these test scans by this run.
- The paper ran five seeds. At five seeds none of the differences in its Tables 1a and 1b is significant (Welch's t on its own means and
  deviations: rareness on top of entropy + feature p = 0.60, the whole sum against entropy alone p = 0.11, max against mean at 200 p = 0.09).
  Plan for ten or more.
- The seed changes the first batch, the fresh weights and the order of training; scans, their division and the contrastive pretraining are the
  same for all. Intervals say how repeatable a difference is on these scans, not how it would be on others.
- Many methods are compared at once: of twenty p-values without any effect one falls below 0.05. The value in brackets is Holm's, which allows
  for the rows of its column, not for the number of columns.
- An area is that under the curve over the plan's labelled slices, of seeds that have them all, scaled to the score's own unit (trapezoids).
  Full supervision has none. Rows are compared over labelled slices that both have: *(at 50, 100)* where those are not all.
- A row whose name is missing was not run, or failed; failures are listed at the end with their reason.
- A class that is in neither truth nor prediction counts nowhere; one that is predicted but not in the truth has an IoU of 0.
- A void ratio's error is the whole ratio where the model finds nothing but background. Labels of a single class teach a network
  nothing: its point is that class everywhere.
"""


def write_report(out: Path) -> Path:
    """Write ``report.md``, ``points.csv``, ``summary.csv``, ``results.jsonl`` and a picture per experiment; returns the page.

    Raises
    ------
    NotReady : there is no finished point.
    """
    points, failed = list(all_points(out)), failures(out)
    if not points:
        raise NotReady(_nothing(out, failed))
    plan = planned(points, read_record(out).get("common", {}).get("budgets", ()))
    shown, headline = _shown(points, plan), headline_of(points, plan)
    write_bytes(out / "results.jsonl", "".join(json.dumps(p) + "\n" for p in points).encode())
    write_bytes(out / "points.csv", tables.points_csv(points).encode())
    write_bytes(out / "summary.csv", tables.summary_csv(shown).encode())
    parts = [f"# Benchmark: {headline}", _facts(out, points), NOTES]
    seeds = len({p["seed"] for p in points})
    for name, found in shown.items():
        picture = f"![{name}]({_draw(out, name, found, headline)})"
        parts += [f"## {name}", tables.unfinished(found, seeds), picture, *_tables(name, found)]
    if failed:
        parts += ["## Not done", "\n".join(f"- {cell}: {reason}" for cell, reason in failed.items())]
    write_bytes(out / "report.md", ("\n\n".join(filter(None, parts)) + "\n").encode())
    return out / "report.md"


def failures(out: Path) -> dict[str, str]:
    """Why cells below `out` failed when they were last tried, by cell id."""
    return {f.stem: f.read_text(encoding="utf-8").strip() for f in sorted((out / FOLDER).glob("*.failed"))}


def headline_of(points: Sequence[Point], plan: Sequence[int] = ()) -> str:
    """What was run, in one line; a run that is not the paper's protocol, not all of its plan or not all rows, says so first.

    Parameters
    ----------
    points : finished points
    plan : numbers of labelled slices that each seed is to reach
    """
    cuts, changes = _cuts(points), sorted({p["changed"] for p in points if p["changed"]})
    begun, full = len({p["seed"] for p in points}), PLANS["paper"].seeds
    seeds = f"{begun} seed{'s' * (begun > 1)}"
    if begun < full:
        cuts.append(f"{seeds} in place of {full}")
    shown = _shown(points, planned(points, plan))
    short = _short(shown, begun)
    said = [
        *([f"REDUCED run ({'; '.join(cuts)})"] if cuts else []),
        *([f"UNFINISHED run (finished of {seeds}: {'; '.join(short)})"] if short else []),
        *(f"CHANGED settings ({c})" for c in changes),
        *(
            f"{len(rows)} of {n} rows of {name}"
            for name, rows in shown.items()
            if len(rows) < (n := len(EXPERIMENTS[name]))
        ),
    ]
    data = ", ".join(sorted({p["dataset"] for p in points}))
    return ", ".join([*said, data, f"{seeds} begun" if short else seeds])


def _cuts(points: Sequence[Point]) -> list[str]:
    """Each cut once; a strategy that was left out by one command and run by another is none."""
    run = {p["method"] for p in points}
    strategies = {m.strategy for rows in EXPERIMENTS.values() for m in rows.values() if m.name in run}
    told = dict.fromkeys(cut for p in points for cut in p["reduced"].split("; ") if cut)
    return [cut for cut in told if cut not in {f"without {s}" for s in strategies}]


def _short(shown: Mapping[str, Sequence[Row]], seeds: int) -> list[str]:
    """Rows with fewer finished seeds than that, the fewest first; at most three, each method once and as the longest experiment names it."""
    found: dict[str, Row] = {}
    for rows in sorted(shown.values(), key=len, reverse=True):
        for row in rows:
            found.setdefault(row.points[0]["method"], row)
    short = sorted((r for r in found.values() if len(r.finished) < seeds), key=lambda r: len(r.finished))
    more = len(short) - NAMED
    told = [f"{row.name} {len(row.finished)}" for row in short[:NAMED]]
    return [*told, *([f"{more} more row{'s' * (more > 1)}"] if more > 0 else [])]


def _nothing(out: Path, failed: Mapping[str, str]) -> str:
    if failed:
        cell, reason = next(iter(failed.items()))
        return f"{out} holds no finished point; all {len(failed)} cells failed, {cell} because: {reason}"
    return f"{out} holds no finished point; run: voidscope benchmark run fig3b --data DIR --out {out}"


def _shown(points: Sequence[Point], plan: tuple[int, ...]) -> dict[str, tuple[Row, ...]]:
    """Experiments with rows to compare that no other shows among its own; where there is none, all that have a row."""
    rows = {name: rows_of(name, points, plan) for name in EXPERIMENTS}
    methods = {name: {r.points[0]["method"] for r in found} for name, found in rows.items() if len(found) > 1}
    several = {
        name: rows[name] for name, mine in methods.items() if not any(mine < its for its in methods.values())
    }
    return several or {name: found for name, found in rows.items() if found}


def _draw(out: Path, name: str, rows: Sequence[Row], headline: str) -> str:
    from voidscope.benchmark.figures import draw_curves

    path = out / f"{name}.png"
    write_bytes(path, draw_curves(rows, {s: SCORES[s] for s in DRAWN}, f"{name}: {headline}"))
    return path.name


def _tables(experiment: str, rows: Sequence[Row]) -> list[str]:
    means = [tables.by_budget(experiment, rows, score) for score in SCORES]
    return [
        *means, tables.by_class(rows), tables.areas(rows), tables.shares(rows), tables.differences(experiment, rows),
        *(tables.differences_at(experiment, rows, s) for s in DRAWN), *(tables.wins(rows, s) for s in DRAWN), tables.seconds(rows),
    ]  # fmt: skip


def _facts(out: Path, points: Sequence[Point]) -> str:
    hours = sum(sum(p["seconds"].values()) for p in points) / 3600
    made = dict.fromkeys(_made_with(p) for p in sorted(points, key=lambda p: p["created"]))
    devices = ", ".join(sorted({f"{p['device']} ({p['threads']} threads)" for p in points}))
    lines = [
        *facts_of(read_record(out)),
        f"- {len(points)} points, the last {max(p['created'] for p in points)}",
        f"- {hours:.2f} hours of suggesting, training and segmenting on {devices}; pretraining {_pretraining(out)}",
        *(f"- {each}" for each in made),
    ]
    return "## What was run\n\n" + "\n".join(lines)


def _made_with(point: Point) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in point["versions"].items())
    return f"{versions}; Python {point['python']}, {point['platform']}"


def _pretraining(out: Path) -> str:
    """What the pretraining of all cells took, where it is known: not where it went on from an earlier one."""
    try:
        found = read_json(out / "pretraining" / "pretrained" / "pretrained.json").get("seconds")
    except ProjectError:
        found = None
    return f"{found / 3600:.2f} hours" if isinstance(found, float) else "apart"
