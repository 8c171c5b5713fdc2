"""The scale bar of a picture: a round length in um, with its number above it in letters of five by five pixels or fewer."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

SHARE = 0.4
"""A bar takes at most this share of a picture's width."""
SMALLNESS = 80
"""A picture's smaller side is at least so many pixels of a letter long."""
GLYPHS = {
    "0": "### #.# #.# #.# ###", "1": ".#. ##. .#. .#. ###", "2": "### ..# ### #.. ###", "3": "### ..# ### ..# ###",
    "4": "#.# #.# ### ..# ..#", "5": "### #.. ### ..# ###", "6": "### #.. ### #.# ###", "7": "### ..# ..# ..# ..#",
    "8": "### #.# ### #.# ###", "9": "### #.# ### ..# ###", ".": ". . . . #", " ": ".. .. .. .. ..",
    "µ": "#.# #.# #.# ### #..", "m": "..... ####. #.#.# #.#.# #.#.#",
}  # fmt: skip
"""Rows of each letter, from the top."""

Pixels = npt.NDArray[np.uint8]


def bar_um(width_um: float) -> float:
    """The largest of 1, 2 or 5 times a power of ten that is at most `SHARE` of a picture's width, um."""
    room = SHARE * width_um
    power = 10.0 ** math.floor(math.log10(room))
    return float(max(k * power for k in (1, 2, 5) if k * power <= room))


def draw(pixels: Pixels, um_per_pixel: float, width: int) -> None:
    """Put a white bar on a dark ground into the lower left corner of a picture (h, w, 3), whose slice is `width` pixels wide."""
    length_um = bar_um(width * um_per_pixel)
    unit = max(1, min(6, min(pixels.shape[0], width) // SMALLNESS))
    word = written(f"{length_um:g} µm")
    length = max(1, round(length_um / um_per_pixel))
    sign = np.zeros((8, max(-(-length // unit), word.shape[1])), bool)
    sign[:5, : word.shape[1]] = word
    sign = np.kron(sign, np.ones((unit, unit), bool))
    sign[-2 * unit :, :length] = True
    high, wide = sign.shape[0] + 2 * unit, sign.shape[1] + 2 * unit
    if high > pixels.shape[0] or wide > width:
        return
    ground = pixels[-high:, :wide]
    ground //= 3
    ground[unit:-unit, unit:-unit][sign] = 255


def written(text: str) -> npt.NDArray[np.bool_]:
    """A text as pixels (5, w), True where there is ink."""
    letters = [np.array([[c == "#" for c in row] for row in GLYPHS[letter].split()]) for letter in text]
    apart = np.zeros((5, 1), bool)
    return np.concatenate([part for letter in letters for part in (letter, apart)][:-1], axis=1)
