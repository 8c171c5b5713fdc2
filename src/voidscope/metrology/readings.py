"""What a bump's lengths may be other than they read: no limit on a length is kept by what was not seen, or left out.

Each way of misreading names the range in which lengths may lie then. An outcome that would not pass all over it is for REVIEW
instead of PASS; FAIL stands. `doubts` are about the bump, this is about the reading.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from voidscope.config import Criterion
from voidscope.metrology.dimensions import AXES
from voidscope.metrology.measurement import ScanMeasurement
from voidscope.metrology.verdict import Outcome, Verdict, judge, limit_of
from voidscope.metrology.voids import COUNTABLE_VOXELS
from voidscope.vocabulary import Mask


@dataclass(frozen=True)
class Misreading:
    """Least and most that some lengths may be, by the name of the quantity, and why, as what follows *but*."""

    ranges: Mapping[str, tuple[float, float]]
    why: str


def not_misread(found: ScanMeasurement, mask: Mask) -> ScanMeasurement:
    """For REVIEW instead of PASS, outcomes on lengths that may break their limits for all that is known; the bump is alone in `mask`."""
    outcomes = found.outcomes
    for other in (*cut_off(found, mask), *lipped(found)):
        criteria = (limit_of(found.recipe), *found.recipe.criteria)
        outcomes = tuple(
            _held(o, c, found.recipe.rule, other) for o, c in zip(outcomes, criteria, strict=True)
        )
    return replace(found, outcomes=outcomes)


def _held(outcome: Outcome, criterion: Criterion, rule: str, other: Misreading) -> Outcome:
    ends = other.ranges.get(outcome.measure)
    if outcome.verdict is not Verdict.PASS or ends is None:
        return outcome
    if all(judge(criterion, v, rule, uncertainty=outcome.uncertainty).verdict is Verdict.PASS for v in ends):
        return outcome
    return replace(outcome, verdict=Verdict.REVIEW, reason=f"{outcome.reason}, but {other.why}")


def cut_off(found: ScanMeasurement, mask: Mask) -> Iterator[Misreading]:
    """Of a bump whose foot, or topmost body, lies at the edge of the scan: what is read off that end may be longer."""
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
    lip, values = found.dimensions.lip_um, found.quantities
    out, share = values["solder_protrusion_um"], values["solder_protrusion_share"]
    if lip is None or out is None:
        return
    ranges = {"solder_protrusion_um": (out, lip)}
    if share is not None and found.dimensions.pillar_width_um:
        ranges["solder_protrusion_share"] = (share, lip / found.dimensions.pillar_width_um)
    yield Misreading(
        ranges, f"{COUNTABLE_VOXELS} connected voxels of solder or more reach {lip:.4g} um beyond its pillar, at so few levels that they are "
        "left out: look at them",
    )  # fmt: skip
