"""Plans of blind studies: balanced, shuffled, repeatable; and parts that differ."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrology.masks import HBM, masks
from voidscope.config import MeasureConfig
from voidscope.errors import ConfigError
from voidscope.metrology import Plan, choose_parts, judged_ratio
from voidscope.metrology.measurement import measure_clean
from voidscope.vocabulary import SliceKey

plans = st.builds(
    lambda p, o, r, seed: Plan(tuple(f"p{k}" for k in range(p)), tuple(f"o{k}" for k in range(o)), r, seed),
    st.integers(2, 12), st.integers(2, 4), st.integers(2, 5), st.integers(0, 99),
)  # fmt: skip


@given(plans)
def test_every_operator_reads_every_part_once_per_repeat_and_none_twice_in_a_row(plan: Plan) -> None:
    for operator in plan.operators:
        order = plan.order(operator)
        n = len(plan.parts)
        for k in range(plan.repeats):
            block = order[k * n : (k + 1) * n]
            assert {s.repeat for s in block} == {k + 1}
            assert Counter(s.part for s in block) == Counter(plan.parts)
        assert all(a.part != b.part for a, b in pairwise(order))
    asked = [s for operator in plan.operators for s in plan.order(operator)]
    assert sorted(asked) == sorted(plan.slots)
    assert len(set(plan.slots)) == len(plan.slots) == n * len(plan.operators) * plan.repeats


@given(plans)
def test_the_same_plan_gives_the_same_orders(plan: Plan) -> None:
    again = Plan(plan.parts, plan.operators, plan.repeats, plan.seed)
    assert [again.order(o) for o in plan.operators] == [plan.order(o) for o in plan.operators]


def test_seeds_operators_and_repeats_have_orders_of_their_own() -> None:
    parts = tuple(f"p{k:02d}" for k in range(12))
    plan, other = (Plan(parts, ("ann", "bo"), 3, seed) for seed in (0, 1))
    orders = [
        tuple(s.part for s in p.order(o)[k * 12 : (k + 1) * 12])
        for p in (plan, other) for o in p.operators for k in range(3)
    ]  # fmt: skip
    assert len(set(orders)) == len(orders)


def test_every_part_comes_at_every_place_about_as_often() -> None:
    parts = ("a", "b", "c", "d")
    first = Counter(Plan(parts, ("x", "y"), 2, seed).order("x")[4].part for seed in range(400))
    assert set(first) == set(parts)
    assert all(60 < n < 140 for n in first.values())  # 100 each; 5 standard deviations are 43


@pytest.mark.parametrize(
    ("parts", "operators", "repeats", "seed", "said"),
    [
        (("a",), ("x", "y"), 2, 0, "1 part"),
        (("a", "b"), (), 2, 0, "0 operator"),
        (("a", "b"), ("x", "y"), 1, 0, "1 repeat"),
        (("a", "b"), ("x", "x"), 2, 0, "'x', 'x'"),
        (("a", "b"), ("x", " "), 2, 0, "a name of its own"),
        (("a", "b"), ("x", "y"), 2, -1, "seed is -1"),
    ],
)
def test_what_is_no_study_is_refused(
    parts: tuple[str, ...], operators: tuple[str, ...], repeats: int, seed: int, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        Plan(parts, operators, repeats, seed)


def test_a_stranger_has_no_order() -> None:
    with pytest.raises(ConfigError, match="'cy' takes no part in the study; ann, bo do"):
        Plan(("a", "b"), ("ann", "bo"), 2).order("cy")


def ratios(values: list[float]) -> dict[SliceKey, float]:
    return {SliceKey("s", k): v for k, v in enumerate(values)}


@given(st.lists(st.floats(0, 1), min_size=2, max_size=40), st.integers(0, 9), st.data())
def test_parts_are_slices_once_each_with_smallest_and_largest_ratio(
    values: list[float], seed: int, data: st.DataObject
) -> None:
    n = data.draw(st.integers(2, len(values)))
    chosen = choose_parts(ratios(values), n, seed)
    assert len(set(chosen)) == n
    found = [ratios(values)[key] for key in chosen]
    assert (min(found), max(found)) == (min(values), max(values))
    assert chosen == choose_parts(ratios(values), n, seed)


@given(st.integers(0, 5), st.integers(4, 12))
def test_parts_come_from_all_scans_that_have_such_ratios(seed: int, n: int) -> None:
    values = {SliceKey(f"s{j}", k): k / 19 + 0.001 * j for j in range(4) for k in range(20)}
    chosen = choose_parts(values, n, seed)
    each = [sum(key.scan == f"s{j}" for key in chosen) for j in range(4)]
    assert max(each) - min(each) <= 1
    found, aims = sorted(values[key] for key in chosen), np.linspace(0, 1.003, n)
    assert np.abs(np.subtract(found, aims)).max() <= (aims[1] - aims[0]) / 2 + 1e-9


def test_a_ratio_that_one_scan_alone_has_is_taken_from_it() -> None:
    values = {SliceKey("a", k): k / 10 for k in range(11)} | {SliceKey("b", k): 0.0 for k in range(11)}
    assert {key.scan for key in choose_parts(values, 6, 0) if values[key] > 0.1} == {"a"}


def test_many_slices_without_void_do_not_crowd_out_the_others() -> None:
    values = [0.0] * 90 + [0.1, 0.2, 0.3, 0.4]
    found = sorted(ratios(values)[key] for key in choose_parts(ratios(values), 5, 0))
    assert found == pytest.approx(np.linspace(0, 0.4, 5))
    assert choose_parts(ratios(values), 5, 0) != choose_parts(ratios(values), 5, 3)


@pytest.mark.parametrize(
    ("n", "said"), [(1, "1 part"), (4, "3 slice.s. have a label or a prediction .* 4 parts")]
)
def test_too_few_slices_or_parts_are_refused(n: int, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        choose_parts(ratios([0.1, 0.2, 0.3]), n)


@pytest.mark.parametrize("rule", ["simple acceptance", "guard band"])
@pytest.mark.parametrize("ratio", ["void/foreground", "void/(solder+void)", "projected area"])
@settings(max_examples=25, deadline=None)
@given(masks)
def test_the_judged_ratio_is_the_first_outcome_of_measuring_the_mask(
    ratio: str, rule: str, mask: np.ndarray
) -> None:
    recipe = MeasureConfig(ratio=ratio, rule=rule, limit=0.2, edge_sigma=0.05)
    assert (
        judged_ratio(mask, HBM, recipe) == measure_clean(mask, HBM, (1.0, 1.0, 1.0), recipe, "a").outcomes[0]
    )
