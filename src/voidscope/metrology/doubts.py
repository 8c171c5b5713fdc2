"""Why a bump that keeps all limits is not passed: it may be no whole one, whatever its numbers say.

Each doubt is a sentence. A measurement keeps all of its own, whatever its verdict, and none of them is passed; a scan that is judged
whole has those of its bumps. What a criterion's number alone may be otherwise is a matter of its outcome (`quantities`, `cuts`, `closed`, `readings`);
what a bump's own mask says is in `wholeness`. The rest is told here, by what the other bumps are, or by what lies around one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from voidscope.config import MeasureConfig
from voidscope.errors import named
from voidscope.metrology.cleaning import open_unlabelled
from voidscope.metrology.components import columns_of, of_classes
from voidscope.metrology.dimensions import AXES, stands_along
from voidscope.metrology.holes import grown
from voidscope.metrology.joints import pieces
from voidscope.metrology.measurement import ScanMeasurement
from voidscope.metrology.structures import Meetings, Structures
from voidscope.metrology.voids import COUNTABLE_VOXELS
from voidscope.vocabulary import UNLABELLED, ClassMap, Mask
from voidscope.volume import Spacing

FULLER = 1.6
"""A bump of so many times the median volume may be two: between one and two bumps, and more than diameters 15 % apart explain."""
SCANT = 0.1
"""A part with less than this share of the voxels of the fullest bump's is what is left of it."""
FEWEST = 3
"""Bumps of which the median one tells what is usual."""
LENGTHS_UM = (0.01, 500.0)
"""Spacings at which limits in um are believed; beyond, the spacing is rather in another unit."""


def of_scan(
    bumps: Sequence[ScanMeasurement],
    found: Structures,
    mask: Mask,
    met: Sequence[Meetings],
    n_unlabelled: int,
) -> list[tuple[str, ...]]:
    """All doubts of each bump of a scan, those that it had first; `met` are the other bumps it meets, by their indices.

    `mask` (z, y, x) is the scan's, `n_unlabelled` how many of its voxels are unlabelled.
    """
    if not bumps:
        return []
    classes, recipe, names = bumps[0].classes, bumps[0].recipe, [s.name for s in found.structures]
    lacks, cut = lacking(bumps, found), at_an_edge(bumps, found, mask.shape)
    odd = [bool(a or b) for a, b in zip(lacks, cut, strict=True)]
    lists = (
        lacks, turned(bumps), larger(bumps, odd), bridged(met, names, classes, recipe), cut, torn_off(found, classes),
        unlabelled_beside(found, mask, classes) if n_unlabelled else [""] * len(bumps), [wrong_unit(bumps[0].spacing_um, recipe)] * len(bumps),
    )  # fmt: skip
    return [(*b.doubts, *filter(None, told)) for b, *told in zip(bumps, *lists, strict=True)]


def joined_by_closing(found: ScanMeasurement, before: Mask, closed: Mask) -> str:
    """Of a bump that was in more pieces `before` its gaps were closed than in `closed`, where it is alone: closing makes an open joint sound.

    Pieces of dust are left out.
    """
    steps, body = found.recipe.closing_voxels, found.classes.body_ids
    if not steps:
        return ""
    open_ = np.where(of_classes(closed, body), before, UNLABELLED)
    was, now = pieces(open_, body), pieces(closed, body)
    if was <= now:
        return ""
    return (
        f"closing by {steps} voxels joined {was} pieces of it to {now}, so it may be an open joint; look at it, or measure it with "
        "measure.closing_voxels=0"
    )


def lacking(bumps: Sequence[ScanMeasurement], found: Structures) -> list[str]:
    """Of each bump without a pillar, solder or pad where another has one, or without what none has though it should be there.

    A part is lacking where it has less than `SCANT` of the voxels of the fullest; a pad too where it covers so little that it counts for
    none. Where the solder is gone and pillar and pad stand apart, each half has no void and would pass.
    """
    recipe, classes = bumps[0].recipe, bumps[0].classes
    names = [n for n in (recipe.pillar_class, recipe.solder_class) if n in classes.names]
    most = {name: max(b.n_voxels[name] for b in bumps) for name in names}
    padded = [b.n_voxels[recipe.pad_class] for b in bumps if b.dimensions.pad_misalignment_um is not None]
    if padded:
        most[recipe.pad_class] = max(padded)
    loose = 0 if padded else _loose_pad(bumps, found)
    return [_lacks(b, most, loose) for b in bumps]


def _loose_pad(bumps: Sequence[ScanMeasurement], found: Structures) -> int:
    """Voxels of pad in pieces that have no pillar; none where bumps are not to have one."""
    pad, pillar, classes = bumps[0].recipe.pad_class, bumps[0].recipe.pillar_class, bumps[0].classes
    if pad not in classes.names or pillar not in classes.names:
        return 0
    alone = sum(b.n_voxels[pad] for b in bumps if not b.n_voxels.get(pillar))
    return alone + found.loose_voxels(classes.id_of(pad))


def _lacks(found: ScanMeasurement, most: Mapping[str, int], loose_pad: int) -> str:
    has, recipe = found.n_voxels, found.recipe
    parts = (recipe.pillar_class, recipe.solder_class)
    for lacks, other in (parts, parts[::-1]):
        if most.get(lacks) == 0 and has.get(other):
            return f"it has {other} and no {lacks}, nor has any bump of this scan: it may be an open bump; look at it"
    lacking = [
        f"{name} ({has[name]:,} voxels, others up to {n:,})"
        for name, n in most.items()
        if has[name] < SCANT * n
        or (
            name == recipe.pad_class
            and found.dimensions.build_axis
            and found.dimensions.pad_misalignment_um is None
        )
    ]
    if lacking:
        return f"it lacks {' and '.join(lacking)}: it may be an open bump or the half of one, or be cut by the edge of the scan; look at it"
    if loose_pad >= COUNTABLE_VOXELS:
        return f"no bump has a {recipe.pad_class}, but {loose_pad:,} voxels of it lie apart: pads may be torn off; look at it"
    return ""


def turned(bumps: Sequence[ScanMeasurement]) -> list[str]:
    """Of each bump that has no bond line, or stands another way than most, or of all where no way is the commonest.

    All bumps of a die stand alike; what stands head down, or has no bond line, is a piece of one that a wrong class splits off.
    """
    usual = Counter(b.dimensions.build_axis for b in bumps if b.dimensions.build_axis).most_common(2)
    odd = len(usual) > 1 and usual[0][1] == usual[1][1]
    told = []
    for size in (b.dimensions for b in bumps):
        other = size.build_axis is not None and len(usual) > 1 and (odd or size.build_axis != usual[0][0])
        whose = ", other than the bumps beside it" if other else ""
        flat = size.blt_um is not None and size.blt_um <= 0
        bond = f"has a bond line of {size.blt_um:g} um" if size.blt_um and not flat else "has no bond line"
        doubtful = other or flat
        told.append(f"it stands along {size.build_axis}{whose}, and {bond}: look at it" if doubtful else "")
    return told


def unlabelled_beside(found: Structures, mask: Mask, classes: ClassMap) -> list[str]:
    """Of each bump with so many unlabelled voxels beside it, sharing a face, that a void may lie behind them; those closed in are holes."""
    body, told = classes.body_ids, [""] * len(found.structures)
    there = open_unlabelled(mask, classes)
    for k, first, cut in found.blanked():
        box = tuple(slice(a, a + n) for a, n in zip(first, cut.shape, strict=True))
        n = int(np.count_nonzero(grown(of_classes(cut, body)) & there[box]))
        if n >= COUNTABLE_VOXELS:
            told[k] = (
                f"{n:,} unlabelled voxels lie beside it, so part of it, and void in that, may be missing: label them, as background where "
                "they are"
            )
    return told


def bridged(
    met: Sequence[Meetings], names: Sequence[str], classes: ClassMap, recipe: MeasureConfig
) -> list[str]:
    """Of each bump that meets others by more than pad, which the wall between them cuts; `met` and `names` are those of all bumps."""
    told, pads = [""] * len(met), _ids(classes, recipe.pad_class)
    for k, each in enumerate(met):
        solid = {j: Counter({c: n for c, n in faces.items() if c not in pads}) for j, faces in each.items()}
        own = {j: n for j, n in solid.items() if n}
        if not own:
            continue
        ids = sum(own.values(), Counter[int]())
        what = " and ".join(classes.names[c - 1] for c in sorted(ids))
        runs = "run" if len(ids) > 1 else "runs"
        others = " and ".join(f"{names[j]} ({n.total():,} voxel faces)" for j, n in sorted(own.items()))
        told[k] = (
            f"its {what} {runs} into {others}: a bridge, or bumps that blur joins; its protrusion there is cut at the wall between them; "
            "look at it"
        )
    return told


def shared_pads(
    met: Sequence[Meetings], names: Sequence[str], classes: ClassMap, recipe: MeasureConfig
) -> list[str]:
    """Of each bump whose pad is one body with others', why nobody knows where its own has its centre."""
    pads = _ids(classes, recipe.pad_class)
    others = [[names[j] for j, faces in sorted(own.items()) if any(c in faces for c in pads)] for own in met]
    return [
        f"its {recipe.pad_class} goes on into {named(own)}'s, so that its own has no centre" if own else "" for own in others
    ]  # fmt: skip


def meetings(found: Structures, classes: ClassMap, recipe: MeasureConfig) -> list[Meetings]:
    """The bumps that each bump meets over `COUNTABLE_VOXELS` voxel faces or more of pad, which bumps may share, or of anything else.

    One face of anything else is enough where either's solder takes part: a short is one however thin. To meet at all, a path of solid has
    to lead all the way from bump to bump, which blur and single mistaken voxels make of bumps alone that stand a voxel or two apart.
    """
    pads, solder = _ids(classes, recipe.pad_class), _ids(classes, recipe.solder_class)
    met = found.touching([[k for k in classes.body_ids if k not in pads], pads])

    def counting(i: int, j: int) -> Counter[int]:
        faces = met[i][j]
        shared = Counter({k: n for k, n in faces.items() if k in pads})
        others = faces - shared
        short = any(faces[k] or met[j].get(i, Counter())[k] for k in solder)
        others = others if short or others.total() >= COUNTABLE_VOXELS else Counter()
        return others + (shared if shared.total() >= COUNTABLE_VOXELS else Counter())

    return [{j: n for j in own if (n := counting(i, j))} for i, own in enumerate(met)]


def _ids(classes: ClassMap, name: str) -> list[int]:
    """The id of a class, where there is one of this name."""
    return [classes.id_of(name)] if name in classes.names else []


def carried_over(met: Sequence[Meetings], before: Structures, now: Structures) -> list[Meetings]:
    """What bumps met `before` some voxels were taken away, by the bumps of `now` that stand nearest to them."""
    heirs = heirs_of(before, now)
    moved = [Meetings() for _ in now.structures]
    for k, own in zip(heirs, met, strict=bool(heirs)):
        moved[k] |= {heirs[j]: n for j, n in own.items()}
    return moved


def heirs_of(before: Structures, now: Structures) -> list[int]:
    """The bump of `now` that stands nearest to each of the bumps `before` some voxels were taken away; none where none is left."""
    if not now.structures:
        return []
    at = np.array([s.centroid_um for s in now.structures])
    return [int(np.linalg.norm(at - s.centroid_um, axis=1).argmin()) for s in before.structures]


def larger(bumps: Sequence[ScanMeasurement], odd: Sequence[bool]) -> list[str]:
    """Of each bump with `FULLER` times the pillar, or the volume, of the median of at least `FEWEST` bumps that are not `odd` otherwise."""
    recipe, body = bumps[0].recipe, [bumps[0].classes.names[k - 1] for k in bumps[0].classes.body_ids]
    told = [""] * len(bumps)
    for what, names in (("body", body), (recipe.pillar_class, [recipe.pillar_class])):
        sizes = [sum(b.n_voxels.get(name, 0) for name in names) for b in bumps]
        whole = [n for n, other in zip(sizes, odd, strict=True) if n and not other]
        usual = float(np.median(whole)) if len(whole) >= FEWEST else np.inf
        for k, n in enumerate(sizes):
            if n > FULLER * usual:
                told[k] = (
                    f"its {what} has {n / usual:.2g} times the volume of the median bump's: it may be two bumps; look at it"
                )
    return told


def at_an_edge(bumps: Sequence[ScanMeasurement], found: Structures, shape: Sequence[int]) -> list[str]:
    """Of each bump that reaches the edge of the scan across its build axis; along it, see `wholeness`."""
    told = []
    for bump, structure in zip(bumps, found.structures, strict=True):
        axis = stands_along(bump.dimensions, bump.recipe)
        sides = [
            name
            for name, (low, high), n in zip(AXES, structure.box, shape, strict=True)
            if axis and name != axis[-1] and (low == 0 or high == n)
        ]
        told.append(
            f"the edge of the scan cuts it along {' and '.join(sides)}: look at the rest of it"
            if sides
            else ""
        )
    return told


def torn_off(found: Structures, classes: ClassMap) -> list[str]:
    """Of each bump over or under which, along the build axis, solid lies that is no bump's: it may be a layer torn off."""
    told, loose = [""] * len(found.structures), found.loose_columns()
    if not loose.any():
        return told
    for k, first, cut in found.blanked():
        own = columns_of(cut, classes.body_ids, found.axis)
        corner = np.delete(first, found.axis)
        n = int(loose[tuple(slice(a, a + m) for a, m in zip(corner, own.shape, strict=True))][own].sum())
        if n >= COUNTABLE_VOXELS:
            told[k] = (
                f"{n:,} voxels of no bump lie over it along {AXES[found.axis]}: a layer of it may be torn off; look at it"
            )
    return told


def units_doubted(scans: Sequence[ScanMeasurement]) -> list[str]:
    """Which scans may have their spacing in another unit, in a sentence each."""
    return [f"{s.scan}: {doubt}" for s in scans if (doubt := wrong_unit(s.spacing_um, s.recipe))]


def wrong_unit(spacing_um: Spacing, recipe: MeasureConfig) -> str:
    """Why no length is believed, where the recipe has a limit in um and the spacing is none of X-ray microscopy."""
    low, high = LENGTHS_UM
    if all(low <= s <= high for s in spacing_um):
        return ""
    if not (recipe.min_um3 or recipe.far_um or any(c.measure.endswith("_um") for c in recipe.criteria)):
        return ""
    told = ", ".join(f"{s:g}" for s in spacing_um)
    return (
        f"spacing {told} um, outside {low:g} to {high:g} um, and the recipe has limits in um: mind the unit"
    )
