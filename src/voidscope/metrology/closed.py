"""Background that is closed in, or all but, which can only be void: no limit is kept by not counting it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from voidscope.metrology.budget import combined, ratio_budget
from voidscope.metrology.holes import WIDTHS, Hole
from voidscope.metrology.measurement import ScanMeasurement
from voidscope.metrology.ratios import values_of, volume_parts
from voidscope.metrology.uncertainty import SMOOTH
from voidscope.metrology.verdict import Outcome, Verdict, judge, left, limit_of
from voidscope.metrology.voids import COUNTABLE_VOXELS
from voidscope.vocabulary import Role


def not_filled(found: ScanMeasurement, holes: Sequence[Hole]) -> ScanMeasurement:
    """For REVIEW instead of PASS, the ratio's limit where background that is closed in or all but, counted as the void it can only be, might break it.

    The ratio's uncertainty is then that of as much void with as many more faces. What a further criterion would come to nobody worked
    out, so none passes.
    """
    recipe, n = found.recipe, sum(h.n_voxels for h in holes)
    passes = any(o.verdict is Verdict.PASS for o in found.outcomes)
    if not passes or n < min(recipe.min_voxels, COUNTABLE_VOXELS):
        return found
    as_void = _as_void(found, holes)
    leaking = sum(h.n_voxels for h in holes if h.leaks)
    outside = (
        f", {leaking:,} of them but for a channel of {max(WIDTHS) - 1} voxels or less" if leaking else ""
    )
    closed_in = f"{n:,} voxels of background, or unlabelled, are closed in{outside}, which can only be void"
    way_out = f"{'' if leaking == n else 'set measure.fill_holes=true, or '}label there and train again"
    would_be = "nobody knows what it comes to" if as_void.value is None else as_void.reason
    first, *others = found.outcomes
    if as_void.verdict is not Verdict.PASS:
        first = left(first, f"{closed_in}; counted so, {would_be}: {way_out}")
    unknown = f"but {closed_in}, and nobody worked out what it is with that: {way_out}"
    return replace(found, outcomes=(first, *(left(o, f"{o.reason}, {unknown}") for o in others)))


def _as_void(found: ScanMeasurement, holes: Sequence[Hole]) -> Outcome:
    """What becomes of the ratio's limit with the holes counted as void."""
    recipe, n = found.recipe, sum(h.n_voxels for h in holes)
    void, air = (min(found.classes.ids_with_role(role)) for role in (Role.VOID, Role.BACKGROUND))
    counts = [found.n_unlabelled, *found.n_voxels.values()]
    counts[void], counts[air] = counts[void] + n, counts[air] - n
    parts = volume_parts(counts, found.classes, recipe.solder_class)
    faces = _edge_faces(found) + sum(h.faces for h in holes)
    budget = (*ratio_budget(recipe.ratio, parts, faces, recipe)[:1], *found.budget[1:])
    return judge(
        limit_of(recipe),
        values_of(parts).get(recipe.ratio),
        recipe.rule,
        uncertainty=combined(budget, recipe.coverage),
    )


def _edge_faces(found: ScanMeasurement) -> int:
    """Voxel faces of the void of a measurement, out of the budget of its volume; none where the edges are taken to be certain."""
    sigma, edges = found.recipe.edge_sigma, found.volume_budget[0].value or 0.0
    return round(edges / (found.voxel_um3 * SMOOTH * sigma)) if sigma else 0
