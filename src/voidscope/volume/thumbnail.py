"""A slice made small, to recognise it by in a list."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

WINDOW_PX = 256
"""Of a larger slice only this much around a pixel is shown: whole, nobody would see a void in it."""


def thumbnail(
    image: npt.NDArray[np.floating], side: int, pixel: tuple[int, int] | None = None
) -> tuple[npt.NDArray[np.uint8], tuple[float, float]]:
    """A slice (h, w), scaled to [0, 1], in at most `side` pixels each way, by means over square blocks.

    Also where `pixel` (y, x), by default the middle, lies in it, as shares (y, x) of its height and width. Rows and columns
    left over by the blocks at the bottom and right are dropped. What is no number is black.
    """
    shape = image.shape
    at = pixel or (shape[0] // 2, shape[1] // 2)
    starts = [min(max(0, p - WINDOW_PX // 2), max(0, n - WINDOW_PX)) for p, n in zip(at, shape, strict=True)]
    part = image[tuple(slice(s, s + WINDOW_PX) for s in starts)]
    block = max(1, -(-max(part.shape) // side))
    height, width = (max(1, n // block) for n in part.shape)
    whole = part[: height * block, : width * block]
    rows, columns = (-(-n // m) for n, m in zip(whole.shape, (height, width), strict=True))
    small = whole.reshape(height, rows, width, columns).mean(axis=(1, 3), dtype=np.float64)
    grey = np.round(np.clip(np.nan_to_num(small, nan=0.0), 0, 1) * 255).astype(np.uint8)
    y, x = (
        min(1.0, (p - s + 0.5) / n)
        for p, s, n in zip(at, starts, (height * rows, width * columns), strict=True)
    )
    return grey, (y, x)
