"""Masks of known content that the metrology tests measure."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from voidscope.config import MeasureConfig
from voidscope.vocabulary import ClassMap

HBM = ClassMap.hbm()
BACKGROUND, PILLAR, SOLDER, VOID, PAD = range(1, 6)
NO_PILLAR = ClassMap.from_names(
    ["background:background", "die:foreground", "solder:foreground", "void:void", "copper_pad:foreground"]
)
"""The same ids; solder alone is no half of a bump to it."""
RECIPE = MeasureConfig()
OFF_GRID = (0.31, 0.17, 0.43)
"""Centres of round phantoms lie between voxels, as real voids do: a centred ball is no fair sample of balls."""

masks = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=3, max_dims=3, max_side=7), elements=st.integers(0, 5))
"""Any small mask of HBM classes, unlabelled voxels included."""


def block(shape: tuple[int, int, int] = (12, 12, 12)) -> np.ndarray:
    """Solder surrounded by background."""
    mask = np.full(shape, BACKGROUND, np.uint8)
    mask[2:-2, 2:-2, 2:-2] = SOLDER
    return mask


def grid_um(half_um: float, spacing: tuple[float, float, float]) -> list[np.ndarray]:
    """z, y, x in um of a grid that reaches at least `half_um` to each side, its middle off the voxel centres."""
    half = [math.ceil(half_um / s) + 2 for s in spacing]
    axes = ((np.arange(-h, h + 1) + o) * s for h, s, o in zip(half, spacing, OFF_GRID, strict=True))
    return list(np.meshgrid(*axes, indexing="ij"))


def middle_um(shape: tuple[int, ...], spacing: tuple[float, float, float]) -> list[float]:
    """Where the origin of `grid_um` lies, measured as voids are: index times spacing."""
    return [((n - 1) / 2 - o) * s for n, s, o in zip(shape, spacing, OFF_GRID, strict=True)]
