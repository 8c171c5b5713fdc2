"""What is around a bump: two silicon dies with metal lines, neighbours, and underfill with filler and gas bubbles."""

from __future__ import annotations

import numpy as np

from voidscope.volume.phantom.bump import Form, bodies_of, wall_at
from voidscope.volume.phantom.difficulty import Population, Surroundings
from voidscope.volume.phantom.geometry import Ellipsoid, Field, Frame, share, union
from voidscope.volume.phantom.voids import random_number


def neighbours(form: Form, frame: Frame, ranges: Surroundings, rng: np.random.Generator) -> dict[str, Field]:
    """The bump's bodies joined with those of bumps beside it, which are built alike and have no voids."""
    bodies = bodies_of(form, frame)
    pitch = 2 * form.radius * rng.uniform(*ranges.pitch)
    for dy, dx in ((-pitch, 0), (pitch, 0), (0, -pitch), (0, pitch)):
        if rng.random() < ranges.neighbour:
            more = bodies_of(form, frame.beside(dy, dx))
            bodies = {name: np.minimum(body, more[name]) for name, body in bodies.items()}
    return bodies


def traces(form: Form, frame: Frame, ranges: Surroundings, rng: np.random.Generator) -> Field:
    """Share of each voxel in thin copper lines, at right angles to each other, within either die near the bump."""
    z, y, x = frame.grid
    found = np.full(frame.shape, np.inf, dtype=np.float32)
    for die in (-1, 1):
        for _ in range(round(rng.uniform(*ranges.traces))):
            depth, thickness, width = rng.uniform(2, 6), rng.uniform(1, 2), rng.uniform(2, 8)
            level = form.foot - depth if die < 0 else form.head + depth
            across, along = (y, x) if rng.random() < 0.5 else (x, y)
            line = line_distance(z - level, across - _offset(form, rng), thickness, width)
            found = np.minimum(found, _ended(line, along, form, rng))
    return share(found)


def line_distance(z: Field, across: Field, thickness: float, width: float) -> Field:
    """Signed distance to an endless straight line of rectangular section, exact inside and beside its faces."""
    found = np.maximum(np.abs(z) - thickness / 2, np.abs(across) - width / 2)
    return np.asarray(found, dtype=np.float32)


def _offset(form: Form, rng: np.random.Generator) -> float:
    return float(rng.normal(0, form.radius))


def _ended(line: Field, along: Field, form: Form, rng: np.random.Generator) -> Field:
    """Every other line ends somewhere in the field."""
    end, side = _offset(form, rng), rng.choice([-1, 1])
    if rng.random() < 0.5:
        return line
    return np.asarray(np.maximum(line, side * (along - end)), dtype=np.float32)


def underfill(
    form: Form, frame: Frame, metal: Field, ranges: Surroundings, rng: np.random.Generator
) -> dict[str, Field]:
    """Shares of resin, filler and gas, which together fill what is between the dies and outside the metal."""
    z = frame.grid[0]
    gap = share(np.maximum(form.foot - z, z - form.head)) * (1 - metal)
    gas = gap * share(union(bubbles(form, ranges.bubbles, rng), frame))
    gap = gap - gas
    coarse = share(union(_particles(form, frame, ranges.particles, rng), frame))
    fine = np.clip(rng.uniform(*ranges.fine) * (1 + 0.5 * _grains(frame, rng)), 0, 1)
    filler = gap * (coarse + (1 - coarse) * fine)
    return {"resin": np.asarray(gap - filler, dtype=np.float32), "filler": filler, "gas": gas}


def bubbles(form: Form, sort: Population, rng: np.random.Generator) -> list[Ellipsoid]:
    """Gas in the underfill: half of it anywhere, half of it against the bump, where it looks like a void."""
    if rng.random() >= sort.chance:
        return []
    found = []
    for _ in range(random_number(sort, 1, rng)):
        size, angle = rng.uniform(*sort.radius), rng.uniform(0, 2 * np.pi)
        z = rng.uniform(form.foot, form.head)
        gap = 0.7 * size if rng.random() < 0.5 else rng.uniform(0, form.radius)
        across = wall_at(form, z, angle) + gap
        centre = (float(z), float(across * np.sin(angle)), float(across * np.cos(angle)))
        found.append(Ellipsoid(centre, (size, size, size)))
    return found


def _particles(form: Form, frame: Frame, sort: Population, rng: np.random.Generator) -> list[Ellipsoid]:
    """Round filler particles, small ones more often than large ones."""
    number = random_number(sort, 1, rng) if rng.random() < sort.chance else 0
    low, high = sort.radius
    sizes = low * (high / low) ** (rng.random(number) ** 2)
    half = np.array(frame.shape[1:]) / 2
    places = rng.uniform((form.foot, -half[0], -half[1]), (form.head, half[0], half[1]), (number, 3))
    return [
        Ellipsoid((float(z), float(y), float(x)), (s, s, s))
        for (z, y, x), s in zip(places, sizes.tolist(), strict=True)
    ]


def _grains(frame: Frame, rng: np.random.Generator) -> Field:
    """Smooth noise of unit spread: filler particles of about a voxel, clustered."""
    from scipy.ndimage import gaussian_filter

    noise = gaussian_filter(rng.standard_normal(frame.shape, dtype=np.float32), 1.0)
    return np.asarray(noise / noise.std(), dtype=np.float32)
