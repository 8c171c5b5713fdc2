"""The HTML page of a report: one file, styles and pictures inside, every text escaped."""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from voidscope.metrology.components import CONNECTIVITY
from voidscope.metrology.dimensions import Dimensions
from voidscope.metrology.measurement import ScanMeasurement
from voidscope.metrology.ratios import DEFINITIONS
from voidscope.metrology.verdict import Verdict
from voidscope.metrology.voids import COUNTABLE_VOXELS, QUALITIES, QUANTIFIABLE_VOXELS

if TYPE_CHECKING:
    from jinja2 import Template

LISTED_VOIDS = 20
"""Voids of a scan that the page lists; the tables hold all of them."""

LENGTHS_IN_WORDS = {
    "blt_um": "bond line, from the pillar's foot to the top",
    "pillar_width_um": "pillar width",
    "pillar_height_um": "pillar height",
    "pad_misalignment_um": "pad misalignment",
}
"""What the page calls each length."""


def page_of(
    scans: Sequence[ScanMeasurement],
    verdicts: Mapping[Verdict, int],
    provenance: Mapping[str, Any],
    pictures: Mapping[str, bytes],
    twin: str = "",
) -> str:
    """The page; `provenance` holds JSON's types only, `pictures` are PNGs by scan name, `twin` is the SHA-256 of the JSON."""
    return _template().render(
        scans=scans, verdicts=verdicts, definitions=DEFINITIONS, listed=LISTED_VOIDS,
        sources=list(dict.fromkeys(s.recipe.source or "not stated" for s in scans)),
        uncertainties=list(dict.fromkeys((s.recipe.edge_sigma, s.recipe.coverage) for s in scans if s.uncertainty is not None)),
        rules=list(dict.fromkeys((s.formula, s.limit, s.recipe.rule) for s in scans)),
        facts={k: v for k, v in provenance.items() if not isinstance(v, Mapping)},
        groups={k: v for k, v in provenance.items() if isinstance(v, Mapping) and v},
        pictures={name: base64.b64encode(png).decode() for name, png in pictures.items()},
        twin=twin, lengths=LENGTHS_IN_WORDS, um=_um, colour=_colour, bar=_bar, qualities=_qualities, columns=_columns,
        connectivity=CONNECTIVITY, countable=COUNTABLE_VOXELS, quantifiable=QUANTIFIABLE_VOXELS, grades=QUALITIES,
    )  # fmt: skip


def _um(found: Dimensions, name: str) -> str:
    """A length with two decimals, a dash where there is none."""
    value = getattr(found, name)
    return "–" if value is None else f"{value:.2f}"


def _bar(scan: ScanMeasurement) -> tuple[float, float] | None:
    """Lengths, in percent of the bar, of a scan's ratio and its limit; None when there is nothing to draw."""
    top = max(2 * scan.limit, 1.15 * (scan.ratio or 0))
    return None if scan.ratio is None or top <= 0 else (100 * scan.ratio / top, 100 * scan.limit / top)


def _qualities(scan: ScanMeasurement) -> list[tuple[str, int]]:
    """How many of the scan's counted voids have each quality, best first; those that none has are left out."""
    found = Counter(v.quality for v in scan.voids)
    return [(quality, found[quality]) for quality in reversed(QUALITIES) if found[quality]]


def _columns(group: Mapping[str, Any]) -> list[str]:
    """Column names when a group is a table (every value a mapping), else none."""
    if not all(isinstance(v, Mapping) for v in group.values()):
        return []
    return list(dict.fromkeys(name for row in group.values() for name in row))


def _colour(text: str) -> str:
    """A colour that is safe inside a style; anything but ``#rrggbb`` becomes grey."""
    return text if re.fullmatch(r"#[0-9a-fA-F]{6}", text) else "#808080"


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    source = files("voidscope.metrology").joinpath("report.html").read_text(encoding="utf-8")
    environment = Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    environment.filters["percent"] = lambda ratio: f"{100 * ratio:.4g} %"
    return environment.from_string(source)
