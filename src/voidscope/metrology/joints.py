"""Why the joint of a bump may be open, by its own mask (z, y, x): a thread or nothing holds it, or void parts it.

A joint is as good as its least section. Void carries nothing, nor does any class that the recipe does not name, so sections are of pillar,
solder, pad and `joint_classes`; how thin one is, is told against the pillar's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from voidscope.errors import named
from voidscope.metrology.bodies import DUST
from voidscope.metrology.components import CONNECTIVITY, find_components, of_classes
from voidscope.metrology.dimensions import AXES
from voidscope.metrology.measurement import ScanMeasurement
from voidscope.metrology.necks import FEW, neck_of
from voidscope.metrology.pieces import Part
from voidscope.metrology.voids import COUNTABLE_VOXELS
from voidscope.vocabulary import Mask

Ints = npt.NDArray[np.int64]
Planes = Mapping[int, Sequence[Ints]]
"""Voxels of each class across z, y, x."""

THREAD = 0.1
"""A joint with less than this share of the pillar's usual section somewhere may be open, and a few voxels that a model mistook close it."""
END = 0.6
"""A level with less than this share of the widest near it is an end that is cut obliquely, or that of a dome."""


def open_joint(found: ScanMeasurement, mask: Mask, planes: Planes, section: int, first: Sequence[int]) -> str:
    """Of a bump, alone in `mask` whose first voxel is `first`, whose joint may be open, the first reason that there is; empty of a sound one.

    In the mask further classes of the joint are solder (`with_joint`). `planes` has every foreground class, and `section` is the pillar's usual one, in voxels.
    """
    up = AXES.index((found.dimensions.build_axis or AXES[0])[-1])
    classes, recipe = found.classes, found.recipe
    names = (recipe.pillar_class, recipe.solder_class, recipe.pad_class)
    of_joint = {k: n for k, n in planes.items() if classes.names[k - 1] in names}
    solid: Ints = np.sum([n[up] for n in of_joint.values()], axis=0)
    why = (
        parted(mask, [*of_joint])
        or _thread(solid / section, up, first)
        or _thin(found, of_joint, solid / section, up)
        or _broken(found, mask, [*of_joint], solid, section, first)
        or _torn(found, mask, [*of_joint], solid, section, first)
    )
    others = [classes.names[k - 1] for k, n in planes.items() if k not in of_joint and n[up].any()]
    if not why or not others:
        return why
    return (
        f"{why} (nothing of {named(others)} is taken to hold: name what does in the recipe's joint_classes)"
    )


def pieces(mask: Mask, ids: Sequence[int], connectivity: int = CONNECTIVITY) -> int:
    """Pieces of some classes that are no dust: of a share `DUST` of all of it or more, and of `COUNTABLE_VOXELS`."""
    n = find_components(mask, ids, connectivity=connectivity).n_voxels
    return int(np.count_nonzero(n >= max(COUNTABLE_VOXELS, DUST * n.sum())))


def parted(mask: Mask, solid_ids: Sequence[int]) -> str:
    """Of a bump that without void is in several pieces that share no face, void, or a crack that steps, being between them."""
    n = pieces(mask, solid_ids, connectivity=6)
    return (
        f"it is parted into {n} solid pieces that share no face: it may be an open joint; look at it"
        if n > 1
        else ""
    )


def _thread(solid: npt.NDArray[np.float64], up: int, first: Sequence[int]) -> str:
    """Of a bump whose solid section, as a share of its pillar's usual one, is somewhere less than `THREAD` between levels where it is more."""
    thick = np.flatnonzero(solid >= THREAD)
    between = solid[thick[0] : thick[-1] + 1]
    if between.min() >= THREAD:
        return ""
    level = int(between.argmin() + thick[0] + first[up])
    return (
        f"at {AXES[up]} = {level} no more than {100 * between.min():.2g} % of its pillar's section is solid: "
        "it may be an open joint that a thread, or a few mistaken voxels, closes; look at it"
    )


def _thin(found: ScanMeasurement, planes: Planes, solid: npt.NDArray[np.float64], up: int) -> str:
    """Of a bump in which, at most levels of its solder, or of its pad, less than `THREAD` of the pillar's usual section is solid, as where little
    more than a needle is left of it.
    """
    padded = found.dimensions.pad_misalignment_um is not None
    for name in (found.recipe.solder_class, *([found.recipe.pad_class] if padded else [])):
        levels = solid[np.flatnonzero(planes[found.classes.id_of(name)][up])]
        if 2 * np.count_nonzero(levels < THREAD) > len(levels):
            return (
                f"at most levels of its {name} less than {100 * THREAD:g} % of its pillar's section is solid: "
                "it may be what is left of an open joint; look at it"
            )
    return ""


def _torn(
    found: ScanMeasurement, mask: Mask, ids: Sequence[int], solid: Ints, section: int, first: Sequence[int],
) -> str:  # fmt: skip
    """Of a bump whose two ends less than `THREAD` of the pillar's usual section holds together, however a crack between them steps or tilts
    (`necks`). Ends are the first and the last level with twice that share of it; `solid` is counted of each level of the mask.
    """
    up, least = AXES.index((found.dimensions.build_axis or AXES[0])[-1]), THREAD * section
    ends = np.flatnonzero(solid >= 2 * least)
    levels = np.moveaxis(mask, up, 0)[ends[0] : ends[-1] + 1]
    if len(levels) < 2 or np.count_nonzero(_through(levels, ids)) >= least:  # so many ways that share nothing
        return ""
    body, spacing = of_classes(levels, ids), [found.spacing_um[up], *np.delete(found.spacing_um, up).tolist()]
    if neck_of(body, spacing, FEW).section >= 2 * least:  # at most twice too large
        return ""
    neck = neck_of(body, spacing)
    if neck.section >= least:
        return ""
    low, high = (n + int(ends[0]) + first[up] for n in (neck.first, neck.last))
    return (
        f"between {AXES[up]} = {low} and {high} no more than {100 * neck.section / section:.2g} % of its pillar's section holds it together, "
        "whichever way one cuts: it may be an open joint that a thread closes; look at it"
    )


def _broken(
    found: ScanMeasurement, mask: Mask, ids: Sequence[int], solid: Ints, section: int, first: Sequence[int],
) -> str:  # fmt: skip
    """Of a bump in which, somewhere between two levels, less than `THREAD` of the section there runs straight through in solid.

    No crack from side to side leaves such columns, however it steps or tilts, but where something holds it; they are so many ways through
    that share nothing. Looked at are runs of levels a third as long as the pillar is wide, three at a time, but for the ends, which are cut
    obliquely where a bump leans, and may be hollow in a dome. The section is that of the narrowest run where it is widest, for a crack takes
    some of it away. `solid` is counted of each level of the mask, and `section` is the pillar's usual one.
    """
    axis = found.dimensions.build_axis or AXES[0]
    up, turned = AXES.index(axis[-1]), axis.startswith("-")
    levels, counts = np.moveaxis(mask, up, 0)[:: -1 if turned else 1], solid[:: -1 if turned else 1]
    across, rise = np.delete(found.spacing_um, up), found.spacing_um[up]
    step = max(1, round(float(np.sqrt(section * np.prod(across))) / rise / 3))
    thick = np.flatnonzero(counts >= THREAD * section)
    foot, head = counts[thick[0] :][:step], counts[: thick[-1] + 1][::-1][:step]
    low = int(thick[0] + (foot >= END * foot.max()).argmax())
    high = int(thick[-1] + 1 - (head >= END * head.max()).argmax())
    starts = range(low, high, step)
    runs = [slice(k, min(k + step, high)) for k in starts]
    through, widest = [_through(levels[run], ids) for run in runs], [int(counts[run].max()) for run in runs]
    least, worst = 1.0, low
    for k in range(max(1, len(runs) - 2)):
        n = np.count_nonzero(np.logical_and.reduce(through[k : k + 3]))
        least, worst = min((least, worst), (n / min(widest[k : k + 3]), starts[k]))
    if least >= THREAD:
        return ""
    ends = [len(counts) - 1 - z if turned else z for z in (worst, min(worst + 3 * step, high) - 1)]
    return (
        f"from {AXES[up]} = {min(ends) + first[up]} to {max(ends) + first[up]} solid runs straight through in no more than {100 * least:.2g} % "
        "of the section there: it may be an open joint, however the crack runs, that a thread closes; look at it"
    )


def _through(levels: Mask, solid_ids: Sequence[int]) -> Part:
    """Which columns (h, w) of some levels are solid all through."""
    found = np.ones(levels.shape[1:], bool)
    for level in levels:
        found &= of_classes(level[None], solid_ids)[0]
    return found


def usual(counts: Ints) -> int:
    """The level whose section, of as many voxels as are counted there, the median voxel lies in: ends and thin sheets of mistakes are not it."""
    order = np.argsort(counts, kind="stable")
    return int(order[np.searchsorted(np.cumsum(counts[order]), counts.sum() / 2)])
