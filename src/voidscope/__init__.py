"""voidscope: defect segmentation in X-ray microscopy, learnt from a handful of labelled slices.

The whole story in one screen is docs/index.md. The names below are the Python API; each is loaded when first used,
so that importing voidscope costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voidscope.config import Config
    from voidscope.errors import VoidscopeError
    from voidscope.jobs import Job, Progress, execute
    from voidscope.project import Project, answer_suggestions, import_labels
    from voidscope.vocabulary import ClassMap, Plane, SliceKey, Split
    from voidscope.volume import Dataset, Volume, read_scan
    from voidscope.workflow import (
        add_dataset,
        add_scans,
        evaluate,
        measure,
        pretrain,
        segment,
        simulate,
        suggest,
        train,
    )

_HOMES = {
    "config": ("Config",),
    "errors": ("VoidscopeError",),
    "jobs": ("Job", "Progress", "execute"),
    "project": ("Project", "answer_suggestions", "import_labels"),
    "vocabulary": ("ClassMap", "Plane", "SliceKey", "Split"),
    "volume": ("Dataset", "Volume", "read_scan"),
    "workflow": (
        "add_dataset",
        "add_scans",
        "evaluate",
        "measure",
        "pretrain",
        "segment",
        "simulate",
        "suggest",
        "train",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "ClassMap",
    "Config",
    "Dataset",
    "Job",
    "Plane",
    "Progress",
    "Project",
    "SliceKey",
    "Split",
    "VoidscopeError",
    "Volume",
    "add_dataset",
    "add_scans",
    "answer_suggestions",
    "evaluate",
    "execute",
    "import_labels",
    "measure",
    "pretrain",
    "read_scan",
    "segment",
    "simulate",
    "suggest",
    "train",
]


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'voidscope' has no attribute {name!r}")
    return getattr(import_module(f"voidscope.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
