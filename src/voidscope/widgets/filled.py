"""What the labels layer was filled with: the stored labels that its strokes are painted on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from voidscope.project import Labels
from voidscope.vocabulary import Mask, SliceKey


class Filled:
    """Copies of the stored labels (h, w) that one labels layer was last filled with, and their hashes, by index of the slice.

    What is in the layer and not in here was painted; what is stored by now and not in here was labelled by somebody else.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self._shape = shape
        self._labels: dict[int, tuple[Mask, str]] = {}

    def fill(self, labels: Labels, key: SliceKey) -> Mask:
        """The stored label (h, w) of a slice to fill the layer with, all 0 where it is unlabelled; raises `ProjectError` for a
        damaged one.
        """
        label = labels.get(key)
        if label is None:
            self._labels.pop(key.index, None)
        else:
            self.note(key.index, label, labels.record(key).sha256)
        return self.mask(key.index)

    def note(self, index: int, label: Mask, sha256: str | None) -> None:
        """A slice holds what is stored of it now; no hash where it is unlabelled."""
        if sha256 is None:
            self._labels.pop(index, None)
        else:
            self._labels[index] = (label, sha256)

    def sha256(self, index: int) -> str | None:
        """The hash of a slice's label; None where it was unlabelled."""
        return self._labels[index][1] if index in self._labels else None

    def mask(self, index: int) -> Mask:
        """The label (h, w) of a slice; all 0 where it was unlabelled."""
        return self._labels[index][0] if index in self._labels else np.zeros(self._shape, np.uint8)

    def differs(self, index: int, painted: npt.NDArray[np.integer]) -> bool:
        """Whether anything was painted on a slice (h, w) since."""
        if index not in self._labels:
            return bool(painted.any())
        return not np.array_equal(painted, self._labels[index][0])
