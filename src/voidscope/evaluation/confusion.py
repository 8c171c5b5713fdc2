"""The pooled confusion matrix and what is read off it; matrices of several scans pool by addition."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt

from voidscope.errors import LabelError
from voidscope.vocabulary import UNLABELLED, Mask

Matrix = npt.NDArray[np.int64]

_CHUNK = 1 << 24
"""Pixels counted at once, so that a large volume needs little memory beside itself."""


def confusion_matrix(truth: Mask, mask: Mask, n_classes: int) -> Matrix:
    """Count pixels by true class (rows) and by the model's class (columns), (C, C); class id k + 1 at position k.

    Parameters
    ----------
    truth : class ids 1..C, any shape; pixels with 0 are unlabelled and ignored
    mask : class ids 1..C, same shape; the model must name a class everywhere
    n_classes : C

    Raises
    ------
    LabelError : shapes differ, ids are not whole numbers, or lie outside those ranges.
    """
    if truth.shape != mask.shape:
        raise LabelError(
            f"The truth has shape {truth.shape}, the mask {mask.shape}; compare the same slices of one scan."
        )
    _check_ids("truth", truth, UNLABELLED, n_classes)
    _check_ids("mask", mask, UNLABELLED + 1, n_classes)
    side = n_classes + 1
    flat_truth, flat_mask = truth.reshape(-1), mask.reshape(-1)
    counts = np.zeros(side * side, dtype=np.int64)
    for start in range(0, flat_truth.size, _CHUNK):
        part = slice(start, start + _CHUNK)
        pairs = flat_truth[part].astype(np.int64) * side + flat_mask[part].astype(np.int64)
        counts += np.bincount(pairs, minlength=side * side)
    return counts.reshape(side, side)[1:, 1:]


def iou(matrix: Matrix) -> npt.NDArray[np.float64]:
    """Intersection over union of each class, (C,); NaN for a class found neither in the truth nor in the masks.

    Raises
    ------
    LabelError : `matrix` is not a square table of pixel counts.
    """
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not np.all(matrix >= 0):
        raise LabelError(f"A confusion matrix is a square table of counts, got shape {matrix.shape}.")
    both = np.diagonal(matrix).astype(np.float64)
    either = matrix.sum(axis=0) + matrix.sum(axis=1) - both
    values = np.full(len(both), np.nan)
    np.divide(both, either, out=values, where=either > 0)
    return values


def miou(matrix: Matrix, exclude: Collection[int] = ()) -> float:
    """Mean IoU over the classes that occur; NaN when none does.

    Parameters
    ----------
    matrix : (C, C), as from `confusion_matrix`
    exclude : positions in the matrix (class id - 1) to leave out, e.g. the background's

    Raises
    ------
    LabelError : an excluded position is outside 0..C-1.
    """
    values = iou(matrix)
    outside = [position for position in exclude if not 0 <= position < len(values)]
    if outside:
        raise LabelError(
            f"Cannot leave out position {outside[0]} of a matrix of {len(values)} classes; use class id - 1."
        )
    kept = np.delete(values, list(exclude))
    kept = kept[~np.isnan(kept)]
    return float(kept.mean()) if len(kept) else float("nan")


def recall(matrix: Matrix, positions: Collection[int]) -> float:
    """Share of the true pixels of some classes that are found as one of them; NaN when there are none.

    Parameters
    ----------
    matrix : (C, C), as from `confusion_matrix`
    positions : of the classes (class id - 1) taken together, e.g. the voids'
    """
    rows = matrix[list(positions)]
    true = int(rows.sum())
    return int(rows[:, list(positions)].sum()) / true if true else float("nan")


def defined(value: float | np.floating[Any]) -> float | None:
    """The value, None where it is NaN."""
    return None if np.isnan(value) else float(value)


def _check_ids(name: str, ids: npt.NDArray[Any], lowest: int, highest: int) -> None:
    if not np.issubdtype(ids.dtype, np.integer):
        raise LabelError(f"The {name} is {ids.dtype}; class ids are whole numbers, save them as uint8.")
    if ids.size and not (lowest <= ids.min() and ids.max() <= highest):
        raise LabelError(
            f"The {name} holds ids {int(ids.min())}..{int(ids.max())}; they must be {lowest}..{highest}."
        )
