"""What people said: one mask file per labelled slice, each with its provenance inside."""

from __future__ import annotations

import getpass
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tifffile

from voidscope.errors import LabelError, ProjectError
from voidscope.project.atomic import remove, write_bytes
from voidscope.vocabulary import Mask, Provenance, SliceKey


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


class Labels:
    """Store of label masks by slice key; every change is on disk, durably, when the call returns.

    `shape_of` gives the (h, w) of a key or raises for an unknown one; `changed` is told each key that changed. Another
    program may label in the same folder: `catch_up` takes in what it did, and `put` joins a label it wrote meanwhile.
    """

    def __init__(
        self, folder: Path, n_classes: int, shape_of: Callable[[SliceKey], tuple[int, int]],
        changed: Callable[[SliceKey], None],
    ) -> None:  # fmt: skip
        self._folder = folder
        self._n_classes = n_classes
        self._shape_of = shape_of
        self._changed = changed
        self._records: dict[SliceKey, LabelRecord] = {}
        self._stamps: dict[SliceKey, _Stamp] = {}
        for key, path in self._files():
            self._take_in(key, path)

    def __len__(self) -> int:
        return len(self._records)

    def __contains__(self, key: object) -> bool:
        return key in self._records

    def __iter__(self) -> Iterator[SliceKey]:
        return iter(self.keys())

    def keys(self) -> tuple[SliceKey, ...]:
        """All labelled slices in order."""
        return tuple(sorted(self._records))

    def of(self, scan: str) -> tuple[SliceKey, ...]:
        """The labelled slices of one scan in order."""
        return tuple(k for k in self.keys() if k.scan == scan)

    def record(self, key: SliceKey) -> LabelRecord:
        """Provenance of a labelled slice; raises `LabelError` for an unlabelled one."""
        if key not in self._records:
            raise LabelError(f"{key} has no label; paint or import one first.")
        return self._records[key]

    def get(self, key: SliceKey) -> Mask | None:
        """The label mask (h, w) with ids 0..C, or None; raises `ProjectError` when its file is damaged."""
        if key not in self._records:
            return None
        path = self._path(key)
        try:
            mask: Mask = tifffile.imread(path)
        except (OSError, ValueError, tifffile.TiffFileError) as error:
            raise ProjectError(
                f"The label file {path} is damaged: {error}. Restore it from a backup."
            ) from error
        if _sha256(mask) != self._records[key].sha256:
            raise ProjectError(
                f"The label file {path} was changed outside voidscope; restore it or label {key} again."
            )
        return mask

    def put(
        self,
        key: SliceKey,
        mask: npt.NDArray[np.integer],
        provenance: Provenance = Provenance.DRAWN,
        author: str = "",
    ) -> None:
        """Store a label mask (h, w), ids 0..C; one without any labelled pixel removes the label.

        Where another program has labelled the slice since it was last looked at, its label stays on the pixels that `mask`
        leaves unlabelled. Raises `LabelError` when shape or ids do not fit, `ProjectError` when the disk refuses.
        """
        fitting = self._joined(key, self._checked(key, mask))
        if not fitting.any():
            self.remove(key)
            return
        pixels = np.bincount(fitting.ravel(), minlength=self._n_classes + 1)[1:]
        now = datetime.now(UTC).isoformat(timespec="seconds")
        record = LabelRecord(
            provenance, author or _user(), now, _sha256(fitting), tuple(int(n) for n in pixels),
            provenance is Provenance.ACCEPTED or (provenance is Provenance.DRAWN and self._is_proposed(key)),
        )  # fmt: skip
        write_bytes(self._path(key), _tiff(fitting, {"key": str(key), **asdict(record)}))
        self._records[key], self._stamps[key] = record, _stamp(self._path(key))
        self._changed(key)

    def remove(self, key: SliceKey) -> None:
        """Forget the label of a slice; an unlabelled slice is fine."""
        if key in self._records:
            remove(self._path(key))
            self._forget(key)
            self._changed(key)

    def catch_up(self) -> None:
        """Take in what another program has labelled in this folder since it was last looked at."""
        files = dict(self._files())
        for key in [k for k in self._records if k not in files]:
            self._forget(key)
            self._changed(key)
        for key, path in files.items():
            if _stamp(path) != self._stamps.get(key):
                self._take_in(key, path)
                self._changed(key)

    def counts(self, keys: Iterable[SliceKey] | None = None) -> npt.NDArray[np.int64]:
        """Labelled pixels per class (C,), over all slices or those of `keys`."""
        total = np.zeros(self._n_classes, dtype=np.int64)
        for key in self._records if keys is None else keys:
            if key in self._records:
                total += np.asarray(self._records[key].pixels)
        return total

    def _checked(self, key: SliceKey, mask: npt.NDArray[np.integer]) -> Mask:
        shape = self._shape_of(key)
        if mask.shape != shape:
            raise LabelError(
                f"The label of {key} is {mask.shape}; the slice is {shape}. Save it on the slice's own grid."
            )
        if mask.size and not 0 <= int(mask.min()) <= int(mask.max()) <= self._n_classes:
            raise LabelError(
                f"The label of {key} holds ids {int(mask.min())}..{int(mask.max())}; classes are 0..{self._n_classes}."
            )
        return np.ascontiguousarray(mask, dtype=np.uint8)

    def _files(self) -> Iterable[tuple[SliceKey, Path]]:
        """Label files of slices that the project has; others are nobody's label."""
        for path in sorted(self._folder.glob("*/*.tif")):
            key = SliceKey(path.parent.name, int(path.stem)) if path.stem.isdigit() else None
            if key is not None and path == self._path(key) and self._is_known(key):
                yield key, path

    def _is_known(self, key: SliceKey) -> bool:
        try:
            self._shape_of(key)
        except ProjectError:
            return False
        return True

    def _take_in(self, key: SliceKey, path: Path) -> None:
        self._stamps[key] = _stamp(path)
        self._records[key] = _read_record(path)

    def _is_proposed(self, key: SliceKey) -> bool:
        return key in self._records and self._records[key].proposed

    def _forget(self, key: SliceKey) -> None:
        self._records.pop(key, None)
        self._stamps.pop(key, None)

    def _joined(self, key: SliceKey, mask: Mask) -> Mask:
        """`mask`, and below its unlabelled pixels what another program has written since."""
        path = self._path(key)
        if not path.is_file() or _stamp(path) == self._stamps.get(key):
            return mask
        self._take_in(key, path)
        theirs = self.get(key)
        return mask if theirs is None else np.where(mask == 0, theirs, mask)

    def _path(self, key: SliceKey) -> Path:
        return self._folder / key.scan / f"{key.index:04d}.tif"


_Stamp = tuple[int, int, int]
"""What changes when a file is replaced: its inode, size and time of change in ns."""


def _stamp(path: Path) -> _Stamp:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"


def _sha256(mask: Mask) -> str:
    return hashlib.sha256(np.ascontiguousarray(mask).tobytes()).hexdigest()


def _tiff(mask: Mask, description: Mapping[str, object]) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, mask, compression="zlib", description=json.dumps(description), metadata=None)
    return buffer.getvalue()


def _read_record(path: Path) -> LabelRecord:
    try:
        with tifffile.TiffFile(path) as file:
            said = json.loads(file.pages.first.description)
        return LabelRecord(
            Provenance(said["provenance"]),
            said["author"],
            said["time"],
            said["sha256"],
            tuple(said["pixels"]),
            said.get("proposed", said["provenance"] == Provenance.ACCEPTED),
        )
    except (OSError, ValueError, KeyError, IndexError, tifffile.TiffFileError) as error:
        raise ProjectError(
            f"The label file {path} is damaged: {error}. Restore it from a backup or move it away."
        ) from error
