"""A folder of scans with their truth, as the simulator writes them and as a person prepares them.

``NAME.tif`` (or any scan file, or a folder of slices) with ``NAME_labels.tif`` beside it, labels optional, and
optionally ``dataset.json``::

    {"classes": [{"id": 0, "name": "background", "role": "background"}, {"id": 3, "name": "void", "role": "void"}],
     "spacing_um": [z, y, x], "test": ["scan_003"]}
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from voidscope.errors import CannotReadFile, LabelError
from voidscope.vocabulary import ClassMap, Mask, Split
from voidscope.volume.guarding import guarded
from voidscope.volume.reading import is_scan, read_label_file, read_scan, scan_name
from voidscope.volume.volumes import Spacing, Volume

if TYPE_CHECKING:
    from voidscope.volume.description import Description

DESCRIPTION = "dataset.json"
LABELS = "_labels"
LIKE_LABELS = re.compile(r"(?P<scan>.+)[_-](labels?|seg|segmentation|masks?|gt|truth)", re.IGNORECASE)
"""What label files are called elsewhere."""
TEST_EVERY = 5
"""Without a list of test scans, every fifth scan by name is kept for testing."""


@dataclass(frozen=True, slots=True)
class DatasetScan:
    """One scan of a dataset: its name, its file or folder, its label file where there is one, its split."""

    name: str
    path: Path
    labels_path: Path | None
    split: Split


@dataclass(frozen=True, slots=True)
class Dataset:
    """Scans in a folder, in order of name, with their classes; ids of label files are those of `classes`.

    `spacing_um` holds for the scans whose own file says no spacing; what a file says of itself goes first.
    """

    folder: Path
    classes: ClassMap
    spacing_um: Spacing | None
    scans: tuple[DatasetScan, ...]

    @classmethod
    def open(cls, folder: str | Path) -> Dataset:
        """Look through a dataset folder; no voxel is read.

        Without ``dataset.json`` the classes are `ClassMap.hbm` and every fifth scan is for testing.

        Raises
        ------
        CannotReadFile : no such folder, no scan in it, two scans of one name, labels without a scan, or a
            ``dataset.json`` that is not JSON, lacks its classes or names test scans that are not there.
        """
        # pydantic is slow to import and not wanted by those who only read a scan
        from voidscope.volume.description import read_description

        folder = Path(folder)
        scans, labels = _found(folder)
        described = read_description(folder / DESCRIPTION)
        test = _test_names(folder, tuple(scans), described)
        return cls(
            folder,
            ClassMap.hbm() if described is None else described.class_map,
            None if described is None else described.spacing_um,
            tuple(
                DatasetScan(name, path, labels.get(name), Split.TEST if name in test else Split.TRAIN)
                for name, path in scans.items()
            ),
        )

    def scan(self, name: str) -> DatasetScan:
        """The scan called `name`; raises `CannotReadFile` naming those there are."""
        for scan in self.scans:
            if scan.name == name:
                return scan
        known = ", ".join(s.name for s in self.scans[:8])
        raise CannotReadFile(self.folder, f"there is no scan {name!r} in this dataset; it has {known}.")

    def volume(self, name: str) -> Volume:
        """Open a scan lazily, with the dataset's spacing where its own file says none."""
        scan = self.scan(name)
        volume = read_scan(scan.path, name=name)
        if volume.spacing_um is not None or self.spacing_um is None:
            return volume
        return replace(volume, spacing_um=self.spacing_um)

    def truth(self, name: str) -> Mask:
        """The labels (z, y, x) of a scan as class ids 1..C.

        Raises
        ------
        LabelError : the scan has no labels, they have another shape, or hold ids the classes do not name.
        """
        scan = self.scan(name)
        if scan.labels_path is None:
            raise LabelError(
                f"{name} has no labels; put them beside it as {name}{LABELS}.tif in {self.folder}."
            )
        ids = read_label_file(scan.labels_path)
        shape = read_scan(scan.path, name=name).shape
        if ids.shape != shape:
            raise LabelError(
                f"{scan.labels_path} has shape {ids.shape}, {name} has {shape}; export the labels on the scan's own grid."
            )
        if unknown := sorted({int(i) for i in np.unique(ids)} - {c.file_id for c in self.classes.classes}):
            known = ", ".join(f"{c.file_id}={c.name}" for c in self.classes.classes)
            raise LabelError(
                f"{scan.labels_path} holds ids {unknown[:8]}, the dataset's classes are {known}. "
                f"Name them under classes in {self.folder / DESCRIPTION}."
            )
        return self.classes.from_file(ids)


def _found(folder: Path) -> tuple[dict[str, Path], dict[str, Path]]:
    """Scans and labels of a folder by scan name, in order of name."""
    with guarded(folder):
        entries = sorted(p for p in folder.iterdir() if not p.name.startswith(".") and is_scan(p))
    scans = _by_name(folder, [p for p in entries if not scan_name(p).endswith(LABELS)])
    labels = _by_name(folder, [p for p in entries if scan_name(p).endswith(LABELS)])
    labels = {name.removesuffix(LABELS): path for name, path in labels.items()}
    if not scans:
        raise CannotReadFile(
            folder, "the folder holds no scan. A dataset is NAME.tif with NAME_labels.tif beside it."
        )
    if lonely := sorted(set(labels) - set(scans)):
        raise CannotReadFile(
            labels[lonely[0]], f"there is no scan {lonely[0]} beside these labels. Give both one name."
        )
    for name, path in scans.items():
        if (m := LIKE_LABELS.fullmatch(name)) and m["scan"] in scans:
            rename = "" if m["scan"] in labels else f"call it {m['scan']}{LABELS}{path.suffix}, or "
            raise CannotReadFile(
                path, f"it looks like labels of {m['scan']}: {rename}take it out of the folder."
            )
    return scans, labels


def _by_name(folder: Path, paths: list[Path]) -> dict[str, Path]:
    named: dict[str, Path] = {}
    for path in paths:
        name = scan_name(path)
        if name in named:
            raise CannotReadFile(
                folder, f"{path.name} and {named[name].name} are both called {name}. Rename one of them."
            )
        named[name] = path
    return dict(sorted(named.items()))


def _test_names(folder: Path, names: tuple[str, ...], described: Description | None) -> frozenset[str]:
    if described is None or described.test is None:
        return frozenset(names[TEST_EVERY - 1 :: TEST_EVERY])
    wanted = {scan_name(folder / name): name for name in described.test}
    if unknown := sorted(wanted[name] for name in wanted.keys() - set(names)):
        raise CannotReadFile(
            folder / DESCRIPTION,
            f"test names scans that are not in the folder: {', '.join(unknown[:5])}. Correct the list; it has {', '.join(names[:8])}.",
        )
    return frozenset(wanted)
