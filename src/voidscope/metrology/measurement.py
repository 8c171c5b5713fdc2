"""Void ratios and the verdict of one scan's mask."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from voidscope.config import MeasureConfig
from voidscope.errors import LabelError, NotReady
from voidscope.metrology.voids import Void, find_voids
from voidscope.vocabulary import ClassMap, Mask, Role
from voidscope.volume import Spacing, check_spacing

RATIOS = {
    "void_over_foreground": "void/foreground",
    "void_over_rest_of_foreground": "void/(foreground-void)",
    "void_over_solder": "void/(solder+void)",
    "void_to_solder": "void/solder",
}
"""Name of each ratio in JSON and CSV, and its formula as the recipe writes it."""


class Verdict(StrEnum):
    """What the recipe says about a scan."""

    PASS = "PASS"
    FAIL = "FAIL"
    REVIEW = "REVIEW"


@dataclass(frozen=True)
class ScanMeasurement:
    """What was measured in one scan.

    Attributes
    ----------
    scan, shape : name and (z, y, x) of the mask
    spacing_um : (z, y, x)
    n_voxels : labelled voxels of each class, by name
    n_unlabelled : voxels about which the mask says nothing; they count nowhere
    ratios : formula -> value, None where its denominator is empty or its class is not there
    formula : the one the verdict looks at
    limit : FAIL above this
    verdict, reason : and why, in one sentence
    voids : counted voids, largest first
    small_voids : voids of fewer voxels than the recipe counts; in the ratios all the same
    """

    scan: str
    shape: tuple[int, int, int]
    spacing_um: Spacing
    n_voxels: Mapping[str, int]
    n_unlabelled: int
    ratios: Mapping[str, float | None]
    formula: str
    limit: float
    verdict: Verdict
    reason: str
    voids: tuple[Void, ...]
    small_voids: tuple[Void, ...]

    @property
    def ratio(self) -> float | None:
        """The ratio the verdict looks at; None when it is undefined."""
        return self.ratios[self.formula]

    @property
    def voxel_um3(self) -> float:
        """Volume of one voxel in um3."""
        return math.prod(self.spacing_um)

    def entry(self) -> dict[str, Any]:
        """The measurement as JSON holds it; every quantity carries its unit."""
        return {
            "scan": self.scan,
            **{name: self.ratios[formula] for name, formula in RATIOS.items()},
            "ratio": self.formula,
            "limit": self.limit,
            "verdict": self.verdict.value,
            "reason": self.reason,
            "n_voids": len(self.voids),
            "voids": [_void_entry(v) for v in self.voids],
            "small_voids": [_void_entry(v) for v in self.small_voids],
            "spacing_um": list(self.spacing_um),
            "shape": list(self.shape),
            "n_voxels": dict(self.n_voxels),
            "volume_um3": {name: n * self.voxel_um3 for name, n in self.n_voxels.items()},
            "n_unlabelled": self.n_unlabelled,
        }

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> ScanMeasurement:
        """The inverse of `entry`."""
        z, y, x = entry["spacing_um"]
        a, b, c = entry["shape"]
        return cls(
            scan=entry["scan"], shape=(a, b, c), spacing_um=(z, y, x), n_voxels=entry["n_voxels"],
            n_unlabelled=entry["n_unlabelled"], ratios={f: entry[n] for n, f in RATIOS.items()}, formula=entry["ratio"],
            limit=entry["limit"], verdict=Verdict(entry["verdict"]), reason=entry["reason"],
            voids=tuple(_void_from(e) for e in entry["voids"]), small_voids=tuple(_void_from(e) for e in entry["small_voids"]),
        )  # fmt: skip


def measure_mask(
    mask: Mask, classes: ClassMap, spacing_um: Spacing | None, recipe: MeasureConfig, scan: str
) -> ScanMeasurement:
    """Measure a mask (z, y, x) of class ids 1..C, 0 where unlabelled.

    Every ratio is one of voxel counts, so spacing does not enter it; volumes, diameters and positions are in um.

    Raises
    ------
    NotReady : no spacing, or no class with role void.
    VolumeError : an impossible spacing.
    LabelError : the mask is not 3-D, or holds ids beyond the class map.
    """
    if spacing_um is None:
        raise NotReady(
            f"{scan} has no spacing, so nothing in it can be measured; give it in um with --spacing Z,Y,X."
        )
    check_spacing(spacing_um, scan)
    if mask.ndim != 3 or (mask.size and mask.max() > len(classes)):
        raise LabelError(
            f"The mask of {scan} has shape {mask.shape} and ids up to {mask.max(initial=0)}; expected (z, y, x) and 0..{len(classes)}."
        )
    void_ids = classes.ids_with_role(Role.VOID)
    if not void_ids:
        raise NotReady(
            f"No class of {scan} has the role void ({', '.join(classes.names)}); name one, e.g. pore:void."
        )
    counts = np.bincount(mask.ravel(), minlength=len(classes) + 1)
    ratios = void_ratios(counts, classes, recipe.solder_class)
    verdict, reason = decide(ratios[recipe.ratio], recipe)
    voids = find_voids(mask, void_ids, spacing_um)
    z, y, x = mask.shape
    return ScanMeasurement(
        scan=scan, shape=(z, y, x), spacing_um=spacing_um, n_unlabelled=int(counts[0]),
        n_voxels=dict(zip(classes.names, (int(n) for n in counts[1:]), strict=True)),
        ratios=ratios, formula=recipe.ratio, limit=recipe.limit, verdict=verdict, reason=reason,
        voids=tuple(v for v in voids if v.n_voxels >= recipe.min_voxels),
        small_voids=tuple(v for v in voids if v.n_voxels < recipe.min_voxels),
    )  # fmt: skip


def void_ratios(
    counts: np.ndarray[Any, np.dtype[np.int64]], classes: ClassMap, solder: str
) -> dict[str, float | None]:
    """The four ratios by formula from voxel counts (C + 1,), unlabelled first; None where undefined.

    Foreground is every class but background, void included (the region of the structure).
    """
    void = sum(int(counts[k]) for k in classes.ids_with_role(Role.VOID))
    foreground = void + sum(int(counts[k]) for k in classes.ids_with_role(Role.FOREGROUND))
    tin = int(counts[classes.id_of(solder)]) if solder in classes.names else None
    below = {
        "void/foreground": foreground,
        "void/(foreground-void)": foreground - void,
        "void/(solder+void)": 0 if tin is None else tin + void,
        "void/solder": 0 if tin is None else tin,
    }
    return {formula: void / n if n else None for formula, n in below.items()}


def decide(ratio: float | None, recipe: MeasureConfig) -> tuple[Verdict, str]:
    """Simple acceptance: FAIL above the limit, PASS at or below it, REVIEW when the ratio is undefined."""
    if ratio is None:
        return Verdict.REVIEW, f"{recipe.ratio} is undefined: nothing was found that it could be related to"
    above = ratio > recipe.limit
    return (
        Verdict.FAIL if above else Verdict.PASS
    ), f"{recipe.ratio} = {ratio:.4%} is {'above' if above else 'within'} the limit {recipe.limit:.4%}"


def _void_entry(void: Void) -> dict[str, Any]:
    return asdict(void) | {"quality": void.quality}


def _void_from(entry: Mapping[str, Any]) -> Void:
    def triple(name: str) -> Any:
        return tuple(tuple(v) if isinstance(v, list | tuple) else v for v in entry[name])

    plain = {k: entry[k] for k in ("n_voxels", "volume_um3", "diameter_um", "touches_border")}
    return Void(
        **plain, centroid_um=triple("centroid_um"), centroid_voxel=triple("centroid_voxel"), box=triple("box")
    )
