"""Many scans seen as one lot: how the bumps' ratios and bond lines are spread, drift from scan to scan, and fail at the same place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from voidscope.config import MeasureConfig
from voidscope.errors import named
from voidscope.metrology.arrangement import recurring
from voidscope.metrology.measurement import Bump, ScanMeasurement
from voidscope.metrology.rounding import percent
from voidscope.metrology.verdict import Verdict


@dataclass(frozen=True)
class LotScan:
    """A scan of a lot under the name the lot gives it, e.g. ``wafer3/scan07`` when it joins several projects."""

    name: str
    measured: ScanMeasurement


@dataclass(frozen=True)
class Lot:
    """Scans in the order in which they were made, or at least named.

    Attributes
    ----------
    scans : each once
    repeated : names of scans whose file is that of an earlier one, and the name of that; they count nowhere
    """

    scans: tuple[LotScan, ...]
    repeated: tuple[tuple[str, str], ...] = ()

    @classmethod
    def once(cls, scans: Iterable[tuple[LotScan, str]]) -> Lot:
        """Scans, each with the hash of its file, empty where nobody knows it; of those with one hash the first counts."""
        kept, repeated, known = list[LotScan](), list[tuple[str, str]](), dict[str, str]()
        for scan, sha256 in scans:
            first = known.setdefault(sha256, scan.name) if sha256 else scan.name
            if first == scan.name:
                kept.append(scan)
            else:
                repeated.append((scan.name, first))
        return cls(tuple(kept), tuple(repeated))

    def repeated_in_words(self) -> str:
        """Which scans were left out since they are another's copy; empty where none was."""
        if not self.repeated:
            return ""
        pairs = named(f"{name} (that of {first})" for name, first in self.repeated)
        return f"Of {len(self.repeated)} scans the file was counted already, so they are left out: {pairs}."

    def bumps(self) -> list[tuple[LotScan, Bump]]:
        """All bumps of all scans, in order."""
        return [(s, b) for s in self.scans for b in s.measured.bumps]

    @property
    def formulas(self) -> tuple[str, ...]:
        """The ratios that scans were judged by, in order of appearance; numbers of different ones do not compare."""
        return tuple(dict.fromkeys(s.measured.formula for s in self.scans))

    def of_ratio(self, formula: str) -> Lot:
        """The lot with the bumps of those scans alone that were judged by this ratio; the others keep their places, empty."""
        return Lot(
            tuple(
                s if s.measured.formula == formula else replace(s, measured=replace(s.measured, bumps=()))
                for s in self.scans
            )
        )

    def recipes(self) -> list[tuple[str, MeasureConfig]]:
        """The recipes that scans were measured by, each with the names of its scans; without names where there is one."""
        found: dict[MeasureConfig, list[str]] = {}
        for s in self.scans:
            found.setdefault(s.measured.recipe, []).append(s.name)
        return [(named(names) if len(found) > 1 else "", recipe) for recipe, names in found.items()]

    def apart_in_words(self) -> str:
        """That scans were judged by different ratios, limits or otherwise, so that verdicts do not compare; empty where they were not."""
        recipes = [recipe for _, recipe in self.recipes()]
        if len(recipes) < 2:
            return ""
        limits = ", ".join(dict.fromkeys(f"{r.ratio} at most {percent(r.limit)}" for r in recipes))
        return f"The scans were measured by {len(recipes)} recipes ({limits}): verdicts of scans of different ones do not compare."

    def ratios(self) -> list[float]:
        """Ratio of every bump that has one, in percent; of one `formulas` alone they compare, see `of_ratio`."""
        return [100 * b.measured.ratio for _, b in self.bumps() if b.measured.ratio is not None]

    def bond_lines(self) -> list[float]:
        """Bond-line thickness of every bump that has one, um."""
        return [
            b.measured.dimensions.blt_um for _, b in self.bumps() if b.measured.dimensions.blt_um is not None
        ]

    def edges(self) -> dict[str, int]:
        """How many bond lines were read off edges of which kind, as `Dimensions.edges` calls it."""
        sizes = [b.measured.dimensions for _, b in self.bumps()]
        return dict(Counter(size.edges for size in sizes if size.blt_um is not None))

    def edges_in_words(self) -> str:
        """The same in a sentence."""
        found = self.edges()
        voxel, fine = found.get("voxel", 0), found.get("interpolated", 0)
        if voxel and fine:
            return f"{voxel} bond lines with edges to the voxel, {fine} with interpolated ones: they differ by up to a voxel for that alone."
        return "Edges are interpolated from the model's probabilities." if fine else "Edges are to the voxel."

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

        Only scans whose grid has as many rows and columns as most have count, see `left_out`: rows and columns are counted from
        the first seen, so ``r2c2`` of a scan that lost its first row is another bump, as is ``b001`` where there is no grid.
        """
        grids = [s.measured.bumps for s in self.scans if _size(s) is not None and _size(s) == self._usual()]
        failed = [frozenset(b.name for b in g if b.measured.verdict is Verdict.FAIL) for g in grids]
        return recurring(failed, [frozenset(b.name for b in g) for g in grids])

    def left_out(self) -> tuple[tuple[str, str], ...]:
        """Scans whose places are not compared with those of others, by name, and why; none where no scan has a grid."""
        usual = self._usual()
        if usual is None:
            return ()
        found = [(s.name, _size(s)) for s in self.scans]
        return tuple((name, _why(size, usual)) for name, size in found if size != usual)

    def left_out_in_words(self) -> str:
        """How many scans are left out of `recurring`, which, and why; empty where none is."""
        out = [f"{name} ({reason})" for name, reason in self.left_out()]
        if not out:
            return ""
        return f"{len(out)} of {len(self.scans)} scans {'is' if len(out) == 1 else 'are'} left out: {named(out)}."

    def _usual(self) -> tuple[int, int] | None:
        """Rows and columns that most grids have; of sizes as common the larger, for scans lose rows and win none."""
        sizes = Counter(size for s in self.scans if (size := _size(s)) is not None)
        return max(sizes, key=lambda size: (sizes[size], size[0] * size[1], size), default=None)

    @property
    def limit(self) -> float | None:
        """The one limit all scans with bumps were held to, in percent; None where they differ."""
        limits = {s.measured.limit for s in self.scans if s.measured.bumps}
        return 100 * limits.pop() if len(limits) == 1 else None

    def summary(self) -> dict[str, Any]:
        """The lot in numbers, as JSON has it."""
        return {
            "scans": len(self.scans),
            "repeated": [{"scan": name, "same_file_as": first} for name, first in self.repeated],
            "bumps": len(self.bumps()),
            "verdicts": {v.value: sum(b.measured.verdict is v for _, b in self.bumps()) for v in Verdict},
            "ratio_percent": percentiles(self.ratios()) if len(self.formulas) == 1 else None,
            "ratios_percent": {f: percentiles(self.of_ratio(f).ratios()) for f in self.formulas},
            "blt_um": percentiles(self.bond_lines()),
            "blt_edges": self.edges(),
            "recurring": [{"bump": n, "failed": k, "scans": of} for n, k, of in self.recurring()],
            "left_out_of_recurring": [{"scan": n, "reason": why} for n, why in self.left_out()],
        }


def percentiles(values: Sequence[float]) -> dict[str, float] | None:
    """Median, 5th and 95th percentile and extremes; None without a value."""
    if not values:
        return None
    low, p5, median, p95, high = np.percentile(values, [0, 5, 50, 95, 100]).tolist()
    return {"min": low, "p5": p5, "median": median, "p95": p95, "max": high}


def _size(scan: LotScan) -> tuple[int, int] | None:
    """Rows and columns of a scan's grid; None where its bumps stand in none."""
    structures = [b.structure for b in scan.measured.bumps]
    rows = [s.row for s in structures if s.row is not None]
    columns = [s.column for s in structures if s.column is not None]
    return (max(rows), max(columns)) if rows and columns else None


def _why(size: tuple[int, int] | None, usual: tuple[int, int]) -> str:
    """Why a scan with a grid of this size is not compared with the usual ones."""
    if size is None:
        return "no grid"
    return f"a grid of {size[0]} x {size[1]}, not {usual[0]} x {usual[1]}"


def _value(bump: Bump, of: str) -> float | None:
    found = bump.measured
    if of == "blt":
        return found.dimensions.blt_um
    return None if found.ratio is None else 100 * found.ratio
