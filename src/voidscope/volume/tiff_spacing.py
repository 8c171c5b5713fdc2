"""Voxel spacing in um from what a TIFF says: OME attributes, ImageJ calibration, or the resolution tags."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any

from voidscope.volume.volumes import Spacing

UM_PER_UNIT: Mapping[str, float] = {
    "um": 1.0, "µm": 1.0, "μm": 1.0, "\\u00b5m": 1.0, "micron": 1.0, "microns": 1.0, "micrometer": 1.0,
    "micrometers": 1.0, "micrometre": 1.0, "micrometres": 1.0, "pm": 1e-6, "å": 1e-4, "angstrom": 1e-4,
    "nm": 1e-3, "nanometer": 1e-3, "nanometers": 1e-3, "nanometre": 1e-3, "nanometres": 1e-3,
    "mm": 1e3, "millimeter": 1e3, "millimeters": 1e3, "millimetre": 1e3, "millimetres": 1e3,
    "cm": 1e4, "centimeter": 1e4, "centimetre": 1e4, "m": 1e6, "meter": 1e6, "metre": 1e6,
    "inch": 25_400.0, "in": 25_400.0,
}  # fmt: skip
"""Length units as OME and ImageJ write them, in lower case (ImageJ escapes the micro sign)."""

PRINTER_DPI = (72, 75, 96, 100, 120, 150, 200, 240, 300, 400, 600, 1200)
"""Resolutions that image programs fill in without having measured anything."""

CUBES = {"spacing_note": "the file gives the pixel size only; z taken to be equal to y"}
"""Metadata where a plain TIFF, which has no tag for z, is read as cubic voxels, as X-ray volumes are."""


def spacing_of(tif: Any, depth: int) -> tuple[Spacing | None, dict[str, str | float | int | bool]]:
    """The spacing (z, y, x) in um a TIFF of `depth` slices says, or None, and metadata on how far to trust it.

    A single image has no z spacing of its own and gets that of y. A stack whose format can say z but does not
    has no spacing; ImageJ leaves z out exactly when it is 1.
    """
    if tif.is_ome:
        found = _complete(_ome(tif.ome_metadata), depth)
    elif tif.is_imagej:
        found = _complete(_imagej(tif), depth)
    else:
        found = None
    if found is not None:
        return found, {}
    plain = _centimetres(tif.pages[0])
    cubic = plain is not None and (depth == 1 or math.isclose(*plain, rel_tol=1e-4))
    if plain is None or not cubic:
        return None, {}
    return (plain[0], *plain), {} if depth == 1 else dict(CUBES)


def _complete(lengths: tuple[float | None, float | None, float | None], depth: int) -> Spacing | None:
    z, y, x = (v if v is not None and math.isfinite(v) and v > 0 else None for v in lengths)
    z = y if z is None and depth == 1 else z
    return None if z is None or y is None or x is None else (z, y, x)


def _ome(text: str) -> tuple[float | None, float | None, float | None]:
    """PhysicalSizeZ, Y, X of the first Pixels element; OME's default unit is um."""
    try:
        elements = ET.fromstring(text).iter()
    except (ET.ParseError, ValueError):
        return None, None, None
    said = next((dict(e.attrib) for e in elements if e.tag.rpartition("}")[2] == "Pixels"), {})
    z, y, x = (_length(said.get(f"PhysicalSize{a}"), said.get(f"PhysicalSize{a}Unit", "µm")) for a in "ZYX")
    return z, y, x


def _imagej(tif: Any) -> tuple[float | None, float | None, float | None]:
    """ImageJ's spacing (z) and the inverse resolution tags (y, x), in its unit."""
    said = tif.imagej_metadata or {}
    unit = str(said.get("unit", ""))
    y, x = (
        _length(_inverse(tif.pages[0], f"{a}Resolution"), said.get(f"{a.lower()}unit", unit)) for a in "YX"
    )
    one_each_way = y is not None and y == x == _length(1.0, unit)
    return _length(said.get("spacing", 1.0 if one_each_way else None), said.get("zunit", unit)), y, x


def _centimetres(page: Any) -> tuple[float, float] | None:
    """Pixel size (y, x) in um of a page in pixels per centimetre, unless it is a printer's resolution."""
    unit = page.tags.get("ResolutionUnit")
    y, x = (_length(_inverse(page, f"{a}Resolution"), "cm") for a in "YX")
    if unit is None or int(unit.value) != 3 or y is None or x is None:
        return None
    printed = any(math.isclose(25_400 / s, dpi, rel_tol=0.01) for s in (y, x) for dpi in PRINTER_DPI)
    return None if printed or not all(0 < s < 1000 for s in (y, x)) else (y, x)


def _inverse(page: Any, tag: str) -> float | None:
    """Units per pixel from a resolution tag (pixels per unit, a fraction of integers good to six digits)."""
    if tag not in page.tags:
        return None
    pixels, units = page.tags[tag].value
    return float(f"{units / pixels:.6g}") if pixels and units else None


def _length(value: Any, unit: object) -> float | None:
    """A length in um, or None where the value is no number or the unit no length (``pixel``)."""
    factor = UM_PER_UNIT.get(str(unit).strip().lower())
    try:
        return None if factor is None or value is None else _tidy(float(value) * factor)
    except (TypeError, ValueError):
        return None


def _tidy(value: float) -> float:
    """Free of the last digits' noise that a change of units leaves (0.7 nm in um is 0.0007)."""
    return float(f"{value:.12g}")
