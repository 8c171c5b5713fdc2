"""What the viewer shows of a scan; with `own_layers`, which it is made of, the only file that changes `viewer.layers`, but for a blind study.

Layers are found by the metadata put on them here, never by name, so that a person may rename, reorder, duplicate or
delete them; a deleted one comes back with the next scan, jump or result. How a person set a layer (visible, opacity,
brush, tool, class ...) is carried over when it is made anew for another scan or model.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QObject, Signal

from voidscope.errors import VoidscopeError
from voidscope.project import Project, ScanRecord
from voidscope.vocabulary import Mask, Plane, Role, SliceKey
from voidscope.volume import slice_index
from voidscope.widgets.ahead import Act, Ahead
from voidscope.widgets.colours import FlickerMap, RarenessMap, UncertaintyMap, class_shares
from voidscope.widgets.filled import Filled
from voidscope.widgets.held_mouse import HeldMouse
from voidscope.widgets.labels_layer import LabelsLayer
from voidscope.widgets.looks import Looks
from voidscope.widgets.marks import Marks
from voidscope.widgets.own_layers import OwnLayers
from voidscope.widgets.rejections import Rejections
from voidscope.widgets.result_layers import RESULTS, ResultLayers, own_data
from voidscope.widgets.sight import Sight, found, sight
from voidscope.widgets.slice_view import SliceView, lengths, units
from voidscope.widgets.solid_view import SolidView

BRUSH_PX = 4

OPENED = "{} is being opened; wait until it is in view."


class ScanLayers(QObject):
    """Shows one scan of a project at a time.

    `leaving()` before another scan is read, so that all strokes are saved, `leaves()` before it takes the labels layer; `shown(scan)`
    after it came into view, with no name when the last one went. `class_chosen(id)` when the class or the tool changed; 0 while none is
    painted. `looked(key)` after a quick look at a slice came into view, `looked(None)` when none is there any more. `troubled(sentence)`
    where a scan or its results cannot be shown.
    """

    leaving = Signal()
    leaves = Signal()
    shown = Signal(str)
    class_chosen = Signal(int)
    looked = Signal(object)
    troubled = Signal(str)

    def __init__(self, viewer: Any, project: Project, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._view, self.listed = SliceView(viewer), viewer.layers.events
        self._project = project
        self._scan: str | None = None
        self._plane: Plane | None = None
        void = min(project.classes.ids_with_role(Role.VOID), default=1)
        looks = Looks({"labels": {"brush_size": BRUSH_PX, "selected_label": void}})
        self.own = OwnLayers(viewer, looks, lambda: project.scan(self._scan or ""))
        self.find = self.own.find
        self.labels = LabelsLayer(self.own, project.classes, self.class_chosen.emit)
        self._mouse, self._told = HeldMouse(viewer, self), partial(_told, self.troubled.emit)
        self.ahead = Ahead(project, self)
        self.ahead.read.connect(self._mask_read)
        self.ahead.runner.failed.connect(self.troubled)
        self.marks = Marks(viewer, self.find, self.own.add, self.own.put_away, self)
        self.rejections, self.note = Rejections(), self.marks.note
        self.solid = SolidView(viewer, self.find, void)
        self.results = ResultLayers(self.find, self.own.add, project.classes)
        """The layers of what a model said."""
        self.filled = Filled((0, 0))  # the stored labels that are in the labels layer in view

    @property
    def scan(self) -> str | None:
        """The scan in view."""
        return self._scan

    @property
    def record(self) -> ScanRecord | None:
        """Its record; None also where the project has it no longer."""
        return self._project.scans.get(self._scan or "")

    @property
    def key(self) -> SliceKey | None:
        """The slice in view."""
        record, layer = self.record, self.own.placed
        if record is None or layer is None:
            return None
        return SliceKey(record.name, self._view.index(record, layer))

    @property
    def waits(self) -> str:
        """Why nothing meant for a slice is done to the one in view: another is gone to, whose scan is being opened, or none is seen; else empty."""
        goal = self.ahead.goal
        return OPENED.format(goal) if goal else self._view.unseen(self.record, self.own.placed)

    @property
    def chosen_class(self) -> int:
        """The class chosen for painting last, whatever the tool is now and also while label 0 erases."""
        return self.labels.chosen

    @property
    def class_id(self) -> int:
        """The class that a stroke would put down now; 0 while the tool on the labels layer paints none."""
        return self.labels.class_id

    def show(self, scan: str, otherwise: Act = lambda: None) -> None:
        """Bring a scan into view with everything known about it; where it is there already, only what was taken out comes back.

        One that is not at hand is opened on the way, and comes into view when that is done, unless the person goes elsewhere; where it
        cannot be, which is told, `otherwise` is done. While a mouse button is down on the picture it waits.

        Raises `VoidscopeError` where one that is at hand cannot be read; then nothing has changed.
        """
        self.ahead.come_to(scan, self._scan, partial(self._show, scan), otherwise)

    def _show(self, scan: str, index: int | None = None) -> None:
        if scan == self._scan and self.find("image") is not None and self.find("labels") is not None:
            if self.find("prediction") is None and self._project.is_segmented(scan):
                self.show_results()
            return
        if self._scan is not None and self._mouse.holds(
            partial(_later, self._project, scan, self._told, self._show, scan, index)
        ):
            return
        self.leaving.emit()
        if index is None:
            back = self.key
            middle = self._project.scan(scan).n_slices // 2
            index = back.index if back is not None and back.scan == scan else middle
        new = sight(self._project, SliceKey(scan, index), self.troubled.emit)
        self.leaves.emit()
        with ExitStack() as failing:
            # rather nothing in view than the picture of one scan under the name of another
            failing.callback(self.shown.emit, "")
            failing.callback(self.clear)
            self._take_over(new)
            failing.pop_all()
        self.shown.emit(scan)

    def _take_over(self, new: Sight) -> None:
        """Put what was read of a scan into the layers; with results, which hinder nothing where they are damaged."""
        self.solid.leave()
        if self.find("image") is None or not _alike(self.record, new.record):
            self.clear()
        else:
            self.marks.hide()
        before, self._scan = self._scan, new.record.name
        self._plane, self.filled = new.record.plane, new.filled
        self._project.memory.look_at(new.record.name)
        self.own.put_image(new.voxels, before)
        self._viewer.layers.selection.active = self.labels.fill(new.painted, new.record)
        self._mouse.follow()
        self.show_results()
        self._view.face(new.record, new.index)

    def clear(self) -> None:
        """Take our layers out of the viewer; what is being read for them comes into view no more."""
        self.ahead.leave()
        self._mouse.leave()
        self.solid.leave()
        self.marks.hide()
        self.labels.leave()
        self.own.clear(self._scan or "")
        self._scan = None

    def place(self) -> None:
        """Give the layers of the scan in view the spacing, and the view the plane, that the project now has for it."""
        if self.record is not None and self.record.plane is not self._plane:
            scan = self.record.name
            self.clear()
            self._told(self.show, scan)
        image, record, key = self.find("image"), self.record, self.key
        if image is None or record is None or key is None or tuple(image.scale) == lengths(record):
            return
        self.marks.hide()
        for layer in self.own.all():
            layer.scale, layer.units = lengths(record), units(record)
        self._view.face(record, key.index)

    def show_results(self) -> None:
        """Show the current model's mask and heatmaps of the scan in view, or take old ones away."""
        self.solid.leave()
        if self.results.end_previews():
            self.looked.emit(None)
        record = self.record
        if record is None:
            return
        mask, shown, survey = found(self._project, self.ahead, self.rejections, record, self.troubled.emit)
        if mask is None or shown is None:
            for role in RESULTS:
                self.own.put_away(role)
            if not self._project.is_segmented(record.name):
                self.rejections.lapse(record.name)
            return
        shares = partial(class_shares, mask, survey, len(self._project.classes))
        put = self.results
        put.put_prediction(shown, record)
        put.put_heat("rareness", RarenessMap(mask, shares), record, (math.exp(-1), 1.0), "viridis")
        if self._project.memory.has_uncertainty(record.name):
            entropy = UncertaintyMap(
                partial(self._project.uncertainty, record.name), mask.shape, self.troubled.emit
            )
            put.put_uncertainty(entropy, record)
        put.put_heat("flicker", FlickerMap(mask, record.plane.axis), record, (0.0, 1.0), "magma")

    def show_slice(self, key: SliceKey, mask: Mask, entropy: npt.NDArray[np.float32]) -> None:
        """Put one freshly predicted slice into the layers of the scan in view, unless all of it is there already."""
        if not self._project.is_segmented(key.scan) and key not in self.results.previews:
            self._put_slice(key, mask, entropy)

    def show_preview(self, key: SliceKey, mask: Mask) -> bool:
        """Put what a quick look saw into the prediction of the scan in view, in place of what the model said of that slice.

        The project is not touched. Returns False when another scan has come into view, a person has rejected the slice, or what is in
        view is the body in 3-D, which is what was measured.
        """
        if key in self.rejections or self.solid.on or not self._put_slice(key, mask):
            return False
        self.results.preview(key, mask)
        self.looked.emit(key)
        return True

    @property
    def previewing(self) -> bool:
        """Whether a quick look is in the layers."""
        return bool(self.results.previews)

    def _put_slice(self, key: SliceKey, mask: Mask, entropy: npt.NDArray[np.float32] | None = None) -> bool:
        """Put one slice into the prediction and uncertainty layers, made where missing; False for another scan's."""
        record = self.record
        if record is None or key.scan != self._scan:
            return False
        for layer in self.results.write(key, mask, entropy, record):
            self._refresh(layer, key)
        return True

    def show_label(self, key: SliceKey) -> None:
        """Bring the labels layer in line with the project's label of one slice."""
        layer, record = self.find("labels"), self.record
        if layer is None or record is None or key.scan != self._scan:
            return
        layer.data[slice_index(record.plane, key.index)] = self.filled.fill(self._project.labels, key)
        self._refresh(layer, key)

    def prediction(self, key: SliceKey) -> Mask | None:
        """What is in view of a slice: a quick look, or what the current model says; None where it was rejected or its layer taken out."""
        if key in self.rejections or (key.scan == self._scan and self.find("prediction") is None):
            return None
        return self.results.previews[key].copy() if key in self.results.previews else self._predicted(key)

    def _predicted(self, key: SliceKey) -> Mask | None:
        """What the current model says of a slice, as far as it has segmented it."""
        record, mask = self._project.scan(key.scan), self.ahead.held(key.scan)
        layer = self.find("prediction")
        if mask is None and key.scan == self._scan and layer is not None:
            mask = layer.data
        if mask is None:
            return None
        found = np.array(mask[slice_index(record.plane, key.index)], dtype=np.uint8)
        return found if found.all() else None

    def reject(self, key: SliceKey) -> bool:
        """Put the prediction of a slice, or the quick look at it, out of sight and out of reach, or bring it back; whether it is out now.

        It stays out, and no quick look comes into its place, until another model's results are shown.
        """
        mask, look = self.rejections.pop(key), self.results.previews.get(key)
        if mask is None:
            found = self._predicted(key)
            if found is None:
                return False
            self.rejections.add(key, found)
        layer, record = self.find("prediction"), self.record
        if layer is not None and record is not None and key.scan == self._scan:
            back = mask if look is None else look
            own_data(layer)[slice_index(record.plane, key.index)] = 0 if mask is None else back
            self._refresh(layer, key)
        if look is not None:
            self.looked.emit(None if mask is None else key)
        return mask is None

    def under_cursor(self) -> tuple[int, int] | None:
        """The pixel (y, x) of the slice in view that the mouse is on; None when it is beside the slice."""
        record, layer = self.record, self.find("labels")
        return None if record is None or layer is None else self._view.under_cursor(record, layer)

    def jump(self, key: SliceKey, at: tuple[int, int] | None = None, otherwise: Act = lambda: None) -> None:
        """Go to a slice; with a pixel (y, x) centre on it, zoom in and draw a short-lived box there. Tool and class stay as they are.

        A scan that is not at hand is opened on the way, as by `show`.
        """
        self.ahead.come_to(key.scan, self._scan, partial(self._go, key, at), otherwise)

    def _go(self, key: SliceKey, pixel: tuple[int, int] | None) -> None:
        if self._scan is not None and self._mouse.holds(
            partial(_later, self._project, key.scan, self._told, self._go, key, pixel)
        ):
            return
        self._show(key.scan, key.index)
        self.solid.leave()
        record = self._project.scan(key.scan)
        self._view.go(record, key.index)
        if pixel is not None:
            self._view.look_at(record, pixel)
            self.marks.point(record, key.index, pixel)

    def paint_with(self, class_id: int) -> None:
        """Choose the class that painting puts down, and make the labels layer the one painted on."""
        if self._scan is None:
            return
        self._told(self.show, self._scan)
        layer = self.find("labels")
        if layer is not None:
            self.labels.paint_with(class_id)
            self._viewer.layers.selection.active = layer

    def toggle(self, role: str) -> None:
        """Show or hide a layer; one that a person has taken out comes back."""
        layer = self.find(role)
        if layer is not None:
            layer.visible = not layer.visible
        elif self._scan is not None:
            self._told(self.show, self._scan)

    def _mask_read(self, scan: str) -> None:
        if scan == self._scan:
            self.show_results()

    def _refresh(self, layer: Any, key: SliceKey) -> None:
        """Redraw a layer if the slice that changed can be seen."""
        if self._view.solid or key == self.key:
            layer.refresh()


def _alike(before: ScanRecord | None, record: ScanRecord) -> bool:
    """Whether the layers of a scan can take another, which is much quicker than making them anew."""
    return before is not None and before.dtype == record.dtype and units(before) == units(record)


def _later(project: Project, scan: str, go: Callable[..., object], *where: Any) -> None:
    """Go to a scan now that no button is down, unless it was removed meanwhile."""
    if scan in project.scans:
        go(*where)


def _told(tell: Callable[[str], object], go: Callable[..., object], *where: Any) -> None:
    """Go somewhere; where that cannot be, it is told and what is in view stays."""
    try:
        go(*where)
    except VoidscopeError as error:
        tell(str(error))
