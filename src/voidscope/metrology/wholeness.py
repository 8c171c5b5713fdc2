"""What a bump's own mask (z, y, x) says against its being one whole bump: an open joint (`joints`), a joint cut, two bumps in one, a pad too
small to be one, a lean.

Two bumps that were not parted are long across the build axis, or have two bodies of a class side by side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from voidscope.metrology.bodies import ClassBox
from voidscope.metrology.components import (
    columns_of,
    find_components,
    mean_index,
    of_classes,
    plane_counts,
)
from voidscope.metrology.dimensions import AXES, PAD_SHARE
from voidscope.metrology.joints import Ints, open_joint, parted, usual
from voidscope.metrology.measurement import ScanMeasurement
from voidscope.metrology.voids import COUNTABLE_VOXELS
from voidscope.vocabulary import Mask, Role
from voidscope.volume import Spacing

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
        return tuple(filter(None, [parted(was, solid_ids)]))
    up, pillar = AXES.index(axis[-1]), classes.id_of(found.recipe.pillar_class)
    planes = {k: plane_counts(was, k) for k in solid_ids}
    counts = planes[pillar][up] if was is mask else plane_counts(mask, pillar)[up]
    level = usual(counts)
    joint = open_joint(found, was, planes, int(counts[level]), first)
    told = (
        joint, _joint_at_the_edge(found, mask, up), _slanted(found, planes, up), _pad_left_out(found, mask),
        _oblong(found, mask, up, level), *_two_bodies(found, mask, up),
    )  # fmt: skip
    return tuple(filter(None, told))


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
