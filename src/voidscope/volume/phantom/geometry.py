"""The shape of one HBM micro-bump: pillar, solder, voids and, on memory dies, a pad, with random geometry.

All lengths here are in voxels, z being the stack axis. Every body is a signed distance (negative inside), from which
come both the exact labels (its sign at the voxel centre) and soft material fractions (partial volume at its surface).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Kind = Literal["logic", "memory"]
Shape = tuple[int, int, int]
Field = npt.NDArray[np.float32]

BACKGROUND, PILLAR, SOLDER, VOID, PAD = range(5)
"""File ids of the classes."""
WALL = 1.5
"""Solder left between a void and the solder's surface, at least."""


@dataclass(frozen=True)
class Bump:
    """One simulated structure.

    Attributes
    ----------
    labels : (z, y, x) uint8 file ids
    fractions : material -> share of each voxel, (z, y, x) in [0, 1]; what is missing to 1 is background
    """

    labels: npt.NDArray[np.uint8]
    fractions: dict[str, Field]


def random_shape(rng: np.random.Generator) -> Shape:
    """Voxels (z, y, x) such that coronal slices are 57-96 high, 51-96 wide and 48-82 in number (paper 4.1)."""
    return int(rng.integers(57, 97)), int(rng.integers(48, 83)), int(rng.integers(51, 97))


def random_bump(kind: Kind, shape: Shape, rng: np.random.Generator, void_level: float | None = None) -> Bump:
    """A micro-bump standing in a volume of this shape.

    `void_level` scales the number and size of the voids: 0 is none, 1 ordinary; None draws it.
    """
    z, y, x = _tilted_grid(shape, rng)
    height, radius = shape[0], min(shape[1:]) * rng.uniform(0.28, 0.38)
    foot, shoulder, top = height * np.cumsum(
        [rng.uniform(0.06, 0.16), rng.uniform(0.28, 0.4), rng.uniform(0.16, 0.26)]
    )
    pillar = _cylinder(z, np.hypot(y, x), foot, shoulder, radius)
    solder = _solder(z, y, x, shoulder, top, radius, rng)
    bodies = {"pillar": pillar, "solder": solder}
    if kind == "memory":
        across = np.hypot(y - rng.normal(0, 0.05) * radius, x - rng.normal(0, 0.05) * radius)
        bodies["pad"] = _cylinder(
            z,
            across,
            top,
            min(top + height * rng.uniform(0.1, 0.18), height * 0.94),
            radius * rng.uniform(0.95, 1.2),
        )
    level = _void_level(rng) if void_level is None else void_level
    voids = _voids(solder, (z, y, x), (shoulder, top, radius), level, rng)
    return _assemble(bodies, voids)


def ellipsoid(grid: tuple[Field, Field, Field], centre: npt.ArrayLike, radii: npt.ArrayLike) -> Field:
    """Signed distance to an ellipsoid, exact for a sphere and first-order right near the surface otherwise."""
    c, r = np.asarray(centre, dtype=np.float32), np.asarray(radii, dtype=np.float32)
    parts = [(g - c[k]) / r[k] for k, g in enumerate(grid)]
    k0 = np.sqrt(sum(p**2 for p in parts))
    k1 = np.sqrt(sum((p / r[k]) ** 2 for k, p in enumerate(parts)))
    return np.asarray(np.where(k1 > 0, k0 * (k0 - 1) / np.maximum(k1, 1e-6), -r.min()), dtype=np.float32)


def _tilted_grid(shape: Shape, rng: np.random.Generator) -> tuple[Field, Field, Field]:
    """Voxel coordinates in the bump's own frame: z from its foot, y and x from its axis, tilted by some degrees."""
    z, y, x = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in shape), indexing="ij")
    middle = (np.asarray(shape) - 1) / 2
    y, x = y - np.float32(middle[1] + rng.normal(0, 1.5)), x - np.float32(middle[2] + rng.normal(0, 1.5))
    lean = np.deg2rad(rng.normal(0, 1.8, 2)).astype(np.float32)
    up = z - np.float32(middle[0])
    return z + lean[0] * y + lean[1] * x, y - lean[0] * up, x - lean[1] * up


def _cylinder(z: Field, across: Field, low: float, high: float, radius: float) -> Field:
    return _between(across - np.float32(radius), z, low, high)


def _solder(
    z: Field, y: Field, x: Field, low: float, high: float, radius: float, rng: np.random.Generator
) -> Field:
    """A barrel between pillar and die: bulging or squeezed, sometimes pressed out to one side."""
    t = np.clip((z - low) / (high - low), 0, 1).astype(np.float32)
    arch = 4 * t * (1 - t)
    bulge = rng.uniform(-0.06, 0.2)
    extrusion = rng.choice([0.0, rng.uniform(0.05, 0.3)], p=[0.75, 0.25])
    towards = rng.uniform(0, 2 * np.pi)
    side = np.maximum(0, np.cos(np.arctan2(y, x) - towards)) ** 4
    wobble = 1 + 0.02 * np.cos(3 * np.arctan2(y, x) + rng.uniform(0, 6.3))
    wall = radius * wobble * (1 + (bulge + extrusion * side) * arch)
    return _between(np.hypot(y, x) - wall.astype(np.float32), z, low, high)


def _between(wall: Field, z: Field, low: float, high: float) -> Field:
    """Cut a body off below `low` and above `high`."""
    cut: Field = np.maximum(wall, np.maximum(np.float32(low) - z, z - np.float32(high)))
    return cut


def _void_level(rng: np.random.Generator) -> float:
    """Four scans in ten are free of voids; of the others some are mild and some bad."""
    return float(rng.choice([0.0, rng.uniform(0.4, 1.0), rng.uniform(1.0, 2.2)], p=[0.4, 0.35, 0.25]))


def _voids(
    solder: Field,
    grid: tuple[Field, Field, Field],
    frame: tuple[float, float, float],
    level: float,
    rng: np.random.Generator,
) -> Field:
    """Union of ellipsoids with a wobbly surface, kept `WALL` inside the solder."""
    low, high, radius = frame
    found = np.full(solder.shape, np.inf, dtype=np.float32)
    for k in range(rng.poisson(6 * level) + (1 if level else 0)):
        size = rng.lognormal(np.log(2.4), 0.4) if k else rng.uniform(3.0, 6.0) * level
        distance, angle = radius * 0.85 * np.sqrt(rng.random()), rng.uniform(0, 2 * np.pi)
        centre = (
            rng.uniform(low + size, max(high - size, low + size + 0.1)),
            distance * np.sin(angle),
            distance * np.cos(angle),
        )
        found = np.minimum(found, ellipsoid(grid, centre, size * rng.uniform(0.75, 1.35, 3)))
    inside: Field = np.maximum(found, solder + np.float32(WALL))
    return inside


def _assemble(bodies: dict[str, Field], voids: Field) -> Bump:
    """Labels and fractions; where bodies overlap, pillar and pad go before solder, and voids only empty the solder."""
    copper = bodies["pillar"] if "pad" not in bodies else np.minimum(bodies["pillar"], bodies["pad"])
    labels = np.zeros(voids.shape, dtype=np.uint8)
    labels[bodies["solder"] < 0] = SOLDER
    labels[(voids < 0) & (bodies["solder"] < 0)] = VOID
    labels[bodies["pillar"] < 0] = PILLAR
    if "pad" in bodies:
        labels[bodies["pad"] < 0] = PAD
    cu = _share(copper)
    void = _share(voids)
    tin = np.minimum(_share(bodies["solder"]), 1 - cu) * (1 - void)
    return Bump(labels, {"copper": cu, "solder": tin, "void": void * (1 - cu)})


def _share(distance: Field) -> Field:
    """Share of a voxel inside a body whose surface is this far from the voxel's centre."""
    return np.asarray(np.clip(0.5 - distance, 0, 1), dtype=np.float32)
