"""A report that was edited into something else than a report is told in a sentence, wherever it was edited; nothing of it repeats."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from voidscope.config import MeasureConfig
from voidscope.errors import ProjectError, VoidscopeError
from voidscope.jobs import execute
from voidscope.metrology import Report
from voidscope.project import export_report, report_files
from voidscope.volume import tiff_bytes
from voidscope.workflow import MaskFile, Occasion, measure_file, not_compared, verify_file, versions_apart

Tree = dict[str, Any]
RECIPE = MeasureConfig(limit=0.2, criteria=({"measure": "blt_um", "at_most": 4.0},))


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of two bumps, one with a counted void and one with a small one."""
    folder = tmp_path_factory.mktemp("mask")
    ids = np.zeros((10, 9, 20), np.uint8)
    for x in (2, 12):
        ids[1, 2:7, x : x + 6], ids[2:8, 2:7, x : x + 6] = 1, 2
    ids[4:6, 4:6, 4:6] = ids[3, 3, 14] = 3
    (folder / "m.tif").write_bytes(tiff_bytes(ids, (0.7, 0.7, 0.7)))
    report = measure_file(MaskFile(folder / "m.tif"), RECIPE, Occasion("Ann"))
    assert len(report.scans[0].bumps) == 2
    export_report(folder / "out", report_files(report, {}))
    return folder / "out"


def edited(out: Path, folder: Path, change: Callable[[Tree], object]) -> Path:
    """The report with another ``report.json``, and nothing else anew."""
    tree = json.loads((out / "report.json").read_text())
    change(tree)
    folder.mkdir(exist_ok=True)
    (folder / "report.json").write_text(json.dumps(tree))
    return folder


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.update(provenance=None), "provenance: Input should be a valid dictionary"),
        (lambda t: t.update(provenance=[]), "provenance: Input should be a valid dictionary"),
        (lambda t: t.update(provenance="x"), "provenance: Input should be a valid dictionary"),
        (lambda t: t.update(scans="x"), "string indices"),
        (lambda t: t.update(scans={"m": {}}), "string indices"),
        (lambda t: t["scans"][0].update(reason=None), "scans.0.reason: Input should be a valid string"),
        (lambda t: t["scans"][0].update(undefined=None), "scans.0.undefined"),
        (lambda t: t["scans"][0].update(quantities=None), "scans.0.quantities"),
        (lambda t: t["scans"][0].update(n_voxels=None), "scans.0.n_voxels"),
        (lambda t: t["scans"][0].update(cleaned=None), "scans.0.cleaned"),
        (lambda t: t["scans"][0]["n_voxels"].update(void="many"), "scans.0.n_voxels.void"),
        (lambda t: t["scans"][0]["n_voxels"].update(void=True), "scans.0.n_voxels.void"),
        (lambda t: t["scans"][0].update(uncertainty=float("nan")), "scans.0.uncertainty"),
        (lambda t: t["scans"][0].update(recipe=None), "(recipe: Input should be"),
        (lambda t: t["scans"][0]["recipe"].update(limit="x"), "(recipe.limit: Input should be"),
        (lambda t: t["scans"][0].update(classes="x"), "string indices"),
        (lambda t: t["scans"][0]["bumps"][0].update(reason=[]), "scans.0.bumps.0.measured.reason"),
        (lambda t: t["scans"].append(t["scans"][0]), "lists m more than once; a report has each scan once"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_file_and_the_way_out(
    out: Path, tmp_path: Path, change: Callable[[Tree], object], said: str
) -> None:
    folder = edited(out, tmp_path / "edited", change)
    for call in (verify_file, not_compared):
        with pytest.raises(ProjectError, match="Measure again") as raised:
            call(folder)
        assert said in str(raised.value) and str(folder / "report.json") in str(raised.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t["provenance"].update(versions="x"),
        lambda t: t["provenance"].update(people=5),
        lambda t: t["provenance"].update(created="0001-01-01T00:00:00"),
        lambda t: t["provenance"]["scans"]["m"].update(spacing_um="x", spacing_source="file"),
        lambda t: t["scans"][0]["n_voxels"].pop("void"),
        lambda t: t["scans"][0].update(uncertainty=-1.5),
        lambda t: t["scans"][0].update(volume_budget=[]),
        lambda t: t["scans"][0]["criteria"][0].update(measure="x"),
        lambda t: t["scans"][0].update(cleaned={"x": {}}),
    ],
)
def test_what_is_read_and_does_not_go_together_is_a_difference(
    out: Path, tmp_path: Path, change: Callable[[Tree], object]
) -> None:
    folder = edited(out, tmp_path / "edited", change)
    found = execute(verify_file(folder))
    assert [f for f in found if not f.startswith("SHA256SUMS") and not f.endswith("is gone")]
    versions_apart(folder)


@pytest.mark.parametrize("spacing", ["x", [], [0.7, None, 0.7], {}, [0.7]])
def test_a_spacing_typed_in_that_is_none_does_not_say_how_to_measure_again(
    out: Path, tmp_path: Path, spacing: object
) -> None:
    def typed(tree: Tree) -> None:
        tree["provenance"]["scans"]["m"].update(spacing_um=spacing, spacing_source="typed in")

    with pytest.raises(ProjectError, match="does not say how it was measured"):
        verify_file(edited(out, tmp_path / "edited", typed))


def places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to every value of a JSON tree, of lists to the first alone."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree[:1]) if isinstance(tree, list) else ()
    for name, value in items:
        yield (*path, name)
        yield from places(value, (*path, name))


def test_any_value_in_place_of_any_other_is_found(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = json.loads((out / "report.json").read_text())
    again = Report.from_entry(whole)
    monkeypatch.setattr("voidscope.workflow.verifying.measure_file", lambda *_: again)
    rng = np.random.default_rng(7)
    ways, values = list(places(whole)), (None, "x", [], {}, -1.5, True, float("nan"))
    for k in rng.choice(len(ways), 150, replace=False):
        tree = copy.deepcopy(whole)
        *above, last = ways[k]
        at: Any = tree
        for name in above:
            at = at[name]
        value = values[rng.integers(len(values))]
        if json.dumps(at[last]) == json.dumps(value):
            continue
        at[last] = value
        folder = edited(out, tmp_path / "edited", lambda t, new=tree: (t.clear(), t.update(new)))
        try:
            found = execute(verify_file(folder))
        except VoidscopeError:
            continue
        assert [f for f in found if not f.startswith("SHA256SUMS") and not f.endswith("is gone")], (
            ways[k],
            value,
        )
