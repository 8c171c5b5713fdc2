"""Points as a run would have kept them, with scores to choose."""

from __future__ import annotations

from typing import Any

from voidscope.benchmark import Cell, Method


def point(method: Method, seed: int, n_labelled: int, pool: int = 400, **given: Any) -> dict[str, Any]:
    """A point of a method; scores not given are 0.5."""
    scores = dict.fromkeys(
        ("miou", "miou_foreground", "void_iou", "void_ratio_error", "verdict_agreement"), 0.5
    )
    return {
        "cell": Cell(method, seed).id, "method": method.name, "seed": seed, "budget": n_labelled, "n_labelled": n_labelled,
        "pool": pool, "reduced": "", "changed": "", "dataset": "scans", "void_slices": 2, "iou": {"solder": 0.7, "void": None},
        "seconds": {"suggest": 1.0, "train": 1800.0, "segment": 1799.0}, "device": "cpu", "threads": 1, "created": "2025-01-01",
        "versions": {"voidscope": "0"}, "python": "3", "platform": "here", **scores, **given,
    }  # fmt: skip


def curve(method: Method, seed: int, *mious: float, step: int = 10) -> list[dict[str, Any]]:
    """Points at `step`, twice `step` ... labelled slices with these mIoU and void IoU."""
    return [point(method, seed, step * k, miou=m, void_iou=m) for k, m in enumerate(mious, start=1)]
