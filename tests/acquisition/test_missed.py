"""Voids just below the threshold: components of suspects that touch no void the model sees."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voidscope.acquisition import Finding, Suspects, missed_voids
from voidscope.acquisition.missed import MISSED_FROM, MOST_PER_SLICE
from voidscope.vocabulary import SliceKey

SOLDER, VOID = 3, 4


def found_in(chance: np.ndarray, mask: np.ndarray, votes: np.ndarray | None = None) -> tuple[Finding, ...]:
    """Missed voids of a volume of probabilities (n, h, w), slice by slice in a shuffled order."""
    votes = np.zeros(mask.shape, np.uint8) if votes is None else votes
    order = np.random.default_rng(0).permutation(len(mask))
    suspects = [(int(i), Suspects.of(mask[i], chance[i], votes[i], (VOID,))) for i in order]
    return missed_voids("s", suspects, mask, (VOID,))


def slow(chance: np.ndarray, mask: np.ndarray) -> list[tuple[int, float]]:
    """Sizes and greatest probabilities of the same components, by flooding voxel after voxel."""
    left = {tuple(p) for p in np.argwhere((chance >= MISSED_FROM) & (mask != VOID))}
    void = {tuple(p) for p in np.argwhere(mask == VOID)}
    found = []
    while left:
        flood, seen = [left.pop()], []
        while flood:
            at = flood.pop()
            seen.append(at)
            near = {tuple(np.add(at, s)) for s in product((-1, 0, 1), repeat=3)}
            flood += near & left
            left -= near
        touches = any(tuple(np.add(p, s)) in void for p in seen for s in product((-1, 0, 1), repeat=3))
        if not touches:
            found.append((len(seen), max(float(np.float32(chance[p])) for p in seen)))
    return sorted(found)


@pytest.mark.parametrize("seed", range(4))
def test_they_are_what_flooding_finds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    chance = np.where(rng.random((5, 9, 7)) < 0.12, rng.uniform(0.2, 0.6, (5, 9, 7)), 0.0)
    mask = np.where(rng.random(chance.shape) < 0.01, VOID, SOLDER).astype(np.uint8)
    assert sorted((f.n_pixels, f.strength) for f in found_in(chance, mask)) == slow(chance, mask)


def test_one_void_over_two_slices_is_one_finding_at_its_likeliest_voxel() -> None:
    chance, mask = np.zeros((4, 10, 12)), np.full((4, 10, 12), SOLDER, np.uint8)
    chance[1, 3:5, 4:7], chance[2, 5, 7], chance[2, 9, 0] = 0.3, 0.45, 0.25
    big, small = found_in(chance, mask)
    assert (big.key, big.pixel, big.n_pixels, big.class_id) == (SliceKey("s", 2), (5, 7), 7, SOLDER)
    assert big.strength == pytest.approx(0.45)
    assert big.slices() == (SliceKey("s", 1), SliceKey("s", 2))
    assert (big.within(1, (10, 12)) == (chance[1] > 0)).all()
    assert big.runs == ((1, 3, 4, 7), (1, 4, 4, 7), (2, 5, 7, 8))
    assert small.n_pixels == 1
    assert Finding.from_entry(big.entry()) == big


def test_the_blurred_edge_of_a_void_the_model_sees_is_no_other_void() -> None:
    chance, mask = np.zeros((3, 8, 8)), np.full((3, 8, 8), SOLDER, np.uint8)
    mask[1, 4, 4], chance[0, 3:6, 3:6] = VOID, 0.4
    assert found_in(chance, mask) == ()


def test_one_mirror_image_is_enough_however_small_the_probability() -> None:
    votes, mask = np.zeros((1, 6, 6), np.uint8), np.full((1, 6, 6), SOLDER, np.uint8)
    votes[0, 2, 3] = 1
    (found,) = found_in(np.full(mask.shape, 0.05), mask, votes)
    assert (found.votes, found.pixel) == (1, (2, 3))
    assert found.strength == pytest.approx(0.05)


@given(st.integers(0, 2**31), st.floats(0, 1))
def test_nothing_is_missed_where_all_is_called_void(seed: int, chance: float) -> None:
    mask = np.full((2, 5, 5), VOID, np.uint8)
    assert found_in(np.full(mask.shape, chance), mask) == ()


def test_of_a_slice_that_is_all_suspicion_the_likeliest_pixels_are_kept() -> None:
    chance = np.random.default_rng(1).uniform(0.3, 0.9, (100, 100))
    kept = Suspects.of(
        np.full(chance.shape, SOLDER, np.uint8), chance, np.zeros(chance.shape, np.uint8), (VOID,)
    )
    assert len(kept.pixels) == MOST_PER_SLICE
    assert kept.probability.min() >= np.sort(chance, axis=None)[-MOST_PER_SLICE].astype(np.float32)
    assert (np.diff(kept.pixels @ (100, 1)) > 0).all()
