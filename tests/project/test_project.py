"""The project folder: what is added, found again, refused and told."""

from __future__ import annotations

import gc
import json
import shutil
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from builders import SHAPE, add_cycle, add_scan, set_prediction, write_scan
from voidscope.acquisition import Suggestion
from voidscope.config import Config
from voidscope.errors import NotReady, ProjectError, StaleResult, VolumeError
from voidscope.project import Cycle, Project, ScanRecord, memory, record_scan
from voidscope.vocabulary import ClassMap, Plane, SliceKey, Split
from voidscope.volume import read_scan


def some_cycle(number: int = 1, weights: bytes = b"weights") -> Cycle:
    import hashlib

    digest = hashlib.sha256(weights).hexdigest()
    return Cycle(
        number,
        (SliceKey("a", 1),),
        0,
        digest,
        {"losses": [1.0]},
        {"device": "cpu"},
        Config().model_dump(mode="json"),
        (0.5, 0.2),
    )


def test_an_opened_project_equals_the_one_that_was_made(project: Project) -> None:
    again = Project.open(project.path)
    assert dict(again.scans) == dict(project.scans)
    assert again.classes == project.classes
    assert again.config == project.config


def test_scans_keep_their_facts(project: Project) -> None:
    record = project.scan("a")
    assert (record.shape, record.dtype, record.plane, record.split) == (
        SHAPE,
        "uint16",
        Plane.AXIS1,
        Split.TRAIN,
    )
    assert record.spacing_um == pytest.approx((0.7, 0.7, 0.7))
    assert (record.n_slices, record.slice_shape) == (4, (6, 5))
    assert record.spacing_source == "file"


def test_keys_come_in_order_and_by_split(project: Project) -> None:
    assert len(project.keys()) == 12
    assert {k.scan for k in project.keys(Split.TRAIN)} == {"a", "b"}
    assert list(project.keys()) == sorted(project.keys())


def test_slices_are_listed_once_for_as_long_as_the_scans_stay(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: list[str] = []
    slice_keys = ScanRecord.slice_keys

    def noted(self: ScanRecord) -> tuple[SliceKey, ...]:
        listed.append(self.name)
        return slice_keys(self)

    monkeypatch.setattr(ScanRecord, "slice_keys", noted)
    first = project.keys(Split.TRAIN)
    project.set_config(project.config.with_changes(["seed=3"]))
    project.catch_up()
    assert project.keys(Split.TRAIN) == first and len(project.keys()) == 12
    assert listed == ["a", "b", "a", "b", "c"]
    project.add([project.scan("b").model_copy(update={"split": Split.TEST})])
    assert project.keys(Split.TRAIN) == first[:4] and len(project.keys(Split.TEST)) == 8
    project.remove("a")
    assert project.keys(Split.TRAIN) == () and len(project.keys()) == 8


def test_an_image_is_the_scaled_slice(project: Project) -> None:
    record = project.scan("a")
    raw = np.asarray(read_scan(Path(record.path)).voxels[:, 2, :], float)
    low, high = record.intensity.low, record.intensity.high
    expected = np.clip((raw - low) / (high - low), 0, 1)
    assert np.allclose(project.image(SliceKey("a", 2)), expected, atol=1e-6)


def test_normalisation_pools_the_training_scans_only(project: Project) -> None:
    train = np.concatenate([project.image(k).ravel() for k in project.keys(Split.TRAIN)])
    mean, std = project.normalisation()
    assert mean == pytest.approx(train.mean(), abs=1e-3)
    assert std == pytest.approx(train.std(), abs=1e-3)


def test_a_project_and_its_scans_can_move_together(project: Project, tmp_path: Path) -> None:
    before = project.image(SliceKey("a", 0))
    (tmp_path / "elsewhere").mkdir()
    shutil.move(tmp_path / "project", tmp_path / "elsewhere" / "project")
    shutil.move(tmp_path / "scans", tmp_path / "elsewhere" / "scans")
    assert (Project.open(tmp_path / "elsewhere" / "project").image(SliceKey("a", 0)) == before).all()


def test_a_missing_scan_file_is_named_with_the_way_out_and_found_again(
    project: Project, tmp_path: Path
) -> None:
    moved = tmp_path / "other" / "a.tif"
    moved.parent.mkdir()
    (tmp_path / "scans" / "a.tif").rename(moved)
    again = Project.open(project.path)
    with pytest.raises(ProjectError, match=r"file of a is gone.*voidscope add"):
        again.image(SliceKey("a", 0))
    add_scan(again, moved)
    assert again.image(SliceKey("a", 0)).shape == (6, 5)
    assert len(again.scans) == 3


def test_a_changed_scan_file_is_noticed(project: Project, tmp_path: Path) -> None:
    write_scan(tmp_path / "scans" / "a.tif", shape=(7, 4, 5))
    with pytest.raises(ProjectError, match=r"is now \(7, 4, 5\)"):
        Project.open(project.path).image(SliceKey("a", 0))


def test_another_scan_of_the_same_name_is_refused(project: Project, tmp_path: Path) -> None:
    other = write_scan(tmp_path / "other" / "a.tif", seed=9)
    with pytest.raises(ProjectError, match="already has another scan 'a'"):
        add_scan(project, other)


def test_spacing_is_set_kept_and_checked(project: Project) -> None:
    project.set_spacing("a", (1.0, 2.0, 3.0))
    record = Project.open(project.path).scan("a")
    assert (record.spacing_um, record.spacing_source) == ((1.0, 2.0, 3.0), "typed in")
    with pytest.raises(VolumeError, match="above 0"):
        project.set_spacing("a", (0.0, 1.0, 1.0))


def test_adding_a_known_scan_with_a_spacing_sets_it(project: Project, tmp_path: Path) -> None:
    cycle = project.add_cycle(some_cycle(), b"weights")
    set_prediction(project, cycle.id, "a", np.ones(SHAPE, np.uint8), np.zeros(SHAPE, np.float16))
    volume = read_scan(tmp_path / "scans" / "a.tif", spacing_um=(2.0, 2.0, 2.0))
    project.add([record_scan(volume, project.path, split=Split.TRAIN, plane=None, spacing_source="typed in")])
    assert project.scan("a").spacing_um == (2.0, 2.0, 2.0)
    assert read_scan(project.mask_path("a")).spacing_um == pytest.approx((2.0, 2.0, 2.0))


@pytest.mark.parametrize("key", [SliceKey("a", 4), SliceKey("z", 0)])
def test_a_slice_that_does_not_exist_is_named(project: Project, key: SliceKey) -> None:
    with pytest.raises(ProjectError, match="There is no"):
        project.image(key)


def test_a_folder_in_use_is_never_made_a_project(tmp_path: Path, project: Project) -> None:
    with pytest.raises(ProjectError, match="already holds a project"):
        Project.create(project.path, ClassMap.hbm())
    with pytest.raises(ProjectError, match="not empty"):
        Project.create(tmp_path / "scans", ClassMap.hbm())


def test_what_is_no_project_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="voidscope create"):
        Project.open(tmp_path)


def test_a_newer_layout_is_refused_and_a_damaged_one_named(project: Project) -> None:
    path = project.path / "project.json"
    tree = json.loads(path.read_text())
    path.write_text(json.dumps(tree | {"schema_version": 99}))
    with pytest.raises(ProjectError, match="newer voidscope"):
        Project.open(project.path)
    path.write_text(json.dumps(tree | {"scans": [{"name": "a"}]}))
    with pytest.raises(ProjectError, match=r"damaged at scans\.0"):
        Project.open(project.path)


def test_settings_are_kept_and_told(project: Project) -> None:
    told: list[bool] = []
    project.events.config_changed.connect(lambda: told.append(True))
    project.set_config(project.config.with_changes(["train.epochs=3"]))
    project.set_config(project.config)
    assert Project.open(project.path).config.train.epochs == 3
    assert told == [True]


def test_cycles_are_appended_and_read_back(project: Project) -> None:
    written = project.add_cycle(some_cycle(), b"weights")
    again = Project.open(project.path)
    assert again.cycles == (written,)
    assert again.cycle is not None
    assert again.cycle.weights() == b"weights"
    assert again.cycle.id == written.id


def test_a_cycle_trained_beside_another_is_refused(project: Project) -> None:
    project.add_cycle(some_cycle(), b"weights")
    with pytest.raises(StaleResult, match="Another model was trained"):
        project.add_cycle(some_cycle(), b"weights")


def test_damaged_weights_are_noticed(project: Project) -> None:
    cycle = project.add_cycle(some_cycle(), b"weights")
    cycle.weights_path.write_bytes(b"weightz")
    with pytest.raises(ProjectError, match="does not match its hash"):
        cycle.weights()


def test_masks_belong_to_the_model_that_made_them(project: Project) -> None:
    cycle = project.add_cycle(some_cycle(), b"weights")
    mask = np.random.default_rng(0).integers(1, 6, SHAPE, dtype=np.uint8)
    entropy = np.full(SHAPE, 0.25, np.float16)
    set_prediction(project, cycle.id, "a", mask, entropy)
    again = Project.open(project.path)
    found, uncertain = again.mask("a"), again.uncertainty("a")
    assert found is not None
    assert uncertain is not None
    assert (found == mask).all()
    assert (np.asarray(uncertain) == 0.25).all()
    project.add_cycle(some_cycle(2, b"newer"), b"newer")
    assert project.mask("a") is None
    with pytest.raises(StaleResult, match="no longer the current model"):
        set_prediction(project, cycle.id, "a", mask, entropy)


def test_mask_files_hold_the_ids_of_label_files(project: Project) -> None:
    cycle = project.add_cycle(some_cycle(), b"weights")
    set_prediction(project, cycle.id, "a", np.full(SHAPE, 4, np.uint8), np.zeros(SHAPE, np.float16))
    assert set(np.unique(read_scan(project.mask_path("a")).voxels[:])) == {3}


def test_the_queue_is_kept_per_model(project: Project) -> None:
    pick = Suggestion(SliceKey("a", 1), 1, None, None, None, None, None, "random")
    project.queue.put([pick])
    assert Project.open(project.path).suggestions == (pick,)
    project.add_cycle(some_cycle(), b"weights")
    assert project.suggestions == ()


def test_a_project_of_test_scans_cannot_be_normalised(tmp_path: Path) -> None:
    made = Project.create(tmp_path / "p", ClassMap.hbm())
    add_scan(made, write_scan(tmp_path / "a.tif"), Split.TEST)
    with pytest.raises(NotReady, match="no training scan"):
        made.normalisation()


def test_a_cycle_record_round_trips_whatever_its_folder(project: Project) -> None:
    written = project.add_cycle(some_cycle(), b"weights")
    assert replace(written, folder=Path()) == Cycle.read(written.folder)


def test_pretrained_weights_leave_no_state_of_any_recipe(project: Project) -> None:
    folder = project.pretrained_path.parent
    folder.mkdir()
    for name in ("state-0123456789ab.pt", "state-ba9876543210.pt"):
        (folder / name).write_bytes(b"state")
    project.set_pretrained(b"weights", {"losses": [1.0]})
    assert sorted(p.name for p in folder.iterdir()) == ["pretrained.json", "weights.safetensors"]


def test_pretrained_weights_are_kept_with_their_record(project: Project) -> None:
    project.set_pretrained(b"weights", {"losses": [1.0]})
    assert project.pretrained_path.read_bytes() == b"weights"
    assert json.loads((project.path / "pretrained" / "pretrained.json").read_text()) == {"losses": [1.0]}


def test_two_files_of_one_name_are_refused_and_both_are_named(project: Project, tmp_path: Path) -> None:
    records = [
        record_scan(read_scan(write_scan(tmp_path / lot / "recon.tif", seed)), project.path, split=Split.TRAIN, plane=None)
        for seed, lot in enumerate(("lot_a", "lot_b"))
    ]  # fmt: skip
    with pytest.raises(ProjectError, match=r"lot_a.*lot_b.*would both be the scan 'recon'"):
        project.add(records)
    assert "recon" not in project.scans
    project.add([records[0], records[0]])
    assert "recon" in project.scans


def test_of_large_masks_only_the_one_asked_for_last_and_the_newest_are_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "HELD_BYTES", 0)
    made = Project.create(tmp_path / "many", ClassMap.hbm())
    names = [f"s{n}" for n in range(5)]
    for n, name in enumerate(names):
        add_scan(made, write_scan(tmp_path / f"{name}.tif", n))
    made.labels.put(SliceKey("s0", 0), np.ones(made.slice_shape(SliceKey("s0", 0)), np.uint8))
    add_cycle(made)
    shape = made.scan("s0").shape
    masks = {
        n: weakref.ref(_segmented(made, n, np.full(shape, k + 1, np.uint8))) for k, n in enumerate(names)
    }
    gc.collect()
    assert [n for n in names if masks[n]() is not None] == ["s0", "s4"]
    assert [int(made.mask(n).max()) for n in names] == [1, 2, 3, 4, 5]


def test_of_unpacked_scans_the_one_looked_at_and_the_one_before_stay_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "OPEN_BYTES", 0)
    made = Project.create(tmp_path / "many", ClassMap.hbm())
    for n, name in enumerate("abcd"):
        path = write_scan(tmp_path / f"{name}.tif", n)
        pages = tifffile.imread(path)
        tifffile.imwrite(path, pages, compression="zlib", photometric="minisblack")
        add_scan(made, path)
        made.volume(name).voxels[:]
        made.memory.look_at(name)
    assert list(made.memory.scans) == ["c", "d"]
    assert made.memory.scans["c"].unpacked_bytes == made.volume("c").voxels.nbytes > 0
    made.memory.look_at("c")
    assert np.array_equal(made.volume("a").voxels[:], tifffile.imread(tmp_path / "a.tif"))  # opened again


def _segmented(project: Project, scan: str, mask: np.ndarray) -> np.ndarray:
    """Keep a mask while the first scan is in view, and let go of it."""
    set_prediction(project, project.cycle.id, scan, mask, np.zeros(mask.shape, np.float16))
    assert project.mask("s0") is not None
    return mask
