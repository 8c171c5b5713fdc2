"""The budget of uncertainty: what may be wrong with a void ratio or a volume, each with how it was obtained.

Contributions are standard uncertainties and independent of each other, so they add in quadrature (GUM, JCGM 100, 5.1.2):

    u^2 = u_edges^2 + u_model^2 + u_spacing^2 + u_unseen^2,     U = k u

Edges: see `uncertainty`. Model: the spread of the ratio over the mirror images of the slices, each segmented alone. The network
has no reason to prefer one, so what they disagree about it does not know; a mistake that all of them make is not in it. Earlier
cycles were not taken instead: they learnt from fewer labels, so their spread says how much was learnt since. Voxel size:
a scale error common to all axes leaves a ratio of volumes as it is, and u(V)/V = 3 u(s)/s. Lengths have no budget: see
`verdict.length_uncertainty`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from voidscope.config import MeasureConfig
from voidscope.metrology.ratios import VOLUMES, WITH_VOID_BELOW, Parts
from voidscope.metrology.uncertainty import SMOOTH, expanded_uncertainty
from voidscope.metrology.voids import COUNTABLE_VOXELS

Ratios = Mapping[str, Parts | str]
"""What stands above and below the line of each ratio, or why it is undefined, by name."""

SPREAD = "spread of the model"
FEWEST_VIEWS = 2
"""Of one value there is no spread."""


@dataclass(frozen=True)
class Contribution:
    """One line of a budget.

    Attributes
    ----------
    name : where the doubt comes from
    value : standard uncertainty, in the unit of what is measured; None where it is not known, which counts as 0
    how : how it was obtained, or why it is not known
    unbounded : whether it is not known how large it may be, so that there is no interval
    """

    name: str
    value: float | None
    how: str
    unbounded: bool = False

    def entry(self) -> dict[str, Any]:
        """The line as JSON has it."""
        return asdict(self)

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> Contribution:
        """The inverse of `entry`."""
        return cls(entry["name"], entry["value"], entry["how"], entry.get("unbounded", False))


def ratio_budget(
    ratio: str, parts: Ratios, faces: int, recipe: MeasureConfig, views: Sequence[Ratios] = ()
) -> tuple[Contribution, ...]:
    """What may be wrong with a ratio of volumes; empty where that is undefined, and for what is no ratio of volumes.

    Parameters
    ----------
    parts : of the mask that is measured
    faces : voxel faces of its voids, see `void_faces`
    views : the same parts by each view of the model alone
    """
    found = parts.get(ratio, "")
    if isinstance(found, str) or ratio not in VOLUMES:
        return ()
    included = ratio in WITH_VOID_BELOW
    edges = expanded_uncertainty(faces, *found, included=included, sigma=recipe.edge_sigma, coverage=1)
    seen = [view[ratio] for view in views]
    undefined = sum(isinstance(p, str) for p in seen)
    return (
        Contribution("edges of the voids", edges, _edges_words(recipe)),
        _cannot_tell(undefined, len(seen))
        if undefined
        else _model([p[0] / p[1] for p in seen if not isinstance(p, str)], "ratio"),
        Contribution(
            "voxel size", 0.0, "a scale error common to all axes leaves a ratio of volumes as it is"
        ),
        _unseen(1 / found[1]),
    )


def area_budget(
    parts: Parts, shift: float, faces: int, recipe: MeasureConfig, void_views: Sequence[int], void: int, undefined: int = 0
) -> tuple[Contribution, ...]:  # fmt: skip
    """What may be wrong with a ratio of areas or of a band; the projection itself is not kept for each view of the model.

    Parameters
    ----------
    parts : above and below the line, in pixels or voxels
    shift : what is above the line per voxel that the voids' edges move, see `area_edges`
    faces, void : voxel faces and voxels of all void of the mask
    void_views : its voxels by each view of the model alone; what more or less they see takes as much area as the voids of the mask do for
        each voxel, or as moving their edges would give, the larger of both, and at most a pixel
    undefined : views that see no foreground
    """
    above, below = parts
    by_edges = shift / (SMOOTH * faces) if faces else 1.0
    per_voxel = min(1.0, max(by_edges, above / void if void else 1.0))
    model = _model(
        [n * per_voxel / below for n in void_views], f"void, {per_voxel:.2g} pixels for each voxel of it,"
    )
    return (
        Contribution("edges of the voids", shift * recipe.edge_sigma / below, _outline_words(recipe)),
        _cannot_tell(undefined, len(void_views)) if undefined else model,
        Contribution("voxel size", 0.0, "a scale error common to all axes leaves a ratio of areas as it is"),
        _unseen(1 / below),
    )


def volume_budget(
    faces: int, void: int, voxel_um3: float, recipe: MeasureConfig, void_views: Sequence[int] = ()
) -> tuple[Contribution, ...]:
    """What may be wrong with the volume of all void, in um3; `void_views` are its voxels by each view of the model."""
    edges = expanded_uncertainty(faces, void, 1, included=True, sigma=recipe.edge_sigma, coverage=1)
    return (
        Contribution("edges of the voids", edges * voxel_um3, _edges_words(recipe)),
        _model([n * voxel_um3 for n in void_views], "volume"),
        _voxel_size(3 * void * voxel_um3, recipe),
        _unseen(voxel_um3),
    )


def combined(budget: Sequence[Contribution], coverage: float) -> float | None:
    """U = k times the root sum of squares of the contributions that are known; None of an empty budget, and where one is unbounded."""
    if not budget or any(c.unbounded for c in budget):
        return None
    return coverage * math.hypot(*(c.value or 0.0 for c in budget))


def _unseen(per_voxel: float) -> Contribution:
    """Beside the voids that were found there may be one too small to be told from noise, with any size up to that equally likely."""
    n = COUNTABLE_VOXELS
    how = f"{n} voxels, below which a void cannot be told from noise, over the square root of 3"
    return Contribution("a void too small to be seen", n * per_voxel / math.sqrt(3), how)


def _cannot_tell(undefined: int, of: int) -> Contribution:
    """Some views see nothing of what stands below the line."""
    how = f"unknown: by {undefined} of {of} mirror images alone the ratio is undefined"
    return Contribution(SPREAD, None, how, unbounded=True)


def _model(values: Sequence[float], what: str) -> Contribution:
    if len(values) < FEWEST_VIEWS:
        return Contribution(
            SPREAD,
            None,
            "not recorded: it takes a model that looks at mirror images (model.flips=true) and masks made by this version",
        )
    spread = float(np.std(values, ddof=1))
    return Contribution(
        SPREAD,
        spread,
        f"standard deviation of the {what} over {len(values)} mirror images, each segmented alone",
    )


def _voxel_size(slope: float, recipe: MeasureConfig) -> Contribution:
    if not recipe.spacing_uncertainty:
        return Contribution("voxel size", None, "not recorded: set measure.spacing_uncertainty")
    relative = recipe.spacing_uncertainty
    return Contribution(
        "voxel size", slope * relative, f"3 u(s)/s times the volume, u(s)/s = {relative:g} by the recipe"
    )


def _edges_words(recipe: MeasureConfig) -> str:
    return f"2/3 of the voids' voxel faces times {recipe.edge_sigma:g} voxels ({_origin(recipe)})"


def _outline_words(recipe: MeasureConfig) -> str:
    return f"the voids' outline, or their surface in the band, times {recipe.edge_sigma:g} voxels ({_origin(recipe)})"


def _origin(recipe: MeasureConfig) -> str:
    default = recipe.edge_sigma == MeasureConfig.model_fields["edge_sigma"].default
    return "voidscope's default, from simulated scans" if default else "the recipe's"
