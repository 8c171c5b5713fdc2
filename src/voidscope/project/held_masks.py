"""Masks in memory: those of what is looked at, not those of every scan that a job reaches."""

from __future__ import annotations

from collections.abc import Callable

from voidscope.vocabulary import Mask


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
