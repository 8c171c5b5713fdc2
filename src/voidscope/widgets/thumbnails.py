"""Small pictures of slices for lists: read by a worker when a list asks for them, kept, and never waited for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QObject, Signal
from qtpy.QtGui import QImage

from voidscope.errors import VoidscopeError
from voidscope.project import OpenedOnce, Project, ScanRecord, SliceReader
from voidscope.vocabulary import SliceKey
from voidscope.volume import thumbnail
from voidscope.widgets.workers import worker

SIDE_PX = 64
"""Longest side of a thumbnail."""
MOST = 512
"""Thumbnails kept, the last ones looked at: 2 MiB."""

Place = tuple[SliceKey, tuple[int, int] | None]
"""A slice and the pixel (y, x) around which it is shown where it is large."""


class Thumbnail(NamedTuple):
    """A small picture, and where in it the pixel lies, as shares (y, x)."""

    image: QImage
    pixel: tuple[float, float]


class Thumbnails(QObject):
    """Thumbnails of a project's slices; `ready()` after one that was missing has come, or can be asked for again."""

    ready = Signal()

    def __init__(self, project: Project, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._project = project
        self._kept: OrderedDict[Place, Thumbnail | None] = OrderedDict()
        self._wanted: dict[Place, None] = {}
        self._worker: Any = None
        self._outdated = False

    def get(self, place: Place) -> Thumbnail | None:
        """The thumbnail if it is there; else it is asked for, and None is returned, as for slices that cannot be read."""
        if place in self._kept:
            self._kept.move_to_end(place)
            return self._kept[place]
        self._wanted[place] = None
        self._start()
        return None

    def clear(self) -> None:
        """Forget all, what is being read now, too: scans have changed."""
        self._kept.clear()
        if self._worker is not None:
            self._outdated = True
            self._worker.quit()

    def release(self) -> None:
        """Ask for nothing any more."""
        self._wanted.clear()
        if self._worker is not None:
            self._worker.quit()

    def _start(self) -> None:
        if self._worker is not None:
            return
        # Nearest in the file first: one scan after another, so that only one is open at a time.
        places = sorted(self._wanted, key=lambda p: p[0])
        self._wanted.clear()
        records = {
            key.scan: self._project.scans[key.scan] for key, _ in places if key.scan in self._project.scans
        }
        self._worker = worker(_reading, places, records, self._project.path)
        self._worker.yielded.connect(self._take)
        self._worker.finished.connect(self._finish)
        self._worker.start()

    def _take(self, found: tuple[Place, npt.NDArray[np.uint8] | None, tuple[float, float]]) -> None:
        if self._outdated:
            return
        place, grey, pixel = found
        self._kept[place] = None if grey is None else Thumbnail(picture(grey), pixel)
        while len(self._kept) > MOST:
            self._kept.popitem(last=False)
        self.ready.emit()

    def _finish(self) -> None:
        self._worker = None
        outdated, self._outdated = self._outdated, False
        if self._wanted:
            self._start()
        if outdated:
            self.ready.emit()  # whoever shows thumbnails asks again


def _reading(
    places: Sequence[Place], records: dict[str, ScanRecord], folder: Path
) -> Iterator[tuple[Place, npt.NDArray[np.uint8] | None, tuple[float, float]]]:
    """The thumbnails of some places, on a worker's thread, which opens the scans for itself; None for what cannot be read."""
    scan, reader = "", None
    for place in places:
        key, pixel = place
        try:
            if key.scan != scan:
                scan, reader = key.scan, None
                reader = SliceReader({scan: OpenedOnce(records[scan], folder)})
            if reader is None:
                raise KeyError(scan)
            yield (place, *thumbnail(reader.image(key), SIDE_PX, pixel))
        except (VoidscopeError, OSError, LookupError, ValueError):
            yield place, None, (0.0, 0.0)


def picture(grey: npt.NDArray[np.uint8]) -> QImage:
    """A grey image (h, w) for Qt, which keeps its own copy."""
    height, width = grey.shape
    data = np.ascontiguousarray(grey)
    return QImage(data.tobytes(), width, height, width, QImage.Format.Format_Grayscale8).copy()
