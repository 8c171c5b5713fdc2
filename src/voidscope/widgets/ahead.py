"""Large scans and masks are read by a job before they are looked at, so that the window waits for none; small ones on the spot."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject, Signal

from voidscope.errors import VoidscopeError
from voidscope.jobs import Job
from voidscope.project import Project
from voidscope.vocabulary import Mask
from voidscope.widgets.runner import Runner
from voidscope.workflow import open_scan, read_mask

AT_ONCE_VOXELS = 20_000
"""So many are read and unpacked on the spot."""
TOGETHER_VOXELS = 2_000_000
"""The mask of so many is read in some 50 ms, and comes into view with its scan; a larger one after it."""


Act = Callable[[], object]
_Going = tuple[Act, Act]
"""What is done once a scan is open, and what where it cannot be."""


class Ahead(QObject):
    """Has what is looked at in memory before; `read(scan)` when the mask of a scan that was asked for is there.

    One thing is read at a time, which gives way to the next.
    """

    read = Signal(str)

    def __init__(self, project: Project, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._project = project
        self._asked = ("", "")
        self._failed = False
        self._going: _Going | None = None
        self._opening: _Going | None = None  # what the job that runs is for
        self._goal = self._behind = ""
        self.runner = Runner(self)
        self.runner.failed.connect(self._note_failed)

    def is_at_hand(self, scan: str) -> bool:
        """Whether slices of a scan can be shown now; raises `ProjectError` for an unknown one."""
        if self._voxels(scan) <= AT_ONCE_VOXELS:
            return True
        return self._project.memory.is_at_hand(scan) and not self._project.labels.unread(scan)

    def come_to(self, scan: str, in_view: str | None, then: Act, otherwise: Act) -> None:
        """Go on at once where a scan is in view or at hand, else when it was opened, or `otherwise` where it cannot be."""
        if scan == in_view or self.is_at_hand(scan):
            self.stay()
            then()
        else:
            self.open(scan, then, otherwise)

    def open(self, scan: str, then: Act, otherwise: Act) -> None:
        """Open a scan and read what it takes to look at its slices, then go on, or `otherwise` where that fails, which is told."""
        going = self._going = then, otherwise
        self._goal = scan
        self._failed = False
        masked = self._voxels(scan) <= TOGETHER_VOXELS

        def make() -> Job[Any, None]:
            self._opening = going
            return open_scan(self._project, scan, masked=masked)

        self.runner.run(make, lambda _: self._arrive(scan, going), yields=True)

    @property
    def goal(self) -> str:
        """The scan that comes into view once it is open; empty while none is waited for."""
        return "" if self._going is None else self._goal

    def stay(self) -> None:
        """Go nowhere once a scan is open: the person went elsewhere meanwhile."""
        self._going = None

    def leave(self) -> None:
        """End whatever is read: no scan is in view any more."""
        self._going = self._opening = None
        self.runner.give_way()

    def mask(self, scan: str) -> Mask | None:
        """The mask (z, y, x) of a scan, None where it is not in memory and too large to be read at once; raises `VoidscopeError` for a
        damaged file.
        """
        at_once = self._voxels(scan) <= AT_ONCE_VOXELS
        return self._project.mask(scan) if at_once else self._project.memory.held_mask(scan)

    def held(self, scan: str) -> Mask | None:
        """The same; None also where its file is damaged, which was told when the scan came into view."""
        try:
            return self.mask(scan)
        except VoidscopeError:
            return None

    def ask(self, scan: str) -> None:
        """Read the mask of a scan that is segmented, unless that is under way, or has failed just now; where another is being opened, after it."""
        cycle = self._project.cycle
        if self._opening is not None and self._going is self._opening:
            self._behind = scan
            return
        if cycle is None or not self._project.is_segmented(scan):
            return
        asked, before = (cycle.id, scan), self._asked
        self._asked = asked
        if asked != before or (self.runner.idle and not self._failed):
            self._failed = False
            self.runner.run(lambda: self._reading(scan), lambda _: self.read.emit(scan), yields=True)

    def _reading(self, scan: str) -> Job[Any, None]:
        self._opening = None
        return read_mask(self._project, scan)

    def _voxels(self, scan: str) -> int:
        return math.prod(self._project.scan(scan).shape)

    def _arrive(self, scan: str, going: _Going) -> None:
        self._opening = None
        if going is self._going:
            self._going = None
            if scan not in self._project.scans or not self.runner.at_once(
                going[0]
            ):  # or it was removed meanwhile
                going[1]()
        self._catch_up()

    def _note_failed(self, sentence: str) -> None:
        self._failed = True
        if self._going is not None and self._going is self._opening:
            going, self._going, self._opening = self._going, None, None
            going[1]()
        self._catch_up()

    def _catch_up(self) -> None:
        """Have the mask shown that was left behind what was opened."""
        behind, self._behind = self._behind, ""
        if behind:
            self.read.emit(behind)
