"""Rows as tables: means by budget, paired differences, wins and shares of full supervision, as Markdown and as CSV."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from voidscope.benchmark.protocol import PUBLISHED, REFERENCES
from voidscope.benchmark.rows import (
    DRAWN,
    LOWER_IS_BETTER,
    PARTS,
    SCORES,
    BySeed,
    Point,
    Row,
    curves_of,
    levels_of,
    shared,
)
from voidscope.benchmark.statistics import Comparison, Summary, compare, holm, summarise
from voidscope.metrology.report import csv_text

COMPARED = ("miou", "void_iou")
"""Scores of which differences and shares are told."""
DIGITS = {"void_ratio_error": 5}
"""Decimals of scores that three do not tell apart."""
UNFINISHED = "unfinished"
"""What stands where only finished seeds count and there is none."""


def by_budget(experiment: str, rows: Sequence[Row], score: str) -> str:
    """Mean (standard deviation) and number of seeds of a score by labelled slices, beside the paper's own where it has any."""
    tables = {row.name: row.by_budget(score) for row in rows}
    budgets = sorted({b for table in tables.values() for b in table})
    published = PUBLISHED.get(experiment, {}) if score == "miou" else {}
    digits = DIGITS.get(score, 3)
    lines = [[name, *(_mean(table.get(b), digits) for b in budgets)] for name, table in tables.items()]
    if published:
        lines = [[*line, _published(published.get(line[0], {}))] for line in lines]
    heads = [
        "labelled slices",
        *map(str, budgets),
        *(["in the paper, on its own scans"] if published else []),
    ]
    better = "lower" if score in LOWER_IS_BETTER else "higher"
    return f"**{SCORES[score]}**, mean (standard deviation), n seeds; {better} is better\n\n" + markdown(
        heads, lines
    )


def unfinished(rows: Sequence[Row], seeds: int) -> str:
    """Which rows have fewer than so many finished seeds, and how far the others got; empty where none has."""
    told = [f"{row.name} {_progress(row, seeds)}" for row in rows if len(row.finished) < seeds]
    return f"**Unfinished**: {'; '.join(told)}" if told else ""


def by_class(rows: Sequence[Row]) -> str:
    """Mean (standard deviation) and number of seeds of each class's IoU at the row's last labelled slices."""
    classes = dict.fromkeys(name for row in rows for p in row.points for name in p["iou"])
    lines = [
        [row.name, str(row.budgets[-1]), *(_mean(row.class_iou(name)) for name in classes)] for row in rows
    ]
    return "**IoU of each class** at the last labelled slices\n\n" + markdown(
        ["row", "labelled slices", *classes], lines
    )


def areas(rows: Sequence[Row]) -> str:
    """Mean area under the curve of finished seeds with its interval; empty where there is no curve."""
    curves = curves_of(rows)
    if not curves:
        return ""
    lines = [[row.name, *(_interval(row.area(s), DIGITS.get(s, 3)) for s in DRAWN)] for row in curves]
    return "**Area under the curve (AUBC)**, mean [95 % interval], n finished seeds\n\n" + markdown(
        ["", *(SCORES[score] for score in DRAWN)], lines
    )


def seconds(rows: Sequence[Row]) -> str:
    """What a cell took, mean (standard deviation) of the finished ones."""
    lines = [[row.name, *(_took(row.seconds(part)) for part in PARTS)] for row in rows]
    return (
        "**Seconds of a cell**, all its points, mean (standard deviation), n finished cells\n\n"
        + markdown(["", *PARTS], lines)
    )


def differences(experiment: str, rows: Sequence[Row]) -> str:
    """Each row against the experiment's reference, in pairs of seeds: over the curve and at the last labelled slices both have."""
    reference, curves = _parted(experiment, rows)
    if reference is None or not curves:
        return ""
    heads, columns = [""], []
    for score in COMPARED:
        heads += [f"{SCORES[score]}, area", f"{SCORES[score]}, last"]
        columns += [
            _told([_against(reference, row, score, at) for row in curves.values()]) for at in (_area, _last)
        ]
    lines = [
        [f"{name}{_where(row, reference)}", *(column[k] for column in columns)]
        for k, (name, row) in enumerate(curves.items())
    ]
    title = (
        f"**Difference to {reference.name}**{_stands_in(experiment, reference)} in pairs of seeds: mean [95 % interval], seeds won, p of a paired t-test "
        f"(after Holm for the {len(curves)} rows)"
    )
    return f"{title}\n\n" + markdown(heads, lines)


def differences_at(experiment: str, rows: Sequence[Row], score: str) -> str:
    """Each row against the experiment's reference at each number of labelled slices, in pairs of seeds."""
    reference, curves = _parted(experiment, rows)
    if reference is None or not curves:
        return ""
    base = reference.by_budget(score)
    tables = {name: row.by_budget(score) for name, row in curves.items()}
    lines = [
        [name, *(_gap(table.get(b, {}), base[b], score) for b in base)] for name, table in tables.items()
    ]
    title = f"**{SCORES[score]} less that of {reference.name}**{_stands_in(experiment, reference)} in pairs of seeds: mean [95 % interval, of each alone], seeds won"
    return f"{title}\n\n" + markdown(["labelled slices", *map(str, base)], lines)


def wins(rows: Sequence[Row], score: str) -> str:
    """In how many seeds each row's area under the curve beats each other row's."""
    curves = curves_of(rows)
    if len(curves) < 2:
        return ""
    lines = [
        [f"{k}. {mine.name}", *("" if other is mine else _won(mine, other, score) for other in curves)]
        for k, mine in enumerate(curves, start=1)
    ]
    title = f"**Wins**: seeds in which the row beats the column, by area under {SCORES[score]}"
    return f"{title}\n\n" + markdown(["", *(f"{k}." for k in range(1, len(curves) + 1))], lines)


def shares(rows: Sequence[Row]) -> str:
    """How much of full supervision's scores each row reaches, seed by seed; the paper claims 98 % of mIoU with 4.9 % of labels."""
    lines = []
    for level in levels_of(rows):
        for row in curves_of(rows):
            for n in row.budgets if _comparable(row, level) else ():
                found = [_share(row, level, score, n) for score in COMPARED]
                if found[0].n:
                    labels = f"{n} ({100 * n / level.budgets[-1]:.1f} %)"
                    told = (f"{100 * f.mean:.1f} % n={f.n}" if f.n else "undefined" for f in found)
                    lines.append([row.name, level.name, labels, *told])
    if not lines:
        return ""
    heads = ["", "of", "labelled slices", *(SCORES[s] for s in COMPARED)]
    return (
        "**Share of full supervision**, mean, n seeds in which both are defined and its own is not 0 (the paper: 98 % of mIoU with 4.9 % of the labels)\n\n"
        + markdown(heads, lines)
    )


def _share(row: Row, level: Row, score: str, n: int) -> Summary:
    full = level.last(score)
    return summarise([v / full[s] for s, v in row.by_budget(score)[n].items() if full.get(s)])


def markdown(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    rows = [heads, ["---"] * len(heads), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def points_csv(points: Sequence[Point]) -> str:
    """One line per point with every number that is one."""
    classes = sorted({name for p in points for name in p["iou"]})
    plain = ("cell", "method", "seed", "n_labelled", "pool", "void_slices", *SCORES)
    heads = [*plain, *(f"iou_{c}" for c in classes), *(f"seconds_{k}" for k in PARTS), "reduced", "changed"]
    lines = (
        [
            *(p[k] for k in plain), *(p["iou"].get(c) for c in classes),
            *(round(p["seconds"].get(k, 0.0), 2) for k in PARTS), p["reduced"], p["changed"],
        ]
        for p in points
    )  # fmt: skip
    return csv_text(heads, lines)


def summary_csv(shown: Mapping[str, Sequence[Row]]) -> str:
    """One line per experiment, row, score and number of labelled slices, and one per area under a curve (``area``)."""
    lines: list[list[object]] = []
    for experiment, rows in shown.items():
        for row in rows:
            for score in SCORES:
                values = [*row.by_budget(score).items(), ("area", row.area(score))]
                lines += [
                    [experiment, row.name, score, at, *_numbers(summarise(list(v.values())))]
                    for at, v in values
                ]
    return csv_text(["experiment", "row", "score", "labelled", "n", "mean", "std", "low95", "high95"], lines)


def _progress(row: Row, seeds: int) -> str:
    """How many of so many seeds are finished, and how far the others of a curve got."""
    done = f"{len(row.finished)} of {seeds} seed{'s' * (seeds > 1)}"
    others = [max(mine) for seed, mine in row.reached.items() if seed not in row.finished]
    if not others:
        return done
    return f"{done},{' the others' * bool(row.finished)} up to {max(others)} labelled slices"


def _area(row: Row, score: str, budgets: Sequence[int]) -> BySeed:
    return row.area(score, budgets)


def _last(row: Row, score: str, budgets: Sequence[int]) -> BySeed:
    return row.area(score, budgets[-1:])


def _against(
    reference: Row, row: Row, score: str, value: Callable[[Row, str, Sequence[int]], BySeed]
) -> Comparison:
    """How a row differs from the reference in a value, over the labelled slices that both have."""
    both = shared(row, reference)
    return compare(value(row, score, both), value(reference, score, both))


def _parted(experiment: str, rows: Sequence[Row]) -> tuple[Row | None, dict[str, Row]]:
    """The row that others are compared with, the experiment's own or else the first, and those others by name."""
    curves = {row.name: row for row in curves_of(rows)}
    name = REFERENCES[experiment]
    return curves.pop(name if name in curves else next(iter(curves), name), None), curves


def _stands_in(experiment: str, reference: Row) -> str:
    """Said where the reference is not the experiment's own."""
    own = REFERENCES[experiment]
    return "" if reference.name == own else f" (there is no {own})"


def _gap(mine: BySeed, its: BySeed, score: str) -> str:
    """By how much a score differs, and in how many of the shared seeds it is the better one."""
    d = compare(mine, its).difference
    if d.n == 0:
        return "no pair"
    better = compare(its, mine) if score in LOWER_IS_BETTER else compare(mine, its)
    digits = DIGITS.get(score, 3)
    interval = "" if math.isnan(d.low) else f" [{d.low:+.{digits}f}, {d.high:+.{digits}f}]"
    return f"{d.mean:+.{digits}f}{interval}, {better.wins}/{d.n}"


def _told(found: Sequence[Comparison]) -> list[str]:
    """Differences with p adjusted over the rows."""
    return [_difference(c, p) for c, p in zip(found, holm([c.p for c in found]), strict=True)]


def _where(a: Row, b: Row) -> str:
    """The labelled slices over which two rows are compared, where those are not all that is due."""
    both = shared(a, b)
    missing = {*a.due, *b.due}.difference(both)
    return f" (at {', '.join(map(str, both))})" if both and missing else ""


def _difference(found: Comparison, adjusted: float) -> str:
    d = found.difference
    if d.n == 0:
        return "no pair"
    interval = "" if math.isnan(d.low) else f" [{d.low:+.3f}, {d.high:+.3f}]"
    p = "" if math.isnan(found.p) else f", p {found.p:.2g} ({adjusted:.2g})"
    return f"{d.mean:+.3f}{interval}, {found.wins}/{d.n}{p}"


def _won(mine: Row, other: Row, score: str) -> str:
    higher, lower = (other, mine) if score in LOWER_IS_BETTER else (mine, other)
    found = _against(lower, higher, score, _area)
    return f"{found.wins}/{found.difference.n}{_where(mine, other)}" if found.difference.n else "-"


def _comparable(row: Row, level: Row) -> bool:
    """Whether learner, recipe and initial weights are the same, so that only the labels differ."""
    mine, its = (r.points[0]["method"].split("-")[:3] for r in (row, level))
    return bool(mine == its)


def _mean(values: BySeed | None, digits: int = 3) -> str:
    if values is None:
        return ""
    s = summarise(list(values.values()))
    if s.n == 0:
        return "undefined"
    spread = "" if math.isnan(s.std) else f" ({s.std:.{digits}f})"
    return f"{s.mean:.{digits}f}{spread} n={s.n}"


def _took(seconds: BySeed) -> str:
    return _mean(seconds, digits=1) if seconds else UNFINISHED


def _interval(areas: BySeed, digits: int) -> str:
    if not areas:
        return UNFINISHED
    s = summarise(list(areas.values()))
    if s.n == 0:
        return "undefined"
    interval = "" if math.isnan(s.low) else f" [{s.low:.{digits}f}, {s.high:.{digits}f}]"
    return f"{s.mean:.{digits}f}{interval} n={s.n}"


def _published(budgets: Mapping[int, tuple[float, float]]) -> str:
    return ", ".join(f"{b}: {mean / 100:.4f} ({std / 100:.4f})" for b, (mean, std) in budgets.items())


def _numbers(s: Summary) -> list[object]:
    return [s.n, *("" if math.isnan(v) else round(v, 6) for v in (s.mean, s.std, s.low, s.high))]
