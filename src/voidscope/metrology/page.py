"""The HTML pages of a report and of a lot: one file each, styles and pictures inside, every text escaped."""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from voidscope.config import MeasureConfig
from voidscope.metrology.area_edges import PAD_SIDE, PILLAR_SIDE, PROJECTED, WORST
from voidscope.metrology.changes import Changes
from voidscope.metrology.charts import (
    SCALE,
    histogram,
    largest_ratio,
    package_map,
    pitch_um,
    spots,
    trend,
    worst_first,
)
from voidscope.metrology.dimensions import Dimensions
from voidscope.metrology.lot import Lot, percentiles
from voidscope.metrology.measurement import ScanMeasurement
from voidscope.metrology.moving import value_in_words
from voidscope.metrology.quantities import QUANTITIES
from voidscope.metrology.ratios import DEFINITIONS, VOLUMES
from voidscope.metrology.recipe import recipe_sha256
from voidscope.metrology.rounding import percent, three_digits, with_uncertainty
from voidscope.metrology.scan_verdict import told_of, worst
from voidscope.metrology.tally import doubts_told, length_spreads, tallies
from voidscope.metrology.verdict import Verdict, bounds_in_words, decide, in_words, limits_in_words
from voidscope.metrology.voids import COUNTABLE_VOXELS, QUALITIES, QUANTIFIABLE_VOXELS, TOUCHING, Void
from voidscope.vocabulary import SegmentationClass

if TYPE_CHECKING:
    from jinja2 import Environment, Template

LISTED_VOIDS = 20
"""Voids of a scan that the page lists; the tables hold all of them."""
LISTED_BUMPS = 200
"""Bumps of a scan that the page lists, worst first; the tables hold all of them."""

LENGTHS_IN_WORDS = {
    "blt_um": "bond line, from the pillar's foot to the top",
    "pillar_width_um": "pillar width",
    "pillar_height_um": "pillar height",
    "pad_misalignment_um": "pad misalignment",
}
"""What the page calls each length."""
SPREAD_IN_WORDS = LENGTHS_IN_WORDS | {
    "largest_extrusion_um": "solder beyond the pillar, on the side where it is most"
}
MEANINGS = {**DEFINITIONS, **QUANTITIES}
"""What each measure is, in words."""
IN_BAND = "two thirds of the voxel faces of void in the band"
MOVED_IN_WORDS = dict.fromkeys(VOLUMES, "two thirds of the voids' voxel faces") | {
    PROJECTED: "π/4 of the pixel edges of their outline in the projection",
    WORST: "π/4 of the pixel edges of their outline in the worst slice",
    PILLAR_SIDE: IN_BAND,
    PAD_SIDE: IN_BAND,
}
"""What the doubt of edges counts times, for each ratio."""
COMPARED_IN_WORDS = {
    "blt_um": "bond line",
    "pad_misalignment_um": "pad misalignment",
    "largest_extrusion_um": "solder extrusion, where it is most",
    "pillar_width_um": "pillar width",
    "pillar_height_um": "pillar height",
}
"""What the page of changes calls each length."""


def page_of(
    scans: Sequence[ScanMeasurement],
    verdicts: Mapping[Verdict, int],
    provenance: Mapping[str, Any],
    pictures: Mapping[str, bytes],
    twin: str = "",
) -> str:
    """The page; `provenance` holds JSON's types only, `pictures` are PNGs by scan name, or ``scan/bump`` of the worst bumps;
    `twin` is the SHA-256 of the JSON.
    """
    return template("report.html").render(
        **filling(scans, verdicts, provenance, pictures, twin),
        gallery=[row for row in worst(scans, len(pictures)) if f"{row[0].scan}/{row[1].name}" in pictures],
        package_map=package_map, worst_first=worst_first, scale=SCALE, listed_bumps=LISTED_BUMPS, listed=LISTED_VOIDS,
        sources=list(dict.fromkeys(s.recipe.source or "not stated" for s in scans)),
        uncertainties=list(dict.fromkeys((s.recipe.edge_sigma, s.recipe.coverage) for s in scans if s.uncertainty is not None)),
        moved=list(dict.fromkeys((s.recipe.edge_sigma, s.recipe.coverage, _moved(s.recipe)) for s in scans if s.uncertainty is not None)),
        criteria=list(dict.fromkeys((tuple(map(limits_in_words, s.recipe.criteria)), s.recipe.pass_when, s.recipe.unit) for s in scans if s.recipe.criteria)),
        ratio_verdict=_ratio_verdict, rules=list(dict.fromkeys((s.formula, s.limit, s.recipe.rule) for s in scans)),
        meanings=MEANINGS, pitch=lambda s: pitch_um(spots(s)), ids=_ids, colour=_colour, bar=_bar, qualities=_qualities, columns=_columns,
    )  # fmt: skip


def filling(
    scans: Sequence[ScanMeasurement], verdicts: Mapping[Verdict, int], provenance: Mapping[str, Any], pictures: Mapping[str, bytes], twin: str
) -> dict[str, Any]:  # fmt: skip
    """What a report's page and the one for paper are filled with alike, by the name it has in both."""
    return {
        "scans": scans, "verdicts": verdicts, "definitions": DEFINITIONS, "twin": twin, "largest_ratio": largest_ratio, "told_of": told_of,
        "facts": {k: v for k, v in provenance.items() if not isinstance(v, Mapping)},
        "groups": {k: v for k, v in provenance.items() if isinstance(v, Mapping) and v},
        "pictures": {name: base64.b64encode(png).decode() for name, png in pictures.items()},
        "bands": bands(scans), "covered": coverage_in_words(provenance), "tallies": tallies, "doubts": doubts_told, "spreads": length_spreads,
        "spread_words": SPREAD_IN_WORDS, "bounds": bounds_in_words, "lengths": LENGTHS_IN_WORDS, "edges": edges_in_words, "um": um, "shown": shown,
        "touching": {s.recipe.connectivity: TOUCHING[s.recipe.connectivity] for s in scans},
        "countable": COUNTABLE_VOXELS, "quantifiable": QUANTIFIABLE_VOXELS, "grades": QUALITIES,
    }  # fmt: skip


def edges_in_words(scan: ScanMeasurement) -> str:
    """How fine the edges are that a scan's lengths, or those of its bumps that have any, were read off."""
    sizes = [scan.dimensions, *(b.measured.dimensions for b in scan.bumps)]
    finer = any(size.interpolated for size in sizes)
    return "edges interpolated from the model's probabilities" if finer else "edges to the voxel"


def coverage_in_words(provenance: Mapping[str, Any]) -> str:
    """What an interval stands for and, where a model made the masks that is not known to find all void, what it leaves out."""
    said, record = "k = 2 stands for about 95 %", provenance.get("model_record")
    if not isinstance(record, Mapping):
        return said
    recall = record.get("validation void recall")
    finds = "nobody knows how much"
    if isinstance(recall, float | int):
        if recall >= 1:
            return said
        finds = f"it finds {100 * recall:.0f} % of the held-out void"
    return f"{said}; U is about the edges and the spread of what was found, not about void that the model misses ({finds})"


def bands(scans: Sequence[ScanMeasurement]) -> list[int]:
    """How high interface bands are, in voxels, of those scans that have any."""
    there = (s for s in scans if s.ratios[PILLAR_SIDE] is not None or s.ratios[PAD_SIDE] is not None)
    return list(dict.fromkeys(s.recipe.band_voxels for s in there))


def _ratio_verdict(scan: ScanMeasurement) -> Verdict:
    """What became of the ratio of a scan by itself: its outcome, or, where that is of the worst bump, what its limit says of it."""
    first = next(iter(scan.outcomes), None)
    if first is not None and first.value == scan.ratio:
        return first.verdict
    return decide(scan.ratio, scan.recipe, uncertainty=scan.uncertainty)[0]


def _moved(recipe: MeasureConfig) -> str:
    """What the doubt of edges counts times in the ratio that decides, and in criteria on others where it is something else."""
    first = MOVED_IN_WORDS[recipe.ratio]
    others = {w: c.measure for c in recipe.criteria if (w := MOVED_IN_WORDS.get(c.measure, first)) != first}
    return first + "".join(f" (of {name}: {words})" for words, name in others.items())


def um(found: Dimensions, name: str) -> str:
    """A length with two decimals, a dash where there is none."""
    value = getattr(found, name)
    return "–" if value is None else f"{value:.2f}"


def shown(void: Void, name: str) -> str:
    """What a void's shape holds with two decimals, a dash where it is not measured."""
    value = getattr(void.shape, name, None)
    return "–" if value is None else f"{value:.2f}"


def _ids(found: SegmentationClass, file_map: object) -> str:
    """Ids that files have for a class: those that a mask file was read by (``0=background,3=void``), else the class's own."""
    pairs = [word.strip().partition("=") for word in str(file_map or "").split(",")]
    said = [number for number, _, name in pairs if name.strip().partition(":")[0] == found.name]
    return ", ".join(said) or str(found.file_id)


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


def lot_page(lot: Lot, title: str, reports: Sequence[Mapping[str, str]] = ()) -> str:
    """The page of a lot: how its bumps are spread, how scans drift, which places fail again; each ratio by itself.

    `reports` say where its scans come from: names and facts, the same ones of each, see `Report.identity`.
    """
    views = []
    for formula in lot.formulas:
        own = lot.of_ratio(formula)
        limits = {s.measured.limit for s in own.scans if s.measured.bumps}
        note = f"Limits differ: {', '.join(map(percent, sorted(limits)))}." if len(limits) > 1 else ""
        views.append((f"Void ratio: {formula}", "%", own.ratios(), own.trend("ratio"), own.limit, note))
    views.append(
        ("Bond-line thickness", "µm", lot.bond_lines(), lot.trend("blt"), None, lot.edges_in_words())
    )
    return template("lot.html").render(
        lot=lot, title=title, reports=reports, recipes=lot.recipes(), **RECIPE_WORDS, total=len(lot.bumps()), summary=lot.summary(), views=views, spreads=[percentiles(v[2]) for v in views],
        recurring=lot.recurring(), histogram=histogram, trend=trend, worst_first=worst_first,
    )  # fmt: skip


RECIPE_WORDS = {
    "definitions": DEFINITIONS, "limits": limits_in_words, "in_words": in_words, "recipe_sha256": recipe_sha256,
}  # fmt: skip
"""What ``recipe.html`` says a recipe with."""


def changes_page(
    changes: Changes, title: str, pictures: Mapping[tuple[str, str], tuple[bytes, bytes]]
) -> str:
    """The page of what changed; `pictures` are PNGs before and after, by scan and bump."""
    shown = [
        (r, *(base64.b64encode(png).decode() for png in pictures[r.scan, r.name]))
        for r in changes.rows
        if (r.scan, r.name) in pictures
    ]
    told, formulas = changes.summary(), list(dict.fromkeys(r.ratio for r in changes.recipes))
    same = changes.recipes[:1] == changes.recipes[1:]
    names = [""] if same else [changes.before, changes.after]
    measures = [
        (" and ".join(formulas) or "ratio", told["ratio"], 100, "points"),
        *((n, told["lengths_um"][k], 1, "µm") for k, n in COMPARED_IN_WORDS.items()),
    ]
    return template("changes.html").render(
        changes=changes, title=title, summary=told, pictures=shown, listed=LISTED_BUMPS, measures=measures, formulas=formulas, value=value_in_words,
        recipes=list(zip(names, changes.recipes, strict=False)), **RECIPE_WORDS,
    )  # fmt: skip


@cache
def template(name: str) -> Template:
    """A page of this room by its file's name; pages may include others."""
    return _environment().get_template(name)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    room = files("voidscope.metrology")
    environment = Environment(
        loader=FunctionLoader(lambda name: room.joinpath(name).read_text(encoding="utf-8")),
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined,
    )  # fmt: skip
    environment.filters |= {
        "percent": percent,
        "with": with_uncertainty,
        "three_digits": three_digits,
        "units": units,
    }
    return environment


def units(text: str) -> str:
    """A sentence with micrometres as people write them, and no line break between a number and its unit."""
    return re.sub(r"(?<=\d) (?=[%µ]|pp\b)|(?<=±) (?=\d)", "\u00a0", micrometres(text))


def micrometres(text: str) -> str:
    """A sentence with micrometres as people write them."""
    return re.sub(r"(?<=\d) um\b", " µm", text)
