"""Whole runs on a tiny dataset: paired, resumable, honest about what failed and what was cut."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from builders import QUICK, bump_dataset
from voidscope.benchmark import Bench, Cell, Method, Plan, pretrain_once, run_cell
from voidscope.benchmark import running as module
from voidscope.benchmark.points import add_point, points_path, read_points
from voidscope.config import Config
from voidscope.errors import CannotReadFile
from voidscope.jobs import Progress
from voidscope.project import Project, import_truth

RANDOM = Cell(Method(strategy="random", initialisation="none"), 0)
PAPER = Cell(Method(initialisation="none"), 0)
FOREST = Cell(Method(strategy="random", initialisation="none", learner="forest"), 0)


def _ignore(_: Progress) -> None:
    """Progress nobody looks at."""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    plan = Plan((2, 4), seeds=1, settings=QUICK)
    return Bench(bump_dataset(tmp_path / "scans"), plan, tmp_path / "out")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A cell that nobody killed."""
    home = tmp_path_factory.mktemp("whole")
    made = Bench(bump_dataset(home / "scans"), Plan((2, 4), seeds=1, settings=QUICK), home / "out")
    run_cell(made, PAPER, _ignore)
    return made


def test_every_point_is_kept_with_its_scores_and_the_cells_project_goes(bench: Bench) -> None:
    run_cell(bench, PAPER, _ignore)
    points = read_points(points_path(bench.out, PAPER))
    assert [p["n_labelled"] for p in points] == [2, 4]
    assert all(0 <= p["miou"] <= 1 and "train.epochs=3" in p["reduced"] for p in points)
    assert points[0]["scans"][0]["scan"] == "c"
    assert set(points[0]["seconds"]) == {"suggest", "train", "segment"}
    assert sum(points[1]["labelled_by_scan"].values()) == 4
    assert points[0]["pool"] == 12
    assert not (bench.out / "cells" / PAPER.id).exists()


def test_methods_of_one_seed_share_their_first_batch_and_random_is_the_same_for_every_learner(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    labelled: dict[str, list[list[str]]] = {}
    real = module._trained

    def spy(project, cell, *given):  # type: ignore[no-untyped-def]
        labelled.setdefault(cell.id, []).append([str(k) for k in project.labels])
        return real(project, cell, *given)

    monkeypatch.setattr(module, "_trained", spy)
    for cell in (RANDOM, PAPER, FOREST):
        run_cell(bench, cell, _ignore)
    assert labelled[RANDOM.id][0] == labelled[PAPER.id][0] == labelled[FOREST.id][0]
    assert labelled[RANDOM.id][1] == labelled[FOREST.id][1]
    assert set(labelled[PAPER.id][0]) < set(labelled[PAPER.id][1])


@pytest.mark.parametrize("first", ["random", "void-like"])
def test_a_forest_has_the_very_slices_that_the_network_asks_for(bench: Bench, first: str) -> None:
    bench = replace(bench, plan=replace(bench.plan, budgets=(2, 4, 6)))
    network = Cell(Method(initialisation="none", first=first), 0)
    forest = Cell(replace(network.method, learner="forest"), 0)
    points = []
    for cell in (network, forest):
        run_cell(bench, cell, _ignore)
        points.append(read_points(points_path(bench.out, cell)))
    theirs, ours = points
    assert [p["labelled"] for p in ours] == [p["labelled"] for p in theirs]
    assert [p["n_labelled"] for p in ours] == [2, 4, 6]
    assert ours[1]["scans"] != theirs[1]["scans"], "judged is the forest"
    assert {p["device"] for p in ours} == {"cpu"}


@pytest.mark.parametrize("stop_at", ["suggest", "answer_suggestions", "add_point"])
def test_a_killed_forest_that_asks_the_network_ends_with_the_same_slices_and_all_its_seconds(
    bench: Bench, stop_at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = Cell(Method(initialisation="none", learner="forest"), 0)
    whole = replace(bench, out=bench.out / "whole")
    run_cell(whole, cell, _ignore)
    real, calls, trained = getattr(module, stop_at), [], []

    def second_time_dies(*given, **more):  # type: ignore[no-untyped-def]
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*given, **more)

    monkeypatch.setattr(module, stop_at, second_time_dies)
    with pytest.raises(KeyboardInterrupt):
        run_cell(bench, cell, _ignore)
    project = Project.open(bench.out / "cells" / cell.id)
    if project.cycle is not None:
        trained.append(float(project.cycle.metrics["seconds"]))
    run_cell(bench, cell, _ignore)
    before, after = (read_points(points_path(b.out, cell)) for b in (whole, bench))
    assert [(p["labelled"], p["scans"]) for p in after] == [(p["labelled"], p["scans"]) for p in before]
    assert trained and after[1]["seconds"]["suggest"] >= trained[0], "the network's training was not lost"


@pytest.mark.parametrize("stop_at", ["suggest", "answer_suggestions", "train", "segment", "add_point"])
def test_a_killed_cell_goes_on_where_it_was_and_ends_the_same(
    bench: Bench, whole: Bench, stop_at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = getattr(module, stop_at), []

    def killed(*given, **named):  # type: ignore[no-untyped-def]
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(module, stop_at, killed)
        with pytest.raises(KeyboardInterrupt):
            run_cell(bench, PAPER, _ignore)
    run_cell(bench, PAPER, _ignore)
    for found, expected in zip(
        *(read_points(points_path(b.out, PAPER)) for b in (bench, whole)), strict=True
    ):
        for key in ("budget", "miou", "iou", "labelled_by_scan", "void_slices"):
            assert found[key] == expected[key]


def _struck_down(bench: Bench, stop_at: str, monkeypatch: pytest.MonkeyPatch, call: int = 2) -> None:
    """Run the cell until this function is called for the second time, or at another call."""
    real, calls = getattr(module, stop_at), []

    def killed(*given, **named):  # type: ignore[no-untyped-def]
        calls.append(1)
        if len(calls) == call:
            raise KeyboardInterrupt
        return real(*given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(module, stop_at, killed)
        with pytest.raises(KeyboardInterrupt):
            run_cell(bench, PAPER, _ignore)


@pytest.mark.parametrize("stop_at", ["answer_suggestions", "train", "segment", "add_point"])
def test_a_point_tells_the_seconds_that_were_spent_whenever_the_cell_was_killed(
    bench: Bench, stop_at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, real = [0.0], module.execute

    def slow(job, *given):  # type: ignore[no-untyped-def]
        result = real(job, *given)
        now[0] += {"Suggesting": 100, "Training cycle 1": 200, "Training cycle 2": 300}.get(job.title, 50)
        return result

    monkeypatch.setattr(module, "execute", slow)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    _struck_down(bench, stop_at, monkeypatch)
    run_cell(bench, PAPER, _ignore)
    first, second = (p["seconds"] for p in read_points(points_path(bench.out, PAPER)))
    assert first == {"suggest": 100, "train": 200, "segment": 50}
    assert second == {"suggest": 100, "train": 300, "segment": 50}


def test_a_training_whose_time_was_not_written_down_took_what_its_cycle_says(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    _struck_down(bench, "segment", monkeypatch)
    folder = bench.out / "cells" / PAPER.id
    (folder / "seconds.json").unlink(missing_ok=True)
    expected = Project.open(folder).cycles[-1].metrics["seconds"]
    run_cell(bench, PAPER, _ignore)
    assert read_points(points_path(bench.out, PAPER))[1]["seconds"]["train"] == pytest.approx(
        expected, abs=0.2
    )


@pytest.mark.parametrize(("stop_at", "call"), [("segment", 2), ("train", 2), ("segment", 1)])
def test_points_that_were_deleted_are_made_again_as_they_were(
    bench: Bench, whole: Bench, stop_at: str, call: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    _struck_down(bench, stop_at, monkeypatch, call)
    path = points_path(bench.out, PAPER)
    path.unlink(missing_ok=True)  # as the message about a damaged one says
    run_cell(bench, PAPER, _ignore)
    found, expected = (read_points(points_path(b.out, PAPER)) for b in (bench, whole))
    for key in ("budget", "n_labelled", "miou", "iou", "labelled_by_scan"):
        assert [p[key] for p in found] == [p[key] for p in expected]


def test_a_batch_that_was_half_answered_is_answered_to_its_end(
    bench: Bench, whole: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    _struck_down(bench, "answer_suggestions", monkeypatch)
    project = Project.open(bench.out / "cells" / PAPER.id)
    import_truth(project, bench.dataset, [project.suggestions[0].key])
    assert len(project.labels) == 3
    run_cell(bench, PAPER, _ignore)
    found, expected = (read_points(points_path(b.out, PAPER)) for b in (bench, whole))
    assert [p["miou"] for p in found] == [p["miou"] for p in expected]
    assert [p["labelled_by_scan"] for p in found] == [p["labelled_by_scan"] for p in expected]


def test_no_cell_has_models_from_two_files_of_imagenet_weights(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import segmentation_models_pytorch as smp
    import torch

    cell = Cell(Method(strategy="random", initialisation="imagenet"), 0)
    trained: list[str] = []
    real = module.train

    def spied(project):  # type: ignore[no-untyped-def]
        trained.append(Path(project.config.model.imagenet_file).name)
        return real(project)

    monkeypatch.setattr(module, "train", spied)
    for name in ("one.pth", "two.pth"):
        encoder = smp.encoders.get_encoder(bench.config(cell).model.encoder, in_channels=3, weights=None)
        torch.save(encoder.state_dict(), tmp_path / name)
        plan = replace(bench.plan, changed=(f"model.imagenet_file={tmp_path / name}",))
        with monkeypatch.context() as patch:
            if name == "one.pth":
                patch.setattr(module, "_masks", lambda *_: pytest.fail("killed"))
                with pytest.raises(pytest.fail.Exception, match="killed"):
                    run_cell(replace(bench, plan=plan), cell, _ignore)
            else:
                run_cell(replace(bench, plan=plan), cell, _ignore)
    assert trained == ["one.pth", "two.pth", "two.pth"]


def test_full_supervision_that_was_killed_is_not_trained_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = Cell(Method(strategy="all", initialisation="none"), 0)
    with monkeypatch.context() as patch:
        patch.setattr(module, "_masks", lambda *_: pytest.fail("killed"))
        with pytest.raises(pytest.fail.Exception, match="killed"):
            run_cell(bench, cell, _ignore)
    monkeypatch.setattr(module, "train", lambda *_: pytest.fail("trained again"))
    run_cell(bench, cell, _ignore)
    assert len(read_points(points_path(bench.out, cell))) == 1


def test_where_a_run_goes_on_is_as_its_last_command_says(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Config] = []

    def spied(project, *_):  # type: ignore[no-untyped-def]
        seen.append(project.config)
        raise KeyboardInterrupt

    for name in ("train", "pretrain"):
        monkeypatch.setattr(module, name, spied)
    changed = ("device=auto", "pretrain.devices=2", "model.imagenet_file=w.pth")
    for mine in (bench, Bench(bench.dataset, replace(bench.plan, changed=changed), bench.out)):
        with pytest.raises(KeyboardInterrupt):
            run_cell(mine, PAPER, _ignore)
        with pytest.raises(KeyboardInterrupt):
            pretrain_once(mine, _ignore)
    told = [(c.device, c.pretrain.devices, c.model.imagenet_file) for c in seen]
    assert told == [("cpu", 1, "")] * 2 + [("auto", 2, "w.pth")] * 2


def test_a_finished_cell_is_not_run_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    run_cell(bench, FOREST, _ignore)
    monkeypatch.setattr(module, "_opened", lambda *_: pytest.fail("opened a project for nothing"))
    run_cell(bench, FOREST, _ignore)


def test_contrastive_cells_start_from_one_shared_pretraining(bench: Bench) -> None:
    pretrain_once(bench, _ignore)
    before = (bench.pretrained / "pretrained" / "weights.safetensors").stat().st_mtime_ns
    pretrain_once(bench, _ignore)
    assert (bench.pretrained / "pretrained" / "weights.safetensors").stat().st_mtime_ns == before
    run_cell(bench, Cell(Method(), 0), _ignore)
    assert len(read_points(points_path(bench.out, Cell(Method(), 0)))) == 2


def test_full_supervision_labels_the_whole_pool_once(bench: Bench) -> None:
    cell = Cell(Method(strategy="all", initialisation="none"), 0)
    run_cell(bench, cell, _ignore)
    (point,) = read_points(points_path(bench.out, cell))
    assert point["n_labelled"] == point["pool"] == 12


def test_a_lost_project_is_made_again_without_changing_what_is_chosen(bench: Bench, tmp_path: Path) -> None:
    whole = Bench(bench.dataset, bench.plan, tmp_path / "whole")
    run_cell(whole, PAPER, _ignore)
    path = points_path(bench.out, PAPER)
    path.parent.mkdir(parents=True)
    first = points_path(whole.out, PAPER).read_text(encoding="utf-8").splitlines()[0]
    path.write_text(first + "\n", encoding="utf-8")
    run_cell(bench, PAPER, _ignore)
    found, expected = (read_points(points_path(b.out, PAPER))[1] for b in (bench, whole))
    assert found["labelled_by_scan"] == expected["labelled_by_scan"]
    assert (found["miou"], found["iou"]) == (expected["miou"], expected["iou"])


def test_points_that_are_no_points_are_refused(tmp_path: Path) -> None:
    path = points_path(tmp_path, FOREST)
    add_point(path, {"n_labelled": 3, "budget": 3})
    assert json.loads(path.read_text(encoding="utf-8"))["budget"] == 3
    path.write_text("{]", encoding="utf-8")
    with pytest.raises(CannotReadFile, match="no point"):
        read_points(path)


@pytest.mark.parametrize(
    "line", ['{"n_labelled": 3}', '{"budget": 3}', '{"budget": "x", "n_labelled": 3}', "[3]", "3"]
)
def test_a_line_that_does_not_say_how_many_slices_is_no_point(tmp_path: Path, line: str) -> None:
    path = points_path(tmp_path, FOREST)
    add_point(path, {"n_labelled": 2, "budget": 2})
    path.write_text(path.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")
    with pytest.raises(CannotReadFile, match=r"no point .*; delete the file to run it again"):
        read_points(path)


def test_the_cells_settings_are_the_methods_then_the_plans_then_ones_own(bench: Bench) -> None:
    mine = Bench(bench.dataset, replace(bench.plan, changed=("train.batch_size=5",)), bench.out)
    config = mine.config(Cell(Method(preset="product"), 7))
    assert isinstance(config, Config)
    assert (config.seed, config.train.epochs, config.train.optimiser) == (7, 3, "adamw")
    assert config.train.batch_size == 5
