"""TIFF files of all kinds open as scans with their shape, voxels and spacing; damaged ones never do."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from voidscope.errors import CannotReadFile, VolumeError
from voidscope.volume import read_scan, tiff_bytes, with_spacing
from voidscope.volume.planes import Planes

VOXELS = np.random.default_rng(0).integers(0, 60_000, (6, 20, 32), dtype=np.uint16)
ZYX = {"axes": "ZYX"}


def tiff(array: np.ndarray = VOXELS, **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, **{"photometric": "minisblack", **options})
    return buffer.getvalue()


def page_by_page(array: np.ndarray = VOXELS, **options: Any) -> bytes:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        for plane in array:
            writer.write(plane, contiguous=False, **options)
    return buffer.getvalue()


KINDS: dict[str, Callable[[], bytes]] = {
    "plain": tiff,
    "no metadata": lambda: tiff(metadata=None),
    "one page list": lambda: tiff(truncate=True),
    "deflate": lambda: tiff(compression="zlib", predictor=True),
    "lzw": lambda: tiff(compression="lzw", metadata=None),
    "packbits": lambda: tiff(compression="packbits"),
    "zstd": lambda: tiff(compression="zstd"),
    "tiles": lambda: tiff(tile=(16, 16)),
    "bigtiff": lambda: tiff(bigtiff=True, byteorder=">"),
    "bigtiff tiles": lambda: tiff(bigtiff=True, tile=(16, 16), compression="zlib"),
    "ome": lambda: tiff(ome=True, metadata=ZYX),
    "ome deflate": lambda: tiff(ome=True, metadata=ZYX, compression="zlib"),
    "imagej": lambda: tiff(imagej=True, metadata=ZYX),
    "imagej as ImageJ writes it": lambda: tiff(imagej=True, metadata=ZYX, byteorder=">"),
    "imagej deflate": lambda: tiff(imagej=True, metadata=ZYX, compression="zlib"),
    "imagej, axis not named": lambda: tiff(imagej=True),
    "ome, axis not named": lambda: tiff(ome=True),
    "pages appended": page_by_page,
    "pages appended, no metadata": lambda: page_by_page(metadata=None),
    "ours": lambda: tiff_bytes(VOXELS, (1.0, 0.7, 0.7)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_stack_opens_with_its_voxels(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "scan.tif"
    path.write_bytes(KINDS[kind]())
    volume = read_scan(path)
    assert (volume.shape, volume.dtype, volume.name) == (VOXELS.shape, np.dtype(np.uint16), "scan")
    np.testing.assert_array_equal(np.asarray(volume.voxels[:, 7]), VOXELS[:, 7])
    np.testing.assert_array_equal(np.asarray(volume.voxels), VOXELS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_truncated_stack_never_opens_with_fewer_slices(kind: str, tmp_path: Path) -> None:
    whole = KINDS[kind]()
    path = tmp_path / "scan.tif"
    for length in np.random.default_rng(1).integers(1, len(whole) - 8, 25):
        path.write_bytes(whole[:length])
        with pytest.raises(CannotReadFile):
            read_scan(path)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "f2", "f4", "f8", "?"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_every_number_type_comes_back_and_booleans_as_0_and_1(
    dtype: str, compression: str | None, tmp_path: Path
) -> None:
    voxels = (VOXELS % 120).astype(dtype)
    (tmp_path / "scan.tif").write_bytes(tiff(voxels, compression=compression))
    volume = read_scan(tmp_path / "scan.tif")
    assert volume.dtype == (np.dtype(np.uint8) if dtype == "?" else np.dtype(dtype))
    np.testing.assert_array_equal(np.asarray(volume.voxels), voxels)


def test_uncompressed_files_are_memory_mapped_and_packed_ones_read_page_by_page(tmp_path: Path) -> None:
    (tmp_path / "plain.tif").write_bytes(tiff())
    (tmp_path / "packed.tif").write_bytes(tiff(compression="zlib"))
    assert isinstance(read_scan(tmp_path / "plain.tif").voxels, np.memmap)
    assert isinstance(read_scan(tmp_path / "packed.tif").voxels, Planes)


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"imagej": True}, {"ome": True}])
def test_an_image_is_a_scan_of_one_slice(options: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "image.tif").write_bytes(tiff(VOXELS[0], **options))
    volume = read_scan(tmp_path / "image.tif")
    assert volume.shape == (1, 20, 32)
    np.testing.assert_array_equal(np.asarray(volume.voxels)[0], VOXELS[0])


def test_a_file_can_be_deleted_while_a_packed_scan_is_open(tmp_path: Path) -> None:
    path = tmp_path / "scan.tif"
    path.write_bytes(tiff(compression="zlib"))
    volume = read_scan(path)
    path.unlink()
    with pytest.raises(CannotReadFile, match=r"scan\.tif"):
        volume.voxels[0]


def ome(unit: str | None = "µm", **sizes: float) -> bytes:
    units = {} if unit is None else {f"PhysicalSize{a}Unit": unit for a in "XYZ"}
    return tiff(
        ome=True, metadata={**ZYX, **{f"PhysicalSize{a.upper()}": v for a, v in sizes.items()}, **units}
    )


def imagej(x: float, y: float, **metadata: Any) -> bytes:
    return tiff(imagej=True, resolution=(1 / x, 1 / y), metadata={**ZYX, **metadata})


SPACINGS = {
    "ome um": (ome(x=0.5, y=0.6, z=0.7), (0.7, 0.6, 0.5)),
    "ome, um by default": (ome(None, x=0.5, y=0.6, z=0.7), (0.7, 0.6, 0.5)),
    "ome nm": (ome("nm", x=500, y=500, z=700), (0.7, 0.5, 0.5)),
    "ome mm": (ome("mm", x=0.0005, y=0.0005, z=0.0007), (0.7, 0.5, 0.5)),
    "ome in pixels": (ome("pixel", x=1, y=1, z=1), None),
    "ome without z": (ome(x=0.5, y=0.5), None),
    "ome without anything": (ome(), None),
    "ome zero": (ome(x=0.0, y=0.5, z=0.5), None),
    "imagej um": (imagej(0.5, 0.65, spacing=0.7, unit="um"), (0.7, 0.65, 0.5)),
    "imagej micron": (imagej(0.5, 0.5, spacing=0.7, unit="micron"), (0.7, 0.5, 0.5)),
    "imagej escaped micro sign": (imagej(0.5, 0.5, spacing=0.7, unit="\\u00B5m"), (0.7, 0.5, 0.5)),
    "imagej nm": (imagej(50, 50, spacing=70, unit="nm"), (0.07, 0.05, 0.05)),
    "imagej without z": (imagej(0.5, 0.5, unit="um"), None),
    "imagej leaves out z when all are 1": (imagej(1, 1, unit="um"), (1.0, 1.0, 1.0)),
    "imagej in pixels": (imagej(1, 1, spacing=1, unit="pixel"), None),
    "imagej without unit": (imagej(0.5, 0.5, spacing=0.5), None),
    "per centimetre": (tiff(resolution=(20_000, 20_000), resolutionunit="CENTIMETER"), (0.5, 0.5, 0.5)),
    "per centimetre, oblong": (tiff(resolution=(20_000, 10_000), resolutionunit="CENTIMETER"), None),
    "72 dpi in cm": (tiff(resolution=(28.346, 28.346), resolutionunit="CENTIMETER"), None),
    "300 dpi in cm": (tiff(resolution=(118.11, 118.11), resolutionunit="CENTIMETER"), None),
    "1 per cm": (tiff(resolution=(1, 1), resolutionunit="CENTIMETER"), None),
    "300 dpi": (tiff(resolution=(300, 300), resolutionunit="INCH"), None),
    "no unit": (tiff(resolution=(20_000, 20_000), resolutionunit="NONE"), None),
    "nothing said": (tiff(), None),
}  # fmt: skip


@pytest.mark.parametrize("case", SPACINGS)
def test_the_spacing_is_in_um_or_unknown(case: str, tmp_path: Path) -> None:
    data, expected = SPACINGS[case]
    (tmp_path / "scan.tif").write_bytes(data)
    spacing = read_scan(tmp_path / "scan.tif").spacing_um
    assert spacing == (None if expected is None else pytest.approx(expected, rel=1e-6))


def test_a_z_spacing_that_was_assumed_is_told(tmp_path: Path) -> None:
    plain = tiff(resolution=(20_000, 20_000), resolutionunit="CENTIMETER")
    (tmp_path / "plain.tif").write_bytes(plain)
    (tmp_path / "ome.tif").write_bytes(ome(x=0.5, y=0.5, z=0.5))
    assert "z taken to be equal to y" in str(read_scan(tmp_path / "plain.tif").metadata["spacing_note"])
    assert "spacing_note" not in read_scan(tmp_path / "ome.tif").metadata


def test_a_single_image_has_the_pixel_size_as_depth(tmp_path: Path) -> None:
    metadata = {"axes": "YX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.6}
    (tmp_path / "scan.tif").write_bytes(tiff(VOXELS[0], ome=True, metadata=metadata))
    assert read_scan(tmp_path / "scan.tif").spacing_um == (0.6, 0.6, 0.5)


arrays = hnp.arrays(
    st.sampled_from([np.uint8, np.uint16, np.float16, np.float32, np.bool_]),
    st.tuples(st.integers(1, 5), st.integers(1, 6), st.integers(1, 6)),
)
lengths = st.floats(1e-4, 1e3)


@settings(max_examples=60, deadline=None)
@given(array=arrays, spacing=st.none() | st.tuples(lengths, lengths, lengths))
def test_what_is_written_comes_back(
    array: np.ndarray, spacing: tuple[float, float, float] | None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("tiff") / "scan.tif"
    path.write_bytes(tiff_bytes(array, spacing))
    volume = read_scan(path)
    wider = {"bool": "uint8", "float16": "float32"}
    assert volume.dtype == np.dtype(wider.get(array.dtype.name, array.dtype.name))
    np.testing.assert_array_equal(np.asarray(volume.voxels), array.astype(volume.dtype))
    assert volume.spacing_um == (None if spacing is None else pytest.approx(spacing, rel=1e-5))


def test_plain_numbers_come_back_exactly(tmp_path: Path) -> None:
    (tmp_path / "scan.tif").write_bytes(tiff_bytes(VOXELS, (0.7, 0.65, 0.0779)))
    assert read_scan(tmp_path / "scan.tif").spacing_um == (0.7, 0.65, 0.0779)


def test_equal_arrays_give_equal_bytes() -> None:
    assert tiff_bytes(VOXELS, (1, 1, 1)) == tiff_bytes(VOXELS.copy(), (1.0, 1.0, 1.0))


def test_masks_are_packed_small_and_tifffile_reads_them_as_depth() -> None:
    data = tiff_bytes(np.zeros((40, 64, 64), np.uint8), (0.5, 0.5, 0.5))
    assert len(data) < 40 * 64 * 64 / 8
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        assert file.series[0].axes == "ZYX"
        assert file.imagej_metadata is not None
        assert (file.imagej_metadata["spacing"], file.imagej_metadata["unit"]) == (0.5, "um")


@pytest.mark.parametrize(
    "array", [np.zeros((2, 3), np.uint8), np.zeros((0, 3, 3), np.uint8), np.zeros((1, 2, 3), np.int64)]
)
def test_what_is_no_scan_cannot_be_written(array: np.ndarray) -> None:
    with pytest.raises(VolumeError):
        tiff_bytes(array, None)


REFUSED = {
    "RGB": (tiff(np.zeros((20, 32, 3), np.uint8), photometric="rgb"), r"\(20, 32, 3\) with 3 colour samples.*grey"),
    "RGBA": (tiff(np.zeros((20, 32, 4), np.uint8), photometric="rgb"), r"\(20, 32, 4\) with 4 colour samples"),
    "RGB planes": (tiff(np.zeros((3, 20, 32), np.uint8), photometric="rgb"), "3 colour samples"),
    "RGB stack": (tiff(np.zeros((5, 20, 32, 3), np.uint8), photometric="rgb"), r"\(5, 20, 32, 3\) with axes"),
    "channels": (tiff(VOXELS[:2], ome=True, metadata={"axes": "CYX"}), r"\(2, 20, 32\) with 2 channels.*one channel per file"),
    "channels and depth": (tiff(VOXELS.reshape(3, 2, 20, 32), imagej=True, metadata={"axes": "ZCYX"}), r"\(3, 2, 20, 32\) with axes"),
    "time": (tiff(VOXELS, imagej=True, metadata={"axes": "TYX"}), r"\(6, 20, 32\) with 6 time points.*swap"),
    "5-D": (tiff(np.zeros((2, 3, 2, 20, 32), np.uint8)), r"\(2, 3, 2, 20, 32\)"),
    "text": (b"this is no image at all, it is text", "not a TIFF file"),
    "header only": (tiff()[:12], "ends within its list of pages"),
    "complex numbers": (tiff(VOXELS.astype(np.complex64)), "complex64"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_grey_stack_is_refused_in_one_line(case: str, tmp_path: Path) -> None:
    data, said = REFUSED[case]
    (tmp_path / "scan.tif").write_bytes(data)
    with pytest.raises((CannotReadFile, VolumeError), match=said) as refusal:
        read_scan(tmp_path / "scan.tif")
    assert "\n" not in str(refusal.value)
    assert "scan" in str(refusal.value)


def test_images_of_several_sizes_are_refused_with_their_sizes(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "scan.tif") as writer:
        writer.write(VOXELS, photometric="minisblack")
        writer.write(VOXELS[:, :16, :16], photometric="minisblack")
    with pytest.raises(CannotReadFile, match=r"2 images: \(6, 16, 16\) uint16, \(6, 20, 32\) uint16"):
        read_scan(tmp_path / "scan.tif")


def test_slices_that_lie_in_other_files_are_missed(tmp_path: Path) -> None:
    xml = tifffile.OmeXml()
    xml.addimage("uint16", (6, 20, 32), (6, 1, 1, 20, 32, 1), axes="ZYX")
    with tifffile.TiffWriter(tmp_path / "scan.ome.tif") as writer:
        writer.write(VOXELS[0], photometric="minisblack", description=xml.tostring(), metadata=None)
    with pytest.raises(CannotReadFile):
        read_scan(tmp_path / "scan.ome.tif")


def declaring(side: int, compression: int, data: bytes = b"x" * 400) -> bytes:
    """A TIFF with one page of `side` x `side` bytes and one strip of `data`."""
    tags = [(256, 4, side), (257, 4, side), (258, 3, 8), (259, 3, compression), (262, 3, 1), (273, 4, 200),
            (277, 3, 1), (278, 4, side), (279, 4, len(data))]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    head = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", 0)
    return head.ljust(200, b"\0") + data


@pytest.mark.parametrize("compression", [1, 8, 5, 32773])
def test_a_bomb_is_refused_before_memory_is_taken(compression: int, tmp_path: Path) -> None:
    (tmp_path / "bomb.tif").write_bytes(declaring(400_000, compression))
    with pytest.raises(
        CannotReadFile, match=r"1 x 400000 x 400000 voxels = 149\.0 GiB, but is 600 bytes long"
    ):
        read_scan(tmp_path / "bomb.tif")


def test_a_slice_larger_than_half_of_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "large.tif").write_bytes(declaring(2000, 8))
    assert read_scan(tmp_path / "large.tif").shape == (1, 2000, 2000)
    monkeypatch.setattr("voidscope.volume.guarding.free_memory", lambda: 7_999_999)
    with pytest.raises(CannotReadFile, match="MiB of memory at once"):
        read_scan(tmp_path / "large.tif")


def test_packed_bytes_that_are_no_image_are_a_damaged_file_when_read(tmp_path: Path) -> None:
    (tmp_path / "scan.tif").write_bytes(declaring(100, 8))
    volume = read_scan(tmp_path / "scan.tif")
    with pytest.raises(CannotReadFile, match="damaged"):
        volume.voxels[0]


def test_a_page_list_in_a_circle_is_refused(tmp_path: Path) -> None:
    data = bytearray(declaring(8, 1))
    data[8 + 2 + 9 * 12 : 8 + 2 + 9 * 12 + 4] = struct.pack("<I", 8)
    (tmp_path / "scan.tif").write_bytes(data)
    with pytest.raises(CannotReadFile, match="circle"):
        read_scan(tmp_path / "scan.tif")


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("before", [None, (1.0, 2.0, 3.0)])
@pytest.mark.parametrize("after", [None, (0.123456, 12.5, 700.0)])
def test_a_spacing_is_changed_without_touching_a_voxel(
    tmp_path: Path, dtype: type, before: tuple[float, ...] | None, after: tuple[float, ...] | None
) -> None:
    voxels = np.random.default_rng(0).integers(0, 9, (5, 7, 9)).astype(dtype)
    path = tmp_path / "a.tif"
    path.write_bytes(with_spacing(tiff_bytes(voxels, before), after))
    scan = read_scan(path)
    assert scan.spacing_um == after
    assert (np.asarray(scan.voxels[:]) == voxels).all()
