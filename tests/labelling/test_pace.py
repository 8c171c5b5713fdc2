"""Working time by the times of labels: pauses, waiting for a model, and several people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from voidscope.labelling import PAUSE_S, labelling_seconds

START = datetime(2026, 3, 2, 9, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_each_label_took_the_time_since_the_one_before() -> None:
    assert labelling_seconds([("ann", at(s)) for s in (0, 60, 200)]) == (0, 60, 140)


def test_a_pause_is_no_work_but_just_less_than_one_is() -> None:
    times = [("ann", at(s)) for s in (0, PAUSE_S, 2 * PAUSE_S + 1, 2 * PAUSE_S + 31)]
    assert labelling_seconds(times) == (0, PAUSE_S, 0, 30)


def test_waiting_for_a_model_is_no_work() -> None:
    assert labelling_seconds([("ann", at(0)), ("ann", at(500))], [at(420)]) == (0, 80)
    assert labelling_seconds([("ann", at(0)), ("ann", at(5000))], [at(4970)]) == (0, 30)
    assert labelling_seconds([("ann", at(0)), ("ann", at(500))], [at(-10), at(510)]) == (0, 500)


def test_people_who_label_side_by_side_each_work() -> None:
    times = [("ann", at(0)), ("bo", at(10)), ("ann", at(100)), ("bo", at(70))]
    assert labelling_seconds(times) == (0, 0, 100, 60)


@given(st.lists(st.integers(0, 5000), max_size=12))
def test_time_is_at_most_what_passed_and_the_order_does_not_matter(seconds: list[int]) -> None:
    times = [("ann", at(s)) for s in seconds]
    found = labelling_seconds(times)
    assert all(0 <= s <= PAUSE_S for s in found)
    assert sum(found) <= (max(seconds) - min(seconds) if seconds else 0)
    assert sum(labelling_seconds(times[::-1])) == sum(found)
