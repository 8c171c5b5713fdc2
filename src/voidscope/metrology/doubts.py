"""Why a bump that keeps all limits is not passed: it may be no whole one, whatever its numbers say.

Each doubt is a sentence. A measurement keeps all of its own, whatever its verdict, and none of them is passed; a scan that is judged
whole has those of its bumps. What a criterion's number alone may be otherwise is a matter of its outcome (`hidden`, `cuts`, `closed`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from voidscope.config import MeasureConfig
from voidscope.metrology.bodies import DUST
from voidscope.metrology.cleaning import grown, open_unlabelled
from voidscope.metrology.components import find_components, of_classes
from voidscope.metrology.measurement import ScanMeasurement
from voidscope.metrology.structures import Split
from voidscope.metrology.voids import COUNTABLE_VOXELS
from voidscope.vocabulary import UNLABELLED, ClassMap, Mask, Role


def joined_by_closing(found: ScanMeasurement, before: Mask, closed: Mask) -> str:
    """Of a bump that was in more pieces `before` its gaps were closed than in `closed`, where it is alone: closing makes an open joint sound.

    Pieces of less than a share `DUST` of all of it are left out.
    """
    steps, body = found.recipe.closing_voxels, _body(found.classes)
    if not steps:
        return ""
    open_ = np.where(of_classes(closed, body), before, UNLABELLED)
    was, now = _pieces(open_, body), _pieces(closed, body)
    if was <= now:
        return ""
    return (
        f"closing by {steps} voxels joined {was} pieces of it to {now}, so it may be an open joint; look at it, or measure it with "
        "measure.closing_voxels=0"
    )


def _pieces(mask: Mask, ids: Sequence[int]) -> int:
    """Pieces of some classes that are more than dust."""
    n = find_components(mask, ids).n_voxels
    return int(np.count_nonzero(n >= DUST * n.sum()))


def lacking(bumps: Sequence[ScanMeasurement]) -> list[str]:
    """Of each bump with less than `DUST` of the pillar or the solder that the fullest one has, or without solder where there should be some.

    Where the solder is gone and pillar and pad stand apart, each half has no void and would pass. Bumps of which none has a pillar are what
    such a scan shows.
    """
    if not bumps:
        return []
    recipe, classes = bumps[0].recipe, bumps[0].classes
    names = [n for n in (recipe.pillar_class, recipe.solder_class) if n in classes.names]
    most = {name: max(b.n_voxels[name] for b in bumps) for name in names}
    return [_lacks(b, most, recipe) for b in bumps]


def _lacks(found: ScanMeasurement, most: Mapping[str, int], recipe: MeasureConfig) -> str:
    has, solder = found.n_voxels, recipe.solder_class
    if most.get(solder) == 0 and has.get(recipe.pillar_class):
        return f"it has a pillar and no {solder}, nor has any bump of this scan: it may be an open bump; look at it"
    lacks = [
        f"{name} ({has[name]:,} voxels, others up to {n:,})"
        for name, n in most.items()
        if has[name] < DUST * n
    ]
    if not lacks:
        return ""
    return f"it lacks {' and '.join(lacks)}: it may be an open bump or the half of one, or be cut by the edge of the scan; look at it"


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
        bond = f"has a bond line of {size.blt_um:g} um" if size.blt_um else "has no bond line"
        doubtful = other or size.blt_um == 0
        told.append(f"it stands along {size.build_axis}{whose}, and {bond}: look at it" if doubtful else "")
    return told


def unlabelled_beside(found: Split, mask: Mask, classes: ClassMap) -> list[str]:
    """Of each bump with so many unlabelled voxels beside it, sharing a face, that a void may lie behind them; those closed in are holes."""
    body, told = _body(classes), [""] * len(found.structures)
    if not (mask == UNLABELLED).any():
        return told
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


def bridged(found: Split, classes: ClassMap, recipe: MeasureConfig) -> list[str]:
    """Of each bump whose solder meets that of another over `COUNTABLE_VOXELS` voxel faces or more, which the wall between them cuts."""
    if recipe.solder_class not in classes.names:
        return [""] * len(found.structures)
    told = []
    for own in found.touching(classes.id_of(recipe.solder_class), COUNTABLE_VOXELS):
        others = " and ".join(
            f"{found.structures[j].name} ({n:,} voxel faces)" for j, n in sorted(own.items())
        )
        told.append(
            f"its solder runs into that of {others}: a bridge, or bumps that blur joins; its protrusion there is cut at the wall between them; "
            "look at it"
            if own
            else ""
        )
    return told


def _body(classes: ClassMap) -> tuple[int, ...]:
    return *classes.ids_with_role(Role.FOREGROUND), *classes.ids_with_role(Role.VOID)
