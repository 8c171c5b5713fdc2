"""The labels of a scan out of a file: one step of undo, and nothing of a person's is replaced."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from voidscope.errors import LabelError
from voidscope.jobs import execute
from voidscope.project import Project
from voidscope.vocabulary import Provenance, SliceKey
from voidscope.volume import slice_index
from voidscope.workflow import import_label_file

SOLDER = 2
"""Its id in files, one less than in a project."""


def file_ids(project: Project, unlabelled: int = 255) -> np.ndarray:
    """Ids (z, y, x) for scan a: solder in slices 1 and 3, all else unlabelled."""
    record = project.scan("a")
    ids = np.full(record.shape, unlabelled, np.uint8)
    for index in (1, 3):
        ids[slice_index(record.plane, index)][2:6, 2:6] = SOLDER
    return ids


def saved(folder: Path, ids: np.ndarray) -> Path:
    path = folder / "mine.tif"
    tifffile.imwrite(path, ids)
    return path


def test_what_a_file_labels_is_one_step_and_what_a_person_drew_stays(
    project: Project, tmp_path: Path
) -> None:
    drawn = np.zeros(project.slice_shape(SliceKey("a", 3)), np.uint8)
    drawn[0, 0] = 1
    project.labels.put(SliceKey("a", 3), drawn)
    done = execute(import_label_file(project, "a", saved(tmp_path, file_ids(project))))
    assert (done.labelled, done.kept) == ((SliceKey("a", 1),), (SliceKey("a", 3),))
    mask = project.labels.get(SliceKey("a", 1))
    assert mask is not None and (mask[2:6, 2:6] == SOLDER + 1).all() and np.count_nonzero(mask) == 16
    assert project.labels.record(SliceKey("a", 1)).provenance is Provenance.IMPORTED
    assert (project.labels.get(SliceKey("a", 3)) == drawn).all()
    assert project.labels.undo() is not None
    assert set(project.labels) == {SliceKey("a", 3)}
    assert project.labels.redo() is not None
    assert (Project.open(project.path).labels.get(SliceKey("a", 1)) == mask).all()


def test_a_file_that_does_not_fit_changes_nothing_and_is_named(project: Project, tmp_path: Path) -> None:
    ids = file_ids(project)
    for wrong, why in (
        (ids[1:], "the scan is"), (np.where(ids == SOLDER, 9, ids), "9"), (np.full_like(ids, 255), "labels no voxel"),
        ((ids == SOLDER).astype(np.uint8), "nothing but 0 and 1, .*--map 0=CLASS,1=CLASS"),
        (255 * (ids == SOLDER).astype(np.uint8), "nothing but 0 and 255, .*--map 0=CLASS,255=CLASS"),
    ):  # fmt: skip
        with pytest.raises(LabelError, match=f"mine.tif.*{why}"):
            execute(import_label_file(project, "a", saved(tmp_path, wrong)))
    assert not set(project.labels)
