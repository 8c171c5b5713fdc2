"""Recipes to start from. Each says where its numbers come from; none quotes a standard, for none was read for this.

Figures of standards are those in circulation (web pages, assemblers' notes), which contradict each other between revisions: every
source note therefore ends in what to verify before anything is signed.
"""

from __future__ import annotations

from collections.abc import Mapping

from voidscope.config import Criterion, MeasureConfig
from voidscope.errors import ConfigError

_AREA = (
    "in circulation as the IPC-A-610 limit for BGA balls ({which}), an area in a 2D X-ray image, here imitated by the projection along "
    "the build axis; not read in the standard: verify against your revision"
)
_CLASSES = (
    "in circulation as IPC-7095 class {k}: void diameter at most {ball:g} % of the ball's, {edge:g} % at an interface, as areas {ball2:g} % and "
    "{edge2:g} %, here that of the voxels next to it; guidance for process control, not read in the standard: verify against your edition"
)


def _area(limit: float, which: str) -> MeasureConfig:
    return MeasureConfig(ratio="projected area", limit=limit, source=_AREA.format(which=which))


def _by_diameter(k: int, ball: float, edge: float) -> MeasureConfig:
    """Void diameters as shares of the bump's, 0.6 being 60 %, and the same as areas in projection and at the interfaces.

    A band of one voxel has areas: of a void one voxel thick a band of two would show half.
    """
    source = _CLASSES.format(
        k=k, ball=100 * ball, edge=100 * edge, ball2=round(100 * ball**2, 4), edge2=round(100 * edge**2, 4)
    )
    return MeasureConfig(
        ratio="projected area", limit=round(ball**2, 6), source=source, band_voxels=1,
        criteria=(
            Criterion(measure="largest_void_diameter_share", at_most=ball, source=source),
            Criterion(measure="interface band, pillar side", at_most=round(edge**2, 6), source=source),
            Criterion(measure="interface band, pad side", at_most=round(edge**2, 6), source=source),
        ),
    )  # fmt: skip


_PUBLIC = "public code of the paper's group for HBM micro-bumps (0.7 um voxels), a research default and no agreed limit: verify with your customer"

PRESETS: Mapping[str, MeasureConfig] = {
    "paper": MeasureConfig(
        source="the paper's rule, void over foreground above a pre-decided threshold; it names no number, 5 % is ours: verify with your customer"
    ),
    "hbm-public-formulas": MeasureConfig(
        ratio="void/solder", limit=0.3, source=_PUBLIC,
        criteria=(
            Criterion(measure="solder_protrusion_share", at_most=0.1, source=_PUBLIC),
            Criterion(measure="pad_misalignment_share", at_most=0.1, source=_PUBLIC),
        ),
    ),
    "ipc-a-610-like-25": _area(0.25, "25 %, as quoted for revision E"),
    "ipc-a-610-like-30": _area(0.30, "30 %, as quoted for later revisions"),
    "ipc-7095-like-class-1": _by_diameter(1, 0.60, 0.50),
    "ipc-7095-like-class-2": _by_diameter(2, 0.45, 0.35),
    "ipc-7095-like-class-3": _by_diameter(3, 0.30, 0.20),
}  # fmt: skip
"""Recipe by name."""


def preset_recipe(name: str) -> MeasureConfig:
    """The recipe of a preset; raises `ConfigError` naming the known ones."""
    if name not in PRESETS:
        raise ConfigError(f"There is no recipe preset {name!r}; choose {', '.join(PRESETS)}.")
    return PRESETS[name]
