"""A small project with truth, and the real viewer's dock on it."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from qtpy.QtWidgets import QApplication

from builders import bump_dataset, quick_project
from voidscope.model import Check
from voidscope.project import Project
from voidscope.volume import Dataset


@pytest.fixture(scope="session", autouse=True)
def napari_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Leave the person's napari settings alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NAPARI_CONFIG", str(tmp_path_factory.mktemp("napari") / "settings.yaml"))
        yield


@pytest.fixture(scope="module", autouse=True)
def modules_set_aside() -> None:
    """napari collects garbage whenever a layer goes: not all that torch and napari hold each time."""
    import napari  # noqa: F401

    import voidscope.model  # noqa: F401

    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def trained_here(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run trainings in this process, where torch is loaded already; those marked `own_process` have one of their own.

    That both give the same numbers is tested in tests/workflow/test_speeds.py.
    """
    if request.node.get_closest_marker("own_process") is None:
        monkeypatch.setattr("voidscope.workflow.lessons.apart", lambda title, make: make())


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Two training scans and a test scan with truth."""
    return bump_dataset(tmp_path / "scans")


@pytest.fixture
def project(tmp_path: Path, dataset: Dataset) -> Project:
    """The dataset's scans in a project with quick settings; nothing labelled."""
    return quick_project(tmp_path / "project", dataset)


@pytest.fixture
def dock(
    make_napari_viewer: Callable[[], Any], project: Project, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """The dock, opened by its display name in a real viewer, showing the project."""
    found = (Check("processor", "one of a test"), Check("runs on", "cpu, float32: a test"))
    monkeypatch.setattr("voidscope.widgets.doctor_panel._examined", lambda device: found)
    viewer = make_napari_viewer()
    _, widget = viewer.window.add_plugin_dock_widget("voidscope", "Voidscope")
    widget.show_project(project)
    yield widget
    widget.close_project()
    viewer._layer_slicer.wait_until_idle()
    QApplication.processEvents()  # what a slicing thread still had to tell this viewer, which is kept alive by it
