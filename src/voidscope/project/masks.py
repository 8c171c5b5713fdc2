"""Masks on disk below a cycle, each with the hash of what the model said, so that one changed by another program is known."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from voidscope.errors import CannotReadFile, LabelError, ProjectError
from voidscope.vocabulary import ClassMap, Mask
from voidscope.volume import read_label_file


def mask_path(folder: Path, scan: str) -> Path:
    """Where a cycle folder keeps the mask of a scan."""
    return folder / "masks" / f"{scan}.tif"


def uncertainty_path(folder: Path, scan: str) -> Path:
    """Where a cycle folder keeps how unsure the model was of each voxel of a scan."""
    return folder / "uncertainty" / f"{scan}.tif"


def hash_path(folder: Path, scan: str) -> Path:
    """Where a cycle folder keeps the hash of a scan's mask."""
    return mask_path(folder, scan).with_suffix(".sha256")


def mask_sha256(mask: Mask) -> str:
    """SHA-256 of a mask (z, y, x), of its class ids one after another in a byte each."""
    return hashlib.sha256(np.ascontiguousarray(mask, np.uint8).data).hexdigest()


def read_hash(folder: Path, scan: str) -> str:
    """The hash that a scan's mask had when it was made; empty where none was kept, as of a version before there were any."""
    path = hash_path(folder, scan)
    return path.read_text(encoding="ascii", errors="replace").strip() if path.is_file() else ""


def read_mask(folder: Path, scan: str, classes: ClassMap, shape: tuple[int, int, int]) -> Mask | None:
    """The mask of a scan as class ids 1..C, or None when the model has not segmented it."""
    path = mask_path(folder, scan)
    if not path.is_file():
        return None
    with remedied(path):
        mask = classes.from_file(read_label_file(path))
    if mask.shape != shape:
        raise ProjectError(f"{path} is {mask.shape}; {scan} is {shape}. Delete it and segment again.")
    return mask


@contextmanager
def remedied(path: Path) -> Iterator[None]:
    """Say of a file that the model made how to come by another one."""
    try:
        yield
    except CannotReadFile as error:
        raise ProjectError(f"{path} is damaged: {error.reason}. Delete it and segment again.") from error
    except LabelError as error:
        raise ProjectError(f"{path} is damaged: {error} Delete it and segment again.") from error
