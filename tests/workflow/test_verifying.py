"""A report that was touched, or whose files were, does not verify; one that was not does."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from builders import set_prediction
from voidscope.errors import NotReady, ProjectError
from voidscope.jobs import execute
from voidscope.metrology import Report
from voidscope.project import Project, export_report, import_truth, package_version
from voidscope.project.masks import mask_path
from voidscope.vocabulary import SliceKey
from voidscope.volume import Dataset, read_label_file, tiff_bytes
from voidscope.workflow import (
    measure,
    project_of,
    promote,
    record_print,
    report_place,
    restore,
    segment,
    train,
    verify,
    versions_apart,
)


@pytest.fixture
def measured(project: Project, dataset: Dataset) -> Project:
    """A project with a report by a recipe that is not its own."""
    import_truth(project, dataset, [SliceKey(s, i) for s in "ab" for i in (0, 3)])
    execute(train(project))
    execute(segment(project))
    execute(
        measure(project, config=project.config.with_changes(["measure.limit=0.2", "measure.rule=guard band"]))
    )
    return project


def _measured_as_it_is(project: Project, dataset: Dataset) -> Report:
    """Scan a measured by its truth, so that it has its bump and voids whatever the model learnt."""
    truth = project.classes.from_file(read_label_file(dataset.folder / "a_labels.tif"))
    set_prediction(project, project.cycles[-1].id, "a", truth, np.zeros(truth.shape, np.float16))
    return execute(measure(project, ["a"]))


def touched(project: Project, change: Callable[[Any], object]) -> Project:
    path = project.report_folder / "report.json"
    tree = json.loads(path.read_text())
    change(tree)
    path.write_text(json.dumps(tree))
    return Project.open(project.path)


def test_an_untouched_report_verifies_by_its_own_recipe_and_stays(measured: Project) -> None:
    before = (measured.report_folder / "report.json").read_bytes()
    assert execute(verify(measured)) == ()
    assert execute(verify(Project.open(measured.path))) == ()
    assert (measured.report_folder / "report.json").read_bytes() == before


def test_a_project_without_a_report_has_nothing_to_verify(project: Project) -> None:
    with pytest.raises(NotReady, match="no report to verify"):
        verify(project)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda t: t["scans"][0].update(void_over_foreground=0.0001),
            "a: void_over_foreground is 0.0001 in the report",
        ),
        (
            lambda t: t["scans"][1].update(verdict="PASS" if t["scans"][1]["verdict"] != "PASS" else "FAIL"),
            "b: verdict is",
        ),
        (lambda t: t["scans"][0].update(n_voids=99), "a: n_voids is 99 in the report"),
        (lambda t: t["scans"][0]["recipe"].update(limit=0.9), "recipe was"),
        (lambda t: t["provenance"]["recipe"].update(limit=0.9), "recipe was"),
        (lambda t: t["provenance"].update(weights_sha256="0" * 64), "weights_sha256 was 0000"),
        (
            lambda t: t["provenance"]["scans"]["a"].update(fingerprint="0000"),
            "the file of a is not the one measured",
        ),
    ],
)
def test_a_touched_report_is_told_where(
    measured: Project, change: Callable[[Any], object], said: str
) -> None:
    found = execute(verify(touched(measured, change)))
    assert any(said in line for line in found), found


def test_a_touched_mask_or_scan_is_told(measured: Project, dataset: Dataset) -> None:
    mask = measured.mask_path("a")
    ids = read_label_file(mask)
    ids[0, 0, 0] = 3 if ids[0, 0, 0] != 3 else 2
    mask.write_bytes(tiff_bytes(ids, (0.7, 0.5, 0.7)))
    found = execute(verify(Project.open(measured.path)))
    assert any(line.startswith("masks_sha256 was") for line in found)
    scan = Path(dataset.folder) / "b.tif"
    scan.write_bytes((dataset.folder / "a.tif").read_bytes())
    found = execute(verify(Project.open(measured.path)))
    assert any(line.startswith("the file of b is not the one measured") for line in found)


def test_touched_probabilities_are_told_and_without_them_lengths_are_read_to_the_voxel(
    measured: Project, dataset: Dataset
) -> None:
    assert measured.cycle is not None
    mask = measured.classes.from_file(read_label_file(Path(dataset.folder) / "a_labels.tif"))
    entropy = np.random.default_rng(0).uniform(0, 0.6, mask.shape).astype(np.float16)
    set_prediction(measured, measured.cycle.id, "a", mask, entropy)
    first = execute(measure(measured, ["a"]))
    assert set(first.provenance["margins_sha256"]) == {"a"} and execute(verify(measured)) == ()
    assert first.scans[0].dimensions.interpolated and first.scans[0].dimensions.blt_um
    assert "edges interpolated from the model" in (measured.report_folder / "report.html").read_text()
    kept = measured.mask_path("a").parent.parent / "uncertainty" / "a.tif"
    entropy[12, 3, 8] += 0.05
    kept.write_bytes(tiff_bytes(entropy, (0.7, 0.5, 0.7)))
    found = execute(verify(Project.open(measured.path)))
    assert any(line.startswith("margins_sha256 was") for line in found), found
    for damaged, why in (
        (tiff_bytes(entropy[1:], (0.7, 0.5, 0.7)), "(it is (23, 6, 20); a is (24, 6, 20))"),
        (b"II*", "(it is not a TIFF file, whatever its ending says"),
    ):
        kept.write_bytes(damaged)
        assert any(line.startswith("warnings was") for line in execute(verify(Project.open(measured.path))))
        again = execute(measure(measured, ["a"]))
        (_, warning) = again.provenance["warnings"]
        assert warning.startswith(
            "lengths in a are to the voxel, for how sure the model was cannot be read from uncertainty/a.tif"
        )
        assert why in warning and warning.endswith("; segment it again") and warning in again.html()
        assert not again.scans[0].dimensions.interpolated and again.scans[0].dimensions.blt_um
        assert execute(verify(measured)) == ()
    untold = np.full_like(entropy, np.nan)
    kept.write_bytes(tiff_bytes(untold, (0.7, 0.5, 0.7)))
    assert not execute(measure(measured, ["a"])).scans[0].dimensions.interpolated
    kept.unlink()
    again = execute(measure(measured, ["a"]))
    assert not again.scans[0].dimensions.interpolated and again.provenance["margins_sha256"] == {}
    page = (measured.report_folder / "report.html").read_text()
    assert "edges to the voxel" in page and "edges interpolated" not in page


def told_apart(project: Project) -> tuple[str, ...]:
    """What verifying finds, nothing of the project being changed by it."""
    before = {p: p.read_bytes() for p in project.path.rglob("*") if p.is_file()}
    found = execute(verify(project))
    assert {p: p.read_bytes() for p in project.path.rglob("*") if p.is_file()} == before
    return found


def test_a_report_verifies_by_its_own_cycle_whichever_is_current(measured: Project) -> None:
    execute(train(measured, measured.config.with_changes(["seed=5"])))
    assert told_apart(measured) == ()
    execute(segment(measured))
    # Times are told to the second: what comes into force within the report's own counts as before it.
    time.sleep(1.1)
    execute(promote(measured, note="looked at by eye"))  # so the report's is not in force now
    assert measured.cycle is not None and measured.cycle.number == 2
    assert told_apart(Project.open(measured.path)) == ()
    mask = mask_path(measured.cycles[0].folder, "a")
    mask.write_bytes(measured.mask_path("a").read_bytes())
    assert any(line.startswith("masks_sha256 was") for line in told_apart(measured))
    mask.unlink()
    with pytest.raises(NotReady, match=r"Not segmented by cycle-0001.*restore .* --cycle 1"):
        verify(measured)


def test_another_model_does_not_stand_for_the_reports(measured: Project) -> None:
    execute(train(measured, measured.config.with_changes(["seed=5"])))
    shutil.rmtree(measured.cycles[0].folder)
    again = Project.open(measured.path)
    with pytest.raises(NotReady, match="Not segmented by cycle-0002"):
        verify(again)
    execute(segment(again))
    assert any(line.startswith("model was cycle-0001") for line in told_apart(again))


def test_the_restored_model_of_a_report_makes_the_same_masks_under_a_new_name(measured: Project) -> None:
    restore(measured, 1)
    execute(segment(measured))
    execute(measure(measured, config=measured.config.with_changes(["measure.limit=0.2"])))
    shutil.rmtree(measured.cycles[1].folder)
    found = execute(verify(Project.open(measured.path)))
    assert found[0].startswith("model was cycle-0002") and not [x for x in found[1:] if " reason " not in x]


@pytest.fixture
def exported(measured: Project, tmp_path: Path) -> Path:
    """The same report in a folder of its own."""
    files = {p.name: p.read_bytes() for p in measured.report_folder.iterdir()}
    record_print(measured, measured.report, b"%PDF 1")
    export_report(tmp_path / "out", files | {"report.pdf": b"%PDF 1"})
    return tmp_path / "out"


def test_a_report_anywhere_verifies_against_its_project(measured: Project, exported: Path) -> None:
    assert report_place(exported / "report.html") == report_place(exported) == exported
    assert project_of(exported) == measured.path
    assert execute(verify(measured, exported)) == ()


@pytest.mark.parametrize("name", ["report.json", "report.html", "voids.csv", "scans.csv", "report.pdf"])
def test_one_digit_changed_in_any_file_is_found(measured: Project, exported: Path, name: str) -> None:
    path = exported / name
    text = path.read_text()
    at = max(text.rfind(digit) for digit in "123456789")
    path.write_text(f"{text[:at]}0{text[at + 1 :]}")
    found = execute(verify(measured, exported))
    assert any(name in line for line in found), found


@pytest.mark.parametrize("name", ["report.html", "scans.csv"])
def test_a_page_changed_together_with_its_hash_is_found_all_the_same(
    measured: Project, exported: Path, name: str
) -> None:
    files = {p.name: p.read_bytes() for p in exported.iterdir() if p.name != "SHA256SUMS"}
    export_report(exported, files | {name: files[name].replace(b"0.7", b"0.8")})
    found = execute(verify(measured, exported))
    assert any(line.startswith(f"{name} is not what") for line in found), found


def test_what_is_no_report_or_has_lost_its_project_is_said(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="neither a project nor a report"):
        report_place(tmp_path)
    tree = json.loads((exported / "report.json").read_text())
    tree["provenance"]["project_folder"] = str(tmp_path / "gone")
    (exported / "report.json").write_text(json.dumps(tree))
    with pytest.raises(ProjectError, match="--project PROJECT"):
        project_of(exported)


def test_a_report_names_its_project_from_the_root(
    measured: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(measured.path.parent)
    found = execute(measure(Project.open(Path(measured.path.name)), ["a"]))
    assert found.provenance["project_folder"] == str(measured.path.resolve())
    assert str(measured.path.resolve()) in found.provenance["command"]
    monkeypatch.chdir(tmp_path)
    assert project_of(measured.report_folder) == measured.path.resolve()


def older(tree: Any) -> None:
    """A report of an older version that measured otherwise."""
    tree["provenance"]["versions"]["voidscope"] = "0.0.7"
    tree["scans"][0]["void_over_foreground"] = 0.125
    for void in tree["scans"][0]["voids"]:
        void["diameter_um"] += 1
    tree["scans"][0]["bumps"][0]["dimensions"]["pillar_width_um"] = 9.5


def test_a_report_of_an_older_version_says_which_made_it_and_which_figures_differ(
    measured: Project, dataset: Dataset
) -> None:
    n = len(_measured_as_it_is(measured, dataset).scans[0].voids)
    report = measured.report_folder
    assert versions_apart(report) == ""
    found = execute(verify(touched(measured, older)))
    said = versions_apart(report)
    assert "made by voidscope 0.0.7" in said and f"runs is {package_version('voidscope')}" in said
    assert "may come from that" in said
    assert any("a: void_over_foreground is 0.125 in the report" in line for line in found)
    (voids,) = [line for line in found if "a: voids diameter_um" in line]
    assert n == 3 and "(of 3 that differ, the first, 1)" in voids
    (width,) = [line for line in found if "pillar_width_um" in line]
    assert width.startswith("a: bumps dimensions pillar_width_um is 9.5 in the report, measured anew ")


def test_a_figure_of_a_lone_bump_and_its_scan_is_told_once(measured: Project, dataset: Dataset) -> None:
    _measured_as_it_is(measured, dataset)

    def change(tree: Any) -> None:
        for told in (tree["scans"][0], tree["scans"][0]["bumps"][0]):
            told["void_over_foreground"] = 0.125

    found = [line for line in execute(verify(touched(measured, change))) if "void_over_foreground" in line]
    assert len(found) == 1 and found[0].split(": ")[1].startswith("void_over_foreground is 0.125")


def test_another_commit_of_the_same_version_is_told_apart(measured: Project) -> None:
    touched(measured, lambda t: t["provenance"].update(git_commit="0" * 40))
    said = versions_apart(measured.report_folder)
    assert "commit 000000000000" in said
    touched(measured, lambda t: t["provenance"].pop("git_commit"))
    assert versions_apart(measured.report_folder) == ""  # nobody knows


def test_a_report_this_version_cannot_read_says_which_made_it(measured: Project) -> None:
    def change(tree: Any) -> None:
        tree["provenance"]["versions"]["voidscope"] = "0.0.3"
        del tree["scans"][0]["voids"]

    project = touched(measured, change)
    with pytest.raises(ProjectError, match=r"made by voidscope 0\.0\.3"):
        verify(project)
