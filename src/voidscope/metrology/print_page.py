"""The report for paper: plain HTML 4 of tables, which Qt's own text engine lays out, so that a PDF needs no browser."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from voidscope.metrology.charts import COLOURS, package_map
from voidscope.metrology.measurement import ScanMeasurement
from voidscope.metrology.page import filling, template
from voidscope.metrology.verdict import Verdict, in_words, limits_in_words

PRINTED_VOIDS = 20
"""Voids of a scan on paper; ``voids.csv`` holds all of them."""
MAP_PIXELS = (310, 400)
"""A map of bumps is at most so wide and high on paper, px."""


def print_page_of(
    scans: Sequence[ScanMeasurement],
    verdicts: Mapping[Verdict, int],
    provenance: Mapping[str, Any],
    pictures: Mapping[str, bytes],
    twin: str,
) -> str:
    """The page; `provenance` holds JSON's types only, `pictures` are PNGs by scan name, `twin` is the SHA-256 of the JSON."""
    return template("print.html").render(
        **filling(scans, verdicts, provenance, pictures, twin), printed=PRINTED_VOIDS, colours=COLOURS, in_words=in_words, limits=limits_in_words,
        recipes=list({s.recipe.model_dump_json(): s.recipe for s in scans}.values()),
        pictured={s.scan: [b.name for b in s.bumps if f"{s.scan}/{b.name}" in pictures] for s in scans}, package_map=_map,
    )  # fmt: skip


def _map(scan: ScanMeasurement, by_value: bool) -> tuple[str, int]:
    """The map of a scan's bumps as SVG in base64, to stand in a picture, and how wide it shall be, px."""
    drawn = package_map(scan, "", by_value)
    width, height = map(int, drawn.partition('viewBox="0 0 ')[2].partition('"')[0].split())
    shown = min(width, MAP_PIXELS[0], width * MAP_PIXELS[1] // height)
    return base64.b64encode(drawn.encode()).decode(), max(shown, 1)
