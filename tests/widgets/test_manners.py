"""Manners of a napari plugin: tooltips everywhere, layers that may be done anything to, sliced now or later, menus, units."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from bench import Bench, add_cycle, predict
from napari.settings import get_settings
from npe2 import PluginManifest
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QHeaderView,
    QLineEdit,
    QScrollBar,
    QTabBar,
    QWidget,
)

from voidscope.acquisition import Finding
from voidscope.jobs import Progress
from voidscope.project import Project, import_truth
from voidscope.vocabulary import SliceKey
from voidscope.volume import Dataset
from voidscope.widgets.looks import KEPT, role_of

VOID = 4
FIELDS = (QAbstractButton, QAbstractItemView, QAbstractSlider, QAbstractSpinBox, QComboBox, QLineEdit)


def fields(widget: QWidget) -> Iterator[QWidget]:
    """What a person presses, types in or picks from; parts of a widget that Qt makes itself ask it for their tooltip."""
    for child in widget.findChildren(QWidget):
        inside = child.parentWidget()
        made_by_qt = child.objectName().startswith(("qt_", "ScrollLeft", "ScrollRight"))
        while inside is not None and not isinstance(inside, QComboBox):
            inside = inside.parentWidget()
        if isinstance(child, FIELDS) and not (
            made_by_qt or isinstance(child, QScrollBar | QHeaderView) or inside is not None
        ):
            yield child


def test_every_button_field_list_and_tab_of_the_dock_has_a_tooltip(dock: Any) -> None:
    asked = list(fields(dock))
    assert len(asked) > 80
    silent = [
        (type(w).__name__, getattr(w, "text", str)(), type(w.parent()).__name__)
        for w in asked
        if not w.toolTip()
    ]
    assert silent == [], silent
    tabs = [(bar, k) for bar in dock.findChildren(QTabBar) for k in range(bar.count())]
    assert len(tabs) == 4 + 4 + 6
    assert [bar.tabText(k) for bar, k in tabs if not bar.tabToolTip(k)] == []


def test_layers_renamed_moved_and_deleted_while_slices_come_in_do_no_harm(
    qapp: object, project: Project
) -> None:
    bench = Bench(project)
    bench.layers.show("a")
    add_cycle(project)
    mask, entropy = np.full((24, 20), 2, np.uint8), np.zeros((24, 20), np.float32)
    for index, role in enumerate(("prediction", "uncertainty", "image", "labels", "prediction")):
        bench.layers.show_slice(SliceKey("a", index), mask, entropy)
        layers, layer = bench.viewer.layers, bench.find(role)
        layer.name = "mine"
        layers.move(layers.index(layer), 0)
        assert bench.find(role) is layer
        layers.remove(layer)
    bench.layers.show_slice(SliceKey("a", 5), mask, entropy)
    assert (bench.find("prediction").data[:, 5] == 2).all()
    found = predict(project, "a")
    bench.layers.show("a")
    assert (bench.find("prediction").data == found).all()
    bench.paint(1, VOID)
    bench.strokes.flush()
    assert list(project.labels) == [SliceKey("a", 1)]


def test_every_layer_has_spacing_units_and_axes(qapp: object, project: Project) -> None:
    bench = Bench(project)
    add_cycle(project)
    predict(project, "a")
    bench.layers.jump(SliceKey("a", 2), (5, 5))
    found = Finding("missed", SliceKey("a", 2), (5, 5), 2, 0.4, VOID, runs=((2, 5, 5, 7),))
    bench.layers.marks.outline(bench.layers.record, found)
    roles = {role_of(la) for la in bench.viewer.layers}
    assert roles == set(KEPT)
    for layer in bench.viewer.layers:
        assert tuple(layer.scale) == pytest.approx((0.7, 0.5, 0.7))
        assert {str(u) for u in layer.units} == {"micrometer"}
        assert tuple(layer.axis_labels) == ("z", "y", "x")


def test_the_dock_is_in_the_menus_of_what_it_does() -> None:
    manifest = PluginManifest.from_distribution("voidscope")
    menus = {name: [item.command for item in items] for name, items in manifest.contributions.menus.items()}
    for menu in ("annotate", "segment", "measure"):
        assert menus[f"napari/layers/{menu}"] == ["voidscope.dock"]


class Lazy:
    """A volume of zeros that notices when a slice of it is taken on another thread than the window's."""

    shape, ndim, size, dtype = (24, 6, 20), 3, 24 * 6 * 20, np.dtype(np.float32)
    elsewhere = False

    def __getitem__(self, where: Any) -> np.ndarray:
        self.elsewhere |= threading.current_thread() is not threading.main_thread()
        return np.zeros(self.shape, self.dtype)[where]


def test_the_loop_with_asynchronous_slicing_while_layers_are_deleted(
    dock: Any, qtbot: Any, project: Project, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(get_settings().experimental, "async_", True)
    view, layers = dock.view, dock._viewer.layers
    project.set_config(project.config.with_changes(["train.epochs=1"]))
    lazy = Lazy()
    dock._viewer.add_image(lazy, scale=(0.7, 0.5, 0.7), contrast_limits=(0, 1), multiscale=False)
    view.layers.jump(SliceKey("a", 4), (10, 10))
    assert view.layers.key == SliceKey("a", 4)
    qtbot.waitUntil(lambda: lazy.elsewhere, timeout=60_000)
    labels = view.layers.find("labels")
    labels.selected_label = VOID
    labels.paint((10.0, 4.0, 10.0), VOID)
    qtbot.waitUntil(lambda: SliceKey("a", 4) in project.labels, timeout=60_000)
    import_truth(project, dataset, [SliceKey("a", 0), SliceKey("b", 1)])
    deleted: list[str] = []

    def meddle(progress: Progress, left: str) -> None:
        layer = view.layers.find("prediction")
        if layer is not None and not deleted:
            view.layers.find("image").name = "renamed"
            layers.move(0, len(layers))
            layers.remove(layer)
            deleted.append(layer.name)

    dock.runner.progressed.connect(meddle)
    view.train.start()
    for _ in range(3):
        qtbot.waitUntil(lambda: not dock.runner.busy, timeout=240_000)
        qtbot.wait(60)
    assert deleted == ["prediction"]
    mask = project.mask("a")
    assert mask is not None
    assert (view.layers.find("prediction").data == mask).all()
    assert view.layers.find("image").name == "renamed"
    assert SliceKey("a", 4) in project.labels
