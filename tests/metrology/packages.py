"""Packages of cylindrical bumps of known place, size and void, leaning if asked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metrology.masks import BACKGROUND, PILLAR, SOLDER, VOID

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Package:
    """A mask (z, y, x) and, on the same grid, the number of the bump each voxel is of, from 1; 0 is background."""

    mask: np.ndarray
    truth: np.ndarray


def package(
    shape: tuple[int, int, int],
    centres: list[tuple[float, float]],
    radii: list[float],
    *,
    lean: tuple[float, float] = (0.0, 0.0),
    spacing: Triple = (1.0, 1.0, 1.0),
    voids: dict[int, float] | None = None,
) -> Package:
    """Upright (or leaning) cylinders about axes through `centres` (y, x) at half height, in um.

    Pillar from a tenth to half the height, solder from there to nine tenths. `voids` are radii of balls in the middle of the
    solder, by the index of the bump. A voxel in two cylinders (where they just touch) is of the nearer axis.
    """
    z, y, x = np.meshgrid(
        *((np.arange(n) + 0.5) * s for n, s in zip(shape, spacing, strict=True)), indexing="ij"
    )
    height = shape[0] * spacing[0]
    u = np.array([1.0, *lean]) / np.linalg.norm([1.0, *lean])
    mask, truth = np.full(shape, BACKGROUND, np.uint8), np.zeros(shape, np.int64)
    nearest = np.full(shape, np.inf)
    for k, ((cy, cx), radius) in enumerate(zip(centres, radii, strict=True)):
        off = np.stack([z - height / 2, y - cy, x - cx], axis=-1)
        along = off @ u
        across = np.linalg.norm(off - along[..., None] * u, axis=-1) - radius
        inside = (across <= 0) & (z > 0.1 * height) & (z < 0.9 * height) & (across < nearest)
        nearest[inside] = across[inside]
        mask[inside & (z < 0.5 * height)], mask[inside & (z >= 0.5 * height)] = PILLAR, SOLDER
        truth[inside] = k + 1
        if voids and k in voids:
            at = np.array([0.7 * height, cy + lean[0] * 0.2 * height, cx + lean[1] * 0.2 * height])
            ball = sum((g - a) ** 2 for g, a in zip((z, y, x), at, strict=True)) <= voids[k] ** 2
            mask[ball & inside] = VOID
    return Package(mask, truth)


def rows(n_rows: int, n_columns: int, pitch: float, first: float) -> list[tuple[float, float]]:
    """Centres (y, x) of a square grid, rows first."""
    return [(first + pitch * r, first + pitch * c) for r in range(n_rows) for c in range(n_columns)]
