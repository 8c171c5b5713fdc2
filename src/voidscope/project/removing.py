"""Scans taken out of a project: record, labels and marks lie below ``removed/`` until the same data is added again under the same name.

A label is never deleted with its scan, only moved, file by file. Killed in between, the labels that were not moved yet are nobody's,
and are moved before another scan can take the name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from voidscope.errors import ProjectError
from voidscope.project.atomic import explained, read_json, remove, sync_folder, write_json
from voidscope.project.queue import Queue
from voidscope.project.results import forget
from voidscope.project.scans import ScanRecord


@dataclass(frozen=True)
class RemovedScan:
    """A scan that a project had: its record, and the folder with what is kept of it."""

    folder: Path
    record: ScanRecord

    @property
    def marks(self) -> Path:
        """The file of what was said of its slices; there where anything was."""
        return self.folder / "marks.json"

    @property
    def labels(self) -> tuple[Path, ...]:
        """Its label files, in order."""
        return tuple(sorted((self.folder / "labels").glob("*.tif")))


def put_aside(project: Path, record: ScanRecord, cycles: Iterable[Path], said: Mapping[str, object]) -> None:
    """Keep the record of a scan that is about to go and what was `said` of its slices (`Queue.said_of`), and drop what is in the
    cycles' folders of it; `move_labels` moves its labels once it has gone.
    """
    names = (f"{record.name}{'' if k == 1 else f'-{k}'}" for k in range(1, 1 << 16))
    folder = next(f for n in names if not (f := project / "removed" / n).exists())
    write_json(folder / "scan.json", record.model_dump(mode="json"))
    if said:
        write_json(folder / "marks.json", said)
    forget(cycles, record.name)


def move_labels(project: Path, scan: str) -> None:
    """Move the label files of a scan that the project no longer has to what is kept of it; nothing where it never had it."""
    kept = next(_kept(project, scan), None)
    if kept is not None:
        _move(project / "labels" / scan, kept.folder / "labels")


def removed_twin(project: Path, record: ScanRecord) -> RemovedScan | None:
    """What is kept of a removed scan with the name and the data of this one, removed last; None where there is none."""
    return next((k for k in _kept(project, record.name) if k.record.fingerprint == record.fingerprint), None)


def as_known(
    project: Path,
    records: Sequence[ScanRecord],
    scans: Mapping[str, ScanRecord],
    labelled: Callable[[str], bool],
) -> tuple[list[ScanRecord], list[RemovedScan]]:
    """The records that a project with these `scans` keeps where it is given `records`, and the removed scans that come back.

    `labelled` tells whether a scan has labels. Raises `ProjectError` as `ScanRecord.found_again` does.
    """
    kept, twins = [], []
    for record in records:
        known = scans.get(record.name)
        if known is not None:
            kept.append(known.found_again(record, labelled(record.name)))
            continue
        move_labels(project, record.name)  # a removal that was killed ends here
        twin = removed_twin(project, record)
        kept.append(record if twin is None else twin.record.found_again(record, bool(twin.labels)))
        twins += [] if twin is None else [twin]
    return kept, twins


def bring_back(
    project: Path, twins: Iterable[RemovedScan], scans: Mapping[str, ScanRecord], queue: Queue
) -> None:
    """Move the labels and marks of scans that are in the project again back to their place; marks go where it is cut otherwise now."""
    for twin in twins:
        if scans[twin.record.name].plane is twin.record.plane:
            queue.take_back(twin.marks)
        remove(twin.marks)
        _move(twin.folder / "labels", project / "labels" / twin.record.name)
        if not twin.labels:
            with explained(twin.folder):
                remove(twin.folder / "scan.json")
                for folder in (twin.folder / "labels", twin.folder):
                    if folder.is_dir() and not any(folder.iterdir()):
                        folder.rmdir()


def _kept(project: Path, scan: str) -> Iterator[RemovedScan]:
    """What is kept of removed scans of this name, the one removed last first."""
    files = (project / "removed").glob("*/scan.json")
    for path in sorted(files, key=lambda p: p.stat().st_mtime_ns, reverse=True):
        try:
            record = ScanRecord.model_validate(read_json(path))
        except ValidationError as error:
            raise ProjectError(f"{path} is damaged: {error}. Restore it from a backup.") from error
        if record.name == scan:
            yield RemovedScan(path.parent, record)


def _move(source: Path, target: Path) -> None:
    """Move the label files of a folder to another, but for those that have a namesake there."""
    files = sorted(source.glob("*.tif"))
    with explained(target):
        for path in files:
            target.mkdir(parents=True, exist_ok=True)
            if not (target / path.name).exists():
                path.rename(target / path.name)
        for folder in (source, target) if files else ():
            sync_folder(folder)
