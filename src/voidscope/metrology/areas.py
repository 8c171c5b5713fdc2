"""Void shares of areas along and across the build axis: the projection, the worst slice, the bands at the interfaces.

The mask is looked at in blocks of whole columns, so memory stays that of a block however large the scan.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from voidscope.config import MeasureConfig
from voidscope.metrology.components import of_classes
from voidscope.metrology.ratios import Parts
from voidscope.vocabulary import ClassMap, Mask, Role

BLOCK_VOXELS = 2**24
"""Voxels looked at at once."""
THIN_SLICE = 0.1
"""Slices with less than this share of the largest slice's foreground are no candidates for the worst one."""

Levels = npt.NDArray[np.int32]


@dataclass
class _Slices:
    """Foreground and void, void included, of each slice across the build axis."""

    foreground: npt.NDArray[np.int64]
    void: npt.NDArray[np.int64]


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
    if build_axis is None:
        reason = (
            "the mask shows no pillar with solder to find the build axis by; name it in measure.build_axis"
        )
        return dict.fromkeys(AREAS, reason)
    axis = "zyx".index(build_axis[-1])
    hollows = classes.ids_with_role(Role.VOID)
    bodies = (*classes.ids_with_role(Role.FOREGROUND), *hollows)
    found = {"projected": [0, 0], "pillar": [0, 0], "pad": [0, 0]}
    levels = _Slices(*np.zeros((2, mask.shape[axis]), np.int64))
    for block in _columns(mask, axis, build_axis.startswith("-")):
        solid, hollow = of_classes(block, bodies), of_classes(block, hollows)
        _add(found["projected"], hollow.any(0).sum(), solid.any(0).sum())
        levels.foreground += [np.count_nonzero(level) for level in solid]
        levels.void += [np.count_nonzero(level) for level in hollow]
        for name, upwards in (("pillar", True), ("pad", False)):
            _add(found[name], *_band(block, classes, recipe, upwards))
    return {
        "projected area": _or(found["projected"], "no voxel is foreground"),
        "worst slice": _worst(levels),
        **{f"interface band, {n} side": _interface(found[n], n, classes, recipe) for n in ("pillar", "pad")},
    }


AREAS = ("projected area", "worst slice", "interface band, pillar side", "interface band, pad side")
"""Names of the ratios of areas and bands."""


def _columns(mask: Mask, axis: int, turned: bool) -> Iterator[Mask]:
    """Blocks of whole columns, (levels, n, m), from the pillar's end up."""
    across = 1 if axis == 0 else 0
    step = max(1, BLOCK_VOXELS * mask.shape[across] // mask.size)
    for start in range(0, mask.shape[across], step):
        block = np.moveaxis(mask[(slice(None),) * across + (slice(start, start + step),)], axis, 0)
        yield block[::-1] if turned else block


def _band(block: Mask, classes: ClassMap, recipe: MeasureConfig, upwards: bool) -> Parts:
    """Void, and void and solder, in the band above the pillar (`upwards`) or below the pad."""
    wall = recipe.pillar_class if upwards else recipe.pad_class
    if wall not in classes.names or recipe.solder_class not in classes.names:
        return 0, 0
    stood = block if upwards else block[::-1]
    starts = band_starts(stood, classes, wall, recipe)
    void, solder = _in_band(starts, stood, classes, recipe)
    return int(void.sum()), int(void.sum() + solder.sum())


def band_starts(stood: Mask, classes: ClassMap, wall: str, recipe: MeasureConfig) -> Levels:
    """The level at which the band of each column (h, w) of a mask (L, h, w) begins, 0 where it has none; the wall's end comes first.

    It is the one after the topmost voxel of the wall; after its first run of voxels where solder lies on that and that band holds more void.
    """
    wall_id, solder_id = classes.id_of(wall), classes.id_of(recipe.solder_class)
    topmost, first = np.zeros((2, *stood.shape[1:]), np.int32)
    left = np.zeros(stood.shape[1:], bool)
    for level, plane in enumerate(stood, start=1):
        if (there := plane == wall_id).any():
            np.copyto(topmost, level, where=there)
            np.copyto(first, level, where=there & ~left)
        if first.any():
            left |= (plane == solder_id) & (first > 0)
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


def _worst(levels: _Slices) -> Parts | str:
    if not levels.foreground.any():
        return "no voxel is foreground"
    worst = worst_level(levels.void, levels.foreground)
    return int(levels.void[worst]), int(levels.foreground[worst])


def worst_level(void: npt.NDArray[np.int64], foreground: npt.NDArray[np.int64]) -> int:
    """The level with the largest share of void (L,) in foreground (L,), void included, among those that are not thin."""
    thick = foreground >= max(1, THIN_SLICE * int(foreground.max()))
    return int(np.where(thick, void / np.maximum(foreground, 1), -1).argmax())


def _interface(found: list[int], side: str, classes: ClassMap, recipe: MeasureConfig) -> Parts | str:
    wall = recipe.pillar_class if side == "pillar" else recipe.pad_class
    for name, field in ((wall, f"{side}_class"), (recipe.solder_class, "solder_class")):
        if name not in classes.names:
            return f"there is no class {name!r} among {', '.join(classes.names)}; name it in measure.{field}"
    return _or(
        found, f"no voxel of {recipe.solder_class} or void lies within {recipe.band_voxels} voxels of {wall}"
    )


def _or(found: list[int], reason: str) -> Parts | str:
    return (found[0], found[1]) if found[1] else reason


def _add(total: list[int], above: int, below: int) -> None:
    total[0] += int(above)
    total[1] += int(below)
