"""Which slices are labelled, and what is known of each label without reading it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import numpy.typing as npt

from voidscope.errors import LabelError
from voidscope.project.label_files import LabelRecord
from voidscope.vocabulary import SliceKey


class Labelled:
    """Labels by slice key, as far as their records tell.

    What was only propagated is *unverified*: `get` and `record` know it, but it is not among the labelled slices that
    `in`, `len`, `keys`, `of` and `counts` speak of, so that nothing learns from it or is judged by it, until a person
    accepts it or labels on it.
    """

    def __init__(self, records: Mapping[SliceKey, LabelRecord], n_classes: int) -> None:
        self._records, self._n_classes = records, n_classes

    def __len__(self) -> int:
        return len(self.keys())

    def __contains__(self, key: object) -> bool:
        return isinstance(key, SliceKey) and key in self._records and self._records[key].verified

    def __iter__(self) -> Iterator[SliceKey]:
        return iter(self.keys())

    def keys(self) -> tuple[SliceKey, ...]:
        """All labelled slices in order; unverified ones are not among them."""
        return tuple(sorted(k for k in self._records if k in self))

    @property
    def unverified(self) -> tuple[SliceKey, ...]:
        """Slices with a propagated label that no person has accepted yet, in order."""
        return tuple(sorted(k for k in self._records if k not in self))

    def speak_of(self, scan: str) -> bool:
        """Whether any slice of a scan has a label, verified or not."""
        return any(key.scan == scan for key in self._records)

    def holds(self, key: SliceKey) -> bool:
        """Whether there is a label of a slice, verified or not."""
        return key in self._records

    def of(self, scan: str) -> tuple[SliceKey, ...]:
        """The labelled slices of one scan in order."""
        return tuple(k for k in self.keys() if k.scan == scan)

    def record(self, key: SliceKey) -> LabelRecord:
        """Provenance of a labelled slice; raises `LabelError` for an unlabelled one."""
        if key not in self._records:
            raise LabelError(f"{key} has no label; paint or import one first.")
        return self._records[key]

    def counts(self, keys: Iterable[SliceKey] | None = None) -> npt.NDArray[np.int64]:
        """Labelled pixels per class (C,), over all labelled slices or those of `keys`."""
        total = np.zeros(self._n_classes, dtype=np.int64)
        for key in self if keys is None else keys:
            if key in self:
                total += np.asarray(self._records[key].pixels)
        return total
