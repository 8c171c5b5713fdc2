"""A project with truth, small enough to train in a second."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from voidscope.config import Config
from voidscope.jobs import execute
from voidscope.project import Project
from voidscope.volume import Dataset, tiff_bytes
from voidscope.workflow import add_dataset

SHAPE = (24, 6, 20)
"""(z, y, x): 6 coronal slices of 24 x 20 pixels."""
QUICK = (
    "model.encoder=tu-mobilenetv3_small_050", "train.epochs=3", "train.batch_size=4", "train.crop=32",
    "train.learning_rate=1e-3", "suggest.budget=3", "pretrain.epochs=2", "pretrain.batch_size=4", "pretrain.crop=32", "device=cpu",
)  # fmt: skip


def pillar_with_void(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Intensities and file ids (z, y, x) of a copper pillar under solder; every second slice has a void."""
    rng = np.random.default_rng(seed)
    ids = np.zeros(SHAPE, np.uint8)
    ids[12:20, :, 4:16] = 1
    ids[5:12, :, 4:16] = 2
    ids[7:10, ::2, 8:12] = 3
    grey = np.array([8_000, 40_000, 55_000, 12_000], np.float64)[ids]
    return (grey + rng.normal(0, 1_500, SHAPE)).astype(np.uint16), ids


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Two training scans and a test scan with truth."""
    folder = tmp_path / "scans"
    folder.mkdir()
    names = ["background", "copper_pillar", "solder", "void"]
    classes = [{"id": k, "name": n} for k, n in enumerate(names)]
    (folder / "dataset.json").write_text(
        json.dumps({"classes": classes, "spacing_um": [0.7, 0.7, 0.7], "test": ["c"]})
    )
    for seed, name in enumerate("abc"):
        voxels, ids = pillar_with_void(seed)
        (folder / f"{name}.tif").write_bytes(tiff_bytes(voxels, None))
        (folder / f"{name}_labels.tif").write_bytes(tiff_bytes(ids, None))
    return Dataset.open(folder)


@pytest.fixture
def project(tmp_path: Path, dataset: Dataset) -> Project:
    """The dataset's scans in a project with quick settings; nothing labelled."""
    made = Project.create(tmp_path / "project", dataset.classes, config=Config().with_changes(QUICK))
    execute(add_dataset(made, dataset))
    return made
