"""A whole scan measured, and each of its bumps by itself; the verdict by the unit that the recipe names (`scan_verdict`).

Whatever the unit, nothing passes while a bump may be no whole one (`doubts`).

A verdict comes about in this order: the mask is mended as the recipe asks (`mend`, `drop_far`) and split into bumps (`split`);
each is measured on its own box (`measuring`), which also says what its mask makes doubtful (`_Read`); what only the neighbours
can tell is added, and the bump's verdict drawn (`_concluded`); the worst bump or the scan decides (`over_bumps`, `decided`).
What speaks against the model comes last, outside of this room (`workflow.doubting`).
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Self

from voidscope.config import MeasureConfig
from voidscope.metrology.bodies import with_joint
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
    measuring,
    not_misread,
)
from voidscope.metrology.nearness import shaped
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
from voidscope.metrology.structures import Meetings, Structure, Structures, split
from voidscope.metrology.verdict import Misreading
from voidscope.metrology.views import Views
from voidscope.metrology.voids import Box, Void, find_voids
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
        closed = pool.submit(_holes, raw, mask, classes)
        voids = find_voids(mask, classes.ids_with_role(Role.VOID), spacing, recipe.connectivity)
        shapes = pool.submit(shaped(voids, mask, classes, spacing, recipe))
        found = split(mask, classes, spacing, recipe)
        met = _met(found, before, classes, recipe)
        seen = views or Views.none(len(classes))
        sizes = _sizes(found, mask, classes, spacing, recipe, margins)
        measured = measuring(mask, classes, spacing, recipe, scan, seen.everywhere(), sizes=sizes)
        draft = measured(voids)
        older = _before_far(found, before, raw, draft, margins)
        if len(found.structures) == 1 and not found.stray.pieces:
            own = _Read.of(measured, voids, raw, mask, (0, 0, 0), margins, older[0])
            one = replace(own.told(shapes.result(), closed.result()), cleaned=changed)
            (bump,) = _concluded([Bump(found.structures[0], one)], found, mask, met, one.n_unlabelled)
            return replace(bump.measured, bumps=(bump,))
        reads = _each(found, draft, seen, margins, raw, older, pool)
        voids, holes = shapes.result(), closed.result()
    whole = measured(voids)
    whole = replace(not_cut_off(whole), cleaned=changed, closed_in=sum(h.n_voxels for h in holes))
    bumps = not_cut(whole, _told(reads, found, voids, holes, spacing))
    bumps = _concluded(bumps, found, mask, met, whole.n_unlabelled)
    whole = over_bumps(whole, bumps) if bumps else whole
    whole = whole if recipe.unit == "bump" and bumps else not_filled(whole, holes)
    return decided(replace(whole, bumps=bumps, stray=found.stray))


@dataclass(frozen=True)
class _Read:
    """What was read off the mask of a bump, which is let go of then: all there is to measure but the shapes that its scan's voids have.

    Attributes
    ----------
    measured : gives the measurement for its voids
    voids : where they lie in `first`'s box; those that the scan has just so are without shapes yet
    first : voxel of the scan where the bump's box begins
    doubts, misread : of it, and of its lengths, that its mask raises
    """

    measured: Callable[[Sequence[Void]], ScanMeasurement]
    voids: tuple[Void, ...]
    first: Sequence[int]
    doubts: tuple[str, ...]
    misread: tuple[Misreading, ...]

    @classmethod
    def of(
        cls, measured: Callable[[Sequence[Void]], ScanMeasurement], voids: tuple[Void, ...], raw: Mask, closed: Mask, first: Sequence[int],
        margins: Margins | None, older: Sequence[Dimensions],
    ) -> Self:  # fmt: skip
        """Of a bump, alone in `closed` whose first voxel is `first`; `raw` is that as it was, and `older` what it measured before voxels far
        from all bumps were taken away.
        """
        draft = measured(voids)
        recipe, classes, spacing = draft.recipe, draft.classes, draft.spacing_um
        raw, closed = (with_joint(mask, classes, recipe) for mask in (raw, closed))
        if recipe.closing_voxels and not recipe.far_um and of_lengths(recipe):
            older = [uncleaned(raw, closed, first, classes, spacing, recipe, margins)]
        doubts = (joined_by_closing(draft, raw, closed), *of_its_own(draft, closed, raw, first))
        misread = (
            *cut_off(draft, closed), *lipped(draft), *between(draft), *unevenly_wide(draft), *cleaned(draft, older)
        )  # fmt: skip
        return cls(measured, voids, first, tuple(filter(None, doubts)), misread)

    def told(self, voids: Sequence[Void], holes: Sequence[Hole]) -> ScanMeasurement:
        """The measurement, by its voids with their shapes and the holes that meet it."""
        one = replace(not_cut_off(self.measured(voids)), closed_in=sum(h.n_voxels for h in holes))
        return replace(not_misread(not_filled(one, holes), self.misread), doubts=self.doubts)


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


def _before_far(
    found: Structures, before: Structures | None, raw: Mask, whole: ScanMeasurement, margins: Margins | None
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


def _met(
    found: Structures, before: Structures | None, classes: ClassMap, recipe: MeasureConfig
) -> list[Meetings]:
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
    bumps: Sequence[Bump], found: Structures, mask: Mask, met: Sequence[Meetings], n_unlabelled: int
) -> tuple[Bump, ...]:
    """All bumps of a scan with every doubt there is of each, and the verdict that comes of it."""
    told = of_scan([b.measured for b in bumps], found, mask, met, n_unlabelled)
    one = bumps[0].measured if bumps else None
    shared = shared_pads(met, [b.name for b in bumps], one.classes, one.recipe) if one else []
    return tuple(
        replace(b, measured=_held(replace(unaligned(b.measured, why), doubts=doubts), found, b.structure))
        for b, doubts, why in zip(bumps, told, shared, strict=True)
    )


def _held(one: ScanMeasurement, found: Structures, structure: Structure) -> ScanMeasurement:
    """A bump with its verdict, its lean being held against its lengths and said."""
    axis, lean = one.dimensions.build_axis, found.lean_deg
    leans = f"; it leans by {lean:.2g} degrees from {axis[-1]}" if axis and lean > UPRIGHT_DEG else ""
    cut = (
        "; it reaches the edge of the scan, so part of it may be missing" if structure.touches_border else ""
    )
    one = concluded(replace(not_misread(one, leaning(one, lean)), remarks=f"{cut}{leans}"))
    return concluded(replace(one, remarks=f"{one.remarks}{wholeness_untold(one)}"))


def _sizes(
    found: Structures,
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
    found: Structures, draft: ScanMeasurement, views: Views, margins: Margins | None, raw: Mask, older: Sequence[Sequence[Dimensions]],
    pool: Executor,
) -> list[_Read]:  # fmt: skip
    """What is read off every bump by itself, in the order of the structures; no more are cut out at a time than there are workers.

    `draft` is the scan's measurement, whose voids need no shapes.
    """
    known = {key_of(v) for v in (*draft.voids, *draft.small_voids)}
    spacing, recipe, classes = draft.spacing_um, draft.recipe, draft.classes
    void_ids = classes.ids_with_role(Role.VOID)
    sizes = (draft.dimensions, draft.boxed) if len(found.structures) == 1 else None

    def read(k: int, first: Sequence[int], cut: Mask) -> _Read:
        odds = margins.within(first, cut) if margins and not sizes else None
        seen = views.within(found.structures[k].box, void_ids)
        measured = measuring(cut, classes, spacing, recipe, draft.scan, seen, odds, sizes)
        own = find_voids(cut, void_ids, spacing, recipe.connectivity)
        cut_by_walls = [key_of(_moved_void(v, first, spacing)) not in known for v in own]
        own = shaped(own, cut, classes, spacing, recipe, cut_by_walls)()
        there = tuple(slice(a, a + n) for a, n in zip(first, cut.shape, strict=True))
        return _Read.of(measured, own, raw[there], cut, first, margins, older[k])

    reads: dict[int, _Read] = {}
    waiting: deque[tuple[int, Future[_Read]]] = deque()
    for k, first, cut in found.blanked():
        if len(waiting) == WORKERS:
            done, one = waiting.popleft()
            reads[done] = one.result()
        waiting.append((k, pool.submit(read, k, first, cut)))
    reads |= {k: one.result() for k, one in waiting}
    return [reads[k] for k in sorted(reads)]


def _told(
    reads: Sequence[_Read],
    found: Structures,
    voids: Sequence[Void],
    holes: Sequence[Hole],
    spacing_um: Spacing,
) -> list[Bump]:
    """All bumps, by what was read off them, and the shapes of the scan's voids; every position is that of the whole scan."""
    shapes, bumps = {key_of(v): v.shape for v in voids}, list[Bump]()
    for structure, read in zip(found.structures, reads, strict=True):
        moved = [_moved_void(v, read.first, spacing_um) for v in read.voids]
        own = [
            v if v.shape else replace(v, shape=shapes.get(key_of(at)))
            for v, at in zip(read.voids, moved, strict=True)
        ]
        one = read.told(own, [h for h in holes if _meets(h.box, structure.box)])
        bumps.append(Bump(structure, _moved(one, read.first)))
    return bumps


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
