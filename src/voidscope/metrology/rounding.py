"""How a value and its uncertainty are written: two digits of the uncertainty, and the value to the same place (JCGM 100, 7.2.6); and
whether it lies beyond a limit, for what a sum of floats makes of a value that is the limit is no reason to fail it.
"""

from __future__ import annotations

import math

POINTS = "pp"
"""Percentage points, the unit of the uncertainty of a value in percent: 5.7 % ± 1.8 pp is from 3.9 % to 7.5 %."""
PLACES = 9
"""No value is written with more decimals."""
SHARE = LEAST = 2e-14
"""A value is at its limit where it is off by no more than this share of it, or this much: some hundred roundings of a float, and less than
one voxel in a milliard beside a limit of four decimals.
"""


def above(value: float, limit: float) -> bool:
    """Whether a value lies above a limit by more than the rounding of floats: 43 voxels of 0.7 um are 30.1 um, not less."""
    return value > limit and not math.isclose(value, limit, rel_tol=SHARE, abs_tol=LEAST)


def with_uncertainty(value: float | None, uncertainty: float | None, limit: float | None = None) -> str:
    """E.g. ``5.7 ± 1.8`` or ``2,320 ± 710``; four digits of a value whose uncertainty nobody knows, ``undefined`` of none.

    The value is told apart from `limit`, so that none seems to lie on its other side.
    """
    if value is None:
        return "undefined"
    if not uncertainty:
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    places = min(1 - math.floor(math.log10(uncertainty)), PLACES)
    if float(f"{uncertainty:.1e}") >= 10 ** (2 - places):  # 0.0996 is 0.10
        places -= 1
    while limit is not None and places < PLACES and (round(value, places) > limit) != (value > limit):
        places += 1
    return " ± ".join(f"{round(v, places) + 0.0:,.{max(places, 0)}f}" for v in (value, uncertainty))


def three_digits(value: float) -> str:
    """Three digits of a value, e.g. ``0.0123`` or ``1,810``, never with an exponent above 1."""
    return f"{float(f'{value:.3g}'):,.0f}" if abs(value) >= 999.5 else f"{value:.3g}"


def percent(ratio: float | None, uncertainty: float | None = None, limit: float | None = None) -> str:
    """A fraction in percent and its uncertainty in percentage points, e.g. ``5.7 % ± 1.8 pp``."""
    scaled = (None if v is None else 100 * v for v in (ratio, uncertainty, limit))
    value, plus_minus, margin = with_uncertainty(*scaled).partition(" ± ")
    if ratio is None:
        return value
    return f"{value} %{plus_minus}{margin} {POINTS}" if margin else f"{value} %"
