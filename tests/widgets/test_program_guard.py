"""What drew a layer that a person deleted stays, for software that draws goes on reading it."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from vispy.gloo import glir


def test_no_program_of_a_deleted_layer_is_deleted(dock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    deleted: list[int] = []
    monkeypatch.setattr(glir.gl, "glDeleteProgram", deleted.append)
    viewer, layers = dock._viewer, dock.view.layers
    for _ in range(3):
        viewer.screenshot(canvas_only=True, flash=False)
        viewer.layers.remove(layers.find("labels"))
        gc.collect()
        viewer.screenshot(canvas_only=True, flash=False)
        layers.paint_with(4)  # the layer comes back
        layers.jump(layers.key)
    assert layers.find("labels") is not None and deleted == []
