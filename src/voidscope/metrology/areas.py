"""Void shares of areas along and across the build axis: the projection, the worst slice, the bands at the interfaces.

The mask is looked at level by level, so memory stays that of a few levels however large the scan.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from voidscope.config import MeasureConfig
from voidscope.metrology.bodies import with_joint
from voidscope.metrology.components import chunks, of_classes
from voidscope.metrology.pieces import Part
from voidscope.metrology.ratios import ONLY_VOID, Parts
from voidscope.vocabulary import ClassMap, Mask, Role

THIN_SLICE = 0.1
"""Slices with less than this share of the largest slice's foreground are no candidates for the worst one."""

Levels = npt.NDArray[np.int32]
Counts = npt.NDArray[np.int64]


def area_parts(
    mask: Mask, classes: ClassMap, recipe: MeasureConfig, build_axis: str | None
) -> dict[str, Parts | str]:
    """Numerator and denominator of each area ratio of a mask (z, y, x), or why it is undefined, by its name in the recipe.

    ``projected area`` counts columns along the build axis that hold any void, and any foreground. ``worst slice`` is the slice
    across it with the largest share of void in its foreground, among those of at least `THIN_SLICE` of the largest. A band is the
    `band_voxels` voxels above the topmost pillar voxel of each column, or below the lowest pad voxel: void in it over void and
    solder in it. Where solder lies below that voxel, it is the band above the pillar's first run of voxels instead if that holds more void,
    so that a sheet of mistaken voxels far from the pillar hides none. `build_axis` is z, y or x, with - in front where the pillar lies at the far end.
    """
    if not classes.ids_with_role(Role.FOREGROUND):
        return dict.fromkeys(AREAS, ONLY_VOID)
    if build_axis is None:
        reason = (
            "the mask shows no pillar with solder to find the build axis by; name it in measure.build_axis"
        )
        return dict.fromkeys(AREAS, reason)
    body = standing(with_joint(mask, classes, recipe), build_axis)
    shadows, counts = seen_along(body, classes)
    return {
        "projected area": _or((np.count_nonzero(s) for s in shadows), "no voxel is foreground"),
        "worst slice": _or(counts[:, worst_level(counts)], "no voxel is foreground"),
        **{
            f"interface band, {side} side": _interface(body, side, classes, recipe)
            for side in ("pillar", "pad")
        },
    }


AREAS = ("projected area", "worst slice", "interface band, pillar side", "interface band, pad side")
"""Names of the ratios of areas and bands."""


def standing(mask: Mask, build_axis: str) -> Mask:
    """A mask (z, y, x) level by level along its build axis, (L, h, w), the pillar's end first."""
    return np.moveaxis(mask, "zyx".index(build_axis[-1]), 0)[:: -1 if build_axis.startswith("-") else 1]


def seen_along(body: Mask, classes: ClassMap) -> tuple[list[Part], Counts]:
    """Columns (h, w) of a mask (L, h, w) that hold any void, and any foreground, void included; voxels of both in each level, (2, L)."""
    hollows = classes.ids_with_role(Role.VOID)
    shadows, counts = np.zeros((2, *body.shape[1:]), bool), np.zeros((2, len(body)), np.int64)
    for level, plane in enumerate(_planes(body)):
        for k, ids in enumerate((hollows, (*classes.ids_with_role(Role.FOREGROUND), *hollows))):
            there = of_classes(plane[None], ids)[0]
            shadows[k] |= there
            counts[k, level] = np.count_nonzero(there)
    return list(shadows), counts


def _planes(body: Mask) -> Iterator[Mask]:
    """The levels (h, w) of a mask one by one, in C order whichever way it lies in memory."""
    return (plane for chunk in chunks(body) for plane in np.ascontiguousarray(body[chunk]))


def band_starts(stood: Mask, classes: ClassMap, wall: str, recipe: MeasureConfig) -> Levels:
    """The level at which the band of each column (h, w) of a mask (L, h, w) begins, 0 where it has none; the wall's end comes first.

    It is the one after the topmost voxel of the wall; after its first run of voxels where solder lies on that and that band holds more void.
    """
    wall_id, solder_id = classes.id_of(wall), classes.id_of(recipe.solder_class)
    topmost, first = np.zeros((2, *stood.shape[1:]), np.int32)
    left, waiting = np.zeros((2, *stood.shape[1:]), bool)  # whose first run solder ended, or may end yet
    for level, plane in enumerate(_planes(stood), start=1):
        if (there := plane == wall_id).any():
            np.copyto(topmost, level, where=there)
            waiting |= there > left
        if waiting.any() and (ends := (plane == solder_id) & waiting).any():
            np.copyto(first, topmost, where=ends)
            left |= ends
            waiting &= ~ends
    np.copyto(first, topmost, where=waiting)
    (void, _), (void_first, _) = (_in_band(top, stood, classes, recipe) for top in (topmost, first))
    starts: Levels = np.where(void_first > void, first, topmost)
    return starts


def _in_band(starts: Levels, stood: Mask, classes: ClassMap, recipe: MeasureConfig) -> tuple[Levels, Levels]:
    """Voxels of void, and of solder, of each column (h, w) in the band that begins at a level, 0 where there is none."""
    hollows, solder_id = classes.ids_with_role(Role.VOID), classes.id_of(recipe.solder_class)
    void, solder = np.zeros((2, *starts.shape), np.int32)
    for level in range(recipe.band_voxels):
        at = starts + level
        inside = (starts > 0) & (at < len(stood))
        ids = np.take_along_axis(stood, np.minimum(at, len(stood) - 1)[None], 0)
        void += of_classes(ids, hollows)[0] & inside
        solder += (ids[0] == solder_id) & inside
    return void, solder


def worst_level(counts: Counts) -> int:
    """The level with the largest share of void in foreground, void included, among those that are not thin; `counts` (2, L) has both."""
    void, foreground = counts
    thick = foreground >= max(1, THIN_SLICE * int(foreground.max()))
    return int(np.where(thick, void / np.maximum(foreground, 1), -1).argmax())


def _interface(body: Mask, side: str, classes: ClassMap, recipe: MeasureConfig) -> Parts | str:
    """Void, and void and solder, in the band above the pillar or below the pad, or why there is none."""
    wall = recipe.pillar_class if side == "pillar" else recipe.pad_class
    for name, field in ((wall, f"{side}_class"), (recipe.solder_class, "solder_class")):
        if name not in classes.names:
            return f"there is no class {name!r} among {', '.join(classes.names)}; name it in measure.{field}"
    stood = body if side == "pillar" else body[::-1]
    void, solder = _in_band(band_starts(stood, classes, wall, recipe), stood, classes, recipe)
    reason = f"no voxel of {recipe.solder_class} or void lies within {recipe.band_voxels} voxels of {wall}"
    return _or((void.sum(), void.sum() + solder.sum()), reason)


def _or(found: Iterable[Any], reason: str) -> Parts | str:
    above, below = map(int, found)
    return (above, below) if below else reason
