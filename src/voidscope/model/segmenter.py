"""The segmentation network with an open seam: encoder, decoder, head (paper 3.1, 4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from voidscope.config import ModelConfig
from voidscope.errors import ConfigError, NotReady, is_out_of_memory
from voidscope.model.failures import one_line
from voidscope.model.fine import FineNetwork, void_together
from voidscope.model.imagenet import load_imagenet
from voidscope.model.randomness import torch_seeded
from voidscope.model.weights import load_backbone, load_weights

if TYPE_CHECKING:
    import segmentation_models_pytorch as smp

STRIDE = 32
"""How often the encoder halves an image, as a factor; images are padded to a multiple of it."""


class Segmenter(nn.Module):
    """A U-Net taken apart where the method needs it.

    The decoder's output is what a slice is compared by (f in Eq. 4) and what is contrasted (Eq. 1); only the head
    knows the classes. A `fine` network beside it, where there is one, has a say about void (`together`).
    """

    def __init__(
        self, encoder: nn.Module, decoder: nn.Module, head: nn.Sequential, fine: FineNetwork | None = None
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.head = head
        self.fine = fine

    @property
    def embedding_width(self) -> int:
        """Length D of the decoder's output per pixel; 16 in smp's U-Net, whatever the encoder."""
        return int(self.head[0].in_channels)  # type: ignore[arg-type]

    @property
    def n_classes(self) -> int:
        """Number of classes C."""
        return int(self.head[0].out_channels)  # type: ignore[arg-type]

    @property
    def classifiers(self) -> tuple[nn.Conv2d, ...]:
        """The last layers, whose biases are one for each class: the head's, and that of the fine network."""
        own: nn.Conv2d = self.head[0]  # type: ignore[assignment]
        return (own,) if self.fine is None else (own, self.fine.head)

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """The decoder's output (B, D, H, W) for images (B, 1, H, W); D is `embedding_width`, 16 for every encoder."""
        output: torch.Tensor = self.decoder(self.encoder(images))
        return output

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The U-Net's logits (B, C, H, W), float32, and features (B, D, H, W) of images (B, 1, H, W).

        The head, 1 % of the work, runs in float32: bfloat16 logits have steps that tie scores which are not equal.
        """
        features = self.features(images)
        with torch.autocast(images.device.type, enabled=False):
            logits: torch.Tensor = self.head(features.float())
        return logits, features

    def opinions(self, images: torch.Tensor) -> tuple[tuple[torch.Tensor, ...], torch.Tensor]:
        """Logits (B, C, H, W) of the U-Net and, where there is one, of the fine network; and the U-Net's features (B, D, H, W).

        Each learns from its own loss; what is predicted is `together`.
        """
        logits, features = self(images)
        return (logits,) if self.fine is None else (logits, self.fine(images)), features

    def together(self, opinions: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """Logits (B, C, H, W) by which a pixel's class is predicted, from all `opinions`; see `fine.void_together`."""
        if self.fine is None:
            return opinions[0]
        own, other = opinions
        return void_together(own, other, self.fine.void)


def build_segmenter(
    config: ModelConfig, n_classes: int, seed: int = 0, contrastive: bytes | None = None
) -> Segmenter:
    """A fresh network with the initial weights `config` asks for; the head is new, drawn from `seed`, in every case.

    Parameters
    ----------
    n_classes : number of classes C, background included
    contrastive : encoder and decoder from pretraining (`weights.backbone_bytes`); used by initialisation ``auto``
        when given and required by ``contrastive``.

    Raises
    ------
    ConfigError : the encoder is unknown.
    NotReady : contrastive weights are asked for and not given, or ImageNet's cannot be had.
    ProjectError : the contrastive weights are damaged or of another encoder.
    """
    wanted = config.initialisation
    if wanted == "contrastive" and contrastive is None:
        raise NotReady(
            f"model.initialisation={wanted} needs pretrained weights; run pretrain first, or set model.initialisation=none."
        )
    segmenter = _random_segmenter(config, n_classes, seed)
    if wanted == "imagenet":
        load_imagenet(segmenter.encoder, config)
    elif wanted != "none" and contrastive is not None:
        load_backbone(segmenter, contrastive)
    return segmenter


def load_segmenter(config: ModelConfig, n_classes: int, weights: bytes) -> Segmenter:
    """The trained network whose weights are `weights` (`weights.weights_bytes`), ready to predict.

    Raises
    ------
    ProjectError : the weights are damaged or of another network.
    """
    segmenter = _random_segmenter(config, n_classes, seed=0)
    load_weights(segmenter, weights)
    return segmenter.eval()


def _random_segmenter(config: ModelConfig, n_classes: int, seed: int) -> Segmenter:
    """smp's U-Net with its random initialisation; torch's global generator is left as it was.

    The fine network is drawn last, so that the U-Net is the same with and without it.
    """
    with torch_seeded(torch.device("cpu"), seed):
        unet = _unet(config.encoder, n_classes)
        fine = FineNetwork(n_classes) if config.fine else None
    return Segmenter(unet.encoder, unet.decoder, unet.segmentation_head, fine)


def _unet(encoder: str, n_classes: int) -> smp.Unet:
    import segmentation_models_pytorch as smp  # takes seconds, so only when a network is built

    try:
        return smp.Unet(encoder, encoder_weights=None, in_channels=1, classes=n_classes)
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        why = "no such encoder" if isinstance(error, KeyError) else one_line(error)
        raise ConfigError(
            f"model.encoder={encoder} gives no U-Net: {why}; resnet18 is the paper's."
        ) from error
