"""The command line: one JSON object on stdout, one line on stderr when something is wrong, nothing heavy loaded early."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from builders import write_scan
from voidscope import workflow
from voidscope.acquisition import Suggestion
from voidscope.cli.main import main
from voidscope.jobs import Job, Progress, Steps
from voidscope.volume import tiff_bytes
from voidscope.workflow import Comparison

QUICK = [
    "--set",
    "model.encoder=tu-mobilenetv3_small_050",
    "--set",
    "train.epochs=2",
    "--set",
    "train.steps=4",
    "--set",
    "train.crop=32",
    "--device",
    "cpu",
]


class Shell:
    """Runs voidscope commands in this process and keeps what they printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys = capsys
        self._monkeypatch = monkeypatch
        self.err = ""

    def __call__(self, *words: object) -> tuple[int, str]:
        self._monkeypatch.setattr(sys, "argv", ["voidscope", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        out, self.err = self._capsys.readouterr()
        return int(end.value.code or 0), out

    def json(self, *words: object) -> Any:
        code, out = self(*words, "--json")
        assert code == 0, self.err
        assert out.count("\n") == 1
        return json.loads(out)

    def complaint(self, *words: object) -> str:
        code, out = self(*words)
        assert (code, out) == (1, ""), (code, out)
        (line,) = [w for w in self.err.splitlines() if w.startswith("voidscope: ")]
        assert self.err.rstrip().endswith(line)
        return line


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(capsys, monkeypatch)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Two scans with truth, hbm ids; the second is for testing."""
    folder = tmp_path / "scans"
    folder.mkdir()
    for seed, name in enumerate(("a", "b")):
        ids = np.zeros((16, 5, 12), np.uint8)
        ids[4:8, :, 2:10], ids[8:14, :, 2:10] = 2, 1
        ids[5:7, 1:4, 4:8] = 3
        grey = np.array([50, 180, 220, 70])[ids] + np.random.default_rng(seed).normal(0, 8, ids.shape)
        (folder / f"{name}.tif").write_bytes(tiff_bytes(grey.clip(0, 255).astype(np.uint8), (0.7, 0.7, 0.7)))
        (folder / f"{name}_labels.tif").write_bytes(tiff_bytes(ids, None))
    (folder / "dataset.json").write_text(json.dumps({"test": ["b"]}))
    return folder


@pytest.fixture
def project(shell: Shell, tmp_path: Path, dataset: Path) -> Path:
    shell.json("create", tmp_path / "p", "--dataset", dataset)
    return tmp_path / "p"


def test_classes_that_give_no_void_ratio_are_told_before_anybody_labels(shell: Shell, tmp_path: Path) -> None:
    shell.json("create", tmp_path / "p", "--classes", "background,metal,crack")
    assert "warning: None of the classes background, metal, crack is a void" in shell.err


def test_the_whole_loop_in_json(shell: Shell, project: Path, dataset: Path) -> None:
    queue = shell.json("suggest", project, "--set", "suggest.budget=2")
    assert set(queue) == {
        "strategy",
        "aggregation",
        "class_distribution",
        "suggestions",
        "terms",
        "limits",
        "note",
    }
    assert (queue["strategy"], len(queue["suggestions"])) == ("void-like", 2)
    assert shell.json("label", project, "--from-dataset", dataset, "--suggested")["n_labelled"] == 2
    shell.json("label", project, "--from", dataset / "a_labels.tif", "--scan", "a", "--slices", "1,2-3")
    cycle = shell.json("train", project, *QUICK)
    assert (cycle["cycle"], cycle["n_labelled"] >= 3) == (1, True)
    queue = shell.json("suggest", project, "--set", "suggest.budget=1", "--device", "cpu")
    (pick,) = queue["suggestions"]
    assert set(pick) == {"scan", "slice", "rank", "r", "u", "d", "score", "pixel"}
    assert pick["score"] == pytest.approx(pick["r"] + pick["u"] + pick["d"])
    assert sum(queue["class_distribution"].values()) == pytest.approx(1)
    found = shell.json("evaluate", project, "--dataset", dataset, "--device", "cpu")
    assert {"miou", "miou_foreground", "iou", "n_labelled", "cycle"} <= set(found)
    assert set(found["iou"]) == {"background", "copper_pillar", "solder", "void", "copper_pad"}
    masks = shell.json("segment", project, "--device", "cpu")["scans"]
    assert all(Path(m["mask"]).is_file() for m in masks)
    measured = shell.json("measure", project, "--limit", "0.2")
    assert {
        "scan",
        "void_over_foreground",
        "void_over_solder",
        "n_voids",
        "voids",
        "limit",
        "verdict",
    } <= set(measured["scans"][0])
    assert (project / "report" / "report.html").is_file()


def test_a_mask_from_any_tool_is_measured_without_a_project(shell: Shell, dataset: Path) -> None:
    measured = shell.json(
        "measure", "--mask", dataset / "a_labels.tif", "--spacing", "2,1,1", "--limit", "0.05"
    )
    (scan,) = measured["scans"]
    voids, foreground, solder = 2 * 3 * 4, 10 * 5 * 8, 4 * 5 * 8
    assert scan["void_over_foreground"] == pytest.approx(voids / foreground)
    assert scan["void_over_solder"] == pytest.approx(voids / solder)
    assert (scan["n_voids"], scan["verdict"], scan["limit"]) == (1, "FAIL", 0.05)
    assert scan["voids"][0]["volume_um3"] == pytest.approx(voids * 2.0)
    assert scan["voids"][0]["centroid_um"] == pytest.approx([5.5 * 2, 2, 5.5])


def test_a_map_names_the_ids_of_a_foreign_mask(shell: Shell, tmp_path: Path) -> None:
    ids = np.zeros((4, 4, 4), np.uint8)
    ids[1:3], ids[1, 1, 1] = 7, 255
    (tmp_path / "m.tif").write_bytes(tiff_bytes(ids, None))
    words = (
        "measure",
        "--mask",
        tmp_path / "m.tif",
        "--spacing",
        "1,1,1",
        "--map",
        "0=background,7=solder,255=void",
    )
    assert shell.json(*words)["scans"][0]["void_over_foreground"] == pytest.approx(1 / 32)


def test_added_scans_are_described(shell: Shell, project: Path, tmp_path: Path) -> None:
    path = write_scan(tmp_path / "new" / "d.tif")
    (entry,) = shell.json("add", project, path, "--spacing", "1,2,3", "--split", "test", "--plane", "axis0")[
        "scans"
    ]
    assert entry["scan"] == "d"
    assert (entry["shape"], entry["dtype"], entry["spacing_um"], entry["n_slices"]) == (
        [6, 4, 5],
        "uint16",
        [1, 2, 3],
        6,
    )


def test_every_problem_is_one_line_and_exit_code_1(
    shell: Shell, project: Path, dataset: Path, tmp_path: Path
) -> None:
    (tmp_path / "text.txm").write_text("not a scan")
    raw = tmp_path / "raw.npy"
    np.save(raw, np.random.default_rng(0).normal(size=(3, 4, 5)))
    wrong = tmp_path / "wrong.tif"
    wrong.write_bytes(tiff_bytes(np.zeros((2, 2, 2), np.uint8), None))
    said = [
        shell.complaint("train", tmp_path / "nowhere"),
        shell.complaint("create", project, "--classes", "hbm"),
        shell.complaint("create", tmp_path / "q"),
        shell.complaint("add", project, tmp_path / "missing.tif"),
        shell.complaint("add", project, tmp_path / "text.txm"),
        shell.complaint("add", project, raw, "--spacing", "1,1"),
        shell.complaint("train", project),
        shell.complaint("segment", project),
        shell.complaint("measure", "--mask", raw, "--spacing", "1,1,1"),
        shell.complaint("measure", "--mask", dataset / "a_labels.tif"),
        shell.complaint("suggest", project, "--set", "suggest.budget=99"),
        shell.complaint("suggest", project, "--set", "suggest.budgets=9"),
        shell.complaint("label", project, "--from", wrong, "--scan", "a"),
        shell.complaint("label", project, "--from", dataset / "a_labels.tif", "--scan", "zz"),
        shell.complaint("label", project, "--from", dataset / "a_labels.tif", "--scan", "a", "--slices", "x"),
        shell.complaint("label", project, "--from-dataset", dataset, "--suggested"),
    ]
    assert len(set(said)) == len(said)


@pytest.mark.parametrize(
    "words",
    [
        ("nonsense",),
        ("simulate",),
        ("label", "p"),
        ("measure",),
        ("measure", "p", "--mask", "m.tif"),
        ("add", "p", "x", "--split", "odd"),
        ("label", "p", "--from-dataset", "d", "--suggested", "--slices", "3"),
        ("label", "p", "--from-dataset", "d", "--suggested", "--scan", "a"),
        ("label", "p", "--from-dataset", "d", "--scan", "a", "--map", "3=void"),
        ("label", "p", "--from", "f.tif", "--scan", "a", "--suggested"),
        ("label", "p", "--from", "f.tif", "--scan", "a", "--from-dataset", "d"),
    ],
)
def test_wrong_usage_is_exit_code_2(
    shell: Shell, words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell.json("create", tmp_path / "p", "--classes", "hbm")
    monkeypatch.chdir(tmp_path)
    assert shell(*words)[0] == 2


def test_a_project_that_could_not_be_filled_is_taken_back(
    shell: Shell, dataset: Path, tmp_path: Path
) -> None:
    (dataset / "c.tif").write_bytes(b"II*\x00 broken")
    shell.complaint("create", tmp_path / "q", "--dataset", dataset)
    assert not (tmp_path / "q").exists()


@pytest.mark.parametrize(
    "code", ["import voidscope", "import voidscope.cli; from voidscope import Project, suggest"]
)
def test_importing_loads_neither_torch_nor_qt(code: str) -> None:
    check = f"{code}\nimport sys\nprint(sorted({{'torch', 'qtpy', 'napari', 'PyQt6', 'PySide6', 'torchvision'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_version_is_told_and_python_dash_m_is_the_same_command(shell: Shell) -> None:
    code, out = shell("--version")
    said = subprocess.run([sys.executable, "-m", "voidscope", "--version"], capture_output=True, text=True)
    assert (code, out) == (said.returncode, said.stdout)
    assert out.startswith("voidscope 0.")


def test_a_dataset_folder_and_a_label_file_are_no_scans(shell: Shell, dataset: Path, tmp_path: Path) -> None:
    project = tmp_path / "p"
    shell("create", project, "--classes", "hbm")
    assert "voidscope create PROJECT --dataset" in shell.complaint("add", project, dataset)
    assert "it is a label file, not a scan" in shell.complaint("add", project, dataset / "a_labels.tif")
    renamed = tmp_path / "grey_labels.tif"
    renamed.write_bytes((dataset / "a.tif").read_bytes())
    assert [s["scan"] for s in shell.json("add", project, renamed)["scans"]] == ["grey_labels"]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("train.epochs=0", "Setting train.epochs = 0: it must be at least 1."),
        (
            "measure.limit=5",
            "Setting measure.limit = 5: it must be at most 1, for the limit is a fraction; for 5 % write 0.05.",
        ),
        ("train.epochs=many", "Setting train.epochs = 'many': it must be a valid integer."),
        ("train.optimiser=sgd", "it must be 'rmsprop' or 'adamw'."),
    ],
)
def test_a_refused_setting_is_told_in_words(
    shell: Shell, dataset: Path, tmp_path: Path, word: str, said: str
) -> None:
    assert said in shell.complaint("create", tmp_path / "p", "--dataset", dataset, "--set", word)


def test_a_limit_may_be_typed_as_a_percentage(shell: Shell, dataset: Path) -> None:
    words = ("measure", "--mask", dataset / "a_labels.tif", "--spacing", "1,1,1")
    limits = [
        shell.json(*words, *more)["scans"][0]["limit"]
        for more in (("--limit", "0.05"), ("--limit", "5%"), ("--set", "measure.limit=5%"))
    ]
    assert limits == [0.05] * 3
    assert "measure.limit = 'lots'" in shell.complaint(*words, "--limit", "lots")


def test_a_scan_without_spacing_is_told_what_that_costs(shell: Shell, tmp_path: Path) -> None:
    shell.json("create", tmp_path / "p", "--classes", "hbm")
    np.save(tmp_path / "bare.npy", np.random.default_rng(0).random((6, 5, 8)))
    shell.json("add", tmp_path / "p", tmp_path / "bare.npy")
    assert "bare says no spacing, without which nothing is measured; add it again with --spacing" in shell.err
    shell.json("add", tmp_path / "p", tmp_path / "bare.npy", "--spacing", "1,1,1")
    assert "no spacing" not in shell.err


def test_a_spacing_in_another_unit_is_doubted_but_kept(shell: Shell, dataset: Path, tmp_path: Path) -> None:
    shell("create", tmp_path / "p", "--classes", "hbm")
    (found,) = shell.json("add", tmp_path / "p", dataset / "a.tif", "--spacing", "700,700,700")["scans"]
    assert found["spacing_um"] == [700, 700, 700]
    assert "warning: a: Spacing 700, 700, 700 µm is unusual" in shell.err
    shell.json("add", tmp_path / "p", dataset / "b.tif", "--spacing", "0.7,0.7,0.7")
    assert "unusual" not in shell.err


def test_a_model_is_judged_by_labels_of_test_scans(shell: Shell, dataset: Path, tmp_path: Path) -> None:
    project = tmp_path / "p"
    shell("create", project, "--dataset", dataset, "--set", "train.steps=4")
    shell("label", project, "--from-dataset", dataset, "--scan", "a", "--slices", "1-2")
    assert "no slice a/0099" in shell.complaint(
        "label", project, "--from-dataset", dataset, "--scan", "a", "--slices", "99"
    )
    shell.json("train", project, *QUICK)
    warm = shell.json("train", project, *QUICK, "--warm")
    assert (warm["cycle"], warm["provenance"]["warm_from"]) == (2, 1)
    assert "No test scan of p has labels" in shell.complaint("evaluate", project)
    shell("label", project, "--from-dataset", dataset, "--scan", "b")
    by_labels = shell.json("evaluate", project, "--device", "cpu")
    assert by_labels == shell.json("evaluate", project, "--dataset", dataset, "--device", "cpu")
    assert by_labels["n_labelled"] == 2


def test_a_worse_model_is_told_with_the_way_back(shell: Shell, dataset: Path, tmp_path: Path) -> None:
    project = tmp_path / "p"
    shell("create", project, "--dataset", dataset, "--set", "train.steps=4")
    shell("label", project, "--from-dataset", dataset, "--scan", "a")
    for seed in (0, 1):
        shell.json("train", project, *QUICK, "--seed", seed)
        shell.json("evaluate", project, "--dataset", dataset, "--device", "cpu")
    first = project / "cycles" / "0001" / "evaluation.json"
    found = json.loads(first.read_text())
    first.write_text(json.dumps(found | {"iou": found["iou"] | {"void": 0.99}}))
    shell.json("evaluate", project, "--dataset", dataset, "--device", "cpu")
    assert "warning: cycle 1 found voids better on the same scans (IoU 0.9900" in shell.err
    assert f"voidscope restore {project} --cycle 1" in shell.err
    assert shell.json("restore", project, "--cycle", 1)["cycle"] == 3
    assert "no cycle 9" in shell.complaint("restore", project, "--cycle", 9)


def test_a_training_is_compared_with_the_model_before_and_a_worse_one_is_told(
    shell: Shell, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "p"
    shell("create", project, "--dataset", dataset, "--set", "train.steps=4")
    shell("label", project, "--from-dataset", dataset, "--scan", "a")
    assert shell.json("train", project, *QUICK)["comparison"] is None
    told = shell.json("train", project, *QUICK)["comparison"]
    assert (told["before"], told["basis"], told["worse"]) == (1, "learnt", False)
    code, words = shell("train", project, *QUICK)
    assert code == 0 and "judged on" in words and "worse" not in shell.err
    worse = Comparison(4, 3, "learnt", 4, (0.5, 0.7), (0.8, 0.8))

    def steps() -> Steps[Comparison]:
        yield Progress(1, 1)
        return worse

    monkeypatch.setattr(workflow, "compare_models", lambda *_: Job("Comparing", steps, lambda found: found))
    assert shell.json("train", project, *QUICK)["comparison"] == worse.entry() | {"worse": True}
    assert "warning: The new model is worse. Cycle 4: void IoU 0.500, cycle 3: 0.700" in shell.err
    assert f"Go back with: voidscope restore {project} --cycle 3" in shell.err
    assert f"or keep it with: voidscope keep {project}" in shell.err


def test_a_recipe_file_decides_and_the_report_says_how_to_repeat_it(
    shell: Shell, dataset: Path, tmp_path: Path
) -> None:
    project, recipe = tmp_path / "p", tmp_path / "customer.toml"
    shell("create", project, "--dataset", dataset, "--set", "train.steps=4")
    shell("label", project, "--from-dataset", dataset, "--scan", "a")
    shell.json("train", project, *QUICK)
    shell.json("segment", project, "--device", "cpu")
    code, _ = shell("recipe", recipe, "--project", project, "--set", "measure.limit=30%")
    assert code == 0
    assert "exists already" in shell.complaint("recipe", recipe)
    recipe.write_text(recipe.read_text().replace('source = ""', "source = \"agreed with customer 'X' & Y\""))
    by_recipe = shell.json("measure", project, "--recipe", recipe)
    assert [s["limit"] for s in by_recipe["scans"]] == [0.3, 0.3]
    assert by_recipe["provenance"]["recipe"]["source"] == "agreed with customer 'X' & Y"
    assert "agreed with customer &#39;X&#39; &amp; Y" in (project / "report" / "report.html").read_text()
    words = shlex.split(by_recipe["provenance"]["command"])
    assert shell.json(*words[1:])["scans"] == by_recipe["scans"]
    verified = {"verified": True, "differences": [], "not_compared": [], "versions": ""}
    assert shell.json("verify", project) == verified
    assert "same masks, same facts, same numbers" in shell("verify", project)[1]
    assert shell.json("measure", project)["scans"][0]["limit"] == 0.05
    report = project / "report" / "report.json"
    report.write_text(report.read_text().replace('"n_voids": ', '"n_voids": 1'))
    code, out = shell("verify", project)
    assert (code, "n_voids is 1" in out) == (1, True)
    assert "does not verify" in shell.err
    report.write_text(report.read_text().replace('"voidscope": "', '"voidscope": "0.0.1-of-'))
    code, out = shell("verify", project)
    assert code == 1 and "made by voidscope 0.0.1-of-" in out and "n_voids is 1" in out
    mask = ("measure", "--mask", dataset / "a_labels.tif", "--spacing", "1,1,1")
    assert shell.json(*mask, "--recipe", recipe)["scans"][0]["limit"] == 0.3


def test_a_queue_that_was_labelled_while_it_was_made_is_no_error(
    shell: Shell, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell("create", tmp_path / "p", "--dataset", dataset)
    picked = workflow.suggest

    def overtaken(*given: Any) -> Job[Any, tuple[Suggestion, ...]]:
        return replace(picked(*given), commit=lambda result: ())

    monkeypatch.setattr(workflow, "suggest", overtaken)
    found = shell.json("suggest", tmp_path / "p", "--set", "suggest.budget=2")
    assert (found["strategy"], found["suggestions"]) == ("rareness", [])
