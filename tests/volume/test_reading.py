"""Any path either opens as a scan or says in one line why not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from voidscope.errors import CannotReadFile, LabelError, VolumeError
from voidscope.volume import read_label_file, read_scan, scan_name, tiff_bytes

VOXELS = np.random.default_rng(0).integers(0, 60_000, (4, 9, 8), dtype=np.uint16)


@pytest.mark.parametrize(
    ("file", "name"),
    [("scan07.tif", "scan07"), ("scan07.ome.tif", "scan07"), ("scan07.OME.TIFF", "scan07"), ("a b(1).npy", "a_b_1_"),
     ("chip-3.v2.txm", "chip-3.v2"), ("Übergang_µ.tif", "Übergang_µ"), ("a/b.tif", "b"), (".tif.tif", "tif"), ("#.tif", "_")],
)  # fmt: skip
def test_a_scan_is_called_like_its_file(file: str, name: str) -> None:
    assert scan_name(Path(file)) == name


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_a_scan_name_never_leaves_its_folder(stem: str) -> None:
    name = scan_name(Path(f"{stem}.tif"))
    assert name
    assert not name.startswith(".")
    assert all(c.isalnum() or c in "_-." for c in name)


def test_a_name_and_spacing_given_replace_those_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "scan.tif").write_bytes(tiff_bytes(VOXELS, (1, 1, 1)))
    assert read_scan(tmp_path / "scan.tif").spacing_um == (1, 1, 1)
    volume = read_scan(str(tmp_path / "scan.tif"), spacing_um=(3, 2, 1), name="other")
    assert (volume.spacing_um, volume.name, volume.path) == ((3.0, 2.0, 1.0), "other", tmp_path / "scan.tif")


@pytest.mark.parametrize("spacing", [(0, 1, 1), (1, -1, 1), (1, 1, float("nan")), (1, 1, float("inf"))])
def test_an_impossible_spacing_is_refused(spacing: tuple[float, float, float], tmp_path: Path) -> None:
    (tmp_path / "scan.tif").write_bytes(tiff_bytes(VOXELS, None))
    with pytest.raises(VolumeError, match="above 0 in µm"):
        read_scan(tmp_path / "scan.tif", spacing_um=spacing)


@pytest.mark.parametrize(
    ("file", "said"),
    [("gone.tif", "no such file or folder"), ("notes.docx", r"its ending '\.docx' is none of \.tif"), ("empty.tif", "0 bytes"),
     ("empty.txm", "0 bytes"), ("empty.npy", "0 bytes"), ("no_ending", "its ending ''"), ("nul\0.tif", "damaged|no such file"),
     ("x" * 300 + ".tif", "name too long|no such file")],
)  # fmt: skip
def test_what_cannot_be_read_says_why_in_one_line(file: str, said: str, tmp_path: Path) -> None:
    if file.startswith(("empty", "no")):
        (tmp_path / file.replace("\0", "")).write_bytes(b"" if file.startswith("empty") else b"text")
    with pytest.raises(CannotReadFile, match=f"(?i){said}") as refusal:
        read_scan(tmp_path / file)
    assert "\n" not in str(refusal.value)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions do not bind here")
def test_a_file_one_may_not_read_says_so(tmp_path: Path) -> None:
    (tmp_path / "scan.tif").write_bytes(tiff_bytes(VOXELS, None))
    (tmp_path / "scan.tif").chmod(0)
    with pytest.raises(CannotReadFile, match="Permission denied"):
        read_scan(tmp_path / "scan.tif")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32])
def test_labels_keep_the_ids_of_their_file(dtype: type, tmp_path: Path) -> None:
    ids = (VOXELS % 5).astype(dtype)
    tifffile.imwrite(tmp_path / "labels.tif", ids, photometric="minisblack", compression="zlib")
    read = read_label_file(tmp_path / "labels.tif")
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, ids)
    read[:] = 0


def test_a_label_image_is_one_slice_and_booleans_are_0_and_1(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "labels.tif", VOXELS[0] > 30_000)
    read = read_label_file(tmp_path / "labels.tif")
    assert read.shape == (1, 9, 8)
    np.testing.assert_array_equal(read[0], (VOXELS[0] > 30_000).astype(np.uint8))


def test_labels_that_are_no_whole_numbers_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "labels.npy", np.zeros((2, 3, 4)))
    with pytest.raises(LabelError, match=r"labels\.npy holds float64 values.*uint8"):
        read_label_file(tmp_path / "labels.npy")


REAL = {
    "battery_xct_ucl/im_1.tif": ((1, 576, 576), "uint16", None),
    "battery_xct_ucl/im_2.tif": ((1, 576, 576), "uint16", None),
    "battery_xct_ucl/mask_1.tif": ((1, 576, 576), "uint8", None),
    "battery_xct_ucl/mask_2.tif": ((1, 576, 576), "uint8", None),
    "qim3d_ct/cement_128x128x128.tif": ((128, 128, 128), "uint8", None),
    "qim3d_ct/fibers_150x150x150.tif": ((150, 150, 150), "uint8", None),
    "qim3d_ct/NT_128x128x128.tif": ((128, 128, 128), "uint8", None),
    "qim3d_ct/bone_128x128x128.tif": ((128, 128, 128), "uint8", None),
    "qim3d_ct/shell_225x128x128.tif": ((225, 128, 128), "uint8", (1.0, 1.0, 1.0)),
}
"""What the files' own tags say; qim3d's fibres are in inches at 25.4 dpi, which is no measurement."""


@pytest.mark.data
@pytest.mark.parametrize("file", REAL)
def test_real_scans_open_with_shape_type_spacing_and_voxels(file: str, shared_data: Path) -> None:
    shape, dtype, spacing = REAL[file]
    volume = read_scan(shared_data / file)
    assert (volume.shape, str(volume.dtype), volume.spacing_um) == (shape, dtype, spacing)
    independent = tifffile.imread(shared_data / file).reshape(shape)
    np.testing.assert_array_equal(np.asarray(volume.voxels), independent)
    index = shape[volume.default_plane.axis] // 2
    np.testing.assert_array_equal(
        volume.slice(volume.default_plane, index), independent.take(index, axis=volume.default_plane.axis)
    )


@pytest.mark.data
def test_real_battery_masks_hold_the_noted_shares(shared_data: Path) -> None:
    shares = [(read_label_file(shared_data / f"battery_xct_ucl/mask_{k}.tif") == 255).mean() for k in (1, 2)]
    assert shares == pytest.approx([0.230, 0.219], abs=5e-4)


def test_the_room_is_cheap_to_enter() -> None:
    heavy = ("torch", "qtpy", "napari", "scipy", "skimage", "tifffile", "pydantic")
    told = f"import sys, voidscope.volume; print([m for m in {heavy} if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )
