"""Predictions a person has rejected: out of sight and out of reach of accepting, until a model says something else."""

from __future__ import annotations

from voidscope.project import ScanRecord
from voidscope.vocabulary import Mask, SliceKey
from voidscope.volume import slice_index


class Rejections:
    """The rejected predictions of this session by slice, each with what the model said there."""

    def __init__(self) -> None:
        self._masks: dict[SliceKey, Mask] = {}

    def __contains__(self, key: object) -> bool:
        return key in self._masks

    def add(self, key: SliceKey, mask: Mask) -> None:
        """Reject what the model says of a slice, (h, w)."""
        self._masks[key] = mask

    def pop(self, key: SliceKey) -> Mask | None:
        """Take a rejection back; returns what the model said, or None where nothing was rejected."""
        return self._masks.pop(key, None)

    def lapse(self, scan: str) -> None:
        """Forget what was rejected of a scan, as nothing is predicted there any more."""
        self._masks = {key: mask for key, mask in self._masks.items() if key.scan != scan}

    def without(self, mask: Mask, record: ScanRecord) -> Mask:
        """A scan's mask (z, y, x), unlabelled where it says again what was rejected; other rejections lapse.

        Where nothing is rejected it is the mask itself, not to be written to.
        """
        found = {k: slice_index(record.plane, k.index) for k in self._masks if k.scan == record.name}
        again = [key for key, where in found.items() if (mask[where] == self._masks[key]).all()]
        for key in found.keys() - set(again):
            del self._masks[key]
        shown = mask.copy() if again else mask.view()
        for key in again:
            shown[found[key]] = 0
        shown.setflags(write=bool(again))
        return shown
