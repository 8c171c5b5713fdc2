"""What the verbs share: what they ask of a project before they start, and what they record about a result."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from voidscope.errors import NotReady, ProjectError
from voidscope.project import (
    Cycle,
    Project,
    ScanRecord,
    SliceReader,
    fingerprint_method,
    package_version,
)
from voidscope.project.label_files import now
from voidscope.vocabulary import SliceKey, Split

LOADING = "loading torch"
"""Note shown while the learning libraries are imported, which takes seconds the first time."""
PACKAGES = (
    "voidscope", "torch", "segmentation-models-pytorch", "numpy", "scikit-image", "connected-components-3d",
)  # fmt: skip
"""Distributions whose versions a result records."""
OPTIONAL = ("scikit-learn",)
"""Those of extras, recorded where they are installed: the benchmark's forest is one's."""


def training_keys(project: Project, scans: Iterable[str] | None = None) -> tuple[SliceKey, ...]:
    """All slices of the training scans, or of those named; raises `NotReady` when there are none."""
    chosen = None if scans is None else {project.scan(n).name for n in scans}
    keys = tuple(k for k in project.keys(Split.TRAIN) if chosen is None or k.scan in chosen)
    if not keys:
        which = "scan" if chosen is None else f"scan among {', '.join(sorted(chosen))}"
        raise NotReady(
            f"{project.name} has no training {which}; add one with: voidscope add {project.path} SCAN --split train"
        )
    return keys


def learnable(project: Project) -> tuple[SliceKey, ...]:
    """The labelled slices of the training scans, in order."""
    scans = {s.name for s in project.scans.values() if s.split is Split.TRAIN}
    return tuple(k for k in project.labels if k.scan in scans)


def current_cycle(project: Project) -> Cycle:
    """The newest cycle; raises `NotReady` before the first training."""
    if project.cycle is None:
        raise NotReady(f"{project.name} has no trained model yet; label slices and train first.")
    return project.cycle


def cycle_of(project: Project, number: int) -> Cycle:
    """The cycle of this number; raises `ProjectError` naming the known ones."""
    found = next((c for c in project.cycles if c.number == number), None)
    if found is None:
        known = ", ".join(str(c.number) for c in project.cycles) or "none yet"
        raise ProjectError(f"{project.name} has no cycle {number}; its cycles are {known}.")
    return found


def made_with() -> dict[str, Any]:
    """When, on what and with which versions a result is made."""
    return {
        "created": now(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": _versions(),
    }


def _versions() -> dict[str, str]:
    found = {name: package_version(name) for name in (*PACKAGES, *OPTIONAL)}
    return {name: v for name, v in found.items() if name in PACKAGES or v != "unknown"}


def provenance_of(reader: SliceReader) -> dict[str, Any]:
    """`made_with`, and the scans' files with their hashes and spacing."""
    return made_with() | {"scans": {name: _scan_facts(record) for name, record in reader.records.items()}}


def _scan_facts(record: ScanRecord) -> dict[str, Any]:
    spacing_um = None if record.spacing_um is None else list(record.spacing_um)
    hashed = {"fingerprint": record.fingerprint, "hashed": fingerprint_method(record.fingerprint)}
    facts = {"file": record.path, **hashed, "spacing_um": spacing_um}
    return facts | {"spacing_source": record.spacing_source, "plane": record.plane.value}


def fingerprint_of(*parts: object) -> str:
    """A short hash that differs when any part differs."""
    return hashlib.sha256("\n".join(str(p) for p in parts).encode()).hexdigest()[:12]


def seconds(time: object) -> float:
    """A time of ISO 8601 in seconds; 0 where it is none."""
    try:
        return datetime.fromisoformat(str(time)).timestamp()
    except (ValueError, OverflowError):
        return 0.0
