"""What the viewer shows of a scan; the only file that touches `viewer.layers`.

Layers are found by the metadata put on them here, never by name, so that a person may rename, reorder or delete
them; a deleted one comes back with the next scan or result.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.utils.colormaps import DirectLabelColormap
from qtpy.QtCore import QObject, QTimer, Signal

from voidscope.acquisition import pixel_rareness
from voidscope.project import Project, ScanRecord
from voidscope.vocabulary import ClassMap, Mask, Role, SliceKey
from voidscope.volume import slice_index

ROLE = "voidscope"
"""Metadata key that says what a layer is to us: image, labels, prediction, rareness, uncertainty or pointer."""
POINTER_MS = 1800
"""How long the box at the driving pixel stays."""
HEATMAPS = ("rareness", "uncertainty")


class ScanLayers(QObject):
    """Shows one scan of a project at a time; `shown(scan)` after another scan came into view."""

    shown = Signal(str)

    def __init__(self, viewer: Any, project: Project, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._project = project
        self._scan: str | None = None
        self._pointer = QTimer(self)
        self._pointer.setSingleShot(True)
        self._pointer.timeout.connect(self._remove_pointer)

    @property
    def scan(self) -> str | None:
        """The scan in view."""
        return self._scan

    @property
    def record(self) -> ScanRecord | None:
        """Its record."""
        return self._project.scan(self._scan) if self._scan else None

    @property
    def key(self) -> SliceKey | None:
        """The slice in view."""
        record = self.record
        if record is None:
            return None
        step = int(self._viewer.dims.current_step[record.plane.axis])
        return SliceKey(record.name, min(max(step, 0), record.n_slices - 1))

    def find(self, role: str) -> Any:
        """Our layer with this role, or None."""
        return next((layer for layer in self._viewer.layers if layer.metadata.get(ROLE) == role), None)

    def show(self, scan: str) -> None:
        """Bring a scan into view with everything known about it; nothing happens when it is there already."""
        if scan == self._scan and self.find("image") is not None and self.find("labels") is not None:
            return
        record, volume = self._project.scan(scan), self._project.volume(scan)
        self.clear()
        self._scan = scan
        limits = (record.intensity.low, record.intensity.high)
        self._viewer.add_image(
            volume.voxels, name=scan, contrast_limits=limits, colormap="gray", **self._placed("image")
        )
        self.show_results()
        self._add_labels(record)
        self._face(record)
        self.shown.emit(scan)

    def clear(self) -> None:
        """Take our layers out of the viewer."""
        self._scan = None
        for layer in [la for la in self._viewer.layers if ROLE in la.metadata]:
            self._viewer.layers.remove(layer)

    def show_results(self) -> None:
        """Show the current model's mask and heatmaps of the scan in view, or take old ones away."""
        if self._scan is None:
            return
        mask = self._project.mask(self._scan)
        if mask is None:
            for role in ("prediction", *HEATMAPS):
                self._remove(role)
            return
        entropy = self._project.uncertainty(self._scan)
        self._show_prediction(mask, np.zeros(mask.shape, np.float32) if entropy is None else entropy)

    def show_slice(self, key: SliceKey, mask: Mask, entropy: npt.NDArray[np.float32]) -> None:
        """Put one freshly predicted slice into the layers of the scan in view."""
        record = self.record
        if record is None or key.scan != self._scan:
            return
        if self.find("prediction") is None:
            self._show_prediction(np.zeros(record.shape, np.uint8), np.zeros(record.shape, np.float32))
        where = slice_index(record.plane, key.index)
        for role, values in (("prediction", mask), ("uncertainty", entropy)):
            layer = self.find(role)
            if layer is not None:
                layer.data[where] = values
                if key == self.key:
                    layer.refresh()

    def show_label(self, key: SliceKey) -> None:
        """Bring the labels layer in line with the project's label of one slice."""
        layer, record = self.find("labels"), self.record
        if layer is None or record is None or key.scan != self._scan:
            return
        label = self._project.labels.get(key)
        where = slice_index(record.plane, key.index)
        wanted = np.zeros(record.slice_shape, np.uint8) if label is None else label
        if not np.array_equal(layer.data[where], wanted):
            layer.data[where] = wanted
            layer.refresh()

    def jump(self, key: SliceKey, pixel: tuple[int, int] | None = None) -> None:
        """Go to a slice; with a pixel (y, x), centre on it and draw a short-lived box there.

        Contrast, tool and class stay as they are.
        """
        self.show(key.scan)
        record = self._project.scan(key.scan)
        self._viewer.dims.set_current_step(record.plane.axis, key.index)
        if pixel is not None:
            self._centre(record, pixel)
            self._point(record, key, pixel)

    def paint_with(self, class_id: int) -> None:
        """Choose the class that painting puts down, and make the labels layer the one painted on."""
        layer = self.find("labels")
        if layer is not None:
            layer.selected_label = class_id
            layer.mode = "paint"
            self._viewer.layers.selection.active = layer

    def toggle(self, role: str) -> None:
        """Show or hide a layer."""
        layer = self.find(role)
        if layer is not None:
            layer.visible = not layer.visible

    def next_heatmap(self) -> None:
        """Rareness, uncertainty, none, and round again."""
        there = [la for la in map(self.find, HEATMAPS) if la is not None]
        now = next((k for k, la in enumerate(there) if la.visible), len(there))
        for k, layer in enumerate(there):
            layer.visible = k == (now + 1) % (len(there) + 1)

    # -- inside -----------------------------------------------------------------------------------------------

    def _placed(self, role: str) -> dict[str, Any]:
        """Scale, units and axis names in which every layer of a scan agrees."""
        record = self.record
        spacing = record.spacing_um if record is not None else None
        return {
            "scale": spacing or (1.0, 1.0, 1.0), "units": ("um" if spacing else "pixel",) * 3,
            "axis_labels": ("z", "y", "x"), "metadata": {ROLE: role},
        }  # fmt: skip

    def _add_labels(self, record: ScanRecord) -> None:
        painted = np.zeros(record.shape, np.uint8)
        for key in self._project.labels:
            label = self._project.labels.get(key) if key.scan == record.name else None
            if label is not None:
                painted[slice_index(record.plane, key.index)] = label
        layer = self._viewer.add_labels(
            painted,
            name="labels",
            colormap=class_colours(self._project.classes, background=0.35),
            opacity=0.5,
            **self._placed("labels"),
        )
        layer.brush_size = 4
        layer.selected_label = min(self._project.classes.ids_with_role(Role.VOID), default=1)

    def _show_prediction(self, mask: Mask, entropy: npt.NDArray[np.float32]) -> None:
        survey = self._project.survey
        shares = _shares(mask, len(self._project.classes)) if survey is None else survey.class_distribution()
        nats = math.log(len(self._project.classes))
        colours = class_colours(self._project.classes, background=0.0)
        self._put_labels("prediction", mask, colours)
        self._put_heat("rareness", pixel_rareness(mask, shares), (math.exp(-1), 1.0), "viridis")
        self._put_heat("uncertainty", np.array(entropy, np.float32), (0.0, nats), "magma")

    def _put_labels(self, role: str, data: Mask, colours: DirectLabelColormap) -> None:
        layer = self.find(role)
        if layer is not None:
            layer.data = data.copy()
            return
        layer = self._viewer.add_labels(
            data.copy(), name=role, colormap=colours, opacity=0.45, **self._placed(role)
        )
        layer.editable = False
        self._below_labels(layer)

    def _put_heat(
        self, role: str, data: npt.NDArray[np.float32], limits: tuple[float, float], colormap: str
    ) -> None:
        layer = self.find(role)
        if layer is not None:
            layer.data = data
            return
        layer = self._viewer.add_image(
            data,
            name=f"{role} heatmap",
            contrast_limits=limits,
            colormap=colormap,
            opacity=0.6,
            visible=False,
            **self._placed(role),
        )
        self._below_labels(layer)

    def _below_labels(self, layer: Any) -> None:
        """Keep what a person paints on top, and what they had chosen active."""
        labels = self.find("labels")
        if labels is not None:
            layers = self._viewer.layers
            layers.move(layers.index(layer), layers.index(labels))
            layers.selection.active = labels

    def _face(self, record: ScanRecord) -> None:
        """Turn the viewer so that slices along the scan's plane are in view, in 2D, starting in the middle."""
        axis = record.plane.axis
        self._viewer.dims.ndisplay = 2
        self._viewer.dims.order = (axis, *(a for a in range(3) if a != axis))
        self._viewer.dims.set_current_step(axis, record.n_slices // 2)
        self._viewer.reset_view()

    def _centre(self, record: ScanRecord, pixel: tuple[int, int]) -> None:
        spacing = record.spacing_um or (1.0, 1.0, 1.0)
        shown = [a for a in range(3) if a != record.plane.axis]
        at = tuple(p * spacing[a] for p, a in zip(pixel, shown, strict=True))
        camera = getattr(self._viewer, "scene", self._viewer).camera  # napari < 0.9 keeps it on the viewer
        camera.center = (camera.center[0], *at)

    def _point(self, record: ScanRecord, key: SliceKey, pixel: tuple[int, int]) -> None:
        self._remove_pointer()
        active = self._viewer.layers.selection.active
        reach = max(4.0, 0.06 * max(record.slice_shape))
        corners = [(-reach, -reach), (-reach, reach), (reach, reach), (reach, -reach)]
        box = np.array(
            [np.insert((pixel[0] + y, pixel[1] + x), record.plane.axis, key.index) for y, x in corners]
        )
        self._viewer.add_shapes(
            [box],
            shape_type="polygon",
            name="suggested here",
            edge_color="#ffe066",
            edge_width=0.8,
            face_color="transparent",
            **self._placed("pointer"),
        )
        self._viewer.layers.selection.active = active
        self._pointer.start(POINTER_MS)

    def _remove_pointer(self) -> None:
        self._remove("pointer")

    def _remove(self, role: str) -> None:
        layer = self.find(role)
        if layer is not None:
            self._viewer.layers.remove(layer)


def class_colours(classes: ClassMap, background: float) -> DirectLabelColormap:
    """A label colormap of the class colours; `background` is the opacity of background classes."""
    table: dict[int | None, Any] = {None: (0, 0, 0, 0), 0: (0, 0, 0, 0)}
    for class_id, entry in enumerate(classes.classes, start=1):
        rgb = [int(entry.colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        table[class_id] = (*rgb, background if entry.role is Role.BACKGROUND else 1.0)
    return DirectLabelColormap(color_dict=table)


def _shares(mask: Mask, n_classes: int) -> npt.NDArray[np.float64]:
    counts = np.bincount(mask.ravel(), minlength=n_classes + 1)[1:]
    return np.asarray(counts / max(1, counts.sum()), dtype=np.float64)
