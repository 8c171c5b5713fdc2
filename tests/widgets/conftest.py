"""A small project with truth, and the real viewer's dock on it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from voidscope.config import Config
from voidscope.jobs import execute
from voidscope.project import Project
from voidscope.volume import Dataset, tiff_bytes
from voidscope.workflow import add_dataset

QUICK = (
    "model.encoder=tu-mobilenetv3_small_050",
    "train.epochs=2",
    "train.batch_size=4",
    "train.crop=32",
    "suggest.budget=3",
    "device=cpu",
)


@pytest.fixture(scope="session", autouse=True)
def napari_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Leave the person's napari settings alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NAPARI_CONFIG", str(tmp_path_factory.mktemp("napari") / "settings.yaml"))
        yield


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Two training scans and a test scan of 6 coronal slices, 24 x 20 pixels, with truth."""
    folder = tmp_path / "scans"
    folder.mkdir()
    names = ["background", "copper_pillar", "solder", "void"]
    classes = [{"id": k, "name": n} for k, n in enumerate(names)]
    (folder / "dataset.json").write_text(
        json.dumps({"classes": classes, "spacing_um": [0.7, 0.5, 0.7], "test": ["c"]})
    )
    for seed, name in enumerate("abc"):
        ids = np.zeros((24, 6, 20), np.uint8)
        ids[12:20, :, 4:16], ids[5:12, :, 4:16], ids[7:10, ::2, 8:12] = 1, 2, 3
        grey = np.array([8_000, 40_000, 55_000, 12_000])[ids] + np.random.default_rng(seed).normal(
            0, 1_500, ids.shape
        )
        (folder / f"{name}.tif").write_bytes(tiff_bytes(grey.astype(np.uint16), None))
        (folder / f"{name}_labels.tif").write_bytes(tiff_bytes(ids, None))
    return Dataset.open(folder)


@pytest.fixture
def project(tmp_path: Path, dataset: Dataset) -> Project:
    """The dataset's scans in a project with quick settings; nothing labelled."""
    made = Project.create(tmp_path / "project", dataset.classes, config=Config().with_changes(QUICK))
    execute(add_dataset(made, dataset))
    return made


@pytest.fixture
def dock(
    make_napari_viewer: Callable[[], Any], project: Project, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """The dock, opened by its display name in a real viewer, showing the project."""
    from voidscope.widgets import dock as module

    monkeypatch.setattr(module, "_machine", lambda: ("a test machine", ""))
    viewer = make_napari_viewer()
    _, widget = viewer.window.add_plugin_dock_widget("voidscope", "Voidscope")
    widget.show_project(project)
    yield widget
    widget.close_project()
