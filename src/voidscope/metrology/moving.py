"""Whether what a criterion looks at is another value than before, or differs by no more than comes of how it is read."""

from __future__ import annotations

from voidscope.metrology.measurement import ScanMeasurement
from voidscope.metrology.quantities import OF_BUMP
from voidscope.metrology.verdict import in_words

STILL = 1e-12
"""Changes of a ratio below this are rounding."""
STILL_VOXELS, UNLIKE_VOXELS = 0.1, 1.0
"""Lengths that change by less than this many voxels have not moved: the first where both were read off edges of one kind, which
other probabilities of the same mask shift a little; the second where one was read off whole voxels, half a voxel off at either end.
"""
ALONG = ("blt_um", "pillar_height_um")
"""Lengths along the build axis; others count in the finest side of a voxel."""


def values_moved(
    before: ScanMeasurement, after: ScanMeasurement, unlike: bool
) -> dict[str, tuple[float | None, float | None]]:
    """Criteria of both, but those on the ratio that decides and the bond line, whose value is another: measure -> before, after.

    None, where a value is undefined, is another value than any. `unlike` is whether lengths were read off edges of different kinds.
    """
    one, two = ({o.measure: o.value for o in side.outcomes} for side in (before, after))
    apart = {before.formula, after.formula, "blt_um"}
    pairs = {n: (one[n], two[n]) for n in one if n in two and n not in apart}
    return {n: pair for n, pair in pairs.items() if _differ(*pair, still(n, after, unlike))}


def still(measure: str, found: ScanMeasurement, unlike: bool) -> float:
    """By how much a measure may change and has not moved: a length or a share of one by `STILL_VOXELS` or by its U, whichever is less, or
    by `UNLIKE_VOXELS` where edges are `unlike`; a count by less than one; a ratio by `STILL`.
    """
    if measure.endswith("_count"):
        return 0.5
    sides, axis = found.spacing_um, (found.dimensions.build_axis or "z")[-1]
    voxel_um = sides["zyx".index(axis)] if measure in ALONG else min(sides)
    if measure in OF_BUMP and measure.endswith("_share"):
        voxel_um /= found.dimensions.pillar_width_um or voxel_um
    elif not measure.endswith("_um"):
        return STILL
    if unlike and measure in OF_BUMP:
        return UNLIKE_VOXELS * voxel_um
    known = [o.uncertainty for o in found.outcomes if o.measure == measure and o.uncertainty is not None]
    return min([STILL_VOXELS * voxel_um, *known])


def value_in_words(measure: str, value: float | None) -> str:
    """A value of a measure with its unit, or that it is undefined."""
    return "undefined" if value is None else in_words(measure, value)


def _differ(one: float | None, two: float | None, by: float) -> bool:
    if one is None or two is None:
        return one is not two
    return abs(two - one) > by
