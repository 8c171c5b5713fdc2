"""The label files of a project as they were last looked at: whose they are, and which another program has written since."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from voidscope.errors import ProjectError
from voidscope.project.atomic import keep_all
from voidscope.project.drafting import Made
from voidscope.project.label_files import LabelRecord, Look, Stamp, label_path, read_record, stamp
from voidscope.project.labelled import Records
from voidscope.vocabulary import SliceKey


class LabelFolder:
    """Records of the labels in a folder by slice, with the stamp that each file had; scans that are not `known` are left alone.

    Raises `ProjectError` for a file that is damaged.
    """

    def __init__(self, folder: Path, known: Callable[[SliceKey], bool]) -> None:
        self.records = Records()
        self._folder, self._known = folder, known
        self._stamps: dict[SliceKey, Stamp | None] = {}
        self._settled: dict[str, int] = {}
        self._damaged: dict[SliceKey, Stamp] = {}
        for key in Look.into(folder, {}, known).files:
            self.take_in(key)

    def path(self, key: SliceKey) -> Path:
        """Where the label of a slice lies."""
        return label_path(self._folder, key)

    def state(self, key: SliceKey) -> tuple[bool, bool]:
        """Whether a slice has a file now, and whether it is another than was last looked at."""
        now = stamp(self.path(key))
        return now is not None, now is not None and now != self._stamps.get(key)

    def take_in(self, key: SliceKey) -> None:
        """Read what a slice's file says of its label."""
        now = stamp(self.path(key))
        self.records[key] = read_record(self.path(key))
        self._stamps[key] = now  # of a damaged label none is noted: it stays news

    def forget(self, key: SliceKey) -> None:
        """A slice has no label any more."""
        if key in self.records:
            del self.records[key]
        self._stamps.pop(key, None)

    def keep(self, step: Mapping[SliceKey, Made], done: list[SliceKey]) -> None:
        """Put the labels of a step in their places, or away where there is no record; `done` is told which are, also where the disk refuses."""
        try:
            gone = [self.path(key) for key, made in step.items() if made.record is None]
            keep_all([made.file for made in step.values() if made.file is not None], gone)
            done += step
        except ProjectError:
            done += [key for key in step if stamp(self.path(key)) != self._stamps.get(key)]
            raise
        finally:
            for key in done:
                self.forget(key)
                if (record := step[key].record) is not None:
                    self.records[key], self._stamps[key] = record, stamp(self.path(key))

    def look(self) -> tuple[tuple[SliceKey, ...], list[ProjectError]]:
        """Take in what another program has done; the slices that changed, and what is damaged since, each told once per state of its file."""
        look = Look.into(self._folder, self._settled, self._known)
        gone = look.gone(self.records)
        for key in gone:
            self.forget(key)
        news, damaged = _news(look, self._stamps)
        for key, (record, _) in news.items():
            self.records[key] = record
        self._stamps |= {key: now for key, (_, now) in news.items()}
        self._settled = look.settled({k.scan for k in damaged})
        untold = [error for k, (error, now) in damaged.items() if now != self._damaged.get(k)]
        self._damaged = {key: now for key, (_, now) in damaged.items()}
        return (*gone, *news), untold


def _news(
    look: Look, stamps: Mapping[SliceKey, Stamp | None]
) -> tuple[dict[SliceKey, tuple[LabelRecord, Stamp]], dict[SliceKey, tuple[ProjectError, Stamp]]]:
    """Labels written since they had these stamps, each read by itself, and those that are damaged; with the stamps they have now."""
    news, damaged = {}, {}
    for key, path in look.files.items():
        now = stamp(path)
        if now is not None and now != stamps.get(key):
            try:
                news[key] = read_record(path), now
            except ProjectError as error:
                damaged[key] = error, now
    return news, damaged
