"""A whole run: failures are told, kept and tried again, and never end the others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from builders import QUICK, bump_dataset
from voidscope import model
from voidscope.benchmark import Bench, Cell, Method, Plan, claim, run_all, run_cells, running, write_report
from voidscope.benchmark import campaign as module
from voidscope.benchmark.points import points_path, read_points
from voidscope.config import Config
from voidscope.errors import JobFailed, NotReady
from voidscope.project import fingerprint

FOREST = Cell(Method(strategy="random", initialisation="none", learner="forest"), 0)
OTHER = Cell(FOREST.method, 1)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    plan = Plan((2, 4), seeds=1, settings=QUICK)
    return Bench(bump_dataset(tmp_path / "scans"), plan, tmp_path / "out")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (JobFailed("Training stopped: no luck."), "Training stopped: no luck."),
        (KeyError("x"), "KeyError: 'x'"),
    ],
)
def test_a_failing_cell_is_told_and_kept_and_the_others_go_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    real = module.run_cell

    def broken(bench, cell, show):  # type: ignore[no-untyped-def]
        if cell == FOREST:
            raise error
        real(bench, cell, show)

    told: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(module, "run_cell", broken)
        assert run_cells(bench, [FOREST, OTHER], 1, told.append) == {FOREST.id: reason}
    assert told[0].startswith(f"1/2  {FOREST.id}: {reason}")
    assert told[1].startswith(f"2/2  {OTHER.id}: done")
    assert f"- {FOREST.id}: {reason}" in write_report(bench.out).read_text(encoding="utf-8")
    assert run_cells(bench, [FOREST, OTHER], 1, told.append) == {}
    assert "Not done" not in write_report(bench.out).read_text(encoding="utf-8")


def test_a_run_in_which_every_cell_fails_says_the_first_reason(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise JobFailed("no luck")

    monkeypatch.setattr(module, "run_cell", broken)
    run_cells(bench, [FOREST, OTHER], 1, lambda _: None)
    with pytest.raises(NotReady, match=f"all 2 cells failed, {FOREST.id} because: no luck"):
        write_report(bench.out)


def test_a_strategy_the_settings_do_not_know_fails_its_cell_alone(bench: Bench) -> None:
    unknown = Cell(Method(strategy="telepathy", initialisation="none"), 0)
    failed = run_cells(bench, [unknown, FOREST], 1, lambda _: None)
    assert list(failed) == [unknown.id]
    assert "suggest.strategy = 'telepathy'" in failed[unknown.id]


@pytest.mark.slow
def test_two_processes_give_the_points_that_one_gives(bench: Bench, tmp_path: Path) -> None:
    assert run_cells(bench, [FOREST, OTHER], 2, lambda _: None) == {}
    alone = Bench(bench.dataset, bench.plan, tmp_path / "alone")
    run_cells(alone, [FOREST, OTHER], 1, lambda _: None)
    for cell in (FOREST, OTHER):
        found, expected = (read_points(points_path(b.out, cell)) for b in (bench, alone))
        assert [p["miou"] for p in found] == [p["miou"] for p in expected]


def test_pretraining_runs_once_and_only_for_cells_that_start_from_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    monkeypatch.setattr(module, "pretrain_once", lambda *_: calls.append("pretrained"))
    monkeypatch.setattr(module, "run_cell", lambda _, cell, __: calls.append(cell.method.initialisation))
    run_all(bench, [FOREST], 1, lambda _: None)
    assert calls == ["none"]
    run_all(bench, [Cell(Method(), 0), Cell(Method(), 1)], 1, lambda _: None)
    assert calls[1:] == ["pretrained", "contrastive", "contrastive"]


def test_nothing_is_pretrained_where_a_person_has_every_row_start_from_random_weights(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "pretrain_once", lambda *_: pytest.fail("pretrained for nothing"))
    plan = replace(bench.plan, changed=("model.initialisation = none",))
    mine = Bench(bench.dataset, plan, bench.out)
    cell = Cell(Method(strategy="random"), 0)
    assert run_all(mine, [cell], 1, lambda _: None) == {}
    assert [p["changed"] for p in read_points(points_path(mine.out, cell))] == [
        "model.initialisation = none"
    ] * 2


def test_a_cell_that_found_no_imagenet_weights_is_cured_in_its_folder_as_its_message_says(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import segmentation_models_pytorch as smp
    import torch

    name = Config().with_changes(QUICK).model.encoder
    encoder = smp.encoders.get_encoder(name, in_channels=3, weights=None)
    torch.save(encoder.state_dict(), tmp_path / "weights.pth")

    def closed(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(smp.encoders, "get_encoder", closed)
    cell = Cell(Method(strategy="random", initialisation="imagenet"), 0)
    claim(bench.out, bench.dataset, bench.plan, 12, ["first"])
    failed = run_cells(bench, [cell], 1, lambda _: None)
    assert "set model.imagenet_file to a local state dict" in failed[cell.id]
    plan = replace(bench.plan, changed=(f"model.imagenet_file={tmp_path / 'weights.pth'}",))
    claim(bench.out, bench.dataset, plan, 12, ["again"])
    assert run_cells(replace(bench, plan=plan), [cell], 1, lambda _: None) == {}
    told = {p["imagenet_weights"] for p in read_points(points_path(bench.out, cell))}
    assert told == {fingerprint(tmp_path / "weights.pth")}


def test_imagenet_weights_are_asked_for_once_and_only_for_cells_that_miss_points(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def closed(*_: object, **__: object) -> None:
        asked.append("hub")
        raise NotReady("Cannot fetch ImageNet weights: no route to host.")

    monkeypatch.setattr(model, "build_segmenter", closed)
    cells = [Cell(Method(strategy="random", initialisation="imagenet"), seed) for seed in range(2)]
    told: list[str] = []
    failed = run_all(bench, [*cells, FOREST], 1, told.append)
    assert failed == {c.id: "Cannot fetch ImageNet weights: no route to host." for c in cells}
    assert asked == ["hub"]
    assert told[0] == "2 cells are left out: Cannot fetch ImageNet weights: no route to host."
    assert len(read_points(points_path(bench.out, FOREST))) == 2
    assert f"- {cells[1].id}: Cannot fetch" in write_report(bench.out).read_text(encoding="utf-8")
    for cell in cells:
        source = points_path(bench.out, FOREST)
        points_path(bench.out, cell).write_bytes(source.read_bytes())
    assert run_all(bench, cells, 1, lambda _: None) == {}
    assert asked == ["hub"]


def test_an_interrupt_ends_the_run_and_the_next_one_goes_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_cells(bench, [FOREST, OTHER], 1, stop)
    monkeypatch.setattr(
        running, "_opened", lambda path, *_: pytest.fail(f"{path} again") if FOREST.id in str(path) else None
    )
    run_cells(bench, [FOREST], 1, lambda _: None)
    assert len(read_points(points_path(bench.out, FOREST))) == 2
