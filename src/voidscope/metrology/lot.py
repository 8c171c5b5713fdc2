"""Many scans seen as one lot: how the bumps' ratios and bond lines are spread, drift from scan to scan, and fail at the same place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from voidscope.metrology.arrangement import recurring
from voidscope.metrology.measurement import Bump, ScanMeasurement
from voidscope.metrology.verdict import Verdict


@dataclass(frozen=True)
class LotScan:
    """A scan of a lot under the name the lot gives it, e.g. ``wafer3/scan07`` when it joins several projects."""

    name: str
    measured: ScanMeasurement


@dataclass(frozen=True)
class Lot:
    """Scans in the order in which they were made, or at least named."""

    scans: tuple[LotScan, ...]

    @classmethod
    def of(cls, scans: Sequence[ScanMeasurement]) -> Lot:
        """The scans of one report."""
        return cls(tuple(LotScan(s.scan, s) for s in scans))

    def bumps(self) -> list[tuple[LotScan, Bump]]:
        """All bumps of all scans, in order."""
        return [(s, b) for s in self.scans for b in s.measured.bumps]

    def ratios(self) -> list[float]:
        """Ratio of every bump that has one, in percent."""
        return [100 * b.measured.ratio for _, b in self.bumps() if b.measured.ratio is not None]

    def bond_lines(self) -> list[float]:
        """Bond-line thickness of every bump that has one, um."""
        return [
            b.measured.dimensions.blt_um for _, b in self.bumps() if b.measured.dimensions.blt_um is not None
        ]

    def trend(self, of: str) -> list[tuple[str, list[tuple[str, float, Verdict]]]]:
        """(scan, points (bump, value, verdict)) in order; `of` is ``ratio`` (in percent) or ``blt``."""
        return [
            (
                s.name,
                [
                    (b.name, v, b.measured.verdict)
                    for b in s.measured.bumps
                    if (v := _value(b, of)) is not None
                ],
            )
            for s in self.scans
        ]

    def recurring(self) -> tuple[tuple[str, int, int], ...]:
        """Grid places that fail in more than one scan: (name, scans in which it failed, scans that have it), worst first.

        Only scans with a grid count: ``b001`` of one scan is not ``b001`` of another.
        """
        grids = [
            s.measured.bumps
            for s in self.scans
            if s.measured.bumps and s.measured.bumps[0].structure.row is not None
        ]
        failed = [frozenset(b.name for b in g if b.measured.verdict is Verdict.FAIL) for g in grids]
        return recurring(failed, [frozenset(b.name for b in g) for g in grids])

    @property
    def limit(self) -> float | None:
        """The one limit all scans were held to, in percent; None where they differ."""
        limits = {s.measured.limit for s in self.scans}
        return 100 * limits.pop() if len(limits) == 1 else None

    def summary(self) -> dict[str, Any]:
        """The lot in numbers, as JSON has it."""
        return {
            "scans": len(self.scans),
            "bumps": len(self.bumps()),
            "verdicts": {v.value: sum(b.measured.verdict is v for _, b in self.bumps()) for v in Verdict},
            "ratio_percent": percentiles(self.ratios()),
            "blt_um": percentiles(self.bond_lines()),
            "recurring": [{"bump": n, "failed": k, "scans": of} for n, k, of in self.recurring()],
        }


def percentiles(values: Sequence[float]) -> dict[str, float] | None:
    """Median, 5th and 95th percentile and extremes; None without a value."""
    if not values:
        return None
    low, p5, median, p95, high = np.percentile(values, [0, 5, 50, 95, 100]).tolist()
    return {"min": low, "p5": p5, "median": median, "p95": p95, "max": high}


def _value(bump: Bump, of: str) -> float | None:
    found = bump.measured
    if of == "blt":
        return found.dimensions.blt_um
    return None if found.ratio is None else 100 * found.ratio
