"""Lazily read voxels behave like the array they stand for."""

from __future__ import annotations

import threading
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voidscope.errors import CannotReadFile
from voidscope.volume import planes as module
from voidscope.volume.planes import Planes, native

SHAPE = (4, 5, 6)
VOXELS = np.arange(4 * 5 * 6, dtype=np.uint16).reshape(SHAPE)


class Counted:
    """Hands out planes of VOXELS and remembers which were asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __call__(self, k: int) -> np.ndarray:
        self.asked.append(k)
        return VOXELS[k]


def lazy(keep: bool = True) -> tuple[Planes, Counted]:
    read = Counted()
    return Planes(Path("scan.tif"), SHAPE, np.uint16, read, keep=keep), read


def one_axis(n: int) -> st.SearchStrategy[Any]:
    return st.one_of(st.integers(-n, n - 1), st.slices(n))


indices = st.one_of(
    one_axis(4),
    st.tuples(one_axis(4)),
    st.tuples(one_axis(4), one_axis(5)),
    st.tuples(one_axis(4), one_axis(5), one_axis(6)),
    st.tuples(st.just(...), one_axis(6)),
    st.tuples(one_axis(4), st.just(...), one_axis(6)),
    st.just(...),
    st.just(np.array([2, 0])),
    st.just(VOXELS % 7 == 0),
)


@given(index=indices, keep=st.booleans())
def test_every_index_picks_what_numpy_picks(index: Any, keep: bool) -> None:
    voxels, _ = lazy(keep)
    np.testing.assert_array_equal(voxels[index], VOXELS[index])


def test_one_slice_reads_one_plane_and_a_strided_sample_only_its_planes() -> None:
    voxels, read = lazy()
    voxels[2]
    voxels[::2, ::3]
    assert read.asked == [2, 0, 2]


def test_cuts_across_all_planes_unpack_the_scan_once() -> None:
    voxels, read = lazy()
    for y in range(SHAPE[1]):
        np.testing.assert_array_equal(voxels[:, y], VOXELS[:, y])
    np.testing.assert_array_equal(voxels[3], VOXELS[3])
    assert read.asked == [0, 1, 2, 3]


def test_views_of_a_memory_map_are_never_kept() -> None:
    voxels, read = lazy(keep=False)
    voxels[:, 0]
    voxels[:, 1]
    assert len(read.asked) == 2 * SHAPE[0]


def test_a_scan_too_large_to_keep_is_still_cut_across(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "free_memory", lambda: 2 * VOXELS.nbytes)
    voxels, read = lazy()
    np.testing.assert_array_equal(voxels[:, 1], VOXELS[:, 1])
    np.testing.assert_array_equal(voxels[:, 1], VOXELS[:, 1])
    assert len(read.asked) == 2 * SHAPE[0]


def test_a_scan_that_needs_more_than_half_of_memory_is_not_unpacked_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("voidscope.volume.guarding.free_memory", lambda: VOXELS.nbytes)
    voxels, read = lazy()
    with pytest.raises(CannotReadFile, match=r"scan\.tif: unpacking it needs 240 bytes"):
        np.asarray(voxels)
    assert read.asked == []


def test_what_was_kept_cannot_be_painted_on_by_accident() -> None:
    voxels, _ = lazy()
    with pytest.raises(ValueError, match="read-only"):
        voxels[:][0, 0, 0] = 1


def test_an_index_outside_is_an_index_error_not_a_damaged_file() -> None:
    voxels, _ = lazy()
    with pytest.raises(IndexError):
        voxels[4]


def test_as_an_array_it_takes_part_in_numpy() -> None:
    voxels, _ = lazy()
    assert np.asarray(voxels, dtype=np.float32).dtype == np.float32
    assert voxels.ndim == 3
    assert voxels.nbytes == VOXELS.nbytes
    copied = np.array(voxels)
    copied[:] = 0
    np.testing.assert_array_equal(np.asarray(voxels), VOXELS)


@pytest.mark.parametrize("failure", [ValueError("x"), RuntimeError("x"), OSError(5, "x"), KeyError("x")])
def test_a_plane_that_cannot_be_read_names_the_file(failure: Exception) -> None:
    def read(_: int) -> np.ndarray:
        raise failure

    voxels = Planes(Path("scan.tif"), SHAPE, np.uint16, read)
    for index in (0, (slice(None), 1), ...):
        with pytest.raises(CannotReadFile, match=r"^Cannot read scan\.tif: "):
            voxels[index]


def test_a_plane_of_another_size_is_refused() -> None:
    voxels = Planes(Path("scan.tif"), SHAPE, np.uint16, lambda _: np.zeros((5, 7), np.uint16))
    with pytest.raises(CannotReadFile, match=r"slice 1 is \(5, 7\), expected \(5, 6\)"):
        voxels[1]


def test_threads_cutting_at_once_unpack_once_and_agree() -> None:
    voxels, read = lazy()
    results: list[np.ndarray] = []
    threads = [threading.Thread(target=lambda: results.append(voxels[:, 2])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    assert all((r == VOXELS[:, 2]).all() for r in results)
    assert sorted(read.asked) == [0, 1, 2, 3]


@pytest.mark.parametrize("dtype", ["u1", "<u2", "<f4"])
def test_voxels_in_this_machines_byte_order_are_left_alone(dtype: str) -> None:
    voxels = VOXELS.astype(dtype)
    assert native(voxels) is voxels


@pytest.mark.parametrize(("dtype", "becomes"), [(">u2", "uint16"), (">f4", "float32"), ("?", "uint8")])
def test_other_voxels_are_converted_when_read(dtype: str, becomes: str) -> None:
    voxels = VOXELS.astype(dtype)
    seen = native(voxels)
    assert (seen.dtype, seen.shape) == (np.dtype(becomes), SHAPE)
    assert seen[1].dtype == np.dtype(becomes)
    np.testing.assert_array_equal(np.asarray(seen), voxels.astype(becomes))
    np.testing.assert_array_equal(seen[:, 2], voxels[:, 2].astype(becomes))


def test_a_copy_of_it_is_itself_for_nobody_writes_to_it() -> None:
    voxels, read = lazy()
    assert (np.asarray(deepcopy(voxels)) == VOXELS).all()
    assert (np.asarray(voxels) == VOXELS).all() and len(read.asked) == len(VOXELS)
