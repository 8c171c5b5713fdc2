"""A project with truth, small enough to train in a second."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders import bump_dataset, quick_project
from voidscope.project import Project
from voidscope.volume import Dataset


@pytest.fixture
def dataset(tmp_path: Path, request: pytest.FixtureRequest) -> Dataset:
    """Two training scans and a test scan with truth; of whole bumps with so many empty slices beside them as a test asks for."""
    return bump_dataset(tmp_path / "scans", getattr(request, "param", 0))


@pytest.fixture
def project(tmp_path: Path, dataset: Dataset) -> Project:
    """The dataset's scans in a project with quick settings; nothing labelled."""
    return quick_project(tmp_path / "project", dataset)
