"""What a recipe says: the ratio and its limit, further criteria, what counts as a void, and how a mask is cleaned."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import StringConstraints, field_validator, model_validator

from voidscope.setting_words import Section, setting

RatioName = Literal[
    "void/foreground", "void/(foreground-void)", "void/(solder+void)", "void/solder",
    "projected area", "worst slice", "interface band, pillar side", "interface band, pad side",
]  # fmt: skip
"""The void ratios, as a recipe writes them; `voidscope.metrology.DEFINITIONS` says what each is."""

OtherName = Literal[
    "largest_void_share", "largest_void_diameter_share", "largest_void_diameter_um", "largest_void_feret_um", "void_count",
    "blt_um", "pillar_width_um", "pillar_height_um", "pad_misalignment_um", "pad_misalignment_share",
    "solder_protrusion_um", "solder_protrusion_share", "solder_underfill_um", "solder_underfill_share",
]  # fmt: skip
"""What else a criterion may look at; `voidscope.metrology.QUANTITIES` says what each is. The end of a name is its unit."""

LEAST_SIGMA = 0.005
"""No doubt of edges that is fitted to errors is less, in voxels."""
RATIO_NAMES: tuple[str, ...] = get_args(RatioName)
OF_A_WHOLE = {*RATIO_NAMES, "largest_void_share"} - {"void/(foreground-void)", "void/solder"}
"""Measures that are a part of what holds it, and so never more than 1."""


def is_fraction(measure: str) -> bool:
    """Whether a measure is a plain fraction, 0.05 being 5 %."""
    return measure in RATIO_NAMES or measure.endswith("_share")


def _fraction(value: object, what: str) -> None:
    """Refuse what is meant in percent, with the number to write instead."""
    if isinstance(value, str) and value.strip().endswith("%"):
        raise ValueError(
            f"{what} is a fraction, not a percentage: write 0.05 for 5 %, without quotes and without %"
        )
    if isinstance(value, int | float) and 1 < value <= 100:
        raise ValueError(
            f"it must be at most 1, for {what} is a fraction; for {value:g} % write {value / 100:g}"
        )


class Criterion(Section):
    """One more thing that a part must keep: a measure with the least or the most it may be."""

    measure: RatioName | OtherName
    """The measure that is looked at."""
    at_most: float | None = setting(None, "At most", "FAIL above this.", ge=0, allow_inf_nan=False)
    at_least: float | None = setting(None, "At least", "FAIL below this.", ge=0, allow_inf_nan=False)
    uncertainty: float | None = setting(
        None, "Uncertainty",
        "Expanded uncertainty U of the measure, in its own unit, e.g. from a gauge study; a guard band needs it.",
        ge=0, allow_inf_nan=False,
    )  # fmt: skip
    source: str = setting("", "Source", "Who set the limit, and where it is written.")

    @model_validator(mode="before")
    @classmethod
    def _in_its_unit(cls, tree: Any) -> Any:
        if isinstance(tree, dict) and is_fraction(str(tree.get("measure"))):
            for name in ("at_most", "at_least", "uncertainty"):
                _fraction(tree.get(name), f"{name} of {tree['measure']}")
        return tree

    @property
    def says_nothing(self) -> bool:
        """Whether whatever is measured keeps it: a share of a whole at most 1, or what is never negative at least 0."""
        most = self.at_most is None or (self.measure in OF_A_WHOLE and self.at_most == 1)
        return most and (self.at_least is None or self.at_least == 0)

    @model_validator(mode="after")
    def _has_a_limit(self) -> Self:
        if self.at_most is None and self.at_least is None:
            raise ValueError(f"criterion {self.measure} has no limit; give at_most, at_least or both")
        if self.at_most is not None and self.at_least is not None and self.at_least > self.at_most:
            raise ValueError(
                f"criterion {self.measure} asks for at least {self.at_least:g} and at most {self.at_most:g}; swap them"
            )
        if is_fraction(self.measure) and max(self.at_most or 0, self.at_least or 0) > 1:
            raise ValueError(f"criterion {self.measure} is a fraction of at most 1; for 5 % write 0.05")
        return self


class MeasureConfig(Section):
    """The void ratio, its limit, further criteria and what counts as a void."""

    ratio: RatioName = setting(
        "void/foreground", "Ratio",
        "The number the verdict looks at. Foreground is every class but background, void included.", paper="1",
    )  # fmt: skip
    limit: float = setting(
        0.05, "Limit (0.05 is 5 %)", "FAIL when the ratio is above this; a fraction, so 0.05 is 5 %. Agree on it with your customer.", ge=0, le=1,
        paper="1",
    )  # fmt: skip
    source: str = setting(
        "", "Source of the limit", "Who set the limit, and where it is written; the report says it."
    )
    uncertainty: float | None = setting(
        None, "Uncertainty of the ratio",
        "Expanded uncertainty U of the ratio, a fraction, e.g. from a gauge study; the larger of it and the computed one counts.", ge=0, le=1,
    )  # fmt: skip
    criteria: tuple[Criterion, ...] = setting(
        (), "Further criteria",
        "Limits beside the ratio's, each a measure with at_most, at_least or both; in a recipe file a table [[criterion]] each.",
    )  # fmt: skip
    pass_when: Literal["all criteria pass", "any criterion passes"] = setting(
        "all criteria pass", "Pass when",
        "How the ratio's limit and the further criteria make one verdict. An undefined one leaves the verdict to REVIEW unless the "
        "others decide it.",
    )  # fmt: skip
    rule: Literal["simple acceptance", "guard band"] = setting(
        "simple acceptance", "Decision rule",
        "simple acceptance takes the ratio as exact; guard band leaves to REVIEW what is nearer to the limit than its expanded "
        "uncertainty (ISO 14253-1).",
    )  # fmt: skip
    edge_sigma: float = setting(
        0.25, "Doubt of edges",
        "Standard deviation of where a void ends; from held-out scans with truth. It makes the interval of the ratio.", ge=0, le=5,
        unit="voxels",
    )  # fmt: skip
    coverage: float = setting(
        2.0, "Coverage factor", "k of the expanded uncertainty; 2 covers about 95 %.", ge=1, le=5
    )
    spacing_uncertainty: float = setting(
        0.0, "Doubt of the voxel size",
        "Relative standard uncertainty u(s)/s of the voxel edge, 0.01 is 1 %; from a reference sample. It enters volumes three times, "
        "once the uncertainty of a criterion on a length that states one, and no ratio of volumes.", ge=0, le=0.5,
    )  # fmt: skip
    min_void_iou: float = setting(
        0.2, "Least void IoU", "A model whose void IoU on held-out scans is below this gives no verdict but REVIEW.", ge=0, le=1
    )  # fmt: skip
    unjudged_accepted: Annotated[str, StringConstraints(strip_whitespace=True)] = setting(
        "", "Unjudged model accepted by",
        "Who accepts a PASS of a model that was judged on no labelled void it had not learnt from, and where that is written; the report "
        "says it. Empty: such a PASS is REVIEW.",
    )  # fmt: skip
    min_voxels: int = setting(
        8, "Smallest void",
        "Voids of fewer voxels are detected and listed apart, not counted: below 8, the random error of a volume is the volume itself "
        "(Lin et al. 2015). No limit on the largest void is kept by leaving out one of 8 voxels or more: such a PASS is REVIEW.", ge=1, unit="voxels",
    )  # fmt: skip
    unit: Literal["bump", "scan"] = setting(
        "bump", "Decided by",
        "bump decides each bump by itself: a scan fails when one of its bumps fails, and is for REVIEW when one is and none fails. "
        "scan decides by the ratio of all bumps together, and by each length where a bump is worst in it.",
    )  # fmt: skip
    least_structure: float = setting(
        0.05, "Least bump", "Pieces of less than this share of the largest bump are no bumps; they are counted and said.", ge=0, le=1
    )  # fmt: skip
    min_um3: float = setting(
        0.0, "Smallest void volume", "Voids of less volume are listed apart and not counted, whatever their voxels.", ge=0,
        allow_inf_nan=False, unit="µm³",
    )  # fmt: skip
    connectivity: Literal[6, 18, 26] = setting(
        26, "Connectivity",
        "Void voxels that make one void: those that share a face (6), a face or an edge (18), or also a corner (26).",
    )  # fmt: skip
    band_voxels: int = setting(
        3, "Interface band", "How far from the pillar, and from the pad, the interface bands reach along the build axis.", ge=1, le=1000,
        unit="voxels",
    )  # fmt: skip
    build_axis: Literal["auto", "z", "y", "x"] = setting(
        "auto", "Build axis", "The axis a bump stands along; auto takes the one on which solder and pillar lie farthest apart."
    )  # fmt: skip
    closing_voxels: int = setting(
        0, "Closing", "Binary closing of solder, pillar and pad by this many steps before measuring; 0 leaves the mask as it is. "
        "What is closed in stays a hole, and a bump that closing joins out of several pieces never passes.",
        ge=0, le=10, unit="voxels",
    )  # fmt: skip
    far_um: float = setting(
        0.0, "Far voxels", "Solder, pillar and pad voxels farther than this from their class's centre, in every bump, become background; 0 keeps all.",
        ge=0, allow_inf_nan=False, unit="µm",
    )  # fmt: skip
    fill_holes: bool = setting(
        False, "Holes are void", "Background that does not reach the edge of the scan is measured as void."
    )
    solder_class: str = setting(
        "solder", "Solder class", "Name of the class that void/(solder+void) relates to."
    )
    pillar_class: str = setting("copper_pillar", "Pillar class", "Name of the class the bump stands on.")
    pad_class: str = setting(
        "copper_pad", "Pad class", "Name of the class on top of the bump; memory dies have it."
    )
    joint_classes: str = setting(
        "", "Further classes of the joint",
        "Names, with commas between, of further classes that carry a joint, e.g. an intermetallic layer. In lengths, bands and in what holds a "
        "bump together they are solder, in ratios of volumes what they are. Any other class (flux, underfill) holds nothing together.",
    )  # fmt: skip

    @property
    def further_of_joint(self) -> tuple[str, ...]:
        """The names in `joint_classes`, of classes that carry a joint and are neither pillar, solder nor pad."""
        return tuple(filter(None, (name.strip() for name in self.joint_classes.split(","))))

    @field_validator("limit", mode="before")
    @classmethod
    def _limit_is_a_fraction(cls, value: object) -> object:
        _fraction(value, "the limit")
        return value

    @model_validator(mode="after")
    def _can_fail(self) -> Self:
        any_one = self.pass_when == "any criterion passes"
        if self.limit == 1 and (not self.criteria or any_one):
            raise ValueError(
                "a limit of 1 is 100 %, which every scan keeps; for 1 % write 0.01. It may stand only beside further criteria that must all pass"
            )
        kept = next((c.measure for c in self.criteria if c.says_nothing), "")
        if any_one and kept:
            raise ValueError(
                f"every scan keeps the limit on {kept}, and one criterion is enough to pass; give one that can fail, or leave it out"
            )
        return self

    @model_validator(mode="after")
    def _doubts_something(self) -> Self:
        if self.rule == "guard band" and self.edge_sigma < LEAST_SIGMA and self.uncertainty is None:
            raise ValueError(
                f"with edge_sigma = {self.edge_sigma:g} a guard band takes edges for certain; give at least {LEAST_SIGMA:g} voxels, or the "
                "uncertainty of the ratio"
            )
        return self
