"""What a project knows about each of its scans, and how that is found out when a scan is added."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from voidscope.errors import NotReady, ProjectError
from voidscope.vocabulary import Plane, SliceKey, Split
from voidscope.volume import Intensity, Spacing, Volume, measure_intensity, read_scan, scale

PROJECTIONS = ("zeiss-txrm", "zeiss-xrm")
"""Formats of projections; what is reconstructed from them is another file."""
SAMPLED_ABOVE = 1 << 30
"""Files above this many bytes are fingerprinted by samples, so that adding a scan stays quick."""
SAMPLES = 64
"""Samples of 1 MiB of such a file, evenly spaced."""


class ScanRecord(BaseModel):
    """One scan of a project: where it lies, its geometry, its split and how its intensities are scaled."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    path: str
    """Absolute path of the file or folder when it was added."""
    relative: str
    """The same path seen from the project folder; it is tried first, so that both can move together."""
    shape: tuple[int, int, int]
    dtype: str
    spacing_um: Spacing | None
    spacing_source: str
    """``file``, ``dataset.json``, ``typed in`` or ``unknown``."""
    format: str
    plane: Plane
    split: Split
    intensity: Intensity
    fingerprint: str
    """``sha256:...`` of the file as `sha256sum` gives it (of a folder: names, sizes, contents), or ``sampled-sha256:...``."""

    @property
    def source(self) -> str:
        """Names the data of the scan and the plane its slices lie in."""
        return f"{self.fingerprint} {self.plane.value}"

    @property
    def n_slices(self) -> int:
        """Number of slices along the scan's plane."""
        return self.shape[self.plane.axis]

    @property
    def slice_shape(self) -> tuple[int, int]:
        """(h, w) of each slice."""
        h, w = (n for axis, n in enumerate(self.shape) if axis != self.plane.axis)
        return h, w

    @property
    def slice_spacing_um(self) -> tuple[float, float] | None:
        """Spacing of the rows and columns of each slice; None where it is not known."""
        if self.spacing_um is None:
            return None
        y, x = (s for axis, s in enumerate(self.spacing_um) if axis != self.plane.axis)
        return y, x

    def shape_of(self, index: int) -> tuple[int, int]:
        """(h, w) of a slice; raises `ProjectError` when there is no such slice."""
        if not 0 <= index < self.n_slices:
            raise ProjectError(
                f"There is no slice {SliceKey(self.name, index)}; {self.name} has slices 0..{self.n_slices - 1} along {self.plane.value}."
            )
        return self.slice_shape

    def typed_in(self, spacing_um: Spacing) -> ScanRecord:
        """This record with a spacing that a person has typed in."""
        return self.model_copy(update={"spacing_um": spacing_um, "spacing_source": "typed in"})

    def slice_keys(self) -> tuple[SliceKey, ...]:
        """The keys of all slices in order."""
        return tuple(SliceKey(self.name, i) for i in range(self.n_slices))

    @property
    def is_projected(self) -> bool:
        """Whether its slices are X-ray projections, in which nothing has a volume."""
        return self.format in PROJECTIONS

    def found_again(self, other: ScanRecord, labelled: bool) -> ScanRecord:
        """This record with the place, split and plane of `other`, the same data, and its spacing where one was typed in.

        Raises `ProjectError` when it is other data, or when a labelled scan would be cut along another axis.
        """
        if self.fingerprint != other.fingerprint:
            raise ProjectError(
                f"The project already has another scan {self.name!r} ({self.path}). Rename the file and add it again."
            )
        if labelled and self.plane is not other.plane:
            raise ProjectError(
                f"{self.name} is labelled along {self.plane.value}, so it cannot be cut along {other.plane.value}. "
                "Add a copy of the file under another name."
            )
        changes: dict[str, object] = {n: getattr(other, n) for n in ("path", "relative", "split", "plane")}
        if other.spacing_source == "typed in":
            changes |= {"spacing_um": other.spacing_um, "spacing_source": other.spacing_source}
        return self.model_copy(update=changes)

    def place(self, project_folder: Path) -> Path:
        """Where the scan's file or folder lies now; raises `ProjectError` when it was moved."""
        path = next((p for p in (project_folder / self.relative, Path(self.path)) if p.exists()), None)
        if path is None:
            raise ProjectError(
                f"The file of {self.name} is gone: {self.path}. Put it back, or add it where it lies now, in napari "
                f"or with: voidscope add {project_folder} NEW_PATH; its labels stay with it."
            )
        return path

    def open(self, project_folder: Path) -> Volume:
        """Open the scan lazily; raises `ProjectError` when it was moved, or has changed its shape or type."""
        path = self.place(project_folder)
        volume = read_scan(path, spacing_um=self.spacing_um, name=self.name)
        if volume.shape != self.shape or str(volume.dtype) != self.dtype:
            raise ProjectError(
                f"{path} is now {volume.shape} {volume.dtype}; {self.name} was added as {self.shape} {self.dtype}. "
                f"Restore the file, or add this one under another name."
            )
        return volume


class SliceLists:
    """The slices of scans by split, listed once for as long as the scans stay as they are; a window asks at every move."""

    def __init__(self) -> None:
        self._scans: tuple[ScanRecord, ...] = ()
        self._lists: dict[Split | None, tuple[SliceKey, ...]] = {}

    def of(self, scans: tuple[ScanRecord, ...], split: Split | None) -> tuple[SliceKey, ...]:
        """All slices of `scans` in order, or those of one split."""
        if scans is not self._scans:
            if scans != self._scans:
                self._lists.clear()
            self._scans = scans
        if split not in self._lists:
            self._lists[split] = tuple(k for s in scans if split in (None, s.split) for k in s.slice_keys())
        return self._lists[split]


class OpenedOnce:
    """A scan of a project in `folder` that is opened where it is first asked for, on whatever thread that is, and stays open.

    In another process its file is opened again: a pickle of it holds no voxels.
    """

    def __init__(self, record: ScanRecord, folder: Path) -> None:
        self.record = record
        self._folder = folder
        self._volume: Volume | None = None
        self._lock = threading.Lock()

    @property
    def at_hand(self) -> bool:
        """Whether a slice of it can be looked at without its file being opened and unpacked."""
        return self._volume is not None and getattr(self._volume.voxels, "at_hand", True)

    @property
    def unpacked_bytes(self) -> int:
        """What of it is in memory and would have to be unpacked again."""
        return 0 if self._volume is None else int(getattr(self._volume.voxels, "unpacked_bytes", 0))

    def volume(self) -> Volume:
        """The scan; raises as `ScanRecord.open` where it is not open yet."""
        with self._lock:
            if self._volume is None:
                self._volume = self.record.open(self._folder)
            return self._volume

    def check(self) -> OpenedOnce:
        """Itself; raises `ProjectError` where it is not open and its file is gone."""
        if self._volume is None:
            self.record.place(self._folder)
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return OpenedOnce, (self.record, self._folder.resolve())


@dataclass(frozen=True)
class SliceReader:
    """Reads scaled slices of some scans, on any thread or in another process; what a job takes along instead of the project."""

    scans: Mapping[str, OpenedOnce]

    @property
    def records(self) -> dict[str, ScanRecord]:
        """The records of its scans by name."""
        return {name: scan.record for name, scan in self.scans.items()}

    def volume(self, scan: str) -> Volume:
        """A scan, opened now where it is not; raises `ProjectError` where its file has gone or changed since."""
        return self.scans[scan].volume()

    def image(self, key: SliceKey) -> npt.NDArray[np.float32]:
        """The slice (h, w), scaled to [0, 1] between its scan's 1st and 99th percentile; raises as `volume`."""
        record = self.scans[key.scan].record
        return scale(self.volume(key.scan).slice(record.plane, key.index), record.intensity)


def record_scan(
    volume: Volume, project_folder: Path, *, split: Split, plane: Plane | None, spacing_source: str = "file"
) -> ScanRecord:
    """Look once through a scan and write down what the project needs; changes nothing.

    Raises `VolumeError` for a constant or all-NaN scan.
    """
    if volume.path is None:
        raise ProjectError(f"{volume.name} lies in memory only; save it as a TIFF and add the file.")
    path = volume.path.resolve()
    return ScanRecord(
        name=volume.name, path=str(path), relative=_relative(path, project_folder),
        shape=volume.shape, dtype=str(volume.dtype), spacing_um=volume.spacing_um, spacing_source="unknown" if volume.spacing_um is None else spacing_source,
        format=volume.format, plane=plane or volume.default_plane, split=split,
        intensity=measure_intensity(volume), fingerprint=fingerprint(path),
    )  # fmt: skip


def pooled_moments(records: Sequence[ScanRecord], project_folder: Path) -> tuple[float, float]:
    """Mean and standard deviation of the scaled intensities of all voxels of the training scans; `NotReady` without any."""
    if not records:
        raise NotReady(
            f"{project_folder.resolve().name} has no training scan; add one with: voidscope add {project_folder} SCAN --split train"
        )
    weights = np.array([np.prod(s.shape, dtype=float) for s in records])
    means = np.array([s.intensity.mean for s in records])
    squares = np.array([s.intensity.std**2 + s.intensity.mean**2 for s in records])
    mean = float(np.average(means, weights=weights))
    return mean, float(np.sqrt(max(np.average(squares, weights=weights) - mean**2, 1e-8)))


def fingerprint(path: Path) -> str:
    """SHA-256 of a file; over names, sizes and contents of a folder's files in order; over size and samples of large ones."""
    files = sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]
    sampled = sum(f.stat().st_size for f in files) > SAMPLED_ABOVE
    digest = hashlib.sha256()
    for file in files:
        if path.is_dir():
            digest.update(file.name.encode())
        if path.is_dir() or sampled:
            digest.update(str(file.stat().st_size).encode())
        for block in _blocks(file, sampled):
            digest.update(block)
    return f"{'sampled-' if sampled else ''}sha256:{digest.hexdigest()}"


def fingerprint_method(told: str) -> str:
    """What a fingerprint is a hash of, in words."""
    if told.startswith("sampled-"):
        return f"SHA-256 of the sizes and of about {SAMPLES} samples of 1 MiB, not of every byte: more than 1 GiB"
    return "SHA-256 of every byte"


def _blocks(file: Path, sampled: bool, size: int = 1 << 20) -> Iterator[bytes]:
    total = file.stat().st_size
    step = max(size, total // SAMPLES) if sampled else size
    with file.open("rb") as handle:
        for start in range(0, total, step):
            handle.seek(start)
            yield handle.read(size)


def _relative(path: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(path, folder.resolve())).as_posix()
    except ValueError:  # another drive on Windows
        return str(path)
