"""A project with a trained cycle that no training made, and its layers in a viewer without a window."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.components import ViewerModel

from builders import add_cycle, set_prediction  # noqa: F401  (also for the widgets' tests)
from voidscope.project import Project
from voidscope.widgets.layers import ScanLayers
from voidscope.widgets.strokes import Strokes


def predict(project: Project, scan: str, seed: int = 0) -> np.ndarray:
    """Give a scan a random mask of the current model."""
    shape = project.scan(scan).shape
    mask = np.random.default_rng(seed).integers(1, len(project.classes) + 1, shape).astype(np.uint8)
    set_prediction(project, project.cycle.id, scan, mask, np.full(shape, 0.5, np.float16))
    return mask


class Bench:
    """Viewer model, layers and strokes of a project."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.viewer = ViewerModel()
        self.layers = ScanLayers(self.viewer, project)
        self.strokes = Strokes(project, self.layers)
        self.told: list[str] = []
        self.strokes.failed.connect(self.told.append)
        self.strokes.refused.connect(lambda sentence: self.told.append(sentence) if sentence else None)
        self.strokes.recovered.connect(self.told.append)

    def find(self, role: str) -> Any:
        return self.layers.find(role)

    def paint(self, index: int, value: int, at: tuple[int, int] = (10, 10)) -> None:
        """A stroke on a slice along axis 1."""
        layer = self.find("labels")
        self.layers.jump(type(self.layers.key)(self.layers.scan, index))
        layer.selected_label = value
        layer.paint((at[0], index, at[1]), value)
