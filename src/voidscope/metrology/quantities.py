"""What criteria look at beside ratios: the largest void, the number of voids, dimensions, misalignment, solder beyond the pillar.

No limit on the largest void is kept by leaving one out of the count, or by what the size of one of few voxels may be wrong by.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from voidscope.config import MeasureConfig
from voidscope.measure_config import RATIO_NAMES
from voidscope.metrology.dimensions import AXES, PAD_SHARE, Dimensions, stands_along
from voidscope.metrology.ratios import Parts
from voidscope.metrology.verdict import Misreading, in_words
from voidscope.metrology.voids import COUNTABLE_VOXELS, QUANTIFIABLE_VOXELS, Void
from voidscope.vocabulary import ClassMap
from voidscope.volume import Spacing

QUANTITIES = {
    "largest_void_share": "volume of the largest void over the volume of its bump's foreground, void included",
    "largest_void_diameter_share": "equivalent diameter of the largest void over that of the circle with the bump's projected area",
    "largest_void_diameter_um": "diameter of the sphere with the volume of the largest void",
    "largest_void_feret_um": "largest Feret diameter of any void, of those large enough to have a shape",
    "void_count": "number of counted voids",
    "blt_um": "bond line, from the pillar's foot to the top",
    "pillar_width_um": "pillar width",
    "pillar_height_um": "pillar height",
    "pad_misalignment_um": "distance between the centres of pad and pillar across the build axis",
    "pad_misalignment_share": "distance between the centres of pad and pillar over the width of the pillar",
    "solder_protrusion_um": "solder beyond the pillar's edge on the side where it is most; 0 where it nowhere protrudes",
    "solder_protrusion_share": "how far solder protrudes where it is most, over the width of the pillar",
    "solder_underfill_um": "what solder lacks to the pillar's edge where it lacks most, be it in a neck alone; 0 where it lacks nowhere",
    "solder_underfill_share": "what solder lacks where it lacks most, over the width of the pillar",
}
"""What each quantity means, in words; the end of a name is its unit, a share is a fraction (0.05 is 5 %)."""
OF_VOIDS = tuple(name for name in QUANTITIES if name.startswith(("largest_void_", "void_")))
"""Quantities that voids have; where there is no structure to hold any, they say nothing."""
OF_ONE_VOID = tuple(name for name in OF_VOIDS if name.startswith("largest_void_"))
"""Those of a single void, the largest."""
GROWS = {
    **dict.fromkeys(OF_ONE_VOID, 1 / 3),
    **dict.fromkeys(("largest_void_share", "void_count", *RATIO_NAMES), 1.0),
}
"""With which power of the volume of void each measure of it grows."""
OF_BUMP = tuple(name for name in QUANTITIES if name.startswith(("blt_", "pillar_", "pad_", "solder_")))
"""Quantities that only a single bump has."""
BY_BUMP = (*OF_BUMP, "largest_void_share", "largest_void_diameter_share")
"""Those that a scan of several bumps has of the bump where they are worst, whatever the unit: what a void is compared with is its bump."""


SEVERAL = "the scan holds several bumps, and each has its own"
"""Why a length of a scan is undefined that is not that of one bump."""


def classes_read(measure: str, recipe: MeasureConfig) -> tuple[str, ...]:
    """Names of the classes that a length of a bump is read off; none of what is made of voids."""
    pillar, solder, pad = recipe.pillar_class, recipe.solder_class, recipe.pad_class
    if measure == "blt_um":
        return pillar, solder, pad
    starts = {"pillar_": (pillar,), "pad_": (pillar, pad), "solder_": (pillar, solder)}
    return next((names for start, names in starts.items() if measure.startswith(start)), ())


def quantities(
    voids: Sequence[Void], size: Dimensions, parts: Mapping[str, Parts | str], counts: Sequence[int],
    classes: ClassMap, spacing_um: Spacing, recipe: MeasureConfig,
) -> dict[str, float | str]:  # fmt: skip
    """Every quantity of one measurement, or why it is undefined, by name.

    Parameters
    ----------
    voids : the counted ones, largest first
    parts : of the ratios, for the size of the structure
    counts : voxels of each class, unlabelled first
    """
    axis = (stands_along(size, recipe) or AXES[0])[-1]  # without one the bump has no projected area either
    return {**_of_voids(voids, axis, parts, spacing_um), **_of_bump(size, counts, classes, recipe)}


def uncounted(
    read: Mapping[str, float | None], small: Sequence[Void], size: Dimensions, parts: Mapping[str, Parts | str], spacing_um: Spacing,
    recipe: MeasureConfig,
) -> Iterator[Misreading]:  # fmt: skip
    """What the quantities of the largest void may be with those of the voids not counted, largest first, that can be told from noise.

    The Feret diameter of one without a shape is taken as its box's; the size of one of few voxels as the most that it may be (`unquantified`).
    """
    left = [v for v in small if v.n_voxels >= COUNTABLE_VOXELS]
    if not left:
        return
    axis = (stands_along(size, recipe) or AXES[0])[-1]
    reach = max(reach_um(v, spacing_um) for v in left)
    most = {**_of_voids(left, axis, parts, spacing_um), "largest_void_feret_um": reach}
    for name in OF_ONE_VOID:
        largest = most[name]
        if isinstance(largest, float):
            most_of_it = (
                largest if name == "largest_void_feret_um" else largest * (1 + _wrong_by(left[0], name))
            )
            value = max(most_of_it, read[name] or 0.0)
            yield Misreading(
                {name: (value, value)},
                f"may be {in_words(name, value)} with voids of {COUNTABLE_VOXELS} voxels or more, {len(left):,} in all, that measure.min_voxels or "
                f"min_um3 leaves out: look at them, or set measure.min_voxels={COUNTABLE_VOXELS} and min_um3=0",
            )


def unquantified(read: Mapping[str, float | None], voids: Sequence[Void]) -> Iterator[Misreading]:
    """What the sizes of the largest void may be where some of the counted voids, largest first, have too few voxels to be quantified singly:
    the largest of these is the one that may be largest.

    A Feret diameter has only what is larger.
    """
    void = next((v for v in voids if v.n_voxels < QUANTIFIABLE_VOXELS), None)
    if void is None:
        return
    for name in OF_ONE_VOID:
        value = read[name]
        if not value or name == "largest_void_feret_um":
            continue
        wrong = _wrong_by(void, name)
        most = value * (void.n_voxels / voids[0].n_voxels) ** GROWS[name] * (1 + wrong)
        yield Misreading(
            {name: (value, max(value, most))},
            f"a void of {void.n_voxels} voxels is not quantified singly (below {QUANTIFIABLE_VOXELS}): its size may be wrong by {wrong:.0%}, and "
            f"{in_words(name, most)} would not pass; look at it, or scan it finer",
        )


def _wrong_by(void: Void, measure: str) -> float:
    """Relative random error of a measure of a void of n voxels; none of one that is quantified.

    That of a volume is taken as (8 / n)^(2/3), which is all of it at `COUNTABLE_VOXELS` and 10 % at `QUANTIFIABLE_VOXELS`, as found by Lin
    et al. 2015; a diameter has a third of it.
    """
    if void.n_voxels >= QUANTIFIABLE_VOXELS:
        return 0.0
    return min(1.0, float((COUNTABLE_VOXELS / void.n_voxels) ** (2 / 3))) * GROWS[measure]


def reach_um(void: Void, spacing_um: Spacing) -> float:
    """Its Feret diameter, or the diagonal of its box, which that cannot exceed, where it is too small to have one."""
    if void.shape:
        return void.shape.feret_um
    return math.hypot(*((b - a) * s for (a, b), s in zip(void.box, spacing_um, strict=True)))


def _of_voids(
    voids: Sequence[Void], axis: str, parts: Mapping[str, Parts | str], spacing_um: Spacing
) -> dict[str, float | str]:
    structure, shadow = parts["void/foreground"], parts["projected area"]
    if isinstance(structure, str) or structure[0] == structure[1]:
        return dict.fromkeys(
            OF_VOIDS, structure if isinstance(structure, str) else "no voxel is foreground other than void"
        )
    largest = voids[0] if voids else None
    diameter = largest.diameter_um if largest else 0.0
    return {
        "largest_void_share": (largest.n_voxels if largest else 0) / structure[1],
        "largest_void_diameter_share": shadow if isinstance(shadow, str) else diameter / _disc(shadow[1], axis, spacing_um),
        "largest_void_diameter_um": diameter,
        "largest_void_feret_um": _longest(voids, spacing_um),
        "void_count": float(len(voids)),
    }  # fmt: skip


def _longest(voids: Sequence[Void], spacing_um: Spacing) -> float | str:
    """The largest Feret diameter in um, 0 without voids; why there is none where a void too small to have a shape reaches farther."""
    longest = max((v.shape.feret_um for v in voids if v.shape), default=0.0)
    for void in voids:
        reach = reach_um(void, spacing_um)
        if void.shape is None and reach > longest:
            return (
                f"a void of {void.n_voxels} voxels may be {reach:.4g} um long, and below {QUANTIFIABLE_VOXELS} voxels none has a Feret diameter; "
                "look at it, or limit largest_void_diameter_um, which every void has"
            )
    return longest


def _disc(columns: int, axis: str, spacing_um: Spacing) -> float:
    """Diameter of the circle with the area of so many columns along the build axis, in um."""
    pixel = math.prod(s for name, s in zip(AXES, spacing_um, strict=True) if name != axis)
    return math.sqrt(4 * columns * pixel / math.pi)


def lengths_of(size: Dimensions) -> dict[str, float | None]:
    """Every quantity that only a single bump has, of its dimensions, by name; None where undefined."""
    width, sides = size.pillar_width_um, size.extrusion_um
    out = None if sides is None else max(0.0, *sides.values())
    return {
        "blt_um": size.blt_um, "pillar_width_um": width, "pillar_height_um": size.pillar_height_um,
        "pad_misalignment_um": size.pad_misalignment_um, "pad_misalignment_share": _over(size.pad_misalignment_um, width),
        "solder_protrusion_um": out, "solder_protrusion_share": _over(out, width),
        "solder_underfill_um": size.underfill_um, "solder_underfill_share": _over(size.underfill_um, width),
    }  # fmt: skip


def _of_bump(
    size: Dimensions, counts: Sequence[int], classes: ClassMap, recipe: MeasureConfig
) -> dict[str, float | str]:
    several = size.build_axis is not None and size.pillar_width_um is None
    without = SEVERAL if several else _missing(recipe, classes, counts, ("pillar", "solder"))
    unpadded = without if size.pillar_width_um is None else _missing(recipe, classes, counts, ("pad",))
    return {
        name: v if v is not None else unpadded if name.startswith("pad") else without
        for name, v in lengths_of(size).items()
    }


def _over(length: float | None, width: float | None) -> float | None:
    return None if length is None or not width else length / width


def _missing(recipe: MeasureConfig, classes: ClassMap, counts: Sequence[int], parts: Sequence[str]) -> str:
    """Why a mask without some part of a bump has none: the recipe names no class of it, or no voxel, or too few, are of it."""
    names = [getattr(recipe, f"{part}_class") for part in parts]
    for part, name in zip(parts, names, strict=True):
        if name not in classes.names:
            return f"there is no class {name!r} among {', '.join(classes.names)}; name it in measure.{part}_class"
    absent = [name for name in names if not counts[classes.id_of(name)]]
    if absent:
        return f"no voxel is {' or '.join(absent)}"
    if "pad" in parts:
        return f"{names[0]} covers less than {PAD_SHARE:.0%} of the pillar's columns, so it is taken for a mistake"
    return f"{' and '.join(names)} do not tell the build axis; name it in measure.build_axis"
