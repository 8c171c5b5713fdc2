"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")
os.environ.setdefault("NAPARI_CONFIG", "")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real files that lies beside the repository's folder, where there is one."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real files of shared/data are not on this machine")
    return folder
