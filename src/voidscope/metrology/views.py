"""What a model's views of a scan, one mirror image each, call otherwise than its mask, kept block by block.

A bump's share of the spread of a model is needed as well as the scan's, and bumps are found only when the mask is measured. So
differences are counted in blocks of `TILE` voxels, and a bump has those of every block that its box meets. Over the whole scan
the counts are exact; for a bump what is disputed less than a block beyond its box counts too. So that a neighbour's disputes do not cancel
its own, the one block that is disputed most stands for it where all together vary less.
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

    def within(self, box: Sequence[tuple[int, int]], void_ids: Sequence[int]) -> Differences:
        """Over the blocks that a box meets, given by its first and one past its last voxel along z, y, x; (V, C).

        Of one of them alone, where the voxels of the void classes vary more in it from view to view.
        """
        z, y, x = (slice(a // TILE, -(-b // TILE)) for a, b in box)
        met = self.blocks[:, z, y, x].astype(np.int64)
        together = met.sum(axis=(1, 2, 3))[:, None]
        if not len(met):
            return np.asarray(together[:, 0])
        each = np.concatenate([together, met.reshape(len(met), -1, met.shape[-1])], axis=1)
        void = each[..., [k - 1 for k in void_ids]].sum(axis=2)
        return np.asarray(each[:, int(void.std(axis=0).argmax())])
