"""Layers of a scan, in a viewer without a window: found whatever is done to them, set as a person set them."""

from __future__ import annotations

import math
import tracemalloc
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from bench import Bench, add_cycle, predict

from builders import write_scan
from voidscope.acquisition import pixel_rareness
from voidscope.jobs import execute
from voidscope.project import Project
from voidscope.vocabulary import Plane, SliceKey
from voidscope.volume.planes import Planes
from voidscope.widgets.colours import RarenessMap, class_shares
from voidscope.widgets.slice_view import CLOSE_UP_PX, centre_on, zoom_on
from voidscope.workflow import add_scans

VOID = 4


@pytest.fixture
def bench(qapp: object, project: Project) -> Bench:
    made = Bench(project)
    made.layers.show("a")
    return made


def test_tool_class_brush_and_looks_go_along_to_the_next_scan(bench: Bench) -> None:
    bench.layers.paint_with(3)
    labels = bench.find("labels")
    labels.brush_size, labels.opacity, labels.contour = 9, 0.8, 1
    bench.find("image").contrast_limits = (10_000.0, 20_000.0)
    bench.layers.jump(SliceKey("b", 2))
    labels = bench.find("labels")
    assert (labels.mode, labels.selected_label, labels.brush_size) == ("paint", 3, 9)
    assert (labels.opacity, labels.contour) == (0.8, 1)
    assert bench.viewer.layers.selection.active is labels
    own = bench.project.scan("b").intensity
    assert bench.find("image").contrast_limits == [own.low, own.high]
    bench.layers.show("a")
    assert bench.find("image").contrast_limits == [10_000.0, 20_000.0]


def test_a_hidden_prediction_stays_hidden_for_the_next_model(bench: Bench) -> None:
    for seed in range(2):
        add_cycle(bench.project)
        bench.layers.show_results()
        assert bench.find("prediction") is None
        mask = predict(bench.project, "a", seed)
        bench.layers.show_results()
        assert (bench.find("prediction").data == mask).all()
        assert bench.find("prediction").visible is (seed == 0)
        bench.layers.toggle("prediction")


def test_a_duplicate_of_our_layer_is_the_persons_own(bench: Bench) -> None:
    labels = bench.find("labels")
    copy = type(labels)(labels.data.copy(), metadata=dict(labels.metadata), name="copy")
    bench.viewer.layers.insert(0, copy)
    assert bench.find("labels") is labels
    bench.layers.clear()
    assert list(bench.viewer.layers) == [copy]


def test_a_deleted_labels_layer_comes_back_with_its_label_when_a_class_is_picked(bench: Bench) -> None:
    bench.paint(2, VOID)
    bench.strokes.flush()
    bench.viewer.layers.remove(bench.find("labels"))
    bench.layers.paint_with(2)
    assert bench.find("labels").data[10, 2, 10] == VOID
    bench.paint(3, 2)
    bench.strokes.flush()
    assert list(bench.project.labels) == [SliceKey("a", 2), SliceKey("a", 3)]


def test_a_deleted_image_comes_back_without_losing_the_slice(bench: Bench) -> None:
    bench.layers.jump(SliceKey("a", 5))
    bench.viewer.layers.remove(bench.find("image"))
    bench.layers.show("a")
    assert bench.find("image") is not None
    assert bench.layers.key == SliceKey("a", 5)


def test_other_layers_with_more_axes_or_finer_steps_do_not_lead_astray(bench: Bench) -> None:
    bench.viewer.add_image(np.zeros((2, 8, 8, 8)), scale=(1, 0.1, 0.1, 0.1))
    for scan, index in (("a", 4), ("b", 1)):
        bench.layers.jump(SliceKey(scan, index), (9, 12))
        assert bench.layers.key == SliceKey(scan, index)
    assert bench.viewer.dims.order[-3:] == (2, 1, 3)


def test_a_new_spacing_is_seen_at_once_on_the_same_slice(bench: Bench) -> None:
    bench.layers.jump(SliceKey("a", 4))
    bench.project.set_spacing("a", (3.0, 2.0, 1.0))
    bench.layers.place()
    for layer in bench.viewer.layers:
        assert tuple(layer.scale) == (3.0, 2.0, 1.0)
    assert bench.layers.key == SliceKey("a", 4)


def test_a_scan_without_spacing_is_shown_in_pixels(bench: Bench, tmp_path: Path) -> None:
    np.save(tmp_path / "raw.npy", np.random.default_rng(0).random((5, 6, 7)))
    execute(add_scans(bench.project, [tmp_path / "raw.npy"]))
    bench.layers.show("raw")
    assert {str(u) for u in bench.find("image").units} == {"pixel"}
    assert bench.project.scan("raw").spacing_um is None


def test_planes_face_the_person(bench: Bench, tmp_path: Path) -> None:
    path = write_scan(tmp_path / "flat.tif", shape=(7, 40, 30))
    execute(add_scans(bench.project, [path], plane=Plane.AXIS0))
    bench.layers.jump(SliceKey("flat", 6), (3, 4))
    assert bench.viewer.dims.order == (0, 1, 2)
    assert bench.layers.key == SliceKey("flat", 6)
    assert bench.project.image(SliceKey("flat", 6)).shape == (40, 30)


@pytest.mark.parametrize("n_slices", [1, 3])
def test_the_slider_goes_no_farther_than_the_scan_in_view(
    bench: Bench, qtbot: Any, tmp_path: Path, n_slices: int
) -> None:
    plane = bench.project.scan("a").plane
    for name, n in (("long", 40), ("short", n_slices), ("other", n_slices + 1)):
        shape = [24, 24, 24]
        shape[plane.axis] = n
        execute(
            add_scans(bench.project, [write_scan(tmp_path / f"{name}.tif", shape=tuple(shape))], plane=plane)
        )
    add_cycle(bench.project)
    predict(bench.project, "long")
    for scan, n in (("long", 40), ("other", n_slices + 1), ("short", n_slices), ("other", n_slices + 1)):
        bench.layers.jump(key := SliceKey(scan, 0), (3, 4))
        qtbot.waitUntil(lambda k=key: bench.layers.key == k, timeout=60_000)
        low, high, step = bench.viewer.dims.range[plane.axis]
        assert (round(low / step), round(high / step)) == (0, n - 1), scan
    bench.layers.marks.hide()
    low, high, step = bench.viewer.dims.range[plane.axis]
    assert (round(low / step), round(high / step)) == (0, n - 1)


def test_hidden_heatmaps_of_a_longer_scan_leave_the_slider_to_the_next(
    bench: Bench, qtbot: Any, tmp_path: Path
) -> None:
    plane = bench.project.scan("a").plane
    for name, n in (("long", 9), ("short", 5)):
        shape = [24, 24, 24]
        shape[plane.axis] = n
        execute(
            add_scans(bench.project, [write_scan(tmp_path / f"{name}.tif", shape=tuple(shape))], plane=plane)
        )
    add_cycle(bench.project)
    for name in ("long", "short"):
        predict(bench.project, name)
    for name, n in (("long", 9), ("short", 5)):
        bench.layers.jump(key := SliceKey(name, 0), (3, 4))
        qtbot.waitUntil(lambda k=key: bench.layers.key == k, timeout=60_000)
        low, high, step = bench.viewer.dims.range[plane.axis]
        assert (round(low / step), round(high / step)) == (0, n - 1), name


def test_slices_appear_as_they_are_predicted_and_can_be_accepted_before_the_rest(bench: Bench) -> None:
    add_cycle(bench.project)
    key, mask = SliceKey("a", 3), np.full((24, 20), 2, np.uint8)
    bench.layers.jump(key)
    assert bench.layers.prediction(key) is None
    bench.layers.show_slice(key, mask, np.full((24, 20), 0.7, np.float32))
    assert (bench.find("prediction").data[:, 3] == 2).all()
    assert bench.find("uncertainty").data[0, 3, 0] == pytest.approx(0.7)
    assert (bench.layers.prediction(key) == mask).all()
    assert bench.layers.prediction(SliceKey("a", 4)) is None
    bench.layers.show_slice(SliceKey("b", 3), mask, np.zeros((24, 20), np.float32))
    assert not bench.find("prediction").data[:, 4].any()
    assert bench.project.mask("a") is None


def test_results_are_shown_without_a_copy_and_the_project_cannot_be_painted_on(bench: Bench) -> None:
    add_cycle(bench.project)
    mask = predict(bench.project, "a")
    bench.layers.show_results()
    layer = bench.find("prediction")
    assert not layer.editable
    assert np.shares_memory(layer.data, bench.project.mask("a"))
    with pytest.raises(ValueError, match="read-only"):
        layer.data[...] = 1
    assert (bench.project.mask("a") == mask).all()


def test_what_is_written_into_a_prediction_is_written_into_a_copy(bench: Bench) -> None:
    add_cycle(bench.project)
    mask = predict(bench.project, "a")
    bench.layers.show_results()
    keys = [SliceKey("a", index) for index in range(3)]
    look = np.full((24, 20), 2, np.uint8)
    assert bench.layers.reject(keys[0])
    assert bench.layers.show_preview(keys[1], look)
    shown = bench.find("prediction").data
    assert not shown[:, 0].any() and (shown[:, 1] == look).all() and (shown[:, 2] == mask[:, 2]).all()
    bench.layers.show_results()
    shown = bench.find("prediction").data
    assert not shown[:, 0].any() and (shown[:, 1:] == mask[:, 1:]).all()
    assert not bench.layers.reject(keys[0])
    assert (bench.find("prediction").data == mask).all() and (bench.project.mask("a") == mask).all()


def test_heatmaps_that_are_hidden_are_neither_read_nor_computed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_cycle(bench.project)
    predict(bench.project, "a")
    seen: list[str] = []
    plane = Planes._plane

    def noted(self: Planes, k: int) -> np.ndarray:
        seen.append(self._path.parent.name)
        return plane(self, k)

    def counted(*given: object) -> np.ndarray:
        seen.append("shares")
        return class_shares(*given)

    monkeypatch.setattr(Planes, "_plane", noted)
    monkeypatch.setattr("voidscope.widgets.layers.class_shares", counted)
    bench.layers.show_results()
    assert {"shares", "uncertainty"}.isdisjoint(seen)
    bench.layers.results.next_heatmap()
    bench.layers.jump(SliceKey("a", 4))
    assert seen.count("shares") == 1 and "uncertainty" not in seen
    bench.layers.results.next_heatmap()
    assert "uncertainty" in seen
    assert (np.asarray(bench.find("uncertainty").data) == 0.5).all()


def test_an_uncertainty_that_turns_out_damaged_is_told_once_and_hinders_nothing(bench: Bench) -> None:
    add_cycle(bench.project)
    mask = predict(bench.project, "a")
    path = bench.project.cycle.folder / "uncertainty" / "a.tif"
    with tifffile.TiffFile(path) as tif:
        at, n = tif.pages[3].dataoffsets[0], tif.pages[3].databytecounts[0]
    data = path.read_bytes()
    path.write_bytes(data[:at] + bytes(n) + data[at + n :])
    told: list[str] = []
    bench.layers.troubled.connect(told.append)
    bench.layers.show_results()
    assert not told
    for _ in range(2):
        bench.layers.results.next_heatmap()
    for index in (2, 5):
        bench.layers.jump(SliceKey("a", index))
        assert not bench.find("uncertainty").data[:, index].any()
    assert len(told) == 1
    assert f"{path} is damaged" in told[0] and told[0].endswith("Delete it and segment again.")
    assert (bench.find("prediction").data == mask).all()


def test_layers_of_results_can_be_duplicated(bench: Bench) -> None:
    add_cycle(bench.project)
    predict(bench.project, "a")
    bench.layers.show_results()
    for role in ("image", "prediction", "rareness", "uncertainty", "flicker"):
        twin = deepcopy(bench.find(role).data)
        assert (np.asarray(twin) == np.asarray(bench.find(role).data)).all()
    assert deepcopy(bench.find("prediction").data).flags.writeable


def test_heatmaps_take_turns(bench: Bench) -> None:
    add_cycle(bench.project)
    predict(bench.project, "a")
    bench.layers.show_results()
    seen = []
    for _ in range(5):
        told = bench.layers.results.next_heatmap()
        seen.append([r for r in ("rareness", "uncertainty", "flicker") if bench.find(r).visible])
        assert told == "".join(seen[-1])
    assert seen == [["rareness"], ["uncertainty"], ["flicker"], [], ["rareness"]]


def test_the_rareness_heatmap_is_equation_2_wherever_it_is_looked_at(bench: Bench) -> None:
    add_cycle(bench.project)
    mask = predict(bench.project, "a")
    shares = class_shares(mask, None, 4)
    twin = np.bincount(mask.ravel(), minlength=5)[1:] / mask.size
    assert shares == pytest.approx(twin) and shares.sum() == pytest.approx(1)
    lazy = RarenessMap(mask, lambda: shares)
    assert (np.asarray(lazy) == pixel_rareness(mask, shares)).all()
    assert (lazy[:, 2] == np.asarray(lazy)[:, 2]).all()
    assert lazy[0, 0, 0] == np.float32(math.exp(-shares[mask[0, 0, 0] - 1]))


def test_counting_classes_takes_no_memory_to_speak_of() -> None:
    mask = np.ones((64, 128, 128), np.uint8)
    mask[:4], mask[4:6, :, :64] = 0, 3
    tracemalloc.start()
    shares = class_shares(mask, None, 4)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert shares == pytest.approx([59 / 60, 0, 1 / 60, 0])
    assert peak < mask.nbytes / 4


def test_a_class_nobody_has_cannot_be_painted_with(bench: Bench) -> None:
    bench.layers.paint_with(2)
    chosen: list[int] = []
    bench.layers.class_chosen.connect(chosen.append)
    bench.find("labels").selected_label = 9
    assert bench.layers.class_id == 2
    bench.find("labels").selected_label = 0
    assert chosen[-1] == 0
    assert len(bench.project.classes) == 4


def test_small_slices_stay_whole_in_view() -> None:
    assert zoom_on((96, 64), 1.5, before=7.0) == 1.5


def test_large_slices_are_shown_close_up_and_never_zoomed_out() -> None:
    assert zoom_on((2048, 1024), 0.5, before=0.5) == 0.5 * 2048 / CLOSE_UP_PX
    assert zoom_on((2048, 1024), 0.5, before=30.0) == 30.0


@pytest.mark.parametrize(("at", "centre"), [(0, 20), (19, 20), (50, 50), (95, 76), (96, 76)])
def test_a_view_comes_as_near_as_it_can_without_looking_past_an_end(at: float, centre: float) -> None:
    assert centre_on(at, 96, 20) == centre
    assert centre_on(at, 96, 48) == centre_on(at, 96, 1000) == 48


@pytest.mark.parametrize("pixel", [(0, 0), (599, 399), (300, 5)])
def test_a_jump_to_a_corner_fills_the_view_with_the_slice(
    bench: Bench, tmp_path: Path, qtbot: Any, pixel: tuple[int, int]
) -> None:
    execute(
        add_scans(bench.project, [write_scan(tmp_path / "wide.tif", shape=(3, 600, 400))], plane=Plane.AXIS0)
    )
    bench.layers.jump(SliceKey("wide", 1), pixel)
    qtbot.waitUntil(lambda: bench.layers.scan == "wide", timeout=60_000)
    camera = bench.layers._view.camera
    seen = CLOSE_UP_PX * 0.7 / 2
    for centre, n, p in zip(camera.center[-2:], (600, 400), pixel, strict=True):
        at = centre / 0.7 + 0.5
        assert seen / 0.7 - 1 <= at <= n - seen / 0.7 + 1
        assert abs(at - p) <= seen / 0.7 + 1


def test_no_class_is_painted_with_while_the_tool_pans(bench: Bench) -> None:
    told: list[int] = []
    bench.layers.class_chosen.connect(told.append)
    assert bench.layers.class_id == 0
    bench.layers.paint_with(3)
    bench.find("labels").mode = "pan_zoom"
    assert (bench.layers.class_id, told[-1]) == (0, 0)
    bench.find("labels").mode = "fill"
    assert (bench.layers.class_id, told[-1]) == (3, 3)


def test_a_new_spacing_keeps_the_layers_and_what_was_done_to_them(bench: Bench) -> None:
    before = list(bench.viewer.layers)
    bench.paint(2, VOID)
    bench.project.set_spacing("a", (3.0, 2.0, 1.0))
    bench.layers.place()
    assert list(bench.viewer.layers) == before
    assert {str(u) for la in before for u in la.units} == {"micrometer"}
    bench.strokes.flush()
    assert SliceKey("a", 2) in bench.project.labels


def test_a_scan_whose_spacing_was_unknown_is_shown_in_um_once_it_is_given(
    bench: Bench, tmp_path: Path
) -> None:
    np.save(tmp_path / "raw.npy", np.random.default_rng(0).random((5, 6, 7)))
    execute(add_scans(bench.project, [tmp_path / "raw.npy"]))
    bench.layers.jump(SliceKey("raw", 2))
    bench.project.set_spacing("raw", (0.5, 0.5, 0.5))
    bench.layers.place()
    assert bench.layers.key == SliceKey("raw", 2)
    for layer in bench.viewer.layers:
        assert (tuple(layer.scale), {str(u) for u in layer.units}) == ((0.5, 0.5, 0.5), {"micrometer"})


@pytest.mark.parametrize(("kind", "is_seen"), [("masks", False), ("uncertainty", True)])
def test_a_scan_with_a_damaged_result_is_shown_and_painted_and_the_way_out_told(
    kind: str, is_seen: bool, bench: Bench
) -> None:
    add_cycle(bench.project)
    predict(bench.project, "b")
    path = bench.project.cycle.folder / kind / "b.tif"
    path.write_bytes(path.read_bytes()[:60])
    bench.project._masks.clear()  # as after opening it again
    told: list[str] = []
    bench.layers.troubled.connect(told.append)
    bench.layers.show("b")
    bench.layers.results.next_heatmap()
    bench.layers.results.next_heatmap()
    assert (
        len(told) == 1
        and f"{path} is damaged" in told[0]
        and told[0].endswith("Delete it and segment again.")
    )
    bench.paint(1, VOID)
    bench.strokes.flush()
    assert SliceKey("b", 1) in bench.project.labels
    assert (bench.find("prediction") is not None) is is_seen


def test_another_plane_said_elsewhere_is_faced_before_anything_is_painted(bench: Bench) -> None:
    record = bench.project.scan("a")
    bench.paint(2, VOID)
    bench.strokes.flush()
    bench.project.labels.remove(SliceKey("a", 2))
    bench.project.add([record.model_copy(update={"plane": Plane.AXIS0})])
    bench.layers.place()
    assert bench.viewer.dims.order == (0, 1, 2)
    layer = bench.find("labels")
    layer.selected_label = VOID
    bench.layers.jump(SliceKey("a", 11))
    layer.paint((11, 3, 10), VOID)
    bench.strokes.flush()
    assert list(bench.project.labels) == [SliceKey("a", 11)]


@pytest.mark.parametrize("kind", ["masks/a.tif", "survey.safetensors"])
def test_damaged_results_are_no_error_at_every_step(kind: str, bench: Bench) -> None:
    add_cycle(bench.project)
    predict(bench.project, "a")
    path = bench.project.cycle.folder / kind
    path.write_bytes(b"II*\0 no such thing")
    again = Bench(Project.open(bench.project.path))
    again.layers.show("a")
    for index in (1, 3):
        again.layers.jump(SliceKey("a", index))
        found = again.layers.prediction(again.layers.key)
        assert (found is None) is (kind == "masks/a.tif")
    assert again.project.survey is None


def test_voids_are_seen_in_3d_and_slices_are_then_as_before(bench: Bench) -> None:
    assert not bench.layers.solid.turn()  # there is nothing to see yet
    assert bench.viewer.dims.ndisplay == 2
    add_cycle(bench.project)
    predict(bench.project, "a")
    bench.layers.show_results()
    bench.layers.results.next_heatmap()
    roles = ("image", "labels", "prediction", "rareness")

    def seen() -> list[tuple[bool, float]]:
        return [(bench.find(r).visible, bench.find(r).opacity) for r in roles]

    before = seen()
    assert bench.layers.solid.turn()
    prediction = bench.find("prediction")
    assert bench.viewer.dims.ndisplay == 3
    assert (prediction.show_selected_label, prediction.selected_label) == (True, VOID)
    assert [bench.find(r).visible for r in roles] == [True, False, True, False]
    bench.layers.jump(SliceKey("a", 2))
    assert bench.viewer.dims.ndisplay == 2 and not prediction.show_selected_label
    assert seen() == before and bench.layers.key == SliceKey("a", 2)
    bench.layers.solid.turn()
    bench.layers.show("b")
    assert bench.viewer.dims.ndisplay == 2
