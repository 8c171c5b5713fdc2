"""The verdict at, above and below its limit."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrology.masks import HBM, NO_PILLAR, PAD, PILLAR, SOLDER, VOID, block
from voidscope.config import Config, Criterion, MeasureConfig
from voidscope.errors import ConfigError
from voidscope.metrology import RATIOS, Verdict, decide, measure_scan
from voidscope.metrology.ratios import VOLUMES
from voidscope.metrology.verdict import judge


@pytest.mark.parametrize(
    ("limit", "verdict"),
    [(0.125, Verdict.PASS), (0.1249, Verdict.FAIL), (0.5, Verdict.PASS), (0, Verdict.FAIL)],
)
def test_above_the_limit_fails_and_at_the_limit_passes(limit: float, verdict: Verdict) -> None:
    mask = np.full((2, 2, 2), SOLDER, np.uint8)
    mask[0, 0, 0] = VOID
    found = measure_scan(mask, NO_PILLAR, (1, 1, 1), MeasureConfig(limit=limit), "a")
    assert (found.ratio, found.verdict) == (0.125, verdict)


@given(st.integers(1, 10**9), st.data())
def test_a_typed_limit_decides_as_exact_arithmetic_does(n: int, data: st.DataObject) -> None:
    void = data.draw(st.integers(0, n))
    text = f"0.{data.draw(st.integers(0, 9999)):04d}"
    verdict, _ = decide(void / n, MeasureConfig(limit=float(text)))
    assert (verdict is Verdict.FAIL) == (Fraction(void, n) > Fraction(text))


@pytest.mark.parametrize("percent", range(1, 100))
def test_exactly_the_limit_passes_for_every_percentage(percent: int) -> None:
    recipe = MeasureConfig(limit=float(f"{percent / 100:.2f}"))
    assert decide(3 * percent / 300, recipe)[0] is Verdict.PASS
    assert decide((3 * percent + 1) / 300, recipe)[0] is Verdict.FAIL


@pytest.mark.parametrize("rule", ["simple acceptance", "guard band"])
@pytest.mark.parametrize("spacing", ["0.1", "0.2", "0.3", "0.35", "0.65", "0.7"])
def test_a_length_of_whole_voxels_passes_at_a_limit_that_is_just_it(spacing: str, rule: str) -> None:
    for n in range(1, 200):
        limit, value = float(Fraction(spacing) * n), n * float(spacing)
        far = {"at_most": float(Fraction(spacing) * (n + 1)), "at_least": float(Fraction(spacing) * (n - 1))}
        for bound in ("at_most", "at_least"):
            found = judge(Criterion(measure="blt_um", **{bound: limit}), value, rule, uncertainty=0.0)
            assert found.verdict is Verdict.PASS
            assert "9999" not in found.reason and "0000" not in found.reason
        for bound, off in far.items():
            passes = judge(Criterion(measure="blt_um", **{bound: off}), value, rule, uncertainty=0.0)
            other = {"at_most": "at_least", "at_least": "at_most"}[bound]
            fails = judge(Criterion(measure="blt_um", **{other: off}), value, rule, uncertainty=0.0)
            assert (passes.verdict, fails.verdict) == (Verdict.PASS, Verdict.FAIL)


@pytest.mark.parametrize("tenths", range(1, 60))
def test_an_uncertainty_that_ends_at_the_limit_does_not_reach_over_it(tenths: int) -> None:
    value, u = float(Fraction(tenths, 10)) * 3, 0.3
    for bound, limit in (
        ("at_most", Fraction(3 * tenths + 3, 10)),
        ("at_least", Fraction(3 * tenths - 3, 10)),
    ):
        at = judge(
            Criterion(measure="blt_um", **{bound: float(limit)}), value, "simple acceptance", uncertainty=u
        )
        over = judge(
            Criterion(measure="blt_um", **{bound: float(limit)}), value, "simple acceptance", uncertainty=0.31
        )
        assert (at.verdict, over.verdict) == (Verdict.PASS, Verdict.PASS)
        assert "reaches over" not in at.reason and "reaches over" in over.reason


@pytest.mark.parametrize("spacing", ["0.1", "0.3", "0.35", "0.65", "0.7"])
@pytest.mark.parametrize("n", [8, 10, 27, 64, 100, 120])
def test_a_void_of_just_the_least_volume_counts(spacing: str, n: int) -> None:
    mask, least = np.full((12, 12, 12), SOLDER, np.uint8), float(Fraction(spacing) ** 3 * n)
    inside = mask[2:7, 2:7, 2:7]
    inside[np.unravel_index(np.arange(n), inside.shape)] = VOID
    found = measure_scan(mask, NO_PILLAR, (float(spacing),) * 3, MeasureConfig(min_um3=least), "a")
    assert (len(found.voids), len(found.small_voids)) == (1, 0)


@pytest.mark.parametrize("formula", list(RATIOS.values()))
def test_the_recipe_chooses_which_ratio_decides(formula: str) -> None:
    mask = block()
    mask[5, 5, 5], mask[8], mask[2] = VOID, PAD, PILLAR
    found = measure_scan(mask, HBM, (1, 1, 1), MeasureConfig(ratio=formula, limit=0.0, band_voxels=9), "a")
    assert found.ratio == found.ratios[formula]
    assert found.reason.startswith(f"{formula} = ")
    assert found.verdict is Verdict.FAIL


def test_two_recipes_can_decide_one_mask_differently() -> None:
    mask = block()
    mask[5:7, 5:7, 5:7], mask[:3] = VOID, PILLAR
    verdicts = {
        formula: measure_scan(
            mask, NO_PILLAR, (1, 1, 1), MeasureConfig(ratio=formula, limit=0.015), "a"
        ).verdict
        for formula in VOLUMES
    }
    assert verdicts["void/foreground"] is Verdict.PASS
    assert verdicts["void/solder"] is Verdict.FAIL


def test_an_undefined_ratio_is_for_review_with_its_reason() -> None:
    verdict, reason = decide(None, MeasureConfig(), "no voxel is foreground")
    assert verdict is Verdict.REVIEW
    assert reason == "void/foreground is undefined: no voxel is foreground"


@pytest.mark.parametrize(
    ("ratio", "reason"),
    [
        (0.03125, "void/foreground = 3.125 % is within the limit 5 %"),
        (0.05, "void/foreground = 5 % is within the limit 5 %"),
        (0.0500001, "void/foreground = 5.00001 % is above the limit 5 %"),
        (0.0, "void/foreground = 0 % is within the limit 5 %"),
    ],
)
def test_the_reason_never_prints_a_ratio_above_its_limit_as_equal_to_it(ratio: float, reason: str) -> None:
    assert decide(ratio, MeasureConfig())[1] == reason


def test_impossible_limits_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"measure\.limit"):
        Config().with_changes(["measure.limit=1.5"])


@pytest.mark.parametrize(
    ("value", "uncertainty", "said"),
    [
        (0.04, 0.02, "is within the limit 5 %, but its uncertainty of ± 2 pp reaches over it"),
        (0.06, 0.02, "is above the limit 5 %, but its uncertainty of ± 2 pp reaches over it"),
        (0.04, 0.005, "is within the limit 5 %"),
        (0.05, 0.0, "is within the limit 5 %"),
        (0.04, None, "is within the limit 5 %"),
    ],
)
def test_simple_acceptance_tells_where_it_might_as_well_be_otherwise(
    value: float, uncertainty: float | None, said: str
) -> None:
    criterion = Criterion(measure="void/foreground", at_most=0.05)
    found = judge(criterion, value, "simple acceptance", uncertainty=uncertainty)
    assert found.reason.endswith(said)
    assert found.verdict is (Verdict.FAIL if value > 0.05 else Verdict.PASS)


def test_a_limit_of_all_is_refused_where_nothing_else_decides() -> None:
    with pytest.raises(ValueError, match=r"a limit of 1 is 100 %.* for 1 % write 0.01"):
        MeasureConfig(limit=1)
    beside = (Criterion(measure="void_count", at_most=3),)
    assert MeasureConfig(limit=1, criteria=beside).limit == 1
    with pytest.raises(ValueError, match="beside further criteria that must all pass"):
        MeasureConfig(limit=1, criteria=beside, pass_when="any criterion passes")


@pytest.mark.parametrize(
    ("said", "nothing"),
    [
        ({"measure": "projected area", "at_most": 1.0}, True),
        ({"measure": "largest_void_share", "at_most": 1.0, "at_least": 0.0}, True),
        ({"measure": "void_count", "at_least": 0.0}, True),
        ({"measure": "blt_um", "at_least": 0.0}, True),
        ({"measure": "void_count", "at_most": 1.0}, False),
        ({"measure": "blt_um", "at_least": 0.0, "at_most": 30.0}, False),
        ({"measure": "solder_protrusion_um", "at_least": 0.0}, True),
        ({"measure": "worst slice", "at_most": 0.99}, False),
        ({"measure": "void/solder", "at_most": 1.0}, False),
        ({"measure": "pad_misalignment_share", "at_most": 1.0}, False),
    ],
)
def test_where_one_criterion_is_enough_each_can_fail(said: dict[str, object], nothing: bool) -> None:
    criteria = (Criterion(**said),)
    assert MeasureConfig(criteria=criteria).criteria == criteria  # among others it does no harm
    if nothing:
        with pytest.raises(ValueError, match=f"every scan keeps the limit on {said['measure']}"):
            MeasureConfig(criteria=criteria, pass_when="any criterion passes")
    else:
        assert MeasureConfig(criteria=criteria, pass_when="any criterion passes")
