"""Components found slab by slab are those of the whole mask."""

from __future__ import annotations

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrology.masks import SOLDER, VOID, masks
from voidscope.metrology import components
from voidscope.metrology.components import (
    Components,
    columns_of,
    find_components,
    labelled,
    mean_index,
    of_classes,
    plane_counts,
)


def rows(found: Components) -> list[tuple]:
    """Every component as one comparable tuple, in order."""
    centres = np.round(found.centroid, 6).tolist()
    columns = (found.n_voxels.tolist(), centres, found.first.tolist(), found.last.tolist())
    return sorted(zip(*columns, strict=True))


def flooded(inside: np.ndarray) -> list[tuple]:
    """26-connected components by hand, voxel by voxel."""
    left = {tuple(int(v) for v in p) for p in np.argwhere(inside)}
    found = []
    while left:
        todo, component = [left.pop()], []
        while todo:
            voxel = todo.pop()
            component.append(voxel)
            near = {
                tuple(a + b for a, b in zip(voxel, step, strict=True))
                for step in itertools.product((-1, 0, 1), repeat=3)
            }
            todo += near & left
            left -= near
        points = np.array(component)
        centre = np.round(points.mean(axis=0), 6).tolist()
        found.append((len(points), centre, points.min(axis=0).tolist(), points.max(axis=0).tolist()))
    return sorted(found)


@settings(max_examples=150, deadline=None)
@given(masks, st.integers(1, 200))
def test_components_are_those_of_a_flood_fill_whatever_the_slabs(mask: np.ndarray, slab_voxels: int) -> None:
    assert rows(find_components(mask, [VOID, SOLDER], slab_voxels)) == flooded(np.isin(mask, [VOID, SOLDER]))


@settings(max_examples=150, deadline=None)
@given(
    masks,
    st.sampled_from([(6, 1), (18, 2), (26, 3)]),
    st.integers(1, 200),
    st.integers(1, 40),
    st.sampled_from([0, 10**9]),
)
def test_runs_and_voxels_join_as_scipy_joins_them_over_faces_edges_and_corners(
    mask: np.ndarray, near: tuple[int, int], slab_voxels: int, at_once: int, busy: int
) -> None:
    """`busy` 0 joins runs in each slab, a great number voxels."""
    from scipy.ndimage import generate_binary_structure, label

    numbered, n = label(np.isin(mask, [VOID, SOLDER]), generate_binary_structure(3, near[1]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(components, "BUSY", busy)
        patch.setattr(components, "CHUNK_VOXELS", at_once)
        found = find_components(mask, [VOID, SOLDER], slab_voxels, near[0])
    assert rows(found) == rows(labelled(numbered, n))


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("slab_voxels", [1, 60, 10_000])
def test_a_staircase_through_all_slabs_is_one_component(
    order: tuple[int, int, int], slab_voxels: int
) -> None:
    mask = np.full((20, 4, 5), SOLDER, np.uint8)
    for k in range(20):
        mask[k, k % 4 if k // 4 % 2 == 0 else 3 - k % 4, 2] = VOID
    found = find_components(mask.transpose(order), [VOID], slab_voxels)
    assert found.n_voxels.tolist() == [20]
    assert found.last[0].tolist() == [(19, 3, 2)[a] for a in order]


def test_two_prongs_that_meet_only_in_the_last_plane_are_one_component() -> None:
    mask = np.full((9, 3, 5), SOLDER, np.uint8)
    mask[:, 1, 0] = mask[:, 1, 4] = mask[8, 1] = VOID
    assert find_components(mask, [VOID], 30).n_voxels.tolist() == [21]
    mask[8, 1, 2] = SOLDER
    assert sorted(find_components(mask, [VOID], 30).n_voxels.tolist()) == [10, 10]


def test_a_mask_without_these_classes_has_no_component() -> None:
    found = find_components(np.full((3, 4, 5), SOLDER, np.uint8), [VOID], 20)
    assert found.n_voxels.shape == (0,)
    assert found.centroid.shape == found.first.shape == found.last.shape == (0, 3)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 9), (1, 8, 8), (9, 1, 1)])
def test_thin_masks_are_read_whole(shape: tuple[int, int, int]) -> None:
    found = find_components(np.full(shape, VOID, np.uint8), [VOID], 3)
    assert found.n_voxels.tolist() == [np.prod(shape)]
    assert found.centroid[0].tolist() == pytest.approx([(n - 1) / 2 for n in shape])


def test_memory_is_that_of_a_slab_and_not_of_the_mask() -> None:
    """Stripes: as many runs as there can be without their being joined voxel by voxel."""
    mask = np.full((256, 128, 128), SOLDER, np.uint8)
    mask[..., ::64] = VOID

    def peak(slab_voxels: int) -> float:
        tracemalloc.start()
        found = find_components(mask, [VOID], slab_voxels)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert found.n_voxels.tolist() == [256 * 128] * 2
        return most

    peak(2**18)  # what it imports is no memory of the mask's
    assert peak(2**18) < peak(mask.size) / 4


def test_a_memory_map_is_read_and_left_alone(tmp_path) -> None:
    mask = np.full((6, 5, 4), SOLDER, np.uint8)
    mask[2:4, 1, 1] = VOID
    np.save(tmp_path / "mask.npy", mask)
    mapped = np.load(tmp_path / "mask.npy", mmap_mode="r")
    assert rows(find_components(mapped, [VOID], 40)) == flooded(mask == VOID)
    assert (mapped == mask).all()


@settings(max_examples=60, deadline=None)
@given(masks, st.integers(1, 200))
def test_a_centre_is_the_same_to_the_last_bit_whatever_the_slabs(mask: np.ndarray, slab_voxels: int) -> None:
    whole, parted = (find_components(mask, [VOID], n) for n in (mask.size + 1, slab_voxels))
    assert sorted(whole.centroid.tolist()) == sorted(parted.centroid.tolist())


@settings(max_examples=60, deadline=None)
@given(masks, st.integers(1, 200))
def test_planes_are_counted_and_averaged_as_voxels_one_by_one(mask: np.ndarray, at_once: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(components, "CHUNK_VOXELS", at_once)
        counts = plane_counts(mask, VOID)
    points = np.argwhere(mask == VOID)
    for axis, found in enumerate(counts):
        assert found.tolist() == [int((points[:, axis] == k).sum()) for k in range(mask.shape[axis])]
    if len(points):
        assert mean_index(counts) == pytest.approx(points.mean(axis=0))


@settings(max_examples=60, deadline=None)
@given(masks, st.integers(1, 200))
def test_parts_of_numbered_voxels_are_those_counted_one_by_one(mask: np.ndarray, at_once: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(components, "CHUNK_VOXELS", at_once)
        found = labelled(mask, 6)
    for k in range(1, 7):
        points = np.argwhere(mask == k)
        assert found.n_voxels[k - 1] == len(points)
        if len(points):
            assert found.centroid[k - 1] == pytest.approx(points.mean(axis=0))
            assert found.first[k - 1].tolist() == points.min(axis=0).tolist()
            assert found.last[k - 1].tolist() == points.max(axis=0).tolist()


@given(masks, st.lists(st.integers(0, 255) | st.integers(0, 5)), st.permutations(range(3)))
@settings(max_examples=150, deadline=None)
def test_voxels_of_some_classes_are_those_in_the_list(
    mask: np.ndarray, ids: list[int], order: list[int]
) -> None:
    turned = mask.transpose(order)
    found = of_classes(turned, ids)
    assert np.array_equal(found, np.isin(turned, ids)) and found.flags.c_contiguous


@given(masks, st.lists(st.integers(0, 5)), st.integers(0, 2))
@settings(max_examples=40, deadline=None)
def test_columns_of_some_classes_hold_one_of_them_however_few_planes_are_looked_at(
    mask: np.ndarray, ids: list[int], axis: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(components, "CHUNK_VOXELS", 1)
        found = columns_of(mask, ids, axis)
    assert np.array_equal(found, np.isin(mask, ids).any(axis=axis))
