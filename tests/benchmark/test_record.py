"""What a folder of points is of: points of different runs never meet in one curve."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_points import point

from builders import bump_dataset
from voidscope.benchmark import Cell, Method, Plan, claim, held, part_of, plan_for, record
from voidscope.benchmark.points import add_point, points_path
from voidscope.benchmark.record import facts_of, imagenet_weights, read_record
from voidscope.config import Config
from voidscope.errors import CannotReadFile, ConfigError, NotReady, ProjectError
from voidscope.volume import Dataset, tiff_bytes

PLAN = Plan((2, 4), seeds=1)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return bump_dataset(tmp_path / "scans")


def test_what_was_run_and_by_which_commands_is_kept(dataset: Dataset, tmp_path: Path) -> None:
    claim(tmp_path / "out", dataset, PLAN, 12, ["voidscope", "benchmark", "first"])
    claim(tmp_path / "out", dataset, replace(PLAN, seeds=3), 12, ["voidscope", "benchmark", "more", "seeds"])
    kept = read_record(tmp_path / "out")
    assert [c["command"] for c in kept["commands"]] == [
        "voidscope benchmark first",
        "voidscope benchmark more seeds",
    ]
    assert all({"commit", "created", "versions", "platform"} <= set(c) for c in kept["commands"])
    told = "\n".join(facts_of(kept))
    assert "- dataset: scans: 2 training scans with 12 slices, 1 test scans" in told
    assert "- budgets: 2, 4" in told
    assert "- settings: none" in told
    assert "voidscope benchmark more seeds" in told


def test_a_folder_of_another_product_preset_is_refused(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The word is the same in another version, what it stands for is not."""
    claim(tmp_path / "out", dataset, PLAN, 12, ["first"])
    monkeypatch.setitem(record.PRESETS, "product", ("train.steps=5",))
    with pytest.raises(
        ConfigError, match=r"its product preset is train\.steps=450 .*, yours is train\.steps=5\."
    ):
        claim(tmp_path / "out", dataset, PLAN, 12, ["second"])


def test_a_folder_is_one_runs_until_it_ends_also_by_an_error(tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    with pytest.raises(ZeroDivisionError), held(out):
        with pytest.raises(NotReady, match="Another run is at work in"), held(out):
            pass
        raise ZeroDivisionError
    with held(out):
        assert out.is_dir()


def test_a_folder_of_something_else_is_left_alone(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="scans is a folder of scans or a project"), held(dataset.folder):
        pass
    assert not (dataset.folder / ".lock").exists()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "log.txt").touch()
    with held(tmp_path / "out"):
        claim(tmp_path / "out", dataset, PLAN, 12, ["first"])
    (tmp_path / "out" / "fig3b.png").touch()  # its own report's
    with held(tmp_path / "out"):
        pass
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "project.json").touch()
    with pytest.raises(ConfigError, match="or a project"), held(tmp_path / "project"):
        pass


def test_a_folder_that_cannot_be_made_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ProjectError, match="Cannot write"), held(tmp_path / "file" / "out"):
        pass


def test_nothing_was_run_in_a_new_folder(tmp_path: Path) -> None:
    assert read_record(tmp_path) == {}
    assert facts_of({}) == []


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        (plan_for("cpu", budgets=(2, 4)), "its plan is none, yours is pretrain.epochs="),
        (Plan((2, 6), seeds=1), "its budgets is 2, 4, yours is 2, 6"),
        (Plan((2, 4), seeds=1, changed=("train.epochs=9",)), "its settings is none, yours is train.epochs=9"),
    ],
)
def test_another_run_is_refused_a_folder_with_points(
    dataset: Dataset, tmp_path: Path, plan: Plan, reason: str
) -> None:
    claim(tmp_path / "out", dataset, PLAN, 12, [])
    with pytest.raises(ConfigError, match=f"{reason}.* Choose another --out"):
        claim(tmp_path / "out", dataset, plan, 12, [])
    assert len(read_record(tmp_path / "out")["commands"]) == 1


def test_another_device_is_the_same_run(dataset: Dataset, tmp_path: Path) -> None:
    claim(tmp_path / "out", dataset, PLAN, 12, [])
    claim(tmp_path / "out", dataset, replace(PLAN, changed=("device=cpu",)), 12, [])
    assert len(read_record(tmp_path / "out")["commands"]) == 2


def _other_point(out: Path) -> None:
    cell = Cell(Method(initialisation="none"), 0)
    add_point(points_path(out, cell), point(cell.method, 0, 2))


def _imagenet_point(out: Path, weights: str) -> None:
    cell = Cell(Method(initialisation="imagenet"), 0)
    add_point(points_path(out, cell), point(cell.method, 0, 2, imagenet_weights=weights))


def test_imagenet_weights_may_be_given_until_there_are_points_that_started_from_others(
    dataset: Dataset, tmp_path: Path
) -> None:
    out, file = tmp_path / "out", tmp_path / "w.pth"
    file.write_bytes(b"weights")
    given = replace(PLAN, changed=(f"model.imagenet_file={file}",))
    claim(out, dataset, PLAN, 12, [])
    _other_point(out)
    claim(out, dataset, given, 12, [])  # the hub was not reached: no cell that needs it has a point
    _imagenet_point(out, imagenet_weights(Config().with_changes(given.changed)))
    claim(out, dataset, given, 12, [])
    moved = file.rename(tmp_path / "moved.pth")
    claim(out, dataset, replace(PLAN, changed=(f"model.imagenet_file={moved}",)), 12, [])
    with pytest.raises(
        ConfigError, match=r"points from ImageNet weights sha256:\w{12}, yours are the hub's\..*another --out"
    ):
        claim(out, dataset, PLAN, 12, [])
    moved.write_bytes(b"others")
    with pytest.raises(ConfigError, match=r"points from ImageNet weights sha256:\w{12}, yours are sha256:"):
        claim(out, dataset, replace(PLAN, changed=(f"model.imagenet_file={moved}",)), 12, [])
    moved.unlink()
    with pytest.raises(CannotReadFile, match=r"moved.pth: .*model.imagenet_file"):
        claim(out, dataset, replace(PLAN, changed=(f"model.imagenet_file={moved}",)), 12, [])
    assert len(read_record(out)["commands"]) == 4


def test_points_from_the_hubs_weights_refuse_a_file(dataset: Dataset, tmp_path: Path) -> None:
    out, file = tmp_path / "out", tmp_path / "w.pth"
    file.write_bytes(b"weights")
    claim(out, dataset, PLAN, 12, [])
    _imagenet_point(out, imagenet_weights(Config()))
    with pytest.raises(
        ConfigError, match="points from ImageNet weights the hub's, yours are sha256:"
    ) as said:
        claim(out, dataset, replace(PLAN, changed=(f"model.imagenet_file={file}",)), 12, [])
    assert "\n" not in str(said.value)


def test_other_voxels_labels_or_scans_are_another_run(dataset: Dataset, tmp_path: Path) -> None:
    claim(tmp_path / "out", dataset, PLAN, 12, [])
    fewer = part_of(dataset, Plan((2, 4), 1, train_scans=1))
    with pytest.raises(
        ConfigError, match=r"its dataset is scans: 2 training scans .* yours is scans: 1 training scans"
    ):
        claim(tmp_path / "out", fewer, PLAN, 6, [])
    ids = np.zeros((24, 6, 20), np.uint8)
    (dataset.folder / "b_labels.tif").write_bytes(tiff_bytes(ids, None))
    with pytest.raises(ConfigError, match="its content hash is"):
        claim(tmp_path / "out", dataset, PLAN, 12, [])
