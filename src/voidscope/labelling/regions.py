"""Parts of a slice that are labelled at once: the component under the cursor, the pixels as bright as one pointed at."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from voidscope.vocabulary import ClassMap, Mask, Role

Pixel = tuple[int, int]
REACH_PX = 64
"""Pixels to either side of the one pointed at that say how noisy the image is there."""
LAG_PX = 2
"""Pixels apart that are compared for it: nearer ones are blurred into each other and differ by less than the noise."""
NEAR_PX = 3
"""Pixels to either side whose median, of those like it, is the middle of the range: the pixel itself may be noisy or on a border."""
SPREADS = 4.0
"""Standard deviations of the noise that still count as like it."""
DEVIATION = 1.4826
"""Standard deviations of normal noise in the median of its absolute values."""
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

    The middle is the median of the pixels beside it that are like it; the range ends where the image's own intensities do. The noise
    is that of the differences between pixels further around: a border counts for little, as long as most pixels have none near.
    All of `contrast` where the pixel is no number.
    """
    low, high = contrast
    centre = float(image[pixel])
    if not np.isfinite(centre):
        return low, high
    y, x = pixel
    around, near = (
        np.asarray(image[max(0, y - n) : y + n + 1, max(0, x - n) : x + n + 1], dtype=np.float64)
        for n in (REACH_PX, NEAR_PX)
    )
    reach = max(NARROWEST * (high - low), SPREADS * noise(around))
    middle = float(np.median(near[np.abs(near - centre) <= reach]))
    return max(middle - reach, float(np.nanmin(image))), min(middle + reach, float(np.nanmax(image)))


def noise(image: npt.NDArray[np.generic]) -> float:
    """The standard deviation of the noise of an image (h, w), in its unit, robust to borders; 0 where too few pixels tell.

    Half of normal differences of two pixels lie within 0.6745 * sqrt(2) standard deviations.
    """
    values = np.asarray(image, dtype=np.float64)
    apart = [values[LAG_PX:] - values[:-LAG_PX], values[:, LAG_PX:] - values[:, :-LAG_PX]]
    differences = np.abs(np.concatenate([a.ravel() for a in apart]))
    differences = differences[np.isfinite(differences)]
    return float(DEVIATION * np.median(differences) / np.sqrt(2)) if len(differences) else 0.0


def outside_range(image: npt.NDArray[Any], limits: tuple[float, float]) -> npt.NDArray[np.bool_]:
    """Where intensities lie outside of `limits`, both ends being inside; NaN lies outside of any."""
    low, high = limits
    return np.asarray(~((image >= low) & (image <= high)), dtype=np.bool_)
