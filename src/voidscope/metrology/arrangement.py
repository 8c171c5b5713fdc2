"""Where structures stand beside one another: rows and columns of a grid, or at least an order that stays.

Positions are (row axis, column axis) in um, seen along the build axis. A grid may be turned a little in the scan: its angle is
read off the steps to nearest neighbours, which point along four directions a quarter turn apart. Nothing here depends on the
order in which the positions come, nor on where their origin lies.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

LEAST_FILLED = 0.5
"""Share of the places of a grid that must be taken for it to be one."""
LOOSENESS = 0.25
"""How far, in pitches, a structure may stand from its place in the grid."""

Points = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Place:
    """A structure's name and, in a grid, its row and column from 1."""

    name: str
    row: int | None = None
    column: int | None = None


def arranged(positions: Points) -> tuple[tuple[int, Place], ...]:
    """Index into `positions` (N, 2) in um and place of each structure, rows first, then columns.

    In a grid the names are ``r2c3``, and a place that is empty keeps its number free; otherwise, and for a single structure,
    ``b001`` and so on, in the order of rows as far as there are any.
    """
    if len(positions) == 0:
        return ()
    places = _grid(positions)
    if places is not None:
        order = np.lexsort((places[:, 1], places[:, 0]))
        return tuple((int(k), _place(places[k])) for k in order)
    rows = _lines(positions[:, 0], _pitch(positions))
    order = np.lexsort((positions[:, 1], rows))
    return tuple((int(k), Place(f"b{n:03d}")) for n, k in enumerate(order, start=1))


def free_places(taken: Iterable[tuple[int | None, int | None]]) -> list[Place]:
    """The places of a grid that are not `taken` (row, column from 1); none where nothing stands in a grid."""
    known = {(r, c) for r, c in taken if r and c}
    rows, columns = (range(1, max((at[k] for at in known), default=0) + 1) for k in (0, 1))
    return [_place(np.array([r - 1, c - 1])) for r in rows for c in columns if (r, c) not in known]


def empty_places(places: Sequence[Place], positions: Points) -> dict[str, Points]:
    """Where the `free_places` of a grid lie, (2,) in um, by their names; none where not all of its structures stand in it.

    `positions` (N, 2) are those of the `places`; of the straight grid that fits them best.
    """
    at = [(p.row, p.column) for p in places]
    free = free_places(at)
    if not free or not all(r and c for r, c in at):
        return {}
    taken = np.array(at, np.float64)
    plane, *_ = np.linalg.lstsq(np.column_stack([np.ones(len(taken)), taken]), positions, rcond=None)
    return {p.name: np.array([1.0, p.row, p.column], np.float64) @ plane for p in free}


def _place(at: Ints) -> Place:
    row, column = int(at[0]) + 1, int(at[1]) + 1
    return Place(f"r{row}c{column}", row, column)


def _grid(positions: Points) -> Ints | None:
    """Row and column from 0 of each position (N, 2), or None where they form no grid."""
    if len(positions) < 2:
        return None
    straight = positions @ _turned(_angle(positions))
    at = np.stack([_steps(straight[:, k], _pitch(positions)) for k in (0, 1)], axis=1)
    fits = all(_fits(straight[:, k], at[:, k]) for k in (0, 1))
    unique = len(np.unique(at, axis=0)) == len(at)
    filled = len(at) >= LEAST_FILLED * np.prod(at.max(axis=0) + 1)
    return at if fits and unique and filled else None


def _steps_to_nearest(positions: Points) -> Points:
    """The vector from each position to the one nearest to it, (N, 2)."""
    from scipy.spatial import cKDTree

    _, nearest = cKDTree(positions).query(positions, k=2)
    return np.asarray(positions[nearest[:, 1]] - positions)


def _pitch(positions: Points) -> float:
    """Median distance to the nearest neighbour; 0 for a single position."""
    return float(np.median(np.hypot(*_steps_to_nearest(positions).T))) if len(positions) > 1 else 0.0


def _angle(positions: Points) -> float:
    """Angle of the grid's columns to the column axis, between -45 and 45 degrees, in radians.

    Directions a quarter turn apart are the same after multiplying their angle by four; their mean is that of a circle.
    """
    rows, columns = _steps_to_nearest(positions).T
    return float(np.angle(np.exp(4j * np.arctan2(rows, columns)).mean()) / 4)


def _turned(angle: float) -> Points:
    """What turns row vectors (row, column) so that a grid at this angle lies straight."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, s], [-s, c]])


def _lines(along: Points, pitch: float) -> Ints:
    """Number from 0 of the line each coordinate (N,) lies on; lines are more than half a pitch apart."""
    order = np.argsort(along, kind="stable")
    number = np.zeros(len(along), np.int64)
    number[order[1:]] = np.cumsum(np.diff(along[order]) > pitch / 2)
    return number


def _steps(along: Points, pitch: float) -> Ints:
    """Whole steps from the first line at which each coordinate (N,) stands; an empty line counts as a step."""
    lines = _lines(along, pitch)
    middles = np.array([along[lines == k].mean() for k in range(lines.max() + 1)])
    gaps = np.diff(middles)
    step = gaps.min(initial=np.inf)
    numbers = np.concatenate([[0], np.cumsum(np.maximum(1, np.round(gaps / step)))]).astype(np.int64)
    return np.asarray(numbers[lines])


def _fits(along: Points, numbers: Ints) -> bool:
    """Whether coordinates (N,) lie near the straight line through their numbers: places evenly spaced."""
    if numbers.max() == 0:
        return True
    slope, start = np.polyfit(numbers, along, 1)
    return bool(np.abs(along - start - slope * numbers).max() <= LOOSENESS * slope)


def recurring(
    failed: Sequence[frozenset[str]], present: Sequence[frozenset[str]]
) -> tuple[tuple[str, int, int], ...]:
    """Names that failed in more than one of several scans: (name, scans in which it failed, scans that have it), worst first.

    Names are of places in a grid that all scans share; `Lot.recurring` leaves out those that cannot.
    """
    names = sorted(set().union(*failed))
    found = [(n, sum(n in f for f in failed), sum(n in p for p in present)) for n in names]
    return tuple(
        sorted((row for row in found if row[1] > 1), key=lambda row: (-row[1] / row[2], -row[1], row[0]))
    )
