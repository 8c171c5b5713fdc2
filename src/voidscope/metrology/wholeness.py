"""What a bump's own mask (z, y, x) says against its being one whole bump: a joint held by a thread or parted by void, a joint cut,
two bumps in one, a pad too small to be one, a lean.

A joint is as good as its least section. Void carries nothing, so sections are of the other foreground; how thin one is, is told against
the pillar's. Two bumps that were not parted are long across the build axis, or have two bodies of a class side by side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from voidscope.metrology.bodies import DUST, ClassBox
from voidscope.metrology.components import (
    CONNECTIVITY,
    columns_of,
    find_components,
    mean_index,
    of_classes,
    plane_counts,
)
from voidscope.metrology.dimensions import AXES, PAD_SHARE
from voidscope.metrology.measurement import ScanMeasurement
from voidscope.metrology.pieces import Part
from voidscope.metrology.voids import COUNTABLE_VOXELS
from voidscope.vocabulary import Mask, Role
from voidscope.volume import Spacing

Ints = npt.NDArray[np.int64]

THREAD = 0.1
"""A joint with less than this share of the pillar's usual section somewhere may be open, and a few voxels that a model mistook close it."""
END = 0.6
"""A level with less than this share of the widest near it is an end that is cut obliquely, or that of a dome."""
OBLONG = 1.5
"""A pillar so many times longer than it is wide may be two: two round ones that touch come to 2.2, one that leans by 15 degrees to 1."""
SLANTED_DEG = 15.0
"""Solder that lies by more degrees off the build axis, seen from the pillar, is a leaning bump's, or a displaced one's."""
BESIDE = 0.2
"""A body of at least this share of the largest of its class is no spatter, but may be another bump's."""


def of_its_own(
    found: ScanMeasurement, mask: Mask, raw: Mask, first: Sequence[int] = (0, 0, 0)
) -> tuple[str, ...]:
    """All doubts that a bump raises by itself; it is alone in `mask`, a box of the scan whose first voxel is `first`.

    `raw` is the box before its gaps were closed. Sections are read off that: what closing adds carries nothing.
    """
    axis, classes = found.dimensions.build_axis, found.classes
    solid_ids = classes.ids_with_role(Role.FOREGROUND)
    was = np.where(of_classes(mask, solid_ids), raw, mask) if found.recipe.closing_voxels else mask
    if axis is None:
        return tuple(filter(None, [_parted(found, was)]))
    up, pillar = AXES.index(axis[-1]), classes.id_of(found.recipe.pillar_class)
    planes = {k: plane_counts(was, k) for k in solid_ids}
    solid: Ints = np.sum([n[up] for n in planes.values()], axis=0)
    counts = planes[pillar][up] if was is mask else plane_counts(mask, pillar)[up]
    level = _usual(counts)
    section = int(counts[level])
    thread = (
        _parted(found, was)
        or _thread(solid / section, up, first)
        or _broken(found, was, axis, solid, section, first)
    )
    told = (
        thread, _joint_at_the_edge(found, mask, up), _slanted(found, planes, up), _pad_left_out(found, mask),
        _oblong(found, mask, up, level), *_two_bodies(found, mask, up),
    )  # fmt: skip
    return tuple(filter(None, told))


def pieces(mask: Mask, ids: Sequence[int], connectivity: int = CONNECTIVITY) -> int:
    """Pieces of some classes that are no dust: of a share `DUST` of all of it or more."""
    n = find_components(mask, ids, connectivity=connectivity).n_voxels
    return int(np.count_nonzero(n >= DUST * n.sum()))


def _parted(found: ScanMeasurement, mask: Mask) -> str:
    """Of a bump whose foreground without void is in several pieces that share no face, void, or a crack that steps, being between them."""
    n = pieces(mask, found.classes.ids_with_role(Role.FOREGROUND), connectivity=6)
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


def _broken(
    found: ScanMeasurement, mask: Mask, axis: str, solid: Ints, section: int, first: Sequence[int]
) -> str:
    """Of a bump in which, somewhere between two levels, less than `THREAD` of the section there runs straight through in solid.

    No crack from side to side leaves such columns, however it steps or tilts, but where something holds it; they are so many ways through
    that share nothing. Looked at are runs of levels a third as long as the pillar is wide, three at a time, but for the ends, which are cut
    obliquely where a bump leans, and may be hollow in a dome. The section is that of the narrowest run where it is widest, for a crack takes
    some of it away. `solid` is counted of each level of the mask, and `section` is the pillar's usual one.
    """
    up, turned = AXES.index(axis[-1]), axis.startswith("-")
    levels, counts = np.moveaxis(mask, up, 0)[:: -1 if turned else 1], solid[:: -1 if turned else 1]
    across, rise = np.delete(found.spacing_um, up), found.spacing_um[up]
    step = max(1, round(float(np.sqrt(section * np.prod(across))) / rise / 3))
    thick = np.flatnonzero(counts >= THREAD * section)
    foot, head = counts[thick[0] :][:step], counts[: thick[-1] + 1][::-1][:step]
    low = int(thick[0] + (foot >= END * foot.max()).argmax())
    high = int(thick[-1] + 1 - (head >= END * head.max()).argmax())
    starts, ids = range(low, high, step), found.classes.ids_with_role(Role.FOREGROUND)
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


def _joint_at_the_edge(found: ScanMeasurement, mask: Mask, up: int) -> str:
    """Of a bump whose solder, or void, lies at the edge of the scan along the build axis: a die goes on there, a joint is cut."""
    names = (
        found.recipe.solder_class,
        *(found.classes.names[k - 1] for k in found.classes.ids_with_role(Role.VOID)),
    )
    planes = [np.take(mask, end, axis=up) for end in (0, -1)]
    cut = [
        name
        for name in names
        if any(np.count_nonzero(plane == found.classes.id_of(name)) >= COUNTABLE_VOXELS for plane in planes)
    ]
    if not cut:
        return ""
    return (
        f"its {' and '.join(cut)} reaches the edge of the scan along {AXES[up]}, so part of the joint, and void in it, may be missing: "
        "look at the rest of it"
    )


def _slanted(found: ScanMeasurement, planes: Mapping[int, Sequence[Ints]], up: int) -> str:
    """Of a bump whose solder lies so far beside its pillar, by the centres of both, as if all of it leaned.

    The sections of a pillar that is wider than high do not show how much it leans. `planes` are the voxels of each class across z, y, x.
    """
    names = (found.recipe.pillar_class, found.recipe.solder_class)
    ids = [found.classes.id_of(name) for name in names]
    if not all(planes[k][up].any() for k in ids):  # what is left of the bump after cleaning has none
        return ""
    pillar, solder = (mean_index(planes[k]) for k in ids)
    apart = np.abs((solder - pillar) * found.spacing_um)
    lean = np.degrees(np.arctan2(np.linalg.norm(np.delete(apart, up)), apart[up]))
    if lean <= SLANTED_DEG:
        return ""
    return (
        f"its {names[1]} lies {lean:.2g} degrees off {AXES[up]}, seen from its {names[0]}: it leans, and what is read along {AXES[up]} is off, "
        "or the two do not lie on each other; look at it, or turn the scan upright"
    )


def _pad_left_out(found: ScanMeasurement, mask: Mask) -> str:
    """Of a bump with pad that covers so little of the pillar that no length takes it for one, but is more than noise."""
    name = found.recipe.pad_class
    if found.dimensions.pad_misalignment_um is not None or found.n_voxels.get(name, 0) < COUNTABLE_VOXELS:
        return ""
    pad = ClassBox.of(mask, found.classes.id_of(name))
    n = 0 if pad is None else int(find_components(pad.mask, [pad.class_id]).n_voxels.max(initial=0))
    if n < COUNTABLE_VOXELS:
        return ""
    return (
        f"{n:,} connected voxels of it are {name}, which covers less than {100 * PAD_SHARE:g} % of the pillar's columns, so that no length is read "
        "off it: it may be the rest of a pad, or a mistake; look at it"
    )


def _usual(counts: Ints) -> int:
    """The level whose section, of as many voxels as are counted there, the median voxel lies in: ends and thin sheets of mistakes are not it."""
    order = np.argsort(counts, kind="stable")
    return int(order[np.searchsorted(np.cumsum(counts[order]), counts.sum() / 2)])


def _oblong(found: ScanMeasurement, mask: Mask, up: int, level: int) -> str:
    """Of a bump whose pillar is long across the build axis at some level, whichever way it lies; void in it counts as of it.

    Length and width are those of the rectangle, or ellipse, with the same second moments.
    """
    pillar = found.classes.id_of(found.recipe.pillar_class)
    section = of_classes(np.take(mask, [level], axis=up), [pillar, *found.classes.ids_with_role(Role.VOID)])
    step = np.delete(found.spacing_um, up)
    at = np.argwhere(section.any(axis=up)) * step
    moments = np.cov(at.T, bias=True) + np.diag(step**2 / 12)
    short, long = np.sqrt(np.linalg.eigvalsh(moments))
    if long <= OBLONG * short:
        return ""
    return f"its pillar is {long / short:.2g} times as long as it is wide across {AXES[up]}: it may be two bumps, or part of one; look at it"


def _two_bodies(found: ScanMeasurement, mask: Mask, up: int) -> list[str]:
    """Of a bump with two bodies of solder, or of pad, that lie beside each other."""
    names = (found.recipe.solder_class, found.recipe.pad_class)
    n = {
        name: _abreast(mask, found.classes.id_of(name), up, found.spacing_um)
        for name in names
        if name in found.classes.names
    }
    return [
        f"it has {k} bodies of {name} beside each other: it may be {k} bumps; look at it" for name, k in n.items() if k > 1
    ]  # fmt: skip


def _abreast(mask: Mask, class_id: int, up: int, spacing_um: Spacing) -> int:
    """Bodies of a class, of those that are not small, that stand farther from all larger ones than both are wide on that side.

    One seen along the build axis is one: looking from above is quick.
    """
    from scipy.ndimage import label

    if label(columns_of(mask, [class_id], up))[1] < 2:
        return 1
    found, across = find_components(mask, [class_id]), [a for a in range(3) if a != up]
    large = np.flatnonzero(found.n_voxels >= BESIDE * found.n_voxels.max(initial=1))
    step = np.array(spacing_um)[across]
    centre = found.centroid[large][:, across] * step
    half = ((found.last - found.first)[large][:, across] + 1) * step / 2
    kept = list[int]()
    for k in np.argsort(-found.n_voxels[large], kind="stable").tolist():
        if all(np.hypot(*(centre[k] - centre[j])) >= half[k].min() + half[j].min() for j in kept):
            kept.append(k)
    return len(kept)
