"""One HBM micro-bump: pillar, solder and, on memory dies, a pad, with random shape; and the plain bump's round voids."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from voidscope.volume.phantom.difficulty import Forms
from voidscope.volume.phantom.geometry import (
    PAD,
    PILLAR,
    SOLDER,
    VOID,
    Bump,
    Field,
    Frame,
    Kind,
    Shape,
    between,
    ellipsoid,
    random_frame,
    share,
)

WALL = 1.5
"""Solder left between a plain void and the solder's surface, at least."""


@dataclass(frozen=True)
class Pad:
    """The memory die's pad: its top, its radius and how far (y, x) its axis is from the pillar's; voxels."""

    top: float
    radius: float
    off: tuple[float, float]


@dataclass(frozen=True)
class Form:
    """The numbers of one bump's shape, in voxels, z in its own frame.

    Attributes
    ----------
    radius : of the pillar
    foot, shoulder, top : z of the pillar's foot, of its join with the solder, and of the solder's end
    bulge, extrusion : of the solder's wall, in pillar radii; the extrusion is `towards` an angle
    turn : angle of the wall's slight three-fold wobble
    pad : None on logic dies
    """

    radius: float
    foot: float
    shoulder: float
    top: float
    bulge: float
    extrusion: float
    towards: float
    turn: float
    pad: Pad | None

    @property
    def head(self) -> float:
        """Where the bump ends and the second die begins."""
        return self.top if self.pad is None else self.pad.top


def random_form(kind: Kind, shape: Shape, ranges: Forms, rng: np.random.Generator) -> Form:
    """The shape of a bump for a volume of this shape (z, y, x)."""
    height, radius = shape[0], min(shape[1:]) * rng.uniform(*ranges.radius)
    foot, shoulder, top = height * np.cumsum(
        [rng.uniform(*ranges.foot), rng.uniform(*ranges.pillar), rng.uniform(*ranges.solder)]
    )
    bulge = rng.uniform(*ranges.bulge)
    extrusion = rng.choice([0.0, rng.uniform(*ranges.extrusion)], p=[0.75, 0.25])
    towards, turn = rng.uniform(0, 2 * np.pi), rng.uniform(0, 6.3)
    pad = _random_pad(height, radius, top, ranges, rng) if kind == "memory" else None
    return Form(radius, foot, shoulder, top, bulge, extrusion, towards, turn, pad)


def _random_pad(height: int, radius: float, top: float, ranges: Forms, rng: np.random.Generator) -> Pad:
    off = rng.normal(0, 0.05) * radius, rng.normal(0, 0.05) * radius
    end = min(top + height * rng.uniform(*ranges.pad), height * 0.94)
    return Pad(end, radius * rng.uniform(*ranges.pad_radius), off)


def random_bump(
    kind: Kind,
    shape: Shape,
    rng: np.random.Generator,
    void_level: float | None = None,
    ranges: Forms | None = None,
) -> Bump:
    """A plain micro-bump standing alone in a volume of this shape.

    `void_level` scales the number and size of the voids: 0 is none, 1 ordinary; None draws it.
    """
    ranges = ranges or Forms()
    frame = random_frame(shape, ranges.off_centre_sd, ranges.lean_sd_deg, rng)
    form = random_form(kind, shape, ranges, rng)
    bodies = bodies_of(form, frame)
    level = plain_level(rng) if void_level is None else void_level
    return assembled(bodies, plain_voids(bodies["solder"], frame, form, level, rng))


def bodies_of(form: Form, frame: Frame) -> dict[str, Field]:
    """Signed distances to the pillar, the solder and, if it has one, the pad."""
    z, y, x = frame.grid
    pillar = between(np.hypot(y, x) - np.float32(form.radius), z, form.foot, form.shoulder)
    wall = np.hypot(y, x) - solder_radius(form, z, np.arctan2(y, x))
    bodies = {"pillar": pillar, "solder": between(wall, z, form.shoulder, form.top)}
    if form.pad:
        across = np.hypot(y - form.pad.off[0], x - form.pad.off[1])
        bodies["pad"] = between(across - np.float32(form.pad.radius), z, form.top, form.pad.top)
    return bodies


def solder_radius(form: Form, z: Field, angle: Field) -> Field:
    """Radius of the solder's barrel: bulging or squeezed, sometimes pressed out to one side."""
    t = np.clip((z - np.float64(form.shoulder)) / (form.top - form.shoulder), 0, 1).astype(np.float32)
    arch = 4 * t * (1 - t)
    side = np.maximum(0, np.cos(angle - form.towards)) ** 4
    wobble = 1 + 0.02 * np.cos(3 * angle + form.turn)
    wall = form.radius * wobble * (1 + (form.bulge + form.extrusion * side) * arch)
    return np.asarray(wall, dtype=np.float32)


def wall_at(form: Form, z: float, angle: float) -> float:
    """Radius of the solder's wall at one height and angle."""
    return float(solder_radius(form, np.array([z], np.float32), np.array([angle], np.float32))[0])


def assembled(bodies: dict[str, Field], voids: Field) -> Bump:
    """Labels and fractions; where bodies overlap, pillar and pad go before solder, and voids only empty the solder."""
    copper = bodies["pillar"] if "pad" not in bodies else np.minimum(bodies["pillar"], bodies["pad"])
    labels = np.zeros(voids.shape, dtype=np.uint8)
    labels[bodies["solder"] < 0] = SOLDER
    labels[(voids < 0) & (bodies["solder"] < 0)] = VOID
    labels[bodies["pillar"] < 0] = PILLAR
    if "pad" in bodies:
        labels[bodies["pad"] < 0] = PAD
    cu = share(copper)
    void = share(voids)
    tin = np.minimum(share(bodies["solder"]), 1 - cu) * (1 - void)
    return Bump(labels, {"copper": cu, "solder": tin, "void": void * (1 - cu)})


def plain_level(rng: np.random.Generator) -> float:
    """Four scans in ten are free of voids; of the others some are mild and some bad."""
    return float(rng.choice([0.0, rng.uniform(0.4, 1.0), rng.uniform(1.0, 2.2)], p=[0.4, 0.35, 0.25]))


def plain_voids(solder: Field, frame: Frame, form: Form, level: float, rng: np.random.Generator) -> Field:
    """Union of ellipsoids with a wobbly surface, kept `WALL` inside the solder."""
    low, high = form.shoulder, form.top
    found = np.full(solder.shape, np.inf, dtype=np.float32)
    for k in range(rng.poisson(6 * level) + (1 if level else 0)):
        size = rng.lognormal(np.log(2.4), 0.4) if k else rng.uniform(3.0, 6.0) * level
        distance, angle = form.radius * 0.85 * np.sqrt(rng.random()), rng.uniform(0, 2 * np.pi)
        centre = (
            rng.uniform(low + size, max(high - size, low + size + 0.1)),
            distance * np.sin(angle),
            distance * np.cos(angle),
        )
        found = np.minimum(found, ellipsoid(frame.grid, centre, size * rng.uniform(0.75, 1.35, 3)))
    inside: Field = np.maximum(found, solder + np.float32(WALL))
    return inside
