"""Gauge R&R against AIAG's worked example, explicit sums, and what must not change it."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import example as tried
from hypothesis import given, settings
from hypothesis import strategies as st

from voidscope.errors import LabelError
from voidscope.metrology import GaugeStudy, Reading, gauge_study, study_in_words, verdict_agreement

AIAG = {
    "A": """0.29 -0.56 1.34 0.47 -0.80 0.02 0.59 -0.31 2.26 -1.36
            0.41 -0.68 1.17 0.50 -0.92 -0.11 0.75 -0.20 1.99 -1.25
            0.64 -0.58 1.27 0.64 -0.84 -0.21 0.66 -0.17 2.01 -1.31""",
    "B": """0.08 -0.47 1.19 0.01 -0.56 -0.20 0.47 -0.63 1.80 -1.68
            0.25 -1.22 0.94 1.03 -1.20 0.22 0.55 0.08 2.12 -1.62
            0.07 -0.68 1.34 0.20 -1.28 0.06 0.83 -0.34 2.19 -1.50""",
    "C": """0.04 -1.38 0.88 0.14 -1.46 -0.29 0.02 -0.46 1.77 -1.49
            -0.11 -1.13 1.09 0.20 -1.07 -0.67 0.01 -0.56 1.45 -1.77
            -0.15 -0.96 0.67 0.11 -1.45 -0.49 0.21 -0.49 1.87 -2.16""",
}
"""Ten parts, three appraisers, three trials (AIAG, Measurement Systems Analysis, 4th edition, chapter III)."""


def example() -> list[Reading]:
    return [
        Reading(str(part), operator, float(value))
        for operator, trials in AIAG.items()
        for line in trials.splitlines()
        for part, value in enumerate(line.split())
    ]


def readings(cells: np.ndarray) -> list[Reading]:
    """Readings of values (parts, operators, repeats)."""
    return [Reading(f"p{i}", f"o{j}", float(v)) for (i, j, _), v in np.ndenumerate(cells)]


def random_study(seed: int, shape: tuple[int, int, int] = (6, 3, 2), interaction: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    p, o, _ = shape
    cells = rng.normal(0, 2, (p, 1, 1)) + rng.normal(0, 0.7, (1, o, 1)) + rng.normal(0, 0.4, shape)
    return cells + rng.normal(0, interaction, (p, o, 1))


def numbers(study: GaugeStudy) -> list[float]:
    return [study.repeatability, study.operator, study.interaction, study.grr, study.part, study.total]


def slow_twin(cells: np.ndarray, pooled: bool) -> list[float]:
    """Sums of squares by loops over every value."""
    p, o, r = cells.shape
    every = list(product(range(p), range(o), range(r)))
    mean = sum(cells[k] for k in every) / len(every)
    part = [sum(cells[i, j, k] for j in range(o) for k in range(r)) / (o * r) for i in range(p)]
    operator = [sum(cells[i, j, k] for i in range(p) for k in range(r)) / (p * r) for j in range(o)]
    cell = {(i, j): sum(cells[i, j, k] for k in range(r)) / r for i in range(p) for j in range(o)}
    ss_p = sum((part[i] - mean) ** 2 for i, _, _ in every)
    ss_o = sum((operator[j] - mean) ** 2 for _, j, _ in every)
    ss_e = sum((cells[i, j, k] - cell[i, j]) ** 2 for i, j, k in every)
    ss_po = sum((cells[k] - mean) ** 2 for k in every) - ss_p - ss_o - ss_e
    df_po, df_e = (p - 1) * (o - 1), p * o * (r - 1)
    ms_e = (ss_e + ss_po) / (df_e + df_po) if pooled else ss_e / df_e
    ms_po = ms_e if pooled else ss_po / df_po
    parts = [ms_e, (ss_o / (o - 1) - ms_po) / (p * r), (ms_po - ms_e) / r, (ss_p / (p - 1) - ms_po) / (o * r)]
    ev, av, both, pv = (max(0.0, v) for v in parts)
    return [v**0.5 for v in (ev, av, both, ev + av + both, pv, ev + av + both + pv)]


def test_the_worked_example_of_aiag() -> None:
    found = gauge_study(example(), tolerance=4.0)
    assert (found.parts, found.operators, found.repeats, found.pooled) == (10, 3, 3, True)
    assert found.repeatability == pytest.approx(0.199933, abs=1e-6)
    assert found.operator == pytest.approx(0.226838, abs=1e-6)
    assert found.grr == pytest.approx(0.302373, abs=2e-6)
    assert found.part == pytest.approx(1.042327, abs=1e-6)
    assert found.grr_of_total == pytest.approx(0.279, abs=5e-4)
    assert found.ndc == 4
    assert found.grr_of_tolerance == pytest.approx(6 * 0.302373 / 4, abs=1e-5)
    assert found.opinion == "conditional, and fewer than 5 distinct categories"
    assert found.interaction_p == pytest.approx(0.974, abs=2e-3)


@pytest.mark.parametrize("interaction", [0.0, 1.5])
@pytest.mark.parametrize("seed", range(4))
def test_it_equals_sums_over_every_value(seed: int, interaction: float) -> None:
    cells = random_study(seed, interaction=interaction)
    found = gauge_study(readings(cells))
    assert numbers(found) == pytest.approx(slow_twin(cells, found.pooled), abs=1e-9)
    assert interaction == 0 or not found.pooled


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(-100, 100), st.floats(0.01, 100))
def test_order_names_and_zero_do_not_matter_and_the_unit_scales(
    seed: int, shift: float, scale: float
) -> None:
    cells = random_study(seed, (4, 3, 2))
    plain = gauge_study(readings(cells), tolerance=3.0)
    turned = cells[::-1, ::-1] * scale + shift
    other = gauge_study(readings(turned), tolerance=3.0 * scale)
    assert numbers(other) == pytest.approx([scale * v for v in numbers(plain)], rel=1e-6, abs=1e-6 * scale)
    assert other.grr_of_tolerance == pytest.approx(plain.grr_of_tolerance, rel=1e-6)


def test_known_components_are_found_again() -> None:
    found = gauge_study(readings(random_study(1, (400, 40, 3), interaction=0.5)))
    for name, truth in (("repeatability", 0.4), ("operator", 0.7), ("interaction", 0.5), ("part", 2.0)):
        assert getattr(found, name) == pytest.approx(truth, rel=0.25), name


def test_equal_values_give_no_share_and_no_categories() -> None:
    found = gauge_study(readings(np.ones((3, 2, 2))))
    assert (found.grr, found.grr_of_total, found.ndc) == (0, None, None)
    assert "undefined" in found.opinion
    exact = gauge_study(readings(np.arange(3.0)[:, None, None] + np.zeros((3, 2, 2))))
    assert (exact.grr_of_total, exact.ndc) == (0, None)
    assert exact.opinion.startswith("no grade: all readings of each part are identical")


@given(st.floats(-1e6, 1e6), st.tuples(*[st.integers(2, 6)] * 3))
@tried(0.1, (3, 3, 3))
def test_equal_values_are_equal_whatever_their_means_are_rounded_to(
    value: float, size: tuple[int, int, int]
) -> None:
    found = gauge_study(readings(np.full(size, value)))
    assert (found.total, found.grr_of_total, found.ndc, found.interaction_p) == (0, None, None, 1)
    assert study_in_words(found, None) == (
        "Gauge R&R is undefined: all values are equal, kappa of the verdicts undefined: only one verdict ever occurs."
    )


@given(
    st.lists(st.floats(0.01, 1), min_size=2, max_size=9, unique_by=lambda v: round(v, 3)), st.integers(2, 5)
)
@tried([0.1, 0.2, 0.3, 0.35, 0.4], 3)
def test_a_gauge_that_says_the_same_each_time_has_no_spread_of_its_own(values: list[float], n: int) -> None:
    found = gauge_study(readings(np.tile(np.array(values)[:, None, None], (1, n, n))))
    assert (found.grr, found.grr_of_total, found.ndc, found.interaction_p) == (0, 0, None, 1)
    assert found.total == pytest.approx(np.std(values, ddof=1))
    biased = gauge_study(readings(np.array(values)[:, None, None] + np.arange(n)[:, None] / 7 + np.zeros(n)))
    assert (biased.repeatability, biased.interaction, biased.interaction_p) == (0, 0, 1)


def test_a_spread_far_below_the_values_counts_as_long_as_it_is_no_rounding() -> None:
    cells = np.round(random_study(3) * 1e-9, 12)
    found = gauge_study(readings(0.1 + cells))
    assert numbers(found) == pytest.approx(slow_twin(cells, found.pooled), rel=1e-4)


def test_a_study_is_told_in_one_sentence() -> None:
    assert study_in_words(gauge_study(example()), 0.875) == (
        "Gauge R&R is 27.9 % of the total (conditional, and fewer than 5 distinct categories), distinct categories (ndc) 4, "
        "kappa of the verdicts 0.88."
    )
    equal = gauge_study(readings(np.ones((3, 2, 2))))
    assert study_in_words(equal, None, rated=False) == "Gauge R&R is undefined: all values are equal."
    exact = gauge_study(readings(np.arange(3.0)[:, None, None] + np.zeros((3, 2, 2))))
    told = study_in_words(exact, None, rated=False)
    assert told.startswith(
        "Gauge R&R is 0.0 % of the total (no grade: all readings of each part are identical"
    )
    assert told.endswith(
        "; an indication, of 3 x 2 x 2 parts x operators x repeats, fewer than AIAG's 10 x 3 x 2), distinct categories (ndc) undefined."
    )


def test_parts_that_are_not_told_apart_are_of_no_category() -> None:
    found = gauge_study(readings(np.tile(np.arange(2.0), (10, 3, 1))))
    assert (found.part, found.grr_of_total, found.ndc) == (0, 1, 0)
    assert "distinct categories (ndc) 0," in study_in_words(found, None)


@pytest.mark.parametrize("seed", range(3))
def test_a_study_that_has_no_grade_is_not_rejected_in_the_same_sentence(seed: int) -> None:
    noise = np.random.default_rng(seed).normal(size=(3, 2, 2))
    found = gauge_study(readings(noise))
    assert found.grr_of_total is not None and found.grr_of_total > 0.3
    assert found.opinion.startswith("no grade: an indication, of 3 x 2 x 2") and "reject" not in found.opinion


@pytest.mark.parametrize(
    ("size", "small"), [((10, 3, 2), False), ((9, 3, 2), True), ((10, 2, 3), True), ((12, 4, 3), False)]
)
def test_a_study_smaller_than_aiag_s_is_no_grade(size: tuple[int, int, int], small: bool) -> None:
    found = gauge_study(readings(random_study(2, size)))
    words = f"no grade: an indication, of {' x '.join(map(str, size))} parts x operators x repeats, fewer than AIAG's 10 x 3 x 2"
    assert (found.opinion == words) is small
    assert ("AIAG" in study_in_words(found, None)) is small


def test_verdicts_are_one_however_they_are_spelled_and_another_word_is_refused() -> None:
    said = ["pass", "PASS", "Pass ", "PASS", "FAIL", "fail", "FAIL", "PASS"]
    rows = [Reading("ab"[k // 4], "xy"[k // 2 % 2], float(k), v) for k, v in enumerate(said)]
    assert verdict_agreement(rows) == pytest.approx(
        slow_kappa([[v.strip().upper() for v in said[:4]], [v.upper() for v in said[4:]]])
    )
    assert Reading("a", "x", 1.0, "  ").verdict == ""
    with pytest.raises(
        LabelError, match=r"Part a by x has the verdict 'ok'; give PASS, FAIL, REVIEW, or none"
    ):
        Reading("a", "x", 1.0, "ok")


@pytest.mark.parametrize(
    ("spoilt", "said"),
    [
        (lambda r: r[:-1], "was measured 1 time.* by o1"),
        (lambda r: [m for m in r if m.operator == "o0"], "1 operator"),
        (lambda r: [m for m in r if m.part == "p0"], "1 part"),
        (lambda r: [*r[:-1], Reading("p2", "o1", float("nan"))], "p2 by o1 has the value nan"),
        (lambda r: r[::2], "two at least"),
        (lambda r: [], "0 part"),
    ],
)
def test_a_study_that_is_not_crossed_is_refused_by_its_cell(spoilt: object, said: str) -> None:
    with pytest.raises(LabelError, match=said):
        gauge_study(spoilt(readings(random_study(0, (3, 2, 2)))))  # type: ignore[operator]
    with pytest.raises(LabelError, match="tolerance is -1"):
        gauge_study(readings(random_study(0)), tolerance=-1)


def slow_kappa(rows: list[list[str]]) -> float:
    """Pairs of ratings counted one by one; chance by every pair of ratings with replacement."""
    agree = np.mean([[a == b for a, b in combinations(row, 2)] for row in rows])
    every = [v for row in rows for v in row]
    chance = np.mean([[a == b for b in every] for a in every])
    return float((agree - chance) / (1 - chance))


@pytest.mark.parametrize("seed", range(3))
def test_kappa_counts_pairs(seed: int) -> None:
    drawn = np.random.default_rng(seed).choice(["PASS", "FAIL", "REVIEW"], (7, 4), p=[0.6, 0.3, 0.1]).tolist()
    rows = [Reading(f"p{i}", f"o{j}", 0.0, v) for i, row in enumerate(drawn) for j, v in enumerate(row)]
    assert verdict_agreement(rows) == pytest.approx(slow_kappa(drawn))


def test_kappa_of_full_agreement_is_one_and_of_none_or_one_verdict_undefined() -> None:
    same = [Reading(f"p{i}", f"o{j}", 0.0, "PASS" if i else "FAIL") for i in range(3) for j in range(2)]
    assert verdict_agreement(same) == 1
    assert verdict_agreement([Reading(m.part, m.operator, 0.0, "PASS") for m in same]) is None
    assert verdict_agreement([Reading("p", "o", 0.0)]) is None
    with pytest.raises(LabelError, match="Part p2 has 1 verdict"):
        verdict_agreement(same[:-1])
