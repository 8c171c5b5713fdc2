"""The benchmark's commands, as a person types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from builders import QUICK, bump_dataset
from voidscope.cli.main import app
from voidscope.errors import ConfigError

WORDS = [part for word in QUICK for part in ("--set", word)]


def _run(*words: object) -> dict[str, object]:
    result = CliRunner().invoke(app, ["benchmark", *map(str, words)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    found: dict[str, object] = json.loads(result.stdout)
    return found


def test_run_makes_points_and_a_report_and_a_second_run_adds_nothing(tmp_path: Path) -> None:
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
    assert "REDUCED run (budgets (2, 3); seeds 1)" in (out / "report.md").read_text(encoding="utf-8")


def test_a_dry_run_only_lists(tmp_path: Path) -> None:
    found = _run("run", "all", "--data", tmp_path, "--out", tmp_path / "out", "--dry-run", "--json")
    cells = found["cells"]
    assert isinstance(cells, list)
    assert "unet-paper-contrastive-rareness-rud-max-s4" in cells
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["fig9"], "no experiment 'fig9'"),
        (["fig3a", "--preset", "gpu"], "no preset 'gpu'; choose paper or cpu"),
        (["fig3a", "--budgets", "5;6"], "'5;6' is no list of whole numbers"),
        (["fig3b", "--strategies", "tea"], "No method here is called 'tea'"),
    ],
)
def test_wrong_words_are_one_line_errors(tmp_path: Path, words: list[str], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        CliRunner().invoke(
            app,
            ["benchmark", "run", *words, "--data", str(tmp_path), "--out", str(tmp_path)],
            catch_exceptions=False,
        )
