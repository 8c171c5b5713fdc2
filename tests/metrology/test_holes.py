"""Background that can only be void: closed in, or reaching the outside through a narrow channel alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import binary_erosion, gaussian_filter, label

from metrology.masks import BACKGROUND, HBM, SOLDER, VOID
from voidscope.config import Criterion, MeasureConfig
from voidscope.metrology import Verdict, measure_scan
from voidscope.metrology.holes import WIDTHS, holes_of
from voidscope.metrology.uncertainty import void_faces


def cavity(shift: int, wide: tuple[int, int], axis: int = 2, radius: float = 6.0) -> tuple[np.ndarray, int]:
    """A block of solder, a ball of background in it, and a channel so wide from it to one side; the ball's voxels."""
    mask = np.full((34, 33, 36), BACKGROUND, np.uint8)
    mask[3:-3, 3:-3, 3:-3] = SOLDER
    z, y, x = np.indices(mask.shape)
    ball = (z - 16 - shift) ** 2 + (y - 16) ** 2 + (x - 16) ** 2 <= radius**2
    mask[ball] = BACKGROUND
    channel: list[slice] = [slice(16 + shift - n // 2, 16 + shift - n // 2 + n) for n in wide]
    channel.insert(axis, slice(16, None))
    mask[tuple(channel)] = BACKGROUND
    return mask, int(ball.sum())


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("shift", [0, 1])
@pytest.mark.parametrize("wide", [(1, 1), (2, 2), (1, 12), (3, 3), (4, 4)])
def test_a_ball_of_background_is_a_hole_however_it_leaks_through_less_than_five_voxels(
    axis: int, shift: int, wide: tuple[int, int]
) -> None:
    mask, n = cavity(shift, wide, axis)
    (hole,) = holes_of(mask, HBM)
    assert hole.leaks
    assert 0.9 * n <= hole.n_voxels <= 1.15 * n


@pytest.mark.parametrize("wide", [(6, 6), (6, 13)])
def test_what_is_open_is_no_hole(wide: tuple[int, int]) -> None:
    assert holes_of(cavity(0, wide)[0], HBM) == []


def test_what_is_closed_in_does_not_leak_and_is_told_once() -> None:
    mask, n = cavity(0, (0, 0))
    (hole,) = holes_of(mask, HBM)
    assert (hole.n_voxels, hole.leaks) == (n, False)


def test_a_flat_crack_with_one_voxel_s_vent_is_a_hole() -> None:
    mask = np.full((30, 30, 30), BACKGROUND, np.uint8)
    mask[3:-3, 3:-3, 3:-3] = SOLDER
    mask[13:17, 6:24, 6:24] = BACKGROUND
    mask[13, 10, 24:] = BACKGROUND
    (hole,) = holes_of(mask, HBM)
    assert hole.n_voxels == pytest.approx(4 * 18 * 18, rel=0.05)


def isolated(air: np.ndarray, width: int) -> np.ndarray:
    """The slow twin: first voxels of all cubes of `width` in air that no chain of cubes, a voxel apart, joins to the outside."""
    wide = np.pad(air, width, constant_values=True)
    fits = binary_erosion(
        wide, np.ones((width,) * 3), border_value=1, origin=-(width // 2) if width % 2 else 0
    )
    labels, n = label(fits)
    rim = np.ones(labels.shape, bool)
    rim[1:-1, 1:-1, 1:-1] = False
    found = np.isin(labels, np.setdiff1d(np.arange(1, n + 1), np.unique(labels[rim])))
    return np.asarray(found)


@pytest.mark.parametrize("seed", range(30))
def test_whatever_holds_a_larger_cube_and_has_narrower_channels_is_found(seed: int) -> None:
    rng = np.random.default_rng(seed)
    noise = gaussian_filter(rng.normal(size=(30, 31, 32)), rng.uniform(1.2, 2.2))
    air = noise > np.quantile(noise, rng.uniform(0.55, 0.8))
    mask = np.where(air, BACKGROUND, SOLDER).astype(np.uint8)
    found = np.zeros(mask.shape, bool)
    for hole in holes_of(mask, HBM):
        found[hole.box] |= air[hole.box]
    for width in WIDTHS:
        labels, n = label(isolated(air, width))  # channels narrower than the cube
        larger = np.pad(air, width, constant_values=True)
        larger = binary_erosion(larger, np.ones((width + 1,) * 3), border_value=1)
        for k in range(1, n + 1):
            if not (larger & (labels == k)).any():
                continue
            places = np.argwhere(labels == k) - width
            assert any(found[tuple(p)] for p in places if (p >= 0).all() and (p < mask.shape).all())


def test_the_faces_of_a_hole_are_those_its_void_would_have() -> None:
    mask, _ = cavity(1, (2, 2))
    mask[14:16, 9:11, 14:18] = VOID  # void that the hole adjoins
    (hole,) = holes_of(mask, HBM)
    slow = mask.copy()
    before = void_faces(slow, (VOID,))
    z, y, x = hole.box
    assert hole.faces > 0
    inside = slow[z, y, x]
    assert hole.n_voxels <= int((inside == BACKGROUND).sum())
    filled, _ = cavity(1, (0, 0))
    filled[14:16, 9:11, 14:18] = VOID
    (closed,) = holes_of(filled, HBM)
    filled[filled == BACKGROUND] = np.where(isolated_ball(filled), VOID, BACKGROUND)[filled == BACKGROUND]
    assert closed.faces == void_faces(filled, (VOID,)) - before
    assert hole.faces == pytest.approx(closed.faces, rel=0.2)


def isolated_ball(mask: np.ndarray) -> np.ndarray:
    """Background that is not joined to the first voxel over faces."""
    labels, _ = label(mask == BACKGROUND)
    return np.asarray((labels > 0) & (labels != labels[0, 0, 0]))


@pytest.mark.parametrize("rule", ["simple acceptance", "guard band"])
def test_a_void_taken_for_background_with_a_leak_never_passes(rule: str) -> None:
    mask, _ = cavity(0, (2, 2))
    found = measure_scan(mask, HBM, (1, 1, 1), MeasureConfig(limit=0.02, rule=rule), "a").outcomes[0]
    assert found.verdict is Verdict.REVIEW
    assert "but for a channel of 4 voxels or less" in found.reason
    assert "fill_holes" not in found.reason  # which would not help
    kept = measure_scan(mask, HBM, (1, 1, 1), MeasureConfig(limit=0.5, rule=rule), "a").outcomes[0]
    assert kept.verdict is Verdict.PASS  # its share is far within


def test_thin_masks_have_no_leaking_hole() -> None:
    for shape in ((1, 9, 9), (2, 3, 9), (1, 1, 1), (5, 5, 5)):
        mask = np.full(shape, SOLDER, np.uint8)
        mask[:, 1:-1, 1:-1] = BACKGROUND
        assert [h for h in holes_of(mask, HBM) if h.leaks] == []


def test_other_limits_are_left_to_review_beside_a_leak() -> None:
    mask, _ = cavity(0, (1, 1))
    recipe = MeasureConfig(limit=0.5, criteria=(Criterion(measure="largest_void_diameter_um", at_most=9.0),))
    assert measure_scan(mask, HBM, (1, 1, 1), recipe, "a").outcomes[1].verdict is Verdict.REVIEW


def test_closing_takes_no_leaking_hole_for_a_gap() -> None:
    mask, n = cavity(0, (1, 1), radius=4.0)
    for steps in (0, 1, 3, 5):
        found = measure_scan(mask, HBM, (1, 1, 1), MeasureConfig(limit=0.01, closing_voxels=steps), "a")
        assert found.verdict is Verdict.REVIEW and found.outcomes[0].verdict is Verdict.REVIEW, steps
        assert found.closed_in >= 0.9 * n
