"""The detail network: a small plain U-Net that keeps full resolution, trained beside the segmentation network.

smp's U-Net joins nothing in at full resolution: what its decoder makes there comes from features at half of it, and an edge of one
pixel reaches the head blurred. A void of a few pixels is mostly edge. This one begins with convolutions at full resolution and
joins them in again at the end (Ronneberger et al. 2015), and has a say about void alone (docs/product-recipe.md).
"""

from __future__ import annotations

import math
from collections.abc import Collection
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

WIDTHS = (16, 32, 64)
"""Channels at full, half and quarter resolution."""


class DetailNetwork(nn.Module):
    """Two convolutions of 3 x 3 at each of three resolutions, down and up again; then `head`, which knows the classes.

    Attributes
    ----------
    void : (C,) bool, the void classes, about which it is asked (`name_void`)
    """

    void: torch.Tensor

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.down = nn.ModuleList(_pair(into, out) for into, out in pairwise((1, *WIDTHS)))
        self.up = nn.ModuleList(_pair(here + below, here) for here, below in pairwise(WIDTHS))
        self.head = nn.Conv2d(WIDTHS[0], n_classes, 1)
        self.register_buffer("void", torch.zeros(n_classes, dtype=torch.bool))

    def name_void(self, ids: Collection[int]) -> None:
        """Say which classes, ids 1..C, are void; where none is, what the network says is not used."""
        self.void.copy_(torch.tensor([k + 1 in ids for k in range(len(self.void))]))

    @property
    def has_say(self) -> bool:
        """Whether there are both void classes and others, so that it is asked."""
        return bool(self.void.any()) and not bool(self.void.all())

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """What its head sees, (B, 16, H, W), of images (B, 1, H, W) whose sides are multiples of four."""
        seen: list[torch.Tensor] = []
        for convolve in self.down:
            seen.append(convolve(functional.max_pool2d(seen[-1], 2) if seen else images))
        found = seen.pop()
        for convolve, here in zip(reversed(self.up), reversed(seen), strict=True):
            found = convolve(torch.cat([here, functional.interpolate(found, scale_factor=2.0)], 1))
        return found

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (B, C, H, W), float32, of images (B, 1, H, W) whose sides are multiples of four."""
        features = self.features(images)
        with torch.autocast(images.device.type, enabled=False):
            logits: torch.Tensor = self.head(features.float())
        return logits


def void_together(unet: torch.Tensor, detail: torch.Tensor, void: torch.Tensor) -> torch.Tensor:
    """Logarithms (B, C, H, W) of the probabilities that follow when both networks decide about void, from logits (B, C, H, W).

    With p of the U-Net, q of the detail network and V the void classes, `void` (C,): P(c) = (p(c) + q(c)) / 2 for c in V, and
    P(c) = p(c) (1 - P(V)) / (1 - p(V)) for the others: what a pixel is that is no void, the U-Net alone says. What is left
    of one is summed, not subtracted, so that it keeps its digits where a network is sure. Some class is void, and some is not.
    """
    p, q = unet.log_softmax(1), detail.log_softmax(1)
    half = math.log(2)
    left = torch.logaddexp(*(one[:, ~void].logsumexp(1, keepdim=True) for one in (p, q))) - half
    others = unet - unet[:, ~void].logsumexp(1, keepdim=True) + left
    return torch.where(void[:, None, None], torch.logaddexp(p, q) - half, others)


def _pair(into: int, out: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (into, out):
        layers += [nn.Conv2d(channels, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU()]
    return nn.Sequential(*layers)
