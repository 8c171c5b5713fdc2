"""What the HTML page, and the one for paper, say of their numbers: what U covers, which criterion decides, what is hashed, how long things are."""

from __future__ import annotations

import re
from html import unescape

import pytest

from metrology.masks import HBM, block
from metrology.packages import package, rows
from voidscope.config import Criterion, MeasureConfig
from voidscope.metrology import Report, ScanMeasurement, Verdict, measure_scan
from voidscope.metrology.scan_verdict import deciding
from voidscope.metrology.verdict import Outcome

HELD = "not about void that the model misses"


def text(page: str) -> str:
    """The words of a page."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", re.sub(r"</?b>", "", page)))).replace(
        "\u00a0", " "
    )


def both(report: Report) -> tuple[str, str]:
    return text(report.html()), text(report.print_html())


def one_bump() -> ScanMeasurement:
    made = package((24, 24, 24), [(12, 12)], [7.0], voids={0: 3.0})
    return measure_scan(made.mask, HBM, (1, 1, 1), MeasureConfig(build_axis="z"), "a")


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"validation void recall": 0.444}, f"{HELD} (it finds 44 % of the held-out void)."),
        ({"validation void recall": "not recorded"}, f"{HELD} (nobody knows how much)."),
        ({"validation void recall": 1.0}, ""),
        (None, ""),
    ],
)
def test_what_is_covered_goes_by_what_the_model_finds(record: dict[str, object] | None, said: str) -> None:
    facts = {} if record is None else {"model_record": record}
    for page in both(Report((one_bump(),), facts)):
        start = "k = 2 stands for about 95 %"
        assert page.count(start) == 1
        sentence = page[page.index(start) :].split(".")[0] + "."
        edges = f"{start}; U is about the edges and the spread of what was found, {said}"
        assert sentence == (edges if said else f"{start}.")


def test_the_caption_of_a_bump_tells_the_criterion_that_decides() -> None:
    recipe = MeasureConfig(limit=0.5, criteria=(Criterion(measure="blt_um", at_most=2.0),))
    made = package((24, 26, 44), rows(1, 2, 18, 13), [7.0] * 2, voids={0: 3.0})
    report = Report((measure_scan(made.mask, HBM, (1, 1, 1), recipe, "a"),))
    png = {f"a/{b.name}": b"png" for b in report.scans[0].bumps}
    for page in (report.html(png), report.print_html(png)):
        pictured = text(page[page.index("orst bumps") :])
        for bump in report.scans[0].bumps:
            assert bump.measured.verdict is Verdict.FAIL
            assert bump.name in pictured
        assert pictured.count("blt_um = 20 µm is above the limit 2 µm") >= 2


def test_the_criterion_that_decides_is_the_one_farthest_beyond_its_limit_or_nearest_to_it() -> None:
    def outcome(measure: str, value: float, verdict: Verdict) -> Outcome:
        return Outcome(measure, value, None, 10.0, None, verdict, f"{measure} is {value:g}")

    scan = one_bump()

    def told(verdict: Verdict, *outcomes: Outcome) -> str:
        found = deciding(
            ScanMeasurement(**{**vars(scan), "verdict": verdict, "outcomes": outcomes, "reason": "doubt"})
        )
        return "none" if found is None else found.measure

    passing = outcome("a", 2, Verdict.PASS), outcome("b", 9, Verdict.PASS)
    failing = outcome("c", 11, Verdict.FAIL), outcome("d", 30, Verdict.FAIL)
    assert told(Verdict.PASS, *passing) == "b"
    assert told(Verdict.FAIL, *passing, *failing) == "d"
    assert told(Verdict.PASS, *failing, *passing) == "b"  # any criterion may pass
    assert told(Verdict.REVIEW, *passing) == "none"  # it is doubted for another reason


def test_paper_has_the_sides_and_the_boxes_of_a_single_bump() -> None:
    found = one_bump()
    assert found.dimensions.extrusion_um and found.dimensions.underfill_um is not None
    html, paper = both(Report((found,)))
    for side, out in found.dimensions.extrusion_um.items():
        row = f"solder beyond the pillar, {side} {out:.2f} {found.boxed.extrusion_um[side]:.2f}"
        assert row in html and row in paper
    lacks = f"what solder lacks, necks included {found.dimensions.underfill_um:.2f} {found.boxed.underfill_um:.2f}"
    bond = (
        f"bond line, from the pillar's foot to the top {found.dimensions.blt_um:.2f} {found.boxed.blt_um:.2f}"
    )
    for page in (html, paper):
        assert lacks in page and bond in page and "Negative: the solder does not reach" in page


def test_what_the_hash_of_a_recipe_is_of_is_said() -> None:
    for page in both(Report((one_bump(),), {"recipe_sha256": "0" * 64})):
        assert "SHA-256 of its values as JSON, not of a file" in page


def test_how_a_scan_follows_from_its_bumps_is_said_where_the_bump_is_the_unit() -> None:
    further = (Criterion(measure="void_count", at_most=9),)
    told = {
        unit: text(Report((measure_scan(block(), HBM, (1, 1, 1), MeasureConfig(unit=unit, criteria=further), "a"),)).html())
        for unit in ("bump", "scan")
    }  # fmt: skip
    follows = "; a scan FAILs when one of its bumps fails, and is for REVIEW when one is and none fails"
    assert f"A bump PASSes when all criteria pass{follows};" in told["bump"]
    assert "A scan PASSes when all criteria pass;" in told["scan"]


@pytest.mark.parametrize(
    ("limit", "length", "colour"), [(0.5, 2.0, "PASS"), (0.5, 50.0, "PASS"), (0.001, 50.0, "FAIL")]
)
@pytest.mark.parametrize("bumps", [1, 2])
def test_the_bar_of_the_ratio_has_the_colour_of_its_own_outcome(
    limit: float, length: float, colour: str, bumps: int
) -> None:
    recipe = MeasureConfig(limit=limit, criteria=(Criterion(measure="blt_um", at_most=length),))
    made = package((24, 26, 44), rows(1, 2, 18, 13)[:bumps], [7.0] * bumps, voids={0: 3.0})
    found = measure_scan(made.mask, HBM, (1, 1, 1), recipe, "a")
    assert (found.verdict is Verdict.FAIL) is (length < 20 or colour == "FAIL")
    assert re.findall(r'<span class="bar (\w+)">', Report((found,)).html()) == [colour]


def test_the_bar_of_a_package_is_coloured_by_the_scan_s_ratio_not_by_its_worst_bump() -> None:
    made = package((24, 26, 80), rows(1, 4, 18, 13), [7.0] * 4, voids={0: 4.5})
    found = measure_scan(made.mask, HBM, (1, 1, 1), MeasureConfig(limit=0.06), "a")
    assert found.verdict is Verdict.FAIL and found.ratio is not None and found.ratio < 0.06
    assert re.findall(r'<span class="bar (\w+)">', Report((found,)).html()) == ["PASS"]


def test_the_height_of_a_band_is_said() -> None:
    made = package((24, 24, 24), [(12, 12)], [7.0], voids={0: 3.0})
    recipe = MeasureConfig(ratio="interface band, pillar side", band_voxels=4, build_axis="z")
    for page in both(Report((measure_scan(made.mask, HBM, (1, 1, 1), recipe, "a"),))):
        assert "n interface band is 4 voxels high" in page and "some voxels" not in page


def test_signatures_on_paper_do_not_come_last_where_they_may_stand_alone() -> None:
    paper = Report((one_bump(),)).print_html()
    heads = re.findall(r"<h2>([^<]+)</h2>", paper)
    assert heads[-2:] == ["Signatures", "How it came about"]
