"""Builders that several test folders share."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from voidscope.acquisition import ScanFindings
from voidscope.config import Config
from voidscope.jobs import execute
from voidscope.metrology import Views
from voidscope.project import Cycle, Project, record_scan
from voidscope.project.results import draft_prediction
from voidscope.vocabulary import Mask, Plane, Split
from voidscope.volume import Dataset, read_scan, tiff_bytes
from voidscope.workflow import add_dataset

SHAPE = (6, 4, 5)
"""(z, y, x) of the test scans: 4 coronal slices of 6 x 5 pixels."""
NOBODY = 65534
"""A user to whom no file belongs."""


def write_scan(path: Path, seed: int = 0, shape: tuple[int, int, int] = SHAPE) -> Path:
    """A TIFF of noise with a spacing of 0.7 um."""
    voxels = np.random.default_rng(seed).integers(0, 60_000, shape, dtype=np.uint16)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(tiff_bytes(voxels, (0.7, 0.7, 0.7)))
    return path


def add_scan(project: Project, path: Path, split: Split = Split.TRAIN, plane: Plane | None = None) -> None:
    """Add a file to a project."""
    project.add([record_scan(read_scan(path), project.path, split=split, plane=plane)])


QUICK = (
    "model.encoder=tu-mobilenetv3_small_050", "train.epochs=3", "train.batch_size=4", "train.crop=32",
    "train.learning_rate=1e-3", "suggest.budget=3", "pretrain.epochs=2", "pretrain.batch_size=4", "pretrain.crop=32", "device=cpu",
)  # fmt: skip
"""Settings that train in a second."""


def bump_dataset(folder: Path, beside: int = 0) -> Dataset:
    """Scans a, b and c (the last for testing) with truth: 6 coronal slices, 24 x 20 pixels, of solder on a pillar.

    Every second slice has a void. The scan cuts the bump in front and behind, unless there are empty slices `beside` it on either
    side: then it is a whole one, twice as deep.
    """
    folder.mkdir()
    names = ["background", "copper_pillar", "solder", "void"]
    classes = [{"id": k, "name": n} for k, n in enumerate(names)]
    described = {"classes": classes, "spacing_um": [0.7, 1.0 if beside else 0.5, 0.7], "test": ["c"]}
    (folder / "dataset.json").write_text(json.dumps(described))
    ids = np.zeros((24, 6, 20), np.uint8)
    ids[12:20, :, 4:16], ids[5:12, :, 4:16], ids[7:10, ::2, 8:12] = 1, 2, 3
    ids = np.pad(ids, ((0, 0), (beside, beside), (0, 0)))
    for seed, name in enumerate("abc"):
        noise = np.random.default_rng(seed).normal(0, 1_500, ids.shape)
        voxels = (np.array([8_000, 40_000, 55_000, 12_000])[ids] + noise).astype(np.uint16)
        (folder / f"{name}.tif").write_bytes(tiff_bytes(voxels, None))
        (folder / f"{name}_labels.tif").write_bytes(tiff_bytes(ids, None))
    return Dataset.open(folder)


def quick_project(path: Path, dataset: Dataset) -> Project:
    """The dataset's scans in a project with quick settings; nothing labelled."""
    made = Project.create(path, dataset.classes, config=Config().with_changes(QUICK))
    execute(add_dataset(made, dataset))
    return made


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nobody can write below a folder, which stands open to all: root neither, who asks as another user meanwhile.

    What is imported meanwhile may not be found by that user. Skips the test where nothing keeps this user from writing.
    """
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.rglob("*"))}
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    try:
        for path in modes:
            path.chmod(0o555 if path.is_dir() else 0o444)
        if is_root:
            os.seteuid(NOBODY)
        try:
            (folder / "probe").touch()
        except PermissionError:
            yield
        else:
            pytest.skip("nothing keeps this user from writing")
    finally:
        if is_root:
            os.seteuid(0)
        for path, mode in modes.items():
            path.chmod(mode)


def add_cycle(project: Project, **provenance: object) -> Cycle:
    """A cycle whose weights are no weights."""
    weights = f"weights {len(project.cycles)}".encode()
    metrics = {"losses": [1.0, 0.5], "seconds": 1.0, "warnings": []}
    digest = hashlib.sha256(weights).hexdigest()
    cycle = Cycle(
        len(project.cycles) + 1, project.labels.keys(), 0, digest, metrics, provenance, {}, (0.5, 0.2)
    )  # fmt: skip
    return project.add_cycle(cycle, weights)


def set_prediction(
    project: Project, model_id: str, scan: str, mask: Mask, entropy: npt.NDArray[np.float16],
    found: ScanFindings | None = None, views: Views | None = None,
) -> None:  # fmt: skip
    """Keep what a model is made to say of a scan, as `segment` does with what it said."""
    folder, record = project.current(model_id).folder, project.scan(scan)
    project.keep(draft_prediction(folder, model_id, record, project.classes, mask, entropy, found, views))
