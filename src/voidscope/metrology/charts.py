"""Drawings for the pages as inline SVG: the map of a package, histograms, trends. Every text is escaped.

A verdict is told by colour and by shape (a thick rim for FAIL, a broken one for REVIEW), so that nobody needs to see colours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import numpy.typing as npt

from voidscope.metrology.dimensions import stands_along
from voidscope.metrology.measurement import Bump, ScanMeasurement
from voidscope.metrology.scan_verdict import gravity
from voidscope.metrology.verdict import Verdict

COLOURS = {Verdict.PASS: "#1a7f4b", Verdict.FAIL: "#b3261e", Verdict.REVIEW: "#8a6100"}
RIMS = {
    Verdict.PASS: 'stroke="#fff" stroke-width="1"',
    Verdict.FAIL: 'stroke="#1b2733" stroke-width="3"',
    Verdict.REVIEW: 'stroke="#1b2733" stroke-width="2" stroke-dasharray="4 3"',
}
SCALE = ("#fde725", "#7ad151", "#22a884", "#2a788e", "#414487", "#440154")
"""Light to dark, low to high: viridis turned round, which survives a grey printer."""
INK, SOFT, LINE = "#1b2733", "#55636f", "#dde3e9"
WIDTH, HEIGHT = 460, 200
"""Of a histogram or trend, px."""
LEFT, RIGHT, TOP, BOTTOM = 48, 12, 14, 34
BINS = 24


@dataclass(frozen=True)
class Spot:
    """A bump on the map of its package: where it stands across the build axis in um, x to the right and y down."""

    bump: Bump
    x_um: float
    y_um: float


def spots(scan: ScanMeasurement) -> list[Spot]:
    """The bumps of a scan seen along its build axis, rows downwards."""
    along = build_axis(scan)
    row, column = (a for a in range(3) if a != along)
    return [Spot(b, b.structure.centroid_um[column], b.structure.centroid_um[row]) for b in scan.bumps]


def build_axis(scan: ScanMeasurement) -> int:
    """The axis the bumps stand along; where neither dimensions nor recipe tell it, the one along which their centres differ least."""
    said = (stands_along(scan.dimensions, scan.recipe) or "").removeprefix("-")
    if said:
        return "zyx".index(said)
    centres = np.array([b.structure.centroid_um for b in scan.bumps]).reshape(-1, 3)
    return int(np.ptp(centres, axis=0).argmin()) if len(centres) else 0


def pitch_um(where: Sequence[Spot]) -> float:
    """Median distance to the nearest other spot; 1 where there is none."""
    if len(where) < 2:
        return 1.0
    at = np.array([(s.x_um, s.y_um) for s in where])
    from scipy.spatial import cKDTree

    return float(np.median(cKDTree(at).query(at, k=2)[0][:, 1])) or 1.0


def package_map(scan: ScanMeasurement, anchor: str, by_value: bool = False) -> str:
    """The bumps of a scan where they stand, coloured by verdict or by their ratio; each is a link to ``#anchor-name``."""
    where = spots(scan)
    if not where:
        return ""
    step = 64.0
    unit = step / pitch_um(where)
    left, top = min(s.x_um for s in where), min(s.y_um for s in where)
    places = [
        ((s.x_um - left) * unit + step * 0.6, (s.y_um - top) * unit + step * 0.6, s.bump) for s in where
    ]
    width, height = max(p[0] for p in places) + step * 0.6, max(p[1] for p in places) + step * 0.6
    most = largest_ratio(scan)
    shapes = [
        _bump_shape(x, y, b, 0.42 * step, f"{anchor}-{b.name}", most if by_value else None)
        for x, y, b in places
    ]
    return _svg(width, height, "Map of the bumps", shapes, limit_px=min(width, 640))


def largest_ratio(scan: ScanMeasurement) -> float:
    """Top of the colour scale: twice the limit, or the largest ratio where that is more."""
    return max([2 * scan.limit, *(b.measured.ratio or 0.0 for b in scan.bumps)]) or 1.0


def value_colour(value: float | None, most: float) -> str:
    """Colour of a ratio on the scale from 0 to `most`; grey where it is undefined."""
    if value is None:
        return "#c8ced4"
    at = min(max(value / most, 0.0), 1.0) * (len(SCALE) - 1)
    k = min(int(at), len(SCALE) - 2)
    low, high = (np.array([int(SCALE[k + j][i : i + 2], 16) for i in (1, 3, 5)]) for j in (0, 1))
    return "#" + "".join(f"{int(v):02x}" for v in np.round(low + (high - low) * (at - k)))


def _bump_shape(x: float, y: float, bump: Bump, radius: float, target: str, most: float | None) -> str:
    found = bump.measured
    fill = COLOURS[found.verdict] if most is None else value_colour(found.ratio, most)
    ink = "#ffffff" if most is None or (found.ratio or 0.0) > 0.45 * most else INK
    said = "undefined" if found.ratio is None else f"{100 * found.ratio:.3g} %"
    title = f"<title>{escape(f'{bump.name}: {found.verdict.value}, {found.reason}')}</title>"
    circle = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{fill}" {RIMS[found.verdict]}/>'
    words = _text(x, y - 2, bump.name, ink, "middle", 12) + _text(x, y + 12, said, ink, "middle", 11)
    return f'<a href="#{escape(target)}">{title}{circle}{words}</a>'


def histogram(values: Sequence[float], unit: str, limit: float | None = None) -> str:
    """Numbers in `BINS` bins from the smallest (or 0) to the largest, with a line at the limit; `unit` is written below."""
    if not values:
        return ""
    low, high = _range([*values, *([] if limit is None else [limit])])
    counts, edges = np.histogram(values, bins=BINS, range=(low, high))
    to_x, to_y = _axes(low, high, 0, max(int(counts.max()), 1))
    bars = [
        f'<rect x="{to_x(a):.1f}" y="{to_y(n):.1f}" width="{max(to_x(b) - to_x(a) - 1, 1):.1f}" height="{to_y(0) - to_y(n):.1f}" '
        f'fill="#2a788e"><title>{n} from {a:.4g} to {b:.4g} {escape(unit)}</title></rect>'
        for n, a, b in zip(counts.tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=True)
        if n
    ]  # fmt: skip
    ticks = [_text(to_x(v), HEIGHT - 18, f"{v:.3g}", SOFT, "middle", 11) for v in ticks_of(low, high)]
    ticks += [_text(LEFT - 6, to_y(n) + 4, str(n), SOFT, "end", 11) for n in {0, int(counts.max())}]
    line = (
        []
        if limit is None
        else [
            _rule(to_x(limit), TOP, to_x(limit), to_y(0)),
            _text(to_x(limit) + 4, TOP + 8, "limit", "#b3261e", "start", 11),
        ]
    )
    return _svg(
        WIDTH,
        HEIGHT,
        f"Histogram, {unit}",
        [*_frame(), *bars, *line, *ticks, _text(WIDTH / 2, HEIGHT - 3, unit, SOFT, "middle", 11)],
    )


def trend(
    groups: Sequence[tuple[str, Sequence[tuple[str, float, Verdict]]]], unit: str, limit: float | None = None
) -> str:
    """Values of scans in order, a column of points each, their medians joined, with a line at the limit.

    `groups` are (scan, points), points (bump, value, verdict).
    """
    values = [v for _, points in groups for _, v, _ in points]
    if not values:
        return ""
    low, high = _range([*values, *([] if limit is None else [limit])])
    to_x, to_y = _axes(-0.5, len(groups) - 0.5, low, high)
    dots = [
        f'<circle cx="{to_x(k):.1f}" cy="{to_y(v):.1f}" r="3.5" fill="{COLOURS[verdict]}" fill-opacity="0.75">'
        f"<title>{escape(f'{scan} {name}: {v:.4g} {unit}, {verdict.value}')}</title></circle>"
        for k, (scan, points) in enumerate(groups)
        for name, v, verdict in points
    ]
    medians = [
        (to_x(k), to_y(float(np.median([v for _, v, _ in p])))) for k, (_, p) in enumerate(groups) if p
    ]
    path = f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in medians)}" fill="none" stroke="{INK}" stroke-width="1.5"/>'
    ticks = [_text(LEFT - 6, to_y(v) + 4, f"{v:.3g}", SOFT, "end", 11) for v in ticks_of(low, high)]
    every = -(-len(groups) // 12)
    ticks += [
        _text(to_x(k), HEIGHT - 18, str(k + 1), SOFT, "middle", 11) for k in range(0, len(groups), every)
    ]
    line = (
        []
        if limit is None
        else [
            _rule(LEFT, to_y(limit), WIDTH - RIGHT, to_y(limit)),
            _text(WIDTH - RIGHT - 4, to_y(limit) - 4, "limit", "#b3261e", "end", 11),
        ]
    )
    return _svg(
        WIDTH,
        HEIGHT,
        f"Trend, {unit}",
        [
            *_frame(),
            *line,
            path,
            *dots,
            *ticks,
            _text(WIDTH / 2, HEIGHT - 3, f"{unit}, by scan", SOFT, "middle", 11),
        ],
    )


def worst_first(scan: ScanMeasurement) -> list[Bump]:
    """The bumps of a scan, worst first."""
    return sorted(scan.bumps, key=gravity)


def ticks_of(low: float, high: float) -> list[float]:
    """Round numbers within an axis, some five of them: steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / 5
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(power * k for k in (1, 2, 5, 10) if power * k >= rough * (1 - 1e-9))
    return [float(k * step) for k in range(int(np.ceil(low / step)), int(np.floor(high / step)) + 1)]


def _range(values: Sequence[float]) -> tuple[float, float]:
    """Ends of an axis that shows all values: from 0 where they are near to it, with a little room above."""
    low, high = min(values), max(values)
    low = 0.0 if 0 <= low < 0.5 * high else low
    room = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return (low if low == 0 else low - room), high + room


def _axes(x0: float, x1: float, y0: float, y1: float) -> tuple[_Scale, _Scale]:
    return _Scale(x0, x1, LEFT, WIDTH - RIGHT), _Scale(y0, y1, HEIGHT - BOTTOM, TOP)


@dataclass(frozen=True)
class _Scale:
    """A straight line from values to pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float | npt.NDArray[np.float64]) -> float:
        return float(self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start))


def _frame() -> list[str]:
    floor = HEIGHT - BOTTOM
    return [f'<path d="M{LEFT} {TOP}V{floor}H{WIDTH - RIGHT}" fill="none" stroke="{LINE}"/>']


def _rule(x0: float, y0: float, x1: float, y1: float) -> str:
    return f'<path d="M{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}" stroke="#b3261e" stroke-width="1.5" stroke-dasharray="5 3"/>'


def _text(x: float, y: float, words: str, colour: str, anchor: str, size: int) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}" font-size="{size}">{escape(words)}</text>'


def _svg(width: float, height: float, name: str, parts: Sequence[str], limit_px: float = WIDTH) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(name)}" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'style="width:100%;max-width:{limit_px:.0f}px" font-family="system-ui, sans-serif">{"".join(parts)}</svg>'
    )
