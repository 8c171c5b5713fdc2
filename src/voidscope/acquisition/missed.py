"""Voids just below the model's threshold: what it calls something else but thinks may well be void."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from voidscope.acquisition.findings import Finding, Positions, runs_of, weightiest
from voidscope.vocabulary import Mask, SliceKey

MISSED_FROM = 0.2
"""From this probability of void on a pixel called otherwise is worth a look; chance among five classes is as much."""
MOST_PER_SLICE = 4096
"""Pixels kept of one slice, the likeliest: a model that suspects more knows nothing yet, and memory stays small."""
_AROUND = np.array([step for step in product((-1, 0, 1), repeat=3) if any(step)])
"""The 26 neighbours of a voxel."""
_AHEAD = _AROUND[13:]
"""Those that come after it in reading order; the others see it from their side."""


@dataclass(frozen=True, slots=True)
class Suspects:
    """Pixels of one slice, called something else, that may be void.

    Attributes
    ----------
    pixels : (M, 2) int32, (y, x) in reading order
    probability : (M,) float32, of void
    votes : (M,) uint8, in how many mirror images of the slice void was likeliest
    """

    pixels: npt.NDArray[np.int32]
    probability: npt.NDArray[np.float32]
    votes: npt.NDArray[np.uint8]

    @classmethod
    def none(cls) -> Suspects:
        """No pixel at all."""
        return cls(np.empty((0, 2), np.int32), np.empty(0, np.float32), np.empty(0, np.uint8))

    @classmethod
    def of(
        cls, mask: Mask, void: npt.NDArray[np.floating], votes: npt.NDArray[np.uint8], void_ids: Sequence[int]
    ) -> Suspects:
        """The suspects among a slice's pixels, from its mask, its probability of void and the votes, (h, w) each.

        Suspected are pixels called otherwise whose probability is `MISSED_FROM` or more, or with a vote for void.
        """
        wanted = ((void >= MISSED_FROM) | (votes > 0)) & ~np.isin(mask, void_ids)
        pixels = np.argwhere(wanted)
        chance = void[wanted].astype(np.float32)
        if len(pixels) > MOST_PER_SLICE:
            kept = np.sort(np.argsort(-chance, kind="stable")[:MOST_PER_SLICE])
            pixels, chance = pixels[kept], chance[kept]
        return cls(pixels.astype(np.int32), chance, votes[tuple(pixels.T)].astype(np.uint8))


def missed_voids(
    scan: str, suspects: Iterable[tuple[int, Suspects]], mask: Mask, void_ids: Sequence[int]
) -> tuple[Finding, ...]:
    """Components of suspected voxels of a scan that touch no void the model sees, the weightiest first.

    Voxels that share a face, an edge or a corner belong together. What touches a predicted void is that void's blurred
    edge, not another void. A component weighs the sum of its probabilities: the number of void voxels one would expect
    in it. Where to look first is its likeliest voxel. Only suspects are held, never a volume of probabilities.

    Parameters
    ----------
    suspects : (slice index, suspects of that slice), in any order
    mask : (n_slices, h, w), the model's mask with the slices along the first axis
    """
    found = [(index, s) for index, s in suspects if len(s.pixels)]
    if not found:
        return ()
    where = np.concatenate([np.insert(s.pixels.astype(np.int64), 0, i, axis=1) for i, s in found])
    order = np.lexsort(where.T[::-1])
    where = where[order]
    chance = np.concatenate([s.probability for _, s in found])[order].astype(np.float64)
    votes = np.concatenate([s.votes for _, s in found])[order]
    component = _components(where, mask.shape)
    by_component = np.argsort(component, kind="stable")
    groups = np.split(by_component, np.flatnonzero(np.diff(component[by_component])) + 1)
    beside = _beside_void(where, mask, void_ids)
    return weightiest(
        (float(chance[rows].sum()), _finding(scan, where[rows], chance[rows], votes[rows], mask))
        for rows in groups
        if not beside[rows].any()
    )


def _finding(
    scan: str, where: Positions, chance: npt.NDArray[np.float64], votes: npt.NDArray[np.uint8], mask: Mask
) -> Finding:
    index, y, x = (int(n) for n in where[chance.argmax()])
    runs = runs_of(where)
    return Finding(
        "missed", SliceKey(scan, index), (y, x), len(where), float(chance.max()), int(mask[index, y, x]),
        votes=int(votes.max()), runs=runs,
    )  # fmt: skip


def _components(where: Positions, shape: Sequence[int]) -> npt.NDArray[np.integer]:
    """Number of each voxel's 26-connected component, from 0; `where` (M, 3) is in reading order."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    flat = np.ravel_multi_index(tuple(where.T), tuple(shape))
    pairs = []
    for step in _AHEAD:
        there, inside = _stepped(where, step, shape)
        at = np.searchsorted(flat, there)
        met = (at < len(flat)) & (flat[np.minimum(at, len(flat) - 1)] == there)
        pairs.append(np.stack([np.flatnonzero(inside)[met], at[met]]))
    rows, columns = np.concatenate(pairs, axis=1)
    graph = coo_array((np.ones(len(rows), bool), (rows, columns)), shape=(len(flat), len(flat)))
    return np.asarray(connected_components(graph, directed=False)[1])


def _beside_void(where: Positions, mask: Mask, void_ids: Sequence[int]) -> npt.NDArray[np.bool_]:
    """Whether each voxel has a void of the mask among its 26 neighbours."""
    is_void = np.isin(np.arange(256), void_ids)
    beside = np.zeros(len(where), bool)
    for step in _AROUND:
        there, inside = _stepped(where, step, mask.shape)
        at = np.unravel_index(there, mask.shape)
        beside[inside] |= is_void[mask[at]]
    return beside


def _stepped(
    where: Positions, step: npt.NDArray[np.int64], shape: Sequence[int]
) -> tuple[Positions, npt.NDArray[np.bool_]]:
    """Flat positions one step further, of those voxels for which that is inside, and which these are."""
    moved = where + step
    inside = np.all((moved >= 0) & (moved < np.array(shape)), axis=1)
    return np.ravel_multi_index(tuple(moved[inside].T), tuple(shape)), inside
