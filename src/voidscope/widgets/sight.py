"""What a scan looks like: all of it is read before anything of it is shown, so that what cannot be read changes nothing in view."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from voidscope.acquisition import Survey
from voidscope.errors import ProjectError, VoidscopeError, error_line
from voidscope.project import Project, ScanRecord
from voidscope.vocabulary import Mask, SliceKey
from voidscope.volume import VoxelSource, slice_index
from voidscope.widgets.ahead import Ahead
from voidscope.widgets.filled import Filled
from voidscope.widgets.rejections import Rejections


@dataclass(frozen=True)
class Sight:
    """A scan as it is to come into view: its voxels, all that is said of it (z, y, x), verified or not, the same slice by slice, and the
    slice that is looked at first.
    """

    record: ScanRecord
    voxels: Any
    painted: Mask
    filled: Filled
    index: int


def sight(project: Project, key: SliceKey, tell: Callable[[str], object]) -> Sight:
    """Read all that it takes to show a scan at a slice, and that slice; raises `VoidscopeError` where it cannot be read or held.

    `tell` is told of what cannot be read later.
    """
    record, labels = project.scan(key.scan), project.labels
    index = min(max(key.index, 0), record.n_slices - 1)
    try:
        voxels = project.volume(key.scan).voxels
        np.asarray(voxels[slice_index(record.plane, index)])
        # a slice lies together in memory: what is filled in or painted touches no more of a large array than that
        slices = np.zeros((record.n_slices, *record.slice_shape), np.uint8)
        painted, filled = np.moveaxis(slices, 0, record.plane.axis), Filled(record.slice_shape)
        for said in (k for k in (*labels, *labels.unverified) if k.scan == key.scan):
            painted[slice_index(record.plane, said.index)] = filled.fill(labels, said)
    except MemoryError as error:
        raise ProjectError(
            f"{key} cannot be shown: the memory is full ({error_line(error)}). Close other programs, then go there again."
        ) from error
    return Sight(record, _Shown(voxels, tell), painted, filled, index)


def found(
    project: Project, ahead: Ahead, rejections: Rejections, record: ScanRecord, tell: Callable[[str], object]
) -> tuple[Mask | None, Mask | None, Survey | None]:
    """What the current model found in a scan, as far as it is in memory, the same without what was rejected, and the survey; a mask that is
    not in memory is read ahead. Nothing, which is told, where a file is damaged: a scan can be painted all the same.
    """
    try:
        mask = ahead.mask(record.name)
        if mask is None:
            ahead.ask(record.name)
        shown = None if mask is None else rejections.without(mask, record)
        return mask, shown, project.survey
    except (VoidscopeError, MemoryError) as error:
        tell(error_line(error))
        return None, None, None


class _Shown:
    """Voxels (z, y, x) for the image layer: what turns out to be damaged or too large is 0, never a picture of something else, and `tell`
    is told, once of each thing.
    """

    def __init__(self, voxels: VoxelSource, tell: Callable[[str], object]) -> None:
        self.shape, self.dtype = voxels.shape, voxels.dtype
        self.ndim, self.size = len(voxels.shape), math.prod(voxels.shape)
        self._voxels, self._tell = voxels, tell
        self._told: set[str] = set()

    def __getitem__(self, where: Any) -> npt.NDArray[Any]:
        try:
            return np.asarray(self._voxels[where])
        except (VoidscopeError, MemoryError) as error:
            sentence = error_line(error)
        if sentence not in self._told:
            self._told.add(sentence)
            self._tell(sentence)
        return np.zeros(np.broadcast_to(np.zeros((), self.dtype), self.shape)[where].shape, self.dtype)

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.asarray(self._voxels, dtype=dtype)

    def __deepcopy__(self, memo: dict[int, Any]) -> _Shown:
        return self  # what a layer's duplicate shows; it is not to be written to
