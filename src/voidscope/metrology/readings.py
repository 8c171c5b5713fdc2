"""What a bump's lengths may be other than they read: no limit on a length is kept by what was not seen, left out, or cleaned away.

Each way of misreading names the range in which lengths may lie then. An outcome that would not pass all over it is for REVIEW
instead of PASS; FAIL stands. `doubts` are about the bump, this is about the reading.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from voidscope.config import MeasureConfig
from voidscope.metrology.between import farthest
from voidscope.metrology.components import of_classes
from voidscope.metrology.dimensions import AXES, Dimensions, dimensions
from voidscope.metrology.margins import Margins
from voidscope.metrology.measurement import ScanMeasurement
from voidscope.metrology.quantities import OF_BUMP, lengths_of
from voidscope.metrology.verdict import Misreading, criteria_of, in_words, judge
from voidscope.metrology.voids import COUNTABLE_VOXELS
from voidscope.vocabulary import ClassMap, Mask, Role
from voidscope.volume import Spacing


def cut_off(found: ScanMeasurement, mask: Mask) -> Iterator[Misreading]:
    """Of a bump, alone in `mask`, whose foot, or topmost body, lies at the edge of the scan: what is read off that end may be longer."""
    size, recipe, axis = found.dimensions, found.recipe, found.dimensions.build_axis
    if axis is None:
        return
    foot, head = (-1, 0) if axis.startswith("-") else (0, -1)
    top = recipe.solder_class if size.pad_misalignment_um is None else recipe.pad_class
    lengths = {"blt_um": size.blt_um, "pillar_height_um": size.pillar_height_um}
    for what, name, end, read in (
        ("foot", recipe.pillar_class, foot, lengths),
        ("top", top, head, {"blt_um": size.blt_um}),
    ):
        plane = np.take(mask, end, axis=AXES.index(axis[-1]))
        if np.count_nonzero(plane == found.classes.id_of(name)) >= COUNTABLE_VOXELS:
            yield Misreading(
                {k: (v, math.inf) for k, v in read.items() if v is not None},
                f"its {what} lies at the edge of the scan along {axis[-1]}, so it may be more: look at the rest of it",
            )


def lipped(found: ScanMeasurement) -> Iterator[Misreading]:
    """Of a bump whose solder reaches farther than its protrusion reads, at few levels (`lips`)."""
    lip = found.dimensions.lip_um
    if lip is None or lip <= 0:
        return
    ends = _over(lip, found.dimensions, "solder_protrusion")
    yield Misreading(
        {name: (v, end) for name, end in ends.items() if (v := found.quantities[name]) is not None},
        f"{COUNTABLE_VOXELS} connected voxels of solder or more reach {lip:.4g} um beyond its pillar, at so few levels that they are left "
        "out: look at them",
    )


def between(found: ScanMeasurement) -> Iterator[Misreading]:
    """Of a bump whose solder protrudes, or lacks, farther than the four sides show (`between`)."""
    size = found.dimensions
    for quantity, places, told in (
        ("solder_protrusion", size.beyond_um, "of solder or more reach {} um beyond its pillar"),
        ("solder_underfill", size.lacking_um, "or more that solder should fill reach {} um inward of its pillar's edge"),
    ):  # fmt: skip
        if not places:
            continue
        where, most = max(places.items(), key=lambda place: place[1])
        ends = _over(most, size, quantity)
        yield Misreading(
            {name: (v, end) for name, end in ends.items() if (v := found.quantities[name]) is not None},
            f"{COUNTABLE_VOXELS} connected voxels {told.format(f'{most:.4g}')} towards {where}, more than its four sides show: look at them",
        )


def unevenly_wide(found: ScanMeasurement) -> Iterator[Misreading]:
    """Of a bump whose pillar is neither round nor an upright square: what is told by its width may be by a lesser one."""
    width, least = found.dimensions.pillar_width_um, found.dimensions.least_width_um
    if not (width and least):
        return
    read = {name: v for name in OF_BUMP if (v := found.quantities[name]) is not None}
    yield Misreading(
        {name: (v, v * width / least) for name, v in read.items() if name.endswith("_share")}
        | {"pillar_width_um": (least, width)},
        f"its pillar is neither round nor an upright square: it is {width:.4g} um wide along an axis and {least:.4g} um where it is narrowest, "
        "so look at it, and decide by which",
        of_fail=True,
    )


def _over(length_um: float, size: Dimensions, quantity: str) -> dict[str, float]:
    """A length as the quantity in um and as that over the pillar's width, the least where it has several."""
    width = size.least_width_um or size.pillar_width_um
    found = {f"{quantity}_um": length_um}
    return found | {f"{quantity}_share": length_um / width} if width else found


def _seen(size: Dimensions) -> dict[str, float]:
    """Quantities that a lip, or what lies between the sides, makes more than they read, and what they are then."""
    out = max(size.lip_um or 0.0, farthest(size.beyond_um) or 0.0)
    lacks = farthest(size.lacking_um) or 0.0
    return (_over(out, size, "solder_protrusion") if out > 0 else {}) | (
        _over(lacks, size, "solder_underfill") if lacks else {}
    )


def cleaned(found: ScanMeasurement, before: Sequence[Dimensions]) -> Iterator[Misreading]:
    """Of a bump whose lengths were otherwise `before` gaps were closed and voxels far from it taken away."""
    recipe = found.recipe
    steps = [f"measure.{name}={v:g}" for name in ("closing_voxels", "far_um") if (v := getattr(recipe, name))]
    for size in before:
        seen = _seen(size)
        for name, was in lengths_of(size).items():
            value = found.quantities[name]
            if was is None or value is None:
                continue
            was = seen.get(name, was)
            if was != value:
                told = f"is {in_words(name, was)} before it is cleaned ({', '.join(steps)}): look at it"
                yield Misreading({name: (min(was, value), max(was, value))}, told, of_fail=True)


def leaning(found: ScanMeasurement, lean_deg: float) -> Iterator[Misreading]:
    """Of a bump that leans from its build axis: columns run through it slantwise, and its top lies beside its foot.

    A length L is longer by 1/cos along and across the axis, as long as half of the columns run from end to end, which takes a width of 3 L tan
    or more; what is read off two bodies is off by tan times the distance between their middles. What is within the uncertainty, or half
    a voxel where there is none, is no reason.
    """
    blt, height, width = (
        getattr(found.dimensions, name) for name in ("blt_um", "pillar_height_um", "pillar_width_um")
    )
    if not (lean_deg and width) or blt is None or height is None:
        return
    tan, longer = math.tan(math.radians(lean_deg)), 1 / math.cos(math.radians(lean_deg)) - 1
    beside = tan * max(blt - height / 2, 0.0)
    off = {"blt_um": blt * longer, "pillar_height_um": height * longer, "pillar_width_um": width * longer}
    off |= {
        name: math.inf
        for name in ("blt_um", "pillar_height_um")
        if 3 * tan * getattr(found.dimensions, name) > width
    }
    off |= {name: beside if name.endswith("_um") else beside / width for name in OF_BUMP if name not in off}
    known, voxel = {o.measure: o.uncertainty for o in found.outcomes}, max(found.spacing_um) / 2
    for name, by in off.items():
        value, least = found.quantities[name], voxel if name.endswith("_um") else voxel / width
        u = known.get(name)
        if value is not None and by > (least if u is None else u):
            yield Misreading(
                {name: (max(0.0, value - by), value + by)},
                f"it leans by {lean_deg:.2g} degrees, which may change that by {in_words(name, by, 2)}: look at it, or turn the scan upright",
                of_fail=True,
            )


def uncleaned(
    raw: Mask, cut: Mask, first: Sequence[int], classes: ClassMap, spacing_um: Spacing, recipe: MeasureConfig, margins: Margins | None
) -> Dimensions:  # fmt: skip
    """The dimensions of a bump, alone in `cut` whose first voxel is `first`, by what its solid voxels were in `raw`, that box before it was
    cleaned; voids that were filled stay.
    """
    solid = of_classes(cut, classes.ids_with_role(Role.FOREGROUND))
    was = np.where(solid, raw, cut)
    return dimensions(was, classes, spacing_um, recipe, margins.within(first, was) if margins else None)


def of_lengths(recipe: MeasureConfig) -> bool:
    """Whether the recipe has a limit on a length of a bump."""
    return any(c.measure in OF_BUMP for c in recipe.criteria)


def unaligned(found: ScanMeasurement, why: str) -> ScanMeasurement:
    """A bump whose misalignment is undefined for this reason; as it is where there is none."""
    names = [name for name in OF_BUMP if name.startswith("pad_misalignment")]
    if not why or found.dimensions.pad_misalignment_um is None:
        return found
    outcomes = tuple(
        judge(c, None, found.recipe.rule, why) if c.measure in names else o
        for o, c in zip(found.outcomes, criteria_of(found.recipe), strict=True)
    )
    return replace(
        found, outcomes=outcomes, quantities={**found.quantities, **dict.fromkeys(names)},
        undefined={**found.undefined, **dict.fromkeys(names, why)},
        dimensions=replace(found.dimensions, pad_misalignment_um=None), boxed=replace(found.boxed, pad_misalignment_um=None),
    )  # fmt: skip
