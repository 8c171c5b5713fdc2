"""Voids of the solder by how they come to be: rows at the copper, gas bubbles, shrinkage, central and surface voids."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from voidscope.volume.phantom.bump import Form, wall_at
from voidscope.volume.phantom.difficulty import Population, Voids
from voidscope.volume.phantom.geometry import Ellipsoid, Field, Frame, union

Sort = Callable[[Form, int, Population, np.random.Generator], list[Ellipsoid]]


def random_level(ranges: Voids, rng: np.random.Generator) -> float:
    """How bad a scan's voids are: 0 is none, 1 ordinary."""
    free, level = rng.random() < ranges.none, rng.uniform(0.6, 1.4)
    return 0.0 if free else level


def random_voids(
    solder: Field, frame: Frame, form: Form, ranges: Voids, level: float, rng: np.random.Generator
) -> Field:
    """Signed distance to all voids, cut off at the solder's surface; at level > 0 there is at least one sort."""
    sorts: list[tuple[Population, Sort]] = [
        (ranges.scattered, scattered),
        (ranges.rows, row),
        (ranges.shrinkage, shrinkage),
        (ranges.central, central),
        (ranges.surface, surface),
    ]
    present = rng.random(len(sorts)) < [p.chance for p, _ in sorts]
    present[0] |= not present.any()
    found: list[Ellipsoid] = []
    for (population, sort), there in zip(sorts, present, strict=True):
        if level and there:
            found += sort(form, random_number(population, level, rng), population, rng)
    inside: Field = np.maximum(union(found, frame), solder)
    return inside


def random_number(population: Population, level: float, rng: np.random.Generator) -> int:
    """How many bodies, at least one."""
    return max(1, round(level * rng.uniform(*population.number)))


def scattered(form: Form, number: int, sort: Population, rng: np.random.Generator) -> list[Ellipsoid]:
    """Gas bubbles anywhere in the solder."""
    found = []
    for _ in range(number):
        size = rng.uniform(*sort.radius)
        across = form.radius * 0.85 * np.sqrt(rng.random())
        z = _inside(form.shoulder + size, form.top - size, rng)
        found.append(_body(z, across, rng.uniform(0, 2 * np.pi), size, rng))
    return found


def row(form: Form, number: int, sort: Population, rng: np.random.Generator) -> list[Ellipsoid]:
    """Tiny voids side by side along a line at the pillar or at the solder's other end."""
    at_pillar = rng.random() < 0.7
    across, towards = rng.uniform(-0.5, 0.5) * form.radius, rng.uniform(0, 2 * np.pi)
    half = np.sqrt((0.9 * form.radius) ** 2 - across**2)
    along, found = rng.uniform(-half, 0), []
    for _ in range(number):
        size = rng.uniform(*sort.radius)
        depth = size * rng.uniform(0.6, 1.3)
        y, x = (
            across * np.cos(towards) + along * np.sin(towards),
            along * np.cos(towards) - across * np.sin(towards),
        )
        z = form.shoulder + depth if at_pillar else form.top - depth
        found.append(Ellipsoid((z, y, x), _radii(size, rng)))
        along += size * rng.uniform(1.8, 4)
    return [b for b in found if np.hypot(b.centre[1], b.centre[2]) < 0.95 * form.radius]


def shrinkage(form: Form, number: int, sort: Population, rng: np.random.Generator) -> list[Ellipsoid]:
    """One ragged cavity: overlapping bodies along a random walk about half-way up."""
    z = np.array([(form.shoulder + form.top) / 2, *rng.normal(0, 0.3 * form.radius, 2)])
    found = []
    for _ in range(number):
        size = rng.uniform(*sort.radius)
        found.append(Ellipsoid((float(z[0]), float(z[1]), float(z[2])), _radii(size, rng)))
        z = z + size * rng.normal(0, (0.4, 0.9, 0.9))
    return found


def central(form: Form, number: int, sort: Population, rng: np.random.Generator) -> list[Ellipsoid]:
    """Large voids near the axis, no higher than the solder."""
    found = []
    for _ in range(number):
        size = min(rng.uniform(*sort.radius), 0.4 * (form.top - form.shoulder))
        z = _inside(form.shoulder + size, form.top - size, rng)
        found.append(_body(z, form.radius * 0.4 * rng.random(), rng.uniform(0, 2 * np.pi), size, rng))
    return found


def surface(form: Form, number: int, sort: Population, rng: np.random.Generator) -> list[Ellipsoid]:
    """Voids that reach the solder's wall and are open to the underfill."""
    found = []
    for _ in range(number):
        size, angle = rng.uniform(*sort.radius), rng.uniform(0, 2 * np.pi)
        z = _inside(form.shoulder + size, form.top - size, rng)
        found.append(_body(z, wall_at(form, z, angle) - 0.5 * size, angle, size, rng))
    return found


def _inside(low: float, high: float, rng: np.random.Generator) -> float:
    return float(rng.uniform(low, max(high, low + 0.1)))


def _body(z: float, across: float, angle: float, size: float, rng: np.random.Generator) -> Ellipsoid:
    return Ellipsoid((z, float(across * np.sin(angle)), float(across * np.cos(angle))), _radii(size, rng))


def _radii(size: float, rng: np.random.Generator) -> tuple[float, float, float]:
    a, b, c = size * rng.uniform(0.75, 1.3, 3)
    return float(a), float(b), float(c)
