"""Which slice of a scan the viewer shows, and where it looks: dims and camera, no layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from voidscope.project import ScanRecord
from voidscope.volume import Spacing

CLOSE_UP_PX = 256
"""A jump zooms in on slices larger than this; smaller ones stay whole in view."""
SOLID = "The scan is shown in 3-D, where no slice is in view; turn back to slices first (3-D in Measure, or the square below napari's layer list)."
BEYOND = "The slider is beyond {}, as another layer is larger; move it back to a slice of the scan first."


class SliceView:
    """Turns a viewer to the slices of a scan; other layers in the viewer may have more axes than a scan."""

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer

    @property
    def camera(self) -> Any:
        """The viewer's camera; napari moved it to `scene` in 0.9."""
        scene = getattr(self._viewer, "scene", None)
        return self._viewer.camera if scene is None else scene.camera

    @property
    def solid(self) -> bool:
        """Whether the volume is shown in 3-D."""
        return int(self._viewer.dims.ndisplay) == 3

    def unseen(self, record: ScanRecord | None, layer: Any) -> str:
        """Why no slice of a scan is in view, `layer` being one of its layers; empty where one is."""
        if self.solid:
            return SOLID
        if record is None or layer is None:
            return ""
        at = float(layer.world_to_data(self._viewer.dims.point)[record.plane.axis])
        return "" if -0.5 <= round(at, 3) <= record.n_slices - 0.5 else BEYOND.format(record.name)

    def face(self, record: ScanRecord, index: int) -> None:
        """Show slices along the scan's plane, in 2-D, whole, starting with this one."""
        dims, axis = self._viewer.dims, self._axis(record)
        others = [a for a in range(dims.ndim) if a != axis]
        dims.ndisplay = 2
        dims.order = (*others[:-2], axis, *others[-2:])
        self.go(record, index)
        self._viewer.reset_view()

    def index(self, record: ScanRecord, layer: Any) -> int:
        """Index along the scan's plane of the slice of `layer` (one of the scan's) that is in view."""
        where = layer.world_to_data(self._viewer.dims.point)[record.plane.axis]
        return min(max(int(np.round(where)), 0), record.n_slices - 1)

    def under_cursor(self, record: ScanRecord, layer: Any) -> tuple[int, int] | None:
        """The pixel (y, x) of the slice in view under the mouse; None when the mouse is beside it."""
        return pixel_at(record, layer, self._viewer.cursor.position)

    def go(self, record: ScanRecord, index: int) -> None:
        """Show a slice."""
        self._viewer.dims.set_point(self._axis(record), index * lengths(record)[record.plane.axis])

    def look_at(self, record: ScanRecord, pixel: tuple[int, int]) -> None:
        """Look at a pixel (y, x): close up in large slices, small ones whole; never past the slice's edge."""
        shown = [a for a in range(3) if a != record.plane.axis]
        step = [lengths(record)[a] for a in shown]
        before = self.camera.zoom
        self._viewer.reset_view()
        whole = self.camera.zoom
        self.camera.zoom = zoom_on(record.slice_shape, whole, before)
        extent = [n * s for n, s in zip(record.slice_shape, step, strict=True)]
        reach = max(extent) * whole / self.camera.zoom / 2
        at = [centre_on((p + 0.5) * s, n, reach) - s / 2 for p, s, n in zip(pixel, step, extent, strict=True)]
        self.camera.center = (*self.camera.center[:-2], *at)

    def _axis(self, record: ScanRecord) -> int:
        """The scan's slice axis among the viewer's; scans use the last three."""
        return int(self._viewer.dims.ndim) - 3 + record.plane.axis


def pixel_at(record: ScanRecord, layer: Any, position: Any) -> tuple[int, int] | None:
    """The pixel (y, x) of a slice at a position of the viewer; None beside the slice."""
    at = layer.world_to_data(position)
    y, x = (int(np.round(at[axis])) for axis in range(3) if axis != record.plane.axis)
    h, w = record.slice_shape
    return (y, x) if 0 <= y < h and 0 <= x < w else None


def lengths(record: ScanRecord) -> Spacing:
    """What a voxel measures in the viewer: um, or pixels where the spacing is unknown."""
    return record.spacing_um or (1.0, 1.0, 1.0)


def place(layer: Any, record: ScanRecord) -> None:
    """Give a layer the spacing of a scan, where it has another: napari moves all layers whenever one is told."""
    if tuple(layer.scale) != lengths(record):
        layer.scale = lengths(record)


def fill(layer: Any, data: Any, record: ScanRecord) -> None:
    """Give a layer data of a scan; how far a hidden one reached before napari forgets only when its scale is set."""
    old = np.shape(layer.data)
    layer.data = data
    if layer.visible or np.shape(data) == old == record.shape:
        place(layer, record)
    else:
        layer.scale = lengths(record)


def units(record: ScanRecord) -> tuple[str, str, str]:
    """The unit of `lengths` along each axis."""
    unit = "um" if record.spacing_um else "pixel"
    return (unit, unit, unit)


def zoom_on(shape: tuple[int, int], whole: float, before: float) -> float:
    """Zoom for looking at a pixel of a slice of `shape` (h, w).

    `whole` is the zoom that just fits the slice, `before` the one the person had: never zoom out of a large slice.
    """
    return max(before, whole * max(shape) / CLOSE_UP_PX) if max(shape) > CLOSE_UP_PX else whole


def centre_on(at: float, extent: float, reach: float) -> float:
    """Centre of a view that sees `reach` to either side and should show `at`, along an axis of `extent` from 0.

    As near to `at` as the view can come without looking past an end; the middle where it sees all.
    """
    return extent / 2 if 2 * reach >= extent else min(max(at, reach), extent - reach)
