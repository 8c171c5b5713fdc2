"""Difficulties are ranges: lots narrow them, scans stay within them, and hard sets differ more than plain ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, fields, is_dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voidscope.volume import simulate_scan
from voidscope.volume.phantom.acquisition import random_acquisition
from voidscope.volume.phantom.difficulty import CONDITIONS, LOT, Acquisitions, Difficulty, conditions
from voidscope.volume.phantom.geometry import BACKGROUND, PAD, PILLAR, SOLDER, VOID, random_shape
from voidscope.volume.phantom.scene import random_scene

HARDER = (Difficulty.ORDINARY, Difficulty.HARD)
FAULTS = ("fringe", "scatter", "missing_deg", "kernel_px", "drift")
seeds = st.integers(0, 10_000)


def ranges(of: object, name: str = "") -> Iterator[tuple[str, tuple[float, float]]]:
    """Every (low, high) with its dotted name."""
    for field in fields(of):  # type: ignore[arg-type]
        value = getattr(of, field.name)
        if is_dataclass(value):
            yield from ranges(value, f"{name}{field.name}.")
        elif isinstance(value, tuple):
            yield f"{name}{field.name}", value


@pytest.mark.parametrize("difficulty", Difficulty)
def test_every_range_is_in_order(difficulty: Difficulty) -> None:
    found = dict(ranges(conditions(difficulty)))
    assert len(found) > 20
    assert all(low <= high for low, high in found.values())


@given(seed=seeds, difficulty=st.sampled_from(HARDER))
def test_a_lot_keeps_half_of_every_range_and_nothing_beyond_it(seed: int, difficulty: Difficulty) -> None:
    whole = conditions(difficulty)
    lot = dict(ranges(whole.of_lot(np.random.default_rng(seed))))
    for name, (low, high) in ranges(whole):
        slack = 1e-9 * max(1, abs(high))
        assert low - slack <= lot[name][0] <= lot[name][1] <= high + slack
        assert lot[name][1] - lot[name][0] == pytest.approx(0.5 * (high - low))


def test_plain_sets_have_no_lots() -> None:
    plain = conditions("plain")
    assert plain.of_lot(np.random.default_rng(0)) is plain


def test_lots_differ() -> None:
    lots = [conditions("hard").of_lot(np.random.default_rng(s)) for s in range(8)]
    assert len({lot.acquisitions.blur_px for lot in lots}) == 8


@given(seed=seeds, difficulty=st.sampled_from(Difficulty))
def test_a_scans_settings_lie_in_their_ranges(seed: int, difficulty: Difficulty) -> None:
    r = conditions(difficulty).acquisitions
    how = random_acquisition(np.random.default_rng(seed), r)
    for name in ("blur_px", "ring", "hardening_left", "texture", "gain", "offset", "n_views", *FAULTS):
        low, high = getattr(r, name)
        assert low <= getattr(how, name) <= high, name
    assert r.log_photons[0] <= np.log(how.photons) <= r.log_photons[1] + 1e-9
    assert sum(how.spectrum) == pytest.approx(1)


@given(seed=seeds)
def test_new_faults_move_no_other_draw(seed: int) -> None:
    faulty = replace(Acquisitions(), fringe=(0, 1e-3), drift=(0, 0.2), kernel_px=(0, 1))
    one, other = (random_acquisition(np.random.default_rng(seed), r) for r in (None, faulty))
    assert {k: v for k, v in asdict(one).items() if k not in FAULTS} == {
        k: v for k, v in asdict(other).items() if k not in FAULTS
    }
    assert all(getattr(one, fault) == 0 for fault in FAULTS)
    assert other.drift > 0


def test_a_larger_hardness_is_a_harder_spectrum() -> None:
    soft, hard = (
        random_acquisition(np.random.default_rng(0), replace(Acquisitions(), hardness=(h, h))).spectrum
        for h in (-1, 1)
    )
    assert soft[0] > hard[0]
    assert soft[-1] < hard[-1]


def test_every_difficulty_has_its_ranges() -> None:
    assert set(CONDITIONS) == set(Difficulty)


@pytest.mark.parametrize("difficulty", HARDER)
def test_voids_are_as_rare_as_told(difficulty: Difficulty) -> None:
    """Under 0.5 % of the pixels, in 10-40 % of the slices, and none in about every third scan."""
    void = [labels_of(difficulty, n) == VOID for n in range(40)]
    pixels = sum(int(v.sum()) for v in void) / sum(v.size for v in void)
    slices = np.concatenate([v.any(axis=(0, 2)) for v in void])
    assert 2e-4 < pixels < 5e-3
    assert 0.1 < slices.mean() < 0.4
    assert 0.2 < np.mean([not v.any() for v in void]) < 0.5


def labels_of(difficulty: Difficulty, number: int) -> np.ndarray:
    """Labels alone, as the physics of a scan moves none of them."""
    drawn_from = conditions(difficulty).of_lot(np.random.default_rng([9, number // LOT, 1]))
    rng = np.random.default_rng([9, number])
    return random_scene("memory" if number % 3 else "logic", random_shape(rng), drawn_from, rng).labels


@pytest.mark.parametrize("difficulty", Difficulty)
@pytest.mark.parametrize(
    ("kind", "ids"),
    [
        ("logic", {BACKGROUND, PILLAR, SOLDER, VOID}),
        ("memory", {BACKGROUND, PILLAR, SOLDER, VOID, PAD}),
    ],
)
def test_every_class_is_there(difficulty: Difficulty, kind: str, ids: set[int]) -> None:
    found: set[int] = set()
    for number in range(3):
        made = simulate_scan(kind, 2, number, (48, 44, 46), void_level=1.5, difficulty=difficulty)  # type: ignore[arg-type]
        found |= set(np.unique(made.labels).tolist())
    assert found == ids


def test_hard_scans_differ_more_from_each_other_than_plain_ones() -> None:
    plain, ordinary, hard = (spread(d) for d in Difficulty)
    assert hard > 2 * plain
    assert hard > ordinary


def spread(difficulty: Difficulty) -> float:
    """Standard deviation, between scans of different lots, of copper's brightness on a scale from background to solder."""
    found = []
    for number in range(0, 10 * LOT, LOT):
        made = simulate_scan("logic", 0, number, (40, 36, 38), void_level=0, difficulty=difficulty)
        voxels = np.asarray(made.volume.voxels, float)
        background, copper, solder = (voxels[made.labels == k].mean() for k in (BACKGROUND, PILLAR, SOLDER))
        found.append((copper - background) / (solder - background))
    return float(np.std(found))


def test_scans_of_a_lot_resemble_each_other() -> None:
    def blurs(numbers: list[int]) -> list[float]:
        lots = [
            conditions("hard").of_lot(np.random.default_rng([0, 0, n // LOT, 1])).acquisitions
            for n in numbers
        ]
        return [
            random_acquisition(np.random.default_rng(n), r).blur_px
            for n, r in zip(numbers, lots, strict=True)
        ]

    within = np.mean([np.std(blurs(list(range(LOT * k, LOT * (k + 1))))) for k in range(30)])
    assert within < 0.8 * np.std(blurs(list(range(120))))
