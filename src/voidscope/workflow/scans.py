"""Scans in: single files, a whole dataset folder, or simulated ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from voidscope.errors import CannotReadFile
from voidscope.jobs import Job, Progress, Steps
from voidscope.project import Project, ScanRecord, record_scan, removed_twin
from voidscope.vocabulary import Plane, Split
from voidscope.volume import (
    Dataset,
    DatasetScan,
    Spacing,
    Volume,
    missing_slices,
    read_scan,
    simulate_dataset,
)
from voidscope.volume.dataset import DESCRIPTION, LABELS
from voidscope.volume.phantom import Difficulty

MOST_CLASSES = 32
"""Largest id that a label file is expected to hold."""

AddingJob = Job[tuple[ScanRecord, ...], tuple[ScanRecord, ...]]


def add_scans(
    project: Project,
    paths: Sequence[str | Path],
    *,
    spacing_um: Spacing | None = None,
    split: Split | None = None,
    plane: Plane | None = None,
) -> AddingJob:
    """Take scan files into the project by reference; returns their records. One bad file and none is added.

    A scan already known, or removed before, keeps its split and plane where None is said; a new one is for training, its plane coronal.

    Raises
    ------
    CannotReadFile : while it runs, see `volume.read_scan`; also for a dataset folder or a label file.
    """

    scans, folder = project.scans, project.path

    def record(path: Path) -> ScanRecord:
        _refuse_dataset(path)
        volume = read_scan(path, spacing_um=spacing_um)
        _refuse_labels(volume, path)
        source = "file" if spacing_um is None else "typed in"
        known = scans.get(volume.name)
        found = record_scan(
            volume, folder, split=split or (known.split if known else Split.TRAIN),
            plane=plane or (known.plane if known else None), spacing_source=source,
        )  # fmt: skip
        twin = None if known else removed_twin(folder, found)
        if twin is None:
            return found
        was = twin.record
        return found.model_copy(update={"split": split or was.split, "plane": plane or was.plane})

    return _adding(project, [partial(record, Path(p)) for p in paths], [Path(p).name for p in paths])


def doubts(project: Project, scan: str) -> tuple[str, ...]:
    """What to mind of a scan just added, in sentences: no numbers, slices left out, the same data twice, projections."""
    record = project.scan(scan)
    twins = [
        s.name for s in project.scans.values() if s.fingerprint == record.fingerprint and s is not record
    ]
    said = [record.intensity.doubt, missing_slices(Path(record.path)) if record.format == "folder" else ""]
    if twins:
        said.append(
            f"It holds the same data as {', '.join(twins)}: a model that learns from one of them is judged by none."
        )
    if record.is_projected:
        said.append(
            "Its slices are X-ray projections: voids can be found, not measured. For volumes add the reconstruction (.txm)."
        )
    return tuple(filter(None, said))


def _refuse_dataset(path: Path) -> None:
    """A dataset folder holds several scans; a folder added as a scan holds the slices of one."""
    if path.is_dir() and ((path / DESCRIPTION).is_file() or any(path.glob(f"*{LABELS}.tif*"))):
        raise CannotReadFile(
            path, "it is a dataset folder of several scans. Make a project of it: voidscope create PROJECT "
            f"--dataset {path}, or add its files: voidscope add PROJECT {path}/NAME.tif"
        )  # fmt: skip


def _refuse_labels(volume: Volume, path: Path) -> None:
    """A file called like labels that holds a few small whole numbers is one, and nothing to learn to segment."""
    if not path.stem.lower().endswith(LABELS) or not np.issubdtype(volume.dtype, np.integer):
        return
    middle = volume.slice(volume.default_plane, volume.n_slices(volume.default_plane) // 2)
    if middle.max() <= MOST_CLASSES:
        raise CannotReadFile(
            path, "it is a label file, not a scan. Import it: voidscope label PROJECT --from FILE --scan NAME. If it is a "
            f"scan, give it a name that does not end in {LABELS}."
        )  # fmt: skip


def add_dataset(project: Project, dataset: Dataset) -> AddingJob:
    """Take all scans of a dataset folder with their split; its spacing holds where a file says none."""

    folder = project.path

    def record(scan: DatasetScan) -> ScanRecord:
        source = "file" if read_scan(scan.path).spacing_um else "dataset.json"
        return record_scan(
            dataset.volume(scan.name), folder, split=scan.split, plane=None, spacing_source=source
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
    grid: str | None = None,
) -> Job[object, Dataset]:
    """Write simulated XRM scans of HBM micro-bumps with their exact labels; returns the dataset.

    `logic` and `memory` are numbers of scans of each kind of die; the paper's set is 25 and 53. `difficulty` is plain,
    ordinary or hard: how much surrounds the bumps, how small their voids are and how much the scans differ. With a `grid`
    such as ``3x4`` each scan holds so many bumps, and NAME_bumps.json the truth of each.
    """
    steps = partial(
        simulate_dataset, folder, logic=logic, memory=memory, seed=seed, difficulty=difficulty, grid=grid
    )
    return Job("Simulating scans", steps, lambda _: Dataset.open(folder))
