"""What changed: bumps found again by their place, flips counted, the worst first."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from metrology.masks import BACKGROUND, HBM, SOLDER, VOID
from metrology.packages import package, rows
from voidscope.config import MeasureConfig
from voidscope.metrology import Changes, Report, ScanMeasurement, changes_page, doubted, measure_scan
from voidscope.metrology.changes import flags, paired
from voidscope.metrology.moving import values_moved


def scan(voids: dict[int, float], recipe: MeasureConfig | None = None, name: str = "a") -> ScanMeasurement:
    made = package((24, 44, 60), rows(2, 3, 18, 12), [7.0] * 6, voids=voids)
    return measure_scan(made.mask, HBM, (1, 1, 1), recipe or MeasureConfig(), name)


def test_a_new_void_flips_its_bump_and_moves_no_other() -> None:
    found = Changes.of([scan({0: 4.5})], [scan({0: 4.5, 4: 4.5})], ("one", "two"))
    (row,) = found.moved
    assert (row.name, row.verdicts, row.flags) == ("r2c2", ("PASS", "FAIL"), {"void": (False, True)})
    assert row.after is not None and row.ratio == row.after.measured.ratio
    assert row.blt_um == 0
    summary = found.summary()
    assert (summary["bumps"], summary["moved"], summary["verdict_flips"]) == (6, 1, {"PASS -> FAIL": 1})
    assert summary["flag_flips"] == {"void": 1}
    assert summary["ratio"]["largest"] == row.ratio
    assert summary["ratio"]["mean"] == pytest.approx(row.ratio / 6)


def test_the_same_before_and_after_has_no_change() -> None:
    one = scan({0: 4.5})
    found = Changes.of([one], [one], ("one", "two"))
    assert found.moved == () and len(found.rows) == 6
    assert found.summary()["verdict_flips"] == {}
    assert "None." in changes_page(found, "t", {})


def test_turning_before_and_after_turns_every_sign() -> None:
    one, two = scan({0: 4.5, 1: 2.0}), scan({1: 3.0, 5: 4.5})
    there, back = Changes.of([one], [two], ("1", "2")), Changes.of([two], [one], ("2", "1"))
    forth = {r.name: (r.ratio, r.verdicts) for r in there.rows}
    for row in back.rows:
        ratio, verdicts = forth[row.name]
        assert row.ratio == -ratio and row.verdicts == verdicts[::-1]


def test_bumps_are_found_again_by_place_when_the_grid_is_named_otherwise() -> None:
    one = package((24, 44, 60), rows(2, 3, 18, 12), [7.0] * 6, voids={5: 4.5})
    mask = one.mask.copy()
    mask[:, :22] = BACKGROUND  # the first row is gone, so what was row 2 is row 1 now
    before = measure_scan(one.mask, HBM, (1, 1, 1), MeasureConfig(), "a")
    after = measure_scan(mask, HBM, (1, 1, 1), MeasureConfig(), "a")
    found = Changes.of([before], [after], ("one", "two"))
    pairs = {(r.before and r.before.name, r.after and r.after.name) for r in found.rows}
    assert pairs == {
        ("r2c1", "r1c1"),
        ("r2c2", "r1c2"),
        ("r2c3", "r1c3"),
        ("r1c1", None),
        ("r1c2", None),
        ("r1c3", None),
    }
    assert found.summary()["vanished"] == 3
    assert {r.verdicts for r in found.moved} == {("PASS", "none")}


def test_pairing_takes_each_bump_once_the_nearest_over_all() -> None:
    bumps = scan({}).bumps
    shuffled = [bumps[k] for k in (3, 0, 5, 1, 4, 2)]
    assert {(a.name, b.name) for a, b in paired(bumps, shuffled) if a and b} == {
        (b.name, b.name) for b in bumps
    }
    assert paired((), bumps) == [(None, b) for b in bumps]
    assert paired(bumps, ()) == [(b, None) for b in bumps]


def test_another_recipe_flips_verdicts_without_a_voxel_changed() -> None:
    tight, loose = MeasureConfig(limit=0.01), MeasureConfig(limit=0.2)
    found = Changes.of([scan({0: 4.5, 1: 4.5}, loose)], [scan({0: 4.5, 1: 4.5}, tight)], ("loose", "tight"))
    assert found.summary()["verdict_flips"] == {"PASS -> FAIL": 2}
    assert [r.ratio for r in found.rows] == [0] * 6
    other = Changes.of([scan({0: 4.5})], [scan({0: 4.5}, MeasureConfig(ratio="void/solder"))], ("a", "b"))
    assert all(r.ratio is None for r in other.rows)  # not the same number


def test_flips_to_fail_come_first_then_what_moved_most() -> None:
    one = scan({1: 4.5, 2: 2.0, 3: 2.0})
    two = scan({0: 4.5, 2: 3.0, 3: 2.5})
    names = [r.name for r in Changes.of([one], [two], ("1", "2")).moved]
    assert names == ["r1c1", "r1c2", "r1c3", "r2c1"]


def test_solder_pressed_out_raises_the_extrusion_flag() -> None:
    made = package((24, 40, 40), [(20, 20)], [7.0])
    mask = made.mask.copy()
    assert flags(measure_scan(mask, HBM, (1, 1, 1), MeasureConfig(), "a"))["extrusion"] is False
    mask[13:22, 15:26, 20:34] = np.where(mask[13:22, 15:26, 20:34] == VOID, VOID, SOLDER)
    assert flags(measure_scan(mask, HBM, (1, 1, 1), MeasureConfig(), "a"))["extrusion"] is True


def test_the_entry_is_valid_json_and_the_page_escapes_names() -> None:
    found = Changes.of(
        [scan({}, name="<b>x")], [scan({4: 4.5}, name="<b>x")], ("<one>", "two"),
        {"<one>": {"mIoU": 0.9, "void IoU": None}, "two": {"mIoU": 0.8, "void IoU": 0.5}},
    )  # fmt: skip
    entry = json.loads(json.dumps(found.entry(), allow_nan=False))
    assert entry["bumps"][0]["before"]["verdict"] == "PASS" and entry["bumps"][0]["moved"]
    page = changes_page(found, "p", {("<b>x", "r2c2"): (b"1", b"2")})
    assert "<b>x" not in page and "&lt;b&gt;x" in page and "&lt;one&gt;" in page
    assert page.count("data:image/png") == 2 and "0.9000" in page
    assert found.text().splitlines()[-1].startswith("<b>x r2c2  PASS -> FAIL")


def twice_failing(most_um: float) -> MeasureConfig:
    """A recipe by which a bump with a large void fails anyway, and one with a large bond line too."""
    largest = {"measure": "largest_void_diameter_um", "at_most": most_um, "source": "spec 4.2"}
    return MeasureConfig.model_validate(
        {"limit": 0.001, "criteria": [largest, {"measure": "blt_um", "at_most": 50.0}]}
    )


def test_a_criterion_that_turns_is_told_though_the_verdict_stays() -> None:
    one, two = scan({0: 4.0}, twice_failing(8.5)), scan({0: 4.5}, twice_failing(8.5))
    (row,) = Changes.of([one], [two], ("one", "two")).moved
    assert row.verdicts == ("FAIL", "FAIL") and row.flags == {}
    assert row.criteria == {"largest_void_diameter_um": ("PASS", "FAIL")}
    assert row.entry()["criteria"] == {"largest_void_diameter_um": ["PASS", "FAIL"]}


def test_a_criterion_that_turns_by_its_limit_alone_puts_its_bump_in_the_table() -> None:
    one, two = scan({0: 4.5}, twice_failing(20)), scan({0: 4.5}, twice_failing(5))
    found = Changes.of([one], [two], ("loose", "tight"))
    (row,) = found.moved
    assert row.name == "r1c1" and row.ratio == 0 and not row.flipped
    assert found.summary()["criterion_flips"] == {"largest_void_diameter_um": 1}
    page = changes_page(found, "t", {})
    assert "largest_void_diameter_um" in page and ">PASS</span> → " in page
    assert "largest_void_diameter_um PASS -> FAIL" in found.text()


def test_bumps_whose_criteria_turned_come_before_those_whose_ratio_only_moved() -> None:
    one, two = scan({0: 4.5, 3: 4.6}, twice_failing(8.8)), scan({0: 4.0, 3: 4.8}, twice_failing(8.8))
    rows_ = Changes.of([one], [two], ("one", "two")).moved
    assert [bool(r.criteria) for r in rows_] == sorted([bool(r.criteria) for r in rows_], reverse=True)
    assert {r.name: r.criteria for r in rows_}["r1c1"] == {"largest_void_diameter_um": ("FAIL", "PASS")}


def test_a_criterion_of_one_recipe_alone_is_told_where_it_does_not_pass() -> None:
    bare = MeasureConfig(limit=0.001)
    found = Changes.of([scan({0: 4.5}, bare)], [scan({0: 4.5}, twice_failing(5))], ("bare", "more"))
    assert {r.name: r.criteria for r in found.moved} == {
        "r1c1": {"largest_void_diameter_um": ("none", "FAIL")}
    }


def test_every_length_has_its_change_beside() -> None:
    made = package((24, 40, 40), [(20, 20)], [7.0])
    mask = made.mask.copy()
    mask[13:22, 15:26, 20:34] = np.where(mask[13:22, 15:26, 20:34] == VOID, VOID, SOLDER)
    one, two = (measure_scan(m, HBM, (1, 1, 1), MeasureConfig(), "a") for m in (made.mask, mask))
    found = Changes.of([one], [two], ("one", "two"))
    (row,) = found.moved
    sizes = [s.bumps[0].measured.dimensions for s in (one, two)]
    said = row.lengths_um
    assert said["blt_um"] == sizes[1].blt_um - sizes[0].blt_um
    assert said["largest_extrusion_um"] == sizes[1].largest_extrusion_um - sizes[0].largest_extrusion_um > 5
    assert said["pad_misalignment_um"] is None  # there is no pad
    assert row.entry()["lengths_change_um"] == said
    assert found.summary()["lengths_um"]["largest_extrusion_um"]["largest"] == said["largest_extrusion_um"]
    assert "extrusion" in changes_page(found, "t", {})


def with_bond_lines(found: ScanMeasurement, more_um: float, interpolated: bool = False) -> ScanMeasurement:
    """The scan as if every bond line had been read off otherwise."""

    def read(one: ScanMeasurement) -> ScanMeasurement:
        size = one.dimensions
        blt_um = None if size.blt_um is None else size.blt_um + more_um
        return replace(one, dimensions=replace(size, blt_um=blt_um, interpolated=interpolated))

    return replace(found, bumps=tuple(replace(b, measured=read(b.measured)) for b in found.bumps))


def test_a_bond_line_that_changes_by_less_than_a_tenth_of_a_voxel_has_not_moved() -> None:
    one = with_bond_lines(scan({0: 4.5}), 0, interpolated=True)
    for more_um, moved in ((0.09, 0), (-0.09, 0), (0.11, 6), (-0.11, 6)):
        found = Changes.of([one], [with_bond_lines(one, more_um, interpolated=True)], ("one", "two"))
        assert len(found.moved) == moved
        assert found.summary()["blt_um"]["mean"] == pytest.approx(more_um)


def test_lengths_with_edges_of_another_kind_are_told_apart_and_move_by_more_than_a_voxel() -> None:
    one = scan({0: 4.5})
    two = with_bond_lines(one, 0.9, interpolated=True)
    found = Changes.of([one], [two], ("one", "two"))
    assert (
        found.moved == () and len(Changes.of([one], [with_bond_lines(one, 1.1, True)], ("1", "2")).moved) == 6
    )
    assert found.summary()["edges"] == {"before": {"voxel": 6}, "after": {"interpolated": 6}, "unlike": 6}
    row = found.rows[0].entry()
    assert (row["before"]["edges"], row["after"]["edges"]) == ("voxel", "interpolated")
    for said in (found.text(), changes_page(found, "t", {})):
        assert "edges to the voxel before and interpolated after" in said and "6 bumps" in said
    alike = Changes.of([two], [two], ("two", "two"))
    assert "edges" not in alike.text() and "to the voxel before" not in changes_page(alike, "t", {})


def test_tables_and_the_lot_name_the_kind_of_edges() -> None:
    one, two = scan({0: 4.5}), with_bond_lines(scan({}, name="b"), 0, interpolated=True)
    report = Report((one, two))
    header, *lines = (line.split(",") for line in report.csv_bumps().splitlines())
    at, scans_at = header.index("length_edges"), 0
    assert [line[at - len(header)] for line in lines] == ["voxel"] * 6 + ["interpolated"] * 6
    header, *lines = (line.split(",") for line in report.csv_scans().splitlines())
    scans_at = header.index("length_edges") - len(header)
    assert [line[scans_at] for line in lines] == ["", ""]  # of several bumps a scan has no lengths
    assert report.lot.summary()["blt_edges"] == {"voxel": 6, "interpolated": 6}
    assert "6 bond lines with edges to the voxel, 6 with interpolated ones" in report.html_lot()


def test_flips_that_come_of_judging_the_models_alone_are_told_from_those_of_the_parts() -> None:
    one, two = scan({0: 4.5}), scan({0: 4.5, 4: 4.5})
    doubt = "cycle 1 was judged on nothing"
    left = doubted(one, doubt, of_pass=True)
    found = Changes.of(
        [left], [two], ("cycle 1", "cycle 2"), doubts={"cycle 1": doubt}, undoubted=([one], [two])
    )
    by_name = {r.name: (r.verdicts, r.by_doubt) for r in found.rows}
    assert by_name["r1c2"] == (("REVIEW", "PASS"), True)
    assert by_name["r2c2"] == (("REVIEW", "FAIL"), False)  # this one did change
    assert by_name["r1c1"] == (("FAIL", "FAIL"), False)
    summary = found.summary()
    assert summary["verdict_flips"] == {"REVIEW -> PASS": 4, "REVIEW -> FAIL": 1}
    assert summary["flips_by_doubt"] == 4
    assert found.entry()["doubts"] == {"cycle 1": doubt}
    assert [r["by_doubt"] for r in found.entry()["bumps"]].count(True) == 4
    assert found.rows[0].name == "r2c2"  # what changed on the part comes first
    for said in (found.text(), changes_page(found, "t", {})):
        assert (
            "4 of the flips come of what is known of the models, not of the parts" in said and doubt in said
        )


def watching(*measures: str, uncertainty: float | None = None, **recipe: object) -> MeasureConfig:
    """A recipe with criteria that pass whatever is measured."""
    criteria = [
        {"measure": m, "at_most": 0.9 if m.endswith("_share") else 90, "uncertainty": uncertainty}
        for m in measures
    ]
    return MeasureConfig.model_validate({"limit": 0.5, "criteria": criteria, **recipe})


def lone(radius: float, recipe: MeasureConfig, voids: dict[int, float] | None = None) -> ScanMeasurement:
    return measure_scan(
        package((24, 40, 40), [(20, 20)], [radius], voids=voids).mask, HBM, (1, 1, 1), recipe, "a"
    )


def test_a_criterion_whose_value_moved_puts_its_bump_in_the_table_though_nothing_turned() -> None:
    recipe = watching("pillar_width_um", "blt_um")
    one, two = lone(9.0, recipe), lone(8.0, recipe)
    found = Changes.of([one], [two], ("one", "two"))
    (row,) = found.moved
    assert (row.ratio, row.blt_um, row.flipped, row.criteria, row.flags) == (0, 0, False, {}, {})
    before, after = (f.bumps[0].measured.dimensions.pillar_width_um or 0.0 for f in (one, two))
    assert row.values == {"pillar_width_um": (before, after)}
    assert row.entry()["values"] == {"pillar_width_um": [before, after]}
    assert f"pillar_width_um {before:.4g} um -> {after:.4g} um" in found.text()
    assert re.search(rf"pillar_width_um {before:.4g}\s+µm → {after:.4g}\s+µm", changes_page(found, "t", {}))
    assert Changes.of([lone(9.0, watching())], [lone(8.0, watching())], ("one", "two")).moved == ()


def test_voids_that_part_move_their_bump_though_the_ratio_stays() -> None:
    recipe = watching("largest_void_diameter_um", "void_count", min_voxels=1)
    mask = package((24, 40, 40), [(20, 20)], [9.0]).mask
    one, two = mask.copy(), mask.copy()
    one[16, 20, 16:24] = VOID
    two[16, 20, 16:20] = two[16, 20, 21:25] = VOID
    sides = [[measure_scan(m, HBM, (1, 1, 1), recipe, "a")] for m in (one, two)]
    (row,) = Changes.of(*sides, ("one", "two")).moved
    assert row.ratio == 0 and row.values["void_count"] == (1.0, 2.0)
    assert row.values["largest_void_diameter_um"][0] > row.values["largest_void_diameter_um"][1]


@pytest.mark.parametrize(
    ("measure", "change", "uncertainty", "unlike", "moved"),
    [
        ("pillar_width_um", 0.09, None, False, False),  # a tenth of a voxel of 1 um
        ("pillar_width_um", 0.11, None, False, True),
        ("pillar_width_um", 0.05, 0.04, False, True),
        ("pillar_width_um", 0.11, 4.0, False, True),
        ("pillar_width_um", 0.9, None, True, False),
        ("pillar_width_um", 1.1, None, True, True),
        ("solder_protrusion_share", 0.005, None, False, False),  # a tenth of a voxel of a pillar of 18 um
        ("solder_protrusion_share", 0.006, None, False, True),
        ("void_count", 1.0, None, False, True),
        ("void_count", 0.0, None, False, False),
        ("largest_void_share", 1e-9, None, False, True),
        ("largest_void_share", 1e-14, None, False, False),
    ],
)
def test_a_value_has_moved_beyond_how_it_is_read(
    measure: str, change: float, uncertainty: float | None, unlike: bool, moved: bool
) -> None:
    one = lone(9.0, watching(measure, uncertainty=uncertainty))
    first, second = one.outcomes
    two = replace(one, outcomes=(first, replace(second, value=(second.value or 0) + change)))
    assert bool(values_moved(one, two, unlike)) is moved
    assert bool(values_moved(two, one, unlike)) is moved
    lost = replace(one, outcomes=(first, replace(second, value=None)))
    assert values_moved(one, lost, unlike) == {measure: (second.value, None)} and not values_moved(
        lost, lost, unlike
    )
