"""Folders of slices, PNG images and NumPy files open as scans."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile

from voidscope.errors import CannotReadFile, VolumeError
from voidscope.volume import missing_slices, read_scan

VOXELS = np.random.default_rng(0).integers(0, 60_000, (12, 9, 8), dtype=np.uint16)


def write_slices(folder: Path, ending: str = "tif", voxels: np.ndarray = VOXELS) -> Path:
    folder.mkdir()
    for k, plane in enumerate(voxels):
        path = folder / f"Slice{k}.{ending}"
        if ending == "png":
            path.write_bytes(imagecodecs.png_encode(plane))
        else:
            tifffile.imwrite(path, plane, compression="zlib" if k % 2 else None)
    return folder


@pytest.mark.parametrize("ending", ["tif", "TIFF", "png"])
def test_slices_stack_in_natural_order(ending: str, tmp_path: Path) -> None:
    volume = read_scan(write_slices(tmp_path / "scan", ending))
    assert (volume.shape, volume.dtype, volume.name, volume.format) == (
        VOXELS.shape,
        np.uint16,
        "scan",
        "folder",
    )
    assert volume.spacing_um is None
    np.testing.assert_array_equal(volume.voxels[10], VOXELS[10])
    np.testing.assert_array_equal(np.asarray(volume.voxels), VOXELS)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("a1.tif", "a2.tif", "a5.tif"), "missing between a2.tif and a5.tif:"),
        (("s_0001_x.tif", "s_0003_x.tif", "s_0007_x.tif", "s_0009_x.tif", "s_0015_x.tif"), "between s_0003_x.tif and s_0007_x.tif, and at 1 more places:"),
        (("a8.tif", "a9.tif", "a10.tif"), ""), (("a10.tif", "a20.tif", "a30.tif"), ""), (("a3.tif",), ""),
        (("a1.tif", "b2.tif", "b9.tif"), ""), (("front.tif", "back.tif", "a7.tif"), ""),
    ],
)  # fmt: skip
def test_numbers_that_leave_slices_out_are_told(names: tuple[str, ...], said: str, tmp_path: Path) -> None:
    for name in names:
        (tmp_path / name).touch()
    found = missing_slices(tmp_path)
    assert said in found if said else found == ""


def test_hidden_and_other_files_are_no_slices(tmp_path: Path) -> None:
    folder = write_slices(tmp_path / "scan")
    (folder / "._Slice0.tif").write_bytes(b"resource fork")
    (folder / "notes.txt").write_text("taken on Monday")
    (folder / "raw").mkdir()
    assert read_scan(folder).shape == VOXELS.shape


def test_boolean_slices_become_0_and_1(tmp_path: Path) -> None:
    volume = read_scan(write_slices(tmp_path / "scan", voxels=VOXELS > 30_000))
    assert volume.dtype == np.uint8
    np.testing.assert_array_equal(volume.voxels[:, 3], (VOXELS > 30_000)[:, 3])


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotReadFile, match=r"holds no \.tif or \.png slices"):
        read_scan(tmp_path)


@pytest.mark.parametrize(
    ("odd", "said"),
    [(np.zeros((9, 7), np.uint16), r"\(9, 7\) uint16"), (np.zeros((9, 8), np.uint8), r"\(9, 8\) uint8")],
)
def test_slices_that_differ_are_named_with_both_sizes(odd: np.ndarray, said: str, tmp_path: Path) -> None:
    folder = write_slices(tmp_path / "scan")
    tifffile.imwrite(folder / "Slice12.tif", odd)
    with pytest.raises(
        CannotReadFile, match=rf"Slice12\.tif: it is {said}, but Slice0 in the same folder is \(9, 8\) uint16"
    ):
        read_scan(folder)


def test_a_stack_among_slices_is_refused(tmp_path: Path) -> None:
    folder = write_slices(tmp_path / "scan")
    tifffile.imwrite(folder / "all.tif", VOXELS)
    with pytest.raises(CannotReadFile, match=r"all\.tif: it holds 12 slices among single ones"):
        read_scan(folder)


def test_a_slice_that_is_damaged_is_named(tmp_path: Path) -> None:
    folder = write_slices(tmp_path / "scan")
    (folder / "Slice5.tif").write_bytes((folder / "Slice5.tif").read_bytes()[:60])
    with pytest.raises(CannotReadFile, match=r"Slice5\.tif"):
        read_scan(folder)


def test_a_slice_that_vanishes_later_is_a_file_error(tmp_path: Path) -> None:
    folder = write_slices(tmp_path / "scan")
    volume = read_scan(folder)
    (folder / "Slice5.tif").unlink()
    volume.voxels[4]
    for index in (5, (slice(None), 0)):
        with pytest.raises(CannotReadFile, match=r"Slice5\.tif|scan"):
            volume.voxels[index]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_grey_png_is_a_scan_of_one_slice(dtype: type, tmp_path: Path) -> None:
    image = (VOXELS[0] % 250).astype(dtype)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(image))
    volume = read_scan(tmp_path / "a.png")
    assert (volume.shape, volume.dtype, volume.format) == ((1, 9, 8), np.dtype(dtype), "png")
    np.testing.assert_array_equal(volume.voxels[0], image)


def png_declaring(width: int, height: int) -> bytes:
    """A PNG with a proper header of this size and next to no pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


PNG = imagecodecs.png_encode(VOXELS[0])
BAD_PNG = {
    "colour": (
        imagecodecs.png_encode(np.zeros((9, 8, 3), np.uint8)),
        r"colour PNG \(colour type 2\) of 9 x 8",
    ),
    "transparency": (imagecodecs.png_encode(np.zeros((9, 8, 4), np.uint8)), "colour type 6"),
    "text": (b"this is some text, no picture" * 4, "not a PNG"),
    "truncated": (PNG[:-20], "cut off"),
    "bomb": (png_declaring(400_000, 400_000), "149.0 GiB"),
}


@pytest.mark.parametrize("case", BAD_PNG)
def test_a_png_that_is_no_grey_image_is_refused(case: str, tmp_path: Path) -> None:
    data, said = BAD_PNG[case]
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(CannotReadFile, match=said):
        read_scan(tmp_path / "a.png")


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["u1", ">u2", "<i4", "f4", "?"])
def test_npy_files_open_in_this_machines_number_types(dtype: str, order: str, tmp_path: Path) -> None:
    voxels = np.asarray(VOXELS % 100, dtype=dtype, order=order)
    np.save(tmp_path / "scan.npy", voxels)
    volume = read_scan(tmp_path / "scan.npy")
    assert volume.dtype == (np.uint8 if dtype == "?" else np.dtype(dtype).newbyteorder("="))
    np.testing.assert_array_equal(np.asarray(volume.voxels), voxels)
    np.testing.assert_array_equal(np.asarray(volume.voxels[:, 4]), voxels[:, 4])


def test_a_2d_npy_is_one_slice(tmp_path: Path) -> None:
    np.save(tmp_path / "scan.npy", VOXELS[0])
    assert read_scan(tmp_path / "scan.npy").shape == (1, 9, 8)


@pytest.mark.parametrize(
    ("array", "said"),
    [(np.array([{"a": 1}], dtype=object), r"scan\.npy"), (np.zeros((2, 3, 4, 5)), r"\(2, 3, 4, 5\); a scan is"),
     (np.zeros(4), r"shape \(4,\)"), (np.zeros((2, 3, 4), complex), "complex128"), (np.zeros((0, 3, 4)), r"\(0, 3, 4\)"),
     (np.array([["a", "b"]]), "<U1")],
)  # fmt: skip
def test_a_npy_that_is_no_scan_is_refused(array: np.ndarray, said: str, tmp_path: Path) -> None:
    np.save(tmp_path / "scan.npy", array)
    with pytest.raises((CannotReadFile, VolumeError), match=said):
        read_scan(tmp_path / "scan.npy")


def test_objects_in_a_npy_are_never_unpickled(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return (Path.touch, (tmp_path / "sprung",))

    np.save(tmp_path / "scan.npy", np.array([[[Trap()]]], dtype=object), allow_pickle=True)
    with pytest.raises(CannotReadFile):
        read_scan(tmp_path / "scan.npy")
    assert not (tmp_path / "sprung").exists()


def test_a_truncated_or_zipped_npy_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "whole.npy", VOXELS)
    (tmp_path / "cut.npy").write_bytes((tmp_path / "whole.npy").read_bytes()[:-1])
    np.savez(tmp_path / "zip.npz", VOXELS)
    (tmp_path / "zip.npz").rename(tmp_path / "zip.npy")
    for name in ("cut.npy", "zip.npy"):
        with pytest.raises(CannotReadFile, match=name):
            read_scan(tmp_path / name)
