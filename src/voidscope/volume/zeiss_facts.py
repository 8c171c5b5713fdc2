"""The facts of a Zeiss file worth keeping: an allow-list, because the files also hold settings and passwords."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from typing import Any

NUMBERS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "images_planned": (("ImageInfo/NoOfImages",), "<i"),
    "images_taken": (("ImageInfo/ImagesTaken",), "<i"),
    "voltage_kv": (("ImageInfo/XrayVoltage", "ImageInfo/Voltage"), "<f"),
    "current_ua": (("ImageInfo/XrayCurrent", "ImageInfo/Current"), "<f"),
    "energy_ev": (("ImageInfo/Energy",), "<f"),
    "exposure_s": (("ImageInfo/ExpTimes",), "<f"),
    "camera_binning": (("ImageInfo/CameraBinning", "ImageInfo/HorizontalBin"), "<i"),
    "optical_magnification": (("ImageInfo/OpticalMagnification",), "<f"),
    "source_distance_mm": (("ImageInfo/StoRADistance",), "<f"),
    "detector_distance_mm": (("ImageInfo/DtoRADistance",), "<f"),
    "pixel_size_um": (("ImageInfo/PixelSize",), "<f"),
    "beam_hardening": (("ReconSettings/BeamHardening",), "<f"),
    "centre_shift_px": (("ReconSettings/CenterShift",), "<f"),
    "zeiss_version": (("Version",), "<f"),
}  # fmt: skip
"""Metadata name -> streams that hold it, the first present one wins, and their number format."""

TEXTS: Mapping[str, str] = {
    "date": "ImageInfo/Date",
    "objective": "ImageInfo/ObjectiveName",
    "source_filter": "ImageInfo/SourceFilterName",
}
"""Metadata name -> stream of NUL-terminated text."""

MOST_BYTES = 1 << 20
"""Streams longer than this are not facts; they are not read."""


def facts(ole: Any) -> dict[str, str | float | int | bool]:
    """The allow-listed facts of an open OLE file; what is absent, empty or 0 (not recorded) is left out."""
    found: dict[str, str | float | int | bool] = {"y_flipped": True}
    for key, (streams, number_format) in NUMBERS.items():
        value = next((v for s in streams if (v := number(ole, s, number_format)) is not None), None)
        if value:
            found[key] = value
    for key, stream in TEXTS.items():
        if text := _text(ole, stream):
            found[key] = text
    return found


def number(ole: Any, stream: str, number_format: str = "<i") -> int | float | None:
    """The first number of a stream, or None where there is no such stream or it is not finite."""
    data = _bytes(ole, stream)
    if len(data) < struct.calcsize(number_format):
        return None
    value: int | float = struct.unpack_from(number_format, data)[0]
    if isinstance(value, int):
        return value
    return float(f"{value:.7g}") if math.isfinite(value) else None


def _text(ole: Any, stream: str) -> str:
    text = _bytes(ole, stream).split(b"\0")[0].decode("utf-8", errors="replace")
    return "".join(c for c in text if c.isprintable()).strip()[:200]


def _bytes(ole: Any, stream: str) -> bytes:
    if not ole.exists(stream) or ole.get_type(stream) != 2 or ole.get_size(stream) > MOST_BYTES:
        return b""
    return bytes(ole.openstream(stream).read())
