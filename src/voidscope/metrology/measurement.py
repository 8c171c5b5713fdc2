"""What is measured in one scan: class volumes, void ratios, voids, verdict."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from voidscope.config import MeasureConfig
from voidscope.metrology.area_edges import area_edges
from voidscope.metrology.areas import area_parts
from voidscope.metrology.budget import Contribution, area_budget, combined, ratio_budget, volume_budget
from voidscope.metrology.cleaning import mend
from voidscope.metrology.dimensions import Dimensions, both_ways, dimensions, stands_along
from voidscope.metrology.margins import Known
from voidscope.metrology.nearness import voids_of
from voidscope.metrology.quantities import quantities, uncounted, unquantified
from voidscope.metrology.ratios import (
    DEFINITIONS,
    RATIOS,
    VOLUMES,
    Parts,
    count_classes,
    reasons_of,
    values_of,
    volume_parts,
)
from voidscope.metrology.rounding import above
from voidscope.metrology.structures import Stray, Structure
from voidscope.metrology.uncertainty import void_faces
from voidscope.metrology.verdict import (
    Misreading,
    Outcome,
    Verdict,
    criteria_of,
    held,
    joined,
    judge,
    length_uncertainty,
    limit_of,
)
from voidscope.metrology.views import Differences
from voidscope.metrology.voids import Void
from voidscope.vocabulary import ClassMap, Mask, Role
from voidscope.volume import Spacing


@dataclass(frozen=True)
class Bump:
    """One structure of a scan and what was measured in it alone; all positions are those of the whole scan."""

    structure: Structure
    measured: ScanMeasurement

    @property
    def name(self) -> str:
        """``r2c3`` in a grid, else ``b001``."""
        return self.structure.name

    def entry(self) -> dict[str, Any]:
        """The bump as JSON has it; what it shares with its scan is left out."""
        own = {k: v for k, v in self.measured.entry().items() if k not in SHARED}
        return {**self.structure.entry(), **own}

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any], scan: Mapping[str, Any]) -> Bump:
        """The inverse of `entry`; `scan` is the entry of its scan."""
        measured = ScanMeasurement.from_entry(
            {**{k: scan[k] for k in SHARED if k in scan}, **entry, "bumps": [], "stray": {}}
        )
        return cls(Structure.from_entry(entry), measured)


SHARED = ("scan", "ratio_definition", "classes", "recipe", "spacing_um", "bumps", "stray")
"""What a bump's entry leaves to its scan's."""


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
    dimensions, boxed : of the bump, by columns and levels, and by the public formulas for comparison; of a scan of one bump that bump's,
        whatever lies beside it; of several nothing but the build axis, since each has its own
    bumps : one row each, in the order of their places; none in what was measured of one bump
    stray : foreground that belongs to no bump
    closed_in : voxels of background that nowhere reaches the edge of the scan but through narrow channels, though nobody called it void
    cleaned : voxels that each step of cleaning gave each class, less those it took; empty for a bump of a scan that was cleaned whole
    outcomes : what became of each criterion, the ratio's limit first; of a scan of several bumps with the unit bump, and of one on a
        length whatever the unit, as of the bump where it is worst
    doubts : why a bump may be no whole one, whatever its verdict; of a scan that is judged whole those of its bumps
    quantities : what criteria may look at beside ratios, by name, None where undefined; `undefined` says why
    remarks, overruled : how the reason ends beside outcomes and doubts, and whether the verdict and its reason come of neither; no
        report tells them
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
    bumps: tuple[Bump, ...] = ()
    stray: Stray = field(default_factory=Stray)
    closed_in: int = 0
    cleaned: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    outcomes: tuple[Outcome, ...] = ()
    quantities: Mapping[str, float | None] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()
    remarks: str = field(default="", compare=False)
    overruled: bool = field(default=False, compare=False)

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
            "criteria": [o.entry() for o in self.outcomes],
            "pass_when": self.recipe.pass_when,
            "doubts": list(self.doubts),
            "quantities": dict(self.quantities),
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
            "voids": [v.entry() for v in self.voids],
            "small_voids": [v.entry() for v in self.small_voids],
            "bumps": [b.entry() for b in self.bumps],
            "stray": asdict(self.stray),
            "closed_in": self.closed_in,
            "cleaned": {step: dict(gains) for step, gains in self.cleaned.items()},
        }

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> ScanMeasurement:
        """The inverse of `entry`."""
        plain = ("scan", "n_voxels", "n_unlabelled", "undefined", "reason")
        return cls(
            **{k: entry[k] for k in plain}, shape=_triple(entry["shape"]), spacing_um=_triple(entry["spacing_um"]),
            classes=ClassMap.from_entries(entry["classes"]), ratios={f: entry.get(n) for n, f in RATIOS.items()},
            recipe=MeasureConfig.model_validate(entry["recipe"]), verdict=Verdict(entry["verdict"]),
            voids=tuple(Void.from_entry(e) for e in entry["voids"]), small_voids=tuple(Void.from_entry(e) for e in entry["small_voids"]),
            uncertainty=entry.get("uncertainty"), budget=_budget_from(entry, "budget"), volume_budget=_budget_from(entry, "volume_budget"),
            dimensions=Dimensions(**entry.get("dimensions", {})), boxed=Dimensions(**entry.get("dimensions_by_boxes", {})),
            bumps=tuple(Bump.from_entry(e, entry) for e in entry.get("bumps", ())), stray=Stray(**entry.get("stray", {})), closed_in=entry.get("closed_in", 0), cleaned=entry.get("cleaned", {}),
            outcomes=tuple(Outcome.from_entry(e) for e in entry.get("criteria", ())), quantities=entry.get("quantities", {}), doubts=tuple(entry.get("doubts", ())),
        )  # fmt: skip


def measure_clean(
    mask: Mask, classes: ClassMap, spacing: Spacing, recipe: MeasureConfig, scan: str, views: Differences | Sequence[Sequence[int]] = (),
) -> ScanMeasurement:  # fmt: skip
    """What is measured in a mask (z, y, x) that was checked and is cleaned already, and what becomes of the limits by the figures alone:
    whether a bump may be no whole one is not looked for; `measure_scan` does, and gives verdicts.

    Every ratio is one of voxel counts, so spacing does not enter it; volumes, diameters and positions are in um.
    Voids of fewer than `recipe.min_voxels` voxels or less than `recipe.min_um3` are listed apart and not counted, but stay in the
    ratios: they were labelled void, and leaving them out would lower the ratio by a choice made about counting.
    `views` (V, C), where a model looked at the scan several times, are the voxels that each look alone gives each class, less those of the
    mask; their spread widens the interval.
    """
    return measuring(mask, classes, spacing, recipe, scan, views)(voids_of(mask, classes, spacing, recipe))


def measuring(
    mask: Mask, classes: ClassMap, spacing: Spacing, recipe: MeasureConfig, scan: str, views: Differences | Sequence[Sequence[int]] = (),
    odds: Known | None = None, sizes: tuple[Dimensions, Dimensions] | None = None,
) -> Callable[[Sequence[Void]], ScanMeasurement]:  # fmt: skip
    """What gives `measure_clean` of a mask, which has been read then and is let go of, for its voids, shaped or not: all but Feret diameters
    is the same without shapes.

    `odds` has how sure a model was of each voxel, or `sizes` its dimensions, by columns and by boxes, where they are known.
    """
    counts = count_classes(mask, len(classes))
    size, boxed = sizes or both_ways(mask, classes, spacing, recipe, odds)
    parts = ratio_parts(mask, counts, classes, recipe, size)
    void_ids, shape = classes.ids_with_role(Role.VOID), _triple(mask.shape)
    faces, void = void_faces(mask, void_ids), sum(counts[k] for k in void_ids)
    seen = [tuple(n + int(d) for n, d in zip(counts[1:], row, strict=True)) for row in views]
    looks = [volume_parts((0, *row), classes, recipe.solder_class) for row in seen]
    void_views = [sum(row[k - 1] for k in void_ids) for row in seen]
    axis, criteria = stands_along(size, recipe), criteria_of(recipe)
    budgets = {
        name: _budget(name, mask, classes, recipe, parts, axis, faces, looks, void_views)
        for name in dict.fromkeys(c.measure for c in criteria)
    }

    def measured(voids: Sequence[Void]) -> ScanMeasurement:
        counted, small = _sorted_out(voids, recipe)
        others = quantities(counted, size, parts, counts, classes, spacing, recipe)
        ratios, undefined = (
            values_of(parts),
            reasons_of(parts) | {k: v for k, v in others.items() if isinstance(v, str)},
        )
        values = {name: None if isinstance(v, str) else v for name, v in others.items()}
        judged = []
        for criterion in criteria:
            name = criterion.measure
            value, budget = {**ratios, **values}[name], budgets[name]
            u = combined(budget, recipe.coverage) if budget else length_uncertainty(criterion, value, recipe)
            judged.append(judge(criterion, value, recipe.rule, undefined.get(name, ""), u))
        misread = (*uncounted(values, small, size, parts, spacing, recipe), *unquantified(values, counted))
        outcomes = held(judged, misread, recipe.rule)
        verdict, reason = joined(outcomes, recipe.pass_when)
        return ScanMeasurement(
            scan=scan, shape=shape, spacing_um=spacing, classes=classes, n_unlabelled=counts[0],
            n_voxels=dict(zip(classes.names, counts[1:], strict=True)), ratios=ratios, undefined=undefined,
            recipe=recipe, verdict=verdict, reason=reason, uncertainty=outcomes[0].uncertainty, voids=counted, small_voids=small,
            dimensions=size, boxed=boxed, outcomes=outcomes, quantities=values, budget=budgets[recipe.ratio],
            volume_budget=volume_budget(faces, void, math.prod(spacing), recipe, void_views),
        )  # fmt: skip

    return measured


def not_misread(found: ScanMeasurement, others: Iterable[Misreading]) -> ScanMeasurement:
    """For REVIEW instead of PASS, outcomes that may break their limits for all that is known; see `held`."""
    return replace(found, outcomes=held(found.outcomes, others, found.recipe.rule))


def concluded(found: ScanMeasurement) -> ScanMeasurement:
    """With the verdict of its outcomes, but REVIEW where that would be PASS and there are doubts; its remarks end the sentence."""
    verdict, reason = joined(found.outcomes, found.recipe.pass_when)
    if verdict is Verdict.PASS and found.doubts:
        more = f" (and {len(found.doubts) - 2} more doubts)" if len(found.doubts) > 2 else ""
        verdict, reason = Verdict.REVIEW, "; ".join(found.doubts[:2]) + more
    return replace(found, verdict=verdict, reason=f"{reason}{found.remarks}")


def ratio_parts(
    mask: Mask, counts: Sequence[int], classes: ClassMap, recipe: MeasureConfig, size: Dimensions
) -> dict[str, Parts | str]:
    """What stands above and below the line of every ratio of a mask, or why it is undefined, by name.

    `counts` are the mask's voxels by class, unlabelled first, and `size` knows the build axis.
    """
    areas = area_parts(mask, classes, recipe, stands_along(size, recipe))
    return volume_parts(counts, classes, recipe.solder_class) | areas


def measured_ratio(mask: Mask, classes: ClassMap, recipe: MeasureConfig) -> float | None:
    """The ratio a recipe decides by, and nothing else, of a mask whose spacing nobody needs; None where undefined.

    Gaps are closed and holes made void where the recipe asks for it; voxels are not dropped by distance, which takes a spacing.
    """
    return values_of(_parts_decided_by(mend(mask, classes, recipe)[0], classes, recipe)[0])[recipe.ratio]


def judged_ratio(mask: Mask, classes: ClassMap, recipe: MeasureConfig) -> Outcome:
    """`measured_ratio` against the recipe's limit, with the uncertainty that edges give it; REVIEW where it is undefined."""
    mended = mend(mask, classes, recipe)[0]
    parts, axis = _parts_decided_by(mended, classes, recipe)
    faces = void_faces(mended, classes.ids_with_role(Role.VOID))
    return judge(
        limit_of(recipe), values_of(parts)[recipe.ratio], recipe.rule, reasons_of(parts).get(recipe.ratio, ""),
        combined(_budget(recipe.ratio, mended, classes, recipe, parts, axis, faces), recipe.coverage),
    )  # fmt: skip


def _budget(
    measure: str, mask: Mask, classes: ClassMap, recipe: MeasureConfig, parts: Mapping[str, Parts | str], axis: str | None,
    faces: int, looks: Sequence[Mapping[str, Parts | str]] = (), void_views: Sequence[int] = (),
) -> tuple[Contribution, ...]:  # fmt: skip
    """What may be wrong with a ratio of a mask that stands along `axis`; empty of what is no ratio, or undefined."""
    found, shifts = parts.get(measure), area_edges(mask, classes, recipe, axis, [measure])
    if isinstance(found, tuple) and measure in shifts:
        blind = sum(isinstance(view["void/foreground"], str) for view in looks)
        void = 0 if isinstance(whole := parts["void/foreground"], str) else whole[0]
        return area_budget(found, shifts[measure], faces, recipe, void_views, void, blind)
    return ratio_budget(measure, parts, faces, recipe, looks)


def _parts_decided_by(
    mask: Mask, classes: ClassMap, recipe: MeasureConfig
) -> tuple[dict[str, Parts | str], str | None]:
    """The ratios that are as cheap as the one a recipe decides by: those of volumes, or all where it is another, and the build axis."""
    counts = count_classes(mask, len(classes))
    if recipe.ratio in VOLUMES:
        return volume_parts(counts, classes, recipe.solder_class), None
    size = dimensions(mask, classes, (1.0, 1.0, 1.0), recipe)
    return ratio_parts(mask, counts, classes, recipe, size), stands_along(size, recipe)


def _sorted_out(voids: Sequence[Void], recipe: MeasureConfig) -> tuple[tuple[Void, ...], tuple[Void, ...]]:
    """The voids that count, and those that are too small."""
    counts = [v.n_voxels >= recipe.min_voxels and not above(recipe.min_um3, v.volume_um3) for v in voids]
    return (
        tuple(v for v, counted in zip(voids, counts, strict=True) if counted),
        tuple(v for v, counted in zip(voids, counts, strict=True) if not counted),
    )


def _budget_from(entry: Mapping[str, Any], name: str) -> tuple[Contribution, ...]:
    """A budget; reports of before there was one have none."""
    return tuple(Contribution.from_entry(e) for e in entry.get(name, ()))


def _triple(values: Any) -> tuple[Any, Any, Any]:
    first, second, third = values
    return first, second, third
