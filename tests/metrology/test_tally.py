"""What the bumps of a package come to, and how numbers with uncertainties are written."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metrology.masks import HBM, RECIPE, SOLDER
from metrology.packages import package, rows
from voidscope.config import MeasureConfig
from voidscope.metrology import Dimensions, Outcome, Report, ScanMeasurement, Verdict, measure_scan
from voidscope.metrology.rounding import percent, three_digits, with_uncertainty
from voidscope.metrology.scan_verdict import gravity
from voidscope.metrology.tally import doubts_told, length_spreads, tallies


@pytest.fixture(scope="module")
def scan() -> ScanMeasurement:
    recipe = MeasureConfig.model_validate(
        {
            "limit": 0.02,
            "criteria": [{"measure": "blt_um", "at_least": 5}, {"measure": "blt_um", "at_most": 10}],
        }
    )
    made = package((24, 44, 60), rows(2, 3, 18, 12), [7.0] * 6, voids={0: 4.5, 4: 3.0, 5: 4.0})
    return measure_scan(made.mask, HBM, (1, 1, 1), recipe, "a")


def test_each_criterion_is_counted_over_the_bumps_and_names_the_worst(scan: ScanMeasurement) -> None:
    ratio, thick, thin = tallies(scan)
    for k, tally in enumerate((ratio, thick, thin)):
        said = [b.measured.outcomes[k].verdict for b in scan.bumps]
        assert tally.counts == {v: said.count(v) for v in Verdict}
    values = {b.name: b.measured.ratio for b in scan.bumps}
    assert ratio.worst.name == max(values, key=lambda n: values[n]) == "r1c1"
    assert ratio.outcome.value == values["r1c1"]
    assert (thick.outcome.verdict, thin.outcome.verdict) == (Verdict.PASS, Verdict.FAIL)
    assert thin.told() == "6 FAIL" and ratio.told().endswith("PASS")


@pytest.mark.parametrize(
    ("graver", "other"),
    [
        ((Verdict.FAIL, 1.0, 0.1, 1.0), (Verdict.REVIEW, 2.0, 0.2, 2.0)),
        ((Verdict.FAIL, 2.0, 0.1, 1.0), (Verdict.FAIL, 1.0, 0.2, 2.0)),
        ((Verdict.FAIL, None, 0.1, 1.0), (Verdict.FAIL, 2.0, 0.2, 2.0)),
        ((Verdict.PASS, -1.0, 0.2, 1.0), (Verdict.PASS, -1.0, 0.1, 2.0)),
        ((Verdict.PASS, -1.0, None, 1.0), (Verdict.PASS, -1.0, 0.2, 2.0)),
        ((Verdict.PASS, -1.0, 0.2, 2.0), (Verdict.PASS, -1.0, 0.2, 1.0)),
    ],
)
def test_the_worst_bump_is_so_by_verdict_then_limit_then_ratio_then_void(
    scan: ScanMeasurement,
    graver: tuple[Verdict, float | None, float | None, float],
    other: tuple[Verdict, float | None, float | None, float],
) -> None:
    """Each as its verdict, um beyond a limit of 10, ratio and diameter of the largest void; the worse of two has the later name."""
    one = scan.bumps[0]
    bumps = []
    for name, (verdict, beyond, ratio, largest) in (("a", other), ("b", graver)):
        outcome = Outcome("blt_um", None if beyond is None else 10 + beyond, None, 10.0, None, verdict, "")
        measured = replace(
            one.measured, verdict=verdict, outcomes=(outcome,), ratios={one.measured.formula: ratio},
            voids=(replace(one.measured.voids[0], diameter_um=largest),),
        )  # fmt: skip
        bumps.append(replace(one, structure=replace(one.structure, name=name), measured=measured))
    assert [b.name for b in sorted(bumps, key=gravity)] == ["b", "a"]


@pytest.mark.parametrize("unit", ["bump", "scan"])
def test_doubts_of_bumps_that_fail_stand_in_the_report_once_each(unit: str) -> None:
    made = package((24, 24, 62), rows(1, 3, 18, 12), [7.0] * 3, voids={0: 5.0, 1: 5.0})
    made.mask[14:17, 10:14, 12:31] = np.maximum(made.mask[14:17, 10:14, 12:31], SOLDER)
    found = measure_scan(made.mask, HBM, (1, 1, 1), MeasureConfig(limit=0.02, unit=unit), "a")
    verdicts = [b.measured.verdict for b in found.bumps]
    assert verdicts == [Verdict.FAIL, Verdict.FAIL, Verdict.PASS] and found.verdict is Verdict.FAIL
    first, second = doubts_told(found)
    assert {first[0], second[0]} == {"r1c1 (FAIL)", "r1c2 (FAIL)"}
    for page in (Report((found,)).html(), Report((found,)).print_html()):
        assert all(f"{names}: {doubt}" in page for names, doubt in (first, second))
        assert "may be no whole ones" in page
    assert (
        "may be no whole ones"
        not in Report((measure_scan(made.mask[:2], HBM, (1, 1, 1), RECIPE, "a"),)).html()
    )
    far = measure_scan(made.mask, HBM, (1e3, 1e3, 1e3), MeasureConfig(limit=0.02, min_um3=1e-9), "a")
    names = [names for names, doubt in doubts_told(far) if "mind the unit" in doubt]
    assert names == ["r1c1 (FAIL), r1c2 (FAIL), r1c3 (REVIEW)"]


def test_a_scan_judged_whole_or_of_one_bump_has_no_tally(scan: ScanMeasurement) -> None:
    one = package((24, 24, 24), [(12, 12)], [7.0])
    assert tallies(measure_scan(one.mask, HBM, (1, 1, 1), MeasureConfig(), "a")) == ()
    two = package((24, 24, 44), rows(1, 2, 18, 12), [7.0] * 2)
    assert tallies(measure_scan(two.mask, HBM, (1, 1, 1), MeasureConfig(unit="scan"), "a")) == ()


def test_lengths_are_those_of_single_bumps(scan: ScanMeasurement) -> None:
    found = length_spreads(scan)
    widths = sorted(b.measured.dimensions.pillar_width_um or 0 for b in scan.bumps)
    assert (found["pillar_width_um"]["min"], found["pillar_width_um"]["max"]) == (widths[0], widths[-1])
    assert found["pillar_width_um"]["max"] < 18
    assert scan.dimensions == scan.boxed == Dimensions(build_axis="z")
    assert "pad_misalignment_um" not in found


@pytest.mark.parametrize(
    ("value", "uncertainty", "limit", "said"),
    [
        (5.745, 1.76, None, "5.7 ± 1.8"), (2322.1, 711.3, None, "2,320 ± 710"), (0.0, 0.0912, None, "0.000 ± 0.091"),
        (20.3, 0.7, None, "20.30 ± 0.70"), (3.44, 0.996, None, "3.4 ± 1.0"), (5.0, None, None, "5"), (None, 1.0, None, "undefined"),
        (3.04, 1.0, 3.0, "3.04 ± 1.00"), (3.0, 1.0, 3.0, "3.0 ± 1.0"), (123456.7, None, None, "123,457"), (-0.001, 0.5, None, "0.00 ± 0.50"),
    ],
)  # fmt: skip
def test_a_value_ends_where_its_uncertainty_ends(
    value: float | None, uncertainty: float | None, limit: float | None, said: str
) -> None:
    assert with_uncertainty(value, uncertainty, limit) == said


def test_an_uncertainty_in_percent_is_in_points_so_that_nobody_takes_it_for_a_share_of_the_value() -> None:
    assert percent(0.05745, 0.0176) == "5.7 % ± 1.8 pp"
    assert percent(0.03) == "3 %" and percent(None) == "undefined"


@pytest.mark.parametrize(
    ("value", "said"),
    [(1810.4, "1,810"), (6_904_000.0, "6,900,000"), (999.7, "1,000"), (0.01234, "0.0123"), (0, "0")],
)
def test_figures_of_a_budget_have_three_digits_and_no_exponent(value: float, said: str) -> None:
    assert three_digits(value) == said


def test_scans_of_which_nothing_is_told_are_told_in_one_line(scan: ScanMeasurement) -> None:
    unknown = {"settings": "not recorded"}
    page = Report((scan,), {"scan_settings": {"a": unknown, "b": unknown}}).print_html()
    assert "Not recorded of any scan." in page and "settings: not recorded" not in page
    page = Report((scan,), {"scan_settings": {"a": unknown, "b": {"kV": 80}}}).print_html()
    assert "settings: not recorded" in page and "kV: 80" in page
