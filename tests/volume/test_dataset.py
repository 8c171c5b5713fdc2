"""A dataset folder is scans, their labels, classes, spacing and split."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from cfb_writer import write_zeiss

from voidscope.errors import CannotReadFile, LabelError
from voidscope.vocabulary import ClassMap, Split
from voidscope.volume import Dataset, tiff_bytes

SHAPE = (3, 4, 5)
IDS = np.random.default_rng(0).integers(0, 5, SHAPE, dtype=np.uint8)
CLASSES = [
    {"id": 0, "name": "background"},
    {"id": 7, "name": "pore", "role": "void"},
    {"id": 3, "name": "metal"},
]


def write_scan(folder: Path, name: str, spacing: tuple[float, float, float] | None = None) -> None:
    voxels = np.random.default_rng(len(name)).integers(0, 255, SHAPE, dtype=np.uint8)
    (folder / f"{name}.tif").write_bytes(tiff_bytes(voxels, spacing))


def write_labels(folder: Path, name: str, ids: np.ndarray = IDS) -> None:
    (folder / f"{name}_labels.tif").write_bytes(tiff_bytes(ids, None))


def describe(folder: Path, **changes: object) -> None:
    (folder / "dataset.json").write_text(json.dumps({"classes": CLASSES, **changes}))


def test_without_a_description_classes_are_hbm_and_every_fifth_scan_is_for_testing(tmp_path: Path) -> None:
    for k in range(11):
        write_scan(tmp_path, f"scan_{k:03d}")
    dataset = Dataset.open(str(tmp_path))
    assert dataset.classes == ClassMap.hbm()
    assert dataset.spacing_um is None
    assert [s.name for s in dataset.scans] == [f"scan_{k:03d}" for k in range(11)]
    assert [s.name for s in dataset.scans if s.split is Split.TEST] == ["scan_004", "scan_009"]


def test_labels_belong_to_the_scan_of_their_name_and_are_optional(tmp_path: Path) -> None:
    write_scan(tmp_path, "a")
    write_scan(tmp_path, "b")
    write_labels(tmp_path, "a")
    dataset = Dataset.open(tmp_path)
    assert dataset.scan("a").labels_path == tmp_path / "a_labels.tif"
    assert dataset.scan("b").labels_path is None
    np.testing.assert_array_equal(dataset.truth("a"), IDS + 1)
    with pytest.raises(LabelError, match=r"b has no labels; put them beside it as b_labels\.tif"):
        dataset.truth("b")


def test_a_description_names_classes_spacing_and_test_scans(tmp_path: Path) -> None:
    write_scan(tmp_path, "a")
    write_scan(tmp_path, "b")
    write_labels(tmp_path, "b", np.array([0, 3, 7], np.uint8)[IDS % 3])
    describe(tmp_path, spacing_um=[3, 2, 1.5], test=["a"], seed=7)
    dataset = Dataset.open(tmp_path)
    assert dataset.classes.names == ("background", "pore", "metal")
    assert dataset.spacing_um == (3.0, 2.0, 1.5)
    assert [s.split for s in dataset.scans] == [Split.TEST, Split.TRAIN]
    np.testing.assert_array_equal(dataset.truth("b"), np.array([1, 3, 2], np.uint8)[IDS % 3])


def test_an_empty_test_list_means_no_test_scans(tmp_path: Path) -> None:
    for name in "abcde":
        write_scan(tmp_path, name)
    describe(tmp_path, test=[])
    assert {s.split for s in Dataset.open(tmp_path).scans} == {Split.TRAIN}


def test_what_a_scan_says_of_its_spacing_goes_before_the_description(tmp_path: Path) -> None:
    write_scan(tmp_path, "says", (0.5, 0.5, 0.5))
    write_scan(tmp_path, "silent")
    describe(tmp_path, spacing_um=[3, 2, 1])
    dataset = Dataset.open(tmp_path)
    assert dataset.volume("says").spacing_um == (0.5, 0.5, 0.5)
    assert dataset.volume("silent").spacing_um == (3.0, 2.0, 1.0)
    assert (dataset.volume("silent").name, dataset.volume("silent").shape) == ("silent", SHAPE)


def test_scans_come_in_any_readable_form(tmp_path: Path) -> None:
    write_scan(tmp_path, "tiff")
    np.save(tmp_path / "array.npy", IDS)
    write_zeiss(tmp_path / "zeiss.txm", IDS)
    for folder in ("slices", "slices_labels"):
        (tmp_path / folder).mkdir()
        for k, plane in enumerate(IDS):
            tifffile.imwrite(tmp_path / folder / f"{k}.tif", plane)
    (tmp_path / "notes").mkdir()
    (tmp_path / "README.md").write_text("no scan")
    (tmp_path / ".hidden.tif").write_bytes(b"")
    dataset = Dataset.open(tmp_path)
    assert [s.name for s in dataset.scans] == ["array", "slices", "tiff", "zeiss"]
    assert {dataset.volume(s.name).shape for s in dataset.scans} == {SHAPE}
    np.testing.assert_array_equal(dataset.truth("slices"), IDS + 1)


def test_labels_of_another_shape_are_named_with_both_shapes(tmp_path: Path) -> None:
    write_scan(tmp_path, "a")
    write_labels(tmp_path, "a", IDS[:2])
    with pytest.raises(LabelError, match=r"a_labels\.tif has shape \(2, 4, 5\), a has \(3, 4, 5\)"):
        Dataset.open(tmp_path).truth("a")


def test_unknown_ids_are_named(tmp_path: Path) -> None:
    write_scan(tmp_path, "a")
    write_labels(tmp_path, "a", IDS + 3)
    with pytest.raises(
        LabelError, match=r"a_labels\.tif holds ids \[5, 6, 7\], the dataset's classes are 0=background"
    ):
        Dataset.open(tmp_path).truth("a")


def test_an_unknown_scan_is_named_with_those_there_are(tmp_path: Path) -> None:
    write_scan(tmp_path, "a")
    with pytest.raises(CannotReadFile, match=r"no scan 'z' in this dataset; it has a\."):
        Dataset.open(tmp_path).truth("z")


@pytest.mark.parametrize(
    ("text", "said"),
    [("{not json", "the whole file: Invalid JSON"), ("[]", "the whole file"),
     ('{"classes": [{"name": "a"}]}', r"classes\.0\.id: Field required"), ('{"classes": [{"id": 0}]}', r"classes\.0\.name"),
     ('{"classes": [{"id": "x", "name": "a"}]}', r"classes\.0\.id"), ('{"classes": []}', "at least two classes"),
     ('{"classes": [{"id": 0, "name": "a"}, {"id": 0, "name": "b"}]}', "unique"),
     ('{"classes": [{"id": 0, "name": "a"}, {"id": 1, "name": "b", "role": "hole"}]}', "role 'hole'"),
     (json.dumps({"classes": CLASSES, "spacing_um": [1, 1]}), "spacing_um"),
     (json.dumps({"classes": CLASSES, "spacing_um": [1, 1, 0]}), "greater than 0"),
     (json.dumps({"classes": CLASSES, "test": ["a", "y", "z"]}), r"not in the folder: y, z. Correct the list; it has a\."),
     (json.dumps({"clases": CLASSES}), "no 'clases'; write 'classes'"), (json.dumps({"Test": ["a"]}), "no 'Test'; write 'test'"),
     (json.dumps({"tets": ["a"]}), "write 'test'"), (json.dumps({"spacing_mm": [1, 1, 1]}), "write 'spacing_um', in µm"),
     ('{"classes": [{"id": 0, "name": "a"}, {"id": 1, "name": "b", "rol": "void"}]}', "no 'rol'; write 'role'"),
     (json.dumps({"classes": CLASSES, "test": "a"}), "test"), ("\udcff", "Invalid JSON")],
)  # fmt: skip
def test_a_malformed_description_is_refused_by_name_in_one_line(text: str, said: str, tmp_path: Path) -> None:
    write_scan(tmp_path, "a")
    (tmp_path / "dataset.json").write_text(text, errors="surrogateescape")
    with pytest.raises(CannotReadFile, match=rf"dataset\.json: .*{said}") as refusal:
        Dataset.open(tmp_path)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("ending", ["_label", "-labels", "_Mask", "_seg", "_GT"])
def test_labels_called_otherwise_are_no_scan(ending: str, tmp_path: Path) -> None:
    write_scan(tmp_path, "a")
    write_scan(tmp_path, f"b{ending}")
    assert len(Dataset.open(tmp_path).scans) == 2  # nothing that they could be labels of
    write_scan(tmp_path, f"a{ending}")
    with pytest.raises(CannotReadFile, match=r"labels of a: call it a_labels\.tif, or take it out of"):
        Dataset.open(tmp_path)
    write_labels(tmp_path, "a", IDS)
    with pytest.raises(CannotReadFile, match=r"it looks like labels of a: take it out of the folder"):
        Dataset.open(tmp_path)


def test_test_scans_may_be_named_as_their_files_are(tmp_path: Path) -> None:
    write_scan(tmp_path, "Probe ä 1")
    for name in "bc":
        write_scan(tmp_path, name)
    (tmp_path / "dataset.json").write_text(json.dumps({"classes": CLASSES, "test": ["Probe ä 1", "c.tif"]}))
    assert [(s.name, s.split.value) for s in Dataset.open(tmp_path).scans] == [
        ("Probe_ä_1", "test"),
        ("b", "train"),
        ("c", "test"),
    ]


def test_a_folder_without_scans_is_refused(tmp_path: Path) -> None:
    for folder, said in [
        (tmp_path, "holds no scan"),
        (tmp_path / "gone", "No such file"),
        (tmp_path / "file", "Not a directory"),
    ]:
        (tmp_path / "file").write_text("x")
        with pytest.raises(CannotReadFile, match=said):
            Dataset.open(folder)


def test_labels_without_a_scan_are_named(tmp_path: Path) -> None:
    write_scan(tmp_path, "a")
    write_labels(tmp_path, "b")
    with pytest.raises(CannotReadFile, match=r"b_labels\.tif: there is no scan b beside these labels"):
        Dataset.open(tmp_path)


def test_two_scans_of_one_name_are_refused(tmp_path: Path) -> None:
    write_scan(tmp_path, "a")
    np.save(tmp_path / "a.npy", IDS)
    with pytest.raises(CannotReadFile, match=r"a\.tif and a\.npy are both called a"):
        Dataset.open(tmp_path)
