"""Scans in: single files, a whole dataset folder, or simulated ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from voidscope.jobs import Job, Progress, Steps
from voidscope.project import Project, ScanRecord, record_scan
from voidscope.vocabulary import Plane, Split
from voidscope.volume import Dataset, DatasetScan, Spacing, read_scan, simulate_dataset
from voidscope.volume.phantom import Difficulty

AddingJob = Job[tuple[ScanRecord, ...], tuple[ScanRecord, ...]]


def add_scans(
    project: Project,
    paths: Sequence[str | Path],
    *,
    spacing_um: Spacing | None = None,
    split: Split = Split.TRAIN,
    plane: Plane | None = None,
) -> AddingJob:
    """Take scan files into the project by reference; returns their records. One bad file and none is added."""

    def record(path: Path) -> ScanRecord:
        volume = read_scan(path, spacing_um=spacing_um)
        source = "file" if spacing_um is None else "typed in"
        return record_scan(volume, project.path, split=split, plane=plane, spacing_source=source)

    return _adding(project, [partial(record, Path(p)) for p in paths], [Path(p).name for p in paths])


def add_dataset(project: Project, dataset: Dataset) -> AddingJob:
    """Take all scans of a dataset folder with their split; its spacing holds where a file says none."""

    def record(scan: DatasetScan) -> ScanRecord:
        source = "file" if read_scan(scan.path).spacing_um else "dataset.json"
        return record_scan(
            dataset.volume(scan.name), project.path, split=scan.split, plane=None, spacing_source=source
        )

    return _adding(project, [partial(record, s) for s in dataset.scans], [s.name for s in dataset.scans])


def _adding(
    project: Project, recorders: Sequence[Callable[[], ScanRecord]], names: Sequence[str]
) -> AddingJob:
    def steps() -> Steps[tuple[ScanRecord, ...]]:
        records = []
        for done, (record, name) in enumerate(zip(recorders, names, strict=True)):
            yield Progress(done, len(names), f"reading {name}")
            records.append(record())
        return tuple(records)

    def commit(records: tuple[ScanRecord, ...]) -> tuple[ScanRecord, ...]:
        project.add(records)
        return tuple(project.scan(r.name) for r in records)

    return Job("Adding scans", steps, commit)


def simulate(
    folder: Path,
    *,
    logic: int = 2,
    memory: int = 2,
    seed: int = 0,
    difficulty: Difficulty | str = Difficulty.PLAIN,
) -> Job[object, Dataset]:
    """Write simulated XRM scans of HBM micro-bumps with their exact labels; returns the dataset.

    `logic` and `memory` are numbers of scans of each kind of die; the paper's set is 25 and 53. `difficulty` is plain,
    ordinary or hard: how much surrounds the bumps, how small their voids are and how much the scans differ.
    """
    steps = partial(simulate_dataset, folder, logic=logic, memory=memory, seed=seed, difficulty=difficulty)
    return Job("Simulating scans", steps, lambda _: Dataset.open(folder))
