"""Builders that several test folders share."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from voidscope.project import Project, record_scan
from voidscope.vocabulary import Plane, Split
from voidscope.volume import read_scan, tiff_bytes

SHAPE = (6, 4, 5)
"""(z, y, x) of the test scans: 4 coronal slices of 6 x 5 pixels."""


def write_scan(path: Path, seed: int = 0, shape: tuple[int, int, int] = SHAPE) -> Path:
    """A TIFF of noise with a spacing of 0.7 um."""
    voxels = np.random.default_rng(seed).integers(0, 60_000, shape, dtype=np.uint16)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(tiff_bytes(voxels, (0.7, 0.7, 0.7)))
    return path


def add_scan(project: Project, path: Path, split: Split = Split.TRAIN, plane: Plane | None = None) -> None:
    """Add a file to a project."""
    project.add([record_scan(read_scan(path), project.path, split=split, plane=plane)])
