"""A small project on real files in a temporary folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders import add_scan, write_scan
from voidscope.project import Project
from voidscope.vocabulary import ClassMap, Split


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Two training scans and a test scan with HBM classes."""
    made = Project.create(tmp_path / "project", ClassMap.hbm())
    for seed, (name, split) in enumerate([("a", Split.TRAIN), ("b", Split.TRAIN), ("c", Split.TEST)]):
        add_scan(made, write_scan(tmp_path / "scans" / f"{name}.tif", seed), split)
    return made
