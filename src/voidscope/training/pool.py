"""Slices of any sizes side by side on the device, so that a batch is cut out of them without a loader."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch

Indices = npt.NDArray[np.int64]


class SlicePool:
    """Slices kept in one flat tensor, each row after row; nothing is padded, whatever their sizes.

    Attributes
    ----------
    sizes : (N, 2) heights and widths in pixels
    """

    def __init__(self, slices: Sequence[npt.NDArray[Any]], dtype: torch.dtype, device: torch.device) -> None:
        self.sizes: Indices = np.array([s.shape for s in slices], dtype=np.int64).reshape(-1, 2)
        pixels = self.sizes.prod(axis=1)
        self._starts = np.concatenate(([0], np.cumsum(pixels)))[:-1]
        spare = int(self.sizes[:, 1].max(initial=0))
        self._flat = torch.zeros(int(pixels.sum()) + spare, dtype=dtype, device=device)
        for start, count, image in zip(self._starts, pixels, slices, strict=True):
            self._flat[start : start + count] = torch.from_numpy(np.ascontiguousarray(image)).flatten()

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def device(self) -> torch.device:
        """Where the slices lie."""
        return self._flat.device

    def to(self, device: torch.device) -> Self:
        """Move all slices to another device."""
        self._flat = self._flat.to(device)
        return self

    def cut(self, which: Indices, rows: Indices, columns: Indices) -> torch.Tensor:
        """Pixels (B, h, w) of the slices `which` (B,) at rows (B, h) and columns (B, w), all inside their slice."""
        row_starts = self._starts[which, None] + rows * self.sizes[which, 1, None]
        across = self.put(row_starts)[:, :, None] + self.put(columns)[:, None, :]
        return self._flat[across]

    def rows(self, which: Indices, rows: Indices, left: Indices, n: int) -> torch.Tensor:
        """`n` pixels (B, h, n) of the slices `which` (B,) from `left` (B,) on in rows (B, h), which are copied whole.

        Where a row ends earlier, what follows is arbitrary but finite; `n` is at most the width of the widest slice.
        """
        starts = self._starts[which, None] + rows * self.sizes[which, 1, None] + left[:, None]
        every_run = self._flat.as_strided((len(self._flat) - n + 1, n), (1, 1))
        return every_run[self.put(starts)]

    def put(self, array: npt.NDArray[Any]) -> torch.Tensor:
        """A NumPy array as a tensor beside the slices."""
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)
