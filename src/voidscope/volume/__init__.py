"""Scans in and out: volumes, the file formats they come in, their intensities, datasets, and simulated scans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from voidscope.volume.dataset import Dataset, DatasetScan
from voidscope.volume.folder import missing_slices
from voidscope.volume.intensity import Intensity, measure_intensity, scale
from voidscope.volume.reading import is_scan, read_label_file, read_scan, scan_name
from voidscope.volume.thumbnail import thumbnail
from voidscope.volume.tiff_writing import tiff_bytes, with_spacing
from voidscope.volume.volumes import (
    Spacing,
    Volume,
    VoxelSource,
    check_spacing,
    doubtful_spacing,
    slice_index,
)

if TYPE_CHECKING:
    from voidscope.volume.phantom import simulate_dataset, simulate_scan

__all__ = [
    "Dataset",
    "DatasetScan",
    "Intensity",
    "Spacing",
    "Volume",
    "VoxelSource",
    "check_spacing",
    "doubtful_spacing",
    "is_scan",
    "measure_intensity",
    "missing_slices",
    "read_label_file",
    "read_scan",
    "scale",
    "scan_name",
    "simulate_dataset",
    "simulate_scan",
    "slice_index",
    "thumbnail",
    "tiff_bytes",
    "with_spacing",
]


def __getattr__(name: str) -> Any:
    if name in ("simulate_dataset", "simulate_scan"):
        from voidscope.volume import phantom

        return getattr(phantom, name)
    raise AttributeError(f"module 'voidscope.volume' has no attribute {name!r}")
