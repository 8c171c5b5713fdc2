"""Pictures for the report: a slice beside the same slice with its mask."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from voidscope.metrology import scale_bar
from voidscope.vocabulary import ClassMap, Mask, Role

SMALLEST_SIDE = 240
"""Slices are magnified by a whole factor to at least this many pixels."""
LARGEST_SIDE = 1000
"""Of larger slices only every n-th pixel is drawn, so that a report of many scans stays small enough to send."""


def overlay_png(
    image: npt.NDArray[np.float32],
    mask: Mask,
    classes: ClassMap,
    spacing_um: tuple[float, float] | None = None,
) -> bytes:
    """PNG of a slice (h, w) in [0, 1], left as it is, right with its classes in their colours.

    With `spacing_um`, of its rows and columns, lengths are as long along both, and a scale bar says how long.
    """
    import imagecodecs

    every = max(1, -(-max(image.shape) // LARGEST_SIDE))
    image, mask = image[::every, ::every], mask[::every, ::every]
    grey = np.repeat(image[..., None], 3, axis=2)
    colours = np.array([[0, 0, 0], *(c.rgb for c in classes.classes)], dtype=np.float32)
    strength = np.array(
        [0, *(0.0 if c.role is Role.BACKGROUND else 0.55 for c in classes.classes)], dtype=np.float32
    )
    share = strength[mask][..., None]
    gap = np.ones((image.shape[0], 2, 3), dtype=np.float32)
    both = np.concatenate([grey, gap, grey * (1 - share) + colours[mask] * share], axis=1)
    steps = np.array(spacing_um or (1.0, 1.0)) / min(spacing_um or (1.0,))
    factor = max(1, int(-(-SMALLEST_SIDE // (steps * image.shape).min())))
    rows, columns = (_magnified(n, factor * step) for n, step in zip(both.shape, steps, strict=False))
    pixels = (both * 255).round().astype(np.uint8)[rows][:, columns]
    if spacing_um is not None:
        width = int(np.count_nonzero(columns < image.shape[1]))
        scale_bar.draw(pixels, spacing_um[1] * every * image.shape[1] / width, width)
    return bytes(imagecodecs.png_encode(np.ascontiguousarray(pixels)))


def _magnified(n: int, factor: float) -> npt.NDArray[np.int64]:
    """Which of n pixels each pixel of the picture shows."""
    size = max(1, round(n * factor))
    return np.arange(size) * n // size
