"""Scans and masks in memory: of masks those of what is looked at, not those of every scan that a job reaches."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from voidscope.project.cycles import Cycle
from voidscope.project.masks import read_mask
from voidscope.project.scans import ScanRecord
from voidscope.vocabulary import ClassMap, Mask
from voidscope.volume import Volume


class HeldMasks(dict[str, Mask]):
    """Masks (z, y, x) by scan: of all only the one asked for last, which is the one in view, and the newest beside it."""

    _asked = ""

    def hold(self, scan: str, mask: Mask) -> None:
        """Keep a mask beside the one asked for last, and no others."""
        for other in set(self) - {self._asked}:
            del self[other]
        self[scan] = mask

    def asked(self, scan: str, read: Callable[[str], Mask | None]) -> Mask | None:
        """The mask of a scan, from memory or as it is `read`; None where there is none."""
        mask = self.get(scan)
        if mask is None and (mask := read(scan)) is not None:
            self.hold(scan, mask)
        self._asked = scan
        return mask


class Memory:
    """What of a project was read from its files and is kept: scans as they were opened, masks of the current model.

    `record` gives the record of a scan or raises for an unknown one, `cycle` the current cycle. What takes long to read may be read on
    another thread (`ScanRecord.open`, `mask_reading`) and held here then.
    """

    def __init__(
        self, folder: Path, classes: ClassMap, record: Callable[[str], ScanRecord], cycle: Callable[[], Cycle | None]
    ) -> None:  # fmt: skip
        self._folder, self._classes, self._record, self._cycle = folder, classes, record, cycle
        self.volumes, self.masks = dict[str, Volume](), HeldMasks()

    def volume(self, scan: str) -> Volume:
        """A scan, opened lazily and kept open; raises `ProjectError` when its file is gone or has changed."""
        if scan not in self.volumes:
            self.volumes[scan] = self._record(scan).open(self._folder)
        return self.volumes[scan]

    def is_at_hand(self, scan: str) -> bool:
        """Whether a slice of a scan can be looked at without its file being opened and unpacked."""
        return scan in self.volumes and getattr(self.volumes[scan].voxels, "at_hand", True)

    def hold_volume(self, record: ScanRecord, volume: Volume) -> None:
        """Have a scan open that was opened meanwhile, unless its record is another by now."""
        if self._record(record.name) == record:
            self.volumes[record.name] = volume

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
        return cycle is not None and (cycle.folder / "uncertainty" / f"{scan}.tif").is_file()
