"""Background that can only be void: what is closed in, and what reaches the outside through nothing but a narrow channel.

A model that takes a void for background often leaves it a leak. Channels are looked for at two widths: a cell of a grid half as fine as
the mask is air where the cube of w = 3 or 5 voxels around it is. Neighbouring cubes overlap, so cells that connect over faces are a way
at least w wide, and air of which no cell is at the edge of the grid gets out through less. Such a hole is found for certain where it
holds a cube of w + 1 voxels and its channels are narrower than w; one that is flatter, or whose channel is 5 wide, is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from voidscope.metrology.components import of_classes
from voidscope.metrology.pieces import Part, Pieces, Window
from voidscope.metrology.uncertainty import void_faces
from voidscope.metrology.voids import COUNTABLE_VOXELS
from voidscope.vocabulary import UNLABELLED, ClassMap, Mask, Role

FACES = 6
"""Connectivity of background: what a wall of foreground, connected over corners (26), parts is apart."""
WIDTHS = (3, 5)
"""Edges in voxels of the cubes that fit through a way out."""


@dataclass(frozen=True, slots=True)
class Hole:
    """What can only be void: its box, its voxels, and the voxel faces that the mask's void would gain were it void.

    `leaks` of one that is not closed in.
    """

    box: Window
    n_voxels: int
    faces: int
    leaks: bool = False


def holes_of(mask: Mask, classes: ClassMap) -> list[Hole]:
    """What is background or unlabelled in a mask (z, y, x) and does not reach its edge, but for narrow channels.

    The faces of a hole of fewer than `COUNTABLE_VOXELS` voxels are the most that as many voxels can have.
    """
    air, void = air_of(mask, classes), classes.ids_with_role(Role.VOID)
    closed, found = inside_of(air), list[Hole]()
    for k in closed:
        n = int(air.found.n_voxels[k])
        faces = 4 * n + 2 if n < COUNTABLE_VOXELS else _faces_gained(mask, air.box(k), air.own(k), void)
        found.append(Hole(air.box(k), n, faces))
    return [*found, *_leaking(air, closed, void)]


def air_of(mask: Mask, classes: ClassMap) -> Pieces:
    """Pieces of what is background or unlabelled, connected over faces alone: a wall of foreground, which connects over corners, parts them."""
    return Pieces.of(mask, (*classes.ids_with_role(Role.BACKGROUND), UNLABELLED), connectivity=FACES)


def inside_of(pieces: Pieces) -> list[int]:
    """The pieces that nowhere reach the edge of the mask."""
    last = np.array(pieces.mask.shape) - 1
    inside = (pieces.found.first > 0).all(axis=1) & (pieces.found.last < last).all(axis=1)
    return [int(k) for k in np.flatnonzero(inside)]


def _leaking(air: Pieces, closed: Sequence[int], void_ids: Sequence[int]) -> list[Hole]:
    """The holes that are not among the `closed` pieces of air, each once: at the width at which it is first cut off."""
    cells, found = _cells(air.mask, air.ids), list[Hole]()
    known = [
        (air, closed, 1, 0)
    ]  # pieces, which of them are cut off, and where their voxels lie in the mask: step, first
    for first, width in enumerate(WIDTHS):
        for axis in range(3 * first):
            low, high = (np.moveaxis(cells, axis, 0)[s] for s in (slice(None, -1), slice(1, None)))
            cells = np.moveaxis(low & high, 0, axis)
        if min(cells.shape) < 3:  # each cell is at the edge
            break
        cut_off = Pieces.of(cells, (1,), connectivity=FACES)
        inside = inside_of(cut_off)
        for k in inside:
            own, middle = cut_off.own(k), 2 * cut_off.found.first[k] + first
            if not any(_hold(*told, middle + 2 * np.argwhere(own)[0]) for told in known):
                found.append(_hole(air, own, middle, width, void_ids))
        known.append((cut_off, inside, 2, first))
    return found


def _cells(mask: Mask, ids: Sequence[int]) -> npt.NDArray[np.uint8]:
    """Whether the cube of 3 voxels around every other voxel (2 i, 2 j, 2 k) of a mask is nothing but some classes; outside all is."""
    cells = np.zeros([n // 2 + 1 for n in mask.shape], np.uint8)
    outside = np.ones(mask.shape[1:], bool)
    below = outside
    for i, plane in enumerate(cells):
        here, above = (
            of_classes(mask[z : z + 1], ids)[0] if z < len(mask) else outside for z in (2 * i, 2 * i + 1)
        )
        plane[:] = _by_threes(_by_threes(below & here & above).T).T
        below = above
    return cells


def _by_threes(rows: Part) -> Part:
    """Whether rows 2 i - 1 to 2 i + 1 all are, of (h, w); outside all are."""
    wide = np.ones((2 * (len(rows) // 2) + 3, rows.shape[1]), bool)
    wide[1 : 1 + len(rows)] = rows
    return np.asarray(wide[:-2:2] & wide[1:-1:2] & wide[2::2])


def _hold(pieces: Pieces, some: Sequence[int], step: int, first: int, voxel: npt.NDArray[np.int64]) -> bool:
    """Whether one of some pieces holds a voxel of the mask; those of a coarser grid the cell at it, or the one before it."""
    at = (voxel - first) // step
    return any(
        bool((pieces.found.first[k] <= at).all() and (at <= pieces.found.last[k]).all())
        and bool(pieces.own(k)[tuple(at - pieces.found.first[k])])
        for k in some
    )


def _hole(air: Pieces, own: Part, middle: npt.NDArray[np.int64], width: int, void_ids: Sequence[int]) -> Hole:
    """The cubes around the cells of a piece, of which the first of its box has its middle at `middle`, and the air half a cube around them."""
    from scipy.ndimage import binary_dilation

    steps = width // 2
    low = np.maximum(middle - 2 * steps, 0)
    high = middle + 2 * np.array(own.shape) - 1 + 2 * steps
    box = tuple(slice(a, b) for a, b in zip(low.tolist(), high.tolist(), strict=True))
    there = of_classes(air.mask[box], air.ids)
    seeds = np.zeros(there.shape, bool)
    seeds[
        tuple(slice(a, a + 2 * n - 1, 2) for a, n in zip((middle - low).tolist(), own.shape, strict=True))
    ] = own
    hole = binary_dilation(seeds, np.ones((width,) * 3, bool))
    for _ in range(steps):
        hole = grown(hole) & there
    z, y, x = box
    return Hole((z, y, x), int(hole.sum()), _faces_gained(air.mask, (z, y, x), hole, void_ids), leaks=True)


def grown(part: Part) -> Part:
    """The part and its face neighbours."""
    more = part.copy()
    for axis in range(3):
        low, high = (
            tuple(s if a == axis else slice(None) for a in range(3))
            for s in (slice(None, -1), slice(1, None))
        )
        more[high] |= part[low]
        more[low] |= part[high]
    return more


def _faces_gained(mask: Mask, box: Window, own: Part, void_ids: Sequence[int]) -> int:
    """Faces of void with a hole, whose voxels in its box are `own`, less those without."""
    wide = tuple(slice(max(0, s.start - 1), s.stop + 1) for s in box)
    inner = tuple(slice(s.start - w.start, s.stop - w.start) for s, w in zip(box, wide, strict=True))
    void = of_classes(mask[wide], void_ids).view(np.uint8)
    before = void_faces(void, (1,))
    void[inner] |= own
    return void_faces(void, (1,)) - before
