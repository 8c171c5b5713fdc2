"""The benchmark's commands, as a person types them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from builders import QUICK, bump_dataset
from voidscope.benchmark import EXPERIMENTS, Cell
from voidscope.cli.main import app
from voidscope.errors import ConfigError, NotReady, VoidscopeError

WORDS = [part for word in QUICK for part in ("--set", word)]


def _run(*words: object) -> dict[str, object]:
    result = CliRunner().invoke(app, ["benchmark", *map(str, words)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    found: dict[str, object] = json.loads(result.stdout)
    return found


def _forest_of_two(data: Path, out: Path) -> list[object]:
    """A run of the forest alone, on two labelled slices and one seed."""
    rest = ["--budgets", "2", "--strategies", "forest on random", "--seeds", "1", "--json"]
    return ["run", "fig3b", "--data", data, "--out", out, *rest]


def test_run_makes_points_and_a_report_and_a_second_run_adds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["voidscope", "benchmark", "run", "fig3b", "--out", "my bench"])
    data, out = bump_dataset(tmp_path / "scans").folder, tmp_path / "out"
    words = [
        "run",
        "fig3b",
        "--data",
        data,
        "--out",
        out,
        "--seeds",
        1,
        "--budgets",
        "2,3",
        "--strategies",
        "forest on random",
        *WORDS,
        "--json",
    ]
    assert _run(*words) == {"report": str(out / "report.md"), "cells": 1, "failed": {}}
    points = sorted((out / "points").iterdir())
    assert len(points) == 1
    before = points[0].read_bytes()
    _run(*words)
    assert points[0].read_bytes() == before
    assert _run("report", out, "--json") == {"report": str(out / "report.md")}
    page = (out / "report.md").read_text(encoding="utf-8")
    assert page.startswith(
        "# Benchmark: REDUCED run (2, 3 labelled slices in place of 50, 100, 150, 200; 1 seed in place of 5), CHANGED settings "
    )
    assert "train.epochs=3" in page.splitlines()[0]
    assert "- `voidscope benchmark run fig3b --out 'my bench'` (" in page


def test_other_settings_are_refused_a_folder_with_points(tmp_path: Path) -> None:
    data, out = bump_dataset(tmp_path / "scans").folder, tmp_path / "out"
    words = _forest_of_two(data, out)
    _run(*words)
    with pytest.raises(ConfigError, match=r"settings is none, yours is train.epochs=9"):
        _run(*words, "--set", "train.epochs=9")


def test_a_folder_where_another_run_is_at_work_is_refused_and_free_when_that_ends(tmp_path: Path) -> None:
    data, out = bump_dataset(tmp_path / "scans").folder, tmp_path / "out"
    words = _forest_of_two(data, out)
    holding = (
        "import sys; from pathlib import Path; from voidscope.benchmark import held\n"
        "with held(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holding, str(out)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(NotReady, match="Another run is at work in"):
            _run(*words)
        assert not (out / "run.json").exists(), "it must not have been claimed"
        other.kill()
    assert _run(*words)["failed"] == {}


def test_a_dry_run_only_lists_and_estimates(tmp_path: Path) -> None:
    data = bump_dataset(tmp_path / "scans").folder
    words = ["run", "all", "--data", data, "--out", tmp_path / "out", "--budgets", "2,4", "--dry-run"]
    found = _run(*words, "--json")
    cells, cost = found["cells"], found["estimate"]
    assert isinstance(cells, list)
    assert isinstance(cost, dict)
    assert "unet-paper-contrastive-rareness-rud-max-s4" in cells
    assert cost["cells"] == len(cells)
    assert cost["core_hours"] > 0
    told = CliRunner().invoke(app, ["benchmark", *map(str, words)]).stdout
    assert f"{len(cells)} cells, " in told
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("given", "rows"),
    [
        ("random,rareness,forest", ["random", "rareness", "forest on random", "forest out of the box"]),
        ("product, pretrained", ["product, pretrained"]),
        ("forest on random; product, pretrained;", ["forest on random", "product, pretrained"]),
    ],
)
def test_only_the_rows_that_are_named_are_run(tmp_path: Path, given: str, rows: list[str]) -> None:
    data = bump_dataset(tmp_path / "scans").folder
    words = ["fig3b", "--data", data, "--out", tmp_path / "out", "--budgets", "2", "--seeds", 1, "--dry-run"]
    found = _run("run", *words, "--strategies", given, "--json")
    assert found["cells"] == [Cell(EXPERIMENTS["fig3b"][row], 0).id for row in rows]


def _absent(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    """As where these are not installed."""
    for name in packages:
        monkeypatch.setitem(sys.modules, name, None)


def test_without_matplotlib_nothing_is_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _absent(monkeypatch, "matplotlib")
    data, out = bump_dataset(tmp_path / "scans").folder, tmp_path / "out"
    words = ["run", "fig3b", "--data", data, "--out", out, "--budgets", "2", *WORDS]
    with pytest.raises(
        NotReady, match=r'draws with matplotlib, .*: pip install "voidscope\[benchmark\]"'
    ) as said:
        _run(*words)
    assert "\n" not in str(said.value)
    assert not out.exists()
    assert _run(*words, "--dry-run", "--json")["cells"], "what it costs can be asked before"


def test_scikit_learn_is_missed_only_where_the_forest_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _absent(monkeypatch, "sklearn")
    data, out = bump_dataset(tmp_path / "scans").folder, tmp_path / "out"
    words = ["run", "fig3b", "--data", data, "--out", out, "--budgets", "2", "--seeds", 1, *WORDS, "--json"]
    with pytest.raises(
        NotReady, match=r'forest needs scikit-learn, .*: pip install "voidscope\[benchmark\]"'
    ):
        _run(*words, "--strategies", "forest on random")
    assert not out.exists()
    assert _run(*words, "--strategies", "product on random", "--set", "train.steps=2")["failed"] == {}


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["fig9"], "no experiment 'fig9'"),
        (["fig3a", "--preset", "gpu"], "no preset 'gpu'; choose paper or cpu"),
        (["fig3a", "--budgets", "5;6"], "'5;6' is no list of whole numbers"),
        (["fig3b", "--strategies", "tea"], "No method here is called 'tea'"),
        (["fig3b", "--strategies", "product, full supervision; tea"], "No method here is called 'tea'"),
        (["fig3b", "--strategies", ","], "No method here is called ','"),
        (["fig3b", "--set", "train.epoch=3"], "no setting 'train.epoch'"),
        (["fig3b"], "labels 200 slices, the training scans of .* have 12"),
    ],
)
def test_wrong_words_are_one_line_errors(tmp_path: Path, words: list[str], reason: str) -> None:
    data = bump_dataset(tmp_path / "scans").folder
    with pytest.raises(VoidscopeError, match=reason):
        _run("run", *words, "--data", data, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()
