"""The two networks that VAAL plays against each other, and what each of them pays for (METHODS 3.5)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

Latent = tuple[torch.Tensor, torch.Tensor]
"""Mean and logarithm of the variance of a code, (B, Z) each."""

SIDE = 64
"""Height and width of what is coded, in pixels; the deepest maps of encoder and decoder are a 16th and an 8th of it."""


class Autoencoder(nn.Module):
    """Four strided convolutions to a code, and back; batch norm and ReLU after each but the last."""

    def __init__(self, width: int, latent: int) -> None:
        super().__init__()
        widths = [width * 2**k for k in range(4)]
        self._deepest = (widths[-1], SIDE // 8, SIDE // 8)
        self.encoder = nn.Sequential(
            *_blocks(nn.Conv2d, [1, *widths]),
            nn.Flatten(),
        )
        coded = widths[-1] * (SIDE // 16) ** 2
        self.mean, self.log_variance = nn.Linear(coded, latent), nn.Linear(coded, latent)
        self.unfold = nn.Linear(latent, math.prod(self._deepest))
        self.decoder = nn.Sequential(
            *_blocks(nn.ConvTranspose2d, widths[::-1]), nn.ConvTranspose2d(width, 1, kernel_size=1)
        )
        _start_normal([*self.encoder, self.unfold])

    def encode(self, images: torch.Tensor) -> Latent:
        """Codes of images (B, 1, 64, 64)."""
        coded = self.encoder(images).float()
        with torch.autocast(images.device.type, enabled=False):
            return self.mean(coded), self.log_variance(coded)

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        """Images (B, 1, 64, 64) of codes (B, Z)."""
        images: torch.Tensor = self.decoder(self.unfold(codes).unflatten(1, self._deepest))
        return images


class Discriminator(nn.Sequential):
    """How labelled a code looks, (B,), before the sigmoid; three layers."""

    def __init__(self, latent: int, width: int) -> None:
        super().__init__(
            nn.Linear(latent, width), nn.ReLU(inplace=True), nn.Linear(width, width), nn.ReLU(inplace=True),
            nn.Linear(width, 1), nn.Flatten(0),
        )  # fmt: skip
        _start_normal(list(self))


def vae_loss(images: torch.Tensor, again: torch.Tensor, code: Latent, beta: float) -> torch.Tensor:
    """Reconstruction and code of a batch: mean over pixels of (x - x')^2, plus beta times KL(code || N(0, 1)) summed.

    The sum over batch and code beside a mean over pixels is the authors': with their beta = 1 it dominates, and codes say
    little about their slices. beta = 1 / (B Z) makes it a mean.
    """
    mean, log_variance = code
    divergence = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum()
    return functional.mse_loss(again.float(), images) + beta * divergence


def told_apart(labelled: torch.Tensor, rest: torch.Tensor, *, rest_is: float) -> torch.Tensor:
    """Cross-entropy of judgements (B,) before the sigmoid: labelled codes are 1, the others `rest_is`.

    The discriminator learns with 0, the autoencoder with 1: its aim is that all look labelled.
    """
    terms = [
        functional.binary_cross_entropy_with_logits(judged, torch.full_like(judged, target))
        for judged, target in ((labelled, 1.0), (rest, rest_is))
    ]
    return terms[0] + terms[1]


def _blocks(layer: type[nn.Conv2d] | type[nn.ConvTranspose2d], widths: Sequence[int]) -> Iterator[nn.Module]:
    """4 x 4 convolutions that halve or double the image, each with batch norm and ReLU."""
    for before, after in pairwise(widths):
        yield layer(before, after, kernel_size=4, stride=2, padding=1, bias=False)
        yield nn.BatchNorm2d(after)
        yield nn.ReLU(inplace=True)


def _start_normal(layers: Sequence[nn.Module]) -> None:
    """Kaiming's normal initialisation of linear layers and convolutions; the others keep torch's, as in the authors' code."""
    for layer in layers:
        if isinstance(layer, nn.Linear | nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
