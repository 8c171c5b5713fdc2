"""Maps, histograms and trends show what was measured, and are valid SVG whatever the names."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrology.masks import HBM
from metrology.packages import package, rows
from voidscope.config import MeasureConfig
from voidscope.metrology import Report, ScanMeasurement, Verdict, lot_page, measure_scan, recipe_sha256
from voidscope.metrology.charts import (
    SCALE,
    build_axis,
    histogram,
    largest_ratio,
    package_map,
    pitch_um,
    spots,
    ticks_of,
    trend,
    value_colour,
)
from voidscope.metrology.lot import Lot, LotScan, percentiles

SVG = "{http://www.w3.org/2000/svg}"


def scan(
    voids: dict[int, float], name: str = "a", order: tuple[int, int, int] = (0, 1, 2)
) -> ScanMeasurement:
    made = package((24, 44, 60), rows(2, 3, 18, 12), [7.0] * 6, voids=voids)
    mask = np.ascontiguousarray(made.mask.transpose(order))
    return measure_scan(mask, HBM, (1, 1, 1), MeasureConfig(), name)


def lot_of(scans: list[ScanMeasurement]) -> Lot:
    return Report(tuple(scans)).lot


def circles(svg: str) -> list[dict[str, str]]:
    return [dict(c.attrib) for c in ElementTree.fromstring(svg).iter(f"{SVG}circle")]


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0)])
def test_the_map_shows_rows_downwards_and_columns_to_the_right_along_any_build_axis(
    order: tuple[int, int, int],
) -> None:
    found = scan({1: 4.5}, order=order)
    assert build_axis(found) == order.index(0)
    at = {s.bump.name: (s.x_um, s.y_um) for s in spots(found)}
    assert at["r1c1"][0] < at["r1c2"][0] and at["r1c1"][1] < at["r2c1"][1]
    assert pitch_um(spots(found)) == pytest.approx(18, abs=0.5)


def test_a_failing_bump_is_told_by_colour_and_rim_and_linked_to_its_row() -> None:
    found = scan({1: 4.5})
    svg = package_map(found, "scan-1")
    fills = [c["fill"] for c in circles(svg)]
    assert fills.count("#b3261e") == 1 and fills.count("#1a7f4b") == 5
    assert [c["stroke-width"] for c in circles(svg)].count("3") == 1
    links = [a.attrib["href"] for a in ElementTree.fromstring(svg).iter(f"{SVG}a")]
    assert links == [f"#scan-1-{b.name}" for b in found.bumps]
    page = Report((found,)).html()
    assert all(f'id="scan-1-{b.name}"' in page for b in found.bumps)


def test_colours_of_values_run_from_light_to_dark() -> None:
    found = scan({1: 4.5})
    by_value = [c["fill"] for c in circles(package_map(found, "x", by_value=True))]
    assert by_value.count(SCALE[0]) == 5
    assert largest_ratio(found) == max(0.1, found.bumps[1].measured.ratio)
    assert [value_colour(v, 1) for v in (0, 0.2, 1, 7)] == [SCALE[0], SCALE[1], SCALE[-1], SCALE[-1]]
    assert value_colour(None, 1) == "#c8ced4"


@given(st.lists(st.floats(0, 100), min_size=1, max_size=60))
def test_the_bars_of_a_histogram_hold_every_value_once(values: list[float]) -> None:
    svg = histogram(values, "%", 5.0)
    titles = [t.text or "" for t in ElementTree.fromstring(svg).iter(f"{SVG}title")]
    assert sum(int(t.split()[0]) for t in titles) == len(values)


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_are_few_and_within_the_axis(low: float, length: float) -> None:
    found = ticks_of(low, low + length)
    slack = 1e-9 * (abs(low) + length)
    assert 2 <= len(found) <= 7
    assert all(low - slack <= v <= low + length + slack for v in found)


def test_nothing_measured_draws_nothing() -> None:
    assert histogram([], "%") == trend([], "%") == trend([("a", [])], "%") == ""
    none = replace(scan({}), bumps=())
    assert package_map(none, "x") == ""
    assert "No bump was measured" in lot_page(Lot(()), "nothing")


def test_a_trend_has_a_point_per_bump_and_a_line_through_the_medians() -> None:
    lot = lot_of([scan({1: 4.5}, "one"), scan({}, "two")])
    root = ElementTree.fromstring(trend(lot.trend("ratio"), "%", lot.limit))
    assert len(list(root.iter(f"{SVG}circle"))) == 12
    (line,) = root.iter(f"{SVG}polyline")
    assert len(line.attrib["points"].split()) == 2


def test_a_lot_counts_verdicts_spreads_and_places_that_fail_again() -> None:
    lot = lot_of([scan({1: 4.5}, "one"), scan({1: 4.5, 5: 4.5}, "two"), scan({}, "three")])
    told = lot.summary()
    assert (told["scans"], told["bumps"]) == (3, 18)
    assert told["verdicts"] == {"PASS": 15, "FAIL": 3, "REVIEW": 0}
    assert told["recurring"] == [{"bump": "r1c2", "failed": 2, "scans": 3}]
    assert told["ratio_percent"]["median"] == 0 and told["ratio_percent"]["max"] == pytest.approx(
        max(lot.ratios())
    )
    assert told["blt_um"]["min"] == told["blt_um"]["max"] == lot.bond_lines()[0]
    assert lot.limit == 5
    assert percentiles([]) is None and percentiles([2.0, 4.0])["median"] == 3  # type: ignore[index]
    page = lot_page(lot, "lot 7")
    assert "<td>r1c2</td><td>2</td><td>3</td>" in page and page.count("<svg") == 4


def test_a_lot_of_several_ratios_pools_none_and_says_so() -> None:
    other = MeasureConfig(ratio="void/solder", limit=0.1, rule="guard band", source="customer <7>")
    made = package((24, 44, 60), rows(2, 3, 18, 12), [7.0] * 6, voids={1: 4.5, 2: 4.5})
    two = measure_scan(made.mask, HBM, (1, 1, 1), other, "two")
    one = scan({1: 4.5}, "one")
    lot = lot_of([one, two])
    told = lot.summary()
    assert lot.formulas == ("void/foreground", "void/solder") and told["ratio_percent"] is None
    for formula, alone in (("void/foreground", one), ("void/solder", two)):
        values = [100 * b.measured.ratio for b in alone.bumps if b.measured.ratio is not None]
        assert told["ratios_percent"][formula]["median"] == np.median(values)
        assert told["ratios_percent"][formula]["max"] == max(values)
        assert lot.of_ratio(formula).limit == 100 * alone.limit
    page = lot_page(lot, "lot 9")
    said = "The scans were measured by 2 recipes (void/foreground at most 5 %, void/solder at most 10 %)"
    assert said in page.replace("\u00a0", " ") and said in lot.apart_in_words()
    assert "<h2>Void ratio: void/foreground</h2>" in page and "<h2>Void ratio: void/solder</h2>" in page
    for recipe in (MeasureConfig(), other):
        assert recipe_sha256(recipe) in page
    assert "Rule: guard band" in page and "source: customer &lt;7&gt;" in page
    limits = lot_of([one, replace(one, scan="b", recipe=MeasureConfig(limit=0.2))])
    assert limits.apart_in_words() and limits.summary()["ratio_percent"] is not None
    assert "Limits differ: 5 %, 20 %." in lot_page(limits, "lot 10")


def test_a_lot_s_page_stands_alone() -> None:
    found = scan({1: 4.5}, "one")
    report = Report((found,), {"report_id": "VS-7", "created": "2026-01-02", "project": "part"})
    page = report.html_lot()
    for said in (
        "<h1>Lot: void/foreground</h1>", "<title>Lot: part, void/foreground</title>", "Unit of the verdict: the bump", "VS-7", "2026-01-02",
        report.sha256, recipe_sha256(found.recipe), "volume of void over the volume of every class but background",
    ):  # fmt: skip
        assert said in page, said
    assert lot_of([found]).apart_in_words() == "" and "measured by" not in page


def test_a_scan_that_lost_its_first_row_names_no_place_that_fails_again() -> None:
    lost = package((24, 44, 60), rows(2, 3, 18, 12)[3:], [7.0] * 3, voids={1: 4.5})
    short = measure_scan(lost.mask, HBM, (1, 1, 1), MeasureConfig(), "short")
    assert [b.name for b in short.bumps if b.measured.verdict is Verdict.FAIL] == ["r1c2"]
    lone = package((20, 30, 30), [(15, 15)], [7.0], voids={0: 4.5})
    single = measure_scan(lone.mask, HBM, (1, 1, 1), MeasureConfig(), "single")
    lot = lot_of([scan({1: 4.5}, "one"), short, single, scan({}, "two")])
    assert lot.recurring() == ()
    assert lot.left_out() == (
        ("short", "a grid of 1 x 3, not 2 x 3"),
        ("single", "no grid"),
    )
    words = "2 of 4 scans are left out: short (a grid of 1 x 3, not 2 x 3), single (no grid)."
    assert words in lot_page(lot, "lot 8")
    assert lot.summary()["left_out_of_recurring"] == [
        {"scan": name, "reason": reason} for name, reason in lot.left_out()
    ]
    again = lot_of([scan({1: 4.5}, "one"), scan({1: 4.5}, "two"), short])
    assert again.recurring() == (("r1c2", 2, 2),)
    even = lot_of([short, scan({}, "one")])
    assert [name for name, _ in even.left_out()] == [
        "short"
    ]  # of sizes as common the larger: rows are lost, not won
    assert lot_of([short, replace(short, scan="other")]).left_out() == ()


def test_lone_bumps_of_many_scans_are_a_lot_without_places() -> None:
    made = package((20, 30, 30), [(15, 15)], [7.0], voids={0: 4.5})
    lot = lot_of([measure_scan(made.mask, HBM, (1, 1, 1), MeasureConfig(), n) for n in "abc"])
    assert lot.recurring() == lot.left_out() == () and lot.summary()["verdicts"]["FAIL"] == 3


def test_scans_held_to_different_limits_have_no_limit_in_common() -> None:
    one, two = scan({}), scan({})
    other = replace(two, recipe=MeasureConfig(limit=0.1))
    assert Lot((LotScan("a", one), LotScan("b", other))).limit is None


def test_names_are_escaped_in_every_drawing() -> None:
    name = '<script>"&'
    found = scan({1: 4.5}, name)
    points = [(name, [(name, 1.0, Verdict.FAIL)])]
    for svg in (trend(points, name), histogram([1.0], name), package_map(found, name)):
        ElementTree.fromstring(svg)
        assert "<script>" not in svg
    page = lot_page(lot_of([found]), name)
    assert "<script>" not in page and "&lt;script&gt;" in page


def test_without_dimensions_the_map_is_seen_along_the_recipe_s_axis() -> None:
    mask = np.full((12, 12, 30), 1, np.uint8)
    mask[2:10, 2:10, 2:10] = mask[2:10, 2:10, 20:28] = HBM.id_of("solder")
    for axis in "zyx":
        assert build_axis(
            measure_scan(mask, HBM, (1, 1, 1), MeasureConfig(build_axis=axis), "a")
        ) == "zyx".index(axis)
