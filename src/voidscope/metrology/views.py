"""What a model's views of a scan, one mirror image each, call otherwise than its mask, kept block by block.

A bump's share of the spread of a model is needed as well as the scan's, and bumps are found only when the mask is measured. So
differences are counted in blocks of `TILE` voxels, and a bump has those of every block that its box meets. Over the whole scan
the counts are exact; for a bump nothing is left out, but what is disputed less than a block beyond its box counts too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

TILE = 16
"""Edge of a block in voxels."""

Differences = npt.NDArray[np.integer]
"""(V, C): voxels that each view alone gives each class, less those the mask gives it."""


@dataclass(frozen=True)
class Views:
    """V views of a scan in blocks.

    Attributes
    ----------
    blocks : (V, n_z, n_y, n_x, C) integers, voxels of each class by each view alone less those of the mask, in each block
    """

    blocks: npt.NDArray[np.integer]

    @classmethod
    def none(cls, n_classes: int) -> Self:
        """Of a model that looks once."""
        return cls(np.zeros((0, 0, 0, 0, n_classes), np.int32))

    def everywhere(self) -> Differences:
        """Over the whole scan, (V, C)."""
        return np.asarray(self.blocks.sum(axis=(1, 2, 3), dtype=np.int64))

    def within(self, box: Sequence[tuple[int, int]]) -> Differences:
        """Over the blocks that a box meets, given by its first and one past its last voxel along z, y, x; (V, C)."""
        z, y, x = (slice(a // TILE, -(-b // TILE)) for a, b in box)
        return np.asarray(self.blocks[:, z, y, x].sum(axis=(1, 2, 3), dtype=np.int64))
