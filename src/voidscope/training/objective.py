"""What a training minimises: weighted cross-entropy (paper 4.1), and the soft Dice loss for classes of few pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from voidscope.errors import LabelError, NotReady
from voidscope.vocabulary import UNLABELLED, Mask

DICE_SMOOTHING = 1.0
"""Pixels added above and below the fraction, so that a class of one pixel does not swing the loss."""


def pixels_per_class(
    labels: Sequence[Mask], n_classes: int, times: Sequence[int] | None = None
) -> npt.NDArray[np.int64]:
    """Labelled pixels of each class, (C,), those of a slice as often as `times` says.

    Raises
    ------
    LabelError : a label is no class id 1..C.
    NotReady : no pixel is labelled.
    """
    counts = np.zeros(256, np.int64)
    for mask, often in zip(labels, [1] * len(labels) if times is None else times, strict=True):
        counts += often * np.bincount(mask.ravel(), minlength=256)
    unknown = [k for k in range(n_classes + 1, 256) if counts[k]]
    if unknown:
        raise LabelError(f"Label ids {unknown[:8]} are unknown; classes are 1..{n_classes}, 0 is unlabelled.")
    if not counts[1 : n_classes + 1].any():
        raise NotReady(
            f"None of the {len(labels)} label masks has a labelled pixel; label some before training."
        )
    return counts[1 : n_classes + 1]


def class_weights(pixels: npt.NDArray[np.int64], *, balance: bool = True) -> npt.NDArray[np.float64]:
    """Weight of each class in the loss, (C,): w_c = N / (C N_c), 0 where N_c is 0 (paper 4.1; METHODS D12).

    `pixels` (C,) holds the labelled pixels N_c of each class, N is their sum. Without `balance` every class that occurs
    weighs 1.
    """
    share = pixels / pixels.sum() * len(pixels) if balance else (pixels > 0).astype(np.float64)
    weights: npt.NDArray[np.float64] = np.divide(1.0, share, out=np.zeros(len(pixels)), where=share > 0)
    return weights


def weighted_loss(logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Sum over labelled pixels of w_y times cross-entropy; labels (B, h, w) hold 1..C, or 0 where unlabelled.

    Divided by the sum of w_y over the batch it is the paper's weighted cross-entropy. Pixel terms are summed last, which
    CUDA does in the same order each time.
    """
    ignored = UNLABELLED - 1
    terms = functional.cross_entropy(
        logits, labels - 1, weight=weights, ignore_index=ignored, reduction="none"
    )
    return terms.sum()


def dice_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Soft Dice loss, a scalar in [0, 1]: the mean over the classes among the labels of 1 - (2 I_c + 1) / (S_c + 1).

    I_c sums the probability of class c over its labelled pixels, S_c the probability of c over all labelled pixels plus
    the pixels of c; both over the whole batch (Milletari et al. 2016, without their squares). Logits (B, C, h, w); labels
    (B, h, w) hold 1..C, or 0 where unlabelled, which counts nowhere.
    """
    known = (labels != UNLABELLED)[:, None]
    probabilities = logits.softmax(1) * known
    truth = functional.one_hot(labels, logits.shape[1] + 1)[..., 1:].movedim(-1, 1).to(probabilities.dtype)
    shared = (probabilities * truth).sum((0, 2, 3))
    sizes, total = truth.sum((0, 2, 3)), probabilities.sum((0, 2, 3))
    terms = 1 - (2 * shared + DICE_SMOOTHING) / (sizes + total + DICE_SMOOTHING)
    present = sizes > 0
    return (terms * present).sum() / present.sum().clamp_min(1)
