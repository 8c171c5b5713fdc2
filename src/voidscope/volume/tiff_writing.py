"""Volumes as TIFF bytes, for masks, label volumes and simulated scans."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt

from voidscope.errors import VolumeError
from voidscope.volume.volumes import Spacing, check_spacing

STORED_AS = {
    "bool": "uint8",
    "float16": "float32",
    "uint8": "uint8",
    "uint16": "uint16",
    "float32": "float32",
}
"""Number types that ImageJ's TIFF can hold, and the next wider one for those it cannot; no value changes."""


def tiff_bytes(array: npt.NDArray[Any], spacing_um: Spacing | None) -> bytes:
    """A scan or mask (z, y, x) as a zlib-compressed ImageJ TIFF, spacing inside; equal input gives equal bytes.

    ImageJ, Fiji, napari, Dragonfly and `read_scan` read it back with the same shape, values and spacing (x and y
    to six digits). Booleans are stored as uint8, float16 as float32.

    Raises
    ------
    VolumeError : another number of axes than three, no voxels, a number type ImageJ does not know.
    """
    import tifffile

    if array.ndim != 3 or 0 in array.shape:
        raise VolumeError(f"An array of shape {array.shape} cannot be saved as a scan; it must be (z, y, x).")
    if array.dtype.name not in STORED_AS:
        raise VolumeError(
            f"{array.dtype} voxels cannot be saved; convert them to one of {', '.join(STORED_AS)}."
        )
    check_spacing(spacing_um, "The scan to be saved")
    z, y, x = array.shape
    stored = np.ascontiguousarray(array, dtype=STORED_AS[array.dtype.name]).reshape(1, z, 1, y, x, 1)
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer, stored, imagej=True, byteorder="<", photometric="minisblack", compression="zlib",
        software="voidscope", **_calibration(spacing_um),
    )  # fmt: skip
    return buffer.getvalue()


def with_spacing(data: bytes, spacing_um: Spacing | None) -> bytes:
    """A TIFF that `tiff_bytes` made, with another spacing inside; its voxels are not even decoded."""
    import tifffile

    buffer = io.BytesIO(data)
    with tifffile.TiffFile(buffer, mode="r+") as file:
        like = tiff_bytes(np.zeros((len(file.pages), 1, 1), file.pages.first.dtype), spacing_um)
        with tifffile.TiffFile(io.BytesIO(like)) as model:
            for page, other in zip(file.pages, model.pages, strict=True):
                for name in ("XResolution", "YResolution", "ImageDescription"):
                    if name in page.tags and name in other.tags:
                        page.tags[name].overwrite(other.tags[name].value)
    return buffer.getvalue()


def _calibration(spacing_um: Spacing | None) -> dict[str, Any]:
    if spacing_um is None:
        return {"metadata": {"axes": "TZCYXS"}}
    z, y, x = (float(s) for s in spacing_um)
    return {"resolution": (1 / x, 1 / y), "metadata": {"axes": "TZCYXS", "spacing": z, "unit": "um"}}
