"""Dimensions of a micro-bump in um: bond line, pillar, misalignment of the pad, solder beyond the pillar.

The bump stands along its build axis: pillar, then solder, then (memory) pad. Every length is read off many columns or
levels and is their median, so that a stray voxel moves none of them; `by_boxes` reads the same things off bounding boxes,
as the public formulas do, for comparison.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from voidscope.config import MeasureConfig
from voidscope.metrology.components import CONNECTIVITY
from voidscope.vocabulary import ClassMap, Mask
from voidscope.volume import Spacing

BULGE = 95.0
"""Percentile over the levels of the solder at which its edge is taken: a bulge counts, a stray voxel does not."""
DUST = 0.01
"""Connected parts of less than this share of their class are left out."""
TIE = 1e-6
"""Solder and pillar as far apart along two axes, to this share, tell no build axis."""
AXES = ("z", "y", "x")
LENGTHS = ("blt_um", "pillar_width_um", "pillar_height_um", "pad_misalignment_um")
"""Names of the lengths that are one number each."""

Part = npt.NDArray[np.bool_]
Lengths = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Dimensions:
    """What one bump measures; None where a class it needs is not in the mask.

    Attributes
    ----------
    build_axis : z, y or x, with - in front where the pillar lies at the far end
    blt_um : bond line, from the foot of the pillar to the top of the pad (memory) or of the solder (logic)
    pillar_width_um, pillar_height_um : across and along the build axis; the width is the larger of the two across
    pad_misalignment_um : distance across the build axis between the centres of pad and pillar
    extrusion_um : solder beyond the pillar on each side across the build axis, e.g. ``-y``, ``+x``; negative where it
        does not reach the pillar's edge
    """

    build_axis: str | None = None
    blt_um: float | None = None
    pillar_width_um: float | None = None
    pillar_height_um: float | None = None
    pad_misalignment_um: float | None = None
    extrusion_um: Mapping[str, float] | None = None

    def entry(self) -> dict[str, Any]:
        """The dimensions as JSON has them."""
        return asdict(self)

    @property
    def largest_extrusion_um(self) -> float | None:
        """How far the solder protrudes where it protrudes most; negative where it nowhere does."""
        return max(self.extrusion_um.values()) if self.extrusion_um else None


def dimensions(mask: Mask, classes: ClassMap, spacing_um: Spacing, recipe: MeasureConfig) -> Dimensions:
    """Measure the bump in a mask (z, y, x) of class ids by columns and levels, without parts below `DUST` of their class.

    Heights are medians over the columns (along the build axis) of the pillar, widths and the pillar's edges medians over the
    levels (across it), the solder's edges the `BULGE` percentile of its levels. All are whole voxels wide at each column or
    level, so a body of straight walls is measured to the voxel. Centres are means, finer than a voxel.
    """
    posed = _Posed.of(mask, classes, spacing_um, recipe, dust=DUST)
    if posed is None:
        return Dimensions()
    pillar, solder, pad = posed.pillar, posed.solder, posed.pad
    top = solder if pad is None else pad
    step, across = posed.spacing[0], posed.spacing[1:]
    return Dimensions(
        build_axis=posed.axis,
        blt_um=_median(_rise(pillar, top)) * step,
        pillar_width_um=max(_median(_edges(pillar, k)[:, 1] - _edges(pillar, k)[:, 0]) * across[k] for k in (0, 1)),
        pillar_height_um=_median(_rise(pillar, pillar)) * step,
        pad_misalignment_um=None if pad is None else _apart(_centre(pillar), _centre(pad), across),
        extrusion_um=_by_side(posed, lambda part, k: _outer(part, k, part is solder)),
    )  # fmt: skip


def by_boxes(mask: Mask, classes: ClassMap, spacing_um: Spacing, recipe: MeasureConfig) -> Dimensions:
    """The same by the public formulas (METROLOGY of the paper's group): bounding boxes and median coordinates.

    One voxel moves a box, extents of the pillar lack the last voxel (max - min), those of the bond line have it. Signs of the
    extrusion are turned: there under-fill is positive.
    """
    posed = _Posed.of(mask, classes, spacing_um, recipe)
    if posed is None:
        return Dimensions()
    pillar, solder, pad = posed.pillar, posed.solder, posed.pad
    at = {
        name: np.nonzero(p)
        for name, p in (("pillar", pillar), ("solder", solder), ("pad", pad))
        if p is not None
    }
    step, across = posed.spacing[0], posed.spacing[1:]
    top = at["solder" if pad is None else "pad"]
    extents = [float(np.ptp(along)) * s for along, s in zip(at["pillar"], posed.spacing, strict=True)]
    middle = {name: [float(np.median(along)) for along in where[1:]] for name, where in at.items()}

    def box(part: Part, k: int) -> tuple[float, float]:
        along = np.nonzero(part)[k + 1]
        return float(along.min()), float(along.max()) + 1

    return Dimensions(
        build_axis=posed.axis,
        blt_um=float(top[0].max() - at["pillar"][0].min() + 1) * step,
        pillar_width_um=max(extents[1:]),
        pillar_height_um=extents[0],
        pad_misalignment_um=None if pad is None else _apart(middle["pillar"], middle["pad"], across),
        extrusion_um=_by_side(posed, box),
    )


@dataclass(frozen=True)
class _Posed:
    """Pillar, solder and pad with the build axis first, the pillar at its near end."""

    pillar: Part
    solder: Part
    pad: Part | None
    spacing: tuple[float, float, float]
    axis: str
    sides: tuple[str, str]

    @classmethod
    def of(
        cls, mask: Mask, classes: ClassMap, spacing_um: Spacing, recipe: MeasureConfig, dust: float = 0.0
    ) -> _Posed | None:
        """Stand the bump up along the axis on which solder and pillar lie farthest apart; None without either, or where two tie."""
        pillar, solder, pad = (
            _swept(mask == classes.id_of(name), dust) if name in classes.names else np.zeros(mask.shape, bool)
            for name in (recipe.pillar_class, recipe.solder_class, recipe.pad_class)
        )
        if not (pillar.any() and solder.any()):
            return None
        apart = np.multiply(np.subtract(_middle(solder), _middle(pillar)), spacing_um)
        *_, second, farthest = np.sort(np.abs(apart))
        if recipe.build_axis == "auto" and farthest - second <= TIE * farthest:
            return None
        axis = int(np.argmax(np.abs(apart))) if recipe.build_axis == "auto" else AXES.index(recipe.build_axis)
        order = [axis, *(a for a in range(3) if a != axis)]
        turn = slice(None, None, -1) if apart[axis] < 0 else slice(None)
        parts = [p.transpose(order)[turn] for p in (pillar, solder, pad)]
        z, y, x = (float(spacing_um[a]) for a in order)
        return cls(
            parts[0], parts[1], parts[2] if pad.any() else None, (z, y, x),
            ("-" if apart[axis] < 0 else "") + AXES[axis], (AXES[order[1]], AXES[order[2]]),
        )  # fmt: skip


def _swept(part: Part, dust: float) -> Part:
    """The part without its connected pieces of less than a share `dust` of it."""
    least = int(np.ceil(dust * np.count_nonzero(part)))
    if least < 2:
        return part
    import cc3d

    kept = cc3d.dust(np.ascontiguousarray(part).view(np.uint8), threshold=least, connectivity=CONNECTIVITY)
    return np.asarray(kept, bool)


def _middle(part: Part) -> list[float]:
    """Mean index along each axis."""
    counts = [part.sum(axis=tuple(a for a in range(3) if a != axis)) for axis in range(3)]
    return [float((n * np.arange(len(n))).sum() / n.sum()) for n in counts]


def _centre(part: Part) -> list[float]:
    return _middle(part)[1:]


def _apart(a: list[float], b: list[float], across: tuple[float, ...]) -> float:
    return float(np.hypot(*np.multiply(np.subtract(a, b), across)))


def _rise(foot: Part, top: Part) -> Lengths:
    """Voxels from the first of `foot` to the last of `top` in every column that has both, else between their medians."""
    first, last = foot.argmax(axis=0), top.shape[0] - top[::-1].argmax(axis=0)
    there, above = foot.any(axis=0), top.any(axis=0)
    both = there & above
    if both.any():
        rise: Lengths = (last - first)[both].astype(np.float64)
        return rise
    return np.array([np.median(last[above]) - np.median(first[there])])


def _edges(part: Part, k: int) -> Lengths:
    """First and one past the last voxel across (0 or 1) at each level that has any, (L, 2)."""
    seen = np.asarray(part.any(axis=2 - k))
    flat = seen[seen.any(axis=1)]
    ends = flat.argmax(axis=1), flat.shape[1] - flat[:, ::-1].argmax(axis=1)
    return np.stack(ends, axis=1).astype(np.float64)


def _outer(part: Part, k: int, bulging: bool) -> tuple[float, float]:
    edges = _edges(part, k)
    if bulging:
        near = np.percentile(edges[:, 0], 100 - BULGE, method="higher")
        return float(near), float(np.percentile(edges[:, 1], BULGE, method="lower"))
    return _median(edges[:, 0]), _median(edges[:, 1])


def _by_side(posed: _Posed, edges: Any) -> dict[str, float]:
    """Solder beyond the pillar at both ends of both axes across, in um."""
    found: dict[str, float] = {}
    for k, (name, step) in enumerate(zip(posed.sides, posed.spacing[1:], strict=True)):
        (low, high), (near, far) = edges(posed.pillar, k), edges(posed.solder, k)
        found |= {f"-{name}": (low - near) * step, f"+{name}": (far - high) * step}
    return found


def _median(values: Lengths) -> float:
    return float(np.median(values))
