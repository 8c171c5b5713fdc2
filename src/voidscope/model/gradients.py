"""The gradient of the head's kernel that BADGE compares slices by, in closed form from the forward pass."""

from __future__ import annotations

import torch
from torch.nn import functional


def kernel_gradients(
    logits: torch.Tensor, features: torch.Tensor, size: int, shape: tuple[int, int]
) -> torch.Tensor:
    """Gradient, (B, C * D * k * k), of each slice's cross-entropy by the head's kernel (C, D, k, k), for its own mask.

    The loss is the mean over the top left (h, w) = `shape` pixels of the cross-entropy of the likeliest class, unweighted,
    so its gradient is the mean of (p - onehot) (x) the k x k features around the pixel. Features of the padding count
    where the kernel reaches into them, as they do in the network.

    Parameters
    ----------
    logits, features : (B, C, H, W) and (B, D, H, W), what the head made of what, padding included
    size : k, odd; the kernel sees as far to each side
    """
    height, width = shape
    valid = logits[:, :, :height, :width].float()
    p = valid.softmax(1)
    onehot = functional.one_hot(valid.argmax(1), p.shape[1]).movedim(3, 1)
    slopes = (p - onehot).flatten(2) / (height * width)
    padded = functional.pad(features.float(), [size // 2] * 4)
    # One shift of the kernel at a time: all at once they would take k * k times the memory of the features.
    seen = (padded[:, :, y : y + height, x : x + width].flatten(2) for y in range(size) for x in range(size))
    return torch.stack([slopes @ shifted.mT for shifted in seen], dim=3).flatten(1)
