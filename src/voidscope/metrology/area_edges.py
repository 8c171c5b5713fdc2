"""What the edges of voids do to a ratio of areas: how much lies above its line per voxel that all of them move outwards.

An area grows by its outline times the shift, voxels of a band by the voids' surface in it. Outline and surface are drawn along pixel
and voxel faces, of which a smooth one has pi/4 and 2/3, exactly so for a circle and a sphere on average over directions.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import pi

import numpy as np
import numpy.typing as npt

from voidscope.config import MeasureConfig
from voidscope.metrology.areas import AREAS, Levels, band_starts, seen_along, standing, worst_level
from voidscope.metrology.bodies import with_joint
from voidscope.metrology.pieces import Part
from voidscope.metrology.uncertainty import SMOOTH
from voidscope.vocabulary import ClassMap, Mask, Role

SMOOTH_OUTLINE = pi / 4
"""Circumference of a circle over the edges of its pixels: 2 pi r / 8 r."""

PROJECTED, WORST, PILLAR_SIDE, PAD_SIDE = AREAS


def area_edges(
    mask: Mask, classes: ClassMap, recipe: MeasureConfig, build_axis: str | None, names: Collection[str]
) -> dict[str, float]:
    """Voxels, or columns, above the line of some ratios of `AREAS` per voxel that the voids' edges move, by name.

    `mask` is (z, y, x), `build_axis` is z, y or x, with - in front where the pillar lies at the far end; without one there is nothing
    to say. Names of other measures are left out.
    """
    wanted = [name for name in AREAS if name in names]
    if build_axis is None or not wanted:
        return {}
    body = standing(with_joint(mask, classes, recipe), build_axis)
    hollow = np.isin(np.arange(256), classes.ids_with_role(Role.VOID))
    found: dict[str, float] = {}
    if PROJECTED in wanted or WORST in wanted:
        (shadow, _), counts = seen_along(body, classes)
        worst = hollow[body[worst_level(counts)]]
        areas = ((PROJECTED, shadow), (WORST, worst))
        found = {name: SMOOTH_OUTLINE * _outline(area) for name, area in areas if name in wanted}
    for name, wall, stood in (
        (PILLAR_SIDE, recipe.pillar_class, body),
        (PAD_SIDE, recipe.pad_class, body[::-1]),
    ):
        if name in wanted and wall in classes.names and recipe.solder_class in classes.names:
            starts = band_starts(stood, classes, wall, recipe)
            found[name] = SMOOTH * _faces(stood, hollow, starts, recipe.band_voxels)
    return found


def _outline(area: Part) -> int:
    """Pixel edges between an area (h, w) and the rest."""
    return int(np.count_nonzero(area[1:] != area[:-1]) + np.count_nonzero(area[:, 1:] != area[:, :-1]))


def _faces(body: Mask, hollow: Part, starts: Levels, band: int) -> int:
    """Voxel faces between void that lies in the `band` voxels from a level of each column (h, w) on, 0 where there are none, and what is no void."""
    y, x = np.nonzero(starts)
    at = np.array([(starts[y, x] + k, y, x) for k in range(band)]).transpose(1, 0, 2).reshape(3, -1)
    at = at[:, at[0] < len(body)]
    at = at[:, hollow[body[tuple(at)]]]
    return sum(_beside(body, hollow, at, step) for step in (*np.eye(3, dtype=int), *-np.eye(3, dtype=int)))


def _beside(body: Mask, hollow: Part, at: npt.NDArray[np.int64], step: Sequence[int]) -> int:
    """Voxels (3, N) whose neighbour a step away is there and no void."""
    there = at + np.asarray(step)[:, None]
    inside = ((there >= 0) & (there < np.array(body.shape)[:, None])).all(axis=0)
    return int(np.count_nonzero(~hollow[body[tuple(there[:, inside])]]))
