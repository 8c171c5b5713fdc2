"""A whole scan measured, and each of its bumps by itself; the verdict by the unit that the recipe names (`scan_verdict`).

Whatever the unit, nothing passes while a bump may be no whole one (`doubts`).
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from importlib import import_module

from voidscope.config import MeasureConfig
from voidscope.metrology.checks import checked
from voidscope.metrology.cleaning import centres_of, drop_far, mend
from voidscope.metrology.closed import not_filled
from voidscope.metrology.cuts import key_of, not_cut, not_cut_off
from voidscope.metrology.dimensions import Dimensions, both_ways, standing
from voidscope.metrology.doubts import (
    carried_over,
    heirs_of,
    joined_by_closing,
    meetings,
    of_scan,
    shared_pads,
)
from voidscope.metrology.holes import Hole, holes_of
from voidscope.metrology.margins import Margins
from voidscope.metrology.measurement import (
    Bump,
    ScanMeasurement,
    concluded,
    measure_clean,
    not_misread,
)
from voidscope.metrology.nearness import telling_voids, voids_of
from voidscope.metrology.readings import (
    between,
    cleaned,
    cut_off,
    leaning,
    lipped,
    of_lengths,
    unaligned,
    uncleaned,
    unevenly_wide,
)
from voidscope.metrology.scan_verdict import decided, over_bumps, wholeness_untold
from voidscope.metrology.structures import Meetings, Split, Structure, split
from voidscope.metrology.views import Views
from voidscope.metrology.voids import Box, Shape, Void
from voidscope.metrology.wholeness import of_its_own
from voidscope.vocabulary import ClassMap, Mask, Role
from voidscope.volume import Spacing

WORKERS = min(4, os.cpu_count() or 1)
"""So many bumps are measured at a time."""

UPRIGHT_DEG = 2.0
"""Bumps that lean more from their build axis are said to."""


def measure_scan(
    mask: Mask,
    classes: ClassMap,
    spacing_um: Spacing | None,
    recipe: MeasureConfig,
    scan: str,
    views: Views | None = None,
    margins: Margins | None = None,
) -> ScanMeasurement:
    """What is measured in a mask (z, y, x) of a scan, after the cleaning that the recipe asks for, and in each of its bumps on its own box, and
    the verdict by `recipe.unit`; ids are 1..C, 0 where unlabelled.

    A scan that is nothing but one bump is measured once. `views` are what a model's mirror images say otherwise;
    each bump has its share of them. `margins` are how sure a model was; with them the edges that lengths are read off lie between voxels. Cleaning is done once, on the whole scan; a voxel is far
    when it is farther than `recipe.far_um` from the centres of its class in all bumps. A bump's void looks as it does in the scan, so
    its nearest neighbour may be another bump's; one that a wall between touching bumps cuts is measured as it is cut, and the wall is
    surface to it. Raises what `checked` does.
    """
    spacing = checked(mask, classes, spacing_um, recipe, scan)
    raw, (mask, changed) = mask, mend(mask, classes, recipe)
    before = split(mask, classes, spacing, recipe) if recipe.far_um else None
    if before:
        centres = centres_of(((first, cut) for _, first, cut in before.blanked()), classes, spacing, recipe)
        mask, far = drop_far(mask, classes, spacing, recipe, centres)
        changed = {**changed, **far}
    _load_libraries()
    with ThreadPoolExecutor(WORKERS) as pool:  # what takes long leaves the interpreter free
        voids = pool.submit(telling_voids(mask, classes, spacing, recipe))
        closed = pool.submit(_holes, raw, mask, classes)
        found = split(mask, classes, spacing, recipe)
        met = _met(found, before, classes, recipe)
        seen = views or Views.none(len(classes))
        sizes = _sizes(found, mask, classes, spacing, recipe, margins)
        whole = measure_clean(
            mask, classes, spacing, recipe, scan, seen.everywhere(), voids.result, sizes=sizes
        )
        holes = closed.result()
        older = _before_far(found, before, raw, whole, margins)
        whole = replace(not_cut_off(whole), cleaned=changed, closed_in=sum(h.n_voxels for h in holes))
        if len(found.structures) == 1 and not found.stray.pieces:
            own = _doubted_itself(not_filled(whole, holes), raw, mask, (0, 0, 0), margins, older[0])
            (bump,) = _concluded([Bump(found.structures[0], own)], found, mask, met, whole.n_unlabelled)
            return replace(bump.measured, bumps=(bump,))
        bumps = not_cut(whole, _each(found, whole, holes, seen, margins, raw, older, pool))
        bumps = _concluded(bumps, found, mask, met, whole.n_unlabelled)
    whole = over_bumps(whole, bumps) if bumps else whole
    whole = whole if recipe.unit == "bump" and bumps else not_filled(whole, holes)
    return decided(replace(whole, bumps=bumps, stray=found.stray))


def _holes(raw: Mask, mask: Mask, classes: ClassMap) -> list[Hole]:
    """The holes of a mask, and those that leaked before it was closed, which closing may have taken for gaps; of two at a place the larger."""
    found = holes_of(mask, classes)
    if raw is mask:
        return found
    leaking = [h for h in holes_of(raw, classes) if h.leaks]
    both = sorted([*found, *leaking], key=lambda h: -h.n_voxels)
    return [h for k, h in enumerate(both) if not any(_meets(h.box, _edges(o.box)) for o in both[:k])]


def _edges(box: Sequence[slice]) -> Box:
    z, y, x = ((s.start, s.stop) for s in box)
    return z, y, x


def _doubted_itself(
    found: ScanMeasurement, raw: Mask, closed: Mask, first: Sequence[int], margins: Margins | None, older: Sequence[Dimensions]
) -> ScanMeasurement:  # fmt: skip
    """A bump, alone in `closed` whose first voxel is `first`, with the doubts of it, and of its lengths, that its mask raises; `raw` is
    that as it was, and `older` what it measured before voxels far from all bumps were taken away.
    """
    recipe = found.recipe
    if recipe.closing_voxels and not recipe.far_um and of_lengths(recipe):
        older = [uncleaned(raw, closed, first, found.classes, found.spacing_um, recipe, margins)]
    told = (joined_by_closing(found, raw, closed), *of_its_own(found, closed, raw, first))
    others = (
        *cut_off(found, closed), *lipped(found), *between(found), *unevenly_wide(found), *cleaned(found, older)
    )  # fmt: skip
    return replace(not_misread(found, others), doubts=tuple(filter(None, told)))


def _before_far(
    found: Split, before: Split | None, raw: Mask, whole: ScanMeasurement, margins: Margins | None
) -> list[list[Dimensions]]:
    """What each bump, or the pieces it is left of, measured in the mask as it was, where voxels far from all bumps were taken away."""
    sizes: list[list[Dimensions]] = [[] for _ in found.structures]
    if before is None or not sizes or not of_lengths(whole.recipe):
        return sizes
    heirs = heirs_of(before, found)
    for k, first, cut in before.blanked():
        there = tuple(slice(a, a + n) for a, n in zip(first, cut.shape, strict=True))
        size = uncleaned(raw[there], cut, first, whole.classes, whole.spacing_um, whole.recipe, margins)
        sizes[heirs[k]].append(size)
    return sizes


def _met(found: Split, before: Split | None, classes: ClassMap, recipe: MeasureConfig) -> list[Meetings]:
    """The bumps that each bump meets, be it only `before` voxels far from all were taken away."""
    met = meetings(found, classes, recipe)
    if before is None:
        return met
    older = carried_over(meetings(before, classes, recipe), before, found)
    return [
        {j: a.get(j, Counter()) | b.get(j, Counter()) for j in sorted({*a, *b})}
        for a, b in zip(older, met, strict=True)
    ]


def _concluded(
    bumps: Sequence[Bump], found: Split, mask: Mask, met: Sequence[Meetings], n_unlabelled: int
) -> tuple[Bump, ...]:
    """All bumps of a scan with every doubt there is of each, and the verdict that comes of it."""
    told = of_scan([b.measured for b in bumps], found, mask, met, n_unlabelled)
    one = bumps[0].measured if bumps else None
    shared = shared_pads(met, [b.name for b in bumps], one.classes, one.recipe) if one else []
    return tuple(
        replace(b, measured=_held(replace(unaligned(b.measured, why), doubts=doubts), found, b.structure))
        for b, doubts, why in zip(bumps, told, shared, strict=True)
    )


def _held(one: ScanMeasurement, found: Split, structure: Structure) -> ScanMeasurement:
    """A bump with its verdict, its lean being held against its lengths and said."""
    axis, lean = one.dimensions.build_axis, found.lean_deg
    leans = f"; it leans by {lean:.2g} degrees from {axis[-1]}" if axis and lean > UPRIGHT_DEG else ""
    cut = (
        "; it reaches the edge of the scan, so part of it may be missing" if structure.touches_border else ""
    )
    one = concluded(replace(not_misread(one, leaning(one, lean)), remarks=f"{cut}{leans}"))
    return concluded(replace(one, remarks=f"{one.remarks}{wholeness_untold(one)}"))


def _sizes(
    found: Split,
    mask: Mask,
    classes: ClassMap,
    spacing: Spacing,
    recipe: MeasureConfig,
    margins: Margins | None,
) -> tuple[Dimensions, Dimensions]:
    """The lengths of a scan by columns and by boxes: those of its bump, whatever lies beside it, and of several nothing but the build axis."""
    if len(found.structures) > 1:
        return (size := standing(mask, classes, spacing, recipe)), size
    first, cut = (0, 0, 0), mask
    if found.structures and found.stray.pieces:
        ((_, first, cut),) = found.blanked()
    return both_ways(cut, classes, spacing, recipe, margins.within(first, cut) if margins else None)


def _load_libraries() -> None:
    """Import what measuring imports late: two threads that import parts of SciPy at the same moment can both fail."""
    for name in ("cc3d", "scipy.ndimage", "scipy.sparse.csgraph", "scipy.spatial.distance"):
        import_module(name)


def _each(
    found: Split,
    whole: ScanMeasurement,
    holes: Sequence[Hole],
    views: Views,
    margins: Margins | None,
    raw: Mask,
    older: Sequence[Sequence[Dimensions]],
    pool: Executor,
) -> tuple[Bump, ...]:
    """Every bump measured by itself, in the order of the structures; no more are cut out at a time than there are workers."""
    seen = {key_of(v): v.shape for v in (*whole.voids, *whole.small_voids)}
    spacing, recipe, classes = whole.spacing_um, whole.recipe, whole.classes
    void_ids = classes.ids_with_role(Role.VOID)
    sizes = (whole.dimensions, whole.boxed) if len(found.structures) == 1 else None

    def measured(k: int, first: Sequence[int], cut: Mask) -> Bump:
        def known(void: Void) -> Shape | None:
            return seen.get(key_of(_moved_void(void, first, spacing)))

        edges = found.structures[k].box
        own = [h for h in holes if _meets(h.box, edges)]
        alone = measure_clean(
            cut,
            classes,
            spacing,
            recipe,
            whole.scan,
            views.within(edges, void_ids),
            lambda: voids_of(cut, classes, spacing, recipe, known),
            margins.within(first, cut) if margins and not sizes else None,
            sizes,
        )
        alone = not_filled(replace(not_cut_off(alone), closed_in=sum(h.n_voxels for h in own)), own)
        there = tuple(slice(a, a + n) for a, n in zip(first, cut.shape, strict=True))
        alone = _doubted_itself(alone, raw[there], cut, first, margins, older[k])
        return Bump(found.structures[k], _moved(alone, first))

    bumps: dict[int, Bump] = {}
    waiting: deque[tuple[int, Future[Bump]]] = deque()
    for k, first, cut in found.blanked():
        if len(waiting) == WORKERS:
            done, bump = waiting.popleft()
            bumps[done] = bump.result()
        waiting.append((k, pool.submit(measured, k, first, cut)))
    bumps |= {k: bump.result() for k, bump in waiting}
    return tuple(bumps[k] for k in sorted(bumps))


def _meets(box: Sequence[slice], edges: Box) -> bool:
    """Whether two boxes share a voxel; a hole across the wall between bumps is each one's whole."""
    return all(s.start < b and a < s.stop for s, (a, b) in zip(box, edges, strict=True))


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
    return replace(void, centroid_voxel=(z, y, x), centroid_um=um, box=_moved_box(void, first))


def _moved_box(void: Void, first: Sequence[int]) -> Box:
    z, y, x = ((a + f, b + f) for (a, b), f in zip(void.box, first, strict=True))
    return z, y, x
