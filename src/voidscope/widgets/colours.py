"""How classes and heatmaps are coloured; no viewer needed."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.utils.colormaps import DirectLabelColormap

from voidscope.acquisition import Survey, flickering, pixel_rareness
from voidscope.errors import VoidscopeError
from voidscope.vocabulary import ClassMap, Mask, Role
from voidscope.volume import VoxelSource
from voidscope.widgets.preferences import SAFE, preferences


def shown_classes(classes: ClassMap) -> ClassMap:
    """A project's classes in the colours that the person prefers."""
    return classes.recoloured() if preferences().class_colours == SAFE else classes


def class_colours(classes: ClassMap, background: float) -> DirectLabelColormap:
    """A label colormap of the class colours (see `shown_classes`); `background` is the opacity of background classes."""
    table: dict[int | None, Any] = {None: (0, 0, 0, 0), 0: (0, 0, 0, 0)}
    for class_id, entry in enumerate(shown_classes(classes).classes, start=1):
        table[class_id] = (*entry.rgb, background if entry.role is Role.BACKGROUND else 1.0)
    return DirectLabelColormap(color_dict=table)


def class_shares(mask: Mask, survey: Survey | None, n_classes: int) -> npt.NDArray[np.float64]:
    """p(c) over all training slices as the survey has it; without a survey, the shares within `mask`."""
    if survey is not None:
        return survey.class_distribution()
    counts = np.zeros(n_classes, np.int64)
    for part in mask:  # one at a time: what is compared stays in the processor's cache
        counts += [np.count_nonzero(part == class_id) for class_id in range(1, n_classes + 1)]
    return np.asarray(counts / max(1, counts.sum()))


class HeatMap:
    """A heatmap (z, y, x), made for the part that is looked at and never stored; an array as napari wants it.

    It cannot be written to, so that a layer's duplicate has it too.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape, self.ndim, self.size = shape, len(shape), math.prod(shape)
        self.dtype = np.dtype(np.float32)

    def __getitem__(self, where: Any) -> npt.NDArray[np.float32]:
        """The part at a NumPy index."""
        raise NotImplementedError

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[np.float32]:
        return np.asarray(self[...], dtype=dtype)

    def __deepcopy__(self, memo: dict[int, Any]) -> HeatMap:
        return self


class RarenessMap(HeatMap):
    """The rareness of a mask; `shares` is asked for p(c) when it is first looked at."""

    def __init__(self, mask: Mask, shares: Callable[[], npt.NDArray[np.float64]]) -> None:
        super().__init__(mask.shape)
        self._mask, self._ask = mask, shares

    @cached_property
    def _shares(self) -> npt.NDArray[np.float64]:
        return self._ask()

    def __getitem__(self, where: Any) -> npt.NDArray[np.float32]:
        return pixel_rareness(np.asarray(self._mask[where]), self._shares)


class UncertaintyMap(HeatMap):
    """Entropy in nats that stays in its file, which `find` opens when it is first looked at; where it turns out to be damaged it is 0, and
    `tell` is told once.
    """

    def __init__(
        self, find: Callable[[], VoxelSource | None], shape: tuple[int, ...], tell: Callable[[str], object]
    ) -> None:
        super().__init__(shape)
        self._find, self._tell = find, tell
        self._damaged = False

    @cached_property
    def _entropy(self) -> VoxelSource | None:
        return self._find()

    def __getitem__(self, where: Any) -> npt.NDArray[np.float32]:
        try:
            if self._entropy is not None:
                return np.asarray(self._entropy[where], dtype=np.float32)
        except VoidscopeError as error:
            if not self._damaged:
                self._damaged = True
                self._tell(str(error))
        return np.zeros(np.broadcast_to(np.float32(0), self.shape)[where].shape, np.float32)


class FlickerMap(HeatMap):
    """Where a mask flickers along an axis."""

    def __init__(self, mask: Mask, axis: int) -> None:
        super().__init__(mask.shape)
        self._mask, self._axis = mask, axis

    def __getitem__(self, where: Any) -> npt.NDArray[np.float32]:
        given = where if isinstance(where, tuple) else (where,)
        if Ellipsis in given:
            at = given.index(Ellipsis)
            given = (*given[:at], *[slice(None)] * (self.ndim - len(given) + 1), *given[at + 1 :])
        given = (*given, *[slice(None)] * (self.ndim - len(given)))
        index = np.arange(self.shape[self._axis])[given[self._axis]]
        n, rest = self.shape[self._axis], [*given]
        rest[self._axis] = slice(None)
        part, axis = self._mask[tuple(rest)], sum(isinstance(w, slice) for w in rest[: self._axis])
        before, here, after = (part.take(np.clip(index + k, 0, n - 1), axis=axis) for k in (-1, 0, 1))
        found = flickering(before, here, after)
        return found.astype(np.float32)  # an end is its own neighbour, so it never differs from both
