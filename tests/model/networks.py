"""Networks for tests: a real small one, and one whose every pixel stands alone so that results can be checked by hand."""

from __future__ import annotations

import torch
from torch import nn

from voidscope.config import ModelConfig
from voidscope.model import Segmenter

SMALL = ModelConfig(encoder="tu-mobilenetv3_small_050")
"""The quickest encoder to build and run."""


def pixelwise_segmenter(n_classes: int = 3, width: int = 16, seed: int = 0) -> Segmenter:
    """A network without neighbourhoods: what it says about a pixel depends on that pixel only."""
    generator = torch.Generator().manual_seed(seed)
    decoder, head = nn.Conv2d(1, width, 1), nn.Conv2d(width, n_classes, 1)
    with torch.no_grad():
        for parameter in (*decoder.parameters(), *head.parameters()):
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return Segmenter(nn.Identity(), nn.Sequential(decoder, nn.ReLU()), nn.Sequential(head))
