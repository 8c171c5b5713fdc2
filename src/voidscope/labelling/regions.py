"""Parts of a slice that are labelled at once: the component under the cursor, the pixels as bright as one pointed at."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from voidscope.vocabulary import ClassMap, Mask, Role

Pixel = tuple[int, int]
REACH_PX = 3
"""Pixels to either side of the one pointed at that say what it is like."""
SPREADS = 3.0
"""Standard deviations of these that still count as like it."""
QUARTER = 0.3186
"""Standard deviations of normal noise within which a quarter of it lies."""
NARROWEST = 0.02
"""No range is narrower than this share of the scan's contrast to either side, however smooth the image."""


def component_at(mask: Mask, pixel: Pixel) -> npt.NDArray[np.bool_]:
    """The 8-connected pixels (h, w) of a mask with the class of `pixel` (y, x)."""
    from skimage.measure import label

    parts = label(mask == mask[pixel], connectivity=2)
    return np.asarray(parts == parts[pixel], dtype=np.bool_)


def background_id(classes: ClassMap) -> int:
    """The class that the rest of a slice is: the first background, or the first class where none is."""
    return min(classes.ids_with_role(Role.BACKGROUND), default=1)


def intensities_around(
    image: npt.NDArray[np.generic], pixel: Pixel, contrast: tuple[float, float]
) -> tuple[float, float]:
    """The range of intensities like that of a pixel (y, x) of a slice (h, w); `contrast` is the scan's own range.

    The pixel's intensity is the middle. The noise is read off the quarter of its neighbours that are most like it, so
    that a border near by or the rim of a small void does not count: a quarter of normal noise lies within 0.3186
    standard deviations.
    All of `contrast` where the pixel is no number.
    """
    low, high = contrast
    centre = float(image[pixel])
    if not np.isfinite(centre):
        return low, high
    y, x = pixel
    window = image[max(0, y - REACH_PX) : y + REACH_PX + 1, max(0, x - REACH_PX) : x + REACH_PX + 1]
    unlike = np.abs(np.asarray(window, dtype=np.float64) - centre)
    sigma = float(np.nanquantile(unlike, 0.25)) / QUARTER
    reach = max(NARROWEST * (high - low), SPREADS * sigma)
    return centre - reach, centre + reach


def outside_range(image: npt.NDArray[Any], limits: tuple[float, float]) -> npt.NDArray[np.bool_]:
    """Where intensities lie outside of `limits`, both ends being inside; NaN lies outside of any."""
    low, high = limits
    return np.asarray(~((image >= low) & (image <= high)), dtype=np.bool_)
