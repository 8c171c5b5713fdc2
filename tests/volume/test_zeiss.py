"""Zeiss files open in place, right side up, with their spacing and without their secrets."""

from __future__ import annotations

import struct
import threading
from pathlib import Path

import numpy as np
import olefile
import pytest
from cfb_writer import write_zeiss

from voidscope.errors import CannotReadFile
from voidscope.volume import read_scan
from voidscope.volume.planes import Planes

RNG = np.random.default_rng(0)
SMALL = RNG.integers(0, 60_000, (3, 20, 30), dtype=np.uint16)
"""Planes of 1200 bytes, which OLE keeps in its mini-stream."""
LARGE = RNG.integers(0, 60_000, (7, 60, 50), dtype=np.uint16)
"""Planes of 6000 bytes, which have sectors of their own."""


def shows(path: Path, stored: np.ndarray) -> bool:
    """Whether a file opens as these stored planes, right side up, along every axis."""
    voxels = read_scan(path).voxels
    upright = stored[:, ::-1]
    return all(
        np.array_equal(part, expected)
        for part, expected in [
            (voxels[...], upright), (voxels[1], upright[1]), (voxels[:, 2], upright[:, 2]),
            (voxels[:, :, 3], upright[:, :, 3]), (voxels[-1, 4:9, ::2], upright[-1, 4:9, ::2]),
        ]
    )  # fmt: skip


@pytest.mark.parametrize("sector", [512, 4096])
@pytest.mark.parametrize("scattered", [False, True])
@pytest.mark.parametrize("stored", [SMALL, LARGE], ids=["mini-stream", "sectors"])
def test_planes_are_read_upright_however_they_lie_in_the_file(
    stored: np.ndarray, scattered: bool, sector: int, tmp_path: Path
) -> None:
    assert shows(write_zeiss(tmp_path / "a.txm", stored, sector=sector, scattered=scattered), stored)


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "f4", "f8"])
def test_every_zeiss_number_type_is_known(dtype: str, tmp_path: Path) -> None:
    stored = (LARGE % 100).astype(dtype)
    path = write_zeiss(tmp_path / "a.txm", stored)
    assert read_scan(path).dtype == np.dtype(dtype)
    assert shows(path, stored)


def test_more_than_a_hundred_images_go_on_in_the_next_storage(tmp_path: Path) -> None:
    stored = RNG.integers(0, 255, (205, 12, 9), dtype=np.uint8)
    assert shows(write_zeiss(tmp_path / "a.txm", stored), stored)


def test_a_version_3_file_beyond_its_header_list_opens(tmp_path: Path) -> None:
    stored = RNG.integers(0, 255, (4, 1500, 1400), dtype=np.uint8)
    path = write_zeiss(tmp_path / "a.txm", stored, sector=512)
    assert path.stat().st_size > 109 * 128 * 512
    assert shows(path, stored)


def test_planes_side_by_side_are_not_copied(tmp_path: Path) -> None:
    voxels = read_scan(write_zeiss(tmp_path / "a.txm", LARGE)).voxels
    assert isinstance(voxels, Planes)
    assert not voxels[0].flags.owndata
    assert np.shares_memory(voxels[0], voxels[0])
    scattered = read_scan(write_zeiss(tmp_path / "b.txm", LARGE, scattered=True)).voxels
    assert not np.shares_memory(scattered[0], scattered[0])


def test_threads_read_scattered_planes_at_once(tmp_path: Path) -> None:
    stored = RNG.integers(0, 60_000, (40, 60, 50), dtype=np.uint16)
    voxels = read_scan(write_zeiss(tmp_path / "a.txm", stored, scattered=True)).voxels
    wrong: list[int] = []

    def read(order: np.ndarray) -> None:
        wrong.extend(int(k) for k in order if not np.array_equal(voxels[int(k)], stored[k, ::-1]))

    threads = [threading.Thread(target=read, args=(RNG.permutation(40),)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize(
    ("ending", "projections"), [("txm", False), ("txrm", True), ("xrm", True), ("TXRM", True)]
)
def test_the_ending_says_whether_axis_0_is_depth(ending: str, projections: bool, tmp_path: Path) -> None:
    volume = read_scan(write_zeiss(tmp_path / f"a.{ending}", SMALL))
    assert volume.projections is projections
    assert volume.format == f"zeiss-{ending.lower()}"
    assert volume.metadata["y_flipped"] is True


@pytest.mark.parametrize(
    ("pixel", "expected"),
    [(0.65, (0.65, 0.65, 0.65)), (None, None), (0.0, None), (float("nan"), None), (-1.0, None)],
)
def test_the_spacing_is_the_pixel_size_in_um(pixel: float | None, expected: object, tmp_path: Path) -> None:
    assert read_scan(write_zeiss(tmp_path / "a.txm", SMALL, pixel_um=pixel)).spacing_um == expected


@pytest.mark.parametrize(("planned", "taken", "opens"), [(9, 2, 2), (2, 9, 2), (3, 3, 3)])
def test_an_aborted_scan_has_the_images_that_were_taken(
    planned: int, taken: int, opens: int, tmp_path: Path
) -> None:
    assert read_scan(write_zeiss(tmp_path / "a.txrm", SMALL, planned=planned, taken=taken)).shape == (
        opens,
        20,
        30,
    )


def test_only_listed_facts_are_kept_and_never_the_configuration(tmp_path: Path) -> None:
    extra = {
        "ConfigureBackup/Network/Password": b"hunter2", "ImageInfo/Secret": b"hunter2",
        "ImageInfo/ObjectiveName": b"20x\0hunter2 junk", "ImageInfo/Voltage": struct.pack("<f", 80.0),
        "ImageInfo/Current": struct.pack("<f", 0.0), "ImageInfo/Date": b"11/08/15 11:58:08\0\x01\x02",
    }  # fmt: skip
    metadata = read_scan(write_zeiss(tmp_path / "a.txm", SMALL, extra=extra)).metadata
    assert metadata == {
        "y_flipped": True, "images_planned": 3, "images_taken": 3, "pixel_size_um": 0.5,
        "objective": "20x", "voltage_kv": 80.0, "date": "11/08/15 11:58:08",
    }  # fmt: skip


def test_a_text_file_named_txm_is_refused(tmp_path: Path) -> None:
    (tmp_path / "scan.txm").write_text("not a scan, just text " * 100)
    with pytest.raises(CannotReadFile, match=r"scan\.txm: it is not a Zeiss file"):
        read_scan(tmp_path / "scan.txm")


@pytest.mark.parametrize("scattered", [False, True])
@pytest.mark.parametrize("sector", [512, 4096])
def test_a_truncated_file_never_opens(sector: int, scattered: bool, tmp_path: Path) -> None:
    path = write_zeiss(tmp_path / "a.txm", LARGE, sector=sector, scattered=scattered)
    whole = path.read_bytes()
    for length in np.random.default_rng(1).integers(1, len(whole) - 2 * sector, 40):
        path.write_bytes(whole[:length])
        with pytest.raises(CannotReadFile):
            read_scan(path)


def redirected(path: Path, name: str, chain: list[int]) -> Path:
    """Let a stream of a version 4 file start at `chain[0]` and follow this chain of sectors."""
    data = bytearray(path.read_bytes())
    entry = data.index(name.encode("utf-16-le") + b"\0\0")
    struct.pack_into("<I", data, entry + 116, chain[0])
    fat = (struct.unpack_from("<I", data, 76)[0] + 1) * 4096
    for sector, following in zip(chain, [*chain[1:], 0xFFFFFFFE], strict=True):
        struct.pack_into("<I", data, fat + 4 * sector, following)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("chain", [[900, 901], [13, 900]])
def test_pixels_beyond_the_end_are_missed_at_opening(chain: list[int], tmp_path: Path) -> None:
    path = redirected(write_zeiss(tmp_path / "a.txm", LARGE), "Image7", chain)
    with pytest.raises(
        CannotReadFile, match=r"image 7 breaks off after [01] of 2 sectors; the file is incomplete"
    ):
        read_scan(path)


def test_pixels_cut_off_within_the_last_sector_are_missed_at_opening(tmp_path: Path) -> None:
    path = write_zeiss(tmp_path / "a.txm", LARGE)
    end = path.stat().st_size // 4096 - 1
    redirected(path, "Image7", [end, end + 1])
    whole = path.read_bytes() + LARGE[6].tobytes()
    path.write_bytes(whole)
    assert shows(path, LARGE)
    path.write_bytes(whole[:-1])
    with pytest.raises(CannotReadFile, match=rf"image 7 ends at byte {len(whole)} of {len(whole) - 1}"):
        read_scan(path)


def test_a_chain_longer_than_its_stream_is_read_all_the_same(tmp_path: Path) -> None:
    assert shows(redirected(write_zeiss(tmp_path / "a.txm", LARGE), "Image7", [13, 14, 0]), LARGE)


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    path = write_zeiss(tmp_path / "a.txm", SMALL, planned=4, taken=4)
    with pytest.raises(CannotReadFile, match=r"image 4 of 4 has 0 of 1200 bytes"):
        read_scan(path)


def test_an_image_shorter_than_declared_is_named(tmp_path: Path) -> None:
    path = write_zeiss(tmp_path / "a.txm", SMALL, extra={"ImageInfo/ImageWidth": struct.pack("<i", 400_000)})
    with pytest.raises(CannotReadFile, match=r"image 1 of 3 has 1200 of 16000000 bytes"):
        read_scan(path)


@pytest.mark.parametrize(
    ("stream", "value", "said"),
    [("DataType", 99, "Zeiss type 99, known are"), ("NoOfImages", 0, "0 images of 20 x 30"),
     ("ImagesTaken", -4, "-4 images"), ("ImageHeight", -20, "-20 x 30")],
)  # fmt: skip
def test_impossible_facts_are_refused(stream: str, value: int, said: str, tmp_path: Path) -> None:
    path = write_zeiss(tmp_path / "a.txm", SMALL, extra={f"ImageInfo/{stream}": struct.pack("<i", value)})
    with pytest.raises(CannotReadFile, match=said):
        read_scan(path)


def test_an_office_document_is_not_a_scan(tmp_path: Path) -> None:
    from cfb_writer import cfb_bytes

    (tmp_path / "a.txm").write_bytes(cfb_bytes({"WordDocument": b"x" * 9000}))
    with pytest.raises(CannotReadFile, match="0 images"):
        read_scan(tmp_path / "a.txm")


@pytest.mark.data
@pytest.mark.parametrize(
    ("file", "shape", "spacing"),
    [("test_chip00.xrm", (1, 512, 512), 0.0779), ("txrm_test_chip_tomo.txrm", (7, 256, 256), 0.1558)],
)
def test_real_zeiss_files_hold_what_their_raw_streams_hold(
    file: str, shape: tuple[int, int, int], spacing: float, shared_data: Path
) -> None:
    path = shared_data / "zeiss_txm_dxchange" / file
    volume = read_scan(path)
    assert (volume.shape, volume.dtype, volume.projections) == (shape, np.dtype(np.uint16), True)
    assert volume.spacing_um == pytest.approx((spacing,) * 3, abs=5e-5)
    ole = olefile.OleFileIO(str(path))
    for k in range(shape[0]):
        raw = np.frombuffer(ole.openstream(f"ImageData1/Image{k + 1}").read(), "<u2").reshape(shape[1:])
        np.testing.assert_array_equal(np.asarray(volume.voxels[k]), np.flipud(raw))
        assert not volume.voxels[k].flags.owndata
    ole.close()
    assert not any("password" in str(item).lower() for item in volume.metadata.items())
