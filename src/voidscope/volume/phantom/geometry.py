"""Volumes of voxels, the bump's own frame in them, and the bodies everything is made of.

All lengths here are in voxels, z being the stack axis. Every body is a signed distance (negative inside), from which
come both the exact labels (its sign at the voxel centre) and soft material fractions (partial volume at its surface).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

Kind = Literal["logic", "memory"]
Shape = tuple[int, int, int]
Box = tuple[slice, slice, slice]
Field = npt.NDArray[np.float32]

BACKGROUND, PILLAR, SOLDER, VOID, PAD = range(5)
"""File ids of the classes."""


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


@dataclass(frozen=True)
class Frame:
    """Voxel coordinates (z, y, x) in a bump's own frame: z from the field's edge, y and x from its axis, tilted.

    Attributes
    ----------
    grid : own z, y and x of every voxel
    middle : voxel (z, y, x) about which the frame is tilted, on the bump's axis
    lean : slope of the axis along y and x
    """

    grid: tuple[Field, Field, Field]
    middle: tuple[float, float, float]
    lean: tuple[float, float]

    @property
    def shape(self) -> Shape:
        """Voxels (z, y, x)."""
        z, y, x = self.grid[0].shape
        return z, y, x

    def beside(self, dy: float, dx: float) -> Frame:
        """The frame of a bump that stands so far to the side, as straight as this one."""
        z, y, x = self.grid
        middle = (self.middle[0], self.middle[1] + dy, self.middle[2] + dx)
        return replace(self, grid=(z, y - np.float32(dy), x - np.float32(dx)), middle=middle)

    def near(self, point: npt.ArrayLike, reach: float) -> Box:
        """Voxels that surely hold all that is within `reach` of a point of the frame; may be none."""
        z, y, x = (float(v) for v in np.asarray(point))
        up = z - self.middle[0] - self.lean[0] * y - self.lean[1] * x
        at = (
            self.middle[0] + up,
            self.middle[1] + y + self.lean[0] * up,
            self.middle[2] + x + self.lean[1] * up,
        )
        reach += 2  # the tilt is undone to first order only, and a surface's partial volume reaches half a voxel further
        low = [max(0, int(np.floor(c - reach))) for c in at]
        high = [max(0, int(np.ceil(c + reach)) + 1) for c in at]
        return slice(low[0], high[0]), slice(low[1], high[1]), slice(low[2], high[2])


def random_shape(rng: np.random.Generator) -> Shape:
    """Voxels (z, y, x) such that coronal slices are 57-96 high, 51-96 wide and 48-82 in number (paper 4.1)."""
    return int(rng.integers(57, 97)), int(rng.integers(48, 83)), int(rng.integers(51, 97))


def random_frame(shape: Shape, off_centre_sd: float, lean_sd_deg: float, rng: np.random.Generator) -> Frame:
    """The frame of a bump about the middle of the field, off by some voxels and tilted by some degrees."""
    z, y, x = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in shape), indexing="ij")
    middle = (np.asarray(shape) - 1) / 2
    axis = middle[1] + rng.normal(0, off_centre_sd), middle[2] + rng.normal(0, off_centre_sd)
    y, x = y - np.float32(axis[0]), x - np.float32(axis[1])
    lean = np.deg2rad(rng.normal(0, lean_sd_deg, 2)).astype(np.float32)
    up = z - np.float32(middle[0])
    grid = (z + lean[0] * y + lean[1] * x, y - lean[0] * up, x - lean[1] * up)
    return Frame(grid, (float(middle[0]), *axis), (float(lean[0]), float(lean[1])))


def ellipsoid(grid: tuple[Field, Field, Field], centre: npt.ArrayLike, radii: npt.ArrayLike) -> Field:
    """Signed distance to an ellipsoid, exact for a sphere and first-order right near the surface otherwise."""
    c, r = np.asarray(centre, dtype=np.float32), np.asarray(radii, dtype=np.float32)
    parts = [(g - c[k]) / r[k] for k, g in enumerate(grid)]
    k0 = np.sqrt(sum(p**2 for p in parts))
    k1 = np.sqrt(sum((p / r[k]) ** 2 for k, p in enumerate(parts)))
    return np.asarray(np.where(k1 > 0, k0 * (k0 - 1) / np.maximum(k1, 1e-6), -r.min()), dtype=np.float32)


@dataclass(frozen=True)
class Ellipsoid:
    """A small body in a bump's frame, (z, y, x) in voxels."""

    centre: tuple[float, float, float]
    radii: tuple[float, float, float]


def union(bodies: list[Ellipsoid], frame: Frame) -> Field:
    """Signed distance to many small bodies, each looked at only near itself; infinite far from all."""
    found = np.full(frame.shape, np.inf, dtype=np.float32)
    for body in bodies:
        near = frame.near(body.centre, max(body.radii))
        z, y, x = (g[near] for g in frame.grid)
        if z.size:
            found[near] = np.minimum(found[near], ellipsoid((z, y, x), body.centre, body.radii))
    return found


def between(wall: Field, z: Field, low: float, high: float) -> Field:
    """Cut a body off below `low` and above `high`."""
    cut: Field = np.maximum(wall, np.maximum(np.float32(low) - z, z - np.float32(high)))
    return cut


def share(distance: Field) -> Field:
    """Share of a voxel inside a body whose surface is this far from the voxel's centre."""
    return np.asarray(np.clip(0.5 - distance, 0, 1), dtype=np.float32)
