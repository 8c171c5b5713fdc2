"""The fine network: a small plain U-Net that never leaves full resolution, trained beside the segmentation network.

smp's U-Net first looks at an image at half its resolution, so that an edge of one pixel reaches the head only blurred; a void of
a few pixels is mostly edge. This one begins with convolutions at full resolution and joins them in again at the end
(Ronneberger et al. 2015). Alone it is worse at everything large; the mean of both probabilities is better than either
(docs/product-recipe.md).
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

WIDTHS = (16, 32, 64)
"""Channels at full, half and quarter resolution."""


class FineNetwork(nn.Module):
    """Two convolutions of 3 x 3 at each of three resolutions, down and up again; then `head`, which knows the classes."""

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.down = nn.ModuleList(_pair(into, out) for into, out in pairwise((1, *WIDTHS)))
        self.up = nn.ModuleList(_pair(here + below, here) for here, below in pairwise(WIDTHS))
        self.head = nn.Conv2d(WIDTHS[0], n_classes, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (B, C, H, W), float32, of images (B, 1, H, W) whose sides are multiples of four."""
        seen: list[torch.Tensor] = []
        for convolve in self.down:
            seen.append(convolve(functional.max_pool2d(seen[-1], 2) if seen else images))
        found = seen.pop()
        for convolve, here in zip(reversed(self.up), reversed(seen), strict=True):
            found = convolve(torch.cat([here, functional.interpolate(found, scale_factor=2.0)], 1))
        with torch.autocast(images.device.type, enabled=False):
            logits: torch.Tensor = self.head(found.float())
        return logits


def _pair(into: int, out: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (into, out):
        layers += [nn.Conv2d(channels, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU()]
    return nn.Sequential(*layers)
