"""Large scans and masks are read by a job before they are looked at, so that the window waits for none; small ones on the spot."""

from __future__ import annotations

import math
from collections.abc import Callable

from qtpy.QtCore import QObject, Signal

from voidscope.errors import VoidscopeError
from voidscope.project import Project
from voidscope.vocabulary import Mask
from voidscope.widgets.runner import Runner
from voidscope.workflow import open_scan, read_mask

AT_ONCE_VOXELS = 2_000_000
"""So many are read and unpacked in some 15 ms."""


class Ahead(QObject):
    """Has what is looked at in memory before; `read(scan)` when the mask of a scan that was asked for is there.

    One thing is read at a time, which gives way to the next.
    """

    read = Signal(str)

    def __init__(self, project: Project, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._project = project
        self._asked = ("", "")
        self._opens = self._failed = False
        self.runner = Runner(self)
        self.runner.failed.connect(self._note_failed)
        self.runner.ended.connect(self._ended)

    def is_at_hand(self, scan: str) -> bool:
        """Whether slices of a scan can be shown now; raises `ProjectError` for an unknown one."""
        return self._is_small(scan) or self._project.memory.is_at_hand(scan)

    def open(self, scan: str, then: Callable[[], object]) -> None:
        """Open a scan and unpack what it takes to look at its slices, then go on."""
        self.runner.run(lambda: open_scan(self._project, scan), lambda _: then(), yields=True)
        self._opens = True

    def stay(self) -> None:
        """Go nowhere once a scan is open: the person went elsewhere meanwhile."""
        if self._opens:
            self.runner.give_way()

    def leave(self) -> None:
        """End whatever is read: no scan is in view any more."""
        self.runner.give_way()

    def mask(self, scan: str) -> Mask | None:
        """The mask (z, y, x) of a scan, None where it is not in memory and too large to be read at once; raises `VoidscopeError` for a
        damaged file.
        """
        return self._project.mask(scan) if self._is_small(scan) else self._project.memory.held_mask(scan)

    def held(self, scan: str) -> Mask | None:
        """The same; None also where its file is damaged, which was told when the scan came into view."""
        try:
            return self.mask(scan)
        except VoidscopeError:
            return None

    def ask(self, scan: str) -> None:
        """Read the mask of a scan that is segmented, unless that is under way, or has failed just now."""
        cycle = self._project.cycle
        if cycle is None or not self._project.is_segmented(scan):
            return
        asked, before = (cycle.id, scan), self._asked
        self._asked = asked
        if asked != before or (self.runner.idle and not self._failed):
            self._failed = False
            self.runner.run(
                lambda: read_mask(self._project, scan), lambda _: self.read.emit(scan), yields=True
            )

    def _is_small(self, scan: str) -> bool:
        return math.prod(self._project.scan(scan).shape) <= AT_ONCE_VOXELS

    def _note_failed(self, sentence: str) -> None:
        self._failed = True

    def _ended(self) -> None:
        self._opens = False
