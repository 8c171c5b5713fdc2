"""What all bumps of a scan come to: of each criterion how many pass and the worst of them, of each length how it is spread, and which may be no whole one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from voidscope.errors import named
from voidscope.metrology.dimensions import SIZES
from voidscope.metrology.lot import percentiles
from voidscope.metrology.measurement import Bump, ScanMeasurement
from voidscope.metrology.scan_verdict import gravest, gravity
from voidscope.metrology.verdict import GRAVITY, Outcome, Verdict


@dataclass(frozen=True)
class Tally:
    """A criterion over all bumps of a scan.

    Attributes
    ----------
    counts : bumps by their outcome
    worst : the bump of the gravest outcome, of those the one whose value lies farthest beyond, or nearest to, a limit
    outcome : of that bump
    """

    counts: Mapping[Verdict, int]
    worst: Bump
    outcome: Outcome

    def told(self) -> str:
        """Numbers of bumps, the gravest first, e.g. ``2 FAIL, 10 PASS``."""
        return ", ".join(f"{self.counts[v]} {v.value}" for v in GRAVITY if self.counts[v])


def tallies(scan: ScanMeasurement) -> tuple[Tally, ...]:
    """A row per criterion, in the recipe's order; none where a scan is judged whole or has a single bump."""
    if scan.recipe.unit != "bump" or len(scan.bumps) < 2:
        return ()
    rows = zip(*(b.measured.outcomes for b in scan.bumps), strict=False)
    return tuple(_tally(scan.bumps, outcomes) for outcomes in rows)


def doubts_told(scan: ScanMeasurement) -> list[tuple[str, str]]:
    """Each doubt of a scan's bumps, whatever their verdicts, with the names of those that have it; in the order of the worst that does."""
    found: dict[str, list[str]] = {}
    for bump in sorted(scan.bumps, key=gravity):
        for doubt in bump.measured.doubts:
            found.setdefault(doubt, []).append(f"{bump.name} ({bump.measured.verdict.value})")
    return [(named(names), doubt) for doubt, names in found.items()]


def length_spreads(scan: ScanMeasurement) -> dict[str, dict[str, float]]:
    """Median, extremes and more of each length over a scan's bumps, um; see `percentiles`. A scan of several bumps has no lengths of its own."""
    sizes = [b.measured.dimensions for b in scan.bumps]
    known = {n: percentiles([v for s in sizes if (v := getattr(s, n)) is not None]) for n in SIZES}
    return {n: found for n, found in known.items() if found is not None}


def _tally(bumps: tuple[Bump, ...], outcomes: tuple[Outcome, ...]) -> Tally:
    worst = gravest(outcomes)
    counts = {v: sum(o.verdict is v for o in outcomes) for v in Verdict}
    return Tally(counts, bumps[worst], outcomes[worst])
