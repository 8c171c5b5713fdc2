"""Pieces that closing joined: an open joint, whose halves closing makes one sound bump, is never passed."""

from __future__ import annotations

import numpy as np

from voidscope.metrology.bodies import DUST
from voidscope.metrology.components import find_components, of_classes
from voidscope.metrology.measurement import ScanMeasurement, suspected
from voidscope.vocabulary import UNLABELLED, Mask, Role


def not_joined(found: ScanMeasurement, before: Mask, closed: Mask) -> ScanMeasurement:
    """For REVIEW instead of PASS, a bump that was in more pieces `before` its gaps were closed than in `closed`, where it is alone.

    Pieces of less than a share `DUST` of all of it are left out.
    """
    steps, roles = found.recipe.closing_voxels, (Role.FOREGROUND, Role.VOID)
    if not steps:
        return found
    body = [k for role in roles for k in found.classes.ids_with_role(role)]
    open_ = np.where(of_classes(closed, body), before, UNLABELLED)
    was, now = _pieces(open_, body), _pieces(closed, body)
    if was <= now:
        return found
    reason = (
        f"closing by {steps} voxels joined {was} pieces of it to {now}, so it may be an open joint; look at it, or measure it with "
        "measure.closing_voxels=0"
    )
    return suspected(found, reason)


def _pieces(mask: Mask, ids: list[int]) -> int:
    """Pieces of some classes that are more than dust."""
    n = find_components(mask, ids).n_voxels
    return int(np.count_nonzero(n >= DUST * n.sum()))
