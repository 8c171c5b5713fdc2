"""A whole scan measured, and each of its bumps by itself; the verdict by the unit that the recipe names.

With the unit bump, a scan FAILs when one of its bumps fails; it is for REVIEW when one is and none fails, or when there is void
outside any bump, which may be one's; else it PASSes. Other pieces that are no bump (dust) decide nothing then, and are said. With
the unit scan, the ratio over all of it decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from voidscope.config import MeasureConfig
from voidscope.errors import named
from voidscope.metrology.budget import Views
from voidscope.metrology.cleaning import centres_of, drop_far, mend
from voidscope.metrology.measurement import Bump, ScanMeasurement, checked, measure_clean
from voidscope.metrology.structures import split
from voidscope.metrology.verdict import Verdict
from voidscope.metrology.voids import Void
from voidscope.vocabulary import ClassMap, Mask
from voidscope.volume import Spacing

GRAVITY = (Verdict.FAIL, Verdict.REVIEW, Verdict.PASS)
"""Worst first: one bump of a verdict gives it to the scan when there is none of an earlier one."""


def measure_scan(
    mask: Mask,
    classes: ClassMap,
    spacing_um: Spacing | None,
    recipe: MeasureConfig,
    scan: str,
    views: Views = (),
) -> ScanMeasurement:
    """`measure_mask` of a scan (z, y, x), of each of its bumps on its own box, and the verdict by `recipe.unit`.

    A scan that is nothing but one bump is measured once. `views` are of the whole scan; what a bump's share of them is nobody
    counted, so of several bumps each has the interval of its edges alone. Cleaning is done once, on the whole scan; a voxel is far
    when it is farther than `recipe.far_um` from the centres of its class in all bumps. Raises what `measure_mask` does.
    """
    spacing = checked(mask, classes, spacing_um, scan)
    mask, changed = mend(mask, classes, recipe)
    found = split(mask, classes, spacing, recipe)
    if recipe.far_um:
        centres = centres_of(((first, cut) for _, first, cut in found.blanked()), classes, spacing, recipe)
        mask, far = drop_far(mask, classes, spacing, recipe, centres)
        found, changed = split(mask, classes, spacing, recipe), {**changed, **far}
    whole = replace(measure_clean(mask, classes, spacing, recipe, scan, views), cleaned=changed)
    if len(found.structures) == 1 and not found.stray.pieces:
        return replace(whole, bumps=(Bump(found.structures[0], whole),))
    bumps = {}
    for k, first, cut in found.blanked():
        measured = measure_clean(cut, classes, spacing, recipe, scan)
        bumps[k] = Bump(found.structures[k], _moved(measured, first))
    return decided(replace(whole, bumps=tuple(bumps[k] for k in sorted(bumps)), stray=found.stray))


def decided(found: ScanMeasurement) -> ScanMeasurement:
    """The scan with the verdict its bumps give it, where the recipe's unit is the bump and there is one."""
    if found.recipe.unit == "scan" or not found.bumps:
        return found
    verdict = next(v for v in GRAVITY if any(b.measured.verdict is v for b in found.bumps))
    if verdict is Verdict.PASS and found.stray.void_voxels >= found.recipe.min_voxels:
        whose = f"all bumps pass without it, but the void among it may be one's: {found.stray.told}"
        return replace(found, verdict=Verdict.REVIEW, reason=whose)
    of_it = sorted((b for b in found.bumps if b.measured.verdict is verdict), key=gravity)
    worst = of_it[0]
    if len(found.bumps) == 1:
        return replace(found, verdict=verdict, reason=worst.measured.reason)
    count = f"{len(of_it)} of {len(found.bumps)} bumps {VERBS[verdict]}"
    which = (
        f"all {len(found.bumps)} bumps pass"
        if verdict is Verdict.PASS
        else f"{count} ({named(b.name for b in of_it)})"
    )
    return replace(found, verdict=verdict, reason=f"{which}; worst {worst.name}: {worst.measured.reason}")


VERBS = {Verdict.FAIL: "fail", Verdict.REVIEW: "are for review", Verdict.PASS: "pass"}


def doubted(found: ScanMeasurement, doubt: str) -> ScanMeasurement:
    """The scan and all its bumps left to REVIEW for this reason; as it is where there is none."""
    if not doubt:
        return found
    bumps = tuple(
        replace(b, measured=replace(b.measured, verdict=Verdict.REVIEW, reason=doubt)) for b in found.bumps
    )
    return replace(found, verdict=Verdict.REVIEW, reason=doubt, bumps=bumps)


def gravity(bump: Bump) -> tuple[int, float, float, str]:
    """Sorts the worst bump first: by verdict, then ratio (an undefined one before all others), then largest void."""
    found = bump.measured
    ratio = np.inf if found.ratio is None else found.ratio
    return GRAVITY.index(found.verdict), -ratio, -largest_um(found), bump.name


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


def _moved(found: ScanMeasurement, first: Sequence[int]) -> ScanMeasurement:
    """Voids at their places in the scan instead of in a box whose first voxel is `first`."""
    return replace(
        found,
        voids=tuple(_moved_void(v, first, found.spacing_um) for v in found.voids),
        small_voids=tuple(_moved_void(v, first, found.spacing_um) for v in found.small_voids),
    )


def _moved_void(void: Void, first: Sequence[int], spacing_um: Spacing) -> Void:
    z, y, x = (c + f for c, f in zip(void.centroid_voxel, first, strict=True))
    um = (z * spacing_um[0], y * spacing_um[1], x * spacing_um[2])
    bz, by, bx = ((a + f, b + f) for (a, b), f in zip(void.box, first, strict=True))
    return replace(void, centroid_voxel=(z, y, x), centroid_um=um, box=(bz, by, bx))
