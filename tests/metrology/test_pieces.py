"""Pieces of a mask, cut out one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import generate_binary_structure, label

from metrology.masks import SOLDER, VOID, masks
from voidscope.metrology.pieces import Pieces


@settings(max_examples=150, deadline=None)
@given(masks, st.sampled_from([(6, 1), (26, 3)]), st.sampled_from([1, 20, 10**6]))
def test_every_piece_is_cut_out_once(mask: np.ndarray, near: tuple[int, int], slab_voxels: int) -> None:
    there = np.isin(mask, [VOID, SOLDER])
    numbered, n = label(there, generate_binary_structure(3, near[1]))
    pieces = Pieces.of(mask, [VOID, SOLDER], slab_voxels, near[0])
    cut = [np.zeros(mask.shape, bool) for _ in range(len(pieces))]
    for k, one in enumerate(cut):
        one[pieces.box(k)] = pieces.own(k)
    assert sorted(c.tobytes() for c in cut) == sorted((numbered == k).tobytes() for k in range(1, n + 1))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_strands_of_a_double_helix_are_two_pieces(axis: int) -> None:
    """As many voxels each, in one box, about one centre."""
    mask = np.full((32, 33, 33), SOLDER, np.uint8)
    z, y, x = np.indices(mask.shape)
    for turn in (0, np.pi):
        angle = 2 * np.pi * z / 16 + turn
        mask[np.hypot(y - 16 - 10 * np.sin(angle), x - 16 - 10 * np.cos(angle)) < 3.2] = VOID
    mask = np.moveaxis(mask, 0, axis)
    pieces = Pieces.of(mask, [VOID])
    assert len(pieces) == 2 and pieces.box(0) == pieces.box(1)
    first, second = pieces.own(0), pieces.own(1)
    assert not (first & second).any() and ((first | second) == (mask[pieces.box(0)] == VOID)).all()
