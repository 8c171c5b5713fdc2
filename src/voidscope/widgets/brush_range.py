"""The range of intensities a brush keeps to: a switch, a slider, and following what the mouse presses."""

from __future__ import annotations

import math

import numpy as np
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QVBoxLayout, QWidget
from superqt import QElidingLabel, QRangeSlider

from voidscope.project import Project
from voidscope.widgets.layers import ScanLayers
from voidscope.widgets.limited_brush import LimitedBrush

STEPS = 1000
"""Positions of the slider over the scan's contrast, which it exceeds by `BEYOND` of it on both sides."""
BEYOND = 0.25

NOTHING = "all of this slice: no limit"


class BrushRange(QWidget):
    """Sets a `LimitedBrush`; `valueChanged(low, high)` when a person moves the slider.

    A handle at the end of the slider is no limit on that side.
    """

    valueChanged = Signal(float, float)

    def __init__(self, project: Project, layers: ScanLayers, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._layers = layers
        self._brush = LimitedBrush(project, layers, self)
        self.limited = QCheckBox("W  Paint only within")
        self.following = QCheckBox("Like the pixel I press")
        self.slider = QRangeSlider(Qt.Orientation.Horizontal)
        self.words = QElidingLabel()
        self.limited.setToolTip(
            "Paint, fill and polygon touch only pixels whose intensity lies in the range (W). Erasing is free."
        )
        self.following.setToolTip(
            "Each press of the mouse sets the range to what looks like the pixel under it."
        )
        self.slider.setToolTip("Intensities that may be painted; a handle at the end is no limit.")
        self._lay_out()
        self._brush.limits_changed.connect(self.setValue)
        self._brush.limits_changed.connect(self._say)
        self._brush.limits_nothing.connect(lambda: self.words.setText(NOTHING))
        self.limited.toggled.connect(self._switch)
        self.following.toggled.connect(self._follow)
        self.slider.valueChanged.connect(self._moved)
        layers.shown.connect(self._rescale)
        self.following.setChecked(True)
        self._switch(False)
        if layers.scan is not None:
            self._brush.watch()
            self._rescale()

    def value(self) -> tuple[float, float]:
        """The intensities (low, high) that may be painted; infinite where there is no limit."""
        low, high = self.slider.value()
        first, last = self._ends()
        at = [first + k * (last - first) / STEPS for k in (low, high)]
        return (-math.inf if low <= 0 else at[0], math.inf if high >= STEPS else at[1])

    def setValue(self, low: float, high: float) -> None:
        """Show a range without telling anyone."""
        first, last = self._ends()
        step = (last - first) / STEPS or 1.0
        places = [min(max(round((min(max(v, first), last) - first) / step), 0), STEPS) for v in (low, high)]
        self.slider.blockSignals(True)
        self.slider.setValue(tuple(places))
        self.slider.blockSignals(False)

    def toggle(self) -> None:
        """Limit the brush, or no longer."""
        self.limited.setChecked(not self.limited.isChecked())

    def release(self) -> None:
        """Leave the layers alone."""
        self._brush.release()

    def _ends(self) -> tuple[float, float]:
        """What the ends of the slider stand for in the scan in view."""
        record = self._layers.record
        low, high = (0.0, 1.0) if record is None else (record.intensity.low, record.intensity.high)
        beyond = BEYOND * (high - low)
        return low - beyond, high + beyond

    def _rescale(self) -> None:
        """Another scan has another contrast: no limit until one is chosen."""
        self.setValue(-math.inf, math.inf)
        self._brush.limits = self.value()
        self._say(*self.value())

    def _switch(self, on: bool) -> None:
        self._brush.on = on
        for widget in (self.slider, self.following, self.words):
            widget.setEnabled(on)
        self._say(*self._brush.limits)

    def _follow(self, on: bool) -> None:
        self._brush.following = on

    def _moved(self) -> None:
        """A range set by hand is meant: the next press does not move it."""
        self.following.setChecked(False)
        self._brush.limits = self.value()
        self._say(*self.value())
        self.valueChanged.emit(*self.value())

    def _say(self, low: float, high: float) -> None:
        record = self._layers.record
        digits = ".0f" if record is not None and np.dtype(record.dtype).kind in "iu" else ".4g"
        ends = (
            "lowest" if math.isinf(low) else f"{low:{digits}}",
            "highest" if math.isinf(high) else f"{high:{digits}}",
        )
        self.words.setText(f"{ends[0]} to {ends[1]}")

    def _lay_out(self) -> None:
        self.slider.setRange(0, STEPS)
        self.slider.setValue((0, STEPS))
        layout, row = QVBoxLayout(self), QHBoxLayout()
        row.addWidget(self.limited)
        row.addWidget(self.words, stretch=1)
        self.words.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        for box in (layout, row):
            box.setContentsMargins(0, 0, 0, 0)
            box.setSpacing(4)
        layout.addLayout(row)
        layout.addWidget(self.slider)
        layout.addWidget(self.following)
