"""`measure --report` writes everything into one folder, and `verify` of that folder finds what was changed."""

from __future__ import annotations

import hashlib
import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from builders import add_cycle, bump_dataset, quick_project, set_prediction
from voidscope.cli import reports
from voidscope.cli.main import app
from voidscope.errors import ProjectError, VoidscopeError
from voidscope.jobs import Progress, Steps
from voidscope.project import export_report, project_truth
from voidscope.volume import tiff_bytes


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    ids = np.full((12, 12, 12), 2, np.uint8)
    ids[4:8, 4:8, 4:8] = 3
    (tmp_path / "bump.tif").write_bytes(tiff_bytes(ids, (0.7, 0.7, 0.7)))
    return tmp_path / "bump.tif"


def test_the_folder_holds_all_renderings_and_the_hashes_they_print(mask: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["measure", "--mask", str(mask), "--report", str(out), "--operator", "Ann", "--lot", "L7"]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0
    assert {p.name for p in out.iterdir()} >= {
        "report.html",
        "report.json",
        "report.pdf",
        "scans.csv",
        "voids.csv",
        "SHA256SUMS",
    }
    twin = hashlib.sha256((out / "report.json").read_bytes()).hexdigest()
    assert twin in (out / "report.html").read_text()
    assert (out / "report.pdf").read_bytes().startswith(b"%PDF-") and b"%%EOF" in (
        out / "report.pdf"
    ).read_bytes()[-32:]
    verified = CliRunner().invoke(app, ["verify", str(out)])
    assert verified.exit_code == 0
    assert "same mask file, same numbers; not compared: report.pdf (contents not compared)" in verified.stdout
    told = json.loads((out / "report.json").read_text())["provenance"]
    assert told["report_id"].startswith("VS-") and told["report_id"] in (out / "report.html").read_text()
    assert (told["people"]["operator"], told["sample"]) == ("Ann", {"lot": "L7", "die": "not recorded"})


def test_without_qt_the_rest_is_written_and_it_says_how_to_get_the_pdf(
    mask: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "BINDINGS", ())
    done = CliRunner().invoke(app, ["measure", "--mask", str(mask), "--report", str(tmp_path / "out")])
    assert done.exit_code == 0
    assert "voidscope[all]" in done.stderr
    assert not (tmp_path / "out" / "report.pdf").exists() and (tmp_path / "out" / "report.html").exists()


def test_a_folder_of_other_things_is_left_alone_and_is_no_report(mask: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["measure", "--mask", str(mask), "--report", str(tmp_path)])
    assert isinstance(done.exception, ProjectError) and "holds other files" in str(done.exception)
    assert mask.exists()
    done = CliRunner().invoke(app, ["verify", str(mask)])
    assert isinstance(done.exception, VoidscopeError) and "neither a project nor a report" in str(
        done.exception
    )


def told_by(mask: Path, out: Path, *words: str) -> dict[str, Any]:
    """The provenance of a report of a mask file, written by the command line without a PDF."""
    done = CliRunner().invoke(
        app, ["measure", "--mask", str(mask), "--report", str(out), *words], catch_exceptions=False
    )
    assert done.exit_code == 0
    provenance: dict[str, Any] = json.loads((out / "report.json").read_text())["provenance"]
    return provenance


def test_the_pdf_of_a_project_s_report_is_recorded_and_another_in_its_place_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def printed(_: str) -> Steps[bytes]:
        yield Progress(1, 1)
        return b"%PDF 1"

    monkeypatch.setattr(reports.workflow, "printing", printed)
    dataset, out = bump_dataset(tmp_path / "scans"), tmp_path / "out"
    project = quick_project(tmp_path / "p", dataset)
    add_cycle(project)
    mask = project_truth(project, dataset, "a")
    set_prediction(project, project.cycle.id, "a", mask, np.zeros(mask.shape, np.float16))
    words = ["measure", str(project.path), "--scan", "a", "--report", str(out)]
    assert CliRunner().invoke(app, words, catch_exceptions=False).exit_code == 0
    assert (out / "report.pdf").read_bytes() == b"%PDF 1"
    verified = CliRunner().invoke(app, ["verify", str(out)])
    assert (verified.exit_code, "same facts" in verified.stdout) == (0, True)
    export_report(out, {p.name: p.read_bytes() for p in out.iterdir()} | {"report.pdf": b"%PDF PASS"})
    verified = CliRunner().invoke(app, ["verify", str(out)])
    assert verified.exit_code == 1 and "report.pdf is none that was printed" in verified.stdout


def test_what_a_report_warns_of_is_said_once(tmp_path: Path) -> None:
    dataset = bump_dataset(tmp_path / "scans")
    project = quick_project(tmp_path / "project", dataset)
    add_cycle(project)
    mask = project_truth(project, dataset, "a")
    set_prediction(project, project.cycle.id, "a", mask, np.zeros(mask.shape, np.float16))
    (project.cycle.folder / "uncertainty" / "a.tif").write_bytes(b"")
    done = CliRunner().invoke(app, ["measure", str(project.path), "--scan", "a"], catch_exceptions=False)
    assert done.stderr.count("warning: lengths in a are to the voxel") == 1
    assert "Nobody knows" in done.stdout and "Nobody knows" not in done.stderr


@pytest.fixture
def no_pdf(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "BINDINGS", ())


@pytest.mark.usefixtures("no_pdf")
@pytest.mark.parametrize(
    "words", [(), ("--spacing", "0.5,0.5,0.5", "--map", "2=solder,3=void", "--lot", "L 7")]
)
def test_a_report_of_a_mask_file_says_how_to_repeat_it_and_verifies(
    mask: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    out = tmp_path / "out"
    told = told_by(mask, out, "--limit", "0.2", *words)
    facts = told["scans"]["bump"]
    assert facts["fingerprint"] == f"sha256:{hashlib.sha256(mask.read_bytes()).hexdigest()}"
    assert facts["file"] == str(mask) and facts["hashed"] == "SHA-256 of every byte"
    assert facts["spacing_source"] == ("typed in" if words else "file")
    assert CliRunner().invoke(app, ["verify", str(out)]).exit_code == 0
    again = CliRunner().invoke(app, [*shlex.split(told["command"])[1:], "--json"], catch_exceptions=False)
    found = json.loads(again.stdout)
    assert found["scans"] == json.loads((out / "report.json").read_text())["scans"]
    assert found["provenance"]["command"] == told["command"]


@pytest.mark.usefixtures("no_pdf")
def test_a_mask_file_that_is_another_or_gone_is_told(mask: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    told_by(mask, out)
    ids = np.full((12, 12, 12), 2, np.uint8)
    mask.write_bytes(tiff_bytes(ids, (0.7, 0.7, 0.7)))
    done = CliRunner().invoke(app, ["verify", str(out), "--json"])
    said = json.loads(done.stdout)["differences"]
    assert done.exit_code == 1 and any("the file of bump is not the one measured" in line for line in said)
    mask.unlink()
    done = CliRunner().invoke(app, ["verify", str(out)])
    assert isinstance(done.exception, VoidscopeError) and "bump.tif is not there" in str(done.exception)


@pytest.mark.usefixtures("no_pdf")
def test_a_report_of_a_mask_file_of_an_older_version_says_so(mask: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    told_by(mask, out)
    tree = json.loads((out / "report.json").read_text())
    del tree["provenance"]["scans"]
    (out / "report.json").write_text(json.dumps(tree))
    done = CliRunner().invoke(app, ["verify", str(out)])
    assert isinstance(done.exception, ProjectError) and "does not say how it was measured" in str(
        done.exception
    )


def spoken(mask: Path, out: Path, *words: str) -> tuple[dict[str, Any], str]:
    """The report of a mask file as JSON has it, and what was said on the way."""
    done = CliRunner().invoke(app, ["measure", "--mask", str(mask), "--report", str(out), *words])
    assert done.exit_code == 0, done.exception
    return json.loads((out / "report.json").read_text()), done.stderr


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A bump whose void has the id 2, which is solder to a map that nobody gave."""
    ids = np.zeros((12, 12, 12), np.uint8)
    ids[2:10, 2:10, 2:10], ids[4:8, 4:8, 4:8] = 1, 2
    (tmp_path / "foreign.tif").write_bytes(tiff_bytes(ids, (0.7, 0.7, 0.7)))
    return tmp_path / "foreign.tif"


@pytest.mark.usefixtures("no_pdf")
def test_ids_that_nobody_named_pass_nothing_without_a_void(foreign: Path, tmp_path: Path) -> None:
    told, said = spoken(foreign, tmp_path / "out")
    (scan,) = told["scans"]
    assert scan["verdict"] == "REVIEW" and {b["verdict"] for b in scan["bumps"]} == {"REVIEW"}
    assert "taken to be 3 (void), which no voxel has (ids there: 0, 1, 2)" in scan["reason"]
    assert "--map 0=background,1=copper_pillar,2=solder,3=void,4=copper_pad" in scan["reason"]
    assert "ids of foreign.tif: 0=background,1=copper_pillar,2=solder,3=void,4=copper_pad (assumed" in said
    assert CliRunner().invoke(app, ["verify", str(tmp_path / "out")]).exit_code == 0
    again = CliRunner().invoke(app, [*shlex.split(told["provenance"]["command"])[1:], "--json"])
    assert json.loads(again.stdout)["scans"] == told["scans"]
    told, said = spoken(foreign, tmp_path / "said", "--map", "0=background,1=solder,2=void")
    assert told["scans"][0]["verdict"] == "FAIL" and told["scans"][0]["ratio_value"] == 64 / 512
    assert "ids of foreign.tif: 0=background,1=solder,2=void (typed in)" in said
    whole = "0=background,1=copper_pillar,2=solder,3=void,4=copper_pad"
    told, _ = spoken(foreign, tmp_path / "meant", "--map", whole, "--set", "measure.unit=scan")
    assert "nobody said" not in told["scans"][0]["reason"]


@pytest.mark.usefixtures("no_pdf")
@pytest.mark.parametrize("words", [(), ("--set", "measure.unit=scan")])
def test_ids_that_nobody_named_pass_nothing_though_there_is_void(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    ids = np.zeros((40, 16, 16), np.uint8)
    for value, (low, high) in {1: (2, 12), 2: (12, 26), 4: (26, 36)}.items():
        ids[low:high, 2:14, 2:14] = value
    ids[15:19, 5:9, 5:9] = 3  # it may be an intermetallic, and void what has the id 4
    (tmp_path / "a.tif").write_bytes(tiff_bytes(ids, (0.7, 0.7, 0.7)))
    whole = "0=background,1=copper_pillar,2=solder,3=void,4=copper_pad"
    told, _ = spoken(tmp_path / "a.tif", tmp_path / "out", *words)
    (scan,) = told["scans"]
    assert scan["verdict"] == "REVIEW" and "is within the limit" in scan["reason"]
    assert f"(there: 0, 1, 2, 3, 4): they were taken to be {whole}; say what each id is" in scan["reason"]
    assert CliRunner().invoke(app, ["verify", str(tmp_path / "out")]).exit_code == 0
    told, said = spoken(tmp_path / "a.tif", tmp_path / "said", "--map", whole, *words)
    assert told["scans"][0]["verdict"] == "PASS" and "note: nobody said where the limit comes from" in said
    _, said = spoken(
        tmp_path / "a.tif", tmp_path / "from", "--map", whole, "--set", "measure.source=QA 7", *words
    )
    assert "note:" not in said
    told, _ = spoken(tmp_path / "a.tif", tmp_path / "fail", "--limit", "0.001", *words)
    assert told["scans"][0]["verdict"] == "FAIL"


@pytest.mark.usefixtures("no_pdf")
def test_the_ids_of_a_mask_stand_beside_the_classes_and_in_the_command_where_said(
    mask: Path, tmp_path: Path
) -> None:
    told, _ = spoken(mask, tmp_path / "out")
    assumed = "0=background,1=copper_pillar,2=solder,3=void,4=copper_pad"
    assert told["provenance"]["map"] == assumed and "--map" not in told["provenance"]["command"]
    page = (tmp_path / "out" / "report.html").read_text()
    assert "</span>void</td><td>3</td>" in page
    spoken(mask, tmp_path / "two", "--map", "0=background,1=solder,2=solder,3=pore:void")
    page = (tmp_path / "two" / "report.html").read_text()
    assert "</span>solder</td><td>1, 2</td>" in page and "</span>pore</td><td>3</td>" in page
    assert "--map 0=background,1=solder,2=solder,3=pore:void" in page


@pytest.mark.usefixtures("no_pdf")
def test_a_spacing_that_is_not_the_file_s_is_warned_of(mask: Path, tmp_path: Path) -> None:
    told, said = spoken(mask, tmp_path / "out", "--spacing", "2,0.7,0.7")
    words = "the file says a spacing of 0.7, 0.7, 0.7 µm (z, y, x); measured with 2, 0.7, 0.7 µm, as typed in"
    assert f"warning: {words}\n" in said and told["provenance"]["warnings"] == [words]
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<b>Warning:</b> the file says a spacing of 0.7, 0.7, 0.7" in page
    told, said = spoken(mask, tmp_path / "same", "--spacing", "0.7,0.7,0.7")
    assert "warning: the file" not in said and told["provenance"]["warnings"] == []
    assert "Warning" not in (tmp_path / "same" / "report.html").read_text()


@pytest.mark.usefixtures("no_pdf")
def test_a_spacing_in_another_unit_is_warned_of_in_the_terminal_and_on_top_of_the_page(
    mask: Path, tmp_path: Path
) -> None:
    recipe = tmp_path / "um.toml"
    recipe.write_text(
        "version = 2\n[measure]\nlimit = 0.5\n[[criterion]]\nmeasure = 'largest_void_diameter_um'\nat_most = 5.0\n"
    )
    words = ("--map", "2=solder,3=void,0=background", "--recipe", str(recipe))
    told, said = spoken(mask, tmp_path / "mm", "--spacing", "0.0007,0.0007,0.0007", *words)
    doubt = "bump: spacing 0.0007, 0.0007, 0.0007 um, outside 0.01 to 500 um, and the recipe has limits in um: mind the unit"
    assert said.count(f"warning: {doubt}\n") == 1 and doubt in told["provenance"]["warnings"]
    assert "<b>Warning:</b> bump: spacing 0.0007" in (tmp_path / "mm" / "report.html").read_text()
    assert CliRunner().invoke(app, ["verify", str(tmp_path / "mm")]).exit_code == 0
    _, said = spoken(mask, tmp_path / "um", *words)
    assert "mind the unit" not in said


@pytest.mark.usefixtures("no_pdf")
def test_every_limit_without_a_source_that_passes_is_named(mask: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "nosrc.toml"
    criteria = "".join(
        f"[[criterion]]\nmeasure = '{name}'\nat_most = {limit}\n{source}"
        for name, limit, source in (
            ("void_count", 5, ""),
            ("largest_void_diameter_um", 50.0, "source = 'QA 8'\n"),
        )
    )
    recipe.write_text(f"version = 2\n[measure]\nlimit = 0.5\nsource = 'QA 7'\n{criteria}")
    words = ("--map", "2=solder,3=void,0=background", "--recipe", str(recipe))
    told, said = spoken(mask, tmp_path / "out", *words)
    assert told["scans"][0]["verdict"] == "PASS"
    assert said.count("note:") == 1 and "comes from that passes (void_count); say it with" in said
    _, said = spoken(mask, tmp_path / "both", *words, "--set", "measure.source=")
    assert said.count("note:") == 1 and "comes from that passes (void/foreground, void_count)" in said


@pytest.mark.usefixtures("no_pdf")
def test_the_recipe_file_is_named_beside_the_hash_of_its_values(mask: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "customer.toml"
    recipe.write_text("version = 2\n[measure]\nlimit = 0.5\n")
    told, _ = spoken(mask, tmp_path / "out", "--recipe", str(recipe))
    assert told["provenance"]["recipe_file"] == "customer.toml"
    page = (tmp_path / "out" / "report.html").read_text()
    assert "recipe customer.toml, SHA-256 of its values as JSON, not of a file" in page
    assert "recipe" not in {w.lstrip("-") for w in shlex.split(told["provenance"]["command"])}
    recipe.unlink()
    assert CliRunner().invoke(app, ["verify", str(tmp_path / "out")]).exit_code == 0
    recipe.write_text("version = 2\n[measure]\nlimit = 0.5\n")
    told, _ = spoken(mask, tmp_path / "limit", "--recipe", str(recipe), "--limit", "0.4")
    assert told["provenance"]["recipe_file"] == "customer.toml, with --set or --limit"
    told, _ = spoken(mask, tmp_path / "none")
    assert "recipe_file" not in told["provenance"]
