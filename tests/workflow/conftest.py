"""A project with truth, small enough to train in a second."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders import bump_dataset, quick_project
from voidscope.project import Project
from voidscope.volume import Dataset


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Two training scans and a test scan with truth."""
    return bump_dataset(tmp_path / "scans")


@pytest.fixture
def project(tmp_path: Path, dataset: Dataset) -> Project:
    """The dataset's scans in a project with quick settings; nothing labelled."""
    return quick_project(tmp_path / "project", dataset)
