"""Finished points gathered into the rows of an experiment: one method under the name the experiment gives it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from voidscope.benchmark.protocol import EXPERIMENTS
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
LOWER_IS_BETTER = frozenset({"void_ratio_error"})


@dataclass(frozen=True)
class Row:
    """One method's points under the name an experiment gives it."""

    name: str
    points: tuple[Point, ...]

    def by_budget(self, score: str) -> dict[int, BySeed]:
        """Labelled slices -> seed -> score; None becomes NaN."""
        found: dict[int, BySeed] = {}
        for p in self.points:
            value = p[score]
            found.setdefault(p["n_labelled"], {})[p["seed"]] = math.nan if value is None else float(value)
        return dict(sorted(found.items()))

    def area(self, score: str) -> BySeed:
        """Seed -> area under the curve, for seeds that have every budget."""
        table = self.by_budget(score)
        seeds = set.intersection(*(set(v) for v in table.values())) if table else set()
        return {s: aubc(list(table), [table[b][s] for b in table]) for s in sorted(seeds)}

    def last(self, score: str) -> BySeed:
        """Seed -> score at the row's largest number of labelled slices."""
        return list(self.by_budget(score).values())[-1]

    @property
    def budgets(self) -> tuple[int, ...]:
        """Numbers of labelled slices the row has points at."""
        return tuple(sorted({p["n_labelled"] for p in self.points}))

    @property
    def is_whole_pool(self) -> bool:
        """Whether it is full supervision: a level to reach, no curve."""
        return all(p["n_labelled"] == p["pool"] for p in self.points)


def rows_of(experiment: str, points: Sequence[Point]) -> tuple[Row, ...]:
    """The rows of an experiment that have points, in its order."""
    found = (
        Row(name, tuple(p for p in points if p["method"] == method.name))
        for name, method in EXPERIMENTS[experiment].items()
    )
    return tuple(row for row in found if row.points)


def levels_of(rows: Sequence[Row]) -> tuple[Row, ...]:
    """The rows of full supervision."""
    return tuple(row for row in rows if row.is_whole_pool)


def curves_of(rows: Sequence[Row]) -> tuple[Row, ...]:
    """The rows that choose what is labelled; only these are comparable by area."""
    return tuple(row for row in rows if not row.is_whole_pool)
