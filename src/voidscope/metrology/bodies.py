"""Pillar, solder and pad of a bump, each as far as its box and counted plane by plane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from voidscope.config import MeasureConfig
from voidscope.metrology.components import mean_index, of_classes, plane_counts
from voidscope.metrology.pieces import Part, Pieces, Window
from voidscope.vocabulary import ClassMap, Mask

DUST = 0.01
"""Connected parts of less than this share of the largest one of their class are left out."""

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ClassBox:
    """One class of a mask, as far as its box.

    Attributes
    ----------
    mask : (z, y, x) of the box
    class_id : what is looked at in it
    first : the box's corner
    counts : voxels in each plane across z, y and x of the whole mask
    dust : pieces that are left out: where in the box, and which voxels there
    """

    mask: Mask
    class_id: int
    first: tuple[int, ...]
    counts: tuple[Counts, Counts, Counts]
    dust: tuple[tuple[Window, Part], ...] = ()

    @classmethod
    def of(cls, mask: Mask, class_id: int) -> ClassBox | None:
        """A class, dust included; None without a voxel."""
        counts = plane_counts(mask, class_id)
        if not counts[0].any():
            return None
        ends = [_ends(n) for n in counts]
        box = mask[tuple(slice(a, b) for a, b in ends)]
        return cls(box, class_id, tuple(a for a, _ in ends), counts)

    def without_dust(self) -> ClassBox:
        """Without its connected pieces of less than a share `DUST` of the largest."""
        specks = _specks(self.mask, self.class_id) if DUST * self.counts[0].sum() > 1 else ()
        if not specks:
            return self
        counts = tuple(n.copy() for n in self.counts)
        for at, own in specks:
            for axis, (n, where, low) in enumerate(zip(counts, at, self.first, strict=True)):
                n[where.start + low : where.stop + low] -= own.sum(
                    axis=tuple(a for a in range(3) if a != axis)
                )
        z, y, x = counts
        return replace(self, counts=(z, y, x), dust=specks)

    def body(self) -> Part:
        """Which voxels of the box are of the class."""
        body: Part = self.mask == self.class_id
        for at, own in self.dust:
            body[at] &= ~own
        return body

    def columns(self, axis: int) -> int:
        """Columns along an axis that hold any of it."""
        return int(np.count_nonzero(self.body().any(axis=axis)))

    def ends(self, axis: int) -> tuple[float, float]:
        """First and one past the last plane with a voxel."""
        return _ends(self.counts[axis])

    def middle(self, axes: Sequence[int]) -> list[float]:
        """Mean index along some axes."""
        return [float(at) for at in mean_index([self.counts[a] for a in axes])]

    def median(self, axes: Sequence[int]) -> list[float]:
        """Median index along some axes; between two where half lie on either side."""
        found = []
        for n in (self.counts[a] for a in axes):
            below, half = np.cumsum(n), int(n.sum())
            found.append(float(np.searchsorted(below, [(half - 1) // 2, half // 2], side="right").mean()))
        return found


def _ends(counts: Counts) -> tuple[int, int]:
    there = np.flatnonzero(counts)
    return int(there[0]), int(there[-1]) + 1


def _specks(mask: Mask, class_id: int) -> tuple[tuple[Window, Part], ...]:
    """Connected pieces of a class of less than a share `DUST` of the largest: where, and which voxels there."""
    pieces = Pieces.of(mask, [class_id])
    small = np.flatnonzero(pieces.found.n_voxels < DUST * pieces.found.n_voxels.max()).tolist()
    return tuple((pieces.box(k), pieces.own(k)) for k in small)


def with_joint(mask: Mask, classes: ClassMap, recipe: MeasureConfig) -> Mask:
    """A mask in which the further classes of a joint (`joint_classes`) are solder, which lengths and bands take them for; itself without any."""
    ids = [classes.id_of(n) for n in recipe.further_of_joint if n in classes.names]
    if recipe.solder_class not in classes.names or not ids:
        return mask
    found = mask.copy()
    for plane in found:
        plane[of_classes(plane[None], ids)[0]] = classes.id_of(recipe.solder_class)
    return found


@dataclass(frozen=True)
class BumpParts:
    """Pillar, solder and pad of a mask of some shape; None what it has not."""

    pillar: ClassBox | None
    solder: ClassBox | None
    pad: ClassBox | None
    shape: tuple[int, ...]

    @classmethod
    def of(cls, mask: Mask, classes: ClassMap, recipe: MeasureConfig, with_pad: bool = True) -> BumpParts:
        """Those that the recipe's names say, dust included; the pad where it is asked for. Further classes of the joint are solder."""
        mask = with_joint(mask, classes, recipe)
        names = (recipe.pillar_class, recipe.solder_class, *([recipe.pad_class] if with_pad else []))
        found = [ClassBox.of(mask, classes.id_of(n)) if n in classes.names else None for n in names]
        pillar, solder, pad = (*found, None)[:3]
        return cls(pillar, solder, pad, mask.shape)

    def without_dust(self) -> BumpParts:
        """All three without what is too small to be a part of a bump."""
        pillar, solder, pad = (p and p.without_dust() for p in (self.pillar, self.solder, self.pad))
        return BumpParts(pillar, solder, pad, self.shape)
