"""What the verbs share: what they ask of a project before they start, and what they record about a result."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from voidscope.errors import NotReady
from voidscope.project import Cycle, Project, SliceReader, package_version
from voidscope.vocabulary import SliceKey, Split

LOADING = "loading torch"
"""Note shown while the learning libraries are imported, which takes seconds the first time."""


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


def current_cycle(project: Project) -> Cycle:
    """The newest cycle; raises `NotReady` before the first training."""
    if project.cycle is None:
        raise NotReady(f"{project.name} has no trained model yet; label slices and train first.")
    return project.cycle


def provenance_of(reader: SliceReader) -> dict[str, Any]:
    """What a result was made with: time, machine, versions, and the scans' files with their hashes."""
    names = (
        "voidscope",
        "torch",
        "segmentation-models-pytorch",
        "numpy",
        "scikit-image",
        "connected-components-3d",
    )
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": {n: package_version(n) for n in names},
        "scans": {n: {"file": r.path, "fingerprint": r.fingerprint, "spacing_um": r.spacing_um and list(r.spacing_um), "spacing_source": r.spacing_source} for n, r in reader.records.items()},
    }  # fmt: skip


def fingerprint_of(*parts: object) -> str:
    """A short hash that differs when any part differs."""
    return hashlib.sha256("\n".join(str(p) for p in parts).encode()).hexdigest()[:12]
