"""Finished points gathered into the rows of an experiment: one method under the name the experiment gives it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from voidscope.benchmark.protocol import EXPERIMENTS, PLANS
from voidscope.benchmark.statistics import aubc

Point = Mapping[str, Any]
BySeed = dict[int, float]

SCORES = {
    "miou": "mIoU",
    "miou_foreground": "mIoU without background",
    "void_iou": "void IoU",
    "void_ratio_error": "mean absolute void ratio error",
    "verdict_agreement": "verdict agreement",
}
"""Key in a point -> how it is called in the report."""
DRAWN = ("miou", "void_iou", "void_ratio_error")
"""Scores whose curves are drawn and whose areas are told."""
PARTS = ("suggest", "train", "segment")
"""Parts of a cell whose seconds a point holds."""
LOWER_IS_BETTER = frozenset({"void_ratio_error"})


@dataclass(frozen=True)
class Row:
    """One method's points under the name an experiment gives it.

    `plan` holds the numbers of labelled slices that each seed is to reach; empty where nobody tells.
    """

    name: str
    points: tuple[Point, ...]
    plan: tuple[int, ...] = ()

    def by_budget(self, score: str) -> dict[int, BySeed]:
        """Labelled slices -> seed -> score; None becomes NaN."""
        found: dict[int, BySeed] = {}
        for p in self.points:
            found.setdefault(p["n_labelled"], {})[p["seed"]] = _number(p[score])
        return dict(sorted(found.items()))

    def area(self, score: str, budgets: Sequence[int] | None = None) -> BySeed:
        """Seed -> area under the curve over numbers of labelled slices, all that are due unless given, for seeds that have them."""
        over, table = self.due if budgets is None else budgets, self.by_budget(score)
        if not over:
            return {}
        seeds = set.intersection(*(set(table.get(b, {})) for b in over))
        return {s: aubc(over, [table[b][s] for b in over]) for s in sorted(seeds)}

    def last(self, score: str) -> BySeed:
        """Seed -> score at the row's largest number of labelled slices."""
        return list(self.by_budget(score).values())[-1]

    def class_iou(self, name: str) -> BySeed:
        """Seed -> IoU of a class at the row's largest number of labelled slices; NaN where it is not defined."""
        last = (p for p in self.points if p["n_labelled"] == self.budgets[-1])
        return {p["seed"]: _number(p["iou"].get(name)) for p in last}

    def seconds(self, part: str) -> BySeed:
        """Finished seed -> seconds that a part of its cell took, over all points."""
        took = dict.fromkeys(self.finished, 0.0)
        for p in self.points:
            if p["seed"] in took:
                took[p["seed"]] += p["seconds"].get(part, 0.0)
        return took

    @property
    def budgets(self) -> tuple[int, ...]:
        """Numbers of labelled slices the row has points at."""
        return tuple(sorted({p["n_labelled"] for p in self.points}))

    @property
    def due(self) -> tuple[int, ...]:
        """Numbers of labelled slices that a finished seed has: the plan's, of full supervision all."""
        return self.budgets if self.is_whole_pool or not self.plan else self.plan

    @property
    def reached(self) -> dict[int, set[int]]:
        """Seed -> the numbers of labelled slices it has points at."""
        found: dict[int, set[int]] = {}
        for p in self.points:
            found.setdefault(p["seed"], set()).add(p["n_labelled"])
        return found

    @property
    def finished(self) -> tuple[int, ...]:
        """Seeds that have all that is due."""
        return tuple(sorted(s for s, mine in self.reached.items() if mine.issuperset(self.due)))

    @property
    def is_whole_pool(self) -> bool:
        """Whether it is full supervision: a level to reach, no curve."""
        return all(p["n_labelled"] == p["pool"] for p in self.points)


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def shared(a: Row, b: Row) -> tuple[int, ...]:
    """The numbers of labelled slices over which two rows are compared: those both have in a seed, chosen so that they and the
    seeds in which both have them hold the most points.
    """
    mine, its = a.reached, b.reached
    common = [mine[s] & its[s] for s in sorted(mine.keys() & its.keys())]

    def points(some: set[int]) -> tuple[int, int]:
        return len(some) * sum(some <= others for others in common), len(some)

    return tuple(sorted(max(common, key=points, default=())))


def planned(points: Sequence[Point], told: Sequence[int] = ()) -> tuple[int, ...]:
    """Numbers of labelled slices that each seed is to reach: as `run.json` tells, else all seen, and the paper's where nothing was cut."""
    if told:
        return tuple(told)
    seen = {p["n_labelled"] for p in points if p["n_labelled"] != p["pool"]}
    uncut = () if all(p["reduced"] for p in points) else PLANS["paper"].budgets
    return tuple(sorted(seen.union(uncut)))


def rows_of(experiment: str, points: Sequence[Point], plan: tuple[int, ...] = ()) -> tuple[Row, ...]:
    """The rows of an experiment that have points, in its order."""
    found = (
        Row(name, tuple(p for p in points if p["method"] == method.name), plan)
        for name, method in EXPERIMENTS[experiment].items()
    )
    return tuple(row for row in found if row.points)


def levels_of(rows: Sequence[Row]) -> tuple[Row, ...]:
    """The rows of full supervision."""
    return tuple(row for row in rows if row.is_whole_pool)


def curves_of(rows: Sequence[Row]) -> tuple[Row, ...]:
    """The rows that choose what is labelled; only these are comparable by area."""
    return tuple(row for row in rows if not row.is_whole_pool)
