"""Class colours are told apart by people with colour-blindness."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from voidscope.vocabulary import COLOURS, ClassMap

SEEN_BY = {
    "everybody": np.eye(3),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
"""Linear RGB as it is seen, Machado, Oliveira and Fernandes, IEEE TVCG 15 (2009) 1291, severity 1.0."""
BAR = 10.0
"""CIEDE2000 between any two; 2 to 3 are just seen side by side, 10 at a glance."""


def seen(colour: str, by: str) -> np.ndarray:
    """A colour #rrggbb in CIELAB as these people see it."""
    rgb = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    found = np.clip(SEEN_BY[by] @ linear, 0, 1)
    again = np.where(found <= 0.0031308, found * 12.92, 1.055 * found ** (1 / 2.4) - 0.055)
    return np.asarray(rgb2lab(again[None, None])[0, 0])


@pytest.mark.parametrize("by", SEEN_BY)
def test_any_two_class_colours_are_told_apart(by: str) -> None:
    near = {(a, b): float(deltaE_ciede2000(seen(a, by), seen(b, by))) for a, b in combinations(COLOURS, 2)}
    assert len(near) == 16 * 15 / 2
    assert min(near.values()) >= BAR, min(near, key=near.__getitem__)


def test_the_simulation_confuses_what_these_people_confuse() -> None:
    red, green = "#c83232", "#7d7d00"
    assert deltaE_ciede2000(seen(red, "everybody"), seen(green, "everybody")) > 30
    assert deltaE_ciede2000(seen(red, "deuteranopia"), seen(green, "deuteranopia")) < BAR
    grey = seen("#808080", "everybody")
    for by in SEEN_BY:
        assert seen("#808080", by) == pytest.approx(grey, abs=0.1)


@pytest.mark.parametrize("n", [*range(2, 9), 16])
def test_up_to_sixteen_classes_have_a_colour_each(n: int) -> None:
    for void in range(n):
        classes = ClassMap.from_names("void" if k == void else f"c{k}" for k in range(n))
        colours = [c.colour for c in classes.classes]
        assert len(set(colours)) == n
        assert colours[void] == COLOURS[3]
        assert classes.recoloured() == classes


def test_a_second_void_and_no_void_have_a_colour_of_their_own_as_well() -> None:
    cracked = ClassMap.from_names(["background", "void", "crack:void", *(f"c{k}" for k in range(13))])
    sound = ClassMap.from_names(f"c{k}" for k in range(16))
    for classes in (cracked, sound):
        assert len({c.colour for c in classes.classes}) == 16
    assert cracked.classes[1].colour == COLOURS[3]


def test_colours_of_classes_that_there_were_before_are_as_they_were() -> None:
    found = " ".join(c.colour for c in ClassMap.hbm().classes)
    assert found == "#5b6770 #e69f00 #56b4e9 #d7263d #cc79a7"
