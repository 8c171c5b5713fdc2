"""How classes and heatmaps are coloured; no viewer needed."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from napari.utils.colormaps import DirectLabelColormap

from voidscope.acquisition import Survey, flickering, pixel_rareness
from voidscope.vocabulary import ClassMap, Mask, Role
from voidscope.widgets.preferences import SAFE, preferences


def shown_classes(classes: ClassMap) -> ClassMap:
    """A project's classes in the colours that the person prefers."""
    return classes.recoloured() if preferences().class_colours == SAFE else classes


def class_colours(classes: ClassMap, background: float) -> DirectLabelColormap:
    """A label colormap of the class colours (see `shown_classes`); `background` is the opacity of background classes."""
    table: dict[int | None, Any] = {None: (0, 0, 0, 0), 0: (0, 0, 0, 0)}
    for class_id, entry in enumerate(shown_classes(classes).classes, start=1):
        rgb = [int(entry.colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        table[class_id] = (*rgb, background if entry.role is Role.BACKGROUND else 1.0)
    return DirectLabelColormap(color_dict=table)


def class_shares(mask: Mask, survey: Survey | None, n_classes: int) -> npt.NDArray[np.float64]:
    """p(c) over all training slices as the survey has it; without a survey, the shares within `mask`."""
    if survey is not None:
        return survey.class_distribution()
    counts = np.bincount(mask.ravel(), minlength=n_classes + 1)[1:]
    return np.asarray(counts / max(1, counts.sum()), dtype=np.float64)


class RarenessMap:
    """The rareness heatmap (z, y, x) of a mask, computed for the part that is looked at and never stored.

    An array as napari wants it: shape, dtype and indexing.
    """

    def __init__(self, mask: Mask, shares: npt.NDArray[np.float64]) -> None:
        self._mask, self._shares = mask, shares
        self.shape, self.ndim, self.size = mask.shape, mask.ndim, mask.size
        self.dtype = np.dtype(np.float32)

    def __getitem__(self, where: Any) -> npt.NDArray[np.float32]:
        return pixel_rareness(np.asarray(self._mask[where]), self._shares)

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[np.float32]:
        return np.asarray(self[...], dtype=dtype)


class FlickerMap:
    """Where a mask (z, y, x) flickers along an axis, computed for the part that is looked at and never stored."""

    def __init__(self, mask: Mask, axis: int) -> None:
        self._mask, self._axis = mask, axis
        self.shape, self.ndim, self.size = mask.shape, mask.ndim, mask.size
        self.dtype = np.dtype(np.float32)

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

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[np.float32]:
        return np.asarray(self[...], dtype=dtype)
