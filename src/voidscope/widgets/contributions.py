"""What napari finds in napari.yaml besides the dock: readers, sample data and a writer for masks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from voidscope.project.atomic import write_bytes
from voidscope.vocabulary import UNLABELLED_IN_FILES, ClassMap
from voidscope.volume import is_scan, read_scan, simulate_scan, tiff_bytes
from voidscope.widgets.looks import CLASSES

LayerData = tuple[Any, dict[str, Any], str]


def scan_reader(path: str | Sequence[str]) -> Callable[[str | Sequence[str]], list[LayerData]] | None:
    """A reader for scans with their spacing in um, or None for files that are none of ours."""
    paths = [path] if isinstance(path, str) else list(path)
    return read_layers if all(is_scan(Path(p)) for p in paths) else None


def read_layers(path: str | Sequence[str]) -> list[LayerData]:
    """Image layers of scans, read lazily."""
    return [_layer(read_scan(p)) for p in ([path] if isinstance(path, str) else path)]


def sample_layers() -> list[LayerData]:
    """A simulated memory-die bump with voids, and its truth."""
    made = simulate_scan("memory", seed=1, number=5, void_level=1.5)
    image = _layer(made.volume)
    meta = {k: image[1][k] for k in ("scale", "units", "axis_labels")}
    return [image, (made.labels, {**meta, "name": f"{made.volume.name} labels", "opacity": 0.4}, "labels")]


def write_labels(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write a labels layer as a TIFF with its spacing where its unit is um.

    Layers of a project (and duplicates of them) are written in the ids of its label files, unlabelled voxels as 255, so
    that ``voidscope label --map`` and ``measure --mask`` read back what was seen.
    """
    units = {str(u) for u in meta.get("units", ())}
    in_um = bool(units) and units <= {"um", "micrometer", "µm", "micron"}
    scale = tuple(float(s) for s in meta.get("scale", ()))
    spacing = (scale[0], scale[1], scale[2]) if in_um and len(scale) == 3 else None
    ids, entries = np.asarray(data), meta.get("metadata", {}).get(CLASSES)
    if entries is not None:
        ids = ClassMap.from_entries(entries).to_file(ids.astype(np.uint8), UNLABELLED_IN_FILES)
    write_bytes(Path(path), tiff_bytes(ids.astype(np.uint16 if ids.max() > 255 else np.uint8), spacing))
    return [path]


def _layer(volume: Any) -> LayerData:
    spacing = volume.spacing_um
    meta = {
        "name": volume.name, "scale": spacing or (1.0, 1.0, 1.0), "units": ("um" if spacing else "pixel",) * 3,
        "axis_labels": ("z", "y", "x"), "metadata": {"scan": dict(volume.metadata), "format": volume.format},
    }  # fmt: skip
    return (volume.voxels, meta, "image")
