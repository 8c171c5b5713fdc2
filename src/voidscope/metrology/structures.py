"""A mask split into the structures (bumps) it shows: which voxels belong to which, where each stands, and what is none.

A piece is a connected set of foreground, void included. A piece with one pillar, or none, is one structure; one in which
several pillars stand is shared by bumps that touch, and `standing` says how it is parted. Pieces of less than a share of a
bump, and pieces of void alone, are no structures: they are counted, and said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from voidscope.config import MeasureConfig
from voidscope.errors import named
from voidscope.metrology.arrangement import Place, Points, arranged, empty_places
from voidscope.metrology.components import labelled
from voidscope.metrology.pieces import Pieces
from voidscope.metrology.standing import Bases, bases_of
from voidscope.metrology.voids import COUNTABLE_VOXELS, Box
from voidscope.vocabulary import UNLABELLED, ClassMap, Mask, Role
from voidscope.volume import Spacing

Place3 = tuple[float, float, float]
Meetings = dict[int, Counter[int]]
"""The structures that one meets, by their indices: over how many voxel faces, by the class that it has there."""


@dataclass(frozen=True)
class Structure:
    """One structure of a scan; positions are those of the whole scan.

    Attributes
    ----------
    name : ``r2c3`` in a grid, else ``b001``
    row, column : in the grid, from 1; None where there is no grid
    size_voxels : of all its foreground, void included
    centroid_um, centroid_voxel : (z, y, x) of its foreground
    box : first and one past the last voxel along z, y, x
    touches_border : whether it reaches the edge of the scan, so that part of it may be missing
    """

    name: str
    row: int | None
    column: int | None
    size_voxels: int
    centroid_um: Place3
    centroid_voxel: Place3
    box: Box
    touches_border: bool

    def entry(self) -> dict[str, Any]:
        """The structure as JSON has it; its name is called ``bump``."""
        plain = asdict(self)
        name = plain.pop("name")
        lists = {k: list(plain[k]) for k in ("centroid_um", "centroid_voxel")}
        return {"bump": name, **plain, **lists, "box": [list(edges) for edges in self.box]}

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> Structure:
        """The inverse of `entry`; what else is in it is left alone."""
        (z0, z1), (y0, y1), (x0, x1) = entry["box"]
        return cls(
            entry["bump"], entry["row"], entry["column"], entry["size_voxels"], _three(entry["centroid_um"]),
            _three(entry["centroid_voxel"]), ((z0, z1), (y0, y1), (x0, x1)), entry["touches_border"],
        )  # fmt: skip


@dataclass(frozen=True)
class Stray:
    """Foreground that belongs to no structure: pieces, their voxels, how many of those are void, and the names of the places of a grid
    where no structure stands, but some of it that is not void alone lies; and the voxels of the largest piece that is not void alone.
    """

    pieces: int = 0
    voxels: int = 0
    void_voxels: int = 0
    left_at: str = ""
    largest: int = 0

    @property
    def told(self) -> str:
        """In a person's words; empty where there is none."""
        if not self.pieces:
            return ""
        pieces = f"{self.pieces:,} piece{'' if self.pieces == 1 else 's'} of {self.voxels:,} voxels in all"
        return f"{pieces}, {self.void_voxels:,} of them void, too small or of void alone: part of no bump"


@dataclass(frozen=True)
class Structures:
    """A mask's structures and what is none.

    Attributes
    ----------
    structures : in rows, then columns
    stray : what belongs to none of them
    axis : build axis 0, 1 or 2, along which rows and columns are seen
    """

    structures: tuple[Structure, ...]
    stray: Stray
    axis: int
    _bodies: _Bodies
    _parts: tuple[tuple[int, int], ...]
    _loose: tuple[int, ...]

    @property
    def lean_deg(self) -> float:
        """Degrees by which all bumps lean from the build axis, see `standing`."""
        return self._bodies.bases.lean_deg

    def blanked(self) -> Iterator[tuple[int, tuple[int, int, int], Mask]]:
        """Index of each structure, the first voxel of its box and the mask (z, y, x) there, all others blanked out.

        The box is a voxel wider than the structure wherever the scan goes on, so that what touches the box's edge touches the
        scan's. Blanked voxels are background, or unlabelled where no class is. Bumps that share a body come one after another.
        """
        piece, numbers = -1, np.zeros((0, 0, 0), np.uint16)
        for k in sorted(range(len(self.structures)), key=lambda k: self._parts[k]):
            if self._parts[k][0] != piece:
                piece = self._parts[k][0]
                numbers = self._bodies.numbers(piece)
            yield k, *self._bodies.cut(piece, numbers, self._parts[k][1], self.structures[k].box)

    def touching(self, kinds: Sequence[Sequence[int]]) -> list[Meetings]:
        """What each structure meets of others, in voxel faces by classes of one kind on either side."""
        found = [Meetings() for _ in self.structures]
        index = {part: k for k, part in enumerate(self._parts)}
        for piece in sorted({piece for piece, _ in self._parts}):
            met = self._bodies.meetings(piece, kinds)
            for ids in kinds:
                for (one, other, class_id), n in met.items():
                    if class_id in ids:
                        found[index[piece, one]].setdefault(index[piece, other], Counter())[class_id] += n
        return [dict(sorted(own.items())) for own in found]

    def loose_columns(self) -> npt.NDArray[np.int64]:
        """Voxels in each column of the scan along `axis`, (h, w), of pieces of `COUNTABLE_VOXELS` or more that are no structure's nor void alone."""
        pieces = self._bodies.pieces
        found = np.zeros([n for a, n in enumerate(pieces.mask.shape) if a != self.axis], np.int64)
        for k in self._large():
            there = tuple(s for a, s in enumerate(pieces.box(k)) if a != self.axis)
            found[there] += pieces.own(k).sum(axis=self.axis)
        return found

    def loose_voxels(self, class_id: int) -> int:
        """Voxels of a class in the same pieces."""
        return sum(self._bodies.pieces.count(k, (class_id,)) for k in self._large())

    def _large(self) -> list[int]:
        return [k for k in self._loose if self._bodies.pieces.found.n_voxels[k] >= COUNTABLE_VOXELS]


def split(mask: Mask, classes: ClassMap, spacing_um: Spacing, recipe: MeasureConfig) -> Structures:
    """Tell the structures of a mask (z, y, x) of class ids apart.

    A piece counts when it holds at least `recipe.least_structure` of the largest bump, a body that several share counting as
    so many equal ones.
    """
    solid, void = classes.ids_with_role(Role.FOREGROUND), classes.ids_with_role(Role.VOID)
    pieces, bases = Pieces.of(mask, (*solid, *void)), bases_of(mask, classes, spacing_um, recipe)
    stands = tuple(tuple(bases.in_piece(pieces, k)) for k in range(len(pieces)))
    bodies = _Bodies(
        pieces, bases, stands, spacing_um, min(classes.ids_with_role(Role.BACKGROUND), default=UNLABELLED)
    )
    each = pieces.found.n_voxels / np.maximum(1, [len(s) for s in stands])
    large = np.flatnonzero(each >= recipe.least_structure * each.max(initial=0)).tolist()
    kept = [k for k in large if pieces.holds(k, solid)]
    found = [(k, *part) for k in kept for part in bodies.parts(k)]
    at = np.array([f[3] for f in found]).reshape(-1, 3) * spacing_um
    axis = int(np.ptp(at, axis=0).argmin()) if bases.axis is None and len(at) else bases.axis or 0
    order = arranged(at[:, [a for a in range(3) if a != axis]])
    left = sorted(set(range(len(pieces))) - set(kept))
    empty, n = {k: pieces.count(k, void) for k in left}, pieces.found.n_voxels
    structures = tuple(_structure(place, *found[k][2:], mask.shape, spacing_um) for k, place in order)
    loose = tuple(k for k in left if empty[k] < n[k])
    of_note = [k for k in loose if n[k] >= COUNTABLE_VOXELS]
    where = _left_at(
        [p for _, p in order], at[[k for k, _ in order]], pieces.found.centroid[of_note] * spacing_um, axis
    )
    stray = Stray(
        len(left), int(n[left].sum()), sum(empty.values()), named(where), int(max(n[list(loose)], default=0))
    )
    return Structures(structures, stray, axis, bodies, tuple(found[k][:2] for k, _ in order), loose)


def _left_at(places: Sequence[Place], at: Points, pieces_at: Points, axis: int) -> list[str]:
    """Names of the empty places of a grid that some pieces (M, 3) lie nearer to than to any of its structures (N, 3), all in um."""
    seen, there = np.delete(at, axis, axis=1), np.delete(pieces_at, axis, axis=1)
    free = empty_places(places, seen) if len(there) else {}
    if not free:
        return []
    from scipy.spatial import cKDTree

    nearest = set(cKDTree([*free.values(), *seen]).query(there)[1].tolist())
    return [name for k, name in enumerate(free) if k in nearest]


def _structure(
    place: Place, n: int, centroid: Any, first: Any, last: Any, shape: tuple[int, ...], spacing_um: Spacing
) -> Structure:
    edge = bool((first == 0).any() or (last == np.array(shape) - 1).any())
    z, y, x = ((int(a), int(b) + 1) for a, b in zip(first, last, strict=True))
    return Structure(
        place.name, place.row, place.column, int(n), _three(centroid * spacing_um), _three(centroid), (z, y, x), edge
    )  # fmt: skip


@dataclass(frozen=True)
class _Bodies:
    """Pieces, the pillars that stand in each, and what their boxes are blanked with."""

    pieces: Pieces
    bases: Bases
    stands: tuple[tuple[int, ...], ...]
    spacing_um: Spacing
    blank: int

    def numbers(self, k: int) -> npt.NDArray[Any]:
        """Number from 1 of the structure that each voxel of a piece's box belongs to; 0 for what is another piece's or nothing."""
        own = self.pieces.own(k)
        if len(self.stands[k]) < 2:
            return own
        return self.bases.part(own, self.pieces.found.first[k], self.stands[k], self.spacing_um)

    def parts(self, k: int) -> Iterator[tuple[int, int, Any, Any, Any]]:
        """Number, voxels, centroid, first and last corner of each structure of a piece."""
        found = self.pieces.found
        if len(self.stands[k]) < 2:
            yield 1, int(found.n_voxels[k]), found.centroid[k], found.first[k], found.last[k]
            return
        seen, corner = labelled(self.numbers(k), len(self.stands[k])), found.first[k]
        for part, n in enumerate(seen.n_voxels.tolist()):
            if n:
                yield (
                    part + 1,
                    n,
                    seen.centroid[part] + corner,
                    seen.first[part] + corner,
                    seen.last[part] + corner,
                )

    def meetings(self, k: int, kinds: Sequence[Sequence[int]]) -> Counter[tuple[int, int, int]]:
        """Voxel faces over which classes of one kind of two structures of piece k meet, each from either side: own number, the other's, own class."""
        found, last = Counter[tuple[int, int, int]](), None
        if len(self.stands[k]) < 2:
            return found
        kind = np.zeros(256, np.uint8)
        for number, ids in enumerate(kinds, start=1):
            kind[list(ids)] = number
        for own, plane in zip(self.numbers(k), self.pieces.mask[self.pieces.box(k)], strict=True):
            here = np.where(kind[plane] > 0, own, 0)
            sides = [
                ((here[1:], plane[1:]), (here[:-1], plane[:-1])),
                ((here[:, 1:], plane[:, 1:]), (here[:, :-1], plane[:, :-1])),
                *([] if last is None else [((here, plane), last)]),
            ]
            for (a, of_a), (b, of_b) in sides:
                meets = (a != b) & (a > 0) & (b > 0)
                if meets.any():
                    same = kind[of_a[meets]] == kind[of_b[meets]]
                    one, its, other, of_other = (v[meets][same].tolist() for v in (a, of_a, b, of_b))
                    found.update(zip(one, other, its, strict=True))
                    found.update(zip(other, one, of_other, strict=True))
            last = here, plane
        return found

    def cut(
        self, k: int, numbers: npt.NDArray[Any], part: int, box: Box
    ) -> tuple[tuple[int, int, int], Mask]:
        """First voxel and mask of a box, a voxel wider, that shows one structure of a piece alone."""
        mask, corner = self.pieces.mask, self.pieces.found.first[k].tolist()
        wide = [(max(0, a - 1), min(n, b + 1)) for (a, b), n in zip(box, mask.shape, strict=True)]
        cut = np.full([b - a for a, b in wide], self.blank, np.uint8)
        inner = tuple(slice(a - w, b - w) for (a, b), (w, _) in zip(box, wide, strict=True))
        there = tuple(slice(a - c, b - c) for (a, b), c in zip(box, corner, strict=True))
        chosen = numbers[there] if numbers.dtype == np.bool_ else numbers[there] == part
        np.copyto(cut[inner], mask[tuple(slice(a, b) for a, b in box)], where=chosen, casting="unsafe")
        return (wide[0][0], wide[1][0], wide[2][0]), cut


def _three(values: Any) -> Place3:
    z, y, x = (float(v) for v in values)
    return z, y, x
