"""The benchmark's commands, as a person types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from builders import QUICK, bump_dataset
from voidscope.cli.main import app
from voidscope.errors import ConfigError, VoidscopeError

WORDS = [part for word in QUICK for part in ("--set", word)]


def _run(*words: object) -> dict[str, object]:
    result = CliRunner().invoke(app, ["benchmark", *map(str, words)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    found: dict[str, object] = json.loads(result.stdout)
    return found


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
        "forest",
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
    words = [
        "run",
        "fig3b",
        "--data",
        data,
        "--out",
        out,
        "--budgets",
        "2",
        "--strategies",
        "forest",
        "--seeds",
        1,
        "--json",
    ]
    _run(*words)
    with pytest.raises(ConfigError, match=r"settings is none, yours is train.epochs=9"):
        _run(*words, "--set", "train.epochs=9")


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
    ("words", "reason"),
    [
        (["fig9"], "no experiment 'fig9'"),
        (["fig3a", "--preset", "gpu"], "no preset 'gpu'; choose paper or cpu"),
        (["fig3a", "--budgets", "5;6"], "'5;6' is no list of whole numbers"),
        (["fig3b", "--strategies", "tea"], "No method here is called 'tea'"),
        (["fig3b", "--strategies", "product, full supervision; tea"], "No method here is called 'tea'"),
        (["fig3b", "--set", "train.epoch=3"], "no setting 'train.epoch'"),
        (["fig3b"], "labels 200 slices, the training scans of .* have 12"),
    ],
)
def test_wrong_words_are_one_line_errors(tmp_path: Path, words: list[str], reason: str) -> None:
    data = bump_dataset(tmp_path / "scans").folder
    with pytest.raises(VoidscopeError, match=reason):
        _run("run", *words, "--data", data, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()
