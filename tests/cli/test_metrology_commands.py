"""`voidscope gauge` on tables as people bring them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from voidscope.cli.main import app
from voidscope.errors import VoidscopeError


def table(folder: Path, text: str) -> Path:
    path = folder / "study.csv"
    path.write_text(text, encoding="utf-8-sig")
    return path


STUDY = "part,operator,value,verdict\n" + "".join(
    f"p{i},{who},{i + bias + 0.01 * k},{'FAIL' if i > 1 else 'PASS'}\n"
    for i in range(4) for who, bias in (("ann", 0.0), ("model", 0.02)) for k in range(2)
)  # fmt: skip


def test_a_table_is_read_and_told_as_text_and_as_json(tmp_path: Path) -> None:
    path = str(table(tmp_path, STUDY))
    said = CliRunner().invoke(app, ["gauge", path, "--tolerance", "1"])
    assert said.exit_code == 0
    assert "4 parts x 2 operators x 2 repeats" in said.stdout
    assert "kappa): 1.000" in said.stdout
    found = json.loads(CliRunner().invoke(app, ["gauge", path, "--json"]).stdout)
    assert (found["parts"], found["verdict_kappa"]) == (4, 1.0)
    assert found["opinion"].startswith("no grade: an indication, of 4 x 2 x 2 parts")
    assert found["grr_of_tolerance"] is None


@pytest.mark.parametrize(
    ("verdict", "told"), [("PASS", "kappa): undefined: only one verdict ever occurs"), ("", None)]
)
def test_kappa_of_one_verdict_is_undefined_and_without_verdicts_not_told(
    tmp_path: Path, verdict: str, told: str | None
) -> None:
    path = str(table(tmp_path, STUDY.replace("FAIL", "PASS").replace("PASS", verdict)))
    said = CliRunner().invoke(app, ["gauge", path]).stdout
    assert (told in said) if told else ("kappa" not in said)
    assert json.loads(CliRunner().invoke(app, ["gauge", path, "--json"]).stdout)["verdict_kappa"] is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no column part, operator, value"),
        ("part,operator\na,b\n", "no column value"),
        ("part,operator,value\na,b,wide\n", "line 2 has the value 'wide'"),
        ("part,operator,value\na,b\n", "no column value"),
        ("part,operator,value\na,b,1\n", "1 part"),
        ("part,operator,value,verdict\na,b,1,ok\n", "line 2: Part a by b has the verdict 'ok'"),
    ],
)
def test_what_is_no_study_is_refused(tmp_path: Path, text: str, said: str) -> None:
    found = CliRunner().invoke(app, ["gauge", str(table(tmp_path, text))])
    assert isinstance(found.exception, VoidscopeError)
    assert said in str(found.exception)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    found = CliRunner().invoke(app, ["gauge", str(tmp_path / "none.csv")])
    assert isinstance(found.exception, VoidscopeError)
    assert "none.csv" in str(found.exception)
