"""From which ranges scans are drawn: plain, ordinary and hard sets, and how one lot of bumps narrows them.

A scan of a harder set is not another program, only other numbers: every quantity below is a range (low, high) that
each scan draws from anew, or a chance or spread shared by all scans of the set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np

from voidscope.errors import ConfigError

Range = tuple[float, float]
Ranges = TypeVar("Ranges", bound=Any)

LOT = 4
"""Scans of one kind that come from the same lot: built alike, scanned alike. Every fifth scan is for testing, so that
tests meet lots that training has seen parts of, as in a split by scan of one fab's scans."""


class Difficulty(StrEnum):
    """How far simulated scans are from a lone bump in a flat filling."""

    PLAIN = "plain"
    ORDINARY = "ordinary"
    HARD = "hard"


@dataclass(frozen=True)
class Forms:
    """Shapes of a bump; lengths as shares of the volume's height or, for radii, of its shorter side.

    Attributes
    ----------
    radius : of the pillar
    foot, pillar, solder, pad : heights, from the first die upwards
    pad_radius : in pillar radii
    bulge, extrusion : of the solder's wall outwards, in pillar radii; all round, and to one side
    off_centre_sd : of the bump's axis from the field's middle, voxels
    lean_sd_deg : of the bump's axis from the stack axis
    """

    radius: Range = (0.28, 0.38)
    foot: Range = (0.06, 0.16)
    pillar: Range = (0.28, 0.4)
    solder: Range = (0.16, 0.26)
    pad: Range = (0.1, 0.18)
    pad_radius: Range = (0.95, 1.2)
    bulge: Range = (-0.06, 0.2)
    extrusion: Range = (0.05, 0.3)
    off_centre_sd: float = 1.5
    lean_sd_deg: float = 1.8


@dataclass(frozen=True)
class Population:
    """Bodies of one sort: the chance that a scan has any, how many then, and their radii in voxels."""

    chance: float
    number: Range
    radius: Range


@dataclass(frozen=True)
class Voids:
    """Voids in the solder, by how they come to be.

    Attributes
    ----------
    none : share of scans without any
    rows : tiny ones in a row at the copper, as the Kirkendall effect leaves them
    scattered : gas bubbles anywhere in the solder
    shrinkage : ragged cavities where the solder solidified last
    central : one large one
    surface : open to the underfill
    """

    none: float
    rows: Population
    scattered: Population
    shrinkage: Population
    central: Population
    surface: Population


@dataclass(frozen=True)
class Surroundings:
    """What is around the bump; none of it is a defect of the solder.

    Attributes
    ----------
    compound : thickness of the intermetallic layer between copper and solder, voxels
    traces : number of redistribution lines in each die
    neighbour : chance of a neighbouring bump on each of the four sides
    pitch : from bump to neighbour, in pillar diameters
    fine : share of the underfill taken by filler too fine to be seen, which makes it grainy
    particles : visible filler particles in the underfill
    bubbles : gas in the underfill, half of them against the bump
    """

    compound: Range
    traces: Range
    neighbour: float
    pitch: Range
    fine: Range
    particles: Population
    bubbles: Population


@dataclass(frozen=True)
class Scene:
    """All that a lone bump with round voids lacks."""

    voids: Voids
    surroundings: Surroundings


@dataclass(frozen=True)
class Acquisitions:
    """Settings of the microscope; see `physics.Acquisition` for what each does."""

    hardness: Range = (-0.7, 0.7)
    log_photons: Range = (float(np.log(7e3)), float(np.log(7e4)))
    n_views: tuple[int, int] = (110, 181)
    blur_px: Range = (0.4, 1.2)
    ring: Range = (0.001, 0.005)
    axis_shift_sd_px: float = 0.25
    hardening_left: Range = (0.2, 1.0)
    texture: Range = (0.4, 1.6)
    gain: Range = (0.7, 1.3)
    offset: Range = (4_000, 12_000)
    fringe: Range = (0.0, 0.0)
    scatter: Range = (0.0, 0.0)
    missing_deg: Range = (0.0, 0.0)
    kernel_px: Range = (0.0, 0.0)
    drift: Range = (0.0, 0.0)


@dataclass(frozen=True)
class Conditions:
    """All that the scans of one set are drawn from.

    Attributes
    ----------
    scene : None is a lone bump in a flat filling, with a few round voids
    lot_width : part of each range that one lot covers; 1 is no lots
    """

    forms: Forms = Forms()
    acquisitions: Acquisitions = Acquisitions()
    scene: Scene | None = None
    lot_width: float = 1.0

    def of_lot(self, rng: np.random.Generator) -> Conditions:
        """Those of one lot: every range narrowed to `lot_width` of its length, at a place the lot draws."""
        return self if self.lot_width == 1 else _narrowed(self, self.lot_width, rng)


def conditions(difficulty: Difficulty | str) -> Conditions:
    """What scans of this difficulty are drawn from.

    Raises
    ------
    ConfigError : no such difficulty.
    """
    try:
        return CONDITIONS[Difficulty(difficulty)]
    except ValueError:
        known = ", ".join(Difficulty)
        raise ConfigError(f"There is no difficulty {difficulty!r}; choose one of {known}.") from None


def _narrowed(ranges: Ranges, width: float, rng: np.random.Generator) -> Ranges:
    """The same with every (low, high) in it, however deep, replaced by a part of that relative width."""
    changed: dict[str, Any] = {}
    for field in fields(ranges):
        value = getattr(ranges, field.name)
        if is_dataclass(value):
            changed[field.name] = _narrowed(value, width, rng)
        elif isinstance(value, tuple):
            low = value[0] + (value[1] - value[0]) * (1 - width) * rng.random()
            changed[field.name] = (low, low + (value[1] - value[0]) * width)
    return replace(ranges, **changed)


ORDINARY = Conditions(
    forms=Forms(radius=(0.24, 0.34), off_centre_sd=2.0),
    acquisitions=Acquisitions(
        hardness=(-1, 1), hardening_left=(0.1, 1.2), gain=(0.6, 1.4), offset=(3_000, 14_000),
        log_photons=(float(np.log(5e3)), float(np.log(7e4))), blur_px=(0.5, 1.5), ring=(0.0005, 0.004),
        axis_shift_sd_px=0.3, texture=(0, 0), fringe=(4e-4, 1.2e-3), scatter=(0, 0.05), missing_deg=(0, 8),
        kernel_px=(0, 0.5), drift=(0, 0.04),
    ),
    scene=Scene(
        voids=Voids(
            none=0.35,
            rows=Population(0.5, (5, 14), (0.9, 1.6)),
            scattered=Population(0.8, (3, 9), (1.3, 3.0)),
            shrinkage=Population(0.4, (5, 12), (1.4, 2.8)),
            central=Population(0.4, (1, 2), (3.5, 7.5)),
            surface=Population(0.5, (1, 4), (2.0, 4.0)),
        ),
        surroundings=Surroundings(
            compound=(1.0, 2.5), traces=(1, 4), neighbour=0.35, pitch=(1.6, 2.1), fine=(0.3, 0.5),
            particles=Population(1, (60, 200), (1.0, 3.0)), bubbles=Population(0.4, (1, 5), (2.0, 5.0)),
        ),
    ),
    lot_width=0.5,
)  # fmt: skip
HARD = Conditions(
    forms=Forms(
        radius=(0.2, 0.34), bulge=(-0.12, 0.25), extrusion=(0.05, 0.4), off_centre_sd=4.0, lean_sd_deg=2.5
    ),
    acquisitions=Acquisitions(
        hardness=(-1.4, 1.4), log_photons=(float(np.log(1.2e3)), float(np.log(3e4))), n_views=(75, 161),
        blur_px=(0.5, 1.9), ring=(0.0005, 0.008), axis_shift_sd_px=0.7, hardening_left=(0.0, 1.6), texture=(0, 0),
        gain=(0.35, 1.3), offset=(1_500, 18_000), fringe=(0, 2e-3), scatter=(0, 0.2), missing_deg=(0, 24),
        kernel_px=(0, 0.7), drift=(0, 0.15),
    ),
    scene=Scene(
        voids=Voids(
            none=0.35,
            rows=Population(0.6, (6, 18), (0.8, 1.5)),
            scattered=Population(0.8, (3, 10), (1.1, 2.7)),
            shrinkage=Population(0.4, (5, 12), (1.2, 2.6)),
            central=Population(0.3, (1, 2), (3.0, 7.0)),
            surface=Population(0.5, (1, 5), (1.6, 3.5)),
        ),
        surroundings=Surroundings(
            compound=(1.0, 4.0), traces=(2, 7), neighbour=0.6, pitch=(1.4, 2.0), fine=(0.2, 0.6),
            particles=Population(1, (80, 400), (1.0, 4.5)), bubbles=Population(0.6, (2, 9), (1.5, 6.0)),
        ),
    ),
    lot_width=0.5,
)  # fmt: skip
CONDITIONS: Mapping[Difficulty, Conditions] = MappingProxyType(
    {Difficulty.PLAIN: Conditions(), Difficulty.ORDINARY: ORDINARY, Difficulty.HARD: HARD}
)
"""The ranges of every difficulty."""
