"""Voids that the wall between touching bumps, or the edge of the scan, cuts.

A void cut in two is measured as it is cut, but no limit on single voids is kept by cutting: each bump that it reaches into is held
against the whole of it. Of one that the edge of the scan cuts nobody knows the whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from voidscope.metrology.measurement import Bump, ScanMeasurement, not_misread
from voidscope.metrology.quantities import OF_ONE_VOID, reach_um
from voidscope.metrology.verdict import Misreading, in_words
from voidscope.metrology.voids import COUNTABLE_VOXELS, Box, Void

Key = tuple[Box, int, tuple[int, ...]]


def key_of(void: Void) -> Key:
    """What tells a void from all others of its scan: box, voxels, and the sums of their indices along z, y, x."""
    return void.box, void.n_voxels, tuple(round(c * void.n_voxels) for c in void.centroid_voxel)


def not_cut(whole: ScanMeasurement, bumps: Sequence[Bump]) -> tuple[Bump, ...]:
    """For REVIEW instead of PASS, bumps that keep a limit on single voids by a part of a void, and would not by the whole of it."""
    return tuple(
        replace(bump, measured=not_misread(bump.measured, _whole(bump.measured, cut)))
        for bump, cut in zip(bumps, _cut_voids(whole, bumps, COUNTABLE_VOXELS), strict=True)
    )


def not_cut_off(found: ScanMeasurement) -> ScanMeasurement:
    """For REVIEW instead of PASS, each limit above on single voids where a void that can be told from noise reaches the edge of the scan."""
    cut = [v for v in _all(found) if v.touches_border and v.n_voxels >= COUNTABLE_VOXELS]
    if not cut:
        return found
    which = "a void reaches" if len(cut) == 1 else f"{len(cut)} voids reach"
    ranges = {name: (v, math.inf) for name in OF_ONE_VOID if (v := found.quantities[name]) is not None}
    why = f"{which} the edge of the scan, beyond which nobody knows how far: scan more of it, or look at it"
    return not_misread(found, [Misreading(ranges, why)])


def bumps_of_voids(whole: ScanMeasurement) -> dict[Key, list[str]]:
    """Names of the bumps that each void of a scan lies in, by its key; of one that is cut, those that have a part of it."""
    found: dict[Key, list[str]] = {key_of(v): [] for v in _all(whole)}
    for bump, cut in zip(whole.bumps, _cut_voids(whole, whole.bumps), strict=True):
        for key in {key_of(v) for v in (*_all(bump.measured), *cut)} & found.keys():
            found[key].append(bump.name)
    return found


def _cut_voids(whole: ScanMeasurement, bumps: Sequence[Bump], least: int = 1) -> list[list[Void]]:
    """For each bump, the voids of its scan, of at `least` so many voxels, of which it has a part alone.

    A part lies in the box of the void it is of; where it lies in several, it is taken to be of each.
    """
    known = {key_of(v) for v in _all(whole)}
    parts = [[v for v in _all(b.measured) if key_of(v) not in known] for b in bumps]
    seen = {key_of(v) for b in bumps for v in _all(b.measured)} if any(parts) else known
    cut = [v for v in _all(whole) if v.n_voxels >= least and key_of(v) not in seen]
    return [[v for v in cut if any(_lies_in(p, v) for p in own)] for own in parts]


def _all(found: ScanMeasurement) -> tuple[Void, ...]:
    return *found.voids, *found.small_voids


def _lies_in(part: Void, void: Void) -> bool:
    edges = zip(part.box, void.box, strict=True)
    return part.n_voxels < void.n_voxels and all(c <= a and b <= d for (a, b), (c, d) in edges)


def _whole(found: ScanMeasurement, voids: Sequence[Void]) -> Iterator[Misreading]:
    """What the quantities of a bump's largest void are with the whole of some voids of which it has a part alone."""
    for name in OF_ONE_VOID if voids else ():
        value = max(_taken_whole(v, name, found) for v in voids)
        most = max(value, found.quantities[name] or 0.0)
        yield Misreading(
            {name: (most, most)},
            f"is {in_words(name, value)} with the whole of a void that the wall to the next bump cuts: look at it, and decide both by the whole of it",
        )


def _taken_whole(void: Void, measure: str, found: ScanMeasurement) -> float:
    """A quantity of a bump whose largest void is this; infinite where the bump has no counted void to tell the size of its shadow by."""
    if measure == "largest_void_feret_um":
        return reach_um(void, found.spacing_um)
    if measure == "largest_void_diameter_um":
        return void.diameter_um
    if measure == "largest_void_share":
        names, classes = found.classes.names, found.classes
        ids = classes.body_ids
        return void.n_voxels / sum(found.n_voxels[names[k - 1]] for k in ids)
    own = found.quantities[measure]
    return own * void.diameter_um / found.voids[0].diameter_um if own else math.inf
