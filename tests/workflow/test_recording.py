"""A report says who, what and how, and says where it does not know; the strategy verdict reads it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import save

from builders import add_cycle, set_prediction
from voidscope.errors import NotReady, ProjectError
from voidscope.jobs import execute
from voidscope.metrology import Report, Views, recipe_sha256
from voidscope.project import Project, import_truth, label_files, project_truth, scans
from voidscope.project.results import read_views
from voidscope.vocabulary import Plane, SliceKey
from voidscope.volume import Dataset, slice_index
from voidscope.workflow import Occasion, asking, evaluate, measure, segment, suggest, train
from voidscope.workflow.recording import authors

WANTED = (
    "report_id", "created", "git_commit", "people", "sample", "model_record", "inference", "post_processing", "scan_settings",
    "edits_after_training", "measurement_system_analysis", "command", "recipe", "scans", "versions", "masks_sha256",
)  # fmt: skip


@pytest.fixture
def segmented(project: Project, dataset: Dataset) -> Project:
    """A model that looks at four mirror images, with masks."""
    import_truth(project, dataset, [SliceKey(s, i) for s in "ab" for i in (0, 3)])
    project.set_config(
        project.config.with_changes(["model.flips=true", "model.detail=true", "measure.min_void_iou=0"])
    )
    execute(train(project))
    execute(segment(project))
    return project


def test_everything_a_report_must_hold_is_there_and_the_unknown_is_said(segmented: Project) -> None:
    found = execute(measure(segmented)).provenance
    assert not set(WANTED) - set(found)
    assert found["sample"] == {"lot": "not recorded", "die": "not recorded"}
    assert found["people"]["operator"] == "not recorded"
    assert "(4 slices)" in found["people"]["labelled by"]
    model = found["model_record"]
    assert model["validation mIoU"] == model["validation date"] == "not recorded"
    assert "tu-mobilenetv3_small_050; a detail network decides about void with it" in model["architecture"]
    assert found["scan_settings"]["a"] == {"settings": "not recorded"}
    assert found["inference"]["flips"] == "mean of four mirror images"


def test_the_hash_of_recipe_and_what_a_sampled_file_was_hashed_by_are_on_every_page(
    project: Project, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_cycle(project)
    for scan in ("a", "b"):
        mask = project_truth(project, dataset, scan)
        set_prediction(project, project.cycle.id, scan, mask, np.zeros(mask.shape, np.float16))
    report = execute(measure(project, ["a"]))
    assert report.provenance["scans"]["a"]["hashed"] == "SHA-256 of every byte"
    named = recipe_sha256(project.config.measure)
    assert report.provenance["recipe_sha256"] == named
    monkeypatch.setattr(scans, "SAMPLED_ABOVE", 10)
    sampled = execute(measure(project, ["b"]))
    assert sampled.provenance["scans"]["b"]["fingerprint"].startswith("sampled-sha256:")
    for page in (sampled.html(), sampled.print_html()):
        assert "about 64 samples of 1 MiB, not of every byte" in page and "SHA-256 of every byte" not in page
        assert named in page.replace(f"{named[:32]} ", named[:32])


def test_what_the_recipe_did_to_mask_and_voids_is_recorded_as_it_was(segmented: Project) -> None:
    plain = execute(measure(segmented)).provenance["post_processing"]
    assert plain == {
        "smallest void counted, voxels": 8, "smallest void counted, um3": 0.0, "connectivity": 26, "filling": "none",
        "closing, voxels": "none", "removal of far voxels, um": "none", "smoothing": "none",
    }  # fmt: skip
    changes = ["connectivity=6", "min_um3=0.5", "fill_holes=true", "closing_voxels=2", "far_um=30"]
    config = segmented.config.with_changes([f"measure.{c}" for c in changes])
    found = execute(measure(segmented, config=config)).provenance["post_processing"]
    assert found == plain | {
        "smallest void counted, um3": 0.5, "connectivity": 6, "filling": "background that does not reach the scan's edge is void",
        "closing, voxels": 2, "removal of far voxels, um": 30.0,
    }  # fmt: skip


def test_who_measured_what_is_told_on_every_page_and_in_the_command(
    segmented: Project, dataset: Dataset
) -> None:
    execute(evaluate(segmented, dataset))
    said = Occasion(operator="Ann <i>", approver="Bo", lot="L 7", die="D1", msa="R-12")
    report = execute(measure(segmented, ["a"], occasion=said))
    assert "--lot 'L 7'" in report.provenance["command"]
    assert report.provenance["model_record"]["validation date"] != "not recorded"
    for page in (report.html(), report.print_html()):
        assert "Ann &lt;i&gt;" in page and "R-12" in page and "L 7" in page
        twin = hashlib.sha256((segmented.report_folder / "report.json").read_bytes()).hexdigest()
        assert twin in page.replace(f"{twin[:32]} ", twin[:32])


def test_slices_painted_after_training_are_listed_with_who_painted_them(segmented: Project) -> None:
    assert "none" in execute(measure(segmented, ["a"])).provenance["edits_after_training"]["edits"]
    cycle = segmented.cycle
    assert cycle is not None
    key, *others = segmented.labels.keys()
    mask = segmented.labels.get(key)
    assert mask is not None
    segmented.labels.put(key, np.where(mask == 1, 2, mask), author="cy")  # within the second of the training
    segmented.labels.remove(others[-1])
    edits = execute(measure(segmented, ["a"])).provenance["edits_after_training"]
    assert list(edits) == [str(key), str(others[-1])]
    assert edits[str(key)]["by"] == "cy" and edits[str(others[-1])] == {"how": "erased"}


def test_the_views_of_the_sweep_widen_the_interval_and_add_up_to_nothing(segmented: Project) -> None:
    cycle = segmented.cycle
    assert cycle is not None
    shape = segmented.scan("a").shape
    views = read_views(cycle.folder, "a", shape, 4)
    assert views.blocks.shape == (4, 2, 1, 2, 4)  # of 16 voxels each way
    assert not views.everywhere().sum(axis=1).any()  # what one class gains another loses
    mask = np.full(shape, 3, np.uint8)
    mask[:2] = 4
    blocks, gained = np.zeros((4, 2, 1, 2, 4), np.int32), np.array([-240, -230, -210, -160])
    blocks[:, 0, 0, 0, 3], blocks[:, 1, 0, 1, 2] = gained, -gained
    set_prediction(segmented, cycle.id, "a", mask, np.zeros(shape, np.float16), views=Views(blocks))
    (scan,) = execute(measure(segmented, ["a"])).scans
    assert scan.budget[1].value == pytest.approx(((240 + gained) / 2880).std(ddof=1))
    set_prediction(segmented, cycle.id, "a", mask, np.zeros(shape, np.float16))
    (scan,) = execute(measure(segmented, ["a"])).scans
    assert scan.budget[1].value is None  # those of an earlier mask are gone with it


@pytest.mark.parametrize("damage", [b"", b"no views", None])
def test_damaged_views_are_said_with_the_way_out(segmented: Project, damage: bytes | None) -> None:
    assert segmented.cycle is not None
    path = segmented.cycle.folder / "views" / "a.safetensors"
    path.write_bytes(save({"blocks": np.zeros((4, 1, 1, 1, 4), np.int32)}) if damage is None else damage)
    with pytest.raises(ProjectError, match=r"is damaged: .* Delete it and segment again"):
        execute(measure(segmented, ["a"]))


@pytest.mark.parametrize("plane", list(Plane))
def test_views_lie_as_the_scan_does_whatever_plane_is_sliced(plane: Plane) -> None:
    rng = np.random.default_rng(1)
    shape = (37, 18, 50)
    mask, looks = rng.integers(1, 4, shape, np.uint8), rng.integers(1, 4, (2, *shape), np.uint8)
    blocks = [[_tiles(look, c) - _tiles(mask, c) for c in (1, 2, 3)] for look in looks]
    expected = np.moveaxis(np.array(blocks), 1, -1)
    record = SimpleNamespace(plane=plane, n_slices=shape[plane.axis])
    views = None
    for k in range(shape[plane.axis]):
        where = slice_index(plane, k)
        of_slice = np.moveaxis(
            [[_tiles(one[where], c) - _tiles(mask[where], c) for c in (1, 2, 3)] for one in looks], 1, -1
        )
        views = views or asking._no_views(record, of_slice)
        views.blocks[:, k // 16] += of_slice
    assert np.array_equal(np.moveaxis(views.blocks, 1, 1 + plane.axis), expected)
    whole = [[(look == c).sum() - (mask == c).sum() for c in (1, 2, 3)] for look in looks]
    assert Views(expected).everywhere().tolist() == whole


def _tiles(mask: np.ndarray, class_id: int) -> np.ndarray:
    """Voxels of a class in blocks of 16 each way."""
    found = np.pad(mask == class_id, [(0, -n % 16) for n in mask.shape]).astype(np.int64)
    for axis, n in enumerate(found.shape):
        found = np.add.reduceat(found, range(0, n, 16), axis=axis)
    return found


def straddling(project: Project, scan: str, other: float = 0.0) -> None:
    """Put intervals into the report: `scan` straddles its limit, others have U = `other` around 0."""
    report = execute(measure(project))
    scans = [
        replace(
            s,
            ratios={**s.ratios, s.formula: 0.05 if s.scan == scan else 0.0},
            uncertainty=0.02 if s.scan == scan else other,
            bumps=(),
            outcomes=(),
        )
        for s in report.scans
    ]
    project.set_report(Report(tuple(scans), report.provenance), {})


def test_verdict_asks_for_slices_of_the_scan_that_straddles_and_says_what_is_missing(
    segmented: Project,
) -> None:
    config = segmented.config.with_changes(["suggest.strategy=verdict", "suggest.budget=3"])
    with pytest.raises(NotReady, match="nothing was measured yet"):
        suggest(segmented, config)
    straddling(segmented, "c")  # a test scan: nothing of it can be labelled for training
    with pytest.raises(NotReady, match="No interval of 2 measured training scans"):
        suggest(segmented, config)
    straddling(segmented, "b")
    queue = execute(suggest(segmented, config))
    assert {s.key.scan for s in queue} == {"b"} and {s.strategy for s in queue} == {"verdict"}
    scores = [s.score for s in queue]
    assert scores == sorted(scores, key=lambda x: -(x or 0))
    execute(train(segmented, segmented.config.with_changes(["seed=3"])))
    with pytest.raises(NotReady, match="the report is of cycle-0001"):
        suggest(segmented, config)


def test_who_labelled_is_told_as_it_was_when_the_model_learnt_and_the_scan_was_measured(
    project: Project, dataset: Dataset
) -> None:
    keys = [SliceKey(s, i) for s in "ab" for i in (0, 3)]
    import_truth(project, dataset, keys)
    masks = {k: project.labels.get(k) for k in keys}
    for key, who in zip(keys, ("ann", "ann", "bo", "bo"), strict=True):
        project.labels.put(key, masks[key], author=who)
    execute(train(project))
    execute(segment(project))
    project.labels.put(keys[0], masks[keys[0]], author="cy")  # the same label, by another hand
    project.labels.put(keys[2], np.where(masks[keys[2]] == 1, 2, masks[keys[2]]), author="dee")
    report = execute(measure(project))
    assert report.provenance["people"]["labelled by"] == "ann (2 slices), bo (2 slices)"
    assert report.provenance["labels_of_scans"] == {
        "a": {"labelled by": "ann (1 slice), cy (1 slice)", "learnt by the model": 2},
        "b": {"labelled by": "bo (1 slice), dee (1 slice)", "learnt by the model": 2},
        "c": {"labelled by": "nobody", "learnt by the model": 0},
    }
    assert set(report.provenance["edits_after_training"]) == {"b/0000"}
    project.labels.put(keys[1], masks[keys[1]], author="zoltan")
    kept = Project.open(project.path).report
    assert kept is not None and "zoltan" not in kept.html() + kept.print_html()
    assert "cy (1 slice)" in kept.html() and "dee (1 slice)" in kept.print_html()


def test_who_labelled_for_a_model_of_an_older_version_is_not_guessed(
    segmented: Project,
) -> None:
    cycle = segmented.cycle
    assert cycle is not None
    older = {k: v for k, v in cycle.provenance.items() if k != "labels_by"}
    key = segmented.labels.keys()[0]
    mask = segmented.labels.get(key)
    assert mask is not None
    segmented.labels.put(key, np.where(mask == 1, 2, mask), author="cy")
    said = authors(segmented, replace(cycle, provenance=older))
    assert "cy" not in said and "dataset truth (3 slices)" in said and "not recorded (1 slice" in said


def test_a_label_that_only_judges_is_no_edit_unless_it_came_after_training(
    project: Project, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_files, "now", lambda: "2026-01-01T10:00:00+00:00")
    import_truth(project, dataset, [SliceKey(s, i) for s in "abc" for i in (0, 3)])
    execute(train(project))
    execute(segment(project))
    assert "edits" in execute(measure(project)).provenance["edits_after_training"]
    monkeypatch.setattr(label_files, "now", lambda: "2099-01-01T10:00:00+00:00")
    import_truth(project, dataset, [SliceKey("c", 4)])
    assert set(execute(measure(project)).provenance["edits_after_training"]) == {"c/0004"}
