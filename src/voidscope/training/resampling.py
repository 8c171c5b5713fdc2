"""Antialiased bilinear resizing of a whole batch as two matrix products: Y = Wy X Wx^T.

Each output pixel is the mean of the source under a triangle as wide as a pixel of the coarser of the two grids, as in
Pillow. Every sample has its own window, magnification and mirroring, so a batch of different crops is one product.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from voidscope.training.pool import Indices, SlicePool

FAR = 1e9
"""Farther than any triangle reaches, in half-widths."""
Reals = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Axis:
    """Where each output pixel of a batch of B samples lies along one axis of its source.

    Attributes
    ----------
    centres : (B, out) output pixel centres in source pixels from the source's edge; source pixel k covers [k, k + 1]
    scale : (B,) source pixels per output pixel
    low, high : (B,) first source pixel that counts, and the one after the last
    inside : (B, out) whether there is a source at an output pixel; the others are padding
    """

    centres: Reals
    scale: Reals
    low: Indices
    high: Indices
    inside: npt.NDArray[np.bool_]

    @property
    def nearest(self) -> Indices:
        """(B, out) the source pixel each output pixel lies in, for labels; padding points at the nearest edge."""
        return _within(np.floor(self.centres).astype(np.int64), self.low, self.high)

    def window(self) -> tuple[Indices, Indices]:
        """First source pixel (B,) that any output pixel needs, and as many indices (B, n) from there on as needed."""
        reach = np.maximum(self.scale, 1.0)
        ends = np.where(self.inside, self.centres, np.nan)
        start = np.floor(np.nanmin(ends, axis=1) - reach).astype(np.int64)
        stop = np.ceil(np.nanmax(ends, axis=1) + reach).astype(np.int64)
        start, stop = np.maximum(start, self.low), np.minimum(stop, self.high)
        indices = start[:, None] + np.arange(int((stop - start).max()))
        return start, _within(indices, self.low, self.high)


def resize(pool: SlicePool, which: Indices, rows: Axis, columns: Axis) -> torch.Tensor:
    """Resampled slices `which`, (B, out_y, out_x) float32; padding is 0."""
    (top, row_indices), (left, column_indices) = rows.window(), columns.window()
    source = pool.rows(which, row_indices, left, column_indices.shape[1]).float()
    down = _triangles(pool, rows, top, row_indices.shape[1])
    across = _triangles(pool, columns, left, column_indices.shape[1])
    return torch.bmm(torch.bmm(down, source), across.transpose(1, 2))


def inside(pool: SlicePool, rows: Axis, columns: Axis) -> torch.Tensor:
    """(B, out_y, out_x) whether an output pixel has a source."""
    return pool.put(rows.inside)[:, :, None] & pool.put(columns.inside)[:, None, :]


def _triangles(pool: SlicePool, axis: Axis, start: Indices, n: int) -> torch.Tensor:
    """Weights (B, out, n) of n source pixels from `start` for each output pixel; each row sums to 1, or to 0 in padding.

    Distances are in triangle half-widths; what must not count is put out of reach.
    """
    reach = np.maximum(axis.scale, 1.0)[:, None]
    k = np.arange(n)
    sources = np.where(k < (axis.high - start)[:, None], (k + 0.5) / reach, FAR)
    centres = np.where(axis.inside, (axis.centres - start[:, None]) / reach, -FAR)
    weights = _single(pool, sources)[:, None, :] - _single(pool, centres)[:, :, None]
    weights.abs_().neg_().add_(1).clamp_min_(0)
    return weights.div_(weights.sum(2, keepdim=True).clamp_min_(torch.finfo(torch.float32).tiny))


def _single(pool: SlicePool, values: Reals) -> torch.Tensor:
    return pool.put(values.astype(np.float32))


def _within(indices: Indices, low: Indices, high: Indices) -> Indices:
    clipped: Indices = np.clip(indices, low[:, None], high[:, None] - 1)
    return clipped
