"""What is measured in one scan: class volumes, void ratios, voids, verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from voidscope.config import MeasureConfig
from voidscope.errors import LabelError, NotReady, VolumeError
from voidscope.metrology.budget import Contribution, Views, combined, ratio_budget, volume_budget
from voidscope.metrology.dimensions import Dimensions, by_boxes, dimensions
from voidscope.metrology.ratios import (
    DEFINITIONS,
    RATIOS,
    count_classes,
    undefined_ratios,
    void_ratios,
)
from voidscope.metrology.uncertainty import void_faces
from voidscope.metrology.verdict import Verdict, decide
from voidscope.metrology.voids import Void, find_voids
from voidscope.vocabulary import ClassMap, Mask, Role
from voidscope.volume import Spacing, check_spacing


@dataclass(frozen=True)
class ScanMeasurement:
    """What was measured in one scan.

    Attributes
    ----------
    scan, shape : name and (z, y, x) of the mask
    spacing_um : (z, y, x)
    classes : which say what was foreground and what was void
    n_voxels : labelled voxels of each class, by name
    n_unlabelled : voxels about which the mask says nothing; they count nowhere
    ratios : formula -> value, None where undefined
    undefined : formula -> why it is undefined
    recipe : which ratio the verdict looks at, its limit, and what counts as a void
    verdict, reason : and why, in one sentence
    voids : counted voids, largest first
    small_voids : detected but not counted; their voxels are void and stay in the ratios all the same
    uncertainty : expanded uncertainty U of the ratio the verdict looks at, None where that is undefined
    budget : what `uncertainty` is made of, empty where that is None; it is k times the root sum of squares
    volume_budget : the same of the volume of all void, in um3
    dimensions, boxed : of the bump, by columns and levels, and by the public formulas for comparison
    """

    scan: str
    shape: tuple[int, int, int]
    spacing_um: Spacing
    classes: ClassMap
    n_voxels: Mapping[str, int]
    n_unlabelled: int
    ratios: Mapping[str, float | None]
    undefined: Mapping[str, str]
    recipe: MeasureConfig
    verdict: Verdict
    reason: str
    voids: tuple[Void, ...]
    small_voids: tuple[Void, ...]
    uncertainty: float | None = None
    budget: tuple[Contribution, ...] = ()
    volume_budget: tuple[Contribution, ...] = ()
    dimensions: Dimensions = field(default_factory=Dimensions)
    boxed: Dimensions = field(default_factory=Dimensions)

    @property
    def formula(self) -> str:
        """Formula of the ratio the verdict looks at."""
        return self.recipe.ratio

    @property
    def limit(self) -> float:
        """The largest ratio that passes."""
        return self.recipe.limit

    @property
    def ratio(self) -> float | None:
        """The ratio the verdict looks at; None when it is undefined."""
        return self.ratios[self.formula]

    @property
    def interval(self) -> tuple[float, float] | None:
        """The ratio less and plus its expanded uncertainty; None where either is unknown."""
        if self.ratio is None or self.uncertainty is None:
            return None
        return self.ratio - self.uncertainty, self.ratio + self.uncertainty

    @property
    def voxel_um3(self) -> float:
        """Volume of one voxel in um3."""
        return math.prod(self.spacing_um)

    @property
    def class_volume_um3(self) -> dict[str, float]:
        """Volume of each class in um3, by name."""
        return {name: n * self.voxel_um3 for name, n in self.n_voxels.items()}

    @property
    def void_volume_um3(self) -> float:
        """Volume of all void in um3, that of voids too small to be counted included."""
        return sum(
            self.class_volume_um3[self.classes.names[k - 1]] for k in self.classes.ids_with_role(Role.VOID)
        )

    @property
    def volume_uncertainty_um3(self) -> float | None:
        """Expanded uncertainty of the volume of all void in um3; None in a report of an older version."""
        return combined(self.volume_budget, self.recipe.coverage)

    def entry(self) -> dict[str, Any]:
        """The measurement as JSON holds it; lengths are um, volumes um3, ratios plain numbers (0.05 is 5 %)."""
        return {
            "scan": self.scan,
            "verdict": self.verdict.value,
            "reason": self.reason,
            "ratio": self.formula,
            "ratio_definition": DEFINITIONS[self.formula],
            "ratio_value": self.ratio,
            "limit": self.limit,
            "uncertainty": self.uncertainty,
            "interval": None if self.interval is None else list(self.interval),
            "budget": [c.entry() for c in self.budget],
            "volume_budget": [c.entry() for c in self.volume_budget],
            "volume_uncertainty_um3": self.volume_uncertainty_um3,
            **{name: self.ratios[formula] for name, formula in RATIOS.items()},
            "undefined": dict(self.undefined),
            "n_voids": len(self.voids),
            "n_small_voids": len(self.small_voids),
            "void_volume_um3": self.void_volume_um3,
            "class_volume_um3": self.class_volume_um3,
            "n_voxels": dict(self.n_voxels),
            "n_unlabelled": self.n_unlabelled,
            "spacing_um": list(self.spacing_um),
            "shape": list(self.shape),
            "classes": self.classes.entries(),
            "recipe": self.recipe.model_dump(mode="json"),
            "dimensions": self.dimensions.entry(),
            "dimensions_by_boxes": self.boxed.entry(),
            "voids": [_void_entry(v) for v in self.voids],
            "small_voids": [_void_entry(v) for v in self.small_voids],
        }

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> ScanMeasurement:
        """The inverse of `entry`."""
        plain = ("scan", "n_voxels", "n_unlabelled", "undefined", "reason")
        return cls(
            **{k: entry[k] for k in plain}, shape=_triple(entry["shape"]), spacing_um=_triple(entry["spacing_um"]),
            classes=ClassMap.from_entries(entry["classes"]), ratios={f: entry[n] for n, f in RATIOS.items()},
            recipe=MeasureConfig.model_validate(entry["recipe"]), verdict=Verdict(entry["verdict"]),
            voids=tuple(_void_from(e) for e in entry["voids"]), small_voids=tuple(_void_from(e) for e in entry["small_voids"]),
            uncertainty=entry.get("uncertainty"), budget=_budget_from(entry, "budget"), volume_budget=_budget_from(entry, "volume_budget"),
            dimensions=Dimensions(**entry.get("dimensions", {})), boxed=Dimensions(**entry.get("dimensions_by_boxes", {})),
        )  # fmt: skip


def measure_mask(
    mask: Mask,
    classes: ClassMap,
    spacing_um: Spacing | None,
    recipe: MeasureConfig,
    scan: str,
    views: Views = (),
) -> ScanMeasurement:
    """Measure a mask (z, y, x) of class ids 1..C, 0 where unlabelled.

    Every ratio is one of voxel counts, so spacing does not enter it; volumes, diameters and positions are in um.
    Voids of fewer than `recipe.min_voxels` voxels are listed apart and not counted, but stay in the ratios: they
    were labelled void, and leaving them out would lower the ratio by a choice made about counting.
    `views`, where a model looked at the scan several times, are its class counts by each look; their spread widens the interval.

    Raises
    ------
    NotReady : no spacing, or no class with role void.
    VolumeError : an impossible spacing.
    LabelError : the mask is not 3-D, holds no voxel or ids beyond the class map.
    """
    spacing = _checked_spacing(spacing_um, scan)
    _check(mask, classes, scan)
    counts = count_classes(mask, len(classes))
    ratios = void_ratios(counts, classes, recipe.solder_class)
    undefined = undefined_ratios(counts, classes, recipe.solder_class)
    void_ids = classes.ids_with_role(Role.VOID)
    faces = void_faces(mask, void_ids)
    budget = ratio_budget(faces, counts, classes, recipe, views)
    uncertainty = combined(budget, recipe.coverage)
    verdict, reason = decide(ratios[recipe.ratio], recipe, undefined.get(recipe.ratio, ""), uncertainty)
    voids = find_voids(mask, void_ids, spacing)
    void_views = [sum(row[k - 1] for k in void_ids) for row in views]
    return ScanMeasurement(
        scan=scan, shape=_triple(mask.shape), spacing_um=spacing, classes=classes, n_unlabelled=counts[0],
        n_voxels=dict(zip(classes.names, counts[1:], strict=True)), ratios=ratios, undefined=undefined,
        recipe=recipe, verdict=verdict, reason=reason, uncertainty=uncertainty, budget=budget,
        volume_budget=volume_budget(faces, sum(counts[k] for k in void_ids), math.prod(spacing), recipe, void_views),
        voids=tuple(v for v in voids if v.n_voxels >= recipe.min_voxels),
        small_voids=tuple(v for v in voids if v.n_voxels < recipe.min_voxels),
        dimensions=dimensions(mask, classes, spacing, recipe), boxed=by_boxes(mask, classes, spacing, recipe),
    )  # fmt: skip


def _checked_spacing(spacing_um: Spacing | None, scan: str) -> Spacing:
    """The spacing as three plain numbers, of which a volume can be made."""
    if spacing_um is None:
        raise NotReady(
            f"{scan} has no spacing, so nothing in it can be measured; give it in um with --spacing Z,Y,X."
        )
    if np.shape(spacing_um) != (3,):
        raise VolumeError(
            f"{scan} has spacing {spacing_um}; give three lengths above 0 in um, e.g. --spacing 0.7,0.7,0.7."
        )
    spacing = _triple(float(s) for s in spacing_um)
    check_spacing(spacing, scan)
    if not 1e-4 <= min(spacing) <= max(spacing) <= 1e6:
        raise VolumeError(
            f"{scan} has spacing {spacing} um, finer than 0.1 nm or coarser than 1 m; mind the unit: --spacing Z,Y,X in um."
        )
    return spacing


def _check(mask: Mask, classes: ClassMap, scan: str) -> None:
    """Refuse a mask that is not of these classes, and classes without a void."""
    if mask.ndim != 3 or not mask.size:
        raise LabelError(
            f"The mask of {scan} has shape {mask.shape}; expected (z, y, x) with at least one voxel each way. Make a slice (1, y, x)."
        )
    if not np.issubdtype(mask.dtype, np.unsignedinteger) or mask.max() > len(classes):
        raise LabelError(
            f"The mask of {scan} is {mask.dtype} up to {mask.max()}; expected uint8 ids 0..{len(classes)}. Translate it with ClassMap.from_file."
        )
    if not classes.ids_with_role(Role.VOID):
        raise NotReady(
            f"No class of {scan} has the role void ({', '.join(classes.names)}); name one, e.g. pore:void."
        )


def _budget_from(entry: Mapping[str, Any], name: str) -> tuple[Contribution, ...]:
    """A budget; reports of before there was one have none."""
    return tuple(Contribution.from_entry(e) for e in entry.get(name, ()))


def _triple(values: Any) -> tuple[Any, Any, Any]:
    first, second, third = values
    return first, second, third


def _void_entry(void: Void) -> dict[str, Any]:
    return {
        "volume_um3": void.volume_um3,
        "diameter_um": void.diameter_um,
        "centroid_um": list(void.centroid_um),
        "centroid_voxel": list(void.centroid_voxel),
        "n_voxels": void.n_voxels,
        "box": [list(edges) for edges in void.box],
        "touches_border": void.touches_border,
        "quality": void.quality,
    }


def _void_from(entry: Mapping[str, Any]) -> Void:
    plain = {k: entry[k] for k in ("n_voxels", "volume_um3", "diameter_um", "touches_border")}
    return Void(
        **plain,
        centroid_um=_triple(entry["centroid_um"]),
        centroid_voxel=_triple(entry["centroid_voxel"]),
        box=_triple((int(a), int(b)) for a, b in entry["box"]),
    )
