"""Scans in: single files, a whole dataset folder, or simulated ones."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from voidscope.jobs import Job, Progress, Steps
from voidscope.project import Project, ScanRecord, record_scan
from voidscope.vocabulary import Plane, Split
from voidscope.volume import Dataset, Spacing, read_scan, simulate_dataset


def add_scans(
    project: Project, paths: Sequence[str | Path], *, spacing_um: Spacing | None = None,
    split: Split = Split.TRAIN, plane: Plane | None = None,
) -> Job[tuple[ScanRecord, ...], tuple[ScanRecord, ...]]:  # fmt: skip
    """Take scan files into the project by reference; returns their records. One bad file and none is added."""
    entries = [(Path(p), None, spacing_um, split) for p in paths]
    return _adding(project, entries, plane)


def add_dataset(project: Project, dataset: Dataset) -> Job[tuple[ScanRecord, ...], tuple[ScanRecord, ...]]:
    """Take all scans of a dataset folder with its spacing and split; returns their records."""
    entries = [(s.path, s.name, dataset.spacing_um, s.split) for s in dataset.scans]
    return _adding(project, entries, None)


def _adding(
    project: Project, entries: Sequence[tuple[Path, str | None, Spacing | None, Split]], plane: Plane | None
) -> Job[tuple[ScanRecord, ...], tuple[ScanRecord, ...]]:
    def steps() -> Steps[tuple[ScanRecord, ...]]:
        records = []
        for done, (path, name, spacing_um, split) in enumerate(entries):
            yield Progress(done, len(entries), f"reading {path.name}")
            volume = read_scan(path, spacing_um=spacing_um, name=name)
            records.append(
                record_scan(
                    volume, project.path, split=split, plane=plane, spacing_typed=spacing_um is not None
                )
            )
        return tuple(records)

    def commit(records: tuple[ScanRecord, ...]) -> tuple[ScanRecord, ...]:
        project.add(records)
        return tuple(project.scan(r.name) for r in records)

    return Job("Adding scans", steps, commit)


def simulate(folder: Path, *, logic: int = 2, memory: int = 2, seed: int = 0) -> Job[object, Dataset]:
    """Write simulated XRM scans of HBM micro-bumps with their exact labels; returns the dataset.

    `logic` and `memory` are numbers of scans of each kind of die; the paper's set is 25 and 53.
    """
    steps = partial(simulate_dataset, folder, logic=logic, memory=memory, seed=seed)
    return Job("Simulating scans", steps, lambda _: Dataset.open(folder))
