"""Which slices are labelled, and what is known of each label without reading it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from voidscope.errors import LabelError
from voidscope.project.label_files import LabelRecord
from voidscope.vocabulary import SliceKey


class Records(dict[SliceKey, LabelRecord]):
    """Records by slice, which keep the order of their keys until one changes: a window asks for it at every move."""

    _order: tuple[SliceKey, ...] | None = None
    _verified: tuple[SliceKey, ...] | None = None

    def __setitem__(self, key: SliceKey, record: LabelRecord) -> None:
        before = self.get(key)
        if before is None:
            self._order = None
        if before is None or before.verified is not record.verified:
            self._verified = None
        super().__setitem__(key, record)

    def __delitem__(self, key: SliceKey) -> None:
        super().__delitem__(key)
        self._order = self._verified = None

    @property
    def order(self) -> tuple[SliceKey, ...]:
        """All slices with a label, in order."""
        if self._order is None:
            self._order = tuple(sorted(self))
        return self._order

    @property
    def verified(self) -> tuple[SliceKey, ...]:
        """Those whose label a person stands behind, in order."""
        if self._verified is None:
            self._verified = tuple(key for key in self.order if self[key].verified)
        return self._verified


class Labelled:
    """Labels by slice key, as far as their records tell.

    What was only propagated is *unverified*: `get` and `record` know it, but it is not among the labelled slices that
    `in`, `len`, `keys`, `of` and `counts` speak of, so that nothing learns from it or is judged by it, until a person
    accepts it or labels on it.
    """

    def __init__(self, records: Records, n_classes: int) -> None:
        self._records, self._n_classes = records, n_classes

    def __len__(self) -> int:
        return len(self.keys())

    def __contains__(self, key: object) -> bool:
        return isinstance(key, SliceKey) and key in self._records and self._records[key].verified

    def __iter__(self) -> Iterator[SliceKey]:
        return iter(self.keys())

    def keys(self) -> tuple[SliceKey, ...]:
        """All labelled slices in order; unverified ones are not among them."""
        return self._records.verified

    @property
    def unverified(self) -> tuple[SliceKey, ...]:
        """Slices with a propagated label that no person has accepted yet, in order."""
        return tuple(k for k in self._records.order if k not in self)

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
