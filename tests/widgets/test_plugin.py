"""What napari finds without the dock: a valid manifest, readers with spacing, sample data, a writer."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from npe2 import PluginManifest

from builders import write_scan
from voidscope.acquisition import Suggestion, Survey
from voidscope.vocabulary import ClassMap, SliceKey
from voidscope.volume import read_scan
from voidscope.widgets.contributions import read_layers, sample_layers, scan_reader, write_labels
from voidscope.widgets.explain import explain
from voidscope.widgets.triton_guard import keep_triton_out


def test_the_manifest_is_valid_and_its_commands_can_be_imported() -> None:
    manifest = PluginManifest.from_distribution("voidscope")
    manifest.validate_imports()
    assert manifest.contributions.widgets is not None
    assert [w.display_name for w in manifest.contributions.widgets] == ["Voidscope"]


def test_a_scan_is_read_with_its_spacing_in_um(tmp_path: Path) -> None:
    path = str(write_scan(tmp_path / "a.tif"))
    reader = scan_reader(path)
    assert reader is not None
    ((voxels, meta, kind),) = reader(path)
    assert (voxels.shape, kind) == ((6, 4, 5), "image")
    assert meta["scale"] == pytest.approx((0.7, 0.7, 0.7))
    assert meta["units"] == ("um", "um", "um")


def test_files_of_others_are_left_to_others(tmp_path: Path) -> None:
    assert scan_reader(str(tmp_path / "a.czi")) is None


def test_a_scan_without_spacing_is_shown_in_pixels(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(24.0).reshape(2, 3, 4))
    ((_, meta, _),) = read_layers(str(tmp_path / "a.npy"))
    assert (meta["scale"], meta["units"]) == ((1.0, 1.0, 1.0), ("pixel",) * 3)


def test_the_sample_is_a_bump_with_voids_and_its_truth() -> None:
    (image, meta, _), (labels, _, kind) = sample_layers()
    assert image.shape == labels.shape
    assert kind == "labels"
    assert (labels == 3).any()
    assert meta["units"] == ("um", "um", "um")


def test_labels_are_written_with_their_spacing(tmp_path: Path) -> None:
    ids = np.random.default_rng(0).integers(0, 5, (3, 4, 5))
    path = str(tmp_path / "out.tif")
    assert write_labels(path, ids, {"scale": (2.0, 1.0, 0.5), "units": ("um",) * 3}) == [path]
    again = read_scan(path)
    assert again.spacing_um == pytest.approx((2.0, 1.0, 0.5))
    assert (np.asarray(again.voxels[:]) == ids).all()


@pytest.mark.parametrize(
    ("maps", "kept_out"), [("7f00 /usr/lib/libLLVM-15.so.1", True), ("7f00 /usr/lib/libGLX_nvidia.so", False)]
)
def test_triton_is_kept_out_only_beside_mesas_llvm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, maps: str, kept_out: bool
) -> None:
    (tmp_path / "maps").write_text(maps)
    monkeypatch.delitem(sys.modules, "triton", raising=False)
    assert keep_triton_out(tmp_path / "maps") is kept_out
    monkeypatch.delitem(sys.modules, "triton", raising=False)
    assert keep_triton_out(tmp_path / "gone") is False


def test_a_suggestion_is_explained_by_its_rarest_class() -> None:
    keys = (SliceKey("a", 0), SliceKey("a", 1))
    counts = np.array([[90, 6, 3, 1], [90, 10, 0, 0]])
    pixels = np.repeat(np.where(counts[..., None] > 0, 1, -1), 2, axis=2)
    survey = Survey(
        keys,
        counts,
        np.array([[1.0, 0.5], [0.9, 0.2]]),
        np.zeros((2, 3), np.float32),
        pixels,
        np.ones((2, 2), int),
        "m",
    )
    classes = ClassMap.from_names(["background", "copper_pillar", "solder", "void"])
    said = explain(Suggestion(keys[0], 1, 0.99, 1.0, 0.25, 2.24, (1, 1), "rareness"), survey, classes)
    assert "contains predicted void (0.50% of predictions)" in said
    assert said.endswith(
        f"most unsure, at {survey.entropy[0, 0] / np.log(survey.n_classes):.0%} of the maximum."
    )
    everywhere = explain(Suggestion(keys[1], 1, 0.9, 0.9, 0.2, 2.0, (1, 1), "rareness"), survey, classes)
    assert "no class rarer than copper_pillar, which is predicted in every slice" in everywhere
    alike = replace(survey, counts=np.array([[90, 10, 0, 0]] * 2), class_pixel=pixels[[1, 1]])
    said = explain(Suggestion(keys[1], 1, 0.9, 0.9, 0.2, 2.0, (1, 1), "rareness"), alike, classes)
    assert "copper_pillar is predicted in every slice, so rareness says nothing yet" in said
    far = explain(
        Suggestion(keys[0], 2, 0.9, 0.9, 6.0, 2.0, (1, 1), "rareness"),
        survey,
        classes,
        None,
        dict.fromkeys(keys, "learnt from"),
    )
    assert f"most like {keys[1]} (learnt from)" in far
    queue = [
        Suggestion(keys[0], k, 0.9, 0.9, d, 2.0, (1, 1), "rareness") for k, d in enumerate((1.2, 0.02, 0.01))
    ]
    told = [explain(s, survey, classes, None, {keys[1]: "learnt from"}, queue) for s in queue]
    assert f"unlike all that is labelled: even {keys[1]} (learnt from) is far from it" in told[0]
    assert all(f"most like {keys[1]}" in other for other in told[1:])
    assert far.endswith("its distance outweighs the rest: try strategy rareness-normalised.")
    for order in (("uncertainty", "rareness", "distance"), ("distance", "rareness", "uncertainty")):
        decided = Suggestion(keys[0], 1, 0.9, 0.9, 0.02, 2.0, (1, 1), "rareness", reasons=order)
        known = {keys[1]: "learnt from"}
        parts = explain(decided, survey, classes, None, known, [decided]).split(" · ")
        opens = {
            "uncertainty": "most unsure",
            "rareness": "contains",
            "distance": "unlike all that is labelled",
        }
        assert parts[0].startswith(opens[order[0]])
        assert len(parts) == 3 and parts[1].startswith("contains predicted void")
        farther = [replace(decided, d=d) for d in (0.03, 0.04)]
        assert "unlike" not in explain(decided, survey, classes, None, known, [decided, *farther])
    unasked = Suggestion(keys[0], 1, None, None, None, None, None, "strided", ("min_slice_gap",))
    assert explain(unasked, None, classes) == (
        "Chosen by strided, without a model. Label some slices with void in them if you can. "
        "Chosen after giving up the limit Gap, which left too few slices."
    )


@pytest.mark.parametrize(
    ("pixel", "where"),
    [
        ((5, 5), "inside solder"), ((5, 13), "where solder meets void"), ((0, 0), "inside solder"),
        ((19, 9), "where solder meets copper_pillar"), ((10, 16), "where void meets solder"),
    ],
)  # fmt: skip
def test_where_the_model_is_unsure_is_told_by_the_nearest_border(pixel: tuple[int, int], where: str) -> None:
    mask = np.full((24, 20), 3, np.uint8)
    mask[:20, 15:] = 4
    mask[22:] = 2
    keys, seen = (SliceKey("a", 0), SliceKey("a", 1)), [[-1, -1], [23, 0], [0, 0], [0, 15], [-1, -1]]
    survey = Survey(
        keys,
        [[0, 1, 1, 1, 0]] * 2,
        [[0.5 * np.log(5), 0.1]] * 2,
        np.zeros((2, 1), np.float32),
        [seen] * 2,
        [pixel] * 2,
        "m",
    )
    said = explain(
        Suggestion(keys[0], 1, 0.9, 0.8, 0.2, 2.0, (1, 1), "rareness"), survey, ClassMap.hbm(), mask
    )
    assert f"most unsure {where}, at 50% of the maximum" in said
