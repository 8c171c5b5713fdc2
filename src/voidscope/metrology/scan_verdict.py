"""The verdict of a scan out of those of its bumps, and which of them is the worst.

With the unit bump, a scan FAILs when one of its bumps fails; it is for REVIEW when one is and none fails, or when there is void
outside any bump, which may be one's; else it PASSes. Of a scan of several bumps each criterion then comes out as of the bump where
it is worst; one on a length, or on a void's share of its bump, does whatever the unit. Other pieces that are no bump (dust) are said, and decide
nothing then but where they lie over a bump, where the grid has none, or where one is as large as a stump. With the unit scan, the ratio over all of it decides.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from voidscope.errors import named
from voidscope.metrology.arrangement import free_places
from voidscope.metrology.measurement import Bump, ScanMeasurement, concluded
from voidscope.metrology.quantities import BY_BUMP, OF_BUMP
from voidscope.metrology.verdict import GRAVITY, Outcome, Verdict
from voidscope.metrology.voids import COUNTABLE_VOXELS

STUMP = 0.02
"""A piece of this share of the largest bump that is part of none may be what is left of one."""


def over_bumps(whole: ScanMeasurement, bumps: Sequence[Bump]) -> ScanMeasurement:
    """A scan with criteria as they came out of the bump where each is worst: all with the unit bump, else those `BY_BUMP`, but where a
    void's share of the scan is graver, since a void may lie in no bump. The share that it tells is the most of any bump.

    One of a single bump and of pieces that are none has that bump's lengths, and lacks what it lacks.
    """
    if len(bumps) == 1:
        others = {k: v for k, v in whole.undefined.items() if k not in OF_BUMP}
        lacking = {k: v for k, v in bumps[0].measured.undefined.items() if k in OF_BUMP}
        whole = replace(whole, undefined=others | lacking)
    outcomes = list(whole.outcomes)
    whole = replace(whole, quantities=_of_the_worst(whole, bumps))
    for k, outcome in enumerate(whole.outcomes):
        if outcome.measure in BY_BUMP or whole.recipe.unit == "bump":
            worst = bumps[gravest([b.measured.outcomes[k] for b in bumps])]
            of_it = worst.measured.outcomes[k]
            graver = GRAVITY.index(outcome.verdict) < GRAVITY.index(of_it.verdict)
            if graver and whole.recipe.unit == "scan" and outcome.measure not in OF_BUMP:
                continue
            whose = f" ({worst.name}, the worst of {len(bumps)} bumps)" if len(bumps) > 1 else ""
            outcomes[k] = replace(of_it, reason=f"{of_it.reason}{whose}")
    if outcomes == list(whole.outcomes):
        return whole
    return concluded(replace(whole, outcomes=tuple(outcomes)))


def gravest(outcomes: Sequence[Outcome]) -> int:
    """Which of a criterion's outcomes, of several bumps, is the gravest; of those, whose value lies farthest beyond a limit, or nearest to it."""
    return min(
        range(len(outcomes)), key=lambda k: (GRAVITY.index(outcomes[k].verdict), -_beyond(outcomes[k]))
    )


def _beyond(outcome: Outcome) -> float:
    """By how much a value lies beyond the limit it is nearest to breaking; negative within."""
    if outcome.value is None:
        return float("inf")
    most, least = outcome.at_most, outcome.at_least
    past = [
        *([] if most is None else [outcome.value - most]),
        *([] if least is None else [least - outcome.value]),
    ]
    return max(past, default=0.0)


def _share_beyond(outcome: Outcome) -> float:
    """`_beyond` over the limit; of a limit of 0 as it is."""
    limits = [abs(v) for v in (outcome.at_most, outcome.at_least) if v is not None]
    return _beyond(outcome) / (min(limits, default=0.0) or 1.0)


def _of_the_worst(whole: ScanMeasurement, bumps: Sequence[Bump]) -> dict[str, float | None]:
    """The quantities of a scan, a share of a bump being the most of any of its bumps; undefined where any is."""
    found = dict(whole.quantities)
    for name in set(BY_BUMP) - set(OF_BUMP):
        each = [b.measured.quantities.get(name) for b in bumps]
        found[name] = None if None in each else max(v for v in each if v is not None)
    return found


def decided(found: ScanMeasurement) -> ScanMeasurement:
    """The scan with the verdict its bumps give it, where the recipe's unit is the bump and there is one; else with their doubts and its own.

    Places of a grid where no bump stands are said.
    """
    if found.recipe.unit == "scan" or not found.bumps:
        told = tuple(f"{b.name}: {doubt}" for b in found.bumps for doubt in b.measured.doubts)
        told = (*told, remnants) if (remnants := _remnants(found)) else told
        whole = concluded(replace(found, doubts=told))
        verdict, reason = whole.verdict, whole.reason
    else:
        told = found.doubts
        verdict, reason = _by_bumps(found)
    free = free_places((b.structure.row, b.structure.column) for b in found.bumps)
    empty = named(p.name for p in free)
    reason = f"{reason}; no bump at {empty}" if empty else reason
    found = replace(found, verdict=verdict, reason=reason, doubts=told)
    untold = wholeness_untold(found) if found.bumps else ""
    return found if untold in reason else replace(found, reason=f"{reason}{untold}")


def wholeness_untold(found: ScanMeasurement) -> str:
    """How a reason ends where no class is the pillar, or none the solder, by which it is seen which way a bump stands and whether its joint holds."""
    recipe = found.recipe
    asked = {recipe.pillar_class: "measure.pillar_class", recipe.solder_class: "measure.solder_class"}
    lacks = [name for name in asked if name not in found.classes.names]
    if found.verdict is not Verdict.PASS or not lacks:
        return ""
    return (
        f"; whether joints are open is not told, for no class is called {' or '.join(lacks)}: name yours in "
        f"{' and '.join(asked[name] for name in lacks)}, or look"
    )


def _remnants(found: ScanMeasurement) -> str:
    """That pieces of a bump lie where the grid has none, or one as large as a stump does anywhere."""
    at, largest = found.stray.left_at, found.stray.largest
    if at:
        return f"where no bump stands, at {at}, pieces of {COUNTABLE_VOXELS} voxels or more lie: it may be an open bump; look at it"
    share = largest / max((b.structure.size_voxels for b in found.bumps), default=math.inf)
    if share < STUMP:
        return ""
    return f"a piece of {largest:,} voxels, {share:.0%} of the largest bump, is part of none: it may be what is left of one; look at it"


def _by_bumps(found: ScanMeasurement) -> tuple[Verdict, str]:
    """The verdict that the bumps of a scan give it, and why: that of its worst."""
    verdict = next(v for v in GRAVITY if any(b.measured.verdict is v for b in found.bumps))
    if verdict is Verdict.PASS and found.stray.void_voxels >= min(found.recipe.min_voxels, COUNTABLE_VOXELS):
        return (
            Verdict.REVIEW,
            f"all bumps pass without it, but the void among it may be one's: {found.stray.told}",
        )
    if verdict is Verdict.PASS and (remnants := _remnants(found)):
        return Verdict.REVIEW, f"all {len(found.bumps)} bumps pass, but {remnants}"
    of_it = sorted((b for b in found.bumps if b.measured.verdict is verdict), key=gravity)
    worst = of_it[0]
    if len(found.bumps) == 1:
        return verdict, worst.measured.reason
    count = f"{len(of_it)} of {len(found.bumps)} bumps {VERBS[verdict]}"
    which = (
        f"all {len(found.bumps)} bumps pass"
        if verdict is Verdict.PASS
        else f"{count} ({named(b.name for b in of_it)})"
    )
    return verdict, f"{which}; worst {worst.name}: {worst.measured.reason}"


VERBS = {Verdict.FAIL: "fail", Verdict.REVIEW: "are for review", Verdict.PASS: "pass"}


def doubted(found: ScanMeasurement, doubt: str, *, of_pass: bool = False) -> ScanMeasurement:
    """The scan and all its bumps left to REVIEW for this reason, or, `of_pass`, those that would pass; as it is where there is none."""
    if not doubt:
        return found

    def left(one: ScanMeasurement) -> ScanMeasurement:
        stays = of_pass and one.verdict is not Verdict.PASS
        reason = f"{one.reason}; {doubt}" if of_pass else doubt
        return one if stays else replace(one, verdict=Verdict.REVIEW, reason=reason, overruled=True)

    return replace(left(found), bumps=tuple(replace(b, measured=left(b.measured)) for b in found.bumps))


def gravity(bump: Bump) -> tuple[int, float, float, float, str]:
    """Sorts the worst bump first: by verdict, then by how far, as a share of the limit, it lies beyond the limit that it breaks most or is
    nearest to breaking (an undefined value before all others), then by ratio and largest void.
    """
    found = bump.measured
    ratio = math.inf if found.ratio is None else found.ratio
    beyond = max((_share_beyond(o) for o in found.outcomes), default=0.0)
    return GRAVITY.index(found.verdict), -beyond, -ratio, -largest_um(found), bump.name


def deciding(found: ScanMeasurement) -> Outcome | None:
    """Of the criteria that came out as the verdict is, the one farthest beyond its limit or nearest to it; None where another doubt decides."""
    alike = [o for o in found.outcomes if o.verdict is found.verdict]
    return max(alike, key=_share_beyond, default=None)


def told_of(bump: Bump) -> str:
    """Why a bump has its verdict, in a caption: the reason of the criterion that decides, or of the bump where none does."""
    outcome = deciding(bump.measured)
    return bump.measured.reason if outcome is None else outcome.reason


def worst(scans: Iterable[ScanMeasurement], most: int) -> list[tuple[ScanMeasurement, Bump]]:
    """The `most` worst bumps over some scans, worst first."""
    rows = [(s, b) for s in scans for b in s.bumps]
    return sorted(rows, key=lambda row: (*gravity(row[1]), row[0].scan))[:most]


def largest_um(found: ScanMeasurement) -> float:
    """Diameter of the largest counted void; 0 without one."""
    return found.voids[0].diameter_um if found.voids else 0.0


def spot(bump: Bump) -> tuple[float, float, float]:
    """Where to look at a bump, (z, y, x) in voxels: its largest void, or its centre when it has none."""
    voids = bump.measured.voids
    return voids[0].centroid_voxel if voids else bump.structure.centroid_voxel
