"""Which scans of a dataset a plan runs on, and whether it can run at all: told before hours are spent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec

import numpy as np

from voidscope.benchmark.protocol import FOREST, Cell, Plan
from voidscope.errors import ConfigError, LabelError, NotReady
from voidscope.vocabulary import Split
from voidscope.volume import Dataset, DatasetScan


def part_of(dataset: Dataset, plan: Plan) -> Dataset:
    """The scans of a dataset that a plan uses: those with truth, evenly over the names, and such that all show what the test scans show.

    Raises
    ------
    NotReady : no training or no test scan has labels.
    """
    labelled = [s for s in dataset.scans if s.labels_path is not None]
    chosen: list[DatasetScan] = []
    for split, most in ((Split.TRAIN, plan.train_scans), (Split.TEST, plan.test_scans)):
        scans = [s for s in labelled if s.split is split]
        if not scans:
            raise NotReady(
                f"{dataset.folder} has no {split} scan with labels, so there is nothing to compare; name test scans in "
                "dataset.json and put NAME_labels.tif beside each scan."
            )
        count = len(scans) if most is None else min(most, len(scans))
        even = [scans[k * len(scans) // count] for k in range(count)]
        chosen += even if count == len(scans) else _showing_all(dataset, scans, even)
    return replace(dataset, scans=tuple(sorted(chosen, key=lambda s: s.name)))


def _showing_all(dataset: Dataset, scans: list[DatasetScan], even: list[DatasetScan]) -> list[DatasetScan]:
    """As many of the scans as `even` has, of which some give way to others until every class that any shows is there, if it can be."""
    shown = {s.name: {int(k) for k in np.unique(dataset.truth(s.name))} for s in scans}
    chosen, wanted = list(even), set().union(*shown.values())
    while missing := wanted - _of(chosen, shown):
        new = max((s for s in scans if s not in chosen), key=lambda s: len(missing & shown[s.name]))
        spared = [
            s for s in chosen if not shown[s.name] - _of([c for c in (*chosen, new) if c is not s], shown)
        ]
        if not spared:
            break
        chosen[chosen.index(spared[-1])] = new
    return chosen


def _of(scans: list[DatasetScan], shown: dict[str, set[int]]) -> set[int]:
    """The classes that any of some scans shows."""
    return set[int]().union(*(shown[s.name] for s in scans))


def check_scans(dataset: Dataset, plan: Plan) -> int:
    """Look through all truths once; returns how many slices there are to choose from.

    Raises
    ------
    LabelError : labels have another shape than their scan or ids the dataset's classes do not name, or test scans show a
        class that no training scan has.
    ConfigError : there are fewer slices to learn from than the plan labels.
    """
    seen: dict[Split, set[int]] = {Split.TRAIN: set(), Split.TEST: set()}
    pool = 0
    for scan in dataset.scans:
        seen[scan.split] |= {int(k) for k in np.unique(dataset.truth(scan.name))}
        volume = dataset.volume(scan.name)
        pool += volume.n_slices(volume.default_plane) if scan.split is Split.TRAIN else 0
    if unknown := sorted(seen[Split.TEST] - seen[Split.TRAIN]):
        names = ", ".join(dataset.classes.names[k - 1] for k in unknown)
        raise LabelError(
            f"Test scans of {dataset.folder} show {names}, which no training scan has; divide the scans otherwise in dataset.json."
        )
    if plan.budgets[-1] > pool:
        raise ConfigError(
            f"The plan labels {plan.budgets[-1]} slices, the training scans of {dataset.folder} have {pool}; "
            "pass fewer with --budgets."
        )
    return pool


def check_packages(cells: Sequence[Cell]) -> None:
    """Look whether what these cells and the report need besides voidscope is installed.

    Raises
    ------
    NotReady : it is not; says what installs it.
    """
    absent = 'which is not installed: pip install "voidscope[benchmark]"'
    if find_spec("matplotlib") is None:
        raise NotReady(f"The report draws with matplotlib, {absent}.")
    if any(c.method.learner == FOREST for c in cells) and find_spec("sklearn") is None:
        raise NotReady(
            f"The forest needs scikit-learn, {absent}, or name the rows to run without it in --strategies."
        )
