"""Criteria: each decided by itself, joined as the recipe says, undefined ones never taken for 0."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from metrology.masks import BACKGROUND, HBM, VOID
from metrology.test_areas import joint
from metrology.test_dimensions import bump
from voidscope.config import Criterion, MeasureConfig
from voidscope.metrology import QUANTITIES, RATIOS, Outcome, ScanMeasurement, Verdict, measure_scan
from voidscope.metrology.verdict import joined, judge
from voidscope.vocabulary import ClassMap

PASS, FAIL, REVIEW = Verdict.PASS, Verdict.FAIL, Verdict.REVIEW
ALL, ANY = "all criteria pass", "any criterion passes"


def outcome(verdict: Verdict) -> Outcome:
    return Outcome("blt_um", 1.0, None, 2.0, None, verdict, verdict.value.lower())


def measured(
    mask: np.ndarray, *criteria: Criterion, classes: ClassMap = HBM, **recipe: object
) -> ScanMeasurement:
    return measure_scan(mask, classes, (0.5, 0.7, 0.7), MeasureConfig(criteria=criteria, **recipe), "a")


@pytest.mark.parametrize("verdicts", list(product(Verdict, repeat=3)))
def test_verdicts_are_joined_as_three_valued_and_and_or(verdicts: tuple[Verdict, ...]) -> None:
    rank = {FAIL: 0, REVIEW: 1, PASS: 2}  # Kleene's logic: and is the least, or the greatest
    outcomes = [outcome(v) for v in verdicts]
    assert joined(outcomes, ALL)[0] is min(verdicts, key=rank.__getitem__)
    assert joined(outcomes, ANY)[0] is max(verdicts, key=rank.__getitem__)


def test_the_sentence_names_those_that_decided() -> None:
    verdict, reason = joined([outcome(PASS), outcome(FAIL), outcome(REVIEW)], ALL)
    assert (verdict, reason) == (FAIL, "fail (1 of 3 criteria pass, all must)")
    assert joined([outcome(PASS), outcome(FAIL)], ANY) == (PASS, "pass (1 of 2 criteria pass, one must)")
    assert joined([outcome(PASS)], ALL) == (PASS, "pass")


@pytest.mark.parametrize(
    ("value", "verdict", "said"),
    [
        (29.9, FAIL, "blt_um = 29.9 um is below the least 30 um"),
        (30, PASS, "blt_um = 30 um is within the limits 30 um and 40 um"),
        (40, PASS, "blt_um = 40 um is within the limits 30 um and 40 um"),
        (40.00001, FAIL, "blt_um = 40.00001 um is above the limit 40 um"),
        (None, REVIEW, "blt_um is undefined: no solder"),
    ],
)
def test_a_length_has_a_least_and_a_most(value: float | None, verdict: Verdict, said: str) -> None:
    found = judge(
        Criterion(measure="blt_um", at_least=30, at_most=40), value, "simple acceptance", "no solder"
    )
    assert (found.verdict, found.reason) == (verdict, said)


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        (29, FAIL),
        (29.6, REVIEW),
        (30.4, REVIEW),
        (30.5, PASS),
        (39.5, PASS),
        (39.6, REVIEW),
        (40.5, REVIEW),
        (41, FAIL),
    ],
)
def test_the_guard_band_takes_the_uncertainty_that_the_criterion_states(
    value: float, verdict: Verdict
) -> None:
    criterion = Criterion(measure="blt_um", at_least=30, at_most=40, uncertainty=0.5)
    assert judge(criterion, value, "guard band").verdict is verdict


def test_a_guard_band_without_an_uncertainty_decides_nothing() -> None:
    found = judge(Criterion(measure="blt_um", at_most=40), 10.0, "guard band")
    assert found.verdict is REVIEW
    assert "no known uncertainty" in found.reason


def test_every_quantity_of_a_bump_is_what_its_parts_say() -> None:
    mask = bump(bulge=2.0)
    mask[27:31, 28:32, 30:34] = VOID
    found = measured(mask, build_axis="z")
    size, values = found.dimensions, found.quantities
    assert set(values) == set(QUANTITIES)
    assert values["blt_um"] == size.blt_um == pytest.approx(18)
    assert values["void_count"] == 1
    assert values["largest_void_diameter_um"] == found.voids[0].diameter_um
    assert values["solder_protrusion_um"] == size.largest_extrusion_um == pytest.approx(1.4)
    assert values["solder_protrusion_share"] == pytest.approx(1.4 / size.pillar_width_um)
    assert values["pad_misalignment_share"] == pytest.approx(size.pad_misalignment_um / size.pillar_width_um)
    assert (values["solder_underfill_um"], values["solder_underfill_share"]) == (0, 0)


def test_underfill_is_no_protrusion() -> None:
    found = measured(bump(bulge=-3.0), Criterion(measure="solder_protrusion_share", at_most=0.01))
    assert found.verdict is PASS
    assert found.quantities["solder_protrusion_um"] == 0
    assert found.quantities["solder_underfill_um"] == pytest.approx(2.1)
    lacking = measured(bump(bulge=-3.0), Criterion(measure="solder_underfill_um", at_most=2.0))
    assert lacking.verdict is FAIL
    assert lacking.reason == (
        "solder_underfill_um = 2.1 um is above the limit 2 um (1 of 2 criteria pass, all must)"
    )


def test_each_criterion_tells_its_value_limit_outcome_and_source() -> None:
    found = measured(
        joint(), Criterion(measure="void_count", at_most=0, source="spec 1"), Criterion(measure="projected area", at_most=0.2)
    )  # fmt: skip
    first, second, third = found.outcomes
    assert (first.measure, first.at_most, first.verdict) == ("void/foreground", 0.05, PASS)
    assert (second.value, second.at_most, second.verdict, second.source) == (1, 0, FAIL, "spec 1")
    assert (third.value, third.verdict) == (24 / 256, PASS)
    assert found.verdict is FAIL
    assert measured(joint(), *found.recipe.criteria, pass_when=ANY).verdict is PASS


def test_an_undefined_criterion_is_for_review_with_its_reason() -> None:
    logic = bump(pad=None)
    found = measured(logic, Criterion(measure="pad_misalignment_um", at_most=3))
    assert (found.verdict, found.outcomes[1].value) == (REVIEW, None)
    assert "pad_misalignment_um is undefined: no voxel is copper_pad" in found.reason
    logic[34:36, 28:32, 32:36] = HBM.id_of("copper_pad")
    few = measured(logic, Criterion(measure="pad_misalignment_um", at_most=3))
    assert "undefined: copper_pad covers less than 25% of the pillar's columns" in few.reason
    plain = ClassMap.from_names(["background", "solder", "void"])
    bare = measured(np.full((4, 4, 4), 2, np.uint8), Criterion(measure="blt_um", at_most=3), classes=plain)
    assert "there is no class 'copper_pillar' among background" in bare.reason
    empty = measured(
        np.full((4, 4, 4), BACKGROUND, np.uint8), Criterion(measure="largest_void_share", at_most=0.1)
    )
    assert "largest_void_share is undefined: no voxel is foreground" in empty.reason
    assert None not in [o.reason for o in empty.outcomes]


def test_without_a_void_the_largest_is_nothing_and_passes() -> None:
    found = measured(joint(slice(0, 0)), Criterion(measure="largest_void_diameter_um", at_most=0), limit=0)
    assert (found.verdict, found.quantities["largest_void_share"]) == (PASS, 0)


def test_the_smallest_void_is_said_in_voxels_and_in_um3() -> None:
    mask = joint()
    mask[16, 16, 16] = VOID
    voxel = 0.5 * 0.7 * 0.7
    for recipe, counted in (
        ({"min_voxels": 1}, 2),
        ({"min_voxels": 2}, 1),
        ({"min_voxels": 1, "min_um3": 1.01 * voxel}, 1),
        ({"min_um3": 49 * voxel}, 0),
    ):
        found = measured(mask, **recipe)
        assert len(found.voids) == found.quantities["void_count"] == counted
        assert len(found.small_voids) == 2 - counted


@pytest.mark.parametrize(("connectivity", "n"), [(26, 1), (18, 2), (6, 3)])
def test_what_touching_means_is_the_recipes(connectivity: int, n: int) -> None:
    mask = joint(slice(0, 0))
    mask[12, 8, 8] = mask[12, 9, 9] = mask[13, 10, 10] = VOID
    assert len(measured(mask, connectivity=connectivity, min_voxels=1).voids) == n


def test_a_measurement_with_criteria_survives_its_json_and_an_older_one_opens() -> None:
    found = measured(joint(), Criterion(measure="blt_um", at_most=40, source="x"), pass_when=ANY)
    entry = found.entry()
    assert ScanMeasurement.from_entry(entry) == found
    for name in ("criteria", "pass_when", "quantities", *list(RATIOS)[4:]):
        del entry[name]
    old = ScanMeasurement.from_entry(entry | {"recipe": {"limit": 0.05}})
    assert old.outcomes == ()
    assert old.ratios["projected area"] is None


def test_of_two_uncertainties_the_larger_counts() -> None:
    criterion = Criterion(measure="void/foreground", at_most=0.05, uncertainty=0.0)
    assert judge(criterion, 0.045, "guard band", uncertainty=0.01).verdict is Verdict.REVIEW
    assert judge(criterion, 0.045, "guard band").verdict is Verdict.PASS
    wider = criterion.model_copy(update={"uncertainty": 0.02})
    assert judge(wider, 0.045, "guard band", uncertainty=0.001).uncertainty == 0.02


def test_a_ratio_of_areas_has_the_interval_that_a_person_gives_it_where_that_is_wider() -> None:
    settings = {"ratio": "projected area", "limit": 0.5, "rule": "guard band"}
    assert measured(joint(), **settings).verdict is Verdict.PASS
    known = measured(joint(), **settings, uncertainty=0.45)
    assert (known.verdict, known.uncertainty) == (Verdict.REVIEW, 0.45)
    assert known.interval is not None


@pytest.mark.parametrize("axis", ["z", "y", "x"])
def test_a_void_is_compared_with_the_disc_seen_along_the_recipe_s_axis(axis: str) -> None:
    mask, spacing = np.full((20, 20, 20), BACKGROUND, np.uint8), (4.0, 1.0, 0.5)
    mask[4:16, 4:16, 4:16] = HBM.id_of("solder")
    mask[8:12, 8:12, 8:12] = VOID
    found = measure_scan(mask, HBM, spacing, MeasureConfig(build_axis=axis), "a")
    a, b = (s for s, name in zip(spacing, "zyx", strict=True) if name != axis)
    disc = 2 * np.sqrt(12 * a * 12 * b / np.pi)
    assert found.quantities["largest_void_diameter_share"] == pytest.approx(found.voids[0].diameter_um / disc)


def test_the_voxel_size_widens_the_u_that_a_length_states_and_makes_none() -> None:
    def u(name: str, own: float | None, relative: float, **rest: object) -> tuple[float, float | None]:
        criterion = Criterion(measure=name, at_most=1 if "share" in name else 99, uncertainty=own)
        found = measured(bump(), criterion, spacing_uncertainty=relative, coverage=3, **rest)
        return found.outcomes[1].value, found.outcomes[1].uncertainty

    length, _ = u("blt_um", 0.3, 0)
    assert u("blt_um", 0.3, 0)[1] == 0.3
    assert u("blt_um", 0.3, 0.02)[1] == pytest.approx((0.3**2 + (3 * 0.02 * length) ** 2) ** 0.5)
    assert u("blt_um", None, 0.02)[1] is None
    assert u("solder_protrusion_share", 0.01, 0.02)[1] == 0.01  # a scale error leaves it as it is
    wide = Criterion(measure="blt_um", at_most=length + 0.5, uncertainty=0.3)
    for relative, verdict in ((0, PASS), (0.02, REVIEW)):
        found = measured(bump(), wide, spacing_uncertainty=relative, rule="guard band")
        assert found.outcomes[1].verdict is verdict


@pytest.mark.parametrize("fill", [BACKGROUND, 0, VOID])
@pytest.mark.parametrize(
    "measure", ["void_count", "largest_void_diameter_um", "largest_void_feret_um", "largest_void_share"]
)
def test_where_nothing_is_solid_no_limit_on_voids_is_kept(fill: int, measure: str) -> None:
    mask = np.full((12, 12, 12), BACKGROUND, np.uint8)
    mask[3:9, 3:9, 3:9] = fill
    found = measured(
        mask, Criterion(measure=measure, at_most=0.99 if measure.endswith("share") else 1e9), pass_when=ANY
    )
    assert found.outcomes[1].verdict is REVIEW and found.verdict is not PASS
    assert "no voxel is foreground" in found.outcomes[1].reason
