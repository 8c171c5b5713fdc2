"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")
os.environ.setdefault("NAPARI_CONFIG", "")
FIRST = (
    "test_running.py",
    "test_dock.py",
    "test_soak.py",
    "test_battery.py",
    "test_three_speeds.py",
    "test_fifteen_minutes.py",
    "test_gauge_study.py",
)
"""Test files that run for half a minute or more."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest first, so that no process is left with one of them at the end."""
    items.sort(key=lambda item: FIRST.index(item.path.name) if item.path.name in FIRST else len(FIRST))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real files that lies beside the repository's folder, where there is one."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real files of shared/data are not on this machine")
    return folder


@pytest.fixture
def full_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """``auto`` is a GPU, all of whose memory another program holds."""
    import torch

    from voidscope.model import Compute

    choose, place = Compute.choose, Compute.place

    def chosen(cls: type[Compute], name: str = "auto") -> Compute:
        return cls(torch.device("meta"), torch.float32) if name == "auto" else choose(name)

    def placed(self: Compute, network: Any) -> Any:
        if self.device.type != "cpu":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return place(self, network)

    monkeypatch.setattr(Compute, "choose", classmethod(chosen))
    monkeypatch.setattr(Compute, "place", placed)
