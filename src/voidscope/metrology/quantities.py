"""What criteria look at beside ratios: the largest void, the number of voids, dimensions, misalignment, solder beyond the pillar."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from voidscope.config import MeasureConfig
from voidscope.metrology.dimensions import AXES, PAD_SHARE, Dimensions, stands_along
from voidscope.metrology.ratios import Parts
from voidscope.metrology.voids import QUANTIFIABLE_VOXELS, Void
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


def at_most_of(
    voids: Sequence[Void], size: Dimensions, parts: Mapping[str, Parts | str], spacing_um: Spacing, recipe: MeasureConfig
) -> dict[str, float | str]:  # fmt: skip
    """Every quantity of the largest of some voids, largest first; the Feret diameter of one without a shape is that of its box."""
    axis = (stands_along(size, recipe) or AXES[0])[-1]
    found = _of_voids(voids, axis, parts, spacing_um)
    longest = max((reach_um(v, spacing_um) for v in voids), default=0.0)
    return {**{k: v for k, v in found.items() if k != "void_count"}, "largest_void_feret_um": longest}


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
