"""Scans, masks and labels in memory: of what is large only what is looked at, not all that a job reaches."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from voidscope.project.cycles import Cycle
from voidscope.project.label_files import LabelRecord
from voidscope.project.masks import read_mask, uncertainty_path
from voidscope.project.scans import OpenedOnce, ScanRecord
from voidscope.vocabulary import ClassMap, Mask, SliceKey
from voidscope.volume import Volume

HELD_BYTES = 64 * 2**20
"""So much of what is not looked at now is kept: masks of small scans, labels of others."""

OPEN_BYTES = 512 * 2**20
"""So much of scans that were unpacked and are looked at no more is kept."""


class HeldMasks(dict[str, Mask]):
    """Masks (z, y, x) by scan: the one asked for last, which is the one in view, the newest beside it, and others up to `HELD_BYTES`."""

    _asked = ""

    def hold(self, scan: str, mask: Mask) -> None:
        """Keep a mask beside the one asked for last; those held longest go where the others are too much."""
        self.pop(scan, None)
        self[scan] = mask
        others = [name for name in self if name not in (self._asked, scan)]
        while others and sum(self[name].nbytes for name in others) > HELD_BYTES:
            del self[others.pop(0)]

    def asked(self, scan: str, read: Callable[[str], Mask | None]) -> Mask | None:
        """The mask of a scan, from memory or as it is `read`; None where there is none."""
        mask = self.get(scan)
        if mask is None and (mask := read(scan)) is not None:
            self.hold(scan, mask)
        self._asked = scan
        return mask


class HeldLabels:
    """Label masks (h, w) as they were stored, by slice: all of the scan held last, and of others as many as take `HELD_BYTES`."""

    def __init__(self) -> None:
        self._held: dict[SliceKey, tuple[LabelRecord, Mask]] = {}
        self._bytes = 0

    def get(self, key: SliceKey, record: LabelRecord) -> Mask | None:
        """The mask of which a record is, not to be written to; None where it is not held."""
        found = self._held.get(key)
        return found[1] if found is not None and found[0] is record else None

    def hold(self, key: SliceKey, record: LabelRecord, mask: Mask) -> None:
        """Keep a mask that nobody else writes to; those held longest of other scans go where that is too much."""
        self._drop(key)
        self._held[key] = record, mask
        self._bytes += mask.nbytes
        if self._bytes > HELD_BYTES:
            for other in [k for k in self._held if k.scan != key.scan]:
                self._drop(other)
                if self._bytes <= HELD_BYTES:
                    break

    def _drop(self, key: SliceKey) -> None:
        if key in self._held:
            self._bytes -= self._held.pop(key)[1].nbytes


class Memory:
    """What of a project was read from its files and is kept: scans as they were opened, masks of the current model.

    `record` gives the record of a scan or raises for an unknown one, `cycle` the current cycle. What takes long to read may be read on
    another thread (`OpenedOnce.volume`, `mask_reading`), and masks are held here then.
    """

    def __init__(
        self, folder: Path, classes: ClassMap, record: Callable[[str], ScanRecord], cycle: Callable[[], Cycle | None]
    ) -> None:  # fmt: skip
        self._folder, self._classes, self._record, self._cycle = folder, classes, record, cycle
        self.scans, self.masks = dict[str, OpenedOnce](), HeldMasks()

    def scan(self, name: str) -> OpenedOnce:
        """A scan that is opened when it is first asked for, and kept open."""
        return self.scans.setdefault(name, OpenedOnce(self._record(name), self._folder))

    def volume(self, scan: str) -> Volume:
        """A scan, opened lazily and kept open; raises `ProjectError` when its file is gone or has changed."""
        return self.scan(scan).volume()

    def look_at(self, name: str) -> None:
        """Note which scan is looked at now. It stays open, as does the one before; of others those asked for longest ago are let go of where
        more than `OPEN_BYTES` of them are unpacked.
        """
        now = self.scan(name)
        self.scans[name] = self.scans.pop(name, now)
        others = list(self.scans)[:-2]
        while others and sum(self.scans[n].unpacked_bytes for n in others) > OPEN_BYTES:
            del self.scans[others.pop(0)]

    def is_at_hand(self, scan: str) -> bool:
        """Whether a slice of a scan can be looked at without its file being opened and unpacked."""
        return scan in self.scans and self.scans[scan].at_hand

    def mask(self, scan: str) -> Mask | None:
        """The mask of a scan (z, y, x), read where it is not held; None where it is not segmented."""
        return (
            None if self._cycle() is None else self.masks.asked(scan, lambda name: self.mask_reading(name)())
        )

    def held_mask(self, scan: str) -> Mask | None:
        """The same where it is in memory; reads none."""
        return None if self._cycle() is None else self.masks.asked(scan, lambda _: None)

    def mask_reading(self, scan: str) -> Callable[[], Mask | None]:
        """What reads the mask of a scan, on any thread."""
        cycle = self._cycle()
        folder = self._folder if cycle is None else cycle.folder
        return partial(read_mask, folder, scan, self._classes, self._record(scan).shape)

    def hold_mask(self, model_id: str, scan: str, mask: Mask | None) -> None:
        """Have a mask in memory that was read meanwhile, unless another model is the current one by now."""
        cycle = self._cycle()
        if mask is not None and cycle is not None and cycle.id == model_id:
            self.masks.hold(scan, mask)

    def has_uncertainty(self, scan: str) -> bool:
        """Whether the current model's entropy of a scan is there; reads none."""
        cycle = self._cycle()
        return cycle is not None and uncertainty_path(cycle.folder, scan).is_file()
