"""Label files: the mask of one slice as a TIFF with its provenance inside."""

from __future__ import annotations

import getpass
import hashlib
import io
import json
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from voidscope.errors import LabelError, ProjectError, error_line
from voidscope.vocabulary import Mask, Provenance, SliceKey
from voidscope.volume.guarding import FOREIGN_ERRORS


@dataclass(frozen=True, slots=True)
class LabelRecord:
    """How the label of one slice came to be."""

    provenance: Provenance
    author: str
    time: str
    """UTC, ISO 8601."""
    sha256: str
    """Of the mask's bytes; checked when it is read."""
    pixels: tuple[int, ...]
    """Labelled pixels per class, in id order."""
    proposed: bool = False
    """Whether a model's prediction is or ever was part of it; such a label judges no model."""
    painted: bool = False
    """Whether a person painted on it where they did not see it, while it stayed unverified; no other proposal takes its place."""

    @property
    def verified(self) -> bool:
        """Whether a person stands behind it; what was only propagated is a proposal until then."""
        return self.provenance is not Provenance.PROPAGATED

    @classmethod
    def of(
        cls,
        mask: Mask,
        n_classes: int,
        provenance: Provenance,
        *,
        author: str = "",
        proposed: bool = False,
        painted: bool = False,
    ) -> LabelRecord:
        """The record of a mask (h, w) labelled now, by the person at this computer unless `author` is given."""
        pixels = tuple(int(np.count_nonzero(mask == c)) for c in range(1, n_classes + 1))
        return cls(provenance, author or user(), now(), sha256(mask), pixels, proposed, painted)

    @classmethod
    def from_json(cls, said: dict[str, Any]) -> LabelRecord:
        """The inverse of `asdict`; raises `KeyError` or `ValueError` for anything else."""
        provenance = Provenance(said["provenance"])
        proposed = said.get("proposed", provenance is Provenance.ACCEPTED)
        author, time, sha256, pixels = (said[name] for name in ("author", "time", "sha256", "pixels"))
        return cls(provenance, author, time, sha256, tuple(pixels), proposed, said.get("painted", False))

    def is_of(self, mask: Mask) -> bool:
        """Whether it is the record of this mask (h, w)."""
        return sha256(mask) == self.sha256

    def says_as(self, other: LabelRecord | None) -> bool:
        """Whether both stand for the same pixels said in the same way, whenever and by whom."""
        if other is None:
            return False
        return (self.sha256, self.provenance, self.proposed) == (
            other.sha256,
            other.provenance,
            other.proposed,
        )


RACY_NS = 2_000_000_000
"""A folder that changed later than this before it was looked at may change again without another time of change."""
Stamp = tuple[int, int, int]
"""What changes when a file is replaced: its inode, size and time of change in ns."""


def stamp(path: Path) -> Stamp | None:
    """The stamp of a file; None where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def user() -> str:
    """Who is labelling."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"


def now() -> str:
    """UTC, ISO 8601, in seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def sha256(mask: Mask) -> str:
    """The hash of a mask's bytes."""
    return hashlib.sha256(np.ascontiguousarray(mask).tobytes()).hexdigest()


def fitting(key: SliceKey, mask: npt.NDArray[np.integer], shape: tuple[int, int], n_classes: int) -> Mask:
    """A label mask (h, w) as it is stored; raises `LabelError` where shape or ids are not those of its slice and classes."""
    if not np.issubdtype(mask.dtype, np.integer):
        raise LabelError(
            f"The label of {key} is {mask.dtype}; class ids are whole numbers: save it as uint8, e.g. mask.astype(numpy.uint8)."
        )
    if mask.shape != shape:
        raise LabelError(
            f"The label of {key} is {mask.shape}; the slice is {shape}. Save it on the slice's own grid."
        )
    if mask.size and not 0 <= int(mask.min()) <= int(mask.max()) <= n_classes:
        raise LabelError(
            f"The label of {key} holds ids {int(mask.min())}..{int(mask.max())}; classes are 0..{n_classes}."
        )
    return np.ascontiguousarray(mask, dtype=np.uint8)


def encode(key: SliceKey, mask: Mask, record: LabelRecord) -> bytes:
    """A label file's content."""
    buffer = io.BytesIO()
    description = json.dumps({"key": str(key), **asdict(record)})
    tifffile.imwrite(buffer, mask, compression="zlib", description=description, metadata=None)
    return buffer.getvalue()


@dataclass(frozen=True, slots=True)
class PackedLabel:
    """The label of a slice as its file held it; to be unpacked later, on any thread or in another process, whatever becomes of the file."""

    key: SliceKey
    path: Path
    record: LabelRecord
    data: bytes

    def mask(self) -> Mask:
        """Its mask (h, w) with ids 0..C; raises `ProjectError` when the file was damaged or not the one recorded."""
        try:
            with tifffile.TiffFile(io.BytesIO(self.data)) as file:
                mask: Mask = file.pages.first.asarray()
        except FOREIGN_ERRORS as error:
            raise _damaged(self.path, error) from error
        if sha256(mask) != self.record.sha256:
            raise ProjectError(
                f"The label file {self.path} was changed outside voidscope; restore it or label {self.key} again."
            )
        return mask


@dataclass(frozen=True, slots=True)
class StoredLabel:
    """The label of a slice as it is stored now; to be read later, on any thread, if nobody has replaced it by then."""

    key: SliceKey
    path: Path
    record: LabelRecord

    def mask(self) -> Mask:
        """Its mask (h, w) with ids 0..C; raises `ProjectError` when the file is damaged, or another by now."""
        return self.packed().mask()

    def packed(self) -> PackedLabel:
        """It as it is now, to be unpacked later; raises `ProjectError` when the file is gone or cannot be read."""
        try:
            return PackedLabel(self.key, self.path, self.record, self.path.read_bytes())
        except OSError as error:
            raise _damaged(self.path, error) from error


def _damaged(path: Path, error: Exception) -> ProjectError:
    return ProjectError(f"The label file {path} is damaged: {error_line(error)}. Restore it from a backup.")


def joined(mask: Mask, base: Mask | None, stored: StoredLabel | None) -> Mask:
    """What becomes of a slice whose stored label is another than expected (h, w): where `mask` is as the label it was painted on
    (`base`), what is stored wins; where no base is known, below the unlabelled pixels of `mask`.
    """
    if base is None:
        return mask if stored is None else np.where(mask == 0, stored.mask(), mask)
    if stored.record.is_of(base) if stored is not None else not base.any():
        return mask
    return np.where(mask != base, mask, np.zeros_like(mask) if stored is None else stored.mask())


def label_path(folder: Path, key: SliceKey) -> Path:
    """Where the label of a slice lies below the labels' folder."""
    return folder / key.scan / f"{key.index:04d}.tif"


def label_paths(folder: Path, scans: Iterable[str]) -> Iterator[tuple[SliceKey, Path]]:
    """The label files of some scans, in order, and the slices they are about."""
    for path in (p for scan in scans for p in sorted((folder / scan).glob("*.tif"))):
        key = SliceKey(path.parent.name, int(path.stem)) if path.stem.isdigit() else None
        if key is not None and path == label_path(folder, key):
            yield key, path


def scan_folders(folder: Path) -> dict[str, int]:
    """When the folder of each scan that has labels last changed, in ns."""
    if not folder.is_dir():
        return {}
    return {p.name: p.stat().st_mtime_ns for p in sorted(folder.iterdir()) if p.is_dir()}


@dataclass(frozen=True, slots=True)
class Look:
    """What a look into the labels' folder finds: scans with labels, those whose folder changed since the last look, and label files there.

    Writing, replacing and deleting a file changes its folder, so that no other need be looked into.
    """

    folder: Path
    scans: dict[str, int]
    """When the folder of each scan that has labels last changed, in ns."""
    moved: frozenset[str]
    files: dict[SliceKey, Path]
    """Of slices that the project has; others are nobody's label."""

    @classmethod
    def into(cls, folder: Path, settled: Mapping[str, int], is_known: Callable[[SliceKey], bool]) -> Look:
        """Look into the folders of scans that are not as in `settled`, for labels of slices that the project knows."""
        scans = scan_folders(folder)
        moved = [n for n, t in scans.items() if settled.get(n) != t]
        files = {key: path for key, path in label_paths(folder, moved) if is_known(key)}
        return cls(folder, scans, frozenset(moved), files)

    def gone(self, keys: Iterable[SliceKey]) -> list[SliceKey]:
        """Which of these slices have no label file any more."""
        return [k for k in keys if k.scan not in self.scans or (k.scan in self.moved and k not in self.files)]

    def settled(self, damaged: Collection[str]) -> dict[str, int]:
        """Scans whose folder need not be looked into until it changes: the change is not of just now, every file was a known label, and
        none was `damaged`.
        """
        long_ago = time.time_ns() - RACY_NS
        foreign = {
            n
            for n in self.moved
            if len(list((self.folder / n).iterdir())) > sum(k.scan == n for k in self.files)
        }
        return {n: t for n, t in self.scans.items() if t < long_ago and n not in foreign and n not in damaged}


def read_record(path: Path) -> LabelRecord:
    """The record inside a label file; raises `ProjectError` when it is damaged."""
    try:
        with tifffile.TiffFile(path) as file:
            return LabelRecord.from_json(json.loads(file.pages.first.description))
    except (OSError, ValueError, KeyError, IndexError, tifffile.TiffFileError) as error:
        raise ProjectError(
            f"The label file {path} is damaged: {error_line(error)}. Restore it from a backup or move it away."
        ) from error
