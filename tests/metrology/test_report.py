"""The renderings of a report: JSON, CSV, text and the HTML page."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from metrology.masks import BACKGROUND, HBM, NO_PILLAR, RECIPE, SOLDER, VOID, block
from metrology.packages import package, rows
from voidscope.config import Criterion, MeasureConfig
from voidscope.errors import ProjectError
from voidscope.metrology import DEFINITIONS, Dimensions, Report, Verdict, measure_scan
from voidscope.metrology.rounding import with_uncertainty
from voidscope.vocabulary import ClassMap, Role, SegmentationClass

PNG = b"\x89PNG\r\n\x1a\n"


class Page(HTMLParser):
    """The words of a page, and the tags left open or closed out of turn."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(source)
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)


def some_report() -> Report:
    mask = block()
    mask[4, 4, 4] = VOID
    mask[7:9, 7:9, 7:9] = VOID
    mask[0, 0, 0] = 0
    empty = np.full((3, 3, 3), BACKGROUND, np.uint8)
    scans = (
        measure_scan(mask, NO_PILLAR, (0.7, 0.7, 0.7), MeasureConfig(min_voxels=2), "<b>x</b>"),
        measure_scan(empty, NO_PILLAR, (1, 1, 1), RECIPE, "empty"),
    )
    return Report(scans, {"project": "p & q", "model": "cycle-0001", "versions": {"numpy": "2"}})


def test_a_report_survives_its_json() -> None:
    report = some_report()
    again = Report.from_entry(json.loads(report.json()))
    assert again == report
    assert again.entry() == report.entry()
    assert again.html() == report.html()


def test_json_holds_no_number_that_json_does_not_know() -> None:
    odd = {
        "nan": float("nan"), "inf": np.float32("inf"), "array": np.array([1.0, np.nan]), "path": Path("a/b"),
        "n": np.int64(3), "deep": [{"t": (1, 2)}], "flag": True, "none": None, 7: "key",
    }  # fmt: skip

    def never(word: str) -> None:
        raise AssertionError(word)

    found = json.loads(Report((), odd).json(), parse_constant=never)["provenance"]
    assert found == {
        "nan": None, "inf": None, "array": [1.0, None], "path": str(Path("a/b")), "n": 3, "deep": [{"t": [1, 2]}],
        "flag": True, "none": None, "7": "key",
    }  # fmt: skip


@pytest.mark.parametrize("change", ["scans", "voids", "verdict", "recipe", "classes"])
def test_a_damaged_report_is_refused_in_one_line(change: str) -> None:
    entry = json.loads(some_report().json())
    if change == "scans":
        del entry["scans"]
    else:
        entry["scans"][0][change] = {"odd": 1}
    with pytest.raises(ProjectError, match=r"^This is no report .* Measure again") as caught:
        Report.from_entry(entry)
    assert "\n" not in str(caught.value)


def test_the_csv_has_a_row_per_void_with_units_and_numbers_the_counted_ones() -> None:
    rows = list(csv.DictReader(io.StringIO(some_report().csv())))
    assert [(r["scan"], r["void"], r["counted"], r["n_voxels"]) for r in rows] == [
        ("<b>x</b>", "1", "True", "8"),
        ("<b>x</b>", "", "False", "1"),
    ]
    assert float(rows[0]["volume_um3"]) == pytest.approx(8 * 0.7**3)
    assert [float(rows[0][f"centroid_{a}_um"]) for a in "zyx"] == pytest.approx([7.5 * 0.7] * 3)
    assert [float(rows[0][f"centroid_{a}_voxel"]) for a in "zyx"] == [7.5] * 3


def test_the_csv_of_scans_has_a_row_per_scan_with_units() -> None:
    first, second = csv.DictReader(io.StringIO(some_report().csv_scans()))
    assert [first["verdict"], second["verdict"]] == ["PASS", "REVIEW"]
    assert float(first["ratio_value"]) == float(first["void_over_foreground"]) == 9 / 512
    assert float(first["volume_void_um3"]) == float(first["void_volume_um3"]) == pytest.approx(9 * 0.7**3)
    assert (first["n_unlabelled_voxels"], first["n_small_voids"]) == ("1", "1")
    assert second["void_over_foreground"] == second["largest_void_diameter_um"] == ""
    assert all(None not in row.values() for row in (first, second))


def test_scans_of_other_classes_share_a_table() -> None:
    other = ClassMap.from_names(["background", "layer", "pore:void"])
    scans = [measure_scan(np.full((2, 2, 2), 2, np.uint8), c, (1, 1, 1), RECIPE, "a") for c in (HBM, other)]
    first, second = csv.DictReader(io.StringIO(Report(tuple(scans)).csv_scans()))
    assert (first["volume_layer_um3"], second["volume_layer_um3"]) == ("", "8.0")


def test_names_with_commas_and_quotes_survive_the_csv() -> None:
    name = 'lot 3, "wafer"\n7'
    scan = measure_scan(np.full((2, 2, 2), VOID, np.uint8), HBM, (1, 1, 1), RECIPE, name)
    report = Report((scan,))
    for table in (report.csv(), report.csv_scans()):
        assert next(csv.DictReader(io.StringIO(table)))["scan"] == name


def test_the_text_says_verdict_and_reason() -> None:
    first, second = some_report().text().splitlines()
    assert "PASS" in first and "is within the limit 5 %;" in first and first.endswith("; 1 void")
    assert "REVIEW" in second
    assert "no voxel is foreground; 0 voids" in second
    assert Report(()).text() == "nothing measured"
    for recall, told in (
        (0.479, "The model finds 48 % of the labelled void of c;"),
        ("not recorded", "Nobody knows"),
    ):
        record = {"model_record": {"validation void recall": recall, "validation scans": ["c"]}}
        assert Report(some_report().scans, record).text().splitlines()[2].startswith(told)


def test_verdicts_are_counted() -> None:
    assert some_report().verdicts == {Verdict.PASS: 1, Verdict.FAIL: 0, Verdict.REVIEW: 1}


def test_the_page_stands_alone_and_escapes_every_name() -> None:
    source = some_report().html({"empty": PNG, "<b>x</b>": PNG})
    page = Page(source)
    assert page.open == []
    assert "<b>x</b>" not in source
    assert "<b>x</b>" in page.text
    assert "p & q" in page.text
    assert not {"script", "link", "iframe"} & {tag for tag, _ in page.tags}
    links = [v for _, a in page.tags for k, v in a.items() if k in ("src", "href")]
    assert [v.split(",")[0] for v in links if v and not v.startswith("#scan-")] == [
        "data:image/png;base64"
    ] * 2
    assert "url(" not in source


def test_provenance_is_escaped_wherever_it_stands() -> None:
    evil = "<script>alert(1)</script>"
    facts = {
        evil: evil,
        "list": [evil],
        "map": {evil: evil},
        "table": {evil: {evil: evil}},
        "odd": {"a": [{"b": evil}]},
    }
    page = Report(some_report().scans, {"project": evil, "created": evil, **facts}).html()
    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 14


def test_a_colour_cannot_reach_into_the_page() -> None:
    colours = [
        "red;background:url(http://x)",
        "#12345",
        "#d7263d",
    ]  # as a report edited by hand may hold them
    roles = {"background": Role.BACKGROUND, "solder": Role.FOREGROUND, "void": Role.VOID}
    entries = enumerate(zip(roles.items(), colours, strict=True))
    classes = ClassMap(
        tuple(SegmentationClass(name, role, colour, k) for k, ((name, role), colour) in entries)
    )
    page = Report((measure_scan(np.full((2, 2, 2), 3, np.uint8), classes, (1, 1, 1), RECIPE, "a"),)).html()
    assert re.findall(r"swatch\" style=\"background:([^\"]+)\"", page) == ["#808080", "#808080", "#d7263d"]


def test_the_page_says_rule_limit_reasons_and_what_is_missing() -> None:
    text = Page(some_report().html()).text
    for words in (
        "The limit is on void/foreground : volume of void over the volume of every class but background, void included",
        "FAIL above 5 %",
        "void/foreground = 1.758 % is within the limit 5 %",
        "void/foreground is undefined: no voxel is foreground",
        "1 more of fewer than 2 voxels: detected, not counted",
        "± is the expanded uncertainty (k = 2.0): where the voids' edges lie",
        "below 8, detected, size not quantifiable",
        "below 260, size not quantified singly",
        "26-connected",
        "12 × 12 × 12 voxels of 0.7 × 0.7 × 0.7 µm (z, y, x)",
        "unlabelled nothing 1",
    ):
        assert words in text, words


def test_the_page_lists_the_twenty_largest_voids_and_counts_all() -> None:
    mask = np.full((3, 3, 62), SOLDER, np.uint8)
    mask[1, 1, 1:61:2] = VOID
    mask[1, 1, 2] = VOID
    source = Report((measure_scan(mask, HBM, (1, 1, 1), MeasureConfig(min_voxels=1), "a"),)).html()
    assert (
        "29 voids counted; detected, size not quantifiable: 29. The 20 largest are listed"
        in Page(source).text
    )
    assert source.count('<td class="left">detected, size not quantifiable</td>') == 20


def test_the_bar_shows_ratio_and_limit_to_scale() -> None:
    mask = np.full((1, 10, 10), SOLDER, np.uint8)
    mask[0, :2] = VOID
    for limit, ratio_at, limit_at in (
        (0.2, 50.0, 50.0),
        (0.4, 25.0, 50.0),
        (0.05, 86.96, 21.74),
        (0.0, 86.96, 0),
    ):
        scan = measure_scan(mask, HBM, (1, 1, 1), MeasureConfig(limit=limit), "a")
        (drawn,) = re.findall(
            r"<i style=\"width:([\d.]+)%\"></i><u style=\"left:([\d.]+)%", Report((scan,)).html()
        )
        assert [float(v) for v in drawn] == pytest.approx([ratio_at, limit_at], abs=0.06)


def test_a_limit_of_nothing_and_no_void_draws_no_bar() -> None:
    scan = measure_scan(np.full((2, 2, 2), SOLDER, np.uint8), HBM, (1, 1, 1), MeasureConfig(limit=0), "a")
    assert 'class="bar' not in Report((scan,)).html()


def test_a_report_of_nothing_is_a_page_all_the_same() -> None:
    text = Page(Report(()).html()).text
    assert "0 scans" in text
    assert "Nothing was measured." in text
    assert "None was recorded." in text


def test_different_recipes_are_each_spelt_out() -> None:
    mask = np.full((2, 2, 2), SOLDER, np.uint8)
    recipes = [RECIPE, RECIPE, MeasureConfig(ratio="void/solder", limit=0.3)]
    scans = tuple(measure_scan(mask, HBM, (1, 1, 1), r, f"s{k}") for k, r in enumerate(recipes))
    assert Page(Report(scans).html()).text.count("The limit is on") == 2


def test_a_row_per_bump_and_the_worst_in_pictures() -> None:
    import csv
    import io

    from metrology.packages import package, rows
    from voidscope.metrology import measure_scan

    made = package((24, 44, 60), rows(2, 3, 18, 12), [7.0] * 6, voids={1: 4.5})
    mask = made.mask.copy()
    mask[0, 0, 0] = SOLDER
    report = Report((measure_scan(mask, HBM, (1, 1, 1), RECIPE, "a"),))
    table = list(csv.DictReader(io.StringIO(report.csv_bumps())))
    assert [r["bump"] for r in table] == [f"r{r}c{c}" for r in (1, 2) for c in (1, 2, 3)]
    bad = table[1]
    bump = report.scans[0].bumps[1]
    assert (bad["verdict"], bad["row"], bad["column"]) == ("FAIL", "1", "2")
    assert float(bad["ratio_value"]) == bump.measured.ratio
    assert float(bad["largest_void_diameter_um"]) == bump.measured.voids[0].diameter_um
    page = report.html({"a/r1c2": b"png"})
    assert "Worst bumps" in page and "1 piece of 1 voxels in all" in page
    assert "Each bump is decided by itself" in page
    assert "Worst bumps" not in report.html()
    assert Report.from_entry(report.entry()) == report


def test_tables_say_whose_a_void_is_how_large_its_bump_and_how_sure_its_volume() -> None:
    made = package((24, 44, 60), rows(2, 3, 18, 12), [7.0] * 6, voids={1: 4.5, 5: 3.0})
    mask = made.mask.copy()
    mask[0, 0, :9] = VOID  # void outside any bump
    report = Report((measure_scan(mask, HBM, (0.5, 1.0, 2.0), RECIPE, "a"),))
    voids = list(csv.DictReader(io.StringIO(report.csv())))
    assert [row["bump"] for row in voids] == ["r1c2", "r2c3", ""]
    (scan,) = report.scans
    for row, bump in zip(csv.DictReader(io.StringIO(report.csv_bumps())), scan.bumps, strict=True):
        found = bump.measured
        assert float(row["bump_volume_um3"]) == bump.structure.size_voxels * 0.5 * 1 * 2
        assert row["void_volume_expanded_uncertainty_um3"] == str(found.volume_uncertainty_um3)
        assert [row[f"spacing_{axis}_um"] for axis in "zyx"] == ["0.5", "1.0", "2.0"]


def test_tables_hold_box_lengths_and_every_criterion_as_the_twin_does() -> None:
    made = package((24, 44, 60), rows(2, 3, 18, 12), [7.0] * 6, voids={1: 4.5, 5: 3.0})
    recipe = RECIPE.model_copy(
        update={"criteria": (Criterion(measure="blt_um", at_least=1, at_most=9.5), Criterion(measure="pad_misalignment_um", at_most=1))}
    )  # fmt: skip
    report = Report((measure_scan(made.mask, HBM, (1, 1, 1), recipe, "a"),))
    table = list(csv.DictReader(io.StringIO(report.csv_bumps())))
    for row, bump in zip(table, json.loads(report.json())["scans"][0]["bumps"], strict=True):
        for name in ("blt_um", "pillar_width_um", "pillar_height_um", "pad_misalignment_um"):
            boxed = bump["dimensions_by_boxes"][name]
            assert row[f"by_boxes_{name}"] == ("" if boxed is None else str(boxed))
        sides = bump["dimensions_by_boxes"]["extrusion_um"]
        assert row["by_boxes_largest_extrusion_um"] == str(max(sides.values()))
        names = ("criterion_1_void_over_foreground", "criterion_2_blt_um", "criterion_3_pad_misalignment_um")
        for name, outcome in zip(names, bump["criteria"], strict=True):
            for what in ("value", "uncertainty", "at_least", "at_most", "verdict"):
                assert row[f"{name}_{what}"] == ("" if outcome[what] is None else str(outcome[what]))
    assert {row["criterion_2_blt_um_verdict"] for row in table} <= {"PASS", "FAIL"}
    (scan,) = csv.DictReader(io.StringIO(report.csv_scans()))
    assert scan["criterion_3_pad_misalignment_um_verdict"] == report.scans[0].outcomes[2].verdict.value


def test_a_void_that_a_wall_cuts_is_of_both_bumps() -> None:
    made = package((24, 30, 48), [(14, 15), (14, 31)], [6.0, 6.0])
    mask = made.mask.copy()
    where = np.flatnonzero(mask[:, 14, 15] == SOLDER)
    mask[where[0] : where[-1] + 1, 11:18, 15:32] = SOLDER  # a bridge
    middle = where[len(where) // 2]
    mask[middle - 1 : middle + 2, 13:16, 20:27] = VOID
    report = Report((measure_scan(mask, HBM, (1, 1, 1), RECIPE, "a"),))
    assert [b.name for b in report.scans[0].bumps] == ["r1c1", "r1c2"]
    (row,) = csv.DictReader(io.StringIO(report.csv()))
    assert row["bump"] == "r1c1 r1c2"


def test_the_table_of_ratios_does_not_call_areas_volumes() -> None:
    page = some_report().html()
    assert "ratio of volumes</th>" not in page and "<th>ratio</th><th>value</th>" in page
    assert "projected area and worst slice are ratios of areas" in page


@pytest.mark.parametrize("connectivity", [6, 18, 26])
def test_what_touching_meant_is_told_as_the_recipe_had_it(connectivity: int) -> None:
    recipe = MeasureConfig(connectivity=connectivity)
    report = Report((measure_scan(block(), HBM, (1, 1, 1), recipe, "a"),))
    for page in (report.html(), report.print_html()):
        told = set(re.findall(r"(\d+)-connected", page))
        assert told == {str(connectivity)}
    mixed = Report((*report.scans, measure_scan(block(), HBM, (1, 1, 1), MeasureConfig(connectivity=6), "b")))
    assert set(re.findall(r"(\d+)-connected", mixed.html())) == {"6", str(connectivity)}


def one_void() -> np.ndarray:
    mask = block()
    mask[5, 5, 5] = VOID
    return mask


def test_every_criterion_is_told_with_its_limit_its_outcome_and_its_source() -> None:
    further = Criterion(measure="void_count", at_most=0, source="drawing 7")
    recipe = MeasureConfig(limit=1, min_voxels=1, criteria=(further,))
    found = measure_scan(one_void(), HBM, (1, 1, 1), recipe, "a")
    assert found.verdict is Verdict.FAIL and found.ratio is not None and found.ratio <= recipe.limit
    page = Page(Report((found,)).html()).text
    assert (
        "That limit is one criterion; further ones are void_count at most 0. A bump PASSes when all criteria pass"
        in page
    )
    assert "void_count number of counted voids FAIL void_count = 1 is above the limit 0 drawing 7" in page
    assert f"{DEFINITIONS['void/foreground']} PASS" in page
    assert "further ones" not in Report((measure_scan(block(), HBM, (1, 1, 1), RECIPE, "a"),)).html()


def test_voids_that_are_too_small_by_their_volume_are_said_to_be_so() -> None:
    found = measure_scan(one_void(), HBM, (1, 1, 1), MeasureConfig(min_um3=1e6, min_voxels=1), "a")
    assert found.small_voids and not found.voids
    assert "of less than 1e+06 µm³ or fewer than 1 voxels" in Report((found,)).html()


def test_a_package_is_told_bump_by_bump_with_volumes_areas_and_intervals() -> None:
    further = Criterion(measure="pillar_width_um", at_most=15, source="drawing 7")
    recipe = MeasureConfig(limit=0.02, criteria=(further,))
    made = package((24, 44, 60), rows(2, 3, 18, 12), [7.0] * 6, voids={0: 4.5, 4: 3.0})
    found = measure_scan(made.mask, HBM, (1, 1, 1), recipe, "some_scan")
    report = Report((found,), {"masks_sha256": {"some_scan": "00"}, "scans": {"some_scan": {"ok": True}}})
    page = Page(report.html()).text
    assert "pillar_width_um pillar width at most 15 µm 6 PASS r1c1: pillar_width_um" in page
    assert found.dimensions == Dimensions(build_axis="z")  # a width of all bumps together is nobody's
    assert found.undefined["pillar_width_um"] == "the scan holds several bumps, and each has its own"
    assert "Dimensions of the 6 bumps, µm" in page and "µm apart (median)" in page
    first = found.bumps[0]
    row = (
        f"{100 * first.measured.ratios['projected area']:.4g} % {first.structure.size_voxels:,} "
        f"{with_uncertainty(first.measured.void_volume_um3, first.measured.volume_uncertainty_um3)} 1 "
    )
    assert row in page
    paper = report.print_html()
    for html in (report.html(), paper):
        assert "some_scan" in html and "some scan" not in html and "True" not in html
    assert "6 PASS" in paper


@pytest.mark.parametrize(
    ("ratio", "measures", "said"),
    [
        ("void/solder", (), "times two thirds of the voids' voxel faces, and"),
        ("projected area", (), "times π/4 of the pixel edges of their outline in the projection, and"),
        ("worst slice", (), "times π/4 of the pixel edges of their outline in the worst slice, and"),
        ("interface band, pad side", (), "times two thirds of the voxel faces of void in the band, and"),
        (
            "void/foreground",
            ("projected area", "void/solder", "blt_um"),
            "times two thirds of the voids' voxel faces (of projected area: π/4 of the pixel edges of their outline in the projection), and",
        ),
    ],
)  # fmt: skip
def test_the_page_says_what_the_edges_do_to_each_ratio_that_decides(
    ratio: str, measures: tuple[str, ...], said: str
) -> None:
    criteria = tuple(Criterion(measure=m, at_most=1) for m in measures)
    recipe = MeasureConfig(ratio=ratio, criteria=criteria, build_axis="z")
    made = package((20, 30, 30), [(15, 15)], [7.0], voids={0: 3.0})
    made.mask[17:19, 10:20, 10:20] = HBM.id_of("copper_pad")
    found = measure_scan(made.mask, HBM, (1, 1, 1), recipe, "a")
    assert found.uncertainty
    assert said in Page(Report((found,)).html()).text
