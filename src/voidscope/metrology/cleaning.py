"""A mask cleaned before it is measured: gaps closed, holes made void, voxels far from their bump taken away.

All three are off unless a recipe asks for them, and then cost nothing. Void and unlabelled voxels are never overwritten, nor is
any class but solder, pillar, pad and background.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from voidscope.config import MeasureConfig
from voidscope.metrology.components import mean_index, plane_counts
from voidscope.metrology.holes import air_of, grown, inside_of
from voidscope.metrology.pieces import Part
from voidscope.metrology.ratios import count_classes
from voidscope.vocabulary import UNLABELLED, ClassMap, Mask, Role
from voidscope.volume import Spacing

SLAB_VOXELS = 2**24
"""Voxels closed at once."""

Points = npt.NDArray[np.float64]
Changed = Mapping[str, Mapping[str, int]]
"""Step -> class -> voxels gained, less those lost; only what changed."""


def mend(mask: Mask, classes: ClassMap, recipe: MeasureConfig) -> tuple[Mask, Changed]:
    """The mask with its gaps closed and its holes made void, as far as the recipe asks for it; the mask itself where it does not.

    Closing leaves what is closed in as it is; what it closes in itself is a hole too.
    """
    changed: dict[str, Mapping[str, int]] = {}
    for name, wanted, step in (
        ("closing", recipe.closing_voxels, _closed),
        ("holes", recipe.fill_holes, _filled),
    ):
        if wanted:
            before, mask = mask, step(mask, classes, recipe)
            changed[name] = _difference(before, mask, classes)
    return mask, changed


def drop_far(
    mask: Mask, classes: ClassMap, spacing_um: Spacing, recipe: MeasureConfig, centres: Mapping[int, Points]
) -> tuple[Mask, Changed]:
    """The mask without the voxels of a class that are farther than `recipe.far_um` from every centre (N, 3) in um of that class."""
    background = classes.ids_with_role(Role.BACKGROUND)
    if not recipe.far_um:
        return mask, {}
    from scipy.spatial import cKDTree

    cleaned = mask.copy()
    trees = {k: cKDTree(at) for k, at in centres.items()}
    blank = min(background, default=UNLABELLED)
    for z, plane in enumerate(mask):
        for k, tree in trees.items():
            y, x = np.nonzero(plane == k)
            away, _ = tree.query(np.column_stack([np.full(len(y), z), y, x]) * spacing_um)
            far = away > recipe.far_um
            cleaned[z, y[far], x[far]] = blank
    return cleaned, {"far": _difference(mask, cleaned, classes)}


def centres_of(
    cuts: Iterable[tuple[Sequence[int], Mask]], classes: ClassMap, spacing_um: Spacing, recipe: MeasureConfig
) -> dict[int, Points]:
    """Centres (N, 3) in um of each cleaned class in some bumps, each given by the first voxel of its box and its mask."""
    found: dict[int, list[Points]] = {}
    for first, cut in cuts:
        for k in _parts(classes, recipe):
            counts = plane_counts(cut, k)
            if counts[0].any():
                found.setdefault(k, []).append(
                    mean_index(counts) * spacing_um + np.multiply(first, spacing_um)
                )
    return {k: np.stack(at) for k, at in found.items()}


def _parts(classes: ClassMap, recipe: MeasureConfig) -> list[int]:
    """Ids of solder, pillar and pad, as far as there are such foreground classes; a later one overrides an earlier one."""
    names = (recipe.solder_class, recipe.pillar_class, recipe.pad_class)
    solid = classes.ids_with_role(Role.FOREGROUND)
    return [k for k in (classes.id_of(n) for n in names if n in classes.names) if k in solid]


def _closed(mask: Mask, classes: ClassMap, recipe: MeasureConfig) -> Mask:
    """Solder, pillar and pad closed class by class; where they then meet, pad goes before pillar and pillar before solder.

    Background that is closed in is no gap but a hole, and stays one.
    """
    ids, steps = _parts(classes, recipe), recipe.closing_voxels
    kept, mask = mask, _holes_made(mask, classes, UNLABELLED)
    open_to = np.isin(np.arange(256), [*ids, *classes.ids_with_role(Role.BACKGROUND)])
    closed, halo = mask.copy(), 2 * steps
    length = max(1, SLAB_VOXELS // max(1, mask.shape[1] * mask.shape[2]))
    for start in range(0, len(mask), length):
        low = max(0, start - halo)
        block = mask[low : start + length + halo]
        own = slice(start - low, start - low + length)
        target = closed[start : start + length]
        for k in ids:
            target[closing(block == k, steps)[own] & open_to[block[own]]] = k
    np.copyto(closed, kept, where=mask != kept)
    return closed


def closing(part: Part, steps: int) -> Part:
    """Binary closing of a part (z, y, x) by so many steps to face neighbours; outside the array there is nothing of the part."""
    wider = np.pad(part, steps)
    for _ in range(steps):
        wider = grown(wider)
    outside = ~wider
    for _ in range(steps):
        outside = grown(outside)
    inner = slice(steps, -steps)
    return ~outside[inner, inner, inner]


def _filled(mask: Mask, classes: ClassMap, recipe: MeasureConfig) -> Mask:
    """Background that nowhere reaches the edge of the mask made void."""
    return _holes_made(mask, classes, min(classes.ids_with_role(Role.VOID)))


def _holes_made(mask: Mask, classes: ClassMap, class_id: int) -> Mask:
    """Background that nowhere reaches the edge of the mask made of a class; it connects over faces, and over what is unlabelled."""
    background, filled = classes.ids_with_role(Role.BACKGROUND), mask.copy()
    pieces = air_of(mask, classes)
    for k in inside_of(pieces):
        crop = filled[pieces.box(k)]
        crop[pieces.own(k) & np.isin(crop, background)] = class_id
    return filled


def open_unlabelled(mask: Mask, classes: ClassMap) -> Part:
    """Which voxels of a mask (z, y, x) are unlabelled and not closed in."""
    there: Part = mask == UNLABELLED
    pieces = air_of(mask, classes)
    for k in inside_of(pieces):
        there[pieces.box(k)] &= ~pieces.own(k)
    return there


def _difference(before: Mask, after: Mask, classes: ClassMap) -> dict[str, int]:
    gains = np.subtract(count_classes(after, len(classes)), count_classes(before, len(classes)))[1:]
    return {name: int(n) for name, n in zip(classes.names, gains, strict=True) if n}
