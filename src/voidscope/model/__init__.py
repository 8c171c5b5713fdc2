"""The network: its seam, weights, devices, and what it says about a slice in one forward pass.

The names below load torch when first used, not when this room is imported, so that `doctor` can speak about a
broken torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voidscope.model.checkup import Check, doctor
    from voidscope.model.devices import Compute, choose_device, visible_gpus
    from voidscope.model.predict import predict_slices
    from voidscope.model.segmenter import Segmenter, build_segmenter, load_segmenter
    from voidscope.model.summary import SlicePrediction, summarise
    from voidscope.model.weights import backbone_bytes, load_backbone, load_weights, weights_bytes

_HOMES = {
    "devices": ("Compute", "choose_device", "visible_gpus"),
    "checkup": ("Check", "doctor"),
    "predict": ("predict_slices",),
    "segmenter": ("Segmenter", "build_segmenter", "load_segmenter"),
    "summary": ("SlicePrediction", "summarise"),
    "weights": ("backbone_bytes", "load_backbone", "load_weights", "weights_bytes"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Check",
    "Compute",
    "Segmenter",
    "SlicePrediction",
    "backbone_bytes",
    "build_segmenter",
    "choose_device",
    "doctor",
    "load_backbone",
    "load_segmenter",
    "load_weights",
    "predict_slices",
    "summarise",
    "visible_gpus",
    "weights_bytes",
]


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'voidscope.model' has no attribute {name!r}")
    return getattr(import_module(f"voidscope.model.{_HOME_OF[name]}"), name)
