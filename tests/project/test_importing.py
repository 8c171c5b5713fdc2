"""Labels from files and from a dataset's truth."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from builders import SHAPE
from voidscope.acquisition import Suggestion
from voidscope.errors import ConfigError, LabelError, ProjectError
from voidscope.project import (
    Project,
    answer_suggestions,
    import_labels,
    import_truth,
    parse_map,
    parse_slices,
    project_truth,
)
from voidscope.vocabulary import Provenance, SliceKey
from voidscope.volume import Dataset, tiff_bytes

IDS = np.random.default_rng(1).integers(0, 5, SHAPE, dtype=np.uint8)


def test_imported_slices_hold_the_files_ids_plus_one(project: Project) -> None:
    done = import_labels(project, "a", IDS, slices=[1, 3])
    assert done.labelled == (SliceKey("a", 1), SliceKey("a", 3))
    mask = project.labels.get(SliceKey("a", 3))
    assert mask is not None
    assert (mask == IDS[:, 3, :] + 1).all()
    assert project.labels.record(SliceKey("a", 3)).provenance is Provenance.IMPORTED


def test_no_slices_named_means_all(project: Project) -> None:
    assert len(import_labels(project, "a", IDS).labelled) == 4


def test_a_label_of_another_shape_or_with_unknown_ids_changes_nothing(project: Project) -> None:
    with pytest.raises(LabelError, match=r"labels of a are \(6, 4, 4\); the scan is \(6, 4, 5\)"):
        import_labels(project, "a", IDS[..., :4])
    odd = IDS.copy()
    odd[0, 3, 0] = 77
    with pytest.raises(LabelError, match=r"ids 77;"):
        import_labels(project, "a", odd)
    with pytest.raises(ProjectError, match="no slice a/0009"):
        import_labels(project, "a", IDS, slices=[0, 9])
    assert len(project.labels) == 0


def test_a_persons_label_is_kept_unless_overwriting_was_asked(project: Project) -> None:
    key = SliceKey("a", 0)
    drawn = np.ones((6, 5), np.uint8)
    project.labels.put(key, drawn, Provenance.DRAWN)
    done = import_labels(project, "a", IDS, slices=[0, 1])
    assert done.kept == (key,)
    assert (project.labels.get(key) == drawn).all()
    import_labels(project, "a", IDS, slices=[0], overwrite=True)
    assert (project.labels.get(key) == IDS[:, 0, :] + 1).all()


def test_what_was_there_already_is_told_from_what_took_another_label_s_place(project: Project) -> None:
    keys = [SliceKey("a", k) for k in range(3)]
    import_labels(project, "a", IDS, slices=[0, 1])
    other = IDS.copy()
    other[:, 1] = 0
    done = import_labels(project, "a", other, slices=[0, 1, 2])
    assert (done.labelled, done.same, done.replaced) == (tuple(keys), (keys[0],), (keys[1],))
    assert import_labels(project, "a", other, slices=[0, 1, 2]).same == tuple(keys)
    project.labels.undo()
    assert len(project.labels) == 2, "what changed nothing is no step"


def test_a_map_names_foreign_ids(project: Project) -> None:
    foreign = np.where(IDS == 3, 255, 0)
    import_labels(project, "a", foreign, slices=[2], file_map={0: "background", 255: "void"})
    assert (project.labels.get(SliceKey("a", 2)) == np.where(IDS[:, 2, :] == 3, 4, 1)).all()


@pytest.fixture
def dataset(tmp_path: Path, project: Project) -> Dataset:
    """Truth beside the project's scans, with the classes in another order and other ids."""
    names = ["void", "solder", "background", "copper_pillar", "copper_pad"]
    classes = [{"id": 10 + k, "name": n} for k, n in enumerate(names)]
    (tmp_path / "scans" / "dataset.json").write_text(json.dumps({"classes": classes, "test": ["c"]}))
    for name in "abc":
        (tmp_path / "scans" / f"{name}_labels.tif").write_bytes(tiff_bytes(IDS + 10, None))
    return Dataset.open(tmp_path / "scans")


def test_truth_is_translated_by_class_name(project: Project, dataset: Dataset) -> None:
    by_name = np.array([4, 3, 1, 2, 5], np.uint8)  # the project's ids of the dataset's classes, in its order
    assert (project_truth(project, dataset, "a") == by_name[IDS]).all()


def test_truth_of_another_scan_of_that_name_is_refused(project: Project, dataset: Dataset) -> None:
    """Last week's scans are called as this week's."""
    path = dataset.scan("a").path
    voxels, truth = dataset.volume("a").voxels[:].copy(), project_truth(project, dataset, "a")
    path.write_bytes(tiff_bytes(voxels, (0.7, 0.7, 0.7)))  # the same voxels in other bytes
    assert (project_truth(project, dataset, "a") == truth).all()
    voxels[0, 0, 0] += 1
    path.write_bytes(tiff_bytes(voxels, None))
    with pytest.raises(
        LabelError, match=r"a.tif holds other data than a in this project, .* is not that scan's"
    ):
        import_truth(project, dataset, [SliceKey("a", 0)])
    assert len(project.labels) == 0


def test_the_oracle_answers_the_whole_queue(project: Project, dataset: Dataset) -> None:
    keys = [SliceKey("b", 1), SliceKey("a", 2)]
    project.queue.put(
        [Suggestion(k, r, None, None, None, None, None, "random") for r, k in enumerate(keys, 1)]
    )
    assert answer_suggestions(project, dataset).labelled == tuple(sorted(keys))
    assert (project.labels.get(keys[0]) == project_truth(project, dataset, "b")[:, 1, :]).all()


def test_a_slice_of_which_the_file_says_nothing_is_not_told_as_labelled(project: Project) -> None:
    ids = np.zeros(project.scan("a").shape, np.uint8)
    ids[:, 1] = 3  # coronal slice 1
    done = import_labels(project, "a", ids, slices=[1, 2], file_map={0: "unlabelled", 3: "void"})
    assert done.labelled == (SliceKey("a", 1),)
    assert project.labels.keys() == (SliceKey("a", 1),)


def test_a_second_file_that_says_nothing_of_a_slice_leaves_its_label(project: Project) -> None:
    """Two people label a part of a scan each."""
    mine, theirs = np.full(SHAPE, 9, np.uint8), np.full(SHAPE, 9, np.uint8)
    mine[:, 1], theirs[:, 2] = 2, 3
    unsaid = {9: "unlabelled", 2: "solder", 3: "void"}
    import_labels(project, "a", mine, file_map=unsaid)
    done = import_labels(project, "a", theirs, file_map=unsaid)
    assert done.labelled == (SliceKey("a", 2),)
    assert list(project.labels) == [SliceKey("a", 1), SliceKey("a", 2)]
    project.labels.put_all(
        {SliceKey("a", 3): np.full((6, 5), 3, np.uint8)}, Provenance.PROPAGATED, proposed=True
    )
    import_labels(project, "a", theirs, file_map=unsaid)
    assert project.labels.unverified == (SliceKey("a", 3),)
    import_labels(project, "a", theirs, file_map=unsaid, overwrite=True)
    assert list(project.labels) == [SliceKey("a", 2)]


def test_an_empty_queue_cannot_be_answered(project: Project, dataset: Dataset) -> None:
    with pytest.raises(LabelError, match="run suggest first"):
        answer_suggestions(project, dataset)


@pytest.mark.parametrize(
    ("text", "numbers"), [("3", [3]), ("3,10-12", [3, 10, 11, 12]), (" 5 , 4-5", [4, 5])]
)
def test_slices_are_numbers_and_ranges(text: str, numbers: list[int]) -> None:
    assert parse_slices(text) == numbers


@pytest.mark.parametrize("text", ["", "a", "3-", "-3", "1,,2", "7-6"])
def test_what_names_no_slices_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="names no slices"):
        parse_slices(text)


@pytest.mark.parametrize("text", ["0-999999999", "1000000", "3,99999999999999-5"])
def test_a_range_beyond_any_scan_is_refused_before_it_fills_the_memory(text: str) -> None:
    with pytest.raises(ConfigError, match="goes beyond any scan"):
        parse_slices(text)


def test_maps_are_pairs() -> None:
    assert parse_map("0=background, 3=void") == {0: "background", 3: "void"}
    for text in ("void=3", "3", "3=", "=void"):
        with pytest.raises(ConfigError, match="maps no ids"):
            parse_map(text)
    assert parse_map("3=void,3=void") == {3: "void"}
    with pytest.raises(ConfigError, match="says two things of id 3: void and solder; leave one"):
        parse_map("0=background,3=void,03=solder")
