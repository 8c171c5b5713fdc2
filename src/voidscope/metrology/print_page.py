"""The report for paper: plain HTML 4 of tables, which Qt's own text engine lays out, so that a PDF needs no browser."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from voidscope.metrology.charts import largest_ratio, package_map
from voidscope.metrology.measurement import ScanMeasurement
from voidscope.metrology.page import (
    LENGTHS_IN_WORDS,
    SPREAD_IN_WORDS,
    bands,
    coverage_in_words,
    edges_in_words,
    shown,
    um,
    units,
)
from voidscope.metrology.ratios import DEFINITIONS
from voidscope.metrology.rounding import percent, three_digits, with_uncertainty
from voidscope.metrology.scan_verdict import told_of
from voidscope.metrology.tally import doubts_told, length_spreads, tallies
from voidscope.metrology.verdict import Verdict, bounds_in_words, in_words, limits_in_words
from voidscope.metrology.voids import COUNTABLE_VOXELS, QUALITIES, QUANTIFIABLE_VOXELS, TOUCHING

if TYPE_CHECKING:
    from jinja2 import Template

PRINTED_VOIDS = 20
"""Voids of a scan on paper; ``voids.csv`` holds all of them."""
MAP_PIXELS = (310, 400)
"""A map of bumps is at most so wide and high on paper, px."""
COLOURS = {Verdict.PASS: "#1a7f4b", Verdict.FAIL: "#b3261e", Verdict.REVIEW: "#8a6100"}


def print_page_of(
    scans: Sequence[ScanMeasurement],
    verdicts: Mapping[Verdict, int],
    provenance: Mapping[str, Any],
    pictures: Mapping[str, bytes],
    twin: str,
) -> str:
    """The page; `provenance` holds JSON's types only, `pictures` are PNGs by scan name, `twin` is the SHA-256 of the JSON."""
    return _template().render(
        scans=scans, verdicts=verdicts, definitions=DEFINITIONS, printed=PRINTED_VOIDS, colours=COLOURS, twin=twin, shown=shown,
        edges=edges_in_words, tallies=tallies, doubts=doubts_told, spreads=length_spreads, spread_words=SPREAD_IN_WORDS, bounds=bounds_in_words, in_words=in_words, limits=limits_in_words,
        facts={k: v for k, v in provenance.items() if not isinstance(v, Mapping)},
        groups={k: v for k, v in provenance.items() if isinstance(v, Mapping) and v},
        recipes=list({s.recipe.model_dump_json(): s.recipe for s in scans}.values()),
        pictured={s.scan: [b.name for b in s.bumps if f"{s.scan}/{b.name}" in pictures] for s in scans},
        pictures={name: base64.b64encode(png).decode() for name, png in pictures.items()},
        package_map=_map, largest_ratio=largest_ratio, lengths=LENGTHS_IN_WORDS, um=um, told_of=told_of, bands=bands(scans), covered=coverage_in_words(provenance), touching={s.recipe.connectivity: TOUCHING[s.recipe.connectivity] for s in scans}, countable=COUNTABLE_VOXELS, quantifiable=QUANTIFIABLE_VOXELS, grades=QUALITIES,
    )  # fmt: skip


def _map(scan: ScanMeasurement, by_value: bool) -> tuple[str, int]:
    """The map of a scan's bumps as SVG in base64, to stand in a picture, and how wide it shall be, px."""
    drawn = package_map(scan, "", by_value)
    width, height = map(int, drawn.partition('viewBox="0 0 ')[2].partition('"')[0].split())
    shown = min(width, MAP_PIXELS[0], width * MAP_PIXELS[1] // height)
    return base64.b64encode(drawn.encode()).decode(), max(shown, 1)


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    source = files("voidscope.metrology").joinpath("print.html").read_text(encoding="utf-8")
    environment = Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    environment.filters |= {
        "percent": percent,
        "with": with_uncertainty,
        "three_digits": three_digits,
        "units": units,
    }
    return environment.from_string(source)
